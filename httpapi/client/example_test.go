package client_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/httpapi/client"
	"github.com/hedgerow-dev/hedgerow/httpapi/httpapitest"
	"github.com/hedgerow-dev/hedgerow/users"
)

// T stands for the *testing.T of a test.
type T struct{ cleanup []func() }

func (*T) Helper()                           {}
func (*T) Fatalf(format string, args ...any) { log.Fatalf(format, args...) }
func (t *T) Cleanup(fn func())               { t.cleanup = append(t.cleanup, fn) }

// end is what a test does at its end.
func (t *T) end() {
	for _, fn := range t.cleanup {
		fn()
	}
}

func Example() {
	t := &T{}
	defer t.end()
	api := httpapitest.New(t, `{"users": {"ann": {"email": "ann@example.com", "password": "testpassword12345"}, "bob": {"email": "bob@example.com"}}}`)
	ctx := context.Background()

	c, err := client.New(api.URL, client.Config{APIKey: users.Secret(api.NewKey("ann", "user:write"))})
	if err != nil {
		log.Fatal(err)
	}
	me, err := c.UpdateUser(ctx, client.Me, client.UpdateUserParams{}, client.UserPatch{FirstName: new("Ann")})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(me.FirstName, me.Email)

	_, err = c.UpdateUser(ctx, client.Me, client.UpdateUserParams{}, client.UserPatch{Email: new("bob@example.com")})
	fmt.Println(errors.Is(err, auth.ErrCurrentPassword))
	_, err = c.UpdateUser(ctx, client.Me, client.UpdateUserParams{}, client.UserPatch{Email: new("bob@example.com"), CurrentPassword: new("testpassword12345")})
	fmt.Println(errors.Is(err, users.ErrEmailTaken))
	var refusal *users.Error
	if errors.As(err, &refusal) {
		fmt.Println(refusal.Field, refusal.Code)
	}
	// Output:
	// Ann ann@example.com
	// true
	// true
	// email unique
}

func ExampleClient_Login() {
	t := &T{}
	defer t.end()
	api := httpapitest.New(t, `{"users": {"ann": {"email": "ann@example.com", "password": "testpassword12345", "totp": true, "backup_codes": ["abcdefgh"]}}}`)
	ctx := context.Background()

	c, err := client.New(api.URL, client.Config{}) // keeps the cookies that it gets
	if err != nil {
		log.Fatal(err)
	}
	_, err = c.Login(ctx, client.Login{Email: "ann@example.com", Password: "testpassword12345"})
	if errors.Is(err, auth.Err2FARequired) {
		_, err = c.FinishLogin(ctx, client.TwoFactorToken{Token: new("abcdefgh")})
	}
	if err != nil {
		log.Fatal(err)
	}
	status, err := c.GetTwoFactorStatus(ctx, client.Me)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("signed in, with", status.BackupCodesRemaining, "backup codes left")
	// Output: signed in, with 0 backup codes left
}

func ExampleClient_AllUsers() {
	t := &T{}
	defer t.end()
	api := httpapitest.New(t, `{"users": {"ann": {"email": "ann@example.com", "is_staff": true}, "bob": {"email": "bob@example.com"}, "cleo": {"email": "cleo@example.com"}}}`)

	c, err := client.New(api.URL, client.Config{APIKey: users.Secret(api.NewKey("ann", "user:read"))})
	if err != nil {
		log.Fatal(err)
	}
	for u, err := range c.AllUsers(context.Background(), client.ListUsersParams{Limit: new(2)}) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(u.Email)
	}
	// Output:
	// ann@example.com
	// bob@example.com
	// cleo@example.com
}
