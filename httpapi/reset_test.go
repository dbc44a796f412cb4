package httpapi_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/users"
)

const newPassword = "mighty-strong-secure-1337!!"

// askReset asks for a link and returns its token.
func (e *env) askReset(u users.User) string {
	e.t.Helper()
	e.do("POST", "/api/reset", `{"email":"`+u.Email+`"}`).ok(204)
	return linkToken[auth.PasswordReset](e)
}

func (e *env) checkReset(u users.User, token string) reply {
	e.t.Helper()
	return e.do("GET", "/api/reset/"+u.UUID.String()+"?token="+token, "")
}

func (e *env) reset(u users.User, token, password string, options ...option) reply {
	e.t.Helper()
	return e.do("POST", "/api/reset/"+u.UUID.String(), fmt.Sprintf(`{"token":%q,"password":%q}`, token, password), options...)
}

func TestPasswordReset(t *testing.T) {
	each(t, withMail, func(t *testing.T, e *env) {
		alice := e.user("alice")
		cookie := e.session(alice, 0)
		e.do("POST", "/api/reset/", `{"email":" ALICE@example.com "}`).ok(204)
		m := e.mailed("PasswordReset alice@example.com")[0].(auth.PasswordReset)
		if want := "https://app.example.com/reset/" + alice.UUID.String() + "/" + string(m.Token); string(m.Link) != want {
			t.Errorf("got link %s, want %s", string(m.Link), want)
		}
		tk := string(m.Token)
		for range 2 { // looking spends nothing
			e.checkReset(alice, tk).ok(204)
			e.do("HEAD", "/api/reset/"+alice.UUID.String()+"/?token="+tk, "").ok(204)
		}
		for weak, code := range map[string]string{"": "blank", "  ": "blank", "123": "invalid_input", "12345678": "invalid_input",
			"alice@example.com": "invalid_input", strings.Repeat("x", 129): "max_length"} {
			e.reset(alice, tk, weak).invalid(code, "password")
		}
		e.do("POST", "/api/reset/"+alice.UUID.String(), `{"token":"`+tk+`"}`).invalid("required", "password")
		e.do("POST", "/api/reset/"+alice.UUID.String(), `{"password":"`+newPassword+`"}`).invalid("required", "token")
		e.do("GET", "/api/users/@me", "", cookie).ok(200)

		r := e.reset(alice, tk, " "+newPassword+" ", cookie).ok(204)
		if r.header.Get("Set-Cookie") != "" {
			t.Error("resetting a password signs in")
		}
		e.do("GET", "/api/users/@me", "", cookie).ok(401)
		e.mailed("PasswordChanged alice@example.com")
		e.reset(alice, tk, newPassword).invalid("invalid_token", "token")
		e.checkReset(alice, tk).invalid("invalid_token", "token")
		e.do("POST", "/api/login", `{"email":"alice@example.com","password":"`+password+`"}`).invalid("invalid_credentials", "")
		e.do("POST", "/api/login", `{"email":"alice@example.com","password":"`+newPassword+`"}`).ok(200)
	})
}

// TestPasswordResetRefusals: all that is wrong with a token has one answer.
func TestPasswordResetRefusals(t *testing.T) {
	each(t, withMail, func(t *testing.T, e *env) {
		alice, bob, gone := e.user("alice"), e.user("bob"), e.user("gone")
		good, foreign, left := e.askReset(alice), e.askReset(bob), e.askReset(gone)
		if err := e.api.Auth().SetActive(t.Context(), gone.ID, false); err != nil {
			t.Fatal(err)
		}
		verification, err := e.api.Auth().NewVerificationToken(t.Context(), alice.ID)
		if err != nil {
			t.Fatal(err)
		}
		unknown := users.User{}
		var answer string
		for name, test := range map[string]struct {
			user  users.User
			token string
		}{
			"unknown user": {unknown, good}, "inactive user": {gone, left}, "foreign token": {alice, foreign}, "unknown token": {alice, "x"},
			"other purpose": {alice, string(verification)}, "other case": {alice, strings.ToLower(good)},
		} {
			e.checkReset(test.user, test.token).invalid("invalid_token", "token")
			r := e.reset(test.user, test.token, newPassword)
			r.invalid("invalid_token", "token")
			if answer == "" {
				answer = r.raw
			}
			if r.raw != answer {
				t.Errorf("%s: got %s, want %s", name, r.raw, answer)
			}
		}
		e.do("GET", "/api/reset/nonsense?token="+good, "").invalid("invalid_token", "token")
		e.do("GET", "/api/reset/a.b?token="+good, "").refused(404, "invalid_request", "not_found", "")
		e.checkReset(alice, "").invalid("invalid_token", "token")
		e.advance(24 * time.Hour)
		e.checkReset(alice, good).invalid("invalid_token", "token")
		e.reset(alice, good, newPassword).invalid("invalid_token", "token")
	})
}

// TestAskForReset: the answer does not tell who has an account.
func TestAskForReset(t *testing.T) {
	each(t, nil, func(t *testing.T, e *env) {
		e.do("POST", "/api/reset", `{"email":"alice@example.com"}`).invalid("email_not_available", "")
	})
	each(t, withMail, func(t *testing.T, e *env) {
		e.user("alice")
		e.user("gone", inactive)
		e.user("social", noPassword)
		e.do("POST", "/api/reset", ``).invalid("required", "email")
		e.do("POST", "/api/reset", `{"email":null}`).invalid("null", "email")
		e.do("POST", "/api/reset", `{"email":"alice"}`).invalid("invalid_input", "email")
		e.do("POST", "/api/reset", `[]`).invalid("invalid_input", "")
		for _, name := range []string{"alice", "nobody", "gone", "social"} {
			if r := e.do("POST", "/api/reset", `{"email":"`+name+`@example.com"}`).ok(204); r.raw != "" {
				t.Errorf("%s: got body %s", name, r.raw)
			}
		}
		e.mailed("PasswordReset alice@example.com, PasswordReset social@example.com")
		for _, name := range []string{"alice", "nobody"} {
			for range 5 {
				e.do("POST", "/api/reset", `{"email":"`+name+`@example.com"}`).ok(204)
			}
			e.do("POST", "/api/reset", `{"email":"`+strings.ToUpper(name)+`@example.com"}`).refused(429, "throttled_error", "throttled", "")
		}
		e.advance(24 * time.Hour)
		e.do("POST", "/api/reset", `{"email":"alice@example.com"}`).ok(204)
	})
}

// TestResetKeepsTheSecondFactor: who has one is asked for it as ever.
func TestResetKeepsTheSecondFactor(t *testing.T) {
	each(t, withMail, func(t *testing.T, e *env) {
		alice := e.user("alice", func(u *users.User) { u.HasTOTP = true })
		e.reset(alice, e.askReset(alice), newPassword).ok(204)
		if !e.stored(alice).HasTOTP {
			t.Error("resetting the password removed the second factor")
		}
	})
}
