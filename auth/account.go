package auth

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/hedgerow-dev/hedgerow/users"
)

// CreateUser stores a new account; it is for the host. u comes from users.New
// with at least an Email; what is missing is filled in as users.Service.NewUser
// says. A non-empty password is held to the rules and hashed; to store a hash
// that exists already, set u.PasswordHash. It returns an Invalid error for a
// field (users.ErrEmailTaken among them).
func (s *Service) CreateUser(ctx context.Context, u users.User, password string) (users.User, error) {
	u, err := s.users.NewUser(u)
	if err != nil {
		return users.User{}, err
	}
	if password = strings.TrimSpace(password); password != "" {
		if u.PasswordHash, err = s.newPassword(ctx, u, password); err != nil {
			return users.User{}, err
		}
	}
	err = s.store.UpdateAuth(ctx, func(tx Tx) error {
		created, err := tx.CreateUser(ctx, u)
		if err != nil {
			return err
		}
		u = created
		return tx.AddEvent(ctx, s.users.Event(users.Actor{Credential: users.ByHost}, u.ID, "user created"))
	})
	if err != nil {
		return users.User{}, fmt.Errorf("create user: %w", err)
	}
	return u, nil
}

// newPassword checks and hashes.
func (s *Service) newPassword(ctx context.Context, u users.User, password string) (users.Secret, error) {
	if _, err := users.CheckText(users.Set(password), "password", users.MaxPassword); err != nil {
		return "", err
	}
	if err := s.checkStrength(u, password); err != nil {
		return "", err
	}
	return s.HashPassword(ctx, password)
}

// SetActive activates or deactivates an account; it is for the host.
// Deactivation ends the user's sessions for good. It returns users.ErrNotFound.
func (s *Service) SetActive(ctx context.Context, id users.ID, active bool) error {
	err := s.store.UpdateAuth(ctx, func(tx Tx) error {
		u, err := tx.User(ctx, id)
		if err != nil || u.IsActive == active {
			return err
		}
		u.IsActive = active
		if _, err := tx.SaveUser(ctx, u); err != nil {
			return err
		}
		if _, err := endSessions(ctx, tx, id, uuid.Nil); err != nil {
			return err
		}
		return tx.AddEvent(ctx, s.users.Event(users.Actor{Credential: users.ByHost}, id, "user updated", "is_active"))
	})
	if err != nil {
		return fmt.Errorf("set active: %w", err)
	}
	return nil
}

// update is one call of UpdateUser.
type update struct {
	principal Principal
	target    users.ID
	patch     users.Patch
	match     func(version int64) bool

	password users.Secret // hash of the new password, once made
	checked  users.Secret // the hash that the current password was compared with
	proven   bool         // checked is meaningful

	verify users.Secret // token for a new address
	before users.User   // as it was when the transaction changed it
}

// UpdateUser changes the user that target names by all of p or nothing, and returns
// the user as changed. match, unless nil, decides by the stored Version whether the
// caller's picture is still right (users.ErrStale). When the password changes, all sessions of the
// user end but the caller's own, which goes on under the secret that is
// returned; the secret is "" when the cookie stays as it is.
//
// Refusals are those of users.Service.Apply, ErrCurrentPassword,
// ErrIncorrectPassword, an Invalid error for a weak password, users.ErrForbidden
// where a key may not change address or password, and ErrThrottled.
func (s *Service) UpdateUser(ctx context.Context, p Principal, target users.ID, patch users.Patch, match func(version int64) bool) (users.User, users.Secret, error) {
	up := &update{principal: p, target: target, patch: patch, match: match}
	changed, token, err := s.runUpdate(ctx, up)
	if errors.Is(err, users.ErrEmailTaken) {
		if failed := s.record(ctx, up.takenKey(), takenAddresses); failed != nil {
			err = failed
		}
	}
	if err != nil {
		return users.User{}, "", fmt.Errorf("update user: %w", err)
	}
	if up.password != "" {
		s.send(ctx, PasswordChanged{To: recipient(changed)})
	}
	if s.stages(up) {
		s.send(ctx, s.linkMail(changed, VerifyEmailLink, up.verify))
		if changed.PendingEmail != up.before.PendingEmail {
			s.send(ctx, EmailChangeRequested{To: recipient(changed), New: changed.PendingEmail})
		}
	}
	return changed, token, nil
}

// runUpdate returns the user as changed, and the new secret of the caller's
// session, if it gets one.
func (s *Service) runUpdate(ctx context.Context, up *update) (changed users.User, token users.Secret, err error) {
	if err := s.prove(ctx, up); err != nil {
		return users.User{}, "", err
	}
	if p := up.principal; up.password != "" && p.Session.ID != uuid.Nil && p.Actor.ID == up.target {
		if token, err = s.newToken(); err != nil {
			return users.User{}, "", err
		}
	}
	if up.patch.Email.Set {
		if up.verify, err = s.newToken(); err != nil {
			return users.User{}, "", err
		}
	}
	err = s.store.UpdateAuth(ctx, func(tx Tx) (err error) {
		if changed, err = s.applyUpdate(ctx, tx, up, token); err != nil || !s.stages(up) {
			return err
		}
		return s.stage(ctx, tx, up, changed)
	})
	return changed, token, err
}

// takenKey is the log of addresses of others that the caller hit upon.
func (up *update) takenKey() string { return "taken:" + id(up.principal.Actor.ID) }

// prove does everything about passwords that a transaction is too short for:
// it demands and checks the current one and hashes the new one.
func (s *Service) prove(ctx context.Context, up *update) error {
	u := up.principal.User // read in this request
	if up.target != u.ID {
		var err error
		if u, err = s.store.User(ctx, up.target); err != nil {
			return err
		}
	}
	if err := s.judge(up, u); err != nil {
		return err
	}
	if s.asksPassword(up, u) {
		if err := s.checkCurrent(ctx, u, up); err != nil {
			return err
		}
	}
	if up.patch.Email.Set {
		if err := s.check(ctx, s.store, up.takenKey(), takenAddresses); err != nil {
			return err
		}
	}
	if !up.patch.Password.Set {
		return nil
	}
	// All fields are judged before the password is, and before any hashing.
	after, _, err := s.users.Apply(ctx, s.store, up.principal.Actor, u, up.patch)
	if err != nil {
		return err
	}
	if !up.proven {
		if err := s.checkCurrent(ctx, u, up); err != nil {
			return err
		}
	}
	up.password, err = s.newPassword(ctx, after, strings.TrimSpace(up.patch.Password.Value))
	return err
}

// judge refuses what the caller may not do to the user as stored. It is asked
// before anything that could tell whether an address is taken, and again inside
// the transaction, as the user may have changed meanwhile.
func (s *Service) judge(up *update, u users.User) error {
	if up.match != nil && !up.match(u.Version) {
		return users.ErrStale
	}
	if err := up.patch.CheckStaff(up.principal.Actor); err != nil {
		return err
	}
	if up.proven && u.PasswordHash != up.checked {
		return ErrIncorrectPassword // it was changed since it was compared
	}
	if s.config.IdentityChange == SessionOnly {
		return s.judgeIdentity(up, u)
	}
	if up.principal.ByToken() && s.config.IdentityChange == WithPassword && changesIdentity(up.patch, u) && !u.HasPassword() {
		return users.ErrForbidden
	}
	return nil
}

// judgeIdentity is the rule SessionOnly.
func (s *Service) judgeIdentity(up *update, u users.User) error {
	p := up.principal
	switch {
	case p.ByToken() && (up.patch.Password.Set || changesEmail(up.patch, u)):
		return users.ErrForbidden
	case p.BySession() && changesEmail(up.patch, u) && s.now().After(p.Session.CreatedAt.Add(emailFreshness)):
		return ErrReauthenticate
	}
	return nil
}

// asksPassword reports a change by key or token that needs the current password
// even if the password stays as it is.
func (s *Service) asksPassword(up *update, u users.User) bool {
	return s.config.IdentityChange == WithPassword && up.principal.ByToken() && changesIdentity(up.patch, u)
}

// changesIdentity reports whether a patch would change address or password, as
// far as its form allows.
func changesIdentity(p users.Patch, u users.User) bool {
	return p.Password.Set && !p.Password.Null && p.Password.Err == nil || changesEmail(p, u)
}

func changesEmail(p users.Patch, u users.User) bool {
	email, asked := askedEmail(p)
	return asked && email != u.Email
}

// askedEmail returns the address that p asks for, if it is one.
func askedEmail(p users.Patch) (email string, ok bool) {
	if !p.Email.Set {
		return "", false
	}
	email, err := users.CheckEmail(p.Email)
	return email, err == nil
}

// checkCurrent compares the current password, when the account has one, and
// counts failures.
func (s *Service) checkCurrent(ctx context.Context, u users.User, up *update) error {
	up.proven, up.checked = true, u.PasswordHash
	if !u.HasPassword() {
		// Only the owner may set a first password.
		if up.principal.Actor.ID != u.ID {
			return users.ErrForbidden
		}
		return nil
	}
	if !up.patch.CurrentPassword.Set {
		return ErrCurrentPassword
	}
	password, err := users.CheckText(up.patch.CurrentPassword, "current_password", 0)
	if err != nil {
		return err
	}
	release, err := s.hasher.slot(ctx)
	if err != nil {
		return err
	}
	defer release()
	key := "password:" + id(u.ID)
	if err := s.check(ctx, s.store, key, passwordFailures); err != nil {
		return err
	}
	if s.hasher.matches(u.PasswordHash, clip(password)) && utf8.RuneCountInString(password) <= users.MaxPassword {
		return nil
	}
	err = s.store.UpdateAuth(ctx, func(tx Tx) error {
		if err := s.count(ctx, tx, key, passwordFailures); err != nil {
			return err
		}
		return tx.AddEvent(ctx, s.users.Event(up.principal.Actor, u.ID, "password check failed"))
	})
	if err != nil {
		return err
	}
	return ErrIncorrectPassword
}

// stages reports whether the update asks for an address that has to be verified.
// Asking for the one that is pending already sends a link again.
func (s *Service) stages(up *update) bool {
	email, asked := askedEmail(up.patch)
	return asked && s.MailConfigured() && users.FoldEmail(email) != users.FoldEmail(up.before.Email)
}

// stage makes the links that u was sent worthless and stores the one to the new
// address.
func (s *Service) stage(ctx context.Context, tx Tx, up *update, u users.User) error {
	key := "stage:" + id(up.principal.Actor.ID)
	if err := s.check(ctx, tx, key, stagedAddresses); err != nil {
		return err
	}
	if err := s.count(ctx, tx, key, stagedAddresses); err != nil {
		return err
	}
	if err := dropLinks(ctx, tx, u.ID); err != nil {
		return err
	}
	return s.issueLink(ctx, tx, u, VerifyEmailLink, up.verify)
}

// applyUpdate is the transaction of UpdateUser.
func (s *Service) applyUpdate(ctx context.Context, tx Tx, up *update, token users.Secret) (users.User, error) {
	before, err := tx.User(ctx, up.target)
	if err != nil {
		return users.User{}, err
	}
	up.before = before
	if err := s.judge(up, before); err != nil {
		return users.User{}, err
	}
	if !up.proven && s.asksPassword(up, before) {
		return users.User{}, ErrCurrentPassword
	}
	u, fields, err := s.users.Apply(ctx, tx, up.principal.Actor, before, up.patch)
	if err != nil {
		return users.User{}, err
	}
	if up.password != "" {
		u.PasswordHash = up.password
		fields = append(fields, "password")
		slices.Sort(fields)
	}
	if len(fields) == 0 {
		return before, nil
	}
	if u, err = tx.SaveUser(ctx, u); err != nil {
		return users.User{}, err
	}
	if up.password != "" || u.Email != before.Email && users.FoldEmail(u.Email) != users.FoldEmail(before.Email) ||
		u.PasskeysEnabledFor2FA.Value != before.PasskeysEnabledFor2FA.Value {
		if err := s.endOthers(ctx, tx, up, token); err != nil {
			return users.User{}, err
		}
	}
	return u, tx.AddEvent(ctx, s.users.Event(up.principal.Actor, u.ID, "user updated", fields...))
}

// endOthers ends the sessions of the target but the one that makes the change,
// which gets a new secret if there is one.
func (s *Service) endOthers(ctx context.Context, tx Tx, up *update, token users.Secret) error {
	own := uuid.Nil
	if up.principal.BySession() && up.principal.Actor.ID == up.target {
		own = up.principal.Session.ID
	}
	if _, err := endSessions(ctx, tx, up.target, own); err != nil {
		return err
	}
	if own == uuid.Nil || token == "" {
		return nil
	}
	session, err := liveSession(ctx, tx, up.principal)
	if err != nil {
		return err
	}
	session.Hash = hashOf(token)
	return tx.SaveSession(ctx, session)
}
