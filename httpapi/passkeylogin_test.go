package httpapi_test

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/httpapi"
	"github.com/hedgerow-dev/hedgerow/storage/memory"
	"github.com/hedgerow-dev/hedgerow/users"
)

// withDevice makes a user with a passkey.
func (e *env) withDevice(name string, d *device, change ...func(*users.User)) (users.User, option) {
	e.t.Helper()
	u := e.user(name, change...)
	cookie := e.session(u, 0)
	e.addPasskey(d, cookie)
	return u, cookie
}

func TestPasskeyLogin(t *testing.T) {
	each(t, withMail, func(t *testing.T, e *env) {
		d := newDevice(t)
		alice, before := e.withDevice("alice", d)
		e.advance(3 * time.Hour)
		w := &witness{e: e}
		events, err := e.api.Users().Events(t.Context(), users.EventQuery{Limit: 100})
		if err != nil {
			t.Fatal(err)
		}
		w.cursor = events[len(events)-1].ID
		begun := e.do("POST", signInBegin+"/", "")
		if c := begun.header.Get("Set-Cookie"); !strings.Contains(c, "Max-Age=300; HttpOnly; Secure; SameSite=Strict") {
			t.Errorf("the challenge comes in the cookie %q", c)
		}
		r := e.do("POST", signInComplete+"/", body(d.sign(begun)), together(begun.cookie("sessionid_passkey"), before)).ok(200)
		w.saw("signing in", "1 session 1 user logged in")
		if r.raw != `{"success":true}` || !strings.Contains(strings.Join(r.header.Values("Set-Cookie"), "\n"), "sessionid_passkey=; Path=/; Max-Age=0") {
			t.Errorf("got %s with cookies %q", r.raw, r.header.Values("Set-Cookie"))
		}
		cookie := r.cookie("sessionid")
		e.do("GET", "/api/users/@me", "", before).ok(401) // R21
		e.do("PATCH", "/api/users/@me", `{"first_name":"A"}`, cookie).ok(200)
		sessions := e.do("GET", own+"login_sessions", "", cookie).ok(200).raw
		if !strings.Contains(sessions, `"login_method":"Passkey"`) || strings.Count(sessions, `"id"`) != 1 {
			t.Errorf("got sessions %s", sessions)
		}
		if u, err := e.store.User(t.Context(), alice.ID); err != nil || !u.LastLogin.Equal(e.now()) {
			t.Errorf("last_login is %v, %v", u.LastLogin, err)
		}
		if got := e.passkeys(cookie)[0]["last_used_at"]; got != "2026-05-01T15:00:00.123456Z" {
			t.Errorf("last_used_at is %v", got)
		}
		// With an address, in any case of letters.
		e.signIn(d, `{"email":" Alice@Example.COM "}`).ok(200)
		e.signIn(d, `{}`).ok(200)
		for _, c := range []struct{ body, code, attr string }{
			{`{"email":null}`, "null", "email"}, {`{"email":""}`, "blank", "email"}, {`{"email":"x"}`, "invalid_input", "email"}, {`{"email":[]}`, "invalid_input", "email"},
			{`[]`, "invalid_input", ""},
		} {
			e.do("POST", signInBegin, c.body).invalid(c.code, c.attr)
		}
		e.do("POST", signInBegin, "", header("Origin", "https://evil.example.com"), header("Sec-Fetch-Site", "cross-site")).denied()
	})
}

// TestPasskeyLoginTellsNothing: neither half says whether an address has an
// account or passkeys.
func TestPasskeyLoginTellsNothing(t *testing.T) {
	each(t, nil, func(t *testing.T, e *env) {
		d := newDevice(t)
		e.withDevice("alice", newDevice(t))
		e.withDevice("gone", newDevice(t), func(u *users.User) { u.FirstName = "G" })
		e.user("bare")
		e.withDevice("bob", d)
		random := regexp.MustCompile(`"challenge":"[^"]*"|sessionid_passkey=[^;]*|\d+`)
		var first, second string
		for i, name := range []string{"alice", "gone", "bare", "nobody"} {
			begun := e.do("POST", signInBegin, `{"email":"`+name+`@example.com"}`)
			got := random.ReplaceAllString(fmt.Sprint(begun.status, begun.raw, begun.header.Values("Set-Cookie"), begun.header.Get("Content-Length")), "")
			// Bob's passkey is right for none of them.
			r := e.do("POST", signInComplete, body(d.sign(begun)), begun.cookie("sessionid_passkey"))
			r.invalid("invalid_passkey", "")
			if i == 0 {
				first, second = got, r.raw
			}
			if got != first || r.raw != second {
				t.Errorf("%s: got %s and %s, want %s and %s as for the others", name, got, r.raw, first, second)
			}
		}
	})
}

func TestPasskeyLoginRefusals(t *testing.T) {
	each(t, withMail, func(t *testing.T, e *env) {
		d := newDevice(t)
		alice, _ := e.withDevice("alice", d)
		complete := func(b string, o ...option) reply { return e.do("POST", signInComplete, b, o...) }
		begun := e.do("POST", signInBegin, "")
		sent, cookie := body(d.sign(begun)), begun.cookie("sessionid_passkey")
		complete(sent).invalid("challenge_expired", "")                                                          // another browser
		complete(sent, e.do("POST", signInBegin, "").cookie("sessionid_passkey")).invalid("invalid_passkey", "") // another challenge
		complete(sent, together(cookie, cookie)).invalid("challenge_expired", "")                                // a planted cookie
		complete(sent, e.key(alice, "*"), cookie).denied()
		complete(sent, cookie).ok(200)
		complete(sent, cookie).invalid("challenge_expired", "") // R31: replayed
		for _, c := range []struct{ body, code, attr string }{
			{``, "required", "credential"}, {`{"credential":null}`, "null", "credential"}, {`{"credential":[]}`, "invalid_input", "credential"}, {`7`, "invalid_input", ""},
			{`{"credential":{}}`, "challenge_expired", ""},
		} {
			complete(c.body).invalid(c.code, c.attr)
		}
		begun = e.do("POST", signInBegin, "")
		sent = body(d.sign(begun))
		e.advance(5 * time.Minute)
		complete(sent, begun.cookie("sessionid_passkey")).invalid("challenge_expired", "")

		stranger := newDevice(t)
		stranger.Options.UserHandle = d.Options.UserHandle
		for name, spoil := range map[string]func(d *device){
			"origin":               func(d *device) { d.page.Origin = "https://evil.example.com" },
			"RP id":                func(d *device) { d.page.ID = "example.com" },
			"no presence":          func(d *device) { d.Options.UserNotPresent = true },
			"unknown passkey":      func(d *device) { d.key = stranger.key },
			"signature":            func(d *device) { d.key.Key = stranger.key.Key },
			"no user handle":       func(d *device) { d.Options.UserHandle = nil },
			"other user handle":    func(d *device) { d.Options.UserHandle = make([]byte, 64) },
			"backup eligible":      func(d *device) { d.Options.BackupEligible = false },
			"counter goes back":    func(d *device) { d.key.Counter -= 2 },
			"counter stands still": func(d *device) { d.key.Counter -= 1 },
		} {
			e.signIn(d, "").ok(200)
			spoiled := *d
			spoil(&spoiled)
			begun := e.do("POST", signInBegin, "")
			r := complete(body(spoiled.sign(begun)), begun.cookie("sessionid_passkey"))
			r.call = name
			r.invalid("invalid_passkey", "")
			complete(body(d.sign(begun)), begun.cookie("sessionid_passkey")).invalid("challenge_expired", "") // it was the only try
		}
		e.signIn(d, "").ok(200)
	})
}

// TestPasskeyClone: R31. The owner can go on, as the refused use changed nothing.
func TestPasskeyClone(t *testing.T) {
	each(t, withMail, func(t *testing.T, e *env) {
		d := newDevice(t)
		_, cookie := e.withDevice("alice", d)
		clone := *d
		e.signIn(d, "").ok(200)
		e.signIn(d, "").ok(200)
		before := e.passkeys(cookie)
		events, err := e.api.Users().Events(t.Context(), users.EventQuery{Limit: 100})
		if err != nil {
			t.Fatal(err)
		}
		w := &witness{e: e, cursor: events[len(events)-1].ID}
		e.signIn(&clone, "").invalid("invalid_passkey", "")
		w.saw("a clone", "0  1 passkey counter did not grow", "0  1 login failed")
		if after := e.passkeys(cookie); fmt.Sprint(after) != fmt.Sprint(before) {
			t.Errorf("a clone changed %v to %v", before, after)
		}
		e.signIn(d, "").ok(200)

		// Synced passkeys do not count: 0 after 0 is no sign of anything.
		synced := newDevice(t)
		e.withDevice("bob", synced)
		for range 2 {
			synced.key.Counter = ^uint32(0)
			e.signIn(synced, "").ok(200)
		}
	})
}

// TestPasskeyLoginRules: whoever may not sign in by password may not by passkey.
func TestPasskeyLoginRules(t *testing.T) {
	each(t, withMail, func(t *testing.T, e *env) {
		d := newDevice(t)
		alice, cookie := e.withDevice("alice", d)
		change := func(fn func(*users.User)) {
			t.Helper()
			err := e.store.UpdateUsers(t.Context(), func(tx users.Tx) error {
				u, err := tx.User(t.Context(), alice.ID)
				if err != nil {
					return err
				}
				fn(&u)
				_, err = tx.SaveUser(t.Context(), u)
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		change(func(u *users.User) { u.IsEmailVerified = users.Some(false) })
		e.signIn(d, "").invalid("not_verified", "")
		e.sent(auth.EmailVerification{}) // contract section 11.1
		change(func(u *users.User) { u.IsEmailVerified = users.Null[bool]{} })
		e.signIn(d, "").ok(200)
		e.sent(auth.EmailVerification{})
		e.usePasskeys(cookie)
		e.passkeyStep(d, e.pending("alice")).ok(200)
		e.sent(auth.EmailVerification{})
		o := users.NewOrganization()
		o.Name, o.SSOEnforcedDomains = "SSO", []string{"example.com"}
		if _, err := e.api.Users().SaveOrganization(t.Context(), o); err != nil {
			t.Fatal(err)
		}
		e.signIn(d, "").invalid("sso_enforced", "")
		change(func(u *users.User) { u.Email = "alice@example.org" })
		e.signIn(d, `{"email":"alice@example.com"}`).invalid("invalid_passkey", "") // no longer hers
		e.signIn(d, `{"email":"alice@example.org"}`).ok(200)
		change(func(u *users.User) { u.IsActive = false })
		e.signIn(d, "").invalid("invalid_passkey", "")
		change(func(u *users.User) { u.IsActive = true })
		begun := e.do("POST", signInBegin, "")
		e.do("DELETE", own+"passkeys/"+e.passkeys(cookie)[0]["id"].(string), "", cookie).ok(204)
		e.do("POST", signInComplete, body(d.sign(begun)), begun.cookie("sessionid_passkey")).invalid("invalid_passkey", "")
		e.addPasskey(newDevice(t), cookie)
		e.signIn(d, "").invalid("invalid_passkey", "")
		e.do("DELETE", "/api/users/@me", "", cookie).ok(204)
		e.signIn(d, "").invalid("invalid_passkey", "")
	})
}

// TestPasskeyLoginLimits: failures lock a client address out as those of
// passwords do, and what one address begins is bounded.
func TestPasskeyLoginLimits(t *testing.T) {
	each(t, nil, func(t *testing.T, e *env) {
		d := newDevice(t)
		e.withDevice("alice", d)
		stranger := newDevice(t)
		stranger.Options.UserHandle = d.Options.UserHandle
		for range 30 {
			e.signIn(stranger, "", from("192.0.2.1")).invalid("invalid_passkey", "")
		}
		for path, b := range map[string]string{signInBegin: "", signInComplete: body("{}"), "/api/login": credentials("alice", password)} {
			e.do("POST", path, b, from("192.0.2.1")).refused(403, "authentication_error", "too_many_failed_attempts", "")
		}
		e.signIn(d, "", from("192.0.2.2")).ok(200)
		for range 99 {
			e.do("POST", signInBegin, "", from("192.0.2.2")).ok(200)
		}
		r := e.do("POST", signInBegin, "", from("192.0.2.2"))
		if r.refused(429, "throttled_error", "throttled", ""); r.header.Get("Retry-After") != "300" {
			t.Errorf("Retry-After is %q", r.header.Get("Retry-After"))
		}
		e.advance(5 * time.Minute)
		if n, err := e.api.Auth().DeleteExpired(t.Context()); err != nil || n < 99 {
			t.Errorf("DeleteExpired: got %d, %v", n, err)
		}
		e.signIn(d, "", from("192.0.2.2")).ok(200)
	})
}

// TestOneFactor: R31. Without user verification a passkey is like a password, and
// one that was registered without it does not gain it in the hands of a thief.
func TestOneFactor(t *testing.T) {
	each(t, nil, func(t *testing.T, e *env) {
		strong, weak := newDevice(t), keyOnly(t)
		alice, cookie := e.withDevice("alice", strong)
		e.addPasskey(weak, cookie)
		proven := func(r reply) bool {
			t.Helper()
			sessions, err := e.store.Sessions(t.Context(), alice.ID)
			if err != nil {
				t.Fatal(err)
			}
			r.ok(200)
			return sessions[len(sessions)-1].SecondFactor
		}
		e.advance(time.Second)
		if !proven(e.signIn(strong, "")) {
			t.Error("user verification does not count")
		}
		e.advance(time.Second)
		if proven(e.signIn(weak, "")) {
			t.Error("a passkey without user verification counts as two factors")
		}
		weak.Options.UserNotVerified = false
		e.advance(time.Second)
		if proven(e.signIn(weak, "")) {
			t.Error("user verification that was set up later counts as a second factor")
		}
		secret, _ := e.enrol(alice)
		e.signIn(strong, "").ok(200)
		for _, unverified := range []bool{true, false} {
			weak.Options.UserNotVerified = unverified
			r := e.signIn(weak, "")
			r.refused(http.StatusUnauthorized, "server_error", "2fa_required", "")
			pending := r.cookie("sessionid")
			e.do("GET", "/api/users/@me", "", pending).ok(401)
			e.do("POST", stepBegin, "", pending).invalid("no_passkeys", "")
			e.advance(time.Minute)
			done := e.do("POST", "/api/login/token", token(e.code(secret)), pending).ok(200)
			sessions := e.do("GET", own+"login_sessions", "", done.cookie("sessionid")).ok(200).raw
			if got := sessions[strings.Index(sessions, "login_method"):]; !strings.HasPrefix(got, `login_method":"Passkey"`) {
				t.Errorf("got sessions %s", sessions)
			}
			// The device is remembered then, as after a password.
			e.signIn(weak, "", done.cookie("remember-cookie_")).ok(200)
		}
		strong.Options.UserNotVerified = true
		e.signIn(strong, "").refused(http.StatusUnauthorized, "server_error", "2fa_required", "")
	})
}

// TestSamePasskeyTwice is one factor: only one whose user verification counts
// completes what the other one began.
func TestSamePasskeyTwice(t *testing.T) {
	each(t, nil, func(t *testing.T, e *env) {
		strong, weak := newDevice(t), keyOnly(t)
		_, cookie := e.withDevice("alice", strong)
		e.addPasskey(weak, cookie)
		e.usePasskeys(cookie)
		r := e.signIn(weak, "")
		r.refused(http.StatusUnauthorized, "server_error", "2fa_required", "")
		pending := r.cookie("sessionid")
		weak.Options.UserNotVerified = false
		e.passkeyStep(weak, pending).invalid("invalid_passkey", "")
		strong.Options.UserNotVerified = true
		e.passkeyStep(strong, pending).invalid("invalid_passkey", "")
		strong.Options.UserNotVerified = false
		e.passkeyStep(strong, pending).ok(200)
	})
}

// TestEnforcedFactor: an organization that demands a second factor takes a
// passkey for one.
func TestEnforcedFactor(t *testing.T) {
	each(t, nil, func(t *testing.T, e *env) {
		d := newDevice(t)
		alice, cookie := e.withDevice("alice", d)
		e.usePasskeys(cookie)
		o, _ := e.organization("Acme", alice)
		o.Enforce2FA = users.Some(true)
		if _, err := e.api.Users().SaveOrganization(t.Context(), o); err != nil {
			t.Fatal(err)
		}
		e.do("GET", "/api/personal_api_keys", "", cookie).refused(403, "authentication_error", "two_factor_verification_required", "")
		e.do("GET", "/api/personal_api_keys", "", e.signIn(d, "").ok(200).cookie("sessionid")).ok(200)
		e.do("GET", "/api/personal_api_keys", "", e.passkeyStep(d, e.pending("alice")).ok(200).cookie("sessionid")).ok(200)
	})
}

// TestRefusedPasskeyIsExplained in the log of a host that looks for it: the answer
// is the same for an attack and for a wrong origin in the configuration.
func TestRefusedPasskeyIsExplained(t *testing.T) {
	var log bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	e := newEnv(t, memory.New(), func(c *httpapi.Config) { c.Logger = logger })
	d := newDevice(t)
	e.withDevice("alice", d)
	d.page.Origin = "https://evil.example.com"
	e.signIn(d, "").invalid("invalid_passkey", "")
	if got := log.String(); strings.Count(got, "passkey refused") != 1 || !strings.Contains(got, "origin") || strings.Contains(got, "alice") {
		t.Errorf("the log says %q", got)
	}
}

// TestCeremonyOfAnotherVersion: a state that cannot be read any more is as good
// as expired.
func TestCeremonyOfAnotherVersion(t *testing.T) {
	each(t, nil, func(t *testing.T, e *env) {
		d := newDevice(t)
		e.withDevice("alice", d)
		begun := e.do("POST", signInBegin, "")
		cookie := begun.cookie("sessionid_passkey")
		r, err := http.NewRequest("GET", "/", nil)
		if err != nil {
			t.Fatal(err)
		}
		cookie(r)
		secret, err := r.Cookie("sessionid_passkey")
		if err != nil {
			t.Fatal(err)
		}
		err = e.store.UpdateAuth(t.Context(), func(tx auth.Tx) error {
			ticket, err := tx.Ticket(t.Context(), auth.PasskeyLogin, sha256.Sum256([]byte(secret.Value)))
			if err != nil {
				return err
			}
			ticket.Data = append(ticket.Data[:32], "\x82not JSON"...)
			return tx.SaveTicket(t.Context(), ticket)
		})
		if err != nil {
			t.Fatal(err)
		}
		e.do("POST", signInComplete, body(d.sign(begun)), cookie).invalid("challenge_expired", "")
	})
}
