// Package ownstorage is a storage of its own kind, to read before you write one:
// every commit is a line of JSON at the end of a file, and all that is stored is in
// memory besides. It passes storagetest, the contract, whole.
//
// What makes that easy is that a state, once it is published, never changes.
// Readers take the state of the moment and wait for nobody. A transaction works on
// a copy that nobody else sees, of those tables that it changes: giving it up is
// forgetting it, and committing is writing its changes down and publishing it. One
// transaction runs at a time, so there is nothing to lock and nothing to repeat.
//
// It looks at every row of a table where a database would have an index, and the
// file only grows: it is for thousands of users, not for millions.
package ownstorage

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"sync/atomic"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/autonomy"
	"github.com/hedgerow-dev/hedgerow/integrations"
	"github.com/hedgerow-dev/hedgerow/storage"
	"github.com/hedgerow-dev/hedgerow/users"
)

// Store implements storage.Storage. It is safe for concurrent use, by one process.
type Store struct {
	reader
	file   *os.File
	writer chan struct{}         // held by the transaction that runs
	state  atomic.Pointer[state] // nil when the store is closed
}

var _ storage.Storage = (*Store)(nil)

// table is a map that a transaction copies before its first change.
type table[K comparable, V any] struct {
	name  string
	rows  map[K]V
	owner *tx // who has made this copy
}

// reader has the reading methods of both the store and a transaction.
type reader struct {
	look func(ctx context.Context) (*state, error)
}

// tx is one transaction.
type tx struct {
	reader
	*state
	changes []change
	broken  error // why a change cannot be written down
}

// change is one row that is set or removed.
type change struct {
	Table   string          `json:"table"`
	Key     json.RawMessage `json:"key"`
	Value   json.RawMessage `json:"value,omitempty"`
	Removed bool            `json:"removed,omitempty"`
}

// published is the state for a reader outside a transaction.
func (s *Store) published(ctx context.Context) (*state, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if now := s.state.Load(); now != nil {
		return now, nil
	}
	return nil, fmt.Errorf("store is closed: %w", users.ErrUnavailable)
}

// update runs fn in a transaction. Should fn panic, its copy is forgotten too.
func (s *Store) update(ctx context.Context, fn func(*tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case s.writer <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-s.writer }()
	before, err := s.published(ctx)
	if err != nil {
		return err
	}
	own := *before
	t := &tx{state: &own}
	t.look = func(ctx context.Context) (*state, error) { return t.state, ctx.Err() }
	if err := fn(t); err != nil {
		return err
	}
	if err := errors.Join(ctx.Err(), t.broken); err != nil {
		return err
	}
	if err := s.append(t.changes); err != nil {
		return fmt.Errorf("write commit: %w: %w", users.ErrUnavailable, err)
	}
	s.state.Store(&own)
	return nil
}

// UpdateUsers runs fn in a transaction.
func (s *Store) UpdateUsers(ctx context.Context, fn func(users.Tx) error) error {
	return s.update(ctx, func(t *tx) error { return fn(t) })
}

// UpdateAuth runs fn in a transaction.
func (s *Store) UpdateAuth(ctx context.Context, fn func(auth.Tx) error) error {
	return s.update(ctx, func(t *tx) error { return fn(t) })
}

// UpdateAutonomy runs fn in a transaction.
func (s *Store) UpdateAutonomy(ctx context.Context, fn func(autonomy.Tx) error) error {
	return s.update(ctx, func(t *tx) error { return fn(t) })
}

// UpdateIntegrations runs fn in a transaction.
func (s *Store) UpdateIntegrations(ctx context.Context, fn func(integrations.Tx) error) error {
	return s.update(ctx, func(t *tx) error { return fn(t) })
}

// set stores a copy of v in the transaction's copy of a table.
func set[K comparable, V any](t *tx, m *table[K, V], k K, v V) {
	m.own(t)
	m.rows[k] = clone(v)
	t.note(change{Table: m.name}, k, v)
}

// drop removes a row from the transaction's copy of a table.
func drop[K comparable, V any](t *tx, m *table[K, V], k K) {
	m.own(t)
	delete(m.rows, k)
	t.note(change{Table: m.name, Removed: true}, k, nil)
}

func (m *table[K, V]) own(t *tx) {
	if m.owner != t {
		m.rows, m.owner = maps.Clone(m.rows), t
	}
}

// dropWhere removes the rows that match and returns how many that were.
func dropWhere[K comparable, V any](t *tx, m *table[K, V], matches func(V) bool) int {
	n := 0
	for k, v := range m.rows {
		if matches(v) {
			drop(t, m, k)
			n++
		}
	}
	return n
}

// exists returns users.ErrNotFound if a table lacks a row.
func exists[K comparable, V any](ctx context.Context, m *table[K, V], k K) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if _, ok := m.rows[k]; !ok {
		return users.ErrNotFound
	}
	return nil
}

// remove is what most deletions are.
func remove[K comparable, V any](ctx context.Context, t *tx, m *table[K, V], k K) error {
	if err := exists(ctx, m, k); err != nil {
		return err
	}
	drop(t, m, k)
	return nil
}

// any reports whether a row matches.
func (m *table[K, V]) any(matches func(V) bool) bool {
	for _, v := range m.rows {
		if matches(v) {
			return true
		}
	}
	return false
}

// get reads a row, as a copy.
func get[K comparable, V any](ctx context.Context, r reader, m func(*state) *table[K, V], k K) (V, error) {
	var none V
	s, err := r.look(ctx)
	if err != nil {
		return none, err
	}
	v, ok := m(s).rows[k]
	if !ok {
		return none, users.ErrNotFound
	}
	return clone(v), nil
}

// list reads the rows that match, as copies in order.
func list[K comparable, V any](ctx context.Context, r reader, m func(*state) *table[K, V], matches func(V) bool, order func(a, b V) int) ([]V, error) {
	s, err := r.look(ctx)
	if err != nil {
		return nil, err
	}
	return m(s).sorted(matches, order), nil
}

func (m *table[K, V]) sorted(matches func(V) bool, order func(a, b V) int) []V {
	var found []V
	for _, v := range m.rows {
		if matches(v) {
			found = append(found, clone(v))
		}
	}
	slices.SortFunc(found, order)
	return found
}

// only reads the one row that matches.
func only[K comparable, V any](ctx context.Context, r reader, m func(*state) *table[K, V], matches func(V) bool) (V, error) {
	var none V
	found, err := list(ctx, r, m, matches, func(V, V) int { return 0 })
	if err != nil {
		return none, err
	}
	if len(found) == 0 {
		return none, users.ErrNotFound
	}
	return found[0], nil
}

// clone copies what a record refers to.
func clone[V any](v V) V {
	if c, ok := any(v).(interface{ Clone() V }); ok {
		return c.Clone()
	}
	return v
}
