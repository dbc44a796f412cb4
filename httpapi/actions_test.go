package httpapi_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hedgerow-dev/hedgerow/httpapi"
	"github.com/hedgerow-dev/hedgerow/users"
)

// TestHedgehogConfig: contract section 8.8, any body whatever.
func TestHedgehogConfig(t *testing.T) {
	each(t, nil, func(t *testing.T, e *env) {
		alice, boss := e.user("alice"), e.user("boss", staff)
		key := e.key(alice, "user:write")
		const path = "/api/users/@me/hedgehog_config"
		if got := e.do("GET", path, "", key).ok(200).raw; got != "{}" {
			t.Errorf("nothing is shown as %s", got)
		}
		for _, c := range []struct{ body, patched, read, shown string }{
			{`{"color":"red","accessories":["beret"]}`, `{"color":"red","accessories":["beret"]}`, `{"color":"red","accessories":["beret"]}`, `{"color":"red","accessories":["beret"]}`},
			{`{"enabled":true}`, `{"enabled":true}`, `{"enabled":true}`, `{"enabled":true}`}, // no merge
			{`{"theme_mode":"pink","current_password":"x","personal_api_key":"y"}`, `{"theme_mode":"pink","current_password":"x","personal_api_key":"y"}`,
				`{"theme_mode":"pink","current_password":"x","personal_api_key":"y"}`, `{"theme_mode":"pink","current_password":"x","personal_api_key":"y"}`},
			{" [1,\n 2.50] ", `[1,2.50]`, `[1,2.50]`, `[1,2.50]`},
			{`"hog"`, `"hog"`, `"hog"`, `"hog"`},
			{`12.0`, `12.0`, `12.0`, `12.0`},
			{`true`, `true`, `true`, `true`},
			{`null`, `{}`, `{}`, `null`},
			{`false`, `false`, `{}`, `false`},
			{`0`, `0`, `{}`, `0`},
			{`-0.0`, `-0.0`, `{}`, `-0.0`},
			{`""`, `""`, `{}`, `""`},
			{`[]`, `[]`, `{}`, `[]`},
			{`{}`, `{}`, `{}`, `{}`},
		} {
			if got := e.do("PATCH", path, c.body, key).ok(200).raw; got != c.patched {
				t.Errorf("PATCH %s: got %s, want %s", c.body, got, c.patched)
			}
			if got := e.do("GET", path+"/", "", key).ok(200).raw; got != c.read {
				t.Errorf("GET after %s: got %s, want %s", c.body, got, c.read)
			}
			if got := e.do("GET", "/api/users/@me", "", key).ok(200).raw; !strings.Contains(got, `"hedgehog_config":`+c.shown+`,`) {
				t.Errorf("the user object after %s: want %s, got %s", c.body, c.shown, got)
			}
		}
		hers := "/api/users/" + alice.UUID.String() + "/hedgehog_config"
		e.do("PATCH", hers, `{"by":"staff"}`, e.session(boss, 3*time.Hour)).ok(200)
		e.do("GET", hers, "", e.key(boss, "user:read")).ok(200).has("by", `"staff"`)
		e.do("GET", path, "", e.key(boss, "*")).ok(200).has("by", "null")
		for _, method := range []string{"POST", "PUT"} {
			e.do(method, path, `{}`, e.session(alice, 3*time.Hour)).refused(405, "invalid_request", "method_not_allowed", "")
		}
	})
}

// TestScenePersonalisation: contract section 8.9.
func TestScenePersonalisation(t *testing.T) {
	each(t, func(c *httpapi.Config) { c.Dashboards = users.DashboardMap{1: 1, 2: 2, 3: 1, 4: 3} }, func(t *testing.T, e *env) {
		alice, boss := e.user("alice"), e.user("boss", staff)
		e.organization("Acme", alice)                // team 1
		beta, second := e.organization("Beta")       // team 2
		e.organization("Foreign", boss)              // team 3
		e.join(alice, beta, users.LevelMember, 1, 0) // later, so Acme is current
		stale, path := e.session(alice, 3*time.Hour), "/api/users/@me/scene_personalisation"
		scene := func(n int) string { return strings.Repeat("é", n) }
		for _, c := range []struct{ body, code, attr string }{
			{`{}`, "invalid_input", ""},
			{`{"scene":"s"}`, "invalid_input", ""},
			{`{"dashboard":1}`, "invalid_input", ""},
			{`{"scene":"s","dashboard":9}`, "does_not_exist", "dashboard"},
			{`{"scene":"s","dashboard":"9"}`, "does_not_exist", "dashboard"},
			{`{"scene":"s","dashboard":-1}`, "does_not_exist", "dashboard"},
			{`{"scene":"s","dashboard":0}`, "does_not_exist", "dashboard"},
			{`{"scene":"s","dashboard":99999999999999999999}`, "does_not_exist", "dashboard"},
			{`{"scene":"s","dashboard":{}}`, "incorrect_type", "dashboard"},
			{`{"scene":"s","dashboard":[1]}`, "incorrect_type", "dashboard"},
			{`{"scene":"s","dashboard":true}`, "incorrect_type", "dashboard"},
			{`{"scene":"s","dashboard":"one"}`, "incorrect_type", "dashboard"},
			{`{"scene":"s","dashboard":null}`, "null", "dashboard"},
			{`{"scene":"s","dashboard":2}`, "invalid_input", "dashboard"}, // hers, but not current
			{`{"scene":"s","dashboard":4}`, "invalid_input", "dashboard"},
			{`{"scene":" ","dashboard":1}`, "blank", "scene"},
			{`{"scene":"","dashboard":1}`, "blank", "scene"},
			{`{"scene":null,"dashboard":1}`, "null", "scene"},
			{`{"scene":[],"dashboard":1}`, "invalid_input", "scene"},
			{`{"scene":"` + scene(201) + `","dashboard":1}`, "max_length", "scene"},
			// The dashboard comes first, and what is missing last.
			{`{"scene":"","dashboard":9}`, "does_not_exist", "dashboard"},
			{`{"scene":"","dashboard":2}`, "invalid_input", "dashboard"},
			{`{"dashboard":2}`, "invalid_input", "dashboard"},
			{`{"scene":""}`, "blank", "scene"},
		} {
			e.do("POST", path, c.body, stale).invalid(c.code, c.attr)
		}
		shows := func(r reply, want string) {
			t.Helper()
			r.ok(200).has("scene_personalisation", want).has("email", `"alice@example.com"`)
		}
		shows(e.do("GET", "/api/users/@me", "", stale), `[]`)
		shows(e.do("POST", path, `{"scene":"Home","dashboard":"1","user":99,"team":2}`, stale), `[{"dashboard":1,"scene":"Home"}]`)
		shows(e.do("POST", path+"/", `{"scene":" Person ","dashboard":3}`, stale), `[{"dashboard":1,"scene":"Home"},{"dashboard":3,"scene":"Person"}]`)
		// Choosing again replaces, in place.
		shows(e.do("POST", path, `{"scene":"Home","dashboard":3}`, stale), `[{"dashboard":3,"scene":"Home"},{"dashboard":3,"scene":"Person"}]`)
		e.do("PATCH", "/api/users/@me", fmt.Sprintf(`{"set_current_team":%d}`, second.ID), stale).ok(200)
		// All teams are shown, not the current one only.
		shows(e.do("POST", path, `{"scene":"Home","dashboard":2}`, stale), `[{"dashboard":3,"scene":"Home"},{"dashboard":3,"scene":"Person"},{"dashboard":2,"scene":"Home"}]`)
		if err := e.api.Users().DashboardDeleted(t.Context(), 3); err != nil {
			t.Fatal(err)
		}
		shows(e.do("GET", "/api/users/@me", "", stale), `[{"dashboard":2,"scene":"Home"}]`)
		// Staff choose for the team that is current for the other.
		hers := "/api/users/" + alice.UUID.String() + "/scene_personalisation"
		e.do("POST", hers, `{"scene":"x","dashboard":4}`, e.session(boss, 3*time.Hour)).invalid("invalid_input", "dashboard")
		shows(e.do("POST", hers, `{"scene":"`+scene(200)+`","dashboard":2}`, e.session(boss, 3*time.Hour)), `[{"dashboard":2,"scene":"Home"},{"dashboard":2,"scene":"`+scene(200)+`"}]`)
		e.do("POST", path, `{"scene":"s","dashboard":2}`, e.key(alice, "*")).denied()
		e.do("POST", path, `{"scene":"s","dashboard":1}`, e.session(e.user("loner"), 0)).invalid("invalid_input", "dashboard")
	})
}

// TestCredentialsReview: contract section 10.8.
func TestCredentialsReview(t *testing.T) {
	each(t, nil, func(t *testing.T, e *env) {
		alice := e.user("alice")
		fresh := e.session(alice, 0)
		shows := func(want string) {
			t.Helper()
			e.do("GET", "/api/users/@me", "", fresh).ok(200).has("requires_credential_review", want)
		}
		const path = "/api/users/@me/credentials_review_complete"
		shows("false") // there is nothing to review
		id := e.do("POST", keysPath, keyBody(nil), fresh).ok(201).json()["id"].(string)
		shows("true")
		e.do("DELETE", keysPath+id, "", fresh).ok(204)
		shows("false")
		key := e.key(alice, "*")
		shows("true")
		e.do("POST", path, "", key).nobody("not_authenticated")
		e.do("POST", path, "", e.session(alice, 3*time.Hour)).refused(403, "authentication_error", "sensitive_action_required_reauth", "")
		shows("true")
		first := e.now()
		for range 2 {
			e.do("POST", path, "", fresh).ok(204)
			shows("false")
			if u, err := e.store.User(t.Context(), alice.ID); err != nil || !u.CredentialsReviewedAt.Equal(first) {
				t.Errorf("reviewed at %v, %v, want the first time %v", u.CredentialsReviewedAt, err, first)
			}
			e.advance(time.Minute)
		}
		e.key(alice, "*")
		shows("false") // it was called once
	})
}

// TestOnboardingSkip: contract section 10.9.
func TestOnboardingSkip(t *testing.T) {
	each(t, nil, func(t *testing.T, e *env) {
		alice := e.user("alice")
		one, _ := e.organization("One", alice)
		two := e.bare("Two")
		e.join(alice, two, users.LevelMember, 1, 0)
		fresh := e.session(alice, 0)
		const path = "/api/users/@me/onboarding/skip"
		for _, c := range []struct{ body, code, attr string }{
			{`{}`, "required", "reason"}, {`{"step_at_skip":"x"}`, "required", "reason"}, {`{"reason":null}`, "null", "reason"},
			{`{"reason":"delegated"}`, "invalid_choice", "reason"}, {`{"reason":""}`, "invalid_choice", "reason"}, {`{"reason":"Later"}`, "invalid_choice", "reason"},
			{`{"reason":1}`, "invalid_choice", "reason"}, {`{"reason":[]}`, "invalid_choice", "reason"},
			{`{"reason":"later","step_at_skip":"` + strings.Repeat("é", 65) + `"}`, "max_length", "step_at_skip"},
			{`{"reason":"later","step_at_skip":[]}`, "invalid_input", "step_at_skip"},
			{`{"reason":"x","step_at_skip":[]}`, "invalid_choice", "reason"},
		} {
			e.do("POST", path, c.body, fresh).invalid(c.code, c.attr)
		}
		e.do("GET", "/api/users/@me", "", fresh).ok(200).has("onboarding_skipped_at", "null").has("onboarding_skipped_reason", "null").has("onboarding_skipped_organization_id", "null")
		shows := func(body, reason string, o users.Organization) {
			t.Helper()
			e.do("POST", path, body, fresh).ok(200).has("onboarding_skipped_at", `"2026-05-01T12:00:00.123456Z"`).
				has("onboarding_skipped_reason", reason).has("onboarding_skipped_organization_id", fmt.Sprintf("%q", o.ID))
		}
		shows(`{"reason":"later","step_at_skip":"`+strings.Repeat("é", 64)+`"}`, `"later"`, one)
		e.advance(time.Minute)
		e.do("PATCH", "/api/users/@me", fmt.Sprintf(`{"set_current_organization":%q}`, two.ID), fresh).ok(200)
		shows(`{"reason":"other"}`, `"other"`, two) // the time stays
		e.do("POST", path, `{"reason":"later"}`, e.key(alice, "*")).denied()
		e.do("POST", path, `{"reason":"later"}`, e.session(alice, 3*time.Hour)).refused(403, "authentication_error", "sensitive_action_required_reauth", "")
	})
}

// TestDelete: contract section 8.6.
func TestDelete(t *testing.T) {
	each(t, nil, func(t *testing.T, e *env) {
		alice, bob, boss := e.user("alice"), e.user("bob"), e.user("boss", staff)
		o, _ := e.organization("Acme", alice)
		hers, his := "/api/users/"+alice.UUID.String(), "/api/users/"+bob.UUID.String()
		chief := e.session(boss, 0)
		e.do("DELETE", "/api/users/@me", "", e.session(alice, 0)).refused(409, "server_error", "conflict", "")
		e.do("DELETE", hers, "", chief).refused(409, "server_error", "conflict", "")
		e.do("DELETE", hers, "", e.session(bob, 0)).denied()
		e.do("DELETE", "/api/users/@me", "", e.session(bob, 3*time.Hour)).refused(403, "authentication_error", "sensitive_action_required_reauth", "")
		r := e.do("DELETE", his+"/", "", chief).ok(204)
		if r.raw != "" || r.header.Get("Set-Cookie") != "" {
			t.Errorf("deleting another answers %q and sets %q", r.raw, r.header.Get("Set-Cookie"))
		}
		e.do("GET", his, "", chief).refused(404, "invalid_request", "not_found", "")
		if err := e.api.Users().DeleteMembership(t.Context(), alice.ID, o.ID); err != nil {
			t.Fatal(err)
		}
		e.do("DELETE", hers, "", chief).ok(204)
		e.do("DELETE", hers, "", chief).refused(404, "invalid_request", "not_found", "")
		e.do("GET", "/api/users", "", chief).ok(200).has("count", "1")
	})
}
