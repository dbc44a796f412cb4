package httpapi_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/hedgerow-dev/hedgerow/httpapi"
)

// protected fails the test unless an answer has the headers of every answer, and
// none that opens it to other sites.
func (r reply) protected() {
	r.t.Helper()
	cache, vary, policy := "no-store, private", "Cookie, Authorization", "default-src 'none'; frame-ancestors 'none'"
	public := r.status == 200 && strings.Contains(r.call, " /api/schema") && !strings.HasPrefix(r.call, "OPTIONS ") // the same for all
	if public {
		cache, vary = "no-cache", vary+", Accept, Accept-Encoding"
	}
	if _, file, ok := strings.Cut(r.call, "/docs"); public && ok && strings.Trim(file, "/ {") == "" { // the page
		policy = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self' data:; connect-src 'self'; " +
			"base-uri 'self'; form-action 'none'; frame-ancestors 'none'"
	}
	for name, want := range map[string]string{
		"Cache-Control": cache, "Vary": vary, "X-Content-Type-Options": "nosniff", "Content-Security-Policy": policy,
		"Referrer-Policy": "no-referrer", "Cross-Origin-Resource-Policy": "same-origin",
	} {
		if got := r.header.Values(name); len(got) != 1 || got[0] != want {
			r.t.Errorf("%s (%d): %s is %q, want %q", r.call, r.status, name, got, want)
		}
	}
	if got := r.header.Get("Content-Type"); r.raw != "" && !public && got != "application/json; charset=utf-8" {
		r.t.Errorf("%s (%d): the content type is %q", r.call, r.status, got)
	}
	for name, values := range r.header {
		if strings.HasPrefix(name, "Access-Control-") {
			r.t.Errorf("%s (%d): %s is %q", r.call, r.status, name, values)
		}
		for _, v := range append(values, name) {
			if strings.ContainsAny(v, "\r\n\x00") {
				r.t.Errorf("%s: header %q has the line %q", r.call, name, v)
			}
		}
	}
}

// TestR60Headers: answers of every status and route, to every kind of caller, and
// preflights.
func TestR60Headers(t *testing.T) {
	inProcess(t, repeatable, func(t *testing.T, e *env) {
		alice := e.user("alice", staff)
		e.organization("Acme", alice)
		fresh, stale := e.session(alice, 0), e.session(alice, 3*time.Hour)
		evil := func(r *http.Request) {
			r.Header.Set("Origin", "https://evil.example")
			r.Header.Set("Access-Control-Request-Method", "PATCH")
			r.Header.Set("Access-Control-Request-Headers", "authorization")
		}
		seen := map[int]bool{}
		send := func(method, path, body string, options ...option) {
			r := e.do(method, path, body, options...)
			r.protected()
			seen[r.status] = true
		}
		for _, rt := range httpapi.Routes(e.api) {
			for _, path := range spellings(filled(rt[1]), alice) {
				send(rt[0], path, "")
				send(rt[0], path, "", stale)
				send("OPTIONS", path, "", evil)
				send("OPTIONS", path, "", stale, evil)
				send(rt[0], path, "", stale, header("Origin", "null"))
				send("GET", path, "", stale, evil)
				send("HEAD", path, "", stale)
				send("PUT", path, "{", fresh)
			}
		}
		fresh = e.session(alice, 0)
		send("POST", keysPath, keyBody(nil), fresh)
		for _, path := range []string{"/", "/nothing", "/api/users//", "/api/users/@me.css"} {
			send("GET", path, "", fresh)
		}
		send("GET", self, "", header("Accept", "text/html"))
		send("DELETE", self, "", fresh)
		send("PATCH", self, "{}", fresh, header("If-Match", `"x"`))
		send("PATCH", self, strings.Repeat(" ", 2<<20), fresh)
		send("PATCH", self, "x", fresh, contentType("text/plain"))
		send("POST", own+"scene_personalisation", `{"scene":"s","dashboard":500}`, fresh)
		send("POST", own+"scene_personalisation", `{"scene":"s","dashboard":503}`, fresh)
		for range 6 {
			send("PATCH", self, proof, fresh)
		}
		for _, status := range []int{200, 201, 204, 302, 400, 401, 403, 404, 405, 406, 409, 412, 413, 415, 429, 500, 503} {
			if !seen[status] {
				t.Errorf("no answer was %d", status)
			}
		}
	})
}

// TestR61Caches: no condition makes one user's answer another's, and no path looks
// like a file that caches keep.
func TestR61Caches(t *testing.T) {
	each(t, nil, func(t *testing.T, e *env) {
		alice, bob := e.user("alice"), e.user("bob")
		hers, his := e.session(alice, 0), e.key(bob, "*")
		tags := []string{"*", `"x"`, "W/*"}
		for _, caller := range []option{hers, his} {
			tag := e.do("GET", self, "", caller).ok(200).header.Get("ETag")
			tags = append(tags, tag, "W/"+tag, `"x", `+tag)
		}
		for _, path := range append(spellings(self, alice)[:2], "/api/users", "/api/users/", own+"hedgehog_config", own+"github_login/") {
			for _, method := range []string{"GET", "HEAD"} {
				for _, tag := range tags {
					for caller, address := range map[*option]string{&hers: "alice@", &his: "bob@"} {
						r := e.do(method, path, "", *caller, header("If-None-Match", tag), header("If-Modified-Since", e.now().Add(time.Hour).Format(http.TimeFormat)), header("Range", "bytes=0-1"))
						r.ok(200).protected()
						if method == "GET" && strings.Contains(r.raw, "@example.com") && !strings.Contains(r.raw, address) {
							t.Errorf("%s with %s: somebody else's answer %s", r.call, tag, r.raw)
						}
						if got := r.header.Get("Last-Modified") + r.header.Get("Expires") + r.header.Get("Age"); got != "" {
							t.Errorf("%s: validators %q", r.call, got)
						}
					}
				}
			}
		}
		if mine, theirs := e.do("GET", self, "", hers).header.Get("ETag"), e.do("GET", self, "", his).header.Get("ETag"); mine == theirs {
			t.Errorf("two users share the validator %s", mine)
		}
		for _, suffix := range []string{".css", "/x.css", ".js", "/.png", ";x.css", "%2fx.css", "%00.css", "/x", "?x.css/../", "//x.css", "/..%2fx.css", "%0a.css", "%3f.css"} {
			for _, path := range []string{self, "/api/users/" + alice.UUID.String(), "/api/users", own + "hedgehog_config"} {
				if r := e.do("GET", path+suffix, "", hers); r.status == 200 && !strings.HasPrefix(suffix, "?") {
					t.Errorf("%s is served", r.call)
				} else {
					r.protected()
				}
			}
		}
	})
}

// TestR62HeaderSplitting: what a client sends makes no header, no line of one, and no
// text of a page.
func TestR62HeaderSplitting(t *testing.T) {
	splits := []string{"x\r\nSet-Cookie: a=b", "x\nX-Evil: 1", "x\rX-Evil: 1", "x\x00y", "x\u2028y", "x%0d%0aX-Evil: 1", "<script>alert(1)</script>", "é", "a b", strings.Repeat("x", 65), "x;y", ""}
	if *processes {
		splits = splits[4:] // what no client sends does not get from one process to another
	}
	withGitHub(t, acme, nil, func(t *testing.T, e *env) {
		alice := e.user("alice")
		who := e.session(alice, 0)
		for _, split := range splits {
			e.advance(time.Minute)
			for _, path := range spellings(self, alice) {
				r := e.do("GET", path, "", who, header("X-Request-Id", split))
				if r.protected(); r.header.Get("X-Request-Id") == split || r.header.Get("X-Request-Id") == "" || len(r.header.Values("X-Request-Id")) != 1 {
					t.Errorf("the id %q of a client is answered by %q", split, r.header.Values("X-Request-Id"))
				}
			}
			query := url.Values{}
			for _, name := range []string{"error", "error_description", "state", "code", "installation_id", "setup_action", "next", "connect_from"} {
				query.Set(name, split)
			}
			for _, path := range []string{"/complete/github-link", "/complete/github-link/"} {
				r := e.do("GET", path+"?"+query.Encode(), "", who).ok(302)
				if r.protected(); r.raw != "" || split != "" && strings.Contains(r.header.Get("Location"), split) {
					t.Errorf("%s: leads to %q with the page %q", r.call, r.header.Get("Location"), r.raw)
				}
			}
			for _, path := range spellings("/api/logout", alice) {
				r := e.do("POST", path+"?next="+url.QueryEscape("/"+split), "").ok(302)
				r.protected()
				u, err := url.Parse(r.header.Get("Location"))
				if err != nil || u.Path != "/login" || strings.Contains(r.header.Get("Location"), "<") {
					t.Errorf("%s: leads to %q", r.call, r.header.Get("Location"))
				}
			}
			// What is stored comes back as JSON, escaped.
			body := keyBody(map[string]string{"label": fmt.Sprintf("%q", strings.ReplaceAll(split, "\x00", " "))})
			if r := e.do("POST", keysPath, body, e.session(alice, 0)); r.status == 201 {
				if r.protected(); strings.ContainsAny(r.raw, "\r\n\x00") {
					t.Errorf("%s: got %s", r.call, r.raw)
				}
				e.do("DELETE", keysPath+r.json()["id"].(string), "", e.session(alice, 0)).ok(204)
			}
		}
		for _, id := range []string{"a", "A-1_b.c", strings.Repeat("x", 64)} { // these are safe to repeat
			if got := e.do("GET", self, "", header("X-Request-Id", id)).header.Get("X-Request-Id"); got != id {
				t.Errorf("the id %q is answered by %q", id, got)
			}
		}
	})
}

// TestR66CapsPerPerson: at once or one by one, nobody has more than the caps say, and
// a list shows no secret.
func TestR66CapsPerPerson(t *testing.T) {
	each(t, nil, func(t *testing.T, e *env) {
		alice := e.user("alice")
		fresh := e.session(alice, 0)
		if got := race(func(n int) int {
			return e.do("POST", strings.TrimSuffix(keysPath, "/")+strings.Repeat("/", n%2), keyBody(nil), fresh).status
		}); got[201] != 10 || got[400] != 90 {
			t.Errorf("100 keys at once are answered by %v, want 10 and 90 refusals", got)
		}
		var cookies []option
		for range 101 {
			cookies = append(cookies, e.do("POST", "/api/login", credentials("alice", password)).ok(200).cookie("sessionid"))
			e.advance(time.Microsecond)
		}
		e.do("GET", self, "", fresh).nobody("not_authenticated") // the oldest give way
		e.do("GET", self, "", cookies[0]).nobody("not_authenticated")
		e.do("GET", self, "", cookies[1]).ok(200)
		last := cookies[100]
		if list := e.sessions(last); len(list) != 100 {
			t.Errorf("there are %d sessions, want 100", len(list))
		}
		raw := e.do("GET", own+"login_sessions", "", last).raw
		for _, cookie := range cookies {
			if value := valueOf(cookie, "Cookie", "sessionid="); strings.Contains(raw, value) || strings.Contains(raw, hashText(value)) {
				t.Error("the list of sessions has a secret")
			}
		}
		e.do("PATCH", self, `{"has_seen_product_intro_for":{}}`, last).ok(200)
		if got := race(func(n int) int {
			return e.do("PATCH", own+"product_intro_seen", fmt.Sprintf(`{"product_key":"a%d"}`, n), last).status
		}); got[200] != 100 {
			t.Errorf("100 intros are answered by %v", got)
		}
		e.do("PATCH", own+"product_intro_seen/", `{"product_key":"b"}`, last).invalid("invalid_input", "")
	})
	withGitHub(t, acme, nil, func(t *testing.T, e *env) {
		u := e.user("bob")
		who := e.session(u, 0)
		if got := race(func(int) int { return e.do("POST", startPath, "", who).status }); got[200] != 30 || got[429] != 70 {
			t.Errorf("100 starts at once are answered by %v, want 30 and 70 refusals", got)
		}
		if states, err := e.store.LinkStates(t.Context(), u.ID); err != nil || len(states) != 10 {
			t.Errorf("%d starts wait, %v, want 10", len(states), err)
		}
	})
}
