package main

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"github.com/hedgerow-dev/hedgerow/internal/browsertest"
)

var screenshots = flag.String("screenshots", "", "folder to write the README's pictures of the page to")

// TestAccessible has axe-core judge every panel, and what appears in them, in
// light and dark, on a desktop and on a phone.
func TestAccessible(t *testing.T) {
	s := newStage(t)
	registerPasskey(at{s, t})
	for _, screen := range []struct {
		name          string
		width, height int64
	}{{"desktop", 1100, 780}, {"phone", 360, 740}} {
		for _, scheme := range []string{"light", "dark"} {
			t.Run(screen.name+", "+scheme, func(t *testing.T) {
				a := at{s, t}
				a.emulate(emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}})
				if err := chromedp.Do(a.ctx, chromedp.EmulateViewport(screen.width, screen.height)); err != nil {
					t.Fatal(err)
				}
				a.forgetCookies()
				a.visit("/")
				browsertest.LoadAxe(t, a.ctx)
				testAccessible(a)
				if *screenshots != "" {
					a.photograph(filepath.Join(*screenshots, "settings-"+screen.name+"-"+scheme+".png"))
				}
				a.clean()
			})
		}
	}
}

// registerPasskey makes the panel of passkeys show one.
func registerPasskey(a at) {
	a.plugIn()
	a.visit("/")
	a.signIn(demoPassword)
	a.open("Passkeys")
	a.press("Register a passkey")
	a.see("The passkey is registered.")
}

// photograph writes what the screen shows to a file.
func (a at) photograph(path string) {
	a.t.Helper()
	picture, err := chromedp.Run(a.ctx, chromedp.CaptureScreenshot())
	if err != nil {
		a.t.Fatalf("take a screenshot: %v", err)
	}
	if err := os.WriteFile(path, picture, 0o644); err != nil {
		a.t.Fatal(err)
	}
}

func testAccessible(a at) {
	a.do(`drive.until("the form", () => document.querySelector("input"))`)
	a.press("Sign in")
	a.refused("Email", "")
	a.accessible("sign in, with an error")
	a.signIn(demoPassword)
	a.see("About you")
	for _, title := range strings.Split(a.do(`[...document.querySelectorAll("nav a")].map(link => link.textContent).join("\n")`), "\n") {
		a.open(title)
		a.accessible(title)
	}
	a.open("Second factor")
	a.press("Set up an authenticator")
	a.see("Scan this")
	a.accessible("set-up of an authenticator")
	a.open("Profile")
	a.open("Second factor")
	a.setUp()
	a.accessible("backup codes")
	a.pressAll("I have them", "Turn off", "Turn it off")
	a.see("The authenticator is off.")
	a.open("GitHub")
	a.press("Repositories of acme")
	a.see("50 repositories")
	a.accessible("repositories")
	a.open("API keys")
	a.pressAll("Roll Deploy script")
	a.accessible("a question")
	a.press("Roll the key")
	a.see("Copy Deploy script now")
	a.accessible("the value of a key")
	a.open("Appearance")
}

// accessible fails for all that axe-core finds, for what is no text for people, and
// for a page that is wider than the screen.
func (a at) accessible(what string) {
	a.t.Helper()
	found := a.do(`axe.run(document, {resultTypes: ["violations"]}).then(({violations}) => violations
		.map(v => v.impact + " " + v.id + ": " + v.nodes.map(n => n.html + " " + n.failureSummary).join("\n")).join("\n"))`)
	if found != "" {
		a.t.Errorf("%s: %s", what, found)
	}
	if got := a.do(`document.body.innerText.match(/null|undefined|NaN|\[object/) ?? ""`); got != "" {
		a.t.Errorf("%s says %q", what, got)
	}
	if got := a.do(`document.documentElement.scrollWidth - innerWidth`); got != "0" && !strings.HasPrefix(got, "-") {
		a.t.Errorf("%s is %s pixels wider than the screen", what, got)
	}
}
