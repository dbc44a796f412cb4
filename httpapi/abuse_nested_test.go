package httpapi_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/integrations"
	"github.com/hedgerow-dev/hedgerow/users"
)

// belongings are the ids of things that u has, by the path below which they are
// found.
func (e *env) belongings(u users.User, installation string) map[string]string {
	e.t.Helper()
	ctx := e.t.Context()
	e.seedLink(u, func(i *integrations.Installation) { i.InstallationID = installation })
	cookie := e.session(u, 0)
	k, err := e.api.Auth().SavePasskey(ctx, auth.Passkey{UserID: u.ID, Verified: true})
	if err != nil {
		e.t.Fatal(err)
	}
	request := integrations.InstallRequest{ID: uuid.New(), UserID: u.ID, Status: integrations.Pending, RequestedAt: e.now()}
	if err := e.store.UpdateIntegrations(ctx, func(tx integrations.Tx) error { return tx.SaveInstallRequest(ctx, request) }); err != nil {
		e.t.Fatal(err)
	}
	return map[string]string{
		own + "login_sessions/":                       e.sessions(cookie)[0]["id"].(string),
		own + "passkeys/":                             k.ID.String(),
		own + "integrations/github/":                  installation,
		own + "integrations/github/install_requests/": request.ID.String(),
		keysPath: e.do("POST", keysPath, keyBody(nil), cookie).ok(201).json()["id"].(string),
	}
}

// nestedRequests are those for one thing, below its id.
var nestedRequests = map[string][][3]string{
	own + "login_sessions/":                       {{"DELETE", "", ""}},
	own + "passkeys/":                             {{"PATCH", "", `{"name":"x"}`}, {"DELETE", "", ""}},
	own + "integrations/github/install_requests/": {{"DELETE", "", ""}},
	own + "integrations/github/":                  {{"GET", "/repos", ""}, {"POST", "/repos/refresh", ""}, {"GET", "/branches?repo=acme/web", ""}, {"DELETE", "", ""}},
	keysPath:                                      {{"GET", "", ""}, {"PATCH", "", `{"label":"x"}`}, {"POST", "/roll", ""}, {"DELETE", "", ""}},
}

// TestR10NestedObjects: what belongs to somebody else is answered like what does
// not exist, and stays as it is.
func TestR10NestedObjects(t *testing.T) {
	withGitHub(t, acme, nil, func(t *testing.T, e *env) {
		alice, bob, boss := e.user("alice"), e.user("bob"), e.user("boss", staff)
		hers, his := e.belongings(alice, "12345"), e.belongings(bob, "777")
		cookie, chief := e.session(alice, 0), e.session(boss, 0)
		link, err := e.store.Installation(t.Context(), alice.ID, "12345")
		if err != nil {
			t.Fatal(err)
		}
		before := e.holdings(bob)
		for path, requests := range nestedRequests {
			nobodys := unknownID
			switch path {
			case keysPath:
				nobodys = "AbCdEf"
			case own + "integrations/github/":
				nobodys = "999"
			}
			for _, request := range requests {
				var missing string
				for _, id := range []string{nobodys, his[path], link.ID.String(), "0" + hers[path], hers[path] + "0"} {
					for _, p := range spellings(path+id+request[1], alice) {
						r := e.do(request[0], p, request[2], cookie)
						r.refused(404, "invalid_request", "not_found", "")
						if missing == "" {
							missing = r.raw
						}
						if r.raw != missing && id != link.ID.String() {
							t.Errorf("%s: got %s, want %s as for one that does not exist", r.call, r.raw, missing)
						}
					}
				}
				if path == keysPath {
					continue // which names nobody
				}
				for _, id := range []string{his[path], hers[path], nobodys} {
					foreign := strings.Replace(path+id+request[1], "@me", bob.UUID.String(), 1)
					e.do(request[0], foreign, request[2], cookie).denied()
					e.do(request[0], withSlash(foreign, "/"), request[2], e.token(alice, "*")).ok(map[bool]int{true: 401, false: 403}[request[0] == "DELETE" && !strings.Contains(path, "github")])
				}
				// Staff find only what is under the user that they name.
				wrong := strings.Replace(path+hers[path]+request[1], "@me", bob.UUID.String(), 1)
				if r := e.do(request[0], wrong, request[2], chief); r.status != 403 && r.status != 404 {
					t.Errorf("%s: staff get %d", r.call, r.status)
				}
			}
		}
		if after := e.holdings(bob); after != before {
			t.Errorf("Bob has\n%s\nand had\n%s", after, before)
		}
	})
}

// holdings are all that u sees of his own.
func (e *env) holdings(u users.User) string {
	e.t.Helper()
	cookie := e.session(u, 0)
	var all strings.Builder
	for _, path := range []string{keysPath, own + "passkeys", own + "integrations", own + "integrations/github/install_requests", own + "integrations/github/777/repos"} {
		all.WriteString(e.do("GET", path, "", cookie).ok(200).raw + "\n")
	}
	fmt.Fprintf(&all, "%d sessions", len(e.sessions(cookie)))
	e.do("POST", "/api/logout", "", cookie).ok(302)
	return all.String()
}

// planted are members that no route may write, unless they are its own.
var planted = map[string]string{
	"is_email_verified": `false`, "pending_email": `"eve@example.com"`, "uuid": `"` + unknownID + `"`, "id": `999`, "user": `999`, "user_id": `999`,
	"date_joined": `"2000-01-01T00:00:00Z"`, "distinct_id": `"x"`, "has_password": `false`, "is_2fa_enabled": `true`, "organization": `null`,
	"organizations": `[]`, "team": `null`, "is_impersonated": `true`, "has_social_auth": `true`, "is_active": `false`, "password_hash": `"x"`,
	"last_login": `null`, "version": `99`, "Version": `99`, "has_totp": `true`, "has_sso_enforcement": `true`, "requires_credential_review": `true`,
	"onboarding_skipped_organization_id": `"` + unknownID + `"`, "pending_invites": `[]`, "is_organization_first_user": `true`,
	"current_organization": `null`, "current_team": `null`, "memberships": `[{"level":15}]`, "unknown": `{"is_staff":true}`,
}

// TestR11MassAssignment: each route writes its own members and no other.
func TestR11MassAssignment(t *testing.T) {
	each(t, withMail, func(t *testing.T, e *env) {
		alice := e.user("alice")
		e.organization("Acme", alice)
		key := e.key(alice, "*")
		me := func() map[string]any { return e.do("GET", self, "", key).ok(200).json() }
		change := fmt.Sprintf(`{"email":"alice@example.com","password":%q,"current_password":%q`, newPassword, password)
		for _, c := range []struct {
			method, path, body string
			writes             string
		}{
			{"PATCH", self, `{"theme_mode":"dark"`, "theme_mode"},
			{"PATCH", self, `{"is_email_verified":true`, ""},
			{"PATCH", own + "hedgehog_config", `{"color":"red"`, "hedgehog_config"},
			{"PATCH", own + "product_intro_seen", `{"product_key":"logs"`, "has_seen_product_intro_for"},
			{"POST", own + "scene_personalisation", `{"scene":"s","dashboard":1`, "scene_personalisation"},
			{"POST", own + "onboarding/skip", `{"reason":"later"`, "onboarding_skipped_at onboarding_skipped_organization_id onboarding_skipped_reason"},
			{"POST", own + "signal_autonomy", `{"autostart_priority":"P2"`, ""},
			{"POST", own + "credentials_review_complete", `{"x":1`, "requires_credential_review"},
			{"POST", own + "integrations/github/start", `{"x":1`, ""},
			{"PATCH", "/api/users/cancel_email_change_request", `{"x":1`, "pending_email"},
			{"PUT", self, change, ""},
		} {
			for _, path := range spellings(c.path, alice) {
				if strings.HasSuffix(c.path, "request") {
					e.stage(alice, "new@example.com")
				}
				before := me()
				names := strings.Fields(c.writes)
				body := c.body
				for name, value := range planted {
					if strings.Contains(body, `"`+name+`"`) {
						continue
					}
					body += fmt.Sprintf(",%q:%s", name, value)
				}
				if r := e.do(c.method, path, body+"}", e.session(alice, 0)); r.status >= 300 && !strings.HasSuffix(path, "start") && !strings.HasSuffix(path, "start/") {
					t.Errorf("%s %s: got %d %s", c.method, path, r.status, r.raw)
				}
				if after := me(); len(unlike(before, after, names)) > 0 {
					t.Errorf("%s %s changed %q", c.method, path, unlike(before, after, names))
				}
				if c.method == "PUT" {
					break // which changed the password
				}
			}
		}
	})
}

// unlike lists the members in which two objects differ, but for some.
func unlike(a, b map[string]any, but []string) (names []string) {
	for _, name := range slices.Sorted(maps.Keys(a)) {
		x, errX := json.Marshal(a[name])
		y, errY := json.Marshal(b[name])
		if (errX != nil || errY != nil || string(x) != string(y)) && !slices.Contains(but, name) {
			names = append(names, name)
		}
	}
	return names
}

// TestR14DeleteRace: of two deletions at once one succeeds, and whatever runs
// beside them leaves nothing behind.
func TestR14DeleteRace(t *testing.T) {
	withGitHub(t, acme, withMail, func(t *testing.T, e *env) {
		for round := range size(6, 100) {
			u := e.user(fmt.Sprintf("user%d", round))
			cookie, other, key := e.session(u, 0), e.session(u, time.Minute), e.key(u, "*")
			requests := []func() reply{
				func() reply { return e.do("POST", myAutonomy, `{"autostart_priority":"P1"}`, key) },
				func() reply { return e.do("POST", keysPath, keyBody(nil), other) },
				func() reply { return e.do("PATCH", self, `{"first_name":"Late","hedgehog_config":{"a":1}}`, key) },
				func() reply { return e.do("GET", own+"start_2fa_setup", "", other) },
				func() reply { return e.do("POST", registerBegin, "", other) },
				func() reply { return e.do("POST", startPath, "", key) },
				func() reply { return e.do("POST", "/api/login", credentials(fmt.Sprintf("user%d", round), password)) },
				func() reply { return e.do("PATCH", self, `{"email":"late@example.com"}`, other) },
			}
			deleted := make([]int, 2)
			var wg sync.WaitGroup
			for i := range deleted {
				wg.Go(func() { deleted[i] = e.do("DELETE", self+strings.Repeat("/", i), "", cookie).status })
			}
			for _, send := range requests {
				wg.Go(func() {
					if r := send(); r.status >= 500 || r.status == 409 {
						t.Errorf("%s beside a deletion: got %d %s", r.call, r.status, r.raw)
					}
				})
			}
			wg.Wait()
			// The other one comes too late for the session, or for the account.
			if slices.Sort(deleted); deleted[0] != 204 || deleted[1] != 401 && deleted[1] != 404 {
				t.Errorf("two deletions at once are answered by %v, want 204 once", deleted)
			}
			e.do("GET", self, "", cookie).nobody("not_authenticated")
			e.do("GET", self, "", other).nobody("not_authenticated")
			e.do("GET", self, "", key).nobody("authentication_failed")
			e.nothingOf(u)
		}
	})
}

// nothingOf fails the test if anything is stored that belongs to u.
func (e *env) nothingOf(u users.User) {
	e.t.Helper()
	ctx, st := e.t.Context(), e.store
	e.flush(ctx)
	count := func(what string, n int, err error) {
		e.t.Helper()
		if err != nil || n > 0 {
			e.t.Errorf("%d %s are left of a deleted user, %v", n, what, err)
		}
	}
	if _, err := st.User(ctx, u.ID); !errors.Is(err, users.ErrNotFound) {
		e.t.Errorf("the user is still there: %v", err)
	}
	sessions, err := st.Sessions(ctx, u.ID)
	count("sessions", len(sessions), err)
	keys, err := st.APIKeys(ctx, u.ID)
	count("keys", len(keys), err)
	passkeys, err := st.Passkeys(ctx, u.ID)
	count("passkeys", len(passkeys), err)
	for _, p := range []auth.Purpose{auth.TOTPSetup, auth.PasskeySetup, auth.VerifyEmailLink, auth.PasswordResetLink, auth.PendingLogin, auth.RememberedDevice} {
		tickets, err := st.Tickets(ctx, u.ID, p)
		count(string(p), len(tickets), err)
	}
	states, err := st.LinkStates(ctx, u.ID)
	count("link states", len(states), err)
	links, err := st.Installations(ctx, integrations.Query{UserID: u.ID})
	count("links", len(links), err)
	if c, err := st.AutonomyConfig(ctx, u.ID); !errors.Is(err, users.ErrNotFound) {
		e.t.Errorf("an autonomy configuration is left: %+v, %v", c, err)
	}
}
