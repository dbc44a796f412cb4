package users

import (
	"context"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"
)

const (
	feedPage       = 100 // events between two looks at the position, besides time
	maxConsumer    = 100 // characters of a name
	defaultLease   = time.Minute
	minLease       = time.Second
	firstRetry     = 10 * time.Second
	defaultRetry   = time.Hour
	releaseTimeout = 5 * time.Second
)

// FeedConfig adjusts a Feed. Name and Deliver are required.
type FeedConfig struct {
	// Name of the consumer, under which its position is kept in the store: 1 to
	// 100 characters.
	Name string
	// Deliver takes one event, and returns nil when it has it for good. An event
	// comes again if that could not be stored, so Deliver should know IDs that it
	// has had. ctx ends after half of Lease; Deliver must end soon after.
	Deliver func(ctx context.Context, e Event) error
	// GiveUp is asked after each failure whether the event is to be passed over,
	// which is the only way for one not to be delivered: put it somewhere else
	// before saying so. Nil never does; the event then keeps those behind it
	// waiting until it is taken.
	GiveUp func(ctx context.Context, e Event, failures int, err error) bool
	// MaxRetry is the longest wait after a failure. The first is 10 seconds, and
	// each is twice the one before. Zero means an hour.
	MaxRetry time.Duration
	// Lease is how long a process that vanished keeps others from going on. Zero
	// means a minute; less than a second is refused.
	Lease time.Duration
}

// Feed delivers the activity log to one consumer: each event at least once, in
// order, from the oldest that there is. However many processes deliver, one does
// at a time. It is safe for concurrent use.
type Feed struct {
	s      *Service
	config FeedConfig
}

// NewFeed returns a Feed. It starts nothing: call Deliver from time to time. The
// error names the field of config that is wrong.
func (s *Service) NewFeed(config FeedConfig) (*Feed, error) {
	c := config
	if n := utf8.RuneCountInString(c.Name); n == 0 || n > maxConsumer || CheckStorable([2]string{"name", c.Name}) != nil {
		return nil, errors.New("feed: Name must have 1 to 100 characters")
	}
	if c.Deliver == nil {
		return nil, errors.New("feed: Deliver is required")
	}
	if c.Lease == 0 {
		c.Lease = defaultLease
	}
	if c.Lease < minLease {
		return nil, errors.New("feed: Lease must be at least a second")
	}
	if c.MaxRetry == 0 {
		c.MaxRetry = defaultRetry
	}
	if c.MaxRetry < 0 {
		return nil, errors.New("feed: MaxRetry must not be negative")
	}
	return &Feed{s, c}, nil
}

// turn is one call of Deliver that holds the consumer.
type turn struct {
	*Feed
	c Consumer
}

// errOvertaken says that the lease was over before the work was.
var errOvertaken = errors.New("somebody else delivers by now: this process was stopped, or clocks differ")

// Deliver delivers what has happened since the last time, and returns how many
// events were taken, also with an error: that of the store, of ctx, or of
// FeedConfig.Deliver. After that of FeedConfig.Deliver the event waits for its
// time to come, longer after each failure. It does nothing while the consumer
// waits for that or another process delivers to it.
func (f *Feed) Deliver(ctx context.Context) (n int, err error) {
	var t *turn
	idle, err := f.idle(ctx)
	if err == nil && !idle {
		t, err = f.claim(ctx)
	}
	if err != nil {
		return 0, fmt.Errorf("claim consumer %q: %w", f.config.Name, err)
	}
	if t == nil {
		return 0, nil
	}
	defer func() {
		// Also after a panic, and when ctx is over: what was delivered should not come again.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseTimeout)
		defer cancel()
		if errors.Is(err, errOvertaken) {
			return
		}
		if kept := t.keep(ctx, time.Time{}); kept != nil {
			err = errors.Join(err, fmt.Errorf("keep the position of consumer %q: %w", f.config.Name, kept))
		}
	}()
	return t.deliver(ctx)
}

// idle reports that there is nothing to do. It only reads: most calls of Deliver
// end here, and should cost no commit.
func (f *Feed) idle(ctx context.Context) (bool, error) {
	c, err := f.s.store.Consumer(ctx, f.config.Name)
	if errors.Is(err, ErrNotFound) {
		return false, nil // it is made by claim
	}
	if err != nil || f.waits(c) {
		return true, err
	}
	next, err := f.s.store.Events(ctx, EventQuery{After: c.Position, Limit: 1})
	return len(next) == 0, err
}

// waits reports that somebody else delivers to a consumer, or that it is not time
// for the next attempt.
func (f *Feed) waits(c Consumer) bool {
	now := f.s.Now()
	return c.HeldUntil.After(now) || c.RetryAt.After(now)
}

// claim takes the consumer, or returns nil if it waits.
func (f *Feed) claim(ctx context.Context) (*turn, error) {
	holder, err := f.s.NewUUID()
	if err != nil {
		return nil, err
	}
	var t *turn
	err = f.s.store.UpdateUsers(ctx, func(tx Tx) error {
		t = nil
		c, err := tx.Consumer(ctx, f.config.Name)
		if errors.Is(err, ErrNotFound) {
			c = Consumer{Name: f.config.Name}
			err = tx.CreateConsumer(ctx, c)
		}
		if err != nil || f.waits(c) {
			return err
		}
		c.Holder, c.HeldUntil = holder, f.s.Now().Add(f.config.Lease)
		t = &turn{f, c}
		return tx.SaveConsumer(ctx, c)
	})
	if errors.Is(err, ErrConflict) {
		return nil, nil // another process has just made it, and begins
	}
	return t, err
}

// keep stores how far the consumer is, and holds it until a moment; the zero time
// gives it back.
func (t *turn) keep(ctx context.Context, until time.Time) error {
	next := t.c
	next.HeldUntil = until
	err := t.s.store.UpdateUsers(ctx, func(tx Tx) error {
		stored, err := tx.Consumer(ctx, t.config.Name)
		if err != nil {
			return err
		}
		if stored.Holder != t.c.Holder {
			return errOvertaken
		}
		return tx.SaveConsumer(ctx, next)
	})
	if err == nil {
		t.c = next
	}
	return err
}

// renew holds on to the consumer if the rest of its time is too short for one
// more event, or at once.
func (t *turn) renew(ctx context.Context, atOnce bool) error {
	now := t.s.Now()
	if !atOnce && t.c.HeldUntil.Sub(now) > t.config.Lease/2 {
		return nil
	}
	return t.keep(ctx, now.Add(t.config.Lease))
}

// deliver goes to the end of the log, or to the first event that is not taken.
func (t *turn) deliver(ctx context.Context) (n int, err error) {
	for {
		events, err := t.s.store.Events(ctx, EventQuery{After: t.c.Position, Limit: feedPage})
		if err != nil {
			return n, fmt.Errorf("deliver to %q: %w", t.config.Name, err)
		}
		for _, e := range events {
			if err := t.renew(ctx, false); err != nil {
				return n, fmt.Errorf("deliver to %q: %w", t.config.Name, err)
			}
			taken, err := t.give(ctx, e)
			if err != nil {
				return n, fmt.Errorf("deliver event %d to %q, failure %d: %w", e.ID, t.config.Name, t.c.Failures, err)
			}
			t.c.Position, t.c.Failures, t.c.RetryAt = e.ID, 0, time.Time{}
			if taken {
				n++
			}
		}
		if len(events) < feedPage {
			return n, nil
		}
		if err := t.renew(ctx, true); err != nil {
			return n, fmt.Errorf("deliver to %q: %w", t.config.Name, err)
		}
	}
}

// give delivers one event. Neither taken nor an error means that it is passed
// over.
func (t *turn) give(ctx context.Context, e Event) (taken bool, err error) {
	bounded, cancel := context.WithTimeout(ctx, t.config.Lease/2)
	defer cancel()
	err = t.config.Deliver(bounded, e)
	if err == nil {
		return true, nil
	}
	if ctx.Err() != nil {
		return false, err // the caller went away: no fault of the event
	}
	t.c.Failures++
	if t.config.GiveUp != nil && t.config.GiveUp(ctx, e, t.c.Failures, err) {
		return false, nil
	}
	t.c.RetryAt = t.s.Now().Add(t.wait())
	return false, err
}

// wait is how long after the last failure.
func (t *turn) wait() time.Duration {
	wait := firstRetry
	for n := 1; n < t.c.Failures && wait < t.config.MaxRetry; n++ {
		wait *= 2
	}
	return min(wait, t.config.MaxRetry)
}
