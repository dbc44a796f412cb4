package passkey_test

import (
	"context"
	"fmt"
	"time"

	"github.com/descope/virtualwebauthn"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/auth/passkey"
	"github.com/hedgerow-dev/hedgerow/storage/memory"
	"github.com/hedgerow-dev/hedgerow/users"
)

// A service with passkeys, and an authenticator in software in place of a browser.
func Example() {
	ctx, store := context.Background(), memory.New()
	ceremony, err := passkey.New(passkey.Config{RPID: "example.com", DisplayName: "Example", Origins: []string{"https://app.example.com"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	service, err := auth.NewService(store, users.NewService(store, users.Config{}), auth.Config{Passkeys: ceremony})
	if err != nil {
		fmt.Println(err)
		return
	}
	ann := users.New()
	ann.Email = "ann@example.com"
	if ann, err = service.CreateUser(ctx, ann, ""); err != nil {
		fmt.Println(err)
		return
	}
	signedIn, err := service.HostSession(ctx, ann.ID, time.Now(), false)
	if err != nil {
		fmt.Println(err)
		return
	}

	options, err := service.StartPasskey(ctx, signedIn)
	if err != nil {
		fmt.Println(err)
		return
	}
	browser := newBrowser()
	k, err := service.ConfirmPasskey(ctx, signedIn, users.Set(browser.create(options)), users.Set("Ann's phone"))
	fmt.Println(k.Name, k.Verified, err)

	options, challenge, err := service.StartPasskeyLogin(ctx, "192.0.2.1", users.Field[string]{})
	if err != nil {
		fmt.Println(err)
		return
	}
	session, err := service.PasskeyLogin(ctx, auth.PasskeyLoginRequest{Challenge: challenge, Credential: users.Set(browser.get(options)), Client: "192.0.2.1"})
	if err != nil {
		fmt.Println(err)
		return
	}
	p, err := service.Session(ctx, session)
	fmt.Println(p.User.Email, p.Session.SecondFactor, err)
	// Output:
	// Ann's phone true <nil>
	// ann@example.com true <nil>
}

// browser is a page on https://app.example.com and its authenticator.
type browser struct {
	page          virtualwebauthn.RelyingParty
	authenticator virtualwebauthn.Authenticator
	key           virtualwebauthn.Credential
}

func newBrowser() *browser {
	return &browser{
		page:          virtualwebauthn.RelyingParty{ID: "example.com", Origin: "https://app.example.com"},
		authenticator: virtualwebauthn.NewAuthenticator(),
		key:           virtualwebauthn.NewCredential(virtualwebauthn.KeyTypeRSA),
	}
}

// create is navigator.credentials.create; options it cannot read panic.
func (b *browser) create(options []byte) users.JSON {
	o, err := virtualwebauthn.ParseAttestationOptions(string(options))
	if err != nil {
		panic(err)
	}
	b.authenticator.Options.UserHandle = []byte(o.UserID)
	return users.JSON(virtualwebauthn.CreateAttestationResponse(b.page, b.authenticator, b.key, *o))
}

// get is navigator.credentials.get.
func (b *browser) get(options []byte) users.JSON {
	o, err := virtualwebauthn.ParseAssertionOptions(string(options))
	if err != nil {
		panic(err)
	}
	b.key.Counter++
	return users.JSON(virtualwebauthn.CreateAssertionResponse(b.page, b.authenticator, b.key, *o))
}
