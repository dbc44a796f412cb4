package httpapi_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/hedgerow-dev/hedgerow/httpapi"
	"github.com/hedgerow-dev/hedgerow/integrations"
	"github.com/hedgerow-dev/hedgerow/integrations/githubtest"
	"github.com/hedgerow-dev/hedgerow/users"
)

const (
	exchangeRoute = "POST /login/oauth/access_token"
	userRoute     = "GET /user"
	checkRoute    = "GET /user/installations/{id}/repositories"
	infoRoute     = "GET /app/installations/{id}"
	mintRoute     = "POST /app/installations/{id}/access_tokens"
	listRoute     = "GET /installation/repositories"
)

func failurePage(code string) string {
	return "/settings/user-personal-integrations?github_link_error=" + code
}

// callbackFailure is one way in which a callback of the install flow fails.
type callbackFailure struct {
	name, code string
	// consumed says that the state is spent afterwards.
	consumed bool
	query    func(q url.Values)
	// fault is a route and a kind of fault.
	fault [2]string
	body  string // of the fault
}

func set(name, value string) func(url.Values) { return func(q url.Values) { q.Set(name, value) } }

func without(name string) func(url.Values) { return func(q url.Values) { q.Del(name) } }

// callbackFailures is the table of contract section 8.
func callbackFailures() []callbackFailure {
	failures := []callbackFailure{
		{name: "denied", code: "access_denied", query: set("error", "access_denied")},
		{name: "another error", code: "github_oauth_error", query: set("error", "https://evil.example/")},
		{name: "no code", code: "missing_params", query: without("code")},
		{name: "empty code", code: "missing_params", query: set("code", "")},
		{name: "no state", code: "missing_params", query: without("state")},
		{name: "unknown state", code: "invalid_state", query: set("state", "token="+strings.Repeat("x", 48))},
		{name: "no installation", code: "missing_params", consumed: true, query: without("installation_id")},
		{name: "letters in the installation", code: "invalid_installation_id", consumed: true, query: set("installation_id", "12a")},
		{name: "long installation", code: "invalid_installation_id", consumed: true, query: set("installation_id", strings.Repeat("1", 21))},
		{name: "leading zero", code: "invalid_installation_id", consumed: true, query: set("installation_id", "012345")},
		{name: "path in the installation", code: "invalid_installation_id", consumed: true, query: set("installation_id", "1/../2")},
		{name: "wrong code", code: "exchange_failed", consumed: true, query: set("code", "wrong")},
		{name: "somebody else's installation", code: "installation_not_authorized", consumed: true, query: set("installation_id", "777")},
		{name: "no token in the exchange", code: "exchange_failed", consumed: true, fault: [2]string{exchangeRoute, githubtest.TokenMissing}},
		{name: "user without login", code: "exchange_failed", consumed: true, fault: [2]string{userRoute, githubtest.JSON}, body: `{"id":99}`},
		{name: "user without id", code: "exchange_failed", consumed: true, fault: [2]string{userRoute, githubtest.JSON}, body: `{"login":"x"}`},
		{name: "no installation token", code: "installation_token_failed", consumed: true, fault: [2]string{mintRoute, githubtest.TokenMissing}},
		{name: "no expiry", code: "installation_token_failed", consumed: true, fault: [2]string{mintRoute, githubtest.ExpiresAtMissing}},
		{name: "a list in place of the token", code: "installation_token_failed", consumed: true, fault: [2]string{mintRoute, githubtest.WrongShape200}},
		{name: "suspended", code: "installation_token_failed", consumed: true, fault: [2]string{mintRoute, githubtest.Plain403}},
		{name: "token with another status", code: "installation_token_failed", consumed: true, fault: [2]string{mintRoute, githubtest.Status}},
	}
	for route, code := range map[string]string{exchangeRoute: "exchange_failed", userRoute: "exchange_failed", checkRoute: "installation_verify_failed",
		infoRoute: "installation_fetch_failed"} {
		for _, kind := range []string{githubtest.WrongShape200, githubtest.Status, githubtest.Plain403, githubtest.RateLimit429, githubtest.RateLimitPrimary403} {
			failures = append(failures, callbackFailure{name: kind + " of " + route, code: code, consumed: true, fault: [2]string{route, kind}})
		}
	}
	for route, code := range map[string]string{exchangeRoute: "exchange_failed", userRoute: "exchange_failed", checkRoute: "installation_verify_failed",
		infoRoute: "installation_fetch_failed", mintRoute: "installation_fetch_failed"} {
		for _, kind := range []string{githubtest.ConnectionRefused, githubtest.ConnectionReset, githubtest.HTML200, githubtest.TruncatedJSON200} {
			failures = append(failures, callbackFailure{name: kind + " of " + route, code: code, consumed: true, fault: [2]string{route, kind}})
		}
	}
	return failures
}

func TestCallbackFailures(t *testing.T) {
	withGitHub(t, acme, nil, func(t *testing.T, e *env) {
		e.merge(`{"users":{"mona":{"id":7,"installations":["777"]}},"installations":{"777":{"account":{"type":"User","login":"mona"},"repositories":0}},"visitor":{"user":"octocat"}}`)
		for i, f := range callbackFailures() {
			who := e.session(e.user(fmt.Sprintf("user%d", i)), 0)
			good := e.visit(e.startLink(who, ""))
			bad, err := url.ParseQuery(good.Encode())
			if err != nil {
				t.Fatal(err)
			}
			if f.query != nil {
				f.query(bad)
			}
			if f.fault[0] != "" {
				e.fault(f.fault[0], f.fault[1], func(fault *githubtest.Fault) {
					if f.fault[1] == githubtest.Status {
						fault.Status = 500
					}
					if f.body != "" {
						fault.Body = json.RawMessage(f.body)
					}
				})
			}
			e.gh.server.ClearRequests()
			e.callback(who, bad).lands(failurePage(f.code))
			if calls := len(e.gh.server.Requests()); !f.consumed && calls > 0 {
				t.Errorf("%s: %d calls to GitHub, want none", f.name, calls)
			}
			e.gh.server.ClearFaults()
			e.do("GET", linkedPath, "", who).ok(200).has("results", "[]")
			if t.Failed() {
				t.Fatalf("after %q", f.name)
			}
			if f.consumed {
				e.callback(who, good).lands(failurePage("invalid_state"))
			} else {
				e.callback(who, good).lands(linkedPage)
			}
		}
	})
}

// TestCallbackState: who may use a state, in which form, and for how long.
func TestCallbackState(t *testing.T) {
	withGitHub(t, acme, nil, func(t *testing.T, e *env) {
		alice, bob, boss := e.user("alice"), e.user("bob"), e.user("boss", staff)
		who, other := e.session(alice, 0), e.session(bob, 0)
		back := e.visit(e.startLink(who, `{"connect_from":"posthog_code"}`))

		e.do("GET", "/complete/github-link/?"+back.Encode(), "").refused(401, "authentication_error", "not_authenticated", "")
		for _, credential := range []option{e.key(alice, "*"), header("Authorization", "Bearer pha_x")} {
			e.do("GET", "/complete/github-link/?"+back.Encode(), "", credential).refused(401, "authentication_error", "not_authenticated", "")
		}
		e.callback(other, back).lands(failurePage("invalid_state"))
		denied := url.Values{"error": {"access_denied"}, "state": back["state"]}
		e.callback(other, denied).lands(failurePage("access_denied"))
		e.callback(who, denied).lands("/account-connected/github-integration?provider=github&error=access_denied")
		// The bare token is as good as the whole state.
		token, err := url.ParseQuery(back.Get("state"))
		if err != nil {
			t.Fatal(err)
		}
		back.Set("state", token.Get("token"))
		e.callback(who, back).lands("/account-connected/github-integration?provider=github")

		late := e.visit(e.startLink(who, ""))
		e.advance(10*time.Minute - time.Microsecond)
		inTime := e.visit(e.startLink(who, ""))
		e.callback(who, late).lands(linkedPage)
		e.advance(10 * time.Minute)
		e.callback(who, inTime).lands(failurePage("invalid_state"))

		// Staff start for somebody, who alone can finish.
		r := e.do("POST", "/api/users/"+bob.UUID.String()+"/integrations/github/start/", "", e.session(boss, 0)).ok(200)
		page, err := url.Parse(r.json()["install_url"].(string))
		if err != nil {
			t.Fatal(err)
		}
		back = e.visit(page)
		e.callback(e.session(boss, 0), back).lands(failurePage("invalid_state"))
		e.callback(other, back).lands(linkedPage)
	})
}

// TestCallbackTeam: whoever left the team between start and callback cannot use
// its installation.
func TestCallbackTeam(t *testing.T) {
	withGitHub(t, acme, nil, func(t *testing.T, e *env) {
		alice := e.user("alice")
		o, team := e.organization("acme", alice)
		second, _ := e.organization("beta", alice)
		i := e.teamInstallation(team.ID, "12345", 0, "")
		who := e.session(alice, 0)
		body := fmt.Sprintf(`{"team_id":%d}`, team.ID)
		back := e.visit(e.startLink(who, body))
		if err := e.api.Users().DeleteMembership(t.Context(), alice.ID, o.ID); err != nil {
			t.Fatal(err)
		}
		e.gh.server.ClearRequests()
		e.callback(who, back).lands(failurePage("invalid_installation"))
		e.callback(who, back).lands(failurePage("invalid_state"))
		e.calls("a callback of a former member", map[string]int{})
		e.do("POST", "/api/users/@me/integrations/github/start/", body, who).invalid("invalid_input", "")

		// Any team of the user will do, not only the one that it was started for.
		if err := e.api.Users().SaveMembership(t.Context(), users.Membership{UserID: alice.ID, OrganizationID: o.ID, Level: users.LevelMember}); err != nil {
			t.Fatal(err)
		}
		back = e.visit(e.startLink(who, body))
		if err := e.api.Integrations().DeleteTeamInstallation(t.Context(), i.ID); err != nil {
			t.Fatal(err)
		}
		third, err := e.api.Users().SaveTeam(t.Context(), users.Team{OrganizationID: second.ID, Name: "third"})
		if err != nil {
			t.Fatal(err)
		}
		e.teamInstallation(third.ID, "12345", 0, "")
		e.callback(who, back).lands(linkedPage)
	})
}

// TestCallbackOfAWish: only the install page may come back without a code, with a
// wish to the owners. In the other flow a code is missing, which spends nothing.
func TestCallbackOfAWish(t *testing.T) {
	withGitHub(t, acme, nil, func(t *testing.T, e *env) {
		alice := e.user("alice")
		_, team := e.organization("acme", alice)
		e.teamInstallation(team.ID, "12345", 0, "")
		who := e.session(alice, 0)
		back := e.visit(e.startLink(who, fmt.Sprintf(`{"team_id":%d}`, team.ID)))
		e.callback(who, url.Values{"state": back["state"], "setup_action": {"request"}}).lands(failurePage("missing_params"))
		e.callback(who, back).lands(linkedPage)
		e.do("GET", "/api/users/@me/integrations/github/install_requests/", "", who).ok(200).has("results", "[]")
	})
}

// TestCallbackOfSomebodyWhoLeft: R04. Nothing is stored for an account that was
// deactivated or deleted while GitHub was asked.
func TestCallbackOfSomebodyWhoLeft(t *testing.T) {
	withGitHub(t, acme, nil, func(t *testing.T, e *env) {
		alice, bob := e.user("alice"), e.user("bob")
		for _, wish := range []bool{true, false} {
			back := e.visit(e.startLink(e.session(alice, 0), ""))
			if wish {
				back.Del("installation_id")
				back.Set("setup_action", "request")
			}
			e.after(userRoute, func() {
				if err := e.api.Auth().SetActive(t.Context(), alice.ID, false); err != nil {
					t.Error(err)
				}
			})
			e.callback(e.session(alice, 0), back).lands(failurePage("invalid_state"))
			if err := e.api.Auth().SetActive(t.Context(), alice.ID, true); err != nil {
				t.Fatal(err)
			}
		}
		who := e.session(alice, 0)
		e.do("GET", linkedPath, "", who).ok(200).has("results", "[]")
		e.do("GET", "/api/users/@me/integrations/github/install_requests/", "", who).ok(200).has("results", "[]")

		back := e.visit(e.startLink(e.session(bob, 0), ""))
		e.after(userRoute, func() { e.do("DELETE", "/api/users/@me", "", e.session(bob, 0)).ok(204) })
		e.callback(e.session(bob, 0), back).lands(failurePage("invalid_state"))
	})
}

// TestRelink: a second link of the same installation keeps its row and drops the
// old list.
func TestRelink(t *testing.T) {
	withGitHub(t, acme, nil, func(t *testing.T, e *env) {
		alice := e.user("alice")
		who := e.session(alice, 0)
		old := e.seedLink(alice)
		e.advance(time.Minute)
		e.link(who)
		i, err := e.store.Installation(t.Context(), alice.ID, "12345")
		if err != nil || i.ID != old.ID || !i.CreatedAt.Equal(old.CreatedAt) || !i.UpdatedAt.Equal(e.now()) || !i.SnapshotAt.IsZero() {
			t.Errorf("link is %+v and %v, was %+v", i, err, old)
		}
		if list, err := e.store.Repositories(t.Context(), i.ID); err != nil || len(list) > 0 {
			t.Errorf("the old list is still there: %v %v", list, err)
		}
		if names := e.do("GET", reposPath, "", who).ok(200).names(); len(names) != 3 {
			t.Errorf("repositories are %v", names)
		}
	})
}

// TestCallbackOdd: an expiry that is no date, tokens that do not expire, and the
// most links of one user.
func TestCallbackOdd(t *testing.T) {
	withGitHub(t, acme, func(c *httpapi.Config) { c.GitHub.DisablePKCE = true }, func(t *testing.T, e *env) {
		alice := e.user("alice")
		who := e.session(alice, 0)
		e.fault(mintRoute, githubtest.ExpiresAtOdd)
		e.merge(`{"app":{"non_expiring_user_tokens":true}}`)
		e.link(who)
		i, err := e.store.Installation(t.Context(), alice.ID, "12345")
		if err != nil || i.TokenLifetime != time.Hour || !i.UserTokenExpiresAt.IsZero() || !i.RefreshTokenExpiresAt.IsZero() {
			t.Errorf("link is %+v and %v", i, err)
		}
		full := e.user("full")
		for n := range integrations.MaxInstallations {
			e.seedLink(full, func(i *integrations.Installation) { i.InstallationID = itoa(int64(n + 1)) })
		}
		who = e.session(full, 0)
		e.callback(who, e.visit(e.startLink(who, ""))).lands(failurePage("too_many_installations"))
		e.do("DELETE", "/api/users/@me/integrations/github/7/", "", who).ok(204)
		e.link(who)
	})
}

// TestCallbackMethods: only GET, with and without the slash.
func TestCallbackMethods(t *testing.T) {
	withGitHub(t, acme, nil, func(t *testing.T, e *env) {
		who := e.session(e.user("alice"), 0)
		for _, method := range []string{"HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"} {
			for _, path := range []string{"/complete/github-link", "/complete/github-link/"} {
				if r := e.do(method, path, "", who); r.status != http.StatusMethodNotAllowed || r.header.Get("Allow") != "GET" {
					t.Errorf("%s %s: %d, Allow %q", method, path, r.status, r.header.Get("Allow"))
				}
			}
		}
		e.do("GET", "/complete/github-link?error=x", "", who).lands(failurePage("github_oauth_error"))
	})
}
