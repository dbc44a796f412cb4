package auth

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/hedgerow-dev/hedgerow/users"
)

// IdentityChange says when a key or token may change the address or password
// of its owner. Sessions may, when fresh.
type IdentityChange int

// The rules. The zero value is the safest that still lets keys do it.
const (
	// WithPassword asks for the current password in the same request.
	WithPassword IdentityChange = iota
	// Documented asks for nothing more than the scope, as the documented API does.
	Documented
	// SessionOnly refuses keys and tokens, and a new address by a session whose
	// login is more than 300 seconds old.
	SessionOnly
)

// emailFreshness is how recent a login SessionOnly asks for, contract section 4.
const emailFreshness = 300 * time.Second

// Config adjusts a Service. The zero value is ready for production.
type Config struct {
	// SessionLifetime is how long a session lasts from its login. Zero means 14
	// days; it may not be longer or negative.
	SessionLifetime time.Duration
	// Freshness is how long after its login a session may make sensitive
	// changes. Zero means 2 hours; negative values are refused.
	Freshness time.Duration
	// IdentityChange says when keys may change address or password.
	IdentityChange IdentityChange
	// MinPasswordLength in characters; zero means 8, and it may not be less.
	MinPasswordLength int
	// MinPasswordScore of zxcvbn; zero means 3, and it may not be less or over 4.
	MinPasswordScore int
	// PasswordCost of new hashes.
	PasswordCost Cost
	// LoginFailures from one client address lock it out for ten minutes. Zero
	// means 30; a negative number switches that off.
	LoginFailures int
	// CredentialChanges limits requests that carry a current password, by user.
	// Zero means 5 a minute.
	CredentialChanges Rate
	// OnboardingSkips, by user. Zero means 30 an hour.
	OnboardingSkips Rate
	// SecondSteps limits tries of the second login step, by user. Zero means 6 in
	// 20 minutes.
	SecondSteps Rate
	// Issuer names this service in authenticator apps. Empty means "Hedgerow"; a
	// colon is refused.
	Issuer string
	// ScopeObjects may be named in scopes of API keys besides the documented ones.
	ScopeObjects []string
	// Sealer encrypts the secrets that must be read back. Nil means that none can
	// be stored.
	Sealer *Sealer
	// VerificationMails limits requests for a verification mail by who asks, as
	// well as the mails of one account. Zero means 6 in 24 hours.
	VerificationMails Rate
	// PasswordResets is the same for mails that reset a password.
	PasswordResets Rate
	// Passkeys runs the ceremonies of passkeys; package auth/passkey has an
	// implementation. Nil means that none can be registered or used, and the
	// methods that begin or complete a ceremony return users.ErrNotFound.
	Passkeys PasskeyCeremony
	// Mailer sends mail. Nil means that mail is not configured.
	Mailer Mailer
	// VerifyEmailURL and PasswordResetURL are pages of the host that links in mails
	// lead to: the user's UUID and the token follow as two path segments. With a
	// Mailer they are required.
	VerifyEmailURL, PasswordResetURL string
	// Now reads the clock. Nil means time.Now. Tests set it.
	Now func() time.Time
	// Rand is the source of secrets. Nil means crypto/rand.
	Rand io.Reader
	// Logger receives what could not be returned to a caller. Nil discards it.
	Logger *slog.Logger
}

const (
	defaultSessionLifetime = 14 * 24 * time.Hour // contract section 2.1
	defaultFreshness       = 2 * time.Hour       // contract section 4
	// maxSessions of one user; the oldest give way.
	maxSessions = 100
	tokenBytes  = 32
)

// Service decides who is calling and changes credentials. It is safe for
// concurrent use.
type Service struct {
	store  Store
	users  *users.Service
	config Config
	hasher *hasher

	keyUse     *usage[string] // of API keys, by ID
	sessionUse *usage[Hash]   // of sessions, by Hash
	outbox     outbox
}

// NewService returns a Service on store. accounts applies the rules of the
// users that credentials belong to. The error names the field of config that
// is wrong.
func NewService(store Store, accounts *users.Service, config Config) (*Service, error) {
	c := &config
	setDefault(&c.SessionLifetime, defaultSessionLifetime)
	setDefault(&c.Freshness, defaultFreshness)
	setDefault(&c.MinPasswordLength, 8)
	setDefault(&c.MinPasswordScore, 3)
	setDefault(&c.LoginFailures, 30)
	setDefault(&c.Rand, rand.Reader)
	setDefault(&c.Logger, slog.New(slog.DiscardHandler))
	if c.Now == nil {
		c.Now = time.Now
	}
	c.CredentialChanges = c.CredentialChanges.or(Rate{5, time.Minute})
	c.OnboardingSkips = c.OnboardingSkips.or(Rate{30, time.Hour})
	c.VerificationMails = c.VerificationMails.or(Rate{6, 24 * time.Hour})
	c.PasswordResets = c.PasswordResets.or(Rate{6, 24 * time.Hour})
	c.SecondSteps = c.SecondSteps.or(Rate{6, 20 * time.Minute})
	setDefault(&c.Issuer, "Hedgerow")
	if err := c.check(); err != nil {
		return nil, fmt.Errorf("auth config: %w", err)
	}
	if accounts.MailConfigured() != (c.Mailer != nil) {
		return nil, errors.New("auth config: field Mailer must be set if MailConfigured of package users is, and not otherwise")
	}
	s := &Service{store: store, users: accounts, config: config, hasher: newHasher(c.PasswordCost, c.Rand)}
	s.keyUse = newUsage("times of use of API keys", keyUseEvery, s.storeKeyUse, c.Logger)
	s.sessionUse = newUsage("times of use of sessions", sessionUseEvery, s.storeSessionUse, c.Logger)
	return s, nil
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

func (c *Config) check() error {
	switch {
	case c.SessionLifetime < 0 || c.SessionLifetime > defaultSessionLifetime:
		return errors.New("field SessionLifetime must be positive and at most 14 days")
	case c.Freshness < 0:
		return errors.New("field Freshness must be positive")
	case c.IdentityChange < WithPassword || c.IdentityChange > SessionOnly:
		return errors.New("field IdentityChange is unknown")
	case c.MinPasswordLength < 8 || c.MinPasswordLength > users.MaxPassword:
		return errors.New("field MinPasswordLength must be from 8 to 128")
	case c.MinPasswordScore < 3 || c.MinPasswordScore > 4:
		return errors.New("field MinPasswordScore must be 3 or 4")
	case c.PasswordCost != Cost{} && (c.PasswordCost.KiB < 8 || c.PasswordCost.KiB > maxKiB || c.PasswordCost.Passes < 1 || c.PasswordCost.Passes > maxPasses):
		return errors.New("field PasswordCost must be from 8 KiB and 1 pass to 256 MiB and 16 passes")
	case c.CredentialChanges.Max > 0 && c.CredentialChanges.Per <= 0:
		return errors.New("field CredentialChanges.Per must be positive")
	case c.OnboardingSkips.Max > 0 && c.OnboardingSkips.Per <= 0:
		return errors.New("field OnboardingSkips.Per must be positive")
	case c.SecondSteps.Max > 0 && c.SecondSteps.Per <= 0:
		return errors.New("field SecondSteps.Per must be positive")
	case strings.Contains(c.Issuer, ":"):
		return errors.New("field Issuer must not contain a colon")
	case c.VerificationMails.Max > 0 && c.VerificationMails.Per <= 0:
		return errors.New("field VerificationMails.Per must be positive")
	case c.PasswordResets.Max > 0 && c.PasswordResets.Per <= 0:
		return errors.New("field PasswordResets.Per must be positive")
	case c.Mailer != nil && !page(c.VerifyEmailURL):
		return errors.New("field VerifyEmailURL must be the URL of a page")
	case c.Mailer != nil && !page(c.PasswordResetURL):
		return errors.New("field PasswordResetURL must be the URL of a page")
	}
	return nil
}

// page reports a URL that segments can be appended to.
func page(address string) bool {
	u, err := url.Parse(address)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" && u.RawQuery == "" && u.Fragment == ""
}

func (s *Service) now() time.Time { return s.config.Now().UTC().Truncate(time.Microsecond) }

// MailConfigured reports whether mail can be sent.
func (s *Service) MailConfigured() bool { return s.config.Mailer != nil }

// DeleteExpired removes what has expired and returns how many records that
// were. The host calls it from time to time, say every hour.
func (s *Service) DeleteExpired(ctx context.Context) (n int, err error) {
	err = s.store.UpdateAuth(ctx, func(tx Tx) error {
		n, err = tx.DeleteExpired(ctx, s.now())
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("delete expired: %w", err)
	}
	return n, nil
}

// hashOf is what a store keeps of a secret.
func hashOf(secret users.Secret) Hash { return sha256.Sum256([]byte(secret)) }

// newToken makes a secret of 256 random bits.
func (s *Service) newToken() (users.Secret, error) {
	b := make([]byte, tokenBytes)
	if _, err := io.ReadFull(s.config.Rand, b); err != nil {
		return "", fmt.Errorf("read randomness: %w", err)
	}
	return users.Secret(base64.RawURLEncoding.EncodeToString(b)), nil
}

// Session returns the principal of a session cookie's value, or
// ErrNotAuthenticated for one that is unknown, expired, revoked or of an
// inactive user, and does not tell which.
func (s *Service) Session(ctx context.Context, token users.Secret) (Principal, error) {
	session, profile, err := s.store.SessionByHash(ctx, hashOf(token))
	if errors.Is(err, users.ErrNotFound) {
		return Principal{}, ErrNotAuthenticated
	} else if err != nil {
		return Principal{}, fmt.Errorf("read session: %w", err)
	}
	if !profile.User.IsActive || !s.now().Before(session.ExpiresAt) {
		return Principal{}, ErrNotAuthenticated
	}
	s.sessionUse.note(session.Hash, session.LastActivity, s.now())
	p := principal(profile.User, profile, users.BySession)
	p.Session = session
	return p, nil
}

// Bearer returns the principal of a personal API key or, if the value starts
// with "pha_", of an OAuth access token. It returns ErrAuthenticationFailed for
// one that is unknown, expired, revoked or of an inactive user.
func (s *Service) Bearer(ctx context.Context, value users.Secret) (Principal, error) {
	if strings.HasPrefix(string(value), "pha_") {
		return s.oauthToken(ctx, value)
	}
	key, profile, err := s.store.APIKeyByHash(ctx, hashOf(value))
	if errors.Is(err, users.ErrNotFound) {
		return Principal{}, ErrAuthenticationFailed
	} else if err != nil {
		return Principal{}, fmt.Errorf("read API key: %w", err)
	}
	if !profile.User.IsActive || s.expired(key.ExpiresAt) {
		return Principal{}, ErrAuthenticationFailed
	}
	s.keyUse.note(key.ID, key.LastUsedAt, s.now())
	p := principal(profile.User, profile, users.ByAPIKey)
	p.KeyID, p.Scopes = key.ID, key.Scopes
	return p, nil
}

func (s *Service) oauthToken(ctx context.Context, value users.Secret) (Principal, error) {
	token, profile, err := s.store.OAuthTokenByHash(ctx, hashOf(value))
	if errors.Is(err, users.ErrNotFound) {
		return Principal{}, ErrAuthenticationFailed
	} else if err != nil {
		return Principal{}, fmt.Errorf("read OAuth token: %w", err)
	}
	if !profile.User.IsActive || s.expired(token.ExpiresAt) {
		return Principal{}, ErrAuthenticationFailed
	}
	p := principal(profile.User, profile, users.ByOAuthToken)
	p.Scopes = strings.Fields(token.Scopes)
	return p, nil
}

// expired reports whether an optional expiry has passed.
func (s *Service) expired(at time.Time) bool { return !at.IsZero() && !s.now().Before(at) }

// Check2FA returns ErrSetup2FA or ErrVerify2FA if the user's current
// organization asks for a second factor that the user lacks, or that the
// session has not passed. Users who sign in elsewhere are exempt, and so are
// keys and tokens (contract section 2.1).
func (s *Service) Check2FA(ctx context.Context, p Principal) error {
	if !p.BySession() {
		return nil
	}
	current := p.User.CurrentOrganization
	if current == uuid.Nil {
		// The first one becomes current with the next read (contract section 7.4).
		ms, err := s.store.Memberships(ctx, p.Actor.ID)
		if err != nil {
			return fmt.Errorf("read memberships: %w", err)
		}
		if len(ms) == 0 {
			return nil
		}
		current = ms[0].OrganizationID
	}
	o, err := s.store.Organization(ctx, current)
	if errors.Is(err, users.ErrNotFound) {
		return nil
	} else if err != nil {
		return fmt.Errorf("read organization: %w", err)
	}
	if !o.Enforce2FA.Value {
		return nil
	}
	if sso, err := s.store.SSOEnforced(ctx, users.EmailDomain(p.User.Email)); err != nil || sso {
		return err
	}
	switch {
	case !p.User.Is2FAEnabled():
		return ErrSetup2FA
	case !p.Session.SecondFactor:
		return ErrVerify2FA
	}
	return nil
}

// SaveOAuthToken stores an access token that the host issued: value begins with
// "pha_". It replaces a token of the same value. It returns ErrNotFound of
// package users if the user does not exist, or an Invalid error for the value
// or for text that no store can hold.
func (s *Service) SaveOAuthToken(ctx context.Context, value users.Secret, t OAuthToken) error {
	if !strings.HasPrefix(string(value), "pha_") || len(value) < 20 {
		return invalid("value", "invalid_input", `An access token begins with "pha_" and has at least 16 characters after it.`)
	}
	if err := users.CheckStorable([2]string{"application", t.Application}, [2]string{"scopes", t.Scopes}); err != nil {
		return err
	}
	t = t.Clone()
	t.Hash = hashOf(value)
	setDefault(&t.CreatedAt, s.now())
	err := s.store.UpdateAuth(ctx, func(tx Tx) error {
		if err := tx.SaveOAuthToken(ctx, t); err != nil {
			return err
		}
		return tx.AddEvent(ctx, s.users.Event(users.Actor{Credential: users.ByHost}, t.UserID, "OAuth token saved"))
	})
	if err != nil {
		return fmt.Errorf("save OAuth token: %w", err)
	}
	return nil
}

// RevokeOAuthToken ends an access token. It returns ErrNotFound of package
// users if there is none.
func (s *Service) RevokeOAuthToken(ctx context.Context, value users.Secret) error {
	err := s.store.UpdateAuth(ctx, func(tx Tx) error {
		t, _, err := tx.OAuthTokenByHash(ctx, hashOf(value))
		if err != nil {
			return err
		}
		if err := tx.DeleteOAuthToken(ctx, t.Hash); err != nil {
			return err
		}
		return tx.AddEvent(ctx, s.users.Event(users.Actor{Credential: users.ByHost}, t.UserID, "OAuth token revoked"))
	})
	if err != nil {
		return fmt.Errorf("revoke OAuth token: %w", err)
	}
	return nil
}
