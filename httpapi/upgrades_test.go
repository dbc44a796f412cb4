package httpapi_test

import (
	"slices"
	"testing"
	"time"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/users"
)

// rights are what alice has to come in with, besides the session that makes a
// change.
type rights struct {
	e          *env
	alice      users.User
	password   string
	secret     users.Secret
	cookie     option // makes the change
	session    option // another browser, with a set-up that waits
	setup      users.Secret
	remembered option
	pending    option
	backup     string
}

func (e *env) rights() *rights {
	e.t.Helper()
	r := &rights{e: e, password: password}
	r.alice = e.user("alice", func(u *users.User) { u.HasVerifiedPasskey = true })
	r.secret, r.cookie = e.enrol(r.alice)
	r.backup = e.backupCodes(r.cookie)[0]
	r.remembered = e.do("POST", "/api/login/token", token(e.code(r.secret)), e.pending("alice")).ok(200).cookie("remember-cookie_")
	e.advance(time.Minute)
	r.session = e.session(r.alice, 0)
	r.setup = e.start(r.session)
	r.pending = e.pending("alice")
	// All of it works so far.
	e.do("GET", "/api/users/@me", "", r.session).ok(200)
	e.do("POST", "/api/login", credentials("alice", password), r.remembered).ok(200)
	return r
}

// changes are what must end the rights of other browsers.
var changes = map[string]func(r *rights){
	"password change": func(r *rights) {
		r.password = "mighty-strong-secure-1337!!"
		r.e.do("PATCH", "/api/users/@me", `{"password":"`+r.password+`","current_password":"`+password+`"}`, r.cookie).ok(200)
	},
	"email change": func(r *rights) {
		r.e.do("PATCH", "/api/users/@me", `{"email":"new@example.com"}`, r.cookie).ok(200)
		r.e.do("PATCH", "/api/users/@me", `{"email":"alice@example.com"}`, r.cookie).ok(200)
	},
	"TOTP enabling": func(r *rights) {
		r.e.do("POST", own+"two_factor_validate", token(r.e.code(r.e.start(r.cookie))), r.cookie).ok(200)
	},
	"passkeys enabling": func(r *rights) {
		r.e.do("PATCH", "/api/users/@me", `{"passkeys_enabled_for_2fa":true}`, r.cookie).ok(200)
	},
	"disabling": func(r *rights) { r.e.do("POST", own+"two_factor_disable", "", r.cookie).ok(200) },
	"revoking":  func(r *rights) { r.e.do("POST", own+"login_sessions/revoke_others", "", r.cookie).ok(200) },
	"reset": func(r *rights) {
		if err := r.e.api.Auth().ResetSecondFactor(r.e.t.Context(), r.alice.ID); err != nil {
			r.e.t.Fatal(err)
		}
	},
	"deactivation": func(r *rights) {
		for _, active := range []bool{false, true} { // old rights do not come back
			if err := r.e.api.Auth().SetActive(r.e.t.Context(), r.alice.ID, active); err != nil {
				r.e.t.Fatal(err)
			}
		}
	},
	"deletion": func(r *rights) {
		r.e.do("DELETE", "/api/users/@me", "", r.cookie).ok(204)
		r.e.user("alice") // somebody else takes the address
	},
}

// TestChangesEndOldRights: after each change, each old right fails on its next
// use (R26, R30, A1).
func TestChangesEndOldRights(t *testing.T) {
	uses := map[string]func(r *rights){
		"session": func(r *rights) { r.e.do("GET", "/api/users/@me", "", r.session).nobody("not_authenticated") },
		"set-up": func(r *rights) {
			r.e.do("POST", own+"two_factor_validate", token(r.e.code(r.setup)), r.session).nobody("not_authenticated")
		},
		"pending login": func(r *rights) {
			r.e.do("POST", "/api/login/token", token(r.e.code(r.secret)), r.pending).invalid("invalid_2fa_session", "")
		},
		"remembered device": func(r *rights) {
			u, err := r.e.store.UserByEmail(r.e.t.Context(), "alice@example.com")
			if err != nil {
				r.e.t.Fatal(err)
			}
			if !u.Is2FAEnabled() { // nothing to skip, until there is again
				if err := r.e.api.Auth().SaveTOTP(r.e.t.Context(), u.ID, r.secret, nil); err != nil {
					r.e.t.Fatal(err)
				}
			}
			r.e.do("POST", "/api/login", credentials("alice", r.password), r.remembered).refused(401, "server_error", "2fa_required", "")
		},
	}
	for change, apply := range changes {
		for right, use := range uses {
			t.Run(right+" after "+change, func(t *testing.T) {
				each(t, nil, func(t *testing.T, e *env) {
					r := e.rights()
					apply(r)
					use(r)
				})
			})
		}
	}
}

// TestChangesEndBackupCodes that belong to an authenticator which is gone.
func TestChangesEndBackupCodes(t *testing.T) {
	for _, change := range []string{"TOTP enabling", "disabling", "reset", "deletion"} {
		t.Run(change, func(t *testing.T) {
			each(t, nil, func(t *testing.T, e *env) {
				r := e.rights()
				changes[change](r)
				u, err := e.store.UserByEmail(t.Context(), "alice@example.com")
				if err != nil {
					t.Fatal(err)
				}
				if !u.HasTOTP {
					if err := e.api.Auth().SaveTOTP(t.Context(), u.ID, r.secret, nil); err != nil {
						t.Fatal(err)
					}
				}
				e.advance(time.Hour)
				e.do("POST", "/api/login/token", token(r.backup), e.pending("alice")).invalid("2fa_invalid", "")
			})
		})
	}
}

// TestOwnSessionGoesOn through each change that it makes.
func TestOwnSessionGoesOn(t *testing.T) {
	for _, change := range []string{"email change", "TOTP enabling", "passkeys enabling", "disabling", "revoking"} {
		t.Run(change, func(t *testing.T) {
			each(t, nil, func(t *testing.T, e *env) {
				r := e.rights()
				changes[change](r)
				e.do("GET", "/api/users/@me", "", r.cookie).ok(200)
			})
		})
	}
}

// TestResetSecondFactor is the operator's way out.
func TestResetSecondFactor(t *testing.T) {
	each(t, withMail, func(t *testing.T, e *env) {
		alice := e.user("alice", func(u *users.User) { u.HasVerifiedPasskey = true })
		reset := func() {
			t.Helper()
			if err := e.api.Auth().ResetSecondFactor(t.Context(), alice.ID); err != nil {
				t.Fatal(err)
			}
		}
		reset()
		e.sent() // nothing was on
		_, cookie := e.enrol(alice)
		e.do("PATCH", "/api/users/@me", `{"passkeys_enabled_for_2fa":true}`, cookie).ok(200)
		reset()
		e.sent(auth.TwoFactorEnabled{}, auth.SecondFactorReset{})
		events, err := e.api.Users().Events(t.Context(), users.EventQuery{Limit: 100})
		if err != nil {
			t.Fatal(err)
		}
		if last := events[len(events)-1]; last.Action != "second factor reset" || last.Target != alice.ID || last.Credential != users.ByHost {
			t.Errorf("the last event is %+v", last)
		}
		e.do("GET", "/api/users/@me", "", cookie).ok(401)
		in := e.do("POST", "/api/login", credentials("alice", password)).ok(200).signedIn()
		e.do("GET", own+"two_factor_status", "", in).has("is_enabled", "false").has("has_passkeys", "true").has("backup_codes_remaining", "0")
		if err := e.api.Auth().ResetSecondFactor(t.Context(), alice.ID+100); err == nil {
			t.Error("reset of an unknown user: got nil, want an error")
		}
	})
}

// TestSecondFactorEvents: what happens to a second factor is in the log.
func TestSecondFactorEvents(t *testing.T) {
	each(t, nil, func(t *testing.T, e *env) {
		alice := e.user("alice")
		secret, cookie := e.enrol(alice)
		e.backupCodes(cookie)
		e.do("POST", "/api/login/token", token("000000"), e.pending("alice")).ok(400)
		e.advance(time.Minute)
		e.do("POST", "/api/login/token", token(e.code(secret)), e.pending("alice")).ok(200)
		e.do("POST", own+"login_sessions/revoke_others", "", cookie).ok(200)
		e.do("POST", own+"two_factor_disable", "", cookie).ok(200)
		events, err := e.api.Users().Events(t.Context(), users.EventQuery{Limit: 100})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, ev := range events[1:] { // the first one is of the account itself
			got = append(got, ev.Action)
			if ev.Target != alice.ID {
				t.Errorf("event %+v is not about alice", ev)
			}
		}
		want := []string{"session started", "second factor enabled", "backup codes created", "second factor failed", "second factor passed", "user logged in",
			"other sessions revoked", "second factor disabled"}
		if !slices.Equal(got, want) {
			t.Errorf("got events %q, want %q", got, want)
		}
	})
}
