package httpapi_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/hedgerow-dev/hedgerow/httpapi"
	"github.com/hedgerow-dev/hedgerow/integrations"
	"github.com/hedgerow-dev/hedgerow/integrations/githubtest"
	"github.com/hedgerow-dev/hedgerow/storage"
	"github.com/hedgerow-dev/hedgerow/storage/sqlite"
	"github.com/hedgerow-dev/hedgerow/users"
)

const (
	mint12345 = "POST /app/installations/12345/access_tokens"
	refresh   = "POST /login/oauth/access_token"
)

// storedLink reads the link of a user as it is.
func (e *env) storedLink(u users.User) integrations.Installation {
	e.t.Helper()
	i, err := e.store.Installation(e.t.Context(), u.ID, githubtest.InstallationID)
	if err != nil {
		e.t.Fatal(err)
	}
	return i
}

// alter changes the stored link of a user.
func (e *env) alter(u users.User, change func(*integrations.Installation)) {
	e.t.Helper()
	i := e.storedLink(u)
	change(&i)
	err := e.store.UpdateIntegrations(e.t.Context(), func(tx integrations.Tx) error { return tx.SaveInstallation(e.t.Context(), i) })
	if err != nil {
		e.t.Fatal(err)
	}
}

// dropSnapshot makes the next list ask GitHub.
func (e *env) dropSnapshot(u users.User) {
	e.t.Helper()
	e.alter(u, func(i *integrations.Installation) { i.SnapshotAt, i.ETag = time.Time{}, "" })
}

// TestInstallationTokenLife: contract section 12, first row of rules.
func TestInstallationTokenLife(t *testing.T) {
	withGitHub(t, acme, nil, func(t *testing.T, e *env) {
		alice := e.user("alice")
		who := e.session(alice, 0)
		e.link(who)
		list := func(what string, mints int) {
			t.Helper()
			e.dropSnapshot(alice)
			e.do("GET", reposPath, "", who).ok(200)
			want := map[string]int{listRoute: 1}
			if mints > 0 {
				want[mint12345] = mints
			}
			e.calls(what, want)
		}
		list("a new token", 0)
		e.advance(30 * time.Minute)
		list("a token of exactly half its life", 0)
		e.advance(time.Microsecond)
		before := e.storedLink(alice)
		list("a token past half of its life", 1)
		if after := e.storedLink(alice); !after.TokenRefreshedAt.Equal(e.now()) || after.GitHubUser != before.GitHubUser || after.Account != before.Account ||
			!after.UserTokenExpiresAt.Equal(before.UserTokenExpiresAt) || after.RepositorySelection != before.RepositorySelection {
			t.Errorf("a new token changed more than itself: %+v, was %+v", after, before)
		}

		e.advance(31 * time.Minute)
		e.fault(mintRoute, githubtest.Status, func(f *githubtest.Fault) { f.Status = 500 })
		list("a failing renewal: the old token is used", 1)
		e.gh.server.ClearFaults()

		e.alter(alice, func(i *integrations.Installation) { i.TokenRefreshedAt, i.TokenLifetime = time.Time{}, 0 })
		list("a token of unknown life", 0)

		e.merge(`{"revoke_installation_tokens":["12345"]}`)
		e.dropSnapshot(alice)
		e.do("GET", reposPath, "", who).ok(200)
		e.calls("a revoked token", map[string]int{listRoute: 2, mint12345: 1})

		// It is repeated once, not for ever.
		e.fault(listRoute, githubtest.Status, func(f *githubtest.Fault) { f.Status = 401 })
		e.dropSnapshot(alice)
		e.do("GET", reposPath, "", who).refused(503, "server_error", "github_unavailable", "")
		e.calls("tokens that are always refused", map[string]int{listRoute: 2, mint12345: 1})
	})
}

// TestInstallationGone: GitHub's word that an installation is gone or suspended
// marks the link, a new token clears the mark, and nothing else does either.
func TestInstallationGone(t *testing.T) {
	withGitHub(t, acme, nil, func(t *testing.T, e *env) {
		alice := e.user("alice")
		who := e.session(alice, 0)
		e.link(who)
		status := func(want string) {
			t.Helper()
			got := e.do("GET", linkedPath, "", who).ok(200).json()["results"].([]any)[0].(map[string]any)["installation_status"]
			if got != want {
				t.Errorf("installation_status is %v, want %s", got, want)
			}
		}
		for _, state := range []string{`{"installations":{"12345":{"deleted":true}}}`, `{"installations":{"12345":{"deleted":false,"suspended":true}}}`} {
			e.do("POST", reposPath+"refresh/", "", who).ok(200)
			e.merge(state)
			e.advance(time.Hour)
			who = e.session(alice, 0)
			if names := e.do("GET", reposPath, "", who).ok(200).names(); len(names) != 3 {
				t.Errorf("the stored list is %v", names)
			}
			e.dropSnapshot(alice)
			e.do("GET", reposPath, "", who).refused(503, "server_error", "github_unavailable", "")
			status("unavailable")
			if i := e.storedLink(alice); !i.UnavailableSince.Equal(e.now()) || !i.TokenRefreshedAt.IsZero() || i.TokenLifetime != 0 {
				t.Errorf("link is %+v", i)
			}
			e.merge(`{"installations":{"12345":{"deleted":false,"suspended":false}}}`)
			e.merge(`{"revoke_installation_tokens":["12345"]}`)
			e.do("GET", reposPath, "", who).ok(200)
			status("connected")
		}
		for _, kind := range []string{githubtest.Plain403, githubtest.RateLimitSecondary403, githubtest.Status, githubtest.ConnectionRefused} {
			e.fault(mintRoute, kind, func(f *githubtest.Fault) {
				if kind == githubtest.Status {
					f.Status = 500
				}
			})
			e.merge(`{"revoke_installation_tokens":["12345"]}`)
			e.dropSnapshot(alice)
			if r := e.do("GET", reposPath, "", who); r.status != 503 && r.status != 429 {
				t.Errorf("%s: status %d", kind, r.status)
			}
			status("connected")
		}
	})
}

// TestUserToken: contract section 12, user token use.
func TestUserToken(t *testing.T) {
	final := func(code string) func(*env) {
		return func(e *env) {
			e.fault(refresh, githubtest.JSON, func(f *githubtest.Fault) { f.Body = json.RawMessage(`{"error":"` + code + `"}`) })
		}
	}
	kind := func(kind string, status int) func(*env) {
		return func(e *env) { e.fault(refresh, kind, func(f *githubtest.Fault) { f.Status = status }) }
	}
	nothing := func(*env) {}
	for _, c := range []struct {
		name    string
		age     time.Duration
		prepare func(*env)
		want    error // nil is success
		calls   int
		gone    bool
	}{
		{"exactly half", 4 * time.Hour, nothing, nil, 0, false},
		{"past half", 4*time.Hour + time.Second, nothing, nil, 1, false},
		{"dead token, good refresh token", 9 * time.Hour, nothing, nil, 1, false},
		{"refresh token at its end", 15_897_600 * time.Second, final("bad_refresh_token"), integrations.ErrRelink, 1, true},
		{"refresh token past its end", 15_897_601 * time.Second, nothing, integrations.ErrRelink, 0, true},
		{"expired at GitHub", 5 * time.Hour, final("refresh_token_expired"), integrations.ErrRelink, 1, true},
		{"client not allowed", 5 * time.Hour, final("unauthorized_client"), integrations.ErrRelink, 1, true},
		{"wrong client secret", 5 * time.Hour, final("incorrect_client_credentials"), integrations.ErrGitHubUnavailable, 1, false},
		{"server error", 5 * time.Hour, kind(githubtest.Status, 500), integrations.ErrGitHubUnavailable, 1, false},
		{"not found", 5 * time.Hour, kind(githubtest.Status, 404), integrations.ErrGitHubUnavailable, 1, false},
		{"refused", 5 * time.Hour, kind(githubtest.Status, 401), integrations.ErrGitHubUnavailable, 1, false},
		{"page", 5 * time.Hour, kind(githubtest.HTML200, 0), integrations.ErrGitHubUnavailable, 1, false},
		{"no connection", 5 * time.Hour, kind(githubtest.ConnectionRefused, 0), integrations.ErrGitHubUnavailable, 1, false},
		{"no token in the answer", 5 * time.Hour, kind(githubtest.TokenMissing, 0), integrations.ErrGitHubUnavailable, 1, false},
		{"rate limit", 5 * time.Hour, kind(githubtest.RateLimit429, 0), integrations.ErrRateLimited, 1, false},
		{"answer without a refresh token", 5 * time.Hour, func(e *env) {
			e.fault(refresh, githubtest.JSON, func(f *githubtest.Fault) {
				f.Body = json.RawMessage(`{"access_token":"ghu_new","token_type":"bearer"}`)
			})
		}, nil, 1, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			withGitHub(t, acme, nil, func(t *testing.T, e *env) {
				alice := e.user("alice")
				who := e.session(alice, 0)
				e.link(who)
				before, err := e.api.Integrations().UserToken(t.Context(), alice.ID, "12345")
				if err != nil || before == "" {
					t.Fatalf("UserToken of a new link: %v", err)
				}
				c.prepare(e)
				e.advance(c.age)
				token, err := e.api.Integrations().UserToken(t.Context(), alice.ID, "12345")
				if c.want == nil && (err != nil || (token == before) != (c.calls == 0)) || c.want != nil && (!errors.Is(err, c.want) || token != "") {
					t.Errorf("UserToken: got %v and another token: %v, want %v", err, token != before, c.want)
				}
				if n := e.gh.server.Count(refresh); n != c.calls {
					t.Errorf("%d refreshes, want %d", n, c.calls)
				}
				_, err = e.store.Installation(t.Context(), alice.ID, "12345")
				if gone := errors.Is(err, users.ErrNotFound); gone != c.gone {
					t.Errorf("the link is gone: %v, want %v", gone, c.gone)
				}
				if c.name == "answer without a refresh token" {
					if i := e.storedLink(alice); !i.UserTokenExpiresAt.IsZero() || !i.RefreshTokenExpiresAt.IsZero() {
						t.Errorf("expiry stays: %+v", i)
					}
				}
				e.gh.server.ClearFaults()
				if c.want == nil {
					// The new pair works on.
					e.advance(5 * time.Hour)
					if _, err := e.api.Integrations().UserToken(t.Context(), alice.ID, "12345"); err != nil {
						t.Errorf("UserToken later: %v", err)
					}
				}
			})
		})
	}
}

// TestNonExpiringUserToken: no expiry, no refresh.
func TestNonExpiringUserToken(t *testing.T) {
	withGitHub(t, acme, nil, func(t *testing.T, e *env) {
		e.merge(`{"app":{"non_expiring_user_tokens":true}}`)
		alice := e.user("alice")
		e.link(e.session(alice, 0))
		e.advance(10 * 365 * 24 * time.Hour)
		if token, err := e.api.Integrations().UserToken(t.Context(), alice.ID, "12345"); err != nil || token == "" {
			t.Errorf("UserToken: %v", err)
		}
		e.calls("a token that does not expire", map[string]int{})
	})
}

// TestMeanwhile: what GitHub answers about an old link does nothing to one that
// was removed or made anew in between.
func TestMeanwhile(t *testing.T) {
	withGitHub(t, acme, nil, func(t *testing.T, e *env) {
		alice := e.user("alice")
		who := e.session(alice, 0)
		e.link(who)
		e.advance(5 * time.Hour)
		who = e.session(alice, 0)
		e.gh.server.RevokeUserTokens(githubtest.Login)
		e.after(exchangeRoute, func() { e.link(who) })
		token, err := e.api.Integrations().UserToken(t.Context(), alice.ID, "12345")
		if err != nil || token == "" {
			t.Errorf("UserToken of a link that was made anew while the old token was refused: %v", err)
		}
		e.advance(5 * time.Hour)
		who = e.session(alice, 0)
		var sealed []byte
		e.after(exchangeRoute, func() {
			e.link(who)
			sealed = e.storedLink(alice).Sealed
		})
		token, err = e.api.Integrations().UserToken(t.Context(), alice.ID, "12345")
		if err != nil || token == "" || !bytes.Equal(sealed, e.storedLink(alice).Sealed) {
			t.Errorf("UserToken of a link that was made anew while the old token was renewed: %v", err)
		}
		e.after(listRoute, func() { e.do("DELETE", onePath, "", who).ok(204) })
		e.do("GET", reposPath, "", who).refused(404, "invalid_request", "not_found", "")
		e.do("GET", linkedPath, "", who).has("results", "[]")
	})
}

// TestRacingRefreshes: an expired installation token and an expired user token
// are each renewed once, however many ask.
func TestRacingRefreshes(t *testing.T) {
	withGitHub(t, acme, nil, func(t *testing.T, e *env) {
		refreshRace(t, e, []*httpapi.API{e.api})
	})
}

// TestRacingProcesses is the same with two handles on one database file.
func TestRacingProcesses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "test.db")
	open := func() storage.Storage {
		st, err := sqlite.Open(t.Context(), path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := st.Close(); err != nil {
				t.Errorf("Close: %v", err)
			}
		})
		return st
	}
	var provider integrations.Provider
	e := newEnv(t, open(), func(c *httpapi.Config) {
		c.GitHub.Provider = newGitHub(t, c.Now, acme())
		provider = c.GitHub.Provider
	})
	second := newEnv(t, open(), func(c *httpapi.Config) { c.Now, c.GitHub.Provider = e.now, provider })
	refreshRace(t, e, []*httpapi.API{e.api, second.api})
}

func refreshRace(t *testing.T, e *env, apis []*httpapi.API) {
	t.Helper()
	for n := range *rounds {
		refreshOnce(t, e, apis, e.user(fmt.Sprint("racer", n)))
	}
}

// refreshOnce has many need two tokens of u that are over.
func refreshOnce(t *testing.T, e *env, apis []*httpapi.API, u users.User) {
	t.Helper()
	who := e.session(u, 0)
	e.link(who)
	e.advance(5 * time.Hour)
	who = e.session(u, 0)
	const callers = 100
	var wg sync.WaitGroup
	problems := make(chan string, 2*callers)
	for i := range callers {
		other := &env{t: t, api: apis[i%len(apis)]}
		wg.Go(func() {
			if r := other.do("GET", reposPath, "", who); r.status != 200 || len(r.names()) != 3 {
				problems <- fmt.Sprintf("list: %d %s", r.status, r.raw)
			}
		})
		wg.Go(func() {
			if _, err := other.api.Integrations().UserToken(t.Context(), u.ID, "12345"); err != nil {
				problems <- fmt.Sprintf("UserToken: %v", err)
			}
		})
	}
	wg.Wait()
	close(problems)
	for p := range problems {
		t.Error(p)
	}
	e.calls("a race", map[string]int{mint12345: 1, listRoute: 1, refresh: 1})
}
