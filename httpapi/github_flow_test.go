package httpapi_test

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/hedgerow-dev/hedgerow/integrations/githubtest"
)

const (
	linkedPath = "/api/users/@me/integrations/"
	onePath    = "/api/users/@me/integrations/github/12345/"
	reposPath  = onePath + "repos/"
)

// TestLinkFlow walks all the way: start, GitHub's page, callback, list,
// repositories with search and paging, disconnect.
func TestLinkFlow(t *testing.T) {
	withGitHub(t, func() githubtest.State { return githubtest.Organization(650) }, nil, func(t *testing.T, e *env) {
		alice := e.user("alice")
		who := e.session(alice, 0)
		r := e.do("POST", "/api/users/@me/integrations/github/start/", "", who).ok(200).has("connect_flow", `"app_install"`)
		page, err := url.Parse(r.json()["install_url"].(string))
		if err != nil {
			t.Fatal(err)
		}
		state := page.Query().Get("state")
		if token, err := url.ParseQuery(state); err != nil || len(token.Get("token")) != 48 || token.Get("source") != "user_integration" || len(page.Query()) != 1 {
			t.Errorf("install page has query %v", page.Query())
		}
		e.do("GET", linkedPath, "", who).ok(200).has("results", "[]")
		back := e.visit(page)
		e.callback(who, back).lands(linkedPage)
		// The state is spent.
		e.callback(who, back).lands("/settings/user-personal-integrations?github_link_error=invalid_state")

		e.gh.server.ClearRequests()
		item := e.do("GET", linkedPath, "", who).ok(200).json()["results"].([]any)[0].(map[string]any)
		if len(item) != 10 || item["kind"] != "github" || item["installation_id"] != "12345" || item["github_login"] != "octocat" ||
			item["account"].(map[string]any)["name"] != "acme" || item["account"].(map[string]any)["type"] != "Organization" ||
			item["uses_shared_installation"] != false || item["installation_shared"] != false || item["installation_status"] != "connected" ||
			item["created_at"] != "2026-05-01T12:00:00.123456Z" {
			t.Errorf("item is %v", item)
		}
		e.calls("the list", map[string]int{})
		e.do("GET", "/api/users/@me/github_login/", "", who).has("github_login", `"octocat"`)

		first := e.do("GET", reposPath, "", who).ok(200).has("has_more", "true")
		if n := len(first.names()); n != 100 {
			t.Errorf("the first page has %d repositories, want 100", n)
		}
		e.calls("a cold list", map[string]int{"GET /installation/repositories": 7})
		last := e.do("GET", reposPath+"?offset=600&limit=25", "", who).ok(200).has("has_more", "true").names()
		end := e.do("GET", reposPath+"?offset=625&limit=25", "", who).ok(200).has("has_more", "false").names()
		e.do("GET", reposPath+"?offset=650", "", who).ok(200).has("has_more", "false").has("repositories", "[]")
		if len(last) != 25 || len(end) != 25 {
			t.Errorf("pages at 600 and 625 have %d and %d repositories, want 25 each", len(last), len(end))
		}
		found := e.do("GET", reposPath+"?search="+url.QueryEscape("  "+strings.ToUpper(end[24])+" "), "", who).ok(200).names()
		if len(found) != 1 || found[0] != end[24] {
			t.Errorf("search for %s found %v", end[24], found)
		}
		e.calls("warm lists", map[string]int{})

		e.do("DELETE", onePath, "", who).ok(204)
		e.do("DELETE", onePath, "", who).refused(404, "invalid_request", "not_found", "")
		e.do("GET", linkedPath, "", who).has("results", "[]")
		e.do("GET", reposPath, "", who).refused(404, "invalid_request", "not_found", "")
		e.calls("disconnecting", map[string]int{})
	})
}

// TestAuthorizeFlow: a team's installation is linked by proving access to it.
func TestAuthorizeFlow(t *testing.T) {
	withGitHub(t, githubtest.TwoInstallations, nil, func(t *testing.T, e *env) {
		alice := e.user("alice")
		_, team := e.organization("acme", alice)
		e.teamInstallation(team.ID, "12345", 0, "")
		who := e.session(alice, 0)
		page := e.startLink(who, `{"team_id":"`+itoa(int64(team.ID))+`","connect_from":"posthog_code"}`)
		q := page.Query()
		if page.Path != "/login/oauth/authorize" || q.Get("redirect_uri") != githubtest.CallbackURL || q.Get("client_id") == "" ||
			q.Get("code_challenge_method") != "S256" || q.Get("code_challenge") == "" || len(q) != 5 {
			t.Errorf("authorize page is %s", page)
		}
		back := e.visit(page)
		back.Set("installation_id", "67890") // ignored
		e.callback(who, back).lands("/account-connected/github-integration?provider=github")
		e.do("PATCH", "/api/users/@me/", `{"set_current_team":"`+itoa(int64(team.ID))+`"}`, who).ok(200)
		item := e.do("GET", linkedPath, "", who).ok(200).json()["results"].([]any)
		if len(item) != 1 || item[0].(map[string]any)["installation_id"] != "12345" || item[0].(map[string]any)["uses_shared_installation"] != true ||
			item[0].(map[string]any)["installation_shared"] != true {
			t.Errorf("list is %v", item)
		}
		// Without team_id it is now the current team's.
		if page := e.startLink(who, ""); page.Path != "/login/oauth/authorize" {
			t.Errorf("start with a current team leads to %s", page)
		}
		e.advance(10 * time.Minute)
		e.callback(who, e.visit(e.startLink(who, ""))).lands(linkedPage)
	})
}
