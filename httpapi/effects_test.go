package httpapi_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/httpapi"
	"github.com/hedgerow-dev/hedgerow/users"
)

// witness reports what happened since it was asked last.
type witness struct {
	e      *env
	cursor int64
}

// saw fails the test unless exactly these lines were added to the activity log,
// in this order, and these mails were sent. A line is "ACTOR CREDENTIAL TARGET
// ACTION [FIELDS]", a mail its type and address.
func (w *witness) saw(what string, want ...string) {
	w.e.t.Helper()
	events, err := w.e.api.Users().Events(w.e.t.Context(), users.EventQuery{After: w.cursor, Limit: 100})
	if err != nil {
		w.e.t.Fatal(err)
	}
	var got []string
	for _, ev := range events {
		line := fmt.Sprintf("%d %s %d %s", ev.Actor, ev.Credential, ev.Target, ev.Action)
		if len(ev.Fields) > 0 {
			line += fmt.Sprint(" ", ev.Fields)
		}
		if got = append(got, line); !ev.At.Equal(w.e.now()) {
			w.e.t.Errorf("%s: %s is logged at %v, want %v", what, line, ev.At, w.e.now())
		}
		w.cursor = ev.ID
	}
	for _, m := range w.e.mail() {
		got = append(got, strings.TrimPrefix(fmt.Sprintf("%T ", m), "auth.")+m.Recipient().Email)
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		w.e.t.Errorf("%s: saw\n\t%s\nwant\n\t%s", what, strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
	}
}

func withMail(c *httpapi.Config) { c.Auth.Mailer = &mailbox{} }

// TestSideEffects: contract section 12 and A8, request by request.
func TestSideEffects(t *testing.T) {
	each(t, withMail, func(t *testing.T, e *env) {
		alice, boss := e.user("alice"), e.user("boss", staff) // 1 and 2
		e.organization("Acme", alice)
		o, _ := e.organization("Beta")
		e.join(alice, o, users.LevelMember, 1, 0)
		fresh, chief, leaving, key := e.session(alice, 0), e.session(boss, 0), e.session(boss, 0), e.key(alice, "*")
		e.do("GET", "/api/users/@me", "", fresh).ok(200)
		w := &witness{e: e}
		w.saw("making people", "0 host 1 user created", "0 host 2 user created", "0 host 1 session started", "0 host 2 session started", "0 host 2 session started", "0 host 1 API key saved")
		const me = "/api/users/@me"
		hers := "/api/users/" + alice.UUID.String()
		for _, c := range []struct {
			method, path, body string
			caller             option
			status             int
			saw                string
		}{
			{"GET", me, "", key, 200, ""},
			{"PATCH", me, `{"theme_mode":"dark","first_name":"Ann","notification_settings":{"plugin_disabled":false},"anonymize_data":true}`, fresh, 200,
				"1 session 1 user updated [anonymize_data first_name partial_notification_settings theme_mode]"},
			{"PATCH", me, `{"theme_mode":"dark","first_name":"Ann"}`, fresh, 200, ""}, // changes nothing
			{"PATCH", me, `{"theme_mode":"light","first_name":null}`, fresh, 400, ""},
			{"PATCH", me, `{"is_staff":true}`, fresh, 403, ""},
			{"PATCH", me, `{"theme_mode":"light"}`, key, 200, "1 api_key 1 user updated [theme_mode]"},
			{"PATCH", hers, `{"is_staff":true,"last_name":"X"}`, chief, 200, "2 session 1 user updated [is_staff last_name]"},
			{"PATCH", hers, `{"is_staff":false}`, chief, 200, "2 session 1 user updated [is_staff]"},
			{"PATCH", me, fmt.Sprintf(`{"set_current_organization":%q}`, o.ID), fresh, 200, "1 session 1 user updated [current_organization current_team]"},
			{"PATCH", me, `{"email":"new@example.com","role_at_organization":"data"}`, fresh, 200,
				"1 session 1 user updated [pending_email role_at_organization]\nEmailVerification new@example.com\nEmailChangeRequested alice@example.com"},
			{"PATCH", "/api/users/cancel_email_change_request", "", fresh, 200, "1 session 1 user updated [pending_email]"},
			{"POST", "/api/users/request_email_verification", `{"uuid":"` + unknownID + `"}`, fresh, 200, ""},
			{"POST", "/api/reset", `{"email":"alice@example.com"}`, fresh, 204, "PasswordReset alice@example.com"},
			{"PATCH", me, `{"email":"Alice@example.com"}`, fresh, 200, "1 session 1 user updated [email]"},
			{"PATCH", me, `{"email":"boss@example.com"}`, fresh, 400, ""},
			{"PATCH", me, `{"password":"mighty-strong-secure-1337!!","current_password":"wrong"}`, key, 400, "1 api_key 1 password check failed"},
			{"PATCH", me, `{"password":"short","current_password":"` + password + `"}`, key, 400, ""},
			{"PATCH", me + "/hedgehog_config", `{"color":"red"}`, fresh, 200, "1 session 1 user updated [hedgehog_config]"},
			{"PATCH", me + "/product_intro_seen", `{"product_key":"x"}`, fresh, 200, "1 session 1 user updated [has_seen_product_intro_for]"},
			{"PATCH", me + "/product_intro_seen", `{"product_key":"x"}`, fresh, 200, ""},
			{"POST", me + "/scene_personalisation", `{"scene":"s","dashboard":2}`, fresh, 200, "1 session 1 user updated [scene_personalisation]"},
			{"POST", me + "/credentials_review_complete", "", fresh, 204, "1 session 1 user updated [credentials_reviewed_at]"},
			{"POST", me + "/credentials_review_complete", "", fresh, 204, ""},
			{"POST", me + "/onboarding/skip", `{"reason":"later"}`, fresh, 200, "1 session 1 user updated [onboarding_skipped]"},
			{"POST", keysPath, keyBody(nil), fresh, 201, "1 session 1 API key created"},
			{"POST", "/api/login", credentials("alice", "wrong"), fresh, 400, "0  1 login failed"},
			{"POST", "/api/login", credentials("nobody", "wrong"), fresh, 400, ""},
			{"POST", "/api/login", credentials("boss", password), func(*http.Request) {}, 200, "2 session 2 user logged in"},
			{"POST", "/api/logout", "", leaving, 302, "2 session 2 user logged out"},
			{"POST", "/api/logout", "", func(*http.Request) {}, 302, ""},
			{"DELETE", me, "", fresh, 409, ""},
			{"PATCH", me, `{"password":"mighty-strong-secure-1337!!","current_password":"` + password + `","last_name":"Y"}`, key, 200,
				"1 api_key 1 user updated [last_name password]\nPasswordChanged Alice@example.com"},
			{"GET", me, "", fresh, 401, ""}, // all her sessions are dead
			{"DELETE", me, "", chief, 204, "2 session 2 user account deleted"},
		} {
			e.advance(time.Second)
			r := e.do(c.method, c.path, c.body, c.caller).ok(c.status)
			var want []string
			if c.saw != "" {
				want = strings.Split(c.saw, "\n")
			}
			w.saw(r.call, want...)
		}
	})
}

// TestKeyEvents: what becomes of a key is logged, and never its value.
func TestKeyEvents(t *testing.T) {
	each(t, withMail, func(t *testing.T, e *env) {
		fresh := e.session(e.user("alice"), 0)
		w := &witness{e: e}
		id := e.do("POST", keysPath, keyBody(nil), fresh).ok(201).json()["id"].(string)
		e.do("PATCH", keysPath+id, `{"label":"x"}`, fresh).ok(200)
		e.do("PATCH", keysPath+id, `{"label":""}`, fresh).ok(400)
		e.do("POST", keysPath+id+"/roll", "", fresh).ok(200)
		e.do("DELETE", keysPath+id, "", fresh).ok(204)
		w.saw("the life of a key", "0 host 1 user created", "0 host 1 session started", "1 session 1 API key created", "1 session 1 API key updated",
			"1 session 1 API key rolled", "1 session 1 API key deleted")
	})
}

// TestHostEvents: what the host stores is logged too.
func TestHostEvents(t *testing.T) {
	each(t, withMail, func(t *testing.T, e *env) {
		alice := e.user("alice")
		accounts, credentials, ctx := e.api.Users(), e.api.Auth(), t.Context()
		w := &witness{e: e}
		w.saw("the start", "0 host 1 user created")
		for _, c := range []struct {
			what string
			do   func() error
			saw  []string
		}{
			{"SaveIdentity", func() error {
				return accounts.SaveIdentity(ctx, users.Identity{UserID: alice.ID, Provider: "github", Subject: "1"})
			}, []string{"0 host 1 identity linked"}},
			{"DeleteIdentity", func() error { return accounts.DeleteIdentity(ctx, "github", "1") }, []string{"0 host 1 identity unlinked"}},
			{"SaveOAuthToken", func() error {
				return credentials.SaveOAuthToken(ctx, "pha_good-good-good-good", auth.OAuthToken{UserID: alice.ID})
			}, []string{"0 host 1 OAuth token saved"}},
			{"RevokeOAuthToken", func() error { return credentials.RevokeOAuthToken(ctx, "pha_good-good-good-good") }, []string{"0 host 1 OAuth token revoked"}},
			{"SetActive", func() error { return credentials.SetActive(ctx, alice.ID, false) }, []string{"0 host 1 user updated [is_active]"}},
			{"SetActive again", func() error { return credentials.SetActive(ctx, alice.ID, false) }, nil},
		} {
			if err := c.do(); err != nil {
				t.Errorf("%s: %v", c.what, err)
			}
			w.saw(c.what, c.saw...)
		}
		if err := accounts.DeleteIdentity(ctx, "github", "1"); err == nil {
			t.Error("an identity is unlinked twice")
		}
		if err := credentials.RevokeOAuthToken(ctx, "pha_good-good-good-good"); err == nil {
			t.Error("a token is revoked twice")
		}
		w.saw("failures")
	})
}
