package main

import (
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hedgerow-dev/hedgerow/storage/postgres/postgrestest"
)

// people lists the addresses of a database's users but the first account's.
func people(t *testing.T, db string) string {
	t.Helper()
	out, err := command(t, "-db", db, "user", "list")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for line := range strings.SplitSeq(strings.TrimSpace(out), "\n") {
		if name := strings.Split(line, "\t")[2]; name != "admin@example.com" {
			found = append(found, name)
		}
	}
	return strings.Join(found, " ")
}

func addUser(t *testing.T, db, email string) {
	t.Helper()
	if _, err := command(t, "-db", db, "user", "create", email); err != nil {
		t.Fatal(err)
	}
}

// checkRestored wants the state of the backup, in which ann's key works and which
// takes changes.
func checkRestored(t *testing.T, db, key string) {
	t.Helper()
	if got := people(t, db); got != "ann@example.com" {
		t.Errorf("restored: %s, want ann@example.com", got)
	}
	c := start(t, "-db", db)
	if got := call(t, "PATCH", c.base+"/api/users/@me", key, `{"theme_mode":"dark"}`)["theme_mode"]; got != "dark" {
		t.Errorf("theme_mode is %v, want dark", got)
	}
}

// TestRestoreSQLite as docs/operate.md says, over a file with a write-ahead log
// that a killed server left.
func TestRestoreSQLite(t *testing.T) {
	backup, restore := block(t, "sh", "backup monday.db"), block(t, "sh", "cp monday.db")
	t.Chdir(t.TempDir())
	const db = "accounts.db"
	key := newUser(t, db)
	c := start(t, "-db", db)
	shell(t, backup)
	addUser(t, db, "bob@example.com")
	if err := c.end(t, os.Kill); err == nil {
		t.Fatal("the server ended well although it was killed")
	}
	if left, err := filepath.Glob(db + "-*"); err != nil || len(left) != 2 {
		t.Fatalf("the server left %v, %v, want a log and its index", left, err)
	}
	shell(t, restore)
	checkRestored(t, db, key)
}

// TestRestorePostgres as docs/operate.md says, while the server runs.
func TestRestorePostgres(t *testing.T) {
	backup, restore := block(t, "sh", "pg_dump"), block(t, "sh", "pg_restore")
	t.Chdir(t.TempDir())
	db := database(t)
	t.Setenv("DATABASE_URL", db)
	u, err := url.Parse(db)
	if err != nil {
		t.Fatal(err)
	}
	u.Path = "/hedgerow_restored"
	t.Setenv("RESTORED_URL", u.String())
	key := newUser(t, db)
	start(t, "-db", db)
	shell(t, backup)
	addUser(t, db, "bob@example.com")
	t.Cleanup(func() { postgrestest.Execute(t, db, "drop database hedgerow_restored with (force)") })
	shell(t, restore)
	checkRestored(t, u.String(), key)
	if got := people(t, db); got != "ann@example.com bob@example.com" {
		t.Errorf("the old database: %s, want ann and bob", got)
	}
}
