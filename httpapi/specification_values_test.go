package httpapi_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
)

// specValues makes values by the schemas of an OpenAPI document. The same source
// makes the same values, while what is known came in the same order.
type specValues struct {
	d     *document
	r     *rand.Rand
	known map[string][]string // what answers had, by the name of the member
	mail  [2]string           // user and token of a mail, for the present request
}

// mostNamed is how many values of a name are remembered.
const mostNamed = 12

func (s *specValues) learn(name, value string) {
	if value == "" || len(value) > 300 || slices.Contains(s.known[name], value) {
		return
	}
	s.known[name] = append(s.known[name], value)
	if len(s.known[name]) > mostNamed {
		s.known[name] = slices.Delete(s.known[name], 1, 2) // the first is of somebody who stays
	}
}

// harvest learns all texts and numbers of an answer.
func (s *specValues) harvest(name string, v any) {
	switch v := v.(type) {
	case map[string]any:
		for _, k := range slices.Sorted(maps.Keys(v)) {
			s.harvest(k, v[k])
		}
	case []any:
		for _, element := range v[:min(len(v), 3)] {
			s.harvest(name, element)
		}
	case string:
		s.learn(name, v)
	case json.Number:
		s.learn(name, v.String())
	}
}

func (s *specValues) chance(of int) bool { return s.r.IntN(of) == 0 }

func among[T any](r *rand.Rand, list []T) T { return list[r.IntN(len(list))] }

// akin are names under which answers have what another name stands for.
var akin = map[string][]string{
	"user": {"uuid", "uuid", "id"}, "installation": {"installation_id"}, "team_id": {"team"}, "set_current_team": {"team"}, "dashboard": {"team"}, "set_current_organization": {"organization_id", "id"}, "scoped_organizations": {"organization_id"}, "scoped_teams": {"team"}, "repo": {"full_name"},
	"current_password": {"password"}, "If-Match": {"Etag"}, "search": {"name"},
}

// named returns something that is known for a name.
func (s *specValues) named(name string) (string, bool) {
	if i := slices.Index([]string{"uuid", "token"}, name); i >= 0 && s.mail[i] != "" && !s.chance(5) {
		return s.mail[i], true
	}
	list := s.known[name]
	for _, other := range akin[name] {
		list = append(slices.Clip(list), s.known[other]...)
	}
	if len(list) == 0 {
		return "", false
	}
	if s.chance(2) {
		return list[len(list)-1], true // what comes next is mostly about the newest
	}
	return among(s.r, list), true
}

// resolve replaces references by what they refer to, with what stands beside them.
func (s *specValues) resolve(schema map[string]any) map[string]any {
	for {
		ref, ok := schema["$ref"].(string)
		if !ok {
			return schema
		}
		target, _ := s.d.at(s.d.root, strings.Split(strings.TrimPrefix(ref, "#/"), "/")...)
		merged := maps.Clone(target.members)
		for k, v := range schema {
			if k != "$ref" {
				merged[k] = v
			}
		}
		schema = merged
	}
}

// value makes what a schema allows, at its borders too. name is that of the member.
func (s *specValues) value(schema map[string]any, name string, depth int) any {
	schema = s.resolve(schema)
	for _, keyword := range []string{"anyOf", "oneOf"} {
		if list, ok := schema[keyword].([]any); ok {
			schema = s.resolve(among(s.r, list).(map[string]any))
		}
	}
	if list, ok := schema["examples"].([]any); ok && s.chance(2) {
		return among(s.r, list)
	}
	if list, ok := schema["enum"].([]any); ok {
		return among(s.r, list)
	}
	if v, ok := schema["const"]; ok {
		return v
	}
	if parts, ok := schema["allOf"].([]any); ok {
		return s.whole(parts, name, depth)
	}
	if v, ok := s.named(name); ok && !s.chance(4) {
		switch types := typesOf(schema); {
		case slices.Contains(types, "string"):
			return v
		case slices.Contains(types, "integer") && jsonInteger.MatchString(v):
			return json.Number(v)
		}
	}
	switch kind := among(s.r, typesOf(schema)); kind {
	case "object":
		return s.object(schema, depth)
	case "array":
		return s.array(schema, name, depth)
	case "string":
		return s.text(schema)
	case "integer", "number":
		return s.number(schema, kind)
	case "boolean":
		return s.chance(2)
	case "null":
		return nil
	}
	return s.anything(depth)
}

var jsonInteger = regexp.MustCompile(`^[1-9][0-9]{0,17}$`)

// typesOf are the types that a schema allows, "" for any.
func typesOf(schema map[string]any) []string {
	var types []string
	switch t := schema["type"].(type) {
	case string:
		types = append(types, t)
	case []any:
		for _, one := range t {
			types = append(types, one.(string))
		}
	}
	if _, ok := schema["properties"]; ok && types == nil {
		types = append(types, "object")
	}
	if types == nil {
		types = append(types, "")
	}
	return types
}

// whole joins the objects of an allOf.
func (s *specValues) whole(parts []any, name string, depth int) any {
	members, properties := map[string]any{}, map[string]any{}
	var required []any
	for _, p := range parts {
		part := s.resolve(p.(map[string]any))
		if own, ok := part["properties"].(map[string]any); ok {
			maps.Copy(properties, own)
		}
		if own, ok := part["required"].([]any); ok {
			required = append(required, own...)
		}
		maps.Copy(members, part)
	}
	members["properties"], members["required"] = properties, required
	return s.value(members, name, depth)
}

func (s *specValues) object(schema map[string]any, depth int) any {
	properties, _ := schema["properties"].(map[string]any)
	required, _ := schema["required"].([]any)
	made, often := map[string]any{}, among(s.r, []int{1, 2, 8}) // of 20
	if len(properties) <= 3 {
		often = 15
	}
	for _, name := range slices.Sorted(maps.Keys(properties)) {
		likely := name == "current_password" && slices.Contains(required, any("password")) // the description asks for both
		if slices.Contains(required, any(name)) || s.r.IntN(20) < often || likely && !s.chance(4) {
			made[name] = s.value(properties[name].(map[string]any), name, depth+1)
		}
	}
	if more, ok := schema["additionalProperties"].(map[string]any); ok && depth < 4 {
		for range s.r.IntN(3) {
			key := fmt.Sprint(s.r.IntN(20))
			if names, ok := schema["propertyNames"].(map[string]any); ok {
				key, _ = s.value(names, "", depth+1).(string)
			}
			made[key] = s.value(more, "", depth+1)
		}
	}
	return made
}

func (s *specValues) array(schema map[string]any, name string, depth int) any {
	bound := func(keyword string, fallback int) int {
		if n, ok := schema[keyword].(json.Number); ok {
			if v, err := n.Int64(); err == nil {
				return int(v)
			}
		}
		return fallback
	}
	least, most := bound("minItems", 0), bound("maxItems", 3)
	n := among(s.r, []int{least, least + s.r.IntN(3), min(most, least+3)})
	if s.chance(50) {
		n = most
	}
	made := []any{}
	items, _ := schema["items"].(map[string]any)
	for range n {
		made = append(made, s.value(items, name, depth+1))
	}
	return made
}

// specTexts are what text may be as far as most schemas say.
var specTexts = []string{"x", "", "Ann", " Ann ", "é", "e\u0301", "\U0001f600", "\u202e", "a\x00b", "null", "true", "0", "1", "-1", "1.5", "9223372036854775808", "@me", "@current", "main", "acme/web", "github",
	"testpassword12345", "correct horse battery staple", "new@example.com", "alice1@example.com", "<b>", "https://evil.example", "0190c0de-0000-7000-8000-000000000000", "2027-01-01T00:00:00Z",
	"2027-01-01T00:00:00.123456Z", "/next", "//evil.example", "user:read", "*", "insight:write", "later", "P2", "12345", "67890"}

// text makes text of the lengths, the format and the pattern that a schema asks
// for, if it knows any.
func (s *specValues) text(schema map[string]any) string {
	if n, ok := schema["maxLength"].(json.Number); ok && s.chance(3) {
		if v, err := n.Int64(); err == nil && v <= 70_000 {
			return strings.Repeat(among(s.r, []string{"a", "é", "\U0001f600"}), int(v))
		}
	}
	pattern, _ := schema["pattern"].(string)
	format, _ := schema["format"].(string)
	var fit []string
	for _, t := range specTexts {
		ok, err := regexp.MatchString(pattern, t)
		switch format {
		case "uuid":
			ok = ok && len(t) == 36
		case "email":
			ok = ok && strings.Contains(t, "@e")
		case "date-time":
			ok = ok && strings.HasPrefix(t, "2027")
		}
		if n, limited := schema["minLength"].(json.Number); limited && n.String() != "0" && t == "" {
			ok = false
		}
		if err == nil && ok {
			fit = append(fit, t)
		}
	}
	if len(fit) == 0 {
		return among(s.r, specTexts)
	}
	return among(s.r, fit)
}

func (s *specValues) number(schema map[string]any, kind string) json.Number {
	var fit []json.Number
	for _, keyword := range []string{"minimum", "maximum"} {
		if n, ok := schema[keyword].(json.Number); ok {
			fit = append(fit, n)
		}
	}
	fit = append(fit, "1", "2")
	if kind == "number" {
		fit = append(fit, "0.5", "1e-7", "1E0")
	}
	if len(fit) == 2 {
		fit = append(fit, "0", "-1", "9223372036854775807", "9223372036854775808")
	}
	return among(s.r, fit)
}

// anything makes any JSON.
func (s *specValues) anything(depth int) any {
	switch n := s.r.IntN(8); {
	case n == 0 && depth < 4:
		return []any{s.anything(depth + 1), s.anything(depth + 1)}
	case n < 3 && depth < 4:
		return map[string]any{among(s.r, specTexts): s.anything(depth + 1), "k": s.anything(depth + 1)}
	case n < 5:
		return among(s.r, specTexts)
	case n == 5:
		return s.chance(2)
	case n == 6:
		return nil
	}
	return among(s.r, []json.Number{"0", "1", "-0", "1.50", "1e400", "12345678901234567890"})
}

// broken damages a value that a schema allows, so that most schemas do not.
func (s *specValues) broken(v any) any {
	m, ok := v.(map[string]any)
	if !ok || len(m) == 0 || s.chance(6) {
		return s.anything(0)
	}
	name := among(s.r, slices.Sorted(maps.Keys(m)))
	switch s.r.IntN(4) {
	case 0:
		delete(m, name)
	case 1:
		m[name] = s.broken(m[name])
	case 2:
		if text, ok := m[name].(string); ok {
			m[name] = text + strings.Repeat("a", among(s.r, []int{1, 64, 129, 255, 70_000}))
			break
		}
		m[name] = []any{m[name]}
	default:
		m[name] = s.anything(0)
	}
	return m
}
