package storagetest

import (
	"context"
	"testing"
	"time"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/storage"
	"github.com/hedgerow-dev/hedgerow/users"
)

func inviteTests() []test {
	return []test{
		{"address, age and order", testInvites},
		{"nothing is older than the zero time", testInvitesSinceZero},
		{"replaced and deleted", testInviteChanges},
		{"not found", testInviteNotFound},
	}
}

func identityTests() []test {
	return []test{
		{"round trip and order", testIdentities},
		{"one owner", testIdentityConflict},
		{"not found", testIdentityNotFound},
	}
}

func sceneTests() []test {
	return []test{
		{"order and place", testScenes},
		{"not found", testSceneNotFound},
		{"DeleteScenes", testDeleteScenes},
	}
}

func pending(i users.Invite, o users.Organization) users.PendingInvite {
	return users.PendingInvite{Invite: i, OrganizationName: o.Name}
}

func testInvites(t *testing.T, st storage.Storage) {
	ctx := t.Context()
	acme, beta := addOrganization(t, st, number(1)), addOrganization(t, st, number(2))
	old := users.Invite{ID: number(9), OrganizationID: acme.ID, TargetEmail: "ann@example.com", CreatedAt: at(1)}
	complete(t, old)
	twin := users.Invite{ID: number(5), OrganizationID: beta.ID, TargetEmail: "ANN@example.com", CreatedAt: at(2)}
	recent := users.Invite{ID: number(7), OrganizationID: acme.ID, TargetEmail: "Ann@Example.com", CreatedAt: at(2)}
	newest := users.Invite{ID: number(1), OrganizationID: acme.ID, TargetEmail: "ann@example.com", CreatedAt: at(2).Add(time.Microsecond)}
	idn := users.Invite{ID: number(3), OrganizationID: acme.ID, TargetEmail: "ann@BÜCHER.example", CreatedAt: at(0)}
	other := users.Invite{ID: number(4), OrganizationID: acme.ID, TargetEmail: "an%@example.com", CreatedAt: at(3)}
	put(t, st, auth.Tx.SaveInvite, old, recent, twin, newest, idn, other)

	for _, c := range []struct {
		name  string
		since time.Time
		want  []users.PendingInvite
	}{
		{"the beginning", at(-1e6), []users.PendingInvite{pending(newest, acme), pending(twin, beta), pending(recent, acme), pending(old, acme)}},
		{"the oldest", at(1), []users.PendingInvite{pending(newest, acme), pending(twin, beta), pending(recent, acme), pending(old, acme)}},
		{"just after the oldest", at(1).Add(time.Microsecond), []users.PendingInvite{pending(newest, acme), pending(twin, beta), pending(recent, acme)}},
		{"the newest", newest.CreatedAt, []users.PendingInvite{pending(newest, acme)}},
		{"later", at(9), nil},
	} {
		sameList(t, "Invites since "+c.name, must(st.Invites(ctx, "ann@example.com", c.since))(t), c.want...)
	}
	sameList(t, "Invites to an IDN address", must(st.Invites(ctx, "ann@xn--bcher-kva.example", at(0)))(t), pending(idn, acme))
	sameList(t, "Invites to nobody", must(st.Invites(ctx, "bob@example.com", at(0)))(t))

	list := must(st.Invites(ctx, users.FoldEmail(other.TargetEmail), at(0)))(t)
	sameList(t, "Invites to another", list, pending(other, acme))
	if len(list) > 0 {
		list[0].OrganizationName = "spoiled"
	}
	sameList(t, "Invites after a result was changed", must(st.Invites(ctx, other.TargetEmail, at(0)))(t), pending(other, acme))
}

func testInvitesSinceZero(t *testing.T, st storage.Storage) {
	acme := addOrganization(t, st, number(1))
	i := users.Invite{ID: number(9), OrganizationID: acme.ID, TargetEmail: "ann@example.com", CreatedAt: at(1)}
	put(t, st, auth.Tx.SaveInvite, i)
	sameList(t, "Invites", must(st.Invites(t.Context(), "ann@example.com", time.Time{}))(t), pending(i, acme))
}

func testInviteChanges(t *testing.T, st storage.Storage) {
	ctx := t.Context()
	acme, beta := addOrganization(t, st, number(1)), addOrganization(t, st, number(2))
	i := users.Invite{ID: number(9), OrganizationID: acme.ID, TargetEmail: "ann@example.com", CreatedAt: at(1)}
	put(t, st, auth.Tx.SaveInvite, i)
	acme.Name = "Renamed"
	put(t, st, auth.Tx.SaveOrganization, acme)
	sameList(t, "Invites after the organization was renamed", must(st.Invites(ctx, "ann@example.com", at(0)))(t), pending(i, acme))
	i.TargetEmail, i.OrganizationID, i.CreatedAt = "Bob@example.com", beta.ID, at(2)
	put(t, st, auth.Tx.SaveInvite, i)
	sameList(t, "Invites to the address before", must(st.Invites(ctx, "ann@example.com", at(0)))(t))
	sameList(t, "Invites to the address after", must(st.Invites(ctx, "bob@example.com", at(0)))(t), pending(i, beta))
	put(t, st, auth.Tx.DeleteInvite, i.ID)
	sameList(t, "Invites after DeleteInvite", must(st.Invites(ctx, "bob@example.com", at(0)))(t))
}

func testInviteNotFound(t *testing.T, st storage.Storage) {
	acme := addOrganization(t, st, number(1))
	i := users.Invite{ID: number(9), OrganizationID: number(2), TargetEmail: "ann@example.com", CreatedAt: at(1)}
	refused(t, "SaveInvite into an unknown organization", try(t, st, auth.Tx.SaveInvite, i), users.ErrNotFound)
	refused(t, "DeleteInvite with an unknown ID", try(t, st, auth.Tx.DeleteInvite, i.ID), users.ErrNotFound)
	i.OrganizationID = acme.ID
	put(t, st, auth.Tx.SaveInvite, i)
	put(t, st, auth.Tx.DeleteInvite, i.ID)
	refused(t, "DeleteInvite twice", try(t, st, auth.Tx.DeleteInvite, i.ID), users.ErrNotFound)
}

func testIdentities(t *testing.T, st storage.Storage) {
	ctx := t.Context()
	u, other := addUser(t, st, "ann@example.com"), addUser(t, st, "bob@example.com")
	late := users.Identity{UserID: u.ID, Provider: "github", Subject: "1", Login: odd, CreatedAt: at(2)}
	complete(t, late)
	early := users.Identity{UserID: u.ID, Provider: "saml", Subject: odd, Login: "ann", CreatedAt: at(0).Add(time.Microsecond)}
	upper := users.Identity{UserID: u.ID, Provider: "Z", Subject: "2", CreatedAt: at(1)}
	lower := users.Identity{UserID: u.ID, Provider: "a", Subject: "B", CreatedAt: at(1)}
	last := users.Identity{UserID: u.ID, Provider: "a", Subject: "b", CreatedAt: at(1)}
	theirs := users.Identity{UserID: other.ID, Provider: "a", Subject: "c", CreatedAt: at(1)}
	put(t, st, auth.Tx.SaveIdentity, late, last, lower, upper, early, theirs)
	// Text is ordered by its bytes, so upper case comes first.
	sameList(t, "Identities", must(st.Identities(ctx, u.ID))(t), early, upper, lower, last, late)
	sameList(t, "Identities of another", must(st.Identities(ctx, other.ID))(t), theirs)
	sameList(t, "Identities of nobody", must(st.Identities(ctx, other.ID+1))(t))

	// Only the login is replaced, so the identity keeps its place.
	renamed := lower
	renamed.Login, renamed.CreatedAt = "renamed", at(50)
	put(t, st, auth.Tx.SaveIdentity, renamed)
	lower.Login = "renamed"
	list := must(st.Identities(ctx, u.ID))(t)
	sameList(t, "Identities after one was replaced", list, early, upper, lower, last, late)
	list[0].Login = "spoiled"
	sameList(t, "Identities after a result was changed", must(st.Identities(ctx, u.ID))(t), early, upper, lower, last, late)
}

func testIdentityConflict(t *testing.T, st storage.Storage) {
	ctx := t.Context()
	ann, bob := addUser(t, st, "ann@example.com"), addUser(t, st, "bob@example.com")
	i := users.Identity{UserID: ann.ID, Provider: "github", Subject: "1", Login: "ann", CreatedAt: at(0)}
	put(t, st, auth.Tx.SaveIdentity, i)
	stolen := i
	stolen.UserID, stolen.Login = bob.ID, "bob"
	refused(t, "SaveIdentity of somebody else's", try(t, st, auth.Tx.SaveIdentity, stolen), users.ErrConflict)
	sameList(t, "Identities of the owner", must(st.Identities(ctx, ann.ID))(t), i)
	sameList(t, "Identities of the other", must(st.Identities(ctx, bob.ID))(t))

	update(t, st, func(ctx context.Context, tx auth.Tx) error {
		owner, err := tx.DeleteIdentity(ctx, "github", "1")
		if err == nil && owner != ann.ID {
			t.Errorf("DeleteIdentity: got owner %d, want %d", owner, ann.ID)
		}
		return err
	})
	put(t, st, auth.Tx.SaveIdentity, stolen)
	sameList(t, "Identities of the owner after DeleteIdentity", must(st.Identities(ctx, ann.ID))(t))
	sameList(t, "Identities of the next owner", must(st.Identities(ctx, bob.ID))(t), stolen)
}

func testIdentityNotFound(t *testing.T, st storage.Storage) {
	u := addUser(t, st, "ann@example.com")
	i := users.Identity{UserID: u.ID, Provider: "github", Subject: "a", CreatedAt: at(0)}
	put(t, st, auth.Tx.SaveIdentity, i)
	for _, key := range [][2]string{{"github", "b"}, {"github", "A"}, {"gitlab", "a"}, {"a", "github"}, {"", ""}} {
		err := attempt(t, st, func(ctx context.Context, tx auth.Tx) error {
			_, err := tx.DeleteIdentity(ctx, key[0], key[1])
			return err
		})
		refused(t, "DeleteIdentity of an unknown one", err, users.ErrNotFound)
	}
	sameList(t, "Identities after refusals", must(st.Identities(t.Context(), u.ID))(t), i)
	i.UserID, i.Subject = u.ID+1, "b"
	refused(t, "SaveIdentity with an unknown user", try(t, st, auth.Tx.SaveIdentity, i), users.ErrNotFound)
}

func testScenes(t *testing.T, st storage.Storage) {
	acme := addOrganization(t, st, number(1))
	one, two := addTeam(t, st, acme), addTeam(t, st, acme)
	u, other := addUser(t, st, "ann@example.com"), addUser(t, st, "bob@example.com")
	a := users.Scene{UserID: u.ID, TeamID: two.ID, Scene: "z", DashboardID: 1 << 60}
	complete(t, a)
	b := users.Scene{UserID: u.ID, TeamID: one.ID, Scene: "z", DashboardID: 2}
	c := users.Scene{UserID: u.ID, TeamID: one.ID, Scene: odd, DashboardID: 2}
	d := users.Scene{UserID: u.ID, TeamID: one.ID, Scene: "Z", DashboardID: 3}
	theirs := users.Scene{UserID: other.ID, TeamID: one.ID, Scene: "z", DashboardID: 4}
	put(t, st, auth.Tx.SaveScene, a, b, theirs, c, d)
	p := profiles(t, st)
	sameList(t, "Scenes", p.Scenes[u.ID], a, b, c, d)
	sameList(t, "Scenes of another", p.Scenes[other.ID], theirs)

	b.DashboardID = 99
	put(t, st, auth.Tx.SaveScene, b)
	sameList(t, "Scenes after one was replaced", profiles(t, st).Scenes[u.ID], a, b, c, d)
	a.DashboardID = 98
	put(t, st, auth.Tx.SaveScene, a)
	sameList(t, "Scenes after the first was replaced", profiles(t, st).Scenes[u.ID], a, b, c, d)

	put(t, st, auth.Tx.DeleteScenes, b.DashboardID)
	sameList(t, "Scenes after DeleteScenes", profiles(t, st).Scenes[u.ID], a, c, d)
	put(t, st, auth.Tx.SaveScene, b)
	sameList(t, "Scenes after one came back", profiles(t, st).Scenes[u.ID], a, c, d, b)
}

func testSceneNotFound(t *testing.T, st storage.Storage) {
	team := addTeam(t, st, addOrganization(t, st, number(1)))
	u := addUser(t, st, "ann@example.com")
	for name, s := range map[string]users.Scene{
		"user": {UserID: u.ID + 1, TeamID: team.ID, Scene: "z", DashboardID: 1},
		"team": {UserID: u.ID, TeamID: team.ID + 1, Scene: "z", DashboardID: 1},
	} {
		refused(t, "SaveScene with an unknown "+name, try(t, st, auth.Tx.SaveScene, s), users.ErrNotFound)
	}
	same(t, "Scenes after refusals", len(profiles(t, st).Scenes[u.ID]), 0)
}

func testDeleteScenes(t *testing.T, st storage.Storage) {
	team := addTeam(t, st, addOrganization(t, st, number(1)))
	ann, bob := addUser(t, st, "ann@example.com"), addUser(t, st, "bob@example.com")
	stays := users.Scene{UserID: ann.ID, TeamID: team.ID, Scene: "c", DashboardID: 2}
	put(t, st, auth.Tx.SaveScene,
		users.Scene{UserID: ann.ID, TeamID: team.ID, Scene: "a", DashboardID: 1},
		users.Scene{UserID: ann.ID, TeamID: team.ID, Scene: "b", DashboardID: 1},
		users.Scene{UserID: bob.ID, TeamID: team.ID, Scene: "a", DashboardID: 1}, stays)
	put(t, st, auth.Tx.DeleteScenes, 1, 77) // none has 77, which is no error
	p := profiles(t, st)
	sameList(t, "Scenes after DeleteScenes", p.Scenes[ann.ID], stays)
	sameList(t, "Scenes of another after DeleteScenes", p.Scenes[bob.ID])
}
