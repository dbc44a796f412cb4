package github_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/hedgerow-dev/hedgerow/integrations"
	"github.com/hedgerow-dev/hedgerow/integrations/github"
	"github.com/hedgerow-dev/hedgerow/integrations/githubtest"
	"github.com/hedgerow-dev/hedgerow/users"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is a client and the GitHub that it talks to, with one clock.
type world struct {
	*githubtest.Server
	*github.Client
	t     *testing.T
	url   string
	now   time.Time
	token users.Secret // of the installation
	wire  *wire
}

// wire counts the hosts that requests go to.
type wire struct {
	http.Transport
	mu    sync.Mutex
	hosts map[string]int
}

func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	w.mu.Lock()
	w.hosts[r.URL.Host]++
	w.mu.Unlock()
	return w.Transport.RoundTrip(r)
}

func start(t *testing.T, state githubtest.State, change ...func(*github.Config)) *world {
	t.Helper()
	w := &world{t: t, now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), wire: &wire{hosts: map[string]int{}}}
	server, err := githubtest.New(githubtest.Options{Now: func() time.Time { return w.now }})
	if err != nil {
		t.Fatal(err)
	}
	if err := server.SetState(state); err != nil {
		t.Fatal(err)
	}
	listener := httptest.NewServer(server)
	t.Cleanup(func() {
		w.wire.CloseIdleConnections()
		listener.Close()
	})
	app := githubtest.NewApp()
	config := github.Config{
		ClientID: app.ClientID, ClientSecret: users.Secret(app.ClientSecret), PrivateKey: users.Secret(server.PrivateKeyPEM()), Slug: app.Slug,
		APIURL: listener.URL, WebURL: listener.URL, Transport: w.wire, Now: func() time.Time { return w.now },
	}
	for _, f := range change {
		f(&config)
	}
	w.Server, w.url = server, listener.URL
	if w.Client, err = github.New(config); err != nil {
		t.Fatal(err)
	}
	token, _ := server.IssueInstallationToken(githubtest.InstallationID, 0)
	w.token = users.Secret(token)
	return w
}

func (w *world) merge(state string) {
	w.t.Helper()
	if err := w.Merge([]byte(state)); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) fault(f githubtest.Fault) {
	w.t.Helper()
	if err := w.AddFault(f); err != nil {
		w.t.Fatal(err)
	}
}

// user returns tokens of the fixtures' user.
func (w *world) user() githubtest.UserTokens {
	return w.IssueUserToken(githubtest.Login, githubtest.UserID)
}

// operation is one method of the client, called on what the fixtures have.
type operation struct {
	name, route string
	success     int
	call        func(ctx context.Context, w *world) error
}

func operations() []operation {
	const id = githubtest.InstallationID
	return []operation{
		{"User", "GET /user", 200, func(ctx context.Context, w *world) error {
			_, err := w.User(ctx, users.Secret(w.user().AccessToken))
			return err
		}},
		{"CheckAccess", "GET /user/installations/{id}/repositories", 200, func(ctx context.Context, w *world) error {
			return w.CheckAccess(ctx, users.Secret(w.user().AccessToken), id)
		}},
		{"Installation", "GET /app/installations/{id}", 200, func(ctx context.Context, w *world) error {
			_, err := w.Installation(ctx, id)
			return err
		}},
		{"MintToken", "POST /app/installations/{id}/access_tokens", 201, func(ctx context.Context, w *world) error {
			_, err := w.MintToken(ctx, id)
			return err
		}},
		{"Repositories", "GET /installation/repositories", 200, func(ctx context.Context, w *world) error {
			_, err := w.Repositories(ctx, w.token, "")
			return err
		}},
		{"Branches", "GET /repos/{owner}/{name}/branches", 200, func(ctx context.Context, w *world) error {
			_, err := w.Branches(ctx, w.token, "acme/web")
			return err
		}},
		{"DefaultBranch", "GET /repos/{owner}/{name}", 200, func(ctx context.Context, w *world) error {
			_, err := w.DefaultBranch(ctx, w.token, "acme/web")
			return err
		}},
		{"Exchange", "POST /login/oauth/access_token", 200, func(ctx context.Context, w *world) error {
			w.merge(`{"codes":{"code_1":{"user":"octocat"}}}`)
			_, err := w.Exchange(ctx, integrations.ExchangeRequest{Code: "code_1"})
			return err
		}},
		{"RefreshUserToken", "POST /login/oauth/access_token", 200, func(ctx context.Context, w *world) error {
			_, err := w.RefreshUserToken(ctx, users.Secret(w.user().RefreshToken))
			return err
		}},
		{"Uninstall", "DELETE /app/installations/{id}", 204, func(ctx context.Context, w *world) error {
			return w.Uninstall(ctx, id)
		}},
	}
}

// acme is an organization with three repositories, and the branches of another.
func acme() githubtest.State {
	s := githubtest.Organization(3)
	s.Branches = map[string]githubtest.Branches{"acme/web": {Names: []string{"main", "dev"}, Default: "main"}}
	return s
}

// kindOf is the class of a failure; a nil error is -1 and another one -2.
func kindOf(err error) integrations.FailureKind {
	var f *integrations.Failure
	switch {
	case err == nil:
		return -1
	case errors.As(err, &f):
		return f.Kind
	}
	return -2
}

func wantKind(t *testing.T, call string, err error, want integrations.FailureKind) {
	t.Helper()
	if got := kindOf(err); got != want {
		t.Errorf("%s: got %v (%v), want %v", call, got, err, want)
	}
}
