package httpapi_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"io/fs"
	"net/http"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/hedgerow-dev/hedgerow/httpapi"
	"github.com/hedgerow-dev/hedgerow/httpapi/apidocs"
	"github.com/hedgerow-dev/hedgerow/storage/memory"
)

const jsonMedia, yamlMedia = "application/json; charset=utf-8", "application/yaml; charset=utf-8"

func TestA07Schema(t *testing.T) {
	e := newEnv(t, memory.New(), nil)
	for _, tc := range []struct{ query, accept, want string }{
		{"", "", jsonMedia},
		{"", "*/*", jsonMedia},
		{"", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", jsonMedia},
		{"", "application/json", jsonMedia},
		{"", "application/vnd.oai.openapi+json", jsonMedia},
		{"", "application/yaml", yamlMedia},
		{"", "APPLICATION/YAML; charset=utf-8", yamlMedia},
		{"", "text/yaml", yamlMedia},
		{"", "application/vnd.oai.openapi, */*;q=0.1", yamlMedia},
		{"", "application/yaml;q=0.5, application/json;q=0.4", yamlMedia},
		{"", "application/yaml;q=0.5, application/json", jsonMedia},
		{"", "application/*, application/json;q=0", yamlMedia},
		{"", "application/json;q=0.1, */*;q=0.9", yamlMedia},
		{"?format=json", "application/yaml", jsonMedia},
		{"?format=yaml", "application/json", yamlMedia},
		{"?format=yaml", "text/html", yamlMedia},
	} {
		options := []option{}
		if tc.accept != "" {
			options = append(options, header("Accept", tc.accept))
		}
		for _, path := range []string{"/api/schema", "/api/schema/"} {
			r := e.do("GET", path+tc.query, "", options...).ok(200)
			if got := r.header.Get("Content-Type"); got != tc.want {
				t.Errorf("%s accepting %q: got %s, want %s", r.call, tc.accept, got, tc.want)
			}
			if doc, err := openapi3.NewLoader().LoadFromData([]byte(r.raw)); err != nil || doc.Paths.Len() < 50 {
				t.Errorf("%s accepting %q: %v in\n%.100s", r.call, tc.accept, err, r.raw)
			}
			if json.Valid([]byte(r.raw)) != (tc.want == jsonMedia) {
				t.Errorf("%s accepting %q: got %.20s", r.call, tc.accept, r.raw)
			}
		}
	}
	for _, accept := range []string{"text/html", "application/xml", "application/json;q=0", "*/*;q=0.0, image/*"} {
		e.do("GET", "/api/schema/", "", header("Accept", accept)).refused(406, "invalid_request", "not_acceptable", "")
	}
	for _, query := range []string{"?format=xml", "?format=", "?format=JSON", "?format=json&format=yaml", "?format=json&format=json"} {
		e.do("GET", "/api/schema/"+query, "").invalid("invalid_choice", "format")
	}
}

func TestSchemaConditional(t *testing.T) {
	e := newEnv(t, memory.New(), nil)
	inJSON, inYAML := e.do("GET", "/api/schema/", "").ok(200), e.do("GET", "/api/schema/?format=yaml", "").ok(200)
	tag := inJSON.header.Get("ETag")
	if tag == inYAML.header.Get("ETag") {
		t.Errorf("both forms have the ETag %s", tag)
	}
	for _, sent := range []string{tag, "*", `"x", ` + tag, "W/" + tag} {
		r := e.do("GET", "/api/schema/", "", header("If-None-Match", sent)).ok(304)
		if r.raw != "" || r.header.Get("ETag") != tag || r.header.Get("Content-Type") != "" {
			t.Errorf("If-None-Match %s: headers %v, body %.20q", sent, r.header, r.raw)
		}
	}
	e.do("GET", "/api/schema/?format=yaml", "", header("If-None-Match", tag)).ok(200)
	head := e.do("HEAD", "/api/schema/", "").ok(200)
	if head.raw != "" || head.header.Get("ETag") != tag || head.header.Get("Content-Length") != inJSON.header.Get("Content-Length") {
		t.Errorf("HEAD: headers %v, body %.20q", head.header, head.raw)
	}
	if inJSON.header.Get("Cache-Control") != "no-cache" || !strings.Contains(inJSON.header.Get("Vary"), "Accept") || inJSON.header.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("headers %v", inJSON.header)
	}
}

// TestSchemaPlace: the document says where this API is, and names its cookie.
func TestSchemaPlace(t *testing.T) {
	e := newEnv(t, memory.New(), func(c *httpapi.Config) { c.BasePath, c.CookieName, c.Docs = `/my "accounts"`, "sid", apidocs.Files() })
	const base = "/my%20%22accounts%22"
	for _, format := range []string{"json", "yaml"} {
		r := e.do("GET", base+"/api/schema/?format="+format, "").ok(200)
		doc, err := openapi3.NewLoader().LoadFromData([]byte(r.raw))
		if err != nil {
			t.Fatal(err)
		}
		if got := doc.Servers[0].URL; got != base {
			t.Errorf("%s: the server is at %s", format, got)
		}
		if got := doc.Components.SecuritySchemes["session"].Value.Name; got != "sid" {
			t.Errorf("%s: the cookie is %s", format, got)
		}
	}
	if page := e.do("GET", base+"/api/schema/docs", "").ok(200).raw; !strings.Contains(page, `<base href="`+base+`/api/schema/docs/">`) {
		t.Errorf("the page is elsewhere:\n%s", page)
	}
}

func TestSchemaSwitchedOff(t *testing.T) {
	hidden := newEnv(t, memory.New(), func(c *httpapi.Config) { c.HideSchema, c.Docs = true, apidocs.Files() })
	for _, path := range []string{"/api/schema", "/api/schema/?format=yaml", "/api/schema/docs/", "/api/schema/docs/start.js"} {
		hidden.do("GET", path, "").refused(404, "invalid_request", "not_found", "")
	}
	bare := newEnv(t, memory.New(), func(c *httpapi.Config) { c.Docs = nil })
	bare.do("GET", "/api/schema/", "").ok(200)
	for _, path := range []string{"/api/schema/docs", "/api/schema/docs/start.js"} {
		bare.do("GET", path, "").refused(404, "invalid_request", "not_found", "")
	}
}

func TestDocsFiles(t *testing.T) {
	e := newEnv(t, memory.New(), func(c *httpapi.Config) { c.Docs = apidocs.Files() })
	for name, media := range map[string]string{
		"": "text/html; charset=utf-8", "/": "text/html; charset=utf-8", "/index.html": "text/html; charset=utf-8", "/start.js": "text/javascript; charset=utf-8",
		"/swagger-ui.css/": "text/css; charset=utf-8", "/swagger-ui-bundle.js": "text/javascript; charset=utf-8", "/favicon.png": "image/png", "/swagger-ui.LICENSE.txt": "text/plain; charset=utf-8",
	} {
		r := e.do("GET", "/api/schema/docs"+name, "", header("Accept", "text/html")).ok(200)
		if r.header.Get("Content-Type") != media || r.header.Get("Content-Encoding") != "" || r.header.Get("Cache-Control") != "no-cache" || r.raw == "" {
			t.Errorf("%s: headers %v", r.call, r.header)
		}
		policy := r.header.Get("Content-Security-Policy")
		if page := name == "" || name == "/"; strings.Contains(policy, "script-src 'self';") != page || !strings.HasPrefix(policy, "default-src 'none';") || !strings.Contains(policy, "frame-ancestors 'none'") {
			t.Errorf("%s: policy %s", r.call, policy)
		}
		e.do("GET", "/api/schema/docs"+name, "", header("If-None-Match", r.header.Get("ETag"))).ok(304)
	}
	for _, name := range []string{"/nothing.js", "/swagger-ui.css.gz", "/apidocs.go", "/..", "/%2e%2e", "/a%2Fb", "/start.js/x"} {
		e.do("GET", "/api/schema/docs"+name, "").refused(404, "invalid_request", "not_found", "")
	}
}

func TestDocsCompression(t *testing.T) {
	e := newEnv(t, memory.New(), func(c *httpapi.Config) { c.Docs = apidocs.Files() })
	const path = "/api/schema/docs/swagger-ui-bundle.js"
	plain := e.do("GET", path, "").ok(200)
	for accept, want := range map[string]bool{"gzip": true, "deflate, GZIP;q=0.5": true, "br": false, "gzip;q=0": false, "*": false} {
		r := e.do("GET", path, "", header("Accept-Encoding", accept)).ok(200)
		if got := r.header.Get("Content-Encoding") == "gzip"; got != want {
			t.Errorf("Accept-Encoding %s: compressed is %v", accept, got)
			continue
		}
		if !want {
			continue
		}
		z, err := gzip.NewReader(strings.NewReader(r.raw))
		if err != nil {
			t.Fatal(err)
		}
		if unpacked, err := io.ReadAll(z); err != nil || string(unpacked) != plain.raw || r.header.Get("ETag") == plain.header.Get("ETag") {
			t.Errorf("Accept-Encoding %s: %d bytes, want %d; %v; headers %v", accept, len(unpacked), len(plain.raw), err, r.header)
		}
		e.do("GET", path, "", header("Accept-Encoding", accept), header("If-None-Match", plain.header.Get("ETag"))).ok(200)
	}
}

func TestDocsRefused(t *testing.T) {
	index := &fstest.MapFile{Data: []byte("<p>")}
	for name, tc := range map[string]struct {
		files fs.FS
		want  string
	}{
		"no index":     {fstest.MapFS{"start.js": index}, "field Docs: there is no index.html"},
		"unknown type": {fstest.MapFS{"index.html": index, "x.exe": index}, "field Docs: x.exe"},
		"broken gzip":  {fstest.MapFS{"index.html": index, "x.js.gz": index}, "field Docs: x.js.gz"},
		"folder":       {fstest.MapFS{"index.html": index, "x.js/y": index}, "field Docs: "},
	} {
		_, err := httpapi.New(memory.New(), httpapi.Config{PublicURL: "https://app.example.com", EncryptionKeys: encryptionKeys, Docs: tc.files})
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: got %v, want %s", name, err, tc.want)
		}
	}
}

// TestDocsAskNobody looks for other hosts in what a browser would load.
func TestDocsAskNobody(t *testing.T) {
	page, err := fs.ReadFile(apidocs.Files(), "index.html")
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(page, []byte("//")) || bytes.Contains(page, []byte("<style")) || bytes.Contains(page, []byte("<script>")) {
		t.Errorf("the page names a host, or has something inline:\n%s", page)
	}
	e := newEnv(t, memory.New(), func(c *httpapi.Config) { c.Docs = apidocs.Files() })
	e.do("GET", "/api/schema/", "", header("Origin", "https://evil.example"), func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") }).ok(200)
}
