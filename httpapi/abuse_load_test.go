package httpapi_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/hedgerow-dev/hedgerow/httpapi"
	"github.com/hedgerow-dev/hedgerow/storage/memory"
)

// TestR64ManySmallThings: ten thousand of anything small is answered, with memory that
// is bounded and grows no faster than the request.
func TestR64ManySmallThings(t *testing.T) {
	e := newEnv(t, memory.New(), func(c *httpapi.Config) { c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")} })
	t.Cleanup(e.close)
	boss := e.user("boss", staff)
	cookie := e.session(boss, 0)
	many := func(text, separator string, n int) string { return strings.Repeat(text+separator, n) + text }
	for name, c := range map[string]struct {
		most int
		send func(n int) (method, path, body string, options []option)
	}{
		"parameters": {10_000, func(n int) (string, string, string, []option) {
			return "GET", "/api/users?" + many("a=b", "&", n), "", []option{cookie}
		}},
		"filters": {100_000, func(n int) (string, string, string, []option) {
			return "GET", "/api/users/?" + many("email=a", "&", n), "", []option{cookie}
		}},
		"searches": {10_000, func(n int) (string, string, string, []option) {
			return "GET", reposPath + "?" + many("search=a", "&", n), "", []option{cookie}
		}},
		"cookies": {3000, func(n int) (string, string, string, []option) {
			return "GET", self, "", []option{header("Cookie", many("a=b", "; ", n)), cookie}
		}},
		"remembered devices": {3000, func(n int) (string, string, string, []option) {
			return "POST", "/api/login", credentials("boss", "wrong"), []option{header("Cookie", many("remember-cookie_x=y", "; ", n))}
		}},
		"languages": {100_000, func(n int) (string, string, string, []option) {
			return "GET", self, "", []option{cookie, header("Accept-Language", many("de;q=0.1", ",", n))}
		}},
		"media": {100_000, func(n int) (string, string, string, []option) {
			return "GET", self, "", []option{cookie, header("Accept", many("text/html;q=0.1", ",", n)+",*/*")}
		}},
		"tags": {100_000, func(n int) (string, string, string, []option) {
			return "PATCH", self, "{}", []option{cookie, header("If-Match", many(`"x"`, ",", n))}
		}},
		"hops": {100_000, func(n int) (string, string, string, []option) {
			return "POST", "/api/login", credentials("boss", "wrong"), []option{header("X-Forwarded-For", many("192.0.2.1", ",", n))}
		}},
		"dots": {100_000, func(n int) (string, string, string, []option) {
			return "GET", "/api/users/" + many(".", "", n), "", []option{cookie}
		}},
		"levels": {100_000, func(n int) (string, string, string, []option) {
			return "GET", "/api/users/" + many("a", "/", n), "", []option{cookie}
		}},
	} {
		cost := func(n int) uint64 {
			method, path, body, options := c.send(n)
			r := httptest.NewRequest(method, path, strings.NewReader(body))
			r.Header.Set("Content-Type", "application/json")
			together(options...)(r)
			return allocated(func() {
				r.Body = io.NopCloser(strings.NewReader(body))
				w := httptest.NewRecorder()
				e.api.ServeHTTP(w, r)
				if w.Code >= 500 {
					t.Errorf("%d %s: got %d %s", n, name, w.Code, w.Body)
				}
			})
		}
		half, all := cost(c.most/2), cost(c.most)
		if all > 64<<20 || all > 3*half+1<<20 {
			t.Errorf("%d %s take %d KiB, and half of them %d", c.most, name, all>>10, half>>10)
		}
	}
	server := httptest.NewServer(e.api)
	t.Cleanup(server.Close)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+self, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-Large", strings.Repeat("x", 2<<20))
	resp, err := server.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("2 MiB of headers are answered by %d", resp.StatusCode)
	}
}

// gate is a source of randomness that can be closed: who draws from it then waits.
type gate struct {
	predictable
	mu      sync.Mutex
	closed  chan struct{} // nil while it is open
	arrived chan struct{}
}

func (g *gate) Read(b []byte) (int, error) {
	g.mu.Lock()
	closed := g.closed
	g.mu.Unlock()
	if closed != nil {
		g.arrived <- struct{}{}
		<-closed
	}
	return g.predictable.Read(b)
}

func (g *gate) set(closed chan struct{}) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = closed
}

// TestR65ExpensiveHashing: as many passwords are hashed at once as there are
// processors; others wait two seconds and are told to come again, and whoever needs no
// hash notices nothing.
func TestR65ExpensiveHashing(t *testing.T) {
	inProcess(t, func(c *httpapi.Config) {
		repeatable(c)
		withMail(c)
		c.Rand, c.Auth.LoginFailures = &gate{predictable: predictable{src: c.Rand.(*predictable).src}, arrived: make(chan struct{}, 100)}, -1
	}, func(t *testing.T, e *env) {
		e.alone()
		g := e.config.Rand.(*gate)
		slots := runtime.NumCPU()
		var cookies []option
		for n := range slots {
			cookies = append(cookies, e.session(e.user(fmt.Sprintf("user%d", n)), 0))
		}
		bob := e.user("bob")
		key, link := e.key(bob, "*"), e.askReset(bob)
		opened := make(chan struct{})
		g.set(opened)
		hashing := make(chan reply, slots)
		for _, cookie := range cookies {
			go func() {
				hashing <- e.do("PATCH", self, fmt.Sprintf(`{"password":%q,"current_password":%q}`, newPassword, password), cookie)
			}()
		}
		for range slots {
			<-g.arrived // at the salt of its hash
		}
		crowd := size(100, 1000)
		refused := make(chan reply, crowd)
		for n := range crowd {
			go func() { refused <- e.do("POST", "/api/login", credentials(fmt.Sprintf("user%d", n%slots), password)) }()
		}
		for range 20 {
			e.do("GET", self, "", key).ok(200)
			e.do("PATCH", self, `{"first_name":"Bob"}`, key).ok(200)
		}
		e.reset(bob, link, newPassword).throttled("1")
		for range crowd {
			(<-refused).throttled("1")
		}
		g.set(nil)
		close(opened)
		for range slots {
			(<-hashing).ok(200)
		}
		e.checkReset(bob, link).ok(204) // it was not spent
		e.do("POST", "/api/login", credentials("bob", password)).ok(200)
	})
}

// TestR67Panic: a panic anywhere, also inside a transaction, fails one request as a
// whole, is logged, and holds nobody up.
func TestR67Panic(t *testing.T) {
	each(t, nil, func(t *testing.T, e *env) {
		var log buffer
		store := &writes{Storage: e.store}
		failing := e.beside(store, func(c *httpapi.Config) { c.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
		alice := e.user("alice")
		cookie, fresh := e.session(alice, 0), e.session(alice, 0)
		requests := [][3]string{{"PATCH", self, `{"first_name":"Eve","theme_mode":"dark"}`}, {"POST", "/api/personal_api_keys", keyBody(nil)}, {"POST", own + "signal_autonomy", `{"autostart_priority":"P1"}`},
			{"POST", own + "credentials_review_complete", ""}, {"PATCH", own + "hedgehog_config", `{"a":1}`}, {"DELETE", self, ""}, {"POST", "/api/login", credentials("alice", password)}}
		panics := 0
		for range size(3, 100) {
			for i, request := range requests {
				store.inside = func() { panic("inside a transaction") }
				e.unchanged(alice, func() {
					failing.do(request[0], request[1]+strings.Repeat("/", i%2), request[2], cookie).refused(500, "server_error", "error", "")
				})
				panics++
				store.inside = nil
				failing.do("GET", self, "", fresh).ok(200)
				e.do("GET", self, "", fresh).ok(200)
			}
		}
		if keys, err := e.store.APIKeys(t.Context(), alice.ID); err != nil || len(keys) > 0 {
			t.Errorf("%d keys are left of what panicked, %v", len(keys), err)
		}
		for i, request := range requests {
			r := failing.do(request[0], request[1], request[2], cookie)
			if r.status >= 300 && i != 6 {
				t.Errorf("%s afterwards: got %d %s", r.call, r.status, r.raw)
			}
		}
		if got := strings.Count(log.b.String(), "msg=panic"); got != panics {
			t.Errorf("the log has %d panics of %d", got, panics)
		}
	})
}

// TestR67ClientsWhoLeave: a request whose client goes away before its commit is done
// as a whole or not at all.
func TestR67ClientsWhoLeave(t *testing.T) {
	each(t, nil, func(t *testing.T, e *env) {
		store := &writes{Storage: e.store}
		leaving := e.beside(store)
		alice := e.user("alice")
		cookie := e.session(alice, 0)
		for n := range size(10, 500) {
			ctx, leave := context.WithCancel(t.Context())
			left := func(r *http.Request) { *r = *r.WithContext(ctx) }
			store.inside = leave
			name := fmt.Sprintf("Name %d", n)
			r := leaving.do("PATCH", self+strings.Repeat("/", n%2), fmt.Sprintf(`{"first_name":%q,"last_name":%q,"hedgehog_config":{"n":%d}}`, name, name, n), cookie, left)
			got := e.stored(alice)
			all := got.FirstName == name && got.LastName == name && string(got.HedgehogConfig) == fmt.Sprintf(`{"n":%d}`, n)
			if none := got.FirstName != name && got.LastName != name; !all && !none || r.status < 300 && !all {
				t.Errorf("a client who left, and is told %d, leaves %+v", r.status, got)
			}
			ctx, leave = context.WithCancel(t.Context())
			store.inside = leave
			before, err := e.store.APIKeys(t.Context(), alice.ID)
			if err != nil {
				t.Fatal(err)
			}
			r = leaving.do("POST", keysPath, keyBody(nil), cookie, func(r *http.Request) { *r = *r.WithContext(ctx) })
			after, err := e.store.APIKeys(t.Context(), alice.ID)
			if err != nil || r.status == 201 && len(after) != len(before)+1 || len(after) > len(before)+1 {
				t.Errorf("a client who left, and is told %d, leaves %d keys, %v", r.status, len(after), err)
			}
			store.inside = nil
			for _, k := range after {
				e.do("DELETE", keysPath+k.ID, "", cookie).ok(204)
			}
		}
	})
}
