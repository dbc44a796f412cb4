package sqlite

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/hedgerow-dev/hedgerow/storage/internal/sqlstore"
	"github.com/hedgerow-dev/hedgerow/users"
)

// crowd is a store whose one writer is busy until release, and those who wait
// for their turn meanwhile. Everything happens in a synctest bubble, so that it
// is known when all of them wait.
type crowd struct {
	st       *sqlstore.Store
	writing  *counter
	path     string
	open     opener
	release  func()
	finished sync.WaitGroup
}

var errStop = errors.New("stop")

// undone is the name of a user with which SQLite undoes a whole transaction, as it
// does when the disk is full.
const undone = "undone"

// inCrowd runs a test in which the first transaction ends with err, on connections of
// the store and on those of a host.
func inCrowd(t *testing.T, err error, test func(t *testing.T, c *crowd)) {
	t.Helper()
	for name, open := range openers() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			openCrowd(t, open, err, test)
		})
	}
}

// opener opens the database at a path, so that both handles count.
type opener func(t *testing.T, path string) (st *sqlstore.Store, reading, writing *counter)

func openers() map[string]opener {
	return map[string]opener{"direct": counted, "by a host": countedByHost}
}

func openCrowd(t *testing.T, opener opener, err error, test func(t *testing.T, c *crowd)) {
	t.Helper()
	path := furnished(t, 0)
	db, openErr := open(path, writeSettings, 1)
	if openErr != nil {
		t.Fatal(openErr)
	}
	_, execErr := db.Exec("create trigger undo before insert on users when new.email = '" + undone + "@example.com' begin select raise(rollback, 'undone'); end")
	if err := errors.Join(execErr, db.Close()); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		c := &crowd{path: path, open: opener}
		c.st, _, c.writing = opener(t, path)
		busy := make(chan struct{})
		c.release = sync.OnceFunc(func() { close(busy) })
		c.call(t, t.Context(), err, func(tx users.Tx) error {
			<-busy
			return errors.Join(add(t.Context(), tx, "first"), err)
		})
		test(t, c)
		c.release()
		c.finished.Wait()
	})
}

// call has another goroutine run fn in a transaction that has to end with want,
// and waits until it can do no more.
func (c *crowd) call(t *testing.T, ctx context.Context, want error, fn func(users.Tx) error) {
	t.Helper()
	c.finished.Go(func() {
		if err := c.st.UpdateUsers(ctx, fn); !errors.Is(err, want) {
			t.Errorf("UpdateUsers: got %v, want %v", err, want)
		}
	})
	synctest.Wait()
}

// add is call with a function that adds a user.
func (c *crowd) add(t *testing.T, name string, want error) {
	t.Helper()
	c.call(t, t.Context(), want, func(tx users.Tx) error { return add(t.Context(), tx, name) })
}

func add(ctx context.Context, tx users.Tx, name string) error {
	u := users.New()
	u.UUID, u.DistinctID, u.Email = uuid.New(), uuid.NewString(), name+"@example.com"
	u, err := tx.CreateUser(ctx, u)
	if err != nil {
		return err
	}
	return tx.AddEvent(ctx, users.Event{Target: u.ID, Action: name})
}

// check lets all go on, and fails the test unless exactly these have added a
// user and its line of the activity log in the end.
func (c *crowd) check(t *testing.T, want ...string) {
	t.Helper()
	c.release()
	c.finished.Wait()
	p, err := c.st.Profiles(t.Context(), users.Query{Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, p := range p.Profiles {
		got = append(got, p.User.Email[:len(p.User.Email)-len("@example.com")])
	}
	events, err := c.st.Events(t.Context(), users.EventQuery{Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	var logged []string
	for _, e := range events {
		logged = append(logged, e.Action)
	}
	slices.Sort(want)
	slices.Sort(got)
	slices.Sort(logged)
	if !slices.Equal(got, want) {
		t.Errorf("users: got %q, want %q", got, want)
	}
	if !slices.Equal(logged, want) {
		t.Errorf("the activity log: got %q, want %q", logged, want)
	}
}

// TestBatch has 100 transactions wait for one: the first 64 share a commit.
func TestBatch(t *testing.T) {
	t.Parallel()
	inCrowd(t, nil, func(t *testing.T, c *crowd) {
		want := []string{"first"}
		for i := range 99 {
			want = append(want, fmt.Sprint(i))
			c.add(t, want[i+1], nil)
		}
		if got := c.writing.commits.Load(); got != 0 {
			t.Errorf("%d commits before the first transaction ended", got)
		}
		c.check(t, want...)
		if got := c.writing.commits.Load(); got != 2 {
			t.Errorf("%d commits of 100 transactions, want 2", got)
		}
		// An interrupt would undo what others have done, too.
		if got := c.writing.frail.Load(); got != 0 {
			t.Errorf("%d statements can be interrupted, want none", got)
		}
	})
}

// TestBatchOutlivesContext ends the context of the one who began a batch, after
// its function has run.
func TestBatchOutlivesContext(t *testing.T) {
	t.Parallel()
	inCrowd(t, errStop, func(t *testing.T, c *crowd) {
		ctx, cancel := context.WithCancel(t.Context())
		c.call(t, ctx, nil, func(tx users.Tx) error { return add(ctx, tx, "began") })
		c.call(t, t.Context(), nil, func(tx users.Tx) error {
			cancel()
			synctest.Wait() // what waits for the context has done its worst
			return add(t.Context(), tx, "joined")
		})
		c.check(t, "began", "joined")
	})
}

// TestBatchUndoesOne has all that can go wrong with a function go wrong between
// others.
func TestBatchUndoesOne(t *testing.T) {
	t.Parallel()
	failures := map[string]func(t *testing.T, c *crowd){
		"an error": func(t *testing.T, c *crowd) {
			c.call(t, t.Context(), errStop, func(tx users.Tx) error { return errors.Join(add(t.Context(), tx, "x"), errStop) })
		},
		"a taken address": func(t *testing.T, c *crowd) {
			c.call(t, t.Context(), users.ErrEmailTaken, func(tx users.Tx) error {
				return errors.Join(add(t.Context(), tx, "x"), add(t.Context(), tx, "before"))
			})
		},
		"an error that fn forgets": func(t *testing.T, c *crowd) {
			c.call(t, t.Context(), users.ErrEmailTaken, func(tx users.Tx) error {
				_ = add(t.Context(), tx, "before")
				_ = add(t.Context(), tx, "x")
				return nil
			})
		},
		"a panic": func(t *testing.T, c *crowd) {
			c.finished.Go(func() {
				defer func() {
					if got := recover(); got != errStop {
						t.Errorf("got panic %v, want %v", got, errStop)
					}
				}()
				_ = c.st.UpdateUsers(t.Context(), func(tx users.Tx) error {
					_ = add(t.Context(), tx, "x")
					panic(errStop)
				})
			})
		},
		"an ended goroutine": func(t *testing.T, c *crowd) {
			c.finished.Go(func() {
				_ = c.st.UpdateUsers(t.Context(), func(tx users.Tx) error {
					_ = add(t.Context(), tx, "x")
					runtime.Goexit()
					return nil
				})
				t.Error("UpdateUsers returned")
			})
		},
		"a context that ends while fn runs": func(t *testing.T, c *crowd) {
			ctx, cancel := context.WithCancel(t.Context())
			c.call(t, ctx, context.Canceled, func(tx users.Tx) error {
				err := add(ctx, tx, "x")
				cancel()
				_ = add(ctx, tx, "y")
				return err
			})
		},
		"a context that ends before": func(t *testing.T, c *crowd) {
			ctx, cancel := context.WithCancel(t.Context())
			c.call(t, ctx, context.Canceled, func(tx users.Tx) error { return add(t.Context(), tx, "x") })
			cancel()
		},
		"the whole transaction is undone": func(t *testing.T, c *crowd) {
			c.finished.Go(func() {
				err := c.st.UpdateUsers(t.Context(), func(tx users.Tx) error {
					_ = add(t.Context(), tx, undone)
					// SQLite would commit this at once.
					_ = add(t.Context(), tx, "x")
					return nil
				})
				if code(err) != sqlite3.SQLITE_CONSTRAINT_TRIGGER {
					t.Errorf("UpdateUsers: got %v, want the error of the trigger", err)
				}
			})
		},
	}
	for name, fail := range failures {
		for _, first := range []error{nil, errStop} {
			t.Run(fmt.Sprintf("%s, first %v", name, first), func(t *testing.T) {
				t.Parallel()
				inCrowd(t, first, func(t *testing.T, c *crowd) {
					c.add(t, "before", nil)
					fail(t, c)
					synctest.Wait()
					c.add(t, "after", nil)
					want := []string{"before", "after"}
					if first == nil {
						want = append(want, "first")
					}
					c.check(t, want...)
				})
			})
		}
	}
}

// TestBatchCommitFails tells everybody.
func TestBatchCommitFails(t *testing.T) {
	t.Parallel()
	inCrowd(t, errStop, func(t *testing.T, c *crowd) {
		c.writing.noCommit.Store(&errStop)
		for i := range 5 {
			c.add(t, fmt.Sprint(i), errStop)
		}
		c.check(t)
		c.writing.noCommit.Store(nil)
		c.add(t, "later", nil)
		c.check(t, "later")
	})
}

// TestBatchRefusal has a function fail because of what another one has done in the
// same batch. Whoever is told so finds it done.
func TestBatchRefusal(t *testing.T) {
	t.Parallel()
	inCrowd(t, nil, func(t *testing.T, c *crowd) {
		c.add(t, "before", nil)
		c.finished.Go(func() {
			if err := c.st.UpdateUsers(t.Context(), func(tx users.Tx) error { return add(t.Context(), tx, "before") }); !errors.Is(err, users.ErrEmailTaken) {
				t.Errorf("UpdateUsers: got %v, want %v", err, users.ErrEmailTaken)
			}
			if _, err := c.st.UserByEmail(t.Context(), "before@example.com"); err != nil {
				t.Errorf("the user whose address is taken: %v", err)
			}
		})
		synctest.Wait()
		c.call(t, t.Context(), nil, func(users.Tx) error {
			synctest.Wait() // whoever is answered already has looked
			return nil
		})
		c.check(t, "first", "before")
	})
}

// TestBatchRefusalIsLost has a function fail because of what is lost then.
func TestBatchRefusalIsLost(t *testing.T) {
	t.Parallel()
	inCrowd(t, errStop, func(t *testing.T, c *crowd) {
		c.writing.noCommit.Store(&errStop)
		c.add(t, "before", errStop)
		runs := 0
		c.call(t, t.Context(), nil, func(tx users.Tx) error {
			if runs++; runs > 1 {
				c.writing.noCommit.Store(nil)
			}
			return add(t.Context(), tx, "before")
		})
		c.check(t, "before")
	})
}

// TestBatchLeave has callers leave who wait for their turn.
func TestBatchLeave(t *testing.T) {
	t.Parallel()
	inCrowd(t, nil, func(t *testing.T, c *crowd) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		c.add(t, "before", nil)
		left := make(chan time.Time, 1)
		c.finished.Go(func() {
			err := c.st.UpdateUsers(ctx, func(users.Tx) error {
				t.Error("a function runs whose caller has left")
				return nil
			})
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("UpdateUsers: got %v, want %v", err, context.DeadlineExceeded)
			}
			left <- time.Now()
		})
		c.add(t, "after", nil)
		deadline, _ := ctx.Deadline()
		if at := <-left; !at.Equal(deadline) {
			t.Errorf("UpdateUsers returned at %v, want %v", at, deadline)
		}
		c.check(t, "first", "before", "after")
	})
}

// TestBatchBesideAnotherProcess has somebody else hold the lock: callers leave
// when their contexts end, the one that is to begin too, and the rest learns
// after the busy timeout that the database is not available.
func TestBatchBesideAnotherProcess(t *testing.T) {
	t.Parallel()
	for name, open := range openers() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			besideAnotherProcess(t, open)
		})
	}
}

func besideAnotherProcess(t *testing.T, opener opener) {
	path := furnished(t, 0)
	synctest.Test(t, func(t *testing.T) {
		c := &crowd{path: path, release: func() {}}
		c.st, _, c.writing = opener(t, path)
		other, err := open(path, probeSettings+"&_txlock=immediate", 1)
		if err != nil {
			t.Fatal(err)
		}
		defer other.Close()
		lock, err := other.BeginTxx(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		for i, want := range []struct {
			patience, answer time.Duration
			err              error
		}{
			{2 * time.Second, 2 * time.Second, context.DeadlineExceeded},
			{time.Second, time.Second, context.DeadlineExceeded},
			{time.Hour, 7 * time.Second, users.ErrUnavailable}, // it begins after the first has left
			{6 * time.Second, 6 * time.Second, context.DeadlineExceeded},
			{time.Hour, 7 * time.Second, users.ErrUnavailable},
		} {
			c.finished.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), want.patience)
				defer cancel()
				err := c.st.UpdateUsers(ctx, func(tx users.Tx) error { return add(ctx, tx, fmt.Sprint(i)) })
				if got := time.Since(start).Round(time.Millisecond * 100); !errors.Is(err, want.err) || got != want.answer {
					t.Errorf("call %d: got %v after %v, want %v after %v", i, err, got, want.err, want.answer)
				}
			})
			synctest.Wait()
		}
		c.finished.Wait()
		if err := lock.Rollback(); err != nil {
			t.Fatal(err)
		}
		c.add(t, "later", nil)
		c.check(t, "later")
	})
}

// TestBatchClose closes the store while a function runs and others wait.
func TestBatchClose(t *testing.T) {
	t.Parallel()
	inCrowd(t, nil, func(t *testing.T, c *crowd) {
		c.add(t, "joins", nil)
		if err := c.st.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
		c.release()
		c.finished.Wait()
		if err := c.st.UpdateUsers(t.Context(), func(tx users.Tx) error { return add(t.Context(), tx, "late") }); err == nil {
			t.Error("UpdateUsers after Close: got nil, want an error")
		}
		c.st, _, c.writing = c.open(t, c.path)
		c.check(t, "first", "joins")
	})
}

// TestBatchCanceledAtAnyTime cancels calls while they wait, run or commit: each is
// as good as its answer.
func TestBatchCanceledAtAnyTime(t *testing.T) {
	t.Parallel()
	st, err := Open(t.Context(), furnished(t, 0))
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	const calls = 200
	var results [calls]error
	var wg sync.WaitGroup
	for i := range calls {
		ctx, cancel := context.WithCancel(t.Context())
		wg.Go(func() {
			results[i] = st.UpdateUsers(ctx, func(tx users.Tx) error { return add(ctx, tx, fmt.Sprint(i)) })
		})
		wg.Go(cancel)
	}
	wg.Wait()
	for i, err := range results {
		_, found := st.UserByEmail(t.Context(), fmt.Sprintf("%d@example.com", i))
		switch {
		case err == nil && found != nil:
			t.Errorf("call %d succeeded, and UserByEmail returns %v", i, found)
		case err != nil && (!errors.Is(err, context.Canceled) || !errors.Is(found, users.ErrNotFound)):
			t.Errorf("call %d returned %v, and UserByEmail %v, want %v and %v", i, err, found, context.Canceled, users.ErrNotFound)
		}
	}
}
