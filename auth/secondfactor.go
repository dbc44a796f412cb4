package auth

import (
	"bytes"
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
	Drift    int    // steps that the device's clock was ahead of ours when last used
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
	Verified     bool   // it was used to prove that it works
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
