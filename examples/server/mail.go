package main

import (
	"fmt"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/auth/mail"
)

// smtpVariable holds the mail server, such as smtp://user:password@host, and
// fromVariable the address that mail comes from.
const (
	smtpVariable = "HEDGEROW_SMTP_URL"
	fromVariable = "HEDGEROW_MAIL_FROM"
)

// mailer makes the sender of mail, nil if there is no mail server. Both variables
// or neither must be set: one alone is a mistake.
func mailer(server, from string) (auth.Mailer, error) {
	switch {
	case server == "" && from == "":
		return nil, nil
	case server == "":
		return nil, fmt.Errorf("%s is set, but %s is not", fromVariable, smtpVariable)
	case from == "":
		return nil, fmt.Errorf("%s is set, but %s is not", smtpVariable, fromVariable)
	}
	sender, err := mail.NewSMTP(server, from, mail.Config{})
	if err != nil {
		return nil, fmt.Errorf("%s, %s: %w", smtpVariable, fromVariable, err)
	}
	return sender, nil
}
