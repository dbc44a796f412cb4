package cached_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/storage"
	"github.com/hedgerow-dev/hedgerow/storage/memory"
	"github.com/hedgerow-dev/hedgerow/users"
)

// ledger is what has been acknowledged, for readers to hold stores to it.
type ledger struct {
	ids  []users.ID
	name []atomic.Int64 // by user, the last number acknowledged as FirstName
	// gone, by user, is odd from when the loss of a right was acknowledged until
	// just before it comes back.
	gone    []atomic.Int64
	granted atomic.Int64 // reads that found the right
}

// TestConcurrent has several write and read through each of the caches of one
// database. A read that begins after a change was acknowledged sees it or what
// came later, and never goes back.
func TestConcurrent(t *testing.T) {
	t.Parallel()
	t.Run("memory", func(t *testing.T) {
		t.Parallel()
		st := memory.New()
		concurrent(t, 400, st, st)
	})
	t.Run("file", func(t *testing.T) {
		t.Parallel()
		g := overFile(t)
		concurrent(t, 60, g.caches[0].Store, g.caches[1].Store)
	})
}

// concurrent takes each user through its states some times.
func concurrent(t *testing.T, rounds int, stores ...storage.Storage) {
	const people = 4
	l := &ledger{ids: addUsers(t, stores[0], people, func(u *users.User) { u.FirstName = "0" })}
	l.name, l.gone = make([]atomic.Int64, people), make([]atomic.Int64, people)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	problems := make(chan error, 100)
	report := func(err error) {
		if err != nil && ctx.Err() == nil {
			select {
			case problems <- err:
			default: // enough
			}
			cancel()
		}
	}
	var writers, readers sync.WaitGroup
	for i := range people {
		writers.Go(func() { report(l.count(ctx, i, rounds, stores)) })
		writers.Go(func() { report(l.revoke(ctx, i, rounds, stores)) })
	}
	for _, st := range stores {
		for range 2 {
			readers.Go(func() { report(l.watch(ctx, st)) })
		}
	}
	writers.Wait()
	close(problems)
	for err := range problems {
		t.Error(err)
	}
	cancel()
	readers.Wait()
	if l.granted.Load() == 0 {
		t.Error("no read found a right that was there")
	}
}

// count raises the number in a name, in turns through each store.
func (l *ledger) count(ctx context.Context, i, rounds int, stores []storage.Storage) error {
	for n := 1; n <= rounds; n++ {
		st := stores[n%len(stores)]
		if err := st.UpdateUsers(ctx, func(tx users.Tx) error {
			u, err := tx.User(ctx, l.ids[i])
			if err != nil {
				return err
			}
			u.FirstName = strconv.Itoa(n)
			_, err = tx.SaveUser(ctx, u)
			return err
		}); err != nil {
			return fmt.Errorf("count: %w", err)
		}
		l.name[i].Store(int64(n))
	}
	return nil
}

// revoke takes rights away and gives them back: the key, the activity, the staff
// flag of the user.
func (l *ledger) revoke(ctx context.Context, i, rounds int, stores []storage.Storage) error {
	id := l.ids[i]
	key := auth.APIKey{ID: fmt.Sprint("key", id), UserID: id, Hash: hash(int(id))}
	set := func(change func(*users.User)) func(auth.Tx) error {
		return func(tx auth.Tx) error {
			u, err := tx.User(ctx, id)
			if err != nil {
				return err
			}
			change(&u)
			_, err = tx.SaveUser(ctx, u)
			return err
		}
	}
	pairs := []struct{ take, give func(auth.Tx) error }{
		{func(tx auth.Tx) error { return tx.DeleteAPIKey(ctx, key.ID) }, func(tx auth.Tx) error { return tx.SaveAPIKey(ctx, key) }},
		{set(func(u *users.User) { u.IsActive = false }), set(func(u *users.User) { u.IsActive = true })},
		{set(func(u *users.User) { u.IsStaff = false }), set(func(u *users.User) { u.IsStaff = true })},
	}
	if err := stores[0].UpdateAuth(ctx, pairs[2].give); err != nil {
		return err
	}
	gone := &l.gone[i]
	for n := range rounds {
		pair, st := pairs[n%len(pairs)], stores[n/2%len(stores)]
		if err := st.UpdateAuth(ctx, pair.take); err != nil {
			return fmt.Errorf("take: %w", err)
		}
		gone.Add(1)
		if err := l.refused(ctx, i, stores[(n+1)%len(stores)]); err != nil {
			return err
		}
		gone.Add(1)
		if err := st.UpdateAuth(ctx, pair.give); err != nil {
			return fmt.Errorf("give back: %w", err)
		}
	}
	return nil
}

// right reports whether the key of a user is there, and the user active and staff.
func (l *ledger) right(ctx context.Context, i int, st storage.Storage) (bool, *users.Profile, error) {
	_, p, err := st.APIKeyByHash(ctx, hash(int(l.ids[i])))
	if errors.Is(err, users.ErrNotFound) {
		return false, nil, nil
	} else if err != nil {
		return false, nil, err
	}
	return p.User.IsActive && p.User.IsStaff, p, nil
}

func (l *ledger) refused(ctx context.Context, i int, st storage.Storage) error {
	ok, _, err := l.right(ctx, i, st)
	if err == nil && ok {
		return fmt.Errorf("user %d has a right back that was taken", l.ids[i])
	}
	return err
}

// watch reads everything over and over.
func (l *ledger) watch(ctx context.Context, st storage.Storage) error {
	last := make([]int64, len(l.ids)) // the highest number read
	for ctx.Err() == nil {
		for i := range l.ids {
			if err := l.look(ctx, i, st, &last[i]); err != nil {
				return err
			}
		}
		acknowledged := make([]int64, len(l.ids))
		for i := range l.name {
			acknowledged[i] = l.name[i].Load()
		}
		page, err := st.Profiles(ctx, users.Query{Limit: 100})
		if err != nil {
			return err
		}
		for i, p := range page.Profiles {
			if err := later(p, max(acknowledged[i], last[i]), &last[i]); err != nil {
				return err
			}
		}
	}
	return nil
}

// look reads one user by its key.
func (l *ledger) look(ctx context.Context, i int, st storage.Storage, last *int64) error {
	name, gone := l.name[i].Load(), l.gone[i].Load()
	ok, p, err := l.right(ctx, i, st)
	if err != nil {
		return err
	}
	// If the number is the same and odd, the right was gone the whole time.
	if ok && gone%2 == 1 && l.gone[i].Load() == gone {
		return fmt.Errorf("user %d has a right that was taken before", l.ids[i])
	}
	if ok {
		l.granted.Add(1)
	}
	if p == nil {
		return nil
	}
	return later(p, max(name, *last), last)
}

// later says that a name is not older than least, and notes it.
func later(p *users.Profile, least int64, last *int64) error {
	n, err := strconv.ParseInt(p.User.FirstName, 10, 64)
	if err == nil && n < least {
		err = fmt.Errorf("user %d is read with number %d after %d", p.User.ID, n, least)
	}
	*last = n
	return err
}
