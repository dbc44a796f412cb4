package httpapi_test

import (
	"testing"

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
		passed, err := e.api.Auth().StartSession(t.Context(), boss.ID, auth.StartOptions{SecondFactor: true})
		if err != nil {
			t.Fatal(err)
		}
		e.do("GET", "/api/users", "", header("Cookie", "sessionid="+string(passed))).ok(200)
		// Whoever must sign in elsewhere is asked for it there.
		o.SSOEnforcedDomains = []string{"example.com"}
		if _, err := e.api.Users().SaveOrganization(t.Context(), o); err != nil {
			t.Fatal(err)
		}
		e.do("GET", "/api/users", "", cookie).ok(200)
	})
}

// TestOrganizationMetadata always has an instance tag, contract section 7.3.
func TestOrganizationMetadata(t *testing.T) {
	each(t, nil, func(t *testing.T, e *env) {
		alice := e.user("alice")
		o, _ := e.organization("Acme", alice)
		for _, stored := range []users.JSON{o.Metadata, ""} {
			o.Metadata = stored
			if _, err := e.api.Users().SaveOrganization(t.Context(), o); err != nil {
				t.Fatal(err)
			}
			if got := e.do("GET", "/api/users/@me", "", e.key(alice, "*")).ok(200).part("organization", "metadata"); got != `{"instance_tag":"none"}` {
				t.Errorf("with %q stored, got metadata %s", stored, got)
			}
		}
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
