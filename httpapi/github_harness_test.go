package httpapi_test

import (
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/hedgerow-dev/hedgerow/httpapi"
	"github.com/hedgerow-dev/hedgerow/integrations"
	"github.com/hedgerow-dev/hedgerow/integrations/github"
	"github.com/hedgerow-dev/hedgerow/integrations/githubtest"
	"github.com/hedgerow-dev/hedgerow/users"
)

// fakeGitHub is a client and the GitHub that it talks to.
type fakeGitHub struct {
	*github.Client
	config github.Config
	server *githubtest.Server
	hook   atomic.Pointer[hook]
}

// hook runs once, when GitHub has answered a route and before the answer is used.
type hook struct {
	route string
	run   func()
}

func (g *fakeGitHub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := g.hook.Load()
	if h == nil || h.route != r.Method+" "+r.URL.Path || !g.hook.CompareAndSwap(h, nil) {
		g.server.ServeHTTP(w, r)
		return
	}
	answer := httptest.NewRecorder()
	g.server.ServeHTTP(answer, r)
	h.run()
	maps.Copy(w.Header(), answer.Header())
	w.WriteHeader(answer.Code)
	_, _ = w.Write(answer.Body.Bytes()) // the client sees what is missing
}

// after has run called when GitHub has answered a route.
func (e *env) after(route string, run func()) { e.gh.hook.Store(&hook{route, run}) }

const webhookSecret = "It's a Secret to Everybody"

// newGitHub starts a GitHub in this state.
func newGitHub(t *testing.T, now func() time.Time, state githubtest.State, change ...func(*github.Config)) *fakeGitHub {
	t.Helper()
	server, err := githubtest.New(githubtest.Options{Now: now})
	if err != nil {
		t.Fatal(err)
	}
	if err := server.SetState(state); err != nil {
		t.Fatal(err)
	}
	g := &fakeGitHub{server: server}
	listener, transport := httptest.NewServer(g), &http.Transport{}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		listener.Close()
	})
	app := githubtest.NewApp()
	g.config = github.Config{ClientID: app.ClientID, ClientSecret: users.Secret(app.ClientSecret), PrivateKey: users.Secret(server.PrivateKeyPEM()),
		Slug: app.Slug, APIURL: listener.URL, WebURL: listener.URL, Transport: transport, Now: now}
	for _, f := range change {
		f(&g.config)
	}
	if g.Client, err = github.New(g.config); err != nil {
		t.Fatal(err)
	}
	return g
}

// withGitHub runs a test on every store, with a GitHub in this state each.
func withGitHub(t *testing.T, state func() githubtest.State, configure func(*httpapi.Config), fn func(t *testing.T, e *env)) {
	t.Helper()
	each(t, func(c *httpapi.Config) {
		c.GitHub.Provider = newGitHub(t, c.Now, state())
		c.GitHub.WebhookSecret = webhookSecret
		if configure != nil {
			configure(c)
		}
	}, fn)
}

// acme is an organization with three repositories that octocat can reach.
func acme() githubtest.State { return githubtest.Organization(3) }

func (e *env) merge(state string) {
	e.t.Helper()
	if err := e.gh.server.Merge([]byte(state)); err != nil {
		e.t.Fatal(err)
	}
}

func (e *env) fault(route, kind string, change ...func(*githubtest.Fault)) {
	e.t.Helper()
	f := githubtest.Fault{Route: route, Kind: kind}
	for _, c := range change {
		c(&f)
	}
	if err := e.gh.server.AddFault(f); err != nil {
		e.t.Fatal(err)
	}
}

// calls fails the test unless GitHub was asked so often, and forgets them.
func (e *env) calls(what string, want map[string]int) {
	e.t.Helper()
	got := map[string]int{}
	for _, r := range e.gh.server.Requests() {
		got[r.Route]++
	}
	e.gh.server.ClearRequests()
	if !equalMaps(got, want) {
		e.t.Errorf("calls to GitHub after %s: got %v, want %v", what, got, want)
	}
}

func equalMaps(a, b map[string]int) bool {
	if len(a) != len(b) {
		return false
	}
	for k, v := range a {
		if b[k] != v {
			return false
		}
	}
	return true
}

// startLink begins a link and returns GitHub's page.
func (e *env) startLink(who option, body string) *url.URL {
	e.t.Helper()
	r := e.do("POST", "/api/users/@me/integrations/github/start/", body, who).ok(200)
	page, err := url.Parse(r.json()["install_url"].(string))
	if err != nil {
		e.t.Fatal(err)
	}
	return page
}

// visit opens a page of GitHub as a browser does and returns the query that it
// comes back with.
func (e *env) visit(page *url.URL) url.Values {
	e.t.Helper()
	back, err := url.Parse(e.browse(page.String()).Header.Get("Location"))
	if err != nil {
		e.t.Fatalf("GET %s: %v", page.Path, err)
	}
	if got := back.Scheme + "://" + back.Host + back.Path; got != githubtest.CallbackURL {
		e.t.Errorf("GitHub sends the browser to %s, want %s", got, githubtest.CallbackURL)
	}
	return back.Query()
}

// callback comes back from GitHub.
func (e *env) callback(who option, q url.Values) reply {
	e.t.Helper()
	return e.do("GET", "/complete/github-link/?"+q.Encode(), "", who, header("Accept", "text/html,application/xhtml+xml"))
}

const linkedPage = "/settings/user-personal-integrations?github_link_success=1"

// lands fails the test unless the browser is sent to this page.
func (r reply) lands(location string) {
	r.t.Helper()
	if r.status != http.StatusFound || r.header.Get("Location") != location {
		r.t.Errorf("%s: got %d to %q, want %q; body %s", r.call, r.status, r.header.Get("Location"), location, r.raw)
	}
	if r.header.Get("Cache-Control") != "no-store, private" || r.header.Get("Referrer-Policy") != "no-referrer" || r.raw != "" {
		r.t.Errorf("%s: headers %v, body %q", r.call, r.header, r.raw)
	}
}

// link goes all the way and leaves no calls behind.
func (e *env) link(who option) {
	e.t.Helper()
	e.callback(who, e.visit(e.startLink(who, ""))).lands(linkedPage)
	e.gh.server.ClearRequests()
}

// teamInstallation gives an installation to a team.
func (e *env) teamInstallation(team users.TeamID, installation string, by users.ID, login string) integrations.TeamInstallation {
	e.t.Helper()
	i, err := e.api.Integrations().SaveTeamInstallation(e.t.Context(), integrations.TeamInstallation{TeamID: team, InstallationID: installation,
		CreatedBy: by, ConnectingLogin: login})
	if err != nil {
		e.t.Fatal(err)
	}
	return i
}

// names are the full names in a list of repositories.
func (r reply) names() []string {
	r.t.Helper()
	var body struct {
		Repositories []struct {
			FullName string `json:"full_name"`
		} `json:"repositories"`
	}
	if err := json.Unmarshal([]byte(r.raw), &body); err != nil {
		r.t.Fatalf("%s: %v; body %s", r.call, err, r.raw)
	}
	names := []string{}
	for _, repository := range body.Repositories {
		names = append(names, repository.FullName)
	}
	return names
}

func itoa(n int64) string { return strconv.FormatInt(n, 10) }

// seedLink links 12345 to u without GitHub, with fresh lists.
func (e *env) seedLink(u users.User, change ...func(*integrations.Installation)) integrations.Installation {
	e.t.Helper()
	i := integrations.Installation{ID: uuid.New(), UserID: u.ID, InstallationID: githubtest.InstallationID, CreatedAt: e.now(), UpdatedAt: e.now(),
		RepositorySelection: "selected", Account: integrations.Account{Login: "acme", Type: "Organization"},
		GitHubUser: integrations.Account{ID: githubtest.UserID, Login: githubtest.Login}, SnapshotAt: e.now()}
	for _, c := range change {
		c(&i)
	}
	err := e.store.UpdateIntegrations(e.t.Context(), func(tx integrations.Tx) error {
		return errors.Join(tx.SaveInstallation(e.t.Context(), i),
			tx.SaveRepositories(e.t.Context(), i.ID, []integrations.Repository{{ID: 1, Name: "old", FullName: "acme/old"}}),
			tx.SaveBranches(e.t.Context(), integrations.BranchList{LinkID: i.ID, Repository: "acme/web", Names: []string{"main"}, Default: "main",
				DefaultAt: e.now(), RefreshedAt: e.now(), ExpiresAt: e.now().Add(24 * time.Hour)}))
	})
	if err != nil {
		e.t.Fatal(err)
	}
	return i
}
