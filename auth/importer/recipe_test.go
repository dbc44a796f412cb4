package importer_test

import (
	"database/sql"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/hedgerow-dev/hedgerow/storage/memory"
	"github.com/hedgerow-dev/hedgerow/storage/postgres/postgrestest"
)

// djangoUsers is the table of users of a Django installation, as far as an export
// has it.
const djangoUsers = `create table posthog_user (id serial primary key, password varchar(128) not null, last_login timestamptz,
	first_name varchar(150) not null, last_name varchar(150) not null, is_staff boolean not null, is_active boolean not null, date_joined timestamptz not null,
	uuid uuid not null unique, current_organization_id uuid, current_team_id integer, email varchar(254) not null unique, pending_email varchar(254),
	temporary_token varchar(200), distinct_id varchar(200) unique, is_email_verified boolean, partial_notification_settings jsonb, anonymize_data boolean,
	toolbar_mode varchar(200), hedgehog_config jsonb, events_column_config jsonb, has_seen_product_intro_for jsonb,
	theme_mode varchar(20), role_at_organization varchar(64), onboarding_skipped_at timestamptz, onboarding_skipped_reason varchar(32),
	onboarding_skipped_organization_id uuid)`

// TestRecipe runs the SQL of docs/import.md on a table that holds the users of
// testdata/export.jsonl, and imports its lines in place of those of dumpdata.
func TestRecipe(t *testing.T) {
	db, err := sql.Open("pgx", postgrestest.DSN(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	execute := func(statement string, args ...any) {
		t.Helper()
		if _, err := db.ExecContext(t.Context(), statement, args...); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
	execute(djangoUsers)
	var before, after []string
	for line := range strings.Lines(export(t)) {
		var o struct {
			Model  string         `json:"model"`
			PK     any            `json:"pk"`
			Fields map[string]any `json:"fields"`
		}
		if err := json.Unmarshal([]byte(line), &o); err != nil {
			t.Fatal(err)
		}
		switch {
		case o.Model == "posthog.user":
			o.Fields["id"], o.Fields["current_organization_id"], o.Fields["current_team_id"] = o.PK, o.Fields["current_organization"], o.Fields["current_team"]
			row, err := json.Marshal(o.Fields)
			if err != nil {
				t.Fatal(err)
			}
			execute("insert into posthog_user select * from jsonb_populate_record(null::posthog_user, $1)", string(row))
		case o.Model == "posthog.organization" || o.Model == "posthog.organizationdomain" || o.Model == "posthog.team":
			before = append(before, line)
		default:
			after = append(after, line)
		}
	}
	execute(`update posthog_user set onboarding_skipped_at = '2026-01-02 03:04:05.678901+02', onboarding_skipped_reason = 'later',
		onboarding_skipped_organization_id = $1 where uuid = $2`, acme, bob)
	d := newTarget(t, memory.New())
	text := strings.Join(before, "") + strings.Join(recipe(t, db), "\n") + "\n" + strings.Join(after, "")
	if report, refused := d.load(t, text, false); report.Imported.Users != 2 || len(refused) > 0 {
		t.Fatalf("got %+v with refusals %+v, want 2 users", report, refused)
	}
	checkImported(t, d)
	b, err := d.UserByUUID(t.Context(), bob)
	if at := b.OnboardingSkippedAt.Format("2006-01-02T15:04:05.999999"); err != nil || at != "2026-01-02T01:04:05.678901" ||
		b.OnboardingSkippedReason != "later" || b.OnboardingSkippedOrganization != acme {
		t.Errorf("Bob has skipped the onboarding at %s, %+v, %v", at, b, err)
	}
}

// recipe returns what the SQL of docs/import.md selects.
func recipe(t *testing.T, db *sql.DB) []string {
	t.Helper()
	text, err := os.ReadFile("../../docs/import.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(text), "```sql\n")
	statement, _, ended := strings.Cut(rest, "```")
	if !found || !ended {
		t.Fatal("docs/import.md has no SQL")
	}
	rows, err := db.QueryContext(t.Context(), statement)
	if err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
	defer rows.Close()
	var lines []string
	for rows.Next() {
		var line string
		if err := rows.Scan(&line); err != nil {
			t.Fatal(err)
		}
		lines = append(lines, line)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return lines
}
