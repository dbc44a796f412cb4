package storagetest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"sync/atomic"
	"testing"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/storage"
	"github.com/hedgerow-dev/hedgerow/users"
)

// Benchmark measures what most requests ask of a store, as the services ask it.
// open is called once and returns an empty store that is ready to use. What has
// to be closed or removed open leaves to b.Cleanup.
func Benchmark(b *testing.B, open func(b *testing.B) storage.Storage) {
	s := newSubject(b, open(b))
	b.Run("calibration", Calibrate)
	b.Run("principal by key", s.measure(1, s.principal))
	b.Run("profile", s.measure(1, s.profile))
	b.Run("change", s.measure(1, s.change))
	b.Run("change, 32 at once", s.measure(32, s.change))
}

// Calibrate measures work that is always the same: hashing, JSON and maps. Times
// of other benchmarks compare from one machine to the next, or from one hour to
// the next, as multiples of it.
func Calibrate(b *testing.B) {
	b.ReportAllocs()
	const document = `{"id": 1, "name": "Ann", "active": true, "teams": [{"id": 1, "name": "Web"}, {"id": 2, "name": "App"}], "settings": {"theme": "dark"}}`
	seen := map[[sha256.Size]byte]int{}
	for b.Loop() {
		var m map[string]any
		if err := json.Unmarshal([]byte(document), &m); err != nil {
			b.Fatal(err)
		}
		text, err := json.Marshal(m)
		if err != nil {
			b.Fatal(err)
		}
		seen[sha256.Sum256(bytes.Repeat(text, 8))]++
	}
	if len(seen) != 1 {
		b.Fatalf("the same document gave %d hashes", len(seen))
	}
}

// subject is a store with users who each have a key.
type subject struct {
	users   *users.Service
	auth    *auth.Service
	callers []users.User
	calls   atomic.Int64
}

// newSubject fills the store. The host of these services has no mail.
func newSubject(b *testing.B, st storage.Storage) *subject {
	b.Helper()
	s := &subject{users: users.NewService(st, users.Config{})}
	var err error
	if s.auth, err = auth.NewService(st, s.users, auth.Config{}); err != nil {
		b.Fatal(err)
	}
	const callers = 256
	o := newOrganization(number(1))
	err = st.UpdateAuth(b.Context(), func(tx auth.Tx) error {
		s.callers = nil
		if err := tx.SaveOrganization(b.Context(), o); err != nil {
			return err
		}
		team, err := tx.SaveTeam(b.Context(), newTeam(o))
		for i := 0; i < callers && err == nil; i++ {
			err = s.addCaller(b.Context(), tx, i, team)
		}
		return err
	})
	if err != nil {
		b.Fatalf("fill the store: %v", err)
	}
	// The first use of a key is stored, which ends what was kept of it: from the
	// second on things are as they stay.
	flush := func() {
		if err := s.auth.Flush(context.WithoutCancel(b.Context())); err != nil {
			b.Error(err)
		}
	}
	for range 2 {
		for range callers {
			n := s.next()
			if err := errors.Join(s.principal(b.Context(), n), s.profile(b.Context(), n)); err != nil {
				b.Fatal(err)
			}
		}
		flush()
	}
	b.Cleanup(flush)
	return s
}

func (s *subject) addCaller(ctx context.Context, tx auth.Tx, i int, team users.Team) error {
	u := newUser(fmt.Sprintf("user%d@example.com", i))
	u.CurrentOrganization, u.CurrentTeam = team.OrganizationID, team.ID
	u, err := tx.CreateUser(ctx, u)
	if err != nil {
		return err
	}
	s.callers = append(s.callers, u)
	m := users.Membership{UserID: u.ID, OrganizationID: team.OrganizationID, Level: users.LevelMember, JoinedAt: at(i)}
	if err := tx.SaveMembership(ctx, m); err != nil {
		return err
	}
	return tx.SaveAPIKey(ctx, newKey(u, callerKey(i)))
}

func callerKey(i int) string { return fmt.Sprintf("phx_%d", i) }

// next is the number of the next call. Calls go round the callers.
func (s *subject) next() int { return int(s.calls.Add(1)) }

// measure calls fn by a number of goroutines at once.
func (s *subject) measure(goroutines int, fn func(ctx context.Context, n int) error) func(*testing.B) {
	return func(b *testing.B) {
		b.ReportAllocs()
		if goroutines == 1 {
			for b.Loop() {
				if err := fn(b.Context(), s.next()); err != nil {
					b.Fatal(err)
				}
			}
			return
		}
		b.SetParallelism(max(1, goroutines/runtime.GOMAXPROCS(0)))
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				if err := fn(b.Context(), s.next()); err != nil {
					b.Error(err)
				}
			}
		})
	}
}

// bearer finds out who makes call n.
func (s *subject) bearer(ctx context.Context, n int) (auth.Principal, error) {
	return s.auth.Bearer(ctx, users.Secret(callerKey(n%len(s.callers))))
}

func (s *subject) principal(ctx context.Context, n int) error {
	_, err := s.bearer(ctx, n)
	return err
}

// profile is of a user whom the request has not read yet.
func (s *subject) profile(ctx context.Context, n int) error {
	u := s.callers[n%len(s.callers)]
	_, err := s.users.Look(ctx, users.Viewer{Actor: users.Actor{ID: u.ID, UUID: u.UUID, Credential: users.ByAPIKey}}, u.ID)
	return err
}

// change is a PATCH of one field by a key, to a value that the user never had.
func (s *subject) change(ctx context.Context, n int) error {
	p, err := s.bearer(ctx, n)
	if err != nil {
		return err
	}
	_, _, err = s.auth.UpdateUser(ctx, p, p.User.ID, users.Patch{FirstName: users.Set("Ann " + strconv.Itoa(n))}, nil)
	return err
}
