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

	"github.com/jmoiron/sqlx"
	"github.com/pressly/goose/v3"

	"github.com/hedgerow-dev/hedgerow/storage"
)

// Schema is the tables of one store as a build knows them.
type Schema struct {
	Names      Names
	Migrations []Migration // in their order
}

// Migration is one step of a Schema, in its names.
type Migration struct {
	storage.Migration
	SQL string
}

// generation is how many versions of the schema only add to each other: those
// with the same thousands. A build works on the tables of its own version and of
// every later one of the generation, so that processes of two releases can share
// them. What takes something away begins the next generation.
const generation = 1000

// NewSchema reads the files migrations/NUMBER_NAME.sql.
func NewSchema(files fs.FS, names Names) (Schema, error) {
	s := Schema{Names: names}
	if err := names.Check(); err != nil {
		return s, err
	}
	paths, err := fs.Glob(files, "migrations/*.sql")
	if err != nil {
		return s, err
	}
	for _, p := range paths {
		text, err := fs.ReadFile(files, p)
		if err != nil {
			return s, err
		}
		number, name, _ := strings.Cut(strings.TrimSuffix(path.Base(p), ".sql"), "_")
		version, err := strconv.ParseInt(number, 10, 64)
		if err != nil {
			return s, fmt.Errorf("migration %s has no number: %w", p, err)
		}
		s.Migrations = append(s.Migrations, Migration{storage.Migration{Version: version, Name: name}, names.Render(string(text))})
	}
	return s, nil
}

// migrationTable records which migrations ran.
const migrationTable = "{hedgerow_migrations}"

// MigrationTable is its name.
func (n Names) MigrationTable() string { return n.Render(migrationTable) }

// Pending lists the migrations that have not run. It refuses tables of a later
// generation. exists selects whether there is the table bound to $1.
func (s Schema) Pending(ctx context.Context, q sqlx.QueryerContext, exists string) ([]storage.Migration, error) {
	var ours bool
	if err := sqlx.GetContext(ctx, q, &ours, exists, s.Names.MigrationTable()); err != nil {
		return nil, err
	}
	var current int64
	if ours {
		query := s.Names.Render("select coalesce(max(version_id), 0) from " + migrationTable)
		if err := sqlx.GetContext(ctx, q, &current, query); err != nil {
			return nil, fmt.Errorf("read schema version: %w", err)
		}
	}
	var pending []storage.Migration
	for _, m := range s.Migrations {
		if m.Version > current {
			pending = append(pending, m.Migration)
		}
	}
	if last := s.Migrations[len(s.Migrations)-1].Version; current/generation > last/generation {
		return nil, fmt.Errorf("the schema has version %d, and this build knows %d and can use up to %d; use a newer build",
			current, last, (last/generation+1)*generation-1)
	}
	return pending, nil
}

// RefusePending makes an error of migrations that have not run.
func RefusePending(pending []storage.Migration) error {
	if len(pending) == 0 {
		return nil
	}
	return fmt.Errorf("the tables are not up to date: version %d (%s) has not run; call Migrate first", pending[0].Version, pending[0].Name)
}

// ErrRan says that another process has run a migration since it was found pending.
var ErrRan = errors.New("another process has run this migration")

// Provider runs migrations, each in a transaction of its own. One that another
// process was faster with is ErrRan.
func (s Schema) Provider(dialect goose.Dialect, db *sql.DB, options ...goose.ProviderOption) (*goose.Provider, error) {
	ran := s.Names.Render("select exists (select 1 from " + migrationTable + " where version_id = $1)")
	var steps []*goose.Migration
	for _, m := range s.Migrations {
		steps = append(steps, goose.NewGoMigration(m.Version, &goose.GoFunc{RunTx: func(ctx context.Context, tx *sql.Tx) error {
			// The provider has looked before the transaction, and not every migration
			// fails the second time.
			var already bool
			if err := tx.QueryRowContext(ctx, ran, m.Version).Scan(&already); err != nil {
				return err
			}
			if already {
				return ErrRan
			}
			_, err := tx.ExecContext(ctx, m.SQL)
			return err
		}}, nil))
	}
	return goose.NewProvider(dialect, db, nil, append(options, goose.WithGoMigrations(steps...),
		goose.WithTableName(s.Names.MigrationTable()), goose.WithDisableGlobalRegistry(true))...)
}

// Script does what running the migrations from a version on does; up to the first
// one that is all of them, in a place without our tables. table has the columns
// of the one that records them. It undoes itself where the version before is not
// the last that ran.
func (s Schema) Script(from int64, table string) (string, error) {
	var b strings.Builder
	b.WriteString("begin;\n")
	var before int64
	for n, m := range s.Migrations {
		if n == 0 && from <= m.Version {
			// The first row is the provider's.
			fmt.Fprintf(&b, "\ncreate table %[1]s (%[2]s);\ninsert into %[1]s (version_id, is_applied) values (0, true);\n", migrationTable, table)
			from = m.Version
		}
		if m.Version >= from {
			fmt.Fprintf(&b, "\n-- %d (%s), which fails unless the last one was %d\ninsert into %s (version_id, is_applied)\n"+
				"\tselect %[1]d, case when max(version_id) = %[3]d then true end from %[4]s;\n%[5]s", m.Version, m.Name, before, migrationTable, m.SQL)
		}
		before = m.Version
	}
	if from > before {
		return "", fmt.Errorf("there is no migration %d; the last is %d", from, before)
	}
	b.WriteString("\ncommit;\n")
	return s.Names.Render(b.String()), nil
}
