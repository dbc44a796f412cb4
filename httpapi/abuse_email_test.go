package httpapi_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hedgerow-dev/hedgerow/integrations/githubtest"
	"github.com/hedgerow-dev/hedgerow/users"
)

// TestR32TakenAddress: an address is taken in any case of letters, also by somebody
// inactive, by whatever method and caller, and when it is staged first.
func TestR32TakenAddress(t *testing.T) {
	for name, configure := range map[string]func(*testing.T){
		"at once": func(t *testing.T) { each(t, nil, takenAddress) }, "staged": func(t *testing.T) { each(t, withMail, takenAddress) },
	} {
		t.Run(name, configure)
	}
}

func takenAddress(t *testing.T, e *env) {
	alice, boss := e.user("alice"), e.user("boss", staff)
	e.user("bob")
	e.user("gone", inactive)
	hers := "/api/users/" + alice.UUID.String()
	e.unchanged(alice, func() {
		for _, taken := range []string{"bob@example.com", "BOB@EXAMPLE.COM", " Bob@Example.com\t", "gone@example.com", "Gone@Example.COM"} {
			change := fmt.Sprintf(`{"email":%q,"password":%q,"current_password":%q}`, taken, newPassword, password)
			for _, path := range spellings(self, alice) {
				e.advance(time.Hour) // the limit of addresses of others
				cookie := e.session(alice, 0)
				e.do("PATCH", path, fmt.Sprintf(`{"email":%q}`, taken), cookie).invalid("unique", "email")
				e.do("PUT", path, change, cookie).invalid("unique", "email")
				e.do("PATCH", path, change, e.key(alice, "*")).invalid("unique", "email")
			}
			e.do("PATCH", hers, fmt.Sprintf(`{"email":%q}`, taken), e.session(boss, 0)).invalid("unique", "email")
		}
	})
}

// badAddresses are no addresses, or more than one.
func badAddresses() []string {
	return []string{
		"", " ", "x", "@example.com", "x@", "x@.", "a b@example.com", "a@b@example.com", "Bob <a@example.com>", "<a@example.com>", "a@example.com (x)", `"a b"@example.com`,
		"a@[127.0.0.1]", "a@[IPv6:::1]", "a@example.com,b@example.com", "a@example.com;b@example.com", "a@example.com\r\nBcc: eve@example.com", "a\n@example.com", "a\x00@example.com",
		"a@exam\x00ple.com", "a@example..com", ".a@example.com", "a.@example.com", "a..b@example.com", "a@-example.com", "a@example.com.", "a\u202e@example.com", "a@exa\u200bmple.com", "a@ｅxample.com", "a@example。com",
		"\ufeffa@example.com", "a@example", address(255), strings.Repeat("a", 65) + "@example.com", "a@" + strings.Repeat("b", 64) + ".com", "mailto:a@example.com",
	}
}

// TestR35AddressSyntax: what is not one plain address is refused wherever an address
// is read, and changes and sends nothing.
func TestR35AddressSyntax(t *testing.T) {
	each(t, withMail, func(t *testing.T, e *env) {
		alice := e.user("alice")
		cookie, key := e.session(alice, 0), e.key(alice, "*")
		e.unchanged(alice, func() {
			for _, bad := range badAddresses() {
				text, err := json.Marshal(bad)
				if err != nil {
					t.Fatal(err)
				}
				named := func(r reply) {
					t.Helper()
					if r.ok(400); !strings.Contains(r.raw, `"attr":"email"`) {
						t.Errorf("%s: %s does not name the address", r.call, r.raw)
					}
				}
				change := fmt.Sprintf(`{"email":%s,"password":%q,"current_password":%q}`, text, newPassword, password)
				for _, slash := range []string{"", "/"} {
					named(e.do("PATCH", self+slash, `{"email":`+string(text)+`}`, cookie))
					e.advance(time.Minute)
					named(e.do("PUT", self+slash, change, cookie))
					e.do("PATCH", self+slash, change, key).ok(400)
					named(e.do("POST", "/api/login"+slash, `{"email":`+string(text)+`,"password":"x"}`))
					named(e.do("POST", "/api/reset"+slash, `{"email":`+string(text)+`}`, from(fmt.Sprintf("198.51.100.%d", len(bad)))))
					named(e.do("POST", signInBegin+slash, `{"email":`+string(text)+`}`))
					e.advance(24 * time.Hour)
					cookie = e.session(alice, 0)
				}
			}
		})
		e.mailed("")
	})
}

// TestR36LinkingByEmail: the address that GitHub knows somebody by decides nothing.
func TestR36LinkingByEmail(t *testing.T) {
	withGitHub(t, acme, nil, func(t *testing.T, e *env) {
		alice, bob := e.user("alice"), e.user("bob")
		who := e.session(alice, 0)
		e.fault(userRoute, githubtest.JSON, func(f *githubtest.Fault) {
			f.Body = json.RawMessage(`{"id":99,"login":"octocat","email":"bob@example.com","notification_email":"bob@example.com","verified":true}`)
		})
		e.unchanged(bob, func() {
			e.unchanged(alice, func() { e.callback(who, e.visit(e.startLink(who, ""))).lands(linkedPage) })
		})
		e.gh.server.ClearFaults()
		e.do("GET", linkedPath, "", e.session(bob, 0)).ok(200).has("results", "[]")
		if list := e.do("GET", linkedPath, "", who).ok(200).json()["results"].([]any); len(list) != 1 {
			t.Errorf("Alice has %d links, want the one", len(list))
		}
		for _, u := range []users.User{alice, bob} {
			if ids, err := e.store.Identities(t.Context(), u.ID); err != nil || len(ids) > 0 {
				t.Errorf("%s got the identities %v, %v", u.Email, ids, err)
			}
		}
		e.do("POST", "/api/login", `{"email":"bob@example.com","password":"octocat"}`).invalid("invalid_credentials", "")
	})
}

// TestR37SameAnswer: what anybody may ask is answered alike, to the last header,
// whether or not there is an account.
func TestR37SameAnswer(t *testing.T) {
	each(t, withMail, func(t *testing.T, e *env) {
		alice, gone := e.user("alice", unverified), e.user("gone", inactive)
		bob := e.user("bob")
		token := strings.Repeat("x", 43)
		for _, door := range []struct {
			method, path string
			bodies       []string
			options      []option
		}{
			{"POST", "/api/login", []string{credentials("alice", "wrong"), credentials("gone", "wrong"), credentials("gone", password), credentials("nobody", "wrong")}, nil},
			{"POST", "/api/reset", []string{`{"email":"alice@example.com"}`, `{"email":"gone@example.com"}`, `{"email":"nobody@example.com"}`}, nil},
			{"POST", "/api/users/request_email_verification", []string{uuidBody(alice.UUID.String(), ""), uuidBody(gone.UUID.String(), ""), uuidBody(unknownID, "")}, nil},
			{"POST", "/api/users/verify_email", []string{uuidBody(alice.UUID.String(), token), uuidBody(gone.UUID.String(), token), uuidBody(unknownID, token)}, nil},
			{"POST", "/api/reset/{}", []string{alice.UUID.String(), gone.UUID.String(), unknownID}, nil},
			{"GET", "/api/reset/{}?token=" + token, []string{alice.UUID.String(), gone.UUID.String(), unknownID}, nil},
			{"GET", "/api/users?email={}", []string{"alice@example.com", "gone@example.com", "nobody@example.com"}, []option{e.session(bob, 0)}},
			{"GET", "/api/users/{}", []string{alice.UUID.String(), gone.UUID.String(), unknownID}, []option{e.session(bob, 0)}},
			{"GET", "/api/users/{}/two_factor_status", []string{alice.UUID.String(), gone.UUID.String(), unknownID}, []option{e.session(bob, 0)}},
		} {
			for _, slash := range []string{"", "/"} {
				first := ""
				for _, asked := range door.bodies {
					path, body := door.path, asked
					if strings.Contains(path, "{}") {
						path, body = strings.Replace(path, "{}", asked, 1), ""
						if door.method == "POST" {
							body = fmt.Sprintf(`{"token":%q,"password":%q}`, token, newPassword)
						}
					}
					got := everything(e.do(door.method, withSlash(path, slash), body, door.options...), asked)
					if first == "" {
						first = got
					}
					if got != first {
						t.Errorf("%s %s about %s: got\n%s\nwant as about %s\n%s", door.method, door.path, asked, got, door.bodies[0], first)
					}
				}
			}
		}
	})
}

// everything is an answer with all its headers, but the id of the request and what
// was asked.
func everything(r reply, asked string) string {
	h := r.header.Clone()
	h.Del("X-Request-Id")
	var b strings.Builder
	if err := h.Write(&b); err != nil {
		r.t.Fatal(err)
	}
	return strings.ReplaceAll(fmt.Sprint(r.status, b.String(), r.raw), asked, "")
}
