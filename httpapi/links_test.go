package httpapi_test

import (
	"crypto/sha256"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/users"
)

// TestOldLinksFail: after a change of what protects an account, no link works
// that was sent before, and undoing the change does not revive one.
func TestOldLinksFail(t *testing.T) {
	patch := func(body string) func(*env, users.User) {
		return func(e *env, u users.User) { e.do("PATCH", "/api/users/@me", body, e.session(u, 0)).ok(200) }
	}
	active := func(e *env, u users.User, active bool) {
		if err := e.api.Auth().SetActive(e.t.Context(), u.ID, active); err != nil {
			e.t.Fatal(err)
		}
	}
	for name, change := range map[string]func(*env, users.User){
		"password change": patch(`{"password":"` + newPassword + `","current_password":"` + password + `"}`),
		"password reset":  func(e *env, u users.User) { e.reset(u, e.askReset(u), newPassword).ok(204) },
		"second change":   patch(`{"email":"third@example.com"}`),
		"change and back": func(e *env, u users.User) {
			patch(`{"email":"third@example.com"}`)(e, u)
			patch(`{"email":"second@example.com"}`)(e, u)
		},
		"completed change": func(e *env, u users.User) {
			tk, err := e.api.Auth().NewVerificationToken(e.t.Context(), u.ID)
			if err != nil {
				e.t.Fatal(err)
			}
			e.verify(u, string(tk)).ok(200)
		},
		"cancel": func(e *env, u users.User) {
			e.do("PATCH", "/api/users/cancel_email_change_request", "", e.session(u, 0)).ok(200)
		},
		"cancel and again": func(e *env, u users.User) {
			e.do("PATCH", "/api/users/cancel_email_change_request", "", e.session(u, 0)).ok(200)
			patch(`{"email":"second@example.com"}`)(e, u)
		},
		"login": func(e *env, u users.User) {
			e.advance(1000)
			e.do("POST", "/api/login", `{"email":"alice@example.com","password":"`+password+`"}`).ok(200)
		},
		"case change":           patch(`{"email":"ALICE@example.com"}`),
		"deactivation":          func(e *env, u users.User) { active(e, u, false) },
		"and back":              func(e *env, u users.User) { active(e, u, false); active(e, u, true) },
		"deletion":              func(e *env, u users.User) { e.do("DELETE", "/api/users/@me", "", e.session(u, 0)).ok(204) },
		"deactivated elsewhere": func(e *env, u users.User) { e.save(u, func(u *users.User) { u.IsActive = false }) },
		"pending elsewhere":     func(e *env, u users.User) { e.save(u, func(u *users.User) { u.PendingEmail = "third@example.com" }) },
		"cancel and again elsewhere": func(e *env, u users.User) {
			e.do("PATCH", "/api/users/cancel_email_change_request", "", e.session(u, 0)).ok(200)
			e.save(u, func(u *users.User) { u.PendingEmail = "second@example.com" })
		},
		"authenticator": func(e *env, u users.User) { e.save(u, func(u *users.User) { u.HasTOTP = true }) },
		"authenticator, off and on": func(e *env, u users.User) {
			_, cookie := e.enrol(u)
			e.do("POST", own+"two_factor_disable", "", cookie).ok(200)
			e.enrol(u)
		},
		"authenticator reset": func(e *env, u users.User) {
			e.enrol(u)
			if err := e.api.Auth().ResetSecondFactor(e.t.Context(), u.ID); err != nil {
				e.t.Fatal(err)
			}
		},
		"passkeys": func(e *env, u users.User) {
			e.save(u, func(u *users.User) { u.PasskeysEnabledFor2FA = users.Some(true) })
		},
	} {
		t.Run(name, func(t *testing.T) {
			each(t, withMail, func(t *testing.T, e *env) {
				alice := e.user("alice")
				verify := e.stage(alice, "second@example.com")
				reset := e.askReset(alice)
				change(e, alice)
				e.verify(alice, verify).invalid("invalid_token", "token")
				e.checkReset(alice, reset).invalid("invalid_token", "token")
				e.reset(alice, reset, "another-strong-secure-1337!!").invalid("invalid_token", "token")
			})
		})
	}
}

// save changes a stored user.
func (e *env) save(u users.User, change func(*users.User)) {
	e.t.Helper()
	ctx := e.t.Context()
	err := e.store.UpdateAuth(ctx, func(tx auth.Tx) error {
		u, err := tx.User(ctx, u.ID)
		if err != nil {
			return err
		}
		change(&u)
		_, err = tx.SaveUser(ctx, u)
		return err
	})
	if err != nil {
		e.t.Fatalf("save user: %v", err)
	}
}

// race runs fn 100 times at once and counts the statuses.
func race(fn func(n int) int) map[int]int {
	statuses := make([]int, 100)
	var wait sync.WaitGroup
	for n := range statuses {
		wait.Go(func() { statuses[n] = fn(n) })
	}
	wait.Wait()
	count := map[int]int{}
	for _, s := range statuses {
		count[s]++
	}
	return count
}

// TestOneWinsAnAddress of those who may all prove it.
func TestOneWinsAnAddress(t *testing.T) {
	each(t, withMail, func(t *testing.T, e *env) {
		people, tokens := make([]users.User, 100), make([]string, 100)
		for n := range people {
			people[n] = e.user(fmt.Sprintf("user%d", n), func(u *users.User) { u.PendingEmail = "prize@example.com" })
			tk, err := e.api.Auth().NewVerificationToken(t.Context(), people[n].ID)
			if err != nil {
				t.Fatal(err)
			}
			tokens[n] = string(tk)
		}
		if got := race(func(n int) int { return e.verify(people[n], tokens[n]).status }); got[200] != 1 || got[400] != 99 {
			t.Errorf("100 users and one address: got statuses %v, want one 200 and 99 times 400", got)
		}
		winner, err := e.store.UserByEmail(t.Context(), "prize@example.com")
		if err != nil {
			t.Fatal(err)
		}
		for _, u := range people {
			got := e.stored(u)
			if won := u.ID == winner.ID; won != (got.PendingEmail == "") || !won && got.Email != u.Email {
				t.Errorf("got %+v", got)
			}
		}
	})
}

// TestOneGetsAFreeAddress, without mail, of those who ask for it at once (R32).
func TestOneGetsAFreeAddress(t *testing.T) {
	each(t, nil, func(t *testing.T, e *env) {
		sessions := make([]option, 100)
		for n := range sessions {
			sessions[n] = e.session(e.user(fmt.Sprintf("user%d", n)), 0)
		}
		unique := 0
		var mu sync.Mutex
		got := race(func(n int) int {
			r := e.do("PATCH", "/api/users/@me", fmt.Sprintf(`{"email":%q}`, []string{"prize@example.com", "PRIZE@example.com"}[n%2]), sessions[n])
			mu.Lock()
			defer mu.Unlock()
			if strings.Contains(r.raw, `"code":"unique"`) {
				unique++
			}
			return r.status
		})
		if got[200] != 1 || got[400] != 99 || unique != 99 {
			t.Errorf("got statuses %v, %d times unique, want one 200 and 99 times 400 unique", got, unique)
		}
	})
}

// TestLinksEndWhatCouldBecomeASession: remembered devices and logins that wait
// for their second step.
func TestLinksEndWhatCouldBecomeASession(t *testing.T) {
	for name, spend := range map[string]func(*env, users.User){
		"completed change": func(e *env, u users.User) {
			e.verify(u, e.stage(u, "new@example.com")).ok(200).has("requires_2fa", "true")
			e.save(u, func(v *users.User) { v.Email = u.Email })
		},
		"password reset": func(e *env, u users.User) { e.reset(u, e.askReset(u), password).ok(204) },
	} {
		t.Run(name, func(t *testing.T) {
			each(t, withMail, func(t *testing.T, e *env) {
				alice := e.user("alice", func(u *users.User) { u.HasTOTP = true })
				err := e.store.UpdateAuth(t.Context(), func(tx auth.Tx) error {
					return tx.SaveTicket(t.Context(), auth.Ticket{Purpose: auth.RememberedDevice, Hash: sha256.Sum256([]byte("device")), UserID: alice.ID,
						CreatedAt: e.now(), ExpiresAt: e.now().Add(time.Hour)})
				})
				if err != nil {
					t.Fatal(err)
				}
				device := header("Cookie", "remember-cookie_"+alice.UUID.String()+"=device")
				pending := e.do("POST", "/api/login", credentials("alice", password)).ok(401).signedIn()
				e.do("POST", "/api/login", credentials("alice", password), device).ok(200)
				spend(e, alice)
				e.do("POST", "/api/login/token", `{"token":"123456"}`, pending).invalid("invalid_2fa_session", "")
				e.do("POST", "/api/login", credentials("alice", password), device).ok(401)
			})
		})
	}
}
