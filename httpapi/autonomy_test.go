package httpapi_test

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/users"
)

const myAutonomy = "/api/users/@me/signal_autonomy"

func autonomyOf(segment any) string { return fmt.Sprintf("/api/users/%v/signal_autonomy", segment) }

// noConfig fails the test unless the answer is 404 without a body.
func (r reply) noConfig() {
	r.t.Helper()
	if r.status != http.StatusNotFound || r.raw != "" || r.header.Get("Content-Type") != "" {
		r.t.Errorf("%s: got %d, content type %q and body %q, want 404 with neither", r.call, r.status, r.header.Get("Content-Type"), r.raw)
	}
}

// forbidden fails the test unless the answer is 403 permission_denied.
func (r reply) forbidden() {
	r.t.Helper()
	r.refused(http.StatusForbidden, "authentication_error", "permission_denied", "")
}

func TestAutonomyObject(t *testing.T) {
	each(t, nil, func(t *testing.T, e *env) {
		alice := e.user("alice", func(u *users.User) { u.LastName = "O'Hara \"é\"" })
		key := e.key(alice, "user:write")
		r := e.do("POST", myAutonomy, `{"autostart_priority":"P1"}`, key).ok(200)
		id := r.json()["id"]
		want := fmt.Sprintf(`{"id":"%v","user":{"id":%d,"uuid":"%s","first_name":"Alice","last_name":"O'Hara \"é\"","email":"alice@example.com"},`+
			`"autostart_priority":"P1","created_at":"2026-05-01T12:00:00.123456Z","updated_at":"2026-05-01T12:00:00.123456Z"}`, id, alice.ID, alice.UUID)
		if r.raw != want {
			t.Errorf("POST answers\n%s, want\n%s", r.raw, want)
		}
		if got := e.do("GET", myAutonomy, "", key).ok(200).raw; got != want {
			t.Errorf("GET answers\n%s, want\n%s", got, want)
		}
		if text := fmt.Sprint(id); len(text) != 36 || text != strings.ToLower(text) || text[14] != '7' {
			t.Errorf("id is %q, want a version 7 UUID in lower case", text)
		}
		if me := e.do("GET", "/api/users/@me", "", key).ok(200).raw; strings.Contains(me, "auto") || strings.Contains(me, fmt.Sprint(id)) {
			t.Errorf("the user object tells about autonomy: %s", me)
		}
	})
}

func TestAutonomyWithoutRecord(t *testing.T) {
	each(t, nil, func(t *testing.T, e *env) {
		alice, boss := e.user("alice"), e.user("boss", staff)
		key := e.key(boss, "*")
		for range 2 { // reading creates nothing
			e.do("GET", myAutonomy, "", key).noConfig()
			e.do("GET", autonomyOf(alice.ID)+"/", "", key).noConfig()
		}
		e.do("GET", autonomyOf(unknownID), "", key).refused(404, "invalid_request", "not_found", "")
		e.do("GET", autonomyOf(999999), "", key).refused(404, "invalid_request", "not_found", "")
	})
}

func TestAutonomyUpdate(t *testing.T) {
	each(t, nil, func(t *testing.T, e *env) {
		alice := e.user("alice")
		me := e.session(alice, 0)
		first := e.do("POST", myAutonomy, "", me).ok(200).has("autostart_priority", "null").json()
		for i, step := range []struct{ body, priority string }{
			{`{"autostart_priority":"P0"}`, `"P0"`},
			{`{"autostart_priority":"P1"}`, `"P1"`},
			{`{"autostart_priority":"P2"}`, `"P2"`},
			{``, `"P2"`},
			{`{}`, `"P2"`},
			{`{"something":"P3","Autostart_priority":"P3"}`, `"P2"`},
			{`{"autostart_priority":"P3"}`, `"P3"`},
			{`{"autostart_priority":null}`, `null`},
			{`{"autostart_priority":"\u00504"}`, `"P4"`},
			{`{"slack_notification_channel":5,"slack_notification_min_priority":"P9","github_assign_on_pull_request":"x"}`, `"P4"`},
		} {
			e.advance(time.Second)
			r := e.do("POST", myAutonomy, step.body, me).ok(200).has("autostart_priority", step.priority)
			got := r.json()
			if got["id"] != first["id"] || got["created_at"] != first["created_at"] || len(got) != 5 {
				t.Errorf("%s: got %s, want id and created_at of %v", r.call, r.raw, first)
			}
			r.has("updated_at", fmt.Sprintf(`"2026-05-01T12:00:%02d.123456Z"`, i+1))
			if stored := e.do("GET", myAutonomy, "", me).ok(200).raw; stored != r.raw {
				t.Errorf("%s: got %s and GET %s", r.call, r.raw, stored)
			}
		}
	})
}

func TestAutonomyRefusals(t *testing.T) {
	each(t, nil, func(t *testing.T, e *env) {
		alice := e.user("alice")
		me := e.session(alice, 0)
		refuse := func() {
			t.Helper()
			for _, value := range []string{`"P5"`, `"p1"`, `" P1"`, `"P1 "`, `""`, `"P1\u0000"`, `"P"`, `"P01"`, `"null"`, `0`, `1`, `-1`, `1e400`, `true`, `false`, `[]`, `["P1"]`, `{}`} {
				e.do("POST", myAutonomy, `{"autostart_priority":`+value+`}`, me).invalid("invalid_choice", "autostart_priority")
			}
			for _, body := range []string{`[]`, `[{"autostart_priority":"P1"}]`, `"P1"`, `0`, `true`, `null`} {
				e.do("POST", myAutonomy, body, me).invalid("invalid_input", "")
			}
			for _, body := range []string{`{`, `{"autostart_priority":P1}`, `{"autostart_priority":"P1","autostart_priority":"P2"}`, `{} {}`, " ", "{\"autostart_priority\":\"P1\xff\"}"} {
				e.do("POST", myAutonomy, body, me).refused(400, "invalid_request", "parse_error", "")
			}
			for _, media := range []string{"text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""} {
				e.do("POST", myAutonomy, `{"autostart_priority":"P1"}`, me, func(r *http.Request) { r.Header.Set("Content-Type", media) }).
					refused(415, "invalid_request", "unsupported_media_type", "")
			}
		}
		refuse()
		e.do("GET", myAutonomy, "", me).noConfig()
		before := e.do("POST", myAutonomy, `{"autostart_priority":"P2"}`, me).ok(200).raw
		e.advance(time.Second)
		refuse()
		if after := e.do("GET", myAutonomy, "", me).ok(200).raw; after != before {
			t.Errorf("after refusals: got %s, want %s", after, before)
		}
	})
}

// TestAutonomyEcho sends back what a generated client has read, with its
// read-only members, and members that belong to somebody else.
func TestAutonomyEcho(t *testing.T) {
	each(t, nil, func(t *testing.T, e *env) {
		alice, bob := e.user("alice"), e.user("bob")
		me := e.session(alice, 0)
		mine := e.do("POST", myAutonomy, `{"autostart_priority":"P2"}`, me).ok(200)
		theirs := e.do("POST", myAutonomy, `{"autostart_priority":"P3"}`, e.session(bob, 0)).ok(200)
		for _, body := range []string{mine.raw, theirs.raw, `{"id":null,"user":7,"created_at":"x","updated_at":[]}`} {
			r := e.do("POST", myAutonomy, body, me).ok(200)
			got, was := r.json(), mine.json()
			if got["id"] != was["id"] || fmt.Sprint(got["user"]) != fmt.Sprint(was["user"]) || got["created_at"] != was["created_at"] || got["updated_at"] != was["updated_at"] {
				t.Errorf("%s: got %s, want all but the priority of %s", r.call, r.raw, mine.raw)
			}
		}
		if got := e.do("GET", myAutonomy, "", e.session(bob, 0)).ok(200).raw; got != theirs.raw {
			t.Errorf("the record of another: got %s, want %s", got, theirs.raw)
		}
	})
}

func TestAutonomyDelete(t *testing.T) {
	each(t, nil, func(t *testing.T, e *env) {
		alice := e.user("alice")
		me := e.session(alice, 0)
		for _, slash := range []string{"", "/"} {
			e.do("DELETE", myAutonomy+slash, "", me).ok(204)
			first := e.do("POST", myAutonomy+slash, `{"autostart_priority":"P2"}`, me).ok(200).json()
			for range 2 {
				if r := e.do("DELETE", myAutonomy+slash, "", me).ok(204); r.raw != "" || r.header.Get("Content-Type") != "" {
					t.Errorf("%s: content type %q and body %q", r.call, r.header.Get("Content-Type"), r.raw)
				}
				e.do("GET", myAutonomy+slash, "", me).noConfig()
			}
			e.advance(time.Second)
			r := e.do("POST", myAutonomy+slash, "{}", me).ok(200).has("autostart_priority", "null")
			if got := r.json(); got["id"] == first["id"] || got["created_at"] == first["created_at"] {
				t.Errorf("after delete and create: got %s, want another id and created_at than %v", r.raw, first)
			}
		}
	})
}

func TestAutonomyTargets(t *testing.T) {
	each(t, nil, func(t *testing.T, e *env) {
		alice, gone, boss := e.user("alice"), e.user("gone", inactive), e.user("boss", staff)
		me, key := e.session(alice, 0), e.key(boss, "user:write")
		own := e.do("POST", myAutonomy, `{"autostart_priority":"P1"}`, me).ok(200).raw
		for _, segment := range []any{"@me", "%40me", alice.ID, alice.UUID, strings.ToUpper(alice.UUID.String())} {
			if got := e.do("GET", autonomyOf(segment)+"/", "", me).ok(200).raw; got != own {
				t.Errorf("GET of %v: got %s, want %s", segment, got, own)
			}
		}
		for _, segment := range []any{"@ME", "0", fmt.Sprintf("0%d", alice.ID), fmt.Sprintf("+%d", alice.ID), fmt.Sprintf("%%20%d", alice.ID), "-1", "1e0",
			"9223372036854775808", "%D9%A1", "P1", strings.ReplaceAll(alice.UUID.String(), "-", "")} {
			for _, method := range []string{"GET", "POST", "DELETE"} {
				e.do(method, autonomyOf(segment), "", me).forbidden()
				e.do(method, autonomyOf(segment), "", key).refused(404, "invalid_request", "not_found", "")
			}
		}
		for _, u := range []users.User{alice, gone} {
			e.do("POST", autonomyOf(u.ID), `{"autostart_priority":"P4"}`, key).ok(200)
			for _, segment := range []any{u.ID, u.UUID} {
				r := e.do("GET", autonomyOf(segment), "", key).ok(200).has("autostart_priority", `"P4"`)
				if owner := r.json()["user"].(map[string]any); owner["uuid"] != u.UUID.String() || owner["email"] != u.Email {
					t.Errorf("%s: user is %v, want %s", r.call, owner, u.Email)
				}
			}
		}
		e.do("GET", myAutonomy, "", key).noConfig() // the caller's own is another
		e.do("DELETE", autonomyOf(alice.UUID), "", key).ok(204)
		e.do("GET", myAutonomy, "", me).noConfig()
	})
}

// TestAutonomyOrder: authentication, scope, method, target, body.
func TestAutonomyOrder(t *testing.T) {
	each(t, nil, func(t *testing.T, e *env) {
		alice, bob, boss := e.user("alice"), e.user("bob"), e.user("boss", staff)
		read, me, key := e.key(alice, "user:read"), e.session(alice, 3*time.Hour), e.key(boss, "*")
		for _, method := range []string{"HEAD", "OPTIONS", "PUT", "PATCH", "TRACE", "get", "PURGE"} {
			for _, path := range []string{myAutonomy, autonomyOf(bob.UUID) + "/", autonomyOf("nobody")} {
				if r := e.do(method, path, "{", header("X-Http-Method-Override", "GET")).ok(401); method != "HEAD" {
					r.refused(401, "authentication_error", "not_authenticated", "")
				}
				e.do(method, path, "{", header("Authorization", "Bearer phx_x")).ok(401)
				e.do(method, path, "{", read).ok(403)
				for _, caller := range []option{me, key} {
					r := e.do(method, path, "{", caller).ok(405)
					if allow := r.header.Get("Allow"); allow != "GET, POST, DELETE" {
						t.Errorf("%s: Allow is %q", r.call, allow)
					}
					if method == "HEAD" && r.raw != "" {
						t.Errorf("%s: HEAD has the body %q", r.call, r.raw)
					} else if method != "HEAD" {
						r.refused(405, "invalid_request", "method_not_allowed", "")
					}
				}
			}
		}
		for _, body := range []string{`{`, `[]`, `{"autostart_priority":7}`, strings.Repeat(" ", 2<<20)} {
			e.do("POST", myAutonomy, body).ok(401)
			e.do("POST", myAutonomy, body, read).forbidden()
			e.do("POST", autonomyOf(bob.UUID), body, me).forbidden()
			e.do("POST", autonomyOf(unknownID), body, key).refused(404, "invalid_request", "not_found", "")
		}
		e.do("POST", myAutonomy, strings.Repeat(" ", 2<<20), me).refused(413, "invalid_request", "request_too_large", "")
		e.do("GET", myAutonomy, "", me).noConfig()
		cross := header("Sec-Fetch-Site", "cross-site")
		e.do("POST", myAutonomy, "{}", me, cross).forbidden()
		e.do("DELETE", myAutonomy, "", me, cross).forbidden()
		e.do("GET", myAutonomy, "", me).noConfig()
	})
}

func TestAutonomyCredentials(t *testing.T) {
	each(t, nil, func(t *testing.T, e *env) {
		alice := e.user("alice")
		o, team := e.organization("Acme", alice)
		k := auth.APIKey{UserID: alice.ID, Scopes: []string{"user:write"}, ScopedTeams: []users.TeamID{team.ID}, ScopedOrganizations: []uuid.UUID{o.ID}}
		if _, err := e.api.Auth().SaveAPIKey(t.Context(), k, "phx_scoped"); err != nil {
			t.Fatal(err)
		}
		token := auth.OAuthToken{UserID: alice.ID, Scopes: "user:write", ScopedTeams: []users.TeamID{team.ID}, ExpiresAt: e.now().Add(time.Hour)}
		if err := e.api.Auth().SaveOAuthToken(t.Context(), "pha_scoped-scoped-scoped", token); err != nil {
			t.Fatal(err)
		}
		for _, value := range []string{"phx_scoped", "pha_scoped-scoped-scoped"} {
			scoped := header("Authorization", "Bearer "+value)
			e.do("POST", myAutonomy, "{}", scoped).ok(200)
			e.do("GET", myAutonomy, "", scoped).ok(200)
			e.do("DELETE", myAutonomy, "", scoped).ok(204)
		}

		o.Enforce2FA = users.Some(true)
		if _, err := e.api.Users().SaveOrganization(t.Context(), o); err != nil {
			t.Fatal(err)
		}
		me := e.session(alice, 0)
		e.do("GET", "/api/users/@me", "", me).ok(200) // makes the organization current
		for _, method := range []string{"GET", "POST", "DELETE", "PUT"} {
			e.do(method, myAutonomy, "", me).refused(403, "authentication_error", "two_factor_setup_required", "")
		}
		e.do("POST", myAutonomy, "", header("Authorization", "Bearer phx_scoped")).ok(200)
	})
}

func TestAutonomyRacingFirstWrites(t *testing.T) {
	each(t, nil, func(t *testing.T, e *env) {
		alice := e.user("alice")
		key := e.key(alice, "*")
		const callers = 100
		replies := make([]reply, callers)
		start := make(chan struct{})
		var wg sync.WaitGroup
		for i := range callers {
			wg.Go(func() {
				<-start
				replies[i] = e.do("POST", myAutonomy, fmt.Sprintf(`{"autostart_priority":"P%d"}`, i%5), key)
			})
		}
		close(start)
		wg.Wait()
		want := e.do("GET", myAutonomy, "", key).ok(200).json()["id"]
		for _, r := range replies {
			if got := r.ok(200).json()["id"]; got != want {
				t.Errorf("%s: id is %v, want %v", r.call, got, want)
			}
		}
		if n := len(e.actions(alice.ID, "autonomy config created")); n != 1 {
			t.Errorf("%d records were created, want 1", n)
		}
	})
}

// actions lists the lines of the activity log about a user that begin so.
func (e *env) actions(target users.ID, prefix string) []users.Event {
	e.t.Helper()
	events, err := e.api.Users().Events(e.t.Context(), users.EventQuery{Limit: 1000})
	if err != nil {
		e.t.Fatalf("Events: %v", err)
	}
	return slices.DeleteFunc(events, func(v users.Event) bool { return v.Target != target || !strings.HasPrefix(v.Action, prefix) })
}

func TestAutonomyEvents(t *testing.T) {
	each(t, nil, func(t *testing.T, e *env) {
		alice, boss := e.user("alice"), e.user("boss", staff)
		me, key := e.session(alice, 0), e.key(boss, "*")
		e.do("DELETE", myAutonomy, "", me).ok(204) // nothing to log
		e.do("POST", myAutonomy, "", me).ok(200)
		e.do("POST", autonomyOf(alice.ID), `{"autostart_priority":"P1"}`, key).ok(200)
		e.do("POST", myAutonomy, `{"autostart_priority":"P1"}`, me).ok(200) // only updated_at
		e.do("POST", myAutonomy, `{"autostart_priority":"P9"}`, me).ok(400)
		e.do("GET", myAutonomy, "", me).ok(200)
		e.do("DELETE", myAutonomy, "", me).ok(204)
		e.do("DELETE", myAutonomy, "", me).ok(204)
		e.do("POST", myAutonomy, `{"autostart_priority":"P1"}`, me).ok(200)
		var got []string
		for _, v := range e.actions(alice.ID, "autonomy") {
			got = append(got, fmt.Sprintf("%s by %d %s %v", v.Action, v.Actor, v.Credential, v.Fields))
		}
		want := []string{
			fmt.Sprintf("autonomy config created by %d session []", alice.ID),
			fmt.Sprintf("autonomy config updated by %d api_key [autostart_priority]", boss.ID),
			fmt.Sprintf("autonomy config deleted by %d session []", alice.ID),
			fmt.Sprintf("autonomy config created by %d session [autostart_priority]", alice.ID),
		}
		if !slices.Equal(got, want) {
			t.Errorf("events are %q, want %q", got, want)
		}
	})
}

func TestAutonomyEndsWithItsUser(t *testing.T) {
	each(t, nil, func(t *testing.T, e *env) {
		alice, boss := e.user("alice"), e.user("boss", staff)
		me := e.session(alice, 0)
		e.do("POST", myAutonomy, "", me).ok(200)
		e.do("DELETE", "/api/users/@me", "", me).ok(204)
		e.do("GET", autonomyOf(alice.ID), "", e.key(boss, "*")).refused(404, "invalid_request", "not_found", "")
		if _, err := e.store.AutonomyConfig(t.Context(), alice.ID); !errors.Is(err, users.ErrNotFound) {
			t.Errorf("AutonomyConfig of a deleted user: got %v, want %v", err, users.ErrNotFound)
		}
	})
}
