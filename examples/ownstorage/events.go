package ownstorage

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/hedgerow-dev/hedgerow/users"
)

func (r reader) Events(ctx context.Context, q users.EventQuery) ([]users.Event, error) {
	s, err := r.look(ctx)
	if err != nil {
		return nil, err
	}
	var found []users.Event
	from := min(max(q.After-s.deletedEvents, 0), int64(len(s.events)))
	for _, e := range s.events[from:] {
		if len(found) == q.Limit {
			break
		}
		if q.Matches(e) {
			e.Fields = slices.Clone(e.Fields)
			found = append(found, e)
		}
	}
	return found, nil
}

// AddEvent numbers events from 1 without gaps. What readers see of the list ends
// before what is added.
func (t *tx) AddEvent(ctx context.Context, e users.Event) error {
	e.ID = t.deletedEvents + int64(len(t.events)) + 1
	e.Fields = slices.Clone(e.Fields)
	t.events = append(t.events, e)
	t.note(change{Table: "events"}, e.ID, e)
	return ctx.Err()
}

func (t *tx) DeleteEvents(ctx context.Context, through int64, before time.Time, limit int) (int, error) {
	n := slices.IndexFunc(t.events, func(e users.Event) bool { return e.ID > through || !e.At.Before(before) })
	if n < 0 {
		n = len(t.events)
	}
	n = min(n, limit)
	if n == 0 {
		return 0, ctx.Err()
	}
	t.events, t.deletedEvents = slices.Clone(t.events[n:]), t.deletedEvents+int64(n)
	t.note(change{Table: "events", Removed: true}, t.deletedEvents, nil)
	return n, ctx.Err()
}

func consumers(s *state) *table[string, users.Consumer] { return &s.consumers }

func (r reader) Consumer(ctx context.Context, name string) (users.Consumer, error) {
	return get(ctx, r, consumers, name)
}

func (r reader) Consumers(ctx context.Context) ([]users.Consumer, error) {
	return list(ctx, r, consumers, func(users.Consumer) bool { return true },
		func(a, b users.Consumer) int { return strings.Compare(a.Name, b.Name) })
}

func (t *tx) CreateConsumer(ctx context.Context, c users.Consumer) error {
	if _, taken := t.consumers.rows[c.Name]; taken {
		return users.ErrConflict
	}
	set(t, &t.consumers, c.Name, c)
	return ctx.Err()
}

func (t *tx) SaveConsumer(ctx context.Context, c users.Consumer) error {
	if err := exists(ctx, &t.consumers, c.Name); err != nil {
		return err
	}
	set(t, &t.consumers, c.Name, c)
	return nil
}

func (t *tx) DeleteConsumer(ctx context.Context, name string) error {
	return remove(ctx, t, &t.consumers, name)
}
