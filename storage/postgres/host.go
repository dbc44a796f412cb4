package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/jmoiron/sqlx"

	"github.com/hedgerow-dev/hedgerow/storage/internal/sqlstore"
)

// Config says where the tables in the host's database are.
type Config struct {
	// Schema has to exist. Empty means the first of the search path, which has to
	// be the same for each connection.
	Schema string
	// TablePrefix begins the name of every table and index: at most 20 of a-z, 0-9
	// and _, and no digit first. Empty means none.
	TablePrefix string
}

func (c Config) schema() (sqlstore.Schema, error) {
	s, err := sqlstore.NewSchema(migrationFiles, sqlstore.Names{Schema: c.Schema, Prefix: c.TablePrefix})
	if err != nil {
		return s, fmt.Errorf("postgres: %w", err)
	}
	return s, nil
}

// New keeps accounts in the host's own database. db is a handle by
// github.com/jackc/pgx/v5/stdlib, also one that something wraps; New refuses one
// that cannot be used. It looks at two connections, and relies on the others being
// opened alike. Through a handle that nothing wraps statements go to pgx itself, which
// is faster. Connections of Open besides "set plan_cache_mode = force_generic_plan",
// which makes lists cheaper. It does not migrate: Migrate has to have run. Nobody but the host
// closes db, not even Close.
func New(ctx context.Context, db *sql.DB, c Config) (*Store, error) {
	s, err := c.schema()
	if err != nil {
		return nil, err
	}
	x := sqlx.NewDb(db, "pgx")
	if err := sqlstore.CheckConnections(ctx, x, checkConnection); err != nil {
		return nil, fmt.Errorf("postgres: the database handle: %w", err)
	}
	pending, err := pending(ctx, x, s)
	if err == nil {
		err = sqlstore.RefusePending(pending)
	}
	if err != nil {
		return nil, fmt.Errorf("postgres: %w", err)
	}
	handle, err := directly(ctx, db)
	if err != nil {
		return nil, fmt.Errorf("postgres: %w", err)
	}
	return &Store{sqlstore.New(x, x, s.Names, dialect(handle), func() error { return nil })}, nil
}

// checkConnection refuses what only a host's handle can be.
func checkConnection(ctx context.Context, conn *sqlx.Conn) error {
	// Whoever wraps the driver passes its errors and lists on, or is refused.
	var e *pgconn.PgError
	if _, err := conn.ExecContext(ctx, "select 1 / 0"); !errors.As(err, &e) {
		return fmt.Errorf("its driver is not github.com/jackc/pgx/v5/stdlib: %w", err)
	}
	var found bool
	if err := conn.GetContext(ctx, &found, "select cast(1 as bigint) = any($1)", []int64{1}); err != nil {
		return fmt.Errorf("its driver does not take lists: %w", err)
	}
	err := conn.Raw(func(driver any) error {
		if c, ok := driver.(*stdlib.Conn); ok {
			return checkMode(c.Conn().Config())
		}
		return nil
	})
	if err != nil {
		return err
	}
	return check(ctx, conn)
}

// checkMode refuses the protocol that puts values into the text of statements.
func checkMode(config *pgx.ConnConfig) error {
	if config.DefaultQueryExecMode == pgx.QueryExecModeSimpleProtocol {
		return errors.New("default_query_exec_mode=simple_protocol is not safe; behind a pooler use exec")
	}
	return nil
}
