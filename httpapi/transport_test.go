package httpapi_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/hedgerow-dev/hedgerow/httpapi"
	"github.com/hedgerow-dev/hedgerow/users"
)

// TestPaths: contract section 1.
func TestPaths(t *testing.T) {
	each(t, nil, func(t *testing.T, e *env) {
		alice := e.user("alice")
		key := e.key(alice, "*")
		for _, path := range []string{"/api/users/@me", "/api/users/@me/", "/api/users/%40me", "/api/users/%40me/", "/api/users", "/api/users/", "/api/users/@me/hedgehog_config", "/api/users/%40me/hedgehog_config/"} {
			e.do("GET", path, "", key).ok(200)
		}
		e.do("PATCH", "/api/users/@me/", `{"first_name":"A"}`, key).ok(200)
		for _, path := range []string{
			"/api/users/@me.json", "/api/users/a.b", "/api/users/.", "/api/users/..", "/api/users/@me/hedgehog_config.json", "/api/users/a%2Fb", "/api/users/a%2eb", "/api/users/@me//",
			"/api/users//@me", "//api/users", "/api//users", "/api", "/api/", "/api/user", "/api/users/@me/unknown", "/api/users/@me/hedgehog_config/x", "/api/Users", "/API/users", "/users", "/",
			"/api/personal_api_keys/a.b", "/api/users/@me/./", "/api/users/x/../@me",
		} {
			for _, caller := range []option{key, func(*http.Request) {}, header("Authorization", "Bearer phx_unknown")} {
				for _, method := range []string{"GET", "PATCH", "DELETE", "OPTIONS"} {
					r := e.do(method, path, "", caller)
					if r.refused(404, "invalid_request", "not_found", ""); r.header.Get("Location") != "" {
						t.Errorf("%s redirects to %s", r.call, r.header.Get("Location"))
					}
				}
			}
		}
	})
}

// TestAccept: contract sections 1.1 and 1.2.
func TestAccept(t *testing.T) {
	each(t, nil, func(t *testing.T, e *env) {
		key := e.key(e.user("alice"), "*")
		for accept, ok := range map[string]bool{
			"": true, "*/*": true, "application/json": true, "application/*": true, "APPLICATION/JSON": true, "application/json; charset=utf-8": true,
			"text/html, */*;q=0.1": true, "text/html;q=0.9,application/json;q=0.1": true, " application/json ,text/html": true, "application/json;q=1.000": true,
			"text/html": false, "application/xml, text/*": false, "application/json;q=0": false, "application/json; q=0.000": false, "*/json": false, "application": false, "application/jsonx": false,
		} {
			r := e.do("GET", "/api/users/@me", "", key, header("Accept", accept))
			r.call += " accepting " + accept
			if ok {
				if got := r.ok(200).header.Get("Content-Type"); got != "application/json; charset=utf-8" {
					t.Errorf("%s: content type %s", r.call, got)
				}
				continue
			}
			r.refused(406, "invalid_request", "not_acceptable", "")
			// It comes before authentication, and after the path.
			e.do("GET", "/api/users/@me", "", header("Accept", accept)).refused(406, "invalid_request", "not_acceptable", "")
			e.do("GET", "/api/nothing", "", header("Accept", accept)).refused(404, "invalid_request", "not_found", "")
		}
		e.do("GET", "/api/users/@me", "", key, header("Accept", "text/html"), header("Accept", "application/json")).ok(200)
	})
}

// TestHeadAndOptions: contract section 1.
func TestHeadAndOptions(t *testing.T) {
	each(t, nil, func(t *testing.T, e *env) {
		alice := e.user("alice")
		stale, read, write, other := e.session(alice, 3*time.Hour), e.key(alice, "user:read"), e.key(alice, "user:write"), e.key(alice, "insight:read")
		for path, allow := range map[string]string{
			"/api/users": "GET, HEAD, OPTIONS", "/api/users/@me/": "GET, HEAD, PUT, PATCH, DELETE, OPTIONS", "/api/users/@me/hedgehog_config": "GET, HEAD, PATCH, OPTIONS",
			"/api/users/@me/github_login": "GET, HEAD, OPTIONS", "/api/users/@me/scene_personalisation": "POST, OPTIONS", "/api/users/@me/onboarding/skip/": "POST, OPTIONS",
		} {
			for _, caller := range []option{stale, read, write} {
				r := e.do("OPTIONS", path, "", caller).ok(200)
				if r.header.Get("Allow") != allow || r.json()["name"] == nil {
					t.Errorf("%s: Allow %q, body %s, want %s", r.call, r.header.Get("Allow"), r.raw, allow)
				}
				if !strings.HasPrefix(allow, "GET") {
					continue
				}
				head := e.do("HEAD", path, "", caller).ok(200)
				if get := e.do("GET", path, "", caller).ok(200); head.raw != "" || head.header.Get("Content-Type") != get.header.Get("Content-Type") || head.header.Get("ETag") != get.header.Get("ETag") {
					t.Errorf("%s: body %q, headers %v, and GET has %v", head.call, head.raw, head.header, get.header)
				}
			}
			e.do("OPTIONS", path, "", other).denied()
			e.do("OPTIONS", path, "").nobody("not_authenticated")
			for _, method := range []string{"POST", "PUT", "PATCH", "DELETE"} {
				if !strings.Contains(allow, method) {
					r := e.do(method, path, "", e.session(alice, 0))
					r.refused(405, "invalid_request", "method_not_allowed", "")
					if got := r.header.Get("Allow"); got != allow {
						t.Errorf("%s: Allow %q, want %s", r.call, got, allow)
					}
				}
			}
		}
		e.do("HEAD", "/api/users/@me", "", other).ok(403)
		e.do("HEAD", "/api/users/@me", "").ok(401)
	})
}

// TestOrderOfChecks: contract section 1.2.
func TestOrderOfChecks(t *testing.T) {
	each(t, nil, func(t *testing.T, e *env) {
		alice, bob := e.user("alice"), e.user("bob")
		fresh, stale, key, read := e.session(alice, 0), e.session(alice, 3*time.Hour), e.key(alice, "*"), e.key(alice, "user:read")
		reauth := func(r reply) {
			t.Helper()
			r.refused(403, "authentication_error", "sensitive_action_required_reauth", "")
		}
		notAllowed := func(r reply) {
			t.Helper()
			r.refused(405, "invalid_request", "method_not_allowed", "")
		}
		// The collection has no writes, which comes out last.
		e.do("POST", "/api/users/", "{}").nobody("not_authenticated")
		e.do("POST", "/api/users/", "{}", key).denied() // no scope is defined for it
		reauth(e.do("POST", "/api/users/", "{}", stale))
		notAllowed(e.do("POST", "/api/users/", "{}", fresh))
		for _, method := range []string{"PATCH", "PUT"} {
			e.do(method, "/api/users/", "{}", read).denied()
			notAllowed(e.do(method, "/api/users/", "{}", key))
		}
		e.do("DELETE", "/api/users/", "", key).nobody("not_authenticated")
		// A foreign target is refused before the body is validated, and after freshness.
		foreign := "/api/users/" + bob.UUID.String()
		e.do("PATCH", foreign, `{"first_name":null}`, fresh).denied()
		e.do("PATCH", foreign, `[]`, key).denied()
		reauth(e.do("PATCH", foreign, `{"first_name":null}`, stale))
		e.do("PATCH", foreign, `{"first_name":null}`, read).denied()
		e.do("PATCH", foreign, `{"first_name":null}`).nobody("not_authenticated")
		// An organization's demand for a second factor comes before all of that.
		o, _ := e.organization("Acme", alice)
		o.Enforce2FA = users.Some(true)
		if _, err := e.api.Users().SaveOrganization(t.Context(), o); err != nil {
			t.Fatal(err)
		}
		for _, target := range [][2]string{{"PATCH", foreign}, {"POST", "/api/users"}, {"DELETE", keysPath + "x"}, {"POST", "/api/users/@me/onboarding/skip"}} {
			e.do(target[0], target[1], "{}", stale).refused(403, "authentication_error", "two_factor_setup_required", "")
		}
		for _, path := range []string{"/api/users/@me", "/api/users/@me/"} { // these two spellings are exempt
			e.do("PATCH", path, `{"first_name":"A"}`, fresh).ok(200)
			reauth(e.do("PATCH", path, `{"first_name":"A"}`, stale))
		}
		e.do("POST", "/api/login", credentials("alice", password), stale).ok(200)
	})
}

// TestHarmlessMembers: the allow-list of contract section 4, member by member.
func TestHarmlessMembers(t *testing.T) {
	each(t, nil, func(t *testing.T, e *env) {
		alice := e.user("alice")
		o, team := e.organization("Acme", alice)
		stale := e.session(alice, 3*time.Hour)
		harmless := []string{`"theme_mode":"dark"`, `"set_current_organization":"` + o.ID.String() + `"`, `"set_current_team":` + string(rune('0'+team.ID)), `"allow_sidebar_suggestions":false`,
			`"shortcut_position":"below"`, `"has_seen_product_intro_for":{}`, `"events_column_config":{}`, `"role_at_organization":"data"`}
		for _, member := range append(harmless, strings.Join(harmless, ",")) {
			e.do("PATCH", "/api/users/@me", `{`+member+`}`, stale).ok(200)
			for _, other := range []string{`"x":1`, `"id":1`, `"first_name":"A"`, `"current_password":"x"`, `"Theme_Mode":"dark"`} {
				e.do("PATCH", "/api/users/@me", `{`+member+`,`+other+`}`, stale).refused(403, "authentication_error", "sensitive_action_required_reauth", "")
			}
			// The list is for the user alone, and for no other write.
			for _, target := range [][2]string{{"DELETE", "/api/users/@me"}, {"POST", "/api/users/@me/onboarding/skip"}, {"POST", keysPath}, {"POST", "/api/users"}} {
				e.do(target[0], target[1], `{`+member+`}`, stale).refused(403, "authentication_error", "sensitive_action_required_reauth", "")
			}
			e.do("PUT", "/api/users/@me", `{`+member+`}`, stale).invalid("required", "email")
		}
		for _, member := range []string{"first_name", "last_name", "email", "notification_settings", "anonymize_data", "allow_impersonation", "toolbar_mode", "is_staff", "password",
			"current_password", "hedgehog_config", "passkeys_enabled_for_2fa", "hide_mcp_hints"} {
			e.do("PATCH", "/api/users/@me", `{"`+member+`":null}`, stale).refused(403, "authentication_error", "sensitive_action_required_reauth", "")
		}
		// A value that is refused needs no freshness to be refused.
		e.do("PATCH", "/api/users/@me", `{"theme_mode":"pink"}`, stale).invalid("invalid_choice", "theme_mode")
	})
}

// socket is a writer with a read deadline, and a body that knows it.
type socket struct {
	*httptest.ResponseRecorder
	deadlines []time.Time
}

func (s *socket) SetReadDeadline(at time.Time) error {
	s.deadlines = append(s.deadlines, at)
	return nil
}

// Read is a client that sends nothing in time.
func (s *socket) Read([]byte) (int, error) {
	return 0, os.ErrDeadlineExceeded
}

// TestSlowBody: a body has 30 seconds by the clock of the socket.
func TestSlowBody(t *testing.T) {
	each(t, nil, func(t *testing.T, e *env) {
		key := e.key(e.user("alice"), "*")
		send := func(method string, body bool, server *http.Server) []time.Time {
			t.Helper()
			s := &socket{ResponseRecorder: httptest.NewRecorder()}
			r := httptest.NewRequestWithContext(t.Context(), method, "/api/users/@me", nil)
			if body {
				r = httptest.NewRequestWithContext(t.Context(), method, "/api/users/@me", s)
			}
			if server != nil {
				r = r.WithContext(context.WithValue(r.Context(), http.ServerContextKey, server))
			}
			key(r)
			e.api.ServeHTTP(s, r)
			if want := map[bool]int{false: 200, true: 400}[body]; s.Code != want {
				t.Errorf("%s: got status %d, want %d; body %s", method, s.Code, want, s.Body)
			}
			return s.deadlines
		}
		start := time.Now()
		got := send("PATCH", true, nil)
		if len(got) != 1 || got[0].Before(start.Add(30*time.Second)) || got[0].After(time.Now().Add(30*time.Second)) {
			t.Errorf("the deadlines are %v, want one, 30 seconds from now", got)
		}
		if got := send("GET", false, nil); len(got) != 0 {
			t.Errorf("a request without a body has the deadlines %v", got)
		}
		// A server that is stricter keeps its own limit.
		for limit, want := range map[time.Duration]int{0: 1, time.Minute: 1, 30 * time.Second: 0, time.Second: 0} {
			if got := send("PATCH", true, &http.Server{ReadTimeout: limit}); len(got) != want {
				t.Errorf("a server with the limit %v: got deadlines %v, want %d", limit, got, want)
			}
		}
	})
}

// TestBasePath mounts the API below a prefix.
func TestBasePath(t *testing.T) {
	each(t, func(c *httpapi.Config) { c.BasePath, c.MaxPage = "/accounts/", 1 }, func(t *testing.T, e *env) {
		boss := e.user("boss", staff)
		e.user("alice")
		cookie := e.session(boss, 0)
		e.do("GET", "/accounts/api/users", "", cookie).ok(200).has("next", `"https://app.example.com/accounts/api/users?limit=1\u0026offset=1"`)
		e.do("GET", "/accounts/api/users/%40me/", "", cookie).ok(200)
		for _, path := range []string{"/api/users", "/accountsapi/users", "/accounts", "/accounts//api/users", "/accounts/api/../api/users"} {
			e.do("GET", path, "", cookie).refused(404, "invalid_request", "not_found", "")
		}
	})
}
