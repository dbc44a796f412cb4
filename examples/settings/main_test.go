package main

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
)

// TestPages: every file comes with the headers that keep foreign scripts out, and
// nothing but the files is found.
func TestPages(t *testing.T) {
	h, err := pages()
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		path, contentType string
		status            int
	}{
		{"/", "text/html; charset=utf-8", http.StatusOK},
		{"/app.js", "text/javascript; charset=utf-8", http.StatusOK},
		{"/panels/keys.js", "text/javascript; charset=utf-8", http.StatusOK},
		{"/style.css", "text/css; charset=utf-8", http.StatusOK},
		{"/icon.svg", "image/svg+xml", http.StatusOK},
		{"/panels/", "text/plain; charset=utf-8", http.StatusNotFound},
		{"/web.go", "text/plain; charset=utf-8", http.StatusNotFound},
		{"/panels/%2e%2e/%2e%2e/web.go", "text/plain; charset=utf-8", http.StatusNotFound},
	} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, test.path, nil))
		got := w.Header()
		if w.Code != test.status || got.Get("Content-Type") != test.contentType {
			t.Errorf("GET %s: got %d %s, want %d %s", test.path, w.Code, got.Get("Content-Type"), test.status, test.contentType)
		}
		for name, want := range map[string]string{
			"Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
			"X-Content-Type-Options":  "nosniff", "Referrer-Policy": "no-referrer", "X-Frame-Options": "DENY",
		} {
			if got.Get(name) != want {
				t.Errorf("GET %s: %s is %q, want %q", test.path, name, got.Get(name), want)
			}
		}
	}
}

// TestRun starts the program, signs in with what it prints, and stops it.
func TestRun(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	out, printed := io.Pipe()
	done := make(chan error, 1)
	go func() { done <- run(ctx, []string{"-addr", "127.0.0.1:0"}, printed, t.Output()) }()
	line := make([]byte, 200)
	n, err := out.Read(line)
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`^Sign in at (http://localhost:\d+)/ as (\S+) with the password (\S+)\n$`).FindSubmatch(line[:n])
	if found == nil {
		t.Fatalf("printed is %q", line[:n])
	}
	body := `{"email": "` + string(found[2]) + `", "password": "` + string(found[3]) + `"}`
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, string(found[1])+"/api/login", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	if err := answer.Body.Close(); err != nil || answer.StatusCode != http.StatusOK {
		t.Errorf("sign in: got %s, %v", answer.Status, err)
	}
	stop()
	if err := <-done; err != nil {
		t.Errorf("run: %v", err)
	}
}

func TestRunRefuses(t *testing.T) {
	for _, args := range [][]string{{"-addr", "nowhere"}, {"-addr", "0.0.0.0:0"}, {"-addr", ":0"}, {"more"}, {"-unknown"}} {
		if err := run(t.Context(), args, io.Discard, io.Discard); err == nil {
			t.Errorf("run %q: got no error", args)
		}
	}
}
