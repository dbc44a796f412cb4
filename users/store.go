package users

import (
	"context"
	"time"

	"github.com/google/uuid"
)

// Query selects users for Reader.Profiles. Conditions are joined by "and"; the
// zero value of each means "no condition".
type Query struct {
	ID    ID
	UUID  uuid.UUID
	Email string // the stored spelling, byte for byte
	Staff Null[bool]
	// Active selects active users only.
	Active bool
	// After is a keyset position: only users with a greater ID. It does not
	// reduce Total.
	After  ID
	Offset int
	Limit  int // positive
}

// Page is one read of several users, all as of one moment.
type Page struct {
	Total    int        // users that match, whatever the page
	Profiles []*Profile // by ID
}

// Reader is what this package reads. Methods that get one record return
// ErrNotFound when it does not exist.
type Reader interface {
	User(ctx context.Context, id ID) (User, error)
	UserByUUID(ctx context.Context, id uuid.UUID) (User, error)
	// UserByEmail finds the user whose address has this FoldEmail form.
	UserByEmail(ctx context.Context, folded string) (User, error)
	Profiles(ctx context.Context, q Query) (Page, error)
	Organization(ctx context.Context, id uuid.UUID) (Organization, error)
	Team(ctx context.Context, id TeamID) (Team, error)
	// Teams lists the teams of an organization by ID.
	Teams(ctx context.Context, organization uuid.UUID) ([]Team, error)
	// Memberships lists those of a user by JoinedAt and then OrganizationID.
	Memberships(ctx context.Context, user ID) ([]Membership, error)
	// Invites lists the invites to the address with this FoldEmail form that are
	// not older than since, newest first, then by ID.
	Invites(ctx context.Context, folded string, since time.Time) ([]PendingInvite, error)
	// SSOEnforced reports whether any organization has domain, in lower case,
	// among its SSOEnforcedDomains.
	SSOEnforced(ctx context.Context, domain string) (bool, error)
	// Identities lists those of a user, oldest first, then by provider and subject.
	Identities(ctx context.Context, user ID) ([]Identity, error)
	// Events lists lines of the activity log, oldest first, up to where nothing can
	// come in between any more.
	Events(ctx context.Context, q EventQuery) ([]Event, error)
	// Consumer returns the consumer of that name.
	Consumer(ctx context.Context, name string) (Consumer, error)
	// Consumers lists all by name, in the order of its bytes.
	Consumers(ctx context.Context) ([]Consumer, error)
}

// Tx is one transaction. A record it gets stays locked until the end. After
// ErrConflict or ErrEmailTaken the transaction is lost and can only be given up.
// What conflicts with another record is ErrConflict, also when a record that it
// belongs to does not exist.
type Tx interface {
	Reader
	// CreateUser stores u under a new ID with Version 1 and returns it. It
	// returns ErrEmailTaken if another user has the same FoldEmail form,
	// ErrConflict if the UUID or DistinctID is taken, and ErrNotFound if its current
	// organization or team does not exist.
	CreateUser(ctx context.Context, u User) (User, error)
	// SaveUser replaces the user of the same ID, raises Version by one over the
	// stored one and returns the result. It returns ErrNotFound if there is none, or
	// an error of CreateUser.
	SaveUser(ctx context.Context, u User) (User, error)
	// DeleteUser removes the user and all that belongs to it, in every domain,
	// except lines of the activity log. It returns ErrNotFound.
	DeleteUser(ctx context.Context, id ID) error

	// SaveOrganization creates or replaces the organization of the same ID.
	SaveOrganization(ctx context.Context, o Organization) error
	// DeleteOrganization removes it with its teams, memberships and invites, and
	// clears it (and its teams) as anybody's current one, raising the Version of
	// those users by one. It returns ErrNotFound.
	DeleteOrganization(ctx context.Context, id uuid.UUID) error
	// SaveTeam replaces the team of the same ID (ErrNotFound), or creates one
	// under a new ID when ID is zero; it returns the result. The organization
	// must exist (ErrNotFound).
	SaveTeam(ctx context.Context, t Team) (Team, error)
	// DeleteTeam removes it with its scenes, and clears it as anybody's current
	// one, raising the Version of those users by one. It returns ErrNotFound.
	DeleteTeam(ctx context.Context, id TeamID) error
	// SaveMembership creates or replaces the membership of the same user and
	// organization; both must exist (ErrNotFound).
	SaveMembership(ctx context.Context, m Membership) error
	// DeleteMembership returns ErrNotFound if there is none.
	DeleteMembership(ctx context.Context, user ID, organization uuid.UUID) error
	// SaveInvite creates or replaces the invite of the same ID; its organization
	// must exist (ErrNotFound).
	SaveInvite(ctx context.Context, i Invite) error
	// DeleteInvite returns ErrNotFound if there is none.
	DeleteInvite(ctx context.Context, id uuid.UUID) error
	// SaveIdentity creates the identity, or replaces the login of the one with
	// the same provider and subject if it is the same user's; if it is somebody
	// else's it returns ErrConflict. The user must exist (ErrNotFound).
	SaveIdentity(ctx context.Context, i Identity) error
	// DeleteIdentity removes the identity and returns whose it was, or
	// ErrNotFound.
	DeleteIdentity(ctx context.Context, provider, subject string) (ID, error)
	// SaveScene creates or replaces the choice of the same user, team and scene.
	// A replaced one keeps its place. User and team must exist (ErrNotFound).
	SaveScene(ctx context.Context, s Scene) error
	// DeleteScenes removes every choice of the dashboard.
	DeleteScenes(ctx context.Context, dashboard int64) error
	// AddEvent appends a line to the activity log.
	AddEvent(ctx context.Context, e Event) error
	// DeleteEvents removes the oldest lines of the log up to a position: at most
	// limit of them, and none after the first that is not from before a moment. It
	// returns how many that were.
	DeleteEvents(ctx context.Context, through int64, before time.Time, limit int) (int, error)
	// CreateConsumer stores a consumer. It returns ErrConflict if the name is taken.
	CreateConsumer(ctx context.Context, c Consumer) error
	// SaveConsumer replaces the consumer of the same name, or returns ErrNotFound.
	SaveConsumer(ctx context.Context, c Consumer) error
	// DeleteConsumer returns ErrNotFound if there is none of that name.
	DeleteConsumer(ctx context.Context, name string) error
}

// Store keeps users. Implementations are safe for concurrent use. Outside a
// transaction one can only read.
type Store interface {
	Reader
	// UpdateUsers runs fn in a transaction: all its changes are kept if fn
	// returns nil, none otherwise, and the error of fn comes back as it is. fn
	// may run more than once, so it must not have effects of its own, and must
	// not use the Store, only its Tx.
	UpdateUsers(ctx context.Context, fn func(Tx) error) error
}
