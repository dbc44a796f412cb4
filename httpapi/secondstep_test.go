package httpapi_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/httpapi"
	"github.com/hedgerow-dev/hedgerow/users"
)

// together sends several cookies in one header, as browsers do.
func together(options ...option) option {
	return func(r *http.Request) {
		for _, o := range options {
			o(r)
		}
		r.Header.Set("Cookie", strings.Join(r.Header.Values("Cookie"), "; "))
	}
}

// TestLoginInTwoSteps: contract section 11.1.
func TestLoginInTwoSteps(t *testing.T) {
	each(t, withMail, func(t *testing.T, e *env) {
		alice := e.user("alice")
		secret, _ := e.enrol(alice)
		first := e.do("POST", "/api/login", credentials("alice", password))
		first.refused(401, "server_error", "2fa_required", "")
		if u, err := e.store.User(t.Context(), alice.ID); err != nil || !u.LastLogin.IsZero() {
			t.Errorf("half a login sets last_login to %v, %v", u.LastLogin, err)
		}
		pending := first.cookie("sessionid")
		e.do("POST", "/api/login/token", `[]`, pending).invalid("invalid_input", "")
		r := e.do("POST", "/api/login/token/", token(e.code(secret)), pending).ok(200)
		if r.raw != `{"success":true}` {
			t.Errorf("the second step answers %s", r.raw)
		}
		session := r.cookie("sessionid")
		e.do("GET", "/api/users/@me", "", pending).ok(401) // R21: a new secret
		e.do("GET", "/api/users/@me", "", session).ok(200)
		e.do("PATCH", "/api/users/@me", `{"first_name":"A"}`, session).ok(200)
		if u, err := e.store.User(t.Context(), alice.ID); err != nil || !u.LastLogin.Equal(e.now()) {
			t.Errorf("last_login is %v, %v", u.LastLogin, err)
		}
		e.do("POST", "/api/login/token", token(e.code(secret)), pending).invalid("invalid_2fa_session", "")
		e.do("POST", "/api/login/token", token(e.code(secret)), session).invalid("invalid_2fa_session", "")
		e.do("POST", "/api/login/token", token(e.code(secret))).invalid("invalid_2fa_session", "")
		e.do("POST", "/api/login/token", token(e.code(secret)), e.key(alice, "*")).denied()
		e.sent(auth.TwoFactorEnabled{})
	})
}

// TestPendingLoginIsWorthNothing: R25. It survives a look elsewhere.
func TestPendingLoginIsWorthNothing(t *testing.T) {
	each(t, nil, func(t *testing.T, e *env) {
		alice := e.user("alice")
		secret, _ := e.enrol(alice)
		pending := e.pending("alice")
		for _, pair := range httpapi.Routes(e.api) {
			if slices.Contains(openPaths, pair[1]) {
				continue
			}
			path := strings.NewReplacer("{user}", "@me", "{key}", "@current", "{session}", unknownID, "{passkey}", unknownID, "{requests}", "install_requests",
				"{request}", unknownID, "{installation}", "12345").Replace(pair[1])
			r := e.do(pair[0], path, "", pending)
			if r.nobody("not_authenticated"); r.header.Get("Set-Cookie") != "" {
				t.Errorf("%s %s: the waiting login loses its cookie", pair[0], path)
			}
		}
		e.advance(10*time.Minute + time.Second)
		if got := e.do("GET", "/api/users/@me", "", pending).ok(401).header.Get("Set-Cookie"); got != "" {
			t.Error("a login that waited too long cannot be told so")
		}
		e.do("POST", "/api/login/token", token(e.code(secret)), pending).invalid("2fa_expired", "")
		// Logging out gives the login up.
		pending = e.pending("alice")
		e.do("POST", "/api/logout", "", pending).ok(302)
		e.do("POST", "/api/login/token", token(e.code(secret)), pending).invalid("invalid_2fa_session", "")
		if got := e.do("GET", "/api/users/@me", "", pending).ok(401).header.Get("Set-Cookie"); !strings.Contains(got, "Max-Age=0") {
			t.Errorf("a cookie that is worth nothing is not cleared: %q", got)
		}
		// So does another login, and a session that came along ends with the first step.
		cookie := e.session(e.user("bob"), 0)
		pending = e.pending("alice", cookie)
		e.do("GET", "/api/users/@me", "", cookie).ok(401)
		e.pending("alice", pending)
		e.do("POST", "/api/login/token", token(e.code(secret)), pending).invalid("invalid_2fa_session", "")
	})
}

// TestSecondStepRefusals: contract section 11.1.
func TestSecondStepRefusals(t *testing.T) {
	each(t, func(c *httpapi.Config) { c.Auth.SecondSteps.Max = -1 }, func(t *testing.T, e *env) {
		alice := e.user("alice")
		secret, cookie := e.enrol(alice)
		codes := e.backupCodes(cookie)
		pending := e.pending("alice")
		send := func(body string) reply { return e.do("POST", "/api/login/token", body, pending) }
		for _, body := range []string{`{}`, `{"token":null}`, `{"token":""}`, `{"token":" - "}`, `{"code":"123456"}`} {
			send(body).invalid("2fa_missing_credentials", "")
		}
		for _, wrong := range []string{`true`, `[]`, `{}`, `"x"`, `"1234567"`, `"` + e.code(secret) + `0"`, `"é"`, `1e5`, `"abcdefgh"`, `"` + codes[0] + codes[1] + `"`} {
			e.advance(time.Hour)
			pending = e.pending("alice")
			send(`{"token":`+wrong+`}`).invalid("2fa_invalid", "")
		}
		e.advance(time.Hour)
		pending = e.pending("alice")
		e.advance(10 * time.Minute) // the very last moment
		send(token(e.code(secret))).ok(200)
		pending = e.pending("alice")
		e.advance(20*time.Minute - time.Microsecond)
		send(token(e.code(secret))).invalid("2fa_expired", "")
		e.advance(time.Microsecond)
		if n, err := e.api.Auth().DeleteExpired(t.Context()); err != nil || n == 0 {
			t.Errorf("DeleteExpired: got %d, %v", n, err)
		}
		send(token(e.code(secret))).invalid("invalid_2fa_session", "")
	})
}

// TestSecondStepBackOff: a wrong code bars further ones, right ones included,
// for 2 seconds, then 4, and so on, whatever login they come with.
func TestSecondStepBackOff(t *testing.T) {
	each(t, func(c *httpapi.Config) { c.Auth.SecondSteps.Max = -1 }, func(t *testing.T, e *env) {
		alice := e.user("alice")
		secret, cookie := e.enrol(alice)
		codes := e.backupCodes(cookie)
		send := func(code string) reply { return e.do("POST", "/api/login/token", token(code), e.pending("alice")) }
		wait := 2 * time.Second
		for i := range 12 {
			wrong := []string{"000000", "aaaaaaaa"}[i%2]
			send(wrong).invalid("2fa_invalid", "")
			r := send(e.code(secret))
			if r.invalid("2fa_too_many_attempts", ""); r.header.Get("Retry-After") == "" {
				t.Error("there is no Retry-After")
			}
			send(codes[0]).invalid("2fa_too_many_attempts", "")
			e.advance(wait - time.Microsecond)
			send(wrong).invalid("2fa_too_many_attempts", "")
			e.advance(time.Microsecond)
			wait = min(2*wait, 15*time.Minute)
		}
		e.do("POST", "/api/login/token", token(e.code(secret)), e.pending("alice")).ok(200)
		send("000000").invalid("2fa_invalid", "") // a success starts over
		e.advance(2 * time.Second)
		send(codes[0]).ok(200)
	})
}

// TestSecondStepLimit: contract section 5, 6 tries in 20 minutes by user, not by
// login.
func TestSecondStepLimit(t *testing.T) {
	each(t, nil, func(t *testing.T, e *env) {
		alice := e.user("alice")
		secret, _ := e.enrol(alice)
		bobs, _ := e.enrol(e.user("bob"))
		for range 6 {
			e.do("POST", "/api/login/token", `{}`, e.pending("alice")).invalid("2fa_missing_credentials", "")
			e.advance(time.Minute)
		}
		for range 2 {
			r := e.do("POST", "/api/login/token", token(e.code(secret)), e.pending("alice"))
			if r.refused(429, "throttled_error", "throttled", ""); r.header.Get("Retry-After") != "840" {
				t.Errorf("Retry-After is %q, want 840", r.header.Get("Retry-After"))
			}
		}
		e.do("POST", "/api/login/token", token(e.code(bobs)), e.pending("bob")).ok(200)
		e.advance(14 * time.Minute)
		e.do("POST", "/api/login/token", token(e.code(secret)), e.pending("alice")).ok(200)
	})
}

// TestReplay: R27. A step that was used is spent, with all before it.
func TestReplay(t *testing.T) {
	each(t, nil, func(t *testing.T, e *env) {
		alice := e.user("alice")
		cookie := e.session(alice, 0)
		secret := e.start(cookie)
		code := e.code(secret)
		earlier, err := auth.TOTPCode(secret, e.now().Add(-30*time.Second))
		if err != nil {
			t.Fatal(err)
		}
		e.do("POST", own+"two_factor_validate", token(code), cookie).ok(200)
		for _, spent := range []string{code, earlier} {
			e.do("POST", "/api/login/token", token(spent), e.pending("alice")).invalid("2fa_invalid", "")
			e.advance(4 * time.Second)
		}
		e.advance(30 * time.Second)
		code = e.code(secret)
		e.do("POST", "/api/login/token", token(code), e.pending("alice")).ok(200)
		e.do("POST", "/api/login/token", token(code), e.pending("alice")).invalid("2fa_invalid", "")
	})
}

// TestRememberedDevice: contract section 11.1.
func TestRememberedDevice(t *testing.T) {
	each(t, nil, func(t *testing.T, e *env) {
		alice, bob := e.user("alice"), e.user("bob")
		o, _ := e.organization("Acme", alice)
		o.Enforce2FA = users.Some(true)
		if _, err := e.api.Users().SaveOrganization(t.Context(), o); err != nil {
			t.Fatal(err)
		}
		secret, _ := e.enrol(alice)
		e.enrol(bob)
		done := e.do("POST", "/api/login/token", token(e.code(secret)), e.pending("alice")).ok(200)
		remembered := done.cookie("remember-cookie_")
		text := strings.Join(done.header.Values("Set-Cookie"), "\n")
		for _, want := range []string{"remember-cookie_" + alice.UUID.String() + "=", "; Max-Age=2592000; HttpOnly; Secure; SameSite=Strict"} {
			if !strings.Contains(text, want) {
				t.Errorf("Set-Cookie %q lacks %q", text, want)
			}
		}
		for range 2 { // many times
			r := e.do("POST", "/api/login", credentials("alice", password), together(header("Cookie", "remember-cookie_x=planted"), remembered)).ok(200)
			e.do("GET", own+"login_sessions", "", r.signedIn()).ok(200) // it counts as verified
		}
		e.do("POST", "/api/login", credentials("alice", "wrong"), remembered).invalid("invalid_credentials", "")
		e.pending("bob", remembered)
		e.do("GET", "/api/users/@me", "", remembered).nobody("not_authenticated")
		e.advance(30*24*time.Hour - time.Minute - time.Microsecond)
		e.do("POST", "/api/login", credentials("alice", password), remembered).ok(200)
		e.advance(2 * time.Minute)
		e.pending("alice", remembered)
	})
}

// TestRememberCookieOverHTTP is not Secure, as no browser would send it back.
func TestRememberCookieOverHTTP(t *testing.T) {
	each(t, func(c *httpapi.Config) { c.PublicURL = "http://localhost:8010" }, func(t *testing.T, e *env) {
		secret, _ := e.enrol(e.user("alice"))
		r := e.do("POST", "/api/login/token", token(e.code(secret)), e.pending("alice")).ok(200)
		if text := strings.Join(r.header.Values("Set-Cookie"), "\n"); strings.Contains(text, "Secure") {
			t.Errorf("Set-Cookie %q is Secure", text)
		}
	})
}

// TestSecondStepBounds: a user has at most 10 logins waiting and 25 devices
// remembered (security requirement G16); the oldest give way, and only one's own.
func TestSecondStepBounds(t *testing.T) {
	each(t, func(c *httpapi.Config) { c.Auth.SecondSteps.Max = -1 }, func(t *testing.T, e *env) {
		alice, bob := e.user("alice"), e.user("bob")
		secret, _ := e.enrol(alice)
		bobs, _ := e.enrol(bob)
		theirs := e.pending("bob")
		var waiting []option
		for range 11 {
			waiting = append(waiting, e.pending("alice"))
			e.advance(time.Second)
		}
		e.do("POST", "/api/login/token", token(e.code(secret)), waiting[0]).invalid("invalid_2fa_session", "")
		e.do("POST", "/api/login/token", token(e.code(secret)), waiting[1]).ok(200)
		device := e.do("POST", "/api/login/token", token(e.code(bobs)), theirs).ok(200).cookie("remember-cookie_")

		var devices []option
		for range 26 {
			e.advance(time.Minute)
			devices = append(devices, e.do("POST", "/api/login/token", token(e.code(secret)), e.pending("alice")).ok(200).cookie("remember-cookie_"))
		}
		e.pending("alice", devices[0])
		e.do("POST", "/api/login", credentials("alice", password), devices[1]).ok(200)
		e.do("POST", "/api/login", credentials("bob", password), device).ok(200)
	})
}
