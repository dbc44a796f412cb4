package integrations

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hedgerow-dev/hedgerow/users"
)

// Provider is what this package asks of GitHub: remote calls and the addresses
// of its pages, no rules. Implementations are safe for concurrent use, keep no
// token, follow no address outside the configured hosts, bound every call and
// every answer (contract section 13 and security requirement R53), and repeat a
// GET once after a network error or 502, 503 or 504, nothing else. Installation
// ids and repository names are checked before they get here. Whatever is
// refused or goes wrong is a *Failure; the error of a canceled context matches
// ctx.Err() besides.
type Provider interface {
	// AuthorizeURL is the page where a user authorizes the App. It returns
	// NotConfigured without a client id.
	AuthorizeURL(r AuthorizeRequest) (string, error)
	// InstallURL is the page where an account installs the App; state "" leaves
	// the parameter out. It returns NotConfigured without the App's slug.
	InstallURL(state string) (string, error)

	// Exchange trades the code of a callback for a user token, once: it is never
	// repeated. An answer with an error in place of a token is Rejected.
	Exchange(ctx context.Context, r ExchangeRequest) (UserToken, error)
	// RefreshUserToken trades a refresh token for a new pair, once. Final says
	// that GitHub will never take this token again: the only failure that may
	// cost a user the link.
	RefreshUserToken(ctx context.Context, refresh users.Secret) (UserToken, error)
	// User returns the account that a user token belongs to: id and login are
	// both there, or it is Incomplete.
	User(ctx context.Context, token users.Secret) (Account, error)
	// CheckAccess asks with a user token whether that user may list the
	// installation. Missing says no.
	CheckAccess(ctx context.Context, token users.Secret, installation string) error

	// Installation reads an installation as the App.
	Installation(ctx context.Context, installation string) (RemoteInstallation, error)
	// MintToken makes an installation token as the App. An answer in JSON without
	// token or expiry, or of another status than 201, is no Unreachable.
	MintToken(ctx context.Context, installation string) (InstallationToken, error)
	// Uninstall removes the App from the account. An installation that is gone
	// already is no failure.
	Uninstall(ctx context.Context, installation string) error

	// Repositories lists all repositories of an installation by its token. etag
	// is what an earlier list had, or "".
	Repositories(ctx context.Context, token users.Secret, etag string) (RepositoryList, error)
	// Branches lists all branches of a repository, named "owner/name".
	Branches(ctx context.Context, token users.Secret, repository string) ([]string, error)
	// DefaultBranch of a repository; never "".
	DefaultBranch(ctx context.Context, token users.Secret, repository string) (string, error)
}

// AuthorizeRequest is what the authorize page is asked with.
type AuthorizeRequest struct {
	RedirectURI string
	State       string
	// Challenge is the S256 code challenge (RFC 7636 §4.2); "" sends none.
	Challenge string
}

// ExchangeRequest is what a code is exchanged with.
type ExchangeRequest struct {
	Code users.Secret
	// RedirectURI must be that of the authorize request; "" sends none, as for
	// codes from the install page.
	RedirectURI string
	// Verifier is the PKCE code verifier; "" sends none.
	Verifier users.Secret
}

// UserToken is a user access token with what GitHub says about it.
type UserToken struct {
	AccessToken  users.Secret
	RefreshToken users.Secret // "" when the answer has none
	// ExpiresIn and RefreshExpiresIn are lifetimes from now; zero when the answer
	// has none, which means that it does not expire.
	ExpiresIn        time.Duration
	RefreshExpiresIn time.Duration
}

// Account is a user or organization at GitHub. The id identifies; the login is
// display text and may change hands.
type Account struct {
	ID    int64
	Login string
	Type  string // "User" or "Organization"; "" when unknown
}

// RemoteInstallation is an installation as GitHub describes it.
type RemoteInstallation struct {
	Account Account // Login and Type are "" when the answer lacks them
}

// InstallationToken is an installation access token.
type InstallationToken struct {
	Token users.Secret // of any length
	// ExpiresAt is zero when the answer has an expiry that is no date.
	ExpiresAt time.Time
	// RepositorySelection is "all" or "selected"; "" when the answer lacks it.
	RepositorySelection string
}

// Repository is one repository of an installation. What may be missing is there
// only if GitHub sent it with the right type.
type Repository struct {
	ID            int64
	Name          string
	FullName      string // "owner/name"
	Private       users.Null[bool]
	Archived      users.Null[bool]
	DefaultBranch users.Null[string]
	Language      users.Null[string]
	PushedAt      users.Null[string]
	CanPush       users.Null[bool] // permissions.push
}

// RepositoryList is the repositories of an installation in GitHub's order,
// without entries that lack id, name or full name.
type RepositoryList struct {
	// NotModified says that the list is still the one of the etag; everything
	// else is then empty.
	NotModified  bool
	Repositories []Repository
	// ETag stands for the whole list, all pages. Only the provider knows what is
	// in it. "" means that a later call cannot be conditional.
	ETag string
}

// FailureKind is a class of failures that the rules tell apart.
type FailureKind int

// The classes. All but Final say nothing about what we have stored.
const (
	// Unreachable: no usable answer. The network failed, the time was up, or the
	// answer is cut off, too large or not JSON. It is the zero value because it
	// claims nothing.
	Unreachable FailureKind = iota
	// Unexpected: an answer in JSON with a status that has no meaning of its own
	// here, such as 500 or 422, or a redirect to another host.
	Unexpected
	// Incomplete: an answer in JSON that lacks what it must have, or has it with
	// the wrong type.
	Incomplete
	// Unauthorized: 401, the credential is not good (any more).
	Unauthorized
	// Forbidden: 403 that is neither Suspended nor RateLimited.
	Forbidden
	// Suspended: 403 of an installation that is suspended.
	Suspended
	// Missing: 404.
	Missing
	// RateLimited: by the rules of contract section 15.
	RateLimited
	// Rejected: the token endpoint refuses a code or refresh token, without
	// saying that it is the token's end.
	Rejected
	// Final: bad_refresh_token, refresh_token_expired or unauthorized_client.
	Final
	// NotConfigured: the App's client id, secret, key or slug is needed for this
	// and not there.
	NotConfigured
)

var failureNames = [...]string{"unreachable", "unexpected answer", "incomplete answer", "unauthorized", "forbidden", "suspended", "missing",
	"rate limited", "rejected", "final", "not configured"}

// String returns the class in words.
func (k FailureKind) String() string {
	if k < 0 || int(k) >= len(failureNames) {
		return fmt.Sprintf("failure kind %d", int(k))
	}
	return failureNames[k]
}

// Failure is why a call of a Provider did not succeed. Its text and Err hold no
// secret: no token, code, key, query or body.
type Failure struct {
	Kind FailureKind
	// Call is what was tried, such as "list repositories".
	Call string
	// Status of the answer; zero when there was none.
	Status int
	// RetryAfter is how long a RateLimited caller should wait, at least a second.
	RetryAfter time.Duration
	Err        error // what lies behind; may be nil
}

// Error says what was tried and how it failed.
func (f *Failure) Error() string {
	s := f.Call + ": " + f.Kind.String()
	if f.Status != 0 {
		s += fmt.Sprintf(" (%d)", f.Status)
	}
	if f.Err != nil {
		s += ": " + f.Err.Error()
	}
	return s
}

// Unwrap returns Err.
func (f *Failure) Unwrap() error { return f.Err }

// failed reports whether err is a failure of one of these kinds.
func failed(err error, kinds ...FailureKind) bool {
	var f *Failure
	if !errors.As(err, &f) {
		return false
	}
	for _, k := range kinds {
		if f.Kind == k {
			return true
		}
	}
	return false
}
