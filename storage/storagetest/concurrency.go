package storagetest

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/integrations"
	"github.com/hedgerow-dev/hedgerow/storage"
	"github.com/hedgerow-dev/hedgerow/users"
)

func concurrencyTests() []test {
	return []test{
		{"no update is lost", testLostUpdates},
		{"no update is lost between UpdateUsers and UpdateAuth", testLostUpdatesAcross},
		{"no update is lost of what a list holds", testLostListUpdates},
		{"no attempt is lost", testLostAttempts},
		{"no first attempt is lost", testLostFirstAttempts},
		{"one address one winner", testOneWinner},
		{"a session is spent once", testSpentOnce},
		{"users are created side by side", testCreatedSideBySide},
		{"a read is as of one moment", testOneMoment},
	}
}

// race runs fn n times at once and returns the errors, in the order of i.
func race(n int, fn func(i int) error) []error {
	result := make([]error, n)
	start := make(chan struct{})
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			<-start
			result[i] = fn(i)
		})
	}
	close(start)
	wg.Wait()
	return result
}

// winners counts the nil errors and fails the test if another is not want.
func winners(t *testing.T, results []error, want error) int {
	t.Helper()
	n := 0
	for i, err := range results {
		switch {
		case err == nil:
			n++
		case !errors.Is(err, want):
			t.Errorf("call %d of %d at once: got %v, want nil or %v", i, len(results), err, want)
		}
	}
	return n
}

// increment adds one to the number in the name of a user.
func increment(ctx context.Context, tx users.Tx, id users.ID) error {
	u, err := tx.User(ctx, id)
	if err != nil {
		return err
	}
	n, err := strconv.Atoi(u.FirstName)
	if err != nil {
		return fmt.Errorf("read the counter: %w", err)
	}
	u.FirstName = strconv.Itoa(n + 1)
	_, err = tx.SaveUser(ctx, u)
	return err
}

const increments = 32

func addCounter(t *testing.T, st storage.Storage) users.User {
	t.Helper()
	return addUser(t, st, "ann@example.com", func(u *users.User) { u.FirstName = "0" })
}

func checkCounter(t *testing.T, st storage.Storage, id users.ID) {
	t.Helper()
	u := must(st.User(t.Context(), id))(t)
	same(t, "the counter", u.FirstName, strconv.Itoa(increments))
	same(t, "Version", u.Version, increments+1)
}

func testLostUpdates(t *testing.T, st storage.Storage) {
	u := addCounter(t, st)
	results := race(increments, func(int) error {
		return st.UpdateUsers(t.Context(), func(tx users.Tx) error { return increment(t.Context(), tx, u.ID) })
	})
	same(t, "increments that worked", winners(t, results, nil), increments)
	checkCounter(t, st, u.ID)
}

func testLostUpdatesAcross(t *testing.T, st storage.Storage) {
	u := addCounter(t, st)
	results := race(increments, func(i int) error {
		if i%2 == 0 {
			return st.UpdateUsers(t.Context(), func(tx users.Tx) error { return increment(t.Context(), tx, u.ID) })
		}
		return st.UpdateAuth(t.Context(), func(tx auth.Tx) error { return increment(t.Context(), tx, u.ID) })
	})
	same(t, "increments that worked", winners(t, results, nil), increments)
	checkCounter(t, st, u.ID)
}

// testLostListUpdates counts in records that each transaction takes from a list,
// as a webhook does that knows no single one.
func testLostListUpdates(t *testing.T, st storage.Storage) {
	u := addUser(t, st, "ann@example.com")
	s, k := newSession(u, number(1), "s"), newKey(u, "k")
	s.UserAgent, k.Label = "0", "0"
	put(t, st, auth.Tx.SaveSession, s)
	put(t, st, auth.Tx.SaveAPIKey, k)
	put(t, st, integrations.Tx.SaveInstallation, integrations.Installation{ID: number(1), UserID: u.ID, InstallationID: "1", ETag: "0"})
	next := func(text *string) {
		n, err := strconv.Atoi(*text)
		if err != nil {
			t.Errorf("read the counter: %v", err)
		}
		*text = strconv.Itoa(n + 1)
	}
	results := race(increments, func(i int) error {
		if i%2 == 0 {
			return st.UpdateIntegrations(t.Context(), func(tx integrations.Tx) error {
				list, err := tx.Installations(t.Context(), integrations.Query{InstallationIDs: []string{"1"}})
				if err != nil {
					return err
				}
				next(&list[0].ETag)
				return tx.SaveInstallation(t.Context(), list[0])
			})
		}
		return st.UpdateAuth(t.Context(), func(tx auth.Tx) error {
			sessions, err1 := tx.Sessions(t.Context(), u.ID)
			keys, err2 := tx.APIKeys(t.Context(), u.ID)
			if err := errors.Join(err1, err2); err != nil {
				return err
			}
			next(&sessions[0].UserAgent)
			next(&keys[0].Label)
			return errors.Join(tx.SaveSession(t.Context(), sessions[0]), tx.SaveAPIKey(t.Context(), keys[0]))
		})
	})
	same(t, "increments that worked", winners(t, results, nil), increments)
	want := strconv.Itoa(increments / 2)
	same(t, "the counter in a session", must(st.Sessions(t.Context(), u.ID))(t)[0].UserAgent, want)
	same(t, "the counter in a key", must(st.APIKeys(t.Context(), u.ID))(t)[0].Label, want)
	same(t, "the counter in an installation", must(st.Installations(t.Context(), integrations.Query{UserID: u.ID}))(t)[0].ETag, want)
}

func testLostAttempts(t *testing.T, st storage.Storage) {
	saveAttempts(t, st, "k", []time.Time{at(0)}, at(100))
	addAttempts(t, st)
	same(t, "Attempts", len(must(st.Attempts(t.Context(), "k"))(t)), 17)
}

// testLostFirstAttempts has nothing under the key that could be locked.
func testLostFirstAttempts(t *testing.T, st storage.Storage) {
	addAttempts(t, st)
	same(t, "Attempts", len(must(st.Attempts(t.Context(), "k"))(t)), 16)
}

// addAttempts adds 16 to what is under "k", all at once.
func addAttempts(t *testing.T, st storage.Storage) {
	t.Helper()
	results := race(16, func(i int) error {
		return st.UpdateAuth(t.Context(), func(tx auth.Tx) error {
			times, err := tx.Attempts(t.Context(), "k")
			if err != nil {
				return err
			}
			return tx.SaveAttempts(t.Context(), "k", append(times, at(i)), at(100))
		})
	})
	same(t, "attempts that worked", winners(t, results, nil), 16)
}

func testOneWinner(t *testing.T, st storage.Storage) {
	emails := []string{"ann@example.com", "Ann@Example.com", "ANN@EXAMPLE.COM"}
	results := race(16, func(i int) error {
		return st.UpdateUsers(t.Context(), func(tx users.Tx) error {
			_, err := tx.CreateUser(t.Context(), newUser(emails[i%len(emails)]))
			return err
		})
	})
	same(t, "users with one address", winners(t, results, users.ErrEmailTaken), 1)
	same(t, "Total", profiles(t, st).Total, 1)
}

func testSpentOnce(t *testing.T, st storage.Storage) {
	u := addUser(t, st, "ann@example.com")
	put(t, st, auth.Tx.SaveSession, newSession(u, number(1), "s"))
	results := race(16, func(int) error {
		return st.UpdateAuth(t.Context(), func(tx auth.Tx) error {
			s, _, err := tx.SessionByHash(t.Context(), hash("s"))
			if err != nil {
				return err
			}
			if err := tx.DeleteSession(t.Context(), s.ID); err != nil {
				return err
			}
			return tx.AddEvent(t.Context(), users.Event{At: at(0), Action: "spent"})
		})
	})
	same(t, "transactions that spent the session", winners(t, results, users.ErrNotFound), 1)
	same(t, "Events", len(must(st.Events(t.Context(), users.EventQuery{Limit: 100}))(t)), 1)
}

func testCreatedSideBySide(t *testing.T, st storage.Storage) {
	results := race(16, func(int) error {
		return st.UpdateUsers(t.Context(), func(tx users.Tx) error {
			_, err := tx.CreateUser(t.Context(), newUser(uuid.NewString()+"@example.com"))
			return err
		})
	})
	same(t, "users created", winners(t, results, nil), 16)
	list := profiles(t, st).Users
	same(t, "Profiles", len(list), 16)
	for i := 1; i < len(list); i++ {
		if list[i].ID <= list[i-1].ID {
			t.Errorf("Profiles: got ID %d after %d, want ascending ones", list[i].ID, list[i-1].ID)
		}
	}
}

// testOneMoment changes several records together while others read them
// together.
func testOneMoment(t *testing.T, st storage.Storage) {
	w := newWorld(t, st)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	results := race(4, func(i int) error {
		if i == 0 {
			defer stop()
			return w.alternate(t.Context(), st)
		}
		for ctx.Err() == nil {
			if err := w.consistent(t.Context(), st); err != nil {
				return err
			}
		}
		return nil
	})
	same(t, "writers and readers that worked", winners(t, results, nil), 4)
}

// alternate moves ann to and fro between the organizations, renaming the
// session, and counts in the names of both users.
func (w world) alternate(ctx context.Context, st storage.Storage) error {
	for i := range 20 {
		err := st.UpdateAuth(ctx, func(tx auth.Tx) error {
			ann, bob := w.ann, w.bob
			ann.FirstName, bob.FirstName = strconv.Itoa(i), strconv.Itoa(i)
			from, to := w.acme.ID, w.beta.ID
			if i%2 == 1 {
				from, to = to, from
			}
			ann.CurrentOrganization = to
			_, err1 := tx.SaveUser(ctx, ann)
			_, err2 := tx.SaveUser(ctx, bob)
			s := newSession(ann, number(1), "ann")
			s.UserAgent = ann.FirstName
			return errors.Join(err1, err2, tx.SaveSession(ctx, s), tx.DeleteMembership(ctx, ann.ID, from),
				tx.SaveMembership(ctx, users.Membership{UserID: ann.ID, OrganizationID: to, Level: users.LevelMember, JoinedAt: at(i)}))
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (w world) consistent(ctx context.Context, st storage.Storage) error {
	page, err := st.Profiles(ctx, users.Query{Limit: 10})
	if err != nil {
		return err
	}
	p := index(page)
	if len(p.Users) != 2 || p.Total != 2 || len(p.Memberships[w.ann.ID]) != 1 {
		return fmt.Errorf("call of Profiles: got %+v, want two users, ann with one membership", p)
	}
	ann, bob := p.Users[0], p.Users[1]
	if ann.FirstName != bob.FirstName || p.Memberships[w.ann.ID][0].OrganizationID != ann.CurrentOrganization {
		return fmt.Errorf("call of Profiles: got a mixture of two moments: %+v", p)
	}
	if len(p.Teams[ann.CurrentOrganization]) == 0 || p.Organizations[ann.CurrentOrganization].ID != ann.CurrentOrganization {
		return fmt.Errorf("call of Profiles: got no current organization or teams of another moment: %+v", p)
	}
	s, profile, err := st.SessionByHash(ctx, hash("ann"))
	if err == nil && profile.User.FirstName != "" && s.UserAgent != profile.User.FirstName {
		return fmt.Errorf("SessionByHash: got session of moment %s and user of %s, want one", s.UserAgent, profile.User.FirstName)
	}
	return err
}
