package sqlite

import (
	"context"
	"embed"
	"fmt"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/pressly/goose/v3"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/hedgerow-dev/hedgerow/storage/internal/sqlstore"
)

// migrationTable records which migrations ran.
const migrationTable = "hedgerow_migrations"

// A released migration is never edited.
//
//go:embed migrations/*.sql
var migrationFiles embed.FS

// migrate runs what has not run yet, each file in a transaction. SQLite has no
// lock that spans transactions: of several processes that start at once some
// fail, and find on looking again that another was faster.
func migrate(ctx context.Context, db *sqlx.DB) error {
	p, err := provider(db)
	if err != nil {
		return err
	}
	const attempts = 10
	for n := 1; ; n++ {
		more, err := pending(ctx, db, p)
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
func pending(ctx context.Context, db *sqlx.DB, p *goose.Provider) (bool, error) {
	ours, err := hasOurTables(ctx, db)
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

func provider(db *sqlx.DB) (*goose.Provider, error) {
	migrations, err := sqlstore.Migrations(migrationFiles, "migrations")
	if err != nil {
		return nil, err
	}
	return goose.NewProvider(goose.DialectSQLite3, db.DB, nil, goose.WithGoMigrations(migrations...),
		goose.WithTableName(migrationTable), goose.WithDisableGlobalRegistry(true))
}
