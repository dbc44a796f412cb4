package integrations

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/hedgerow-dev/hedgerow/users"
)

// Query selects installations. Conditions are joined by "and"; the zero value
// of each means "no condition".
type Query struct {
	UserID          users.ID
	InstallationIDs []string  // any of these
	After           uuid.UUID // a keyset position: only greater IDs
	Limit           int       // zero means all
}

// TeamQuery selects the installations of teams, under the terms of Query.
type TeamQuery struct {
	TeamID          users.TeamID
	InstallationIDs []string // any of these
	CreatedBy       users.ID
}

// RequestQuery selects install requests, under the terms of Query.
type RequestQuery struct {
	UserID       users.ID
	GitHubUserID int64
}

// Reader is what this package reads. Methods that get one record return
// users.ErrNotFound when it does not exist.
type Reader interface {
	users.Reader
	// Installation returns the user's link to an installation, by GitHub's id.
	Installation(ctx context.Context, user users.ID, installationID string) (Installation, error)
	// Installations lists links by ID.
	Installations(ctx context.Context, q Query) ([]Installation, error)
	// Repositories returns what SaveRepositories stored for a link, in that
	// order; nil if nothing.
	Repositories(ctx context.Context, id uuid.UUID) ([]Repository, error)
	// Branches returns what SaveBranches stored for a link and the lower-case
	// name of a repository.
	Branches(ctx context.Context, id uuid.UUID, repository string) (BranchList, error)
	// TeamInstallations lists them by ID.
	TeamInstallations(ctx context.Context, q TeamQuery) ([]TeamInstallation, error)
	// LinkStates lists those of a user, expired ones included, by ExpiresAt and
	// then Hash.
	LinkStates(ctx context.Context, user users.ID) ([]LinkState, error)
	// InstallRequests lists requests, newest first, then by ID.
	InstallRequests(ctx context.Context, q RequestQuery) ([]InstallRequest, error)
}

// Tx is one transaction over integrations and users.
type Tx interface {
	users.Tx
	Reader
	// SaveInstallation creates or replaces the link of the same ID. The user
	// must exist (users.ErrNotFound); a second link of one user to one
	// installation is users.ErrConflict.
	SaveInstallation(ctx context.Context, i Installation) error
	// DeleteInstallation removes a link with its repositories and branches. It
	// returns users.ErrNotFound if there is none.
	DeleteInstallation(ctx context.Context, id uuid.UUID) error
	// SaveRepositories replaces the list of a link, which must exist
	// (users.ErrNotFound).
	SaveRepositories(ctx context.Context, id uuid.UUID, list []Repository) error
	// SaveBranches creates or replaces the list of the same link and repository.
	// The link must exist (users.ErrNotFound).
	SaveBranches(ctx context.Context, b BranchList) error
	// SaveTeamInstallation replaces the record of the same ID
	// (users.ErrNotFound), or creates one under a new ID when ID is zero; it
	// returns the result. Team and creator, unless zero, must exist
	// (users.ErrNotFound); a second record of one team and installation is
	// users.ErrConflict.
	SaveTeamInstallation(ctx context.Context, i TeamInstallation) (TeamInstallation, error)
	// DeleteTeamInstallation returns users.ErrNotFound if there is none.
	DeleteTeamInstallation(ctx context.Context, id int64) error
	// SaveLinkState creates a state. The user must exist (users.ErrNotFound); a
	// Hash that is taken is users.ErrConflict.
	SaveLinkState(ctx context.Context, s LinkState) error
	// DeleteLinkState takes a state: of several transactions that try, one
	// succeeds, and the others get users.ErrNotFound.
	DeleteLinkState(ctx context.Context, h StateHash) error
	// SaveInstallRequest creates or replaces the request of the same ID. The
	// user must exist (users.ErrNotFound).
	SaveInstallRequest(ctx context.Context, r InstallRequest) error
	// DeleteInstallRequest returns users.ErrNotFound if there is none.
	DeleteInstallRequest(ctx context.Context, id uuid.UUID) error
	// Claim takes a name for a holder until a moment and reports whether it was
	// free: never claimed, given back, or claimed until now or earlier.
	Claim(ctx context.Context, name string, holder uuid.UUID, now, until time.Time) (bool, error)
	// Unclaim gives a name back if the holder has it.
	Unclaim(ctx context.Context, name string, holder uuid.UUID) error
	// DeleteExpiredLinks removes link states, claims and lists of branches whose
	// time was up at or before now, and returns how many that were.
	DeleteExpiredLinks(ctx context.Context, now time.Time) (int, error)
}

// Store keeps integrations. Implementations are safe for concurrent use.
type Store interface {
	Reader
	// UpdateIntegrations runs fn in a transaction under the terms of
	// users.Store.UpdateUsers.
	UpdateIntegrations(ctx context.Context, fn func(Tx) error) error
}
