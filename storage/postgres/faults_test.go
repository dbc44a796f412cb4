package postgres_test

import (
	"context"
	"errors"
	"net/url"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/hedgerow-dev/hedgerow/storage/postgres/postgrestest"
	"github.com/hedgerow-dev/hedgerow/users"
)

func newUser(email string) users.User {
	u := users.New()
	u.UUID, u.DistinctID, u.Email = uuid.New(), uuid.NewString(), email
	return u
}

func addUser(t *testing.T, st interface {
	UpdateUsers(context.Context, func(users.Tx) error) error
}, email string) users.User {
	t.Helper()
	var u users.User
	err := st.UpdateUsers(t.Context(), func(tx users.Tx) (err error) {
		u, err = tx.CreateUser(t.Context(), newUser(email))
		return err
	})
	if err != nil {
		t.Fatalf("create a user: %v", err)
	}
	return u
}

// TestDeadlockIsRunAgain has two transactions that lock two users crosswise.
func TestDeadlockIsRunAgain(t *testing.T) {
	t.Parallel()
	st := open(t, with(t, postgrestest.DSN(t), "deadlock_timeout", "10ms"))
	ann, bob := addUser(t, st, "ann@example.com"), addUser(t, st, "bob@example.com")
	var both sync.WaitGroup
	both.Add(2)
	cross := func(first, second users.ID) (runs int, err error) {
		err = st.UpdateUsers(t.Context(), func(tx users.Tx) error {
			runs++
			if _, err := tx.User(t.Context(), first); err != nil {
				return err
			}
			if runs == 1 {
				both.Done()
				both.Wait() // until each holds one
			}
			_, err := tx.User(t.Context(), second)
			return err
		})
		return runs, err
	}
	var runs [2]int
	var errs [2]error
	var wg sync.WaitGroup
	wg.Go(func() { runs[0], errs[0] = cross(ann.ID, bob.ID) })
	wg.Go(func() { runs[1], errs[1] = cross(bob.ID, ann.ID) })
	wg.Wait()
	if err := errors.Join(errs[:]...); err != nil {
		t.Errorf("transactions that lock crosswise: %v", err)
	}
	if runs[0]+runs[1] < 3 {
		t.Errorf("got %v runs, want one transaction to have run again", runs)
	}
}

func TestLostRacesEnd(t *testing.T) {
	t.Parallel()
	st := open(t, postgrestest.DSN(t))
	runs := 0
	err := st.UpdateUsers(t.Context(), func(users.Tx) error {
		runs++
		return &pgconn.PgError{Code: "40001"}
	})
	if !errors.Is(err, users.ErrUnavailable) || runs != 10 {
		t.Errorf("UpdateUsers that always loses: got %v after %d runs, want %v after 10", err, runs, users.ErrUnavailable)
	}
}

func TestLostServerIsUnavailableAndComesBack(t *testing.T) {
	t.Parallel()
	dsn := postgrestest.DSN(t)
	r := postgrestest.NewRelay(t, dsn)
	st := open(t, postgrestest.Through(t, dsn, r))
	ann := addUser(t, st, "ann@example.com")
	rename := func(tx users.Tx) error { _, err := tx.SaveUser(t.Context(), ann); return err }
	for range 3 {
		err := st.UpdateUsers(t.Context(), func(tx users.Tx) error {
			if err := rename(tx); err != nil {
				return err
			}
			r.Cut()
			return nil // so that the commit finds the connection cut
		})
		if !errors.Is(err, users.ErrUnavailable) {
			t.Errorf("commit on a cut connection: got %v, want %v", err, users.ErrUnavailable)
		}
		for range 20 { // more than there are idle connections
			if _, err := st.User(t.Context(), ann.ID); !errors.Is(err, users.ErrUnavailable) {
				t.Errorf("User without a server: got %v, want %v", err, users.ErrUnavailable)
			}
		}
		if err := st.UpdateUsers(t.Context(), rename); !errors.Is(err, users.ErrUnavailable) {
			t.Errorf("UpdateUsers without a server: got %v, want %v", err, users.ErrUnavailable)
		}
		r.Restore()
		if got, err := st.User(t.Context(), ann.ID); err != nil || got.Version != ann.Version {
			t.Errorf("User when the server is back: got version %d, %v, want %d", got.Version, err, ann.Version)
		}
	}
}

// TestTerminatedConnections has the server end all connections, which a pool
// notices only when it uses them.
func TestTerminatedConnections(t *testing.T) {
	t.Parallel()
	dsn := with(t, postgrestest.DSN(t), "application_name", "hedgerow-"+uuid.NewString()[:8])
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	st := open(t, dsn)
	ann := addUser(t, st, "ann@example.com")
	err = st.UpdateUsers(t.Context(), func(tx users.Tx) error {
		if _, err := tx.User(t.Context(), ann.ID); err != nil {
			return err
		}
		postgrestest.Execute(t, dsn, "select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid() and application_name = '"+
			u.Query().Get("application_name")+"'")
		_, err := tx.User(t.Context(), ann.ID)
		return err
	})
	if !errors.Is(err, users.ErrUnavailable) {
		t.Errorf("a statement on an ended connection: got %v, want %v", err, users.ErrUnavailable)
	}
	if _, err := st.User(t.Context(), ann.ID); err != nil {
		t.Errorf("User afterwards: %v", err)
	}
}

func TestTextThatCannotBeStored(t *testing.T) {
	t.Parallel()
	st := open(t, postgrestest.DSN(t))
	for _, text := range []string{"a\x00b", "\xff"} {
		err := st.UpdateUsers(t.Context(), func(tx users.Tx) error {
			u := newUser("ann@example.com")
			u.FirstName = text
			_, err := tx.CreateUser(t.Context(), u)
			return err
		})
		if e, ok := errors.AsType[*users.Error](err); !ok || e.Kind != users.Invalid {
			t.Errorf("CreateUser with %q: got %v, want an Invalid error", text, err)
		}
	}
}
