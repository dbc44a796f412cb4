package sqlite

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/pressly/goose/v3"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/hedgerow-dev/hedgerow/storage/internal/sqlstore"
)

// A released migration is never edited.
//
//go:embed migrations/*.sql
var migrationFiles embed.FS

// Migrate brings the tables in the host's database up to date, each step in a
// transaction. Several processes may do so at once.
func Migrate(ctx context.Context, db *sql.DB, c Config) error {
	names, err := c.names()
	if err != nil {
		return err
	}
	if err := migrate(ctx, sqlx.NewDb(db, "sqlite"), names); err != nil {
		return fmt.Errorf("sqlite: %w", explain(err))
	}
	return nil
}

// Pending reports whether Migrate has something to do. It only reads.
func Pending(ctx context.Context, db *sql.DB, c Config) (bool, error) {
	names, err := c.names()
	if err != nil {
		return false, err
	}
	x := sqlx.NewDb(db, "sqlite")
	p, err := provider(x, names)
	if err != nil {
		return false, fmt.Errorf("sqlite: %w", err)
	}
	more, err := pending(ctx, x, p, names)
	if err != nil {
		return false, fmt.Errorf("sqlite: %w", explain(err))
	}
	return more, nil
}

// SQL returns a script that does on a database without our tables what Migrate
// does.
func SQL(c Config) (string, error) {
	names, err := c.names()
	if err != nil {
		return "", err
	}
	migrations, err := sqlstore.Migrations(migrationFiles, "migrations", names)
	if err != nil {
		return "", fmt.Errorf("sqlite: %w", err)
	}
	return sqlstore.Dump(migrations, names, `
	id integer primary key autoincrement,
	version_id integer not null,
	is_applied integer not null,
	tstamp timestamp default (datetime('now'))
`), nil
}

// migrate runs what has not run yet. SQLite has no lock that spans
// transactions: of several processes that start at once some fail, and find on
// looking again that another was faster.
func migrate(ctx context.Context, db *sqlx.DB, names sqlstore.Names) error {
	p, err := provider(db, names)
	if err != nil {
		return err
	}
	const attempts = 10
	for n := 1; ; n++ {
		more, err := pending(ctx, db, p, names)
		if err == nil && !more {
			return sqlstore.RefuseNewer(ctx, p)
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

// pending reports whether migrations have to run. It only reads, which the
// provider would not do on an empty database.
func pending(ctx context.Context, db *sqlx.DB, p *goose.Provider, names sqlstore.Names) (bool, error) {
	ours, err := hasOurTables(ctx, db, names)
	if err != nil || !ours {
		return true, err
	}
	return p.HasPending(ctx)
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
	return code(err) == sqlite3.SQLITE_ERROR && strings.Contains(err.Error(), "already exists")
}

func provider(db *sqlx.DB, names sqlstore.Names) (*goose.Provider, error) {
	migrations, err := sqlstore.Migrations(migrationFiles, "migrations", names)
	if err != nil {
		return nil, err
	}
	return sqlstore.Provider(goose.DialectSQLite3, db.DB, names, migrations)
}
