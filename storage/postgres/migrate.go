package postgres

import (
	"context"
	"embed"
	"fmt"
	"hash/fnv"

	"github.com/jmoiron/sqlx"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"

	"github.com/hedgerow-dev/hedgerow/storage/internal/sqlstore"
)

// migrationTable records which migrations ran.
const migrationTable = "hedgerow_migrations"

// A released migration is never edited.
//
//go:embed migrations/*.sql
var migrationFiles embed.FS

// migrate runs what has not run yet, each file in a transaction. Of several
// processes that start at once one migrates, and the others wait for it.
func migrate(ctx context.Context, db *sqlx.DB) error {
	p, err := provider(ctx, db)
	if err != nil {
		return err
	}
	more, err := pending(ctx, db, p)
	if err == nil && more {
		_, err = p.Up(ctx)
	}
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	return sqlstore.RefuseNewer(ctx, p)
}

// pending reports whether migrations have to run. It only reads, and waits for
// nobody, so that a start with nothing to do is quick.
func pending(ctx context.Context, db *sqlx.DB, p *goose.Provider) (bool, error) {
	var ours bool
	if err := db.GetContext(ctx, &ours, "select to_regclass($1) is not null", migrationTable); err != nil || !ours {
		return true, err
	}
	return p.HasPending(ctx)
}

func provider(ctx context.Context, db *sqlx.DB) (*goose.Provider, error) {
	migrations, err := sqlstore.Migrations(migrationFiles, "migrations")
	if err != nil {
		return nil, err
	}
	id, err := lockID(ctx, db)
	if err != nil {
		return nil, err
	}
	// It looks each second, for five minutes.
	l, err := lock.NewPostgresSessionLocker(lock.WithLockID(id), lock.WithLockTimeout(1, 300))
	if err != nil {
		return nil, err
	}
	return goose.NewProvider(goose.DialectPostgres, db.DB, nil, goose.WithGoMigrations(migrations...),
		goose.WithTableName(migrationTable), goose.WithDisableGlobalRegistry(true), goose.WithSessionLocker(l))
}

// lockID is the advisory lock of these tables: neither that of other programs
// which use goose, nor that of ours in another schema.
func lockID(ctx context.Context, db *sqlx.DB) (int64, error) {
	var schema string
	if err := db.GetContext(ctx, &schema, "select coalesce(current_schema(), '')"); err != nil {
		return 0, err
	}
	if schema == "" {
		return 0, fmt.Errorf("no schema of the search path exists; create one, or set search_path")
	}
	h := fnv.New64a()
	h.Write([]byte(schema + "." + migrationTable))
	return int64(h.Sum64()), nil
}
