package httpapi_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/autonomy"
	"github.com/hedgerow-dev/hedgerow/integrations"
	"github.com/hedgerow-dev/hedgerow/users"
)

// failingVerbs are all that are tried with a store that fails: the routes, what they
// refuse and keep count of, and what only the host calls.
func failingVerbs() []verb {
	return slices.Concat(verbs(), countedVerbs(), passkeyRefusals(), bearerVerbs(), hostOrganizationVerbs(), hostUsersVerbs(), hostAuthVerbs(), hostCredentialVerbs(), hostLinkVerbs())
}

// countedVerbs are attempts that a limit counts, or that leave a line in the activity
// log: a failure of the store must not make them free.
func countedVerbs() []verb {
	withCode := func(body func(codes []string) string) scene {
		return func(e *env, alice users.User, _ option) func() reply {
			_, cookie := e.enrol(alice)
			codes := e.backupCodes(cookie)
			pending := e.pending("alice")
			return func() reply { return e.do("POST", "/api/login/token", body(codes), pending) }
		}
	}
	const wrong = `{"password":"` + newPassword + `","current_password":"wrong"}`
	return []verb{
		{"POST", "/api/login", "wrong password", ask("POST", "/api/login", credentials("alice", "wrong")), 400, 0},
		{"POST", "/api/login", "nobody", ask("POST", "/api/login", credentials("nobody", "wrong")), 400, 0},
		{"PATCH", userPath, "wrong password", ask("PATCH", self, wrong), 400, 0},
		{"PATCH", userPath, "taken address", func(e *env, _ users.User, cookie option) func() reply {
			e.user("bob")
			return func() reply { return e.do("PATCH", self, `{"email":"bob@example.com"}`, cookie) }
		}, 400, 0},
		{"POST", "/api/login/token", "wrong code", withCode(func([]string) string { return token("000000") }), 400, 0},
		{"POST", "/api/login/token", "backup code", withCode(func(codes []string) string { return token(codes[0]) }), 200, 400},
		{"POST", userPath + "/validate_2fa", "wrong code", func(e *env, _ users.User, cookie option) func() reply {
			e.start(cookie)
			return func() reply { return e.do("POST", own+"validate_2fa", token("000000"), cookie) }
		}, 400, 0},
		{"POST", "/api/users/verify_email", "wrong token", func(e *env, alice users.User, _ option) func() reply {
			e.stage(alice, "new@example.com")
			return func() reply { return e.verify(alice, strings.Repeat("x", 43)) }
		}, 400, 0},
	}
}

const refusedPasskey = "refused"

// passkeyRefusals are those that spend a challenge, and a login by passkey that has to
// go on.
func passkeyRefusals() []verb {
	const route = userPath + "/passkeys"
	broken := func(d *device, begun reply) string {
		d.page.Origin = "https://evil.example"
		return d.signed(begun)
	}
	return []verb{
		{"POST", signInComplete, refusedPasskey, withPasskey(func(e *env, _ users.User, _ option, d *device, _ string) func() reply {
			begun := e.do("POST", signInBegin, "")
			answer := broken(d, begun)
			return func() reply { return e.do("POST", signInComplete, answer, begun.cookie("sessionid_passkey")) }
		}), 400, 0},
		{"POST", signInComplete, "first step", withPasskey(func(e *env, alice users.User, _ option, d *device, _ string) func() reply {
			e.enrol(alice)
			d.Options.UserNotVerified = true
			begun := e.do("POST", signInBegin, "")
			answer := d.signed(begun)
			return func() reply { return e.do("POST", signInComplete, answer, begun.cookie("sessionid_passkey")) }
		}), 401, 400},
		{"POST", stepComplete, "refused", withPasskey(func(e *env, _ users.User, cookie option, d *device, _ string) func() reply {
			e.usePasskeys(cookie)
			pending := e.pending("alice")
			answer := broken(d, e.do("POST", stepBegin, "", pending))
			return func() reply { return e.do("POST", stepComplete, answer, pending) }
		}), 400, 0},
		{"POST", route + "/register/complete", "refused", func(e *env, _ users.User, cookie option) func() reply {
			d := newDevice(e.t)
			d.page.Origin = "https://evil.example"
			credential := body(d.register(e.do("POST", registerBegin, "", cookie)))
			return func() reply { return e.do("POST", registerComplete, credential, cookie) }
		}, 400, 0},
	}
}

// bearerVerbs are requests by a key or a token.
func bearerVerbs() []verb {
	const change = `{"first_name":"Ann"}`
	by := func(method, body string, credential func(e *env, alice users.User) option) scene {
		return func(e *env, alice users.User, _ option) func() reply {
			bearer := credential(e, alice)
			return func() reply { return e.do(method, self, body, bearer) }
		}
	}
	byKey := func(e *env, alice users.User) option {
		bearer := e.key(alice, "*")
		e.do("GET", self, "", bearer).ok(200) // which stores the time of its last use
		return bearer
	}
	byToken := func(e *env, alice users.User) option { return e.token(alice, "*") }
	return []verb{
		{"GET", userPath, "by key", by("GET", "", byKey), 200, 0},
		{"PATCH", userPath, "by key", by("PATCH", change, byKey), 200, 0},
		{"GET", userPath, "by token", by("GET", "", byToken), 200, 0},
		{"PATCH", userPath, "by token", by("PATCH", change, byToken), 200, 0},
		{"DELETE", userPath, "by staff", func(e *env, _ users.User, _ option) func() reply {
			bob, boss := e.user("bob"), e.user("boss", staff)
			e.link(e.session(bob, 0))
			e.key(bob, "*")
			cookie := e.session(boss, 0)
			return func() reply { return e.do("DELETE", "/api/users/"+bob.UUID.String(), "", cookie) }
		}, 204, 404},
	}
}

// host is a call of the host as a request: what it returns is made an answer.
func host(prepare func(e *env, alice users.User) func(ctx context.Context) error) scene {
	return func(e *env, alice users.User, _ option) func() reply {
		call := prepare(e, alice)
		return func() reply {
			err := call(e.t.Context())
			r := reply{t: e.t, call: "the host", status: http.StatusOK, header: http.Header{}}
			var refused *users.Error
			switch {
			case err == nil:
			case errors.As(err, &refused) && refused.Kind == users.Unavailable:
				r.status = http.StatusServiceUnavailable
			case errors.As(err, &refused):
				r.status = http.StatusConflict
			default:
				r.status = http.StatusInternalServerError
			}
			if err != nil {
				r.raw = err.Error()
			}
			return r
		}
	}
}

// renewing spends what GitHub takes once to renew a token. New tokens that cannot be
// stored are lost, and with them the link.
const renewing = "Integrations.UserToken"

// hostCall is a verb of the host. again is its status when it is called once more.
func hostCall(method, name string, again int, prepare func(e *env, alice users.User) func(ctx context.Context) error) verb {
	return verb{"host", method, name, host(prepare), http.StatusOK, again}
}

// inBeta has Alice in a second organization, which is her current one.
func (e *env) inBeta(alice users.User) (users.Organization, users.Team) {
	e.t.Helper()
	o, team := e.organization("Beta", alice)
	e.save(alice, func(u *users.User) { u.CurrentOrganization, u.CurrentTeam = o.ID, team.ID })
	return o, team
}

func hostOrganizationVerbs() []verb {
	type call = func(ctx context.Context) error
	return []verb{
		hostCall("Users.SaveOrganization", "", 0, func(e *env, alice users.User) call {
			o, _ := e.inBeta(alice)
			o.Name = "Gamma"
			return func(ctx context.Context) error { _, err := e.api.Users().SaveOrganization(ctx, o); return err }
		}),
		hostCall("Users.DeleteOrganization", "", 409, func(e *env, alice users.User) call {
			o, _ := e.inBeta(alice)
			return func(ctx context.Context) error { return e.api.Users().DeleteOrganization(ctx, o.ID) }
		}),
		hostCall("Users.SaveTeam", "", 0, func(e *env, alice users.User) call {
			_, team := e.inBeta(alice)
			team.Name = "Other"
			return func(ctx context.Context) error { _, err := e.api.Users().SaveTeam(ctx, team); return err }
		}),
		hostCall("Users.DeleteTeam", "", 409, func(e *env, alice users.User) call {
			_, team := e.inBeta(alice)
			return func(ctx context.Context) error { return e.api.Users().DeleteTeam(ctx, team.ID) }
		}),
		hostCall("Users.SaveMembership", "", 0, func(e *env, alice users.User) call {
			o, _ := e.organization("Beta")
			return func(ctx context.Context) error {
				return e.api.Users().SaveMembership(ctx, users.Membership{UserID: alice.ID, OrganizationID: o.ID, Level: users.LevelMember})
			}
		}),
		hostCall("Users.DeleteMembership", "", 409, func(e *env, alice users.User) call {
			o, _ := e.inBeta(alice)
			return func(ctx context.Context) error { return e.api.Users().DeleteMembership(ctx, alice.ID, o.ID) }
		}),
	}
}

func hostUsersVerbs() []verb {
	type call = func(ctx context.Context) error
	invite := func(e *env, alice users.User) users.Invite {
		o, _ := e.inBeta(alice)
		return users.Invite{ID: uuid.MustParse(unknownID), OrganizationID: o.ID, TargetEmail: "new@example.com", CreatedAt: e.now()}
	}
	github := func(alice users.User) users.Identity {
		return users.Identity{UserID: alice.ID, Provider: "github", Subject: "1"}
	}
	return []verb{
		hostCall("Users.SaveInvite", "", 0, func(e *env, alice users.User) call {
			i := invite(e, alice)
			return func(ctx context.Context) error { _, err := e.api.Users().SaveInvite(ctx, i); return err }
		}),
		hostCall("Users.DeleteInvite", "", 409, func(e *env, alice users.User) call {
			i, err := e.api.Users().SaveInvite(e.t.Context(), invite(e, alice))
			if err != nil {
				e.t.Fatal(err)
			}
			return func(ctx context.Context) error { return e.api.Users().DeleteInvite(ctx, i.ID) }
		}),
		hostCall("Users.SaveIdentity", "", 0, func(e *env, alice users.User) call {
			return func(ctx context.Context) error { return e.api.Users().SaveIdentity(ctx, github(alice)) }
		}),
		hostCall("Users.DeleteIdentity", "", 409, func(e *env, alice users.User) call {
			if err := e.api.Users().SaveIdentity(e.t.Context(), github(alice)); err != nil {
				e.t.Fatal(err)
			}
			return func(ctx context.Context) error { return e.api.Users().DeleteIdentity(ctx, "github", "1") }
		}),
		hostCall("Users.DashboardDeleted", "", 0, func(e *env, alice users.User) call {
			e.do("POST", own+"scene_personalisation", `{"scene":"s","dashboard":1}`, e.session(alice, 0)).ok(200)
			return func(ctx context.Context) error { return e.api.Users().DashboardDeleted(ctx, 1) }
		}),
		hostCall("Users.User", "", 0, func(e *env, alice users.User) call {
			return func(ctx context.Context) error { _, err := e.api.Users().User(ctx, alice.ID); return err }
		}),
		hostCall("Users.UserByEmail", "", 0, func(e *env, alice users.User) call {
			return func(ctx context.Context) error { _, err := e.api.Users().UserByEmail(ctx, alice.Email); return err }
		}),
		hostCall("Users.Events", "", 0, func(e *env, _ users.User) call {
			return func(ctx context.Context) error {
				_, err := e.api.Users().Events(ctx, users.EventQuery{Limit: 10})
				return err
			}
		}),
		hostCall("Users.Consumers", "", 0, func(e *env, _ users.User) call {
			return func(ctx context.Context) error { _, err := e.api.Users().Consumers(ctx); return err }
		}),
		hostCall("Users.DeleteConsumer", "", 409, func(e *env, _ users.User) call {
			err := e.store.UpdateUsers(e.t.Context(), func(tx users.Tx) error {
				return tx.CreateConsumer(e.t.Context(), users.Consumer{Name: "mail"})
			})
			if err != nil {
				e.t.Fatal(err)
			}
			return func(ctx context.Context) error { return e.api.Users().DeleteConsumer(ctx, "mail") }
		}),
		hostCall("Users.DeleteEvents", "", 0, func(e *env, _ users.User) call {
			return func(ctx context.Context) error {
				_, err := e.api.Users().DeleteEvents(ctx, e.now().Add(time.Hour))
				return err
			}
		}),
	}
}

func hostAuthVerbs() []verb {
	type call = func(ctx context.Context) error
	return []verb{
		hostCall("Auth.CreateUser", "", 409, func(e *env, _ users.User) call {
			u := users.New()
			u.Email = "new@example.com"
			return func(ctx context.Context) error { _, err := e.api.Auth().CreateUser(ctx, u, newPassword); return err }
		}),
		hostCall("Auth.SetActive", "", 0, func(e *env, alice users.User) call {
			e.key(alice, "*")
			return func(ctx context.Context) error { return e.api.Auth().SetActive(ctx, alice.ID, false) }
		}),
		hostCall("Auth.NewVerificationToken", "", 0, func(e *env, alice users.User) call {
			return func(ctx context.Context) error {
				_, err := e.api.Auth().NewVerificationToken(ctx, alice.ID)
				return err
			}
		}),
		hostCall("Auth.StartSession", "", 0, func(e *env, alice users.User) call {
			return func(ctx context.Context) error {
				_, err := e.api.Auth().StartSession(ctx, alice.ID, auth.StartOptions{})
				return err
			}
		}),
		hostCall("Auth.HostSession", "", 0, func(e *env, alice users.User) call {
			return func(ctx context.Context) error {
				_, err := e.api.Auth().HostSession(ctx, alice.ID, e.now(), false)
				return err
			}
		}),
		hostCall("Auth.IsPending", "", 0, func(e *env, _ users.User) call {
			return func(ctx context.Context) error { _, err := e.api.Auth().IsPending(ctx, "x"); return err }
		}),
		hostCall("Auth.DeleteExpired", "", 0, func(e *env, alice users.User) call {
			e.session(alice, 15*24*time.Hour)
			e.askReset(alice)
			e.advance(25 * time.Hour)
			return func(ctx context.Context) error { _, err := e.api.Auth().DeleteExpired(ctx); return err }
		}),
	}
}

func hostCredentialVerbs() []verb {
	type call = func(ctx context.Context) error
	const value, secret = "pha_good-good-good-good", "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
	totp := func(e *env, alice users.User) {
		if err := e.api.Auth().SaveTOTP(e.t.Context(), alice.ID, secret, nil); err != nil {
			e.t.Fatal(err)
		}
	}
	oauth := func(e *env, alice users.User) call {
		return func(ctx context.Context) error {
			return e.api.Auth().SaveOAuthToken(ctx, value, auth.OAuthToken{UserID: alice.ID})
		}
	}
	return []verb{
		hostCall("Auth.SaveAPIKey", "", 0, func(e *env, alice users.User) call {
			value, err := e.api.Auth().NewAPIKeyValue()
			if err != nil {
				e.t.Fatal(err)
			}
			k := auth.APIKey{ID: "fixed", UserID: alice.ID, Label: "x", Scopes: []string{"*"}}
			return func(ctx context.Context) error { _, err := e.api.Auth().SaveAPIKey(ctx, k, value); return err }
		}),
		hostCall("Auth.SaveOAuthToken", "", 0, oauth),
		hostCall("Auth.RevokeOAuthToken", "", 409, func(e *env, alice users.User) call {
			if err := oauth(e, alice)(e.t.Context()); err != nil {
				e.t.Fatal(err)
			}
			return func(ctx context.Context) error { return e.api.Auth().RevokeOAuthToken(ctx, value) }
		}),
		hostCall("Auth.SaveTOTP", "", 0, func(e *env, alice users.User) call {
			return func(ctx context.Context) error {
				return e.api.Auth().SaveTOTP(ctx, alice.ID, secret, []users.Secret{"abcdefgh"})
			}
		}),
		hostCall("Auth.TOTPSecret", "", 0, func(e *env, alice users.User) call {
			totp(e, alice)
			return func(ctx context.Context) error { _, err := e.api.Auth().TOTPSecret(ctx, alice.ID); return err }
		}),
		hostCall("Auth.ResetSecondFactor", "", 0, func(e *env, alice users.User) call {
			totp(e, alice)
			return func(ctx context.Context) error { return e.api.Auth().ResetSecondFactor(ctx, alice.ID) }
		}),
		hostCall("Auth.SavePasskey", "", 0, func(e *env, alice users.User) call {
			k := auth.Passkey{ID: uuid.MustParse(unknownID), UserID: alice.ID, CredentialID: []byte("c"), UserHandle: []byte("h"), Name: "x", Data: []byte("{}"), Verified: true}
			return func(ctx context.Context) error { _, err := e.api.Auth().SavePasskey(ctx, k); return err }
		}),
	}
}

func hostLinkVerbs() []verb {
	type call = func(ctx context.Context) error
	return []verb{
		hostCall("Integrations.SaveTeamInstallation", "", 409, func(e *env, alice users.User) call {
			_, team := e.organization("Beta", alice)
			i := integrations.TeamInstallation{TeamID: team.ID, InstallationID: "777", CreatedBy: alice.ID}
			return func(ctx context.Context) error {
				_, err := e.api.Integrations().SaveTeamInstallation(ctx, i)
				return err
			}
		}),
		hostCall("Integrations.DeleteTeamInstallation", "", 409, func(e *env, alice users.User) call {
			_, team := e.organization("Beta", alice)
			i := e.teamInstallation(team.ID, "777", alice.ID, "")
			return func(ctx context.Context) error { return e.api.Integrations().DeleteTeamInstallation(ctx, i.ID) }
		}),
		hostCall("Integrations.TeamInstallations", "", 0, func(e *env, alice users.User) call {
			_, team := e.organization("Beta", alice)
			return func(ctx context.Context) error {
				_, err := e.api.Integrations().TeamInstallations(ctx, team.ID)
				return err
			}
		}),
		hostCall("Integrations.Import", "", 0, func(e *env, alice users.User) call {
			e.seedLink(alice, func(i *integrations.Installation) { i.ID = uuid.MustParse(unknownID) })
			link := integrations.Import{UserToken: "ghu_x", Repositories: []integrations.Repository{{ID: 1, Name: "x", FullName: "acme/x"}},
				Installation: integrations.Installation{UserID: alice.ID, InstallationID: "12345"}}
			return func(ctx context.Context) error { _, err := e.api.Integrations().Import(ctx, link); return err }
		}),
		hostCall(renewing, "", 409, func(e *env, alice users.User) call {
			e.link(e.session(alice, 0))
			e.advance(5 * time.Hour)
			return func(ctx context.Context) error {
				_, err := e.api.Integrations().UserToken(ctx, alice.ID, "12345")
				return err
			}
		}),
		hostCall("Integrations.InstallationToken", "", 0, func(e *env, alice users.User) call {
			e.link(e.session(alice, 0))
			return func(ctx context.Context) error {
				_, err := e.api.Integrations().InstallationToken(ctx, alice.ID, "12345")
				return err
			}
		}),
		hostCall("Integrations.Reseal", "", 0, func(e *env, alice users.User) call {
			e.link(e.session(alice, 0))
			return func(ctx context.Context) error { _, err := e.api.Integrations().Reseal(ctx); return err }
		}),
		hostCall("Integrations.DeleteExpired", "", 0, func(e *env, alice users.User) call {
			e.startLink(e.session(alice, 0), "")
			e.advance(time.Hour)
			return func(ctx context.Context) error { _, err := e.api.Integrations().DeleteExpired(ctx); return err }
		}),
	}
}

// TestFailingCallsKnowsEveryCall holds the calls of the host to the methods of the
// services. The others are those that routes call, that the calls above do, or that
// work in a transaction of their caller.
func TestFailingCallsKnowsEveryCall(t *testing.T) {
	served := strings.Fields(`Users.Personalise Users.Apply Users.Resolve Users.ResolveAny Users.Delete Users.Update Users.SetHedgehogConfig Users.HedgehogConfig
		Users.SeeProductIntro Users.CompleteCredentialsReview Users.SkipOnboarding Users.Look Users.List Auth.UpdateUser Auth.CreateBackupCodes Auth.VerifyEmail
		Auth.RequestEmailVerification Auth.CancelEmailChange Auth.APIKeys Auth.APIKey Auth.CreateAPIKey Auth.UpdateAPIKey Auth.RollAPIKey Auth.DeleteAPIKey Auth.Flush
		Auth.AllowCredentialChange Auth.AllowOnboardingSkip Auth.AllowVerificationMail Auth.AllowPasswordReset Auth.AllowLinkStart Auth.Login Auth.Logout
		Auth.StartPasskeyLogin Auth.PasskeyLogin Auth.StartPasskeyStep Auth.FinishLoginByPasskey Auth.Passkeys Auth.StartPasskey Auth.ConfirmPasskey Auth.RenamePasskey
		Auth.DeletePasskey Auth.HashPassword Auth.RequestPasswordReset Auth.CheckPasswordReset Auth.ResetPassword Auth.TwoFactor Auth.DisableTOTP Auth.FinishLogin
		Auth.Session Auth.Bearer Auth.Check2FA Auth.Sessions Auth.RevokeSession Auth.RevokeOtherSessions Auth.StartTOTP Auth.ConfirmTOTP Auth.NewTOTP
		Autonomy.Config Autonomy.Save Autonomy.Delete Integrations.Branches Integrations.Complete Integrations.Start Integrations.Repositories
		Integrations.RefreshRepositories Integrations.InstallRequests Integrations.DeleteInstallRequest Integrations.List Integrations.Unlink Integrations.GitHubLogin
		Integrations.Deliver Users.ImportedUser Auth.ImportUser Auth.ImportAPIKey`)
	known := map[string]bool{}
	for _, name := range served {
		known[name] = true
	}
	for _, v := range failingVerbs() {
		if v.method == "host" {
			known[v.path] = true
		}
	}
	for domain, service := range map[string]reflect.Type{"Users": reflect.TypeFor[*users.Service](), "Auth": reflect.TypeFor[*auth.Service](),
		"Autonomy": reflect.TypeFor[*autonomy.Service](), "Integrations": reflect.TypeFor[*integrations.Service]()} {
		for i := range service.NumMethod() {
			m, name := service.Method(i), fmt.Sprint(domain, ".", service.Method(i).Name)
			if m.Type.NumIn() > 1 && m.Type.In(1) == reflect.TypeFor[context.Context]() && !known[name] {
				t.Errorf("%s is not tried", name)
			}
			delete(known, name)
		}
	}
	for name := range known {
		t.Errorf("%s is no method", name)
	}
}
