package httpapi_test

import (
	"bytes"
	"database/sql"
	"log/slog"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	_ "modernc.org/sqlite" // as the store opens its database

	"github.com/hedgerow-dev/hedgerow/httpapi"
	"github.com/hedgerow-dev/hedgerow/storage/sqlite"
	"github.com/hedgerow-dev/hedgerow/users"
)

// damagedColumns are those whose text is more than text, with what is asked for
// their row. A column that the API only shows counts as null when it holds no
// JSON; one that it goes by is an internal failure, which the log has.
var damagedColumns = []struct {
	table, column string
	shown         bool
	path          string
}{
	{"users", "notification_settings", true, "/api/users/@me"},
	{"users", "events_column_config", true, "/api/users/@me"},
	{"users", "has_seen_product_intro_for", true, "/api/users/@me"},
	{"users", "hedgehog_config", true, "/api/users/@me"},
	{"users", "hedgehog_config", true, "/api/users/@me/hedgehog_config"},
	{"users", "password_hash", true, "/api/users/@me"},
	{"organizations", "available_product_features", true, "/api/users/@me"},
	{"organizations", "metadata", true, "/api/users/@me"},
	{"organizations", "sso_enforced_domains", false, "/api/users/@me"},
	{"teams", "has_completed_onboarding_for", true, "/api/users/@me"},
	{"api_keys", "scopes", false, "/api/personal_api_keys"},
	{"api_keys", "scoped_teams", false, "/api/personal_api_keys"},
	{"api_keys", "scoped_organizations", false, "/api/personal_api_keys"},
	{"second_factors", "backup_codes", false, "/api/users/@me/two_factor_status"},
	{"repositories", "list", false, "/api/users/@me/integrations/github/12345/repos"},
	{"branches", "names", false, "/api/users/@me/integrations/github/12345/branches?repo=acme/web"},
}

// TestDamagedRows: whatever a column holds, an answer is one of the document, and
// nothing panics.
func TestDamagedRows(t *testing.T) {
	for _, c := range damagedColumns {
		t.Run(c.table+"."+c.column+" "+c.path, func(t *testing.T) {
			t.Parallel()
			log := &bytes.Buffer{}
			e, db, cookie := damageable(t, log)
			for _, text := range []string{"", "{", "[1", "nul", `{"a":1} x`, "\xff", `"` + "\xff" + `"`, "7", `{"plugin_disabled":[null]}`, `[{"id":"x"}]`, strings.Repeat("[", 20_000)} {
				if _, err := db.ExecContext(t.Context(), "update "+c.table+" set "+c.column+" = ?", text); err != nil {
					t.Fatal(err)
				}
				log.Reset()
				r := e.do("GET", c.path, "", cookie)
				if r.status != http.StatusOK && (c.shown || r.status != http.StatusInternalServerError) {
					t.Errorf("%.20q: got %d; body %.300s; log %.600s", text, r.status, r.raw, log)
				}
				if strings.Contains(log.String(), "panic") || (r.status != http.StatusOK) != strings.Contains(log.String(), "request failed") {
					t.Errorf("%.20q: status %d, log %.600s", text, r.status, log)
				}
			}
		})
	}
}

// damageable is an API on a database of Alice, and another way to that.
func damageable(t *testing.T, log *bytes.Buffer) (*env, *sql.DB, option) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "test.db")
	st, err := sqlite.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	e := newEnv(t, st, func(c *httpapi.Config) { c.Logger = slog.New(slog.NewTextHandler(log, nil)) })
	t.Cleanup(e.close)
	alice := e.user("alice")
	e.organization("acme", alice)
	e.seedLink(alice)
	e.key(alice, "*")
	if err := e.api.Auth().SaveTOTP(t.Context(), alice.ID, hostSecret, []users.Secret{"abcdefgh"}); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return e, db, e.session(alice, 0)
}
