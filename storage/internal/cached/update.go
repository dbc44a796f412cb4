package cached

import (
	"context"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/autonomy"
	"github.com/hedgerow-dev/hedgerow/integrations"
	"github.com/hedgerow-dev/hedgerow/users"
)

// record is what a transaction touches.
type record struct {
	all     bool // anything
	lists   bool // which users there are, or what they are found by
	read    map[users.ID]users.User
	touched map[users.ID]*users.User // the record, if nothing else of the user was changed
	names   []any                    // credentials, by what deletions name them by
	pending bool                     // counted in Store.pending
}

// UpdateUsers runs fn in a transaction.
func (s *Store) UpdateUsers(ctx context.Context, fn func(users.Tx) error) error {
	return s.update(func(r *record) error {
		return s.Storage.UpdateUsers(ctx, func(tx users.Tx) error {
			return s.watched(r, func() error { return fn(usersTx{plainUsersTx{tx}, recorder{tx, r}}) })
		})
	})
}

// UpdateAuth runs fn in a transaction.
func (s *Store) UpdateAuth(ctx context.Context, fn func(auth.Tx) error) error {
	return s.update(func(r *record) error {
		return s.Storage.UpdateAuth(ctx, func(tx auth.Tx) error {
			return s.watched(r, func() error { return fn(authTx{plainAuthTx{deeperAuthTx{tx}}, authRecorder{recorder{tx, r}, tx}}) })
		})
	})
}

// UpdateAutonomy runs fn in a transaction.
func (s *Store) UpdateAutonomy(ctx context.Context, fn func(autonomy.Tx) error) error {
	return s.update(func(r *record) error {
		return s.Storage.UpdateAutonomy(ctx, func(tx autonomy.Tx) error {
			return s.watched(r, func() error { return fn(autonomyTx{plainAutonomyTx{tx}, recorder{tx, r}}) })
		})
	})
}

// UpdateIntegrations runs fn in a transaction.
func (s *Store) UpdateIntegrations(ctx context.Context, fn func(integrations.Tx) error) error {
	return s.update(func(r *record) error {
		return s.Storage.UpdateIntegrations(ctx, func(tx integrations.Tx) error {
			return s.watched(r, func() error { return fn(integrationsTx{plainIntegrationsTx{tx}, recorder{tx, r}}) })
		})
	})
}

// update runs a transaction and drops what it touched.
func (s *Store) update(run func(*record) error) error {
	r := &record{}
	committed := false
	// Also after a panic.
	defer func() { s.settle(r, committed) }()
	err := run(r)
	committed = err == nil
	return err
}

// watched runs fn, which the store may do more than once, and says before the
// commit that one is to come.
func (s *Store) watched(r *record, fn func() error) error {
	*r = record{read: map[users.ID]users.User{}, touched: map[users.ID]*users.User{}, pending: r.pending}
	if err := fn(); err != nil {
		return err
	}
	if !r.pending {
		s.mu.Lock()
		s.pending++
		s.mu.Unlock()
		r.pending = true
	}
	return nil
}

// settle drops what a transaction touched, whether it is known to have been
// committed or not.
func (s *Store) settle(r *record, committed bool) {
	if !r.pending {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	version, foreign := s.changes.Settled()
	if foreign || r.all {
		s.clear()
	}
	if r.lists {
		clear(s.pages)
	}
	for _, n := range r.names {
		if id, ok := s.owners[n]; ok {
			s.drop(id)
		}
	}
	for id, u := range r.touched {
		if a := s.accounts[id]; a != nil && u != nil && committed && a.profile.User.Version == u.Version-1 {
			s.size -= a.size
			a.profile = a.profile.WithUser(*u)
			a.size = sizeOf(a.profile)
			s.size += a.size
		} else {
			s.drop(id)
		}
	}
	s.seen = version
	if s.pending--; s.pending > 0 {
		// Others may have committed too, and have not dropped what they touched.
		s.seen = 0
	}
}

// touch notes that something of a user changed.
func (r *record) touch(id users.ID) { r.touched[id] = nil }

// saved notes that the record of a user changed.
func (r *record) saved(u users.User) {
	before, known := r.read[u.ID]
	_, again := r.touched[u.ID]
	r.read[u.ID] = u
	switch {
	case !known || before.IsActive != u.IsActive:
		r.all = true // it is counted as a member of its organizations, or not
	case before.Email != u.Email || before.UUID != u.UUID || before.IsStaff != u.IsStaff:
		r.lists = true
		r.touch(u.ID)
	case again || before.CurrentOrganization != u.CurrentOrganization || before.CurrentTeam != u.CurrentTeam:
		r.touch(u.ID)
	default:
		r.touched[u.ID] = &u
	}
}
