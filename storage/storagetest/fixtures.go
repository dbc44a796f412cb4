package storagetest

import (
	"cmp"
	"context"
	"crypto/sha256"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/storage"
	"github.com/hedgerow-dev/hedgerow/users"
)

// odd is text that quoting, patterns, case folding, normalization or trimming
// would damage.
const odd = ` 'a' "b" %_\ \\ $1 ? :x -- /* <é> <e` + "\u0301" + `> İß 日本 🦔 ` + "\t\r\n" + `\n `

// oddJSON is valid JSON that a JSON column would refuse or rewrite: U+0000, a
// lone surrogate, white space, order and repetition of members, long numbers.
const oddJSON users.JSON = `{"z" : "\u0000\ud83e\udd94\ud800", "a":[ ],"z":123456789012345678901234567890.10e+2,"é":"\/` + "🦔" + `"}`

// at is a moment n seconds from a fixed one, with microseconds.
func at(n int) time.Time {
	return time.Date(2024, 2, 29, 23, 59, 58, 123456000, time.UTC).Add(time.Duration(n) * time.Second)
}

// number makes a version 7 UUID that sorts by n.
func number(n byte) uuid.UUID { return uuid.UUID{0: n, 6: 0x70, 8: 0x80} }

func hash(secret string) auth.Hash { return sha256.Sum256([]byte(secret)) }

// newUser returns a user that is not stored yet.
func newUser(email string) users.User {
	u := users.New()
	u.UUID, u.DistinctID = uuid.New(), uuid.NewString()
	u.Email, u.DateJoined = email, at(0)
	return u
}

func addUser(t *testing.T, st storage.Storage, email string, changes ...func(*users.User)) users.User {
	t.Helper()
	u := newUser(email)
	for _, c := range changes {
		c(&u)
	}
	var stored users.User
	update(t, st, func(ctx context.Context, tx auth.Tx) (err error) {
		stored, err = tx.CreateUser(ctx, u)
		return err
	})
	return stored
}

// saveUser stores u and returns the result.
func saveUser(t *testing.T, st storage.Storage, u users.User) users.User {
	t.Helper()
	var stored users.User
	update(t, st, func(ctx context.Context, tx auth.Tx) (err error) {
		stored, err = tx.SaveUser(ctx, u)
		return err
	})
	return stored
}

// createUser and replaceUser leave the result out, for try.
func createUser(tx auth.Tx, ctx context.Context, u users.User) error {
	_, err := tx.CreateUser(ctx, u)
	return err
}

func replaceUser(tx auth.Tx, ctx context.Context, u users.User) error {
	_, err := tx.SaveUser(ctx, u)
	return err
}

func newOrganization(id uuid.UUID) users.Organization {
	o := users.NewOrganization()
	o.ID, o.Name, o.Slug = id, "Organization "+id.String()[:2], "org-"+id.String()[:2]
	o.CreatedAt, o.UpdatedAt = at(0), at(1)
	return o
}

func addOrganization(t *testing.T, st storage.Storage, id uuid.UUID) users.Organization {
	t.Helper()
	o := newOrganization(id)
	put(t, st, auth.Tx.SaveOrganization, o)
	return o
}

func newTeam(o users.Organization) users.Team {
	return users.Team{UUID: uuid.New(), OrganizationID: o.ID, APIToken: "phc_" + uuid.NewString(), Name: "Team of " + o.Name, Timezone: "UTC"}
}

// saveTeam stores team and returns the result.
func saveTeam(t *testing.T, st storage.Storage, team users.Team) users.Team {
	t.Helper()
	var stored users.Team
	update(t, st, func(ctx context.Context, tx auth.Tx) (err error) {
		stored, err = tx.SaveTeam(ctx, team)
		return err
	})
	return stored
}

func addTeam(t *testing.T, st storage.Storage, o users.Organization) users.Team {
	t.Helper()
	return saveTeam(t, st, newTeam(o))
}

// replaceTeam leaves the result out, for try.
func replaceTeam(tx auth.Tx, ctx context.Context, team users.Team) error {
	_, err := tx.SaveTeam(ctx, team)
	return err
}

func addMembership(t *testing.T, st storage.Storage, u users.User, o users.Organization, joined time.Time) users.Membership {
	t.Helper()
	m := users.Membership{UserID: u.ID, OrganizationID: o.ID, Level: users.LevelMember, JoinedAt: joined}
	put(t, st, auth.Tx.SaveMembership, m)
	return m
}

// newSession returns a session whose Hash is that of secret.
func newSession(u users.User, id uuid.UUID, secret string) auth.Session {
	return auth.Session{ID: id, Hash: hash(secret), UserID: u.ID, CreatedAt: at(0), ExpiresAt: at(100), LastActivity: at(1),
		Method: "password", UserAgent: "Browser/1.0"}
}

// newKey returns a key whose Hash is that of its id.
func newKey(u users.User, id string) auth.APIKey {
	return auth.APIKey{ID: id, UserID: u.ID, Label: "Key " + id, Hash: hash(id), Mask: "phx_…" + id, Scopes: []string{"user:read"}, CreatedAt: at(0)}
}

// newToken returns a token whose Hash is that of secret.
func newToken(u users.User, secret string) auth.OAuthToken {
	return auth.OAuthToken{Hash: hash(secret), UserID: u.ID, Application: "app", Scopes: "user:read", CreatedAt: at(0), ExpiresAt: at(100)}
}

// shown is a page with what its profiles hold by its owners.
type shown struct {
	Total         int
	Users         []users.User
	Memberships   map[users.ID][]users.Membership
	Organizations map[uuid.UUID]users.Organization
	Teams         map[uuid.UUID][]users.Team
	MemberCounts  map[uuid.UUID]int
	Scenes        map[users.ID][]users.Scene
	HasIdentity   map[users.ID]bool
	HasAPIKey     map[users.ID]bool
	HasInvite     map[users.ID]bool
}

// index spreads a page out.
func index(p users.Page) shown {
	s := shown{
		Total: p.Total, Memberships: map[users.ID][]users.Membership{}, Organizations: map[uuid.UUID]users.Organization{},
		Teams: map[uuid.UUID][]users.Team{}, MemberCounts: map[uuid.UUID]int{}, Scenes: map[users.ID][]users.Scene{},
		HasIdentity: map[users.ID]bool{}, HasAPIKey: map[users.ID]bool{}, HasInvite: map[users.ID]bool{},
	}
	for _, p := range p.Profiles {
		u := p.User
		s.Users = append(s.Users, u)
		if len(p.Memberships) > 0 {
			s.Memberships[u.ID] = p.Memberships
		}
		if len(p.Scenes) > 0 {
			s.Scenes[u.ID] = p.Scenes
		}
		for _, o := range p.Organizations {
			s.Organizations[o.ID] = o
		}
		for _, team := range p.Teams {
			if !slices.ContainsFunc(s.Teams[team.OrganizationID], func(known users.Team) bool { return known.ID == team.ID }) {
				s.Teams[team.OrganizationID] = append(s.Teams[team.OrganizationID], team)
				slices.SortFunc(s.Teams[team.OrganizationID], func(a, b users.Team) int { return cmp.Compare(a.ID, b.ID) })
			}
		}
		if u.CurrentOrganization != uuid.Nil {
			s.MemberCounts[u.CurrentOrganization] = p.MemberCount
		}
		for owners, has := range map[*map[users.ID]bool]bool{&s.HasIdentity: p.HasIdentity, &s.HasAPIKey: p.HasAPIKey, &s.HasInvite: p.HasInvite} {
			if has {
				(*owners)[u.ID] = true
			}
		}
	}
	return s
}

// profiles reads all users with everything beside them.
func profiles(t *testing.T, st users.Reader) shown {
	t.Helper()
	return index(must(st.Profiles(t.Context(), users.Query{Limit: 1000}))(t))
}

func ids(list []users.User) []users.ID {
	result := make([]users.ID, 0, len(list))
	for _, u := range list {
		result = append(result, u.ID)
	}
	return result
}
