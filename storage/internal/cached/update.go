package cached

import (
	"context"
	"slices"

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
	pending bool                     // it is in Store.pending
	undone  bool                     // it came to nothing, though the function succeeded
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
	s.settle(r, false)
	*r = record{read: map[users.ID]users.User{}, touched: map[users.ID]*users.User{}}
	if err := fn(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pending = append(s.pending, r)
	r.pending = true
	return nil
}

// Undone is for stores that undo what a function did that succeeded, and was the
// last to do so. They call it before Committed, or not at all.
func (s *Store) Undone() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := len(s.pending); n > 0 {
		s.pending[n-1].undone = true
	}
}

// Committed settles all transactions at once that a store has just committed, or
// tried to, or given up. A store whose transactions run one at a time calls it
// before it answers any of them and before the next begins; then others find
// what they look for again as soon as they are answered, and not only when all
// of them are.
func (s *Store) Committed(ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	version, foreign := s.changes.Settled()
	if foreign {
		s.clear()
	}
	for _, r := range s.pending {
		s.apply(r, ok && !r.undone)
		r.pending = false
	}
	s.pending = nil
	s.seen = version
}

// settle drops what a transaction touched, whether it is known to have been
// committed or not.
func (s *Store) settle(r *record, committed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !r.pending {
		return
	}
	version, foreign := s.changes.Settled()
	if foreign {
		s.clear()
	}
	s.apply(r, committed)
	r.pending = false
	s.pending = slices.DeleteFunc(s.pending, func(other *record) bool { return other == r })
	s.seen = version
	if len(s.pending) > 0 {
		// Others may have committed too, and have not dropped what they touched.
		s.seen = 0
	}
}

// apply drops or replaces what a transaction touched. The caller holds mu.
func (s *Store) apply(r *record, committed bool) {
	if r.all {
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
