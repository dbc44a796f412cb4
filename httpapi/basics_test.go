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
