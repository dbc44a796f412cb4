package auth

import (
	"bytes"
	"context"
	"time"

	"github.com/hedgerow-dev/hedgerow/users"
)

// Purpose is what a Ticket is good for. A ticket of one purpose is worth nothing
// for another.
type Purpose string

// The purposes of tickets.
const (
	// TOTPSetup holds the secret of an authenticator that is not confirmed yet,
	// sealed.
	TOTPSetup Purpose = "totp_setup"
	// PendingLogin stands for a right password whose second step is due.
	PendingLogin Purpose = "pending_login"
	// RememberedDevice skips the second step. It is used many times.
	RememberedDevice Purpose = "remembered_device"
	// VerifyEmailLink and PasswordResetLink are links in mails.
	VerifyEmailLink   Purpose = "verify_email"
	PasswordResetLink Purpose = "password_reset"
	// PasskeySetup, PasskeyLogin and PasskeyStep are challenges that a passkey must
	// sign: to be registered, to sign in, and for the second step of a login.
	PasskeySetup Purpose = "passkey_setup"
	PasskeyLogin Purpose = "passkey_login"
	PasskeyStep  Purpose = "passkey_step"
)

// Ticket is a right that lasts for a short time. Hash is that of the secret that
// was handed out or, for what belongs to a session, of the session; either way a
// ticket is found by Purpose and Hash together. Whoever spends it deletes it in
// the transaction that grants what it is for.
type Ticket struct {
	Purpose   Purpose
	Hash      Hash
	UserID    users.ID // zero for PasskeyLogin, as the user is not known yet
	Data      []byte   // what the purpose needs besides; nil is as good as empty
	CreatedAt time.Time
	ExpiresAt time.Time // until then it is kept; it may be void earlier
}

// Clone returns a copy that shares nothing with t.
func (t Ticket) Clone() Ticket {
	t.Data = bytes.Clone(t.Data)
	return t
}

// addTicket stores a ticket; the oldest of its user and purpose give way to it,
// so that there are at most so many. The caller has read the user in tx, whose
// lock makes the count right under a race.
func addTicket(ctx context.Context, tx Tx, t Ticket, most int) error {
	old, err := tx.Tickets(ctx, t.UserID, t.Purpose)
	if err != nil {
		return err
	}
	for ; len(old) >= most; old = old[1:] {
		if err := tx.DeleteTicket(ctx, t.Purpose, old[0].Hash); err != nil {
			return err
		}
	}
	return tx.SaveTicket(ctx, t)
}
