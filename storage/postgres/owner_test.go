package postgres_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/google/uuid"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/storage/postgres/postgrestest"
	"github.com/hedgerow-dev/hedgerow/users"
)

// TestOwnerIsAsStored has somebody else change what a store has kept, and reads both a
// session and the profile of its user, with as many statements as that takes.
func TestOwnerIsAsStored(t *testing.T) {
	t.Parallel()
	dsn := postgrestest.DSN(t)
	st, secret := open(t, dsn), auth.Hash{1}
	acme := addOrganization(t, st)
	ann := addMember(t, st, acme)
	err := st.UpdateAuth(t.Context(), func(tx auth.Tx) error {
		return tx.SaveSession(t.Context(), auth.Session{ID: uuid.New(), Hash: secret, UserID: ann.ID, UserAgent: "a"})
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ change, want string }{
		{"select 1", "a of  true in 1"},
		{"update users set first_name = 'Ann', version = version + 1", "a of Ann true in 1"},
		{"update users set is_active = false; update sessions set user_agent = 'b'", "b of Ann false in 1"},
		{"update users set is_active = true", "b of Ann true in 1"},
		{"update users set first_name = 'Anna'; delete from memberships", "b of Anna true in 0"},
		{"update sessions set user_agent = 'c'", "c of Anna true in 0"},
	} {
		postgrestest.Execute(t, dsn, c.change)
		for range 2 {
			s, p, err := st.SessionByHash(t.Context(), secret)
			if err != nil {
				t.Fatalf("SessionByHash after %q: %v", c.change, err)
			}
			got := fmt.Sprintf("%s of %s %t in %d", s.UserAgent, p.User.FirstName, p.User.IsActive, len(p.Memberships))
			if got != c.want {
				t.Errorf("SessionByHash after %q: got %q, want %q", c.change, got, c.want)
			}
		}
	}
	postgrestest.Execute(t, dsn, "update users set first_name = 'Ann'; delete from sessions")
	if _, _, err := st.SessionByHash(t.Context(), secret); !errors.Is(err, users.ErrNotFound) {
		t.Errorf("SessionByHash of a session that is gone: got %v, want %v", err, users.ErrNotFound)
	}
}
