package sqlite

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/pressly/goose/v3"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/hedgerow-dev/hedgerow/storage"
	"github.com/hedgerow-dev/hedgerow/storage/internal/sqlstore"
)

// A released migration is never edited.
//
//go:embed migrations/*.sql
var migrationFiles embed.FS

// Migrate brings the tables in the host's database up to date, each step in a
// transaction. Several processes may do so at once.
func Migrate(ctx context.Context, db *sql.DB, c Config) error {
	s, err := c.schema()
	if err != nil {
		return err
	}
	if err := migrate(ctx, sqlx.NewDb(db, "sqlite"), s); err != nil {
		return fmt.Errorf("sqlite: %w", explain(err))
	}
	return nil
}

// Pending lists what Migrate has to do, in its order. It only reads. Tables that
// a later build has taken something away from are an error.
func Pending(ctx context.Context, db *sql.DB, c Config) ([]storage.Migration, error) {
	s, err := c.schema()
	if err != nil {
		return nil, err
	}
	pending, err := s.Pending(ctx, sqlx.NewDb(db, "sqlite"), tableExists)
	if err != nil {
		return nil, fmt.Errorf("sqlite: %w", explain(err))
	}
	return pending, nil
}

// SQL returns a script that does what Migrate does: from the version of the first
// pending migration on, or with 0 on a database without our tables. Where it does
// not fit, a statement fails before anything is changed for good: have the shell
// stop there (sqlite3 -bail). Version numbers that this build lacks are an error.
func SQL(c Config, from int64) (string, error) {
	s, err := c.schema()
	if err != nil {
		return "", err
	}
	script, err := s.Script(from, `
	id integer primary key autoincrement,
	version_id integer not null,
	is_applied integer not null,
	tstamp timestamp default (datetime('now'))
`)
	if err != nil {
		return "", fmt.Errorf("sqlite: %w", err)
	}
	return script, nil
}

const tableExists = "select exists (select 1 from sqlite_master where type = 'table' and name = $1)"

// migrate runs what has not run yet. SQLite has no lock that spans
// transactions: of several processes that start at once some fail, and find on
// looking again that another was faster.
func migrate(ctx context.Context, db *sqlx.DB, s sqlstore.Schema) error {
	p, err := s.Provider(goose.DialectSQLite3, db.DB)
	if err != nil {
		return err
	}
	const attempts = 10
	for n := 1; ; n++ {
		pending, err := s.Pending(ctx, db, tableExists)
		if err == nil && len(pending) == 0 {
			return nil
		}
		if err == nil {
			// This waits for the busy timeout. Without it the provider would, and
			// several times over.
			if err := lock(ctx, db); err != nil {
				return fmt.Errorf("migrate: %w", err)
			}
			_, err = p.Up(ctx)
		}
		if err != nil && (n == attempts || !lostRace(err)) {
			return fmt.Errorf("migrate: %w", err)
		}
		wait := time.NewTimer(time.Duration(n) * 20 * time.Millisecond)
		select {
		case <-ctx.Done():
			wait.Stop()
			return ctx.Err()
		case <-wait.C:
		}
	}
}

// lock begins and ends a transaction that could write.
func lock(ctx context.Context, db *sqlx.DB) error {
	tx, err := db.BeginTxx(ctx, nil)
	if err != nil {
		return err
	}
	return tx.Rollback()
}

// lostRace reports an error that another process causes by migrating the same
// file. SQLite tells "already exists" in the message and nowhere else.
func lostRace(err error) bool {
	switch code(err) & 0xff {
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
		return true
	}
	return errors.Is(err, sqlstore.ErrRan) || code(err) == sqlite3.SQLITE_ERROR && strings.Contains(err.Error(), "already exists")
}
