package httpapi_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"io"
	"path/filepath"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	modernc "modernc.org/sqlite"

	"github.com/hedgerow-dev/hedgerow/storage"
	"github.com/hedgerow-dev/hedgerow/storage/postgres"
	"github.com/hedgerow-dev/hedgerow/storage/postgres/postgrestest"
	"github.com/hedgerow-dev/hedgerow/storage/sqlite"
)

// commits sees those of a handle, and can lose one.
type commits struct {
	failure error // what the driver says then

	mu    sync.Mutex
	count int
	lose  int  // the number of the one to lose; 0 is none
	after bool // when the database has it, or before
}

// expect begins to count, and says which commit gets lost.
func (c *commits) expect(lose int, after bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.count, c.lose, c.after = 0, lose, after
}

// next counts one more.
func (c *commits) next() (lost, after bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.count++
	return c.count == c.lose, c.after
}

func (c *commits) counted() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.count
}

// connector connects by a driver whose commits are seen.
type connector struct {
	driver.Connector
	commits *commits
}

// Connect implements driver.Connector.
func (c connector) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return connection{conn.(sqlConn), c.commits}, nil
}

// sqlConn is what both drivers offer.
type sqlConn interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.QueryerContext
	driver.SessionResetter
}

type connection struct {
	sqlConn
	commits *commits
}

// CheckNamedValue implements driver.NamedValueChecker.
func (c connection) CheckNamedValue(v *driver.NamedValue) error {
	if checker, ok := c.sqlConn.(driver.NamedValueChecker); ok {
		return checker.CheckNamedValue(v)
	}
	return driver.ErrSkip
}

// BeginTx implements driver.ConnBeginTx.
func (c connection) BeginTx(ctx context.Context, options driver.TxOptions) (driver.Tx, error) {
	tx, err := c.sqlConn.BeginTx(ctx, options)
	if err != nil || options.ReadOnly {
		return tx, err
	}
	return transaction{tx, c.commits}, nil
}

type transaction struct {
	driver.Tx
	commits *commits
}

// Commit implements driver.Tx. The connection of a lost commit is closed, so that
// the database undoes what it has not got.
func (t transaction) Commit() error {
	lost, after := t.commits.next()
	if !lost {
		return t.Tx.Commit()
	}
	if after {
		if err := t.Tx.Commit(); err != nil {
			return err
		}
	}
	return fmt.Errorf("%w: %w", driver.ErrBadConn, t.commits.failure)
}

// watched is a store whose commits are seen, and another handle on its database.
type watched struct {
	store   storage.Storage
	commits *commits
	beside  *sql.DB
}

// watchedStores opens a store on each database, as a host does.
func watchedStores() map[string]func(t *testing.T) watched {
	return map[string]func(t *testing.T) watched{
		"sqlite": func(t *testing.T) watched {
			path := "file:" + filepath.Join(t.TempDir(), "test.db")
			base, err := modernc.NewConnector(path + "?" + sqlite.HostSettings)
			if err != nil {
				t.Fatal(err)
			}
			w := watched{commits: &commits{}, beside: openBeside(t, "sqlite", path)}
			db := openHandle(t, connector{base, w.commits})
			if err := sqlite.Migrate(t.Context(), db, sqlite.Config{}); err != nil {
				t.Fatal(err)
			}
			if w.store, err = sqlite.New(t.Context(), db, sqlite.Config{}); err != nil {
				t.Fatal(err)
			}
			// Any error by which SQLite says that it cannot go on.
			_, w.commits.failure = openBeside(t, "sqlite", path+"?_query_only=1").ExecContext(t.Context(), "create table x (y)")
			return w
		},
		"postgres": func(t *testing.T) watched {
			dsn := postgrestest.DSN(t)
			config, err := pgx.ParseConfig(dsn)
			if err != nil {
				t.Fatal(err)
			}
			w := watched{commits: &commits{failure: io.ErrUnexpectedEOF}, beside: openBeside(t, "pgx", dsn)}
			db := openHandle(t, connector{stdlib.GetConnector(*config), w.commits})
			if err := postgres.Migrate(t.Context(), db, postgres.Config{}); err != nil {
				t.Fatal(err)
			}
			if w.store, err = postgres.New(t.Context(), db, postgres.Config{}); err != nil {
				t.Fatal(err)
			}
			return w
		},
	}
}

func openHandle(t *testing.T, c driver.Connector) *sql.DB {
	t.Helper()
	db := sql.OpenDB(c)
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Errorf("close the handle: %v", err)
		}
	})
	return db
}

// openBeside opens a handle with one connection.
func openBeside(t *testing.T, name, dsn string) *sql.DB {
	t.Helper()
	db, err := sql.Open(name, dsn)
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Errorf("close the handle beside: %v", err)
		}
	})
	return db
}
