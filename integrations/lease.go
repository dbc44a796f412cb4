package integrations

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

const (
	// leaseTime is how long one holder may keep others waiting: more than the
	// longest work, so that it ends by itself only after a crash.
	leaseTime = 30 * time.Second
	// firstPoll and lastPoll are the waits between looks at work that another
	// process does.
	firstPoll = 20 * time.Millisecond
	lastPoll  = 320 * time.Millisecond
	// keepTime bounds what is done after the caller has gone or the time is up.
	keepTime = 5 * time.Second
)

var (
	// errBusy says that somebody else's work on the same thing did not end in
	// time.
	errBusy = errors.New("the same refresh by somebody else has not ended")
	// errAbandoned is what others hear of work that panicked.
	errAbandoned = errors.New("the same refresh by somebody else was abandoned")
)

// flight is work that somebody in this process does. err may be read when done
// is closed.
type flight struct {
	done chan struct{}
	err  error
}

// alone does work that nobody else does at the same time, in this process or in
// another on the same store. done reports whether it is not needed (any more).
// Those who wait in this process share the error of the one who works, unless it
// is only that its own caller went away.
func (s *Service) alone(ctx context.Context, name string, done func(context.Context) (bool, error), work func(context.Context) error) error {
	for {
		f, first := s.board(name)
		if first {
			return s.lead(ctx, name, f, done, work)
		}
		select {
		case <-f.done:
		case <-ctx.Done():
			return waitError(ctx)
		}
		if errors.Is(f.err, context.Canceled) {
			continue
		}
		if f.err != nil {
			return f.err
		}
		if ok, err := done(ctx); ok || err != nil {
			return err
		}
	}
}

// board joins the flight of a name, or opens one.
func (s *Service) board(name string) (f *flight, first bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f, ok := s.flights[name]; ok {
		return f, false
	}
	f = &flight{done: make(chan struct{}), err: errAbandoned}
	s.flights[name] = f
	return f, true
}

// lead does the work of a flight and lands it, whatever happens.
func (s *Service) lead(ctx context.Context, name string, f *flight, done func(context.Context) (bool, error), work func(context.Context) error) error {
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.flights, name)
		close(f.done)
	}()
	f.err = s.lease(ctx, name, done, work)
	return f.err
}

// lease does the work under a claim in the store. While another process has it,
// it looks again from time to time.
func (s *Service) lease(ctx context.Context, name string, done func(context.Context) (bool, error), work func(context.Context) error) error {
	holder, err := s.accounts.NewUUID()
	if err != nil {
		return err
	}
	claim := func() (free bool, err error) {
		err = s.store.UpdateIntegrations(ctx, func(tx Tx) (err error) {
			free, err = tx.Claim(ctx, name, holder, s.now(), s.now().Add(leaseTime))
			return err
		})
		return free, err
	}
	for wait := firstPoll; ; wait = min(2*wait, lastPoll) {
		free, err := claim()
		if err != nil {
			return fmt.Errorf("claim %s: %w", name, err)
		}
		if free {
			break
		}
		if err := pause(ctx, wait); err != nil {
			return err
		}
		if ok, err := done(ctx); ok || err != nil {
			return err
		}
	}
	defer func() {
		ctx, cancel := kept(ctx)
		defer cancel()
		if err := s.store.UpdateIntegrations(ctx, func(tx Tx) error { return tx.Unclaim(ctx, name, holder) }); err != nil {
			// Others wait until it ends by itself.
			s.config.Logger.WarnContext(ctx, "lease not given back", slog.String("name", name), slog.Any("error", err))
		}
	}()
	if ok, err := done(ctx); ok || err != nil {
		return err
	}
	return work(ctx)
}

// kept is for storing what GitHub has answered: it must not be lost because the
// caller has gone or the time is up.
func kept(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), keepTime)
}

// pause waits, or returns why there is no time for that.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return waitError(ctx)
	}
}

// waitError tells a caller who went away from a time that is up.
func waitError(ctx context.Context) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return errBusy
	}
	return ctx.Err()
}
