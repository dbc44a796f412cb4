package httpapi_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/hedgerow-dev/hedgerow/users"
)

// join makes somebody a member; minutes order the memberships.
func (e *env) join(u users.User, o users.Organization, level users.Level, minutes int, invitedBy users.ID) {
	e.t.Helper()
	m := users.Membership{UserID: u.ID, OrganizationID: o.ID, Level: level, JoinedAt: e.now().Add(time.Duration(minutes) * time.Minute), InvitedBy: invitedBy}
	if err := e.api.Users().SaveMembership(e.t.Context(), m); err != nil {
		e.t.Fatalf("save membership: %v", err)
	}
}

// team adds a team to an organization.
func (e *env) team(o users.Organization, name string, accessControl bool) users.Team {
	e.t.Helper()
	team, err := e.api.Users().SaveTeam(e.t.Context(), users.Team{OrganizationID: o.ID, Name: name, APIToken: "phc_" + name, AccessControl: accessControl})
	if err != nil {
		e.t.Fatalf("save team: %v", err)
	}
	return team
}

// bare stores an organization without teams.
func (e *env) bare(name string) users.Organization {
	e.t.Helper()
	o := users.NewOrganization()
	o.Name = name
	o, err := e.api.Users().SaveOrganization(e.t.Context(), o)
	if err != nil {
		e.t.Fatalf("save organization: %v", err)
	}
	return o
}

// part returns a member of a nested object as JSON.
func (r reply) part(object, member string) string {
	r.t.Helper()
	m, _ := r.json()[object].(map[string]any)
	b, err := json.Marshal(m[member])
	if err != nil {
		r.t.Fatal(err)
	}
	return string(b)
}

// current fails the test unless these are shown as current, and stored; "" is
// null. The second read must find nothing to heal.
func (e *env) current(u users.User, organization, team string) {
	e.t.Helper()
	key := e.key(u, "user:read")
	r := e.do("GET", "/api/users/@me", "", key).ok(200)
	quoted := func(name string) string {
		if name == "" {
			return "null"
		}
		return fmt.Sprintf("%q", name)
	}
	if o, t := r.part("organization", "name"), r.part("team", "name"); o != quoted(organization) || t != quoted(team) {
		e.t.Errorf("current organization %s and team %s, want %s and %s", o, t, quoted(organization), quoted(team))
	}
	stored, err := e.store.User(e.t.Context(), u.ID)
	if err != nil {
		e.t.Fatal(err)
	}
	if (stored.CurrentOrganization == uuid.Nil) != (organization == "") || (stored.CurrentTeam == 0) != (team == "") {
		e.t.Errorf("stored are organization %v and team %d", stored.CurrentOrganization, stored.CurrentTeam)
	}
	if again := e.do("GET", "/api/users/@me", "", key); again.header.Get("ETag") != r.header.Get("ETag") || again.raw != r.raw {
		e.t.Errorf("the second read differs: %s, then %s", r.raw, again.raw)
	}
}

// TestCurrentHeals: contract section 7.4.
func TestCurrentHeals(t *testing.T) {
	each(t, nil, func(t *testing.T, e *env) {
		api := e.api.Users()
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		alice := e.user("alice")
		e.current(alice, "", "")
		late, early := e.bare("Late"), e.bare("Early")
		e.team(late, "late team", false)
		e.join(alice, late, users.LevelMember, 2, 0)
		e.join(alice, early, users.LevelMember, 1, 0)
		e.current(alice, "Early", "") // the first one, though it has no team
		secret := e.team(early, "secret", true)
		e.current(alice, "Early", "")
		one := e.team(early, "one", false)
		e.team(early, "two", false)
		e.current(alice, "Early", "one") // the lowest that a member may see
		must(api.DeleteTeam(t.Context(), one.ID))
		e.current(alice, "Early", "two")
		must(api.DeleteMembership(t.Context(), alice.ID, early.ID))
		e.current(alice, "Late", "late team")
		must(api.DeleteOrganization(t.Context(), late.ID))
		e.current(alice, "", "")
		e.join(alice, early, users.LevelAdmin, 3, 0)
		e.current(alice, "Early", secret.Name) // which an admin may see
	})
}

// TestCurrentHealsInLists heals everybody on the page.
func TestCurrentHealsInLists(t *testing.T) {
	each(t, nil, func(t *testing.T, e *env) {
		boss, alice := e.user("boss", staff), e.user("alice")
		o, team := e.organization("Acme", alice)
		if raw := e.do("GET", "/api/users", "", e.key(boss, "*")).ok(200).raw; !strings.Contains(raw, `"organization":{"id":"`+o.ID.String()) {
			t.Errorf("the list does not heal: %s", raw)
		}
		u, err := e.store.User(t.Context(), alice.ID)
		if err != nil || u.CurrentOrganization != o.ID || u.CurrentTeam != team.ID {
			t.Errorf("stored are organization %v and team %d, %v", u.CurrentOrganization, u.CurrentTeam, err)
		}
	})
}

// TestCurrentHealsBeforeUse: what depends on the current organization or team
// does not depend on whether the user was read before.
func TestCurrentHealsBeforeUse(t *testing.T) {
	each(t, nil, func(t *testing.T, e *env) {
		alice, bob, carol := e.user("alice"), e.user("bob"), e.user("carol")
		o, _ := e.organization("Acme", alice, bob, carol)
		e.do("POST", "/api/users/@me/scene_personalisation", `{"scene":"s","dashboard":1}`, e.session(alice, 0)).ok(200).has("scene_personalisation", `[{"dashboard":1,"scene":"s"}]`)
		e.do("POST", "/api/users/@me/onboarding/skip", `{"reason":"later"}`, e.session(bob, 0)).ok(200).has("onboarding_skipped_organization_id", fmt.Sprintf("%q", o.ID))
		o.Enforce2FA = users.Some(true)
		if _, err := e.api.Users().SaveOrganization(t.Context(), o); err != nil {
			t.Fatal(err)
		}
		e.do("PATCH", "/api/users/@me/hedgehog_config", `{}`, e.session(carol, 0)).refused(403, "authentication_error", "two_factor_setup_required", "")
	})
}

// TestNestedObjectsAreTheViewers: contract section 7.3.
func TestNestedObjectsAreTheViewers(t *testing.T) {
	each(t, nil, func(t *testing.T, e *env) {
		alice, boss, gone := e.user("alice"), e.user("boss", staff), e.user("gone", inactive)
		o := e.bare("Acme")
		e.team(o, "open", false)
		e.team(o, "secret", true)
		e.join(alice, o, users.LevelOwner, 0, 0)
		e.join(gone, o, users.LevelMember, 0, alice.ID)
		path := "/api/users/" + alice.UUID.String()
		shows := func(caller users.User, level string, teams, projects int) {
			t.Helper()
			r := e.do("GET", path, "", e.key(caller, "*")).ok(200)
			if got := r.part("organization", "membership_level"); got != level {
				t.Errorf("%s sees level %s, want %s", caller.Email, got, level)
			}
			if got := r.json()["organizations"].([]any)[0].(map[string]any)["membership_level"]; fmt.Sprint(got) != strings.Replace(level, "null", "<nil>", 1) {
				t.Errorf("%s sees level %v among the organizations, want %s", caller.Email, got, level)
			}
			o := r.json()["organization"].(map[string]any)
			if len(o["teams"].([]any)) != teams || len(o["projects"].([]any)) != projects || o["member_count"] != 1.0 {
				t.Errorf("%s sees teams %v, projects %v and %v members, want %d, %d and 1 who is active", caller.Email, o["teams"], o["projects"], o["member_count"], teams, projects)
			}
		}
		shows(alice, "15", 2, 2)
		shows(boss, "null", 0, 0)
		e.do("GET", path, "", e.key(boss, "*")).has("is_organization_first_user", "null").has("pending_invites", "[]")
		if err := e.api.Auth().SetActive(t.Context(), gone.ID, true); err != nil {
			t.Fatal(err)
		}
		e.do("GET", "/api/users/@me", "", e.key(gone, "*")).ok(200).has("is_organization_first_user", "false")
		if err := e.api.Auth().SetActive(t.Context(), gone.ID, false); err != nil {
			t.Fatal(err)
		}
		e.join(boss, o, users.LevelMember, 1, alice.ID)
		o2 := e.do("GET", path, "", e.key(boss, "*")).ok(200)
		if got := o2.part("organization", "membership_level"); got != "1" {
			t.Errorf("staff who are members see level %s, want 1", got)
		}
		if teams := o2.json()["organization"].(map[string]any)["teams"].([]any); len(teams) != 1 || o2.part("organization", "member_count") != "2" {
			t.Errorf("staff who are members see teams %v of %s members", teams, o2.part("organization", "member_count"))
		}
	})
}

// TestSomeMembersOfTheUserObject covers those of contract section 6 that depend
// on more than the user's own record.
func TestSomeMembersOfTheUserObject(t *testing.T) {
	each(t, nil, func(t *testing.T, e *env) {
		alice := e.user("alice", func(u *users.User) { u.ShortcutPosition = users.Null[string]{} })
		key := e.key(alice, "*")
		e.do("GET", "/api/users/@me", "", key).ok(200).has("has_social_auth", "false").has("is_organization_first_user", "null").has("has_password", "true").
			has("shortcut_position", `"above"`).has("is_2fa_enabled", "false").has("sensitive_session_expires_at", "null")
		e.do("GET", "/api/users/@me", "", e.session(alice, time.Hour)).ok(200).has("sensitive_session_expires_at", `"2026-05-01T13:00:00.123456+00:00"`)
		e.do("GET", "/api/users/@me", "", e.session(alice, 5*time.Hour)).ok(200).has("sensitive_session_expires_at", `"2026-05-01T09:00:00.123456+00:00"`)
		e.do("GET", "/api/users/@me", "", e.key(e.user("none", noPassword), "*")).ok(200).has("has_password", "false")
		for name, c := range map[string]struct {
			change func(*users.User)
			want   string
		}{
			"totp":       {func(u *users.User) { u.HasTOTP = true }, "true"},
			"passkey":    {func(u *users.User) { u.HasVerifiedPasskey = true }, "false"},
			"flag":       {func(u *users.User) { u.PasskeysEnabledFor2FA = users.Some(true) }, "false"},
			"flagged":    {func(u *users.User) { u.HasVerifiedPasskey, u.PasskeysEnabledFor2FA = true, users.Some(true) }, "true"},
			"unverified": {func(u *users.User) { u.IsEmailVerified = users.Some(false) }, "false"},
		} {
			e.do("GET", "/api/users/@me", "", e.key(e.user(name, c.change), "*")).ok(200).has("is_2fa_enabled", c.want)
		}
		identity := users.Identity{UserID: alice.ID, Provider: "gitlab", Subject: "1", Login: "ann"}
		if err := e.api.Users().SaveIdentity(t.Context(), identity); err != nil {
			t.Fatal(err)
		}
		e.do("GET", "/api/users/@me", "", key).ok(200).has("has_social_auth", "true")
		e.do("GET", "/api/users/@me/github_login/", "", key).ok(200).has("github_login", "null")
		if err := e.api.Users().SaveIdentity(t.Context(), users.Identity{UserID: alice.ID, Provider: "github", Subject: "2", Login: "octocat"}); err != nil {
			t.Fatal(err)
		}
		boss := e.user("boss", staff)
		for path, caller := range map[string]option{"@me": key, alice.UUID.String(): e.key(boss, "user:read")} {
			if got := e.do("GET", "/api/users/"+path+"/github_login", "", caller).ok(200).raw; got != `{"github_login":"octocat"}` {
				t.Errorf("github_login of %s: got %s", path, got)
			}
		}
		if err := e.api.Users().DeleteIdentity(t.Context(), "gitlab", "1"); err != nil {
			t.Fatal(err)
		}
		if err := e.api.Users().DeleteIdentity(t.Context(), "github", "2"); err != nil {
			t.Fatal(err)
		}
		e.do("GET", "/api/users/@me", "", key).ok(200).has("has_social_auth", "false")
	})
}

// TestPendingInvites: contract section 6.
func TestPendingInvites(t *testing.T) {
	each(t, nil, func(t *testing.T, e *env) {
		alice, boss := e.user("alice"), e.user("boss", staff)
		key := e.key(alice, "*")
		mine, other := e.bare("Mine"), e.bare("Other")
		e.join(alice, mine, users.LevelMember, 0, 0)
		invite := func(o users.Organization, address string, age time.Duration) {
			t.Helper()
			if _, err := e.api.Users().SaveInvite(t.Context(), users.Invite{OrganizationID: o.ID, TargetEmail: address, CreatedAt: e.now().Add(-age)}); err != nil {
				t.Fatal(err)
			}
		}
		ages := func() (got []string) {
			t.Helper()
			for _, i := range e.do("GET", "/api/users/@me", "", key).ok(200).json()["pending_invites"].([]any) {
				m := i.(map[string]any)
				if len(m) != 5 || m["organization_id"] != other.ID.String() || m["organization_name"] != "Other" {
					t.Errorf("got invite %v", m)
				}
				created, err := time.Parse(time.RFC3339Nano, m["created_at"].(string))
				if err != nil {
					t.Error(err)
				}
				got = append(got, e.now().Sub(created).String())
			}
			return got
		}
		invite(mine, "alice@example.com", 0) // where she is already
		invite(other, "bob@example.com", 0)
		invite(other, "alice@example.com", 72*time.Hour+time.Microsecond)
		invite(other, "ALICE@Example.com", 72*time.Hour)
		invite(other, "alice@example.com", time.Hour)
		invite(other, "alice@example.com", 2*time.Hour)
		if got := strings.Join(ages(), " "); got != "1h0m0s 2h0m0s 72h0m0s" {
			t.Errorf("got invites of the ages %s", got)
		}
		e.do("GET", "/api/users/"+alice.UUID.String(), "", e.key(boss, "*")).ok(200).has("pending_invites", "[]")
		for i := range 30 {
			invite(other, "alice@example.com", time.Duration(i)*time.Second)
		}
		if got := ages(); len(got) != users.MaxInvites || got[0] != "0s" || got[24] != "24s" {
			t.Errorf("got %d invites of the ages %v, want the 25 newest", len(got), got)
		}
	})
}
