package sqlstore_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/pressly/goose/v3"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/storage"
	"github.com/hedgerow-dev/hedgerow/storage/internal/sqlstore"
	"github.com/hedgerow-dev/hedgerow/storage/postgres"
	"github.com/hedgerow-dev/hedgerow/storage/postgres/postgrestest"
	"github.com/hedgerow-dev/hedgerow/storage/sqlite"
	"github.com/hedgerow-dev/hedgerow/users"
)

// store is what both stores offer to a host.
type store interface {
	storage.Storage
	Tx(*sql.Tx) storage.Storage
}

// host is a program with a database of its own.
type host struct {
	*sql.DB
	migrate func(ctx context.Context, db *sql.DB, prefix string) error
	pending func(ctx context.Context, db *sql.DB, prefix string) ([]storage.Migration, error)
	new     func(ctx context.Context, db *sql.DB, prefix string) (store, error)
	script  func(prefix string, from int64) (string, error)
	schema  string // a query for all that defines the tables

	names      func(prefix string) sqlstore.Names
	dialect    goose.Dialect
	migrations string // the folder above that of the files
}

// hosts runs a test with a host on each database.
func hosts(t *testing.T, fn func(t *testing.T, h host)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		fn(t, sqliteHost(t))
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		fn(t, postgresHost(t))
	})
}

func sqliteNames(prefix string) sqlstore.Names { return sqlstore.Names{Prefix: prefix} }

func sqliteHost(t *testing.T) host {
	t.Helper()
	return host{
		DB: openDB(t, "sqlite", "file:"+filepath.Join(t.TempDir(), "host.db")+"?"+sqlite.HostSettings),
		migrate: func(ctx context.Context, db *sql.DB, prefix string) error {
			return sqlite.Migrate(ctx, db, sqlite.Config{TablePrefix: prefix})
		},
		pending: func(ctx context.Context, db *sql.DB, prefix string) ([]storage.Migration, error) {
			return sqlite.Pending(ctx, db, sqlite.Config{TablePrefix: prefix})
		},
		new: func(ctx context.Context, db *sql.DB, prefix string) (store, error) {
			return sqlite.New(ctx, db, sqlite.Config{TablePrefix: prefix})
		},
		script: func(prefix string, from int64) (string, error) {
			return sqlite.SQL(sqlite.Config{TablePrefix: prefix}, from)
		},
		schema:     "select type || ' ' || name || ' ' || tbl_name from sqlite_master order by 1",
		names:      sqliteNames,
		dialect:    goose.DialectSQLite3,
		migrations: "../../sqlite",
	}
}

func postgresHost(t *testing.T) host {
	t.Helper()
	db := openDB(t, "pgx", postgrestest.DSN(t))
	var schema string
	if err := db.QueryRow("select current_schema()").Scan(&schema); err != nil {
		t.Fatal(err)
	}
	config := func(prefix string) postgres.Config { return postgres.Config{Schema: schema, TablePrefix: prefix} }
	return host{
		DB: db,
		migrate: func(ctx context.Context, db *sql.DB, prefix string) error {
			return postgres.Migrate(ctx, db, config(prefix))
		},
		pending: func(ctx context.Context, db *sql.DB, prefix string) ([]storage.Migration, error) {
			return postgres.Pending(ctx, db, config(prefix))
		},
		new: func(ctx context.Context, db *sql.DB, prefix string) (store, error) {
			return postgres.New(ctx, db, config(prefix))
		},
		script: func(prefix string, from int64) (string, error) { return postgres.SQL(config(prefix), from) },
		schema: `select table_name || ' ' || column_name || ' ' || data_type || ' ' || is_nullable || ' ' || coalesce(column_default, '') || ' ' || is_identity
				from information_schema.columns where table_schema = current_schema()
				union all select indexdef from pg_indexes where schemaname = current_schema()
				union all select conname || ' ' || pg_get_constraintdef(oid) from pg_constraint where connamespace = current_schema()::regnamespace
				order by 1`,
		names:      func(prefix string) sqlstore.Names { return sqlstore.Names{Schema: schema, Prefix: prefix} },
		dialect:    goose.DialectPostgres,
		migrations: "../../postgres",
	}
}

func openDB(t testing.TB, driver, dsn string) *sql.DB {
	t.Helper()
	db, err := sql.Open(driver, dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return db
}

// exec runs statements of the host.
func (h host) exec(t *testing.T, statements string) {
	t.Helper()
	if _, err := h.ExecContext(t.Context(), statements); err != nil {
		t.Fatalf("%s: %v", statements, err)
	}
}

// column reads one column of text.
func (h host) column(t *testing.T, query string) []string {
	t.Helper()
	rows, err := h.QueryContext(t.Context(), query)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	defer rows.Close()
	var values []string
	for rows.Next() {
		var v string
		if err := rows.Scan(&v); err != nil {
			t.Fatal(err)
		}
		values = append(values, v)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return values
}

// migrated returns a store in the host's database.
func (h host) migrated(t *testing.T, prefix string) store {
	t.Helper()
	if err := h.migrate(t.Context(), h.DB, prefix); err != nil {
		t.Fatalf("Migrate: %v", err)
	}
	st, err := h.new(t.Context(), h.DB, prefix)
	if err != nil {
		t.Fatalf("New: %v", err)
	}
	return st
}

func newUser(email string) users.User {
	u := users.New()
	u.UUID, u.DistinctID, u.Email = uuid.New(), uuid.NewString(), email
	return u
}

func create(ctx context.Context, st users.Store, email string) (u users.User, err error) {
	err = st.UpdateUsers(ctx, func(tx users.Tx) error {
		u, err = tx.CreateUser(ctx, newUser(email))
		return err
	})
	return u, err
}

func TestPrefixesSideBySide(t *testing.T) {
	t.Parallel()
	hosts(t, func(t *testing.T, h host) {
		one, other := h.migrated(t, "one_"), h.migrated(t, "other_")
		u, err := create(t.Context(), one, "ann@example.com")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := other.User(t.Context(), u.ID); !errors.Is(err, users.ErrNotFound) {
			t.Errorf("User of another prefix: got %v, want %v", err, users.ErrNotFound)
		}
		if _, err := create(t.Context(), other, "ann@example.com"); err != nil {
			t.Errorf("the same address under another prefix: %v", err)
		}
		if _, err := create(t.Context(), one, "ANN@example.com"); !errors.Is(err, users.ErrEmailTaken) {
			t.Errorf("a second user of one address: got %v, want %v", err, users.ErrEmailTaken)
		}
	})
}

func TestConfigRefuses(t *testing.T) {
	t.Parallel()
	hosts(t, func(t *testing.T, h host) {
		for _, prefix := range []string{"Acme", "a-", "1a", `a"`, "a; drop table users; --", "{", "é", strings.Repeat("a", 21)} {
			if _, err := h.new(t.Context(), h.DB, prefix); err == nil || !strings.Contains(err.Error(), "TablePrefix") {
				t.Errorf("New with prefix %q: got %v, want an error that names the field", prefix, err)
			}
			if _, err := h.script(prefix, 0); err == nil {
				t.Errorf("SQL with prefix %q: got nil, want an error", prefix)
			}
			if err := h.migrate(t.Context(), h.DB, prefix); err == nil {
				t.Errorf("Migrate with prefix %q: got nil, want an error", prefix)
			}
			if _, err := h.pending(t.Context(), h.DB, prefix); err == nil {
				t.Errorf("Pending with prefix %q: got nil, want an error", prefix)
			}
		}
	})
}

var errStop = errors.New("stop")

// TestHostTransaction has a user and a row of the host's own commit together.
func TestHostTransaction(t *testing.T) {
	t.Parallel()
	hosts(t, func(t *testing.T, h host) {
		st := h.migrated(t, "acme_")
		h.exec(t, "create table profiles (email text)")
		signUp := func(email string, then func(accounts storage.Storage) error) error {
			tx, err := h.BeginTx(t.Context(), nil)
			if err != nil {
				return err
			}
			defer tx.Rollback()
			if _, err := tx.ExecContext(t.Context(), "insert into profiles values ($1)", email); err != nil {
				return err
			}
			accounts := st.Tx(tx)
			u, err := create(t.Context(), accounts, email)
			if err != nil {
				return err
			}
			if seen, err := accounts.User(t.Context(), u.ID); err != nil || seen.Email != email {
				return fmt.Errorf("the transaction does not see its own user: %v, %w", seen, err)
			}
			if err := then(accounts); err != nil {
				return err
			}
			if err := accounts.Close(); err != nil {
				return err
			}
			return tx.Commit()
		}
		check := func(call string, want ...string) {
			t.Helper()
			if got := h.column(t, "select email from profiles order by 1"); !slices.Equal(got, want) {
				t.Errorf("%s: rows of the host: got %q, want %q", call, got, want)
			}
			if got := h.column(t, "select email from acme_users order by 1"); !slices.Equal(got, want) {
				t.Errorf("%s: users: got %q, want %q", call, got, want)
			}
		}
		if err := signUp("ann@example.com", func(storage.Storage) error { return nil }); err != nil {
			t.Errorf("both: %v", err)
		}
		check("both", "ann@example.com")
		if err := signUp("bob@example.com", func(storage.Storage) error { return errStop }); !errors.Is(err, errStop) {
			t.Errorf("neither: got %v, want %v", err, errStop)
		}
		check("neither", "ann@example.com")
		if err := signUp("carl@example.com", func(accounts storage.Storage) error { return lostParts(t, accounts) }); err != nil {
			t.Errorf("parts that are undone: %v", err)
		}
		check("parts that are undone", "ann@example.com", "carl@example.com")
	})
}

// lostParts has parts of a transaction fail in every way, after which it goes on.
func lostParts(t *testing.T, accounts storage.Storage) error {
	ctx := t.Context()
	if _, err := create(ctx, accounts, "ANN@example.com"); !errors.Is(err, users.ErrEmailTaken) {
		t.Errorf("a taken address: got %v, want %v", err, users.ErrEmailTaken)
	}
	add := func(tx users.Tx, email string) error {
		_, err := tx.CreateUser(ctx, newUser(email))
		return err
	}
	err := accounts.UpdateAuth(ctx, func(tx auth.Tx) error { return errors.Join(add(tx, "undone1@example.com"), errStop) })
	if !errors.Is(err, errStop) {
		t.Errorf("UpdateAuth: got %v, want %v", err, errStop)
	}
	func() {
		defer func() {
			if got := recover(); got != errStop {
				t.Errorf("UpdateUsers whose fn panics: got panic %v, want %v", got, errStop)
			}
		}()
		_ = accounts.UpdateUsers(ctx, func(tx users.Tx) error {
			_ = add(tx, "undone2@example.com")
			panic(errStop)
		})
	}()
	return nil
}

// TestServicesInHostTransaction uses the rules, not only the records.
func TestServicesInHostTransaction(t *testing.T) {
	t.Parallel()
	hosts(t, func(t *testing.T, h host) {
		ctx, st := t.Context(), h.migrated(t, "")
		tx, err := h.BeginTx(ctx, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer tx.Rollback()
		accounts := users.NewService(st.Tx(tx), users.Config{})
		credentials, err := auth.NewService(st.Tx(tx), accounts, auth.Config{PasswordCost: auth.Cost{KiB: 8, Passes: 1}})
		if err != nil {
			t.Fatal(err)
		}
		u := users.New()
		u.Email = "ann@example.com"
		if u, err = credentials.CreateUser(ctx, u, "mighty-strong-secure-1337!!"); err != nil {
			t.Fatalf("CreateUser: %v", err)
		}
		if _, err := accounts.Update(ctx, users.Actor{Credential: users.ByHost}, u.ID, users.Patch{FirstName: users.Set("Ann")}); err != nil {
			t.Errorf("Update: %v", err)
		}
		if err := tx.Commit(); err != nil {
			t.Fatal(err)
		}
		if got, err := st.User(ctx, u.ID); err != nil || got.FirstName != "Ann" || got.Version != 2 {
			t.Errorf("User after the commit: got %+v, %v", got, err)
		}
	})
}
