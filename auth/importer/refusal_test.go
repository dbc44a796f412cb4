package importer_test

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/hedgerow-dev/hedgerow/auth/importer"
	"github.com/hedgerow-dev/hedgerow/storage/memory"
	"github.com/hedgerow-dev/hedgerow/storage/sqlite"
	"github.com/hedgerow-dev/hedgerow/users"
)

// Lines of good records, in which a test changes one thing.
const (
	userLine = `{"model": "posthog.user", "pk": 12, "fields": {"password": "!x", "last_login": null, "first_name": "Ann", "is_staff": false, "is_active": true,` +
		` "date_joined": "2025-01-01T00:00:00Z", "uuid": "01900000-0000-7000-8000-000000000003", "current_organization": null, "current_team": null,` +
		` "email": "ann@example.com", "pending_email": null, "distinct_id": "distinct-ann", "theme_mode": "dark"}}`
	organizationLine = `{"model": "posthog.organization", "pk": "01900000-0000-7000-8000-000000000001", "fields": {"name": "Acme", "slug": "acme"}}`
	teamLine         = `{"model": "posthog.team", "pk": 7, "fields": {"uuid": "01900000-0000-7000-8000-000000000002", "api_token": "phc",` +
		` "organization": "01900000-0000-7000-8000-000000000001", "name": "Web"}}`
	membershipLine = `{"model": "posthog.organizationmembership", "pk": "x", "fields": {"organization": "01900000-0000-7000-8000-000000000001", "user": 12, "level": 8}}`
	keyLine        = `{"model": "posthog.personalapikey", "pk": "k1", "fields": {"user": 12, "label": "CI", "scopes": ["*"],` +
		` "secure_value": "sha256$45af89b510a3279a817f851de5d3f95b73485d58ec2672a39e52d8aeeb014059"}}`
	domainLine = `{"model": "posthog.organizationdomain", "pk": "x", "fields": {"organization": "01900000-0000-7000-8000-000000000001", "domain": "example.org"}}`
)

// before is what a line may refer to.
const before = organizationLine + "\n" + teamLine + "\n" + userLine + "\n"

// badLine is a good line in which one thing is changed, and how it is refused.
type badLine struct{ name, line, old, new, field, code string }

func badLines() []badLine {
	second := strings.NewReplacer("ann@", "amy@", "0003", "0009", "distinct-ann", "distinct-amy", `"pk": 12`, `"pk": 13`).Replace(userLine)
	return []badLine{
		{"no JSON", `{"model"`, "", "", "", "parse_error"},
		{"no object", `["posthog.user"]`, "", "", "", "parse_error"},
		{"no fields", `{"model": "posthog.user", "pk": 1}`, "", "", "", "parse_error"},
		{"two values", second, "}}", "}} {}", "", "parse_error"},
		{"a member twice", second, `"is_staff": false`, `"is_staff": false, "is_staff": true`, "", "parse_error"},
		{"a member twice below", second, `"dark"`, `"dark", "hedgehog_config": {"a": 1, "a": 2}`, "", "parse_error"},
		{"invalid UTF-8", second, `"Ann"`, "\"\xff\"", "", "parse_error"},
		{"a surrogate alone", second, `"Ann"`, `"\ud800"`, "", "parse_error"},
		{"too deep", second, `"dark"`, `"dark", "hedgehog_config": ` + strings.Repeat("[", 64) + strings.Repeat("]", 64), "", "parse_error"},
		{"too long", second, `"dark"`, `"dark", "x": "` + strings.Repeat("x", importer.MaxLine) + `"`, "", "max_length"},

		{"a number that is none", second, `"pk": 13`, `"pk": "13"`, "pk", "invalid_input"},
		{"a negative number", second, `"pk": 13`, `"pk": -13`, "pk", "invalid_input"},
		{"a number that is too large", second, `"pk": 13`, `"pk": 9223372036854775807`, "pk", "invalid_input"},
		{"no UUID", second, "01900000-0000-7000-8000-000000000009", "x", "uuid", "invalid_input"},
		{"the UUID of nobody", second, "01900000-0000-7000-8000-000000000009", "00000000-0000-0000-0000-000000000000", "uuid", "invalid_input"},
		{"U+0000", second, "distinct-amy", `x\u0000`, "distinct_id", "invalid_input"},
		{"a long distinct id", second, "distinct-amy", strings.Repeat("x", 201), "distinct_id", "max_length"},
		{"no distinct id", second, `"distinct-amy"`, "null", "distinct_id", "null"},
		{"a taken distinct id", second, "distinct-amy", "distinct-ann", "distinct_id", "unique"},
		{"a taken address", second, "amy@example.com", "ANN@example.com", "email", "unique"},
		{"no address", second, "amy@example.com", "amy", "email", "invalid_input"},
		{"an address in brackets", second, "amy@example.com", "Amy <amy@example.com>", "email", "invalid_input"},
		{"no pending address", second, `"pending_email": null`, `"pending_email": "x"`, "pending_email", "invalid_input"},
		{"a wrong type", second, `"is_active": true`, `"is_active": "true"`, "is_active", "invalid_input"},
		{"nothing said of activity", second, `"is_active": true,`, "", "is_active", "required"},
		{"staff by a number", second, `"is_staff": false`, `"is_staff": 1`, "is_staff", "invalid_input"},
		{"a name that misleads", second, `"Ann"`, `"evil.example.com"`, "first_name", "invalid_url"},
		{"a long name", second, `"Ann"`, `"` + strings.Repeat("x", 151) + `"`, "first_name", "max_length"},
		{"a theme that does not exist", second, `"dark"`, `"pink"`, "theme_mode", "invalid_choice"},
		{"a large document", second, `"dark"`, `"dark", "hedgehog_config": "` + strings.Repeat("x", users.MaxJSON) + `"`, "hedgehog_config", "invalid_input"},
		{"a setting of the wrong type", second, `"dark"`, `"dark", "partial_notification_settings": {"plugin_disabled": 1}`, "notification_settings", "invalid_input"},
		{"a time that is none", second, "2025-01-01T00:00:00Z", "yesterday", "date_joined", "invalid_input"},
		{"a time out of range", second, "2025-01-01T00:00:00Z", "0001-01-01T00:00:00Z", "date_joined", "invalid_input"},
		{"a hash of another kind", second, `"!x"`, `"md5$salt$0123456789abcdef"`, "password", "invalid_input"},
		{"a hash that asks for too much", second, `"!x"`, `"pbkdf2_sha256$4000000000$s$bPcw+dijvrXsVuO1sGvImpd53C5y7aKVlXIagsGKEH4="`, "password", "invalid_input"},
		{"an unknown organization", second, `"current_organization": null`, `"current_organization": "01900000-0000-7000-8000-00000000000a"`, "current_organization", "does_not_exist"},
		{"an unknown team", second, `"current_team": null`, `"current_team": 8`, "current_team", "does_not_exist"},

		{"an organization without a name", organizationLine, `"Acme"`, `" "`, "name", "blank"},
		{"an organization by number", organizationLine, `"01900000-0000-7000-8000-000000000001"`, "1", "pk", "invalid_input"},
		{"a team of nobody", teamLine, "000001", "00000a", "organization", "does_not_exist"},
		{"a domain of nobody", domainLine, "000001", "00000a", "organization", "does_not_exist"},
		{"a domain that is none", domainLine, "example.org", "a b", "domain", "invalid_input"},
		{"a member who is unknown", membershipLine, `"user": 12`, `"user": 99`, "user", "does_not_exist"},
		{"an unknown inviter", membershipLine, `"user": 12`, `"user": 12, "invited_by": 99`, "invited_by", "does_not_exist"},
		{"a member of nothing", membershipLine, "000001", "00000a", "organization", "does_not_exist"},
		{"a level that does not exist", membershipLine, `"level": 8`, `"level": 99`, "level", "invalid_choice"},
		{"a key of nobody", keyLine, `"user": 12`, `"user": 99`, "user", "does_not_exist"},
		{"an old kind of key", keyLine, "sha256$45af89b510a3279a817f851de5d3f95b73485d58ec2672a39e52d8aeeb014059",
			"pbkdf2_sha256$260000$posthog_personal_api_key$eeRy21dbVoEzYND0NVLfjXxgNeO67SeBRrwQr6bbhK4=", "secure_value", "invalid_input"},
		{"a hash of a key that is none", keyLine, "sha256$45", "sha256$zz", "secure_value", "invalid_input"},
		{"a whole key as its mask", keyLine, `"CI"`, `"CI", "mask_value": "phx_0123456789"`, "mask_value", "max_length"},
		{"a key of an unknown team", keyLine, `["*"]`, `["*"], "scoped_teams": [8]`, "scoped_teams", "does_not_exist"},
		{"too many scopes", keyLine, `["*"]`, `["*"` + strings.Repeat(`,"*"`, 200) + `]`, "scopes", "invalid_input"},
	}
}

// TestRefusals wants each bad line refused by its number, and the one after it
// imported, in a dry run as well.
func TestRefusals(t *testing.T) {
	for _, c := range badLines() {
		t.Run(c.name, func(t *testing.T) {
			bad := strings.Replace(c.line, c.old, c.new, 1)
			if c.old != "" && bad == c.line {
				t.Fatalf("the line has no %q", c.old)
			}
			last := strings.NewReplacer("ann@", "zoe@", "0003", "000b", "distinct-ann", "distinct-zoe", `"pk": 12`, `"pk": 14`).Replace(userLine)
			text := before + bad + "\n\n" + last
			for _, dry := range []bool{true, false} {
				d := newTarget(t, memory.New())
				report, refused := d.load(t, text, dry)
				if len(refused) != 1 || refused[0].Line != 4 || refused[0].Field != c.field || refused[0].Code != c.code || refused[0].Reason == "" {
					t.Errorf("dry %v: got refusals %+v, want line 4, field %q, code %q", dry, refused, c.field, c.code)
				}
				if want := (importer.Counts{Organizations: 1, Teams: 1, Users: 2}); report.Imported != want || report.Lines != 6 {
					t.Errorf("dry %v: got %+v, want imported %+v of 6 lines", dry, report, want)
				}
				events, err := d.Events(t.Context(), users.EventQuery{Limit: 9})
				if want := map[bool]int{true: 0, false: 2}[dry]; err != nil || len(events) != want {
					t.Errorf("dry %v: %d lines in the activity log, %v, want %d", dry, len(events), err, want)
				}
			}
		})
	}
}

// TestRepair imports a file that has refused lines, corrects them and runs it again.
func TestRepair(t *testing.T) {
	st, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "a.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	d := newTarget(t, st)
	const good = before + membershipLine + "\n" + keyLine + "\n"
	bad := strings.Replace(good, `"ann@example.com"`, `"ann"`, 1)
	report, refused := d.load(t, bad, false)
	if want := (importer.Counts{Organizations: 1, Teams: 1}); report.Imported != want || len(refused) != 3 {
		t.Fatalf("got %+v with refusals %+v, want the organization, the team and three refusals", report, refused)
	}
	report, refused = d.load(t, good, false)
	imported, present := importer.Counts{Users: 1, Memberships: 1, APIKeys: 1}, importer.Counts{Organizations: 1, Teams: 1}
	if report.Imported != imported || report.Present != present || len(refused) > 0 {
		t.Errorf("got %+v with refusals %+v, want imported %+v", report, refused, imported)
	}
}

// TestPresentStays changes what was imported, and imports it again.
func TestPresentStays(t *testing.T) {
	d := newTarget(t, memory.New())
	ctx, text := t.Context(), export(t)
	d.load(t, text, false)
	u, err := d.UserByUUID(ctx, ann)
	if err != nil {
		t.Fatal(err)
	}
	host := users.Actor{Credential: users.ByHost}
	if u, err = d.users.Update(ctx, host, u.ID, users.Patch{Email: users.Set("ann@elsewhere.example")}); err != nil {
		t.Fatal(err)
	}
	if err := d.users.SaveMembership(ctx, users.Membership{UserID: u.ID, OrganizationID: acme, Level: users.LevelMember}); err != nil {
		t.Fatal(err)
	}
	k, err := d.APIKey(ctx, "keyOfAnn")
	if err != nil {
		t.Fatal(err)
	}
	if k, err = d.auth.SaveAPIKey(ctx, k, "another-value-of-the-key"); err != nil {
		t.Fatal(err)
	}
	if report, refused := d.load(t, text, false); report.Imported.Total() > 0 || len(refused) > 0 {
		t.Errorf("got %+v, with refusals %+v, want everything to be present", report, refused)
	}
	after, err := d.User(ctx, u.ID)
	if err != nil || after != u {
		t.Errorf("the user is\n %+v, %v, want\n %+v", after, err, u)
	}
	if ms, err := d.Memberships(ctx, u.ID); err != nil || len(ms) != 1 || ms[0].Level != users.LevelMember {
		t.Errorf("the memberships are %+v, %v", ms, err)
	}
	if now, err := d.APIKey(ctx, "keyOfAnn"); err != nil || now.Hash != k.Hash {
		t.Errorf("the key is %+v, %v", now, err)
	}
}

// TestForeignNumbers: numbers of a file never stand for users who were here before.
func TestForeignNumbers(t *testing.T) {
	d := newTarget(t, memory.New())
	var locals []users.User
	for n := range 20 {
		u := users.New()
		u.Email = fmt.Sprintf("local%d@example.com", n)
		u, err := d.auth.CreateUser(t.Context(), u, "")
		if err != nil {
			t.Fatal(err)
		}
		locals = append(locals, u)
	}
	refusedUser := strings.Replace(userLine, "ann@", "local3@", 1)
	_, refused := d.load(t, organizationLine+"\n"+refusedUser+"\n"+membershipLine+"\n"+keyLine, false)
	if len(refused) != 3 {
		t.Errorf("got refusals %+v, want the user whose address is taken and what is that user's", refused)
	}
	d.load(t, before+membershipLine+"\n"+keyLine, false)
	for _, u := range locals {
		ms, err := d.Memberships(t.Context(), u.ID)
		keys, keyErr := d.APIKeys(t.Context(), u.ID)
		if err != nil || keyErr != nil || len(ms) > 0 || len(keys) > 0 {
			t.Errorf("user %d, who was here before, has memberships %+v, %v, and keys %+v, %v", u.ID, ms, err, keys, keyErr)
		}
	}
}

// TestReadError stops where the file cannot be read, and keeps what came before.
func TestReadError(t *testing.T) {
	d, broken := newTarget(t, memory.New()), errors.New("broken")
	report, err := importer.Run(t.Context(), d, d.users, d.auth, io.MultiReader(&generated{users: 600}, iotest.ErrReader(broken)), importer.Options{})
	if !errors.Is(err, broken) || report.Imported.Users != 600 {
		t.Errorf("got %+v, %v, want 600 users and the error of the reader", report, err)
	}
	if report, err = importer.Run(t.Context(), d, d.users, d.auth, &generated{users: 600}, importer.Options{}); err != nil || report.Imported.Total()+report.Present.Total() != report.Lines {
		t.Errorf("the next run: got %+v, %v", report, err)
	}
}

// FuzzRun: whatever a file holds, it is imported or refused, what was imported is
// there the next time, and a dry run says the same.
func FuzzRun(f *testing.F) {
	for _, line := range []string{organizationLine, teamLine, userLine, membershipLine, keyLine, domainLine, before + membershipLine + "\n" + keyLine,
		before + userLine, "{}", "\n\n", `{"model": "x.y", "pk": null, "fields": {}}`} {
		f.Add([]byte(line))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		d := newTarget(t, memory.New())
		dry, _ := d.load(t, string(text), true)
		once, _ := d.load(t, string(text), false)
		again, _ := d.load(t, string(text), false)
		if dry != once {
			t.Errorf("a dry run says %+v, and the run %+v", dry, once)
		}
		if again.Imported.Total() > 0 || again.Refused != once.Refused || again.Present.Total() != once.Imported.Total()+once.Present.Total() {
			t.Errorf("the first run says %+v, and the second %+v", once, again)
		}
	})
}

// zeros is a file without an end of a line.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// TestLongLine reads a line of any length in little memory.
func TestLongLine(t *testing.T) {
	d := newTarget(t, memory.New())
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	text := io.MultiReader(io.LimitReader(zeros{}, 100<<20), strings.NewReader("\n"+organizationLine))
	report, err := importer.Run(t.Context(), d, d.users, d.auth, text, importer.Options{})
	runtime.ReadMemStats(&after)
	if err != nil || report.Refused != 1 || report.Imported.Organizations != 1 || report.Lines != 2 {
		t.Errorf("got %+v, %v, want one line refused and the next imported", report, err)
	}
	if got := after.TotalAlloc - before.TotalAlloc; got > 16*importer.MaxLine {
		t.Errorf("a line of 100 MiB takes %d MiB, want at most 16", got>>20)
	}
}
