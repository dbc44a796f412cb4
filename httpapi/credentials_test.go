package httpapi_test

import (
	"strings"
	"testing"

	"github.com/hedgerow-dev/hedgerow/httpapi"
	"github.com/hedgerow-dev/hedgerow/storage/memory"
)

// TestEmailChangeEndsOtherSessions spares them when only the case differs.
func TestEmailChangeEndsOtherSessions(t *testing.T) {
	each(t, nil, func(t *testing.T, e *env) {
		alice := e.user("alice")
		own, other := e.session(alice, 0), e.session(alice, 0)
		e.do("PATCH", "/api/users/@me", `{"email":"Alice@example.com"}`, own).ok(200).has("email", `"Alice@example.com"`)
		e.do("GET", "/api/users/@me", "", other).ok(200)
		e.do("PATCH", "/api/users/@me", `{"email":"new@example.com"}`, own).ok(200)
		e.do("GET", "/api/users/@me", "", other).ok(401)
		e.do("GET", "/api/users/@me", "", own).ok(200)
	})
}

// TestLoginReplacesSessions ends whatever session the browser had.
func TestLoginReplacesSessions(t *testing.T) {
	each(t, nil, func(t *testing.T, e *env) {
		alice := e.user("alice")
		e.user("bob")
		cookie := e.session(alice, 0)
		planted := header("Cookie", "sessionid=planted")
		r := e.do("POST", "/api/login", `{"email":"bob@example.com","password":"`+password+`"}`, cookie).ok(200)
		e.do("GET", "/api/users/@me", "", cookie).ok(401)
		got := r.header.Get("Set-Cookie")
		for _, want := range []string{"sessionid=", "; Path=/", "; HttpOnly", "; Secure", "; SameSite=Lax", "Max-Age=1209600"} {
			if !strings.Contains(got, want) {
				t.Errorf("Set-Cookie %q lacks %q", got, want)
			}
		}
		e.do("POST", "/api/login", `{"email":"bob@example.com","password":"`+password+`"}`, planted).ok(200)
		e.do("GET", "/api/users/@me", "", planted).ok(401)
		value, _, _ := strings.Cut(got, ";")
		e.do("GET", "/api/users/@me", "", header("Cookie", value), header("Cookie", "sessionid=x")).ok(401)
		out := e.do("POST", "/api/logout?next=//evil.com", "", header("Cookie", value)).ok(302)
		if got := out.header.Get("Location"); got != "/login" {
			t.Errorf("logout leads to %q", got)
		}
		if got := e.do("POST", "/logout/?next=/a?b=c", "").ok(302).header.Get("Location"); got != "/login?next=%2Fa%3Fb%3Dc" {
			t.Errorf("logout leads to %q", got)
		}
		e.do("GET", "/api/users/@me", "", header("Cookie", value)).ok(401)
	})
}

// TestKeyNeverBecomesACookie holds also at the door where cookies are made.
func TestKeyNeverBecomesACookie(t *testing.T) {
	each(t, nil, func(t *testing.T, e *env) {
		alice := e.user("alice")
		key, cookie := e.key(alice, "*"), e.session(alice, 0)
		r := e.do("POST", "/api/login", `{"email":"alice@example.com","password":"`+password+`"}`, key)
		r.refused(403, "authentication_error", "permission_denied", "")
		out := e.do("POST", "/api/logout", "", key, cookie).ok(302)
		if r.header.Get("Set-Cookie")+out.header.Get("Set-Cookie") != "" {
			t.Error("a request with a key changes cookies")
		}
		e.do("GET", "/api/users/@me", "", cookie).ok(200)
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

func TestConfigNeedsEncryptionKeys(t *testing.T) {
	for name, keys := range map[string][][]byte{"none": nil, "short": {{1, 2, 3}}} {
		_, err := httpapi.New(memory.New(), httpapi.Config{PublicURL: "https://app.example.com", EncryptionKeys: keys})
		if err == nil || !strings.Contains(err.Error(), "EncryptionKeys") {
			t.Errorf("%s: got error %v, want one that names EncryptionKeys", name, err)
		}
	}
}
