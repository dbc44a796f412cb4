package postgres_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"strings"
	"testing"

	"github.com/hedgerow-dev/hedgerow/storage"
	"github.com/hedgerow-dev/hedgerow/storage/postgres"
	"github.com/hedgerow-dev/hedgerow/storage/postgres/postgrestest"
	"github.com/hedgerow-dev/hedgerow/storage/storagetest"
)

// handle is a host's own on a DSN.
func handle(t *testing.T, dsn string) *sql.DB {
	t.Helper()
	db, err := sql.Open("pgx", dsn)
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(8)
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Errorf("close the host's handle: %v", err)
		}
	})
	return db
}

// TestStorageInHostDatabase names schema and prefix, and asks for the mode that a
// host behind a pooler needs, in which the types of values are guessed.
func TestStorageInHostDatabase(t *testing.T) {
	storagetest.Run(t, func(t *testing.T) storage.Storage {
		dsn := postgrestest.DSN(t)
		config := postgres.Config{Schema: query(t, dsn, "select current_schema()::text")[0], TablePrefix: "acme_"}
		db := handle(t, with(t, with(t, dsn, "search_path", "pg_catalog"), "default_query_exec_mode", "exec"))
		if err := postgres.Migrate(t.Context(), db, config); err != nil {
			t.Fatalf("Migrate: %v", err)
		}
		st, err := postgres.New(t.Context(), db, config)
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

// hidden is a driver whose errors nobody else knows.
type hidden struct{ driver.Connector }

func (h hidden) Connect(ctx context.Context) (driver.Conn, error) {
	c, err := h.Connector.Connect(ctx)
	return struct{ driver.Conn }{c}, err
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	dsn := postgrestest.DSN(t)
	db := handle(t, dsn)
	if err := postgres.Migrate(t.Context(), db, postgres.Config{}); err != nil {
		t.Fatalf("Migrate: %v", err)
	}
	connector, err := db.Driver().(driver.DriverContext).OpenConnector(dsn)
	if err != nil {
		t.Fatal(err)
	}
	lists := sql.OpenDB(hidden{connector})
	t.Cleanup(func() {
		if err := lists.Close(); err != nil {
			t.Errorf("close the handle: %v", err)
		}
	})
	for name, c := range map[string]struct {
		db     *sql.DB
		config postgres.Config
		want   string
	}{
		"values spliced into text":      {handle(t, with(t, dsn, "default_query_exec_mode", "simple_protocol")), postgres.Config{}, "simple_protocol"},
		"a server without writes":       {handle(t, with(t, dsn, "default_transaction_read_only", "on")), postgres.Config{}, "takes no writes"},
		"commits that nobody waits for": {handle(t, with(t, dsn, "synchronous_commit", "off")), postgres.Config{}, "set synchronous_commit to on"},
		"another encoding":              {handle(t, with(t, dsn, "client_encoding", "LATIN1")), postgres.Config{}, "client_encoding"},
		"a missing schema":              {db, postgres.Config{Schema: "nowhere"}, "create it first"},
		"a schema to be quoted":         {db, postgres.Config{Schema: "A b"}, "Schema"},
		"a driver without lists":        {lists, postgres.Config{}, "lists"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := postgres.New(t.Context(), c.db, c.config); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("New: got %v, want an error with %q", err, c.want)
			}
		})
	}
	if _, err := postgres.Open(t.Context(), with(t, dsn, "default_query_exec_mode", "simple_protocol")); err == nil {
		t.Error("Open with the simple protocol: got nil, want an error")
	}
}

// TestNewRefusesStatement has a host that sets by a statement what only one of its
// connections then has.
func TestNewRefusesStatement(t *testing.T) {
	t.Parallel()
	db := handle(t, postgrestest.DSN(t))
	if err := postgres.Migrate(t.Context(), db, postgres.Config{}); err != nil {
		t.Fatalf("Migrate: %v", err)
	}
	if _, err := db.ExecContext(t.Context(), "set synchronous_commit = off"); err != nil {
		t.Fatal(err)
	}
	if _, err := postgres.New(t.Context(), db, postgres.Config{}); err == nil || !strings.Contains(err.Error(), "synchronous_commit") {
		t.Errorf("New: got %v, want an error that names the setting", err)
	}
}

func TestNewWithOneConnection(t *testing.T) {
	t.Parallel()
	db := handle(t, postgrestest.DSN(t))
	db.SetMaxOpenConns(1)
	if err := postgres.Migrate(t.Context(), db, postgres.Config{}); err != nil {
		t.Fatalf("Migrate: %v", err)
	}
	st, err := postgres.New(t.Context(), db, postgres.Config{})
	if err != nil {
		t.Fatalf("New: %v", err)
	}
	addUser(t, st, "ann@example.com")
}
