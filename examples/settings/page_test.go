package main

import (
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/hedgerow-dev/hedgerow/users"
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
		{"drawing", testDrawing},
		{"notifications", testNotifications},
		{"autonomy", testAutonomy},
		{"second factor demanded", testDemanded},
		{"sessions", testSessions},
		{"keys", testKeys},
		{"GitHub", testGitHub},
		{"passkeys", testPasskeys},
		{"second factor", testFactor},
		{"end of the session", testEnd},
		{"keyboard", testKeyboard},
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
	a.do(`import("/api.js").then(m => m.call("GET", m.me)).catch(err => drive.idle())`) // as a request that was under way
	a.see("You have signed out.")
	// The same by keyboard alone; the address has the focus.
	a.keys(demoEmail, "\t", demoPassword, "\r")
	a.see("Demo Hog")
}

// keys types, to whatever has the focus.
func (a at) keys(keys ...string) {
	a.t.Helper()
	for _, key := range keys {
		if err := chromedp.Do(a.ctx, chromedp.KeyEvent(key)); err != nil {
			a.t.Fatalf("type %q: %v", key, err)
		}
	}
}

// focused is the name of what has the focus.
func (a at) focused() string {
	a.t.Helper()
	return a.do(`document.activeElement.ariaLabel || document.activeElement.textContent`)
}

// testKeyboard goes from the beginning of the page to a panel and into a question,
// and out of it.
func testKeyboard(a at) {
	a.visit("/")
	a.open("API keys")
	if got := a.focused(); got != "API keys" {
		a.t.Errorf("the focus is on %q, want the heading of the panel", got)
	}
	a.do(`document.querySelector(".skip").focus()`)
	for _, want := range []string{"Sign out", "Profile", "Appearance"} {
		if a.keys("\t"); a.focused() != want {
			a.t.Errorf("the focus is on %q, want %q", a.focused(), want)
		}
	}
	if got := a.do(`getComputedStyle(document.activeElement).outlineStyle`); got != "solid" {
		a.t.Errorf("the outline of what has the focus is %q", got)
	}
	a.do(`document.querySelector("main li button.danger").focus()`)
	a.keys("\r")
	a.do(`drive.until("the question", () => document.querySelector("dialog[open]"))`)
	a.keys(kb.Escape)
	a.do(`drive.until("an end", () => !document.querySelector("dialog"))`)
	if got := a.focused(); got != "Delete Deploy script" {
		a.t.Errorf("the focus is on %q after the question, want what had asked", got)
	}
}

// TestPolicy: a script that got into the page does not run, and is reported, by
// which the other tests would see it.
func TestPolicy(t *testing.T) {
	a := at{newStage(t), t}
	a.visit("/")
	a.do(`document.body.append(Object.assign(document.createElement("script"), {textContent: "window.ran = true"}))`)
	a.do(`document.body.append(Object.assign(document.createElement("img"), {src: "http://127.0.0.1:1/x.png"}))`)
	a.do(`drive.until("reports", () => wrong.length >= 3)`)
	if got := a.do(`[window.ran, wrong.filter(w => w.startsWith("policy")).join()]`); got != ",policy: script-src-elem inline,policy: img-src http://127.0.0.1:1/x.png" {
		t.Errorf("got %s", got)
	}
}

// pendingEmail makes an address wait for verification, as it does where mail is sent.
func (a at) pendingEmail(email string) {
	a.t.Helper()
	err := a.store.UpdateUsers(a.t.Context(), func(tx users.Tx) error {
		u, err := tx.User(a.t.Context(), a.ids.Users[demoUser].ID)
		if err != nil {
			return err
		}
		u.PendingEmail = email
		_, err = tx.SaveUser(a.t.Context(), u)
		return err
	})
	if err != nil {
		a.t.Fatal(err)
	}
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

	a.pendingEmail("other@example.com")
	a.visit("/")
	a.see("other@example.com waits for the link")
	a.press("Cancel the change")
	a.see("The address stays as it is.")
	if got := a.owner().PendingEmail; got != "" {
		a.t.Errorf("the pending address is %q", got)
	}
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
