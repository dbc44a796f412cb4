package main

import (
	"net/http"
	"strings"
	"testing"
)

// browse opens a page as a browser does that does not follow, and returns where
// it is sent.
func (p *program) browse(page, cookie string) string {
	p.t.Helper()
	r, err := http.NewRequestWithContext(p.t.Context(), "GET", page, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	r.Header.Set("Cookie", cookie)
	res, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		p.t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusFound {
		p.t.Fatalf("GET %s: got status %d, want 302", page, res.StatusCode)
	}
	return res.Header.Get("Location")
}

const withGitHub = `{
	"organizations": {"acme": {}}, "teams": {"web": {"organization": "acme"}},
	"users": {"alice": {"email": "alice@example.com", "memberships": {"acme": 1}, "current_organization": "acme", "current_team": "web"}},
	"team_integrations": [{"team": "web", "installation_id": "12345"}],
	"github": {"users": {"octocat": {"id": 99, "installations": ["67890", "12345"]}},
		"installations": {"12345": {"account": {"type": "Organization", "login": "acme"}, "repositories": 650},
			"67890": {"account": {"type": "User", "login": "octocat"}, "repository_selection": "all", "repositories": 2}},
		"branches": {"octocat/repo-1": {"names": ["dev", "main"], "default": "main"}}}
}`

// TestLinkByHTTP walks both flows through the printed addresses: from start to
// lists, and to what happens when GitHub fails.
func TestLinkByHTTP(t *testing.T) {
	p := start(t, "-addr", "127.0.0.1:0")
	p.world(withGitHub)
	cookie, github := p.session(`{"user": "alice"}`), me+"/integrations/github"
	link := func(flow, page string) {
		t.Helper()
		started := p.send("POST", github+"/start/", cookie, "").ok(200)
		address, _ := started.member("install_url").(string)
		if started.member("connect_flow") != flow || !strings.HasPrefix(address, p.github+page) {
			t.Fatalf("got %s, want %s and a page below %s", started.text, flow, p.github+page)
		}
		back := p.browse(address, "")
		if !strings.HasPrefix(back, p.base+"/complete/github-link/?") {
			t.Fatalf("GitHub sends the browser to %s", back)
		}
		if end := p.browse(back, cookie); end != "/settings/user-personal-integrations?github_link_success=1" {
			t.Fatalf("the link ends at %s", end)
		}
	}
	link("oauth_authorize", "/login/oauth/authorize?client_id=Iv1.")
	p.send("DELETE", "/_standin/team_integrations/web/12345", "", "").ok(204)
	p.advance("1")
	link("app_install", "/apps/acme-dev/installations/new?state=token%3D")
	if got := p.send("GET", me+"/integrations", cookie, "").ok(200).text; strings.Count(got, `"installation_id"`) != 2 ||
		strings.Index(got, `"12345"`) > strings.Index(got, `"67890"`) {
		t.Errorf("got links %s, want 12345, then 67890", got)
	}
	if got := p.send("GET", github+"/12345/repos/?offset=649", cookie, "").ok(200).text; !strings.Contains(got, `"acme/repo-650"`) {
		t.Errorf("the last repository: got %s", got)
	}
	if got := p.send("GET", github+"/67890/branches/?repo=octocat/repo-1", cookie, "").ok(200).text; got != `{"branches":["main","dev"],"default_branch":"main","has_more":false}` {
		t.Errorf("got branches %s", got)
	}
	p.send("POST", "/_standin/github/faults", "", `{"route": "GET /installation/repositories", "fault": "rate_limit_429", "retry_after": 7}`).ok(204)
	limited := p.send("GET", github+"/67890/repos/", cookie, "")
	if limited.refused(429, "rate_limited"); limited.header.Get("Retry-After") != "7" {
		t.Errorf("got Retry-After %q, want 7", limited.header.Get("Retry-After"))
	}
	p.send("DELETE", "/_standin/github/requests", "", "").ok(204)
	p.advance("3600")
	p.send("GET", github+"/12345/repos/", cookie, "").ok(200) // as it was
	calls := p.send("GET", "/_standin/github/requests", "", "").ok(200).text
	want := `[{"route":"POST /app/installations/12345/access_tokens","credential":"jwt","body":null},` +
		`{"route":"GET /installation/repositories","credential":"installation","body":null}]`
	if calls != want {
		t.Errorf("got calls  %s\nwant %s", calls, want)
	}
	p.send("DELETE", github+"/12345/", cookie, "").ok(204)
	p.send("GET", github+"/12345/repos/", cookie, "").refused(404, "not_found")
	p.world(`{"users": {"alice": {"email": "alice@example.com"}}, "github": {"app": null}}`)
	p.send("POST", github+"/start/", p.session(`{"user": "alice"}`), "").refused(400, "invalid_input")
}
