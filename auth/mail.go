package auth

import (
	"context"
	"log/slog"

	"github.com/hedgerow-dev/hedgerow/users"
)

// Mailer sends the library's mail. Send is called after the change it reports
// is stored, so its failure undoes nothing and is only logged. Implementations
// are safe for concurrent use; a slow one delays the answer.
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

func recipient(u users.User) Recipient {
	return Recipient{User: u.ID, Email: u.Email, Name: u.FirstName}
}

// send delivers a mail if mail is configured.
func (s *Service) send(ctx context.Context, m Message) {
	if s.config.Mailer == nil {
		return
	}
	if err := s.config.Mailer.Send(ctx, m); err != nil {
		s.config.Logger.ErrorContext(ctx, "send mail", slog.Any("error", err), slog.Int64("user", int64(m.Recipient().User)))
	}
}
