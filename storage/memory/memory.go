// Package memory keeps everything in maps. It is for tests and small programs:
// nothing survives the process.
package memory

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/autonomy"
	"github.com/hedgerow-dev/hedgerow/integrations"
	"github.com/hedgerow-dev/hedgerow/storage"
	"github.com/hedgerow-dev/hedgerow/storage/internal/cached"
	"github.com/hedgerow-dev/hedgerow/users"
)

// Store implements storage.Storage. It is safe for concurrent use: transactions
// run one at a time and readers wait while one runs.
type Store struct{ storage.Storage }

// New returns an empty store.
func New() *Store {
	s := newStore()
	s.cache = cached.New(s, s.version)
	return &Store{s.cache}
}

// store has no profiles ready, but puts each together from its parts. Having
// them ready is worth 90 us on a page of 100 users, and their JSON with them
// 300 us more.
type store struct {
	reader
	cache *cached.Store // in front; nil without one
}

func newStore() *store {
	return &store{reader: reader{d: &data{
		writer: make(chan struct{}, 1),
		users:  map[users.ID]users.User{}, ids: map[flags][]users.ID{},
		byUUID: map[uuid.UUID]users.ID{}, byEmail: map[string]users.ID{}, byDistinct: map[string]users.ID{},
		organizations: map[uuid.UUID]users.Organization{}, teams: map[users.TeamID]users.Team{}, teamsOf: map[uuid.UUID][]users.TeamID{},
		memberships: map[users.ID][]users.Membership{}, active: map[uuid.UUID]int{}, sso: map[string]int{},
		invites: map[uuid.UUID]users.Invite{}, invitesTo: map[string][]uuid.UUID{}, identities: map[users.ID][]users.Identity{}, identityOwner: map[identityKey]users.ID{},
		scenes:   map[users.ID][]users.Scene{},
		sessions: map[uuid.UUID]auth.Session{}, sessionByHash: map[auth.Hash]uuid.UUID{}, sessionsOf: map[users.ID][]uuid.UUID{},
		keys: map[string]auth.APIKey{}, keyByHash: map[auth.Hash]string{}, keysOf: map[users.ID][]string{},
		tokens: map[auth.Hash]auth.OAuthToken{}, attempts: map[string]attempts{},
		tickets: map[ticketKey]auth.Ticket{}, factors: map[users.ID]auth.SecondFactor{},
		passkeys: map[uuid.UUID]auth.Passkey{}, passkeyByCredential: map[string]uuid.UUID{},
		autonomy: map[users.ID]autonomy.Config{}, autonomyOwner: map[uuid.UUID]users.ID{},
		links: map[uuid.UUID]integrations.Installation{}, linkOf: map[linkKey]uuid.UUID{}, linksOf: map[users.ID][]uuid.UUID{},
		linksTo: map[string][]uuid.UUID{}, repositories: map[uuid.UUID][]integrations.Repository{},
		branches: map[branchKey]integrations.BranchList{}, teamInstallations: map[int64]integrations.TeamInstallation{},
		linkStates: map[integrations.StateHash]integrations.LinkState{}, installRequests: map[uuid.UUID]integrations.InstallRequest{},
		claims: map[string]claim{}, consumers: map[string]users.Consumer{},
	}}}
}

// data is everything stored. Slices in it are never changed in place: a new one
// takes the place of the old, which the undo list may need again.
type data struct {
	// writer is held by the one transaction that runs, mu besides while it does.
	// done is closed when that transaction has ended: readers wait for it, as
	// waiting for mu could not be canceled.
	writer  chan struct{}
	mu      sync.RWMutex
	done    atomic.Pointer[chan struct{}]
	closed  atomic.Bool
	commits atomic.Uint64

	lastUser users.ID
	lastTeam users.TeamID

	users      map[users.ID]users.User
	ids        map[flags][]users.ID // ascending
	byUUID     map[uuid.UUID]users.ID
	byEmail    map[string]users.ID // folded
	byDistinct map[string]users.ID

	organizations map[uuid.UUID]users.Organization
	teams         map[users.TeamID]users.Team
	teamsOf       map[uuid.UUID][]users.TeamID    // ascending
	memberships   map[users.ID][]users.Membership // in the order that Reader documents
	active        map[uuid.UUID]int               // active members
	sso           map[string]int                  // organizations that enforce it, by domain
	invites       map[uuid.UUID]users.Invite
	invitesTo     map[string][]uuid.UUID        // by folded address
	identities    map[users.ID][]users.Identity // in the order that Reader documents
	identityOwner map[identityKey]users.ID
	scenes        map[users.ID][]users.Scene // in the order of creation
	events        []users.Event
	deletedEvents int64 // how many came before the first of events
	consumers     map[string]users.Consumer

	sessions      map[uuid.UUID]auth.Session
	sessionByHash map[auth.Hash]uuid.UUID
	sessionsOf    map[users.ID][]uuid.UUID
	keys          map[string]auth.APIKey
	keyByHash     map[auth.Hash]string
	keysOf        map[users.ID][]string
	tokens        map[auth.Hash]auth.OAuthToken
	attempts      map[string]attempts

	tickets             map[ticketKey]auth.Ticket
	factors             map[users.ID]auth.SecondFactor
	passkeys            map[uuid.UUID]auth.Passkey
	passkeyByCredential map[string]uuid.UUID

	autonomy      map[users.ID]autonomy.Config
	autonomyOwner map[uuid.UUID]users.ID // by the ID of the record

	links                map[uuid.UUID]integrations.Installation
	linkOf               map[linkKey]uuid.UUID
	linksOf              map[users.ID][]uuid.UUID
	linksTo              map[string][]uuid.UUID // by GitHub's id
	repositories         map[uuid.UUID][]integrations.Repository
	branches             map[branchKey]integrations.BranchList
	lastTeamInstallation int64
	teamInstallations    map[int64]integrations.TeamInstallation
	linkStates           map[integrations.StateHash]integrations.LinkState
	installRequests      map[uuid.UUID]integrations.InstallRequest
	claims               map[string]claim
}

type identityKey struct{ provider, subject string }

type ticketKey struct {
	purpose auth.Purpose
	hash    auth.Hash
}

type attempts struct {
	times   []time.Time
	expires time.Time
}

// reader has the reading methods of both the store and a transaction.
type reader struct {
	d    *data
	inTx bool // the lock is held already
}

// begin takes the lock for one read. The caller calls end when it succeeds.
func (r reader) begin(ctx context.Context) (end func(), err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if r.inTx {
		return func() {}, nil
	}
	for !r.d.mu.TryRLock() {
		// Whoever holds mu has set done before.
		select {
		case <-*r.d.done.Load():
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	if r.d.closed.Load() {
		r.d.mu.RUnlock()
		return nil, errClosed()
	}
	return r.d.mu.RUnlock, nil
}

func errClosed() error { return fmt.Errorf("store is closed: %w", users.ErrUnavailable) }

// tx is one transaction. undo restores, last first, what it changed.
type tx struct {
	reader
	undo []func()
}

// set stores v under k until a rollback.
func set[K comparable, V any](t *tx, m map[K]V, k K, v V) {
	old, had := m[k]
	t.undo = append(t.undo, func() {
		if had {
			m[k] = old
		} else {
			delete(m, k)
		}
	})
	m[k] = v
}

// drop removes k until a rollback.
func drop[K comparable, V any](t *tx, m map[K]V, k K) {
	if old, had := m[k]; had {
		t.undo = append(t.undo, func() { m[k] = old })
		delete(m, k)
	}
}

// replace stores v in a variable until a rollback.
func replace[T any](t *tx, p *T, v T) {
	old := *p
	t.undo = append(t.undo, func() { *p = old })
	*p = v
}

// update runs fn under the lock. A panic of fn undoes its changes as an error
// does, and goes on.
func (s *store) update(ctx context.Context, fn func(*tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case s.d.writer <- struct{}{}:
	default: // only who waits asks for Done, which may have to set a timer
		select {
		case s.d.writer <- struct{}{}:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	defer func() { <-s.d.writer }()
	defer s.d.lock()()
	if s.d.closed.Load() {
		return errClosed()
	}
	t := &tx{reader: reader{d: s.d, inTx: true}}
	kept := false
	defer func() {
		for i := len(t.undo) - 1; i >= 0 && !kept; i-- {
			t.undo[i]()
		}
	}()
	if err := fn(t); err != nil {
		return err
	}
	err := ctx.Err()
	if kept = err == nil; kept {
		s.d.commits.Add(1)
	}
	s.tell(kept)
	return err
}

// tell lets the cache know what became of a function that succeeded.
func (s *store) tell(kept bool) {
	switch {
	case s.cache == nil:
	case kept:
		s.cache.Committed(true, s.d.version(), false)
	default:
		s.cache.Undone()
	}
}

// version counts commits, from one.
func (d *data) version() uint64 { return 1 + d.commits.Load() }

func (s *store) version(context.Context) (uint64, error) {
	if s.d.closed.Load() {
		return 0, errClosed()
	}
	return s.d.version(), nil
}

// UpdateUsers runs fn in a transaction.
func (s *store) UpdateUsers(ctx context.Context, fn func(users.Tx) error) error {
	return s.update(ctx, func(t *tx) error { return fn(t) })
}

// UpdateAuth runs fn in a transaction.
func (s *store) UpdateAuth(ctx context.Context, fn func(auth.Tx) error) error {
	return s.update(ctx, func(t *tx) error { return fn(t) })
}

// UpdateAutonomy runs fn in a transaction.
func (s *store) UpdateAutonomy(ctx context.Context, fn func(autonomy.Tx) error) error {
	return s.update(ctx, func(t *tx) error { return fn(t) })
}

// UpdateIntegrations runs fn in a transaction.
func (s *store) UpdateIntegrations(ctx context.Context, fn func(integrations.Tx) error) error {
	return s.update(ctx, func(t *tx) error { return fn(t) })
}

// lock keeps readers out until the function that it returns is called. The
// caller holds writer.
func (d *data) lock() (unlock func()) {
	done := make(chan struct{})
	d.done.Store(&done)
	d.mu.Lock()
	return func() {
		d.mu.Unlock()
		close(done)
	}
}

// Close makes later calls fail with users.ErrUnavailable. It waits for the
// transaction that runs.
func (s *store) Close() error {
	s.d.writer <- struct{}{}
	defer func() { <-s.d.writer }()
	defer s.d.lock()()
	s.d.closed.Store(true)
	return nil
}

// get reads one record of a map.
func get[K comparable, V any](ctx context.Context, r reader, m map[K]V, k K) (V, error) {
	var zero V
	end, err := r.begin(ctx)
	if err != nil {
		return zero, err
	}
	defer end()
	v, ok := m[k]
	if !ok {
		return zero, users.ErrNotFound
	}
	return v, nil
}
