package storagetest

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/storage"
	"github.com/hedgerow-dev/hedgerow/users"
)

func eventTests() []test {
	return []test{
		{"round trip", testEventRoundTrip},
		{"position and limit", testEvents},
		{"conditions", testEventQuery},
		{"none comes before the position of a reader", testEventsInOrder},
		{"the oldest are deleted", testDeleteEvents},
		{"a deletion is undone", testDeleteEventsUndone},
		{"consumers", testConsumers},
		{"one consumer of a name", testConsumerConflict},
		{"one holder of a consumer", testConsumerHolder},
	}
}

func testEventRoundTrip(t *testing.T, st storage.Storage) {
	ctx := t.Context()
	want := users.Event{ID: 1, At: at(0), Actor: 4711, Credential: users.ByAPIKey, Target: 4712, Action: odd, Fields: []string{"a", odd}}
	complete(t, want)
	in := want
	in.Fields = append([]string(nil), want.Fields...)
	put(t, st, auth.Tx.AddEvent, in)
	in.Fields[0] = "spoiled"
	for range 2 { // the second time sees what the first one spoiled
		list := must(st.Events(ctx, users.EventQuery{Limit: 10}))(t)
		if len(list) != 1 || list[0].ID <= 0 {
			t.Fatalf("Events: got %+v, want one with a positive ID", list)
		}
		want.ID = list[0].ID
		same(t, "Events", list[0], want)
		list[0].Fields[1], list[0].Action = "spoiled", "spoiled"
	}
	put(t, st, auth.Tx.AddEvent, users.Event{At: at(1)})
	bare := must(st.Events(ctx, users.EventQuery{After: want.ID, Limit: 10}))(t)
	if len(bare) != 1 || len(bare[0].Fields) != 0 || bare[0].ID <= want.ID {
		t.Fatalf("Events after the first: got %+v, want one without fields and with a greater ID", bare)
	}
	bare[0].Fields = nil // nil and empty are one
	same(t, "Events with nothing set", bare[0], users.Event{ID: bare[0].ID, At: at(1)})
}

func testEvents(t *testing.T, st storage.Storage) {
	ctx := t.Context()
	for i := range 5 {
		put(t, st, auth.Tx.AddEvent, users.Event{ID: 77, At: at(9 - i), Action: string(rune('a' + i))})
	}
	all := must(st.Events(ctx, users.EventQuery{Limit: 10}))(t)
	read := func(after int64, limit int) string {
		t.Helper()
		s, last := "", after
		for _, e := range must(st.Events(ctx, users.EventQuery{After: after, Limit: limit}))(t) {
			if e.ID <= last {
				t.Errorf("Events: got ID %d after %d, want ascending ones", e.ID, last)
			}
			s, last = s+e.Action, e.ID
		}
		return s
	}
	if len(all) != 5 {
		t.Fatalf("Events: got %d, want 5", len(all))
	}
	same(t, "all Events", read(0, 5), "abcde")
	same(t, "the first Events", read(0, 2), "ab")
	same(t, "the next Events", read(all[1].ID, 2), "cd")
	same(t, "the last Events", read(all[3].ID, 2), "e")
	same(t, "Events after the last", read(all[4].ID, 2), "")
	same(t, "Events after nothing", read(1<<60, 2), "")
}

// written adds events that are known by the letters of their action, one second
// after another, and returns them.
func written(t *testing.T, st storage.Storage, letters string, target users.ID) []users.Event {
	t.Helper()
	for i, c := range letters {
		put(t, st, auth.Tx.AddEvent, users.Event{At: at(i), Target: target, Action: string(c)})
	}
	return must(st.Events(t.Context(), users.EventQuery{Limit: 1000}))(t)
}

// letters are the actions of events.
func letters(events []users.Event) (s string) {
	for _, e := range events {
		s += e.Action
	}
	return s
}

func testEventQuery(t *testing.T, st storage.Storage) {
	written(t, st, "abcab", 5)
	all := written(t, st, "abx", 6)
	put(t, st, auth.Tx.AddEvent, users.Event{Target: 7, Action: "z"}) // of no time
	for name, c := range map[string]struct {
		q    users.EventQuery
		want string
	}{
		"target":            {users.EventQuery{Target: 5}, "abcab"},
		"no such target":    {users.EventQuery{Target: 8}, ""},
		"action":            {users.EventQuery{Actions: []string{"a"}}, "aaa"},
		"actions":           {users.EventQuery{Actions: []string{"x", "c", "never", odd}}, "cx"},
		"no actions":        {users.EventQuery{Actions: []string{}}, "abcababxz"},
		"impossible action": {users.EventQuery{Actions: []string{"\x00", "\xff"}}, ""},
		"since":             {users.EventQuery{Since: at(2)}, "cabx"},
		"before":            {users.EventQuery{Before: at(1)}, "aaz"},
		"between":           {users.EventQuery{Since: at(1), Before: at(3)}, "bcbx"},
		"all of them":       {users.EventQuery{After: all[0].ID, Target: 5, Actions: []string{"a", "b"}, Since: at(1), Before: at(4)}, "ba"},
	} {
		c.q.Limit = 100
		same(t, "Events by "+name, letters(must(st.Events(t.Context(), c.q))(t)), c.want)
		c.q.Limit = 1
		same(t, "the first of Events by "+name, letters(must(st.Events(t.Context(), c.q))(t)), c.want[:min(1, len(c.want))])
		for _, e := range must(st.Events(t.Context(), users.EventQuery{Limit: 100}))(t) {
			same(t, "Matches of "+e.Action+" by "+name, c.q.Matches(e), slices.ContainsFunc(must(st.Events(t.Context(), withLimit(c.q, 100)))(t), func(o users.Event) bool { return o.ID == e.ID }))
		}
	}
}

func withLimit(q users.EventQuery, n int) users.EventQuery {
	q.Limit = n
	return q
}

// deletion is the arguments of DeleteEvents.
type deletion struct {
	through int64
	before  time.Time
	limit   int
}

// deleteEvents removes events and returns how many.
func deleteEvents(t *testing.T, st storage.Storage, d deletion) (n int) {
	t.Helper()
	update(t, st, func(ctx context.Context, tx users.Tx) (err error) {
		n, err = tx.DeleteEvents(ctx, d.through, d.before, d.limit)
		return err
	})
	return n
}

func testDeleteEvents(t *testing.T, st storage.Storage) {
	all := written(t, st, "abcdefgh", 5)
	last := all[7].ID
	for _, c := range []struct {
		name string
		deletion
		want string
	}{
		{"before the first", deletion{last, at(0), 100}, "abcdefgh"},
		{"up to nothing", deletion{0, at(100), 100}, "abcdefgh"},
		{"before a moment", deletion{last, at(1), 100}, "bcdefgh"},
		{"up to a position", deletion{all[2].ID, at(100), 100}, "defgh"},
		{"a few of them", deletion{last, at(100), 2}, "fgh"},
		{"again, to the same position", deletion{all[2].ID, at(100), 100}, "fgh"},
	} {
		before := must(st.Events(t.Context(), users.EventQuery{Limit: 100}))(t)
		n := deleteEvents(t, st, c.deletion)
		left := must(st.Events(t.Context(), users.EventQuery{Limit: 100}))(t)
		same(t, "Events after DeleteEvents "+c.name, letters(left), c.want)
		same(t, "DeleteEvents "+c.name, n, len(before)-len(left))
		same(t, "Events after a position that is gone", letters(must(st.Events(t.Context(), users.EventQuery{After: all[0].ID, Limit: 1}))(t)), strings.TrimPrefix(c.want, "a")[:1])
	}
	// One that is not old keeps those behind it, whatever they say of their time.
	put(t, st, auth.Tx.AddEvent, users.Event{At: at(50), Action: "new"}, users.Event{At: at(1), Action: "late"})
	same(t, "DeleteEvents", deleteEvents(t, st, deletion{1 << 60, at(40), 100}), 3)
	same(t, "Events that are left", letters(must(st.Events(t.Context(), users.EventQuery{Limit: 100}))(t)), "newlate")
	same(t, "DeleteEvents of all", deleteEvents(t, st, deletion{1 << 60, at(100), 100}), 2)
	put(t, st, auth.Tx.AddEvent, users.Event{At: at(3), Action: "next"})
	next := must(st.Events(t.Context(), users.EventQuery{After: last, Limit: 100}))(t)
	if len(next) != 1 || next[0].ID <= last+2 {
		t.Errorf("Events after all are gone: got %+v, want one with an ID that none had", next)
	}
}

func testDeleteEventsUndone(t *testing.T, st storage.Storage) {
	all := written(t, st, "abc", 5)
	err := attempt(t, st, func(ctx context.Context, tx users.Tx) error {
		if _, err := tx.DeleteEvents(ctx, all[1].ID, at(100), 100); err != nil {
			return err
		}
		same(t, "Events in the transaction", letters(must(tx.Events(ctx, users.EventQuery{Limit: 100}))(t)), "c")
		return errStop
	})
	refused(t, "transaction", err, errStop)
	sameList(t, "Events", must(st.Events(t.Context(), users.EventQuery{Limit: 100}))(t), all...)
}

func testConsumers(t *testing.T, st storage.Storage) {
	ctx := t.Context()
	want := users.Consumer{Name: odd, Position: 1 << 40, Holder: number(1), HeldUntil: at(1), Failures: 3, RetryAt: at(2)}
	complete(t, want)
	_, err := st.Consumer(ctx, odd)
	refused(t, "Consumer that does not exist", err, users.ErrNotFound)
	refused(t, "SaveConsumer that does not exist", try(t, st, users.Tx.SaveConsumer, want), users.ErrNotFound)
	refused(t, "DeleteConsumer that does not exist", try(t, st, users.Tx.DeleteConsumer, odd), users.ErrNotFound)
	put(t, st, users.Tx.CreateConsumer, want, users.Consumer{Name: "a"}, users.Consumer{Name: "B"})
	same(t, "Consumer", must(st.Consumer(ctx, odd))(t), want)
	var names []string
	for _, c := range must(st.Consumers(ctx))(t) {
		names = append(names, c.Name)
	}
	sorted := []string{"a", "B", odd}
	slices.Sort(sorted)
	sameList(t, "names of Consumers", names, sorted...)
	bare := users.Consumer{Name: "a", Position: 7}
	put(t, st, users.Tx.SaveConsumer, bare)
	same(t, "Consumer after SaveConsumer", must(st.Consumer(ctx, "a"))(t), bare)
	put(t, st, users.Tx.DeleteConsumer, "a")
	_, err = st.Consumer(ctx, "a")
	refused(t, "Consumer that was deleted", err, users.ErrNotFound)
	same(t, "Consumers", len(must(st.Consumers(ctx))(t)), 2)
}

func testConsumerConflict(t *testing.T, st storage.Storage) {
	first := users.Consumer{Name: "a", Position: 5}
	put(t, st, users.Tx.CreateConsumer, first)
	refused(t, "CreateConsumer of a name that is taken", try(t, st, users.Tx.CreateConsumer, users.Consumer{Name: "a"}), users.ErrConflict)
	same(t, "Consumer", must(st.Consumer(t.Context(), "a"))(t), first)
}

// testConsumerHolder has many take a consumer that is free: one gets it.
func testConsumerHolder(t *testing.T, st storage.Storage) {
	put(t, st, users.Tx.CreateConsumer, users.Consumer{Name: "a"})
	errTaken := errors.New("taken")
	results := race(16, func(i int) error {
		return st.UpdateUsers(t.Context(), func(tx users.Tx) error {
			c, err := tx.Consumer(t.Context(), "a")
			if err != nil {
				return err
			}
			if !c.HeldUntil.IsZero() {
				return errTaken
			}
			c.Holder, c.HeldUntil = number(byte(i)), at(1)
			return tx.SaveConsumer(t.Context(), c)
		})
	})
	same(t, "how many got it", winners(t, results, errTaken), 1)
}

// testEventsInOrder follows the log while a transaction that began to write it
// ends after another one: whoever is past the second has seen the first.
func testEventsInOrder(t *testing.T, st storage.Storage) {
	add := func(ctx context.Context, action string, then func()) error {
		return st.UpdateUsers(ctx, func(tx users.Tx) error {
			if err := tx.AddEvent(ctx, users.Event{At: at(0), Action: action}); err != nil {
				return err
			}
			// A store may hand an event on only before what somebody waits for.
			if _, err := tx.SSOEnforced(ctx, "example.com"); err != nil {
				return err
			}
			then()
			return nil
		})
	}
	var followed []string
	var position int64
	follow := func(patience time.Duration) {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		events, err := st.Events(ctx, users.EventQuery{After: position, Limit: 10})
		if err != nil && !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Events: %v", err)
		}
		for _, e := range events {
			position, followed = e.ID, append(followed, e.Action)
		}
	}
	put(t, st, users.Tx.AddEvent, users.Event{At: at(0), Action: "before"})
	began, end, result := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		result <- add(t.Context(), "slow", func() {
			close(began)
			<-end
		})
	}()
	<-began
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	fast := add(ctx, "fast", func() {})
	if fast != nil && !errors.Is(fast, context.DeadlineExceeded) {
		t.Errorf("UpdateUsers beside a transaction: %v", fast)
	}
	follow(patience)
	close(end)
	if err := <-result; err != nil {
		t.Errorf("UpdateUsers: %v", err)
	}
	follow(stuck)
	want := []string{"before", "slow"}
	if fast == nil || len(followed) > len(want) { // what is committed too late for its caller may be there
		want = append(want, "fast")
	}
	sameList(t, "events followed", followed, want...)
}
