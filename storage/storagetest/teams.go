package storagetest

import (
	"context"
	"testing"

	"github.com/google/uuid"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/storage"
	"github.com/hedgerow-dev/hedgerow/users"
)

func teamTests() []test {
	return []test{
		{"round trip of every field", testTeamRoundTrip},
		{"order and place", testTeams},
		{"not found", testTeamNotFound},
		{"ids are never reused", testTeamIDs},
	}
}

func membershipTests() []test {
	return []test{
		{"round trip and order", testMemberships},
		{"replaced", testMembershipReplaced},
		{"not found", testMembershipNotFound},
		{"copies", testMembershipCopies},
	}
}

func testTeamRoundTrip(t *testing.T, st storage.Storage) {
	ctx := t.Context()
	o := addOrganization(t, st, number(1))
	want := users.Team{
		ID: 1, UUID: uuid.New(), OrganizationID: o.ID, ProjectID: 1 << 60, APIToken: odd, Name: odd, CompletedSnippetOnboarding: true,
		HasCompletedOnboardingFor: oddJSON, IngestedEvent: true, IsDemo: true, Timezone: "Europe/Kyiv", AccessControl: true,
	}
	complete(t, want)
	in := want
	in.ID = 0
	got := saveTeam(t, st, in)
	if got.ID <= 0 {
		t.Errorf("SaveTeam: got ID %d, want a positive one", got.ID)
	}
	want.ID = got.ID
	same(t, "SaveTeam", got, want)
	same(t, "Team", must(st.Team(ctx, want.ID))(t), want)
	sameList(t, "Teams", must(st.Teams(ctx, o.ID))(t), want)

	bare := users.Team{ID: want.ID, OrganizationID: o.ID}
	got = saveTeam(t, st, bare)
	bare.ProjectID = int64(want.ID) // zero is stored as ID
	same(t, "SaveTeam with nothing set", got, bare)
	same(t, "Team with nothing set", must(st.Team(ctx, want.ID))(t), bare)
	created := addTeam(t, st, o)
	same(t, "ProjectID when none is given", created.ProjectID, int64(created.ID))
	same(t, "another Team", must(st.Team(ctx, created.ID))(t), created)
}

func testTeams(t *testing.T, st storage.Storage) {
	ctx := t.Context()
	acme, beta := addOrganization(t, st, number(1)), addOrganization(t, st, number(2))
	a, b, c := addTeam(t, st, acme), addTeam(t, st, beta), addTeam(t, st, acme)
	a.Name = "zzz"
	a = saveTeam(t, st, a)
	sameList(t, "Teams of acme", must(st.Teams(ctx, acme.ID))(t), a, c)
	sameList(t, "Teams of beta", must(st.Teams(ctx, beta.ID))(t), b)
	sameList(t, "Teams of an unknown organization", must(st.Teams(ctx, uuid.New()))(t))

	a.OrganizationID = beta.ID
	same(t, "SaveTeam into another organization", saveTeam(t, st, a), a)
	sameList(t, "Teams of acme after one moved", must(st.Teams(ctx, acme.ID))(t), c)
	sameList(t, "Teams of beta after one moved", must(st.Teams(ctx, beta.ID))(t), a, b)
	put(t, st, auth.Tx.DeleteTeam, b.ID)
	sameList(t, "Teams of beta after DeleteTeam", must(st.Teams(ctx, beta.ID))(t), a)

	list := must(st.Teams(ctx, beta.ID))(t)
	list[0].Name = "spoiled"
	sameList(t, "Teams after a result was changed", must(st.Teams(ctx, beta.ID))(t), a)
}

func testTeamNotFound(t *testing.T, st storage.Storage) {
	o := addOrganization(t, st, number(1))
	team := addTeam(t, st, o)
	for _, id := range []users.TeamID{-1, team.ID + 1} {
		_, err := st.Team(t.Context(), id)
		refused(t, "Team with an unknown ID", err, users.ErrNotFound)
		refused(t, "DeleteTeam with an unknown ID", try(t, st, auth.Tx.DeleteTeam, id), users.ErrNotFound)
		other := newTeam(o)
		other.ID = id
		refused(t, "SaveTeam with an unknown ID", try(t, st, replaceTeam, other), users.ErrNotFound)
	}
	_, err := st.Team(t.Context(), 0)
	refused(t, "Team with the zero ID", err, users.ErrNotFound)
	stray := newTeam(newOrganization(number(2)))
	refused(t, "SaveTeam of a new team into an unknown organization", try(t, st, replaceTeam, stray), users.ErrNotFound)
	stray.ID = team.ID
	refused(t, "SaveTeam into an unknown organization", try(t, st, replaceTeam, stray), users.ErrNotFound)
	sameList(t, "Teams after refusals", must(st.Teams(t.Context(), o.ID))(t), team)
}

func testTeamIDs(t *testing.T, st storage.Storage) {
	o := addOrganization(t, st, number(1))
	last := users.TeamID(0)
	create := func() users.Team {
		t.Helper()
		team := addTeam(t, st, o)
		if team.ID <= last {
			t.Errorf("SaveTeam: got ID %d after %d, want a greater one", team.ID, last)
		}
		last = team.ID
		return team
	}
	create()
	put(t, st, auth.Tx.DeleteTeam, create().ID)
	create()
	put(t, st, auth.Tx.DeleteOrganization, o.ID)
	put(t, st, auth.Tx.SaveOrganization, o)
	create()
}

func testMemberships(t *testing.T, st storage.Storage) {
	ctx := t.Context()
	u, other := addUser(t, st, "ann@example.com"), addUser(t, st, "bob@example.com")
	for n := range byte(4) {
		addOrganization(t, st, number(n+1))
	}
	late := users.Membership{UserID: u.ID, OrganizationID: number(1), Level: users.LevelOwner, JoinedAt: at(9), InvitedBy: other.ID}
	complete(t, late)
	third := users.Membership{UserID: u.ID, OrganizationID: number(4), Level: users.LevelAdmin, JoinedAt: at(5)}
	second := users.Membership{UserID: u.ID, OrganizationID: number(2), Level: users.LevelMember, JoinedAt: at(5)}
	first := users.Membership{UserID: u.ID, OrganizationID: number(3), Level: users.LevelMember, JoinedAt: at(5).Add(-1000)}
	bobs := users.Membership{UserID: other.ID, OrganizationID: number(1), Level: users.LevelMember, JoinedAt: at(0)}
	put(t, st, auth.Tx.SaveMembership, late, third, second, first, bobs)
	sameList(t, "Memberships", must(st.Memberships(ctx, u.ID))(t), first, second, third, late)
	sameList(t, "Memberships of another", must(st.Memberships(ctx, other.ID))(t), bobs)
	sameList(t, "Memberships of nobody", must(st.Memberships(ctx, other.ID+1))(t))
}

func testMembershipReplaced(t *testing.T, st storage.Storage) {
	ctx := t.Context()
	u := addUser(t, st, "ann@example.com")
	acme, beta := addOrganization(t, st, number(1)), addOrganization(t, st, number(2))
	a, b := addMembership(t, st, u, acme, at(1)), addMembership(t, st, u, beta, at(2))
	a.Level, a.JoinedAt, a.InvitedBy = users.LevelOwner, at(3), u.ID
	put(t, st, auth.Tx.SaveMembership, a)
	sameList(t, "Memberships after one was replaced", must(st.Memberships(ctx, u.ID))(t), b, a)
	update(t, st, func(ctx context.Context, tx auth.Tx) error { return tx.DeleteMembership(ctx, u.ID, beta.ID) })
	sameList(t, "Memberships after DeleteMembership", must(st.Memberships(ctx, u.ID))(t), a)
}

func testMembershipNotFound(t *testing.T, st storage.Storage) {
	u, o := addUser(t, st, "ann@example.com"), addOrganization(t, st, number(1))
	other := addOrganization(t, st, number(2))
	m := addMembership(t, st, u, o, at(0))
	for name, stray := range map[string]users.Membership{
		"user":         {UserID: u.ID + 1, OrganizationID: o.ID, Level: users.LevelMember, JoinedAt: at(0)},
		"organization": {UserID: u.ID, OrganizationID: number(3), Level: users.LevelMember, JoinedAt: at(0)},
	} {
		refused(t, "SaveMembership with an unknown "+name, try(t, st, auth.Tx.SaveMembership, stray), users.ErrNotFound)
	}
	for name, key := range map[string]users.Membership{
		"user":             {UserID: u.ID + 1, OrganizationID: o.ID},
		"organization":     {UserID: u.ID, OrganizationID: number(3)},
		"pair of the two":  {UserID: u.ID, OrganizationID: other.ID},
		"user and nothing": {},
	} {
		err := attempt(t, st, func(ctx context.Context, tx auth.Tx) error {
			return tx.DeleteMembership(ctx, key.UserID, key.OrganizationID)
		})
		refused(t, "DeleteMembership with an unknown "+name, err, users.ErrNotFound)
	}
	sameList(t, "Memberships after refusals", must(st.Memberships(t.Context(), u.ID))(t), m)
}

func testMembershipCopies(t *testing.T, st storage.Storage) {
	u := addUser(t, st, "ann@example.com")
	m := addMembership(t, st, u, addOrganization(t, st, number(1)), at(0))
	must(st.Memberships(t.Context(), u.ID))(t)[0].Level = 99
	sameList(t, "Memberships after a result was changed", must(st.Memberships(t.Context(), u.ID))(t), m)
}
