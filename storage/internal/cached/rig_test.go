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
	caches []*paused
	plain  auth.Reader // of what the database holds
	// slow, if it can be had, lets something happen after the version is read.
	slow *slowChanges
	// committed counts the changes that were.
	committed map[string]int
}

// paused is a cache in which something can happen where it meets the store
// behind it.
type paused struct {
	storage.Storage
	behind *behind
}

func pause(c *cached.Store) *paused {
	b := &behind{Storage: c.Storage}
	c.Storage = b
	return &paused{c, b}
}

// behind is the store behind a cache. Each of its functions, unless nil, runs
// once and is forgotten.
type behind struct {
	storage.Storage
	afterRead   func() // what was read is not kept yet
	afterCommit func() // what was touched is not dropped yet
}

func once(fn *func()) {
	if run := *fn; run != nil {
		*fn = nil
		run()
	}
}

func (b *behind) Profiles(ctx context.Context, q users.Query) (users.Page, error) {
	defer once(&b.afterRead)
	return b.Storage.Profiles(ctx, q)
}

func (b *behind) SessionByHash(ctx context.Context, h auth.Hash) (auth.Session, *users.Profile, error) {
	defer once(&b.afterRead)
	return b.Storage.SessionByHash(ctx, h)
}

func (b *behind) APIKeyByHash(ctx context.Context, h auth.Hash) (auth.APIKey, *users.Profile, error) {
	defer once(&b.afterRead)
	return b.Storage.APIKeyByHash(ctx, h)
}

func (b *behind) OAuthTokenByHash(ctx context.Context, h auth.Hash) (auth.OAuthToken, *users.Profile, error) {
	defer once(&b.afterRead)
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
	if err == nil {
		once(&b.afterCommit)
	}
	return err
}

// slowChanges is memory's, with something that can happen once after a version
// is read.
type slowChanges struct {
	cached.Changes
	afterVersion func()
}

func (c *slowChanges) Version(ctx context.Context) (uint64, error) {
	defer once(&c.afterVersion)
	return c.Changes.Version(ctx)
}

// overMemory has one cache over the bare store of memory.
func overMemory(*testing.T) *rig {
	bare := memory.New().Storage
	slow := &slowChanges{Changes: bare.(cached.Changes)}
	return &rig{caches: []*paused{pause(cached.New(bare, slow))}, plain: bare, slow: slow, committed: map[string]int{}}
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
