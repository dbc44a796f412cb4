package users

import (
	"time"

	"github.com/google/uuid"
)

// ID is the number of a user. It is positive and never handed out twice.
type ID int64

// TeamID is the number of a team. It is positive and never handed out twice.
type TeamID int64

// Limits on what a user may store, in characters unless said otherwise; from
// contract section 6 and, for JSON, section 3 of the security requirements.
const (
	MaxName      = 150
	MaxEmail     = 254 // octets, RFC 5321 §4.5.3.1.3 less the angle brackets
	MaxPassword  = 128
	MaxScene     = 200
	MaxJSON      = 64 << 10 // bytes of one JSON member
	MaxIntros    = 100      // names in HasSeenProductIntroFor
	MaxIntroName = 128
	// MaxKey bounds a name that a record is found by, such as the subject of an
	// Identity: as long as OpenID Connect Core §2 lets a subject be, and two of them
	// fit in a row of an index of PostgreSQL, which ends at 2704 bytes.
	MaxKey = 255
)

// User is one account. Times are UTC with microseconds; a zero time means "not
// set". A User holds no references, so copies are independent.
type User struct {
	ID         ID
	UUID       uuid.UUID // version 7
	DistinctID string
	// Version is raised by every write of the record, starting at 1.
	Version    int64
	DateJoined time.Time
	LastLogin  time.Time
	IsActive   bool
	IsStaff    bool

	FirstName       string
	LastName        string
	Email           string // as typed; unique by FoldEmail
	PendingEmail    string // waits for verification; "" is none
	IsEmailVerified Null[bool]
	// PasswordHash is a PHC string, or what auth.ParsePasswordHash took over from
	// elsewhere; "" means that there is no password.
	PasswordHash Secret

	// CurrentOrganization and CurrentTeam are zero until healed on read.
	CurrentOrganization uuid.UUID
	CurrentTeam         TeamID

	NotificationSettings    JSON // only what was ever sent; see EffectiveNotifications
	AnonymizeData           Null[bool]
	AllowImpersonation      Null[bool]
	ToolbarMode             Null[string]
	EventsColumnConfig      JSON
	HasSeenProductIntroFor  JSON
	ThemeMode               Null[string]
	HedgehogConfig          JSON
	AllowSidebarSuggestions Null[bool]
	ShortcutPosition        Null[string]
	RoleAtOrganization      Null[string]

	// HasTOTP says that a confirmed authenticator exists. HasVerifiedPasskey
	// says that a passkey exists which can be a second factor.
	HasTOTP            bool
	HasVerifiedPasskey bool
	// PasskeysEnabledFor2FA makes passkeys count as second factor.
	PasskeysEnabledFor2FA Null[bool]

	CredentialsReviewedAt         time.Time
	OnboardingSkippedAt           time.Time
	OnboardingSkippedReason       string
	OnboardingSkippedOrganization uuid.UUID
}

// HasPassword reports whether a usable password is set.
func (u User) HasPassword() bool { return u.PasswordHash != "" }

// DefaultColumns is User.EventsColumnConfig of an account that never changed it.
const DefaultColumns JSON = `{"active":"DEFAULT"}`

// New returns a user with the defaults of contract section 6. The caller adds
// identity: UUID, DistinctID, DateJoined and Email.
func New() User {
	return User{
		IsActive:                true,
		AnonymizeData:           Some(false),
		AllowImpersonation:      Some(true),
		ToolbarMode:             Some("toolbar"),
		EventsColumnConfig:      DefaultColumns,
		AllowSidebarSuggestions: Some(true),
		ShortcutPosition:        Some("above"),
		PasskeysEnabledFor2FA:   Some(false),
	}
}

// Credential is the kind of proof behind an action, for the activity log.
type Credential string

// The kinds of proof. Host is the embedding program itself.
const (
	BySession    Credential = "session"
	ByAPIKey     Credential = "api_key"
	ByOAuthToken Credential = "oauth_token"
	ByHost       Credential = "host"
	ByEmailLink  Credential = "email_link"
)

// Actor is who acts, as far as rules and the activity log need to know. The
// zero Actor is nobody and may do nothing.
type Actor struct {
	ID         ID
	UUID       uuid.UUID
	Staff      bool
	Credential Credential
}
