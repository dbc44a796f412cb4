package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"

	"github.com/pressly/goose/v3"
)

// Migration is one step of the schema, in the names of one store.
type Migration struct {
	Version int64
	SQL     string
}

// ErrPending is in the error of a store whose migrations have not all run.
var ErrPending = errors.New("the tables are not up to date; call Migrate first")

// MigrationTable records which migrations ran.
func (n Names) MigrationTable() string { return n.Table("hedgerow_migrations") }

// Migrations reads the files NUMBER_NAME.sql of a folder, in their order.
func Migrations(files fs.FS, folder string, names Names) ([]Migration, error) {
	paths, err := fs.Glob(files, path.Join(folder, "*.sql"))
	if err != nil {
		return nil, err
	}
	var migrations []Migration
	for _, p := range paths {
		text, err := fs.ReadFile(files, p)
		if err != nil {
			return nil, err
		}
		number, _, _ := strings.Cut(path.Base(p), "_")
		version, err := strconv.ParseInt(number, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("migration %s has no number: %w", p, err)
		}
		migrations = append(migrations, Migration{version, names.Render(string(text))})
	}
	return migrations, nil
}

// Provider runs migrations, each in a transaction of its own.
func Provider(dialect goose.Dialect, db *sql.DB, names Names, migrations []Migration, options ...goose.ProviderOption) (*goose.Provider, error) {
	var steps []*goose.Migration
	for _, m := range migrations {
		steps = append(steps, goose.NewGoMigration(m.Version, &goose.GoFunc{RunTx: func(ctx context.Context, tx *sql.Tx) error {
			_, err := tx.ExecContext(ctx, m.SQL)
			return err
		}}, nil))
	}
	return goose.NewProvider(dialect, db, nil, append(options, goose.WithGoMigrations(steps...),
		goose.WithTableName(names.MigrationTable()), goose.WithDisableGlobalRegistry(true))...)
}

// Dump is one script that does what running all migrations does. table makes the
// table that records them.
func Dump(migrations []Migration, names Names, table string) string {
	var b strings.Builder
	record := func(version int64) {
		fmt.Fprintf(&b, "insert into %s (version_id, is_applied) values (%d, true);\n", names.MigrationTable(), version)
	}
	fmt.Fprintf(&b, "begin;\n\ncreate table %s (%s);\n", names.MigrationTable(), table)
	record(0) // as the provider does
	for _, m := range migrations {
		b.WriteString("\n" + m.SQL)
		record(m.Version)
	}
	b.WriteString("\ncommit;\n")
	return b.String()
}

// RefuseNewer refuses a database with migrations that this build lacks.
func RefuseNewer(ctx context.Context, p *goose.Provider) error {
	current, target, err := p.GetVersions(ctx)
	if err != nil {
		return fmt.Errorf("read schema version: %w", err)
	}
	if current > target {
		return fmt.Errorf("the schema has version %d and this build knows %d; use a newer build", current, target)
	}
	return nil
}
