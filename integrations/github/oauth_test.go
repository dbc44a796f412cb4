package github_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"github.com/hedgerow-dev/hedgerow/integrations"
	"github.com/hedgerow-dev/hedgerow/integrations/githubtest"
	"github.com/hedgerow-dev/hedgerow/users"
)

const tokenRoute = "POST /login/oauth/access_token"

// visit opens a page and returns the query that the browser comes back with.
func (w *world) visit(page string) url.Values {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.t.Context(), http.MethodGet, page, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	res, err := w.wire.RoundTrip(r)
	if err != nil {
		w.t.Fatal(err)
	}
	res.Body.Close()
	return query(w.t, res.Header.Get("Location"))
}

func TestExchangeWithPKCE(t *testing.T) {
	w := start(t, acme())
	verifier := oauth2.GenerateVerifier()
	code := func() users.Secret {
		page, err := w.AuthorizeURL(integrations.AuthorizeRequest{
			RedirectURI: githubtest.CallbackURL, State: "token=abc&source=user_integration", Challenge: oauth2.S256ChallengeFromVerifier(verifier),
		})
		if err != nil {
			t.Fatal(err)
		}
		back := w.visit(page)
		if back.Get("state") != "token=abc&source=user_integration" {
			t.Errorf("state: got %q", back.Get("state"))
		}
		return users.Secret(back.Get("code"))
	}
	right := integrations.ExchangeRequest{Code: code(), RedirectURI: githubtest.CallbackURL, Verifier: users.Secret(verifier)}
	token, err := w.Exchange(t.Context(), right)
	if err != nil || token.ExpiresIn != 8*time.Hour || token.RefreshExpiresIn != 15_897_600*time.Second {
		t.Fatalf("Exchange: %v, expires in %s and %s", err, token.ExpiresIn, token.RefreshExpiresIn)
	}
	if user, err := w.User(t.Context(), token.AccessToken); err != nil || user.Login != githubtest.Login {
		t.Errorf("the token: got %+v, %v", user, err)
	}
	for name, change := range map[string]func(*integrations.ExchangeRequest){
		"spent code":    func(r *integrations.ExchangeRequest) { r.Code = right.Code },
		"no verifier":   func(r *integrations.ExchangeRequest) { r.Verifier = "" },
		"other address": func(r *integrations.ExchangeRequest) { r.RedirectURI = "https://app.example.com/" },
		"no address":    func(r *integrations.ExchangeRequest) { r.RedirectURI = "" },
	} {
		r := right
		r.Code = code()
		change(&r)
		before := w.Count(tokenRoute)
		_, err := w.Exchange(t.Context(), r)
		wantKind(t, name, err, integrations.Rejected)
		if got := w.Count(tokenRoute) - before; got != 1 {
			t.Errorf("%s: the code was sent %d times", name, got)
		}
	}
}

// TestRacingExchanges: of many exchanges of one code, one gets a token.
func TestRacingExchanges(t *testing.T) {
	w := start(t, acme())
	w.merge(`{"codes":{"code_1":{"user":"octocat"}}}`)
	var won atomic.Int32
	var racing sync.WaitGroup
	for range 50 {
		racing.Go(func() {
			if _, err := w.Exchange(t.Context(), integrations.ExchangeRequest{Code: "code_1"}); err == nil {
				won.Add(1)
			}
		})
	}
	racing.Wait()
	if won.Load() != 1 || w.Count(tokenRoute) != 50 {
		t.Errorf("%d of %d exchanges got a token", won.Load(), w.Count(tokenRoute))
	}
}

// TestExchangeFromInstallPage: no address may be sent.
func TestExchangeFromInstallPage(t *testing.T) {
	w := start(t, acme())
	page, err := w.InstallURL("token=abc&source=user_integration")
	if err != nil {
		t.Fatal(err)
	}
	back := w.visit(page)
	if back.Get("installation_id") != "12345" || back.Get("state") != "token=abc&source=user_integration" {
		t.Errorf("install page: got %v", back)
	}
	if _, err := w.Exchange(t.Context(), integrations.ExchangeRequest{Code: users.Secret(back.Get("code"))}); err != nil {
		t.Error(err)
	}
	last := w.Requests()[len(w.Requests())-1]
	if body, ok := last.Body.(map[string]any); !ok || body["redirect_uri"] != nil || body["code_verifier"] != nil || body["code"] == nil {
		t.Errorf("body: got %v", last.Body)
	}
}

func TestRefreshUserToken(t *testing.T) {
	w := start(t, acme())
	first := users.Secret(w.user().RefreshToken)
	token, err := w.RefreshUserToken(t.Context(), first)
	if err != nil || token.RefreshToken == first || token.ExpiresIn != 8*time.Hour {
		t.Fatalf("refresh: %v, expires in %s", err, token.ExpiresIn)
	}
	_, err = w.RefreshUserToken(t.Context(), first)
	wantKind(t, "spent refresh token", err, integrations.Final)
	w.now = w.now.Add(githubtest.RefreshTokenLifetime)
	_, err = w.RefreshUserToken(t.Context(), token.RefreshToken)
	wantKind(t, "late refresh token", err, integrations.Final)
	w.merge(`{"app":{"non_expiring_user_tokens":true},"codes":{"code_1":{"user":"octocat"}}}`)
	if got, err := w.Exchange(t.Context(), integrations.ExchangeRequest{Code: "code_1"}); err != nil || got.ExpiresIn != 0 || got.RefreshExpiresIn != 0 || got.RefreshToken != "" {
		t.Errorf("without expiry: got %+v, %v", got, err)
	}
}

func TestTokenRouteAnswers(t *testing.T) {
	w := start(t, acme())
	for _, c := range []struct {
		status int
		body   string
		want   integrations.FailureKind
	}{
		{200, `{"error":"bad_verification_code"}`, integrations.Rejected},
		{200, `{"error":"incorrect_client_credentials"}`, integrations.Rejected},
		{200, `{"error":"redirect_uri_mismatch"}`, integrations.Rejected},
		{200, `{"error":"something_new","error_description":"x"}`, integrations.Rejected},
		{200, `{"error":"bad_refresh_token"}`, integrations.Final},
		{200, `{"error":"refresh_token_expired"}`, integrations.Final},
		{400, `{"error":"unauthorized_client"}`, integrations.Final},
		{502, `{"error":"bad_refresh_token"}`, integrations.Unexpected}, // from something in between
		{429, `{"error":"bad_refresh_token"}`, integrations.RateLimited},
		{200, `{"access_token":"ghu_x"}`, noFailure},
		{200, `{"access_token":"ghu x"}`, integrations.Incomplete},
		{200, `{"access_token":7}`, integrations.Unreachable},
	} {
		w.fault(githubtest.Fault{Route: tokenRoute, Kind: githubtest.JSON, Status: c.status, Body: json.RawMessage(c.body)})
		_, err := w.RefreshUserToken(t.Context(), "ghr_old")
		wantKind(t, c.body, err, c.want)
	}
	for lifetime, want := range map[string]time.Duration{
		`28800`: 8 * time.Hour, `"28800"`: 0, `-1`: 0, `0`: 0, `1e300`: 10 * 365 * 24 * time.Hour, `null`: 0, `{}`: 0,
	} {
		w.fault(githubtest.Fault{Route: tokenRoute, Kind: githubtest.JSON,
			Body: json.RawMessage(`{"access_token":"ghu_x","refresh_token_expires_in":` + lifetime + `}`)})
		got, err := w.RefreshUserToken(t.Context(), "ghr_old")
		if err != nil || got.RefreshExpiresIn != want || got.RefreshToken != "ghr_old" {
			t.Errorf("lifetime %s: got %s, %v; the old refresh token is kept", lifetime, got.RefreshExpiresIn, err)
		}
	}
}
