package httpapitest_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/httpapi/httpapitest"
	"github.com/hedgerow-dev/hedgerow/integrations/githubtest"
)

// TestWorldOfPackageComment loads the example, which has every member there is.
func TestWorldOfPackageComment(t *testing.T) {
	text, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	var example strings.Builder
	for line := range strings.Lines(string(text)) {
		if code, ok := strings.CutPrefix(line, "//\t"); ok {
			example.WriteString(code)
		}
	}
	s := httpapitest.New(t, example.String())
	got := as[struct{ Results []object }](t, s, "alice", 200, "GET", linkedPath).Results
	if len(got) != 1 || got[0]["uses_shared_installation"] != true || s.GitHub().State().Codes["code_1"].User != "octocat" {
		t.Errorf("got links %v, want the one that the team has too", got)
	}
}

// linked is a world with links of all kinds.
const linked = `{
	"options": {"public_url": "https://app.example.com"},
	"organizations": {"acme": {}},
	"teams": {"web": {"organization": "acme"}},
	"users": {
		"alice": {"email": "alice@example.com", "memberships": {"acme": 1}, "current_organization": "acme", "current_team": "web"},
		"bob": {"email": "bob@example.com", "memberships": {"acme": 1}}
	},
	"integrations": [
		{"user": "alice", "installation_id": "3", "repository_selection": "selected", "account": {"type": "User", "name": "octocat"},
			"github_user": {"login": "octocat", "id": 99}, "snapshot": {"age_seconds": 60, "repositories": [
				{"id": 7, "name": "b", "full_name": "octocat/b", "private": true, "language": null, "node_id": "R_1", "owner": {}}, {"id": 5, "name": "a", "full_name": "octocat/a"}]}},
		{"user": "alice", "installation_id": "2", "repository_selection": null, "account": null, "github_user": null},
		{"user": "alice", "installation_id": "1", "age_seconds": 60, "snapshot": {"repositories": [{"id": 5, "name": "a", "full_name": "octocat/a"}], "age_seconds": null}}
	],
	"team_integrations": [
		{"team": "web", "installation_id": "2", "created_by": "bob", "connecting_user_github_login": "hubot"},
		{"team": "web", "installation_id": "9"}
	],
	"install_requests": [
		{"user": "bob", "github_user_id": 99, "github_login": "octocat", "status": "pending"},
		{"user": "bob", "github_user_id": null, "status": "unidentified"},
		{"user": "bob", "github_user_id": 5, "github_login": "old", "status": "approved"}
	],
	"github": {
		"app": {"client_id": "Iv1.x", "client_secret": "s", "slug": "acme-dev", "webhook_secret": "hush"},
		"users": {"octocat": {"id": 99, "installations": ["3"]}},
		"installations": {"3": {"account": {"type": "User", "login": "octocat"}, "repository_selection": "selected", "repositories": 3}},
		"codes": {"code_1": {"user": "octocat", "redirect_uri": "https://app.example.com/complete/github-link/"}, "code_2": {"user": "octocat"}}
	}
}`

const (
	linkedPath  = "/api/users/@me/integrations/"
	mintRoute   = "POST /app/installations/3/access_tokens"
	listRoute   = "GET /installation/repositories"
	linkedPage  = "/settings/user-personal-integrations?github_link_success=1"
	githubPaths = "/api/users/@me/integrations/github/"
)

// as sends a request of a user of the world and decodes the answer.
func as[T any](t *testing.T, s *httpapitest.Server, user string, status int, method, path string) T {
	t.Helper()
	return want[T](t, status, method, s.URL+path, "", "Cookie", s.Session(user, auth.StartOptions{SecondFactor: true}).String())
}

// control sends a control call.
func control(t *testing.T, s *httpapitest.Server, status int, method, path, body string) string {
	t.Helper()
	got, text := call(t, method, s.URL+"/_standin/"+path, body)
	if got != status {
		t.Fatalf("%s %s %s: got status %d, %s, want %d", method, path, body, got, text, status)
	}
	return text
}

type object = map[string]any

func TestLinks(t *testing.T) {
	s := httpapitest.New(t, linked)
	list := as[struct{ Results []object }](t, s, "alice", 200, "GET", linkedPath).Results
	if len(list) != 3 {
		t.Fatalf("got %v, want three links", list)
	}
	for n, want := range []string{ // oldest first, and then in the order of the file
		`["1",null,null,null,false,false,"connected"]`,
		`["3","selected",{"name":"octocat","type":"User"},"octocat",false,false,"connected"]`,
		`["2",null,null,null,true,true,"connected"]`,
	} {
		got := pick(t, list[n], "installation_id", "repository_selection", "account", "github_login", "uses_shared_installation", "installation_shared", "installation_status")
		if got != want {
			t.Errorf("link %d: got %s, want %s", n, got, want)
		}
	}
	for user, want := range map[string]string{"alice": "octocat", "bob": "hubot"} {
		if got := as[object](t, s, user, 200, "GET", "/api/users/@me/github_login/")["github_login"]; got != want {
			t.Errorf("%s: got login %v, want %s", user, got, want)
		}
	}
	got, err := json.Marshal(as[object](t, s, "alice", 200, "GET", githubPaths+"3/repos/"))
	if want := `{"has_more":false,"repositories":[{"full_name":"octocat/b","id":7,"name":"b","private":true},{"full_name":"octocat/a","id":5,"name":"a"}]}`; err != nil || string(got) != want {
		t.Errorf("got repositories %s, %v, want %s", got, err, want)
	}
	if calls := control(t, s, 200, "GET", "github/requests", ""); calls != "[]" {
		t.Errorf("a fresh list called GitHub: %s", calls)
	}
	control(t, s, 204, "DELETE", "team_integrations/web/2", "")
	control(t, s, 404, "DELETE", "team_integrations/web/2", "")
	control(t, s, 404, "DELETE", "team_integrations/web/12345", "")
	list = as[struct{ Results []object }](t, s, "alice", 200, "GET", linkedPath).Results
	if got := pick(t, list[2], "installation_id", "uses_shared_installation"); got != `["2",false]` {
		t.Errorf("after the team's link has gone: got %s", got)
	}
}

func TestInstallRequests(t *testing.T) {
	s := httpapitest.New(t, linked)
	got := as[struct {
		Results    []object
		InstallURL string `json:"install_url"`
	}](t, s, "bob", 200, "GET", githubPaths+"install_requests/")
	if got.InstallURL != s.GitHubURL+"/apps/acme-dev/installations/new" || len(got.Results) != 3 {
		t.Fatalf("got %+v, want three and an address of GitHub", got)
	}
	for n, want := range []string{`["old","approved"]`, `["","unidentified"]`, `["octocat","pending"]`} { // newest first
		if got := pick(t, got.Results[n], "github_login", "status"); got != want {
			t.Errorf("request %d: got %s, want %s", n, got, want)
		}
	}
	if got.Results[0]["resolved_at"] == nil || got.Results[2]["resolved_at"] != nil {
		t.Errorf("got %v, want only the approved one resolved", got.Results)
	}
	body := `{"action":"created","installation":{"id":44,"account":{"login":"acme","type":"Organization"}},"requester":{"id":99}}`
	if status, text := call(t, "POST", s.URL+"/webhooks/github/", body, "X-GitHub-Event", "installation", "X-Hub-Signature-256", githubtest.SignWebhook("hush", []byte(body))); status != 200 {
		t.Fatalf("a signed delivery: got %d %s", status, text)
	}
	list := as[struct{ Results []object }](t, s, "bob", 200, "GET", githubPaths+"install_requests/").Results
	if got := pick(t, list[2], "status", "installation_id"); got != `["approved","44"]` {
		t.Errorf("after the delivery: got %s", got)
	}
}

// aged is one link whose installation token has this age, without a list.
func aged(seconds, github string) string {
	return `{"users": {"alice": {"email": "alice@example.com"}}, "integrations": [{"user": "alice", "installation_id": "3", "github_user": {"login": "octocat", "id": 99},
		"installation_token_age_seconds": ` + seconds + `}]` + github + `}`
}

const known = `, "github": {"installations": {"3": {"account": {"type": "User", "login": "octocat"}, "repositories": 3}}}`

// routes are the routes of the requests that GitHub got.
func routes(t *testing.T, s *httpapitest.Server) string {
	t.Helper()
	var list []string
	for _, r := range want[[]object](t, 200, "GET", s.URL+"/_standin/github/requests", "") {
		list = append(list, r["route"].(string))
	}
	return strings.Join(list, ", ")
}

func TestTokenAge(t *testing.T) {
	s := httpapitest.New(t, "{}")
	for _, c := range []struct {
		seconds, github string
		repositories    int
		routes          string
	}{
		{"1800", known, 3, listRoute},
		{"1801", known, 3, mintRoute + ", " + listRoute},
		{"0", "", 0, listRoute}, // live although GitHub does not know the installation
		{"1801", "", 0, mintRoute + ", " + listRoute},
		{"1801", `, "github": {"app": null}`, -1, ""},
	} {
		s.Load(aged(c.seconds, c.github))
		status := 200
		if c.repositories < 0 {
			status = 503
		}
		got := as[struct{ Repositories []object }](t, s, "alice", status, "GET", githubPaths+"3/repos/").Repositories
		if routes := routes(t, s); len(got) != max(0, c.repositories) || routes != c.routes {
			t.Errorf("%s%s: got %d repositories by %s, want %d by %s", c.seconds, c.github, len(got), routes, c.repositories, c.routes)
		}
	}
}

// TestUserTokens: what is linked has a live user token, of the one who linked it.
func TestUserTokens(t *testing.T) {
	s := httpapitest.New(t, linked)
	alice := s.IDs().Users["alice"].ID
	token, err := s.API().Integrations().UserToken(t.Context(), alice, "3")
	if err != nil {
		t.Fatal(err)
	}
	got := want[object](t, 200, "GET", s.GitHubURL+"/user", "", "Authorization", "Bearer "+string(token))
	if pick(t, got, "login", "id") != `["octocat",99]` {
		t.Errorf("the token is of %v", got)
	}
	s.Clock().Advance(4*githubtest.InstallationTokenLifetime + 1e9) // past half of its life
	if renewed, err := s.API().Integrations().UserToken(t.Context(), alice, "3"); err != nil || renewed == token {
		t.Errorf("after four hours: %v, want another token", err)
	}
}

func TestUninstallOnLastReference(t *testing.T) {
	s := httpapitest.New(t, "{}")
	for option, want := range map[string]string{"false": "", "true": "DELETE /app/installations/3"} {
		s.Load(strings.Replace(linked, `"options": {`, `"options": {"uninstall_on_last_reference": `+option+`, `, 1))
		as[any](t, s, "alice", 204, "DELETE", githubPaths+"2/") // the team has it too
		as[any](t, s, "alice", 204, "DELETE", githubPaths+"3/")
		if got := routes(t, s); got != want {
			t.Errorf("%s: got calls %q, want %q", option, got, want)
		}
	}
}

// page starts a link and returns GitHub's page.
func page(t *testing.T, s *httpapitest.Server, user string) *url.URL {
	t.Helper()
	start := as[object](t, s, user, 200, "POST", githubPaths+"start/")
	u, err := url.Parse(start["install_url"].(string))
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// TestWorldCodes links with the codes of a world, each in its flow: the page of
// the one names a redirect_uri, that of the other does not.
func TestWorldCodes(t *testing.T) {
	s := httpapitest.New(t, strings.Replace(linked, `{"team": "web", "installation_id": "2",`, `{"team": "web", "installation_id": "3",`, 1))
	for user, code := range map[string]string{"alice": "code_1", "bob": "code_2"} {
		cookie := s.Session(user, auth.StartOptions{}).String()
		back := url.Values{"state": {page(t, s, user).Query().Get("state")}, "code": {code}, "installation_id": {"3"}}
		for _, location := range []string{linkedPage, strings.Replace(linkedPage, "success=1", "error=invalid_state", 1)} {
			r, err := http.NewRequestWithContext(t.Context(), "GET", s.URL+"/complete/github-link/?"+back.Encode(), nil)
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Cookie", cookie)
			res, err := http.DefaultTransport.RoundTrip(r)
			if err != nil {
				t.Fatal(err)
			}
			if got := res.Header.Get("Location"); res.Body.Close() != nil || got != location {
				t.Errorf("%s: got %d to %q, want %q", user, res.StatusCode, got, location)
			}
		}
	}
}
