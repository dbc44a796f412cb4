package storagetest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/uuid"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/storage"
	"github.com/hedgerow-dev/hedgerow/users"
)

func countTests() []test {
	return []test{
		{"after changes at random", testCountsAtRandom},
		{"after changes side by side", testCountsSideBySide},
	}
}

// filters are the conditions that many users meet.
func filters() []users.Query {
	yes, no := users.Some(true), users.Some(false)
	return []users.Query{{}, {Active: true}, {Staff: yes}, {Staff: no}, {Active: true, Staff: yes}, {Active: true, Staff: no}}
}

// model is what a store must hold. Each organization is the current one of one
// user, who shows how many members it has and is never deleted.
type model struct {
	users         map[users.ID]users.User
	organizations []users.Organization
	witnesses     []users.ID
	members       map[users.ID]map[uuid.UUID]bool
}

func newModel(t *testing.T, st storage.Storage, organizations int) *model {
	t.Helper()
	m := &model{users: map[users.ID]users.User{}, members: map[users.ID]map[uuid.UUID]bool{}}
	for n := range organizations {
		o := addOrganization(t, st, number(byte(n+1)))
		u := addUser(t, st, uuid.NewString()+"@example.com", func(u *users.User) { u.CurrentOrganization = o.ID })
		m.organizations, m.witnesses = append(m.organizations, o), append(m.witnesses, u.ID)
		m.users[u.ID], m.members[u.ID] = u, map[uuid.UUID]bool{}
	}
	return m
}

// matching counts naively, by ID.
func (m *model) matching(q users.Query) []users.ID {
	var list []users.ID
	for id, u := range m.users {
		if (!q.Active || u.IsActive) && (!q.Staff.Valid || q.Staff.Value == u.IsStaff) {
			list = append(list, id)
		}
	}
	slices.Sort(list)
	return list
}

// check compares the numbers with naive ones, and the pages at every offset.
func (m *model) check(t *testing.T, r users.Reader) {
	t.Helper()
	const limit = 3
	for _, q := range filters() {
		want := m.matching(q)
		for q.Offset = 0; q.Offset <= len(want)+1; q.Offset++ {
			q.Limit = limit
			p := index(must(r.Profiles(t.Context(), q))(t))
			rest := want[min(q.Offset, len(want)):]
			sameList(t, fmt.Sprintf("Profiles by %+v", q), ids(p.Users), rest[:min(limit, len(rest))]...)
			same(t, fmt.Sprintf("Total by %+v", q), p.Total, len(want))
		}
	}
	for n, o := range m.organizations {
		want := 0
		for id, in := range m.members {
			if in[o.ID] && m.users[id].IsActive {
				want++
			}
		}
		p := must(r.Profiles(t.Context(), users.Query{ID: m.witnesses[n], Limit: 1}))(t)
		same(t, "MemberCount of "+o.Name, p.Profiles[0].MemberCount, want)
	}
}

// change does one thing at random, in a transaction and to m.
func (m *model) change(ctx context.Context, tx users.Tx, r *rand.Rand) error {
	all := m.matching(users.Query{})
	id, o := all[r.IntN(len(all))], m.organizations[r.IntN(len(m.organizations))]
	u := m.users[id]
	switch action := r.IntN(12); {
	case action < 3:
		u = newUser(uuid.NewString() + "@example.com")
		u.IsActive, u.IsStaff = r.IntN(4) > 0, r.IntN(4) == 0
		u, err := tx.CreateUser(ctx, u)
		m.users[u.ID], m.members[u.ID] = u, map[uuid.UUID]bool{}
		return err
	case action < 5:
		u.IsActive = !u.IsActive
	case action < 6:
		u.IsStaff = !u.IsStaff
	case action < 7:
		u.IsActive, u.IsStaff = r.IntN(2) == 0, r.IntN(2) == 0
	case action < 9:
		m.members[id][o.ID] = true
		return tx.SaveMembership(ctx, users.Membership{UserID: id, OrganizationID: o.ID, Level: users.Level(r.IntN(2)), JoinedAt: at(0)})
	case action < 10 && m.members[id][o.ID]:
		delete(m.members[id], o.ID)
		return tx.DeleteMembership(ctx, id, o.ID)
	case action < 11 && !slices.Contains(m.witnesses, id):
		delete(m.users, id)
		delete(m.members, id)
		return tx.DeleteUser(ctx, id)
	default:
		u.FirstName = uuid.NewString()
	}
	m.users[id] = u
	_, err := tx.SaveUser(ctx, u)
	return err
}

// replaceOrganization deletes one and makes it anew, without members.
func (m *model) replaceOrganization(t *testing.T, st storage.Storage, n int) {
	t.Helper()
	o := m.organizations[n]
	update(t, st, func(ctx context.Context, tx auth.Tx) error {
		if err := tx.DeleteOrganization(ctx, o.ID); err != nil {
			return err
		}
		if err := tx.SaveOrganization(ctx, o); err != nil {
			return err
		}
		u := m.users[m.witnesses[n]]
		u.CurrentOrganization = o.ID
		_, err := tx.SaveUser(ctx, u)
		return err
	})
	for _, in := range m.members {
		delete(in, o.ID)
	}
}

func testCountsAtRandom(t *testing.T, st storage.Storage) {
	m, r := newModel(t, st, 3), rand.New(rand.NewPCG(1, 2))
	for range 12 {
		update(t, st, func(ctx context.Context, tx auth.Tx) error {
			for range 15 {
				if err := m.change(ctx, tx, r); err != nil {
					return err
				}
			}
			m.check(t, tx)
			return nil
		})
		if r.IntN(3) == 0 {
			m.replaceOrganization(t, st, r.IntN(len(m.organizations)))
		}
		m.check(t, st)
		m.undone(t, st, r)
		if t.Failed() {
			return
		}
	}
}

// undone changes much in a transaction that is given up.
func (m *model) undone(t *testing.T, st storage.Storage, r *rand.Rand) {
	t.Helper()
	before := &model{users: map[users.ID]users.User{}, organizations: m.organizations, witnesses: m.witnesses, members: map[users.ID]map[uuid.UUID]bool{}}
	for id, u := range m.users {
		before.users[id], before.members[id] = u, map[uuid.UUID]bool{}
		for o := range m.members[id] {
			before.members[id][o] = true
		}
	}
	stop := errors.New("stop")
	err := attempt(t, st, func(ctx context.Context, tx auth.Tx) error {
		for range 15 {
			if err := m.change(ctx, tx, r); err != nil {
				return err
			}
		}
		return stop
	})
	refused(t, "UpdateAuth that is given up", err, stop)
	*m = *before
	m.check(t, st)
}

// testCountsSideBySide has users come, go, join, leave and be (de)activated at
// once, each in a transaction of its own, where all that count meet.
func testCountsSideBySide(t *testing.T, st storage.Storage) {
	m := newModel(t, st, 1)
	o := m.organizations[0]
	first := crowd(t, st, 8)
	errs := race(16, func(i int) error {
		r := rand.New(rand.NewPCG(3, uint64(i)))
		for range 12 {
			id := first[r.IntN(len(first))]
			err := transaction(t.Context(), st, func(tx auth.Tx) error { return meet(t.Context(), tx, r, id, o) })
			if err != nil && !errors.Is(err, users.ErrNotFound) {
				return err
			}
		}
		return nil
	})
	same(t, "workers without an error", winners(t, errs, nil), len(errs))
	m.users, m.members = map[users.ID]users.User{}, map[users.ID]map[uuid.UUID]bool{}
	for _, p := range must(st.Profiles(t.Context(), users.Query{Limit: 1000}))(t).Profiles {
		m.users[p.User.ID] = p.User
		m.members[p.User.ID] = map[uuid.UUID]bool{}
		for _, ms := range p.Memberships {
			m.members[p.User.ID][ms.OrganizationID] = true
		}
	}
	m.check(t, st)
}

// meet does one thing at random with a user that others change, too.
func meet(ctx context.Context, tx users.Tx, r *rand.Rand, id users.ID, o users.Organization) error {
	switch r.IntN(6) {
	case 0:
		u, err := tx.CreateUser(ctx, newUser(uuid.NewString()+"@example.com"))
		if err != nil {
			return err
		}
		return tx.SaveMembership(ctx, users.Membership{UserID: u.ID, OrganizationID: o.ID})
	case 1:
		return tx.SaveMembership(ctx, users.Membership{UserID: id, OrganizationID: o.ID})
	case 2:
		return tx.DeleteMembership(ctx, id, o.ID)
	case 3:
		if r.IntN(8) == 0 {
			return tx.DeleteUser(ctx, id)
		}
	}
	u, err := tx.User(ctx, id)
	if err != nil {
		return err
	}
	u.IsActive, u.IsStaff = !u.IsActive, r.IntN(2) == 0
	_, err = tx.SaveUser(ctx, u)
	return err
}
