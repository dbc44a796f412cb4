package httpapi_test

import (
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/hedgerow-dev/hedgerow/httpapi"
)

// exchange is a request and its answer.
type exchange struct {
	request *http.Request // its body has been read
	sent    []byte
	status  int
	header  http.Header
	body    []byte
}

// exchanged joins what a test sent and what was recorded.
func exchanged(r *http.Request, sent []byte, w *httptest.ResponseRecorder) exchange {
	return exchange{r, sent, w.Code, w.Header(), w.Body.Bytes()}
}

// checkDocumented fails the test unless the OpenAPI document says what was
// exchanged with api.
func checkDocumented(t *testing.T, api *httpapi.API, x exchange) {
	t.Helper()
	d := ourDocument(t)
	if err := d.check(httpapi.BasePath(api), x); err != nil {
		t.Error(err)
	}
	witnessed.record(d, t.Name(), httpapi.BasePath(api), x)
}

// check reports what the document does not say about an exchange: of a request
// that was accepted, and of any answer. base is the path that the API is
// mounted under.
func (d *document) check(base string, x exchange) error {
	if err := d.judge(base, x); err != nil {
		return fmt.Errorf("OpenAPI document: %s %s answered by %d: %w", x.request.Method, x.request.URL.EscapedPath(), x.status, err)
	}
	return nil
}

func (d *document) judge(base string, x exchange) error {
	path, values, ok := d.find(base, x.request)
	if !ok || !d.matches(path, values) {
		if x.status != http.StatusNotFound {
			return errors.New("the path is unknown, and only 404 is declared for that")
		}
		return d.checkComponent("NotFound", x)
	}
	item, _ := d.at(d.root, "paths", path)
	exact, _ := item.members[exactMethods].(bool)
	method := x.request.Method
	if method == http.MethodHead && !exact {
		method = http.MethodGet
	}
	op, ok := d.at(item, strings.ToLower(method))
	if !ok || method != strings.ToUpper(method) {
		return d.checkUnmapped(item, exact, x)
	}
	response, ok := d.at(op, "responses", strconv.Itoa(x.status))
	if !ok {
		return fmt.Errorf("the status is undeclared; body %s", x.body)
	}
	if err := d.checkAnswer(response, x); err != nil {
		return err
	}
	if x.status >= 400 {
		return nil
	}
	if err := d.checkRequest(item, op, values, x); err != nil {
		return fmt.Errorf("the request was accepted, but by the document %w", err)
	}
	return nil
}

// find returns the path of the document that a request is for, and the values
// of its parameters.
func (d *document) find(base string, r *http.Request) (string, map[string]string, bool) {
	escaped, under := strings.CutPrefix(r.URL.EscapedPath(), (&url.URL{Path: base}).EscapedPath())
	u := &url.URL{}
	if parsed, err := url.ParseRequestURI(escaped); err == nil {
		u = parsed
	}
	clean := !strings.Contains(u.Path, "//") && !strings.Contains(u.Path+"/", "/./") && !strings.Contains(u.Path+"/", "/../")
	_, pattern := d.paths.Handler(&http.Request{Method: http.MethodGet, URL: u})
	if !under || !clean || pattern == "" || r.Method == http.MethodConnect {
		return "", nil, false
	}
	path := strings.TrimSuffix(pattern, "/{$}")
	values, segments := map[string]string{}, strings.Split(u.EscapedPath(), "/")
	for i, name := range strings.Split(path, "/") {
		if strings.HasPrefix(name, "{") {
			if v, err := url.PathUnescape(segments[i]); err == nil {
				values[strings.Trim(name, "{}")] = v
			}
		}
	}
	return path, values, true
}

// matches reports whether every segment that stands for a parameter has the
// pattern of that; a path where one has not is an unknown path.
func (d *document) matches(path string, values map[string]string) bool {
	item, _ := d.at(d.root, "paths", path)
	for _, p := range d.list(item, "parameters") {
		schema, _ := d.at(p, "schema")
		pattern, limited := schema.members["pattern"].(string)
		name, _ := p.members["name"].(string)
		if value, ok := values[name]; ok && limited && !d.pattern(pattern).MatchString(value) {
			return false
		}
	}
	return true
}

// pattern compiles a pattern, each once.
func (d *document) pattern(text string) *regexp.Regexp {
	known, ok := d.patterns.Load(text)
	if !ok {
		known, _ = d.patterns.LoadOrStore(text, regexp.MustCompile(text))
	}
	return known.(*regexp.Regexp)
}

// unmappedAnswers names the component for what a path answers to a method that it lacks.
var unmappedAnswers = map[int]string{
	http.StatusUnauthorized:        "Unauthenticated",
	http.StatusForbidden:           "ForbiddenSensitive",
	http.StatusNotFound:            "NotFound",
	http.StatusMethodNotAllowed:    "MethodNotAllowed",
	http.StatusNotAcceptable:       "NotAcceptable",
	http.StatusInternalServerError: "InternalError",
	http.StatusServiceUnavailable:  "Unavailable",
}

// checkUnmapped judges the answer to a method that the path lacks.
func (d *document) checkUnmapped(item node, exact bool, x exchange) error {
	name, ok := unmappedAnswers[x.status]
	if x.status == http.StatusOK && x.request.Method == http.MethodOptions && !exact {
		name, ok = "Metadata", true
	}
	if !ok {
		return errors.New("the method is undeclared for this path")
	}
	if err := d.checkComponent(name, x); err != nil {
		return err
	}
	if name != "MethodNotAllowed" && name != "Metadata" {
		return nil
	}
	var want []string
	for _, m := range []string{"GET", "POST", "PUT", "PATCH", "DELETE"} {
		if _, ok := d.at(item, strings.ToLower(m)); ok {
			want = append(want, m)
		}
	}
	if !exact {
		if want = append(want, "OPTIONS"); want[0] == "GET" {
			want = append(want, "HEAD")
		}
	}
	got := strings.Split(x.header.Get("Allow"), ", ")
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		return fmt.Errorf("header Allow has %v, the document %v", got, want)
	}
	return nil
}

func (d *document) checkComponent(name string, x exchange) error {
	response, ok := d.at(d.root, "components", "responses", name)
	if !ok {
		return fmt.Errorf("there is no component %s", name)
	}
	return d.checkAnswer(response, x)
}

// checkAnswer judges headers and body by a response.
func (d *document) checkAnswer(response node, x exchange) error {
	if err := d.checkHeaders(response, x.header); err != nil {
		return err
	}
	declared := x.header.Get("Content-Type")
	content, ok := d.at(response, "content")
	optional, _ := response.members["x-body-optional"].(bool)
	if !ok || optional && declared == "" {
		if len(x.body) > 0 || declared != "" {
			return fmt.Errorf("there is a body of type %q, and none is declared: %s", declared, x.body)
		}
		return nil
	}
	media, params, err := mime.ParseMediaType(declared)
	kind, _, _ := strings.Cut(media, "/")
	schema, exact := d.at(content, media, "schema")
	_, ranged := d.at(content, kind+"/*")
	if err != nil || !exact && !ranged || params["charset"] != "utf-8" && kind != "image" {
		return fmt.Errorf("content type %q is undeclared", declared)
	}
	if x.request.Method == http.MethodHead {
		if len(x.body) > 0 {
			return fmt.Errorf("there is a body: %s", x.body)
		}
		return nil
	}
	if media != "application/json" {
		return nil
	}
	if err := d.answers.checkText(schema.pointer, x.body); err != nil {
		return fmt.Errorf("body does not match: %w; body %s", err, x.body)
	}
	return nil
}

// common are the headers of every answer, which the document does not repeat.
var common = []string{"Cache-Control", "Vary", "X-Content-Type-Options", "Content-Security-Policy", "Referrer-Policy",
	"Cross-Origin-Resource-Policy", "X-Request-Id", "Content-Type", "Content-Length"}

func (d *document) checkHeaders(response node, sent http.Header) error {
	headers, _ := d.at(response, "headers")
	for name := range headers.members {
		header, _ := d.at(headers, name)
		values := sent.Values(name)
		if required, _ := header.members["required"].(bool); required && len(values) == 0 {
			return fmt.Errorf("header %s is missing", name)
		}
		for _, v := range values {
			if err := d.checkText(d.answers, header, v); err != nil {
				return fmt.Errorf("header %s: %q: %w", name, v, err)
			}
		}
	}
	for name := range sent {
		declared := slices.Contains(common, name)
		for h := range headers.members {
			declared = declared || strings.EqualFold(h, name)
		}
		if !declared {
			return fmt.Errorf("header %s is undeclared", name)
		}
	}
	return nil
}

// checkText judges the text of a header or parameter, which may stand for a
// number.
func (d *document) checkText(s *schemas, parameter node, text string) error {
	schema, ok := d.at(parameter, "schema")
	if !ok {
		return errors.New("there is no schema")
	}
	err := s.check(schema.pointer, text)
	if err == nil {
		return nil
	}
	if v, jsonErr := jsonschema.UnmarshalJSON(strings.NewReader(text)); jsonErr == nil && s.check(schema.pointer, v) == nil {
		return nil
	}
	return err
}

// checkRequest judges parameters and body of a request.
func (d *document) checkRequest(item, op node, path map[string]string, x exchange) error {
	query := x.request.URL.Query()
	for _, p := range append(d.list(item, "parameters"), d.list(op, "parameters")...) {
		name, _ := p.members["name"].(string)
		in, _ := p.members["in"].(string)
		var values []string
		switch in {
		case "path":
			values = []string{path[name]}
		case "query":
			values = query[name]
		case "header":
			values = x.request.Header.Values(name)
		default:
			return fmt.Errorf("%s is a parameter in %q, which this check cannot judge", name, in)
		}
		if required, _ := p.members["required"].(bool); required && len(values) == 0 {
			return fmt.Errorf("the %s parameter %s is missing", in, name)
		}
		for _, v := range values {
			if err := d.checkText(d.requests, p, v); err != nil {
				return fmt.Errorf("the %s parameter %s is invalid: %w", in, name, err)
			}
		}
	}
	return d.checkSent(op, x)
}

// checkSent judges the body of a request. Where none is declared, one does not
// matter.
func (d *document) checkSent(op node, x exchange) error {
	body, ok := d.at(op, "requestBody")
	if !ok {
		return nil
	}
	if len(x.sent) == 0 {
		if required, _ := body.members["required"].(bool); required {
			return errors.New("the body is missing")
		}
		return nil
	}
	media, _, err := mime.ParseMediaType(x.request.Header.Get("Content-Type"))
	if err != nil {
		return fmt.Errorf("content type: %w", err)
	}
	schema, ok := d.at(body, "content", media, "schema")
	if !ok {
		return fmt.Errorf("content type %q is undeclared", media)
	}
	if err := d.requests.checkText(schema.pointer, x.sent); err != nil {
		return fmt.Errorf("the body is invalid: %w; body %s", err, x.sent)
	}
	return nil
}
