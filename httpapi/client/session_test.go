package client_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/httpapi/client"
	"github.com/hedgerow-dev/hedgerow/httpapi/httpapitest"
	"github.com/hedgerow-dev/hedgerow/users"
)

func TestSessions(t *testing.T) {
	api, ctx := httpapitest.New(t, world), t.Context()
	bob := connect(t, api, client.Config{Tries: 1})
	is(t, failed(bob.Login(ctx, client.Login{Email: "bob@example.com", Password: "wrong"})), auth.ErrInvalidCredentials)
	got[client.Success](t)(bob.Login(ctx, client.Login{Email: "bob@example.com", Password: password}))
	if me := got[client.User](t)(bob.GetUser(ctx, client.Me)); me.Email != "bob@example.com" {
		t.Errorf("GetUser: got %s", me.Email)
	}
	other := bySession(t, api, "bob")
	list := got[client.LoginSessions](t)(bob.ListLoginSessions(ctx, client.Me))
	if len(list) != 2 || !list[0].IsCurrent || list[1].IsCurrent {
		t.Fatalf("ListLoginSessions: got %+v", list)
	}
	if err := bob.RevokeLoginSession(ctx, client.Me, list[1].Id.String()); err != nil {
		t.Error(err)
	}
	is(t, failed(other.GetUser(ctx, client.Me)), auth.ErrNotAuthenticated)
	bySession(t, api, "bob")
	if revoked := got[client.RevokedSessions](t)(bob.RevokeOtherLoginSessions(ctx, client.Me)); revoked.RevokedCount != 1 {
		t.Errorf("RevokeOtherLoginSessions: got %+v", revoked)
	}
	var header http.Header
	if err := bob.Logout(ctx, client.LogoutParams{Next: new("/welcome")}, client.ReadHeader(&header)); err != nil || !strings.Contains(header.Get("Location"), "welcome") {
		t.Errorf("Logout: got %v, header %v", err, header)
	}
	is(t, failed(bob.GetUser(ctx, client.Me)), auth.ErrNotAuthenticated)
	api.Clock().Advance(3 * time.Hour)
	stale := connect(t, api, client.Config{Session: api.Session("bob", auth.StartOptions{Age: 3 * time.Hour}), Tries: 1})
	is(t, failed(stale.UpdateUser(ctx, client.Me, client.UpdateUserParams{}, client.UserPatch{FirstName: new("Bob")})), auth.ErrReauthenticate)
}

func TestSecondFactor(t *testing.T) {
	api, ctx := httpapitest.New(t, world), t.Context()
	bob := bySession(t, api, "bob")
	is(t, failed(bob.CreateBackupCodes(ctx, client.Me)), auth.Err2FANotEnabled)
	setup := got[client.TwoFactorSetup](t)(bob.StartTwoFactorSetup(ctx, client.Me))
	code := func() *string {
		t.Helper()
		return new(got[string](t)(totp.GenerateCode(setup.Secret, api.Clock().Now())))
	}
	is(t, failed(bob.ValidateTwoFactor(ctx, client.Me, client.TwoFactorToken{Token: new("x")})), auth.ErrTokenInvalid)
	got[client.Success](t)(bob.ValidateTwoFactor(ctx, client.Me, client.TwoFactorToken{Token: code()}))
	if status := got[client.TwoFactorStatus](t)(bob.GetTwoFactorStatus(ctx, client.Me)); !status.IsEnabled || !status.HasTotp {
		t.Errorf("GetTwoFactorStatus: got %+v", status)
	}
	if codes := got[client.BackupCodes](t)(bob.CreateBackupCodes(ctx, client.Me)); len(codes.BackupCodes) != 10 {
		t.Errorf("CreateBackupCodes: got %v", codes)
	}
	api.Clock().Advance(time.Minute)
	again := connect(t, api, client.Config{Tries: 1})
	is(t, failed(again.Login(ctx, client.Login{Email: "bob@example.com", Password: password})), auth.Err2FARequired)
	is(t, failed(again.GetUser(ctx, client.Me)), auth.ErrNotAuthenticated)
	got[client.Success](t)(again.FinishLogin(ctx, client.TwoFactorToken{Token: code()}))
	got[client.User](t)(again.GetUser(ctx, client.Me))
	got[client.Success](t)(again.DisableTwoFactor(ctx, client.Me))
	if list := got[client.Passkeys](t)(again.ListPasskeys(ctx, client.Me)); len(list) != 0 {
		t.Errorf("ListPasskeys: got %v", list)
	}
	is(t, failed(again.CompletePasskeyRegistration(ctx, client.Me, client.NewPasskey{Credential: map[string]any{}})), users.ErrNotFound)
}

// TestMail: what links in mails lead to.
func TestMail(t *testing.T) {
	api, ctx := httpapitest.New(t, world), t.Context()
	bob := bySession(t, api, "bob")
	if me := got[client.User](t)(bob.UpdateUser(ctx, client.Me, client.UpdateUserParams{}, client.UserPatch{Email: new("robert@example.com")})); me.PendingEmail.MustGet() != "robert@example.com" {
		t.Errorf("UpdateUser: got %v", me.PendingEmail)
	}
	got[client.User](t)(bob.CancelEmailChange(ctx))
	is(t, failed(bob.CancelEmailChange(ctx)), auth.ErrNoEmailChange)
	anybody := connect(t, api, client.Config{Tries: 1})
	if err := anybody.RequestPasswordReset(ctx, client.PasswordResetRequest{Email: "bob@example.com"}); err != nil {
		t.Fatal(err)
	}
	var token string
	for _, m := range api.Mail().Messages() {
		if m, ok := m.(auth.PasswordReset); ok {
			token = string(m.Token)
		}
	}
	uuid := api.IDs().Users["bob"].UUID.String()
	if err := anybody.CheckPasswordReset(ctx, uuid, client.CheckPasswordResetParams{Token: token}); err != nil {
		t.Fatal(err)
	}
	is(t, anybody.CheckPasswordReset(ctx, uuid, client.CheckPasswordResetParams{Token: "x"}), auth.ErrInvalidToken)
	if err := anybody.ResetPassword(ctx, uuid, client.PasswordReset{Token: token, Password: "mighty-strong-secure-1337!!"}); err != nil {
		t.Fatal(err)
	}
	got[client.Success](t)(anybody.Login(ctx, client.Login{Email: "bob@example.com", Password: "mighty-strong-secure-1337!!"}))
}

func TestSchema(t *testing.T) {
	api := httpapitest.New(t, world)
	if schema := got[map[string]any](t)(connect(t, api, client.Config{}).GetSchema(t.Context())); schema["openapi"] != "3.1.0" {
		t.Errorf("GetSchema: got %v", schema["openapi"])
	}
}

// TestUnknownMembers: later versions of the API may have more.
func TestUnknownMembers(t *testing.T) {
	var u client.UserBasic
	if err := json.Unmarshal([]byte(`{"id":1,"later":true}`), &u); err != nil || u.Id != 1 {
		t.Errorf("got %+v, %v", u, err)
	}
}
