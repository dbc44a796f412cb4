package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"strings"

	_ "modernc.org/sqlite" // the driver
)

// The statements that all limit programs make. A key is looked up by a scalar
// subquery, since SQLite plans a join again each time that it runs.
var (
	selectUsers = "select " + strings.Join(columns, ", ") + " from users "
	ofKey       = "where id = (select user_id from keys where hash = $1)"

	selectByKey   = selectUsers + ofKey
	selectByID    = selectUsers + "order by id limit $1 offset $2"
	selectByEmail = selectUsers + "where email = $1"
	updateTheme   = "update users set theme_mode = $2 " + ofKey + " returning " + strings.Join(columns, ", ")
)

// sqliteTable is a file that four connections read and one writes.
type sqliteTable struct {
	read, write                            *sql.DB
	byKeyStmt, byIDStmt, emailStmt, update *sql.Stmt
}

func openSQLite(path string, connections int) (*sql.DB, error) {
	const settings = "?_journal_mode=WAL&_synchronous=FULL&_busy_timeout=5000&_txlock=immediate&_pragma=cache_size(-65536)"
	db, err := sql.Open("sqlite", "file:"+(&url.URL{Path: path}).EscapedPath()+settings)
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(connections)
	db.SetMaxIdleConns(connections)
	return db, nil
}

func openSQLiteTable(ctx context.Context, path string) (*sqliteTable, error) {
	const readers = 4
	read, err := openSQLite(path, readers)
	if err != nil {
		return nil, err
	}
	write, err := openSQLite(path, 1)
	if err != nil {
		return nil, errors.Join(err, read.Close())
	}
	t := &sqliteTable{read: read, write: write}
	for _, s := range []struct {
		stmt **sql.Stmt
		db   *sql.DB
		text string
	}{
		{&t.byKeyStmt, read, selectByKey}, {&t.byIDStmt, read, selectByID}, {&t.emailStmt, read, selectByEmail}, {&t.update, write, updateTheme},
	} {
		if *s.stmt, err = s.db.PrepareContext(ctx, s.text); err != nil {
			return nil, errors.Join(fmt.Errorf("%s: %w", s.text, err), t.Close())
		}
	}
	return t, nil
}

func (t *sqliteTable) Close() error { return errors.Join(t.read.Close(), t.write.Close()) }

func (t *sqliteTable) byKey(ctx context.Context, k keyHash) (*record, error) {
	r := new(record)
	return r, t.byKeyStmt.QueryRowContext(ctx, k[:]).Scan(r.fields()...)
}

func (t *sqliteTable) byEmail(ctx context.Context, email string) (*record, error) {
	r := new(record)
	return r, t.emailStmt.QueryRowContext(ctx, email).Scan(r.fields()...)
}

func (t *sqliteTable) setTheme(ctx context.Context, k keyHash, theme string) (*record, error) {
	r := new(record)
	return r, t.update.QueryRowContext(ctx, k[:], theme).Scan(r.fields()...)
}

func (t *sqliteTable) byID(ctx context.Context, limit, offset int) ([]*record, error) {
	rows, err := t.byIDStmt.QueryContext(ctx, limit, offset)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	page := make([]*record, 0, limit)
	for rows.Next() {
		r := new(record)
		if err := rows.Scan(r.fields()...); err != nil {
			return nil, err
		}
		page = append(page, r)
	}
	return page, rows.Err()
}

// seedSQLiteTable makes the file, with n users.
func seedSQLiteTable(ctx context.Context, path string, n int) (err error) {
	db, err := openSQLite(path, 1)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // of no effect after the commit
	for _, s := range []string{createUsers(), "create unique index users_email on users (email)",
		"create table keys (hash blob primary key, user_id integer not null) without rowid"} {
		if _, err := tx.ExecContext(ctx, s); err != nil {
			return fmt.Errorf("%s: %w", s, err)
		}
	}
	insert, err := tx.PrepareContext(ctx, "insert into users values (?"+strings.Repeat(", ?", len(columns)-1)+")")
	if err != nil {
		return err
	}
	for i := 1; i <= n; i++ {
		r, err := newRecord(i)
		if err != nil {
			return err
		}
		if _, err := insert.ExecContext(ctx, r.values()...); err != nil {
			return err
		}
	}
	for i := 1; i <= callers(n); i++ {
		k := hash(key(i))
		if _, err := tx.ExecContext(ctx, "insert into keys values (?, ?)", k[:], i); err != nil {
			return err
		}
	}
	return tx.Commit()
}
