package httpapi_test

import (
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/users"
)

// linkToken returns that of the last mail of type M which was sent.
func linkToken[M auth.Message](e *env) string {
	e.t.Helper()
	for mail := e.mail(); len(mail) > 0; mail = mail[:len(mail)-1] {
		switch m := mail[len(mail)-1].(type) {
		case auth.EmailVerification:
			if _, ok := any(m).(M); ok {
				return string(m.Token)
			}
		case auth.PasswordReset:
			if _, ok := any(m).(M); ok {
				return string(m.Token)
			}
		}
	}
	e.t.Fatalf("no %v was sent", reflect.TypeFor[M]())
	return ""
}

// stage asks for a new address and returns the token that was mailed.
func (e *env) stage(u users.User, address string) string {
	e.t.Helper()
	e.do("PATCH", "/api/users/@me", `{"email":"`+address+`"}`, e.session(u, 0)).ok(200)
	return linkToken[auth.EmailVerification](e)
}

func (e *env) verify(u users.User, token string, options ...option) reply {
	e.t.Helper()
	return e.do("POST", "/api/users/verify_email", fmt.Sprintf(`{"uuid":%q,"token":%q}`, u.UUID, token), options...)
}

// stored reads the user from the store.
func (e *env) stored(u users.User) users.User {
	e.t.Helper()
	u, err := e.store.User(e.t.Context(), u.ID)
	if err != nil {
		e.t.Fatalf("read user: %v", err)
	}
	return u
}

func unverified(u *users.User) { u.IsEmailVerified = users.Some(false) }

// kinds lists type and address of mails.
func kinds(mail []auth.Message) string {
	var s []string
	for _, m := range mail {
		s = append(s, strings.TrimPrefix(fmt.Sprintf("%T ", m), "auth.")+m.Recipient().Email)
	}
	return strings.Join(s, ", ")
}

func (e *env) mailed(want string) []auth.Message {
	e.t.Helper()
	mail := e.mail()
	if got := kinds(mail); got != want {
		e.t.Errorf("got mail %q, want %q", got, want)
	}
	return mail
}

// TestEmailChange is contract section 8.4 with mail, and 10.6 with a pending
// address.
func TestEmailChange(t *testing.T) {
	each(t, withMail, func(t *testing.T, e *env) {
		alice, bob := e.user("alice"), e.user("bob")
		link := users.Identity{UserID: alice.ID, Provider: "github", Subject: "1", Login: "octocat", CreatedAt: e.now()}
		if err := e.api.Users().SaveIdentity(t.Context(), link); err != nil {
			t.Fatal(err)
		}
		own, other, bobs := e.session(alice, 0), e.session(alice, time.Hour), e.session(bob, 0)
		r := e.do("PATCH", "/api/users/@me", `{"email":"New@example.com","first_name":"A"}`, own).ok(200)
		r.has("email", `"alice@example.com"`).has("pending_email", `"New@example.com"`).has("first_name", `"A"`).has("is_email_verified", "true")
		mail := e.mailed("EmailVerification New@example.com, EmailChangeRequested alice@example.com")
		m := mail[0].(auth.EmailVerification)
		if want := "https://app.example.com/verify_email/" + alice.UUID.String() + "/" + string(m.Token); string(m.Link) != want || len(m.Token) < 43 {
			t.Errorf("got link %s, want %s", string(m.Link), want)
		}
		if m.To.User != alice.ID || m.To.Name != "A" || mail[1].(auth.EmailChangeRequested).New != "New@example.com" {
			t.Errorf("got mail %+v", mail)
		}
		e.do("POST", "/api/login", `{"email":"new@example.com","password":"`+password+`"}`).invalid("invalid_credentials", "")
		e.do("GET", "/api/users/@me", "", other).ok(200)

		e.advance(time.Minute)
		done := e.verify(alice, string(m.Token), bobs).ok(200)
		if want := `{"success":true,"token":"` + string(m.Token) + `"}`; done.raw != want {
			t.Errorf("got body %s, want %s", done.raw, want)
		}
		for _, old := range []option{own, other, bobs} {
			e.do("GET", "/api/users/@me", "", old).ok(401)
		}
		me := e.do("GET", "/api/users/@me", "", done.signedIn()).ok(200).has("email", `"New@example.com"`).has("pending_email", "null")
		me.has("uuid", `"`+alice.UUID.String()+`"`).has("is_email_verified", "true").has("has_social_auth", "false")
		me.has("sensitive_session_expires_at", `"2026-05-01T14:01:00.123456+00:00"`)
		if got := e.stored(alice).LastLogin; !got.Equal(e.now()) {
			t.Errorf("got last login %v, want %v", got, e.now())
		}
		for _, m := range e.mailed("EmailChanged alice@example.com, EmailChanged New@example.com") {
			if m := m.(auth.EmailChanged); m.Old != "alice@example.com" || m.New != "New@example.com" {
				t.Errorf("got %+v", m)
			}
		}
		if !strings.Contains(done.header.Get("Set-Cookie"), "; HttpOnly; Secure; SameSite=Lax") {
			t.Errorf("got cookie %q", done.header.Get("Set-Cookie"))
		}
		e.verify(alice, string(m.Token)).invalid("invalid_token", "token")
		var actions []string
		events, err := e.api.Users().Events(t.Context(), users.EventQuery{Limit: 100})
		if err != nil {
			t.Fatal(err)
		}
		for _, ev := range events[len(events)-3:] {
			actions = append(actions, ev.Action+" "+strings.Join(ev.Fields, ",")+" "+string(ev.Credential))
		}
		want := "user updated first_name,pending_email session; user verified email email,is_email_verified,pending_email email_link; user logged in  session"
		if got := strings.Join(actions, "; "); got != want {
			t.Errorf("got events %q, want %q", got, want)
		}
	})
}

// TestEmailChangeThatFails sends nothing and stages nothing.
func TestEmailChangeThatFails(t *testing.T) {
	each(t, withMail, func(t *testing.T, e *env) {
		alice, _ := e.user("alice"), e.user("bob")
		for body, want := range map[string][2]string{
			`{"email":"new@example.com","theme_mode":"blue"}`:                                             {"invalid_choice", "theme_mode"},
			`{"email":"new@example.com","password":"a_new_password"}`:                                     {"required", "current_password"},
			`{"email":"new@example.com","password":"a_new_password","current_password":"wrong"}`:          {"incorrect_password", "current_password"},
			`{"email":"new@example.com","password":"123","current_password":"` + password + `"}`:          {"invalid_input", "password"},
			`{"email":"BOB@example.com"}`:                                                                 {"unique", "email"},
			`{"email":"new@example.com\r\nBcc: eve@example.com"}`:                                         {"invalid_input", "email"},
			`{"email":"Eve <new@example.com>"}`:                                                           {"invalid_input", "email"},
			`{"email":"new@example.com","set_current_organization":"` + unknownID + `"}`:                  {"does_not_exist", "set_current_organization"},
			`{"email":"new@example.com","first_name":"A","notification_settings":{"no_such_thing":true}}`: {"invalid_input", "notification_settings"},
		} {
			e.do("PATCH", "/api/users/@me", body, e.session(alice, 0)).invalid(want[0], want[1])
		}
		e.mailed("")
		if got := e.stored(alice); got.PendingEmail != "" || got.FirstName != alice.FirstName {
			t.Errorf("a refused change left %+v", got)
		}
	})
}

// TestStagingIsLimited: nobody has mail sent to any number of strangers.
func TestStagingIsLimited(t *testing.T) {
	each(t, withMail, func(t *testing.T, e *env) {
		alice := e.user("alice")
		change := func(n int) reply {
			return e.do("PATCH", "/api/users/@me", fmt.Sprintf(`{"email":"new%d@example.com"}`, n), e.session(alice, 0))
		}
		for n := range 10 {
			change(n).ok(200)
		}
		change(10).refused(429, "throttled_error", "throttled", "")
		if got := e.stored(alice).PendingEmail; got != "new9@example.com" {
			t.Errorf("got pending address %s after a refusal", got)
		}
		if got := len(e.mail()); got != 20 {
			t.Errorf("got %d mails, want 20", got)
		}
		e.do("PATCH", "/api/users/@me", `{"email":"ALICE@example.com"}`, e.session(alice, 0)).ok(200)
		e.advance(time.Hour)
		change(10).ok(200)
	})
}

// TestVerifyWithoutChange proves the current address: nothing else is touched.
func TestVerifyWithoutChange(t *testing.T) {
	each(t, withMail, func(t *testing.T, e *env) {
		alice := e.user("alice", unverified)
		link := users.Identity{UserID: alice.ID, Provider: "github", Subject: "1", CreatedAt: e.now()}
		if err := e.api.Users().SaveIdentity(t.Context(), link); err != nil {
			t.Fatal(err)
		}
		other := e.session(alice, 0)
		e.do("POST", "/api/users/request_email_verification/", `{"uuid":"`+alice.UUID.String()+`"}`).ok(200)
		tk := linkToken[auth.EmailVerification](e)
		r := e.verify(alice, tk).ok(200)
		e.do("GET", "/api/users/@me/", "", r.signedIn()).ok(200).has("is_email_verified", "true").has("has_social_auth", "true")
		e.do("GET", "/api/users/@me/", "", other).ok(200)
		e.mailed("")
		e.verify(alice, tk).invalid("invalid_token", "token")
	})
}

// TestVerifyEmailRefusals is contract section 10.6: all that is wrong with a
// token has one answer.
func TestVerifyEmailRefusals(t *testing.T) {
	each(t, withMail, func(t *testing.T, e *env) {
		alice, bob, gone := e.user("alice"), e.user("bob"), e.user("gone")
		good, foreign := e.stage(alice, "alice2@example.com"), e.stage(bob, "bob2@example.com")
		left := e.stage(gone, "gone2@example.com")
		if err := e.api.Auth().SetActive(t.Context(), gone.ID, false); err != nil {
			t.Fatal(err)
		}
		e.do("POST", "/api/reset", `{"email":"alice@example.com"}`).ok(204)
		reset := linkToken[auth.PasswordReset](e)
		send := func(body string) reply { return e.do("POST", "/api/users/verify_email/", body) }
		for _, body := range []string{``, `{}`, `{"token":"x"}`, `{"token":""}`} {
			send(body).invalid("required", "uuid")
		}
		id := `{"uuid":"` + alice.UUID.String() + `"`
		for _, body := range []string{id + `}`, id + `,"token":""}`, id + `,"token":null}`, `{"uuid":"x"}`} {
			send(body).invalid("required", "token")
		}
		send(`[]`).invalid("invalid_input", "")
		send(`{`).refused(400, "invalid_request", "parse_error", "")
		var answer string
		for name, body := range map[string]string{
			"unknown user":    `{"uuid":"` + unknownID + `","token":"` + good + `"}`,
			"malformed user":  `{"uuid":"x","token":"` + good + `"}`,
			"no user":         `{"uuid":null,"token":"` + good + `"}`,
			"a list":          `{"uuid":["x"],"token":"` + good + `"}`,
			"inactive user":   `{"uuid":"` + gone.UUID.String() + `","token":"` + left + `"}`,
			"unknown token":   id + `,"token":"` + strings.Repeat("A", len(good)) + `"}`,
			"malformed token": id + `,"token":"\u0000"}`,
			"number":          id + `,"token":123456}`,
			"token as list":   id + `,"token":["` + good + `"]}`,
			"foreign token":   id + `,"token":"` + foreign + `"}`,
			"other purpose":   id + `,"token":"` + reset + `"}`,
			"shorter":         id + `,"token":"` + good[:len(good)-1] + `"}`,
			"blanks around":   id + `,"token":" ` + good + ` "}`,
			"other case":      id + `,"token":"` + strings.ToUpper(good) + `"}`,
		} {
			r := send(body)
			r.invalid("invalid_token", "token")
			if answer == "" {
				answer = r.raw
			}
			if r.raw != answer || r.header.Get("Set-Cookie") != "" {
				t.Errorf("%s: got %s, want %s", name, r.raw, answer)
			}
		}
		if got := e.stored(alice); got.Email != "alice@example.com" || got.PendingEmail != "alice2@example.com" {
			t.Errorf("a refused token changed the account: %+v", got)
		}
		e.advance(24*time.Hour - time.Microsecond)
		e.verify(bob, foreign).ok(200)
		e.advance(time.Microsecond)
		e.verify(alice, good).invalid("invalid_token", "token")
	})
}

// TestVerifyWithABadCredential: open does not mean that anything goes.
func TestVerifyWithABadCredential(t *testing.T) {
	each(t, withMail, func(t *testing.T, e *env) {
		alice := e.user("alice")
		tk := e.stage(alice, "new@example.com")
		bad := header("Authorization", "Bearer phx_wrong")
		e.verify(alice, tk, bad).refused(401, "authentication_error", "authentication_failed", "")
		e.do("POST", "/api/users/request_email_verification", `{"uuid":"x"}`, bad).ok(401)
		e.verify(alice, tk, header("Origin", "https://evil.example"), header("Sec-Fetch-Site", "cross-site")).
			refused(403, "authentication_error", "permission_denied", "")
		// A dead cookie is nobody's, and a key verifies without getting a cookie.
		key, before := e.key(alice, "user:read"), e.session(alice, 0)
		r := e.verify(alice, tk, key).ok(200).has("success", "true")
		if r.header.Get("Set-Cookie") != "" {
			t.Error("a request with a key got a cookie")
		}
		e.do("GET", "/api/users/@me", "", before).ok(401)
		e.do("GET", "/api/users/@me", "", key).ok(200).has("email", `"new@example.com"`)
	})
}

// TestVerifyElsewhere: who has a second factor, or must sign in elsewhere, is not
// signed in by a mail.
func TestVerifyElsewhere(t *testing.T) {
	each(t, withMail, func(t *testing.T, e *env) {
		alice, carol := e.user("alice", func(u *users.User) { u.HasTOTP = true }), e.user("carol")
		own, other := e.session(alice, 0), e.session(alice, 0)
		tk := e.stage(alice, "new@example.com")
		r := e.verify(alice, tk, own).ok(200).has("requires_2fa", "true").has("success", "true").has("token", `"`+tk+`"`)
		if r.header.Get("Set-Cookie") != "" {
			t.Error("a cookie was set without the second factor")
		}
		e.do("GET", "/api/users/@me", "", own).ok(200).has("email", `"new@example.com"`)
		e.do("GET", "/api/users/@me", "", other).ok(401)
		if !e.stored(alice).LastLogin.IsZero() {
			t.Error("a verification without login counts as one")
		}
		again, err := e.api.Auth().NewVerificationToken(t.Context(), alice.ID)
		if err != nil {
			t.Fatal(err)
		}
		e.verify(alice, string(again)).ok(200) // changes nothing, but is spent
		e.verify(alice, string(again)).invalid("invalid_token", "token")
		o, _ := e.organization("acme", carol)
		tk = e.stage(carol, "carol@sso.example")
		o.SSOEnforcedDomains = []string{"sso.example"}
		if _, err := e.api.Users().SaveOrganization(t.Context(), o); err != nil {
			t.Fatal(err)
		}
		if r := e.verify(carol, tk).ok(200).has("requires_sso", "true"); r.header.Get("Set-Cookie") != "" {
			t.Error("a cookie was set for somebody who must sign in elsewhere")
		}
	})
}

// TestAddressTakenMeanwhile: the account stays as it is, and whoever has the link
// does not learn why.
func TestAddressTakenMeanwhile(t *testing.T) {
	each(t, withMail, func(t *testing.T, e *env) {
		alice := e.user("alice")
		tk := e.stage(alice, "Bob@example.com")
		e.user("bob")
		e.verify(alice, tk).invalid("invalid_token", "token")
		if got := e.stored(alice); got.Email != "alice@example.com" || got.PendingEmail != "Bob@example.com" {
			t.Errorf("got %+v, want the account unchanged", got)
		}
		e.mailed("")
	})
}

// TestRequestVerification is contract section 10.7.
func TestRequestVerification(t *testing.T) {
	send := func(e *env, body string, options ...option) reply {
		return e.do("POST", "/api/users/request_email_verification/", body, options...)
	}
	each(t, nil, func(t *testing.T, e *env) {
		send(e, `{"uuid":"`+unknownID+`"}`).invalid("email_not_available", "")
	})
	each(t, withMail, func(t *testing.T, e *env) {
		alice, gone := e.user("alice"), e.user("gone", inactive)
		older := e.user("older", func(u *users.User) { u.IsEmailVerified = users.Null[bool]{} })
		fresh := e.user("fresh", unverified)
		send(e, ``).invalid("required", "uuid")
		send(e, `{"email":"alice@example.com"}`).invalid("required", "uuid")
		for _, id := range []string{`"` + unknownID + `"`, `"` + gone.UUID.String() + `"`, `"x"`, `null`, `7`, `["x"]`} {
			if r := send(e, `{"uuid":`+id+`}`).ok(200); r.raw != `{"success":true}` {
				t.Errorf("%s: got %s", id, r.raw)
			}
		}
		send(e, `{"uuid":"`+alice.UUID.String()+`"}`).invalid("already_verified", "")
		e.mailed("")
		for _, u := range []users.User{older, fresh} {
			if r := send(e, `{"uuid":"`+u.UUID.String()+`"}`).ok(200); r.raw != `{"success":true}` {
				t.Errorf("got %s", r.raw)
			}
			e.mailed("EmailVerification " + u.Email)
		}
		first := e.stage(alice, "new@example.com")
		send(e, `{"uuid":"`+strings.ToUpper(alice.UUID.String())+`"}`).ok(200)
		second := e.mailed("EmailVerification new@example.com")[0].(auth.EmailVerification)
		e.verify(alice, first).ok(200) // asking again does not spoil the first link
		e.verify(alice, string(second.Token)).invalid("invalid_token", "token")
	})
}

// TestVerificationMailLimit is contract section 5: six in 24 hours, by the first
// of caller, address, uuid and client that there is.
func TestVerificationMailLimit(t *testing.T) {
	each(t, withMail, func(t *testing.T, e *env) {
		alice, bob, carol := e.user("alice", unverified), e.user("bob", unverified), e.user("carol")
		send := func(body string, options ...option) reply {
			return e.do("POST", "/api/users/request_email_verification", body, options...)
		}
		exhaust := func(name, body string, options ...option) {
			t.Helper()
			for range 6 {
				if r := send(body, options...); r.status == 429 {
					t.Errorf("%s: refused too early", name)
				}
			}
			r := send(body, options...)
			r.refused(429, "throttled_error", "throttled", "")
			if r.header.Get("Retry-After") != "86400" {
				t.Errorf("%s: got Retry-After %q, want 86400", name, r.header.Get("Retry-After"))
			}
		}
		byUUID := `{"uuid":"` + alice.UUID.String() + `"}`
		exhaust("uuid", byUUID)
		if got := len(e.mail()); got != 6 {
			t.Errorf("got %d mails, want 6", got)
		}
		send(`{"uuid":"` + strings.ToUpper(alice.UUID.String()) + `"}`).ok(429)
		send(`{"uuid":"` + bob.UUID.String() + `"}`).ok(200)
		exhaust("address", `{"email":"x@example.com"}`)
		send(`{"email":"X@Example.com","uuid":"` + bob.UUID.String() + `"}`).ok(429)
		exhaust("client", ``)
		send(``, func(r *http.Request) { r.RemoteAddr = "203.0.113.9:1" }).ok(400)
		caller := e.session(carol, 0)
		exhaust("caller", byUUID, caller)
		send(`{"uuid":"`+unknownID+`"}`, caller).ok(429)

		// Other ways of asking bring no more mail to one account.
		e.mail()
		for n := range 9 {
			send(fmt.Sprintf(`{"email":"x%d@example.com","uuid":"%s"}`, n, bob.UUID)).ok(200)
		}
		if got := len(e.mail()); got != 5 {
			t.Errorf("got %d more mails to Bob, want 5", got)
		}
		e.advance(24 * time.Hour)
		send(byUUID).ok(200)
		e.mailed("EmailVerification alice@example.com")
	})
}

// TestCancelEmailChange is contract section 10.5.
func TestCancelEmailChange(t *testing.T) {
	const path = "/api/users/cancel_email_change_request"
	each(t, withMail, func(t *testing.T, e *env) {
		alice, boss := e.user("alice"), e.user("boss", staff)
		cookie := e.session(alice, 0)
		e.do("PATCH", path, "", cookie).invalid("email_change_request_not_found", "")
		tk := e.stage(alice, "new@example.com")
		e.do("PATCH", path+"/", "", e.session(boss, 0)).invalid("email_change_request_not_found", "")
		e.do("PATCH", path, "", e.session(alice, 3*time.Hour)).refused(403, "authentication_error", "sensitive_action_required_reauth", "")
		e.do("PATCH", path+"/", `{"first_name":"Z","email":3}`, cookie).ok(200).has("pending_email", "null").
			has("email", `"alice@example.com"`).has("first_name", `"Alice"`).has("uuid", `"`+alice.UUID.String()+`"`)
		e.verify(alice, tk).invalid("invalid_token", "token")
		again := e.stage(alice, "new@example.com")
		e.verify(alice, tk).invalid("invalid_token", "token") // not even for the same address
		e.verify(alice, again).ok(200)
		e.do("GET", path, "", cookie).ok(401)
	})
}

// TestLoginBeforeVerification is contract section 11.1.
func TestLoginBeforeVerification(t *testing.T) {
	each(t, withMail, func(t *testing.T, e *env) {
		fresh, older := e.user("fresh", unverified), e.user("older", func(u *users.User) { u.IsEmailVerified = users.Null[bool]{} })
		e.user("alice")
		login := func(name, password string) reply {
			return e.do("POST", "/api/login", `{"email":"`+name+`@example.com","password":"`+password+`"}`)
		}
		login("fresh", "wrong").invalid("invalid_credentials", "")
		e.mailed("")
		login("alice", password).ok(200)
		e.mailed("")
		login("older", password).ok(200)
		tk := linkToken[auth.EmailVerification](e)
		e.verify(older, tk).ok(200)
		for range 8 {
			login("fresh", password).invalid("not_verified", "")
		}
		mail := e.mail()
		if len(mail) != 6 {
			t.Fatalf("got %d mails, want 6", len(mail))
		}
		e.verify(fresh, string(mail[0].(auth.EmailVerification).Token)).ok(200)
		login("fresh", password).ok(200)
		e.mailed("")
	})
}

// TestSecondStepBeforeVerification: who signs in by two steps is reminded after
// the second. Setting up the authenticator ends the links sent before.
func TestSecondStepBeforeVerification(t *testing.T) {
	each(t, withMail, func(t *testing.T, e *env) {
		older := e.user("older", func(u *users.User) { u.IsEmailVerified = users.Null[bool]{} })
		early, reset := e.stage(older, "new@example.com"), e.askReset(older)
		secret, _ := e.enrol(older)
		e.mailed("TwoFactorEnabled older@example.com")
		e.verify(older, early).invalid("invalid_token", "token")
		e.checkReset(older, reset).invalid("invalid_token", "token")
		pending := e.pending("older")
		e.mailed("")
		e.do("POST", "/api/login/token", token(e.code(secret)), pending).ok(200)
		tk := linkToken[auth.EmailVerification](e)
		e.verify(older, tk).ok(200).has("requires_2fa", "true")
	})
}
