package auth

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/hedgerow-dev/hedgerow/users"
)

// SecondFactor is the confirmed authenticator of a user, with its backup codes.
// users.User.HasTOTP says that there is one.
type SecondFactor struct {
	UserID   users.ID
	Secret   []byte // sealed
	LastStep int64  // the latest time step that was used; it and earlier ones are spent
	Drift    int    // steps that the device's clock was ahead of ours at set-up
	// BackupCodes are hashes of the unused ones in the form of password hashes.
	// Those of one set share cost and salt, so that one hash checks all.
	BackupCodes []users.Secret
	// Failures in a row, and until when they bar further tries.
	Failures     int
	BlockedUntil time.Time
	ConfirmedAt  time.Time
}

// Clone returns a copy that shares nothing with f.
func (f SecondFactor) Clone() SecondFactor {
	f.Secret = bytes.Clone(f.Secret)
	f.BackupCodes = slices.Clone(f.BackupCodes)
	return f
}

// Passkey is a WebAuthn credential of a user. users.User.HasVerifiedPasskey says
// that a verified one exists.
type Passkey struct {
	ID           uuid.UUID // public; CredentialID is the authenticator's
	UserID       users.ID
	CredentialID []byte
	UserHandle   []byte // random; the same for all passkeys of a user
	Name         string // chosen by the user
	Data         []byte // the credential as package auth/passkey reads it
	Verified     bool   // its user verification counts, and so it can be a second factor
	CreatedAt    time.Time
	LastUsedAt   time.Time
}

// Clone returns a copy that shares nothing with k.
func (k Passkey) Clone() Passkey {
	k.CredentialID = bytes.Clone(k.CredentialID)
	k.UserHandle = bytes.Clone(k.UserHandle)
	k.Data = bytes.Clone(k.Data)
	return k
}

// TwoFactorStatus is what a user may know about the second factor.
type TwoFactorStatus struct {
	HasTOTP              bool
	HasPasskeys          bool // a verified one
	PasskeysEnabled      bool // passkeys count as second factor
	BackupCodesRemaining int
}

// IsEnabled reports whether signing in asks for a second factor.
func (s TwoFactorStatus) IsEnabled() bool { return s.HasTOTP || s.PasskeysEnabled }

// TwoFactor returns the second factor of a user. It returns users.ErrNotFound.
func (s *Service) TwoFactor(ctx context.Context, user users.ID) (TwoFactorStatus, error) {
	u, err := s.store.User(ctx, user)
	if err != nil {
		return TwoFactorStatus{}, fmt.Errorf("read second factor: %w", err)
	}
	f, err := s.store.SecondFactor(ctx, user)
	if err != nil && !errors.Is(err, users.ErrNotFound) {
		return TwoFactorStatus{}, fmt.Errorf("read second factor: %w", err)
	}
	return TwoFactorStatus{
		HasTOTP: u.HasTOTP, HasPasskeys: u.HasVerifiedPasskey,
		PasskeysEnabled:      u.PasskeysEnabledFor2FA.Value && u.HasVerifiedPasskey,
		BackupCodesRemaining: len(f.BackupCodes),
	}, nil
}

// DisableTOTP removes the caller's authenticator and backup codes, ends the
// other sessions, remembered devices and pending logins, and tells the owner.
// Without an authenticator it does nothing. Passkeys stay as they are.
func (s *Service) DisableTOTP(ctx context.Context, p Principal) error {
	var u users.User
	changed := false
	err := s.store.UpdateAuth(ctx, func(tx Tx) (err error) {
		if u, err = liveUser(ctx, tx, p); err != nil {
			return err
		}
		if changed, err = dropTOTP(ctx, tx, &u); err != nil || !changed {
			return err
		}
		if _, err := endSessions(ctx, tx, u.ID, p.Session.ID); err != nil {
			return err
		}
		if u, err = tx.SaveUser(ctx, u); err != nil {
			return err
		}
		return tx.AddEvent(ctx, s.users.Event(p.Actor, u.ID, "second factor disabled"))
	})
	if err != nil {
		return fmt.Errorf("disable TOTP: %w", err)
	}
	if changed {
		s.send(ctx, TwoFactorDisabled{To: recipient(u)})
	}
	return nil
}

// dropTOTP removes the authenticator with its backup codes, if there is one. The
// caller saves u.
func dropTOTP(ctx context.Context, tx Tx, u *users.User) (changed bool, err error) {
	err = tx.DeleteSecondFactor(ctx, u.ID)
	if err != nil && !errors.Is(err, users.ErrNotFound) {
		return false, err
	}
	changed = u.HasTOTP || err == nil
	u.HasTOTP = false
	return changed, nil
}

// ResetSecondFactor lets a user who lost the second factor sign in by password
// alone; it is for the operator. It removes authenticator and backup codes, stops
// asking for passkeys, and ends all sessions, remembered devices and pending
// logins. The owner is told. Without a second factor it does nothing. It returns
// users.ErrNotFound.
func (s *Service) ResetSecondFactor(ctx context.Context, user users.ID) error {
	var u users.User
	changed := false
	err := s.store.UpdateAuth(ctx, func(tx Tx) (err error) {
		if u, err = tx.User(ctx, user); err != nil {
			return err
		}
		if changed, err = dropTOTP(ctx, tx, &u); err != nil {
			return err
		}
		if changed = changed || u.PasskeysEnabledFor2FA.Value; !changed {
			return nil
		}
		u.PasskeysEnabledFor2FA = users.Some(false)
		if u, err = tx.SaveUser(ctx, u); err != nil {
			return err
		}
		if _, err := endSessions(ctx, tx, u.ID, uuid.Nil); err != nil {
			return err
		}
		return tx.AddEvent(ctx, s.users.Event(users.Actor{Credential: users.ByHost}, u.ID, "second factor reset"))
	})
	if err != nil {
		return fmt.Errorf("reset second factor: %w", err)
	}
	if changed {
		s.send(ctx, SecondFactorReset{To: recipient(u)})
	}
	return nil
}
