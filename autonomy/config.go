package autonomy

import (
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/hedgerow-dev/hedgerow/users"
)

// Priority is how urgent something is. P0 is the most urgent. As a threshold it
// admits what is at least as urgent, so P4 admits everything.
type Priority string

// The priorities. None, the zero value, is the absence of one: on a report that
// it was not judged, as a threshold that somebody else's applies.
const (
	None Priority = ""
	P0   Priority = "P0"
	P1   Priority = "P1"
	P2   Priority = "P2"
	P3   Priority = "P3"
	P4   Priority = "P4"
)

// rank orders priorities, most urgent first. It is -1 for None and for what is
// no priority.
func (p Priority) rank() int { return slices.Index([]Priority{P0, P1, P2, P3, P4}, p) }

// Config is the record of one user. Times are UTC with microseconds. A Config
// holds no references, so copies are independent.
type Config struct {
	// ID stays the same until the record is deleted; the next one has another.
	ID     uuid.UUID
	UserID users.ID // unique
	// AutostartPriority is the threshold. None leaves it to the team.
	AutostartPriority Priority
	CreatedAt         time.Time
	UpdatedAt         time.Time // set by every Save, even by one without changes
}

// Patch is what a user may choose.
type Patch struct {
	// AutostartPriority is one of P0 to P4; null stores None.
	AutostartPriority users.Field[Priority]
}

// check returns ErrPriority for what is no priority.
func (p Patch) check() error {
	f := p.AutostartPriority
	if f.Set && !f.Null && (f.Err != nil || f.Value.rank() < 0) {
		return ErrPriority
	}
	return nil
}

// apply changes c by a patch that was checked.
func (p Patch) apply(c *Config) {
	switch f := p.AutostartPriority; {
	case f.Set && f.Null:
		c.AutostartPriority = None
	case f.Set:
		c.AutostartPriority = f.Value
	}
}

// Rule says what it means that a user has no Config, and what holds for a team
// without a default. The zero Rule is that of the documented API.
type Rule int

// The rules, contract section 8.
const (
	// OptIn never chooses a user without a Config. A team without a default has
	// P0.
	OptIn Rule = iota
	// OptOut is the later rule: without a Config the team's default decides. A
	// team without a default has P4.
	OptOut
)

// Effective returns the threshold of a user: the own one if there is a Config
// with a priority, otherwise the team's default. config is nil for a user
// without a Config, and team None for a team that has no default. Whether the
// user may be chosen at all is for Allowed to say.
func Effective(config *Config, team Priority, rule Rule) Priority {
	switch {
	case config != nil && config.AutostartPriority != None:
		return config.AutostartPriority
	case team != None:
		return team
	case rule == OptOut:
		return P4
	}
	return P0
}

// Allowed reports whether a report of this priority may start something in the
// user's name: it is at least as urgent as the Effective threshold, and the
// rule does not ask for a Config that is missing. A priority that is None or
// unknown, of the report or as the threshold, allows nothing.
func Allowed(report Priority, config *Config, team Priority, rule Rule) bool {
	if config == nil && rule != OptOut {
		return false
	}
	urgency, threshold := report.rank(), Effective(config, team, rule).rank()
	return urgency >= 0 && urgency <= threshold
}
