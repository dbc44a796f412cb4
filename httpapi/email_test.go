package httpapi_test

import (
	"testing"

	"github.com/hedgerow-dev/hedgerow/users"
)

// TestEmailChangeWithoutMail: contract section 8.4, at once.
func TestEmailChangeWithoutMail(t *testing.T) {
	each(t, nil, func(t *testing.T, e *env) {
		alice := e.user("alice")
		e.user("bob")
		fresh := e.session(alice, 0)
		const me = "/api/users/@me"
		// Only the case differs: stored as sent.
		e.do("PATCH", me, `{"email":" ALICE@Example.com "}`, fresh).ok(200).has("email", `"ALICE@Example.com"`).has("pending_email", "null")
		e.do("PATCH", me, `{"email":"new@example.com","first_name":"A"}`, fresh).ok(200).has("email", `"new@example.com"`).has("pending_email", "null").
			has("is_email_verified", "true").has("first_name", `"A"`)
		e.do("POST", "/api/login", credentials("new", password)).ok(200)
		e.do("POST", "/api/login", credentials("alice", password)).invalid("invalid_credentials", "")
		for _, taken := range []string{"bob@example.com", "BOB@EXAMPLE.COM", " bob@example.com "} {
			e.do("PATCH", me, `{"email":"`+taken+`","first_name":"B"}`, fresh).invalid("unique", "email")
		}
		e.do("GET", me, "", fresh).ok(200).has("email", `"new@example.com"`).has("first_name", `"A"`)
		// The old address is free again, and no rule of sign-in is in the way.
		o, _ := e.organization("Acme", alice)
		o.SSOEnforcedDomains = []string{"example.com"}
		if _, err := e.api.Users().SaveOrganization(t.Context(), o); err != nil {
			t.Fatal(err)
		}
		e.do("PATCH", me, `{"email":"alice@example.com"}`, fresh).ok(200).has("email", `"alice@example.com"`)
	})
}

// TestEmailChangeWithMail: contract section 8.4, staged.
func TestEmailChangeWithMail(t *testing.T) {
	each(t, withMail, func(t *testing.T, e *env) {
		alice, boss := e.user("alice"), e.user("boss", staff)
		fresh, other := e.session(alice, 0), e.session(alice, 0)
		const me = "/api/users/@me"
		staged := func(r reply, email, pending string) {
			t.Helper()
			r.ok(200).has("email", email).has("pending_email", pending)
		}
		staged(e.do("PATCH", me, `{"email":"new@example.com","first_name":"A"}`, fresh).has("first_name", `"A"`), `"alice@example.com"`, `"new@example.com"`)
		staged(e.do("PATCH", me, `{"email":"newer@example.com"}`, fresh), `"alice@example.com"`, `"newer@example.com"`)
		staged(e.do("PATCH", me, `{"email":"Alice@example.com"}`, fresh), `"Alice@example.com"`, `"newer@example.com"`)
		e.do("PATCH", me, `{"email":"boss@example.com","first_name":"B"}`, fresh).invalid("unique", "email")
		// A wrong password stages nothing.
		e.do("PATCH", me, `{"email":"third@example.com","password":"mighty-strong-secure-1337!!","current_password":"wrong"}`, fresh).invalid("incorrect_password", "current_password")
		staged(e.do("GET", me, "", fresh).has("first_name", `"A"`), `"Alice@example.com"`, `"newer@example.com"`)
		e.do("GET", me, "", other).ok(200) // nothing has changed yet, so the sessions go on
		e.do("POST", "/api/login", credentials("alice", password)).ok(200)
		e.do("POST", "/api/login", credentials("newer", password)).invalid("invalid_credentials", "")
		staged(e.do("PATCH", "/api/users/"+alice.UUID.String(), `{"email":"by-staff@example.com"}`, e.session(boss, 0)), `"Alice@example.com"`, `"by-staff@example.com"`)

		enforce := func(domains ...string) {
			t.Helper()
			o := users.NewOrganization()
			o.Name, o.SSOEnforcedDomains = "Acme", domains
			if _, err := e.api.Users().SaveOrganization(t.Context(), o); err != nil {
				t.Fatal(err)
			}
		}
		enforce("Corp.example")
		e.do("PATCH", me, `{"email":"a@corp.EXAMPLE","first_name":"C"}`, fresh).invalid("sso_enforced_new_email", "")
		enforce("example.com")
		e.do("PATCH", me, `{"email":"a@corp.example"}`, fresh).invalid("sso_enforced_current_email", "")
		e.do("PATCH", me, `{"email":"free@elsewhere.example"}`, fresh).invalid("sso_enforced_current_email", "")
		staged(e.do("GET", me, "", fresh).has("first_name", `"A"`), `"Alice@example.com"`, `"by-staff@example.com"`)
		e.do("PATCH", me, `{"email":"ALICE@example.com"}`, fresh).ok(200).has("email", `"ALICE@example.com"`)
	})
}

// TestEmailChangeEndsOtherSessions spares them when only the case differs.
func TestEmailChangeEndsOtherSessions(t *testing.T) {
	each(t, nil, func(t *testing.T, e *env) {
		alice := e.user("alice")
		own, other := e.session(alice, 0), e.session(alice, 0)
		e.do("PATCH", "/api/users/@me", `{"email":"Alice@example.com"}`, own).ok(200).has("email", `"Alice@example.com"`)
		e.do("GET", "/api/users/@me", "", other).ok(200)
		e.do("PATCH", "/api/users/@me", `{"email":"new@example.com"}`, own).ok(200)
		e.do("GET", "/api/users/@me", "", other).ok(401)
		e.do("GET", "/api/users/@me", "", own).ok(200)
	})
}
