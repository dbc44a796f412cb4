package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// postgresTable is a PostgreSQL database. pgx prepares each statement once for
// each connection.
type postgresTable struct{ pool *pgxpool.Pool }

func openPostgresTable(ctx context.Context, dsn string) (*postgresTable, error) {
	config, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		return nil, err
	}
	config.MaxConns, config.MinConns = 16, 16 // as many as our store
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, err
	}
	return &postgresTable{pool}, pool.Ping(ctx)
}

func (t *postgresTable) Close() error {
	t.pool.Close()
	return nil
}

func (t *postgresTable) one(ctx context.Context, statement string, args ...any) (*record, error) {
	r := new(record)
	return r, t.pool.QueryRow(ctx, statement, args...).Scan(r.fields()...)
}

func (t *postgresTable) byKey(ctx context.Context, k keyHash) (*record, error) {
	return t.one(ctx, selectByKey, k[:])
}

func (t *postgresTable) byEmail(ctx context.Context, email string) (*record, error) {
	return t.one(ctx, selectByEmail, email)
}

func (t *postgresTable) setTheme(ctx context.Context, k keyHash, theme string) (*record, error) {
	return t.one(ctx, updateTheme, k[:], theme)
}

func (t *postgresTable) byID(ctx context.Context, limit, offset int) ([]*record, error) {
	rows, err := t.pool.Query(ctx, selectByID, limit, offset)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (*record, error) {
		r := new(record)
		return r, row.Scan(r.fields()...)
	})
}

// seedPostgresTable makes the tables, with n users.
func seedPostgresTable(ctx context.Context, dsn string, n int) (err error) {
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close(ctx)) }()
	for _, s := range []string{createUsers(), "create unique index users_email on users (email)", "create table keys (hash bytea primary key, user_id bigint not null)"} {
		if _, err := conn.Exec(ctx, s); err != nil {
			return fmt.Errorf("%s: %w", s, err)
		}
	}
	_, err = conn.CopyFrom(ctx, pgx.Identifier{"users"}, columns, pgx.CopyFromSlice(n, func(i int) ([]any, error) {
		r, err := newRecord(i + 1)
		return r.values(), err
	}))
	if err != nil {
		return err
	}
	_, err = conn.CopyFrom(ctx, pgx.Identifier{"keys"}, []string{"hash", "user_id"}, pgx.CopyFromSlice(callers(n), func(i int) ([]any, error) {
		k := hash(key(i + 1))
		return []any{k[:], int64(i + 1)}, nil
	}))
	if err != nil {
		return err
	}
	_, err = conn.Exec(ctx, "vacuum analyze users")
	return err
}
