// Package observed tells of every read and transaction of a store, for metrics,
// traces and logs: wrap the store before it is handed on.
package observed

import (
	"context"
	"errors"
	"time"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/autonomy"
	"github.com/hedgerow-dev/hedgerow/integrations"
	"github.com/hedgerow-dev/hedgerow/storage"
	"github.com/hedgerow-dev/hedgerow/users"
)

// Domain is the package that an operation belongs to.
type Domain string

// The domains.
const (
	Users        Domain = "users"
	Auth         Domain = "auth"
	Autonomy     Domain = "autonomy"
	Integrations Domain = "integrations"
)

// Outcome is how an operation ended.
type Outcome string

// The outcomes.
const (
	// OK: it did what was asked.
	OK Outcome = "ok"
	// Refused: an answer that the rules of the domain know, such as
	// users.ErrNotFound or users.ErrConflict. Nothing is wrong with the store.
	Refused Outcome = "refused"
	// Canceled: the caller went away or ran out of time.
	Canceled Outcome = "canceled"
	// Unavailable: the database cannot be reached, or is locked or full.
	Unavailable Outcome = "unavailable"
	// Failed: anything else.
	Failed Outcome = "failed"
)

// Operation is one read or one transaction. Nothing in it is stored or comes
// from a client, and each member but Duration has few values.
type Operation struct {
	Domain Domain
	// Name of the method of the store, such as "Profiles" or "UpdateAuth".
	Name string
	// Write says that it is a transaction, reads in it included.
	Write   bool
	Outcome Outcome
	// Duration includes waiting for a connection or a lock, and all attempts.
	Duration time.Duration
}

// New returns a store that does all that st does and tells observe of it
// afterwards. observe should be quick; it may be called concurrently. now reads
// the clock; nil means time.Now.
func New(st storage.Storage, observe func(context.Context, Operation), now func() time.Time) storage.Storage {
	if now == nil {
		now = time.Now
	}
	return &store{st, observe, now}
}

// store names every method, so that the compiler asks for one that is added.
type store struct {
	st      storage.Storage
	observe func(context.Context, Operation)
	now     func() time.Time
}

func (s *store) done(ctx context.Context, o Operation, began time.Time, err error) {
	o.Outcome, o.Duration = outcome(ctx, err), max(s.now().Sub(began), 0)
	s.observe(ctx, o)
}

func outcome(ctx context.Context, err error) Outcome {
	var refused *users.Error
	switch {
	case err == nil:
		return OK
	case ctx.Err() != nil, errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return Canceled
	case errors.As(err, &refused) && refused.Kind == users.Unavailable:
		return Unavailable
	case refused != nil:
		return Refused
	}
	return Failed
}

// write observes a transaction, also one whose function panics.
func write[X any](ctx context.Context, s *store, d Domain, name string, update func(context.Context, func(X) error) error, fn func(X) error) error {
	began, err := s.now(), errPanic
	defer func() { s.done(ctx, Operation{Domain: d, Name: name, Write: true}, began, err) }()
	err = update(ctx, fn)
	return err
}

// errPanic is how a function ended that did not return.
var errPanic = errors.New("panic")

// read observes a read with one argument.
func read[A, R any](ctx context.Context, s *store, d Domain, name string, get func(context.Context, A) (R, error), a A) (R, error) {
	began := s.now()
	r, err := get(ctx, a)
	s.done(ctx, Operation{Domain: d, Name: name}, began, err)
	return r, err
}

// read2 observes a read with two.
func read2[A, B, R any](ctx context.Context, s *store, d Domain, name string, get func(context.Context, A, B) (R, error), a A, b B) (R, error) {
	return read(ctx, s, d, name, func(ctx context.Context, a A) (R, error) { return get(ctx, a, b) }, a)
}

// readOwned observes a read that also returns the profile of an owner.
func readOwned[A, R any](ctx context.Context, s *store, name string, get func(context.Context, A) (R, *users.Profile, error), a A) (r R, p *users.Profile, err error) {
	r, err = read(ctx, s, Auth, name, func(ctx context.Context, a A) (r R, err error) {
		r, p, err = get(ctx, a)
		return r, err
	}, a)
	return r, p, err
}

func (s *store) UpdateUsers(ctx context.Context, fn func(users.Tx) error) error {
	return write(ctx, s, Users, "UpdateUsers", s.st.UpdateUsers, fn)
}

func (s *store) UpdateAuth(ctx context.Context, fn func(auth.Tx) error) error {
	return write(ctx, s, Auth, "UpdateAuth", s.st.UpdateAuth, fn)
}

func (s *store) UpdateAutonomy(ctx context.Context, fn func(autonomy.Tx) error) error {
	return write(ctx, s, Autonomy, "UpdateAutonomy", s.st.UpdateAutonomy, fn)
}

func (s *store) UpdateIntegrations(ctx context.Context, fn func(integrations.Tx) error) error {
	return write(ctx, s, Integrations, "UpdateIntegrations", s.st.UpdateIntegrations, fn)
}

// Close is not observed.
func (s *store) Close() error { return s.st.Close() }
