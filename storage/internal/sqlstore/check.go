package sqlstore

import (
	"context"
	"errors"

	"github.com/jmoiron/sqlx"
)

// CheckConnections runs check on two connections of a host's handle, where it may
// have so many: what the host has set by a statement has reached one only.
func CheckConnections(ctx context.Context, db *sqlx.DB, check func(ctx context.Context, conn *sqlx.Conn) error) error {
	if db.Stats().MaxOpenConnections == 1 {
		return checkConnections(ctx, db, 1, check)
	}
	return checkConnections(ctx, db, 2, check)
}

// checkConnections looks at n connections, each while it holds those before.
func checkConnections(ctx context.Context, db *sqlx.DB, n int, check func(ctx context.Context, conn *sqlx.Conn) error) (err error) {
	if n == 0 {
		return nil
	}
	conn, err := db.Connx(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	if err := check(ctx, conn); err != nil {
		return err
	}
	return checkConnections(ctx, db, n-1, check)
}
