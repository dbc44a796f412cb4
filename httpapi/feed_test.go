package httpapi_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hedgerow-dev/hedgerow/storage"
	"github.com/hedgerow-dev/hedgerow/users"
)

// follower is a consumer that remembers what it was given.
type follower struct {
	mu    sync.Mutex
	got   []string
	fault func(action string) error // may be nil
}

func (f *follower) take(_ context.Context, e users.Event) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.fault != nil {
		if err := f.fault(e.Action); err != nil {
			return err
		}
	}
	f.got = append(f.got, e.Action)
	return nil
}

func (f *follower) all() string { return strings.Join(f.got, "") }

// feed is one of the consumer "hooks" in a process on this store.
func (e *env) feed(st storage.Storage, deliver func(context.Context, users.Event) error, change ...func(*users.FeedConfig)) *users.Feed {
	e.t.Helper()
	config := users.FeedConfig{Name: "hooks", Deliver: deliver}
	for _, c := range change {
		c(&config)
	}
	f, err := users.NewService(st, users.Config{Now: e.now}).NewFeed(config)
	if err != nil {
		e.t.Fatalf("NewFeed: %v", err)
	}
	return f
}

// happen writes events that are known by the letters of their action.
func (e *env) happen(letters string) {
	e.t.Helper()
	for _, c := range letters {
		err := e.store.UpdateUsers(e.t.Context(), func(tx users.Tx) error {
			return tx.AddEvent(e.t.Context(), users.Event{At: e.now().Truncate(time.Microsecond), Action: string(c)})
		})
		if err != nil {
			e.t.Fatal(err)
		}
	}
}

// delivers calls Deliver and fails the test unless n events are taken, with an
// error that says want, or none if that is "".
func (e *env) delivers(f *users.Feed, n int, want string) {
	e.t.Helper()
	got, err := f.Deliver(e.t.Context())
	if got != n || (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
		e.t.Errorf("Deliver: got %d, %v, want %d and %q", got, err, n, want)
	}
}

func TestFeedInOrder(t *testing.T) {
	inProcess(t, nil, func(t *testing.T, e *env) {
		var f follower
		feeds := []*users.Feed{e.feed(e.store, f.take), e.feed(e.secondStore(), f.take)}
		e.delivers(feeds[0], 0, "")
		want := ""
		for n, batch := range []string{"a", "bcd", "", strings.Repeat("e", 250), "f"} {
			e.happen(batch)
			e.delivers(feeds[n%2], len(batch), "")
			e.delivers(feeds[(n+1)%2], 0, "")
			want += batch
		}
		if f.all() != want {
			t.Errorf("got %s, want %s", f.all(), want)
		}
	})
}

// TestFeedIdle: looking for events that are not there changes nothing.
func TestFeedIdle(t *testing.T) {
	inProcess(t, nil, func(t *testing.T, e *env) {
		var f follower
		store := &writes{Storage: e.store}
		feed := e.feed(store, f.take)
		e.happen("a")
		e.delivers(feed, 1, "")
		before := store.count.Load()
		for range 3 {
			e.delivers(feed, 0, "")
		}
		if n := store.count.Load() - before; n > 0 {
			t.Errorf("%d transactions were begun for nothing", n)
		}
	})
}

// secondStore is the store of another process.
func (e *env) secondStore() storage.Storage {
	if len(e.otherStores) > 0 {
		return e.otherStores[0]
	}
	return e.store
}

// dying is the store of a process that is gone from some moment on.
type dying struct {
	storage.Storage
	gone atomic.Bool
}

var errGone = errors.New("the process is gone")

func (d *dying) UpdateUsers(ctx context.Context, fn func(users.Tx) error) error {
	if d.gone.Load() {
		return errGone
	}
	return d.Storage.UpdateUsers(ctx, fn)
}

// TestFeedCrash: what was delivered by a process that could not store that any
// more is delivered again, when its lease is over.
func TestFeedCrash(t *testing.T) {
	inProcess(t, nil, func(t *testing.T, e *env) {
		e.happen("abcde")
		var f follower
		process := &dying{Storage: e.store}
		f.fault = func(action string) error {
			process.gone.Store(process.gone.Load() || action == "c")
			return nil
		}
		e.delivers(e.feed(process, f.take), 5, errGone.Error())
		heir := e.feed(e.secondStore(), f.take)
		e.delivers(heir, 0, "")
		e.advance(time.Minute)
		e.delivers(heir, 5, "")
		e.delivers(heir, 0, "")
		if f.all() != "abcdeabcde" {
			t.Errorf("got %s, want everything twice", f.all())
		}
	})
}

// TestFeedRetry: an event that is not taken waits, twice as long each time, and
// those behind it wait too.
func TestFeedRetry(t *testing.T) {
	inProcess(t, nil, func(t *testing.T, e *env) {
		e.happen("abc")
		f := follower{fault: func(action string) error {
			if action == "b" {
				return errors.New("not now")
			}
			return nil
		}}
		feed := e.feed(e.store, f.take, func(c *users.FeedConfig) { c.MaxRetry = 30 * time.Second })
		e.delivers(feed, 1, "failure 1: not now")
		for n, wait := range []time.Duration{10, 20, 30, 30} {
			e.advance(wait*time.Second - time.Microsecond)
			e.delivers(feed, 0, "")
			e.advance(time.Microsecond)
			e.delivers(e.feed(e.secondStore(), f.take, func(c *users.FeedConfig) { c.MaxRetry = 30 * time.Second }), 0, fmt.Sprintf("failure %d: not now", n+2))
		}
		if f.all() != "a" {
			t.Errorf("got %s while b is refused, want a", f.all())
		}
		f.fault = nil
		e.advance(30 * time.Second)
		e.delivers(feed, 2, "")
		if list, err := e.api.Users().Consumers(t.Context()); err != nil || len(list) != 1 || list[0].Failures != 0 || !list[0].RetryAt.IsZero() {
			t.Errorf("got consumers %+v, %v, want one without failures", list, err)
		}
		if f.all() != "abc" {
			t.Errorf("got %s, want abc", f.all())
		}
	})
}

// TestFeedPoison: an event that can never be taken is passed over only when the
// host says so, and the host has it then.
func TestFeedPoison(t *testing.T) {
	inProcess(t, nil, func(t *testing.T, e *env) {
		e.happen("axb")
		f := follower{fault: func(action string) error {
			if action == "x" {
				return errors.New("poison")
			}
			return nil
		}}
		var aside []string
		feed := e.feed(e.store, f.take, func(c *users.FeedConfig) {
			c.GiveUp = func(_ context.Context, e users.Event, failures int, err error) bool {
				if failures < 3 {
					return false
				}
				aside = append(aside, fmt.Sprint(e.Action, " ", failures, " ", err))
				return true
			}
		})
		e.delivers(feed, 1, "poison")
		e.advance(time.Hour)
		e.delivers(feed, 0, "poison")
		e.advance(time.Hour)
		e.delivers(feed, 1, "")
		if f.all() != "ab" || !slices.Equal(aside, []string{"x 3 poison"}) {
			t.Errorf("got %s, and aside %q", f.all(), aside)
		}
	})
}

// TestFeedLease: while one process delivers, another does nothing, until the lease
// is over; whoever is overtaken then changes nothing.
func TestFeedLease(t *testing.T) {
	inProcess(t, nil, func(t *testing.T, e *env) {
		e.happen("abc")
		var f, other follower
		heir := e.feed(e.secondStore(), other.take)
		f.fault = func(action string) error {
			if action == "b" {
				e.delivers(heir, 0, "")
				e.advance(time.Minute)
				e.delivers(heir, 3, "")
				e.happen("d")
				e.delivers(heir, 1, "")
			}
			return nil
		}
		e.delivers(e.feed(e.store, f.take), 2, "somebody else delivers")
		if f.all() != "ab" || other.all() != "abcd" {
			t.Errorf("got %s and %s, want ab and abcd", f.all(), other.all())
		}
		e.delivers(heir, 0, "")
	})
}

// TestFeedRenews: a turn that is longer than a lease keeps it.
func TestFeedRenews(t *testing.T) {
	inProcess(t, nil, func(t *testing.T, e *env) {
		e.happen("abcdefgh")
		var f, other follower
		heir := e.feed(e.secondStore(), other.take)
		f.fault = func(string) error {
			e.delivers(heir, 0, "")
			e.advance(29 * time.Second)
			return nil
		}
		e.delivers(e.feed(e.store, f.take), 8, "")
		if f.all() != "abcdefgh" || other.all() != "" {
			t.Errorf("got %s and %s, want all and nothing", f.all(), other.all())
		}
	})
}

// TestFeedSideBySide: many processes that begin at once deliver each event once.
func TestFeedSideBySide(t *testing.T) {
	inProcess(t, nil, func(t *testing.T, e *env) {
		e.happen("abcdefgh")
		var f follower
		var wg sync.WaitGroup
		for n := range 8 {
			st := e.store
			if n%2 == 1 {
				st = e.secondStore()
			}
			feed := e.feed(st, f.take)
			wg.Go(func() {
				if _, err := feed.Deliver(t.Context()); err != nil {
					t.Errorf("Deliver: %v", err)
				}
			})
		}
		wg.Wait()
		e.delivers(e.feed(e.store, f.take), 8-len(f.got), "") // if all met in the first moment
		if f.all() != "abcdefgh" {
			t.Errorf("got %s, want each once", f.all())
		}
	})
}

// TestFeedCanceled: a caller that goes away is no failure of the event, and what
// was taken until then does not come again.
func TestFeedCanceled(t *testing.T) {
	inProcess(t, nil, func(t *testing.T, e *env) {
		e.happen("abc")
		ctx, cancel := context.WithCancel(t.Context())
		f := follower{fault: func(action string) error {
			if action == "b" {
				cancel()
				return ctx.Err()
			}
			return nil
		}}
		feed := e.feed(e.store, f.take)
		if n, err := feed.Deliver(ctx); n != 1 || !errors.Is(err, context.Canceled) {
			t.Errorf("Deliver: got %d, %v, want 1 and %v", n, err, context.Canceled)
		}
		f.fault = nil
		e.delivers(feed, 2, "")
		if f.all() != "abc" {
			t.Errorf("got %s, want abc", f.all())
		}
	})
}

// TestDeleteEvents keeps what is young, and what a consumer has not had.
func TestDeleteEvents(t *testing.T) {
	inProcess(t, nil, func(t *testing.T, e *env) {
		service := e.api.Users()
		deletes := func(age time.Duration, n int, left string) {
			t.Helper()
			got, err := service.DeleteEvents(t.Context(), e.now().Add(-age))
			events, listErr := service.Events(t.Context(), users.EventQuery{Limit: 5000})
			actions := ""
			for _, e := range events {
				actions += e.Action
			}
			if got != n || err != nil || listErr != nil || actions != left {
				t.Errorf("DeleteEvents: got %d, %v and %s are left, %v, want %d and %s", got, err, actions, listErr, n, left)
			}
		}
		e.happen("ab")
		e.advance(time.Hour)
		e.happen("cd")
		deletes(2*time.Hour, 0, "abcd")
		var f follower
		f.fault = func(action string) error {
			if action == "b" {
				return errors.New("not now")
			}
			return nil
		}
		feed := e.feed(e.store, f.take)
		e.delivers(feed, 1, "not now")
		e.advance(time.Minute)
		deletes(time.Hour, 1, "bcd")
		deletes(0, 0, "bcd")
		f.fault = nil
		e.delivers(feed, 3, "")
		deletes(time.Hour, 1, "cd")
		e.happen("ef")
		e.advance(time.Minute)
		deletes(0, 2, "ef")
		if err := service.DeleteConsumer(t.Context(), "hooks"); err != nil {
			t.Fatal(err)
		}
		deletes(0, 2, "")
		if err := service.DeleteConsumer(t.Context(), "hooks"); !errors.Is(err, users.ErrNotFound) {
			t.Errorf("DeleteConsumer again: got %v, want %v", err, users.ErrNotFound)
		}
		if _, err := service.Events(t.Context(), users.EventQuery{}); err == nil {
			t.Error("Events without a limit: got nil, want an error")
		}
	})
}
