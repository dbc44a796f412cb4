package cached_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/autonomy"
	"github.com/hedgerow-dev/hedgerow/integrations"
	"github.com/hedgerow-dev/hedgerow/storage"
	"github.com/hedgerow-dev/hedgerow/storage/sqlite"
	"github.com/hedgerow-dev/hedgerow/users"
)

var (
	firstSeed = flag.Uint64("seed", 1, "of the first run of TestRandom")
	runs      = flag.Uint64("runs", 3, "of TestRandom, with as many seeds")
)

// TestRandom has random transactions, of which some fail, panic or are canceled,
// through one or two caches of one database. After each of them, and in the
// middle of some, every cache must answer what the database does. What fails is
// run again with fewer steps, as long as it fails.
func TestRandom(t *testing.T) {
	var mu sync.Mutex
	committed := map[string]int{}
	t.Run("runs", func(t *testing.T) {
		for _, kind := range []struct {
			name  string
			steps int
			open  func(*testing.T) *rig
		}{{"memory", 2000, overMemory}, {"shared", 2000, overShared}, {"file", 200, overFile}} {
			open := kind.open
			for seed := *firstSeed; seed < *firstSeed+*runs; seed++ {
				t.Run(fmt.Sprint(kind.name, " ", seed), func(t *testing.T) {
					t.Parallel()
					all := make([]uint64, kind.steps)
					for i := range all {
						all[i] = seed<<32 + uint64(i)
					}
					g := open(t)
					if n, err := g.play(t.Context(), all); err != nil {
						few, err := shrink(t, open, all[:n+1], err)
						t.Errorf("-seed %d, after the steps %d: %v", seed, few, err)
					}
					mu.Lock()
					defer mu.Unlock()
					for name, n := range g.committed {
						committed[name] += n
					}
				})
			}
		}
	})
	for _, list := range [][]string{names(onUsers()), names(onAuth()), names(onAutonomy()), names(onIntegrations())} {
		for _, name := range list {
			if committed[name] == 0 {
				t.Errorf("no transaction with %s was committed", name)
			}
		}
	}
}

// shrink leaves steps out as long as it fails without them.
func shrink(t *testing.T, open func(*testing.T) *rig, list []uint64, err error) ([]uint64, error) {
	for size := len(list) / 2; size > 0; size /= 2 {
		for i := 0; i+size <= len(list); {
			fewer := slices.Concat(list[:i], list[i+size:])
			if _, e := open(t).play(t.Context(), fewer); e != nil {
				list, err = fewer, e
			} else {
				i += size
			}
		}
	}
	return list, err
}

// play takes steps until one fails, and returns which.
func (g *rig) play(ctx context.Context, list []uint64) (int, error) {
	for i, n := range list {
		if err := g.step(ctx, rand.New(rand.NewPCG(n, 0))); err != nil {
			return i, fmt.Errorf("step %d: %w", n, err)
		}
	}
	return 0, nil
}

// step is one transaction, or two of which one comes in the middle of something
// else.
func (g *rig) step(ctx context.Context, r *rand.Rand) error {
	c, other := g.caches[r.IntN(len(g.caches))], g.caches[r.IntN(len(g.caches))]
	var err, inner error
	then := func() { inner = errors.Join(g.transaction(ctx, other, r), g.check(ctx, r)) }
	switch r.IntN(8) {
	case 0, 1, 2:
		c.behind.meanwhile(then, r.IntN(4))
		err = g.racing(ctx, c, r)
		c.behind.meanwhile(nil, 0)
	case 3:
		// The transaction of another process, as c's own run one after another.
		if other == c {
			then = func() { inner = g.check(ctx, r) }
		}
		c.behind.afterCommit = then
		err = g.transaction(ctx, c, r)
		c.behind.afterCommit = nil
	case 4:
		if _, file := g.plain.(*sqlite.Store); file { // memory has readers wait
			c.behind.beforeCommit = func() { inner = g.check(ctx, r) }
		}
		err = g.transaction(ctx, c, r)
		c.behind.beforeCommit = nil
	default:
		err = g.transaction(ctx, c, r)
	}
	return errors.Join(err, inner, g.check(ctx, r))
}

// errPlanned is how transactions fail that are meant to.
var errPlanned = errors.New("planned")

// transaction runs a random one, and returns what should not happen.
func (g *rig) transaction(ctx context.Context, st storage.Storage, r *rand.Rand) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var done []string
	end := func() error {
		switch r.IntN(12) {
		case 0:
			return errPlanned
		case 1:
			panic(errPlanned)
		case 2:
			cancel()
		}
		return nil
	}
	err := survive(func() error {
		switch r.IntN(6) {
		case 0:
			return st.UpdateUsers(ctx, body(ctx, onUsers(), r, &done, end))
		case 1:
			return st.UpdateAutonomy(ctx, body(ctx, onAutonomy(), r, &done, end))
		case 2:
			return st.UpdateIntegrations(ctx, body(ctx, onIntegrations(), r, &done, end))
		default:
			return st.UpdateAuth(ctx, body(ctx, onAuth(), r, &done, end))
		}
	})
	if err == nil {
		for _, name := range done {
			g.committed[name]++
		}
	}
	var refused *users.Error
	if errors.As(err, &refused) && refused.Kind != users.Unavailable || errors.Is(err, errPlanned) || errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// survive makes an error of a planned panic.
func survive(fn func() error) (err error) {
	defer func() {
		if reason := recover(); reason == errPlanned {
			err = errPlanned
		} else if reason != nil {
			panic(reason)
		}
	}()
	return fn()
}

// body makes up to three changes, until one is refused.
func body[X any](ctx context.Context, table map[string]change[X], r *rand.Rand, done *[]string, end func() error) func(X) error {
	return func(tx X) error {
		list := names(table)
		for range 1 + r.IntN(3) {
			name := list[r.IntN(len(list))]
			if r.IntN(4) == 0 {
				name = "SaveUser" // what happens most, and is not simply dropped
			}
			if err := table[name](ctx, tx, r); err == nil {
				*done = append(*done, name)
			} else if !errors.Is(err, errNothing) && !errors.Is(err, users.ErrNotFound) {
				return err
			}
		}
		return end()
	}
}

func names[X any](table map[string]change[X]) []string { return slices.Sorted(maps.Keys(table)) }

func onUsers() map[string]change[users.Tx]               { return join[users.Tx]() }
func onAuth() map[string]change[auth.Tx]                 { return join(shownOfAuth(), unseenOfAuth()) }
func onAutonomy() map[string]change[autonomy.Tx]         { return join(unseenOfAutonomy()) }
func onIntegrations() map[string]change[integrations.Tx] { return join(unseenOfIntegrations()) }

// join is a table with what users.Tx has besides.
func join[X users.Tx](own ...map[string]change[X]) map[string]change[X] {
	all := map[string]change[X]{}
	for _, table := range []map[string]change[users.Tx]{shownOfUsers(), unseenOfUsers()} {
		for name, c := range table {
			all[name] = func(ctx context.Context, tx X, r *rand.Rand) error { return c(ctx, tx, r) }
		}
	}
	for _, table := range own {
		maps.Copy(all, table)
	}
	return all
}
