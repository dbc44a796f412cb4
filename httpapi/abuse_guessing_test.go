package httpapi_test

import (
	"fmt"
	"net/netip"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/httpapi"
)

// guesses counts the answers that judged one.
type guesses struct {
	code   string // of a wrong guess
	judged atomic.Int64
}

func (g *guesses) see(r reply) reply {
	r.t.Helper()
	switch {
	case strings.Contains(r.raw, `"`+g.code+`"`):
		g.judged.Add(1)
	case r.status != 429 && r.status != 403 && !strings.Contains(r.raw, "too_many_attempts"):
		r.t.Errorf("%s: a wrong guess is answered by %d %s", r.call, r.status, r.raw)
	}
	return r
}

// atMost fails the test if more were judged, and begins to count anew.
func (g *guesses) atMost(e *env, what string, n int) {
	e.t.Helper()
	if got := g.judged.Swap(0); got > int64(n) || got == 0 {
		e.t.Errorf("%s: %d guesses were judged, want at most %d and some", what, got, n)
	}
}

// slots are the password hashes that all processes make at once, by which
// parallel guesses may exceed a limit.
func (e *env) slots() int { return runtime.NumCPU() * (1 + len(e.others)) }

// TestR05CurrentPassword: wrong current passwords, one after the other, at once, and
// by somebody who waits as long as he is told.
func TestR05CurrentPassword(t *testing.T) {
	each(t, nil, func(t *testing.T, e *env) {
		alice := e.user("alice")
		fresh, key, paths := e.session(alice, 0), e.key(alice, "user:write"), spellings(self, alice)
		wrong := &guesses{code: "incorrect_password"}
		guess := func(at *env, n int) reply {
			caller, method := []option{fresh, key}[n%2], []string{"PATCH", "PUT"}[n/2%2]
			body := fmt.Sprintf(`{"email":"alice@example.com","password":%q,"current_password":"guess %d"}`, newPassword, n)
			return wrong.see(at.do(method, paths[n%len(paths)], body, caller))
		}
		restarted := e.beside(e.store)
		for n := range size(40, 1000) {
			guess([]*env{e, restarted}[n%2], n)
		}
		wrong.atMost(e, "in one moment", 5)
		e.advance(15 * time.Minute)
		race(func(n int) int { return guess(e, n).status })
		wrong.atMost(e, "at once", 5)
		e.advance(15 * time.Minute)
		for begin, n := e.now(), 0; e.now().Before(begin.Add(15 * time.Minute)); n++ {
			if r := guess(restarted, n); r.status == 429 {
				e.advance(max(r.throttledFor(), time.Second))
			}
		}
		wrong.atMost(e, "in 15 minutes", 10)
		// The owner is in, and stays in.
		e.do("GET", self, "", fresh).ok(200)
		e.do("PATCH", self, `{"first_name":"Ann"}`, fresh).ok(200)
		e.do("POST", "/api/login", credentials("alice", password)).ok(200)
	})
}

// TestR05LoginGuessing: from many addresses, under other spellings of the account,
// with forged headers, at once and across restarts, a hundred an hour are judged.
func TestR05LoginGuessing(t *testing.T) {
	inProcess(t, nil, func(t *testing.T, e *env) {
		alice := e.user("alice")
		open := e.session(alice, 0)
		wrong := &guesses{code: "invalid_credentials"}
		guess := func(at *env, n int, address string) reply {
			name := []string{"alice@example.com", "ALICE@example.com", " alice@EXAMPLE.com ", "Alice@Example.Com"}[n%4]
			forged := header("X-Forwarded-For", fmt.Sprintf("10.1.%d.%d, 203.0.113.%d", n/256, n%256, n%256))
			return wrong.see(at.do("POST", "/api/login"+strings.Repeat("/", n%2), fmt.Sprintf(`{"email":%q,"password":"guess %d"}`, name, n), from(address), forged))
		}
		restarted := e.beside(e.store)
		for n := range 40 {
			guess([]*env{e, restarted}[n%2], n, "192.0.2.1")
		}
		wrong.atMost(e, "from one address", 30)
		for n := range size(100, 1000) {
			guess([]*env{e, restarted}[n%2], n, fmt.Sprintf("198.51.%d.%d", n/256, n%256))
		}
		wrong.atMost(e, "from anywhere", 70) // besides those above
		e.do("POST", "/api/login", credentials("alice", password), from("203.0.113.1")).throttled("3600")
		e.do("GET", self, "", open).ok(200)
		e.do("PATCH", self, `{"first_name":"Ann"}`, open).ok(200)

		e.advance(time.Hour)
		for n := range 90 {
			guess(e, n, fmt.Sprintf("198.51.100.%d", n))
		}
		race(func(n int) int { return guess(e, n, fmt.Sprintf("198.51.101.%d", n)).status })
		wrong.atMost(e, "a hundred at once", 100+e.slots())
	})
}

// TestR28GuessingCodes: from fresh logins, by codes and backup codes, at once, and
// across restarts; and what a patient day of it is worth.
func TestR28GuessingCodes(t *testing.T) {
	each(t, nil, func(t *testing.T, e *env) {
		alice := e.user("alice")
		secret, cookie := e.enrol(alice)
		e.backupCodes(cookie)
		wrong := &guesses{code: "2fa_invalid"}
		restarted := e.beside(e.store)
		guess := func(at *env, n int, pending option) reply {
			code := []string{"000000", "zzzzzzzz"}[n%2]
			for code == e.code(secret) {
				code = "111111"
			}
			return wrong.see(at.do("POST", "/api/login/token"+strings.Repeat("/", n/2%2), token(code), pending))
		}
		for n := range size(30, 10_000) {
			at := []*env{e, restarted}[n%2]
			guess(at, n, at.pending("alice"))
		}
		wrong.atMost(e, "in one moment", 6)
		e.advance(20 * time.Minute)
		var waiting []option
		for range 10 {
			waiting = append(waiting, e.pending("alice"))
		}
		race(func(n int) int { return guess(e, n, waiting[n%len(waiting)]).status })
		wrong.atMost(e, "at once", 6)

		e.advance(24 * time.Hour)
		for begin, n := e.now(), 0; e.now().Before(begin.Add(24 * time.Hour)); n++ {
			if r := guess(e, n, e.pending("alice")); r.throttledFor() > 0 {
				e.advance(r.throttledFor())
			}
		}
		wrong.atMost(e, "in a day, each with a chance of three in a million", 333)
	})
}

// TestR34StrangersAtLinks: whoever knows an account cannot guess its links, have it
// mailed at will, or keep its owner from using the link.
func TestR34StrangersAtLinks(t *testing.T) {
	each(t, withMail, func(t *testing.T, e *env) {
		alice := e.user("alice", unverified)
		e.do("POST", "/api/users/request_email_verification", uuidBody(alice.UUID.String(), "")).ok(200)
		link := linkToken[auth.EmailVerification](e)
		if len(link) < 43 {
			t.Errorf("a link has %d characters, want the 43 of 256 bits", len(link))
		}
		reset := e.askReset(alice)
		unknown := alice
		unknown.UUID[15]++
		e.unchanged(alice, func() {
			for n := range size(60, 20_000) {
				guessed := fmt.Sprintf("%0*d", len(link), n)
				if a, b := e.verify(alice, guessed), e.verify(unknown, guessed); a.raw != b.raw || a.status != b.status {
					t.Errorf("one who exists is answered by %s, one who does not by %s", a.raw, b.raw)
				}
				e.verify(alice, fmt.Sprintf("%06d", n)).invalid("invalid_token", "token")
				e.reset(alice, guessed, newPassword).invalid("invalid_token", "token")
				e.checkReset(alice, guessed).invalid("invalid_token", "token")
			}
		})
		e.mail()
		for n := range size(40, 1000) {
			client := from(fmt.Sprintf("198.51.%d.%d", n/256, n%256))
			e.do("POST", "/api/users/request_email_verification/", fmt.Sprintf(`{"uuid":%q,"email":"x%d@example.com"}`, alice.UUID, n), client).ok(200)
			r := e.do("POST", "/api/reset", `{"email":"Alice@example.com"}`, client)
			if want := 204; n >= 5 && r.status != 429 || n < 5 && r.status != want {
				t.Errorf("the %d. request is answered by %d", n+2, r.status)
			}
		}
		if got := len(e.mail()); got > 10 {
			t.Errorf("a stranger has %d mails sent to one account, want at most 5 of each kind", got)
		}
		e.checkReset(alice, reset).ok(204)
		e.verify(alice, link).ok(200)
	})
}

// TestR68Limiter: what counts failures is bounded, goes by the real address, and
// survives restarts and clocks that are set back.
func TestR68Limiter(t *testing.T) {
	each(t, nil, func(t *testing.T, e *env) {
		e.user("alice")
		crowd := size(100, 20_000)
		if strings.HasSuffix(t.Name(), "memory") {
			crowd = size(1000, 1_000_000)
		}
		for n := range crowd {
			address := fmt.Sprintf("2001:db8:%x:%x::1", n>>16, n&0xffff)
			e.do("POST", "/api/login", credentials(fmt.Sprintf("user%d", n), "wrong"), from("["+address+"]")).invalid("invalid_credentials", "")
		}
		e.advance(time.Hour)
		if n, err := e.api.Auth().DeleteExpired(t.Context()); err != nil || n != 2*crowd {
			t.Errorf("DeleteExpired: got %d, %v, want one for each address and account of %d", n, err, crowd)
		}

		lock := func(o ...option) {
			t.Helper()
			for range 30 {
				e.do("POST", "/api/login", credentials("nobody", "wrong"), o...).invalid("invalid_credentials", "")
			}
		}
		locked := func(at *env, o ...option) {
			t.Helper()
			at.do("POST", "/api/login", credentials("alice", password), o...).refused(403, "authentication_error", "too_many_failed_attempts", "")
		}
		peer, forged := from("192.0.2.1"), header("X-Forwarded-For", "203.0.113.9")
		lock(peer)
		locked(e, peer, forged)
		locked(e.beside(e.store), peer)
		e.do("POST", "/api/login", credentials("alice", password), from("203.0.113.9")).ok(200)
		for _, back := range []time.Duration{time.Hour, 365 * 24 * time.Hour} {
			e.advance(-back)
			locked(e, peer)
			if _, err := e.api.Auth().DeleteExpired(t.Context()); err != nil {
				t.Fatal(err)
			}
			locked(e, peer)
			e.advance(back)
		}
	})
}

// TestR68Proxies: only a configured proxy is believed, and only about the hop
// before it.
func TestR68Proxies(t *testing.T) {
	each(t, func(c *httpapi.Config) {
		c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}
	}, func(t *testing.T, e *env) {
		e.user("alice")
		through := func(hops ...string) option { return header("X-Forwarded-For", strings.Join(hops, ", ")) }
		for n := range 30 { // whatever a client claims to have come through
			e.do("POST", "/api/login", credentials("nobody", "wrong"), from("10.0.0.1"), through(fmt.Sprintf("198.51.100.%d", n), "203.0.113.7")).ok(400)
		}
		for name, c := range map[string]struct {
			status  int
			options []option
		}{
			"the same client":             {403, []option{from("10.0.0.1"), through("203.0.113.7")}},
			"through two proxies":         {403, []option{from("10.0.0.1"), through("x", "203.0.113.7", "10.9.9.9")}},
			"in two headers":              {403, []option{from("10.0.0.1"), through("x"), through("203.0.113.7")}},
			"another proxy":               {403, []option{from("[fd00::1]"), through("203.0.113.7")}},
			"mapped":                      {403, []option{from("10.0.0.1"), through("::ffff:203.0.113.7")}},
			"the client without a proxy":  {403, []option{from("203.0.113.7")}},
			"the client, forging":         {403, []option{from("203.0.113.7"), through("198.51.100.1")}},
			"another client":              {200, []option{from("10.0.0.1"), through("203.0.113.7", "203.0.113.8")}},
			"somebody who is no proxy":    {200, []option{from("192.0.2.1"), through("203.0.113.7")}},
			"a proxy that says nothing":   {200, []option{from("10.0.0.1")}},
			"a proxy that says something": {200, []option{from("10.0.0.1"), through("203.0.113.7", "unknown")}},
		} {
			r := e.do("POST", "/api/login", credentials("alice", password), c.options...)
			if r.status != c.status {
				t.Errorf("%s: got %d, want %d", name, r.status, c.status)
			}
		}
	})
}
