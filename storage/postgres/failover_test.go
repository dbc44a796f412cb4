package postgres_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/hedgerow-dev/hedgerow/storage/postgres"
	"github.com/hedgerow-dev/hedgerow/storage/postgres/postgrestest"
	"github.com/hedgerow-dev/hedgerow/users"
)

// patience is how long a store may take to find its way.
const patience = time.Minute

// recovers fails the test unless the user can be read again before long, and by
// refusals of one kind until then.
func recovers(t *testing.T, st *postgres.Store, u users.User) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for {
		_, err := st.User(ctx, u.ID)
		if err == nil {
			return
		}
		if !errors.Is(err, users.ErrUnavailable) {
			t.Fatalf("User: got %v, want %v until there is a server", err, users.ErrUnavailable)
		}
	}
}

// TestSeveralHosts loses first one host and then the other.
func TestSeveralHosts(t *testing.T) {
	t.Parallel()
	dsn := postgrestest.DSN(t)
	first, second := postgrestest.NewRelay(t, dsn), postgrestest.NewRelay(t, dsn)
	st := open(t, with(t, postgrestest.Through(t, dsn, first, second), "target_session_attrs", "read-write"))
	ann := addUser(t, st, "ann@example.com")
	first.Cut()
	recovers(t, st, ann)
	first.Restore()
	second.Cut()
	recovers(t, st, ann)
	first.Cut()
	if _, err := st.User(t.Context(), ann.ID); !errors.Is(err, users.ErrUnavailable) {
		t.Errorf("User without any host: got %v, want %v", err, users.ErrUnavailable)
	}
}

// TestHostThatFallsSilent answers nothing any more, on the connection that there
// is as on new ones.
func TestHostThatFallsSilent(t *testing.T) {
	t.Parallel()
	dsn := postgrestest.DSN(t)
	first, second := postgrestest.NewRelay(t, dsn), postgrestest.NewRelay(t, dsn)
	st := open(t, postgrestest.Through(t, dsn, first, second))
	ann := addUser(t, st, "ann@example.com")
	first.Stall()
	short, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := st.User(short, ann.ID); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("User of a silent host: got %v, want %v", err, context.DeadlineExceeded)
	}
	recovers(t, st, ann)
}

// TestServerThatTakesNoWrites has a connection to a server that becomes read-only
// without closing it. Once that shows, the store must not read there either.
func TestServerThatTakesNoWrites(t *testing.T) {
	t.Parallel()
	server := postgrestest.Start(t)
	st := open(t, with(t, server.DSN(), "target_session_attrs", "read-write"))
	ann := addUser(t, st, "ann@example.com")
	postgrestest.Execute(t, server.DSN(), "alter system set default_transaction_read_only = on")
	postgrestest.Execute(t, server.DSN(), "select pg_reload_conf()")
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var err error
	for err == nil { // until the server has reloaded
		err = st.UpdateUsers(ctx, func(tx users.Tx) (err error) {
			ann, err = tx.SaveUser(ctx, ann)
			return err
		})
	}
	if !errors.Is(err, users.ErrUnavailable) {
		t.Fatalf("SaveUser on a server that takes no writes: got %v, want %v", err, users.ErrUnavailable)
	}
	if _, err := st.User(t.Context(), ann.ID); !errors.Is(err, users.ErrUnavailable) {
		t.Errorf("User after a refused write: got %v, want %v", err, users.ErrUnavailable)
	}
	if refused, err := postgres.Open(t.Context(), server.DSN()); err == nil || !strings.Contains(err.Error(), "takes no writes") {
		t.Errorf("Open of a server that takes no writes: got %v, %v, want an error that says so", refused, err)
	}
	postgrestest.Execute(t, with(t, server.DSN(), "default_transaction_read_only", "off"), "alter system reset default_transaction_read_only")
	postgrestest.Execute(t, server.DSN(), "select pg_reload_conf()")
	recovers(t, st, ann)
}

// TestRefusedConnections: a server that lets nobody in is one that cannot answer,
// whatever it says.
func TestRefusedConnections(t *testing.T) {
	t.Parallel()
	dsn := postgrestest.DSN(t)
	schema := query(t, dsn, "select current_schema()::text")[0]
	postgrestest.Execute(t, dsn, "create role "+schema+" login superuser")
	t.Cleanup(func() { postgrestest.Execute(t, dsn, "drop owned by "+schema+" cascade; drop role "+schema) })
	st := open(t, with(t, dsn, "user", schema))
	ann := addUser(t, st, "ann@example.com")
	postgrestest.Execute(t, dsn, "alter role "+schema+" nologin")
	postgrestest.Execute(t, dsn, "select pg_terminate_backend(pid) from pg_stat_activity where usename = '"+schema+"'")
	for range 3 {
		if _, err := st.User(t.Context(), ann.ID); !errors.Is(err, users.ErrUnavailable) {
			t.Errorf("User by a role that may not log in: got %v, want %v", err, users.ErrUnavailable)
		}
	}
	postgrestest.Execute(t, dsn, "alter role "+schema+" login")
	recovers(t, st, ann)
}

// TestLostCommit is about a transaction whose end the store cannot see.
func TestLostCommit(t *testing.T) {
	t.Parallel()
	dsn := postgrestest.DSN(t)
	r := postgrestest.NewRelay(t, dsn)
	st := open(t, postgrestest.Through(t, dsn, r))
	for _, c := range []struct {
		name string
		lose func()
		kept bool
	}{
		{"before-the-server", r.Cut, false},
		{"after-the-server", r.LoseAnswer, true},
	} {
		runs := 0
		err := st.UpdateUsers(t.Context(), func(tx users.Tx) error {
			runs++
			for _, email := range []string{c.name + "@example.com", c.name + "@example.org"} {
				if _, err := tx.CreateUser(t.Context(), newUser(email)); err != nil {
					return err
				}
			}
			c.lose()
			return nil
		})
		if !errors.Is(err, users.ErrUnavailable) || runs != 1 {
			t.Errorf("commit lost %s: got %v after %d runs, want %v after one", c.name, err, runs, users.ErrUnavailable)
		}
		r.Restore()
		for _, email := range []string{c.name + "@example.com", c.name + "@example.org"} {
			if _, err := st.UserByEmail(t.Context(), email); (err == nil) != c.kept || err != nil && !errors.Is(err, users.ErrNotFound) {
				t.Errorf("commit lost %s: user: got %v, want it kept: %v", c.name, err, c.kept)
			}
		}
	}
}
