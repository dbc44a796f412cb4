package httpapi_test

import (
	"bytes"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/hedgerow-dev/hedgerow/httpapi"
)

// compare lists the differences between a table of routes, with who may call
// them, and the operations of the document.
func (d *document) compare(callers map[[2]string]string) []string {
	var differences []string
	operations := d.operations()
	for key, want := range callers {
		op, ok := operations[key]
		if !ok {
			differences = append(differences, fmt.Sprintf("%s %s is a route without an entry", key[0], key[1]))
			continue
		}
		if got := d.callers(op); got != want {
			differences = append(differences, fmt.Sprintf("%s %s is for %q by the document, for %q by the route table", key[0], key[1], got, want))
		}
	}
	for key := range operations {
		if _, ok := callers[key]; !ok {
			differences = append(differences, fmt.Sprintf("%s %s is an entry without a route", key[0], key[1]))
		}
	}
	slices.Sort(differences)
	return differences
}

// callers says who may call an operation, in the words of httpapi.Callers.
func (d *document) callers(op node) string {
	var who []string
	for _, requirement := range d.list(op, "security") {
		for _, scheme := range slices.Sorted(maps.Keys(requirement.members)) {
			scopes, _ := requirement.members[scheme].([]any)
			if scheme == "bearer" {
				scheme += " " + strings.Trim(fmt.Sprint(scopes), "[]")
			}
			who = append(who, scheme)
		}
	}
	if _, declared := op.members["security"]; declared && len(who) == 0 {
		return "anyone"
	}
	return strings.Join(who, " or ")
}

func TestOpenAPIRoutes(t *testing.T) {
	callers := httpapi.Callers(newFuzzEnv(t).api)
	if got := ourDocument(t).compare(callers); len(got) > 0 {
		t.Errorf("route table and document differ:\n%s", strings.Join(got, "\n"))
	}
	for name, tc := range map[string]struct{ old, new, want string }{
		"route without entry": {"\n  /api/logout:\n", "\n  /api/sign_out:\n", "POST /api/logout is a route without an entry"},
		"entry without route": {"\n  /api/logout:\n", "\n  /api/sign_out:\n", "POST /api/sign_out is an entry without a route"},
		"method without entry": {"\n    delete:\n      operationId: deleteUser\n", "\n    trace:\n      operationId: deleteUser\n",
			"DELETE /api/users/{user} is a route without an entry"},
		"other scope": {`bearer: ["user:read"]`, `bearer: ["user:write"]`,
			`GET /api/users is for "session or bearer user:write" by the document, for "session or bearer user:read" by the route table`},
		"mark missing":      {"    x-exact-methods: true\n", "", "* /api/users/{user}/signal_autonomy is a route without an entry"},
		"open to everybody": {"security: [{session: []}]", "security: []", `is for "anyone" by the document, for "session" by the route table`},
	} {
		if got := doctored(t, tc.old, tc.new).compare(callers); !strings.Contains(strings.Join(got, "\n"), tc.want) {
			t.Errorf("%s: got %q, want %q", name, got, tc.want)
		}
	}
}

// doctored is our document with one passage replaced.
func doctored(t *testing.T, old, replacement string) *document {
	t.Helper()
	source := httpapi.OpenAPI()
	if !bytes.Contains(source, []byte(old)) {
		t.Fatalf("the document lacks %q", old)
	}
	// Examples follow the document as it was.
	d, err := readDocument(bytes.Replace(source, []byte(old), []byte(replacement), 1), openapi3.DisableExamplesValidation())
	if err != nil {
		t.Fatalf("doctored document: %v", err)
	}
	return d
}

func TestOpenAPIDocumentIsChecked(t *testing.T) {
	for name, source := range map[string]string{
		"no YAML":             "openapi: [",
		"dangling reference":  strings.Replace(string(httpapi.OpenAPI()), "schemas/UserPage", "schemas/Nothing", 1),
		"undeclared security": strings.Replace(string(httpapi.OpenAPI()), "security: [{session: []}]", "security: [{cookie: []}]", 1),
		"wrong answer shown":  strings.Replace(string(httpapi.OpenAPI()), `example: {github_login: "octocat"}`, `example: {github_login: 1}`, 1),
		"wrong request shown": strings.Replace(string(httpapi.OpenAPI()), `example: {autostart_priority: "P2"}`, `example: {autostart_priority: "P9"}`, 1),
		"wrong code shown":    strings.Replace(string(httpapi.OpenAPI()), `{value: {type: "validation_error", code: "2fa_expired"`, `{value: {type: "validation_error", code: "made_up"`, 1),
		"unknown kind":        strings.Replace(string(httpapi.OpenAPI()), "type: boolean", "type: bool", 1),
	} {
		if _, err := readDocument([]byte(source)); err == nil {
			t.Errorf("%s: the document was accepted", name)
		}
	}
}

// TestOpenAPIIsACopy guards the document against its readers.
func TestOpenAPIIsACopy(t *testing.T) {
	clear(httpapi.OpenAPI())
	if !strings.HasPrefix(string(httpapi.OpenAPI()), "openapi: 3.1") {
		t.Error("a caller changed the document")
	}
}

// exchangeWith sends a request and returns what the check looks at.
func (e *fuzzEnv) exchangeWith(t *testing.T, method, path, body string, options ...option) exchange {
	t.Helper()
	r := httptest.NewRequest(method, "http://internal.example"+path, strings.NewReader(body))
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	return exchanged(r, []byte(body), e.send(t, r, options...))
}

// TestOpenAPICheckAnswers plants mistakes in real answers, each of which must be
// found.
func TestOpenAPICheckAnswers(t *testing.T) {
	e := newFuzzEnv(t)
	user := e.exchangeWith(t, "GET", "/api/users/@me", "", e.cookie)
	head := e.exchangeWith(t, "HEAD", "/api/users/@me", "", e.cookie)
	refused := e.exchangeWith(t, "PATCH", "/api/users/@me", `{"theme_mode":"blue"}`, e.cookie)
	forbidden := e.exchangeWith(t, "GET", "/api/personal_api_keys", "", e.key)
	reviewed := e.exchangeWith(t, "POST", "/api/users/@me/credentials_review_complete", "", e.cookie)
	unmapped := e.exchangeWith(t, "DELETE", "/api/users", "", e.cookie)
	unset := e.exchangeWith(t, "GET", "/api/users/@me/signal_autonomy", "", e.cookie)
	exact := e.exchangeWith(t, "HEAD", "/api/users/@me/signal_autonomy", "", e.cookie)
	unknown := e.exchangeWith(t, "GET", "/api/nothing", "")

	body := func(old, replacement string) func(*exchange) {
		return func(x *exchange) { x.body = bytes.Replace(x.body, []byte(old), []byte(replacement), 1) }
	}
	set := func(name, value string) func(*exchange) {
		return func(x *exchange) { x.header[http.CanonicalHeaderKey(name)] = []string{value} }
	}
	status := func(n int) func(*exchange) { return func(x *exchange) { x.status = n } }
	for name, tc := range map[string]struct {
		x     exchange
		plant func(*exchange)
		want  string // in the complaint
	}{
		"undeclared member":          {user, body(`{`, `{"extra":1,`), `at "/extra": undeclared`},
		"undeclared nested member":   {user, body(`"notification_settings":{`, `"notification_settings":{"extra":true,`), `at "/notification_settings/extra": undeclared`},
		"missing member":             {user, body(`"has_password":false,`, ``), "has_password"},
		"wrong type":                 {user, body(`"id":1,`, `"id":"1",`), `at "/id"`},
		"null":                       {user, body(`"is_staff":true`, `"is_staff":null`), `at "/is_staff"`},
		"value out of the list":      {user, body(`"theme_mode":null`, `"theme_mode":"blue"`), `at "/theme_mode"`},
		"malformed UUID":             {user, body(`"uuid":"0`, `"uuid":"x`), `at "/uuid"`},
		"malformed address":          {user, body(`"alice@example.com"`, `"alice"`), `at "/email"`},
		"time without Z":             {user, body(`0000Z"`, `0000+00:00"`), `at "/date_joined"`},
		"no JSON":                    {user, body(`{`, `[`), "body"},
		"undeclared status":          {user, status(418), "the status is undeclared"},
		"undeclared type of body":    {user, set("Content-Type", "text/plain"), "text/plain"},
		"missing header":             {user, func(x *exchange) { x.header.Del("ETag") }, "header ETag is missing"},
		"malformed header":           {user, set("ETag", "7"), "header ETag"},
		"undeclared header":          {user, set("X-Total", "7"), "header X-Total is undeclared"},
		"HEAD with a body":           {head, func(x *exchange) { x.body = user.body }, "there is a body"},
		"undeclared code":            {forbidden, body(`"permission_denied"`, `"made_up"`), `at "/code"`},
		"undeclared type of error":   {forbidden, body(`"authentication_error"`, `"server_error"`), `at "/type"`},
		"undeclared member named":    {refused, body(`"theme_mode"`, `"made_up"`), `at "/attr"`},
		"code of another status":     {refused, body(`"invalid_choice"`, `"not_found"`), `at "/code"`},
		"error with a fifth member":  {refused, body(`{`, `{"extra":1,`), `at "/extra": undeclared`},
		"body where none is":         {reviewed, func(x *exchange) { x.body = []byte("{}") }, "none is declared"},
		"method that is unmapped":    {unmapped, status(204), "the method is undeclared"},
		"wrong Allow":                {unmapped, set("Allow", "GET, DELETE"), "header Allow"},
		"optional body of no type":   {unset, func(x *exchange) { x.body = []byte("{}") }, "none is declared"},
		"HEAD beside exact methods":  {exact, status(404), "header Allow is undeclared"},
		"Allow beside exact methods": {exact, set("Allow", "DELETE, GET, HEAD, POST"), "header Allow"},
		"path that is unknown":       {unknown, status(200), "the path is unknown"},
	} {
		d := ourDocument(t)
		if err := d.check("", tc.x); err != nil {
			t.Errorf("%s: before anything was planted: %v", name, err)
		}
		tc.x.header = tc.x.header.Clone()
		tc.plant(&tc.x)
		if err := d.check("", tc.x); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: got %v, want %s", name, err, tc.want)
		}
	}
}

// TestOpenAPICheckRequests makes the document narrower than the server, which
// must be found by what the server accepts.
func TestOpenAPICheckRequests(t *testing.T) {
	e := newFuzzEnv(t)
	patch := e.exchangeWith(t, "PATCH", "/api/users/@me", `{"theme_mode":"system","anonymize_data":"Yes"}`, e.cookie)
	empty := e.exchangeWith(t, "PATCH", "/api/users/@me", "", e.cookie)
	list := e.exchangeWith(t, "GET", "/api/users?limit=none", "", e.cookie)
	match := e.exchangeWith(t, "PATCH", "/api/users/@me", "{}", e.cookie, header("If-Match", "*"))
	for name, tc := range map[string]struct {
		x              exchange
		old, new, want string
	}{
		"member": {patch, `theme_mode: {type: [string, "null"], enum: [light, dark, system, "", null]}
        hedgehog_config: {$ref: "#/components/schemas/HedgehogConfig"}
        allow_sidebar_suggestions: {$ref`, `theme_mode: {type: [string, "null"], enum: [light, dark, null]}
        hedgehog_config: {$ref: "#/components/schemas/HedgehogConfig"}
        allow_sidebar_suggestions: {$ref`, `at "/theme_mode"`},
		"reusable schema": {patch, `type: [boolean, string, integer, "null"]`, `type: [boolean, "null"]`, `at "/anonymize_data"`},
		"body": {empty, "requestBody:\n        content:\n          application/json:\n            example: {first_name:",
			"requestBody:\n        required: true\n        content:\n          application/json:\n            example: {first_name:", "the body is missing"},
		"type of body": {patch, "application/json:\n            example: {first_name:", "text/json:\n            example: {first_name:", "content type"},
		"query":        {list, "type: [integer, string]\n      description: A positive", "type: [integer]\n      description: A positive", "query parameter limit"},
		"path":         {patch, `"^[^/.]+$", examples: ["@me"]`, `"^[0-9]+$", examples: ["1"]`, "the path is unknown"},
		"header":       {match, "present `ETag`.\n      schema: {type: string}", "present `ETag`.\n      schema: {type: string, minLength: 2}", "header parameter If-Match"},
	} {
		if err := ourDocument(t).check("", tc.x); err != nil {
			t.Errorf("%s: by the real document: %v", name, err)
		}
		if err := doctored(t, tc.old, tc.new).check("", tc.x); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: got %v, want %s", name, err, tc.want)
		}
	}
}
