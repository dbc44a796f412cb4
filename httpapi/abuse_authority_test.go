package httpapi_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/hedgerow-dev/hedgerow/httpapi"
	"github.com/hedgerow-dev/hedgerow/users"
)

// TestR12StaffWithdrawn: whoever stops being staff is nobody special from the next
// request on, by every credential, process and connection.
func TestR12StaffWithdrawn(t *testing.T) {
	each(t, withMail, func(t *testing.T, e *env) {
		alice, boss, chief := e.user("alice"), e.user("boss", staff), e.user("chief", staff)
		open := e.connect()
		held := []option{e.session(boss, 0), e.key(boss, "*"), e.token(boss, "user:read user:write")}
		hers, his := "/api/users/"+alice.UUID.String(), "/api/users/"+boss.UUID.String()
		for _, credential := range held {
			open.do("GET", "/api/users", "", credential).ok(200).has("count", "3")
			e.everywhere(func(r reply) { t.Helper(); r.ok(200).has("count", "3") }, "GET", "/api/users/", "", credential)
			open.do("GET", hers, "", credential).ok(200)
		}
		events, err := e.api.Users().Events(t.Context(), users.EventQuery{Limit: 100})
		if err != nil {
			t.Fatal(err)
		}
		w := &witness{e: e, cursor: events[len(events)-1].ID}
		chiefs := e.session(chief, 0)
		w.saw("a session", fmt.Sprintf("0 host %d session started", chief.ID))
		e.do("PATCH", his, `{"is_staff":false}`, chiefs).ok(200)
		w.saw("the withdrawal", fmt.Sprintf("%d session %d user updated [is_staff]", chief.ID, boss.ID))
		for _, credential := range held {
			open.do("GET", "/api/users", "", credential).ok(200).has("count", "1")
			e.everywhere(func(r reply) { t.Helper(); r.ok(200).has("count", "1") }, "GET", "/api/users/", "", credential)
			for _, path := range []string{hers, hers + "/", hers + "/hedgehog_config", hers + "/github_login/", autonomyOf(alice.ID), "/api/users/" + unknownID} {
				open.do("GET", path, "", credential).denied()
			}
			e.everywhere(func(r reply) { t.Helper(); r.denied() }, "PATCH", hers, `{"theme_mode":"dark"}`, credential)
			for _, path := range spellings(self, boss) {
				e.do("PATCH", path, `{"is_staff":true}`, credential).denied()
			}
		}
		e.do("DELETE", hers, "", held[0]).denied()
	})
}

// TestR13ForeignReferences: what somebody is not in is answered like what does not
// exist, and nothing of it is shown.
func TestR13ForeignReferences(t *testing.T) {
	withGitHub(t, acme, nil, func(t *testing.T, e *env) {
		alice, bob := e.user("alice"), e.user("bob")
		mine, team := e.organization("mine", alice)
		theirs, foreign := e.organization("Clandestine", bob)
		secret := e.team(mine, "Secret", true)
		for _, at := range []users.Team{team, foreign, secret} {
			e.teamInstallation(at.ID, "4711", bob.ID, "Clandestine")
		}
		fresh, key := e.session(alice, 0), e.key(alice, "*")
		e.do("GET", self, "", fresh).ok(200) // chooses what is current
		answer := func(method, path, body string, caller option) string {
			t.Helper()
			r := e.do(method, path, body, caller).ok(400)
			if strings.Contains(r.raw, "Clandestine") || strings.Contains(r.raw, "Secret") || strings.Contains(r.raw, "4711") {
				t.Errorf("%s: the answer tells about others: %s", r.call, r.raw)
			}
			return r.raw
		}
		e.unchanged(alice, func() {
			for _, c := range []struct {
				path, frame string
				nobodys     string
				foreign     []string
			}{
				{self, `{"set_current_organization":%q}`, unknownID, []string{theirs.ID.String(), strings.ToUpper(theirs.ID.String())}},
				{self, `{"set_current_team":%q}`, "999999", []string{number(users.ID(foreign.ID)), number(users.ID(secret.ID))}},
				{self, `{"set_current_organization":"` + mine.ID.String() + `","set_current_team":%q}`, "999999", []string{number(users.ID(foreign.ID))}},
				{startPath, `{"team_id":%q}`, "999999", []string{number(users.ID(foreign.ID)), number(users.ID(secret.ID))}},
			} {
				for _, path := range spellings(c.path, alice) {
					method := "PATCH"
					if c.path == startPath {
						method = "POST"
						e.advance(time.Minute) // the limit of starts
						fresh = e.session(alice, 0)
					}
					for _, caller := range []option{fresh, key} {
						want := answer(method, path, fmt.Sprintf(c.frame, c.nobodys), caller)
						for _, id := range c.foreign {
							if got := answer(method, path, fmt.Sprintf(c.frame, id), caller); got != want {
								t.Errorf("%s %s with %s: got %s, want %s", method, path, id, got, want)
							}
						}
					}
				}
			}
			for member, ids := range map[string][2]string{
				"scoped_teams":         {"[999999]", fmt.Sprintf("[%d]", foreign.ID)},
				"scoped_organizations": {fmt.Sprintf("[%q]", unknownID), fmt.Sprintf("[%q]", theirs.ID)},
			} {
				for _, path := range []string{keysPath, strings.TrimSuffix(keysPath, "/")} {
					want := answer("POST", path, keyBody(map[string]string{member: ids[0]}), fresh)
					if got := answer("POST", path, keyBody(map[string]string{member: ids[1]}), fresh); got != want {
						t.Errorf("%s with %s: got %s, want %s", member, ids[1], got, want)
					}
				}
			}
			// Dashboard 2 is of the foreign team, 9 is none.
			for _, path := range spellings(own+"scene_personalisation", alice) {
				answer("POST", path, `{"scene":"s","dashboard":2}`, fresh)
				answer("POST", path, `{"scene":"s","dashboard":9}`, fresh)
			}
		})
	})
}

// TestR15MethodTricks: a request does what its method says, whatever else it
// carries, and no other method is served.
func TestR15MethodTricks(t *testing.T) {
	each(t, nil, func(t *testing.T, e *env) {
		alice := e.user("alice")
		fresh, key := e.session(alice, 0), e.key(alice, "*")
		e.unchanged(alice, func() {
			for _, name := range []string{"X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override", "_method"} {
				for _, method := range []string{"DELETE", "PATCH", "PUT"} {
					for _, path := range spellings(self, alice) {
						for _, caller := range []option{fresh, key} {
							e.do("GET", path+"?_method="+method, "", caller, header(name, method)).ok(200)
							e.do("HEAD", path+"?_method="+method, "", caller, header(name, method)).ok(200)
						}
						e.do("POST", path+"?_method="+method, `{"_method":"`+method+`","first_name":"Eve"}`, fresh, header(name, method)).
							refused(405, "invalid_request", "method_not_allowed", "")
					}
				}
			}
			for _, rt := range httpapi.Routes(e.api) {
				if strings.HasPrefix(rt[1], "/api/reset") {
					continue // which need no login, and so are asked for by nobody in particular
				}
				for _, path := range spellings(filled(rt[1]), alice) {
					for _, method := range []string{"TRACE", "PURGE", "PROPFIND", strings.ToLower(rt[0]), strings.ToLower(rt[0][:1]) + rt[0][1:]} {
						r := e.do(method, path, "", fresh)
						if r.refused(405, "invalid_request", "method_not_allowed", ""); r.header.Get("Allow") == "" || strings.Contains(r.header.Get("Allow"), method) {
							t.Errorf("%s: Allow is %q", r.call, r.header.Get("Allow"))
						}
					}
				}
			}
		})
	})
}

// keyRoutes are those that keys may use, with the scope, and sessionRoutes those
// that they may not.
func keyRoutes(api *httpapi.API) (scopes map[[2]string]string, sessionRoutes [][2]string) {
	scopes = map[[2]string]string{}
	for rt, who := range httpapi.Callers(api) {
		if scope, ok := strings.CutPrefix(who, "session or bearer "); ok {
			scopes[rt] = scope
		} else if who == "session" && rt[0] != "*" {
			sessionRoutes = append(sessionRoutes, rt)
		}
	}
	return scopes, sessionRoutes
}

// TestR16MissingScope: a key that lacks the scope is refused under every name of
// the route, and told which one it is.
func TestR16MissingScope(t *testing.T) {
	each(t, nil, func(t *testing.T, e *env) {
		alice := e.user("alice")
		scopes, _ := keyRoutes(e.api)
		lacking := map[string][]option{"user:read": {e.key(alice, "insight:write"), e.key(alice), e.token(alice, "insight:read openid"), e.token(alice, "")}}
		lacking["user:write"] = append([]option{e.key(alice, "user:read"), e.token(alice, "user:read")}, lacking["user:read"]...)
		for rt, scope := range scopes {
			if scope == "" {
				continue // a key may see itself
			}
			for _, path := range spellings(filled(rt[1]), alice) {
				for _, credential := range lacking[scope] {
					r := e.do(rt[0], path, "", credential)
					if r.status == 401 && rt[0] == "DELETE" {
						continue // keys are not looked at
					}
					if r.denied(); !strings.Contains(r.raw, scope) {
						t.Errorf("%s: %s does not name the scope %s", r.call, r.raw, scope)
					}
					if rt[0] == "GET" && !exact(rt[1]) {
						e.do("HEAD", path, "", credential).ok(403)
					}
				}
			}
		}
	})
}

// TestR17SessionRoutes: no key opens what the table does not open to keys, and the
// table has no route without a decision.
func TestR17SessionRoutes(t *testing.T) {
	each(t, nil, func(t *testing.T, e *env) {
		alice, boss := e.user("alice"), e.user("boss", staff)
		_, routes := keyRoutes(e.api)
		if len(routes) < 20 {
			t.Fatalf("there are only %d routes for sessions", len(routes))
		}
		e.unchanged(alice, func() {
			for _, rt := range routes {
				for _, path := range spellings(filled(rt[1]), alice) {
					for _, credential := range []option{e.token(alice, "*"), e.token(boss, "*")} {
						switch r := e.do(rt[0], path, "", credential); r.status {
						case 401:
							r.nobody("not_authenticated")
						default:
							r.denied()
						}
					}
				}
			}
		})
		for rt, who := range httpapi.Callers(e.api) {
			if who == "nobody" {
				t.Errorf("%v does not say who may call it", rt)
			}
		}
	})
}

// TestR18KeysBreedingKeys: only a fresh session makes, widens or renews keys, and a
// key of any scope is worth what its owner is.
func TestR18KeysBreedingKeys(t *testing.T) {
	each(t, nil, func(t *testing.T, e *env) {
		alice := e.user("alice")
		e.user("bob")
		id := e.do("POST", keysPath, keyBody(nil), e.session(alice, 0)).ok(201).json()["id"].(string)
		credentials := []option{e.key(alice, "*"), e.key(alice, "user:write", "organization:write"), e.token(alice, "*"), e.session(alice, 3*time.Hour)}
		for _, credential := range credentials {
			e.do("OPTIONS", "/api/login", "", credential).ok(200) // which is a use
		}
		before := e.do("GET", keysPath, "", e.session(alice, 0)).raw
		for _, credential := range credentials {
			for _, slash := range []string{"", "/"} {
				for _, request := range [][3]string{
					{"POST", strings.TrimSuffix(keysPath, "/"), keyBody(map[string]string{"scopes": `["*"]`})}, {"PATCH", keysPath + id, `{"scopes":["*"]}`},
					{"PATCH", keysPath + "@current", `{"scopes":["*"],"expires_at":null}`}, {"POST", keysPath + id + "/roll", ""}, {"POST", keysPath + "@current/roll", ""},
					{"DELETE", keysPath + id, ""},
				} {
					e.do(request[0], request[1]+slash, request[2], credential).ok(403)
				}
			}
		}
		if after := e.do("GET", keysPath, "", e.session(alice, 0)).raw; after != before {
			t.Errorf("the keys were %s, and are %s", before, after)
		}
		star := e.do("POST", keysPath, keyBody(map[string]string{"scopes": `["*"]`}), e.session(alice, 0)).ok(201).json()["value"].(string)
		e.do("GET", "/api/users", "", header("Authorization", "Bearer "+star)).ok(200).has("count", "1")
	})
}

// TestR19KeyIntoCookie: no answer to a key sets a cookie, also when a session or a
// password comes along.
func TestR19KeyIntoCookie(t *testing.T) {
	unlimited := func(c *httpapi.Config) { c.Auth.VerificationMails.Max, c.Auth.PasswordResets.Max = -1, -1 }
	withGitHub(t, acme, unlimited, func(t *testing.T, e *env) {
		people := e.newCast(1)
		credentials := []option{people.callers["write"], people.callers["star"], people.callers["boss key"], people.callers["bad key"], e.token(people.alice, "*")}
		for _, row := range accessRows {
			for _, slash := range []string{"", "/"} {
				for _, credential := range credentials {
					for _, cookie := range []option{func(*http.Request) {}, people.callers["fresh"], header("Cookie", "sessionid=planted")} {
						body := row.body
						if row.path == "/api/login" {
							body = `{"email":"alice1@example.com","password":"` + password + `"}`
						}
						r := e.do(row.method, withSlash(people.path(row.path, "me"), slash), body, credential, cookie)
						if got := r.header.Values("Set-Cookie"); len(got) > 0 && !passkeyChallenge(got) {
							t.Errorf("%s: a key is given %q", r.call, got)
						}
					}
				}
			}
		}
		e.do("GET", self, "", people.callers["fresh"]).ok(200) // which no key has ended
	})
}

// passkeyChallenge reports a cookie that is good for nothing but the answer to the
// challenge in the same body.
func passkeyChallenge(cookies []string) bool {
	return len(cookies) == 1 && strings.HasPrefix(cookies[0], "sessionid_passkey=")
}
