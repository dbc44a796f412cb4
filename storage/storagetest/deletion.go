package storagetest

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/autonomy"
	"github.com/hedgerow-dev/hedgerow/integrations"
	"github.com/hedgerow-dev/hedgerow/storage"
	"github.com/hedgerow-dev/hedgerow/users"
)

func deletionTests() []test {
	return []test{
		{"of a user", testUserCascade},
		{"of a user leaves others alone", testUserCascadeSpares},
		{"of an organization", testOrganizationCascade},
		{"of a team", testTeamCascade},
	}
}

// world is a store with something of every kind, twice: what belongs to ann and
// acme, and what belongs to bob and beta.
type world struct {
	acme, beta         users.Organization
	acmeTeam, betaTeam users.Team
	ann, bob           users.User
	annInvite          users.Invite
	bobInvite          users.Invite
}

func newWorld(t *testing.T, st storage.Storage) world {
	t.Helper()
	var w world
	w.acme, w.beta = newOrganization(number(1)), newOrganization(number(2))
	w.acme.SSOEnforcedDomains, w.beta.SSOEnforcedDomains = []string{"acme.example"}, []string{"beta.example"}
	put(t, st, auth.Tx.SaveOrganization, w.acme, w.beta)
	w.acmeTeam, w.betaTeam = addTeam(t, st, w.acme), addTeam(t, st, w.beta)
	w.ann = addUser(t, st, "ann@example.com", func(u *users.User) { u.CurrentOrganization, u.CurrentTeam = w.acme.ID, w.acmeTeam.ID })
	w.bob = addUser(t, st, "bob@example.com", func(u *users.User) { u.CurrentOrganization, u.CurrentTeam = w.beta.ID, w.betaTeam.ID })
	w.annInvite = users.Invite{ID: number(1), OrganizationID: w.beta.ID, TargetEmail: "ann@example.com", CreatedAt: at(0)}
	w.bobInvite = users.Invite{ID: number(2), OrganizationID: w.acme.ID, TargetEmail: "bob@example.com", CreatedAt: at(0)}
	put(t, st, auth.Tx.SaveInvite, w.annInvite, w.bobInvite)
	put(t, st, users.Tx.CreateConsumer, users.Consumer{Name: "hooks", Position: 1})
	for i, u := range []users.User{w.ann, w.bob} {
		o, team, name := []users.Organization{w.acme, w.beta}[i], []users.Team{w.acmeTeam, w.betaTeam}[i], []string{"ann", "bob"}[i]
		addMembership(t, st, u, o, at(i))
		put(t, st, auth.Tx.SaveIdentity, users.Identity{UserID: u.ID, Provider: "github", Subject: name, Login: name, CreatedAt: at(i)})
		put(t, st, auth.Tx.SaveScene, users.Scene{UserID: u.ID, TeamID: team.ID, Scene: "home", DashboardID: int64(i + 1)})
		put(t, st, auth.Tx.SaveSession, newSession(u, number(byte(i+1)), name), newSession(u, number(byte(i+11)), name+"2"))
		put(t, st, auth.Tx.SaveAPIKey, newKey(u, name))
		put(t, st, auth.Tx.SaveOAuthToken, newToken(u, name))
		put(t, st, auth.Tx.SaveTicket, newTicket(u, auth.PendingLogin, name))
		put(t, st, auth.Tx.SaveSecondFactor, newSecondFactor(u))
		put(t, st, auth.Tx.SavePasskey, newPasskey(u, number(byte(i+1)), name))
		put(t, st, auth.Tx.AddEvent, users.Event{At: at(i), Actor: u.ID, Target: u.ID, Action: "created", Fields: []string{"email"}})
		put(t, st, autonomy.Tx.SaveAutonomyConfig, newConfig(u, number(byte(i+1))))
		link := newLink(u, number(byte(i+1)), name)
		put(t, st, integrations.Tx.SaveInstallation, link)
		saveRepositories(t, st, link.ID, newRepository(i+1))
		put(t, st, integrations.Tx.SaveBranches, newBranches(link, "acme/web"))
		saveTeamInstallation(t, st, integrations.TeamInstallation{TeamID: team.ID, InstallationID: name, CreatedBy: u.ID, ConnectingLogin: name, CreatedAt: at(i)})
		put(t, st, integrations.Tx.SaveLinkState, newState(u, name))
		put(t, st, integrations.Tx.SaveInstallRequest, newRequest(u, number(byte(i+1)), int64(i+1)))
		saveAttempts(t, st, name, []time.Time{at(i)}, at(100))
	}
	return w
}

// gone checks that nothing of a user is left.
func gone(t *testing.T, st storage.Storage, u users.User, name string) {
	t.Helper()
	ctx := t.Context()
	_, byID := st.User(ctx, u.ID)
	_, byUUID := st.UserByUUID(ctx, u.UUID)
	_, byEmail := st.UserByEmail(ctx, users.FoldEmail(u.Email))
	_, _, bySession := st.SessionByHash(ctx, hash(name))
	_, _, bySecond := st.SessionByHash(ctx, hash(name+"2"))
	_, _, byKey := st.APIKeyByHash(ctx, hash(name))
	_, byKeyID := st.APIKey(ctx, name)
	_, _, byToken := st.OAuthTokenByHash(ctx, hash(name))
	_, byTicket := st.Ticket(ctx, auth.PendingLogin, hash(name))
	_, byFactor := st.SecondFactor(ctx, u.ID)
	_, byPasskey := st.PasskeyByCredential(ctx, []byte(name))
	_, byConfig := st.AutonomyConfig(ctx, u.ID)
	_, byLink := st.Installation(ctx, u.ID, name)
	for call, err := range map[string]error{
		"User": byID, "UserByUUID": byUUID, "UserByEmail": byEmail, "SessionByHash": bySession, "SessionByHash, second": bySecond,
		"APIKeyByHash": byKey, "APIKey": byKeyID, "OAuthTokenByHash": byToken,
		"Ticket": byTicket, "SecondFactor": byFactor, "PasskeyByCredential": byPasskey, "AutonomyConfig": byConfig,
		"Installation": byLink,
	} {
		refused(t, call+" after DeleteUser", err, users.ErrNotFound)
	}
	sameList(t, "Memberships after DeleteUser", must(st.Memberships(ctx, u.ID))(t))
	sameList(t, "Identities after DeleteUser", must(st.Identities(ctx, u.ID))(t))
	sameList(t, "Sessions after DeleteUser", must(st.Sessions(ctx, u.ID))(t))
	sameList(t, "Installations after DeleteUser", must(st.Installations(ctx, integrations.Query{UserID: u.ID}))(t))
	sameList(t, "LinkStates after DeleteUser", must(st.LinkStates(ctx, u.ID))(t))
	sameList(t, "InstallRequests after DeleteUser", must(st.InstallRequests(ctx, integrations.RequestQuery{UserID: u.ID}))(t))
	sameList(t, "TeamInstallations after DeleteUser", must(st.TeamInstallations(ctx, integrations.TeamQuery{CreatedBy: u.ID}))(t))
	sameList(t, "APIKeys after DeleteUser", must(st.APIKeys(ctx, u.ID))(t))
	sameList(t, "Passkeys after DeleteUser", must(st.Passkeys(ctx, u.ID))(t))
	p := index(must(st.Profiles(ctx, users.Query{ID: u.ID, Limit: 1}))(t))
	same(t, "Profiles after DeleteUser", [2]int{p.Total, len(p.Users)}, [2]int{})
}

func testUserCascade(t *testing.T, st storage.Storage) {
	w := newWorld(t, st)
	before := must(st.Events(t.Context(), users.EventQuery{Limit: 10}))(t)
	put(t, st, auth.Tx.DeleteUser, w.ann.ID)
	gone(t, st, w.ann, "ann")
	sameList(t, "Events after DeleteUser", must(st.Events(t.Context(), users.EventQuery{Limit: 10}))(t), before...)
	// What was unique is free again, in the hands of somebody else.
	put(t, st, auth.Tx.SaveIdentity, users.Identity{UserID: w.bob.ID, Provider: "github", Subject: "ann", CreatedAt: at(9)})
	put(t, st, auth.Tx.SaveSession, newSession(w.bob, number(1), "ann"))
	put(t, st, auth.Tx.SaveAPIKey, newKey(w.bob, "ann"))
	put(t, st, auth.Tx.SaveOAuthToken, newToken(w.bob, "ann"))
	put(t, st, auth.Tx.SavePasskey, newPasskey(w.bob, number(9), "ann"))
	again := w.ann
	stored := addUser(t, st, again.Email, func(u *users.User) { *u = again })
	p := index(must(st.Profiles(t.Context(), users.Query{ID: stored.ID, Limit: 1}))(t))
	same(t, "what a new user inherits",
		[4]bool{len(p.Memberships[stored.ID]) > 0, len(p.Scenes[stored.ID]) > 0, p.HasIdentity[stored.ID], p.HasAPIKey[stored.ID]}, [4]bool{})
}

func testUserCascadeSpares(t *testing.T, st storage.Storage) {
	w := newWorld(t, st)
	ctx := t.Context()
	invited := users.Membership{UserID: w.bob.ID, OrganizationID: w.acme.ID, Level: users.LevelAdmin, JoinedAt: at(-1), InvitedBy: w.ann.ID}
	put(t, st, auth.Tx.SaveMembership, invited)
	scene := users.Scene{UserID: w.bob.ID, TeamID: w.betaTeam.ID, Scene: "home", DashboardID: 2}
	put(t, st, auth.Tx.DeleteUser, w.ann.ID)
	same(t, "another User", must(st.User(ctx, w.bob.ID))(t), w.bob)
	// Who invited stays on record, or bob would count as the first of acme.
	own := users.Membership{UserID: w.bob.ID, OrganizationID: w.beta.ID, Level: users.LevelMember, JoinedAt: at(1)}
	sameList(t, "Memberships of another", must(st.Memberships(ctx, w.bob.ID))(t), invited, own)
	session(t, st, "bob")
	token(t, st, "bob")
	key(t, st, "bob", "bob")
	same(t, "Ticket of another", ticket(t, st, auth.PendingLogin, "bob"), newTicket(w.bob, auth.PendingLogin, "bob"))
	same(t, "SecondFactor of another", must(st.SecondFactor(ctx, w.bob.ID))(t), newSecondFactor(w.bob))
	sameList(t, "Passkeys of another", must(st.Passkeys(ctx, w.bob.ID))(t), newPasskey(w.bob, number(2), "bob"))
	same(t, "AutonomyConfig of another", must(st.AutonomyConfig(ctx, w.bob.ID))(t), newConfig(w.bob, number(2)))
	w.checkLinks(t, st, w.bob, "bob", number(2), 2)
	// What ann connected stays the team's.
	connected := must(st.TeamInstallations(ctx, integrations.TeamQuery{TeamID: w.acmeTeam.ID}))(t)
	sameList(t, "TeamInstallations of a team", connected, integrations.TeamInstallation{ID: 1, TeamID: w.acmeTeam.ID, InstallationID: "ann", ConnectingLogin: "ann", CreatedAt: at(0)})
	p := profiles(t, st)
	sameList(t, "Scenes of another", p.Scenes[w.bob.ID], scene)
	same(t, "HasIdentity and HasAPIKey of another", [2]bool{p.HasIdentity[w.bob.ID], p.HasAPIKey[w.bob.ID]}, [2]bool{true, true})
	same(t, "Organization", must(st.Organization(ctx, w.acme.ID))(t), w.acme)
	same(t, "Team", must(st.Team(ctx, w.acmeTeam.ID))(t), w.acmeTeam)
	sameList(t, "Invites to the address", must(st.Invites(ctx, "ann@example.com", at(0)))(t), pending(w.annInvite, w.beta))
}

// raised checks that u is stored with the given current ones and a Version that
// rose by one if they changed, and with nothing else changed.
func raised(t *testing.T, st storage.Storage, u users.User, organization uuid.UUID, team users.TeamID) {
	t.Helper()
	got := must(st.User(t.Context(), u.ID))(t)
	if u.CurrentOrganization != organization || u.CurrentTeam != team {
		u.Version++ // once, also if both changed
	}
	u.CurrentOrganization, u.CurrentTeam = organization, team
	same(t, "User", got, u)
}

func testOrganizationCascade(t *testing.T, st storage.Storage) {
	w := newWorld(t, st)
	ctx := t.Context()
	mixed := addUser(t, st, "mixed@example.com", func(u *users.User) { u.CurrentOrganization, u.CurrentTeam = w.beta.ID, w.acmeTeam.ID })
	half := addUser(t, st, "half@example.com", func(u *users.User) { u.CurrentOrganization = w.acme.ID })
	put(t, st, auth.Tx.SaveScene, users.Scene{UserID: w.bob.ID, TeamID: w.acmeTeam.ID, Scene: "home", DashboardID: 7})
	addMembership(t, st, w.bob, w.acme, at(9))
	second := addTeam(t, st, w.acme)
	put(t, st, auth.Tx.DeleteOrganization, w.acme.ID)

	for _, id := range []users.TeamID{w.acmeTeam.ID, second.ID} {
		_, err := st.Team(ctx, id)
		refused(t, "Team after DeleteOrganization", err, users.ErrNotFound)
	}
	sameList(t, "TeamInstallations after DeleteOrganization", must(st.TeamInstallations(ctx, integrations.TeamQuery{TeamID: w.acmeTeam.ID}))(t))
	sameList(t, "Teams after DeleteOrganization", must(st.Teams(ctx, w.acme.ID))(t))
	sameList(t, "Memberships of ann", must(st.Memberships(ctx, w.ann.ID))(t))
	same(t, "Memberships of bob", len(must(st.Memberships(ctx, w.bob.ID))(t)), 1)
	sameList(t, "Invites into the organization", must(st.Invites(ctx, "bob@example.com", at(0)))(t))
	sameList(t, "Invites into another", must(st.Invites(ctx, "ann@example.com", at(0)))(t), pending(w.annInvite, w.beta))
	raised(t, st, w.ann, uuid.Nil, 0)
	raised(t, st, w.bob, w.beta.ID, w.betaTeam.ID)
	raised(t, st, mixed, w.beta.ID, 0)
	raised(t, st, half, uuid.Nil, 0)
	p := profiles(t, st)
	sameList(t, "Scenes of ann", p.Scenes[w.ann.ID])
	same(t, "Scenes of bob", len(p.Scenes[w.bob.ID]), 1)
	same(t, "SSOEnforced of its domain", must(st.SSOEnforced(ctx, "acme.example"))(t), false)

	// What comes back under the same ID starts anew.
	put(t, st, auth.Tx.SaveOrganization, w.acme)
	sameList(t, "Teams of a new organization", must(st.Teams(ctx, w.acme.ID))(t))
	sameList(t, "Memberships in a new organization", must(st.Memberships(ctx, w.ann.ID))(t))
	saveUser(t, st, users.User{ID: w.ann.ID, UUID: w.ann.UUID, DistinctID: w.ann.DistinctID, Email: w.ann.Email, CurrentOrganization: w.acme.ID})
	same(t, "MemberCounts of a new organization", profiles(t, st).MemberCounts[w.acme.ID], 0)
}

func testTeamCascade(t *testing.T, st storage.Storage) {
	w := newWorld(t, st)
	ctx := t.Context()
	stays := users.Scene{UserID: w.ann.ID, TeamID: w.betaTeam.ID, Scene: "home", DashboardID: 7}
	put(t, st, auth.Tx.SaveScene, stays)
	update(t, st, func(ctx context.Context, tx auth.Tx) error { return tx.DeleteTeam(ctx, w.acmeTeam.ID) })
	_, err := st.Team(ctx, w.acmeTeam.ID)
	refused(t, "Team after DeleteTeam", err, users.ErrNotFound)
	refused(t, "DeleteTeam twice", try(t, st, auth.Tx.DeleteTeam, w.acmeTeam.ID), users.ErrNotFound)
	sameList(t, "TeamInstallations after DeleteTeam", must(st.TeamInstallations(ctx, integrations.TeamQuery{TeamID: w.acmeTeam.ID}))(t))
	same(t, "TeamInstallations of another team", len(must(st.TeamInstallations(ctx, integrations.TeamQuery{TeamID: w.betaTeam.ID}))(t)), 1)
	sameList(t, "Teams after DeleteTeam", must(st.Teams(ctx, w.acme.ID))(t))
	sameList(t, "Teams of another organization", must(st.Teams(ctx, w.beta.ID))(t), w.betaTeam)
	raised(t, st, w.ann, w.acme.ID, 0)
	raised(t, st, w.bob, w.beta.ID, w.betaTeam.ID)
	p := profiles(t, st)
	sameList(t, "Scenes of ann", p.Scenes[w.ann.ID], stays)
	same(t, "Scenes of bob", len(p.Scenes[w.bob.ID]), 1)
	same(t, "Memberships of ann", len(p.Memberships[w.ann.ID]), 1)
}
