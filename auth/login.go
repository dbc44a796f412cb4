package auth

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/hedgerow-dev/hedgerow/users"
)

// LoginRequest is one attempt to sign in with a password.
type LoginRequest struct {
	Email    users.Field[string]
	Password users.Field[string]
	// Client is the address that failures are counted for. Of an IPv6 address its
	// /64 network counts.
	Client string
	// UserAgent as the browser sent it.
	UserAgent string
	// Current is the value of the session cookie that came along, "" if none. Its
	// session, or the login that waits under it, ends.
	Current users.Secret
	// Remembered are the secrets of remembered devices that came along. One that
	// is the user's skips the second step.
	Remembered []users.Secret
}

// Login checks a password and starts a session, whose secret it returns. With
// Err2FARequired the secret is that of a login that waits for FinishLogin, and
// is good for nothing else. Wrong password, unknown and inactive account are all
// ErrInvalidCredentials, at equal cost. Other refusals: an Invalid error for a field, ErrSSOEnforced,
// ErrNotVerified, ErrLockedOut and ErrThrottled.
func (s *Service) Login(ctx context.Context, r LoginRequest) (users.Secret, error) {
	if !r.Email.Set {
		return "", invalid("email", "required", "This field is required.")
	}
	email, err := users.CheckEmail(r.Email)
	if err != nil {
		return "", err
	}
	password, err := users.CheckText(r.Password, "password", 0)
	if err != nil {
		return "", err
	}
	sso, err := s.store.SSOEnforced(ctx, users.EmailDomain(email))
	if err != nil {
		return "", fmt.Errorf("login: %w", err)
	}
	if sso {
		return "", ErrSSOEnforced
	}
	u, err := s.checkCredentials(ctx, r.Client, users.FoldEmail(email), password)
	if err != nil {
		return "", err
	}
	if err := s.checkVerified(u); err != nil {
		s.mailLink(ctx, VerifyEmailLink, "login", u.ID)
		return "", err
	}
	token, err := s.startSession(ctx, u, r, password)
	if errors.Is(err, Err2FARequired) {
		return token, err
	} else if err != nil {
		return "", fmt.Errorf("login: %w", err)
	}
	s.remindToVerify(ctx, u)
	return token, nil
}

// checkVerified returns ErrNotVerified for a user who must verify the address
// before the first login.
func (s *Service) checkVerified(u users.User) error {
	if s.MailConfigured() && u.IsEmailVerified.Valid && !u.IsEmailVerified.Value {
		return ErrNotVerified
	}
	return nil
}

// checkCredentials returns the active user with this address and password. The
// failure is counted while the slot is held: see hasher.slot.
func (s *Service) checkCredentials(ctx context.Context, client, folded, password string) (users.User, error) {
	release, err := s.hasher.slot(ctx)
	if err != nil {
		return users.User{}, err
	}
	defer release()
	address, account := loginKeys(client, folded)
	if err := s.checkLogin(ctx, address, account); err != nil {
		return users.User{}, err
	}
	u, err := s.store.UserByEmail(ctx, folded)
	if err != nil && !errors.Is(err, users.ErrNotFound) {
		return users.User{}, fmt.Errorf("login: %w", err)
	}
	// A password over the limit is nobody's; it is not worth a long hash.
	if !s.hasher.matches(u.PasswordHash, clip(password)) || utf8.RuneCountInString(password) > users.MaxPassword || !u.IsActive {
		if err := s.failLogin(ctx, address, account, u.ID); err != nil {
			return users.User{}, fmt.Errorf("login: %w", err)
		}
		return users.User{}, ErrInvalidCredentials
	}
	return u, nil
}

// clip bounds what is hashed. A password within users.MaxPassword characters is
// never cut, as a character has at most 4 bytes.
func clip(password string) string {
	return password[:min(len(password), 4*users.MaxPassword)]
}

// startSession signs u in, unless the account changed since its password was
// checked, or lets it wait for the second step: Err2FARequired.
func (s *Service) startSession(ctx context.Context, u users.User, r LoginRequest, password string) (users.Secret, error) {
	checked := u.PasswordHash
	var rehashed users.Secret
	if s.hasher.outdated(checked) {
		var err error
		if rehashed, err = s.HashPassword(ctx, password); err != nil {
			return "", err
		}
	}
	session, token, err := s.newSession(u.ID, r.UserAgent)
	if err != nil {
		return "", err
	}
	pending := false
	err = s.store.UpdateAuth(ctx, func(tx Tx) error {
		u, err := tx.User(ctx, u.ID)
		if errors.Is(err, users.ErrNotFound) || err == nil && (!u.IsActive || u.PasswordHash != checked) {
			return ErrInvalidCredentials
		} else if err != nil {
			return err
		}
		if rehashed != "" {
			u.PasswordHash = rehashed
			if u, err = tx.SaveUser(ctx, u); err != nil {
				return err
			}
		}
		pending, err = s.enter(ctx, tx, u, session, r.Current, r.Remembered)
		return err
	})
	if err == nil && pending {
		return token, Err2FARequired
	}
	return token, err
}

// enter stores a session in place of the current one or, if the account asks for
// a second factor which neither the session nor a remembered device has passed,
// a login that waits for it under the same secret.
func (s *Service) enter(
	ctx context.Context, tx Tx, u users.User, session Session, current users.Secret, remembered []users.Secret,
) (pending bool, err error) {
	if err := s.dropCurrent(ctx, tx, current); err != nil {
		return false, err
	}
	if u.Is2FAEnabled() && !session.SecondFactor {
		if session.SecondFactor, err = s.remembers(ctx, tx, u, remembered); err != nil {
			return false, err
		}
		if !session.SecondFactor {
			return true, s.addPending(ctx, tx, u, session)
		}
	}
	return false, s.signIn(ctx, tx, u, session)
}

// signIn stores a session as a login of u.
func (s *Service) signIn(ctx context.Context, tx Tx, u users.User, session Session) error {
	u.LastLogin = session.CreatedAt
	if _, err := tx.SaveUser(ctx, u); err != nil {
		return err
	}
	if err := s.addSession(ctx, tx, session); err != nil {
		return err
	}
	actor := users.Actor{ID: u.ID, Credential: users.BySession}
	return tx.AddEvent(ctx, s.users.Event(actor, u.ID, "user logged in"))
}

// newSession makes a session that starts now, and its secret.
func (s *Service) newSession(user users.ID, userAgent string) (Session, users.Secret, error) {
	token, err := s.newToken()
	if err != nil {
		return Session{}, "", err
	}
	id, err := uuid.NewRandomFromReader(s.config.Rand)
	if err != nil {
		return Session{}, "", fmt.Errorf("read randomness: %w", err)
	}
	now := s.now()
	return Session{
		ID: id, Hash: hashOf(token), UserID: user, CreatedAt: now, ExpiresAt: now.Add(s.config.SessionLifetime),
		LastActivity: now, Method: "password", UserAgent: strings.ToValidUTF8(userAgent[:min(len(userAgent), 512)], ""),
	}, token, nil
}

// dropCurrent ends the session or pending login that a login replaces, whoever's
// it is.
func (s *Service) dropCurrent(ctx context.Context, tx Tx, current users.Secret) error {
	if current == "" {
		return nil
	}
	old, _, err := tx.SessionByHash(ctx, hashOf(current))
	if errors.Is(err, users.ErrNotFound) {
		return dropPending(ctx, tx, current)
	} else if err != nil {
		return err
	}
	return tx.DeleteSession(ctx, old.ID)
}

func dropPending(ctx context.Context, tx Tx, token users.Secret) error {
	if err := tx.DeleteTicket(ctx, PendingLogin, hashOf(token)); err != nil && !errors.Is(err, users.ErrNotFound) {
		return err
	}
	return nil
}

// addSession stores a session; the oldest of the user give way to it.
func (s *Service) addSession(ctx context.Context, tx Tx, session Session) error {
	sessions, err := tx.Sessions(ctx, session.UserID)
	if err != nil {
		return err
	}
	for len(sessions) >= maxSessions {
		if err := tx.DeleteSession(ctx, sessions[0].ID); err != nil {
			return err
		}
		sessions = sessions[1:]
	}
	if session.Method != hostMethod { // which says itself when it began
		for _, earlier := range sessions {
			if earlier.CreatedAt.Equal(session.CreatedAt) {
				// Lists are ordered by time, also when the clock stands still.
				session.CreatedAt = session.CreatedAt.Add(time.Microsecond)
			}
		}
	}
	return tx.SaveSession(ctx, session)
}

// hostMethod is that of sessions that the host started.
const hostMethod = "host"

// StartSession signs a user in without a password, for a host that has checked
// by other means who it is. age backdates the login and secondFactor says that
// a second factor was passed. It works for inactive users too, whose sessions
// count as nobody's. It returns users.ErrNotFound.
func (s *Service) StartSession(ctx context.Context, user users.ID, o StartOptions) (users.Secret, error) {
	session, token, err := s.newSession(user, "")
	if err != nil {
		return "", fmt.Errorf("start session: %w", err)
	}
	session.Method = hostMethod
	session.SecondFactor = o.SecondFactor
	session.CreatedAt = session.CreatedAt.Add(-o.Age)
	session.ExpiresAt = session.ExpiresAt.Add(-o.Age)
	err = s.store.UpdateAuth(ctx, func(tx Tx) error {
		// The user's row is the lock behind which sessions are counted.
		if _, err := tx.User(ctx, user); err != nil {
			return err
		}
		if err := s.addSession(ctx, tx, session); err != nil {
			return err
		}
		return tx.AddEvent(ctx, s.users.Event(users.Actor{Credential: users.ByHost}, user, "session started"))
	})
	if err != nil {
		return "", fmt.Errorf("start session: %w", err)
	}
	return token, nil
}

// Logout ends the session or pending login behind a cookie. One that is unknown
// is no error.
func (s *Service) Logout(ctx context.Context, token users.Secret) error {
	err := s.store.UpdateAuth(ctx, func(tx Tx) error {
		session, _, err := tx.SessionByHash(ctx, hashOf(token))
		if errors.Is(err, users.ErrNotFound) {
			return dropPending(ctx, tx, token)
		} else if err != nil {
			return err
		}
		if err := tx.DeleteSession(ctx, session.ID); err != nil {
			return err
		}
		actor := users.Actor{ID: session.UserID, Credential: users.BySession}
		return tx.AddEvent(ctx, s.users.Event(actor, session.UserID, "user logged out"))
	})
	if err != nil {
		return fmt.Errorf("logout: %w", err)
	}
	return nil
}

// SessionLifetime is how long a session lasts from its login.
func (s *Service) SessionLifetime() time.Duration { return s.config.SessionLifetime }

// HostSession returns the principal of somebody who is signed in to the host:
// at is when, and secondFactor says that a second factor was passed. It returns
// ErrNotAuthenticated for an unknown or inactive user.
func (s *Service) HostSession(ctx context.Context, user users.ID, at time.Time, secondFactor bool) (Principal, error) {
	u, err := s.store.User(ctx, user)
	if errors.Is(err, users.ErrNotFound) || err == nil && !u.IsActive {
		return Principal{}, ErrNotAuthenticated
	} else if err != nil {
		return Principal{}, fmt.Errorf("read user: %w", err)
	}
	p := principal(u, nil, users.BySession)
	p.Session = Session{UserID: u.ID, CreatedAt: at.UTC(), SecondFactor: secondFactor, Method: hostMethod}
	return p, nil
}
