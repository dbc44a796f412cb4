package github_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/hedgerow-dev/hedgerow/integrations"
	"github.com/hedgerow-dev/hedgerow/integrations/github"
	"github.com/hedgerow-dev/hedgerow/users"
)

// canned answers every request alike.
type canned struct {
	status int
	header http.Header
	body   string
}

func (c *canned) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{
		StatusCode: c.status, Header: c.header, Body: io.NopCloser(strings.NewReader(c.body)), Request: r, ProtoMajor: 1, ProtoMinor: 1,
	}, nil
}

// FuzzAnswers: whatever GitHub sends, nothing panics, failures are of the one
// type, and what is accepted is bounded.
func FuzzAnswers(f *testing.F) {
	f.Add(200, "", "", "", "application/json", `{"id":1,"login":"a","default_branch":"main","account":{"login":"a","type":"User"}}`)
	f.Add(200, `<https://api.github.com/installation/repositories?page=2>; rel="next"`, "", "", "", `{"repositories":[{"id":1,"name":"a","full_name":"b/a"}]}`)
	f.Add(201, "", "", "", "", `{"token":"ghs_x","expires_at":"2026-03-01T12:00:00Z"}`)
	f.Add(403, "", "17", "0", "", `{"message":"API rate limit exceeded"}`)
	f.Add(429, "<", "Wed, 21 Oct 2026 07:28:00 GMT", "-1", "", ``)
	f.Add(200, "", "", "", "text/plain", `access_token=a&expires_in=9223372036854775807`)
	f.Add(302, "", "", "", "", `[{"name":"main"},1,"x"]`)
	for _, long := range []string{strings.Repeat("a", 1024), strings.Repeat("a", 1025)} {
		f.Add(200, "", "", "", "", `{"id":1,"login":"`+long+`","default_branch":"`+long+`","repositories":[{"id":1,"name":"a","full_name":"b/`+long[2:]+`"}]}`)
		f.Add(200, "", "", "", "", `[{"name":"`+long+`"}]`)
	}
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	key, err := rsa.GenerateKey(rand.Reader, 1024) // the least there is, as each input signs
	if err != nil {
		f.Fatal(err)
	}
	app := users.Secret(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}))
	answer := &canned{}
	c, err := github.New(github.Config{ClientID: "x", ClientSecret: "x", PrivateKey: app, Transport: answer, Now: func() time.Time { return now }})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, status int, link, retry, reset, contentType, body string) {
		if status < 100 || status > 599 || strings.ContainsAny(link+retry+reset+contentType, "\r\n\x00") {
			t.Skip("no HTTP server sends this")
		}
		*answer = canned{status, http.Header{"Link": {link}, "Retry-After": {retry}, "X-Ratelimit-Reset": {reset}, "Content-Type": {contentType}}, body}
		checkAnswers(t, c)
	})
}

// checkAnswers has a client read the one answer as that to each of its calls.
func checkAnswers(t *testing.T, c *github.Client) {
	t.Helper()
	ctx := t.Context()
	account, err := c.User(ctx, "ghu_x")
	failure(t, err)
	branch, err := c.DefaultBranch(ctx, "ghs_x", "a/b")
	failure(t, err)
	branches, err := c.Branches(ctx, "ghs_x", "a/b")
	failure(t, err)
	bounded(t, append(branches, branch, account.Login, account.Type)...)
	list, err := c.Repositories(ctx, "ghs_x", "")
	failure(t, err)
	if len(list.Repositories) > 10_000 || len(branches) > 10_000 {
		t.Errorf("%d repositories, %d branches", len(list.Repositories), len(branches))
	}
	for _, r := range list.Repositories {
		bounded(t, r.Name, r.FullName, r.DefaultBranch.Value, r.Language.Value, r.PushedAt.Value)
	}
	token, err := c.Exchange(ctx, integrations.ExchangeRequest{Code: "c"})
	checkToken(t, token, err)
	token, err = c.RefreshUserToken(ctx, "ghr_x")
	checkToken(t, token, err)
	failure(t, c.CheckAccess(ctx, "ghu_x", "1"))
	failure(t, c.Uninstall(ctx, "1"))
	checkApp(t, c)
}

func checkToken(t *testing.T, token integrations.UserToken, err error) {
	t.Helper()
	failure(t, err)
	if (token.AccessToken == "") != (err != nil) || token.ExpiresIn < 0 || token.RefreshExpiresIn < 0 || len(token.AccessToken) > 16<<10 {
		t.Errorf("token of %d bytes for %s, %v", len(token.AccessToken), token.ExpiresIn, err)
	}
}

// checkApp is checkAnswers for what the App asks.
func checkApp(t *testing.T, c *github.Client) {
	t.Helper()
	installation, err := c.Installation(t.Context(), "1")
	failure(t, err)
	bounded(t, installation.Account.Login, installation.Account.Type)
	token, err := c.MintToken(t.Context(), "1")
	failure(t, err)
	bounded(t, token.RepositorySelection)
	if (token.Token == "") != (err != nil) || len(token.Token) > 16<<10 {
		t.Errorf("installation token of %d bytes, %v", len(token.Token), err)
	}
}

// failure checks an error, if there is one.
func failure(t *testing.T, err error) {
	t.Helper()
	var f *integrations.Failure
	if err == nil {
		return
	}
	if !errors.As(err, &f) {
		t.Fatalf("%T: %v", err, err)
	}
	limited := f.Kind == integrations.RateLimited
	if limited != (f.RetryAfter > 0) || f.RetryAfter > 24*time.Hour || limited && f.RetryAfter < time.Second {
		t.Errorf("%v: wait %s", f, f.RetryAfter)
	}
}

func bounded(t *testing.T, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if len(text) > 1024 || !utf8.ValidString(text) {
			t.Errorf("accepted %d bytes: %.80q", len(text), text)
		}
	}
}
