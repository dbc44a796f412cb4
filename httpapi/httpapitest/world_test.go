package httpapitest_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/autonomy"
	"github.com/hedgerow-dev/hedgerow/httpapi"
	"github.com/hedgerow-dev/hedgerow/httpapi/httpapitest"
	"github.com/hedgerow-dev/hedgerow/integrations"
	"github.com/hedgerow-dev/hedgerow/storage"
	"github.com/hedgerow-dev/hedgerow/storage/memory"
	"github.com/hedgerow-dev/hedgerow/storage/sqlite"
	"github.com/hedgerow-dev/hedgerow/users"
)

func TestUserMembers(t *testing.T) {
	s := httpapitest.New(t, world)
	members := []string{"email", "first_name", "last_name", "is_staff", "is_email_verified", "pending_email", "has_password", "has_social_auth", "hedgehog_config", "requires_credential_review"}
	for user, want := range map[string]string{
		"zoë":   `["Zoe@Example.com","Zoë","",true,true,"new@example.com",true,true,[1,{"color":"red"}],true]`,
		"alice": `["alice@example.com","","",false,null,null,true,false,null,false]`,
		"eve":   `["eve@example.com","","",false,false,null,false,false,null,false]`,
	} {
		if got := pick(t, me(t, s, user), members...); got != want {
			t.Errorf("%s: got %s, want %s", user, got, want)
		}
	}
	bob, err := s.API().Users().User(t.Context(), s.IDs().Users["bob"].ID)
	if err != nil || bob.IsActive || bob.HasPassword() || !bob.CredentialsReviewedAt.Equal(s.Clock().Now()) {
		t.Errorf("bob: got %+v, %v, want one inactive, without password, reviewed now", bob, err)
	}
}

func TestCurrent(t *testing.T) {
	s := httpapitest.New(t, world)
	for user, want := range map[string][3]string{ // organization and team as stored, names of all organizations
		"zoë":   {"acme", "web", "Zoo acme"},
		"alice": {"", "", "acme"},
		"eve":   {"", "", "acme"},
		"bob":   {"", "", ""},
	} {
		u, err := s.API().Users().User(t.Context(), s.IDs().Users[user].ID)
		if err != nil {
			t.Fatal(err)
		}
		if u.CurrentOrganization != s.IDs().Organizations[want[0]].ID || u.CurrentTeam != s.IDs().Teams[want[1]].ID {
			t.Errorf("%s: stored %v and %d, want those of %q", user, u.CurrentOrganization, u.CurrentTeam, want)
		}
		sight, err := s.API().Users().Look(t.Context(), users.Viewer{}, u.ID)
		if err != nil {
			t.Fatal(err)
		}
		view := sight.View()
		var names []string
		for _, o := range view.Organizations {
			names = append(names, o.Name)
		}
		if got := strings.Join(names, " "); got != want[2] {
			t.Errorf("%s: got organizations %q, want %q in the order of the file", user, got, want[2])
		}
	}
}

func TestOtherMembers(t *testing.T) {
	s := httpapitest.New(t, world)
	zoe := s.IDs().Users["zoë"].ID
	keys, err := s.API().Auth().APIKeys(t.Context(), zoe)
	if err != nil || len(keys) != 2 || keys[0].ID != s.IDs().APIKeys["k1"].ID || keys[0].Label != "Later" || keys[1].Label != "Test" {
		t.Fatalf("got keys %+v, %v, want k1 as the newer one, then k2", keys, err)
	}
	if keys[0].ScopedTeams != nil || keys[0].ScopedOrganizations == nil || len(keys[0].Scopes) != 0 {
		t.Errorf("k1: got %+v, want null as team list and an empty list of organizations", keys[0])
	}
	k2 := keys[1]
	if !reflect.DeepEqual(k2.ScopedTeams, []users.TeamID{s.IDs().Teams["app"].ID}) || k2.ScopedOrganizations[0] != s.IDs().Organizations["zoo"].ID {
		t.Errorf("k2: got %+v", k2)
	}
	if status, _ := call(t, "GET", s.URL+"/api/users/@me", "", "Authorization", "Bearer "+s.IDs().APIKeys["k2"].Value); status != http.StatusOK {
		t.Errorf("k2: got status %d", status)
	}
	if login, err := s.API().Integrations().GitHubLogin(t.Context(), zoe); err != nil || login != "first" {
		t.Errorf("GitHubLogin: got %q, %v, want the first identity", login, err)
	}
	invites, ok := me(t, s, "alice")["pending_invites"].([]any)
	if !ok || len(invites) != 3 {
		t.Fatalf("alice: got invites %v, want all but i0, which is too old by a hair", invites)
	}
	for n, name := range []string{"i1", "i3", "i2"} { // newest first, and later in the file is newer
		if got := pick(t, invites[n].(map[string]any), "id"); got != `["`+s.IDs().Invites[name].ID.String()+`"]` {
			t.Errorf("alice: invite %d is %s, want %s", n, got, name)
		}
	}
	for user, want := range map[string]autonomy.Priority{"eve": autonomy.P2, "alice": autonomy.None} {
		if c, err := s.API().Autonomy().Config(t.Context(), s.IDs().Users[user].ID); err != nil || c.AutostartPriority != want {
			t.Errorf("%s: got autonomy %+v, %v, want %q", user, c, err, want)
		}
	}
	events, err := s.API().Users().Events(t.Context(), users.EventQuery{Limit: 100})
	created := slices.DeleteFunc(events, func(e users.Event) bool { return e.Action != "user created" })
	if err != nil || len(created) != 4 || created[0].Target != zoe {
		t.Errorf("got events %+v, %v, want one for each user", created, err)
	}
	if _, err := s.API().Autonomy().Config(t.Context(), zoe); !errors.Is(err, autonomy.ErrNoConfig) {
		t.Errorf("zoë: got autonomy error %v, want none there", err)
	}
}

// open makes an API on an empty store, for World.Load.
func open(t *testing.T, store storage.Storage, dashboards users.DashboardMap) *httpapi.API {
	t.Helper()
	api, err := httpapi.New(store, httpapi.Config{
		PublicURL: "https://app.example.com", EncryptionKeys: [][]byte{make([]byte, auth.EncryptionKeyBytes)},
		Dashboards: dashboards, Auth: auth.Config{PasswordCost: auth.Cost{KiB: 8, Passes: 1}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return api
}

func TestLoadNumbersInTheOrderOfTheFile(t *testing.T) {
	file, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "a.db"))
	if err != nil {
		t.Fatal(err)
	}
	w, err := httpapitest.ParseWorld([]byte(world))
	if err != nil {
		t.Fatal(err)
	}
	for name, store := range map[string]storage.Storage{"memory": memory.New(), "sqlite": file} {
		dashboards := users.DashboardMap{}
		ids, err := w.Load(t.Context(), store, open(t, store, dashboards), dashboards)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		got := fmt.Sprint(ids.Users["zoë"].ID, ids.Users["alice"].ID, ids.Users["bob"].ID, ids.Users["eve"].ID,
			ids.Teams["web"].ID, ids.Teams["app"].ID, ids.Dashboards["d2"].ID, ids.Dashboards["d1"].ID)
		if want := "1 2 3 4 1 2 1 2"; got != want {
			t.Errorf("%s: got %s, want %s", name, got, want)
		}
		if want := (users.DashboardMap{1: 2, 2: 1}); !reflect.DeepEqual(dashboards, want) {
			t.Errorf("%s: got dashboards %v, want %v", name, dashboards, want)
		}
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	}
}

// counter counts transactions.
type counter struct {
	storage.Storage
	transactions int
}

func (c *counter) UpdateUsers(ctx context.Context, fn func(users.Tx) error) error {
	c.transactions++
	return c.Storage.UpdateUsers(ctx, fn)
}

func (c *counter) UpdateAuth(ctx context.Context, fn func(auth.Tx) error) error {
	c.transactions++
	return c.Storage.UpdateAuth(ctx, fn)
}

func (c *counter) UpdateAutonomy(ctx context.Context, fn func(autonomy.Tx) error) error {
	c.transactions++
	return c.Storage.UpdateAutonomy(ctx, fn)
}

func (c *counter) UpdateIntegrations(ctx context.Context, fn func(integrations.Tx) error) error {
	c.transactions++
	return c.Storage.UpdateIntegrations(ctx, fn)
}

// large is a world of 20 users with everything that a user may have.
func large() string {
	var b strings.Builder
	b.WriteString(`{"organizations": {"acme": {}, "zoo": {}}, "teams": {"web": {"organization": "acme"}}, "users": {`)
	for n := range 20 {
		if n > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, `"u%d": {"email": "u%[1]d@example.com", "password": "testpassword12345", "memberships": {"acme": 1, "zoo": 8},
			"current_organization": "acme", "current_team": "web", "linked_identities": [{"provider": "github", "login": "l%[1]d"}]}`, n)
	}
	b.WriteString(`}, "api_keys": {"k": {"owner": "u7", "scopes": ["*"]}}, "autonomy": {"u9": {}}, "integrations": [{"user": "u9", "installation_id": "1"}],
		"team_integrations": [{"team": "web", "installation_id": "1"}], "install_requests": [{"user": "u9"}]}`)
	return b.String()
}

// TestLoadWork bounds what replacing a world costs: one transaction for each
// record, and password hashes of the least cost.
func TestLoadWork(t *testing.T) {
	w, err := httpapitest.ParseWorld([]byte(large()))
	if err != nil {
		t.Fatal(err)
	}
	store := &counter{Storage: memory.New()}
	if _, err := w.Load(t.Context(), store, open(t, store, nil), users.DashboardMap{}); err != nil {
		t.Fatal(err)
	}
	if records := 2 + 1 + 20 + 1 + 1 + 3; store.transactions != records {
		t.Errorf("got %d transactions, want one for each of %d records", store.transactions, records)
	}
	s := httpapitest.New(t, large())
	u, err := s.API().Users().User(t.Context(), 20)
	if err != nil || !strings.HasPrefix(string(u.PasswordHash), "$argon2id$v=19$m=8,t=1,p=1$") {
		t.Errorf("the hash of user 20 (%v) is not of the least cost", err)
	}
}

func BenchmarkReplaceWorld(b *testing.B) {
	s, text := httpapitest.New(b, "{}"), large()
	for b.Loop() {
		s.Load(text)
	}
}
