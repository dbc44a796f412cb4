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

// TestR20Cookies: every cookie that is handed out, at every door, and cookies that
// are not as ours are.
func TestR20Cookies(t *testing.T) {
	each(t, withMail, func(t *testing.T, e *env) {
		d := newDevice(t)
		alice, cookie := e.withDevice("alice", d)
		bob := e.user("bob")
		secret, _ := e.enrol(bob)
		verification := e.stage(alice, "alice2@example.com")
		pending := e.do("POST", "/api/login/", credentials("bob", password))
		key := e.key(alice, "*")
		passkey := e.do("POST", signInBegin, "")
		answers := []reply{
			e.do("POST", "/api/login", credentials("alice", password)).ok(200), pending,
			e.do("POST", "/api/login/token", token(e.code(secret)), pending.cookie("sessionid")).ok(200),
			passkey, e.do("POST", signInComplete+"/", body(d.sign(passkey)), passkey.cookie("sessionid_passkey")).ok(200),
			e.do("PATCH", self, `{"password":"`+newPassword+`","current_password":"`+password+`"}`, cookie).ok(200),
			e.verify(alice, verification),
			e.do("POST", "/logout", "", e.session(bob, 0)).ok(302), e.do("GET", self, "", header("Cookie", "sessionid=unknown")).ok(401),
			e.do("DELETE", self, "", e.session(e.user("carol"), 0)).ok(204),
		}
		given := map[string]bool{}
		for i, r := range answers {
			cookies := (&http.Response{Header: r.header}).Cookies()
			if len(cookies) == 0 && i != 6 { // the change of password has ended the link
				t.Errorf("%s: no cookie", r.call)
			}
			for _, c := range cookies {
				strict := c.SameSite == http.SameSiteStrictMode || c.Name == "sessionid" && c.SameSite == http.SameSiteLaxMode
				if !c.HttpOnly || !c.Secure || c.Path != "/" || c.Domain != "" || !strict || c.Partitioned || c.Value != "" && c.MaxAge <= 0 {
					t.Errorf("%s: the cookie is %s", r.call, c)
				}
				if c.Value != "" && (len(c.Value) < 43 || given[c.Value]) { // 256 bits in base 64
					t.Errorf("%s: the value of %s has %d characters, seen before: %v", r.call, c.Name, len(c.Value), given[c.Value])
				}
				given[c.Value] = true
			}
		}

		good := &http.Request{Header: http.Header{}}
		e.session(alice, 0)(good)
		value := strings.TrimPrefix(good.Header.Get("Cookie"), "sessionid=")
		for name, cookie := range map[string]option{
			"another case of the name": header("Cookie", "Sessionid="+value), "a prefix": header("Cookie", "__Host-sessionid="+value), "no name": header("Cookie", value),
			"twice": header("Cookie", "sessionid="+value+"; sessionid="+value), "in two headers": together(header("Cookie", "sessionid="+value), header("Cookie", "sessionid=x")),
			"longer": header("Cookie", "sessionid="+value+"A"), "cut": header("Cookie", "sessionid="+value[:len(value)-1]), "another case": header("Cookie", "sessionid="+strings.ToLower(value)),
			"empty": header("Cookie", "sessionid="), "5 KB": header("Cookie", "sessionid="+strings.Repeat("A", 5000)), "its hash": header("Cookie", "sessionid="+hashText(value)),
			"as a key": header("Authorization", "Bearer "+value), "a key": func(r *http.Request) {
				key(r)
				r.Header.Set("Cookie", "sessionid="+strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "))
				r.Header.Del("Authorization")
			},
		} {
			for _, path := range spellings(self, alice) {
				if r := e.do("GET", path, "", cookie); r.status != 401 {
					t.Errorf("%s: %s lets in: %d", r.call, name, r.status)
				}
			}
		}
		e.do("GET", self, "", header("Cookie", "sessionid="+value)).ok(200)
	})
}

// TestR23NothingElseRefreshes: a session that is not fresh becomes so by signing in
// and by nothing else, and what needs it says so under every name.
func TestR23NothingElseRefreshes(t *testing.T) {
	each(t, withMail, func(t *testing.T, e *env) {
		alice := e.user("alice")
		e.organization("Acme", alice)
		secret, _ := e.enrol(alice)
		stale, key := e.session(alice, 3*time.Hour), e.key(alice, "*")
		stillStale := func(after string) {
			t.Helper()
			e.unchanged(alice, func() {
				for _, path := range spellings(self, alice) {
					for _, method := range []string{"PATCH", "PUT", "DELETE"} {
						r := e.do(method, path, `{"theme_mode":"dark","first_name":"Eve"}`, stale)
						r.call += " after " + after
						r.refused(403, "authentication_error", "sensitive_action_required_reauth", "")
					}
				}
				for _, path := range spellings(own+"two_factor_validate", alice) {
					e.do("POST", path, token(e.code(secret)), stale).refused(403, "authentication_error", "sensitive_action_required_reauth", "")
				}
			})
		}
		for what, try := range map[string]func(){
			"reading":                func() { e.do("GET", self, "", stale).ok(200) },
			"a harmless change":      func() { e.do("PATCH", self, `{"theme_mode":"light"}`, stale).ok(200) },
			"a key":                  func() { e.do("PATCH", self, `{"first_name":"A"}`, key).ok(200) },
			"key and session":        func() { e.do("PATCH", self, `{"first_name":"B"}`, key, stale).ok(200) },
			"a set-up":               func() { e.start(stale) },
			"a wrong password":       func() { e.do("POST", "/api/login", credentials("alice", "wrong"), stale).ok(400) },
			"a code without a login": func() { e.do("POST", "/api/login/token", token(e.code(secret)), stale).ok(400) },
			"asking for a link":      func() { e.do("POST", "/api/reset", `{"email":"alice@example.com"}`, stale).ok(204) },
			"beginning a passkey":    func() { e.do("POST", signInBegin, "", stale).ok(200) },
			"a page of GitHub":       func() { e.do("GET", "/complete/github-link/", "", stale).ok(302) },
		} {
			try()
			alice = e.stored(alice)
			stillStale(what)
		}
		pending := e.pending("alice", stale) // which ends the old session
		e.do("GET", self, "", stale).nobody("not_authenticated")
		in := e.do("POST", "/api/login/token", token(e.code(secret)), pending).ok(200).cookie("sessionid")
		e.do("PATCH", self, `{"first_name":"C"}`, in).ok(200)
	})
}

// TestR24CrossSite: no route that changes anything takes a cookie from a page of
// another site.
func TestR24CrossSite(t *testing.T) {
	site, from := func(v string) option { return header("Sec-Fetch-Site", v) }, func(v string) option { return header("Origin", v) }
	hostile := []option{
		site("cross-site"), site("same-site"), from("https://evil.example"), from("http://app.example.com"), from("null"), from("https://app.example.com.evil.example"),
		from("https://app.example.com:8443"), func(r *http.Request) { site("cross-site")(r); from("https://app.example.com.evil.example")(r) },
	}
	each(t, nil, func(t *testing.T, e *env) {
		alice := e.user("alice")
		cookie := e.session(alice, 0)
		e.unchanged(alice, func() {
			for _, rt := range httpapi.Routes(e.api) {
				if rt[0] == "GET" || strings.HasPrefix(rt[1], "/webhooks/") {
					continue
				}
				for _, path := range spellings(filled(rt[1]), alice) {
					for _, page := range hostile {
						e.do(rt[0], path, `{"x":1}`, cookie, page).denied()
						if slices.Contains(openPaths, rt[1]) { // it could sign the browser in
							e.do(rt[0], path, `{"x":1}`, page).denied()
						}
					}
				}
			}
		})
		e.do("GET", self, "", cookie).ok(200) // nobody has signed her out
	})
}

// TestR25OtherDoors: for an account with a second factor nothing but the second
// factor makes a session.
func TestR25OtherDoors(t *testing.T) {
	withGitHub(t, acme, withMail, func(t *testing.T, e *env) {
		weak := keyOnly(t)
		alice, _ := e.withDevice("alice", weak)
		secret, _ := e.enrol(alice)
		bob := e.user("bob")
		bobs, _ := e.enrol(bob)
		his := e.do("POST", "/api/login/token", token(e.code(bobs)), e.pending("bob")).ok(200).cookie("remember-cookie_")
		cookie := e.session(alice, 0)
		back := e.visit(e.startLink(cookie, ""))
		e.do("POST", "/api/logout", "", cookie).ok(302)
		verification, err := e.api.Auth().NewVerificationToken(t.Context(), alice.ID)
		if err != nil {
			t.Fatal(err)
		}
		pending := e.pending("alice")
		for name, r := range map[string]reply{
			"password":                         e.do("POST", "/api/login/", credentials("alice", password)),
			"password, and somebody's device":  e.do("POST", "/api/login", credentials("alice", password), his),
			"passkey without verification":     e.signIn(weak, ""),
			"link in a mail":                   e.verify(alice, string(verification)),
			"link in a mail, and half a login": e.do("POST", "/api/users/verify_email/", uuidBody(alice.UUID.String(), e.askVerification(alice)), pending),
			"new password":                     e.reset(alice, e.askReset(alice), newPassword),
			"callback":                         e.do("GET", "/complete/github-link/?"+back.Encode(), "", e.pendingWith(newPassword)),
		} {
			for _, c := range (&http.Response{Header: r.header}).Cookies() {
				for _, path := range spellings(self, alice) {
					e.do("GET", path, "", header("Cookie", c.Name+"="+c.Value)).nobody("not_authenticated")
				}
			}
			if sessions, err := e.store.Sessions(t.Context(), alice.ID); err != nil || len(sessions) > 0 {
				t.Fatalf("%s: got %d, and alice has %d sessions, %v", name, r.status, len(sessions), err)
			}
		}
		pending = e.pendingWith(newPassword)
		for _, rt := range httpapi.Routes(e.api) {
			if slices.Contains(openPaths, rt[1]) {
				continue
			}
			for _, path := range spellings(filled(rt[1]), alice) {
				e.do(rt[0], path, "", pending).nobody("not_authenticated")
			}
		}
		e.do("POST", "/api/login/token", token(e.code(secret)), pending).ok(200)
	})
}

// askVerification makes a link that verifies the address of u.
func (e *env) askVerification(u users.User) string {
	e.t.Helper()
	link, err := e.api.Auth().NewVerificationToken(e.t.Context(), u.ID)
	if err != nil {
		e.t.Fatal(err)
	}
	return string(link)
}

// pendingWith signs Alice in by another password than the usual one.
func (e *env) pendingWith(password string) option {
	e.t.Helper()
	r := e.do("POST", "/api/login", credentials("alice", password))
	r.refused(http.StatusUnauthorized, "server_error", "2fa_required", "")
	return r.cookie("sessionid")
}

// TestR27ReplayOnEveryDoor: a code that was used once is worth nothing at any other
// door, in another session, or on another process.
func TestR27ReplayOnEveryDoor(t *testing.T) {
	each(t, func(c *httpapi.Config) { c.Auth.SecondSteps.Max = -1 }, func(t *testing.T, e *env) {
		alice := e.user("alice")
		secret, _ := e.enrol(alice)
		early, err := auth.TOTPCode(secret, e.now().Add(-30*time.Second))
		if err != nil {
			t.Fatal(err)
		}
		code := e.code(secret)
		e.do("POST", "/api/login/token", token(code), e.pending("alice")).ok(200)
		for _, spent := range []string{code, " " + code[:3] + " " + code[3:], early} {
			for range 1 + len(e.others) {
				for _, slash := range []string{"", "/"} {
					e.do("POST", "/api/login/token"+slash, token(spent), e.pending("alice")).ok(400)
				}
			}
		}
		e.advance(time.Hour)
		e.do("POST", "/api/login/token", token(code), e.pending("alice")).invalid("2fa_invalid", "")
	})
}
