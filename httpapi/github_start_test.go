package httpapi_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/hedgerow-dev/hedgerow/httpapi"
	"github.com/hedgerow-dev/hedgerow/integrations"
	"github.com/hedgerow-dev/hedgerow/integrations/github"
	"github.com/hedgerow-dev/hedgerow/users"
)

const startPath = "/api/users/@me/integrations/github/start/"

// TestStartTeams: contract section 7, which team decides the flow.
func TestStartTeams(t *testing.T) {
	withGitHub(t, acme, nil, func(t *testing.T, e *env) {
		alice, bob := e.user("alice"), e.user("bob")
		_, mine := e.organization("mine", alice)
		_, foreign := e.organization("foreign", bob)
		o, closed := e.organization("closed", alice)
		closed.AccessControl = true
		if _, err := e.api.Users().SaveTeam(t.Context(), closed); err != nil {
			t.Fatal(err)
		}
		for _, team := range []users.Team{mine, foreign, closed} {
			e.teamInstallation(team.ID, "12345", 0, "")
		}
		who := e.session(alice, 0)
		flow := func(body, want string) {
			t.Helper()
			e.do("POST", startPath, body, who).ok(200).has("connect_flow", `"`+want+`"`)
		}
		// There is no current team yet.
		for _, body := range []string{``, `{}`, `[]`, `7`, `null`, `"x"`, `{"team_id":null}`, `{"team_id":""}`, `{"team_id":null,"connect_from":7}`} {
			flow(body, "app_install")
		}
		flow(fmt.Sprintf(`{"team_id":%d}`, mine.ID), "oauth_authorize")
		flow(fmt.Sprintf(`{"team_id":"%d"}`, mine.ID), "oauth_authorize")
		for _, team := range []string{fmt.Sprint(foreign.ID), fmt.Sprint(closed.ID), "999999", "-1", "0", "1.5", "true", `"web"`, `"1x"`, "[1]", "{}", "9007199254740993", "1e99"} {
			e.do("POST", startPath, `{"team_id":`+team+`}`, who).invalid("invalid_input", "")
		}
		e.advance(time.Minute)
		e.do("POST", startPath, `{`, who).refused(400, "invalid_request", "parse_error", "")
		e.do("PATCH", "/api/users/@me/", fmt.Sprintf(`{"set_current_team":"%d"}`, mine.ID), who).ok(200)
		flow(``, "oauth_authorize")
		// A current team that the user may no longer see does not count.
		if err := e.api.Users().SaveMembership(t.Context(), users.Membership{UserID: alice.ID, OrganizationID: o.ID, Level: users.LevelAdmin}); err != nil {
			t.Fatal(err)
		}
		e.do("PATCH", "/api/users/@me/", fmt.Sprintf(`{"set_current_team":"%d"}`, closed.ID), who).ok(200)
		flow(``, "oauth_authorize")
		if err := e.api.Users().SaveMembership(t.Context(), users.Membership{UserID: alice.ID, OrganizationID: o.ID, Level: users.LevelMember}); err != nil {
			t.Fatal(err)
		}
		flow(``, "app_install")
		e.calls("starting", map[string]int{})
	})
}

// TestStartAddress: the documented address, with and without PKCE.
func TestStartAddress(t *testing.T) {
	for _, disabled := range []bool{false, true} {
		withGitHub(t, acme, func(c *httpapi.Config) { c.GitHub.DisablePKCE = disabled }, func(t *testing.T, e *env) {
			alice := e.user("alice")
			_, team := e.organization("acme", alice)
			e.teamInstallation(team.ID, "12345", 0, "")
			who := e.session(alice, 0)
			page := e.startLink(who, fmt.Sprintf(`{"team_id":%d}`, team.ID))
			q := page.Query()
			if q.Has("code_challenge") == disabled || q.Has("scope") || !strings.Contains(page.RawQuery, "state=token%3D") ||
				!strings.Contains(page.RawQuery, "redirect_uri=https%3A%2F%2Fapp.example.com%2Fcomplete%2Fgithub-link%2F") {
				t.Errorf("authorize page is %s", page)
			}
			e.callback(who, e.visit(page)).lands(linkedPage)
		})
	}
}

// TestStartLimits: 30 starts a minute, ten of which can be finished.
func TestStartLimits(t *testing.T) {
	withGitHub(t, acme, nil, func(t *testing.T, e *env) {
		alice := e.user("alice")
		who := e.session(alice, 0)
		var pages []*url.URL
		for range 30 {
			pages = append(pages, e.startLink(who, ""))
			e.advance(time.Second)
		}
		r := e.do("POST", startPath, "", who)
		r.refused(429, "throttled_error", "throttled", "")
		if r.header.Get("Retry-After") != "30" {
			t.Errorf("Retry-After is %q", r.header.Get("Retry-After"))
		}
		states, err := e.store.LinkStates(t.Context(), alice.ID)
		if err != nil || len(states) != 10 {
			t.Errorf("%d states wait (%v), want 10", len(states), err)
		}
		e.callback(who, e.visit(pages[19])).lands(failurePage("invalid_state"))
		e.callback(who, e.visit(pages[20])).lands(linkedPage)
		e.callback(who, e.visit(pages[29])).lands(linkedPage)
		e.do("POST", startPath, "", e.session(e.user("bob"), 0)).ok(200)
		e.advance(30 * time.Second)
		e.startLink(who, "")
		e.advance(10 * time.Minute)
		if n, err := e.api.Integrations().DeleteExpired(t.Context()); err != nil || n != 10 {
			t.Errorf("DeleteExpired: %d, %v", n, err)
		}
	})
}

// TestNoApp: contract section 17, what works without an App, and without parts
// of one.
func TestNoApp(t *testing.T) {
	each(t, nil, func(t *testing.T, e *env) {
		alice := e.user("alice")
		e.seedLink(alice)
		who := e.session(alice, 0)
		e.do("GET", reposPath, "", who).ok(200)
		e.do("POST", startPath, "", who).invalid("invalid_input", "")
		states, err := e.store.LinkStates(t.Context(), alice.ID)
		if err != nil || len(states) > 0 {
			t.Errorf("a refused start left %v, %v", states, err)
		}
		e.do("GET", "/api/users/@me/integrations/github/install_requests", "", who).ok(200).has("results", "[]").has("install_url", "null")
		e.do("GET", "/api/users/@me/github_login", "", who).ok(200).has("github_login", `"octocat"`)
		e.advance(time.Hour)
		e.do("GET", reposPath, "", who).ok(200)
		e.do("GET", onePath+"branches/?repo=acme/web", "", who).ok(200)
		e.do("POST", reposPath+"refresh/", "", who).invalid("invalid_input", "")
		e.do("GET", onePath+"branches/?repo=acme/other", "", who).refused(503, "server_error", "github_unavailable", "")
		e.callback(who, url.Values{"code": {"x"}, "state": {"x"}}).lands(failurePage("invalid_state"))
		e.do("POST", "/webhooks/github/", "{}").refused(500, "server_error", "error", "")
		e.do("DELETE", onePath, "", who).ok(204)
	})
	for name, part := range map[string]func(*github.Config){
		"no client id": func(c *github.Config) { c.ClientID = "" }, "no slug": func(c *github.Config) { c.Slug = "" },
		"no secret": func(c *github.Config) { c.ClientSecret = "" },
	} {
		t.Run(name, func(t *testing.T) {
			each(t, func(c *httpapi.Config) { c.GitHub.Provider = newGitHub(t, c.Now, acme(), part) }, func(t *testing.T, e *env) {
				alice := e.user("alice")
				_, team := e.organization("acme", alice)
				e.teamInstallation(team.ID, "12345", 0, "")
				who := e.session(alice, 0)
				authorize := fmt.Sprintf(`{"team_id":%d}`, team.ID)
				switch name {
				case "no client id":
					e.do("POST", startPath, authorize, who).invalid("invalid_input", "")
					e.do("POST", startPath, "", who).ok(200)
				case "no slug":
					e.do("POST", startPath, authorize, who).ok(200)
					e.do("POST", startPath, "", who).invalid("invalid_input", "")
					e.do("GET", "/api/users/@me/integrations/github/install_requests", "", who).has("install_url", "null")
				default:
					e.callback(who, e.visit(e.startLink(who, ""))).lands(failurePage("exchange_failed"))
				}
			})
		})
	}
}

// TestGitHubConfig: what New refuses.
func TestGitHubConfig(t *testing.T) {
	e := newEnv(t, nil, nil)
	for name, g := range map[string]httpapi.GitHub{
		"SettingsPath": {SettingsPath: "//evil.example"}, "ConnectedPath": {ConnectedPath: "https://evil.example/"},
		"SettingsPath ": {SettingsPath: "/a?b"}, "ConnectedPath ": {ConnectedPath: `/\evil.example`},
	} {
		_, err := httpapi.New(e.store, httpapi.Config{PublicURL: "https://app.example.com", EncryptionKeys: encryptionKeys, GitHub: g})
		if err == nil || !strings.Contains(err.Error(), strings.TrimSpace(name)) {
			t.Errorf("New with a bad %s: %v", name, err)
		}
	}
	withGitHub(t, acme, func(c *httpapi.Config) {
		c.BasePath, c.GitHub.SettingsPath, c.GitHub.ConnectedPath = "/accounts", "/me", "/done"
	}, func(t *testing.T, e *env) {
		alice := e.user("alice")
		_, team := e.organization("acme", alice)
		e.teamInstallation(team.ID, "12345", 0, "")
		who := e.session(alice, 0)
		r := e.do("POST", "/accounts"+startPath, fmt.Sprintf(`{"team_id":%d,"connect_from":"posthog_code"}`, team.ID), who).ok(200)
		page, err := url.Parse(r.json()["install_url"].(string))
		if err != nil || page.Query().Get("redirect_uri") != "https://app.example.com/accounts/complete/github-link/" {
			t.Errorf("authorize page is %s, %v", page, err)
		}
		e.do("GET", "/accounts/complete/github-link/?error=access_denied&state="+url.QueryEscape(page.Query().Get("state")), "", who).
			lands("/done?provider=github&error=access_denied")
		e.do("GET", "/accounts/complete/github-link/?error=x", "", who).lands("/me?github_link_error=github_oauth_error")
	})
}

// TestConnectFrom: only one word is understood, and only from the stored state
// (R51).
func TestConnectFrom(t *testing.T) {
	withGitHub(t, acme, nil, func(t *testing.T, e *env) {
		who := e.session(e.user("alice"), 0)
		for _, from := range []string{"https://evil.example", "//evil.example", `/\\evil.example`, "javascript:alert(1)", "POSTHOG_CODE", "posthog_code ", "slack",
			"posthog_mobile", strings.Repeat("x", 10<<10)} {
			back := e.visit(e.startLink(who, `{"connect_from":"`+from+`"}`))
			back.Set("connect_from", integrations.ConnectFromCode)
			back.Set("next", from)
			e.callback(who, back).lands(linkedPage)
		}
		if installation := e.startLink(who, "").Query(); installation.Has("connect_from") {
			t.Errorf("install page has %v", installation)
		}
	})
}
