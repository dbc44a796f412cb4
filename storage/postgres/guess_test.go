package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/storage/postgres"
	"github.com/hedgerow-dev/hedgerow/storage/postgres/postgrestest"
	"github.com/hedgerow-dev/hedgerow/users"
)

// keep has a store keep the profile of a user, from which it guesses then.
func keep(t *testing.T, st *postgres.Store, id users.ID) {
	t.Helper()
	if page, err := st.Profiles(t.Context(), users.Query{ID: id, Limit: 1}); err != nil || len(page.Profiles) != 1 {
		t.Fatalf("Profiles: got %d and %v, want the user", len(page.Profiles), err)
	}
}

// edited saves a user as changed by fn, and logs that.
func edited(ctx context.Context, tx users.Tx, id users.ID, fn func(*users.User) error) error {
	u, err := tx.User(ctx, id)
	if err != nil {
		return err
	}
	if err := fn(&u); err != nil {
		return err
	}
	if _, err := tx.SaveUser(ctx, u); err != nil {
		return err
	}
	return tx.AddEvent(ctx, users.Event{Target: id, Action: "user updated"})
}

var errInactive = errors.New("the user is inactive")

// TestGuessIsMadeAgain has a store change a user whom it has kept, on the way of a
// change that does no more than that, after somebody else has changed the record.
func TestGuessIsMadeAgain(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		between string // what is left to happen before the change, of the user with the id 1
		runs    int
		want    error
		stored  string // name, staff, version, and how many events
	}{
		"nothing":         {"select 1", 1, nil, "Ann Lee true 2 1"},
		"another change":  {"update users set first_name = 'Anna', version = version + 1", 2, nil, "Anna Lee true 3 1"},
		"by the operator": {"update users set first_name = 'Anna'", 2, nil, "Anna Lee true 2 1"},
		"staff withdrawn": {"update users set is_staff = false, version = version + 1", 2, nil, "Ann Lee false 3 1"},
		"deactivated":     {"update users set is_active = false, version = version + 1", 2, errInactive, "Ann  true 2 0"},
		"restored": {"update users set first_name = 'Anna', version = version + 1; update users set first_name = 'Ann', version = 1", 2, nil,
			"Ann Lee true 2 1"},
		"deleted": {"delete from users", 2, users.ErrNotFound, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dsn := postgrestest.DSN(t)
			st := open(t, dsn)
			ann := addUser(t, st, "ann@example.com")
			postgrestest.Execute(t, dsn, "update users set first_name = 'Ann', is_staff = true")
			keep(t, st, ann.ID)
			postgrestest.Execute(t, dsn, c.between)
			runs := 0
			err := st.UpdateUsers(t.Context(), func(tx users.Tx) error {
				runs++
				return edited(t.Context(), tx, ann.ID, func(u *users.User) error {
					u.LastName = "Lee"
					if !u.IsActive {
						return errInactive
					}
					return nil
				})
			})
			if !errors.Is(err, c.want) || runs != c.runs {
				t.Errorf("UpdateUsers: got %v after %d runs, want %v after %d", err, runs, c.want, c.runs)
			}
			var want []string
			if c.stored != "" {
				want = []string{c.stored}
			}
			got := query(t, dsn, `select first_name || ' ' || last_name || ' ' || is_staff || ' ' || version || ' ' || (select count(*) from events) from users`)
			if !slices.Equal(got, want) {
				t.Errorf("stored: got %q, want %q", got, want)
			}
		})
	}
}

// TestGuessIsNotBelieved has functions that do anything else with a user who is kept
// than to save the user. What they come to has to be by the record as it is.
func TestGuessIsNotBelieved(t *testing.T) {
	t.Parallel()
	dsn := postgrestest.DSN(t)
	st := open(t, dsn)
	ann, bob := addUser(t, st, "ann@example.com"), addUser(t, st, "bob@example.com")
	ctx := t.Context()
	stop := errors.New("stop")
	for n, fn := range []func(tx auth.Tx, u users.User) error{
		func(auth.Tx, users.User) error { return nil },
		func(auth.Tx, users.User) error { return stop },
		func(tx auth.Tx, u users.User) error { return err(tx.SaveUser(ctx, bob)) },
		func(tx auth.Tx, u users.User) error { return err(tx.User(ctx, bob.ID)) },
		func(tx auth.Tx, u users.User) error { return err(tx.Memberships(ctx, u.ID)) },
		func(tx auth.Tx, u users.User) error { return err(tx.DeleteSessions(ctx, u.ID, uuid.Nil)) },
		func(tx auth.Tx, u users.User) error {
			return tx.AddEvent(ctx, users.Event{Target: u.ID, Action: "seen"})
		},
		func(tx auth.Tx, u users.User) error {
			_ = tx.DeleteSession(ctx, uuid.New()) // none, and the caller does not mind
			return err(tx.SaveUser(ctx, u))
		},
		func(tx auth.Tx, u users.User) error {
			return errors.Join(err(tx.SaveUser(ctx, u)), err(tx.User(ctx, u.ID)), err(tx.DeleteSessions(ctx, u.ID, uuid.Nil)))
		},
		func(tx auth.Tx, u users.User) error { return errors.Join(err(tx.SaveUser(ctx, u)), stop) },
		func(tx auth.Tx, u users.User) error {
			u.Email = fmt.Sprintf("ann%d@example.com", u.Version)
			return err(tx.SaveUser(ctx, u))
		},
	} {
		keep(t, st, ann.ID)
		name := strconv.Itoa(n)
		postgrestest.Execute(t, dsn, "update users set first_name = '"+name+"', version = version + 1 where email like 'ann%'")
		var seen string
		err := st.UpdateAuth(ctx, func(tx auth.Tx) error {
			u, err := tx.User(ctx, ann.ID)
			if err != nil {
				return err
			}
			seen = u.FirstName
			return fn(tx, u)
		})
		if err != nil && !errors.Is(err, stop) || seen != name {
			t.Errorf("function %d has seen %q at last, with %v, want %q", n, seen, err, name)
		}
		if got := query(t, dsn, "select first_name from users where email like 'ann%'"); !slices.Equal(got, []string{name}) {
			t.Errorf("stored after function %d: got %q, want %q", n, got, name)
		}
	}
}

// TestGuessEndsInALock reads what belongs to a user who is kept: nobody else may change
// the user from then on.
func TestGuessEndsInALock(t *testing.T) {
	t.Parallel()
	dsn := postgrestest.DSN(t)
	st := open(t, dsn)
	ann := addUser(t, st, "ann@example.com")
	keep(t, st, ann.ID)
	var free []string
	err := st.UpdateUsers(t.Context(), func(tx users.Tx) error {
		return edited(t.Context(), tx, ann.ID, func(*users.User) error {
			if _, err := tx.Memberships(t.Context(), ann.ID); err != nil {
				return err
			}
			free = query(t, dsn, "select email from users for update skip locked")
			return nil
		})
	})
	if err != nil || len(free) > 0 {
		t.Errorf("after a list of the memberships %q can be changed by others, and %v, want nobody", free, err)
	}
}

// TestGuessIsUndone saves a user who is kept, with a line of the log that the database
// refuses: at once, or as late as at the commit.
func TestGuessIsUndone(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		setup, action string
		want          error
	}{
		"at once": {"select 1", "a\x00b", &users.Error{Kind: users.Invalid, Code: "invalid_input"}},
		"by the commit": {`create function refuse() returns trigger language plpgsql as $$ begin raise exception 'full' using errcode = '53100'; end $$;
			create constraint trigger refuse after insert on events deferrable initially deferred for each row execute function refuse()`,
			"seen", users.ErrUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dsn := postgrestest.DSN(t)
			st := open(t, dsn)
			ann := addUser(t, st, "ann@example.com")
			keep(t, st, ann.ID)
			postgrestest.Execute(t, dsn, c.setup)
			err := st.UpdateUsers(t.Context(), func(tx users.Tx) error {
				err := edited(t.Context(), tx, ann.ID, func(u *users.User) error {
					u.FirstName = "Ann"
					return nil
				})
				return errors.Join(err, tx.AddEvent(t.Context(), users.Event{Target: ann.ID, Action: c.action}))
			})
			if !errors.Is(err, c.want) {
				t.Errorf("UpdateUsers: got %v, want %v", err, c.want)
			}
			if got := query(t, dsn, "select first_name || version || (select count(*) from events) from users"); !slices.Equal(got, []string{"10"}) {
				t.Errorf("name, version and events: got %q, want nothing changed", got)
			}
		})
	}
}

// TestGuessWithoutAnswer loses the answer to a change that the server has made. The next
// change is one of the user as stored, not as kept.
func TestGuessWithoutAnswer(t *testing.T) {
	t.Parallel()
	dsn := postgrestest.DSN(t)
	r := postgrestest.NewRelay(t, dsn)
	st := open(t, postgrestest.Through(t, dsn, r))
	ann := addUser(t, st, "ann@example.com")
	keep(t, st, ann.ID)
	add := func() error {
		return st.UpdateUsers(t.Context(), func(tx users.Tx) error {
			return edited(t.Context(), tx, ann.ID, func(u *users.User) error {
				u.FirstName += "."
				return nil
			})
		})
	}
	if err := add(); err != nil { // which prepares the statements
		t.Fatal(err)
	}
	r.LoseAnswer()
	if err := add(); !errors.Is(err, users.ErrUnavailable) {
		t.Errorf("a change without an answer: got %v, want %v", err, users.ErrUnavailable)
	}
	if err := add(); err != nil {
		t.Errorf("the next change: %v", err)
	}
	if got := query(t, dsn, "select first_name || version || (select count(*) from events) from users"); !slices.Equal(got, []string{"...43"}) {
		t.Errorf("name, version and events: got %q, want all three changes", got)
	}
}

// TestGuessesLoseNoUpdate has many change the same users through two stores at once,
// each of which keeps what it has saved itself, whatever level is the default.
func TestGuessesLoseNoUpdate(t *testing.T) {
	t.Parallel()
	for _, level := range []string{"read committed", "repeatable read", "serializable"} {
		t.Run(level, func(t *testing.T) {
			t.Parallel()
			dsn := strings.ReplaceAll(with(t, postgrestest.DSN(t), "default_transaction_isolation", level), "+", "%20") // as pgx reads a space
			stores := []*postgres.Store{open(t, dsn), open(t, dsn)}
			people := []users.User{addUser(t, stores[0], "ann@example.com"), addUser(t, stores[0], "bob@example.com")}
			for _, st := range stores {
				for _, u := range people {
					keep(t, st, u.ID)
				}
			}
			const workers, changes = 6, 25
			var wg sync.WaitGroup
			for worker := range workers {
				wg.Go(func() {
					for n := range changes {
						err := stores[worker%len(stores)].UpdateUsers(t.Context(), func(tx users.Tx) error {
							return edited(t.Context(), tx, people[n%len(people)].ID, func(u *users.User) error {
								u.FirstName += "."
								return nil
							})
						})
						if err != nil {
							t.Errorf("UpdateUsers: %v", err)
						}
					}
				})
			}
			wg.Wait()
			got := query(t, dsn, "select sum(length(first_name)) || ' ' || sum(version - 1) || ' ' || (select count(*) from events) from users")
			if want := fmt.Sprintf("%[1]d %[1]d %[1]d", workers*changes); !slices.Equal(got, []string{want}) {
				t.Errorf("dots, versions and events: got %q, want %q", got, want)
			}
		})
	}
}

// TestGuessesWaitForEachOther has many change one user through one store, where nobody has
// to change the user twice, and one give up waiting.
func TestGuessesWaitForEachOther(t *testing.T) {
	t.Parallel()
	st := open(t, postgrestest.DSN(t))
	ann := addUser(t, st, "ann@example.com")
	keep(t, st, ann.ID)
	var runs atomic.Int64
	change := func(ctx context.Context, during func()) error {
		return st.UpdateUsers(ctx, func(tx users.Tx) error {
			return edited(ctx, tx, ann.ID, func(*users.User) error {
				runs.Add(1)
				during()
				return nil
			})
		})
	}
	const workers, changes = 6, 10
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for range changes {
				if err := change(t.Context(), func() {}); err != nil {
					t.Errorf("UpdateUsers: %v", err)
				}
			}
		})
	}
	wg.Wait()
	err := change(t.Context(), func() {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		ended := make(chan error, 1)
		go func() { ended <- change(ctx, func() { t.Error("two change the user at once") }) }()
		if err := <-ended; !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("UpdateUsers of who waits: got %v, want %v", err, context.DeadlineExceeded)
		}
	})
	if got := runs.Load(); err != nil || got != workers*changes+1 {
		t.Errorf("the changes ran %d times, want %d, and the last came to %v", got, workers*changes+1, err)
	}
}
