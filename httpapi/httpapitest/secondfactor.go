package httpapitest

import (
	"context"
	"crypto/rand"
	"encoding/base32"
	"errors"
	"net/http"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/users"
)

// factorSpec is what a user of a world signs in with besides the password.
type factorSpec struct {
	TOTP                  member[bool]          `json:"totp"`
	BackupCodes           member[[]string]      `json:"backup_codes"`
	Passkeys              member[[]passkeySpec] `json:"passkeys"`
	PasskeysEnabledFor2FA member[*bool]         `json:"passkeys_enabled_for_2fa"`
}

// passkeySpec is a passkey whose authenticator nobody has: it counts, and cannot
// be used.
type passkeySpec struct {
	Verified bool `json:"verified"`
}

const (
	secretBytes     = 20 // as the API makes them
	credentialBytes = 32
	handleBytes     = 64
)

func (s factorSpec) empty() bool {
	return !s.TOTP.set && !s.BackupCodes.set && !s.Passkeys.set && !s.PasskeysEnabledFor2FA.set
}

// factorChange is a factorSpec that is ready to be stored for one user.
type factorChange struct {
	user   users.ID
	spec   factorSpec
	factor *auth.SecondFactor // nil for none
}

// factorChange makes secrets and hashes, which is not for a transaction.
func (f *fixture) factorChange(ctx context.Context, at jsontext.Pointer, user users.ID, s factorSpec) (*factorChange, error) {
	c := &factorChange{user: user, spec: s}
	if !s.TOTP.set && !s.BackupCodes.set {
		return c, nil
	}
	secret, err := f.api.Auth().TOTPSecret(ctx, user)
	enabled := s.TOTP.or(err == nil)
	if err != nil && !errors.Is(err, users.ErrNotFound) {
		return nil, err
	}
	if !enabled {
		return c, nil // backup codes stand in for an authenticator, and are nothing without
	}
	if secret == "" {
		b := make([]byte, secretBytes)
		rand.Read(b)
		secret = users.Secret(base32.StdEncoding.EncodeToString(b))
	}
	codes := make([]users.Secret, 0, len(s.BackupCodes.value))
	for _, code := range s.BackupCodes.value {
		codes = append(codes, users.Secret(code))
	}
	factor, err := f.api.Auth().NewTOTP(ctx, user, secret, codes)
	if err != nil {
		return nil, refusedAt(at, err)
	}
	if !s.BackupCodes.set {
		old, err := f.store.SecondFactor(ctx, user)
		if err != nil && !errors.Is(err, users.ErrNotFound) {
			return nil, err
		}
		factor.BackupCodes = old.BackupCodes
	}
	c.factor = &factor
	return c, nil
}

// save stores the change and sets what u says about it.
func (c *factorChange) save(ctx context.Context, tx auth.Tx, u *users.User) error {
	if c.spec.PasskeysEnabledFor2FA.set {
		u.PasskeysEnabledFor2FA = optional(c.spec.PasskeysEnabledFor2FA.value)
	}
	if c.spec.TOTP.set || c.spec.BackupCodes.set {
		if err := c.saveFactor(ctx, tx, u); err != nil {
			return err
		}
	}
	if !c.spec.Passkeys.set {
		return nil
	}
	return c.savePasskeys(ctx, tx, u)
}

func (c *factorChange) saveFactor(ctx context.Context, tx auth.Tx, u *users.User) error {
	u.HasTOTP = c.factor != nil
	if c.factor != nil {
		return tx.SaveSecondFactor(ctx, *c.factor)
	}
	if err := tx.DeleteSecondFactor(ctx, c.user); !errors.Is(err, users.ErrNotFound) {
		return err
	}
	return nil
}

// savePasskeys replaces those there are.
func (c *factorChange) savePasskeys(ctx context.Context, tx auth.Tx, u *users.User) error {
	old, err := tx.Passkeys(ctx, c.user)
	if err != nil {
		return err
	}
	for _, k := range old {
		if err := tx.DeletePasskey(ctx, k.ID); err != nil {
			return err
		}
	}
	u.HasVerifiedPasskey = false
	handle := make([]byte, handleBytes)
	rand.Read(handle)
	for n, p := range c.spec.Passkeys.value {
		credential := make([]byte, credentialBytes)
		rand.Read(credential)
		k := auth.Passkey{
			ID: uuid.New(), UserID: c.user, CredentialID: credential, UserHandle: handle, Name: "Passkey", Verified: p.Verified,
			CreatedAt: u.DateJoined.Add(-older(n, len(c.spec.Passkeys.value))),
		}
		if err := tx.SavePasskey(ctx, k); err != nil {
			return err
		}
		u.HasVerifiedPasskey = u.HasVerifiedPasskey || p.Verified
	}
	return nil
}

// postTOTP tells the code that an authenticator shows now: that of a user, or
// one with a secret in base 32.
func postTOTP(c *controlCall) (any, error) {
	var in struct {
		User   member[string] `json:"user"`
		Secret member[string] `json:"secret"`
	}
	if err := decode(c.body, &in); err != nil {
		return nil, err
	}
	if in.User.set == in.Secret.set {
		return nil, refuse("", `either "user" or "secret" belongs here`)
	}
	secret, at := users.Secret(in.Secret.value), jsontext.Pointer("/secret")
	if in.User.set {
		at = "/user"
		u, err := find(at, c.ids.Users, in.User.value)
		if err != nil {
			return nil, err
		}
		secret, err = c.api.Auth().TOTPSecret(c.Context(), u.ID)
		if errors.Is(err, users.ErrNotFound) {
			return nil, refuse(at, "this user has no authenticator")
		} else if err != nil {
			return nil, err
		}
	}
	code, err := auth.TOTPCode(secret, c.clock.Now())
	if err != nil {
		return nil, refuse(at, err.Error())
	}
	return map[string]string{"code": code}, nil
}

// factorControls are the control endpoints of the second factor.
func factorControls() []control {
	return []control{{http.MethodPost, "totp", postTOTP}}
}
