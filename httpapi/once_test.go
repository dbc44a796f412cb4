package httpapi_test

import (
	"flag"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/hedgerow-dev/hedgerow/httpapi"
	"github.com/hedgerow-dev/hedgerow/users"
)

var rounds = flag.Int("rounds", 2, "how often TestOneUseEach has 100 callers race for each kind of secret on each store")

// prize is a secret of a user that is good for one use.
type prize struct {
	// use is one of many at once and returns the status of the answer.
	use func(n int) int
	// granted counts what uses have given the user.
	granted func() int
}

// prizes makes each kind of secret for a user who has none.
var prizes = map[string]func(e *env, u users.User) prize{
	"time step":                  timeStepPrize,
	"backup code":                backupCodePrize,
	"pending login":              pendingPrize,
	"set-up of an authenticator": setUpPrize,
	"verification link": func(e *env, u users.User) prize {
		token := e.stage(u, "new-"+u.Email)
		return prize{func(int) int { return e.verify(u, token).status }, func() int { return strings.Count(kinds(e.mail()), "EmailChanged new-") }}
	},
	"reset link": func(e *env, u users.User) prize {
		token := e.askReset(u)
		return prize{func(n int) int { return e.reset(u, token, fmt.Sprint(newPassword, n)).status }, e.eventsOf(u, "user reset password")}
	},
	"passkey registration": func(e *env, u users.User) prize {
		cookie := e.session(u, 0)
		sent := body(newDevice(e.t).register(e.do("POST", registerBegin, "", cookie)))
		return prize{e.posts(registerComplete, sent, cookie), func() int { return len(e.passkeys(cookie)) }}
	},
	"passkey sign-in": func(e *env, u users.User) prize {
		d := e.uncounted(e.session(u, 0))
		begun := e.do("POST", signInBegin, "")
		return prize{e.posts(signInComplete, body(d.sign(begun)), begun.cookie("sessionid_passkey")), e.sessionsOf(u)}
	},
	"passkey as the second step": func(e *env, u users.User) prize {
		cookie := e.session(u, 0)
		d := e.uncounted(cookie)
		e.usePasskeys(cookie)
		pending := e.pending(strings.TrimSuffix(u.Email, "@example.com"))
		return prize{e.posts(stepComplete, body(d.sign(e.do("POST", stepBegin, "", pending))), pending), e.sessionsOf(u)}
	},
	"state of a link with GitHub": func(e *env, u users.User) prize {
		who := e.session(u, 0)
		back := e.visit(e.startLink(who, ""))
		e.gh.server.ClearRequests()
		return prize{func(int) int {
			if e.callback(who, back).header.Get("Location") == linkedPage {
				return http.StatusOK
			}
			return http.StatusBadRequest
		}, func() int { return e.gh.server.Count(exchangeRoute) }}
	},
}

// uncounted gives a new device to a user. Its counter stays 0 when it signs, so
// that it is the challenge alone which ends.
func (e *env) uncounted(cookie option) *device {
	e.t.Helper()
	d := newDevice(e.t)
	e.addPasskey(d, cookie)
	d.key.Counter = ^uint32(0)
	return d
}

func timeStepPrize(e *env, u users.User) prize {
	secret, _ := e.enrol(u)
	return secondStepPrize(e, u, e.code(secret))
}

func backupCodePrize(e *env, u users.User) prize {
	_, cookie := e.enrol(u)
	return secondStepPrize(e, u, e.backupCodes(cookie)[0])
}

// secondStepPrize is a code for any of the logins that wait for one.
func secondStepPrize(e *env, u users.User, code string) prize {
	var pending []option
	for range 10 { // more would push each other out
		pending = append(pending, e.pending(strings.TrimSuffix(u.Email, "@example.com")))
	}
	return prize{func(n int) int { return e.do("POST", "/api/login/token", token(code), pending[n%len(pending)]).status }, e.sessionsOf(u)}
}

// pendingPrize is a login that waits, for which there are ten codes.
func pendingPrize(e *env, u users.User) prize {
	_, cookie := e.enrol(u)
	codes, pending := e.backupCodes(cookie), e.pending(strings.TrimSuffix(u.Email, "@example.com"))
	return prize{func(n int) int { return e.do("POST", "/api/login/token", token(codes[n%len(codes)]), pending).status }, e.sessionsOf(u)}
}

func setUpPrize(e *env, u users.User) prize {
	cookie := e.session(u, 0)
	secret := e.start(cookie)
	return prize{e.posts(own+"two_factor_validate", token(e.code(secret)), cookie), e.eventsOf(u, "second factor enabled")}
}

// posts sends the same again and again.
func (e *env) posts(path, body string, cookie option) func(int) int {
	return func(int) int { return e.do("POST", path, body, cookie).status }
}

// sessionsOf counts how many sessions u has got since.
func (e *env) sessionsOf(u users.User) func() int {
	e.t.Helper()
	count := func() int {
		sessions, err := e.store.Sessions(e.t.Context(), u.ID)
		if err != nil {
			e.t.Fatal(err)
		}
		return len(sessions)
	}
	before := count()
	return func() int { return count() - before }
}

// eventsOf counts how often something has happened to u since.
func (e *env) eventsOf(u users.User, action string) func() int {
	return func() int {
		events, err := e.api.Users().Events(e.t.Context(), users.EventQuery{Target: u.ID, Actions: []string{action}, Limit: 100})
		if err != nil {
			e.t.Fatal(err)
		}
		return len(events)
	}
}

// TestOneUseEach has a hundred callers at once use what is good for one use. One
// of them gets in, the others are refused, and what is stored says so too.
func TestOneUseEach(t *testing.T) {
	withGitHub(t, acme, func(c *httpapi.Config) {
		withMail(c)
		c.Auth.SecondSteps.Max = -1
	}, func(t *testing.T, e *env) {
		for kind, prepare := range prizes {
			for n := range *rounds {
				u := e.user(fmt.Sprint(strings.ReplaceAll(kind, " ", "-"), n))
				p := prepare(e, u)
				won, statuses := 0, race(p.use)
				for status, times := range statuses {
					if status < 300 {
						won += times
					} else if status < 400 || status >= 500 && status != http.StatusServiceUnavailable { // the hundredth in a row may wait too long
						t.Errorf("%s, round %d: a loser gets status %d", kind, n, status)
					}
				}
				if granted := p.granted(); won != 1 || granted != 1 {
					t.Errorf("%s, round %d: %d uses of one and %d grants, want one each; statuses %v", kind, n, won, granted, statuses)
				}
				e.advance(time.Hour) // past what limits logins of a machine
			}
		}
		if t.Failed() {
			return
		}
		t.Logf("%d kinds of secrets, %d rounds of 100 attempts each: one use each", len(prizes), *rounds)
	})
}
