package httpapi_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/hedgerow-dev/hedgerow/users"
)

// signedIn is the cookie that an answer hands out.
func (r reply) signedIn() option {
	r.t.Helper()
	value, _, ok := strings.Cut(r.header.Get("Set-Cookie"), ";")
	if !ok {
		r.t.Fatalf("%s: status %d hands out no cookie", r.call, r.status)
	}
	return header("Cookie", value)
}

// TestLoginMembers: contract section 11.1, the first error by field.
func TestLoginMembers(t *testing.T) {
	each(t, nil, func(t *testing.T, e *env) {
		e.user("alice")
		e.user("none", noPassword)
		e.user("gone", inactive)
		for _, c := range []struct{ body, code, attr string }{
			{`{}`, "required", "email"},
			{`{"password":""}`, "required", "email"},
			{`{"email":null}`, "null", "email"},
			{`{"email":" ","password":"x"}`, "blank", "email"},
			{`{"email":"x","password":"x"}`, "invalid_input", "email"},
			{`{"email":[],"password":"x"}`, "invalid_input", "email"},
			{`{"email":"x","password":null}`, "invalid_input", "email"},
			{`{"email":"alice@example.com"}`, "required", "password"},
			{`{"email":"alice@example.com","password":null}`, "null", "password"},
			{`{"email":"alice@example.com","password":"  "}`, "blank", "password"},
			{`{"email":"alice@example.com","password":{}}`, "invalid_input", "password"},
			{`{"email":"alice@example.com","password":true}`, "invalid_input", "password"},
			{credentials("alice", "wrong"), "invalid_credentials", ""},
			{credentials("alice", strings.Repeat("x", 5000)), "invalid_credentials", ""},
			{credentials("alice", strings.ToUpper(password)), "invalid_credentials", ""},
			{credentials("nobody", password), "invalid_credentials", ""},
			{credentials("gone", password), "invalid_credentials", ""},
			{credentials("none", password), "invalid_credentials", ""},
			{`{"email":"alice@example.com","password":12345678}`, "invalid_credentials", ""},
		} {
			r := e.do("POST", "/api/login", c.body)
			if r.invalid(c.code, c.attr); r.header.Get("Set-Cookie") != "" {
				t.Errorf("%s: a refused login changes cookies", r.call)
			}
		}
		for _, c := range []string{credentials("alice", password), credentials("alice", " "+password+"\t"), `{"email":" ALICE@Example.COM ","password":"` + password + `","next":1}`} {
			if got := e.do("POST", "/api/login/", c).ok(200).raw; got != `{"success":true}` {
				t.Errorf("login answers %s", got)
			}
		}
	})
}

// TestLoginVerification: contract section 11.1.
func TestLoginVerification(t *testing.T) {
	verified := func(v users.Null[bool]) func(*users.User) { return func(u *users.User) { u.IsEmailVerified = v } }
	people := func(e *env) {
		e.user("yes")
		e.user("no", verified(users.Some(false)))
		e.user("old", verified(users.Null[bool]{}))
		e.do("POST", "/api/login", credentials("yes", password)).ok(200)
		e.do("POST", "/api/login", credentials("old", password)).ok(200)
		e.do("POST", "/api/login", credentials("no", "wrong")).invalid("invalid_credentials", "")
	}
	each(t, withMail, func(_ *testing.T, e *env) {
		people(e)
		e.do("POST", "/api/login", credentials("no", password)).invalid("not_verified", "")
	})
	each(t, nil, func(_ *testing.T, e *env) {
		people(e)
		e.do("POST", "/api/login", credentials("no", password)).ok(200)
	})
}

// TestLoginAgain rotates the session and restarts the time in which changes are
// allowed.
func TestLoginAgain(t *testing.T) {
	each(t, nil, func(t *testing.T, e *env) {
		alice := e.user("alice")
		cookie := e.do("POST", "/api/login", credentials("alice", password)).ok(200).signedIn()
		e.advance(7200 * time.Second)
		e.do("PATCH", "/api/users/@me", `{"first_name":"A"}`, cookie).ok(200)
		e.advance(time.Microsecond)
		e.do("PATCH", "/api/users/@me", `{"first_name":"B"}`, cookie).refused(403, "authentication_error", "sensitive_action_required_reauth", "")
		e.do("GET", "/api/users/@me", "", cookie).ok(200).has("sensitive_session_expires_at", `"2026-05-01T14:00:00.123456+00:00"`)
		renewed := e.do("POST", "/api/login", credentials("alice", password), cookie).ok(200).signedIn()
		e.do("PATCH", "/api/users/@me", `{"first_name":"B"}`, renewed).ok(200).has("sensitive_session_expires_at", `"2026-05-01T16:00:00.123457+00:00"`)
		e.do("GET", "/api/users/@me", "", cookie).nobody("not_authenticated")
		u, err := e.store.User(t.Context(), alice.ID)
		if err != nil || !u.LastLogin.Equal(e.now()) {
			t.Errorf("last login is %v, %v, want %v", u.LastLogin, err, e.now())
		}
	})
}

// TestSessionOfSomebodyWhoLeft: contract section 2.1.
func TestSessionOfSomebodyWhoLeft(t *testing.T) {
	each(t, nil, func(t *testing.T, e *env) {
		alice, bob := e.user("alice"), e.user("bob")
		hers, his, other := e.session(alice, 0), e.session(bob, 0), e.session(bob, 0)
		if err := e.api.Auth().SetActive(t.Context(), alice.ID, false); err != nil {
			t.Fatal(err)
		}
		e.do("GET", "/api/users/@me", "", hers).nobody("not_authenticated")
		key := e.key(bob, "*")
		deleted := e.do("DELETE", "/api/users/@me/", "", his).ok(204)
		if got := deleted.header.Get("Set-Cookie"); !strings.Contains(got, "Max-Age=0") {
			t.Errorf("deleting oneself leaves the cookie: %q", got)
		}
		e.do("GET", "/api/users/@me", "", his).nobody("not_authenticated")
		e.do("GET", "/api/users/@me", "", other).nobody("not_authenticated")
		e.do("GET", "/api/users/@me", "", key).nobody("authentication_failed")
		e.do("POST", "/api/login", credentials("bob", password)).invalid("invalid_credentials", "")
		if again := e.user("bob"); again.ID == bob.ID || again.UUID == bob.UUID {
			t.Errorf("the ids %d and %v are used again", again.ID, again.UUID)
		}
	})
}

// TestLogout: contract section 11.1.
func TestLogout(t *testing.T) {
	each(t, nil, func(t *testing.T, e *env) {
		alice := e.user("alice")
		other := e.session(alice, 0)
		for _, path := range []string{"/logout", "/logout/", "/api/logout", "/api/logout/"} {
			cookie := e.session(alice, 3*time.Hour)
			r := e.do("POST", path, "", cookie).ok(302)
			if r.header.Get("Location") != "/login" || !strings.Contains(r.header.Get("Set-Cookie"), "Max-Age=0") {
				t.Errorf("%s: Location %q, Set-Cookie %q", r.call, r.header.Get("Location"), r.header.Get("Set-Cookie"))
			}
			e.do("GET", "/api/users/@me", "", cookie).nobody("not_authenticated")
			e.do("POST", path, "").ok(302)
			e.do("GET", path, "", other).refused(405, "invalid_request", "method_not_allowed", "")
		}
		e.do("GET", "/api/users/@me", "", other).ok(200)
		for next, want := range map[string]string{
			"/a?b=c": "/login?next=%2Fa%3Fb%3Dc", "/": "/login?next=%2F", "": "/login", "a": "/login", "//evil.com": "/login", `/\evil.com`: "/login",
			"https://evil.com": "/login", "javascript:alert(1)": "/login", "/\t/evil.com": "/login", "/%5cevil.com": "/login", "/%2fevil.com": "/login", "https:evil.com": "/login",
		} {
			r := e.do("POST", "/logout", "", func(r *http.Request) {
				r.URL.RawQuery = "next=" + strings.NewReplacer("%", "%25", "\t", "%09", "?", "%3F").Replace(next)
			})
			if got := r.ok(302).header.Get("Location"); got != want {
				t.Errorf("logout with next %q leads to %q, want %q", next, got, want)
			}
		}
	})
}

// TestPasswordChange: contract sections 8.3 and 2.1.
func TestPasswordChange(t *testing.T) {
	each(t, withMail, func(t *testing.T, e *env) {
		alice, boss := e.user("alice"), e.user("boss", staff)
		fresh, other := e.session(alice, 0), e.session(alice, 0)
		const me = "/api/users/@me"
		body := func(password, current string) string {
			if current != "" {
				current = fmt.Sprintf(`,"current_password":%q`, current)
			}
			return fmt.Sprintf(`{"password":%q%s}`, password, current)
		}
		for _, c := range []struct{ password, current, code, attr string }{
			{"123", "", "required", "current_password"},
			{"123", "wrong", "incorrect_password", "current_password"},
			{"123", password, "invalid_input", "password"},
			{"12345678", password, "invalid_input", "password"},
			{"aB3$xyz", password, "invalid_input", "password"},
		} {
			e.do("PATCH", me, body(c.password, c.current), fresh).invalid(c.code, c.attr)
			e.advance(time.Minute)
		}
		e.do("GET", me, "", other).ok(200)
		for i, good := range []string{"a_new_password", "NewSecurePassword123!", " mighty-strong-secure-1337!! "} {
			current := []string{password, "a_new_password", "\tNewSecurePassword123! "}[i]
			renewed := e.do("PATCH", me, body(good, current), fresh).ok(200).signedIn()
			e.do("GET", me, "", fresh).nobody("not_authenticated")
			e.do("PATCH", me, `{"last_name":"x"}`, renewed).ok(200)
			e.do("POST", "/api/login", credentials("alice", strings.TrimSpace(current))).invalid("invalid_credentials", "")
			e.do("POST", "/api/login", credentials("alice", good)).ok(200)
			fresh = renewed
			e.advance(time.Minute)
		}
		e.do("GET", me, "", other).nobody("not_authenticated")
		if len(e.box.mail) != 3 || e.box.mail[0].Recipient().Email != "alice@example.com" {
			t.Errorf("got mail %+v, want three to Alice", e.box.mail)
		}
		// A user without a password needs no current one; what is sent is ignored.
		for i, current := range []string{"", "whatever"} {
			none := e.user(fmt.Sprintf("none%d", i), noPassword)
			e.do("PATCH", me, body("a_new_password", current), e.session(none, 0)).ok(200).has("has_password", "true")
			e.do("POST", "/api/login", credentials(fmt.Sprintf("none%d", i), "a_new_password")).ok(200)
		}
		// A current password alone changes nothing.
		e.do("PATCH", me, `{"current_password":"wrong"}`, fresh).ok(200)
		e.do("GET", me, "", fresh).ok(200)
		// Staff need the one of that account.
		hers := "/api/users/" + alice.UUID.String()
		e.do("PATCH", hers, body("a_new_password", ""), e.session(boss, 0)).invalid("required", "current_password")
		e.do("PATCH", hers, body("a_new_password", password), e.session(boss, 0)).invalid("incorrect_password", "current_password")
		e.do("PATCH", hers, body("a_new_password", "mighty-strong-secure-1337!!"), e.session(boss, 0)).ok(200)
		e.do("GET", me, "", fresh).nobody("not_authenticated")
	})
}

// TestPasswordChangeByKey ends every session: there is none to spare.
func TestPasswordChangeByKey(t *testing.T) {
	each(t, nil, func(t *testing.T, e *env) {
		alice := e.user("alice")
		cookie, key := e.session(alice, 0), e.key(alice, "user:write")
		r := e.do("PATCH", "/api/users/@me", `{"password":"a_new_password","current_password":"`+password+`"}`, key).ok(200)
		if got := r.header.Get("Set-Cookie"); got != "" {
			t.Errorf("a key is given the cookie %s", got)
		}
		e.do("GET", "/api/users/@me", "", cookie).nobody("not_authenticated")
		e.do("GET", "/api/users/@me", "", key).ok(200)
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
