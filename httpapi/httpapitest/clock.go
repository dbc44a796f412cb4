package httpapitest

import (
	"sync"
	"time"
)

// Clock is a clock that moves only when told. Every world starts with one at
// 2026-05-01 12:00:00 UTC. It is safe for concurrent use.
type Clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *Clock { return &Clock{now: time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)} }

// Now returns the time, in UTC.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Advance moves the clock by d, backwards if that is negative, and returns the
// new time.
func (c *Clock) Advance(d time.Duration) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
	return c.now
}
