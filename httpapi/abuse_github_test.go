package httpapi_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/hedgerow-dev/hedgerow/integrations"
	"github.com/hedgerow-dev/hedgerow/integrations/githubtest"
	"github.com/hedgerow-dev/hedgerow/users"
)

// links are the installations that u has linked.
func (e *env) links(u users.User) string {
	e.t.Helper()
	list, err := e.store.Installations(e.t.Context(), integrations.Query{UserID: u.ID})
	if err != nil {
		e.t.Fatal(err)
	}
	var ids []string
	for _, i := range list {
		ids = append(ids, fmt.Sprintf("%s of %d", i.InstallationID, i.GitHubUser.ID))
	}
	return strings.Join(ids, ", ")
}

// TestR50SpoofedInstallation: an installation in the address links nothing unless
// GitHub lists it for the person who came back, to a state that asks for it.
func TestR50SpoofedInstallation(t *testing.T) {
	withGitHub(t, acme, nil, func(t *testing.T, e *env) {
		e.merge(`{"users":{"mona":{"id":7,"installations":["777"]}},"installations":{"777":{"account":{"type":"User","login":"mona"},"repositories":0}},"visitor":{"user":"octocat"}}`)
		alice := e.user("alice")
		_, team := e.organization("acme", alice)
		e.teamInstallation(team.ID, "12345", 0, "")
		who := e.session(alice, 0)
		authorize := fmt.Sprintf(`{"team_id":%d}`, team.ID)
		for _, setup := range []string{"", "install", "update", "request"} {
			for _, path := range []string{"/complete/github-link", "/complete/github-link/"} {
				for _, id := range []string{"777", "12345", "999", "0", "-1", "7 7", "٧٧٧", ""} {
					e.advance(5 * time.Second) // the limit of starts
					fresh := e.visit(e.startLink(who, ""))
					bound := e.visit(e.startLink(who, authorize))
					for name, q := range map[string]url.Values{
						"nothing else": {}, "a code": {"code": fresh["code"]}, "a state": {"state": fresh["state"]}, "an unknown state": {"state": {"x"}, "code": fresh["code"]},
						"a state for another": {"state": bound["state"], "code": bound["code"]}, "another's code": {"state": fresh["state"], "code": {"x"}},
					} {
						q.Set("installation_id", id)
						q.Set("setup_action", setup)
						r := e.do("GET", path+"?"+q.Encode(), "", who).ok(302)
						if got := e.links(alice); got != "" && !(name == "a state for another" && got == "12345 of 99") {
							t.Fatalf("%s with %s links %s", r.call, name, got)
						}
						if e.links(alice) != "" { // the one that the state was for
							e.do("DELETE", onePath, "", who).ok(204)
						}
					}
					who = e.session(alice, 0)
				}
			}
		}
	})
}

// TestR51Redirects: nothing that anybody sends decides where a browser goes.
func TestR51Redirects(t *testing.T) {
	targets := []string{"https://evil.example", "//evil.example", `/\evil.example`, `\\evil.example`, "/%2f%2fevil.example", "/%5cevil.example", "https:evil.example", "javascript:alert(1)",
		"data:text/html,x", "https://app.example.com@evil.example", "https://app.example.com.evil.example", "/\t/evil.example", "\t//evil.example", " //evil.example", "/\n/evil.example",
		"///evil.example", "/./\\evil.example", "evil.example", "slack", "posthog_mobile", "/" + strings.Repeat("x", 10<<10), "/x\r\nLocation: https://evil.example"}
	withGitHub(t, acme, nil, func(t *testing.T, e *env) {
		alice := e.user("alice")
		stays := func(r reply) {
			t.Helper()
			u, err := url.Parse(r.header.Get("Location"))
			if err != nil || u.Scheme != "" || u.Host != "" || !strings.HasPrefix(r.header.Get("Location"), "/") || strings.HasPrefix(r.header.Get("Location"), "//") ||
				strings.ContainsAny(r.header.Get("Location"), "\\\r\n\t") || len(r.header.Values("Location")) != 1 {
				t.Errorf("%s leads to %q", r.call, r.header.Values("Location"))
			}
		}
		for _, target := range targets {
			e.advance(time.Minute)
			who := e.session(alice, 0)
			query := url.Values{"next": {target}, "connect_from": {target}, "redirect_uri": {target}, "error": {target}, "error_description": {target}, "setup_action": {target}}.Encode()
			for _, path := range spellings("/api/logout", alice) {
				r := e.do("POST", path+"?"+query, "", e.session(alice, 0)).ok(302)
				if stays(r); strings.HasPrefix(r.header.Get("Location"), "/login?next=") && !strings.HasPrefix(target, "/x") {
					t.Errorf("%s: %q is passed on", r.call, target)
				}
			}
			for _, path := range []string{"/complete/github-link", "/complete/github-link/"} {
				stays(e.do("GET", path+"?"+query, "", who).ok(302))
				back := e.visit(e.startLink(who, fmt.Sprintf(`{"connect_from":%q,"next":%q}`, target, target)))
				back.Set("connect_from", target)
				back.Set("next", target)
				r := e.do("GET", path+"?"+back.Encode(), "", who)
				r.lands(linkedPage)
			}
			if r := e.do("POST", "/api/login", fmt.Sprintf(`{"email":"alice@example.com","password":%q,"next":%q}`, password, target)).ok(200); r.header.Get("Location") != "" || r.raw != `{"success":true}` {
				t.Errorf("%s leads to %q with %s", r.call, r.header.Get("Location"), r.raw)
			}
		}
	})
}

// TestR53OthersGoOn: while GitHub gives no answer, whoever does not need one is
// served, and a client who goes away ends the wait.
func TestR53OthersGoOn(t *testing.T) {
	withGitHub(t, acme, nil, func(t *testing.T, e *env) {
		alice, bob := e.user("alice"), e.user("bob")
		who, other := e.session(alice, 0), e.session(bob, 0)
		e.link(who)
		e.seedLink(bob)
		e.fault(listRoute, githubtest.NoAnswer)
		ctx, leave := context.WithCancel(t.Context())
		done := make(chan int)
		for range 5 {
			go func() {
				r := httptest.NewRequestWithContext(ctx, http.MethodGet, reposPath, nil)
				who(r)
				w := httptest.NewRecorder()
				e.api.ServeHTTP(w, r)
				done <- w.Code
			}()
		}
		for _, path := range []string{self, linkedPath, reposPath, own + "github_login", "/api/users"} {
			e.do("GET", path, "", other).ok(200)
		}
		e.do("GET", self, "", who).ok(200)
		e.do("PATCH", self, `{"first_name":"Ann"}`, who).ok(200)
		leave()
		for range 5 {
			if status := <-done; status < 400 {
				t.Errorf("a client who went away gets %d", status)
			}
		}
	})
}

// TestR54RenamedLogin: a login at GitHub is a text to show. Whoever takes a freed
// one over is somebody else, and two users may link the same person.
func TestR54RenamedLogin(t *testing.T) {
	withGitHub(t, acme, nil, func(t *testing.T, e *env) {
		alice, bob, carol := e.user("alice"), e.user("bob"), e.user("carol")
		e.link(e.session(alice, 0))
		hers := e.storedLink(alice)
		e.merge(`{"users":{"octocat":{"id":98,"installations":["12345"]},"Renamed-1":{"id":99,"installations":["12345"]}},"visitor":{"user":"octocat"}}`)
		e.link(e.session(bob, 0))
		if got, want := e.links(alice)+"; "+e.links(bob), "12345 of 99; 12345 of 98"; got != want {
			t.Errorf("the links are %s, want %s", got, want)
		}
		if now := e.storedLink(alice); now.ID != hers.ID || string(now.Sealed) != string(hers.Sealed) {
			t.Error("somebody of the same login touched the link")
		}
		e.merge(`{"visitor":{"user":"Renamed-1"}}`)
		e.link(e.session(carol, 0))
		e.link(e.session(alice, 0))
		if got, want := e.links(alice)+"; "+e.links(carol), "12345 of 99; 12345 of 99"; got != want {
			t.Errorf("the links are %s, want %s", got, want)
		}
		e.do("GET", own+"github_login", "", e.session(alice, 0)).ok(200).has("github_login", `"Renamed-1"`)
		// The login names nobody, and opens nothing.
		for _, name := range []string{"octocat", "Renamed-1"} {
			for _, path := range []string{"/api/users/" + name, "/api/users/" + name + "/integrations/", "/api/users/" + name + "/integrations/github/12345/repos"} {
				e.do("GET", path, "", e.session(bob, 0)).denied()
			}
		}
		odd := "<script>\u202e\"'\\"
		e.seedLink(bob, func(i *integrations.Installation) {
			i.InstallationID, i.GitHubUser.Login, i.CreatedAt = "9", odd, e.now().Add(-time.Hour)
		})
		if got := e.do("GET", own+"github_login/", "", e.session(bob, 0)).ok(200).json()["github_login"]; got != odd {
			t.Errorf("an odd login is shown as %q", got)
		}
	})
}

// TestR55Unlink: a link goes with its tokens, its list and what was started for it,
// by every path, once, and whether or not GitHub answers.
func TestR55Unlink(t *testing.T) {
	withGitHub(t, acme, nil, func(t *testing.T, e *env) {
		alice := e.user("alice")
		_, team := e.organization("acme", alice)
		e.teamInstallation(team.ID, "12345", 0, "")
		for i, path := range spellings(onePath, alice) {
			for _, credential := range []option{e.session(alice, 0), e.key(alice, "user:write"), e.token(alice, "user:write")} {
				e.advance(time.Minute)
				who := e.session(alice, 0)
				e.link(who)
				e.do("GET", reposPath, "", who).ok(200)
				started := e.startLink(who, fmt.Sprintf(`{"team_id":%d}`, team.ID))
				back := e.visit(started)
				old := e.storedLink(alice)
				if i%2 == 0 {
					e.fault("DELETE /app/installations/{id}", githubtest.ConnectionRefused)
				}
				e.do("DELETE", path, "", credential).ok(204)
				e.do("DELETE", path, "", credential).refused(404, "invalid_request", "not_found", "")
				e.gh.server.ClearFaults()
				e.callback(who, back).lands(failurePage("invalid_state"))
				for _, gone := range []string{reposPath, reposPath + "?limit=1&offset=1", onePath + "branches?repo=acme/web"} {
					e.do("GET", gone, "", who).refused(404, "invalid_request", "not_found", "")
				}
				if list, err := e.store.Repositories(t.Context(), old.ID); err != nil || len(list) > 0 {
					t.Errorf("the list is left: %v, %v", list, err)
				}
				if _, err := e.api.Integrations().UserToken(t.Context(), alice.ID, "12345"); err == nil {
					t.Error("the token is left")
				}
			}
		}
	})
}
