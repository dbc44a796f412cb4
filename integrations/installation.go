package integrations

import (
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/hedgerow-dev/hedgerow/users"
)

// MaxInstallations is how many installations one user may link (security
// requirements, section 3).
const MaxInstallations = 100

// Installation is one user's link to one installation of the GitHub App; the
// two together are unique. Times are UTC with microseconds.
type Installation struct {
	ID             uuid.UUID // stays when the user links the installation again
	UserID         users.ID
	InstallationID string // GitHub's id, decimal digits
	CreatedAt      time.Time
	UpdatedAt      time.Time

	RepositorySelection string  // "all", "selected", or "" when unknown
	Account             Account // where the App is installed; Type and Login are "" when unknown
	GitHubUser          Account // who linked it, as GitHub knows them

	// Sealed are the tokens, encrypted by a Sealer for exactly this row.
	Sealed []byte
	// TokenRefreshedAt and TokenLifetime are of the installation token; zero
	// when that is unknown, which counts as valid.
	TokenRefreshedAt time.Time
	TokenLifetime    time.Duration
	// UserTokenExpiresAt and RefreshTokenExpiresAt are zero for tokens that do
	// not expire.
	UserTokenRefreshedAt  time.Time
	UserTokenExpiresAt    time.Time
	RefreshTokenExpiresAt time.Time
	// UnavailableSince is when GitHub first said that the installation is gone
	// or suspended; zero while it is connected.
	UnavailableSince time.Time

	// SnapshotAt is when the stored list of repositories was last confirmed. Zero
	// means that there is no usable list, whatever is stored.
	SnapshotAt time.Time
	ETag       string // of that list; see RepositoryList
}

// Clone returns a copy that shares nothing with i.
func (i Installation) Clone() Installation {
	i.Sealed = append([]byte(nil), i.Sealed...)
	return i
}

// Status is what the wire says about an installation.
type Status string

// The statuses, contract section 3.
const (
	Connected   Status = "connected"
	Unavailable Status = "unavailable"
)

// Status returns whether GitHub still knows the installation, as far as we have
// heard.
func (i Installation) Status() Status {
	if i.UnavailableSince.IsZero() {
		return Connected
	}
	return Unavailable
}

// tokenStale reports an installation token past half of its life, contract
// section 12.
func (i Installation) tokenStale(now time.Time) bool {
	if i.TokenRefreshedAt.IsZero() || i.TokenLifetime == 0 {
		return false
	}
	return now.After(i.TokenRefreshedAt.Add(i.TokenLifetime - half(i.TokenLifetime)))
}

// userTokenStale reports a user token past half of its life.
func (i Installation) userTokenStale(now time.Time) bool {
	return !i.UserTokenExpiresAt.IsZero() &&
		now.After(i.UserTokenExpiresAt.Add(-half(i.UserTokenExpiresAt.Sub(i.UserTokenRefreshedAt))))
}

// half is half of a life in whole seconds, at least one: what is kept in
// reserve.
func half(life time.Duration) time.Duration {
	return max(time.Second, (life / 2).Truncate(time.Second))
}

// TeamInstallation is an installation that belongs to a team. The host keeps
// these; this package reads them and, when GitHub says that an installation was
// deleted, removes them.
type TeamInstallation struct {
	ID             int64 // positive, never handed out twice
	TeamID         users.TeamID
	InstallationID string // unique within the team
	// CreatedBy is who connected the team; zero when unknown or gone.
	// ConnectingLogin is that user's login at GitHub; "" when unknown.
	CreatedBy       users.ID
	ConnectingLogin string
	CreatedAt       time.Time
}

// maxInstallationID is the most digits of an installation id, contract section
// 8, step 6.
const maxInstallationID = 20

// ValidInstallationID reports an installation id in its one spelling: decimal
// digits without a leading zero.
func ValidInstallationID(s string) bool {
	return s != "" && len(s) <= maxInstallationID && s[0] != '0' && strings.Trim(s, "0123456789") == ""
}
