package sqlite

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/autonomy"
	"github.com/hedgerow-dev/hedgerow/storage/internal/sqlstore"
	"github.com/hedgerow-dev/hedgerow/users"
)

// furnished returns the path of a database with n users, each with everything
// that a page shows and with one credential of each kind. Hashes are hashOf the
// number of the user.
func furnished(t *testing.T, n int) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "a.db")
	st, err := Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	err = st.UpdateAuth(t.Context(), func(tx auth.Tx) error {
		for i := range n {
			if err := addEverything(t.Context(), tx, i); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

// counting opens a furnished database so that the statements of the reading
// handle count.
func counting(t *testing.T, n int) (*sqlstore.Store, *counter) {
	t.Helper()
	st, reading, _ := counted(t, furnished(t, n))
	return st, reading
}

func hashOf(kind byte, i int) auth.Hash { return auth.Hash{kind, byte(i), byte(i >> 8), 1} }

func addEverything(ctx context.Context, tx auth.Tx, i int) error {
	now := time.Date(2024, 2, 29, 12, 0, 0, 0, time.UTC)
	o := users.NewOrganization()
	o.ID, o.Name, o.Slug = uuid.New(), fmt.Sprintf("Organization %d", i), fmt.Sprintf("organization-%d", i)
	if err := tx.SaveOrganization(ctx, o); err != nil {
		return err
	}
	team, err := tx.SaveTeam(ctx, users.Team{UUID: uuid.New(), OrganizationID: o.ID, Name: "Team"})
	if err != nil {
		return err
	}
	u := users.New()
	u.UUID, u.DistinctID, u.Email = uuid.New(), uuid.NewString(), fmt.Sprintf("%d@example.com", i)
	u.CurrentOrganization, u.CurrentTeam = o.ID, team.ID
	if u, err = tx.CreateUser(ctx, u); err != nil {
		return err
	}
	for _, save := range []func() error{
		func() error {
			return tx.SaveMembership(ctx, users.Membership{UserID: u.ID, OrganizationID: o.ID, JoinedAt: now})
		},
		func() error {
			return tx.SaveScene(ctx, users.Scene{UserID: u.ID, TeamID: team.ID, Scene: "home", DashboardID: 1})
		},
		func() error {
			return tx.SaveIdentity(ctx, users.Identity{UserID: u.ID, Provider: "p", Subject: u.Email, CreatedAt: now})
		},
		func() error {
			return tx.SaveSession(ctx, auth.Session{ID: uuid.New(), Hash: hashOf('s', i), UserID: u.ID, CreatedAt: now})
		},
		func() error {
			return tx.SaveAPIKey(ctx, auth.APIKey{ID: uuid.NewString(), Hash: hashOf('k', i), UserID: u.ID, CreatedAt: now})
		},
		func() error {
			return tx.SaveOAuthToken(ctx, auth.OAuthToken{Hash: hashOf('o', i), UserID: u.ID, CreatedAt: now})
		},
	} {
		if err := save(); err != nil {
			return err
		}
	}
	return nil
}

func TestProfilesStatements(t *testing.T) {
	t.Parallel()
	st, c := counting(t, 100)
	statements := func(limit int) int64 {
		t.Helper()
		before := c.n.Load()
		p, err := st.Profiles(t.Context(), users.Query{Limit: limit})
		if err != nil {
			t.Fatal(err)
		}
		if len(p.Profiles) != limit {
			t.Fatalf("the page of %d users has %d", limit, len(p.Profiles))
		}
		for _, p := range p.Profiles {
			if len(p.Memberships) != 1 || len(p.Organizations) != 1 || len(p.Teams) != 1 || p.MemberCount != 1 || len(p.Scenes) != 1 || !p.HasIdentity || !p.HasAPIKey {
				t.Fatalf("a profile is not complete: %+v", p)
			}
		}
		return c.n.Load() - before
	}
	few, many := statements(1), statements(100)
	if few == 0 || few != many {
		t.Errorf("%d statements for one user and %d for 100, want the same number", few, many)
	}
}

// profileStatements read a credential with the profile of its user: both, and
// memberships, scenes, organizations, teams, numbers of members.
const profileStatements = 6

func TestCredentialStatements(t *testing.T) {
	t.Parallel()
	st, c := counting(t, 3)
	reads := map[string]func(context.Context) (*users.Profile, error){
		"SessionByHash": func(ctx context.Context) (*users.Profile, error) {
			_, p, err := st.SessionByHash(ctx, hashOf('s', 1))
			return p, err
		},
		"APIKeyByHash": func(ctx context.Context) (*users.Profile, error) {
			_, p, err := st.APIKeyByHash(ctx, hashOf('k', 1))
			return p, err
		},
		"OAuthTokenByHash": func(ctx context.Context) (*users.Profile, error) {
			_, p, err := st.OAuthTokenByHash(ctx, hashOf('o', 1))
			return p, err
		},
	}
	for name, read := range reads {
		t.Run(name, func(t *testing.T) {
			before := c.n.Load()
			p, err := read(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if u := p.User; u.Email != "1@example.com" {
				t.Errorf("user %q", u.Email)
			}
			if got := c.n.Load() - before; got > profileStatements {
				t.Errorf("%d statements, want at most %d", got, profileStatements)
			}
		})
	}
}

// TestAutonomyStatements reads what an owner's GET needs: who calls, and the
// configuration.
func TestAutonomyStatements(t *testing.T) {
	t.Parallel()
	st, c := counting(t, 3)
	want := autonomy.Config{ID: uuid.New(), UserID: 2, AutostartPriority: autonomy.P3}
	err := st.UpdateAutonomy(t.Context(), func(tx autonomy.Tx) error { return tx.SaveAutonomyConfig(t.Context(), want) })
	if err != nil {
		t.Fatal(err)
	}
	before := c.n.Load()
	_, p, err := st.SessionByHash(t.Context(), hashOf('s', 1))
	if err != nil {
		t.Fatal(err)
	}
	got, err := st.AutonomyConfig(t.Context(), p.User.ID)
	if err != nil || got != want {
		t.Errorf("AutonomyConfig of user %d: got %+v and %v, want %+v", p.User.ID, got, err, want)
	}
	if n := c.n.Load() - before; n > profileStatements+1 {
		t.Errorf("%d statements, want at most %d", n, profileStatements+1)
	}
}
