package cached_test

import (
	"context"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/autonomy"
	"github.com/hedgerow-dev/hedgerow/integrations"
	"github.com/hedgerow-dev/hedgerow/storage"
	"github.com/hedgerow-dev/hedgerow/storage/internal/cached"
	"github.com/hedgerow-dev/hedgerow/storage/memory"
	"github.com/hedgerow-dev/hedgerow/storage/sqlite"
	"github.com/hedgerow-dev/hedgerow/users"
)

// rig is a database behind several caches, and without one.
type rig struct {
	caches    []*paused
	plain     auth.Reader    // of what the database holds
	committed map[string]int // how often, by method
}

// paused is a cache in which something can happen where it meets the store
// behind it.
type paused struct {
	*cached.Store
	behind *behind
}

// behind is the store behind a cache. Each of its functions, unless nil, runs
// once and is forgotten.
type behind struct {
	storage.Storage
	shared *shared // nil if the store itself tells the cache of its commits

	afterVersion func()
	beforeRead   func()
	afterRead    func()
	beforeCommit func()       // the function has succeeded
	afterCommit  func()       // the cache does not know yet
	reads        atomic.Int64 // so far
}

// pause takes the place of what is behind a cache, before it is used.
func pause(c *cached.Store) *paused {
	b := &behind{Storage: c.Storage}
	c.Storage = b
	return &paused{c, b}
}

func once(fn *func()) {
	if run := *fn; run != nil {
		*fn = nil
		run()
	}
}

// meanwhile has fn run once in the middle of the next read, at one of four
// points if it comes to that one.
func (b *behind) meanwhile(fn func(), point int) {
	b.afterVersion, b.beforeRead, b.afterRead = nil, nil, nil
	switch point {
	case 0: // before it looks at what is kept
		b.afterVersion = fn
	case 1:
		b.beforeRead = fn
	case 2:
		b.afterRead = fn
	case 3: // before what it has read is kept
		b.afterRead = func() { b.afterVersion = fn }
	}
}

func (b *behind) reading() (end func()) {
	b.reads.Add(1)
	once(&b.beforeRead)
	return func() { once(&b.afterRead) }
}

func (b *behind) User(ctx context.Context, id users.ID) (users.User, error) {
	defer b.reading()()
	return b.Storage.User(ctx, id)
}

func (b *behind) Profiles(ctx context.Context, q users.Query) (users.Page, error) {
	defer b.reading()()
	return b.Storage.Profiles(ctx, q)
}

func (b *behind) SessionByHash(ctx context.Context, h auth.Hash) (auth.Session, *users.Profile, error) {
	defer b.reading()()
	return b.Storage.SessionByHash(ctx, h)
}

func (b *behind) APIKeyByHash(ctx context.Context, h auth.Hash) (auth.APIKey, *users.Profile, error) {
	defer b.reading()()
	return b.Storage.APIKeyByHash(ctx, h)
}

func (b *behind) OAuthTokenByHash(ctx context.Context, h auth.Hash) (auth.OAuthToken, *users.Profile, error) {
	defer b.reading()()
	return b.Storage.OAuthTokenByHash(ctx, h)
}

func (b *behind) UpdateUsers(ctx context.Context, fn func(users.Tx) error) error {
	return update(ctx, b, b.Storage.UpdateUsers, fn)
}

func (b *behind) UpdateAuth(ctx context.Context, fn func(auth.Tx) error) error {
	return update(ctx, b, b.Storage.UpdateAuth, fn)
}

func (b *behind) UpdateAutonomy(ctx context.Context, fn func(autonomy.Tx) error) error {
	return update(ctx, b, b.Storage.UpdateAutonomy, fn)
}

func (b *behind) UpdateIntegrations(ctx context.Context, fn func(integrations.Tx) error) error {
	return update(ctx, b, b.Storage.UpdateIntegrations, fn)
}

func update[X any](ctx context.Context, b *behind, run func(context.Context, func(X) error) error, fn func(X) error) error {
	succeeded := false
	err := run(ctx, func(tx X) error {
		err := fn(tx)
		if succeeded = err == nil; succeeded {
			once(&b.beforeCommit)
		}
		return err
	})
	if succeeded && b.shared != nil {
		b.shared.tell(err == nil, func() { once(&b.afterCommit) })
	}
	return err
}

// shared tells a cache what happens to a store that has others besides.
type shared struct {
	cache   *cached.Store
	version func() uint64
	last    uint64 // version, as far as the cache knows
	failed  int
}

// tell has between happen after a commit, before the cache knows. What came to
// nothing it calls undone, or a commit that failed.
func (s *shared) tell(ok bool, between func()) {
	if !ok {
		if s.failed++; s.failed%2 == 0 {
			s.cache.Undone()
			return
		}
	} else {
		s.last++
	}
	version := s.version()
	between()
	foreign := s.version() != s.last
	s.last = s.version()
	s.cache.Committed(ok, version, foreign)
}

// counted counts the commits of a store.
type counted struct {
	storage.Storage
	version uint64
}

func (c *counted) UpdateUsers(ctx context.Context, fn func(users.Tx) error) error {
	return c.count(c.Storage.UpdateUsers(ctx, fn))
}

func (c *counted) UpdateAuth(ctx context.Context, fn func(auth.Tx) error) error {
	return c.count(c.Storage.UpdateAuth(ctx, fn))
}

func (c *counted) UpdateAutonomy(ctx context.Context, fn func(autonomy.Tx) error) error {
	return c.count(c.Storage.UpdateAutonomy(ctx, fn))
}

func (c *counted) UpdateIntegrations(ctx context.Context, fn func(integrations.Tx) error) error {
	return c.count(c.Storage.UpdateIntegrations(ctx, fn))
}

func (c *counted) count(err error) error {
	if err == nil {
		c.version++
	}
	return err
}

// cacheOf returns the cache that a store is.
func cacheOf(st storage.Storage) *cached.Store { return st.(*cached.Store) }

// overShared has two caches of one store, which do not know of each other. For
// one goroutine only.
func overShared(*testing.T) *rig {
	store := &counted{Storage: cacheOf(memory.New().Storage).Storage, version: 1}
	g := &rig{plain: store, committed: map[string]int{}}
	for range 2 {
		var c *paused
		c = pause(cached.New(store, func(context.Context) (uint64, error) {
			version := store.version
			once(&c.behind.afterVersion)
			return version, nil
		}))
		c.behind.shared = &shared{cache: c.Store, version: func() uint64 { return store.version }, last: 1}
		g.caches = append(g.caches, c)
	}
	return g
}

// overMemory has the cache that memory has.
func overMemory(*testing.T) *rig {
	c := cacheOf(memory.New().Storage)
	bare := c.Storage
	return &rig{caches: []*paused{pause(c)}, plain: bare, committed: map[string]int{}}
}

// overFile has two caches over one SQLite file.
func overFile(t *testing.T) *rig {
	path := filepath.Join(t.TempDir(), "a.db")
	opened := func(open func(context.Context, string) (*sqlite.Store, error)) *sqlite.Store {
		st, err := open(t.Context(), path)
		if err != nil {
			t.Fatalf("Open: %v", err)
		}
		t.Cleanup(func() {
			if err := st.Close(); err != nil {
				t.Errorf("Close: %v", err)
			}
		})
		return st
	}
	g := &rig{plain: opened(sqlite.OpenUncached), committed: map[string]int{}}
	for range 2 {
		g.caches = append(g.caches, pause(cacheOf(opened(sqlite.Open).Storage)))
	}
	return g
}
