package cached_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/storage"
	"github.com/hedgerow-dev/hedgerow/users"
)

// put runs a transaction that must succeed.
func put(t *testing.T, st storage.Storage, fn func(ctx context.Context, tx auth.Tx) error) {
	t.Helper()
	ctx := t.Context()
	if err := st.UpdateAuth(ctx, func(tx auth.Tx) error { return fn(ctx, tx) }); err != nil {
		t.Fatalf("UpdateAuth: %v", err)
	}
}

// addUsers adds users, each with a key whose hash is that of the ID.
func addUsers(t *testing.T, st storage.Storage, n int, change func(*users.User)) (ids []users.ID) {
	t.Helper()
	put(t, st, func(ctx context.Context, tx auth.Tx) error {
		for range n {
			u := users.New()
			u.UUID, u.DistinctID = uuid.New(), uuid.NewString()
			u.Email = u.DistinctID + "@example.com"
			change(&u)
			u, err := tx.CreateUser(ctx, u)
			if err == nil {
				err = tx.SaveAPIKey(ctx, auth.APIKey{ID: fmt.Sprint("key", u.ID), UserID: u.ID, Hash: hash(int(u.ID))})
			}
			if err != nil {
				return err
			}
			ids = append(ids, u.ID)
		}
		return nil
	})
	return ids
}

// rename is a change of nothing but the record of a user.
func rename(id users.ID, name string) func(context.Context, auth.Tx) error {
	return func(ctx context.Context, tx auth.Tx) error {
		u, err := tx.User(ctx, id)
		if err != nil {
			return err
		}
		u.FirstName = name
		_, err = tx.SaveUser(ctx, u)
		return err
	}
}

// missed is how many of the keys of users are not kept.
func missed(t *testing.T, c *paused, ids []users.ID) int {
	t.Helper()
	before := c.behind.reads.Load()
	for _, id := range ids {
		if _, p, err := c.APIKeyByHash(t.Context(), hash(int(id))); err != nil || p.User.ID != id {
			t.Fatalf("the key of user %d: got %v", id, err)
		}
	}
	return int(c.behind.reads.Load() - before)
}

func unchanged(*users.User) {}

// TestKept says what a cache is for: what did not change is not read again, and
// neither is a user whose record alone did.
func TestKept(t *testing.T) {
	t.Parallel()
	g := overShared(t)
	c, other := g.caches[0], g.caches[1]
	ids := addUsers(t, c, 3, unchanged)
	if n := missed(t, c, ids); n != 3 {
		t.Errorf("of 3 new keys %d were missed", n)
	}
	check := func(what string, want int) {
		t.Helper()
		if n := missed(t, c, ids); n != want {
			t.Errorf("%s: %d of 3 keys were missed, want %d", what, n, want)
		}
	}
	check("again", 0)
	put(t, c, rename(ids[0], "Ann"))
	check("after another name", 0)
	if u, err := c.User(t.Context(), ids[0]); err != nil || u.FirstName != "Ann" {
		t.Errorf("User: got the name %q, %v, want Ann", u.FirstName, err)
	}
	put(t, c, func(ctx context.Context, tx auth.Tx) error {
		return tx.SaveIdentity(ctx, users.Identity{UserID: ids[0], Provider: "github", Subject: "1"})
	})
	check("after an identity of one", 1)
	// In the middle of a commit of this cache, nobody may take it for a foreign one.
	c.behind.afterCommit = func() { check("before the cache knows of its commit", 3) }
	put(t, c, rename(ids[0], "Bea"))
	check("afterwards", 0)
	put(t, c, func(ctx context.Context, tx auth.Tx) error {
		return tx.SaveSession(ctx, auth.Session{ID: uuid.New(), UserID: ids[0], Hash: hash(100)})
	})
	check("after a session", 0)
	if err := c.UpdateAuth(t.Context(), func(tx auth.Tx) error {
		return errors.Join(rename(ids[0], "Cleo")(t.Context(), tx), errPlanned)
	}); !errors.Is(err, errPlanned) {
		t.Errorf("a transaction that fails: got %v", err)
	}
	check("after a transaction that failed", 0)
	// By the first of them everything is found out to be old.
	put(t, other, rename(ids[1], "Dora"))
	check("after a foreign commit", 3)
	check("again", 0)
}

// TestShift has one read put together what another read before and after the
// commit of somebody else.
func TestShift(t *testing.T) {
	t.Parallel()
	g := overShared(t)
	c, other := g.caches[0], g.caches[1]
	id := addUsers(t, c, 1, unchanged)[0]
	if _, err := c.Profiles(t.Context(), users.Query{Limit: 10}); err != nil {
		t.Fatal(err)
	}
	read := func() (scopes, name string) {
		k, p, err := c.APIKeyByHash(t.Context(), hash(int(id)))
		if err != nil {
			t.Fatal(err)
		}
		return strings.Join(k.Scopes, " "), p.User.FirstName
	}
	// The slow read knows the version from before. Meanwhile a quick one finds the
	// profile kept and reads the key after the commit.
	c.behind.meanwhile(func() {
		c.behind.meanwhile(func() {
			put(t, other, func(ctx context.Context, tx auth.Tx) error {
				if err := rename(id, "Ann")(ctx, tx); err != nil {
					return err
				}
				return tx.SaveAPIKey(ctx, auth.APIKey{ID: fmt.Sprint("key", id), UserID: id, Hash: hash(int(id)), Scopes: []string{"user:read"}})
			})
		}, 1)
		read()
	}, 0)
	if scopes, name := read(); (scopes == "") != (name == "") {
		t.Errorf("a read finds a key with scopes %q with the user named %q, which never was", scopes, name)
	}
}

// TestBounds fills a cache beyond each of its bounds.
func TestBounds(t *testing.T) {
	t.Parallel()
	const accounts, budget, credentials = 8192, 64 << 20, 64
	long := users.JSON(`{"text":"` + strings.Repeat("x", 64<<10) + `"}`)
	for _, bound := range []struct {
		name       string
		users      int
		change     func(*users.User)
		least, any int // of those that are missed at least, and at most
	}{
		{"users", accounts + 500, unchanged, 500, 2500},
		{"memory", 500, func(u *users.User) { u.HedgehogConfig, u.EventsColumnConfig = long, long }, 500 - budget/(6*len(long)), 499},
	} {
		t.Run(bound.name, func(t *testing.T) {
			t.Parallel()
			c := overMemory(t).caches[0]
			ids := addUsers(t, c, bound.users, bound.change)
			missed(t, c, ids)
			// What is kept goes first, so that what is missed does not drive it out.
			kept := 0
			for _, id := range ids {
				before := c.behind.reads.Load()
				if _, err := c.User(t.Context(), id); err != nil {
					t.Fatal(err)
				}
				kept += 1 - int(c.behind.reads.Load()-before) // users are not kept by themselves
			}
			if n := len(ids) - kept; n < bound.least || n > bound.any {
				t.Errorf("of %d users %d are not kept, want %d to %d", len(ids), n, bound.least, bound.any)
			}
		})
	}
	t.Run("credentials", func(t *testing.T) {
		t.Parallel()
		c := overMemory(t).caches[0]
		id := addUsers(t, c, 1, unchanged)[0]
		put(t, c, func(ctx context.Context, tx auth.Tx) error {
			for n := range 10 * credentials {
				if err := tx.SaveSession(ctx, auth.Session{ID: uuid.New(), UserID: id, Hash: hash(n)}); err != nil {
					return err
				}
			}
			return nil
		})
		kept := 0
		for n := range 10 * credentials {
			if _, _, err := c.SessionByHash(t.Context(), hash(n)); err != nil {
				t.Fatal(err)
			}
		}
		for n := range 10 * credentials {
			before := c.behind.reads.Load()
			if _, _, err := c.SessionByHash(t.Context(), hash(10*credentials-1-n)); err != nil {
				t.Fatal(err)
			}
			if c.behind.reads.Load() > before {
				break
			}
			kept++
		}
		if kept == 0 || kept > credentials {
			t.Errorf("%d of %d sessions of a user are kept, want up to %d", kept, 10*credentials, credentials)
		}
	})
}
