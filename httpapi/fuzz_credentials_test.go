package httpapi_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/httpapi"
	"github.com/hedgerow-dev/hedgerow/integrations"
	"github.com/hedgerow-dev/hedgerow/integrations/github"
	"github.com/hedgerow-dev/hedgerow/integrations/githubtest"
	"github.com/hedgerow-dev/hedgerow/users"
)

// answerTo sends a request that a fuzz target has made up. It does not hold the
// answer to the document, which would take ten times as long.
func (e *fuzzEnv) answerTo(t *testing.T, method, path, body string, options ...option) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(method, "http://internal.example"+path, strings.NewReader(body))
	for _, o := range options {
		o(r)
	}
	w := httptest.NewRecorder()
	e.api.ServeHTTP(w, r)
	if w.Code >= 500 {
		t.Errorf("%s %s %q: got %d; body %s", method, path, body, w.Code, w.Body)
	}
	return w
}

// FuzzCredentials: a request is Alice's if and only if its headers name her
// session or key in the one way that admitted describes. SESSION, KEY, DEVICE and
// PENDING stand for secrets in the headers. A cookie that was looked for by the
// beginning of its name was found by the seed "sessionid2=SESSION".
func FuzzCredentials(f *testing.F) {
	for _, cookie := range []string{"", "sessionid=SESSION", `sessionid="SESSION"`, "sessionid=SESSION; sessionid=SESSION", "sessionid=SESSION; sessionid=x", "Sessionid=SESSION",
		" sessionid=SESSION", "sessionid =SESSION", "sessionid= SESSION", "a=b;sessionid=SESSION;c", "a=b, sessionid=SESSION", "sessionid=SESSIONx", "sessionid=PENDING", "sessionid2=SESSION",
		"sessionid=SESSION\x00", "sessionid=; sessionid=SESSION", "remember-cookie_x=DEVICE", "sessionid=DEVICE", "sessionid=KEY", "sessionid=%53", "sessionid", ";;;=;=="} {
		f.Add(cookie, "")
	}
	for _, value := range []string{"Bearer KEY", "bearer KEY", "Bearer  KEY ", "Bearer\tKEY", "BearerKEY", "Bearer KEY x", "Bearer KEY,", "Basic KEY", "Bearer", "Bearer ", " Bearer KEY", "Bearer SESSION",
		"Bearer pha_KEY", "Bearer \x00", "Token KEY", "Bearer KEYx", "Bearer\u00a0KEY"} {
		f.Add("sessionid=SESSION", value)
		f.Add("", value)
	}
	e := newFuzzEnv(f, func(c *httpapi.Config) { c.Auth.SecondSteps = auth.Rate{Max: -1} })
	pending, device := e.halfLogin(f)
	secrets := strings.NewReplacer("SESSION", string(e.token), "KEY", string(e.value), "PENDING", pending, "DEVICE", device)
	f.Fuzz(func(t *testing.T, cookie, authorization string) {
		cookie, authorization = secrets.Replace(cookie), secrets.Replace(authorization)
		with := func(r *http.Request) {
			r.Header.Set("Cookie", cookie)
			if authorization != "" {
				r.Header.Set("Authorization", authorization)
			}
		}
		w := e.answerTo(t, "GET", "/api/users/@me", "", with)
		if want := e.admitted(cookie, authorization); (w.Code == http.StatusOK) != want || w.Code != http.StatusOK && w.Code != http.StatusUnauthorized {
			t.Errorf("Cookie %q, Authorization %q: got %d, want success: %t", cookie, authorization, w.Code, want)
		}
		w = e.answerTo(t, "POST", "/api/login/token", `{"token":"000000"}`, with, header("Content-Type", "application/json"))
		if w.Code < 400 {
			t.Errorf("Cookie %q passes the second step by a wrong code: %d", cookie, w.Code)
		}
	})
}

// halfLogin gives Alice a friend with an authenticator, whose login waits and
// whose device is remembered. It returns the secrets of both.
func (e *fuzzEnv) halfLogin(f *testing.F) (pending, device string) {
	f.Helper()
	a := e.api.Auth()
	u := users.New()
	u.Email = "bob@example.com"
	u, err := a.CreateUser(f.Context(), u, password)
	if err != nil {
		f.Fatal(err)
	}
	if err := a.SaveTOTP(f.Context(), u.ID, hostSecret, []users.Secret{"abcdefgh"}); err != nil {
		f.Fatal(err)
	}
	login := func() users.Secret {
		secret, err := a.Login(f.Context(), auth.LoginRequest{Email: users.Set(u.Email), Password: users.Set(password)})
		if !errors.Is(err, auth.Err2FARequired) {
			f.Fatalf("Login: %v", err)
		}
		return secret
	}
	in, err := a.FinishLogin(f.Context(), auth.SecondStep{Pending: login(), Code: users.Set("abcdefgh")})
	if err != nil {
		f.Fatal(err)
	}
	return string(login()), string(in.Remember)
}

// admitted says who is Alice: whoever has her key in a single Authorization header,
// or without any such header one session cookie, which is hers.
func (e *fuzzEnv) admitted(cookie, authorization string) bool {
	if authorization != "" {
		rest, ok := strings.CutPrefix(authorization, "Bearer")
		return ok && rest != strings.TrimLeft(rest, " \t") && strings.TrimSpace(rest) == string(e.value)
	}
	found, right := 0, false
	for _, part := range strings.Split(cookie, ";") {
		name, value, _ := strings.Cut(strings.Trim(part, " \t\r\n"), "=")
		if strings.Trim(name, " \t\r\n") != "sessionid" {
			continue
		}
		if len(value) > 1 && value[0] == '"' && value[len(value)-1] == '"' {
			value = value[1 : len(value)-1]
		}
		if strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r > '~' || r == '"' || r == '\\' }) {
			continue // no value of a cookie (RFC 6265 §4.1.1, and spaces and commas as browsers send them)
		}
		found, right = found+1, value == string(e.token)
	}
	return found == 1 && right
}

// oneAnswer is a GitHub that answers every request alike, but that what makes a
// token is Created and not OK.
type oneAnswer struct {
	status int
	body   string
}

func (a *oneAnswer) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	w.Header().Set("Content-Type", "application/json")
	if a.status == http.StatusOK && strings.HasSuffix(r.URL.Path, "/access_tokens") {
		w.WriteHeader(http.StatusCreated)
	}
	w.WriteHeader(a.status)
	_, _ = w.WriteString(a.body) // a recorder takes everything
	answer := w.Result()
	answer.Request = r
	return answer, nil
}

// provider is a client of that GitHub.
func (a *oneAnswer) provider(f *testing.F, now func() time.Time) integrations.Provider {
	f.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 1024) // the least there is, as each link signs
	if err != nil {
		f.Fatal(err)
	}
	server, err := githubtest.New(githubtest.Options{Key: key})
	if err != nil {
		f.Fatal(err)
	}
	p, err := github.New(github.Config{ClientID: "x", ClientSecret: "x", Slug: "acme", PrivateKey: users.Secret(server.PrivateKeyPEM()), Transport: a, Now: now})
	if err != nil {
		f.Fatal(err)
	}
	return p
}

// FuzzCallback: whatever a browser comes back with, and whatever GitHub then
// answers, ends at a page of ours, with nothing of the query in its address, and
// links nothing without the state of the caller's own start. STATE stands for that.
func FuzzCallback(f *testing.F) {
	addCallbacks(f)
	remote := &oneAnswer{}
	e := newFuzzEnv(f, func(c *httpapi.Config) { c.GitHub.Provider = remote.provider(f, c.Now) })
	ends := callbackEnds()
	f.Fuzz(func(t *testing.T, query string, status int, body string) {
		if status < 200 || status > 599 {
			t.Skip("no HTTP server sends this")
		}
		e.rewind(t)
		remote.status, remote.body = status, body
		started, err := e.api.Integrations().Start(t.Context(), e.alice.ID, integrations.StartRequest{})
		if err != nil {
			t.Fatal(err)
		}
		page, err := url.Parse(started.URL)
		if err != nil {
			t.Fatal(err)
		}
		state, err := url.ParseQuery(page.Query().Get("state"))
		if err != nil {
			t.Fatal(err)
		}
		secret := url.QueryEscape(page.Query().Get("state"))
		w := e.answerTo(t, "GET", "/complete/github-link/", "", e.cookie, func(r *http.Request) { r.URL.RawQuery = strings.ReplaceAll(query, "STATE", secret) })
		location := w.Header().Get("Location")
		if w.Code != http.StatusFound || !ends[location] {
			t.Errorf("%q, then %d %q: got %d to %q", query, status, body, w.Code, location)
		}
		if query == linking && status == 200 && body == linkingAnswer && !strings.Contains(location, "success") {
			t.Errorf("what links ends at %q", location)
		}
		e.checkLinked(t, strings.Contains(query, "STATE") || strings.Contains(query, state.Get("token")), location)
	})
}

// What a browser comes back with when all is well, and what GitHub then answers to
// every call.
const (
	linking       = "state=STATE&code=c&installation_id=12345&setup_action=install"
	linkingAnswer = `{"id":12345,"login":"octocat","type":"User","access_token":"ghu_x","token":"ghs_x","expires_at":"2026-05-01T13:00:00Z","account":{"id":1,"login":"acme","type":"User"},` +
		`"repository_selection":"all","installations":[{"id":12345}],"repositories":[]}`
)

// addCallbacks adds seeds: what a browser comes back with, by what GitHub answers.
func addCallbacks(f *testing.F) {
	f.Helper()
	for _, query := range []string{"", linking, "state=STATE&code=c&installation_id=12345", "state=STATE&setup_action=request",
		"state=STATE&code=c&setup_action=request", "state=STATE&error=access_denied", "error=x&state=STATE", "state=x&code=c&installation_id=12345", "state=STATE&state=x&code=c&installation_id=1",
		"state=STATE&code=c&installation_id=0", "state=STATE&code=c&installation_id=123456789012345678901", "state=STATE&code=%00&installation_id=%ff", "state=STATE&code=c&installation_id=12345;x", "%zz"} {
		f.Add(query, 200, linkingAnswer)
		f.Add(query, 404, `{"message":"Not Found"}`)
		f.Add(query, 500, "<html>")
	}
}

// checkLinked holds what is linked after a callback to what the page says, and
// removes it.
func (e *fuzzEnv) checkLinked(t *testing.T, stated bool, location string) {
	t.Helper()
	list, err := e.api.Integrations().List(context.WithoutCancel(t.Context()), e.alice.ID)
	if err != nil {
		t.Fatal(err)
	}
	if linked := len(list) > 0; linked && !stated || linked != strings.Contains(location, "github_link_success") {
		t.Errorf("%d links after a callback to %q, with the state: %t", len(list), location, stated)
	}
	for _, l := range list {
		if err := e.api.Integrations().Unlink(t.Context(), users.Actor{ID: e.alice.ID, UUID: e.alice.UUID, Credential: users.BySession}, e.alice.ID, l.InstallationID); err != nil {
			t.Error(err)
		}
	}
}

// callbackEnds are the addresses that a callback may lead to.
func callbackEnds() map[string]bool {
	ends := map[string]bool{"/settings/user-personal-integrations?github_link_success=1": true}
	for _, failure := range []string{integrations.AccessDenied, integrations.OAuthError, integrations.MissingParams, integrations.InvalidState, integrations.InvalidInstallation,
		integrations.InvalidInstallationID, integrations.ExchangeFailed, integrations.NotAuthorized, integrations.VerifyFailed, integrations.FetchFailed, integrations.TokenFailed,
		integrations.InstallPending, integrations.TooMany} {
		ends["/settings/user-personal-integrations?github_link_error="+failure] = true
	}
	return ends
}
