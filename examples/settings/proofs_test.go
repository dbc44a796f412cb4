package main

import (
	"slices"
	"strings"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/webauthn"
	"github.com/chromedp/chromedp"
	"github.com/pquerna/otp/totp"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/users"
)

// plugIn gives the browser an authenticator that verifies its user.
func (a at) plugIn() {
	a.t.Helper()
	a.command(a.t, "WebAuthn.enable", func() error {
		_, err := chromedp.Call(a.ctx, webauthn.Enable, webauthn.EnableParams{})
		return err
	})
	a.command(a.t, "WebAuthn.addVirtualAuthenticator", func() error {
		_, err := chromedp.Call(a.ctx, webauthn.AddVirtualAuthenticator, webauthn.AddVirtualAuthenticatorParams{Options: &webauthn.VirtualAuthenticatorOptions{
			Protocol: "ctap2", Transport: "internal", HasResidentKey: true, HasUserVerification: true, IsUserVerified: true, AutomaticPresenceSimulation: true,
		}})
		return err
	})
}

func testPasskeys(a at) {
	a.plugIn()
	a.open("Passkeys")
	a.fill("Name of the new passkey", "<Phone>")
	a.press("Register a passkey")
	a.refused("Name of the new passkey", "bracket")
	a.fill("Name of the new passkey", "Phone")
	a.press("Register a passkey")
	a.see("The passkey is registered.")
	a.press("Register a passkey")
	a.alerted("has a passkey for the account already")
	a.fill("New name of Phone", "see evil.example")
	a.press("Rename Phone")
	a.refused("New name of Phone", "address")
	a.fill("New name of Phone", "Telephone")
	a.press("Rename Phone")
	a.see("The passkey has a new name.")

	a.press("Sign out")
	a.press("Use a passkey")
	a.open("Second factor")
	a.fill("Ask for a passkey after the password", true)
	a.press("Save")
	a.see("Passkeys are a second factor.")
	a.press("Sign out")
	a.signIn(demoPassword)
	a.see("The six digits of your authenticator")
	a.press("Use a passkey")
	a.open("Passkeys")
	a.pressAll("Remove Telephone", "Remove the passkey")
	a.see("The passkey is removed.")
}

func testFactor(a at) {
	a.open("Second factor")
	a.fill("Ask for a passkey after the password", false)
	a.press("Save")
	a.see("Passkeys are no second factor.")
	a.fill("Ask for a passkey after the password", true)
	a.press("Save")
	a.refused("As second factor", "passkey")

	secret, codes := a.setUp()
	testSecondStep(a, secret, codes[0])
	testUnproved(a)
	a.open("Second factor")
	a.see("9 backup codes left")
	a.pressAll("New backup codes", "Make new codes")
	a.see("Your backup codes")
	if next := a.backupCodes(); slices.Contains(next, codes[1]) {
		a.t.Errorf("the new codes %q have one of the old ones %q", next, codes)
	}
	a.do(`(window.print = () => { window.printed = true }, 0)`)
	a.press("Print")
	a.do(`drive.until("a print", () => window.printed)`)
	a.printed()
	a.pressAll("I have them", "Turn off", "Turn it off")
	a.see("The authenticator is off.")
}

// setUp turns an authenticator on, and returns its secret and the backup codes.
func (a at) setUp() (secret string, codes []string) {
	a.t.Helper()
	a.press("Set up an authenticator")
	a.do(`drive.until("the code", () => document.querySelector("img.qr")?.naturalWidth > 100)`)
	a.fill("Code", "12")
	a.press("Turn on")
	a.refused("Code", "")
	secret = a.do(`document.querySelector(".secret").textContent`)
	a.fill("Code", a.code(secret))
	a.press("Turn on")
	a.see("Your backup codes")
	return secret, a.backupCodes()
}

// testSecondStep signs in by a code of the authenticator, and by a backup code.
func testSecondStep(a at, secret, backup string) {
	a.press("Sign out")
	a.signIn(demoPassword)
	a.fill("Code", "000000")
	a.press("Continue")
	a.refused("Code", "")
	a.clock.advance(time.Minute) // a wrong code bars the next one, and a code is good once
	a.fill("Code", a.code(secret))
	a.press("Continue")
	a.see("Dämo & Söhne")
	a.press("Sign out")
	a.see("You have signed out.")
	a.forgetCookies() // or else this browser is remembered
	a.signIn(demoPassword)
	a.fill("Code", backup)
	a.press("Continue")
	a.see("Sign out")
}

// demand sets whether the organization demands a second factor.
func (a at) demand(on bool) {
	a.t.Helper()
	err := a.store.UpdateUsers(a.t.Context(), func(tx users.Tx) error {
		o, err := tx.Organization(a.t.Context(), a.ids.Organizations["acme"].ID)
		if err != nil {
			return err
		}
		o.Enforce2FA = users.Some(on)
		return tx.SaveOrganization(a.t.Context(), o)
	})
	if err != nil {
		a.t.Fatal(err)
	}
}

func testDemanded(a at) {
	a.demand(true)
	a.open("Sessions")
	a.alerted("factor")
	a.press("Set up a second factor")
	a.see("Set up an authenticator")
	a.demand(false)
}

// testUnproved is a session that was begun without the second factor that the
// organization demands.
func testUnproved(a at) {
	token, err := a.api.Auth().StartSession(a.t.Context(), a.owner().ID, auth.StartOptions{})
	if err != nil {
		a.t.Fatal(err)
	}
	a.command(a.t, "Network.setCookie", func() error {
		_, err := chromedp.Call(a.ctx, network.SetCookie, network.SetCookieParams{Name: "sessionid", Value: string(token), URL: a.origin})
		return err
	})
	a.demand(true)
	a.press("Sessions")
	a.fill("Password", demoPassword)
	a.press("Sign in")
	a.see("This session")
	a.demand(false)
}

// code is what an authenticator with this secret shows.
func (a at) code(secret string) string {
	a.t.Helper()
	code, err := totp.GenerateCode(secret, a.clock.now())
	if err != nil {
		a.t.Fatal(err)
	}
	return code
}

func (a at) backupCodes() []string {
	a.t.Helper()
	codes := strings.Fields(a.do(`[...document.querySelectorAll(".codes li")].map(li => li.textContent).join(" ")`))
	if len(codes) != 10 {
		a.t.Fatalf("the backup codes are %q", codes)
	}
	return codes
}

// printed checks that backup codes are printed, and nothing around them.
func (a at) printed() {
	a.t.Helper()
	a.emulate(emulation.SetEmulatedMediaParams{Media: "print"})
	for selector, want := range map[string]string{".codes li": "true", "nav": "false", "header": "false", ".print button": "false"} {
		if got := a.do(`document.querySelector(%s).checkVisibility()`, selector); got != want {
			a.t.Errorf("in print, visibility of %s is %s, want %s", selector, got, want)
		}
	}
	a.emulate(emulation.SetEmulatedMediaParams{})
}

func (a at) emulate(media emulation.SetEmulatedMediaParams) {
	a.t.Helper()
	a.command(a.t, "Emulation.setEmulatedMedia", func() error {
		_, err := chromedp.Call(a.ctx, emulation.SetEmulatedMedia, media)
		return err
	})
}
