package github_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/hedgerow-dev/hedgerow/integrations"
	"github.com/hedgerow-dev/hedgerow/integrations/github"
	"github.com/hedgerow-dev/hedgerow/integrations/githubtest"
	"github.com/hedgerow-dev/hedgerow/users"
)

// TestHeaders holds what GitHub wants to see of every call (contract section 15).
func TestHeaders(t *testing.T) {
	credentials := map[string]string{
		"User": "user", "CheckAccess": "user", "Installation": "jwt", "MintToken": "jwt", "Uninstall": "jwt", "Repositories": "installation",
		"Branches": "installation", "DefaultBranch": "installation", "Exchange": "client", "RefreshUserToken": "client",
	}
	w := start(t, acme())
	for _, o := range operations() {
		w.ClearRequests()
		if err := o.call(t.Context(), w); err != nil {
			t.Fatalf("%s: %v", o.name, err)
		}
		requests := w.Requests()
		if len(requests) != 1 {
			t.Fatalf("%s: %d requests, want 1", o.name, len(requests))
		}
		r, accept, version := requests[0], "application/vnd.github+json", "2022-11-28"
		if r.Credential == githubtest.ByClient {
			accept, version = "application/json", ""
		}
		if r.Credential != credentials[o.name] || r.Header.Get("Accept") != accept || r.Header.Get("X-GitHub-Api-Version") != version ||
			r.Header.Get("User-Agent") != "hedgerow" {
			t.Errorf("%s: by %s, headers %v", o.name, r.Credential, r.Header)
		}
	}
}

func TestReadsWhatGitHubSays(t *testing.T) {
	w := start(t, githubtest.PersonalAccount())
	ctx, token := t.Context(), users.Secret(w.user().AccessToken)
	if got, err := w.User(ctx, token); err != nil || got != (integrations.Account{ID: 99, Login: "octocat", Type: "User"}) {
		t.Errorf("User: got %+v, %v", got, err)
	}
	want := integrations.RemoteInstallation{Account: integrations.Account{ID: 99, Login: "octocat", Type: "User"}}
	if got, err := w.Installation(ctx, "12345"); err != nil || got != want {
		t.Errorf("Installation: got %+v, %v", got, err)
	}
	minted, err := w.MintToken(ctx, "12345")
	if err != nil || !minted.ExpiresAt.Equal(w.now.Add(time.Hour)) || minted.RepositorySelection != "selected" {
		t.Errorf("MintToken: expires %s, %q, %v", minted.ExpiresAt, minted.RepositorySelection, err)
	}
	if list, err := w.Repositories(ctx, minted.Token, ""); err != nil || len(list.Repositories) != 3 {
		t.Errorf("Repositories with the new token: got %d, %v", len(list.Repositories), err)
	}
	if err := w.CheckAccess(ctx, token, "12345"); err != nil {
		t.Errorf("CheckAccess: %v", err)
	}
	wantKind(t, "CheckAccess of a foreign one", w.CheckAccess(ctx, token, "1"), integrations.Missing)
	w.merge(`{"installations":{"12345":{"account":null}}}`)
	if got, err := w.Installation(ctx, "12345"); err != nil || got != (integrations.RemoteInstallation{}) {
		t.Errorf("Installation without account: got %+v, %v", got, err)
	}
	w.merge(`{"installations":{"12345":{"suspended":true}}}`)
	_, err = w.MintToken(ctx, "12345")
	wantKind(t, "MintToken of a suspended one", err, integrations.Suspended)
	w.merge(`{"installations":{"12345":{"suspended":false}}}`)
	for range 2 { // the second time it is gone already
		if err := w.Uninstall(ctx, "12345"); err != nil {
			t.Errorf("Uninstall: %v", err)
		}
	}
	_, err = w.MintToken(ctx, "12345")
	wantKind(t, "MintToken of a deleted one", err, integrations.Missing)
	_, err = w.Repositories(ctx, minted.Token, "")
	wantKind(t, "Repositories of a deleted one", err, integrations.Unauthorized)
	w.RevokeUserTokens("octocat")
	_, err = w.User(ctx, token)
	wantKind(t, "User with a revoked token", err, integrations.Unauthorized)
}

func TestIncompleteAnswers(t *testing.T) {
	w := start(t, acme())
	for _, c := range []struct {
		operation, body string
		want            integrations.FailureKind
	}{
		{"User", `{"id":"99","login":"octocat"}`, integrations.Incomplete},
		{"User", `{"id":99}`, integrations.Incomplete},
		{"User", `{"id":99,"login":"octocat","id":100,"name":"\ud800"}`, noFailure},
		{"Installation", `{}`, noFailure},
		{"Installation", `{"account":"octocat"}`, integrations.Incomplete},
		{"Repositories", `{"total_count":0}`, integrations.Incomplete},
		{"Repositories", `{"repositories":null}`, integrations.Incomplete},
		{"Repositories", `{"repositories":{}}`, integrations.Incomplete},
		{"Repositories", `{"repositories":[null,1,"x",[],{}]}`, noFailure},
		{"Repositories", `{"repositories":[` + strings.Repeat("1,", 100) + `1]}`, integrations.Incomplete},
		{"Branches", `[{"name":1},null,{"name":"main"}]`, noFailure},
		{"DefaultBranch", `{"default_branch":null}`, integrations.Incomplete},
		{"DefaultBranch", `{"default_branch":"` + strings.Repeat("x", 2000) + `"}`, integrations.Incomplete},
	} {
		for _, o := range operations() {
			if o.name == c.operation {
				w.fault(githubtest.Fault{Route: o.route, Kind: githubtest.JSON, Body: json.RawMessage(c.body)})
				wantKind(t, o.name+" "+c.body[:min(len(c.body), 60)], o.call(t.Context(), w), c.want)
			}
		}
	}
}

func TestEnterprise(t *testing.T) {
	server, err := githubtest.New(githubtest.Options{APIPath: "/api/v3"})
	if err != nil {
		t.Fatal(err)
	}
	if err := server.SetState(githubtest.Organization(250)); err != nil {
		t.Fatal(err)
	}
	listener := httptest.NewServer(server)
	defer listener.Close()
	var transport http.Transport
	defer transport.CloseIdleConnections()
	app := githubtest.NewApp()
	c, err := github.New(github.Config{
		ClientID: app.ClientID, ClientSecret: users.Secret(app.ClientSecret), Slug: app.Slug,
		PrivateKey: users.Secret("  " + strings.ReplaceAll(server.PrivateKeyPEM(), "\n", `\n`) + "\n"),
		APIURL:     listener.URL + "/api/v3/", WebURL: listener.URL + "/", Transport: &transport,
	})
	if err != nil {
		t.Fatal(err)
	}
	token, err := c.MintToken(t.Context(), "12345")
	if err != nil {
		t.Fatal(err)
	}
	if list, err := c.Repositories(t.Context(), token.Token, ""); err != nil || len(list.Repositories) != 250 {
		t.Errorf("got %d repositories, %v", len(list.Repositories), err)
	}
	refresh := users.Secret(server.IssueUserToken("octocat", 99).RefreshToken)
	if _, err := c.RefreshUserToken(t.Context(), refresh); err != nil {
		t.Errorf("the token route is at the root of the web address: %v", err)
	}
	if page, err := c.InstallURL("s"); err != nil || page != listener.URL+"/apps/acme-dev/installations/new?state=s" {
		t.Errorf("InstallURL: got %s, %v", page, err)
	}
}

// TestNotConfigured: every setting is optional, and what lacks one says so
// without a request (contract section 17).
func TestNotConfigured(t *testing.T) {
	w := start(t, acme(), func(c *github.Config) {
		c.ClientID, c.ClientSecret, c.PrivateKey, c.Slug = "", "", "", ""
	})
	for _, o := range operations() {
		want := noFailure
		switch o.name {
		case "Installation", "MintToken", "Uninstall", "Exchange", "RefreshUserToken":
			want = integrations.NotConfigured
		}
		before := len(w.Requests())
		wantKind(t, o.name, o.call(t.Context(), w), want)
		if want == integrations.NotConfigured && len(w.Requests()) != before {
			t.Errorf("%s sent a request", o.name)
		}
	}
	_, err := w.AuthorizeURL(integrations.AuthorizeRequest{})
	wantKind(t, "AuthorizeURL", err, integrations.NotConfigured)
	_, err = w.InstallURL("")
	wantKind(t, "InstallURL", err, integrations.NotConfigured)
	for name, remove := range map[string]func(*github.Config){
		"MintToken": func(c *github.Config) { c.PrivateKey = "" },
		"Exchange":  func(c *github.Config) { c.ClientSecret = "" },
	} {
		w := start(t, acme(), remove)
		for _, o := range operations() {
			if o.name == name {
				wantKind(t, name, o.call(t.Context(), w), integrations.NotConfigured)
			}
		}
	}
}

func TestConfigRefused(t *testing.T) {
	const secret = "s3cr3t"
	for field, config := range map[string]github.Config{
		"APIURL: want https":       {APIURL: "http://github.example.com"},
		"APIURL: want scheme":      {APIURL: "https://user:" + secret + "@github.example.com"},
		"APIURL: not a URL":        {APIURL: "https://" + secret + "\x7f"},
		"WebURL: want scheme":      {WebURL: "github.com"},
		"WebURL: want https":       {WebURL: "ftp://github.com"},
		"APIURL: want scheme, ":    {APIURL: "https://api.github.com/?x=" + secret},
		"PrivateKey: not an RSA":   {PrivateKey: secret},
		"Timeout: want 0 to 10s, ": {Timeout: 11 * time.Second},
		"Timeout: want 0 to 10s":   {Timeout: -1},
	} {
		_, err := github.New(config)
		if err == nil || !strings.Contains(err.Error(), field) || strings.Contains(err.Error(), secret) {
			t.Errorf("got %v, want %q", err, field)
		}
	}
	c, err := github.New(github.Config{ClientID: "Iv1.x", Slug: "acme"})
	if err != nil {
		t.Fatal(err)
	}
	page, err := c.AuthorizeURL(integrations.AuthorizeRequest{RedirectURI: "https://a.example/complete/github-link/", State: "token=t&source=user_integration"})
	want := "https://github.com/login/oauth/authorize?client_id=Iv1.x&redirect_uri=https%3A%2F%2Fa.example%2Fcomplete%2Fgithub-link%2F&state=token%3Dt%26source%3Duser_integration"
	if err != nil || page != want {
		t.Errorf("AuthorizeURL:\n got %s, %v\nwant %s", page, err, want)
	}
	if page, err := c.InstallURL(""); err != nil || page != "https://github.com/apps/acme/installations/new" {
		t.Errorf("InstallURL: got %s, %v", page, err)
	}
}

// TestRenamedRepository follows GitHub's redirect within the API, and no further.
func TestRenamedRepository(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v3/repos/acme/old", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/v3/repositories/1", http.StatusMovedPermanently)
	})
	mux.HandleFunc("GET /v3/repositories/1", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") == "Bearer ghs_x" {
			_, _ = w.Write([]byte(`{"default_branch":"main"}`)) // the client checks what arrives
		}
	})
	for name, target := range map[string]string{"out": "/outside", "climb": "/v3/../outside", "loop": "/v3/repos/acme/loop"} {
		mux.HandleFunc("GET /v3/repos/acme/"+name, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", target)
			w.WriteHeader(http.StatusFound)
		})
	}
	mux.HandleFunc("GET /outside", func(http.ResponseWriter, *http.Request) { t.Error("a redirect left the API") })
	listener := httptest.NewServer(mux)
	defer listener.Close()
	var transport http.Transport
	defer transport.CloseIdleConnections()
	c, err := github.New(github.Config{APIURL: listener.URL + "/v3", Transport: &transport})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := c.DefaultBranch(t.Context(), "ghs_x", "acme/old"); err != nil || got != "main" {
		t.Errorf("renamed: got %q, %v", got, err)
	}
	for _, name := range []string{"out", "climb", "loop"} {
		_, err := c.DefaultBranch(t.Context(), "ghs_x", "acme/"+name)
		wantKind(t, name, err, integrations.Unexpected)
	}
}

// query reads the query of a page or of where it sends the browser.
func query(t *testing.T, address string) url.Values {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return u.Query()
}
