package httpapi_test

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/httpapi"
	"github.com/hedgerow-dev/hedgerow/storage/memory"
	"github.com/hedgerow-dev/hedgerow/users"
)

func TestR01BadCredentials(t *testing.T) {
	bad := map[string]option{"none": func(*http.Request) {}, "two": func(r *http.Request) { r.Header["Authorization"] = []string{"Bearer phx_a", "Bearer phx_a"} }}
	for _, value := range []string{"", "Bearer", "Bearer  ", "Bearer a b", "Bearer x", "bearer phx_abcdef", "Basic YTpi", "phx_abcdef", "Bearer " + strings.Repeat("x", 64<<10)} {
		bad[value[:min(len(value), 20)]] = header("Authorization", value)
	}
	each(t, nil, func(t *testing.T, e *env) {
		store := &writes{Storage: e.store}
		probe := e.beside(store)
		first := ""
		for _, rt := range httpapi.Routes(e.api) {
			open := slices.Contains(openPaths, rt[1])
			if strings.HasPrefix(rt[1], "/webhooks/") {
				continue // which look at a signature only
			}
			for name, credential := range bad {
				if open && name == "none" {
					continue
				}
				for _, slash := range []string{"", "/"} {
					r := probe.do(rt[0], filled(rt[1])+slash, "", credential)
					r.call += "with " + name
					r.nobody("not_authenticated")
					if first == "" {
						first = r.raw
					}
					if r.raw != first || r.header.Get("WWW-Authenticate") != "Session" {
						t.Errorf("%s: got %s and %q, want %s and Session as elsewhere", r.call, r.raw, r.header.Get("WWW-Authenticate"), first)
					}
				}
			}
		}
		if n := store.count.Load(); n > 0 {
			t.Errorf("%d transactions were begun for nobody", n)
		}
	})
}

// TestR02KeyElsewhere: a key in the address or the body is none, and no log has it.
func TestR02KeyElsewhere(t *testing.T) {
	inProcess(t, repeatable, func(t *testing.T, e *env) {
		var log buffer
		alice := e.user("alice")
		e.organization("Acme", alice)
		value, err := e.api.Auth().NewAPIKeyValue()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := e.api.Auth().SaveAPIKey(t.Context(), auth.APIKey{UserID: alice.ID, Scopes: []string{"*"}}, value); err != nil {
			t.Fatal(err)
		}
		cookie := e.session(alice, 0)
		logging := e.beside(e.store, func(c *httpapi.Config) {
			c.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
		})
		for _, name := range []string{"personal_api_key", "access_token", "api_key", "token", "Authorization", "bearer"} {
			q, member := "?"+name+"="+string(value), fmt.Sprintf(`{%q:%q,"first_name":"Eve"}`, name, value)
			e.unchanged(alice, func() {
				for _, path := range spellings("/api/users/@me", alice) {
					e.do("GET", path+q, "").nobody("not_authenticated")
					e.do("PATCH", path+q, member).nobody("not_authenticated")
					e.do("PUT", path, member).nobody("not_authenticated")
					e.do("PATCH", path, url.Values{name: {string(value)}}.Encode(), contentType("application/x-www-form-urlencoded")).nobody("not_authenticated")
				}
				e.do("GET", "/api/users/"+q, "").nobody("not_authenticated")
				e.do("GET", "/api/personal_api_keys/@current"+q, "").nobody("not_authenticated")
			})
			// A request that fails is logged, without its query and body.
			logging.do("POST", own+"scene_personalisation"+q, fmt.Sprintf(`{%q:%q,"scene":"s","dashboard":500}`, name, value), cookie).ok(500)
		}
		if text := log.b.String(); !strings.Contains(text, "request failed") || strings.Contains(text, string(value)) {
			t.Errorf("the log is %s, want failures without the key", text)
		}
	})
}

// TestR03RevokedKey: whatever ends a key or a session ends it for the next
// request, on every process and on a connection that was open before.
func TestR03RevokedKey(t *testing.T) {
	each(t, nil, func(t *testing.T, e *env) {
		alice := e.user("alice")
		fresh, open := e.session(alice, 0), e.connect()
		gone := func(code string, credential option) {
			t.Helper()
			for range 2 {
				open.do("GET", self, "", credential).nobody(code)
				e.everywhere(func(r reply) { t.Helper(); r.nobody(code) }, "GET", self, "", credential)
			}
		}
		live := func(credential option) {
			t.Helper()
			open.do("GET", self, "", credential).ok(200)
			e.everywhere(func(r reply) { t.Helper(); r.ok(200) }, "GET", self, "", credential)
		}
		for name, end := range map[string]func(id string){
			"deletion": func(id string) { e.do("DELETE", keysPath+id, "", fresh).ok(204) },
			"roll":     func(id string) { e.do("POST", keysPath+id+"/roll", "", fresh).ok(200) },
			"expiry":   func(string) { e.advance(time.Hour) },
			"new expiry": func(id string) {
				e.do("PATCH", keysPath+id, e.expiry(time.Second), fresh).ok(200)
				e.advance(time.Second)
			},
		} {
			made := e.do("POST", keysPath, keyBody(nil), fresh).ok(201).json()
			if name == "expiry" {
				e.do("PATCH", keysPath+made["id"].(string), e.expiry(time.Hour), fresh).ok(200)
			}
			key := header("Authorization", "Bearer "+made["value"].(string))
			live(key)
			end(made["id"].(string))
			gone("authentication_failed", key)
		}
		oauth := e.token(alice, "user:read")
		live(oauth)
		r := http.Request{Header: http.Header{}}
		oauth(&r)
		if err := e.api.Auth().RevokeOAuthToken(t.Context(), users.Secret(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "))); err != nil {
			t.Fatal(err)
		}
		gone("authentication_failed", oauth)
		other := e.session(alice, 0)
		live(other)
		e.do("POST", own+"login_sessions/revoke_others", "", fresh).ok(200)
		gone("not_authenticated", other)
	})
}

// expiry is the body that lets a key expire after a while.
func (e *env) expiry(after time.Duration) string {
	return fmt.Sprintf(`{"expires_at":%q}`, e.now().Add(after).Format(time.RFC3339Nano))
}

// TestR04Deactivation: nothing that somebody has works while the account is
// inactive, nothing makes it active again, and sessions do not come back.
func TestR04Deactivation(t *testing.T) {
	withGitHub(t, acme, withMail, func(t *testing.T, e *env) {
		alice, boss := e.user("alice"), e.user("boss", staff)
		chief, cookie := e.session(boss, 0), e.session(alice, 0)
		keys := []option{e.key(alice, "*"), e.key(alice, "user:read"), e.token(alice, "*")}
		e.link(cookie)
		back := e.visit(e.startLink(cookie, ""))
		reset, verification := e.askReset(alice), e.stage(alice, "new@example.com")
		setActive := func(active bool) {
			t.Helper()
			if err := e.api.Auth().SetActive(t.Context(), alice.ID, active); err != nil {
				t.Fatal(err)
			}
		}
		setActive(false)
		for _, path := range spellings(self, alice) {
			e.do("GET", path, "", cookie).nobody("not_authenticated")
			for _, key := range keys {
				e.do("GET", path, "", key).nobody("authentication_failed")
				e.do("PATCH", path, `{"is_active":true}`, key).nobody("authentication_failed")
			}
			if !strings.Contains(path, "me") {
				e.do("GET", path, "", chief).refused(404, "invalid_request", "not_found", "")
				e.do("PATCH", path, `{"is_active":true}`, chief).refused(404, "invalid_request", "not_found", "")
			}
		}
		e.unchanged(alice, func() {
			e.do("GET", "/complete/github-link/?"+back.Encode(), "", cookie).nobody("not_authenticated")
			e.verify(alice, verification).invalid("invalid_token", "token")
			e.reset(alice, reset, newPassword).invalid("invalid_token", "token")
			e.do("POST", "/api/login", credentials("alice", password)).invalid("invalid_credentials", "")
			e.do("POST", "/api/reset", `{"email":"alice@example.com"}`).ok(204)
			e.do("POST", "/api/users/request_email_verification", uuidBody(alice.UUID.String(), "")).ok(200)
		})
		setActive(true)
		e.do("GET", self, "", cookie).nobody("not_authenticated")
		e.verify(alice, verification).invalid("invalid_token", "token")
		e.reset(alice, reset, newPassword).invalid("invalid_token", "token")
		for _, key := range keys { // which prove what they proved before
			e.do("GET", self, "", key).ok(200)
		}
		e.callback(e.session(alice, 0), back) // whatever it says, the row that there was is the only one
		if list := e.do("GET", linkedPath, "", keys[0]).ok(200).json()["results"].([]any); len(list) != 1 {
			t.Errorf("there are %d links, want the one from before", len(list))
		}
	})
}

// TestR06PasswordText: long ones, spaces and every script, whole and as they are,
// by every way of setting one.
func TestR06PasswordText(t *testing.T) {
	long := strings.Repeat("Wörter mit Abstand 🦔 und 4711 ", 5)
	each(t, withMail, func(t *testing.T, e *env) {
		current := password
		alice := e.user("alice")
		signIn := func(password string) reply {
			return e.do("POST", "/api/login", fmt.Sprintf(`{"email":"alice@example.com","password":%q}`, password))
		}
		doors := map[string]func(password string) reply{
			"PATCH": func(p string) reply {
				return e.do("PATCH", self, fmt.Sprintf(`{"password":%q,"current_password":%q}`, p, current), e.session(alice, 0))
			},
			"PUT": func(p string) reply {
				return e.do("PUT", "/api/users/"+alice.UUID.String()+"/", fmt.Sprintf(`{"email":"alice@example.com","password":%q,"current_password":%q}`, p, current), e.session(alice, 0))
			},
			"reset": func(p string) reply { return e.reset(alice, e.askReset(alice), p) },
		}
		for name, door := range doors {
			for _, chosen := range []string{long[:64] + name, cutRunes(long, 128), "  " + name + " spaces within and around \t", "🦔🦔 " + name + " 🐘🦊 пароль 密码"} {
				e.advance(24 * time.Hour)
				if r := door(chosen); r.status >= 300 {
					t.Errorf("%s: a password of %d bytes is refused: %s", name, len(chosen), r.raw)
					continue
				}
				current = strings.TrimSpace(chosen)
				runes := []rune(current)
				signIn(current).ok(200)
				signIn(" " + current + "\n").ok(200)
				signIn(string(runes[:len(runes)-1])).invalid("invalid_credentials", "")
				signIn(string(runes[:len(runes)-1])+"x").invalid("invalid_credentials", "")
				signIn(strings.ToUpper(current)).invalid("invalid_credentials", "")
			}
			e.advance(24 * time.Hour)
			door(cutRunes(long, 129)).invalid("max_length", "password")
			for _, weak := range []string{"", "short 1", "password1", "alice@example.com", "ALICE@EXAMPLE.COM", "aaaaaaaaaaaaaaaaaaaaaaaa"} {
				e.advance(24 * time.Hour)
				door(weak).ok(400)
			}
			signIn(current).ok(200)
		}
	})
}

// cutRunes is the beginning of a text that is long enough.
func cutRunes(text string, n int) string { return string([]rune(text)[:n]) }

// TestR07IdentityByKey: a key is told the same of every address, and cannot touch
// second factor or staff flag, by whatever method and path.
func TestR07IdentityByKey(t *testing.T) {
	each(t, nil, func(t *testing.T, e *env) {
		alice, boss := e.user("alice", func(u *users.User) { u.HasVerifiedPasskey = true }), e.user("boss", staff)
		e.user("bob")
		stale := e.session(alice, 3*time.Hour)
		for _, credential := range []option{e.key(alice, "user:write"), e.key(alice, "*"), e.token(alice, "user:write")} {
			for _, path := range spellings(self, alice) {
				for _, method := range []string{"PATCH", "PUT"} {
					answers := map[string]bool{}
					e.unchanged(alice, func() {
						for _, address := range []string{"bob@example.com", "BOB@example.com", "free@example.com"} {
							body := fmt.Sprintf(`{"email":%q,"password":%q}`, address, newPassword)
							r := e.do(method, path, body, credential)
							r.invalid("required", "current_password")
							answers[r.raw] = true
							e.do(method, path, body, stale).refused(403, "authentication_error", "sensitive_action_required_reauth", "")
						}
						full := fmt.Sprintf(`"email":"alice@example.com","password":%q,"current_password":%q`, newPassword, password)
						e.advance(time.Minute) // the limit of passwords a minute
						e.do(method, path, `{"is_staff":true,`+full+`}`, credential).denied()
						e.do(method, path, `{"passkeys_enabled_for_2fa":true,`+full+`}`, credential).denied()
					})
					if len(answers) != 1 {
						t.Errorf("%s %s tells addresses apart: %v", method, path, answers)
					}
				}
			}
		}
		for _, credential := range []option{e.key(boss, "*"), e.token(boss, "*")} {
			for _, target := range []users.User{alice, boss} {
				e.unchanged(target, func() {
					e.do("PATCH", "/api/users/"+target.UUID.String(), `{"is_staff":false}`, credential).denied()
					e.do("PATCH", "/api/users/"+target.UUID.String()+"/", `{"is_staff":true}`, credential).denied()
				})
			}
		}
	})
}

// TestR08SameAnswer: whoever cannot sign in is told the same.
func TestR08SameAnswer(t *testing.T) {
	each(t, func(c *httpapi.Config) { c.Auth.LoginFailures = -1 }, func(t *testing.T, e *env) {
		e.kindsOfAccounts()
		answer := func(name, path string) string {
			r := e.do("POST", path, credentials(name, "wrong"))
			return fmt.Sprint(r.status, r.raw, r.header.Get("Content-Length"), r.header.Get("Set-Cookie"), r.header.Get("Retry-After"))
		}
		for _, path := range []string{"/api/login", "/api/login/"} {
			for _, pair := range [][2]string{{"known", "nobody"}, {"none", "nobody"}, {"gone", "nobody"}, {"locked", "lost"}} {
				if a, b := answer(pair[0], path), answer(pair[1], path); a != b {
					t.Errorf("%s, who exists, is answered by %s, and %s, who does not, by %s", pair[0], a, pair[1], b)
				}
			}
		}
	})
}

// kindsOfAccounts are those that cannot sign in by this password, each for another
// reason; "locked" and "lost", which does not exist, have failed too often.
func (e *env) kindsOfAccounts() {
	e.t.Helper()
	e.user("known")
	e.user("none", noPassword)
	e.user("gone", inactive)
	e.user("locked")
	for i := range 100 {
		for _, name := range []string{"locked", "lost"} {
			e.do("POST", "/api/login", credentials(name, "wrong"), from(fmt.Sprintf("198.51.100.%d", i))).ok(400)
		}
	}
}

// TestR08OneHashEach: each kind of account costs one password hash, which shows in
// the memory that it takes. BenchmarkWhoExists measures the time.
func TestR08OneHashEach(t *testing.T) {
	const hash = 4 << 20
	e := newEnv(t, memory.New(), func(c *httpapi.Config) { c.Auth.LoginFailures = -1 })
	e.kindsOfAccounts()
	e = e.beside(e.store, func(c *httpapi.Config) { c.Auth.PasswordCost = auth.Cost{KiB: hash >> 10, Passes: 1} })
	for _, name := range []string{"known2", "none2", "gone2"} { // whose hashes are of this cost
		e.user(name, map[string]func(*users.User){"known2": staff, "none2": noPassword, "gone2": inactive}[name])
	}
	for _, name := range []string{"known2", "none2", "gone2", "nobody", "locked", "lost"} {
		want := uint64(hash)
		if name == "locked" || name == "lost" {
			want = 0
		}
		got := allocated(func() { e.do("POST", "/api/login", credentials(name, "wrong")) })
		if got < want || got > want+hash/2 {
			t.Errorf("a login of %s takes %d bytes, want %d and a little", name, got, want)
		}
	}
}
