package sqlite

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/hedgerow-dev/hedgerow/users"
)

// rename changes a user, with a line of the activity log.
func rename(ctx context.Context, st users.Store, id users.ID, name string) error {
	return st.UpdateUsers(ctx, func(tx users.Tx) error {
		u, err := tx.User(ctx, id)
		if err != nil {
			return err
		}
		u.FirstName = name
		if u, err = tx.SaveUser(ctx, u); err != nil {
			return err
		}
		return tx.AddEvent(ctx, users.Event{Target: u.ID, Action: "user updated"})
	})
}

// TestPrepared does the same again and again: after the first times nothing is
// compiled any more.
func TestPrepared(t *testing.T) {
	t.Parallel()
	path := furnished(t, 3)
	st, reading, writing := counted(t, path)
	work := func(name string) {
		t.Helper()
		if err := rename(t.Context(), st, 2, name); err != nil {
			t.Fatalf("UpdateUsers: %v", err)
		}
		if u, err := st.User(t.Context(), 2); err != nil || u.FirstName != name {
			t.Fatalf("User: got %q and %v, want %q", u.FirstName, err, name)
		}
		if _, p, err := st.APIKeyByHash(t.Context(), hashOf('k', 1)); err != nil || p.User.FirstName != name {
			t.Fatalf("APIKeyByHash: got %+v and %v, want a user named %q", p, err, name)
		}
	}
	// The first time shows which statements there are, the second prepares them.
	work("one")
	work("two")
	read, written, ran := reading.compiled.Load(), writing.compiled.Load(), writing.n.Load()
	for i := range 20 {
		work(fmt.Sprint(i))
	}
	if got := reading.compiled.Load() - read; got != 0 {
		t.Errorf("the reading handle has compiled %d statements again", got)
	}
	if got := writing.compiled.Load() - written; got != 0 {
		t.Errorf("the writing handle has compiled %d statements again", got)
	}
	if got := writing.n.Load() - ran; got != 20*3 {
		t.Errorf("20 transactions ran %d statements, want 3 each", got)
	}
}

// TestPreparedByMany has transactions meet statements at the same time, for the
// race detector.
func TestPreparedByMany(t *testing.T) {
	t.Parallel()
	st, _ := counting(t, 10)
	var working sync.WaitGroup
	for worker := range 8 {
		working.Go(func() {
			for n := range 20 {
				q := users.Query{Staff: users.Some(n%2 == 0), Active: n%3 == 0, After: users.ID(worker % 2), Offset: n % 4, Limit: 2}
				if _, err := st.Profiles(t.Context(), q); err != nil {
					t.Errorf("Profiles(%+v): %v", q, err)
				}
			}
		})
	}
	working.Wait()
}

// TestPreparedInHostDatabase has a host with a single connection, which prepared
// statements must neither wait for nor outlive the store.
func TestPreparedInHostDatabase(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	c := newCounter(t, filepath.Join(t.TempDir(), "host.db"), HostSettings)
	host := handleOf(c, 1)
	defer host.Close()
	if err := Migrate(ctx, host.DB, Config{}); err != nil {
		t.Fatalf("Migrate: %v", err)
	}
	before := c.open.Load()
	st, err := New(ctx, host.DB, Config{})
	if err != nil {
		t.Fatalf("New: %v", err)
	}
	u := users.New()
	u.UUID, u.DistinctID, u.Email = uuid.New(), uuid.NewString(), "ann@example.com"
	err = st.UpdateUsers(ctx, func(tx users.Tx) (err error) {
		u, err = tx.CreateUser(ctx, u)
		return err
	})
	if err != nil {
		t.Fatalf("UpdateUsers: %v", err)
	}
	check := func(when string, r users.Reader, want string) {
		t.Helper()
		if got, err := r.User(ctx, u.ID); err != nil || got.FirstName != want {
			t.Errorf("User %s: got %q and %v, want %q", when, got.FirstName, err, want)
		}
		if p, err := r.Profiles(ctx, users.Query{Limit: 2}); err != nil || len(p.Profiles) != 1 {
			t.Errorf("Profiles %s: got %+v and %v, want one", when, p, err)
		}
	}
	for _, name := range []string{"one", "two", "three"} {
		if err := rename(ctx, st, u.ID, name); err != nil {
			t.Fatalf("UpdateUsers: %v", err)
		}
		check("after a change", st, name)
		tx, err := host.BeginTx(ctx, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := rename(ctx, st.Tx(tx), u.ID, name+" again"); err != nil {
			t.Errorf("UpdateUsers in a transaction of the host: %v", err)
		}
		check("in a transaction of the host", st.Tx(tx), name+" again")
		if err := tx.Rollback(); err != nil {
			t.Fatal(err)
		}
		check("after the host has rolled back", st, name)
	}
	if c.open.Load() == before {
		t.Error("nothing is prepared")
	}
	if err := st.Close(); err != nil {
		t.Fatalf("Close: %v", err)
	}
	if got := c.open.Load(); got != before {
		t.Errorf("%d statements are open after Close, want %d as before New", got, before)
	}
}

// TestStatementJournal finds what SQLite needs to undo a statement alone in memory,
// on the connection of a store that writes; who brings a handle decides that.
func TestStatementJournal(t *testing.T) {
	t.Parallel()
	for name, open := range map[string]func(context.Context, string) (*Store, error){"Open": Open, "OpenUncached": OpenUncached} {
		st, err := open(t.Context(), filepath.Join(t.TempDir(), "a.db"))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		var place int
		if err := st.write.GetContext(t.Context(), &place, "pragma temp_store"); err != nil || place != 2 {
			t.Errorf("%s: pragma temp_store is %d, %v, want 2, memory", name, place, err)
		}
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	}
}
