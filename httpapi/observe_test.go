package httpapi_test

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hedgerow-dev/hedgerow/httpapi"
	"github.com/hedgerow-dev/hedgerow/storage/memory"
	"github.com/hedgerow-dev/hedgerow/users"
)

// exchanges are what Config.Observe was told.
type exchanges struct {
	mu   sync.Mutex
	list []httpapi.Exchange
}

func (x *exchanges) observe(_ context.Context, e httpapi.Exchange) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.list = append(x.list, e)
}

// last is the one exchange since the call before.
func (x *exchanges) last(t *testing.T) httpapi.Exchange {
	t.Helper()
	x.mu.Lock()
	defer x.mu.Unlock()
	if len(x.list) != 1 {
		t.Fatalf("Observe was called %d times for one request", len(x.list))
	}
	e := x.list[0]
	x.list = nil
	return e
}

func observedEnv(t *testing.T, change func(*httpapi.Config)) (*env, *exchanges) {
	t.Helper()
	seen := &exchanges{}
	e := newEnv(t, memory.New(), func(c *httpapi.Config) {
		c.Observe = seen.observe
		if change != nil {
			change(c)
		}
	})
	t.Cleanup(e.close)
	return e, seen
}

// TestObserveRoutes: each request is told of with its template, whoever asks and
// however it ends.
func TestObserveRoutes(t *testing.T) {
	e, seen := observedEnv(t, nil)
	alice := e.user("alice")
	key := e.key(alice, "user:read")
	for _, rt := range httpapi.Routes(e.api) {
		for _, slash := range []string{"", "/"} {
			r := e.do(rt[0], filled(rt[1])+slash, "")
			got := seen.last(t)
			if want := (httpapi.Exchange{Method: rt[0], Route: rt[1], Status: r.status, RequestID: r.header.Get("X-Request-Id")}); got != want {
				t.Errorf("%s: got %+v, want %+v", r.call, got, want)
			}
		}
	}
	for name, c := range map[string]struct {
		method, path string
		who          option
		want         httpapi.Exchange
	}{
		"session":        {"GET", "/api/users/@me/", e.session(alice, 0), httpapi.Exchange{Method: "GET", Route: "/api/users/{user}", Status: 200, User: alice.ID, Credential: users.BySession}},
		"key":            {"GET", "/api/users/" + alice.UUID.String(), key, httpapi.Exchange{Method: "GET", Route: "/api/users/{user}", Status: 200, User: alice.ID, Credential: users.ByAPIKey}},
		"refused":        {"DELETE", "/api/users/@me", key, httpapi.Exchange{Method: "DELETE", Route: "/api/users/{user}", Status: 401}},
		"no such path":   {"GET", "/api/phx_secret", key, httpapi.Exchange{Method: "GET", Status: 404}},
		"unclean path":   {"GET", "/api//users", key, httpapi.Exchange{Method: "GET", Status: 404}},
		"no such method": {"BREW", "/api/users", key, httpapi.Exchange{Method: "other", Route: "/api/users", Status: 403, User: alice.ID, Credential: users.ByAPIKey}},
	} {
		t.Run(name, func(t *testing.T) {
			r := e.do(c.method, c.path, "", c.who, header("X-Request-Id", "of-"+c.method))
			c.want.RequestID = "of-" + c.method
			if got := seen.last(t); got != c.want {
				t.Errorf("%s: got %+v, want %+v", r.call, got, c.want)
			}
		})
	}
}

// TestObserveFailures: a panic and a body that is too large are told of too, and
// time passes by Config.Now.
func TestObserveFailures(t *testing.T) {
	var e *env
	e, seen := observedEnv(t, func(c *httpapi.Config) {
		c.BasePath, c.Dashboards = "/accounts", slowPanic{func() { e.advance(3 * time.Second) }}
	})
	alice := e.user("alice")
	_, team := e.organization("acme", alice)
	body := `{"scene":"Dashboards","dashboard":7}`
	if e.do("POST", "/accounts/api/users/@me/scene_personalisation", body, e.session(alice, 0)).status != 500 {
		t.Errorf("team %d: a panic is no 500", team.ID)
	}
	got := seen.last(t)
	if got.Route != "/api/users/{user}/scene_personalisation" || got.Status != 500 || got.Duration != 3*time.Second || got.User != alice.ID {
		t.Errorf("after a panic: got %+v", got)
	}
	e.do("POST", "/accounts/api/login", strings.Repeat(" ", 1<<20+1)).refused(413, "invalid_request", "request_too_large", "")
	if got := seen.last(t); got.Status != 413 || got.Route != "/api/login" {
		t.Errorf("after a large body: got %+v", got)
	}
}

// slowPanic is a host with a mistake in what it knows of dashboards.
type slowPanic struct{ before func() }

func (p slowPanic) Dashboard(context.Context, int64) (users.Dashboard, error) {
	p.before()
	panic("dashboard")
}

// TestObserveLargeBody: the server closes a connection whose body it has not read
// to the end, however little is left, also when the answer is observed.
func TestObserveLargeBody(t *testing.T) {
	e, _ := observedEnv(t, nil)
	server := httptest.NewServer(e.api)
	t.Cleanup(server.Close)
	r, err := http.NewRequestWithContext(t.Context(), "POST", server.URL+"/api/login", bytes.NewReader(make([]byte, 1<<20+1000)))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	res, err := server.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != 413 || !res.Close {
		t.Errorf("got status %d, connection closed: %v, want 413 and true", res.StatusCode, res.Close)
	}
}

func TestExchangeInLog(t *testing.T) {
	var log bytes.Buffer
	x := httpapi.Exchange{Method: "GET", Route: "/api/users/{user}", Status: 200, Duration: time.Millisecond, User: 5, Credential: users.ByAPIKey, RequestID: "abc"}
	slog.New(slog.NewTextHandler(&log, nil)).Info("request", slog.Any("http", x))
	want := "http.method=GET http.route=/api/users/{user} http.status=200 http.duration=1ms http.user=5 http.credential=api_key http.request_id=abc\n"
	if !strings.HasSuffix(log.String(), want) {
		t.Errorf("got %s, want %s at the end", log.String(), want)
	}
}
