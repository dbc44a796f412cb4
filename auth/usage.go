package auth

import (
	"context"
	"log/slog"
	"maps"
	"sync"
	"time"
)

// storeTimeout is how long times of use may take to be stored. A database whose
// host has fallen silent must not keep those that follow waiting.
const storeTimeout = 30 * time.Second

// usage keeps times of use that are not stored yet, so that no request waits for
// the store because of them: unstored shows them at once, and they are stored
// by a goroutine that ends when nothing is left to store.
type usage[K comparable] struct {
	what   string        // in the log
	every  time.Duration // how fine the times are
	store  func(context.Context, map[K]time.Time) error
	logger *slog.Logger

	mu       sync.Mutex
	used     map[K]time.Time
	flushing chan struct{} // closed when the goroutine ends; nil without one
}

func newUsage[K comparable](what string, every time.Duration, store func(context.Context, map[K]time.Time) error, logger *slog.Logger) *usage[K] {
	return &usage[K]{what: what, every: every, store: store, logger: logger, used: map[K]time.Time{}}
}

// note records a use at now of what was last used at stored.
func (u *usage[K]) note(id K, stored, now time.Time) {
	u.mu.Lock()
	defer u.mu.Unlock()
	last := stored
	if t := u.used[id]; t.After(last) {
		last = t
	}
	if !last.IsZero() && now.Sub(last) <= u.every {
		return
	}
	u.used[id] = now
	if u.flushing == nil {
		u.flushing = make(chan struct{})
		go u.flush(u.flushing)
	}
}

// unstored returns the times of use that are not stored yet. It comes before the
// read that it completes: a time that is stored in between is in both.
func (u *usage[K]) unstored() map[K]time.Time {
	u.mu.Lock()
	defer u.mu.Unlock()
	return maps.Clone(u.used)
}

// flush stores times until there are no more.
func (u *usage[K]) flush(done chan struct{}) {
	defer close(done)
	for {
		u.mu.Lock()
		batch := maps.Clone(u.used)
		if len(batch) == 0 {
			u.flushing = nil
			u.mu.Unlock()
			return
		}
		u.mu.Unlock()
		ctx, cancel := context.WithTimeout(context.Background(), storeTimeout)
		if err := u.store(ctx, batch); err != nil {
			u.logger.Error("store "+u.what, slog.Any("error", err))
		}
		cancel()
		u.mu.Lock()
		for id, t := range batch {
			if u.used[id].Equal(t) {
				delete(u.used, id)
			}
		}
		u.mu.Unlock()
	}
}

// idle is closed when the times that are there now are stored.
func (u *usage[K]) idle() <-chan struct{} {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.flushing != nil {
		return u.flushing
	}
	done := make(chan struct{})
	close(done)
	return done
}
