package httpapi_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/webauthn"
	"github.com/chromedp/chromedp"

	"github.com/hedgerow-dev/hedgerow/httpapi"
	"github.com/hedgerow-dev/hedgerow/internal/browsertest"
	"github.com/hedgerow-dev/hedgerow/storage/memory"
)

// tab is a page of a real browser.
type tab struct {
	t   *testing.T
	ctx context.Context
}

// openTab opens a page in a browser with an authenticator that verifies its user.
func openTab(t *testing.T, url string) *tab {
	t.Helper()
	ctx := browsertest.Open(t, browsertest.Chromium(t), url)
	if _, err := chromedp.Call(ctx, webauthn.Enable, webauthn.EnableParams{}); err != nil {
		t.Fatalf("WebAuthn.enable: %v", err)
	}
	_, err := chromedp.Call(ctx, webauthn.AddVirtualAuthenticator, webauthn.AddVirtualAuthenticatorParams{Options: &webauthn.VirtualAuthenticatorOptions{
		Protocol: "ctap2", Transport: "internal", HasResidentKey: true, HasUserVerification: true, IsUserVerified: true, AutomaticPresenceSimulation: true,
	}})
	if err != nil {
		t.Fatalf("WebAuthn.addVirtualAuthenticator: %v", err)
	}
	return &tab{t, ctx}
}

// run evaluates a call of testdata/passkeys.html and returns what the API
// answered.
func (b *tab) run(call string) reply {
	b.t.Helper()
	raw, err := chromedp.Run(b.ctx, chromedp.Evaluate[[]byte](call, chromedp.EvalAwaitPromise))
	if err != nil {
		b.t.Fatalf("%s: %v", call, err)
	}
	var answer struct {
		Status int
		Body   json.RawMessage
	}
	if err := json.Unmarshal(raw, &answer); err != nil {
		b.t.Fatalf("%s: got %s: %v", call, raw, err)
	}
	return reply{t: b.t, call: call, status: answer.Status, raw: string(answer.Body)}
}

// TestPasskeysInBrowser walks registration, sign-in and second step in Chromium
// with its virtual authenticator.
func TestPasskeysInBrowser(t *testing.T) {
	mux := http.NewServeMux()
	server := httptest.NewUnstartedServer(mux)
	origin := strings.Replace("http://"+server.Listener.Addr().String(), "127.0.0.1", "localhost", 1)
	e := newEnv(t, memory.New(), func(c *httpapi.Config) {
		c.PublicURL, c.Auth.Passkeys = origin, ceremony(t, origin)
	})
	mux.Handle("/", e.api)
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, "testdata/passkeys.html") })
	server.Start()
	t.Cleanup(server.Close)
	alice := e.user("alice")
	b := openTab(t, origin+"/")
	me := func() {
		t.Helper()
		b.run(`send("GET", "/api/users/@me")`).ok(200).has("email", `"alice@example.com"`)
	}
	signOut := func() {
		t.Helper()
		b.run(`send("POST", "/api/logout")`)
		b.run(`send("GET", "/api/users/@me")`).ok(401)
	}
	login := `send("POST", "/api/login", ` + credentials("alice", password) + `)`

	b.run(login).ok(200)
	b.run(`register()`).ok(201).has("name", `"Passkey"`).has("verified", "true")
	if _, err := chromedp.Run(b.ctx, chromedp.Evaluate[[]byte](`register()`, chromedp.EvalAwaitPromise)); err == nil || !strings.Contains(err.Error(), "InvalidStateError") {
		t.Errorf("registering the same authenticator again: got %v, want InvalidStateError", err)
	}
	signOut()
	b.run(`use("/api/login/passkey")`).ok(200)
	me()
	signOut()
	b.run(`use("/api/login/passkey", {email: "alice@example.com"})`).ok(200)
	me()
	b.run(`send("PATCH", "/api/users/@me", {passkeys_enabled_for_2fa: true})`).ok(200)
	signOut()
	b.run(login).refused(401, "server_error", "2fa_required", "")
	b.run(`send("GET", "/api/users/@me")`).ok(401)
	b.run(`use("/api/login/2fa/passkey")`).ok(200)
	me()
	list, err := e.store.Passkeys(t.Context(), alice.ID)
	if err != nil || len(list) != 1 || !list[0].LastUsedAt.Equal(e.now()) {
		t.Errorf("Passkeys: got %v, %v", list, err)
	}
	sessions, err := e.store.Sessions(t.Context(), alice.ID)
	if err != nil || len(sessions) != 1 || !sessions[0].SecondFactor {
		t.Errorf("Sessions: got %v, %v", sessions, err)
	}
}
