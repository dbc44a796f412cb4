package cached_test

import (
	"context"
	"path/filepath"
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
	storage.Storage
	behind  *behind
	changes *slowChanges
}

// pause takes the place of what is behind a cache, before it is used.
func pause(c *cached.Store) *paused {
	b := &behind{Storage: c.Storage}
	c.Storage = b
	return &paused{c, b, &slowChanges{}}
}

// meanwhile has fn run once in the middle of the next read, at one of four
// points if it comes to that one.
func (p *paused) meanwhile(fn func(), point int) {
	p.changes.afterVersion, p.behind.beforeRead, p.behind.afterRead = nil, nil, nil
	switch point {
	case 0: // before it looks at what is kept
		p.changes.afterVersion = fn
	case 1:
		p.behind.beforeRead = fn
	case 2:
		p.behind.afterRead = fn
	case 3: // before what it has read is kept
		p.behind.afterRead = func() { p.changes.afterVersion = fn }
	}
}

// behind is the store behind a cache. Each of its functions, unless nil, runs
// once and is forgotten.
type behind struct {
	storage.Storage
	beforeRead  func()
	afterRead   func() // what was read is not kept yet
	afterCommit func() // what was touched is not dropped yet
	committed   func() // unless nil, after each commit
}

func once(fn *func()) {
	if run := *fn; run != nil {
		*fn = nil
		run()
	}
}

func (b *behind) reading() (end func()) {
	once(&b.beforeRead)
	return func() { once(&b.afterRead) }
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
	return b.update(b.Storage.UpdateUsers(ctx, fn))
}

func (b *behind) UpdateAuth(ctx context.Context, fn func(auth.Tx) error) error {
	return b.update(b.Storage.UpdateAuth(ctx, fn))
}

func (b *behind) UpdateAutonomy(ctx context.Context, fn func(autonomy.Tx) error) error {
	return b.update(b.Storage.UpdateAutonomy(ctx, fn))
}

func (b *behind) UpdateIntegrations(ctx context.Context, fn func(integrations.Tx) error) error {
	return b.update(b.Storage.UpdateIntegrations(ctx, fn))
}

func (b *behind) update(err error) error {
	if err == nil && b.committed != nil {
		b.committed()
	}
	if err == nil {
		once(&b.afterCommit)
	}
	return err
}

// slowChanges are those of memory, where something can happen once after a
// version is read.
type slowChanges struct {
	cached.Changes
	afterVersion func()
}

func (c *slowChanges) Version(ctx context.Context) (uint64, error) {
	defer once(&c.afterVersion)
	return c.Changes.Version(ctx)
}

// overMemory has one cache as memory itself has it.
func overMemory(*testing.T) *rig {
	bare := memory.New().Storage
	changes := &slowChanges{Changes: bare.(cached.Changes)}
	c := pause(cached.New(bare, changes))
	c.changes = changes
	return &rig{caches: []*paused{c}, plain: bare, committed: map[string]int{}}
}

// overShared has two caches that do not know of each other.
func overShared(*testing.T) *rig {
	bare := memory.New().Storage
	g := &rig{plain: bare, committed: map[string]int{}}
	for range 2 {
		shared := &sharedChanges{Changes: bare.(cached.Changes)}
		shared.version, _ = shared.Changes.Settled()
		changes := &slowChanges{Changes: shared}
		c := pause(cached.New(bare, changes))
		c.changes, c.behind.committed = changes, shared.committed
		g.caches = append(g.caches, c)
	}
	return g
}

// sharedChanges are those of memory as one of several sees them.
type sharedChanges struct {
	cached.Changes
	version uint64 // at the last commit
	foreign bool   // somebody else has committed between the last ones
}

func (c *sharedChanges) committed() {
	version, _ := c.Changes.Settled()
	c.foreign = c.foreign || version != c.version+1
	c.version = version
}

func (c *sharedChanges) Settled() (version uint64, foreign bool) {
	foreign, c.foreign = c.foreign, false
	return c.version, foreign
}

// overFile has two caches over one SQLite file.
func overFile(t *testing.T) *rig {
	path := filepath.Join(t.TempDir(), "a.db")
	open := func(opts ...sqlite.Option) *sqlite.Store {
		st, err := sqlite.Open(t.Context(), path, opts...)
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
	g := &rig{committed: map[string]int{}}
	for range 2 {
		g.caches = append(g.caches, pause(open().Storage.(*cached.Store)))
	}
	g.plain = open(sqlite.WithoutCache())
	return g
}
