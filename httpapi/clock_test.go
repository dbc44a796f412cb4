package httpapi_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/httpapi"
	"github.com/hedgerow-dev/hedgerow/storage/memory"
	"github.com/hedgerow-dev/hedgerow/users"
)

// endingRight is what a secret or a session gives, for so long.
type endingRight struct {
	name string
	life time.Duration
	ok   int // the status while it lasts
	// once says that the second use is refused.
	once bool
	// grant gives the right to Alice and returns what uses it.
	grant scene
}

// endingRights are all that end by the clock.
func endingRights() []endingRight {
	return append(accountRights(), factorRights()...)
}

func accountRights() []endingRight {
	return []endingRight{
		{"session", 14 * 24 * time.Hour, 200, false, ask("GET", self, "")},
		{"fresh session", 2 * time.Hour, 200, false, ask("PATCH", self, `{"email":"alice@example.com"}`)},
		{"verification link", 24 * time.Hour, 200, true, func(e *env, alice users.User, _ option) func() reply {
			link := e.stage(alice, "new@example.com")
			return func() reply { return e.verify(alice, link) }
		}},
		{"reset link", 24 * time.Hour, 204, true, func(e *env, alice users.User, _ option) func() reply {
			link := e.askReset(alice)
			return func() reply { return e.reset(alice, link, newPassword) }
		}},
		{"API key that expires", time.Hour, 200, false, func(e *env, alice users.User, _ option) func() reply {
			value, err := e.api.Auth().NewAPIKeyValue()
			if err == nil {
				_, err = e.api.Auth().SaveAPIKey(e.t.Context(), auth.APIKey{UserID: alice.ID, Label: "x", Scopes: []string{"*"}, ExpiresAt: e.now().Add(time.Hour)}, value)
			}
			if err != nil {
				e.t.Fatal(err)
			}
			return func() reply { return e.do("GET", self, "", header("Authorization", "Bearer "+string(value))) }
		}},
		{"OAuth token", time.Hour, 200, false, func(e *env, alice users.User, _ option) func() reply {
			const value = "pha_good-good-good-good"
			if err := e.api.Auth().SaveOAuthToken(e.t.Context(), value, auth.OAuthToken{UserID: alice.ID, Scopes: "*", ExpiresAt: e.now().Add(time.Hour)}); err != nil {
				e.t.Fatal(err)
			}
			return func() reply { return e.do("GET", self, "", header("Authorization", "Bearer "+value)) }
		}},
		{"link state", 10 * time.Minute, 302, true, func(e *env, alice users.User, cookie option) func() reply {
			page := e.startLink(cookie, "")
			return func() reply {
				who := e.session(alice, 0) // the session is not what is tried
				r := e.callback(who, e.visit(page))
				if r.status == 302 && r.header.Get("Location") != linkedPage {
					r.status = 400
				}
				return r
			}
		}},
		{"delivery of GitHub", 7 * 24 * time.Hour, 200, false, delivered("/webhooks/github")},
	}
}

func factorRights() []endingRight {
	return []endingRight{
		{"set-up of an authenticator", 10 * time.Minute, 200, true, func(e *env, _ users.User, cookie option) func() reply {
			secret := e.start(cookie)
			return func() reply { return e.do("POST", own+"validate_2fa", token(e.code(secret)), cookie) }
		}},
		{"pending login", 10 * time.Minute, 200, true, func(e *env, alice users.User, _ option) func() reply {
			_, cookie := e.enrol(alice)
			codes := e.backupCodes(cookie) // which no clock spoils
			pending := e.pending("alice")
			return func() reply {
				codes = codes[1:]
				return e.do("POST", "/api/login/token", token(codes[0]), pending)
			}
		}},
		{"passkey challenge", 5 * time.Minute, 200, true, withPasskey(func(e *env, _ users.User, _ option, d *device, _ string) func() reply {
			begun := e.do("POST", signInBegin, "")
			return func() reply {
				return e.do("POST", signInComplete, d.signed(begun), begun.cookie("sessionid_passkey"))
			}
		})},
		{"remembered device", auth.RememberLifetime, 200, false, func(e *env, alice users.User, _ option) func() reply {
			secret, _ := e.enrol(alice)
			device := e.do("POST", "/api/login/token", token(e.code(secret)), e.pending("alice")).ok(200).cookie("remember-cookie")
			return func() reply { return e.do("POST", "/api/login", credentials("alice", password), device) }
		}},
	}
}

// withClock runs a test on every store, with mail and a GitHub.
func withClock(t *testing.T, fn func(t *testing.T, e *env)) {
	t.Helper()
	withGitHub(t, acme, unhurried, fn)
}

// unhurried has mail, and no limit of second steps.
func unhurried(c *httpapi.Config) {
	withMail(c)
	c.Auth.SecondSteps.Max = -1
}

// TestClockSteps sets the clock back an hour and forward a day while something is
// under way. By the clock nothing lasts longer than documented, nothing is used a
// second time, and nothing fails. The flag -whole has every store try all of it.
func TestClockSteps(t *testing.T) {
	for _, r := range endingRights() {
		for name, steps := range map[string][]time.Duration{
			"back":                  {-time.Hour},
			"back and again":        {-time.Hour, time.Hour},
			"forward":               {24 * time.Hour},
			"forward and back":      {24 * time.Hour, -24 * time.Hour},
			"back and to the end":   {-time.Hour, time.Hour + r.life - time.Second},
			"back and past the end": {-time.Hour, time.Hour + r.life + time.Second},
		} {
			t.Run(r.name+"/"+name, func(t *testing.T) {
				if *whole {
					withClock(t, func(t *testing.T, e *env) { r.step(t, e, steps) })
					return
				}
				t.Parallel()
				e := newEnv(t, memory.New(), func(c *httpapi.Config) {
					unhurried(c)
					c.GitHub.Provider, c.GitHub.WebhookSecret = newGitHub(t, c.Now, acme()), webhookSecret
				})
				t.Cleanup(e.close)
				r.step(t, e, steps)
			})
		}
	}
}

// step grants the right, sets the clock and uses it, and uses it again later.
func (r endingRight) step(t *testing.T, e *env, steps []time.Duration) {
	alice := e.user("alice")
	use := r.grant(e, alice, e.session(alice, 0))
	var passed time.Duration
	for _, s := range steps {
		e.advance(s)
		passed += s
	}
	lasts := passed < r.life
	got := use()
	used := got.status == r.ok
	switch {
	case got.status >= 500:
		t.Errorf("after %v: got %d %s", steps, got.status, got.raw)
	case lasts && got.status != r.ok, !lasts && got.status == r.ok && r.name != "delivery of GitHub":
		t.Errorf("after %v of a life of %s: got %d %s, and %d means success", steps, r.life, got.status, got.raw, r.ok)
	}
	for _, s := range []time.Duration{0, -time.Hour, 2 * time.Hour, 24 * time.Hour} {
		e.advance(s)
		passed += s
		if got = use(); got.status >= 500 || got.status == r.ok && (r.once && used || passed >= r.life && r.name != "delivery of GitHub") {
			t.Errorf("after %v, and again %s after it was granted: got %d %s", steps, passed, got.status, got.raw)
		}
		used = used || got.status == r.ok
	}
}

// TestClockStepsAndCodes: a code of an authenticator is used once, whatever the clock
// does, and none of before.
func TestClockStepsAndCodes(t *testing.T) {
	withClock(t, func(t *testing.T, e *env) {
		secret, _ := e.enrol(e.user("alice"))
		code := func() string { return e.code(secret) }
		send := func(code string) reply {
			t.Helper()
			return e.do("POST", "/api/login/token", token(code), e.pending("alice"))
		}
		used := code()
		send(used).ok(200)
		for _, s := range []time.Duration{-time.Hour, time.Hour, -30 * time.Second, 30 * time.Second} {
			e.advance(s)
			send(used).ok(400)
			if code() != used {
				send(code()).ok(400) // of a time before the one that was used
			}
			e.advance(15 * time.Minute) // for the back-off
			e.advance(-15 * time.Minute)
		}
		e.advance(24 * time.Hour)
		send(used).ok(400)
		e.advance(24 * time.Hour)
		send(code()).ok(200)
	})
}

// TestClockStepsAndLimits: what counts attempts forgets none when the clock is set
// back, also if expired records are deleted meanwhile, and lets go a day later.
func TestClockStepsAndLimits(t *testing.T) {
	withClock(t, func(t *testing.T, e *env) {
		alice := e.user("alice")
		key := e.key(alice, "user:write")
		guess := func() reply {
			return e.do("PATCH", self, fmt.Sprintf(`{"password":%q,"current_password":"wrong"}`, newPassword), key)
		}
		judged := 0
		for range 20 {
			if r := guess(); r.status == 400 {
				judged++
			} else if r.status != 429 {
				t.Errorf("%s: got %d %s", r.call, r.status, r.raw)
			}
			e.advance(13 * time.Second)
		}
		if judged != 10 {
			t.Errorf("%d guesses were judged, want 10", judged)
		}
		for _, s := range []time.Duration{-time.Hour, time.Hour} {
			e.advance(s)
			if _, err := e.api.Auth().DeleteExpired(t.Context()); err != nil {
				t.Error(err)
			}
			guess().ok(429)
		}
		e.advance(24 * time.Hour)
		guess().ok(400)
	})
}

// TestClockStepsAndLogs: an attempt while the clock is back does not shorten the life
// of the log.
func TestClockStepsAndLogs(t *testing.T) {
	withClock(t, func(t *testing.T, e *env) {
		e.user("alice")
		ask := func() reply { return e.do("POST", "/api/login", credentials("alice", "wrong"), from("192.0.2.7")) }
		for range 29 {
			ask().ok(400)
		}
		e.advance(-time.Hour)
		ask().ok(400)
		e.advance(time.Hour)
		if _, err := e.api.Auth().DeleteExpired(t.Context()); err != nil {
			t.Error(err)
		}
		ask().ok(400)
		e.do("POST", "/api/login", credentials("alice", password), from("192.0.2.7")).refused(403, "authentication_error", "too_many_failed_attempts", "")
		e.advance(24 * time.Hour)
		e.do("POST", "/api/login", credentials("alice", password), from("192.0.2.7")).ok(200)
	})
}

// TestClockStepsAndGitHub: an installation's token is not used past its end, by our
// clock or by GitHub's.
func TestClockStepsAndGitHub(t *testing.T) {
	withClock(t, func(t *testing.T, e *env) {
		alice := e.user("alice")
		e.link(e.session(alice, 0))
		for _, s := range []time.Duration{-time.Hour, time.Hour, 24 * time.Hour, -24 * time.Hour, 24 * time.Hour} {
			e.advance(s)
			who := e.session(alice, 0)
			e.dropSnapshot(alice)
			e.do("GET", reposPath, "", who).ok(200)
			e.do("GET", onePath+"branches/?repo=acme/repo-1", "", who).ok(200)
			e.do("POST", reposPath+"refresh/", "", who).ok(200)
			if _, err := e.api.Integrations().UserToken(t.Context(), alice.ID, "12345"); err != nil {
				t.Errorf("%s: UserToken: %v", s, err)
			}
			// A token that GitHub refuses would have the list asked for twice.
			if n := e.gh.server.Count(listRoute); n != 1 {
				t.Errorf("%s: %d lists, want one", s, n)
			}
			e.gh.server.ClearRequests()
		}
	})
}
