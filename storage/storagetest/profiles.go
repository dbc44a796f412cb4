package storagetest

import (
	"context"
	"testing"

	"github.com/google/uuid"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/storage"
	"github.com/hedgerow-dev/hedgerow/users"
)

func profileTests() []test {
	return []test{
		{"conditions", testProfileConditions},
		{"offset and limit", testProfileOffset},
		{"keyset", testProfileKeyset},
		{"an empty store", testProfileEmpty},
		{"what is shown beside", testProfileBeside},
		{"teams", testProfileTeams},
		{"member counts", testMemberCounts},
		{"after deletion and change", testProfileChanges},
		{"a page stays as it was", testProfileStays},
	}
}

func testProfileConditions(t *testing.T, st storage.Storage) {
	staff := func(u *users.User) { u.IsStaff = true }
	inactive := func(u *users.User) { u.IsActive = false }
	a := addUser(t, st, "Ann@example.com")
	b := addUser(t, st, "bob@example.com", staff)
	c := addUser(t, st, "carl@example.com", inactive)
	d := addUser(t, st, "dora@example.com", staff, inactive)
	e := addUser(t, st, "emil@example.com", staff)
	yes, no := users.Some(true), users.Some(false)
	for name, c := range map[string]struct {
		q    users.Query
		want []users.User
	}{
		"none":             {users.Query{}, []users.User{a, b, c, d, e}},
		"ID":               {users.Query{ID: b.ID}, []users.User{b}},
		"unknown ID":       {users.Query{ID: e.ID + 1}, nil},
		"UUID":             {users.Query{UUID: c.UUID}, []users.User{c}},
		"unknown UUID":     {users.Query{UUID: uuid.New()}, nil},
		"Email":            {users.Query{Email: "Ann@example.com"}, []users.User{a}},
		"Email, respelled": {users.Query{Email: "ann@example.com"}, nil},
		"Email, pattern":   {users.Query{Email: "%@example.com"}, nil},
		"unknown Email":    {users.Query{Email: "nobody@example.com"}, nil},
		"staff":            {users.Query{Staff: yes}, []users.User{b, d, e}},
		"not staff":        {users.Query{Staff: no}, []users.User{a, c}},
		"active":           {users.Query{Active: true}, []users.User{a, b, e}},
		"active staff":     {users.Query{Active: true, Staff: yes}, []users.User{b, e}},
		"active, no staff": {users.Query{Active: true, Staff: no}, []users.User{a}},
		"all that match":   {users.Query{ID: b.ID, UUID: b.UUID, Email: b.Email, Staff: yes, Active: true}, []users.User{b}},
		"two users":        {users.Query{ID: b.ID, UUID: a.UUID}, nil},
		"two users more":   {users.Query{ID: b.ID, Email: a.Email}, nil},
		"ID, inactive":     {users.Query{ID: c.ID, Active: true}, nil},
		"Email, staff":     {users.Query{Email: a.Email, Staff: yes}, nil},
		"UUID, no staff":   {users.Query{UUID: b.UUID, Staff: no}, nil},
	} {
		c.q.Limit = 10
		p := index(must(st.Profiles(t.Context(), c.q))(t))
		sameList(t, "Profiles by "+name, p.Users, c.want...)
		same(t, "Total by "+name, p.Total, len(c.want))
	}
}

// crowd adds n users, of which every other one is staff.
func crowd(t *testing.T, st storage.Storage, n int) []users.ID {
	t.Helper()
	var list []users.ID
	update(t, st, func(ctx context.Context, tx auth.Tx) error {
		list = nil
		for i := range n {
			u := newUser(uuid.NewString() + "@example.com")
			u.IsStaff = i%2 == 0
			u, err := tx.CreateUser(ctx, u)
			if err != nil {
				return err
			}
			list = append(list, u.ID)
		}
		return nil
	})
	return list
}

func testProfileOffset(t *testing.T, st storage.Storage) {
	all := crowd(t, st, 7)
	staff := []users.ID{all[0], all[2], all[4], all[6]}
	for name, c := range map[string]struct {
		q     users.Query
		total int
		want  []users.ID
	}{
		"all":            {users.Query{Limit: 7}, 7, all},
		"more than all":  {users.Query{Limit: 1000}, 7, all},
		"first":          {users.Query{Limit: 3}, 7, all[:3]},
		"second":         {users.Query{Limit: 3, Offset: 3}, 7, all[3:6]},
		"last":           {users.Query{Limit: 3, Offset: 6}, 7, all[6:]},
		"at the end":     {users.Query{Limit: 3, Offset: 7}, 7, nil},
		"past the end":   {users.Query{Limit: 3, Offset: 1 << 40}, 7, nil},
		"staff":          {users.Query{Limit: 2, Staff: users.Some(true)}, 4, staff[:2]},
		"staff, second":  {users.Query{Limit: 2, Offset: 1, Staff: users.Some(true)}, 4, staff[1:3]},
		"staff, past":    {users.Query{Limit: 2, Offset: 4, Staff: users.Some(true)}, 4, nil},
		"active, second": {users.Query{Limit: 2, Offset: 2, Active: true}, 7, all[2:4]},
		"one, past":      {users.Query{Limit: 2, Offset: 1, ID: all[0]}, 1, nil},
	} {
		p := index(must(st.Profiles(t.Context(), c.q))(t))
		sameList(t, "Profiles, "+name, ids(p.Users), c.want...)
		same(t, "Total, "+name, p.Total, c.total)
	}
}

func testProfileKeyset(t *testing.T, st storage.Storage) {
	all := crowd(t, st, 7)
	put(t, st, auth.Tx.DeleteUser, all[3])
	rest := append(append([]users.ID(nil), all[:3]...), all[4:]...)
	for name, c := range map[string]struct {
		q     users.Query
		total int
		want  []users.ID
	}{
		"from the start":  {users.Query{Limit: 4}, 6, rest[:4]},
		"after one":       {users.Query{Limit: 2, After: all[1]}, 6, rest[2:4]},
		"after a gap":     {users.Query{Limit: 2, After: all[3]}, 6, rest[3:5]},
		"after the last":  {users.Query{Limit: 2, After: all[6]}, 6, nil},
		"after nowhere":   {users.Query{Limit: 2, After: 1 << 60}, 6, nil},
		"with an offset":  {users.Query{Limit: 2, After: all[1], Offset: 1}, 6, rest[3:5]},
		"offset past":     {users.Query{Limit: 2, After: all[4], Offset: 2}, 6, nil},
		"staff":           {users.Query{Limit: 5, After: all[0], Staff: users.Some(true)}, 4, []users.ID{all[2], all[4], all[6]}},
		"active":          {users.Query{Limit: 2, After: all[4], Active: true}, 6, rest[4:]},
		"one, not after":  {users.Query{Limit: 2, After: all[4], ID: all[4]}, 1, nil},
		"one that is not": {users.Query{Limit: 2, After: all[2], ID: all[3]}, 0, nil},
	} {
		p := index(must(st.Profiles(t.Context(), c.q))(t))
		sameList(t, "Profiles, "+name, ids(p.Users), c.want...)
		same(t, "Total, "+name, p.Total, c.total)
	}
}

func testProfileEmpty(t *testing.T, st storage.Storage) {
	p := profiles(t, st)
	sameList(t, "Users", p.Users)
	same(t, "Total", p.Total, 0)
}

func testProfileBeside(t *testing.T, st storage.Storage) {
	acme, beta, gamma := addOrganization(t, st, number(3)), addOrganization(t, st, number(2)), addOrganization(t, st, number(1))
	delta := addOrganization(t, st, number(4))
	team := addTeam(t, st, acme)
	ann := addUser(t, st, "ann@example.com")
	bob := addUser(t, st, "bob@example.com", func(u *users.User) { u.CurrentOrganization = delta.ID })
	carl := addUser(t, st, "carl@example.com")
	annAcme := addMembership(t, st, ann, acme, at(5))
	annBeta := addMembership(t, st, ann, beta, at(5))
	annGamma := addMembership(t, st, ann, gamma, at(6))
	bobGamma := addMembership(t, st, bob, gamma, at(1))
	scenes := []users.Scene{
		{UserID: ann.ID, TeamID: team.ID, Scene: "b", DashboardID: 1},
		{UserID: ann.ID, TeamID: team.ID, Scene: "a", DashboardID: 2},
	}
	put(t, st, auth.Tx.SaveScene, scenes...)
	put(t, st, auth.Tx.SaveIdentity,
		users.Identity{UserID: bob.ID, Provider: "github", Subject: "1", CreatedAt: at(0)},
		users.Identity{UserID: bob.ID, Provider: "gitlab", Subject: "1", CreatedAt: at(0)})
	put(t, st, auth.Tx.SaveAPIKey, newKey(ann, "k1"), newKey(ann, "k2"))
	put(t, st, auth.Tx.SaveOAuthToken, newToken(carl, "t"))
	put(t, st, auth.Tx.SaveSession, newSession(carl, number(1), "s"))

	p := profiles(t, st)
	sameList(t, "Users", p.Users, ann, bob, carl)
	sameList(t, "Memberships of ann", p.Memberships[ann.ID], annBeta, annAcme, annGamma)
	sameList(t, "Memberships of bob", p.Memberships[bob.ID], bobGamma)
	sameList(t, "Memberships of carl", p.Memberships[carl.ID])
	same(t, "Organizations", p.Organizations, map[uuid.UUID]users.Organization{
		acme.ID: acme, beta.ID: beta, gamma.ID: gamma, delta.ID: delta,
	})
	sameList(t, "Scenes of ann", p.Scenes[ann.ID], scenes...)
	sameList(t, "Scenes of bob", p.Scenes[bob.ID])
	for id, want := range map[users.ID][2]bool{ann.ID: {false, true}, bob.ID: {true, false}, carl.ID: {false, false}} {
		same(t, "HasIdentity and HasAPIKey", [2]bool{p.HasIdentity[id], p.HasAPIKey[id]}, want)
	}

	// Another page shows nothing of users that are not on it.
	p = index(must(st.Profiles(t.Context(), users.Query{ID: bob.ID, Limit: 1}))(t))
	same(t, "Organizations of bob", p.Organizations, map[uuid.UUID]users.Organization{gamma.ID: gamma, delta.ID: delta})
	sameList(t, "Scenes of ann on a page of bob", p.Scenes[ann.ID])
	sameList(t, "Memberships of ann on a page of bob", p.Memberships[ann.ID])
}

func testProfileTeams(t *testing.T, st storage.Storage) {
	acme, beta, gamma := addOrganization(t, st, number(1)), addOrganization(t, st, number(2)), addOrganization(t, st, number(3))
	acme1, beta1, acme2, beta2 := addTeam(t, st, acme), addTeam(t, st, beta), addTeam(t, st, acme), addTeam(t, st, beta)
	gamma1, gamma2 := addTeam(t, st, gamma), addTeam(t, st, gamma)
	current := func(o users.Organization, team users.Team) func(*users.User) {
		return func(u *users.User) { u.CurrentOrganization, u.CurrentTeam = o.ID, team.ID }
	}
	none := users.Team{}
	elsewhere := addUser(t, st, "elsewhere@example.com", current(acme, gamma2))
	inside := addUser(t, st, "inside@example.com", current(acme, acme2))
	without := addUser(t, st, "without@example.com", current(beta, none))
	homeless := addUser(t, st, "homeless@example.com", current(users.Organization{}, gamma1))
	nowhere := addUser(t, st, "nowhere@example.com")
	page := func(u users.User) shown {
		t.Helper()
		return index(must(st.Profiles(t.Context(), users.Query{ID: u.ID, Limit: 1}))(t))
	}

	p := page(elsewhere)
	sameList(t, "Teams of the current organization", p.Teams[acme.ID], acme1, acme2)
	sameList(t, "the current team elsewhere", p.Teams[gamma.ID], gamma2)
	sameList(t, "Teams of another organization", p.Teams[beta.ID])
	same(t, "Organizations", p.Organizations, map[uuid.UUID]users.Organization{acme.ID: acme})
	sameList(t, "Teams with the current one among them", page(inside).Teams[acme.ID], acme1, acme2)
	sameList(t, "Teams without a current one", page(without).Teams[beta.ID], beta1, beta2)
	sameList(t, "the current team without a current organization", page(homeless).Teams[gamma.ID], gamma1)
	same(t, "Teams of nobody's organization", len(page(nowhere).Teams), 0)

	// What belongs to no organization of the user may change as well.
	gamma2.Name = "Renamed"
	put(t, st, replaceTeam, gamma2)
	sameList(t, "the current team elsewhere, renamed", page(elsewhere).Teams[gamma.ID], gamma2)
	acme.Name = "Renamed"
	put(t, st, users.Tx.SaveOrganization, acme)
	same(t, "Organizations, renamed", page(elsewhere).Organizations, map[uuid.UUID]users.Organization{acme.ID: acme})

	p = profiles(t, st)
	sameList(t, "Teams of acme, page of all", p.Teams[acme.ID], acme1, acme2)
	sameList(t, "Teams of beta, page of all", p.Teams[beta.ID], beta1, beta2)
	sameList(t, "Teams of gamma, page of all", p.Teams[gamma.ID], gamma1, gamma2)

	// Whoever comes later on the page may belong to that other organization.
	saveUser(t, st, users.User{ID: nowhere.ID, UUID: nowhere.UUID, DistinctID: nowhere.DistinctID, Email: nowhere.Email,
		CurrentOrganization: gamma.ID, CurrentTeam: acme1.ID})
	p = profiles(t, st)
	sameList(t, "Teams of acme at last", p.Teams[acme.ID], acme1, acme2)
	sameList(t, "Teams of gamma at last", p.Teams[gamma.ID], gamma1, gamma2)
}

func testMemberCounts(t *testing.T, st storage.Storage) {
	acme, beta := addOrganization(t, st, number(1)), addOrganization(t, st, number(2))
	ann := addUser(t, st, "ann@example.com", func(u *users.User) { u.CurrentOrganization = acme.ID })
	bob := addUser(t, st, "bob@example.com", func(u *users.User) { u.IsActive = false })
	carl := addUser(t, st, "carl@example.com", func(u *users.User) { u.CurrentOrganization = beta.ID })
	check := func(call string, wantAcme, wantBeta int) {
		t.Helper()
		p := profiles(t, st)
		same(t, "MemberCounts after "+call, [2]int{p.MemberCounts[acme.ID], p.MemberCounts[beta.ID]}, [2]int{wantAcme, wantBeta})
	}
	check("nobody joined", 0, 0)
	m := addMembership(t, st, ann, acme, at(0))
	addMembership(t, st, bob, acme, at(0))
	addMembership(t, st, carl, acme, at(0))
	addMembership(t, st, carl, beta, at(0))
	check("two active ones joined", 2, 1)
	m.Level = users.LevelOwner
	put(t, st, auth.Tx.SaveMembership, m)
	check("a membership was replaced", 2, 1)
	bob.IsActive = true
	bob = saveUser(t, st, bob)
	check("one was activated", 3, 1)
	saveUser(t, st, bob)
	check("a write that changes nothing", 3, 1)
	carl.IsActive = false
	carl = saveUser(t, st, carl)
	check("one was deactivated", 2, 0)
	update(t, st, func(ctx context.Context, tx auth.Tx) error { return tx.DeleteMembership(ctx, carl.ID, acme.ID) })
	check("an inactive one left", 2, 0)
	update(t, st, func(ctx context.Context, tx auth.Tx) error { return tx.DeleteMembership(ctx, ann.ID, acme.ID) })
	check("an active one left", 1, 0)
	put(t, st, auth.Tx.DeleteUser, bob.ID)
	check("the last was deleted", 0, 0)
}

func testProfileChanges(t *testing.T, st storage.Storage) {
	acme := addOrganization(t, st, number(1))
	team := addTeam(t, st, acme)
	u := addUser(t, st, "ann@example.com", func(u *users.User) { u.CurrentOrganization, u.CurrentTeam = acme.ID, team.ID })
	addMembership(t, st, u, acme, at(0))
	acme.Name, team.Name = "Renamed", "Renamed too"
	put(t, st, auth.Tx.SaveOrganization, acme)
	saveTeam(t, st, team)
	p := profiles(t, st)
	same(t, "Organizations after a change", p.Organizations[acme.ID], acme)
	sameList(t, "Teams after a change", p.Teams[acme.ID], team)

	for n, end := range []func(users.Invite){
		func(i users.Invite) { put(t, st, auth.Tx.DeleteInvite, i.ID) },
		func(i users.Invite) { put(t, st, auth.Tx.DeleteOrganization, i.OrganizationID) },
	} {
		same(t, "HasInvite without one", profiles(t, st).HasInvite[u.ID], false)
		i := users.Invite{ID: number(1), OrganizationID: addOrganization(t, st, number(byte(2+n))).ID, TargetEmail: "ANN@example.com", CreatedAt: at(0)}
		put(t, st, auth.Tx.SaveInvite, i)
		same(t, "HasInvite", profiles(t, st).HasInvite[u.ID], true)
		end(i)
		same(t, "HasInvite after its end", profiles(t, st).HasInvite[u.ID], false)
	}

	put(t, st, auth.Tx.DeleteTeam, team.ID)
	sameList(t, "Teams after DeleteTeam", profiles(t, st).Teams[acme.ID])
	put(t, st, auth.Tx.DeleteOrganization, acme.ID)
	p = profiles(t, st)
	same(t, "Organizations after DeleteOrganization", len(p.Organizations), 0)
	sameList(t, "Memberships after DeleteOrganization", p.Memberships[u.ID])
}

// testProfileStays keeps a page while everything on it changes.
func testProfileStays(t *testing.T, st storage.Storage) {
	acme := newOrganization(number(1))
	acme.SSOEnforcedDomains = []string{"example.com"}
	put(t, st, auth.Tx.SaveOrganization, acme)
	team := addTeam(t, st, acme)
	u := addUser(t, st, "ann@example.com", func(u *users.User) { u.CurrentOrganization, u.CurrentTeam = acme.ID, team.ID })
	m := addMembership(t, st, u, acme, at(0))
	scene := users.Scene{UserID: u.ID, TeamID: team.ID, Scene: "home", DashboardID: 1}
	put(t, st, auth.Tx.SaveScene, scene)
	put(t, st, auth.Tx.SaveSession, newSession(u, number(1), "s"))
	kept := must(st.Profiles(t.Context(), users.Query{Limit: 10}))(t)
	_, owner, err := st.SessionByHash(t.Context(), hash("s"))
	if err != nil {
		t.Fatalf("SessionByHash: got %v, want nil", err)
	}

	changedUser, changedMember, changedTeam, changedScene, changed := u, m, team, scene, acme.Clone()
	changedUser.FirstName, changedMember.Level, changedTeam.Name, changedScene.DashboardID = "Changed", users.LevelOwner, "Changed", 2
	changed.SSOEnforcedDomains[0] = "changed.example"
	saveUser(t, st, changedUser)
	saveTeam(t, st, changedTeam)
	put(t, st, auth.Tx.SaveMembership, changedMember)
	put(t, st, auth.Tx.SaveScene, changedScene)
	put(t, st, auth.Tx.SaveOrganization, changed)
	now := profiles(t, st)
	same(t, "Organizations now", now.Organizations[acme.ID], changed)
	sameList(t, "Memberships now", now.Memberships[u.ID], changedMember)
	for _, p := range []shown{index(kept), index(users.Page{Profiles: []*users.Profile{owner}})} {
		sameList(t, "Users", p.Users, u)
		sameList(t, "Memberships", p.Memberships[u.ID], m)
		sameList(t, "Teams", p.Teams[acme.ID], team)
		sameList(t, "Scenes", p.Scenes[u.ID], scene)
		same(t, "Organizations", p.Organizations[acme.ID], acme)
	}
}
