package auth

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/google/uuid"

	"github.com/hedgerow-dev/hedgerow/users"
)

// VerifyRequest is what the link in an EmailVerification hands over.
type VerifyRequest struct {
	User  users.Field[string] // UUID
	Token users.Field[string]
	// UserAgent as the browser sent it.
	UserAgent string
	// Current is the value of the session cookie that came along, "" if none. A
	// session that is started replaces it, whoever's it is.
	Current users.Secret
	// NoSession only verifies: for callers that must not get a cookie.
	NoSession bool
}

// Verified is how a verification went.
type Verified struct {
	// Session is the secret of the session that was started; "" if none was.
	Session users.Secret
	// Requires2FA and RequiresSSO say why not: the user has a second factor, or
	// must sign in elsewhere.
	Requires2FA, RequiresSSO bool
}

// VerifyEmail spends the token of an EmailVerification. A pending address becomes
// the user's, linked identities go, and all other sessions of the user end. The
// browser is signed in, unless the user has a second factor or must sign in
// elsewhere. It returns an Invalid error for a member that is missing, and
// ErrInvalidToken for everything else, an address that was taken meanwhile
// included.
func (s *Service) VerifyEmail(ctx context.Context, r VerifyRequest) (Verified, error) {
	if err := checkLink(r.User, r.Token); err != nil {
		return Verified{}, err
	}
	// A bad token costs one read and no transaction.
	u, err := s.linkUser(ctx, s.store, VerifyEmailLink, r.User.Value, users.Secret(r.Token.Value))
	if err != nil {
		return Verified{}, fmt.Errorf("verify email: %w", err)
	}
	session, secret, err := s.newSession(u.ID, r.UserAgent)
	if err != nil {
		return Verified{}, fmt.Errorf("verify email: %w", err)
	}
	v := verification{s: s, request: r, session: session}
	v.session.Method = "email"
	if err := s.store.UpdateAuth(ctx, func(tx Tx) error { return v.apply(ctx, tx) }); err != nil {
		if errors.Is(err, users.ErrEmailTaken) {
			err = ErrInvalidToken // whoever has the token need not know who has the address
		}
		return Verified{}, fmt.Errorf("verify email: %w", err)
	}
	if v.before.PendingEmail != "" {
		for _, to := range []string{v.before.Email, v.after.Email} {
			s.send(ctx, EmailChanged{To: recipientAt(v.after, to), Old: v.before.Email, New: v.after.Email})
		}
	}
	if v.signIn {
		v.result.Session = secret
	}
	return v.result, nil
}

// verification is one run of VerifyEmail.
type verification struct {
	s       *Service
	request VerifyRequest
	session Session // to be started

	before, after users.User
	signIn        bool
	result        Verified
}

func (v *verification) apply(ctx context.Context, tx Tx) error {
	u, err := v.s.linkUser(ctx, tx, VerifyEmailLink, v.request.User.Value, users.Secret(v.request.Token.Value))
	if err != nil {
		return err
	}
	v.before = u
	fields := []string{"is_email_verified"}
	u.IsEmailVerified = users.Some(true)
	if u.PendingEmail != "" {
		fields = []string{"email", "is_email_verified", "pending_email"}
		u.Email, u.PendingEmail = u.PendingEmail, ""
	}
	sso, err := tx.SSOEnforced(ctx, users.EmailDomain(u.Email))
	if err != nil {
		return err
	}
	v.result = Verified{RequiresSSO: sso, Requires2FA: u.Is2FAEnabled()}
	v.signIn = v.result == Verified{} && !v.request.NoSession
	if v.after, err = tx.SaveUser(ctx, u); err != nil {
		return err
	}
	if err := dropLinks(ctx, tx, u.ID); err != nil {
		return err
	}
	if v.before.PendingEmail != "" {
		if err := v.leaveOldAddress(ctx, tx); err != nil {
			return err
		}
	}
	actor := users.Actor{ID: u.ID, UUID: u.UUID, Credential: users.ByEmailLink}
	if err := tx.AddEvent(ctx, v.s.users.Event(actor, u.ID, "user verified email", fields...)); err != nil || !v.signIn {
		return err
	}
	if err := v.s.dropCurrent(ctx, tx, v.request.Current); err != nil {
		return err
	}
	return v.s.signIn(ctx, tx, v.after, v.session)
}

// leaveOldAddress removes what the holder of the old address may have kept.
func (v *verification) leaveOldAddress(ctx context.Context, tx Tx) error {
	identities, err := tx.Identities(ctx, v.after.ID)
	if err != nil {
		return err
	}
	for _, i := range identities {
		if _, err := tx.DeleteIdentity(ctx, i.Provider, i.Subject); err != nil {
			return err
		}
	}
	own, err := v.ownSession(ctx, tx)
	if err != nil {
		return err
	}
	_, err = endSessions(ctx, tx, v.after.ID, own)
	return err
}

// ownSession is the session of this browser if it is the user's and stays, so
// that no other one is spared.
func (v *verification) ownSession(ctx context.Context, tx Tx) (uuid.UUID, error) {
	if v.signIn || v.request.Current == "" {
		return uuid.Nil, nil
	}
	session, _, err := tx.SessionByHash(ctx, hashOf(v.request.Current))
	if errors.Is(err, users.ErrNotFound) {
		return uuid.Nil, nil
	}
	return session.ID, err
}

// RequestEmailVerification sends a link to the pending address of a user, or to
// the current one if none is pending. It returns ErrEmailNotAvailable, an
// Invalid error if the uuid is missing, and ErrAlreadyVerified. Who is unknown or
// inactive gets no mail, and the caller is not told.
func (s *Service) RequestEmailVerification(ctx context.Context, user users.Field[string]) error {
	if !s.MailConfigured() {
		return ErrEmailNotAvailable
	}
	if !user.Set {
		return missing("uuid")
	}
	id, ok := users.ParseUUID(user.Value)
	if !ok {
		return nil
	}
	u, err := s.store.UserByUUID(ctx, id)
	if errors.Is(err, users.ErrNotFound) || err == nil && !u.IsActive {
		return nil
	} else if err != nil {
		return fmt.Errorf("request email verification: %w", err)
	}
	if u.PendingEmail == "" && verified(u) {
		return ErrAlreadyVerified
	}
	s.mailLink(ctx, VerifyEmailLink, "request", u.ID)
	return nil
}

// remindToVerify sends a link to who may sign in without having verified an
// address, as the account is older than that rule (contract section 11.1).
func (s *Service) remindToVerify(ctx context.Context, u users.User) {
	if !u.IsEmailVerified.Valid {
		s.mailLink(ctx, VerifyEmailLink, "login", u.ID)
	}
}

func verified(u users.User) bool { return u.IsEmailVerified.Valid && u.IsEmailVerified.Value }

// mailLink sends a link to a user after the request, unless too many were sent
// for this occasion. The caller is not told, as it may not know that there is
// such a user.
func (s *Service) mailLink(ctx context.Context, purpose Purpose, occasion string, user users.ID) {
	kind := "mail-" + string(purpose) + "-" + occasion + ":" + id(user)
	s.later(ctx, kind, func(ctx context.Context) {
		var m Message
		err := s.allow(ctx, kind, s.mailRate(purpose))
		if err == nil {
			m, err = s.newLink(ctx, purpose, user)
		}
		switch {
		case errors.Is(err, ErrThrottled), errors.Is(err, users.ErrNotFound):
		case err != nil:
			s.config.Logger.ErrorContext(ctx, "make a link", slog.Any("error", err), slog.Int64("user", int64(user)))
		case m != nil:
			s.deliver(ctx, m)
		}
	})
}

func (s *Service) mailRate(purpose Purpose) Rate {
	if purpose == PasswordResetLink {
		return s.config.PasswordResets
	}
	return s.config.VerificationMails
}

// newLink stores a link and returns the mail with it: nil if by now the user is
// inactive, or has nothing to verify.
func (s *Service) newLink(ctx context.Context, purpose Purpose, user users.ID) (Message, error) {
	token, err := s.newToken()
	if err != nil {
		return nil, err
	}
	var m Message
	err = s.store.UpdateAuth(ctx, func(tx Tx) error {
		m = nil
		u, err := tx.User(ctx, user)
		if err != nil || !u.IsActive || purpose == VerifyEmailLink && u.PendingEmail == "" && verified(u) {
			return err
		}
		m = s.linkMail(u, purpose, token)
		return s.issueLink(ctx, tx, u, purpose, token)
	})
	return m, err
}

func (s *Service) linkMail(u users.User, purpose Purpose, token users.Secret) Message {
	if purpose == PasswordResetLink {
		return PasswordReset{To: recipient(u), Token: token, Link: linkTo(s.config.PasswordResetURL, u.UUID, token)}
	}
	to := u.Email
	if u.PendingEmail != "" {
		to = u.PendingEmail
	}
	return EmailVerification{To: recipientAt(u, to), Token: token, Link: linkTo(s.config.VerifyEmailURL, u.UUID, token)}
}

// NewVerificationToken returns a token as a mail would bring it, for a host that
// tells users by other means. It returns ErrNotFound of package users.
func (s *Service) NewVerificationToken(ctx context.Context, user users.ID) (users.Secret, error) {
	token, err := s.newToken()
	if err != nil {
		return "", fmt.Errorf("new verification token: %w", err)
	}
	err = s.store.UpdateAuth(ctx, func(tx Tx) error {
		u, err := tx.User(ctx, user)
		if err != nil {
			return err
		}
		return s.issueLink(ctx, tx, u, VerifyEmailLink, token)
	})
	if err != nil {
		return "", fmt.Errorf("new verification token: %w", err)
	}
	return token, nil
}

// CancelEmailChange gives up the pending address of the actor and makes the
// links for it worthless. It returns ErrNoEmailChange if there is none.
func (s *Service) CancelEmailChange(ctx context.Context, actor users.Actor) error {
	err := s.store.UpdateAuth(ctx, func(tx Tx) error {
		u, err := tx.User(ctx, actor.ID)
		if err != nil {
			return err
		}
		if u.PendingEmail == "" {
			return ErrNoEmailChange
		}
		u.PendingEmail = ""
		if _, err := tx.SaveUser(ctx, u); err != nil {
			return err
		}
		// The same address may be asked for again; old links stay dead all the same.
		if err := dropLinks(ctx, tx, u.ID); err != nil {
			return err
		}
		return tx.AddEvent(ctx, s.users.Event(actor, u.ID, "user updated", "pending_email"))
	})
	if err != nil {
		return fmt.Errorf("cancel email change: %w", err)
	}
	return nil
}
