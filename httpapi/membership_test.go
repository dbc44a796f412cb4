package httpapi_test

import (
	"strings"
	"testing"
	"time"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/users"
)

func TestPutChangesThePassword(t *testing.T) {
	each(t, nil, func(t *testing.T, e *env) {
		alice := e.user("alice")
		fresh := e.session(alice, 0)
		e.do("PUT", "/api/users/@me", `{"password":"x"}`, fresh).invalid("required", "email")
		e.do("PUT", "/api/users/@me", `{"email":"alice@example.com"}`, fresh).invalid("required", "password")
		body := `{"email":"alice@example.com","password":"mighty-strong-secure-1337!!","current_password":"` + password + `"}`
		e.do("PUT", "/api/users/@me", body, fresh).ok(200).has("email", `"alice@example.com"`)
		e.do("POST", "/api/login", `{"email":"alice@example.com","password":"mighty-strong-secure-1337!!"}`).ok(200)
	})
}

func TestEnforcedSecondFactor(t *testing.T) {
	each(t, nil, func(t *testing.T, e *env) {
		alice := e.user("alice")
		o, _ := e.organization("Acme", alice)
		o.Enforce2FA = users.Some(true)
		if _, err := e.api.Users().SaveOrganization(t.Context(), o); err != nil {
			t.Fatal(err)
		}
		cookie := e.session(alice, 0)
		for _, path := range []string{"/api/users/@me", "/api/users/@me/", "/api/users/" + alice.UUID.String()} {
			e.do("GET", path, "", cookie).ok(200)
		}
		for _, path := range []string{"/api/users", "/api/users/@me/hedgehog_config", "/api/personal_api_keys/"} {
			e.do("GET", path, "", cookie).refused(403, "authentication_error", "two_factor_setup_required", "")
		}
		e.do("GET", "/api/users", "", e.key(alice, "*")).ok(200)
		boss := e.user("boss", func(u *users.User) { u.HasTOTP, u.CurrentOrganization = true, o.ID })
		e.do("GET", "/api/users", "", e.session(boss, 0)).refused(403, "authentication_error", "two_factor_verification_required", "")
	})
}

func TestEnforcedSSO(t *testing.T) {
	each(t, nil, func(t *testing.T, e *env) {
		alice := e.user("alice")
		o, _ := e.organization("Acme", alice)
		e.do("GET", "/api/users/@me", "", e.key(alice, "*")).ok(200).has("has_sso_enforcement", "false")
		o.SSOEnforcedDomains = []string{"Example.COM"}
		if _, err := e.api.Users().SaveOrganization(t.Context(), o); err != nil {
			t.Fatal(err)
		}
		e.do("GET", "/api/users/@me", "", e.key(alice, "*")).ok(200).has("has_sso_enforcement", "true")
		e.do("POST", "/api/login", `{"email":"alice@EXAMPLE.com","password":"`+password+`"}`).invalid("sso_enforced", "")
	})
}

func TestOAuthTokens(t *testing.T) {
	each(t, nil, func(t *testing.T, e *env) {
		alice, gone := e.user("alice"), e.user("gone", inactive)
		save := func(value users.Secret, token auth.OAuthToken) option {
			t.Helper()
			if err := e.api.Auth().SaveOAuthToken(t.Context(), value, token); err != nil {
				t.Fatal(err)
			}
			return header("Authorization", "Bearer "+string(value))
		}
		good := save("pha_good-good-good-good", auth.OAuthToken{UserID: alice.ID, Scopes: "user:read openid", ExpiresAt: e.now().Add(time.Hour)})
		e.do("GET", "/api/users/@me", "", good).ok(200).has("sensitive_session_expires_at", "null")
		e.do("PATCH", "/api/users/@me", `{"theme_mode":"dark"}`, good).refused(403, "authentication_error", "permission_denied", "")
		none := save("pha_none-none-none-none", auth.OAuthToken{UserID: alice.ID})
		e.do("GET", "/api/users/@me", "", none).refused(403, "authentication_error", "permission_denied", "")
		for _, bad := range []option{
			save("pha_gone-gone-gone-gone", auth.OAuthToken{UserID: gone.ID, Scopes: "*"}),
			header("Authorization", "Bearer pha_unknown"),
		} {
			e.do("GET", "/api/users/@me", "", bad).refused(401, "authentication_error", "authentication_failed", "")
		}
		e.advance(time.Hour)
		e.do("GET", "/api/users/@me", "", good).refused(401, "authentication_error", "authentication_failed", "")
	})
}

func TestActivityLog(t *testing.T) {
	each(t, nil, func(t *testing.T, e *env) {
		alice := e.user("alice")
		fresh := e.session(alice, 0)
		e.do("PATCH", "/api/users/@me", `{"theme_mode":"dark","first_name":"Ann","notification_settings":{"plugin_disabled":false}}`, fresh).ok(200)
		e.do("PATCH", "/api/users/@me", `{"first_name":null}`, fresh).ok(400)
		e.do("PATCH", "/api/users/@me", `{"theme_mode":"dark"}`, fresh).ok(200) // changes nothing
		e.do("DELETE", "/api/users/@me", "", fresh).ok(204)
		events, err := e.api.Users().Events(t.Context(), 0, 10)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, ev := range events {
			got = append(got, ev.Action+" ["+strings.Join(ev.Fields, " ")+"] "+string(ev.Credential))
		}
		want := []string{"user created [] host", "session started [] host", "user updated [first_name partial_notification_settings theme_mode] session", "user account deleted [] session"}
		if strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Errorf("the log holds\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	})
}
