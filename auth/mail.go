package auth

import (
	"context"
	"reflect"
	"strings"
	"unicode"

	"github.com/hedgerow-dev/hedgerow/users"
)

// Mailer sends the library's mail. Send is called one mail at a time, after the
// change it reports is stored and after the request that caused it was
// answered; its failure undoes nothing and is only logged. Service.Flush waits
// for mail that was not handed over yet. Package auth/mail has implementations.
type Mailer interface {
	Send(ctx context.Context, m Message) error
}

// Message is one mail. The types of this package that implement it are all
// there are.
type Message interface {
	// Recipient is whom it goes to.
	Recipient() Recipient
	message()
}

// Kind names the type of a message in lower case, such as "password_changed".
func Kind(m Message) string {
	var b strings.Builder
	for i, r := range reflect.TypeOf(m).Name() {
		if unicode.IsUpper(r) && i > 0 {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}

// Recipient is where a mail goes.
type Recipient struct {
	User  users.ID
	Email string
	Name  string // first name; may be ""
}

// PasswordChanged tells the owner that the password of the account changed.
type PasswordChanged struct{ To Recipient }

// Recipient is whom it goes to.
func (m PasswordChanged) Recipient() Recipient { return m.To }
func (PasswordChanged) message()               {}

// TwoFactorEnabled tells the owner that an authenticator was set up.
type TwoFactorEnabled struct{ To Recipient }

// Recipient is whom it goes to.
func (m TwoFactorEnabled) Recipient() Recipient { return m.To }
func (TwoFactorEnabled) message()               {}

// TwoFactorDisabled tells the owner that the authenticator was removed.
type TwoFactorDisabled struct{ To Recipient }

// Recipient is whom it goes to.
func (m TwoFactorDisabled) Recipient() Recipient { return m.To }
func (TwoFactorDisabled) message()               {}

// BackupCodeUsed tells the owner that somebody signed in by a backup code.
type BackupCodeUsed struct {
	To        Recipient
	Remaining int // codes that are left
}

// Recipient is whom it goes to.
func (m BackupCodeUsed) Recipient() Recipient { return m.To }
func (BackupCodeUsed) message()               {}

// SecondFactorReset tells the owner that an operator removed the second factor.
type SecondFactorReset struct{ To Recipient }

// Recipient is whom it goes to.
func (m SecondFactorReset) Recipient() Recipient { return m.To }
func (SecondFactorReset) message()               {}

// EmailVerification goes to an address that has to be proved: a new one, or that
// of an account which was never verified.
type EmailVerification struct {
	To Recipient
	// Token is what Service.VerifyEmail takes, and Link the page of the host that
	// has it: Config.VerifyEmailURL with user and token.
	Token users.Secret
	Link  users.Secret
}

// Recipient is whom it goes to.
func (m EmailVerification) Recipient() Recipient { return m.To }
func (EmailVerification) message()               {}

// EmailChangeRequested tells the current address that another one is waiting for
// verification.
type EmailChangeRequested struct {
	To  Recipient
	New string
}

// Recipient is whom it goes to.
func (m EmailChangeRequested) Recipient() Recipient { return m.To }
func (EmailChangeRequested) message()               {}

// EmailChanged tells the old and the new address, each in a mail of its own, that
// the account changed from one to the other.
type EmailChanged struct {
	To       Recipient
	Old, New string
}

// Recipient is whom it goes to.
func (m EmailChanged) Recipient() Recipient { return m.To }
func (EmailChanged) message()               {}

// PasswordReset lets the owner of an address choose a new password.
type PasswordReset struct {
	To Recipient
	// Token is what Service.ResetPassword takes, and Link the page of the host
	// that has it: Config.PasswordResetURL with user and token.
	Token users.Secret
	Link  users.Secret
}

// Recipient is whom it goes to.
func (m PasswordReset) Recipient() Recipient { return m.To }
func (PasswordReset) message()               {}

func recipient(u users.User) Recipient { return recipientAt(u, u.Email) }

// recipientAt is a user at an address that is not the current one.
func recipientAt(u users.User, email string) Recipient {
	return Recipient{User: u.ID, Email: email, Name: u.FirstName}
}
