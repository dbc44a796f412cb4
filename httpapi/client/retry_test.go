package client_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/httpapi/client"
	"github.com/hedgerow-dev/hedgerow/users"
)

// script answers one request after the other, and then always like the last time.
type script struct {
	steps []step
	sent  []time.Time
	seen  []*http.Request
}

// step is an answer, or an error in its place.
type step struct {
	status     int
	retryAfter string
	body       string
	err        error
}

const refusal = `{"type":"throttled_error","code":"throttled","detail":"Too many requests.","attr":null}`

func (s *script) RoundTrip(r *http.Request) (*http.Response, error) {
	next := s.steps[min(len(s.sent), len(s.steps)-1)]
	s.sent, s.seen = append(s.sent, time.Now()), append(s.seen, r)
	if next.err != nil {
		return nil, next.err
	}
	header := http.Header{"Content-Type": {"application/json; charset=utf-8"}, "X-Request-Id": {"r1"}}
	if next.retryAfter != "" {
		header.Set("Retry-After", next.retryAfter)
	}
	return &http.Response{StatusCode: next.status, Header: header, Body: io.NopCloser(strings.NewReader(next.body)), Request: r}, nil
}

func scripted(t *testing.T, config client.Config, steps ...step) (*client.Client, *script) {
	t.Helper()
	s := &script{steps: steps}
	config.APIKey, config.HTTPClient = "phx_secret", &http.Client{Transport: s}
	c, err := client.New("https://app.example.com/accounts/", config)
	if err != nil {
		t.Fatal(err)
	}
	return c, s
}

func TestRetries(t *testing.T) {
	down := errors.New("connection refused")
	read := func(ctx context.Context, c *client.Client) error { return failed(c.GetUser(ctx, client.Me)) }
	write := func(ctx context.Context, c *client.Client) error {
		return failed(c.SetHedgehogConfig(ctx, client.Me, 1))
	}
	remove := func(ctx context.Context, c *client.Client) error { return c.DeleteSignalAutonomy(ctx, client.Me) }
	good := step{status: 200, body: "{}"}
	for name, tc := range map[string]struct {
		call  func(context.Context, *client.Client) error
		steps []step
		tries int
		want  error         // nil is success
		least time.Duration // waited
	}{
		"success":                   {read, []step{good}, 1, nil, 0},
		"throttled, reading":        {read, []step{{status: 429, retryAfter: "7", body: refusal}, good}, 2, nil, 7 * time.Second},
		"throttled, writing":        {write, []step{{status: 429, retryAfter: "7", body: refusal}, good}, 2, nil, 7 * time.Second},
		"throttled without a time":  {write, []step{{status: 429, body: refusal}, good}, 2, nil, 100 * time.Millisecond},
		"throttled by a proxy":      {write, []step{{status: 429, body: "<html>"}, good}, 2, nil, 100 * time.Millisecond},
		"throttled for too long":    {write, []step{{status: 429, retryAfter: "31", body: refusal}}, 1, auth.ErrThrottled, 0},
		"throttled again and again": {write, []step{{status: 429, retryAfter: "1", body: refusal}}, 4, auth.ErrThrottled, 3 * time.Second},
		"throttled for long, twice": {write, []step{{status: 429, retryAfter: "20", body: refusal}}, 2, auth.ErrThrottled, 20 * time.Second},
		"unavailable, reading":      {read, []step{{status: 503, body: `{"type":"server_error","code":"unavailable","detail":"x","attr":null}`}, good}, 2, nil, 100 * time.Millisecond},
		"unavailable, writing":      {write, []step{{status: 503, body: `{"type":"server_error","code":"unavailable","detail":"x","attr":null}`}}, 1, users.ErrUnavailable, 0},
		"unavailable, removing":     {remove, []step{{status: 503, retryAfter: "1"}}, 1, users.ErrUnavailable, 0},
		"bad gateway, reading":      {read, []step{{status: 502, body: "<html>"}, {status: 504}, good}, 3, nil, 200 * time.Millisecond},
		"bad gateway, writing":      {write, []step{{status: 502, body: "<html>"}}, 1, users.ErrUnavailable, 0},
		"not reached, reading":      {read, []step{{err: down}, {err: down}, good}, 3, nil, 200 * time.Millisecond},
		"not reached, writing":      {write, []step{{err: down}}, 1, down, 0},
		"never reached":             {read, []step{{err: down}}, 4, down, 300 * time.Millisecond},
		"refused":                   {read, []step{{status: 404, body: `{"type":"invalid_request","code":"not_found","detail":"x","attr":null}`}}, 1, users.ErrNotFound, 0},
		"failed inside":             {read, []step{{status: 500, body: `{"type":"server_error","code":"error","detail":"x","attr":null}`}}, 1, &client.Error{}, 0},
		"odd time":                  {write, []step{{status: 429, retryAfter: "Fri, 01 May 2026 12:00:00 GMT", body: refusal}, good}, 2, nil, 100 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, s := scripted(t, client.Config{}, tc.steps...)
				begun := time.Now()
				err := tc.call(t.Context(), c)
				var status *client.Error
				if tc.want == nil && err != nil || tc.want != nil && !errors.Is(err, tc.want) && !(errors.As(tc.want, &status) && errors.As(err, &status)) {
					t.Errorf("got %v, want %v", err, tc.want)
				}
				waited := time.Since(begun)
				if len(s.sent) != tc.tries || waited < tc.least || waited > tc.least*3+time.Duration(tc.tries-1)*2*time.Second {
					t.Errorf("sent %d times in %v, want %d in at least %v", len(s.sent), waited, tc.tries, tc.least)
				}
				for _, r := range s.seen[1:] {
					if r.Method != s.seen[0].Method || r.URL.String() != s.seen[0].URL.String() || r.ContentLength != s.seen[0].ContentLength {
						t.Errorf("%s %s is repeated as %s %s", s.seen[0].Method, s.seen[0].URL, r.Method, r.URL)
					}
				}
			})
		})
	}
}

func TestRetriesEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, s := scripted(t, client.Config{}, step{status: 429, retryAfter: "10", body: refusal})
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(3*time.Second, cancel)
		begun := time.Now()
		err := failed(c.GetUser(ctx, client.Me))
		if !errors.Is(err, context.Canceled) || !errors.Is(err, auth.ErrThrottled) || time.Since(begun) != 3*time.Second || len(s.sent) != 1 {
			t.Errorf("canceled: got %v after %v and %d requests", err, time.Since(begun), len(s.sent))
		}
		ctx, cancel = context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		begun = time.Now()
		if err := failed(c.GetUser(ctx, client.Me)); !errors.Is(err, auth.ErrThrottled) || time.Since(begun) != 0 {
			t.Errorf("a deadline before Retry-After: got %v after %v", err, time.Since(begun))
		}
		var refused *users.Error
		if errors.As(err, &refused); refused == nil || refused.RetryAfter != 10*time.Second {
			t.Errorf("got %+v", refused)
		}
		c, s = scripted(t, client.Config{Tries: 1}, step{status: 429, retryAfter: "1", body: refusal})
		if err := failed(c.GetUser(t.Context(), client.Me)); !errors.Is(err, auth.ErrThrottled) || len(s.sent) != 1 {
			t.Errorf("one try: got %v after %d requests", err, len(s.sent))
		}
	})
}

// TestSent: where requests go, and with what.
func TestSent(t *testing.T) {
	c, s := scripted(t, client.Config{}, step{status: 200, body: "{}"})
	if err := errors.Join(
		failed(c.GetUser(t.Context(), client.Me)),
		failed(c.ListRepositories(t.Context(), "a/../b?c#d", "1", client.ListRepositoriesParams{Search: new("a&b=c"), Limit: new(3)})),
		failed(c.UpdateUser(t.Context(), client.Me, client.UpdateUserParams{IfMatch: new(`"x"`)}, client.UserPatch{FirstName: new("Ann")})),
	); err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{
		"GET https://app.example.com/accounts/api/users/@me",
		"GET https://app.example.com/accounts/api/users/a%2F..%2Fb%3Fc%23d/integrations/github/1/repos?limit=3&search=a%26b%3Dc",
		"PATCH https://app.example.com/accounts/api/users/@me",
	} {
		r := s.seen[i]
		if got := r.Method + " " + r.URL.String(); got != want || r.Header.Get("Authorization") != "Bearer phx_secret" || r.Header.Get("Accept") != "application/json" {
			t.Errorf("got %s with %v, want %s", got, r.Header, want)
		}
	}
	if body, err := io.ReadAll(s.seen[2].Body); err != nil || string(body) != `{"first_name":"Ann"}` || s.seen[2].Header.Get("If-Match") != `"x"` || s.seen[2].Header.Get("Content-Type") != "application/json" {
		t.Errorf("PATCH: got %s, %v with %v", body, err, s.seen[2].Header)
	}
	for _, user := range []string{"", ".", ".."} {
		if err := c.DeleteUser(t.Context(), user); err == nil || len(s.sent) != 3 {
			t.Errorf("user %q: got %v and %d requests", user, err, len(s.sent))
		}
	}
}

// TestAnswers: what does not come from the API is no success.
func TestAnswers(t *testing.T) {
	for name, tc := range map[string]struct {
		answer step
		want   string
	}{
		"redirect":         {step{status: 302}, "getUser: unexpected status 302 (request r1)"},
		"other success":    {step{status: 204}, "getUser: unexpected status 204 (request r1)"},
		"404 of a proxy":   {step{status: 404, body: "<html>"}, "getUser: unexpected status 404 (request r1)"},
		"empty 404":        {step{status: 404}, "getUser: unexpected status 404 (request r1)"},
		"no JSON":          {step{status: 200, body: "<html>"}, "getUser: decode answer: "},
		"wrong type":       {step{status: 200, body: `{"id":"x"}`}, "getUser: decode answer: "},
		"refusal":          {step{status: 400, body: `{"type":"validation_error","code":"required","detail":"Missing.","attr":"email"}`}, "getUser: email: Missing. (required)"},
		"body is too long": {step{status: 413, body: `{"type":"invalid_request","code":"request_too_large","detail":"Too large.","attr":null}`}, "getUser: Too large. (request_too_large)"},
		"endless":          {step{status: 200, body: strings.Repeat(" ", 64<<20+1)}, "getUser: the answer is too long"},
	} {
		c, s := scripted(t, client.Config{}, tc.answer)
		if err := failed(c.GetUser(t.Context(), client.Me)); err == nil || !strings.HasPrefix(err.Error(), tc.want) || len(s.sent) != 1 {
			t.Errorf("%s: got %v after %d requests, want %s", name, err, len(s.sent), tc.want)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	for _, base := range []string{"", "app.example.com", "ftp://app.example.com", "https://", "https://u:p@app.example.com", "https://app.example.com?x=1", "https://app.example.com#x", "://"} {
		if _, err := client.New(base, client.Config{}); err == nil {
			t.Errorf("%q is accepted", base)
		}
	}
	for name, config := range map[string]client.Config{
		"APIKey and Session": {APIKey: "phx_x", Session: &http.Cookie{Name: "sessionid", Value: "x"}}, "white space": {APIKey: "phx_x\n"}, "Tries": {Tries: -1}, "MaxWait": {MaxWait: -1},
	} {
		if _, err := client.New("https://app.example.com", config); err == nil || strings.Contains(fmt.Sprint(err), "phx_x") {
			t.Errorf("%s: got %v", name, err)
		}
	}
}
