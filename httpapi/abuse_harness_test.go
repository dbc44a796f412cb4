package httpapi_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"flag"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/autonomy"
	"github.com/hedgerow-dev/hedgerow/httpapi"
	"github.com/hedgerow-dev/hedgerow/integrations"
	"github.com/hedgerow-dev/hedgerow/storage"
	"github.com/hedgerow-dev/hedgerow/users"
)

// The files abuse_*_test.go attack the API as the table "Abuse" of SECURITY.md
// says, whose rows are named in the tests.

var whole = flag.Bool("whole", false, "run the abuse cases that need minutes at their full size")

// size is how much a case does: in a short form, or at its full size.
func size(short, full int) int {
	if *whole {
		return full
	}
	return short
}

// filled names what belongs to the caller in the segments of a route.
func filled(pattern string) string {
	return strings.NewReplacer("{user}", "@me", "{key}", "@current", "{session}", unknownID, "{passkey}", unknownID, "{requests}", "install_requests",
		"{request}", unknownID, "{installation}", "12345", "{uuid}", unknownID, "{file}", "start.js").Replace(pattern)
}

// aliases are routes of two names.
var aliases = [][2]string{{"/two_factor_start_setup", "/start_2fa_setup"}, {"/two_factor_validate", "/validate_2fa"}, {"/api/logout", "/logout"},
	{"/webhooks/github/pr", "/webhooks/github"}}

// spellings are the paths that lead to the same place for u: the own UUID in place
// of @me, and where it is allowed the number, the other name of a route, and a
// slash at the end.
func spellings(path string, u users.User) []string {
	base, query, asked := strings.Cut(path, "?")
	if path = strings.TrimSuffix(base, "/"); asked {
		path += "?" + query
	}
	paths := []string{path}
	also := func(old string, others ...string) {
		for _, p := range slices.Clone(paths) {
			for _, other := range others {
				if strings.Contains(p, old) {
					paths = append(paths, strings.Replace(p, old, other, 1))
				}
			}
		}
	}
	also("@me", "%40me", u.UUID.String(), strings.ToUpper(u.UUID.String()))
	if strings.Contains(path, "/signal_autonomy") {
		also("@me", number(u.ID))
	}
	for _, a := range aliases {
		if strings.HasSuffix(path, a[0]) {
			also(a[0], a[1])
		}
	}
	for _, p := range slices.Clone(paths) {
		paths = append(paths, withSlash(p, "/"))
	}
	return paths
}

// writing are the routes that read a body and are not for GitHub.
func writing(api *httpapi.API) (routes [][2]string) {
	for _, rt := range httpapi.Routes(api) {
		if rt[0] != "GET" && rt[0] != "DELETE" && !strings.HasPrefix(rt[1], "/webhooks/") {
			routes = append(routes, rt)
		}
	}
	return routes
}

// token makes an OAuth access token of u.
func (e *env) token(u users.User, scopes string) option {
	e.t.Helper()
	value := "pha_" + strings.ReplaceAll(u.UUID.String(), "-", "") + strings.NewReplacer(":", "_", " ", "_", "*", "all").Replace(scopes)
	if err := e.api.Auth().SaveOAuthToken(e.t.Context(), users.Secret(value), auth.OAuthToken{UserID: u.ID, Scopes: scopes}); err != nil {
		e.t.Fatalf("save token: %v", err)
	}
	return header("Authorization", "Bearer "+value)
}

// beside is another process, on a store that sees what is done to that of e.
func (e *env) beside(store storage.Storage, change ...func(*httpapi.Config)) *env {
	e.t.Helper()
	return newEnv(e.t, store, func(c *httpapi.Config) {
		*c = e.config
		for _, f := range change {
			f(c)
		}
	})
}

// everywhere asks every process, and fails the test where the answer is not as
// check wants it.
func (e *env) everywhere(check func(r reply), method, path, body string, options ...option) {
	e.t.Helper()
	for range 1 + len(e.others) {
		check(e.do(method, path, body, options...))
	}
}

// unchanged fails the test if fn changes what is stored of u.
func (e *env) unchanged(u users.User, fn func()) {
	e.t.Helper()
	before := e.stored(u)
	fn()
	if after := e.stored(u); !reflect.DeepEqual(before, after) {
		e.t.Errorf("%s was changed:\n%+v, before it was\n%+v", u.Email, after, before)
	}
}

// writes counts the transactions of a store that may write.
type writes struct {
	storage.Storage
	count atomic.Int64
	// inside runs, if set, at the end of a transaction, before it is committed.
	inside func()
}

// within adds what happens inside a transaction.
func within[T any](w *writes, fn func(T) error) func(T) error {
	w.count.Add(1)
	return func(tx T) error {
		err := fn(tx)
		if w.inside != nil {
			w.inside()
		}
		return err
	}
}

func (w *writes) UpdateUsers(ctx context.Context, fn func(users.Tx) error) error {
	return w.Storage.UpdateUsers(ctx, within(w, fn))
}

func (w *writes) UpdateAuth(ctx context.Context, fn func(auth.Tx) error) error {
	return w.Storage.UpdateAuth(ctx, within(w, fn))
}

func (w *writes) UpdateAutonomy(ctx context.Context, fn func(autonomy.Tx) error) error {
	return w.Storage.UpdateAutonomy(ctx, within(w, fn))
}

func (w *writes) UpdateIntegrations(ctx context.Context, fn func(integrations.Tx) error) error {
	return w.Storage.UpdateIntegrations(ctx, within(w, fn))
}

// openConnection is one that stays open between requests.
type openConnection struct {
	e      *env
	server *httptest.Server
	client *http.Client
}

// connect opens a connection to the first process.
func (e *env) connect() *openConnection {
	e.t.Helper()
	server := httptest.NewServer(e.api)
	client := &http.Client{
		Transport:     &http.Transport{MaxConnsPerHost: 1, DisableCompression: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	e.t.Cleanup(func() {
		client.CloseIdleConnections()
		server.Close()
	})
	return &openConnection{e, server, client}
}

func (c *openConnection) do(method, path, body string, options ...option) reply {
	c.e.t.Helper()
	r, err := http.NewRequestWithContext(c.e.t.Context(), method, c.server.URL+path, strings.NewReader(body))
	if err != nil {
		c.e.t.Fatal(err)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for _, o := range options {
		o(r)
	}
	resp, err := c.client.Do(r)
	if err != nil {
		c.e.t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		c.e.t.Fatal(err)
	}
	return reply{c.e.t, method + " " + path + " " + body, resp.StatusCode, resp.Header, string(raw)}
}

// allocated is how many bytes fn allocates, the least of a few tries, as others
// may allocate at the same time.
func allocated(fn func()) uint64 {
	var least uint64
	for i := range 3 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		fn()
		runtime.ReadMemStats(&after)
		if n := after.TotalAlloc - before.TotalAlloc; i == 0 || n < least {
			least = n
		}
	}
	return least
}

// throttledFor is how long the answer says to wait, zero if it does not.
func (r reply) throttledFor() time.Duration {
	r.t.Helper()
	text := r.header.Get("Retry-After")
	if text == "" {
		return 0
	}
	seconds, err := strconv.Atoi(text)
	if err != nil {
		r.t.Errorf("%s: Retry-After is %q", r.call, text)
	}
	return time.Duration(seconds) * time.Second
}

// TestSpellings shows which paths the cases try.
func TestSpellings(t *testing.T) {
	u := users.User{ID: 7, UUID: uuid.MustParse(unknownID)}
	for path, want := range map[string]string{
		"/api/users":   "/api/users /api/users/",
		"/api/logout":  "/api/logout /logout /api/logout/ /logout/",
		"/x/@me?a=b":   strings.ReplaceAll("/x/@me?a=b /x/%40me?a=b /x/ID?a=b /x/UP?a=b /x/@me/?a=b /x/%40me/?a=b /x/ID/?a=b /x/UP/?a=b", "ID", unknownID),
		"/api/logout/": "/api/logout /logout /api/logout/ /logout/",
	} {
		want = strings.ReplaceAll(want, "UP", strings.ToUpper(unknownID))
		if got := strings.Join(spellings(path, u), " "); got != want {
			t.Errorf("spellings of %s are %s, want %s", path, got, want)
		}
	}
	for path, want := range map[string]int{"/@me/two_factor_validate": 16, "/@me/signal_autonomy": 10} {
		if got := spellings(path, u); len(got) != want {
			t.Errorf("%s has the %d spellings %q, want %d", path, len(got), got, want)
		}
	}
}

// hashText is the SHA-256 of a text in hexadecimal, as a store might show it.
func hashText(text string) string {
	h := sha256.Sum256([]byte(text))
	return hex.EncodeToString(h[:])
}

// panicking is what the host knows of dashboards, with a mistake in it.
type panicking struct{ text string }

func (p panicking) Dashboard(context.Context, int64) (users.Dashboard, error) {
	panic("no dashboard for " + p.text)
}
