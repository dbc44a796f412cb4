package httpapitest_test

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/hedgerow-dev/hedgerow/httpapi/httpapitest"
	"github.com/hedgerow-dev/hedgerow/storage/memory"
	"github.com/hedgerow-dev/hedgerow/users"
)

// badWorlds are worlds with the path of what is wrong in each.
var badWorlds = []struct{ world, path string }{
	{`{"user": {}}`, "/user"},
	{`{"users": {"alice": {"emial": "x"}}}`, "/users/alice/emial"},
	{`{"users": {"alice": {"Email": "x"}}}`, "/users/alice/Email"},
	{`{"users": {"a/b~": {"emial": "x"}}}`, "/users/a~1b~0/emial"},
	{`{"options": {"color": "red"}}`, "/options/color"},
	{`{"organizations": {"o": {"slug": "x"}}}`, "/organizations/o/slug"},
	{`{"users": {"a": {"linked_identities": [{"provider": "x"}, {"subject": "x"}]}}}`, "/users/a/linked_identities/1/subject"},
	{`{"users": {"a": {"totp": 1}}}`, "/users/a/totp"},
	{`{"users": {"a": {"email": "a@example.com", "totp": true, "backup_codes": ["123456"]}}}`, "/users/a/backup_codes"},
	{`{"users": {"a": {"passkeys": [{"name": "x"}]}}}`, "/users/a/passkeys/0/name"},
	{`{"users": {"a": {"passkeys_enabled_for_2fa": 0}}}`, "/users/a/passkeys_enabled_for_2fa"},

	{``, ""},
	{`[]`, ""},
	{`null`, ""},
	{`{} {}`, ""},
	{`{"mail": 1}`, "/mail"},
	{`{"mail": true, "mail": true}`, "/mail"},
	{`{"mail": null}`, "/mail"},
	{`{"options": null}`, "/options"},
	{`{"users": null}`, "/users"},
	{`{"users": [1, {}]}`, "/users"},
	{`{"users": {"a": null}}`, "/users/a"},
	{`{"users": {"a": {"email": 5}}}`, "/users/a/email"},
	{`{"users": {"a": {"email": null}}}`, "/users/a/email"},
	{`{"users": {"a": {"is_staff": "true"}}}`, "/users/a/is_staff"},
	{`{"users": {"a": {"is_active": null}}}`, "/users/a/is_active"},
	{`{"users": {"a": {"is_email_verified": 0}}}`, "/users/a/is_email_verified"},
	{`{"users": {"a": {"memberships": null}}}`, "/users/a/memberships"},
	{`{"users": {"a": {"memberships": {"acme": "1"}}}}`, "/users/a/memberships/acme"},
	{`{"users": {"a": {"memberships": {"acme": 1.5}}}}`, "/users/a/memberships/acme"},
	{`{"users": {"a": {"linked_identities": null}}}`, "/users/a/linked_identities"},
	{`{"users": {"a": {"hedgehog_config": {"x": 1, "x": 2}}}}`, "/users/a/hedgehog_config/x"},
	{`{"api_keys": {"k": {"scopes": [1]}}}`, "/api_keys/k/scopes/0"},
	{`{"api_keys": {"k": {"scopes": "user:read"}}}`, "/api_keys/k/scopes"},
	{`{"invites": {"i": {"age_days": "1"}}}`, "/invites/i/age_days"},
	{`{"autonomy": {"a": {"autostart_priority": 1}}}`, "/autonomy/a/autostart_priority"},

	{`{"users": {"a": {"email": "a@example.com", "memberships": {"acme": 1}}}}`, "/users/a/memberships/acme"},
	{`{"users": {"a": {"email": "a@example.com", "current_organization": "acme"}}}`, "/users/a/current_organization"},
	{`{"users": {"a": {"email": "a@example.com", "current_team": "web"}}}`, "/users/a/current_team"},
	{`{"teams": {"web": {"organization": "acme"}}}`, "/teams/web/organization"},
	{`{"teams": {"web": {}}}`, "/teams/web/organization"},
	{`{"api_keys": {"k": {}}}`, "/api_keys/k/owner"},
	{`{"invites": {"i": {"target_email": "x@example.com"}}}`, "/invites/i/organization"},
	{`{"dashboards": {"d": {"team": "web"}}}`, "/dashboards/d/team"},
	{`{"autonomy": {"a": {}}}`, "/autonomy/a"},

	{`{"options": {"identity_change": "never"}}`, "/options/identity_change"},
	{`{"options": {"login_failure_limit": 0}}`, "/options/login_failure_limit"},
	{`{"options": {"public_url": "app.example.com"}}`, "/options/public_url"},
	{`{"organizations": {"acme": {"name": " "}}}`, "/organizations/acme/name"},
	{`{"users": {"a": {}}}`, "/users/a/email"},
	{`{"users": {"a": {"email": "x"}}}`, "/users/a/email"},
	{`{"users": {"a": {"email": "a@example.com", "pending_email": "x"}}}`, "/users/a/pending_email"},
	{`{"users": {"a": {"email": "a@example.com"}, "b": {"email": "A@Example.com"}}}`, "/users/b/email"},
	{`{"users": {"a": {"email": "a@example.com", "linked_identities": [{"login": "x"}]}}}`, "/users/a/linked_identities/0/provider"},
	{`{"organizations": {"acme": {}}, "users": {"a": {"email": "a@example.com", "memberships": {"acme": 2}}}}`, "/users/a/memberships/acme"},
	{`{"organizations": {"acme": {}}, "invites": {"i": {"organization": "acme"}}}`, "/invites/i/target_email"},
	{`{"organizations": {"acme": {}}, "invites": {"i": {"organization": "acme", "age_days": -1}}}`, "/invites/i/age_days"},
	{`{"users": {"a": {"email": "a@example.com"}}, "api_keys": {"k": {"owner": "a", "scoped_teams": ["web"]}}}`, "/api_keys/k/scoped_teams/0"},
	{`{"users": {"a": {"email": "a@example.com"}}, "api_keys": {"k": {"owner": "a", "scoped_organizations": ["x"]}}}`, "/api_keys/k/scoped_organizations/0"},
	{`{"users": {"a": {"email": "a@example.com"}}, "autonomy": {"a": {"autostart_priority": "P9"}}}`, "/autonomy/a/autostart_priority"},
}

// inWorld are bad members beside a user alice and a team web.
func inWorld(members string) string {
	return `{"organizations": {"acme": {}}, "teams": {"web": {"organization": "acme"}}, "users": {"alice": {"email": "alice@example.com"}}, ` + members + `}`
}

var badGitHub = []struct{ world, path string }{
	{`{"options": {"uninstall_on_last_reference": null}}`, "/options/uninstall_on_last_reference"},
	{`{"github": null}`, "/github"},
	{`{"github": []}`, "/github"},
	{`{"github": {"apps": {}}}`, "/github/apps"},
	{`{"github": {"app": {"slug": 7}}}`, "/github/app/slug"},
	{`{"github": {"app": {"Slug": "x"}}}`, "/github/app/Slug"},
	{`{"github": {"users": {"a": {}, "a": {}}}}`, "/github/users/a"},
	{`{"github": {"installations": {"012": {}}}}`, "/github/installations/012"},
	{`{"github": {"installations": {"1": {"account": {"name": "x"}}}}}`, "/github/installations/1/account/name"},
	{`{"github": {"branches": {"acme/web": {"names": "main"}}}}`, "/github/branches/acme~1web/names"},
	{`{"github": {"codes": {"c": {"user": "nobody"}}}}`, "/github/codes/c/user"},
	{`{"integrations": {}}`, "/integrations"},
	{`{"integrations": [{"user": "alice", "kind": "github"}]}`, "/integrations/0/kind"},
	{`{"integrations": [{"user": "alice", "installation_id": "1"}]}`, "/integrations/0/user"},
	{`{"integrations": [{"account": {"login": "x"}}]}`, "/integrations/0/account/login"},
	{`{"integrations": [{"github_user": {"id": "99"}}]}`, "/integrations/0/github_user/id"},
	{`{"integrations": [{"snapshot": {"repositories": null}}]}`, "/integrations/0/snapshot/repositories"},
	{`{"team_integrations": [{"team": "web"}]}`, "/team_integrations/0/team"},
	{`{"install_requests": [{"user": "alice"}]}`, "/install_requests/0/user"},
	{inWorld(`"integrations": [{"user": "alice"}]`), "/integrations/0/installation_id"},
	{inWorld(`"integrations": [{"user": "alice", "installation_id": "012"}]`), "/integrations/0/installation_id"},
	{inWorld(`"integrations": [{"user": "alice", "installation_id": 1}]`), "/integrations/0/installation_id"},
	{inWorld(`"integrations": [{"user": "alice", "installation_id": "1"}, {"user": "alice", "installation_id": "1"}]`), "/integrations/1/installation_id"},
	{inWorld(`"integrations": [{"user": "alice", "installation_id": "1", "age_seconds": -1}]`), "/integrations/0/age_seconds"},
	{inWorld(`"integrations": [{"user": "alice", "installation_id": "1", "installation_token_age_seconds": 1e300}]`), "/integrations/0/installation_token_age_seconds"},
	{inWorld(`"integrations": [{"user": "alice", "installation_id": "1", "snapshot": {"age_seconds": -1}}]`), "/integrations/0/snapshot/age_seconds"},
	{inWorld(`"integrations": [{"user": "alice", "installation_id": "1", "snapshot": {"repositories": [{"id": 1}]}}]`), "/integrations/0/snapshot/repositories/0"},
	{inWorld(`"integrations": [{"user": "alice", "installation_id": "1", "snapshot": {"repositories": [{"id": "1"}]}}]`), "/integrations/0/snapshot/repositories/0/id"},
	{inWorld(`"team_integrations": [{"team": "app", "installation_id": "1"}]`), "/team_integrations/0/team"},
	{inWorld(`"team_integrations": [{"team": "web", "installation_id": "x"}]`), "/team_integrations/0/installation_id"},
	{inWorld(`"team_integrations": [{"team": "web", "installation_id": "1", "created_by": "bob"}]`), "/team_integrations/0/created_by"},
	{inWorld(`"team_integrations": [{"team": "web", "installation_id": "1"}, {"team": "web", "installation_id": "1"}]`), "/team_integrations/1/installation_id"},
	{inWorld(`"install_requests": [{"user": "bob"}]`), "/install_requests/0/user"},
	{inWorld(`"install_requests": [{"user": "alice", "status": "open"}]`), "/install_requests/0/status"},
}

// TestBadWorlds sends each to a stand-in whose world must stay as it was.
func TestBadWorlds(t *testing.T) {
	s := httpapitest.New(t, world)
	s.Clock().Advance(1)
	before, alice, clock := s.IDs(), s.Login("alice"), s.Clock()
	for _, c := range slices.Concat(badWorlds, badGitHub) {
		got := want[map[string]string](t, http.StatusBadRequest, "PUT", s.URL+"/_standin/world", c.world)
		if got["path"] != c.path || !strings.HasPrefix(got["detail"], c.path) || len(got["detail"]) < len(c.path)+5 {
			t.Errorf("%s: got %v, want path %q and a reason", c.world, got, c.path)
		}
	}
	if res, err := alice.Get(s.URL + "/api/users/@me"); err != nil || res.Body.Close() != nil || res.StatusCode != http.StatusOK {
		t.Errorf("the old session: got %v, %v", res, err)
	}
	if s.Clock() != clock || s.IDs().Users["alice"] != before.Users["alice"] {
		t.Error("a refused world replaced the old one")
	}
}

// TestLoadRefusedLeavesTheStore loads a world whose last member is wrong.
func TestLoadRefusedLeavesTheStore(t *testing.T) {
	w, err := httpapitest.ParseWorld([]byte(`{"users": {"a": {"email": "a@example.com"}}, "autonomy": {"b": {}}}`))
	if err != nil {
		t.Fatal(err)
	}
	store := memory.New()
	var refused *httpapitest.Refusal
	if _, err := w.Load(t.Context(), store, open(t, store, nil), users.DashboardMap{}); !errors.As(err, &refused) || refused.Path != "/autonomy/b" {
		t.Errorf("Load: got %v, want a refusal of /autonomy/b", err)
	}
	if page, err := store.Profiles(t.Context(), users.Query{Limit: 1}); err != nil || page.Total != 0 {
		t.Errorf("the store has %d users, %v, want none", page.Total, err)
	}
}
