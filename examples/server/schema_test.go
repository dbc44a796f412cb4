package main

import (
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	api "github.com/hedgerow-dev/hedgerow/httpapi/client"
)

// TestDescribesItself reads the document through the Go client, and the page.
func TestDescribesItself(t *testing.T) {
	server := start(t, "-db", filepath.Join(t.TempDir(), "hedgerow.db"))
	c, err := api.New(server.base, api.Config{})
	if err != nil {
		t.Fatal(err)
	}
	document, err := c.GetSchema(t.Context())
	if err != nil || document["openapi"] != "3.1.0" {
		t.Errorf("GetSchema: got %v, %v", document["openapi"], err)
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.base+"/api/schema/docs/", nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if page, err := io.ReadAll(res.Body); err != nil || res.StatusCode != http.StatusOK || !strings.Contains(string(page), "swagger-ui-bundle.js") {
		t.Errorf("GET /api/schema/docs/: status %d, %v, %s", res.StatusCode, err, page)
	}
}
