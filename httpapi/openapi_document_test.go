package httpapi_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"

	"github.com/hedgerow-dev/hedgerow/httpapi"
)

// apiDocument is the document of this package, read once.
var apiDocument = sync.OnceValues(func() (*document, error) { return readDocument(httpapi.OpenAPI()) })

// ourDocument returns it, or fails the test.
func ourDocument(t *testing.T) *document {
	t.Helper()
	d, err := apiDocument()
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// document is an OpenAPI document, prepared to judge requests and answers. It
// is safe for concurrent use.
type document struct {
	root     node
	paths    *http.ServeMux // its patterns are the paths, in both forms
	requests *schemas
	answers  *schemas // refuse members that the document does not declare
	patterns sync.Map // of parameters, compiled
}

// readDocument reads a document in YAML and checks that it is one.
func readDocument(source []byte, options ...openapi3.ValidationOption) (*document, error) {
	spec, err := openapi3.NewLoader().LoadFromData(source)
	if err != nil {
		return nil, fmt.Errorf("read document: %w", err)
	}
	if err := spec.Validate(context.Background(), options...); err != nil {
		return nil, fmt.Errorf("document is not OpenAPI: %w", err)
	}
	text, err := json.Marshal(spec)
	if err != nil {
		return nil, fmt.Errorf("write document as JSON: %w", err)
	}
	open, err := decodeObject(text)
	if err != nil {
		return nil, err
	}
	closed, err := decodeObject(text)
	if err != nil {
		return nil, err
	}
	closeObjects(closed)
	d := &document{root: node{members: open}, paths: http.NewServeMux()}
	if d.requests, err = newSchemas(open); err != nil {
		return nil, err
	}
	if d.answers, err = newSchemas(closed); err != nil {
		return nil, err
	}
	for path := range spec.Paths.Map() {
		d.paths.Handle(path, http.NotFoundHandler())
		d.paths.Handle(path+"/{$}", http.NotFoundHandler())
	}
	return d, nil
}

func decodeObject(text []byte) (map[string]any, error) {
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return nil, fmt.Errorf("read JSON: %w", err)
	}
	m, ok := v.(map[string]any)
	if !ok {
		return nil, errors.New("the document is no object")
	}
	return m, nil
}

// closeObjects makes every schema of an object refuse members that it does not
// declare. The parts of an allOf are judged together, by the schema around them.
func closeObjects(v any) {
	switch v := v.(type) {
	case map[string]any:
		_, object := v["properties"].(map[string]any)
		parts, composed := v["allOf"].([]any)
		if object || composed {
			v["unevaluatedProperties"] = false
		}
		for _, child := range v {
			closeObjects(child)
		}
		for _, part := range parts {
			if m, ok := part.(map[string]any); ok {
				delete(m, "unevaluatedProperties")
			}
		}
	case []any:
		for _, child := range v {
			closeObjects(child)
		}
	}
}

// node is an object of the document, and where it stands.
type node struct {
	members map[string]any
	pointer string // RFC 6901
}

// at goes down by keys, through references, and reports whether there is an
// object.
func (d *document) at(n node, keys ...string) (node, bool) {
	for _, key := range keys {
		m, ok := n.members[key].(map[string]any)
		if !ok {
			return node{}, false
		}
		n = node{m, n.pointer + "/" + strings.ReplaceAll(strings.ReplaceAll(key, "~", "~0"), "/", "~1")}
		if n, ok = d.follow(n); !ok {
			return node{}, false
		}
	}
	return n, true
}

// follow replaces a reference to a component by the component. Schemas are left
// alone: a reference in one is for the validator, with what stands beside it.
func (d *document) follow(n node) (node, bool) {
	ref, _ := n.members["$ref"].(string)
	target, ok := strings.CutPrefix(ref, "#/components/")
	if !ok || strings.HasPrefix(target, "schemas/") {
		return n, ref == "" || ok
	}
	return d.at(d.root, append([]string{"components"}, strings.Split(target, "/")...)...)
}

// list returns the objects of an array, through references.
func (d *document) list(n node, key string) []node {
	elements, _ := n.members[key].([]any)
	var nodes []node
	for i, e := range elements {
		if m, ok := e.(map[string]any); ok {
			if target, ok := d.follow(node{m, fmt.Sprintf("%s/%s/%d", n.pointer, key, i)}); ok {
				nodes = append(nodes, target)
			}
		}
	}
	return nodes
}

// exactMethods marks a path without HEAD and OPTIONS of its own.
const exactMethods = "x-exact-methods"

// operations lists method and path of every operation; a path that is marked
// exactMethods has one for the method "*".
func (d *document) operations() map[[2]string]node {
	found := map[[2]string]node{}
	paths, _ := d.at(d.root, "paths")
	for path := range paths.members {
		item, _ := d.at(paths, path)
		if exact, _ := item.members[exactMethods].(bool); exact {
			found[[2]string{"*", path}] = item
		}
		for _, method := range []string{"get", "put", "post", "delete", "options", "head", "patch", "trace"} {
			if op, ok := d.at(item, method); ok {
				found[[2]string{strings.ToUpper(method), path}] = op
			}
		}
	}
	return found
}

// schemas compiles the schemas of a document, each once.
type schemas struct {
	mu       sync.Mutex
	compiler *jsonschema.Compiler
	compiled map[string]*jsonschema.Schema
	matched  map[string]bool // pointers with short texts that match, as most answers are equal
}

const documentURL = "https://hedgerow.invalid/openapi.json"

func newSchemas(document map[string]any) (*schemas, error) {
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	c.AssertFormat()
	for name, pattern := range map[string]string{"uuid": openapi3.FormatOfStringForUUIDOfRFC9562, "email": openapi3.FormatOfStringForEmail} {
		format := openapi3.NewRegexpFormatValidator(pattern)
		c.RegisterFormat(&jsonschema.Format{Name: name, Validate: func(v any) error {
			if s, ok := v.(string); ok {
				return format.Validate(s)
			}
			return nil
		}})
	}
	if err := c.AddResource(documentURL, document); err != nil {
		return nil, fmt.Errorf("read schemas: %w", err)
	}
	return &schemas{compiler: c, compiled: map[string]*jsonschema.Schema{}, matched: map[string]bool{}}, nil
}

// checkText judges a text of JSON by the schema at a pointer.
func (s *schemas) checkText(pointer string, text []byte) error {
	known := pointer + " " + string(text)
	s.mu.Lock()
	matched := s.matched[known]
	s.mu.Unlock()
	if matched {
		return nil
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return fmt.Errorf("no JSON: %w", err)
	}
	if err := s.check(pointer, v); err != nil || len(known) > 4<<10 {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.matched) >= 4<<10 {
		clear(s.matched)
	}
	s.matched[known] = true
	return nil
}

// check judges a value by the schema at a pointer.
func (s *schemas) check(pointer string, v any) error {
	s.mu.Lock()
	schema, ok := s.compiled[pointer]
	if !ok {
		var err error
		u := documentURL + (&url.URL{Fragment: pointer}).String()
		if schema, err = s.compiler.Compile(u); err != nil {
			s.mu.Unlock()
			return fmt.Errorf("schema %s: %w", pointer, err)
		}
		s.compiled[pointer] = schema
	}
	s.mu.Unlock()
	var invalid *jsonschema.ValidationError
	if err := schema.Validate(v); errors.As(err, &invalid) {
		return errors.New(strings.Join(reasons(*invalid.DetailedOutput()), "; "))
	} else if err != nil {
		return err
	}
	return nil
}

// reasons lists what is wrong where, without the rules that only contain others.
func reasons(out jsonschema.OutputUnit) []string {
	var found []string
	for _, e := range out.Errors {
		found = append(found, reasons(e)...)
	}
	if out.Error != nil && len(found) == 0 {
		what := out.Error.String()
		if _, ok := out.Error.Kind.(*kind.FalseSchema); ok {
			what = "undeclared"
		}
		found = append(found, fmt.Sprintf("at %q: %s", out.InstanceLocation, what))
	}
	return found
}
