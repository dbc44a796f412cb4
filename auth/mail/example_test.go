package mail_test

import (
	"fmt"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/auth/mail"
	"github.com/hedgerow-dev/hedgerow/httpapi"
)

func Example() {
	server, err := mail.NewSMTP("smtp://user:password@mail.example.com", "Acme <no-reply@acme.example>", mail.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	config := httpapi.Config{PublicURL: "https://app.acme.example", Auth: auth.Config{Mailer: server}}
	fmt.Println(config.Auth.Mailer != nil)

	_, err = mail.NewSMTP("smtp://user:password@mail.example.com?tls=none", "no-reply@acme.example", mail.Config{})
	fmt.Println(err)
	// Output:
	// true
	// SMTP server: tls=none is for servers on this machine
}

func ExampleRenderer_Render() {
	r, err := mail.NewRenderer("Acme")
	if err != nil {
		fmt.Println(err)
		return
	}
	c, err := r.Render(auth.PasswordChanged{To: auth.Recipient{Email: "ann@example.com", Name: "Ann"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(c.Subject)
	fmt.Println()
	fmt.Print(c.Text)
	// Output:
	// Your password was changed
	//
	// Hello Ann,
	//
	// The password of your Acme account was changed, and all other sessions were signed out.
	//
	// If it was not you, reset your password now, and tell whoever runs the service.
	//
	// Acme
}
