package httpapi_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// incomplete lists what is wrong with the examples of the document: each body in
// JSON, sent or answered, has one, each code of an error has its own, and all
// follow their schemas.
func (d *document) incomplete() (faults []string) {
	for key, op := range d.operations() {
		if key[0] == "*" {
			continue
		}
		if body, ok := d.at(op, "requestBody"); ok {
			faults = append(faults, d.examplesOf(key[0]+" "+key[1]+", sent", body, d.requests)...)
		}
		responses, _ := d.at(op, "responses")
		for status := range responses.members {
			response, _ := d.at(responses, status)
			faults = append(faults, d.examplesOf(key[0]+" "+key[1]+", "+status, response, d.answers)...)
		}
	}
	for _, name := range []string{"MethodNotAllowed", "Metadata"} {
		response, _ := d.at(d.root, "components", "responses", name)
		faults = append(faults, d.examplesOf(name, response, d.answers)...)
	}
	slices.Sort(faults)
	return slices.Compact(faults)
}

// examplesOf judges the examples of a request or an answer.
func (d *document) examplesOf(what string, of node, by *schemas) (faults []string) {
	media, ok := d.at(of, "content", "application/json")
	if !ok {
		return nil
	}
	values := examples(media)
	if len(values) == 0 {
		return []string{what + " has no example"}
	}
	schema, _ := d.at(media, "schema")
	for name, v := range values {
		if err := by.check(schema.pointer, v); err != nil {
			faults = append(faults, fmt.Sprintf("%s, example %s: %v", what, name, err))
		}
		if refusal, ok := v.(map[string]any); ok && name != "" && refusal["code"] != name {
			faults = append(faults, fmt.Sprintf("%s, example %s has the code %v", what, name, refusal["code"]))
		}
	}
	code, _ := d.at(schema, "properties", "code")
	codes, _ := code.members["enum"].([]any)
	if _, single := values[""]; single {
		return faults
	}
	for _, c := range codes {
		if values[fmt.Sprint(c)] == nil {
			faults = append(faults, fmt.Sprintf("%s has no example for %v", what, c))
		}
	}
	return faults
}

// examples are those of a body, by name; a single one has the name "".
func examples(media node) map[string]any {
	values := map[string]any{}
	if v, ok := media.members["example"]; ok {
		values[""] = v
	}
	several, _ := media.members["examples"].(map[string]any)
	for name, example := range several {
		if m, ok := example.(map[string]any); ok {
			values[name] = m["value"]
		}
	}
	return values
}

func TestOpenAPIExamples(t *testing.T) {
	if faults := ourDocument(t).incomplete(); len(faults) > 0 {
		t.Errorf("%d faults:\n%s", len(faults), strings.Join(faults, "\n"))
	}
	for name, tc := range map[string]struct{ old, new, want string }{
		"no example":       {`example: {github_login: "octocat"}`, `x-was: 1`, "GET /api/users/{user}/github_login, 200 has no example"},
		"undeclared":       {`example: {github_login: "octocat"}`, `example: {github_login: null, id: 1}`, `at "/id": undeclared`},
		"code without one": {`            "2fa_expired": {value`, `            other: {value`, "has no example for 2fa_expired"},
	} {
		if faults := strings.Join(doctored(t, tc.old, tc.new).incomplete(), "\n"); !strings.Contains(faults, tc.want) {
			t.Errorf("%s: got %q, want %s", name, faults, tc.want)
		}
	}
}

// TestOpenAPIExamplesAreAnswers: what the golden files hold is in the document.
func TestOpenAPIExamplesAreAnswers(t *testing.T) {
	shown := map[string]bool{}
	collectExamples(ourDocument(t).root.members, shown)
	files, err := filepath.Glob("testdata/*.json")
	if err != nil || len(files) < 30 {
		t.Fatalf("got %d golden files, %v", len(files), err)
	}
	for _, path := range files {
		// One example stands for these and for others.
		if slices.Contains([]string{"passkey_step", "refusal_missing_scope", "refusal_closed_to_keys", "refusal_invalid_body", "refusal_not_found"}, strings.TrimSuffix(filepath.Base(path), ".json")) {
			continue
		}
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		v, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		if !shown[canonical(v)] {
			t.Errorf("%s is no example of the document: %s", path, text)
		}
	}
}

// collectExamples gathers all examples below a part of the document.
func collectExamples(v any, into map[string]bool) {
	switch v := v.(type) {
	case map[string]any:
		for _, example := range examples(node{members: v}) {
			into[canonical(example)] = true
		}
		for _, child := range v {
			collectExamples(child, into)
		}
	case []any:
		for _, child := range v {
			collectExamples(child, into)
		}
	}
}

// canonical is a value as JSON with sorted members.
func canonical(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(text)
}
