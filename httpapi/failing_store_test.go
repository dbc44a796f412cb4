package httpapi_test

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/autonomy"
	"github.com/hedgerow-dev/hedgerow/integrations"
	"github.com/hedgerow-dev/hedgerow/storage"
	"github.com/hedgerow-dev/hedgerow/users"
)

// The ways in which a call of a store fails, before it has an effect.
var (
	errPlanted = errors.New("a planted error")
	errLost    = fmt.Errorf("a planted loss of the connection: %w", users.ErrUnavailable)
)

// form is how calls fail.
type form struct {
	name   string
	err    error
	after  bool // all later calls fail as well
	status int  // of the answer
}

func forms() []form {
	return []form{{"fails", errPlanted, false, 500}, {"is lost", errLost, false, 503}, {"and all later ones are lost", errLost, true, 503}}
}

// plan says which calls of a store fail.
type plan struct {
	mu    sync.Mutex
	form  form
	at    int // the number of the call, from one; 0 is none
	count int
	name  string // of the call that failed first
}

// arm begins to count.
func (p *plan) arm(at int, f form) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.form, p.at, p.count, p.name = f, at, 0, ""
}

// disarm has no call fail any more, and returns the one that failed first and how
// many there were.
func (p *plan) disarm() (name string, count int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.at = 0
	return p.name, p.count
}

// next counts a call and returns its error, if it is to fail.
func (p *plan) next(name string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.count++
	if p.at == 0 || p.count != p.at && !(p.form.after && p.count > p.at) {
		return nil
	}
	if p.name == "" {
		p.name = name
	}
	return p.form.err
}

// failing is a store whose calls fail by a plan. Of a transaction the begin counts as
// one call, each call inside, and the commit.
type failing struct {
	failingUsers
	failingAuth
	failingAutonomy
	failingIntegrations
	storage storage.Storage
	plan    *plan
}

func newFailing(in storage.Storage) *failing {
	p := &plan{}
	return &failing{failingUsers{in, p}, failingAuth{in, p}, failingAutonomy{in, p}, failingIntegrations{in, p}, in, p}
}

func (f *failing) Close() error { return f.storage.Close() }

// planned is a transaction that fails by a plan.
func planned[T any](ctx context.Context, p *plan, name string, update func(context.Context, func(T) error) error, fn func(T) error) error {
	if err := p.next(name + " begins"); err != nil {
		return err
	}
	return update(ctx, func(tx T) error {
		if err := fn(tx); err != nil {
			return err
		}
		return p.next(name + " commits")
	})
}

func (f *failing) UpdateUsers(ctx context.Context, fn func(users.Tx) error) error {
	return planned(ctx, f.plan, "UpdateUsers", f.storage.UpdateUsers, func(tx users.Tx) error {
		return fn(struct {
			failingUsers
			failingUsersChanges
		}{failingUsers{tx, f.plan}, failingUsersChanges{tx, f.plan}})
	})
}

func (f *failing) UpdateAuth(ctx context.Context, fn func(auth.Tx) error) error {
	return planned(ctx, f.plan, "UpdateAuth", f.storage.UpdateAuth, func(tx auth.Tx) error {
		return fn(struct {
			failingUsers
			failingUsersChanges
			failingAuth
			failingAuthChanges
		}{failingUsers{tx, f.plan}, failingUsersChanges{tx, f.plan}, failingAuth{tx, f.plan}, failingAuthChanges{tx, f.plan}})
	})
}

func (f *failing) UpdateAutonomy(ctx context.Context, fn func(autonomy.Tx) error) error {
	return planned(ctx, f.plan, "UpdateAutonomy", f.storage.UpdateAutonomy, func(tx autonomy.Tx) error {
		return fn(struct {
			failingUsers
			failingUsersChanges
			failingAutonomy
			failingAutonomyChanges
		}{failingUsers{tx, f.plan}, failingUsersChanges{tx, f.plan}, failingAutonomy{tx, f.plan}, failingAutonomyChanges{tx, f.plan}})
	})
}

func (f *failing) UpdateIntegrations(ctx context.Context, fn func(integrations.Tx) error) error {
	return planned(ctx, f.plan, "UpdateIntegrations", f.storage.UpdateIntegrations, func(tx integrations.Tx) error {
		return fn(struct {
			failingUsers
			failingUsersChanges
			failingIntegrations
			failingIntegrationsChanges
		}{failingUsers{tx, f.plan}, failingUsersChanges{tx, f.plan}, failingIntegrations{tx, f.plan}, failingIntegrationsChanges{tx, f.plan}})
	})
}

var _ storage.Storage = (*failing)(nil)
