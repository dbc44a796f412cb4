package client_test

import (
	"context"
	"errors"
	"net/http"
	"testing"

	"github.com/google/uuid"
	"github.com/oapi-codegen/nullable"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/autonomy"
	"github.com/hedgerow-dev/hedgerow/httpapi/client"
	"github.com/hedgerow-dev/hedgerow/httpapi/httpapitest"
	"github.com/hedgerow-dev/hedgerow/integrations"
	"github.com/hedgerow-dev/hedgerow/users"
)

const password = "testpassword12345"

const world = `{
	"mail": true,
	"organizations": {"acme": {"name": "Acme"}},
	"teams": {"web": {"organization": "acme"}},
	"users": {
		"alice": {"email": "alice@example.com", "password": "testpassword12345", "memberships": {"acme": 1}, "is_email_verified": true, "current_organization": "acme", "current_team": "web"},
		"bob": {"email": "bob@example.com", "password": "testpassword12345", "is_email_verified": true},
		"boss": {"email": "boss@example.com", "is_staff": true}},
	"dashboards": {"d1": {"team": "web"}},
	"integrations": [{"user": "alice", "installation_id": "12345", "account": {"type": "Organization", "name": "acme"}, "github_user": {"login": "octocat", "id": 99}}],
	"install_requests": [{"user": "alice", "github_user_id": 99, "github_login": "octocat", "status": "pending"}],
	"github": {
		"users": {"octocat": {"id": 99, "installations": ["12345"]}},
		"installations": {"12345": {"account": {"type": "Organization", "login": "acme"}, "repositories": 7}},
		"branches": {"acme/repo-1": {"names": ["main", "dev", "next"], "default": "main"}}}}`

// byKey is a client with a new key of somebody.
func byKey(t *testing.T, api *httpapitest.Server, user string, scopes ...string) *client.Client {
	t.Helper()
	return connect(t, api, client.Config{APIKey: users.Secret(api.NewKey(user, scopes...)), Tries: 1})
}

// bySession is a client with a new session of somebody.
func bySession(t *testing.T, api *httpapitest.Server, user string) *client.Client {
	t.Helper()
	return connect(t, api, client.Config{Session: api.Session(user, auth.StartOptions{SecondFactor: true}), Tries: 1})
}

func connect(t *testing.T, api *httpapitest.Server, config client.Config) *client.Client {
	t.Helper()
	c, err := client.New(api.URL, config)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// got returns a result of a call, or fails the test.
func got[T any](t *testing.T) func(T, error) T {
	t.Helper()
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// failed is the error of a call.
func failed[T any](_ T, err error) error { return err }

// is fails the test unless an error is a sentinel.
func is(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("got %v, want %v", err, want)
	}
}

func TestUsers(t *testing.T) {
	api, ctx := httpapitest.New(t, world), t.Context()
	alice := byKey(t, api, "alice", "user:read", "user:write")
	var header http.Header
	me := got[client.User](t)(alice.GetUser(ctx, client.Me, client.ReadHeader(&header)))
	if me.Email != "alice@example.com" || me.Organization.MustGet().Name != "Acme" || header.Get("ETag") == "" {
		t.Errorf("GetUser: got %s of %v, header %v", me.Email, me.Organization, header)
	}
	tag := header.Get("ETag")
	me = got[client.User](t)(alice.UpdateUser(ctx, client.Me, client.UpdateUserParams{IfMatch: &tag}, client.UserPatch{
		FirstName: new("Ann"), ThemeMode: nullable.NewNullableWithValue(client.UserPatchThemeModeDark), NotificationSettings: &client.NotificationSettingsPatch{DiscussionsMentioned: new(false)},
	}))
	if me.FirstName != "Ann" || me.ThemeMode.MustGet() != client.UserThemeModeDark || me.NotificationSettings.DiscussionsMentioned {
		t.Errorf("UpdateUser: got %+v", me)
	}
	me = got[client.User](t)(alice.UpdateUser(ctx, client.Me, client.UpdateUserParams{}, client.UserPatch{ThemeMode: nullable.NewNullNullable[client.UserPatchThemeMode]()}))
	if !me.ThemeMode.IsNull() || me.FirstName != "Ann" {
		t.Errorf("UpdateUser: got %v and %s", me.ThemeMode, me.FirstName)
	}
	is(t, failed(alice.UpdateUser(ctx, client.Me, client.UpdateUserParams{IfMatch: &tag}, client.UserPatch{})), users.ErrStale)
	err := failed(alice.UpdateUser(ctx, client.Me, client.UpdateUserParams{}, client.UserPatch{Email: new("bob@example.com"), CurrentPassword: new(password)}))
	is(t, err, users.ErrEmailTaken)
	var refusal *users.Error
	if !errors.As(err, &refusal) || refusal.Field != "email" || refusal.Message != users.ErrEmailTaken.Message {
		t.Errorf("got %+v", refusal)
	}
	is(t, failed(alice.GetUser(ctx, api.IDs().Users["bob"].UUID.String())), users.ErrForbidden)
	is(t, failed(byKey(t, api, "boss", "*").GetUser(ctx, "0190c0de-0000-7000-8000-000000000000")), users.ErrNotFound)
	is(t, failed(connect(t, api, client.Config{}).GetUser(ctx, client.Me)), auth.ErrNotAuthenticated)
	is(t, failed(connect(t, api, client.Config{APIKey: "phx_x"}).GetUser(ctx, client.Me)), auth.ErrAuthenticationFailed)
	if config := got[client.HedgehogConfig](t)(alice.SetHedgehogConfig(ctx, client.Me, map[string]any{"color": "red"})); config.(map[string]any)["color"] != "red" {
		t.Errorf("SetHedgehogConfig: got %v", config)
	}
	is(t, bySession(t, api, "alice").DeleteUser(ctx, client.Me), users.ErrMember)
	if err := bySession(t, api, "bob").DeleteUser(ctx, client.Me); err != nil {
		t.Error(err)
	}
}

func TestAllUsers(t *testing.T) {
	api := httpapitest.New(t, world)
	boss := byKey(t, api, "boss", "user:read")
	for limit := 1; limit <= 4; limit++ {
		var names []string
		for u, err := range boss.AllUsers(t.Context(), client.ListUsersParams{Limit: &limit}) {
			if err != nil {
				t.Fatal(err)
			}
			names = append(names, string(u.Email))
		}
		if len(names) != 3 || names[0] != "alice@example.com" || names[2] != "boss@example.com" {
			t.Errorf("pages of %d: got %v", limit, names)
		}
	}
	for u, err := range boss.AllUsers(t.Context(), client.ListUsersParams{Offset: new(1)}) {
		if err != nil || u.Email != "bob@example.com" {
			t.Errorf("from the second on: got %s, %v", u.Email, err)
		}
		break
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	seen := 0
	for _, err := range boss.AllUsers(ctx, client.ListUsersParams{Limit: new(1)}) {
		if seen++; err == nil {
			cancel()
		} else if !errors.Is(err, context.Canceled) || seen != 2 {
			t.Errorf("got %v at %d", err, seen)
		}
	}
}

func TestKeys(t *testing.T) {
	api, ctx := httpapitest.New(t, world), t.Context()
	alice := bySession(t, api, "alice")
	made := got[client.PersonalAPIKeyValue](t)(alice.CreatePersonalAPIKey(ctx, client.NewPersonalAPIKey{
		Label: "CI", Scopes: []string{"user:read"}, ScopedTeams: nullable.NewNullNullable[[]int64](), ScopedOrganizations: nullable.NewNullNullable[[]uuid.UUID](),
	}))
	key := connect(t, api, client.Config{APIKey: users.Secret(made.Value), Tries: 1})
	if own := got[client.PersonalAPIKey](t)(key.GetPersonalAPIKey(ctx, "@current")); own.Id != made.Id || !own.Value.IsNull() {
		t.Errorf("GetPersonalAPIKey: got %+v", own)
	}
	rolled := got[client.PersonalAPIKeyValue](t)(alice.RollPersonalAPIKey(ctx, made.Id))
	is(t, failed(key.GetUser(ctx, client.Me)), auth.ErrAuthenticationFailed)
	key = connect(t, api, client.Config{APIKey: users.Secret(rolled.Value), Tries: 1})
	got[client.User](t)(key.GetUser(ctx, client.Me))
	is(t, failed(key.UpdateUser(ctx, client.Me, client.UpdateUserParams{}, client.UserPatch{})), users.ErrForbidden)
	if renamed := got[client.PersonalAPIKey](t)(alice.UpdatePersonalAPIKey(ctx, made.Id, client.PersonalAPIKeyPatch{Label: new("Build")})); renamed.Label != "Build" {
		t.Errorf("UpdatePersonalAPIKey: got %+v", renamed)
	}
	if err := alice.DeletePersonalAPIKey(ctx, made.Id); err != nil {
		t.Fatal(err)
	}
	if list := got[[]client.PersonalAPIKey](t)(alice.ListPersonalAPIKeys(ctx)); len(list) != 0 {
		t.Errorf("ListPersonalAPIKeys: got %v", list)
	}
	is(t, alice.DeletePersonalAPIKey(ctx, made.Id), users.ErrNotFound)
}

func TestAutonomy(t *testing.T) {
	api, ctx := httpapitest.New(t, world), t.Context()
	alice := byKey(t, api, "alice", "user:write")
	is(t, failed(alice.GetSignalAutonomy(ctx, client.Me)), autonomy.ErrNoConfig)
	saved := got[client.SignalAutonomy](t)(alice.SaveSignalAutonomy(ctx, client.Me, client.SignalAutonomyPatch{
		AutostartPriority: nullable.NewNullableWithValue(client.SignalAutonomyPatchAutostartPriorityP2),
	}))
	if read := got[client.SignalAutonomy](t)(alice.GetSignalAutonomy(ctx, client.Me)); read.Id != saved.Id || read.AutostartPriority.MustGet() != client.SignalAutonomyAutostartPriorityP2 {
		t.Errorf("GetSignalAutonomy: got %+v", read)
	}
	is(t, failed(alice.SaveSignalAutonomy(ctx, client.Me, client.SignalAutonomyPatch{AutostartPriority: nullable.NewNullableWithValue[client.SignalAutonomyPatchAutostartPriority]("P9")})), autonomy.ErrPriority)
	if err := alice.DeleteSignalAutonomy(ctx, client.Me); err != nil {
		t.Fatal(err)
	}
	is(t, failed(byKey(t, api, "boss", "*").GetSignalAutonomy(ctx, "999")), users.ErrNotFound)
}

func TestIntegrations(t *testing.T) {
	api, ctx := httpapitest.New(t, world), t.Context()
	alice := byKey(t, api, "alice", "user:write")
	list := got[client.Integrations](t)(alice.ListIntegrations(ctx, client.Me, client.ListIntegrationsParams{}))
	if len(list.Results) != 1 || list.Results[0].InstallationId != "12345" {
		t.Fatalf("ListIntegrations: got %+v", list)
	}
	var names []string
	for r, err := range alice.AllRepositories(ctx, client.Me, "12345", client.ListRepositoriesParams{Limit: new(3)}) {
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, r.FullName)
	}
	if len(names) != 7 || names[6] != "acme/repo-7" {
		t.Errorf("AllRepositories: got %v", names)
	}
	names = nil
	for name, err := range alice.AllBranches(ctx, client.Me, "12345", client.ListBranchesParams{Repo: "acme/repo-1", Limit: new(2)}) {
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, name)
	}
	if len(names) != 3 || names[0] != "main" {
		t.Errorf("AllBranches: got %v", names)
	}
	err := failed(alice.ListBranches(ctx, client.Me, "12345", client.ListBranchesParams{Repo: "acme"}))
	is(t, err, integrations.ErrRepository)
	if started := got[client.LinkStart](t)(alice.StartGitHubLink(ctx, client.Me, client.LinkStartRequest{})); started.ConnectFlow != client.AppInstall {
		t.Errorf("StartGitHubLink: got %+v", started)
	}
	requests := got[client.InstallRequests](t)(alice.ListInstallRequests(ctx, client.Me))
	if err := alice.DeleteInstallRequest(ctx, client.Me, client.RequestsInstallRequests, requests.Results[0].Id); err != nil {
		t.Error(err)
	}
	if err := alice.UnlinkInstallation(ctx, client.Me, "12345"); err != nil {
		t.Error(err)
	}
	is(t, failed(alice.ListRepositories(ctx, client.Me, "12345", client.ListRepositoriesParams{})), users.ErrNotFound)
}
