package integrations_test

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/integrations"
	"github.com/hedgerow-dev/hedgerow/integrations/githubtest"
	"github.com/hedgerow-dev/hedgerow/users"
)

// TestFlows: contract section 7, steps 3 to 5.
func TestFlows(t *testing.T) {
	team := func(ids ...string) (list []integrations.TeamInstallation) {
		for n, id := range ids {
			list = append(list, integrations.TeamInstallation{ID: int64(n + 1), InstallationID: id})
		}
		return list
	}
	for name, c := range map[string]struct {
		team []integrations.TeamInstallation
		flow integrations.Flow
		id   string
	}{
		"no team, or none of its own": {nil, integrations.FlowInstall, ""},
		"one":                         {team("12345"), integrations.FlowAuthorize, "12345"},
		"the first of two":            {team("2", "1"), integrations.FlowAuthorize, "2"},
		"the first that has an id":    {team("", "", "7"), integrations.FlowAuthorize, "7"},
		"none that has an id":         {team("", ""), integrations.FlowInstall, ""},
	} {
		if flow, id := integrations.ChooseFlow(c.team); flow != c.flow || id != c.id {
			t.Errorf("%s: got %s %q, want %s %q", name, flow, id, c.flow, c.id)
		}
	}
}

func TestNames(t *testing.T) {
	for id, want := range map[string]bool{"1": true, "12345678901234567890": true, "123456789012345678901": false, "": false, "0": false, "01": false,
		"1a": false, "-1": false, " 1": false, "١": false} {
		if got := integrations.ValidInstallationID(id); got != want {
			t.Errorf("ValidInstallationID(%q): got %v", id, got)
		}
	}
	for name, want := range map[string]bool{"a/b": true, "A-1/_.x": true, "a": false, "/b": false, "a/": false, "a/b/c": false, "./b": false, "a/..": false,
		"a/.b": true, "a/b?": false, "ä/b": false, "a b/c": false, "": false} {
		if got := integrations.ValidRepository(name); got != want {
			t.Errorf("ValidRepository(%q): got %v", name, got)
		}
	}
}

// TestReseal: old keys go out of use, one by one on use or all at once.
func TestReseal(t *testing.T) {
	w := newWorld(t)
	w.link()
	first := w.stored().Sealed
	w.keys = append([][]byte{bytes.Repeat([]byte{2}, auth.EncryptionKeyBytes)}, w.keys...)
	w.Service = w.service()
	if _, err := w.repositories(); err != nil {
		t.Fatal(err)
	}
	second := w.stored().Sealed
	if bytes.Equal(first, second) {
		t.Error("use with a new key did not seal again")
	}
	w.keys = append([][]byte{bytes.Repeat([]byte{3}, auth.EncryptionKeyBytes)}, w.keys...)
	w.Service = w.service()
	for _, want := range []int{1, 0} {
		if n, err := w.Reseal(t.Context()); n != want || err != nil {
			t.Errorf("Reseal: got %d, %v, want %d", n, err, want)
		}
	}
	w.keys = w.keys[:1]
	w.Service = w.service()
	if token, err := w.UserToken(t.Context(), w.user.ID, "12345"); err != nil || token == "" {
		t.Errorf("UserToken with the last key alone: %v", err)
	}
}

// TestLostKey: what cannot be decrypted is refused, and nothing is deleted.
func TestLostKey(t *testing.T) {
	w := newWorld(t)
	w.link()
	w.keys = [][]byte{bytes.Repeat([]byte{9}, auth.EncryptionKeyBytes)}
	w.Service = w.service()
	before := w.stored()
	if _, err := w.repositories(); !errors.Is(err, integrations.ErrGitHubUnavailable) {
		t.Errorf("Repositories: %v", err)
	}
	if token, err := w.UserToken(t.Context(), w.user.ID, "12345"); !errors.Is(err, integrations.ErrGitHubUnavailable) || token != "" {
		t.Errorf("UserToken: %v", err)
	}
	if n, err := w.Reseal(t.Context()); n != 0 || err == nil {
		t.Errorf("Reseal: got %d, %v, want an error", n, err)
	}
	if after := w.stored(); !bytes.Equal(after.Sealed, before.Sealed) {
		t.Error("the sealed tokens changed")
	}
	w.link() // and linking again heals it
	if _, err := w.repositories(); err != nil {
		t.Errorf("Repositories after linking again: %v", err)
	}
	// Tokens are bound to their row.
	moved := w.stored()
	moved.ID, moved.InstallationID = uuid.New(), "777"
	if err := w.store.UpdateIntegrations(t.Context(), func(tx integrations.Tx) error { return tx.SaveInstallation(t.Context(), moved) }); err != nil {
		t.Fatal(err)
	}
	if _, err := w.UserToken(t.Context(), w.user.ID, "777"); !errors.Is(err, integrations.ErrGitHubUnavailable) {
		t.Errorf("UserToken of a row with another's tokens: %v", err)
	}
}

// TestLease: work that another process has begun is waited for, and if that
// process died, its lease ends.
func TestLease(t *testing.T) {
	w := newWorld(t, func(c *integrations.Config) { c.Patience = 60 * time.Millisecond })
	w.link()
	other, name := uuid.New(), "repositories/"+w.stored().ID.String()
	hold := func(until time.Duration) {
		t.Helper()
		err := w.store.UpdateIntegrations(t.Context(), func(tx integrations.Tx) error {
			free, err := tx.Claim(t.Context(), name, other, w.clock(), w.clock().Add(until))
			if !free {
				t.Error("the lease is taken")
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	hold(30 * time.Second)
	if _, err := w.repositories(); !errors.Is(err, integrations.ErrGitHubUnavailable) {
		t.Errorf("Repositories while another process refreshes: %v", err)
	}
	if n := len(w.github.Requests()); n != 0 {
		t.Errorf("%d calls to GitHub beside another process", n)
	}
	w.advance(30 * time.Second)
	if list, err := w.repositories(); err != nil || len(list) != 3 {
		t.Errorf("Repositories after the lease: %v, %v", list, err)
	}
	w.advance(time.Hour)
	hold(30 * time.Second)
	if list, err := w.repositories(); err != nil || len(list) != 3 {
		t.Errorf("Repositories from the stored list: %v, %v", list, err)
	}
}

// panicking is a GitHub client with a mistake.
type panicking struct{ integrations.Provider }

func (panicking) Repositories(context.Context, users.Secret, string) (integrations.RepositoryList, error) {
	panic("mistake")
}

// TestPanic: a panic neither keeps others waiting nor leaves a lease behind.
func TestPanic(t *testing.T) {
	w := newWorld(t)
	w.link()
	good := w.config.Provider
	w.config.Provider = panicking{good}
	w.Service = w.service()
	for range 2 {
		func() {
			defer func() {
				if got := recover(); got != "mistake" {
					t.Errorf("recovered %v", got)
				}
			}()
			_, err := w.repositories()
			t.Errorf("Repositories: %v, want a panic", err)
		}()
	}
	w.config.Provider = good
	w.Service = w.service()
	if list, err := w.repositories(); err != nil || len(list) != 3 {
		t.Errorf("Repositories afterwards: %v, %v", list, err)
	}
}

// TestCanceled: a caller who goes away gets the reason, and leaves nothing behind
// that stops the next.
func TestCanceled(t *testing.T) {
	w := newWorld(t)
	w.link()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, _, err := w.Repositories(ctx, w.user.ID, "12345", integrations.Page{Limit: 1})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("Repositories of a caller who went away: %v", err)
	}
	if list, err := w.repositories(); err != nil || len(list) != 3 {
		t.Errorf("Repositories afterwards: %v, %v", list, err)
	}
}

// stuck is a GitHub whose first list does not come before the caller goes away.
type stuck struct {
	integrations.Provider
	calls *atomic.Int32
}

func (s stuck) Repositories(ctx context.Context, _ users.Secret, _ string) (integrations.RepositoryList, error) {
	if s.calls.Add(1) == 1 {
		<-ctx.Done()
		return integrations.RepositoryList{}, &integrations.Failure{Kind: integrations.Unreachable, Call: "list", Err: ctx.Err()}
	}
	return integrations.RepositoryList{Repositories: []integrations.Repository{{ID: 1, Name: "a", FullName: "a/a"}}}, nil
}

// TestLeaderGoesAway: those who wait for somebody's refresh do not suffer when
// that one goes away.
func TestLeaderGoesAway(t *testing.T) {
	w := newWorld(t)
	w.link()
	synctest.Test(t, func(t *testing.T) {
		calls := new(atomic.Int32)
		w.config.Provider = stuck{w.config.Provider, calls}
		w.Service = w.service()
		list := func(ctx context.Context) (int, error) {
			list, _, err := w.Repositories(ctx, w.user.ID, "12345", integrations.Page{Limit: 10})
			return len(list), err
		}
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, err := list(ctx); !errors.Is(err, context.Canceled) {
				t.Errorf("the caller who goes away: %v", err)
			}
		})
		synctest.Wait()
		for range 10 {
			wg.Go(func() {
				if n, err := list(t.Context()); n != 1 || err != nil {
					t.Errorf("a caller who waits: %d repositories, %v", n, err)
				}
			})
		}
		synctest.Wait()
		cancel()
		wg.Wait()
		if n := calls.Load(); n != 2 {
			t.Errorf("%d calls to GitHub, want 2", n)
		}
	})
}

// TestImport: a link of elsewhere works like one of ours.
func TestImport(t *testing.T) {
	w := newWorld(t)
	installation, expires := w.github.IssueInstallationToken("12345", 0)
	user := w.github.IssueUserToken(githubtest.Login, githubtest.UserID)
	link := integrations.Import{
		Installation: integrations.Installation{UserID: w.user.ID, InstallationID: "12345", TokenRefreshedAt: w.clock(), TokenLifetime: expires.Sub(w.clock()),
			UserTokenRefreshedAt: w.clock(), UserTokenExpiresAt: w.clock().Add(user.Lifetime), SnapshotAt: w.clock()},
		InstallationToken: users.Secret(installation), UserToken: users.Secret(user.AccessToken), RefreshToken: users.Secret(user.RefreshToken),
		Repositories: []integrations.Repository{{ID: 1, Name: "old", FullName: "acme/old"}},
	}
	first, err := w.Import(t.Context(), link)
	if err != nil || first.ID == uuid.Nil || !first.CreatedAt.Equal(w.clock()) {
		t.Fatalf("Import: %+v, %v", first, err)
	}
	if list, err := w.repositories(); err != nil || len(list) != 1 || list[0].Name != "old" {
		t.Errorf("Repositories: %v, %v", list, err)
	}
	link.SnapshotAt, link.Repositories = time.Time{}, nil
	if second, err := w.Import(t.Context(), link); err != nil || second.ID == first.ID {
		t.Errorf("Import again: %+v, %v", second, err)
	}
	if list, err := w.repositories(); err != nil || len(list) != 3 {
		t.Errorf("Repositories from GitHub: %v, %v", list, err)
	}
	if n := w.github.Count("POST /app/installations/{id}/access_tokens"); n != 0 {
		t.Errorf("the imported token was not used, and %d were made", n)
	}
	w.advance(5 * time.Hour)
	if token, err := w.UserToken(t.Context(), w.user.ID, "12345"); err != nil || token == link.UserToken {
		t.Errorf("UserToken: %v", err)
	}
	for name, bad := range map[string]integrations.Installation{"installation": {UserID: w.user.ID, InstallationID: "x"}, "user": {UserID: w.user.ID + 1, InstallationID: "1"}} {
		if _, err := w.Import(t.Context(), integrations.Import{Installation: bad}); err == nil {
			t.Errorf("Import with a bad %s: want an error", name)
		}
	}
}

// TestEvents: one line in the activity log for each change.
func TestEvents(t *testing.T) {
	w := newWorld(t)
	w.link()
	w.link()
	if _, err := w.repositories(); err != nil {
		t.Fatal(err)
	}
	if err := w.Unlink(t.Context(), w.actor(), w.user.ID, "12345"); err != nil {
		t.Fatal(err)
	}
	w.link()
	w.advance(2 * githubtest.RefreshTokenLifetime)
	if _, err := w.UserToken(t.Context(), w.user.ID, "12345"); !errors.Is(err, integrations.ErrRelink) {
		t.Errorf("UserToken: %v", err)
	}
	events, err := w.store.Events(t.Context(), users.EventQuery{Limit: 100})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range events {
		if e.Target != w.user.ID || len(e.Fields) != 1 || e.Fields[0] != "installation 12345" {
			t.Errorf("event is %+v", e)
		}
		got = append(got, string(e.Credential)+": "+e.Action)
	}
	want := []string{"session: github installation linked", "session: github installation linked again", "session: github installation unlinked",
		"session: github installation linked", "github: github installation unlinked"}
	if !slices.Equal(got, want) {
		t.Errorf("events are %q, want %q", got, want)
	}
}

func TestConfig(t *testing.T) {
	w := newWorld(t)
	for _, c := range []integrations.Config{{Patience: -1}, {Provider: w.config.Provider}} {
		if _, err := integrations.NewService(w.store, w.users, nil, c); err == nil {
			t.Errorf("NewService(%+v): want an error", c.Patience)
		}
	}
}
