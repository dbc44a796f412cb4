package main

import (
	"testing"

	"github.com/chromedp/chromedp"
)

// TestPage walks through all panels in a browser, with what is refused in each.
// The panels share an account, so their order matters where one changes how to
// sign in.
func TestPage(t *testing.T) {
	s := newStage(t)
	for _, part := range []struct {
		name string
		test func(at)
	}{
		{"sign in", testSignIn},
		{"profile", testProfile},
		{"appearance", testAppearance},
		{"notifications", testNotifications},
		{"autonomy", testAutonomy},
		{"sessions", testSessions},
		{"keys", testKeys},
		{"GitHub", testGitHub},
		{"passkeys", testPasskeys},
		{"second factor", testFactor},
		{"end of the session", testEnd},
	} {
		done := t.Run(part.name, func(t *testing.T) {
			a := at{s, t}
			part.test(a)
			a.clean()
		})
		if !done {
			break // the others would wait for what is not there
		}
	}
}

func testSignIn(a at) {
	a.visit("/")
	a.signIn("")
	a.refused("Password", "blank")
	a.signIn("wrong")
	a.do(`drive.idle()`)
	a.alerted("password")
	a.signIn(demoPassword)
	a.see("Demo Hog")
	a.press("Sign out")
	a.see("You have signed out.")
	// The same by keyboard alone; the address has the focus.
	keys := chromedp.Steps(chromedp.KeyEvent(demoEmail), chromedp.KeyEvent("\t"), chromedp.KeyEvent(demoPassword), chromedp.KeyEvent("\r"))
	if err := chromedp.Do(a.ctx, keys); err != nil {
		a.t.Fatal(err)
	}
	a.see("Demo Hog")
}

func testProfile(a at) {
	a.open("Profile")
	a.fill("First name", "<b>Bold</b>")
	a.press("Save profile")
	a.refused("First name", "")
	a.fill("First name", "Dämo & Söhne")
	a.fill("Role", "founder")
	a.press("Save profile")
	a.see("Your profile is saved.")
	a.see("Dämo & Söhne Hog")

	a.fill("Address", "demo@")
	a.press("Change address")
	a.refused("Address", "valid")

	a.fill("Current password", "wrong")
	a.fill("New password", "another-long-password-42")
	a.press("Change password")
	a.refused("Current password", "")
	a.fill("Current password", demoPassword)
	a.fill("New password", "12345678")
	a.press("Change password")
	a.refused("New password", "")
}
