package github_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/hedgerow-dev/hedgerow/integrations"
	"github.com/hedgerow-dev/hedgerow/integrations/github"
	"github.com/hedgerow-dev/hedgerow/integrations/githubtest"
)

// noFailure stands for success in a table of classes.
const noFailure = integrations.FailureKind(-1)

// TestEveryFaultOfEveryCall walks all calls and all faults that answer. Only a
// GET is repeated, once, and only where that may help.
func TestEveryFaultOfEveryCall(t *testing.T) {
	suspended := json.RawMessage(`{"message":"This installation has been suspended"}`)
	for _, c := range []struct {
		fault   githubtest.Fault
		want    integrations.FailureKind
		repeats bool
	}{
		{githubtest.Fault{Kind: githubtest.ConnectionRefused}, integrations.Unreachable, true},
		{githubtest.Fault{Kind: githubtest.ConnectionReset}, integrations.Unreachable, true},
		{githubtest.Fault{Kind: githubtest.NoAnswer}, integrations.Unreachable, true},
		{githubtest.Fault{Kind: githubtest.SlowBody}, integrations.Unreachable, true},
		{githubtest.Fault{Kind: githubtest.Status, Status: 500}, integrations.Unexpected, false},
		{githubtest.Fault{Kind: githubtest.Status, Status: 502}, integrations.Unexpected, true},
		{githubtest.Fault{Kind: githubtest.Status, Status: 503}, integrations.Unexpected, true},
		{githubtest.Fault{Kind: githubtest.Status, Status: 504}, integrations.Unexpected, true},
		{githubtest.Fault{Kind: githubtest.Status, Status: 422}, integrations.Unexpected, false},
		{githubtest.Fault{Kind: githubtest.Status, Status: 401}, integrations.Unauthorized, false},
		{githubtest.Fault{Kind: githubtest.Status, Status: 404}, integrations.Missing, false},
		{githubtest.Fault{Kind: githubtest.Status, Status: 403, Body: suspended}, integrations.Suspended, false},
		{githubtest.Fault{Kind: githubtest.HTML200}, integrations.Unreachable, false},
		{githubtest.Fault{Kind: githubtest.WrongShape200}, integrations.Incomplete, false},
		{githubtest.Fault{Kind: githubtest.JSON, Body: json.RawMessage(`null`)}, integrations.Incomplete, false},
		{githubtest.Fault{Kind: githubtest.TruncatedJSON200}, integrations.Unreachable, false},
		{githubtest.Fault{Kind: githubtest.Plain403}, integrations.Forbidden, false},
		{githubtest.Fault{Kind: githubtest.RateLimitPrimary403}, integrations.RateLimited, false},
		{githubtest.Fault{Kind: githubtest.RateLimitSecondary403}, integrations.RateLimited, false},
		{githubtest.Fault{Kind: githubtest.RateLimitMessage403}, integrations.RateLimited, false},
		{githubtest.Fault{Kind: githubtest.RateLimit429}, integrations.RateLimited, false},
		{githubtest.Fault{Kind: githubtest.HugeBody}, integrations.Unreachable, false},
		{githubtest.Fault{Kind: githubtest.GzipBomb}, integrations.Unreachable, false},
		{githubtest.Fault{Kind: githubtest.Redirect}, integrations.Unexpected, false},
	} {
		t.Run(fmt.Sprint(c.fault.Kind, c.fault.Status), func(t *testing.T) {
			t.Parallel()
			w := start(t, acme(), func(config *github.Config) {
				if c.fault.Kind == githubtest.NoAnswer || c.fault.Kind == githubtest.SlowBody {
					config.Timeout = 500 * time.Millisecond
				}
			})
			for _, o := range operations() {
				fault := c.fault
				fault.Route = o.route
				w.fault(fault)
				before := w.Count(o.route)
				wantKind(t, o.name, o.call(t.Context(), w), expected(o, fault, c.want))
				calls := 1
				if c.repeats && strings.HasPrefix(o.route, "GET ") {
					calls = 2
				}
				if got := w.Count(o.route) - before; got != calls {
					t.Errorf("%s: %d requests, want %d", o.name, got, calls)
				}
			}
			if w.wire.hosts["elsewhere.invalid"] > 0 {
				t.Error("a request went to another host")
			}
		})
	}
}

// expected is what differs between calls: those that want another status than
// 200, and x/oauth2, which does not tell why an answer has no token.
func expected(o operation, f githubtest.Fault, want integrations.FailureKind) integrations.FailureKind {
	answers200 := f.Kind == githubtest.WrongShape200 || f.Kind == githubtest.JSON && o.name == "Uninstall"
	switch {
	case o.name == "Uninstall" && f.Status == 404:
		return noFailure
	case o.success != http.StatusOK && answers200:
		return integrations.Unexpected
	case strings.HasPrefix(o.route, "POST /login") && want == integrations.Incomplete:
		return integrations.Unreachable
	}
	return want
}

func TestOneFailureIsRepaired(t *testing.T) {
	w := start(t, acme())
	for _, kind := range []string{githubtest.ConnectionRefused, githubtest.ConnectionReset, githubtest.Status} {
		w.fault(githubtest.Fault{Route: "GET /installation/repositories", Kind: kind, Status: 502, Times: 1})
		list, err := w.Repositories(t.Context(), w.token, "")
		if err != nil || len(list.Repositories) != 3 {
			t.Errorf("%s once: got %d, %v", kind, len(list.Repositories), err)
		}
	}
}

func TestRateLimitWait(t *testing.T) {
	number := func(n int) *int { return &n }
	w := start(t, acme())
	for _, c := range []struct {
		name  string
		fault githubtest.Fault
		want  time.Duration
	}{
		{"429 with Retry-After", githubtest.Fault{Kind: githubtest.RateLimit429, RetryAfter: number(17)}, 17 * time.Second},
		{"Retry-After before reset", githubtest.Fault{Kind: githubtest.RateLimit429, RetryAfter: number(17), ResetIn: number(90)}, 17 * time.Second},
		{"Retry-After of zero", githubtest.Fault{Kind: githubtest.RateLimit429, RetryAfter: number(0)}, time.Second},
		{"Retry-After out of this world", githubtest.Fault{Kind: githubtest.RateLimit429, RetryAfter: number(1 << 40)}, 24 * time.Hour},
		{"no hint", githubtest.Fault{Kind: githubtest.RateLimit429}, time.Minute},
		{"message only", githubtest.Fault{Kind: githubtest.RateLimitMessage403}, time.Minute},
		{"secondary", githubtest.Fault{Kind: githubtest.RateLimitSecondary403, RetryAfter: number(33)}, 33 * time.Second},
		{"primary", githubtest.Fault{Kind: githubtest.RateLimitPrimary403, ResetIn: number(1234)}, 1234 * time.Second},
		{"primary without message", githubtest.Fault{Kind: githubtest.RateLimitPrimary403, Body: json.RawMessage(`"no"`)}, time.Minute},
		{"403 with Retry-After", githubtest.Fault{Kind: githubtest.Plain403, RetryAfter: number(9)}, 9 * time.Second},
		{"reset in the past", githubtest.Fault{Kind: githubtest.RateLimitPrimary403, ResetIn: number(-5)}, time.Second},
	} {
		for _, o := range operations() {
			c.fault.Route = o.route
			w.fault(c.fault)
			var f *integrations.Failure
			if err := o.call(t.Context(), w); !errors.As(err, &f) || f.Kind != integrations.RateLimited || f.RetryAfter != c.want {
				t.Errorf("%s, %s: got %+v, want to wait %s", c.name, o.name, err, c.want)
			}
		}
	}
}

// TestSuspendedIsNoRateLimit: contract section 15, even with nothing remaining.
func TestSuspendedIsNoRateLimit(t *testing.T) {
	retry := 5
	w := start(t, acme())
	w.fault(githubtest.Fault{Route: "GET /user", Kind: githubtest.Status, Status: 403, RetryAfter: &retry,
		Body: json.RawMessage(`{"message":"This installation has been SUSPENDED. No rate limit."}`)})
	wantKind(t, "suspended", operations()[0].call(t.Context(), w), integrations.Suspended)
}

func TestTokenAnswers(t *testing.T) {
	w := start(t, githubtest.PersonalAccount())
	const mint = "POST /app/installations/12345/access_tokens"
	w.fault(githubtest.Fault{Route: mint, Kind: githubtest.TokenMissing, Times: 1})
	_, err := w.MintToken(t.Context(), "12345")
	wantKind(t, "without token", err, integrations.Incomplete)
	w.fault(githubtest.Fault{Route: mint, Kind: githubtest.ExpiresAtMissing, Times: 1})
	_, err = w.MintToken(t.Context(), "12345")
	wantKind(t, "without expires_at", err, integrations.Incomplete)
	w.fault(githubtest.Fault{Route: mint, Kind: githubtest.ExpiresAtOdd, Times: 1})
	if got, err := w.MintToken(t.Context(), "12345"); err != nil || got.Token == "" || !got.ExpiresAt.IsZero() {
		t.Errorf("odd date: got %+v, %v", got, err)
	}
	long := "ghs_" + strings.Repeat("x", 4000)
	w.fault(githubtest.Fault{Route: mint, Kind: githubtest.JSON, Times: 1,
		Body: json.RawMessage(`{"token":"` + long + `","expires_at":"2026-03-01T14:00:00+01:00"}`)})
	got, err := w.MintToken(t.Context(), "12345")
	if err != nil || string(got.Token) != long || !got.ExpiresAt.Equal(w.now.Add(time.Hour)) || got.RepositorySelection != "" {
		t.Errorf("long token: %v, expires %s", err, got.ExpiresAt)
	}
	for _, token := range []string{`"a b"`, `"a\nb"`, `7`, `""`, `"` + strings.Repeat("x", 20_000) + `"`} {
		w.fault(githubtest.Fault{Route: mint, Kind: githubtest.JSON, Times: 1, Body: json.RawMessage(`{"expires_at":"x","token":` + token + `}`)})
		_, err := w.MintToken(t.Context(), "12345")
		wantKind(t, "token "+token[:min(len(token), 8)], err, integrations.Incomplete)
	}
	w.fault(githubtest.Fault{Route: "POST /login/oauth/access_token", Kind: githubtest.TokenMissing, Times: 1})
	w.merge(`{"codes":{"code_1":{"user":"octocat"}}}`)
	_, err = w.Exchange(t.Context(), integrations.ExchangeRequest{Code: "code_1"})
	wantKind(t, "exchange without token", err, integrations.Unreachable)
}

// TestNoConnection: nobody listens, and somebody without a certificate we trust.
func TestNoConnection(t *testing.T) {
	listener := httptest.NewTLSServer(http.NotFoundHandler())
	listener.Config.ErrorLog = log.New(io.Discard, "", 0)
	defer listener.Close()
	silent := httptest.NewServer(http.NotFoundHandler())
	silent.Close()
	for name, address := range map[string]string{"TLS": listener.URL, "refused": silent.URL} {
		w := start(t, acme(), func(c *github.Config) { c.APIURL, c.WebURL = address, address })
		for _, o := range operations() {
			wantKind(t, name+" "+o.name, o.call(t.Context(), w), integrations.Unreachable)
		}
	}
}

// endless is a body without end that counts what was read.
type endless struct{ read int }

func (e *endless) Read(p []byte) (int, error) {
	e.read += len(p)
	return len(p), nil
}

func (*endless) Close() error { return nil }

func (e *endless) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Body: e, Request: r}, nil
}

func TestBodyIsNotReadToTheEnd(t *testing.T) {
	body := &endless{}
	w := start(t, acme(), func(c *github.Config) { c.Transport = body })
	for _, o := range operations() {
		body.read = 0
		if err := o.call(t.Context(), w); err == nil || body.read > 5<<20+1 {
			t.Errorf("%s: %d bytes were read, %v", o.name, body.read, err)
		}
	}
}

// TestFailuresTellNoSecret plants everything secret in answers of every status
// and looks for it in what we say.
func TestFailuresTellNoSecret(t *testing.T) {
	w := start(t, acme())
	secrets := []string{githubtest.NewApp().ClientSecret, "code_1", string(w.token), "ghu_", "ghs_", "ghr_", "PRIVATE KEY", "per_page"}
	body, err := json.Marshal("<p>" + strings.Join(secrets, " ") + "%zz=%zz")
	if err != nil {
		t.Fatal(err)
	}
	for _, fault := range []githubtest.Fault{
		{Kind: githubtest.ConnectionRefused}, {Kind: githubtest.Redirect}, {Kind: githubtest.TruncatedJSON200},
		{Kind: githubtest.Status, Status: 200, Body: body}, {Kind: githubtest.Status, Status: 400, Body: body}, {Kind: githubtest.Status, Status: 502, Body: body},
	} {
		for _, o := range operations() {
			fault.Route = o.route
			w.fault(fault)
			err := o.call(t.Context(), w)
			if err == nil {
				t.Fatalf("%s: no error", o.name)
			}
			for _, secret := range secrets {
				if text := fmt.Sprintf("%v %+v", err, err); strings.Contains(text, secret) {
					t.Errorf("%s with %s %d tells %q: %s", o.name, fault.Kind, fault.Status, secret, text)
				}
			}
		}
	}
}

func TestCanceled(t *testing.T) {
	w := start(t, acme())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, o := range operations() {
		if err := o.call(ctx, w); !errors.Is(err, context.Canceled) || kindOf(err) != integrations.Unreachable {
			t.Errorf("%s: got %v", o.name, err)
		}
	}
	if n := len(w.Requests()); n != 0 {
		t.Errorf("%d requests were sent", n)
	}
}
