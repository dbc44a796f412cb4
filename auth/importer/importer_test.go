package importer_test

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/auth/importer"
	"github.com/hedgerow-dev/hedgerow/storage"
	"github.com/hedgerow-dev/hedgerow/storage/memory"
	"github.com/hedgerow-dev/hedgerow/users"
)

const password = "mighty-strong-secure-1337!!"

var (
	acme = uuid.MustParse("01900000-0000-7000-8000-000000000001")
	ann  = uuid.MustParse("01900000-0000-7000-8000-000000000003")
	bob  = uuid.MustParse("01900000-0000-7000-8000-000000000004")
)

// target is a store with the services on it.
type target struct {
	storage.Storage
	users *users.Service
	auth  *auth.Service
}

func newTarget(t testing.TB, st storage.Storage) target {
	t.Helper()
	accounts := users.NewService(st, users.Config{})
	credentials, err := auth.NewService(st, accounts, auth.Config{PasswordCost: auth.Cost{KiB: 8, Passes: 1}})
	if err != nil {
		t.Fatal(err)
	}
	return target{st, accounts, credentials}
}

// load imports a text and returns the report and what was refused.
func (d target) load(t *testing.T, text string, dry bool) (importer.Report, []importer.Refusal) {
	t.Helper()
	var refused []importer.Refusal
	report, err := importer.Run(t.Context(), d, d.users, d.auth, strings.NewReader(text), importer.Options{
		DryRun: dry, Refused: func(r importer.Refusal) { refused = append(refused, r) },
	})
	if err != nil {
		t.Fatalf("Run: %v", err)
	}
	if report.Refused != len(refused) {
		t.Errorf("%d lines refused, and %d reported", report.Refused, len(refused))
	}
	return report, refused
}

func export(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("testdata/export.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestRun imports a small file: dry, once and again.
func TestRun(t *testing.T) {
	d, text := newTarget(t, memory.New()), export(t)
	all := importer.Counts{Organizations: 1, Domains: 2, Teams: 1, Users: 2, Memberships: 2, APIKeys: 1}
	fresh := importer.Report{Lines: 10, Bytes: int64(len(text)), Imported: all, Others: 1}
	fresh.Imported.Domains, fresh.Present.Domains = 1, 1 // of which one asks for nothing
	again := importer.Report{Lines: 10, Bytes: int64(len(text)), Present: all, Others: 1}
	for _, step := range []struct {
		name string
		dry  bool
		want importer.Report
	}{{"dry", true, fresh}, {"once", false, fresh}, {"again", false, again}, {"dry again", true, again}} {
		report, refused := d.load(t, text, step.dry)
		if report != step.want || len(refused) > 0 {
			t.Errorf("%s: got %+v with refusals %+v, want %+v", step.name, report, refused, step.want)
		}
		events, err := d.Events(t.Context(), users.EventQuery{Limit: 10})
		if want := map[bool]int{true: 0, false: 3}[step.name == "dry"]; err != nil || len(events) != want {
			t.Errorf("%s: %d lines in the activity log, %v, want %d", step.name, len(events), err, want)
		}
	}
	checkImported(t, d)
}

// checkImported looks for what is in testdata/export.jsonl.
func checkImported(t *testing.T, d target) {
	t.Helper()
	ctx := t.Context()
	u, err := d.UserByUUID(ctx, ann)
	if err != nil {
		t.Fatal(err)
	}
	team, err := d.Team(ctx, u.CurrentTeam)
	if err != nil || team.Name != "Web" || team.Timezone != "Europe/Kyiv" || team.OrganizationID != acme || team.ProjectID != 7 {
		t.Errorf("the current team of Ann is %+v, %v", team, err)
	}
	want := users.New()
	want.ID, want.UUID, want.DistinctID, want.Version, want.Email = u.ID, ann, "distinct-ann", 1, "ann@example.com"
	want.DateJoined, want.LastLogin = time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2026, 5, 1, 12, 0, 0, 123e6, time.UTC)
	want.FirstName, want.LastName, want.IsEmailVerified = "Ann", "日本", users.Some(true)
	want.PasswordHash = "pbkdf2_sha256$1000$seasalt$bPcw+dijvrXsVuO1sGvImpd53C5y7aKVlXIagsGKEH4="
	want.CurrentOrganization, want.CurrentTeam = acme, team.ID
	want.NotificationSettings = users.JSON(fmt.Sprintf(`{"plugin_disabled":false,"project_weekly_digest_disabled":{"%[1]d":true},`+
		`"realtime_notifications_disabled":{"comment_mention":{"%[1]d":true}}}`, team.ID))
	want.AnonymizeData, want.ToolbarMode = users.Null[bool]{}, users.Some("disabled")
	want.HasSeenProductIntroFor, want.HedgehogConfig, want.ThemeMode = `{"surveys":true}`, `{"color":"red"}`, users.Some("dark")
	if u != want {
		t.Errorf("Ann is\n %+v, want\n %+v", u, want)
	}
	b, err := d.UserByUUID(ctx, bob)
	if err != nil || b.Email != "bob@example.com" || b.PendingEmail != "bob@new.example.com" || !b.IsStaff || b.IsActive || b.HasPassword() || b.IsEmailVerified.Valid {
		t.Errorf("Bob is %+v, %v", b, err)
	}
	ms, err := d.Memberships(ctx, b.ID)
	joined := users.Membership{UserID: b.ID, OrganizationID: acme, Level: users.LevelMember, JoinedAt: time.Date(2025, 1, 2, 0, 0, 0, 0, time.UTC), InvitedBy: u.ID}
	if err != nil || len(ms) != 1 || ms[0] != joined {
		t.Errorf("memberships of Bob: got %+v, %v, want %+v", ms, err, joined)
	}
	o, err := d.Organization(ctx, acme)
	if err != nil || o.Name != "Acme" || o.AvailableProductFeatures != `[{"key":"x"}]` || o.PluginsAccessLevel != 9 || o.IsMemberJoinEmailEnabled ||
		o.DefaultExperimentStatsMethod != users.Some("bayesian") || o.Enforce2FA.Valid || !o.CreatedAt.Equal(time.Date(2026, 5, 1, 12, 0, 0, 123e6, time.UTC)) {
		t.Errorf("the organization is %+v, %v", o, err)
	}
	if sso, err := d.SSOEnforced(ctx, "sso.example.com"); err != nil || !sso {
		t.Errorf("single sign-on is enforced: %v, %v", sso, err)
	}
	p, err := d.auth.Bearer(ctx, "test_key_12345")
	if err != nil || p.Actor.UUID != ann || p.KeyID != "keyOfAnn" {
		t.Errorf("the key of Ann: got %+v, %v", p.Actor, err)
	}
	k, err := d.APIKey(ctx, "keyOfAnn")
	if err != nil || k.Mask != "phx_...2345" || k.Label != "CI" || len(k.ScopedTeams) != 1 || k.ScopedTeams[0] != team.ID || k.ScopedOrganizations == nil {
		t.Errorf("the key of Ann is %+v, %v", k, err)
	}
	login := auth.LoginRequest{Email: users.Set("ann@example.com"), Password: users.Set(password), Client: "192.0.2.1"}
	if _, err := d.auth.Login(ctx, login); err != nil {
		t.Errorf("login of Ann: %v", err)
	}
	login.Email, login.Password = users.Set("bob@example.com"), users.Set("!unusable")
	if _, err := d.auth.Login(ctx, login); !errors.Is(err, auth.ErrInvalidCredentials) {
		t.Errorf("login of Bob, who has no password: got %v, want ErrInvalidCredentials", err)
	}
}
