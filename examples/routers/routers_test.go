package routers_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/examples/routers"
	"github.com/hedgerow-dev/hedgerow/httpapi"
	"github.com/hedgerow-dev/hedgerow/integrations/githubtest"
	"github.com/hedgerow-dev/hedgerow/storage/memory"
	"github.com/hedgerow-dev/hedgerow/users"
)

const (
	webhookSecret = "It's a Secret to Everybody"
	failures      = 3 // logins before an address is locked out
)

// site is a router with the API in it, and the key of a user.
type site struct {
	t        *testing.T
	url, key string
	client   *http.Client
}

// sites runs a test with each router, at the root and below a prefix.
func sites(t *testing.T, fn func(t *testing.T, s site, base string)) {
	for name, mount := range map[string]func(http.Handler, string) http.Handler{"chi": routers.Chi, "echo": routers.Echo, "gin": routers.Gin} {
		for _, base := range []string{"", "/accounts"} {
			t.Run(name+base, func(t *testing.T) {
				api, err := httpapi.New(memory.New(), httpapi.Config{
					PublicURL: "https://app.example.com", EncryptionKeys: [][]byte{make([]byte, auth.EncryptionKeyBytes)}, BasePath: base,
					Auth: auth.Config{LoginFailures: failures}, GitHub: httpapi.GitHub{WebhookSecret: webhookSecret},
				})
				if err != nil {
					t.Fatal(err)
				}
				server := httptest.NewServer(mount(api, base))
				t.Cleanup(server.Close)
				c := server.Client()
				c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
				fn(t, site{t, server.URL, newKey(t, api), c}, base)
			})
		}
	}
}

func newKey(t *testing.T, api *httpapi.API) string {
	t.Helper()
	u := users.New()
	u.Email = "ann@example.com"
	u, err := api.Auth().CreateUser(t.Context(), u, "")
	if err != nil {
		t.Fatal(err)
	}
	value, err := api.Auth().NewAPIKeyValue()
	if err == nil {
		_, err = api.Auth().SaveAPIKey(t.Context(), auth.APIKey{UserID: u.ID, Label: "test", Scopes: []string{"user:write"}}, value)
	}
	if err != nil {
		t.Fatal(err)
	}
	return string(value)
}

// do sends a request and checks status and a part of the answer.
func (s site) do(r *http.Request, status int, part string) *http.Response {
	s.t.Helper()
	res, err := s.client.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	if res.StatusCode != status || !strings.Contains(string(body), part) {
		s.t.Errorf("%s %s: got %d, %.200s, want %d and %s", r.Method, r.URL.Path, res.StatusCode, body, status, part)
	}
	return res
}

func (s site) request(method, path, body string) *http.Request {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), method, s.url+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	r.Header.Set("Authorization", "Bearer "+s.key)
	return r
}

func TestRequests(t *testing.T) {
	sites(t, func(t *testing.T, s site, base string) {
		me, missing := `"email":"ann@example.com"`, `"detail":"Endpoint not found."`
		for _, c := range []struct {
			method, path, body string
			status             int
			part               string
		}{
			{"GET", base + "/api/users/@me", "", 200, me},
			{"GET", base + "/api/users/@me/", "", 200, me},
			{"GET", base + "/api/users/%40me", "", 200, me},
			{"HEAD", base + "/api/users/@me/", "", 200, ""},
			{"OPTIONS", base + "/api/users/@me/", "", 200, ""},
			{"PATCH", base + "/api/users/@me", `{"first_name":"Ann"}`, 200, `"first_name":"Ann"`},
			{"PATCH", base + "/api/users/@me/", `{"first_name":"Bea"}`, 200, `"first_name":"Bea"`},
			{"GET", base + "/api/users", "", 200, `"count":1`},
			{"GET", base + "/api/users/?limit=1", "", 200, `"count":1`},
			{"GET", base + "/api/nothing", "", 404, missing},
			{"GET", base + "/api/", "", 404, missing},
			{"GET", base + "/api//users/@me", "", 404, missing},
			{"GET", base + "/api/users/../users/@me", "", 404, missing},
			{"GET", base + "/complete/github-link/", "", 401, `"code":"not_authenticated"`}, // by a browser only
			{"GET", "/hello", "", 200, "hello"},
			{"GET", "/nothing", "", 404, "no such page"},
			{"GET", "/other/api/users/@me", "", 404, "no such page"},
		} {
			s.do(s.request(c.method, c.path, c.body), c.status, c.part)
		}
	})
}

func TestMethodNotAllowed(t *testing.T) {
	sites(t, func(t *testing.T, s site, base string) {
		res := s.do(s.request("PUT", base+"/api/users/", ""), 405, `"code":"method_not_allowed"`)
		if got, want := res.Header.Get("Allow"), "GET, HEAD, OPTIONS"; got != want {
			t.Errorf("Allow: got %q, want %q", got, want)
		}
	})
}

// TestBodies is for a limit of the router that is not below the API's.
func TestBodies(t *testing.T) {
	sites(t, func(t *testing.T, s site, base string) {
		for _, bytes := range []int{1<<20 + 1, 3 << 20} {
			r := s.request("PATCH", base+"/api/users/@me", `{"first_name":"`+strings.Repeat("x", bytes)+`"}`)
			s.do(r, http.StatusRequestEntityTooLarge, "")
		}
	})
}

func TestWebhook(t *testing.T) {
	sites(t, func(t *testing.T, s site, base string) {
		for _, path := range []string{"/webhooks/github", "/webhooks/github/", "/webhooks/github/pr"} {
			for secret, status := range map[string]int{webhookSecret: 200, "another": 403} {
				r, err := githubtest.NewDelivery(t.Context(), s.url+base+path, "ping", secret, map[string]string{"zen": "Keep it logically awesome."})
				if err != nil {
					t.Fatal(err)
				}
				s.do(r, status, "")
			}
		}
	})
}

// TestAddress gives a client that invents an address for every login no more
// of them.
func TestAddress(t *testing.T) {
	sites(t, func(t *testing.T, s site, base string) {
		for i := range failures + 1 {
			r := s.request("POST", base+"/api/login", `{"email":"bob@example.com","password":"wrong"}`)
			r.Header.Del("Authorization")
			for _, header := range []string{"X-Real-IP", "X-Forwarded-For", "True-Client-IP"} {
				r.Header.Set(header, fmt.Sprint("192.0.2.", i))
			}
			if i < failures {
				s.do(r, 400, "")
			} else {
				s.do(r, 403, "")
			}
		}
	})
}
