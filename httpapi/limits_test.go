package httpapi_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/httpapi"
)

// throttled fails the test unless the answer is a 429 that says how many
// seconds to wait.
func (r reply) throttled(seconds string) {
	r.t.Helper()
	r.refused(http.StatusTooManyRequests, "throttled_error", "throttled", "")
	if got := r.header.Get("Retry-After"); got != seconds {
		r.t.Errorf("%s: Retry-After is %q, want %s", r.call, got, seconds)
	}
}

// from sets the address of the client.
func from(address string) option { return func(r *http.Request) { r.RemoteAddr = address + ":1" } }

const proof = `{"current_password":"x"}`

// TestCredentialLimitSlides: contract section 5, to the second.
func TestCredentialLimitSlides(t *testing.T) {
	each(t, nil, func(t *testing.T, e *env) {
		alice := e.user("alice")
		fresh := e.session(alice, 0)
		send := func() reply { return e.do("PATCH", "/api/users/@me", proof, fresh) }
		for range 4 { // at 0 s
			send().ok(200)
		}
		e.advance(30 * time.Second)
		send().ok(200)
		for range 10 { // refused ones do not count
			send().throttled("30")
		}
		e.advance(30*time.Second - time.Microsecond)
		send().throttled("1")
		e.advance(time.Microsecond)
		for range 4 { // at 60 s the first four are gone
			send().ok(200)
		}
		send().throttled("30")
		e.advance(29*time.Second + time.Millisecond)
		send().throttled("1") // 0.999 s, in whole seconds
		e.advance(999 * time.Millisecond)
		send().ok(200)
		send().throttled("30")
	})
}

// TestCredentialLimitIsShared by all that may carry a password, and by no more.
func TestCredentialLimitIsShared(t *testing.T) {
	each(t, nil, func(t *testing.T, e *env) {
		alice, bob, boss := e.user("alice"), e.user("bob"), e.user("boss", staff)
		e.organization("Acme", alice)
		fresh, stale, key := e.session(alice, 0), e.session(alice, 3*time.Hour), e.key(alice, "*")
		const me = "/api/users/@me"
		// Whatever the member holds, and whatever becomes of the request.
		e.do("PATCH", me, `{"current_password":null}`, fresh).invalid("null", "current_password")
		e.do("PUT", me+"/", `{"current_password":[1]}`, key).invalid("required", "email")
		e.do("POST", me+"/scene_personalisation", proof, stale).invalid("invalid_input", "")
		e.do("POST", me+"/credentials_review_complete", proof, fresh).ok(204)
		e.do("PATCH", me+"/product_intro_seen", proof, key).invalid("required", "product_key")
		for _, target := range [][2]string{{"PATCH", me}, {"PUT", me}, {"POST", me + "/scene_personalisation/"}, {"POST", me + "/credentials_review_complete"}, {"PATCH", me + "/product_intro_seen"}} {
			e.do(target[0], target[1], proof, fresh).throttled("60")
			// The limit comes before the target and before validation, and after freshness.
			e.do(target[0], target[1], `{"current_password":1,"email":null,"theme_mode":"pink","scene":[]}`, fresh).throttled("60")
		}
		e.do("PATCH", "/api/users/"+unknownID, proof, fresh).throttled("60")
		e.do("PATCH", me, proof, stale).refused(403, "authentication_error", "sensitive_action_required_reauth", "")
		// These do not count, and neither do other people.
		e.do("PATCH", me+"/hedgehog_config", proof, fresh).ok(200)
		e.do("PATCH", me, `{"first_name":"A"}`, fresh).ok(200)
		e.do("GET", me, proof, fresh).ok(200)
		e.do("POST", me+"/onboarding/skip", `{"reason":"later","current_password":"x"}`, fresh).ok(200)
		e.do("PATCH", me, proof, e.session(bob, 0)).ok(200)
		e.do("PATCH", "/api/users/"+alice.UUID.String(), proof, e.session(boss, 0)).ok(200)
		e.do("PATCH", me, `{"nested":{"current_password":"x"},"Current_Password":"x"}`, fresh).ok(200)
	})
}

func TestOnboardingSkipLimit(t *testing.T) {
	each(t, nil, func(t *testing.T, e *env) {
		alice := e.user("alice")
		fresh, bob := e.session(alice, 0), e.session(e.user("bob"), 0)
		const path = "/api/users/@me/onboarding/skip"
		e.do("POST", path, `{"reason":"x"}`, fresh).invalid("invalid_choice", "reason")
		e.advance(time.Minute)
		for range 29 {
			e.do("POST", path, `{"reason":"later"}`, fresh).ok(200)
		}
		e.do("POST", path, `{"reason":"later"}`, fresh).throttled("3540")
		e.do("POST", path, `{"reason":"x"}`, fresh).throttled("3540")
		e.do("POST", path, `{"reason":"later"}`, bob).ok(200)
		e.do("PATCH", "/api/users/@me", proof, fresh).ok(200)
		e.advance(59*time.Minute - time.Microsecond)
		e.do("POST", path, `{"reason":"later"}`, fresh).throttled("1")
		e.advance(time.Microsecond)
		e.do("POST", path, `{"reason":"other"}`, fresh).ok(200).has("onboarding_skipped_reason", `"other"`)
		e.do("POST", path, `{"reason":"later"}`, fresh).throttled("60")
	})
}

func TestLimitsAreConfigurable(t *testing.T) {
	each(t, func(c *httpapi.Config) {
		c.Auth.CredentialChanges, c.Auth.OnboardingSkips, c.Auth.LoginFailures = auth.Rate{Max: -1}, auth.Rate{Max: 1, Per: time.Second}, -1
	}, func(t *testing.T, e *env) {
		fresh := e.session(e.user("alice"), 0)
		for range 7 {
			e.do("PATCH", "/api/users/@me", proof, fresh).ok(200)
		}
		e.do("POST", "/api/users/@me/onboarding/skip", `{"reason":"later"}`, fresh).ok(200)
		e.do("POST", "/api/users/@me/onboarding/skip", `{"reason":"later"}`, fresh).throttled("1")
		for range 31 {
			e.do("POST", "/api/login", credentials("alice", "wrong")).invalid("invalid_credentials", "")
		}
		e.do("POST", "/api/login", credentials("alice", password)).ok(200)
	})
}

// TestBackupCodeLimit: making codes costs as much as ten logins, so nobody may
// keep the others from hashing by it (security requirement G16).
func TestBackupCodeLimit(t *testing.T) {
	each(t, nil, func(t *testing.T, e *env) {
		alice, bob := e.user("alice"), e.user("bob")
		_, cookie := e.enrol(alice)
		_, bobs := e.enrol(bob)
		for range 10 {
			e.backupCodes(cookie)
		}
		r := e.do("POST", own+"two_factor_backup_codes", "", cookie)
		if r.refused(429, "throttled_error", "throttled", ""); r.header.Get("Retry-After") != "60" {
			t.Errorf("Retry-After is %q, want 60", r.header.Get("Retry-After"))
		}
		e.backupCodes(bobs)
		e.advance(time.Minute)
		e.backupCodes(cookie)
	})
}

func credentials(name, password string) string {
	return fmt.Sprintf(`{"email":"%s@example.com","password":%q}`, name, password)
}

// TestLoginLockOut: contract section 11.1, by client address.
func TestLoginLockOut(t *testing.T) {
	each(t, nil, func(t *testing.T, e *env) {
		e.user("alice")
		e.user("gone", inactive)
		locked := func(body string) {
			t.Helper()
			e.do("POST", "/api/login", body, from("192.0.2.1")).refused(403, "authentication_error", "too_many_failed_attempts", "")
		}
		names := []string{"alice", "gone", "nobody"} // the address counts, not the account
		for i := range 30 {
			e.do("POST", "/api/login", credentials(names[i%3], "wrong"), from("192.0.2.1")).invalid("invalid_credentials", "")
			if i == 28 { // a success in between does not clear the count
				e.do("POST", "/api/login", credentials("alice", password), from("192.0.2.1")).ok(200)
			}
			// What is refused by its form is no attempt.
			e.do("POST", "/api/login", `{"email":"alice@example.com"}`, from("192.0.2.1")).invalid("required", "password")
			e.advance(time.Second)
		}
		locked(credentials("alice", password))
		locked(credentials("alice", "wrong"))
		locked(credentials("nobody", "wrong"))
		e.do("POST", "/api/login", credentials("alice", password), from("192.0.2.2")).ok(200)
		e.do("POST", "/api/login", credentials("alice", "wrong"), from("2001:db8::1")).invalid("invalid_credentials", "")
		e.advance(10*time.Minute - time.Second - time.Microsecond) // since the last failure
		locked(credentials("alice", password))
		e.advance(time.Microsecond)
		e.do("POST", "/api/login", credentials("alice", password), from("192.0.2.1")).ok(200)
	})
}

// TestLoginLockOutOfANetwork: who has one address of IPv6 has 2^64.
func TestLoginLockOutOfANetwork(t *testing.T) {
	each(t, nil, func(t *testing.T, e *env) {
		e.user("alice")
		for n := range 30 {
			e.do("POST", "/api/login", credentials("nobody", "wrong"), from(fmt.Sprintf("[2001:db8::%x:1]", n))).invalid("invalid_credentials", "")
		}
		for _, address := range []string{"[2001:db8::1]", "[2001:db8::ffff:ffff:ffff:ffff]", "[2001:db8::1%eth0]"} {
			e.do("POST", "/api/login", credentials("alice", password), from(address)).refused(403, "authentication_error", "too_many_failed_attempts", "")
		}
		for _, address := range []string{"[2001:db8:0:1::1]", "192.0.2.1", "[::ffff:192.0.2.1]", "unix"} {
			e.do("POST", "/api/login", credentials("alice", password), from(address)).ok(200)
		}
	})
}

// TestLoginFailuresOfAnAccount: design section 3, a hundred in an hour from
// anywhere.
func TestLoginFailuresOfAnAccount(t *testing.T) {
	each(t, nil, func(t *testing.T, e *env) {
		e.user("alice")
		e.user("bob")
		for _, name := range []string{"alice", "nobody"} { // alike, whether it exists or not
			for i := range 100 {
				e.do("POST", "/api/login", credentials(name, "wrong"), from(fmt.Sprintf("198.51.100.%d", i))).invalid("invalid_credentials", "")
			}
			e.do("POST", "/api/login", credentials(name, password), from("203.0.113.1")).throttled("3600")
		}
		e.do("POST", "/api/login", `{"email":" ALICE@EXAMPLE.COM ","password":"x"}`, from("203.0.113.1")).throttled("3600")
		e.do("POST", "/api/login", credentials("bob", password), from("203.0.113.1")).ok(200)
		e.advance(time.Hour)
		e.do("POST", "/api/login", credentials("alice", password), from("203.0.113.1")).ok(200)
	})
}

// TestTakenAddressesLimit: R37, ten addresses of others in an hour, whatever
// else is in the request.
func TestTakenAddressesLimit(t *testing.T) {
	each(t, nil, func(t *testing.T, e *env) {
		alice, bob := e.user("alice"), e.user("bob")
		fresh := e.session(alice, 0)
		const me = "/api/users/@me"
		for i := range 10 {
			body := `{"email":"bob@example.com"}`
			if i%2 == 1 {
				body = `{"email":"BOB@example.com","password":"a_new_password","current_password":"` + password + `"}`
			}
			e.do("PATCH", me, body, fresh).invalid("unique", "email")
			e.advance(time.Minute)
		}
		for _, address := range []string{"bob@example.com", "free@example.com"} { // which tells nothing any more
			e.do("PATCH", me, `{"email":"`+address+`"}`, fresh).throttled("3000")
		}
		e.do("PATCH", me, `{"first_name":"A"}`, fresh).ok(200)
		e.do("PATCH", me, `{"email":"alice@example.com"}`, e.session(bob, 0)).invalid("unique", "email")
		e.advance(50 * time.Minute)
		e.do("PATCH", me, `{"email":"free@example.com"}`, e.session(alice, 0)).ok(200)
	})
}
