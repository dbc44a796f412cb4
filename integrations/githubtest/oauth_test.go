package githubtest_test

import (
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/hedgerow-dev/hedgerow/integrations/githubtest"
)

const (
	verifier  = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk" // RFC 7636, appendix B
	challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
)

// visit opens a page and returns the query that the browser is sent back with.
func (w *world) visit(page string, query url.Values) url.Values {
	w.t.Helper()
	r := w.do(http.MethodGet, page+"?"+query.Encode(), "")
	back, err := url.Parse(r.header.Get("Location"))
	if err != nil || r.status != http.StatusFound {
		w.t.Fatalf("%s: got %d %s", page, r.status, r.text)
	}
	return back.Query()
}

func authorizeQuery(more ...string) url.Values {
	q := url.Values{"client_id": {githubtest.NewApp().ClientID}, "redirect_uri": {githubtest.CallbackURL}, "state": {"token=abc&source=x"}}
	for n := 0; n < len(more); n += 2 {
		q.Set(more[n], more[n+1])
	}
	return q
}

func TestAuthorizeAndExchange(t *testing.T) {
	w := start(t, githubtest.Organization(1))
	code := func() string {
		back := w.visit("/login/oauth/authorize", authorizeQuery("code_challenge", challenge, "code_challenge_method", "S256"))
		if back.Get("state") != "token=abc&source=x" {
			t.Errorf("state: got %q", back.Get("state"))
		}
		return back.Get("code")
	}
	good := code()
	exchange := func(more ...string) string {
		return name(w.form(append([]string{"code", code(), "redirect_uri", githubtest.CallbackURL, "code_verifier", verifier}, more...)...))
	}
	answer := w.form("code", good, "redirect_uri", githubtest.CallbackURL, "code_verifier", verifier)
	if name(answer) != "" || answer["expires_in"] != float64(28800) || answer["refresh_token_expires_in"] != float64(15897600) || answer["token_type"] != "bearer" {
		t.Fatalf("exchange: got %v", answer)
	}
	if codes := w.State().Codes; len(codes) != 0 {
		t.Errorf("spent codes are still there: %v", codes)
	}
	for label, c := range map[string]struct{ got, want string }{
		"right":          {exchange(), ""},
		"spent":          {exchange("code", good), "bad_verification_code"},
		"unknown":        {exchange("code", "nope"), "bad_verification_code"},
		"wrong verifier": {exchange("code_verifier", "x"), "bad_verification_code"},
		"other address":  {exchange("redirect_uri", "https://evil.example"), "redirect_uri_mismatch"},
		"no address":     {exchange("redirect_uri", ""), "redirect_uri_mismatch"},
		"wrong secret":   {exchange("client_secret", "x"), "incorrect_client_credentials"},
		"wrong client":   {exchange("client_id", "x"), "incorrect_client_credentials"},
		"odd grant":      {exchange("grant_type", "password"), "unsupported_grant_type"},
	} {
		if c.got != c.want {
			t.Errorf("%s: got %q, want %q", label, c.got, c.want)
		}
	}
	late := code()
	w.now = w.now.Add(githubtest.CodeLifetime + time.Second)
	if got := exchange("code", late); got != "bad_verification_code" {
		t.Errorf("late code: got %q", got)
	}
}

func name(answer map[string]any) string {
	text, _ := answer["error"].(string)
	return text
}

func TestRefreshRotates(t *testing.T) {
	w := start(t, githubtest.Organization(1))
	old := w.IssueUserToken(githubtest.Login, githubtest.UserID)
	fresh := w.form("grant_type", "refresh_token", "refresh_token", old.RefreshToken)
	if got := w.get("/user", fresh["access_token"].(string)).status; got != 200 {
		t.Errorf("new token: got %d", got)
	}
	if got := w.get("/user", old.AccessToken).status; got != 401 {
		t.Errorf("old token after the refresh: got %d", got)
	}
	if got := name(w.form("grant_type", "refresh_token", "refresh_token", old.RefreshToken)); got != "bad_refresh_token" {
		t.Errorf("old refresh token: got %q", got)
	}
	w.now = w.now.Add(githubtest.RefreshTokenLifetime)
	if got := name(w.form("grant_type", "refresh_token", "refresh_token", fresh["refresh_token"].(string))); got != "bad_refresh_token" {
		t.Errorf("late refresh: got %q", got)
	}
}

func TestAnswersAsAccepted(t *testing.T) {
	w := start(t, githubtest.Organization(1))
	if err := w.Merge([]byte(`{"app":{"non_expiring_user_tokens":true},"codes":{"c1":{"user":"octocat"}}}`)); err != nil {
		t.Fatal(err)
	}
	app := githubtest.NewApp()
	r := w.do(http.MethodPost, "/login/oauth/access_token",
		`{"client_id":"`+app.ClientID+`","client_secret":"`+app.ClientSecret+`","code":"c1"}`, "Content-Type", "application/json")
	form, err := url.ParseQuery(r.text)
	if err != nil || r.body != nil || form.Get("access_token") == "" || form.Has("expires_in") || form.Has("refresh_token") {
		t.Errorf("form answer without expiry: got %s, %v", r.text, err)
	}
}

func TestVisitorDecides(t *testing.T) {
	w := start(t, githubtest.TwoInstallations())
	install := func(visitor string) url.Values {
		if err := w.Merge([]byte(`{"visitor":` + visitor + `}`)); err != nil {
			t.Fatal(err)
		}
		return w.visit("/apps/acme-dev/installations/new", url.Values{"state": {"s"}})
	}
	back := install(`{}`)
	if back.Get("installation_id") != "12345" || back.Get("setup_action") != "install" || back.Get("state") != "s" || back.Get("code") == "" {
		t.Errorf("install: got %v", back)
	}
	if got := name(w.form("code", back.Get("code"))); got != "" {
		t.Errorf("a code of the install page needs no address: got %q", got)
	}
	if back := install(`{"installation":"67890","without_code":true}`); back.Get("installation_id") != "67890" || back.Has("code") {
		t.Errorf("other installation, no code: got %v", back)
	}
	if back := install(`{"setup_action":"request","without_code":false}`); back.Has("installation_id") || back.Get("setup_action") != "request" || !back.Has("code") {
		t.Errorf("request: got %v", back)
	}
	if back := install(`{"error":"access_denied"}`); back.Get("error") != "access_denied" || back.Has("code") || back.Get("state") != "s" {
		t.Errorf("denied: got %v", back)
	}
	if back := w.visit("/login/oauth/authorize", authorizeQuery("redirect_uri", "https://evil.example/")); back.Get("error") != "redirect_uri_mismatch" {
		t.Errorf("other address: got %v", back)
	}
	if back := w.visit("/login/oauth/authorize", authorizeQuery("code_challenge", "x")); back.Get("error") != "invalid_request" {
		t.Errorf("plain challenge: got %v", back)
	}
	if r := w.do(http.MethodGet, "/login/oauth/authorize?client_id=other", ""); r.status != http.StatusNotFound {
		t.Errorf("unknown client: got %d", r.status)
	}
}
