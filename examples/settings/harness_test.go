package main

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"github.com/hedgerow-dev/hedgerow/internal/browsertest"
)

//go:embed testdata/driver.js
var driver string

// clock goes on by itself, and further when told.
type clock struct{ ahead atomic.Int64 }

func (c *clock) now() time.Time          { return time.Now().Add(time.Duration(c.ahead.Load())) }
func (c *clock) advance(d time.Duration) { c.ahead.Add(int64(d)) }

// stage is a demo that is served, and a browser that looks at it.
type stage struct {
	*demo
	clock  clock
	origin string
	ctx    context.Context // of the tab
}

// newStage serves a demo and opens its page.
func newStage(t *testing.T) *stage {
	t.Helper()
	path := browsertest.Chromium(t)
	server, hub := httptest.NewUnstartedServer(nil), httptest.NewUnstartedServer(nil)
	s := &stage{origin: localOrigin(server.Listener.Addr())}
	var err error
	config := demoConfig{publicURL: s.origin, gitHubURL: "http://" + hub.Listener.Addr().String(), now: s.clock.now, log: slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))}
	if s.demo, err = newDemo(t.Context(), config); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { // what is logged belongs to the test
		if err := s.api.Auth().Flush(context.WithoutCancel(t.Context())); err != nil {
			t.Errorf("flush: %v", err)
		}
	})
	server.Config.Handler, hub.Config.Handler = s.handler(), s.github
	server.Start()
	t.Cleanup(server.Close)
	hub.Start()
	t.Cleanup(hub.Close)
	s.ctx = browsertest.Open(t, path, "about:blank")
	s.command(t, "Page.addScriptToEvaluateOnNewDocument", func() error {
		_, err := chromedp.Call(s.ctx, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: driver})
		return err
	})
	s.command(t, "Emulation.setFocusEmulationEnabled", func() error { // or else only the page in front may copy
		_, err := chromedp.Call(s.ctx, emulation.SetFocusEmulationEnabled, emulation.SetFocusEmulationEnabledParams{Enabled: true})
		return err
	})
	return s
}

func (s *stage) command(t *testing.T, name string, call func() error) {
	t.Helper()
	if err := call(); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

// at is the stage in a test, which its methods end when something is not as it
// should be.
type at struct {
	*stage
	t *testing.T
}

// do evaluates a call in the page, and returns what it comes to.
func (a at) do(format string, args ...any) string {
	a.t.Helper()
	quoted := make([]any, len(args))
	for i, arg := range args {
		raw, err := json.Marshal(arg)
		if err != nil {
			a.t.Fatal(err)
		}
		quoted[i] = raw
	}
	call := fmt.Sprintf(format, quoted...)
	got, err := chromedp.Run(a.ctx, chromedp.Evaluate[string](`Promise.resolve(`+call+`).then(String)`, chromedp.EvalAwaitPromise))
	if err != nil {
		a.t.Fatalf("%s: %v", call, err)
	}
	return got
}

// visit loads a path of the demo.
func (a at) visit(path string) {
	a.t.Helper()
	if err := chromedp.Do(a.ctx, chromedp.Navigate(a.origin+path)); err != nil {
		a.t.Fatalf("open %s: %v", path, err)
	}
	a.do(`drive.ready()`)
}

// open goes to a panel by its link.
func (a at) open(title string) {
	a.t.Helper()
	a.do(`drive.press(%s)`, title)
	a.do(`drive.until("the panel", () => document.title.startsWith(%s))`, title)
	a.do(`drive.ready()`)
}

func (a at) press(name string) {
	a.t.Helper()
	a.do(`drive.press(%s)`, name)
}

// pressAll presses buttons one after the other, as those of a question.
func (a at) pressAll(names ...string) {
	a.t.Helper()
	for _, name := range names {
		a.press(name)
	}
}

func (a at) fill(label string, value any) {
	a.t.Helper()
	a.do(`drive.fill(%s, %s)`, label, value)
}

func (a at) see(text string) {
	a.t.Helper()
	a.do(`drive.see(%s)`, text)
}

func (a at) gone(text string) {
	a.t.Helper()
	a.do(`drive.gone(%s)`, text)
}

// refused waits until a field says what is wrong with it.
func (a at) refused(label, want string) {
	a.t.Helper()
	if got := a.do(`drive.error(%s)`, label); !strings.Contains(got, want) {
		a.t.Errorf("the field %q says %q, want %q", label, got, want)
	}
}

// alerted waits until the page says what was not done.
func (a at) alerted(want string) {
	a.t.Helper()
	if got := a.do(`drive.alert()`); !strings.Contains(got, want) {
		a.t.Errorf("the page says %q, want %q", got, want)
	}
}

// signIn signs in from the page that asks for it.
func (a at) signIn(password string) {
	a.t.Helper()
	a.fill("Email", demoEmail)
	a.fill("Password", password)
	a.press("Sign in")
}

// forgetCookies makes the browser one that was never here.
func (a at) forgetCookies() {
	a.t.Helper()
	a.command(a.t, "Network.clearBrowserCookies", func() error {
		_, err := chromedp.Call(a.ctx, network.ClearBrowserCookies, cdp.Empty{})
		return err
	})
}

// clean fails if the browser reported anything since the page was loaded.
func (a at) clean() {
	a.t.Helper()
	if wrong := a.do(`wrong.join("\n")`); wrong != "" {
		a.t.Errorf("the browser reports:\n%s", wrong)
	}
}
