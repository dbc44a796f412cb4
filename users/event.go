package users

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/google/uuid"
)

// Event is one line of the activity log.
type Event struct {
	ID         int64 // assigned by the store, ascending
	At         time.Time
	Actor      ID // zero for the host
	Credential Credential
	Target     ID
	Action     string   // "user updated"
	Fields     []string // stored names of what changed, sorted; never values
}

// EventQuery selects lines of the activity log. Conditions are joined by "and";
// the zero value of each means "no condition".
type EventQuery struct {
	// After is a position: the ID of the last event that the reader has.
	After int64
	// Target is whom the events are about.
	Target ID
	// Actions are any of these.
	Actions []string
	// Since and Before are moments: from the first on, and before the second. They
	// do not spare reading the log from After on.
	Since, Before time.Time
	Limit         int // positive
}

// Matches reports whether the event is one of those that the query selects.
func (q EventQuery) Matches(e Event) bool {
	return e.ID > q.After && (q.Target == 0 || e.Target == q.Target) && (len(q.Actions) == 0 || slices.Contains(q.Actions, e.Action)) &&
		(q.Since.IsZero() || !e.At.Before(q.Since)) && (q.Before.IsZero() || e.At.Before(q.Before))
}

// Consumer is who follows the activity log under a name, and how far it is.
type Consumer struct {
	Name string
	// Position is the ID of the last event that it has had.
	Position int64
	// Holder delivers to it until HeldUntil, unless it gives that up before; zero
	// means nobody.
	Holder    uuid.UUID
	HeldUntil time.Time
	// Failures is how often in a row the event after Position was not taken, and
	// RetryAt when it is due again.
	Failures int
	RetryAt  time.Time
}

// Event makes a line of the activity log. Fields are names, never values.
func (s *Service) Event(actor Actor, target ID, action string, fields ...string) Event {
	return Event{At: s.Now(), Actor: actor.ID, Credential: actor.Credential, Target: target, Action: action, Fields: fields}
}

// Events lists lines of the activity log, oldest first. An event that is not
// listed yet will have a greater ID than all that are, so the last ID is where
// to go on. A Limit that is not positive is an Invalid error.
func (s *Service) Events(ctx context.Context, q EventQuery) ([]Event, error) {
	if q.Limit <= 0 {
		return nil, invalid("limit", "invalid_input", "A positive limit is required.")
	}
	events, err := s.store.Events(ctx, q)
	if err != nil {
		return nil, fmt.Errorf("list events: %w", err)
	}
	return events, nil
}

// Consumers lists who follows the activity log, by name.
func (s *Service) Consumers(ctx context.Context) ([]Consumer, error) {
	list, err := s.store.Consumers(ctx)
	if err != nil {
		return nil, fmt.Errorf("list consumers: %w", err)
	}
	return list, nil
}

// DeleteConsumer forgets a consumer that will not come back, for which
// DeleteEvents would keep everything. It returns ErrNotFound.
func (s *Service) DeleteConsumer(ctx context.Context, name string) error {
	if err := s.store.UpdateUsers(ctx, func(tx Tx) error { return tx.DeleteConsumer(ctx, name) }); err != nil {
		return fmt.Errorf("delete consumer: %w", err)
	}
	return nil
}

// deletedAtOnce is how many events one transaction removes, so that it is short.
const deletedAtOnce = 1000

// DeleteEvents removes the oldest lines of the activity log, up to the first
// that is not from before a moment or that some consumer has not had. It returns
// how many that were, also with an error.
func (s *Service) DeleteEvents(ctx context.Context, before time.Time) (total int, err error) {
	for {
		n := 0
		err := s.store.UpdateUsers(ctx, func(tx Tx) error {
			through := int64(math.MaxInt64)
			consumers, err := tx.Consumers(ctx)
			if err != nil {
				return err
			}
			for _, c := range consumers {
				through = min(through, c.Position)
			}
			n, err = tx.DeleteEvents(ctx, through, before, deletedAtOnce)
			return err
		})
		if err != nil {
			return total, fmt.Errorf("delete events: %w", err)
		}
		if total += n; n < deletedAtOnce {
			return total, nil
		}
	}
}
