package memory

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/hedgerow-dev/hedgerow/users"
)

func (r reader) Events(ctx context.Context, q users.EventQuery) ([]users.Event, error) {
	end, err := r.begin(ctx)
	if err != nil {
		return nil, err
	}
	defer end()
	var found []users.Event
	from := min(max(q.After-r.d.deletedEvents, 0), int64(len(r.d.events)))
	for _, e := range r.d.events[from:] {
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

// AddEvent numbers events from 1 without gaps, so that Events can index them.
func (t *tx) AddEvent(ctx context.Context, e users.Event) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	e.ID = t.d.deletedEvents + int64(len(t.d.events)) + 1
	e.Fields = slices.Clone(e.Fields)
	replace(t, &t.d.events, append(t.d.events, e))
	return nil
}

func (t *tx) DeleteEvents(ctx context.Context, through int64, before time.Time, limit int) (int, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	n := slices.IndexFunc(t.d.events, func(e users.Event) bool { return e.ID > through || !e.At.Before(before) })
	if n < 0 {
		n = len(t.d.events)
	}
	n = min(n, limit)
	replace(t, &t.d.deletedEvents, t.d.deletedEvents+int64(n))
	// A copy, so that the memory of what is gone can be freed.
	replace(t, &t.d.events, slices.Clone(t.d.events[n:]))
	return n, nil
}

func (r reader) Consumer(ctx context.Context, name string) (users.Consumer, error) {
	return get(ctx, r, r.d.consumers, name)
}

func (r reader) Consumers(ctx context.Context) ([]users.Consumer, error) {
	end, err := r.begin(ctx)
	if err != nil {
		return nil, err
	}
	defer end()
	var all []users.Consumer
	for _, c := range r.d.consumers {
		all = append(all, c)
	}
	slices.SortFunc(all, func(a, b users.Consumer) int { return strings.Compare(a.Name, b.Name) })
	return all, nil
}

func (t *tx) CreateConsumer(ctx context.Context, c users.Consumer) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if _, taken := t.d.consumers[c.Name]; taken {
		return users.ErrConflict
	}
	set(t, t.d.consumers, c.Name, c)
	return nil
}

func (t *tx) SaveConsumer(ctx context.Context, c users.Consumer) error {
	if _, err := t.Consumer(ctx, c.Name); err != nil {
		return err
	}
	set(t, t.d.consumers, c.Name, c)
	return nil
}

func (t *tx) DeleteConsumer(ctx context.Context, name string) error {
	if _, err := t.Consumer(ctx, name); err != nil {
		return err
	}
	drop(t, t.d.consumers, name)
	return nil
}
