package main

import (
	"net/http"
	"time"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/integrations/githubtest"
	"github.com/hedgerow-dev/hedgerow/users"
)

// owner is the demo user as it is stored.
func (a at) owner() users.User {
	a.t.Helper()
	u, err := a.api.Users().User(a.t.Context(), a.ids.Users[demoUser].ID)
	if err != nil {
		a.t.Fatal(err)
	}
	return u
}

func testAppearance(a at) {
	a.open("Appearance")
	a.do(`drive.offer("Theme", "sepia")`)
	a.fill("Theme", "sepia")
	a.press("Save theme")
	a.refused("Theme", "not a valid choice")
	a.fill("Theme", "dark")
	a.press("Save theme")
	a.see("The theme is saved.")
	if got := a.do(`getComputedStyle(document.documentElement).colorScheme`); got != "dark" {
		a.t.Errorf("the page is %q, want dark", got)
	}
	a.fill("Color", "green")
	a.fill("Glasses", true)
	if got, want := a.do(`document.querySelector("section .hedgehog").ariaLabel`), "Hedgehog: green, with cap, glasses"; got != want {
		a.t.Errorf("the picture shows %q before it is saved, want %q", got, want)
	}
	a.press("Save hedgehog")
	a.see("The hedgehog is saved.")
	want := `{"enabled":true,"use_as_profile":true,"color":"green","skin":"default","accessories":["cap","glasses"]}`
	if got := string(a.owner().HedgehogConfig); got != want {
		a.t.Errorf("stored is %s, want %s", got, want)
	}
}

// testDrawing: whatever JSON is stored as a hedgehog, one is drawn.
func testDrawing(a at) {
	for config, want := range map[string]string{
		`null`: "Hedgehog: brown", `"text"`: "Hedgehog: brown", `[1]`: "Hedgehog: brown", `{"accessories":"cap"}`: "Hedgehog: brown",
		`{"color":{},"skin":7,"accessories":[null,"constructor","cap"]}`:                                              "Hedgehog: brown, with cap",
		`{"version":2,"color":"blue","actor_options":{"color":"red","skin":"robohog","accessories":["<b>","party"]}}`: "Hedgehog: red, robohog, with party",
		`{"version":2}`: "Hedgehog: brown",
	} {
		got := a.do(`import("/hedgehog.js").then(m => m.drawHedgehog(JSON.parse(%[1]s), m.describe(JSON.parse(%[1]s))).ariaLabel)`, config)
		if got != want {
			a.t.Errorf("%s is %q, want %q", config, got, want)
		}
	}
}

func testNotifications(a at) {
	a.open("Notifications")
	a.fill("Share of failures in a pipeline", "1.5")
	a.press("Save notifications")
	a.refused("Mail", "data_pipeline_error_threshold")
	a.fill("Share of failures in a pipeline", "0.25")
	a.fill("I was mentioned in a discussion", false)
	a.do(`drive.fill("Comment mention", false)`)
	a.fill("Acme", false)
	a.press("Save notifications")
	a.see("Your notifications are saved.")
	got := a.do(`fetch("/api/users/@me").then(r => r.json()).then(u => u.notification_settings).then(n => JSON.stringify([n.data_pipeline_error_threshold,
		n.discussions_mentioned, n.plugin_disabled, n.realtime_notifications_disabled, Object.values(n.organization_member_join_email_disabled)]))`)
	if want := `[0.25,false,true,{"comment_mention":{"1":true}},[true]]`; got != want {
		a.t.Errorf("stored is %s, want %s", got, want)
	}
}

func testAutonomy(a at) {
	a.open("Signal autonomy")
	a.do(`drive.offer("Begin work", "P9")`)
	a.fill("Begin work", "P9")
	a.press("Save")
	a.refused("Begin work", "not a valid choice")
	a.fill("Begin work", "P2")
	a.press("Save")
	a.see("Your choice is saved.")
	a.open("Profile")
	a.open("Signal autonomy")
	if got := a.do(`drive.control("Begin work").then(c => c.value)`); got != "P2" {
		a.t.Errorf("the choice is %q, want P2", got)
	}
	a.fill("Begin work", "off")
	a.press("Save")
	a.see("Nothing begins in your name.")
}

func testSessions(a at) {
	a.open("Sessions")
	a.see("This session")
	a.items(3)
	first := func() string { return a.do(`document.querySelector("main li button").ariaLabel`) }
	a.press(first())
	a.see("The session has ended.")
	a.items(2)
	// The last one ends elsewhere while the list is open.
	a.do(`fetch("/api/users/@me/login_sessions/revoke_others", {method: "POST"}).then(r => r.status)`)
	a.press(first())
	a.alerted("ot found")
	if _, err := a.api.Auth().StartSession(a.t.Context(), a.owner().ID, auth.StartOptions{}); err != nil {
		a.t.Fatal(err)
	}
	a.press("End all other sessions")
	a.see("One session has ended.")
	a.items(1)
}

// items waits until the panel lists so many things.
func (a at) items(want int) {
	a.t.Helper()
	a.do(`drive.until(%[1]s + " items", () => document.querySelectorAll("main .list > li").length === %[1]s)`, want)
}

// testKeys lets the session become too old for what it does.
func testKeys(a at) {
	a.open("API keys")
	a.press("Create key")
	a.refused("Label", "blank")
	a.fill("Label", "Laptop <i>")
	a.press("Create key")
	a.refused("What it may do", "at least one scope")
	a.fill("user:read", true)
	a.fill("Other scopes", "wine:drink")
	a.press("Create key")
	a.refused("What it may do", "no such scope")
	a.fill("Other scopes", "feature_flag:read")

	a.clock.advance(3 * time.Hour)
	a.press("Create key")
	a.press("Cancel")
	a.alerted("again")
	a.press("Create key")
	a.fill("Password", "wrong")
	a.press("Sign in")
	a.alerted("password")
	a.fill("Password", demoPassword)
	a.press("Sign in")
	a.see("Copy Laptop <i> now")
	value := a.do(`document.querySelector(".secret").textContent`)
	testKeyShown(a, value)

	a.pressAll("Roll Laptop <i>", "Roll the key")
	a.see("The key has a new value.")
	if _, err := a.keyOwner(value); err == nil {
		a.t.Error("the old value is good after the key was rolled")
	}
	a.pressAll("Delete Laptop <i>", "Cancel", "Delete Laptop <i>", "Delete the key")
	a.see("The key is deleted.")
	a.items(1)
}

// testKeyShown: the value is that of a key, can be copied, and does not stay.
func testKeyShown(a at, value string) {
	if u, err := a.keyOwner(value); err != nil || u != a.owner().ID {
		a.t.Errorf("the value that is shown is a key of %v: %v", u, err)
	}
	a.command(a.t, "Browser.setPermission", func() error {
		permission := &browser.PermissionDescriptor{Name: "clipboard-read"}
		_, err := chromedp.CallBrowser(a.ctx, browser.SetPermission, browser.SetPermissionParams{Permission: permission, Setting: browser.PermissionSettingGranted})
		return err
	})
	a.do(`(navigator.clipboard.writeText = () => Promise.reject(new DOMException("no", "NotAllowedError")), 0)`)
	a.press("Copy the key")
	a.alerted("copy it yourself")
	a.do(`delete navigator.clipboard.writeText`)
	a.press("Copy the key")
	a.see("The key is copied.")
	if got := a.do(`navigator.clipboard.readText()`); got != value {
		a.t.Errorf("the clipboard has %q", got)
	}
	a.press("I have it")
	a.gone(value)
}

func (a at) keyOwner(value string) (users.ID, error) {
	p, err := a.api.Auth().Bearer(a.t.Context(), users.Secret(value))
	return p.User.ID, err
}

func testGitHub(a at) {
	a.open("GitHub")
	a.press("Forget the request of octocat")
	a.see("The request is forgotten.")
	a.press("Repositories of acme")
	a.see("50 repositories, and more")
	a.press("Show more")
	a.see("100 repositories, and more")
	if got := a.do(`new Set([...document.querySelectorAll("main li li")].map(li => li.textContent)).size`); got != "100" {
		a.t.Errorf("%s different repositories are shown, want 100", got)
	}
	a.fill("Search the repositories of acme", "REPO-12")
	a.press("Search")
	a.see("acme/repo-129")
	a.gone("acme/repo-130")
	a.clock.advance(time.Minute) // what is younger is not asked for again
	route := "GET /installation/repositories"
	if err := a.github.AddFault(githubtest.Fault{Route: route, Kind: githubtest.Status, Status: http.StatusInternalServerError}); err != nil {
		a.t.Fatal(err)
	}
	a.press("Ask GitHub again")
	a.alerted("could not be refreshed")
	if err := a.github.RemoveFault(route); err != nil {
		a.t.Fatal(err)
	}

	a.visitor(githubtest.Visitor{Error: "access_denied"})
	a.leave("Link GitHub")
	a.alerted("You said no at GitHub.")
	a.visitor(githubtest.Visitor{Installation: personalInstallation})
	a.leave("Link GitHub")
	a.see("GitHub is linked.")
	if got := a.do(`location.href`); got != a.origin+"/#github" {
		a.t.Errorf("the link ends at %s", got)
	}
	a.pressAll("Unlink octocat", "Unlink it")
	a.see("octocat is unlinked.")
	a.items(1)
}

// visitor sets who decides at GitHub.
func (a at) visitor(v githubtest.Visitor) {
	a.t.Helper()
	if err := a.github.Update(func(s *githubtest.State) error { s.Visitor = v; return nil }); err != nil {
		a.t.Fatal(err)
	}
}

// leave presses a button that leads away, and waits for the page that the browser
// ends at.
func (a at) leave(name string) {
	a.t.Helper()
	a.clean() // what was reported so far is forgotten by the next page
	press := chromedp.Evaluate[string](`drive.press("`+name+`").then(String)`, chromedp.EvalAwaitPromise)
	if _, err := chromedp.Run(a.ctx, chromedp.WaitEvent(page.LoadEventFired, nil, press)); err != nil {
		a.t.Fatalf("%s: %v", name, err)
	}
	a.do(`drive.until("the page", () => document.querySelector("h1"))`)
	a.do(`drive.ready()`)
}

// testEnd is a session that ends while the page is open.
func testEnd(a at) {
	a.do(`fetch("/api/logout", {method: "POST", redirect: "manual"}).then(() => "")`)
	a.press("Profile")
	a.do(`drive.ready()`)
	a.press("Save profile")
	a.alerted("Your session has ended.")
	a.signIn(demoPassword)
	a.see("About you")
	a.do(`(window.fetch = () => Promise.reject(new TypeError("no network")), 0)`)
	a.open("Sessions")
	a.alerted("The server cannot be reached.")
}
