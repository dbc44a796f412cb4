package httpapi_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/hedgerow-dev/hedgerow/httpapi"
	"github.com/hedgerow-dev/hedgerow/storage/memory"
)

// refusedBody is one that no route reads.
type refusedBody struct {
	status  int
	code    string
	body    string
	options []option
}

func refusedBodies() map[string]refusedBody {
	bodies := map[string]refusedBody{}
	for name, body := range map[string]string{
		"name twice": `{"x":1,"x":1}`, "name twice at depth": `{"x":[{"y":{"z":1,"z":2}}]}`, "escaped twin": `{"xy":1,"x\u0079":2}`,
		"BOM": "\ufeff{}", "two values": `{}{}`, "trailing text": `{} x`, "comment": `{/**/}`, "NaN": `{"x":NaN}`, "single quotes": `{'x':1}`, "invalid UTF-8": "{\"x\":\"\xff\"}",
		"lone surrogate": `{"x":"\ud800"}`, "lone surrogate in a name": `{"\udfff":1}`, "cut off": `{"x":`, "white space": "  ",
		"depth 65": nested(65), "depth 100,000": strings.Repeat(`{"x":`, 100_000), "2,001 members": members(2001), "100,000 members": members(60_000),
	} {
		bodies[name] = refusedBody{400, "parse_error", body, nil}
	}
	for name, body := range map[string]string{"1 MiB and a byte": `"` + strings.Repeat("x", 1<<20-1) + `"`, "much larger": strings.Repeat("[", 4<<20)} {
		bodies[name] = refusedBody{413, "request_too_large", body, nil}
		bodies[name+", chunked"] = refusedBody{413, "request_too_large", body, []option{chunked}}
	}
	for name, o := range map[string]option{
		"no type": contentType(), "form": contentType("application/x-www-form-urlencoded"), "multipart": contentType("multipart/form-data; boundary=x"), "text": contentType("text/plain"),
		"utf-16": contentType("application/json; charset=utf-16"), "json5": contentType("application/json5"), "gzip": header("Content-Encoding", "gzip"), "br": header("Content-Encoding", "br"),
		"two types": contentType("application/json", "text/plain"),
	} {
		bodies[name] = refusedBody{415, "unsupported_media_type", `{"x":1}`, []option{o}}
	}
	return bodies
}

// TestR38BodiesOfEveryRoute (also R41, R42, R43): one parser reads the bodies of all
// routes, and what it refuses changes nothing.
func TestR38BodiesOfEveryRoute(t *testing.T) {
	bodies := refusedBodies()
	each(t, func(c *httpapi.Config) { withMail(c); c.Auth.OnboardingSkips.Max = -1 }, func(t *testing.T, e *env) {
		alice := e.user("alice")
		e.unchanged(alice, func() {
			for i, rt := range writing(e.api) {
				cookie, slash := e.session(alice, 0), i
				for name, c := range bodies {
					e.advance(3 * time.Second) // the limit of links that are started
					slash++
					r := e.do(rt[0], filled(rt[1])+strings.Repeat("/", slash%2), c.body, append(c.options, cookie)...)
					r.call = fmt.Sprintf("%s %s with %s", rt[0], rt[1], name)
					r.refused(c.status, "invalid_request", c.code, "")
				}
			}
		})
		e.mailed("")
	})
}

// TestR38OtherCase: a name in another case, or one that folds to it, is unknown on
// every route that knows it.
func TestR38OtherCase(t *testing.T) {
	each(t, nil, func(t *testing.T, e *env) {
		alice, boss := e.user("alice"), e.user("boss", staff)
		hers := "/api/users/" + alice.UUID.String()
		e.unchanged(alice, func() {
			for _, name := range []string{"IS_STAFF", "Is_Staff", "is_\u017ftaff", "is_staff ", "is-staff", "isStaff", "is_staff\u0000"} {
				text, err := json.Marshal(name)
				if err != nil {
					t.Fatal(err)
				}
				for _, slash := range []string{"", "/"} {
					e.do("PATCH", hers+slash, `{`+string(text)+`:true}`, e.session(boss, 0)).ok(200).has("is_staff", "false")
					e.do("PATCH", self+slash, `{`+string(text)+`:true}`, e.session(alice, 0)).ok(200).has("is_staff", "false")
				}
			}
			e.do("POST", keysPath, strings.ToUpper(keyBody(nil)), e.session(alice, 0)).invalid("required", "label")
			e.do("POST", "/api/login/", `{"Email":"alice@example.com","Password":"`+password+`"}`).invalid("required", "email")
			e.do("POST", "/api/users/verify_email", `{"UUID":"`+unknownID+`","TOKEN":"x"}`).invalid("required", "uuid")
			e.do("POST", "/api/reset", `{"EMAIL":"alice@example.com"}`).ok(400)
			e.do("PATCH", own+"product_intro_seen/", `{"Product_Key":"x"}`, e.session(alice, 0)).invalid("required", "product_key")
		})
	})
}

// TestR39Null: null is a value like any other, that no route trips over: as the
// body, and as each member that any route knows.
func TestR39Null(t *testing.T) {
	names := []string{"label", "scopes", "scoped_teams", "scoped_organizations", "expires_at", "uuid", "token", "email", "password", "current_password", "next", "reason", "step_at_skip",
		"product_key", "seen", "scene", "dashboard", "autostart_priority", "team_id", "connect_from", "credential", "name", "notification_settings", "is_staff", "first_name",
		"set_current_team", "set_current_organization", "theme_mode", "hedgehog_config"}
	each(t, nil, func(t *testing.T, e *env) {
		alice := e.user("alice")
		for _, rt := range writing(e.api) {
			if strings.HasSuffix(rt[1], "logout") || rt[1] == "/api/reset" || strings.HasSuffix(rt[1], "verification") {
				continue // which take no members or have a limit; see TestAskForReset and TestRequestVerification
			}
			e.advance(time.Minute)
			cookie := e.session(alice, 0)
			bodies := []string{`null`, `[null]`}
			for _, name := range names {
				bodies = append(bodies, fmt.Sprintf(`{%q:null}`, name), fmt.Sprintf(`{%q:[null]}`, name), fmt.Sprintf(`{%q:{"x":null}}`, name))
			}
			for i, body := range bodies {
				if strings.HasSuffix(rt[1], "github/start") && i > 20 {
					break // of 30 a minute
				}
				r := e.do(rt[0], filled(rt[1])+strings.Repeat("/", i%2), body, cookie)
				if r.status >= 500 || r.status == 401 && rt[1] != "/api/login/token" {
					t.Errorf("%s: got %d %s", r.call, r.status, r.raw)
				}
				if strings.Contains(body, "current_password") {
					e.advance(13 * time.Second) // the limit of passwords
				}
			}
		}
		e.do("GET", self, "", e.key(alice, "*")).ok(200).has("is_staff", "false").has("email", `"alice@example.com"`)
	})
}

// TestR40Numbers: an id is an integer, as such or in quotes, and nothing that
// rounds or converts to one.
func TestR40Numbers(t *testing.T) {
	withGitHub(t, acme, nil, func(t *testing.T, e *env) {
		alice := e.user("alice")
		_, team := e.organization("Acme", alice)
		if team.ID != 1 {
			t.Fatalf("the first team has the id %d", team.ID)
		}
		e.do("GET", self, "", e.session(alice, 0)).ok(200)
		e.unchanged(alice, func() {
			for _, odd := range []string{`1.0`, `1e0`, `10e-1`, `-1`, `0`, `-0`, `9007199254740993`, `1e400`, `"1.0"`, `"1e0"`, `" 1"`, `"+1"`, `"01"`, `"0x1"`, `"١"`, `"1\u0000"`, `true`, `[1]`, `{"1":1}`} {
				for _, slash := range []string{"", "/"} {
					e.advance(time.Minute)
					cookie := e.session(alice, 0)
					for _, c := range [][3]string{
						{"PATCH", self, `{"set_current_team":%s}`}, {"POST", own + "integrations/github/start", `{"team_id":%s}`},
						{"POST", own + "scene_personalisation", `{"scene":"s","dashboard":%s}`}, {"POST", keysPath, keyBody(map[string]string{"scoped_teams": `[%s]`})},
					} {
						if r := e.do(c[0], strings.TrimSuffix(c[1], "/")+slash, fmt.Sprintf(c[2], odd), cookie); r.status != 400 && !(odd == `" 1"` && r.status < 300) {
							t.Errorf("%s: got %d %s", r.call, r.status, r.raw)
						}
					}
				}
			}
			for _, name := range []string{"anonymize_data", "allow_sidebar_suggestions", "is_staff"} {
				for _, odd := range []string{`[]`, `{}`, `2`, `-1`, `1.0`, `"ja"`, `"true "`, `[true]`} {
					e.do("PATCH", self, fmt.Sprintf(`{%q:%s}`, name, odd), e.session(alice, 0)).ok(400)
				}
			}
			e.do("PATCH", self, `{"anonymize_data":"false"}`, e.session(alice, 0)).ok(200).has("anonymize_data", "false")
		})
	})
}

// TestR42MemoryOfBodies: the largest bodies there may be, in every shape, cost no
// more than 16 MiB, refused or not.
func TestR42MemoryOfBodies(t *testing.T) {
	e := newEnv(t, memory.New(), nil)
	t.Cleanup(e.close)
	alice := e.user("alice")
	cookie, key := e.session(alice, 0), e.key(alice, "*")
	const limit = 1 << 20
	for name, body := range map[string]string{
		"spaces": strings.Repeat(" ", limit), "one text": `{"first_name":"` + strings.Repeat("x", limit-17) + `"}`, "escapes": `{"x":"` + strings.Repeat(`\u0041`, limit/6-4) + `"}`,
		"numbers": `{"hedgehog_config":[` + strings.Repeat("1,", limit/2-16) + `1]}`, "texts": `{"events_column_config":[` + strings.Repeat(`"",`, limit/3-16) + `1]}`,
		"many members": members(80_000), "members": members(1999), "a long name": `{"` + strings.Repeat("n", limit-10) + `":1}`, "arrays": strings.Repeat("[", limit), "objects": strings.Repeat(`{"":`, limit/4),
		"scopes": keyBody(map[string]string{"scopes": `[` + strings.Repeat(`"*",`, limit/4-40) + `"*"]`}), "teams": keyBody(map[string]string{"scoped_teams": `[` + strings.Repeat(`1,`, limit/2-60) + `1]`}),
		"intros": `{"has_seen_product_intro_for":` + members(1000) + `}`, "larger": strings.Repeat("x", 64*limit),
	} {
		for _, target := range [][2]string{{"PATCH", self}, {"PATCH", own + "hedgehog_config"}, {"POST", keysPath}, {"POST", "/api/login/"}} {
			send := func() int {
				r := httptest.NewRequest(target[0], target[1], strings.NewReader(body))
				r.Header.Set("Content-Type", "application/json")
				if target[1] != "/api/login/" {
					map[bool]option{true: key, false: cookie}[target[0] == "PATCH"](r)
				}
				w := httptest.NewRecorder()
				e.api.ServeHTTP(w, r)
				return w.Code
			}
			if status := send(); status >= 500 {
				t.Errorf("%s to %v: got %d", name, target, status)
			}
			if got := allocated(func() { send() }); got > 16<<20 {
				t.Errorf("%s to %v: %d MiB are allocated, want 16 at most", name, target, got>>20)
			}
		}
	}
}

// TestR43Framing: over a socket, no framing makes a body or a second request of
// what is none.
func TestR43Framing(t *testing.T) {
	each(t, nil, func(t *testing.T, e *env) {
		alice := e.user("alice")
		r := httptest.NewRequest("GET", "/", nil)
		e.key(alice, "*")(r)
		server := httptest.NewServer(e.api)
		t.Cleanup(server.Close)
		const smuggled = "PATCH /api/users/@me HTTP/1.1\r\nHost: x\r\nContent-Length: 20\r\n\r\n{\"first_name\":\"Eve\"}"
		e.unchanged(alice, func() {
			for name, framing := range map[string]string{
				"both": "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n", "two lengths": "Content-Length: 20\r\nContent-Length: 4\r\n", "a negative one": "Content-Length: -1\r\n",
				"a signed one": "Content-Length: +20\r\n", "gzip": "Transfer-Encoding: gzip, chunked\r\n", "chunked twice": "Transfer-Encoding: chunked, chunked\r\n",
				"odd": "Transfer-Encoding: xchunked\r\n", "identity": "Transfer-Encoding: identity\r\nContent-Length: 20\r\n", "a space": "Content-Length : 20\r\n", "folded": "X: y\r\n Content-Length: 20\r\n",
			} {
				conn, err := net.Dial("tcp", server.Listener.Addr().String())
				if err != nil {
					t.Fatal(err)
				}
				head := "PATCH /api/users/@me HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: " + r.Header.Get("Authorization") + "\r\n" + framing + "\r\n"
				if _, err := io.WriteString(conn, head+"0\r\n\r\n"+smuggled); err != nil {
					t.Logf("%s: the server hung up: %v", name, err)
				}
				all, _ := io.ReadAll(bufio.NewReader(conn)) // it may hang up at any time
				if n := strings.Count(string(all), "HTTP/1.1 "); n > 1 {
					t.Errorf("%s: %d answers to one request:\n%s", name, n, all)
				}
				if err := conn.Close(); err != nil {
					t.Error(err)
				}
			}
		})
	})
}

// TestR44Names: wherever somebody chooses a name that others read, what misleads is
// refused, and the rest comes back as it was.
func TestR44Names(t *testing.T) {
	each(t, nil, func(t *testing.T, e *env) {
		alice := e.user("alice")
		cookie := e.session(alice, 0)
		id := e.addPasskey(newDevice(t), cookie)
		doors := map[string]string{"first_name": self, "last_name": self, "name": own + "passkeys/" + id}
		for member, path := range doors {
			for i, bad := range []string{"see http://evil.example now", "evil.com", "WWW.EVIL.COM", "javascript:alert(1)", "ｅｖｉｌ.com", "<script>alert(1)</script>", "a\r\nBcc: x", "a\x1b[31m",
				"a\x00b", "\u202eevil", "a\u2066b", "zero\u200bwidth", "a\u2028b", "a\ufeffb", "a\u3164b", "ＡＢ＞", strings.Repeat("x", 151)} {
				text, err := json.Marshal(bad)
				if err != nil {
					t.Fatal(err)
				}
				r := e.do("PATCH", path+strings.Repeat("/", i%2), fmt.Sprintf(`{%q:%s}`, member, text), cookie)
				if r.ok(400); !strings.Contains(r.raw, fmt.Sprintf(`"attr":%q`, member)) {
					t.Errorf("%s: got %s", r.call, r.raw)
				}
			}
			for _, good := range []string{"{{.Secret}} ${x} %s", `O'Hara "Bob" \ & Co`, "Zoë Müller-Лебедев 李", "עברית", "a'; drop table users; --", strings.Repeat("é", 150), "🦔👩🏽 "} {
				text, err := json.Marshal(good)
				if err != nil {
					t.Fatal(err)
				}
				if got := e.do("PATCH", path, fmt.Sprintf(`{%q:%s}`, member, text), cookie).ok(200).json()[member]; got != strings.TrimSpace(good) {
					t.Errorf("%s is %q, want %q", member, got, good)
				}
			}
		}
	})
}

// TestR45NineGoodOneBad: one bad field among nine good ones changes none of them,
// wherever it stands, and sends no mail.
func TestR45NineGoodOneBad(t *testing.T) {
	good := []string{`"first_name":"Eve"`, `"last_name":"E"`, `"email":"eve@example.com"`, `"notification_settings":{"plugin_disabled":false}`, `"toolbar_mode":"disabled"`, `"theme_mode":"dark"`,
		`"events_column_config":{"a":1}`, `"hedgehog_config":{"b":2}`, `"shortcut_position":"below"`}
	each(t, withMail, func(t *testing.T, e *env) {
		alice, bob := e.user("alice"), e.user("bob")
		_, foreign := e.organization("Foreign", bob)
		change := fmt.Sprintf(`"password":%q,"current_password":%q`, newPassword, password)
		e.unchanged(alice, func() {
			for _, bad := range []string{`"anonymize_data":"maybe"`, `"role_at_organization":"king"`, `"set_current_team":99`, fmt.Sprintf(`"set_current_team":%d`, foreign.ID), `"passkeys_enabled_for_2fa":true`,
				`"is_staff":true`, `"password":"short","current_password":"` + password + `"`, `"password":"` + newPassword + `","current_password":"wrong"`, `"allow_impersonation":[]`} {
				for i, path := range spellings(self, alice) {
					e.advance(15 * time.Minute)
					at := i % (len(good) + 1)
					fields := append(append(append([]string{}, good[:at]...), bad), good[at:]...)
					if r := e.do("PATCH", path, "{"+strings.Join(fields, ",")+"}", e.session(alice, 0)); r.status != 400 && r.status != 403 {
						t.Errorf("%s: got %d %s", r.call, r.status, r.raw)
					}
					if !strings.Contains(bad, "password\"") {
						if r := e.do("PUT", path, "{"+strings.Join(fields, ",")+","+change+"}", e.session(alice, 0)); r.status != 400 && r.status != 403 {
							t.Errorf("%s: got %d %s", r.call, r.status, r.raw)
						}
					}
				}
			}
		})
		e.mailed("")
	})
}
