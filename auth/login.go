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
	// Client is the address that failures are counted for.
	Client string
	// UserAgent as the browser sent it.
	UserAgent string
	// Current is the value of the session cookie that came along, "" if none. Its
	// session ends.
	Current users.Secret
}

// Login checks a password and starts a session, whose secret it returns. Wrong
// password, unknown and inactive account are all ErrInvalidCredentials, at
// equal cost. Other refusals: an Invalid error for a field, ErrSSOEnforced,
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
	if s.MailConfigured() && u.IsEmailVerified.Valid && !u.IsEmailVerified.Value {
		return "", ErrNotVerified
	}
	token, err := s.startSession(ctx, u, r, password)
	if err != nil {
		return "", fmt.Errorf("login: %w", err)
	}
	return token, nil
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
// checked.
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
	err = s.store.UpdateAuth(ctx, func(tx Tx) error {
		u, err := tx.User(ctx, u.ID)
		if errors.Is(err, users.ErrNotFound) || err == nil && (!u.IsActive || u.PasswordHash != checked) {
			return ErrInvalidCredentials
		} else if err != nil {
			return err
		}
		u.LastLogin = session.CreatedAt
		if rehashed != "" {
			u.PasswordHash = rehashed
		}
		if _, err := tx.SaveUser(ctx, u); err != nil {
			return err
		}
		if err := s.dropCurrent(ctx, tx, r.Current); err != nil {
			return err
		}
		if err := s.addSession(ctx, tx, session); err != nil {
			return err
		}
		actor := users.Actor{ID: u.ID, Credential: users.BySession}
		return tx.AddEvent(ctx, s.users.Event(actor, u.ID, "user logged in"))
	})
	return token, err
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

// dropCurrent ends the session that a login replaces, whoever's it is.
func (s *Service) dropCurrent(ctx context.Context, tx Tx, current users.Secret) error {
	if current == "" {
		return nil
	}
	old, _, err := tx.SessionByHash(ctx, hashOf(current))
	if errors.Is(err, users.ErrNotFound) {
		return nil
	} else if err != nil {
		return err
	}
	return tx.DeleteSession(ctx, old.ID)
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
	return tx.SaveSession(ctx, session)
}

// StartSession signs a user in without a password, for a host that has checked
// by other means who it is. age backdates the login and secondFactor says that
// a second factor was passed. It works for inactive users too, whose sessions
// count as nobody's. It returns users.ErrNotFound.
func (s *Service) StartSession(ctx context.Context, user users.ID, o StartOptions) (users.Secret, error) {
	session, token, err := s.newSession(user, "")
	if err != nil {
		return "", fmt.Errorf("start session: %w", err)
	}
	session.Method = "host"
	session.SecondFactor = o.SecondFactor
	session.CreatedAt = session.CreatedAt.Add(-o.Age)
	session.ExpiresAt = session.ExpiresAt.Add(-o.Age)
	err = s.store.UpdateAuth(ctx, func(tx Tx) error {
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

// Logout ends the session behind a cookie. One that is unknown is no error.
func (s *Service) Logout(ctx context.Context, token users.Secret) error {
	err := s.store.UpdateAuth(ctx, func(tx Tx) error {
		session, _, err := tx.SessionByHash(ctx, hashOf(token))
		if errors.Is(err, users.ErrNotFound) {
			return nil
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
	p := principal(u, users.BySession)
	p.Session = Session{UserID: u.ID, CreatedAt: at.UTC(), SecondFactor: secondFactor, Method: "host"}
	return p, nil
}
