package ownstorage

import (
	"time"

	"github.com/google/uuid"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/autonomy"
	"github.com/hedgerow-dev/hedgerow/integrations"
	"github.com/hedgerow-dev/hedgerow/users"
)

// state is everything stored, as of one commit.
type state struct {
	counters      table[string, int64] // the last number that was given, by table
	users         table[users.ID, users.User]
	organizations table[uuid.UUID, users.Organization]
	teams         table[users.TeamID, users.Team]
	memberships   table[membershipKey, users.Membership]
	invites       table[uuid.UUID, users.Invite]
	identities    table[identityKey, users.Identity]
	scenes        table[sceneKey, scene]
	events        []users.Event // by ID, without gaps; only ever appended to
	deletedEvents int64         // those of the lowest IDs, which are not in events any more
	consumers     table[string, users.Consumer]

	sessions table[uuid.UUID, auth.Session]
	keys     table[string, auth.APIKey]
	tokens   table[auth.Hash, auth.OAuthToken]
	tickets  table[ticketKey, auth.Ticket]
	factors  table[users.ID, auth.SecondFactor]
	passkeys table[uuid.UUID, auth.Passkey]
	attempts table[string, attempts]
	autonomy table[users.ID, autonomy.Config]

	links             table[uuid.UUID, integrations.Installation]
	repositories      table[uuid.UUID, []integrations.Repository]
	branches          table[branchKey, integrations.BranchList]
	teamInstallations table[int64, integrations.TeamInstallation]
	linkStates        table[integrations.StateHash, integrations.LinkState]
	installRequests   table[uuid.UUID, integrations.InstallRequest]
	claims            table[string, claim]
}

type membershipKey struct {
	User         users.ID
	Organization uuid.UUID
}

type identityKey struct{ Provider, Subject string }

type sceneKey struct {
	User  users.ID
	Team  users.TeamID
	Scene string
}

// scene keeps its place when it is replaced.
type scene struct {
	users.Scene
	Place int64
}

type ticketKey struct {
	Purpose auth.Purpose
	Hash    auth.Hash
}

type attempts struct {
	Times   []time.Time
	Expires time.Time
}

type branchKey struct {
	Link       uuid.UUID
	Repository string
}

type claim struct {
	Holder uuid.UUID
	Until  time.Time
}

func newState() *state {
	s := &state{}
	name(&s.counters, "counters")
	name(&s.users, "users")
	name(&s.organizations, "organizations")
	name(&s.teams, "teams")
	name(&s.memberships, "memberships")
	name(&s.invites, "invites")
	name(&s.identities, "identities")
	name(&s.scenes, "scenes")
	name(&s.consumers, "consumers")
	name(&s.sessions, "sessions")
	name(&s.keys, "keys")
	name(&s.tokens, "tokens")
	name(&s.tickets, "tickets")
	name(&s.factors, "factors")
	name(&s.passkeys, "passkeys")
	name(&s.attempts, "attempts")
	name(&s.autonomy, "autonomy")
	name(&s.links, "links")
	name(&s.repositories, "repositories")
	name(&s.branches, "branches")
	name(&s.teamInstallations, "team_installations")
	name(&s.linkStates, "link_states")
	name(&s.installRequests, "install_requests")
	name(&s.claims, "claims")
	return s
}

func name[K comparable, V any](m *table[K, V], name string) { m.name, m.rows = name, map[K]V{} }

// loaders apply a change to the table that it names.
func (s *state) loaders() map[string]func(change) error {
	return map[string]func(change) error{
		"events": s.loadEvent, "counters": s.counters.load, "users": s.users.load, "organizations": s.organizations.load, "teams": s.teams.load,
		"memberships": s.memberships.load, "invites": s.invites.load, "identities": s.identities.load, "scenes": s.scenes.load, "consumers": s.consumers.load,
		"sessions": s.sessions.load, "keys": s.keys.load, "tokens": s.tokens.load, "tickets": s.tickets.load, "factors": s.factors.load,
		"passkeys": s.passkeys.load, "attempts": s.attempts.load, "autonomy": s.autonomy.load, "links": s.links.load,
		"repositories": s.repositories.load, "branches": s.branches.load, "team_installations": s.teamInstallations.load,
		"link_states": s.linkStates.load, "install_requests": s.installRequests.load, "claims": s.claims.load,
	}
}

// number gives the next number of a table, which is never given again.
func (t *tx) number(table string) int64 {
	n := t.counters.rows[table] + 1
	set(t, &t.counters, table, n)
	return n
}
