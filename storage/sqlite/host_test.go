package sqlite_test

import (
	"database/sql"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hedgerow-dev/hedgerow/storage"
	"github.com/hedgerow-dev/hedgerow/storage/sqlite"
	"github.com/hedgerow-dev/hedgerow/storage/storagetest"
)

// handle is a host's own on a DSN.
func handle(t *testing.T, dsn string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Errorf("close the host's handle: %v", err)
		}
	})
	return db
}

func TestStorageInHostDatabase(t *testing.T) {
	storagetest.Run(t, func(t *testing.T) storage.Storage {
		db, config := handle(t, "file:"+filepath.Join(t.TempDir(), "host.db")+"?"+sqlite.HostSettings), sqlite.Config{TablePrefix: "acme_"}
		if err := sqlite.Migrate(t.Context(), db, config); err != nil {
			t.Fatalf("Migrate: %v", err)
		}
		st, err := sqlite.New(t.Context(), db, config)
		if err != nil {
			t.Fatalf("New: %v", err)
		}
		return closing{st, db}
	})
}

// closing closes the handle too, as a host does that is done with its accounts.
type closing struct {
	storage.Storage
	db *sql.DB
}

func (c closing) Close() error { return c.db.Close() }

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ without, with, want string }{
		"references that are not enforced": {"_foreign_keys=1", "_foreign_keys=0", "_foreign_keys=1"},
		"deferred transactions":            {"_txlock=immediate", "_txlock=deferred", "_txlock=immediate"},
		"no patience":                      {"_busy_timeout=5000", "_busy_timeout=0", "_busy_timeout=5000"},
		"little patience":                  {"_busy_timeout=5000", "_busy_timeout=999", "_busy_timeout=5000"},
		"commits that a power cut undoes":  {"_synchronous=FULL", "_synchronous=NORMAL", "_synchronous=FULL"},
		"commits that nobody waits for":    {"_synchronous=FULL", "_synchronous=OFF", "_synchronous=FULL"},
		"connections that may only read":   {"_txlock=immediate", "_txlock=immediate&_query_only=1", "_query_only"},
		"a rollback journal":               {"_journal_mode=WAL", "_journal_mode=DELETE", "_journal_mode=WAL"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := "file:" + filepath.Join(t.TempDir(), "host.db") + "?"
			first := handle(t, path+sqlite.HostSettings)
			if err := errors.Join(sqlite.Migrate(t.Context(), first, sqlite.Config{}), first.Close()); err != nil {
				t.Fatalf("Migrate: %v", err)
			}
			settings := strings.Replace(sqlite.HostSettings, c.without, c.with, 1)
			if settings == sqlite.HostSettings {
				t.Fatalf("HostSettings lack %s", c.without)
			}
			if _, err := sqlite.New(t.Context(), handle(t, path+settings), sqlite.Config{}); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("New: got %v, want an error with %q", err, c.want)
			}
		})
	}
}

// TestNewTakesMore than it asks for.
func TestNewTakesMore(t *testing.T) {
	t.Parallel()
	settings := strings.NewReplacer("FULL", "EXTRA", "5000", "1000").Replace(sqlite.HostSettings)
	db := handle(t, "file:"+filepath.Join(t.TempDir(), "host.db")+"?"+settings)
	if err := sqlite.Migrate(t.Context(), db, sqlite.Config{}); err != nil {
		t.Fatalf("Migrate: %v", err)
	}
	if _, err := sqlite.New(t.Context(), db, sqlite.Config{}); err != nil {
		t.Errorf("New with %s: %v", settings, err)
	}
}

func TestNewRefusesEncoding(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "host.db")
	run(t, path, "pragma encoding = 'UTF-16le'", "create table mine (a text)")
	db := handle(t, "file:"+path+"?"+sqlite.HostSettings)
	if err := sqlite.Migrate(t.Context(), db, sqlite.Config{}); err != nil {
		t.Fatalf("Migrate: %v", err)
	}
	if _, err := sqlite.New(t.Context(), db, sqlite.Config{}); err == nil || !strings.Contains(err.Error(), "UTF-16le") {
		t.Errorf("New: got %v, want an error that names the encoding", err)
	}
}

func TestNewRefusesMemory(t *testing.T) {
	t.Parallel()
	db := handle(t, "file::memory:?"+sqlite.HostSettings)
	if _, err := sqlite.New(t.Context(), db, sqlite.Config{}); err == nil || !strings.Contains(err.Error(), "open a file") {
		t.Errorf("New in memory: got %v, want an error that asks for a file", err)
	}
}

// TestNewRefusesPragma has a host that sets by a statement what only one of its
// connections then has.
func TestNewRefusesPragma(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		connections int
		want        string
	}{
		"one of many":  {0, "_foreign_keys=1"},
		"the only one": {1, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := "file:" + filepath.Join(t.TempDir(), "host.db") + "?"
			db := handle(t, path+strings.Replace(sqlite.HostSettings, "_foreign_keys=1", "_foreign_keys=0", 1))
			db.SetMaxOpenConns(c.connections)
			if _, err := db.ExecContext(t.Context(), "pragma foreign_keys = 1"); err != nil {
				t.Fatal(err)
			}
			if err := sqlite.Migrate(t.Context(), db, sqlite.Config{}); err != nil {
				t.Fatalf("Migrate: %v", err)
			}
			_, err := sqlite.New(t.Context(), db, sqlite.Config{})
			if (err != nil) != (c.want != "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("New: got %v, want an error with %q", err, c.want)
			}
		})
	}
}
