package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/integrations/githubtest"
	"github.com/hedgerow-dev/hedgerow/storage/postgres/postgrestest"
	"github.com/hedgerow-dev/hedgerow/users"
)

// browser sends each request to the next of several servers.
type browser struct {
	t       *testing.T
	servers []*child
	turn    int
	cookies map[string]string
}

// do sends a request and wants this status.
func (b *browser) do(method, path, body string, status int) (answer map[string]any, location *url.URL) {
	b.t.Helper()
	b.turn++
	r, err := http.NewRequestWithContext(b.t.Context(), method, b.servers[b.turn%len(b.servers)].base+path, strings.NewReader(body))
	if err != nil {
		b.t.Fatal(err)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for name, value := range b.cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	res, err := http.DefaultTransport.RoundTrip(r) // which follows no redirect
	if err != nil {
		b.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != status {
		b.t.Fatalf("%s %s: got status %d, %s, %v, want %d", method, path, res.StatusCode, text, err, status)
	}
	for _, c := range res.Cookies() {
		b.cookies[c.Name] = c.Value
		if c.MaxAge < 0 {
			delete(b.cookies, c.Name)
		}
	}
	if len(text) > 0 {
		if err := json.Unmarshal(text, &answer); err != nil {
			b.t.Fatalf("%s %s: %v", method, path, err)
		}
	}
	if res.StatusCode == http.StatusFound {
		if location, err = res.Location(); err != nil {
			b.t.Fatal(err)
		}
	}
	return answer, location
}

const annsLogin = `{"email": "ann@example.com", "password": "testpassword12345"}`

// onThree returns a browser of three servers on one PostgreSQL, in which there is
// ann.
func onThree(t *testing.T) *browser {
	t.Helper()
	t.Chdir(t.TempDir()) // the key is kept there
	err := os.WriteFile("world.json", []byte(`{"users": {"ann": {"email": "ann@example.com", "password": "testpassword12345"}}}`), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	args := []string{"-db", postgrestest.DSN(t), "-public-url", "https://app.example.com"}
	b := &browser{t: t, cookies: map[string]string{}, servers: []*child{start(t, append(args, "-world", "world.json")...)}}
	for range 2 {
		b.servers = append(b.servers, start(t, args...))
	}
	return b
}

// TestTwoStepLoginOnThreeProcesses has each step on another one than that before.
func TestTwoStepLoginOnThreeProcesses(t *testing.T) {
	b := onThree(t)
	code := func(secret string, at time.Time) string {
		t.Helper()
		code, err := auth.TOTPCode(users.Secret(secret), at)
		if err != nil {
			t.Fatal(err)
		}
		return `{"token": "` + code + `"}`
	}
	b.do("POST", "/api/login", annsLogin, 200)
	setup, _ := b.do("GET", "/api/users/@me/two_factor_start_setup", "", 200)
	secret := setup["secret"].(string)
	b.do("POST", "/api/users/@me/two_factor_validate", code(secret, time.Now()), 200)
	if me, _ := b.do("GET", "/api/users/@me", "", 200); me["is_2fa_enabled"] != true {
		t.Errorf("is_2fa_enabled is %v, want true", me["is_2fa_enabled"])
	}
	b.do("POST", "/api/logout", "", 302)
	b.do("GET", "/api/users/@me", "", 401)
	if refusal, _ := b.do("POST", "/api/login", annsLogin, 401); refusal["code"] != "2fa_required" {
		t.Errorf("the first step answers %v, want 2fa_required", refusal)
	}
	b.do("GET", "/api/users/@me", "", 401)
	second := code(secret, time.Now().Add(30*time.Second)) // the code before is used
	b.do("POST", "/api/login/token", second, 200)
	b.do("GET", "/api/users/@me", "", 200)
	// The browser is remembered by every process, and the code is spent on each.
	b.do("POST", "/api/login", annsLogin, 200)
	clear(b.cookies)
	b.do("POST", "/api/login", annsLogin, 401)
	b.do("POST", "/api/login/token", second, 400)
}

// TestGitHubOnThreeProcesses links an installation, uses and removes it, with
// each step on another process than that before.
func TestGitHubOnThreeProcesses(t *testing.T) {
	variables, gh := appVariables(t)
	for name, value := range variables {
		t.Setenv(name, value)
	}
	b := onThree(t)
	b.do("POST", "/api/login", annsLogin, 200)
	const linked = "/api/users/@me/integrations/"
	begun, _ := b.do("POST", linked+"github/start/", "", 200)
	page, err := http.NewRequestWithContext(t.Context(), "GET", begun["install_url"].(string), nil)
	if err != nil {
		t.Fatal(err)
	}
	page.Header.Set("User-Agent", "browser")
	res, err := http.DefaultTransport.RoundTrip(page)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	back, err := res.Location()
	if err != nil || !strings.HasPrefix(back.String(), githubtest.CallbackURL) {
		t.Fatalf("GitHub leads to %v, %v, want %s", back, err, githubtest.CallbackURL)
	}
	if _, page := b.do("GET", back.RequestURI(), "", 302); page.Query().Get("github_link_success") != "1" {
		t.Errorf("the link ends at %s", page)
	}
	if _, page := b.do("GET", back.RequestURI(), "", 302); page.Query().Get("github_link_error") != "invalid_state" {
		t.Errorf("a spent state leads to %s, want invalid_state", page)
	}
	if list, _ := b.do("GET", linked, "", 200); len(list["results"].([]any)) != 1 {
		t.Errorf("linked: %v, want one", list)
	}
	for range b.servers {
		if list, _ := b.do("GET", linked+"github/12345/repos/", "", 200); len(list["repositories"].([]any)) != 3 {
			t.Errorf("repositories: %v, want 3", list)
		}
	}
	for _, route := range []string{"POST /app/installations/12345/access_tokens", "GET /installation/repositories"} {
		if n := gh.Count(route); n != 1 {
			t.Errorf("%s was called %d times, want once", route, n)
		}
	}
	b.do("DELETE", linked+"github/12345/", "", 204)
	b.do("GET", linked+"github/12345/repos/", "", 404)
}
