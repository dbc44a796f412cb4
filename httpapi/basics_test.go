package httpapi_test

import (
	"strings"
	"testing"
	"time"
)

func TestRetrieve(t *testing.T) {
	each(t, nil, func(t *testing.T, e *env) {
		alice := e.user("alice")
		o, team := e.organization("Acme", alice)
		for _, caller := range []option{e.key(alice, "user:read"), e.session(alice, 3*time.Hour)} {
			r := e.do("GET", "/api/users/@me", "", caller).ok(200)
			r.has("email", `"alice@example.com"`).has("is_organization_first_user", "true").has("is_2fa_enabled", "false")
			if got := r.json()["organization"].(map[string]any)["id"]; got != o.ID.String() {
				t.Errorf("got organization %v, want %v", got, o.ID)
			}
			if got := r.json()["team"].(map[string]any)["name"]; got != team.Name {
				t.Errorf("got team %v, want %v", got, team.Name)
			}
			for _, path := range []string{"/api/users/@me/", "/api/users/%40me", "/api/users/" + alice.UUID.String()} {
				if again := e.do("GET", path, "", caller).ok(200); again.raw != e.do("GET", "/api/users/@me", "", caller).raw {
					t.Errorf("GET %s differs from @me", path)
				}
			}
		}
	})
}

func TestPatchFirstError(t *testing.T) {
	each(t, nil, func(t *testing.T, e *env) {
		alice, bob := e.user("alice"), e.user("bob", staff)
		cookie := e.session(alice, 0)
		for _, c := range []struct{ body, code, attr string }{
			{`{"theme_mode":"pink","first_name":null}`, "null", "first_name"},
			{`{"first_name":"see evil.com"}`, "invalid_url", "first_name"},
			{`{"first_name":true}`, "invalid_input", "first_name"},
			{`{"last_name":"<b>"}`, "invalid_bracket", "last_name"},
			{`{"email":"bob@EXAMPLE.com"}`, "unique", "email"},
			{`{"email":""}`, "blank", "email"},
			{`{"email":"x"}`, "invalid_input", "email"},
			{`{"notification_settings":[]}`, "not_a_dict", "notification_settings"},
			{`{"notification_settings":{"all_weekly_report_disabled":true}}`, "invalid_input", "notification_settings"},
			{`{"anonymize_data":"maybe"}`, "invalid_input", "anonymize_data"},
			{`{"toolbar_mode":"big"}`, "invalid_choice", "toolbar_mode"},
			{`{"is_staff":"maybe"}`, "invalid_input", "is_staff"},
			{`{"set_current_organization":"x"}`, "invalid_input", "set_current_organization"},
			{`{"set_current_organization":"0190c0de-0000-7000-8000-000000000000"}`, "does_not_exist", "set_current_organization"},
			{`{"set_current_team":"x"}`, "does_not_exist", "set_current_team"},
			{`{"password":"` + password + `x"}`, "required", "current_password"},
			{`{"password":"123","current_password":"` + password + `"}`, "invalid_input", "password"},
			{`{"events_column_config":null}`, "null", "events_column_config"},
			{`{"role_at_organization":""}`, "invalid_choice", "role_at_organization"},
			{`{"role_at_organization":null}`, "null", "role_at_organization"},
			{`{"passkeys_enabled_for_2fa":true}`, "no_passkeys", "passkeys_enabled_for_2fa"},
		} {
			e.do("PATCH", "/api/users/@me", c.body, cookie).invalid(c.code, c.attr)
		}
		e.do("PATCH", "/api/users/@me", `{"is_staff":false,"first_name":null}`, cookie).refused(403, "authentication_error", "permission_denied", "")
		e.do("PATCH", "/api/users/@me", `{"email":"a@x.com","email":"b@x.com"}`, cookie).refused(400, "invalid_request", "parse_error", "")
		e.do("PATCH", "/api/users/@me", `[1]`, cookie).invalid("invalid_input", "")
		e.do("PATCH", "/api/users/@me", `null`, cookie).invalid("invalid_input", "")
		r := e.do("GET", "/api/users/@me", "", cookie).ok(200).has("first_name", `"Alice"`)
		if got := r.header.Get("ETag"); !strings.HasSuffix(got, `-1"`) {
			t.Errorf("refused changes left ETag %s, want the first version", got)
		}
		e.do("PATCH", "/api/users/@me", `{"is_staff":true}`, e.key(bob, "*")).refused(403, "authentication_error", "permission_denied", "")
	})
}

func TestPatchAndFreshness(t *testing.T) {
	each(t, nil, func(t *testing.T, e *env) {
		alice := e.user("alice")
		stale := e.session(alice, 2*time.Hour+time.Microsecond)
		e.do("PATCH", "/api/users/@me", `{"theme_mode":"dark"}`, stale).ok(200).has("theme_mode", `"dark"`)
		for _, body := range []string{`{"theme_mode":"light","x":1}`, `{}`, `{"first_name":"A"}`} {
			e.do("PATCH", "/api/users/@me", body, stale).refused(403, "authentication_error", "sensitive_action_required_reauth", "")
		}
		e.do("PATCH", "/api/users/@me", `{"first_name":" A "}`, e.session(alice, 2*time.Hour)).ok(200).has("first_name", `"A"`)
		e.do("PATCH", "/api/users/@me", `{"last_name":5}`, e.key(alice, "user:write")).ok(200).has("last_name", `"5"`)
		e.do("PATCH", "/api/users/@me", `{"last_name":"x"}`, e.key(alice, "user:read")).refused(403, "authentication_error", "permission_denied", "")
		e.do("PATCH", "/api/users/@me", `{"last_name":"x"}`, e.key(alice, "user:write"), header("If-Match", `"1-1"`)).refused(412, "invalid_request", "precondition_failed", "")
	})
}

func TestTargets(t *testing.T) {
	each(t, nil, func(t *testing.T, e *env) {
		alice, boss, gone := e.user("alice"), e.user("boss", staff), e.user("gone", inactive)
		for _, id := range []string{boss.UUID.String(), "0190c0de-0000-7000-8000-000000000000", "x", "1"} {
			e.do("GET", "/api/users/"+id, "", e.session(alice, 0)).refused(403, "authentication_error", "permission_denied", "")
		}
		for _, id := range []string{gone.UUID.String(), "0190c0de-0000-7000-8000-000000000000", "x", "1"} {
			e.do("GET", "/api/users/"+id, "", e.session(boss, 0)).refused(404, "invalid_request", "not_found", "")
		}
		e.do("GET", "/api/users/"+alice.UUID.String(), "", e.session(boss, 0)).ok(200).has("email", `"alice@example.com"`)
		e.do("GET", "/api/users/a.b", "").refused(404, "invalid_request", "not_found", "")
		e.do("GET", "/api/users", "", e.session(boss, 0)).ok(200).has("count", "2")
		e.do("GET", "/api/users?email=boss@example.com", "", e.session(alice, 0)).ok(200).has("count", "0").has("results", "[]")
		e.do("GET", "/api/users/?limit=1", "", e.session(boss, 0)).ok(200).has("next", `"https://app.example.com/api/users/?limit=1\u0026offset=1"`)
	})
}

func TestMethodsAndCredentials(t *testing.T) {
	each(t, nil, func(t *testing.T, e *env) {
		alice := e.user("alice")
		key, fresh, stale := e.key(alice, "*"), e.session(alice, 0), e.session(alice, 3*time.Hour)
		e.do("POST", "/api/users/", "{}").refused(401, "authentication_error", "not_authenticated", "")
		e.do("POST", "/api/users/", "{}", key).refused(403, "authentication_error", "permission_denied", "")
		e.do("POST", "/api/users/", "{}", stale).refused(403, "authentication_error", "sensitive_action_required_reauth", "")
		e.do("POST", "/api/users/", "{}", fresh).refused(405, "invalid_request", "method_not_allowed", "")
		e.do("PATCH", "/api/users/", "{}", key).refused(405, "invalid_request", "method_not_allowed", "")
		e.do("DELETE", "/api/users/@me", "", key).refused(401, "authentication_error", "not_authenticated", "")
		e.do("GET", "/api/users/@me", "", fresh, header("Accept", "text/html")).refused(406, "invalid_request", "not_acceptable", "")
		e.do("HEAD", "/api/users/@me", "", key).ok(200)
		e.do("OPTIONS", "/api/users/@me", "", key).ok(200)
		e.do("POST", "/api/users/@me/hedgehog_config", "{}", fresh).refused(405, "invalid_request", "method_not_allowed", "")
		o, _ := e.organization("Acme", alice)
		e.do("DELETE", "/api/users/@me", "", fresh).refused(409, "server_error", "conflict", "")
		if err := e.api.Users().DeleteMembership(t.Context(), alice.ID, o.ID); err != nil {
			t.Fatal(err)
		}
		e.do("DELETE", "/api/users/@me", "", fresh).ok(204)
		e.do("GET", "/api/users/@me", "", fresh).refused(401, "authentication_error", "not_authenticated", "")
	})
}
