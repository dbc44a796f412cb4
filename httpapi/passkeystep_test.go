package httpapi_test

import (
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/users"
)

// TestPasskeyStep: a passkey as second factor, beside or without an
// authenticator.
func TestPasskeyStep(t *testing.T) {
	each(t, withMail, func(t *testing.T, e *env) {
		d, weak := newDevice(t), keyOnly(t)
		alice, cookie := e.withDevice("alice", d)
		e.addPasskey(weak, cookie)
		e.do("POST", "/api/login", credentials("alice", password)).ok(200) // contract section 11.1: nothing but the flag counts
		other := e.session(alice, 0)
		e.usePasskeys(cookie)
		e.do("GET", "/api/users/@me", "", other).ok(401) // A1
		e.do("GET", own+"two_factor_status", "", cookie).has("is_enabled", "true").has("method", `"passkey"`).has("has_totp", "false")

		pending := e.pending("alice")
		options := e.do("POST", stepBegin+"/", "", pending).ok(200)
		if !strings.Contains(options.raw, `"userVerification":"required"`) || strings.Count(options.raw, `"type":"public-key"`) != 2 {
			t.Errorf("got options %s, want both passkeys and user verification", options.raw)
		}
		r := e.do("POST", stepComplete+"/", body(d.sign(options)), pending).ok(200)
		if r.raw != `{"success":true}` {
			t.Errorf("got %s", r.raw)
		}
		signedIn := r.cookie("sessionid")
		e.do("GET", "/api/users/@me", "", pending).ok(401)
		sessions := e.do("GET", own+"login_sessions", "", signedIn).ok(200).raw
		if !strings.Contains(sessions, `"login_method":"Password","is_current":true`) {
			t.Errorf("got sessions %s", sessions)
		}
		e.do("POST", "/api/login", credentials("alice", password), r.cookie("remember-cookie_")).ok(200)

		// Beside a password a passkey becomes verified.
		pending = e.pending("alice")
		e.passkeyStep(weak, pending).invalid("invalid_passkey", "")
		weak.Options.UserNotVerified = false
		e.passkeyStep(weak, pending).ok(200)
		if list := e.passkeys(signedIn); list[0]["verified"] != true || list[1]["verified"] != true {
			t.Errorf("got passkeys %v", list)
		}
		e.signIn(weak, "").ok(200)

		secret, _ := e.enrol(alice)
		e.do("POST", "/api/login/token", token(e.code(secret)), e.pending("alice")).ok(200)
		e.passkeyStep(d, e.pending("alice")).ok(200)
		e.do("POST", "/api/login/token", token("000000"), e.pending("alice")).invalid("2fa_invalid", "")
	})
}

// TestPasskeyStepBounds: challenges of logins that others have pushed out are
// pushed out too.
func TestPasskeyStepBounds(t *testing.T) {
	each(t, nil, func(t *testing.T, e *env) {
		d := newDevice(t)
		alice, cookie := e.withDevice("alice", d)
		e.usePasskeys(cookie)
		var pending option
		for range 12 {
			pending = e.pending("alice")
			e.do("POST", stepBegin, "", pending).ok(200)
			e.advance(time.Second)
		}
		for _, purpose := range []auth.Purpose{auth.PendingLogin, auth.PasskeyStep} {
			if list, err := e.store.Tickets(t.Context(), alice.ID, purpose); err != nil || len(list) != 10 {
				t.Errorf("%d tickets for %s, %v; want 10", len(list), purpose, err)
			}
		}
		e.passkeyStep(d, pending).ok(200)
	})
}

func TestPasskeyStepRefusals(t *testing.T) {
	each(t, nil, func(t *testing.T, e *env) {
		d, bobs := newDevice(t), newDevice(t)
		alice, cookie := e.withDevice("alice", d)
		e.usePasskeys(cookie)
		_, bob := e.withDevice("bob", bobs)
		e.usePasskeys(bob)
		complete := func(b string, o option) reply {
			t.Helper()
			e.advance(20 * time.Minute / 6) // past the limit of tries
			return e.do("POST", stepComplete, b, o)
		}
		for _, caller := range []option{cookie, header("Cookie", "sessionid=x")} {
			e.do("POST", stepBegin, "", caller).invalid("invalid_2fa_session", "")
			complete(body(`{}`), caller).invalid("invalid_2fa_session", "")
		}
		e.do("POST", stepBegin, "", e.key(alice, "*")).denied()
		complete(body(`{}`), e.key(alice, "*")).denied()
		e.advance(time.Hour)

		pending, second, his := e.pending("alice"), e.pending("alice"), e.pending("bob")
		begin := func(o option) reply { return e.do("POST", stepBegin, "", o) }
		send := func(b string, o option) reply { return e.do("POST", stepComplete, b, o) }
		send(body("{}"), pending).invalid("challenge_expired", "") // none was begun
		sent := body(d.sign(begin(pending)))
		begin(second)
		send(sent, second).invalid("invalid_passkey", "") // another login's challenge
		send(sent, his).invalid("challenge_expired", "")
		send(sent, pending).ok(200)
		send(sent, pending).invalid("invalid_2fa_session", "")
		send(body(bobs.sign(begin(second))), second).invalid("invalid_passkey", "") // somebody else's
		begin(second)
		signIn := e.do("POST", signInBegin, "")
		send(body(d.sign(signIn)), second).invalid("invalid_passkey", "") // another purpose
		e.do("POST", signInComplete, body(d.sign(begin(second))), signIn.cookie("sessionid_passkey")).invalid("invalid_passkey", "")
		send(body("[]"), second).invalid("invalid_input", "credential")
		send(`{}`, second).invalid("required", "credential")

		e.advance(time.Hour)
		pending = e.pending("alice")
		sent = body(d.sign(begin(pending)))
		e.advance(5 * time.Minute)
		send(sent, pending).invalid("challenge_expired", "")
		sent = body(d.sign(begin(pending)))
		e.advance(5*time.Minute + time.Microsecond)
		begin(pending).invalid("2fa_expired", "")
		send(sent, pending).invalid("2fa_expired", "")

		e.do("PATCH", "/api/users/@me", `{"passkeys_enabled_for_2fa":false}`, e.signIn(d, "").ok(200).cookie("sessionid")).ok(200)
		secret, _ := e.enrol(alice)
		pending = e.pending("alice")
		begin(pending).invalid("no_passkeys", "")
		send(body("{}"), pending).invalid("no_passkeys", "")
		e.do("POST", "/api/login/token", token(e.code(secret)), pending).ok(200)
	})
}

// TestPasskeyStepLimits: tries count with those of codes (R28), and of 100 at
// once one is let in.
func TestPasskeyStepLimits(t *testing.T) {
	each(t, nil, func(t *testing.T, e *env) {
		d := newDevice(t)
		alice, _ := e.withDevice("alice", d)
		secret, cookie := e.enrol(alice)
		e.usePasskeys(cookie)
		pending := e.pending("alice")
		for range 5 {
			e.do("POST", stepComplete, body("{}"), pending).invalid("challenge_expired", "")
		}
		e.do("POST", "/api/login/token", token("000000"), pending).invalid("2fa_invalid", "")
		sent := body(d.sign(e.do("POST", stepBegin, "", pending)))
		e.do("POST", stepComplete, sent, pending).refused(429, "throttled_error", "throttled", "")
		e.do("POST", "/api/login/token", token(e.code(secret)), pending).refused(429, "throttled_error", "throttled", "")

		e.advance(20 * time.Minute)
		pending = e.pending("alice")
		sent = body(d.sign(e.do("POST", stepBegin, "", pending)))
		statuses := make([]int, 100)
		var wait sync.WaitGroup
		for i := range statuses {
			wait.Go(func() { statuses[i] = e.do("POST", stepComplete, sent, pending).status })
		}
		wait.Wait()
		granted := 0
		for _, s := range statuses {
			if s == 200 {
				granted++
			}
		}
		if granted != 1 {
			t.Errorf("%d of 100 completions were let in, want 1: %v", granted, statuses)
		}
	})
}

// TestChangesEndChallenges: after each change, what waits for a passkey fails.
func TestChangesEndChallenges(t *testing.T) {
	all := maps.Clone(changes)
	all["passkeys enabling"] = func(r *rights) { // they are on already
		r.e.do("PATCH", "/api/users/@me", `{"passkeys_enabled_for_2fa":false}`, r.cookie).ok(200)
		r.e.usePasskeys(r.cookie)
	}
	all["passkey removal"] = func(r *rights) {
		r.e.do("DELETE", own+"passkeys/"+r.e.passkeys(r.cookie)[1]["id"].(string), "", r.cookie).ok(204)
	}
	for change, apply := range all {
		t.Run(change, func(t *testing.T) {
			each(t, nil, func(t *testing.T, e *env) {
				d, extra := newDevice(t), newDevice(t)
				r := &rights{e: e, password: password}
				r.alice, _ = e.withDevice("alice", d)
				r.secret, r.cookie = e.enrol(r.alice)
				e.advance(time.Second)
				e.addPasskey(extra, r.cookie)
				e.usePasskeys(r.cookie)
				r.session = e.session(r.alice, 0)
				r.pending = e.pending("alice")
				step := body(d.sign(e.do("POST", stepBegin, "", r.pending)))
				setup := body(newDevice(t).register(e.do("POST", registerBegin, "", r.session)))
				apply(r)
				e.do("POST", stepBegin, "", r.pending).invalid("invalid_2fa_session", "")
				e.do("POST", stepComplete, step, r.pending).invalid("invalid_2fa_session", "")
				registered := e.do("POST", registerComplete, setup, r.session)
				if change == "passkey removal" {
					registered.invalid("challenge_expired", "") // the session goes on
					e.signIn(extra, "").invalid("invalid_passkey", "")
					e.signIn(d, "").ok(200)
				} else {
					registered.nobody("not_authenticated")
				}
			})
		})
	}
}

// TestOwnChallengeEnds, too, when its session goes on.
func TestOwnChallengeEnds(t *testing.T) {
	each(t, nil, func(t *testing.T, e *env) {
		_, cookie := e.withDevice("alice", newDevice(t))
		for _, change := range []string{`{"passkeys_enabled_for_2fa":true}`, `{"email":"new@example.com"}`} {
			sent := body(newDevice(t).register(e.do("POST", registerBegin, "", cookie)))
			e.do("PATCH", "/api/users/@me", change, cookie).ok(200)
			e.do("POST", registerComplete, sent, cookie).invalid("challenge_expired", "")
		}
	})
}

// TestPasskeyOutlivesPassword: it is a credential of its own. Whoever changes a
// password because of a thief removes passkeys that are not theirs.
func TestPasskeyOutlivesPassword(t *testing.T) {
	each(t, nil, func(t *testing.T, e *env) {
		d := newDevice(t)
		alice, cookie := e.withDevice("alice", d)
		e.do("PATCH", "/api/users/@me", `{"password":"mighty-strong-secure-1337!!","current_password":"`+password+`"}`, cookie).ok(200)
		e.signIn(d, "").ok(200)
		for _, active := range []bool{false, true} {
			if err := e.api.Auth().SetActive(t.Context(), alice.ID, active); err != nil {
				t.Fatal(err)
			}
		}
		e.signIn(d, "").ok(200)
		bare := newDevice(t)
		e.withDevice("bob", bare, noPassword)
		e.signIn(bare, "").ok(200)
		if u, err := e.store.UserByEmail(t.Context(), "bob@example.com"); err != nil || u.HasPassword() {
			t.Errorf("bob has a password: %v", err)
		}
	})
}

// TestPasskeyEvents: what happens to passkeys is in the log.
func TestPasskeyEvents(t *testing.T) {
	each(t, withMail, func(t *testing.T, e *env) {
		d := newDevice(t)
		_, cookie := e.withDevice("alice", d)
		w := &witness{e: e}
		w.saw("registering", "0 host 1 user created", "0 host 1 session started", "1 session 1 passkey added")
		id := e.passkeys(cookie)[0]["id"].(string)
		e.do("PATCH", own+"passkeys/"+id, `{"name":"x"}`, cookie).ok(200)
		e.usePasskeys(cookie)
		w.saw("changing", "1 session 1 passkey renamed", "1 session 1 user updated [passkeys_enabled_for_2fa]")
		pending := e.pending("alice")
		spoiled := *d
		spoiled.page.Origin = "https://evil.example.com"
		e.passkeyStep(&spoiled, pending).invalid("invalid_passkey", "")
		w.saw("a wrong step", "0  1 second factor failed")
		e.passkeyStep(d, pending).ok(200)
		w.saw("a right step", "0  1 second factor passed", "1 session 1 user logged in")
		e.signIn(&spoiled, "").invalid("invalid_passkey", "")
		w.saw("a wrong sign-in", "0  1 login failed")
		if _, err := e.api.Auth().SavePasskey(t.Context(), auth.Passkey{UserID: users.ID(1)}); err != nil {
			t.Fatal(err)
		}
		w.saw("the host", "0 host 1 passkey added")
	})
}
