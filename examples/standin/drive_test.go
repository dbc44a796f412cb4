package main

import (
	"strings"
	"testing"
)

const world = `{
	"mail": true,
	"organizations": {"acme": {"name": "Acme"}},
	"teams": {"web": {"organization": "acme", "name": "Web", "api_token": "token123"}},
	"users": {
		"alice": {"email": "alice@example.com", "password": "testpassword12345", "is_email_verified": true,
			"memberships": {"acme": 1}, "current_organization": "acme", "current_team": "web"},
		"root": {"email": "root@example.com", "password": "testpassword12345", "is_staff": true},
		"gone": {"email": "gone@example.com", "is_active": false}
	},
	"api_keys": {"k1": {"owner": "alice", "scopes": ["user:read"]}},
	"invites": {"i1": {"organization": "acme", "target_email": "root@example.com"}},
	"dashboards": {"d1": {"team": "web"}}
}`

const me = "/api/users/@me"

func TestWorldAndCredentials(t *testing.T) {
	p := start(t, "-addr", "127.0.0.1:0")
	p.world(world)
	for member, name := range map[string]string{
		"users": "alice", "organizations": "acme", "teams": "web", "api_keys": "k1", "dashboards": "d1", "invites": "i1",
	} {
		if p.ids[member][name]["id"] == nil {
			t.Errorf("the answer has no id of %s in %s: %v", name, member, p.ids)
		}
	}
	alice := p.send("GET", me, p.session(`{"user": "alice"}`), "").ok(200)
	if alice.member("uuid") != p.ids["users"]["alice"]["uuid"] || alice.member("id") != p.ids["users"]["alice"]["id"] {
		t.Errorf("got %s, want the ids of the answer %v", alice.text, p.ids)
	}
	value, ok := p.ids["api_keys"]["k1"]["value"].(string)
	if !ok || !strings.HasPrefix(value, "phx_") {
		t.Errorf("k1 has value %q", value)
	}
	p.send("GET", me, value, "").ok(200)
	p.send("PATCH", me, value, `{"theme_mode": "dark"}`).refused(403, "permission_denied")
	p.send("PATCH", me, p.text("api_keys", `{"user": "alice", "scopes": ["user:write"], "label": "Mine"}`, "value"), `{"theme_mode": "dark"}`).ok(200)
	p.send("GET", me, p.text("api_keys", `{"user": "alice", "scopes": ["nonsense"]}`, "value"), "").refused(403, "permission_denied")
	p.send("GET", me, p.text("api_keys", `{"user": "gone", "scopes": ["*"]}`, "value"), "").refused(401, "authentication_failed")
	p.send("GET", me, p.session(`{"user": "gone"}`), "").refused(401, "not_authenticated")
	for body, status := range map[string]int{
		`{"user": "alice", "scopes": ["user:read"], "scoped_teams": ["web"]}`: 200, `{"user": "alice", "scopes": "user:read user:write"}`: 200,
		`{"user": "alice", "scopes": ["user:read"], "expired": true}`: 401, `{"user": "alice"}`: 403, `{"user": "gone", "scopes": ["*"]}`: 401,
	} {
		token := p.text("oauth_tokens", body, "value")
		if p.send("GET", me, token, "").ok(status); !strings.HasPrefix(token, "pha_") {
			t.Errorf("got token %q", token)
		}
	}
}

func TestReplacedAndRefusedWorlds(t *testing.T) {
	p := start(t, "-addr", "127.0.0.1:0")
	p.world(world)
	before, cookie := p.advance("3600"), p.session(`{"user": "alice"}`)
	for _, text := range []string{`{"users": {"alice": {"emial": "x"}}}`, `{"teams": {"web": {"organization": "x"}}}`, `{"mail": 1}`, `{`} {
		if path, ok := p.send("PUT", "/_standin/world", "", text).ok(400).member("path").(string); !ok {
			t.Errorf("%s: got path %v", text, path)
		}
	}
	p.send("GET", me, cookie, "").ok(200)
	if now := p.advance("0"); now != before {
		t.Errorf("a refused world moved the clock to %s", now)
	}
	p.world(world)
	p.send("GET", me, cookie, "").refused(401, "not_authenticated")
	if now := p.advance("0"); now != "2026-05-01T12:00:00.000000Z" {
		t.Errorf("the clock of a new world is at %s", now)
	}
	p.world(`{}`)
	p.send("POST", "/_standin/sessions", "", `{"user": "alice"}`).ok(400)
}

func TestChangesByControl(t *testing.T) {
	p := start(t, "-addr", "127.0.0.1:0")
	p.world(world)
	alice, root := p.session(`{"user": "alice"}`), p.session(`{"user": "root"}`)
	p.send("DELETE", me, alice, "").refused(409, "conflict")
	p.send("PATCH", "/_standin/users/root", "", `{"memberships": {"acme": 15}, "current_team": "web", "hedgehog_config": {"color": "red"}}`).ok(200)
	p.send("GET", me+"/hedgehog_config", root, "").ok(200)
	if team, ok := p.send("GET", me, root, "").member("team").(map[string]any); !ok || team["name"] != "Web" {
		t.Errorf("root has team %v, want Web", team)
	}
	p.send("PATCH", "/_standin/users/root", "", `{"is_active": false}`).ok(200)
	p.send("GET", me, root, "").refused(401, "not_authenticated")
	p.send("PATCH", "/_standin/users/root", "", `{"is_active": true}`).ok(200)
	p.send("GET", me, root, "").ok(200)
	p.send("DELETE", "/_standin/organizations/acme", "", "").ok(204)
	p.send("DELETE", "/_standin/organizations/acme", "", "").ok(404)
	if o := p.send("GET", me, alice, "").ok(200).member("organization"); o != nil {
		t.Errorf("alice is still in %v", o)
	}
	p.send("DELETE", me, alice, "").ok(204)
	p.send("POST", "/_standin/sessions", "", `{"user": "alice"}`).ok(400)
}

func TestMail(t *testing.T) {
	p := start(t, "-addr", "127.0.0.1:0")
	p.world(world)
	change := `{"current_password": "testpassword12345", "password": "mighty-strong-secure-1337!!"}`
	p.send("PATCH", me, p.session(`{"user": "alice"}`), change).ok(200)
	want := `[{"kind":"password_changed","to":"alice@example.com","user":"alice"}]`
	if got := p.send("GET", "/_standin/mail", "", "").ok(200).text; got != want {
		t.Errorf("got mail %s, want %s", got, want)
	}
	p.send("DELETE", "/_standin/mail", "", "").ok(204)
	if got := p.send("GET", "/_standin/mail", "", "").ok(200).text; got != `[]` {
		t.Errorf("got mail %s after deleting it", got)
	}
	p.world(strings.Replace(world, `"mail": true`, `"mail": false`, 1))
	p.send("PATCH", me, p.session(`{"user": "alice"}`), change).ok(200)
	if got := p.send("GET", "/_standin/mail", "", "").ok(200).text; got != `[]` {
		t.Errorf("got mail %s although mail is not configured", got)
	}
}

// TestClock waits for freshness, the life of a session, rate limits and locks
// to pass.
func TestClock(t *testing.T) {
	p := start(t, "-addr", "127.0.0.1:0")
	p.world(world)
	cookie, rename := p.session(`{"user": "alice"}`), `{"first_name": "Al"}`
	p.advance("7200")
	p.send("PATCH", me, cookie, rename).ok(200)
	p.advance("0.000001")
	p.send("PATCH", me, cookie, rename).refused(403, "sensitive_action_required_reauth")
	p.advance("1202399.999998") // 14 days from the login, less a microsecond
	p.send("GET", me, cookie, "").ok(200)
	p.advance("0.000001")
	gone := p.send("GET", me, cookie, "")
	if gone.refused(401, "not_authenticated"); !strings.Contains(gone.header.Get("Set-Cookie"), "Max-Age=0") {
		t.Errorf("the expired cookie is not cleared: %q", gone.header.Get("Set-Cookie"))
	}
	p.send("GET", me, p.session(`{"user": "alice", "age_seconds": 1209600}`), "").refused(401, "not_authenticated")

	key := p.text("api_keys", `{"user": "alice", "scopes": ["user:write"]}`, "value")
	for range 5 {
		p.send("PATCH", me, key, `{"current_password": "x"}`).ok(200)
	}
	p.send("PATCH", me, key, `{"current_password": "x"}`).refused(429, "throttled")
	p.advance("60")
	p.send("PATCH", me, key, `{"current_password": "x"}`).ok(200)
}

func TestLoginLock(t *testing.T) {
	p := start(t, "-addr", "127.0.0.1:0")
	login := func(password string) answer {
		return p.send("POST", "/api/login", "", `{"email": "alice@example.com", "password": "`+password+`"}`)
	}
	p.world(world)
	for range 30 {
		login("wrong").refused(400, "invalid_credentials")
	}
	login("testpassword12345").refused(403, "too_many_failed_attempts")
	p.advance("599.999999")
	login("testpassword12345").refused(403, "too_many_failed_attempts")
	p.advance("0.000001")
	login("testpassword12345").ok(200)

	p.world(`{"options": {"login_failure_limit": 2}, "users": {"alice": {"email": "alice@example.com", "password": "testpassword12345"}}}`)
	login("wrong").refused(400, "invalid_credentials")
	login("wrong").refused(400, "invalid_credentials")
	login("testpassword12345").refused(403, "too_many_failed_attempts")
}

func TestOptions(t *testing.T) {
	p := start(t, "-addr", "127.0.0.1:0")
	users := `"users": {"alice": {"email": "alice@example.com", "password": "testpassword12345"}, "root": {"email": "root@example.com", "is_staff": true}}}`
	for rule, status := range map[string]int{"documented": 200, "with_password": 400, "session_only": 403} {
		p.world(`{"options": {"identity_change": "` + rule + `"}, ` + users)
		key := p.text("api_keys", `{"user": "alice", "scopes": ["*"]}`, "value")
		if got := p.send("PATCH", me, key, `{"email": "new@example.com"}`); got.status != status {
			t.Errorf("%s: got status %d, %s, want %d", rule, got.status, got.text, status)
		}
	}
	for option, want := range map[string]string{``: p.base, `"public_url": "https://app.example.com"`: "https://app.example.com"} {
		p.world(`{"options": {` + option + `}, ` + users)
		next, ok := p.send("GET", "/api/users?limit=1", p.session(`{"user": "root"}`), "").ok(200).member("next").(string)
		if !ok || !strings.HasPrefix(next, want+"/api/users") {
			t.Errorf("%s: got next %q, want it to begin with %s", option, next, want)
		}
	}
}
