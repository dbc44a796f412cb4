package sqlite_test

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/storage/sqlite"
	"github.com/hedgerow-dev/hedgerow/users"
)

// filled opens a store without a cache that holds n users, each with a session.
func filled(b *testing.B, n int) (*sqlite.Store, []users.User) {
	b.Helper()
	st, err := sqlite.OpenUncached(b.Context(), filepath.Join(b.TempDir(), "a.db"))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := st.Close(); err != nil {
			b.Errorf("Close: %v", err)
		}
	})
	list := make([]users.User, n)
	err = st.UpdateAuth(b.Context(), func(tx auth.Tx) (err error) {
		for i := range list {
			u := users.New()
			u.UUID, u.DistinctID, u.Email = uuid.New(), uuid.NewString(), fmt.Sprintf("%d@example.com", i)
			if list[i], err = tx.CreateUser(b.Context(), u); err != nil {
				return err
			}
			if err := tx.SaveSession(b.Context(), auth.Session{ID: uuid.New(), Hash: auth.Hash{1, byte(i)}, UserID: list[i].ID}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	return st, list
}

// BenchmarkUpdate changes one field of a user, with its line of the activity
// log, in a durable transaction.
func BenchmarkUpdate(b *testing.B) {
	for _, writers := range []int{1, 32} {
		b.Run(fmt.Sprintf("writers=%d", writers), func(b *testing.B) {
			b.ReportAllocs()
			st, list := filled(b, 64)
			var n atomic.Int64
			var wg sync.WaitGroup
			b.ResetTimer()
			for range writers {
				wg.Go(func() {
					for i := n.Add(1); i <= int64(b.N); i = n.Add(1) {
						if err := rename(b.Context(), st, list[i%64].ID); err != nil {
							b.Error(err)
						}
					}
				})
			}
			wg.Wait()
		})
	}
}

func rename(ctx context.Context, st *sqlite.Store, id users.ID) error {
	return st.UpdateUsers(ctx, func(tx users.Tx) error {
		u, err := tx.User(ctx, id)
		if err != nil {
			return err
		}
		u.FirstName += "x"
		if len(u.FirstName) > 20 {
			u.FirstName = ""
		}
		if u, err = tx.SaveUser(ctx, u); err != nil {
			return err
		}
		return tx.AddEvent(ctx, users.Event{Target: u.ID, Action: "user updated", Fields: []string{"first_name"}})
	})
}

// BenchmarkRead reads what most requests need.
func BenchmarkRead(b *testing.B) {
	st, list := filled(b, 200)
	for _, c := range []struct {
		name string
		read func(n int) error
	}{
		{"user", func(n int) error {
			_, err := st.User(b.Context(), list[n%len(list)].ID)
			return err
		}},
		{"session", func(n int) error {
			_, _, err := st.SessionByHash(b.Context(), auth.Hash{1, byte(n % len(list))})
			return err
		}},
		{"page of 100", func(int) error {
			_, err := st.Profiles(b.Context(), users.Query{Limit: 100})
			return err
		}},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for n := 0; b.Loop(); n++ {
				if err := c.read(n); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
