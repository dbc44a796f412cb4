package httpapi

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"

	"github.com/hedgerow-dev/hedgerow/users"
)

const (
	schemaPath = "/api/schema"
	docsPath   = schemaPath + "/docs"
)

// file is something to send that does not depend on the caller.
type file struct {
	media []string // Content-Type
	etag  string
	body  []byte
	gzip  *file // the same in fewer bytes; nil if there is no such form
}

func newFile(media string, body []byte) *file {
	return &file{media: []string{media}, etag: fmt.Sprintf(`"%x"`, sha256.Sum256(body)), body: body}
}

// send answers with a file. Caches may keep it, and ask whether it is still the
// same one.
func (f *file) send(c *call) answer {
	c.header.Set("Cache-Control", "no-cache")
	c.header.Set("Vary", "Cookie, Authorization, Accept, Accept-Encoding")
	c.header.Set("ETag", f.etag)
	for tag := range strings.SplitSeq(strings.Join(c.Header.Values("If-None-Match"), ","), ",") {
		if tag = strings.TrimPrefix(strings.TrimSpace(tag), "W/"); tag == f.etag || tag == "*" {
			return answer{status: http.StatusNotModified}
		}
	}
	return answer{body: f.body, media: f.media}
}

const (
	yamlType = "application/yaml; charset=utf-8"
	htmlType = "text/html; charset=utf-8"
)

// schemaFiles is the OpenAPI document of an API, in both forms.
type schemaFiles struct{ json, yaml *file }

// newSchemaFiles writes into the document where this API is, and the name of its
// cookie.
func newSchemaFiles(base, cookie string) schemaFiles {
	if base == "" {
		base = "/"
	}
	server, name := `"`+base+`"`, `"`+cookie+`"`
	inJSON := strings.NewReplacer(`"servers":[{"url":"/"}]`, `"servers":[{"url":`+server+`}]`, `"in":"cookie","name":"sessionid"`, `"in":"cookie","name":`+name)
	inYAML := strings.NewReplacer(`- {url: "/"}`, `- {url: `+server+`}`, `name: "sessionid"`, `name: `+name)
	return schemaFiles{
		json: newFile(jsonType[0], []byte(inJSON.Replace(string(openAPIJSON)))),
		yaml: newFile(yamlType, []byte(inYAML.Replace(string(openAPI)))),
	}
}

// getSchema answers with the OpenAPI document, in the form that the query names
// or else the one that the client likes better.
func (a *API) getSchema(c *call) (answer, error) {
	if a.config.HideSchema {
		return answer{}, errNotFound
	}
	form, q := preferred(c.Request), c.URL.Query()
	if q.Has("format") {
		form = strings.Join(q["format"], ",")
	}
	switch {
	case form == "json":
		return a.schema().json.send(c), nil
	case form == "yaml":
		return a.schema().yaml.send(c), nil
	case !q.Has("format"):
		return answer{}, requestError(http.StatusNotAcceptable, "not_acceptable", "The document comes as JSON or YAML.")
	}
	return answer{}, &users.Error{Kind: users.Invalid, Code: "invalid_choice", Field: "format", Message: "The document comes as json or yaml."}
}

// preferred is the form of the document that a client asks for by Accept; "" if
// it takes neither.
func preferred(r *http.Request) string {
	if len(r.Header.Values("Accept")) == 0 {
		return "json"
	}
	forJSON := quality(r, "application/json", "application/vnd.oai.openapi+json")
	forYAML := quality(r, "application/yaml", "application/vnd.oai.openapi", "application/x-yaml", "text/yaml")
	switch {
	case forJSON == 0 && forYAML == 0:
		return ""
	case forYAML > forJSON:
		return "yaml"
	}
	return "json"
}

// quality is how much a client likes something that has several names, from 0 to
// 1: of the ranges in Accept that hold for it, the most specific one decides (RFC
// 9110 §12.5.1).
func quality(r *http.Request, names ...string) float64 {
	best, specific := 0.0, -1
	for part := range strings.SplitSeq(strings.Join(r.Header.Values("Accept"), ","), ",") {
		media, params, _ := strings.Cut(part, ";")
		media = strings.ToLower(strings.TrimSpace(media))
		rank := slices.Index([]string{"*/*", "application/*"}, media)
		if slices.Contains(names, media) {
			rank = 2
		}
		if q := weight(params); rank > specific || rank >= 0 && rank == specific && q > best {
			best, specific = q, rank
		}
	}
	return best
}

// docsTypes are the types of file that a page may have.
var docsTypes = map[string]string{
	".html": htmlType, ".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".txt": "text/plain; charset=utf-8", ".png": "image/png", ".svg": "image/svg+xml",
}

// docsPolicy lets the page load its own files, show pictures that are in them,
// and call the API. Its style sheets are its own, but it sets styles of elements.
const docsPolicy = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self' data:; connect-src 'self'; " +
	"base-uri 'self'; form-action 'none'; frame-ancestors 'none'"

// loadDocs reads the files of Config.Docs.
func (a *API) loadDocs() error {
	if a.config.Docs == nil || a.config.HideSchema {
		return nil
	}
	entries, err := fs.ReadDir(a.config.Docs, ".")
	if err != nil {
		return fmt.Errorf("field Docs: %w", err)
	}
	a.docs = map[string]*file{}
	for _, entry := range entries {
		body, err := fs.ReadFile(a.config.Docs, entry.Name())
		if err != nil {
			return fmt.Errorf("field Docs: %w", err)
		}
		if err := a.addDoc(entry.Name(), body); err != nil {
			return fmt.Errorf("field Docs: %s: %w", entry.Name(), err)
		}
	}
	if a.docs[docsIndex] == nil {
		return errors.New("field Docs: there is no " + docsIndex)
	}
	return nil
}

const docsIndex = "index.html"

func (a *API) addDoc(name string, body []byte) error {
	name, compressed := strings.CutSuffix(name, ".gz")
	media, ok := docsTypes[path.Ext(name)]
	if !ok {
		return errors.New("this type of file is not served")
	}
	if !compressed {
		if name == docsIndex {
			body = bytes.Replace(body, []byte(`<base href="./">`), []byte(`<base href="`+a.escapedBase()+docsPath+`/">`), 1)
		}
		a.docs[name] = newFile(media, body)
		return nil
	}
	r, err := gzip.NewReader(bytes.NewReader(body))
	if err != nil {
		return err
	}
	plain, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	a.docs[name] = newFile(media, plain)
	a.docs[name].gzip = newFile(media, body)
	return nil
}

func (a *API) getDocs(c *call) (answer, error) {
	ans, err := a.sendDoc(c, docsIndex)
	if err == nil {
		c.header.Set("Content-Security-Policy", docsPolicy)
	}
	return ans, err
}

func (a *API) getDocsFile(c *call) (answer, error) { return a.sendDoc(c, c.PathValue("file")) }

func (a *API) sendDoc(c *call, name string) (answer, error) {
	f, ok := a.docs[name]
	if !ok {
		return answer{}, errNotFound
	}
	compressed := f.gzip != nil && takesGzip(c.Request)
	if compressed {
		f = f.gzip
	}
	ans := f.send(c)
	if compressed && ans.body != nil {
		c.header.Set("Content-Encoding", "gzip")
	}
	return ans, nil
}

// escapedBase is the path that the API is mounted under, as a URL has it.
func (a *API) escapedBase() string { return (&url.URL{Path: a.config.BasePath}).EscapedPath() }

// takesGzip reports a client that names gzip (RFC 9110 §12.5.3).
func takesGzip(r *http.Request) bool {
	for part := range strings.SplitSeq(strings.Join(r.Header.Values("Accept-Encoding"), ","), ",") {
		coding, params, _ := strings.Cut(part, ";")
		if strings.EqualFold(strings.TrimSpace(coding), "gzip") {
			return weight(params) > 0
		}
	}
	return false
}
