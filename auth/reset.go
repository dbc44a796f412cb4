package auth

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/google/uuid"

	"github.com/hedgerow-dev/hedgerow/users"
)

// RequestPasswordReset mails a link to the owner of an address. It returns
// ErrEmailNotAvailable, an Invalid error for the form of the address, or
// ErrSSOEnforced for its domain. Whether it is the address of an active account
// it does not tell: what differs is done after the request.
func (s *Service) RequestPasswordReset(ctx context.Context, email users.Field[string]) error {
	if !s.MailConfigured() {
		return ErrEmailNotAvailable
	}
	if !email.Set {
		return missing("email")
	}
	address, err := users.CheckEmail(email)
	if err != nil {
		return err
	}
	sso, err := s.store.SSOEnforced(ctx, users.EmailDomain(address))
	if err != nil {
		return fmt.Errorf("request password reset: %w", err)
	}
	if sso {
		return ErrSSOEnforced
	}
	u, err := s.store.UserByEmail(ctx, users.FoldEmail(address))
	if errors.Is(err, users.ErrNotFound) || err == nil && !u.IsActive {
		return nil
	} else if err != nil {
		return fmt.Errorf("request password reset: %w", err)
	}
	s.mailLink(ctx, PasswordResetLink, "request", u.ID)
	return nil
}

// CheckPasswordReset reports whether ResetPassword would take a token, without
// spending it. Every reason why not is ErrInvalidToken.
func (s *Service) CheckPasswordReset(ctx context.Context, user string, token users.Secret) error {
	if _, err := s.linkUser(ctx, s.store, PasswordResetLink, user, token); err != nil {
		return fmt.Errorf("check password reset: %w", err)
	}
	return nil
}

// ResetPassword spends the token of a PasswordReset and sets a new password. All
// sessions and pending logins of the user end; nobody is signed in, so that a
// second factor is asked for as ever. It returns ErrInvalidToken, or an Invalid
// error for a member or for a weak password, which spends nothing.
func (s *Service) ResetPassword(ctx context.Context, user string, token, password users.Field[string]) error {
	if err := checkLink(users.Set(user), token); err != nil {
		return err
	}
	text, err := users.CheckText(password, "password", users.MaxPassword)
	if err != nil {
		return err
	}
	secret := users.Secret(token.Value)
	u, err := s.linkUser(ctx, s.store, PasswordResetLink, user, secret)
	if err != nil {
		return fmt.Errorf("reset password: %w", err)
	}
	hash, err := s.newPassword(ctx, u, strings.TrimSpace(text))
	if err != nil {
		return fmt.Errorf("reset password: %w", err)
	}
	err = s.store.UpdateAuth(ctx, func(tx Tx) error {
		if u, err = s.linkUser(ctx, tx, PasswordResetLink, user, secret); err != nil {
			return err
		}
		u.PasswordHash = hash
		if u, err = tx.SaveUser(ctx, u); err != nil {
			return err
		}
		if _, err := endSessions(ctx, tx, u.ID, uuid.Nil); err != nil {
			return err
		}
		actor := users.Actor{ID: u.ID, UUID: u.UUID, Credential: users.ByEmailLink}
		return tx.AddEvent(ctx, s.users.Event(actor, u.ID, "user reset password", "password"))
	})
	if err != nil {
		return fmt.Errorf("reset password: %w", err)
	}
	s.send(ctx, PasswordChanged{To: recipient(u)})
	return nil
}
