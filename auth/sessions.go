package auth

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/hedgerow-dev/hedgerow/users"
)

// sessionUseEvery is how fine LastActivity is.
const sessionUseEvery = time.Minute

// storeSessionUse stores times of use of sessions.
func (s *Service) storeSessionUse(ctx context.Context, batch map[Hash]time.Time) error {
	return s.store.UpdateAuth(ctx, func(tx Tx) error {
		for h, at := range batch {
			session, _, err := tx.SessionByHash(ctx, h)
			if errors.Is(err, users.ErrNotFound) {
				continue // ended meanwhile, or goes on under another secret
			} else if err != nil {
				return err
			}
			if !at.After(session.LastActivity) {
				continue
			}
			session.LastActivity = at
			if err := tx.SaveSession(ctx, session); err != nil {
				return err
			}
		}
		return nil
	})
}

// endSessions ends the sessions of a user but one, and whatever could become a
// session: remembered devices, pending logins, set-ups, links in mails and
// challenges for a passkey. It returns how many sessions that were; the zero UUID
// spares none.
func endSessions(ctx context.Context, tx Tx, user users.ID, except uuid.UUID) (int, error) {
	if err := tx.DeleteTickets(ctx, user, RememberedDevice, PendingLogin, TOTPSetup, VerifyEmailLink, PasswordResetLink, PasskeySetup, PasskeyStep); err != nil {
		return 0, err
	}
	return tx.DeleteSessions(ctx, user, except)
}

// liveSession reads the caller's session again, or returns ErrNotAuthenticated if
// it was ended while the request ran.
func liveSession(ctx context.Context, tx Tx, p Principal) (Session, error) {
	session, _, err := tx.SessionByHash(ctx, p.Session.Hash)
	if errors.Is(err, users.ErrNotFound) {
		return Session{}, ErrNotAuthenticated
	}
	return session, err
}

// liveUser reads the caller again, who must be active and whose session, unless
// it is a login of the host, must not have ended while the request ran.
func liveUser(ctx context.Context, tx Tx, p Principal) (users.User, error) {
	u, err := tx.User(ctx, p.Actor.ID)
	if errors.Is(err, users.ErrNotFound) || err == nil && !u.IsActive {
		return users.User{}, ErrNotAuthenticated
	} else if err != nil {
		return users.User{}, err
	}
	if p.Session.ID != uuid.Nil {
		_, err = liveSession(ctx, tx, p)
	}
	return u, err
}

// unexpired is list, which it takes over, without what has expired.
func (s *Service) unexpired(list []Session) []Session {
	now := s.now()
	return slices.DeleteFunc(list, func(session Session) bool { return !now.Before(session.ExpiresAt) })
}

// Sessions lists the caller's sessions that have not expired: the caller's own
// first, then the one that was active last, or began last; those that never were
// active come last.
func (s *Service) Sessions(ctx context.Context, p Principal) ([]Session, error) {
	used := s.sessionUse.unstored()
	list, err := s.store.Sessions(ctx, p.Actor.ID)
	if err != nil {
		return nil, fmt.Errorf("list sessions: %w", err)
	}
	list = s.unexpired(list)
	for i, session := range list {
		if t := used[session.Hash]; t.After(session.LastActivity) {
			list[i].LastActivity = t
		}
	}
	rank := func(session Session) int {
		if session.ID == p.Session.ID {
			return 0
		}
		return 1
	}
	slices.SortFunc(list, func(a, b Session) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), b.LastActivity.Compare(a.LastActivity), b.CreatedAt.Compare(a.CreatedAt),
			bytes.Compare(a.ID[:], b.ID[:]))
	})
	return list, nil
}

// RevokeSession ends one of the caller's sessions, named by its ID. It returns
// users.ErrNotFound, also for one of somebody else.
func (s *Service) RevokeSession(ctx context.Context, p Principal, id string) error {
	parsed, ok := users.ParseUUID(id)
	if !ok {
		return users.ErrNotFound
	}
	err := s.store.UpdateAuth(ctx, func(tx Tx) error {
		if _, err := liveUser(ctx, tx, p); err != nil {
			return err
		}
		list, err := tx.Sessions(ctx, p.Actor.ID)
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(s.unexpired(list), func(session Session) bool { return session.ID == parsed }) {
			return users.ErrNotFound
		}
		if err := tx.DeleteSession(ctx, parsed); err != nil {
			return err
		}
		return tx.AddEvent(ctx, s.users.Event(p.Actor, p.Actor.ID, "session revoked"))
	})
	if err != nil {
		return fmt.Errorf("revoke session: %w", err)
	}
	return nil
}

// RevokeOtherSessions ends the caller's sessions but the one that calls, and
// whatever could become one. It returns how many unexpired sessions that were.
func (s *Service) RevokeOtherSessions(ctx context.Context, p Principal) (n int, err error) {
	err = s.store.UpdateAuth(ctx, func(tx Tx) error {
		if _, err := liveUser(ctx, tx, p); err != nil {
			return err
		}
		list, err := tx.Sessions(ctx, p.Actor.ID)
		if err != nil {
			return err
		}
		n = len(slices.DeleteFunc(s.unexpired(list), func(session Session) bool { return session.ID == p.Session.ID }))
		if _, err := endSessions(ctx, tx, p.Actor.ID, p.Session.ID); err != nil {
			return err
		}
		return tx.AddEvent(ctx, s.users.Event(p.Actor, p.Actor.ID, "other sessions revoked"))
	})
	if err != nil {
		return 0, fmt.Errorf("revoke other sessions: %w", err)
	}
	return n, nil
}
