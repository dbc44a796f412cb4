package sqlite

import (
	"cmp"
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"

	"github.com/jmoiron/sqlx"
	"modernc.org/sqlite"

	"github.com/hedgerow-dev/hedgerow/storage/internal/sqlstore"
)

// direct runs statements on the connections of a handle past database/sql, which
// locks, copies and starts goroutines for each. What is read without a cache takes 0.65
// of the processor's time so, and a change 0.9. Only connections of openDirect are for
// it: the handle of a host goes through database/sql. It is safe for concurrent use.
type direct struct{ db *sql.DB }

var _ interface {
	sqlstore.Handle
	sqlstore.Writer
} = direct{}

// openDirect is open for a handle whose connections keep statements.
func openDirect(path, settings string, connections int) (*sqlx.DB, error) {
	c, err := sqlite.NewConnector(dsn(path, settings))
	if err != nil {
		return nil, err
	}
	return handleOf(keeping{c}, connections), nil
}

// keeping is a Connector whose connections keep statements.
type keeping struct{ driver.Connector }

// Connect makes a connection.
func (k keeping) Connect(ctx context.Context) (driver.Conn, error) {
	c, err := k.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	full, ok := c.(fullConn)
	if !ok {
		return nil, errors.Join(fmt.Errorf("connections of the driver are %T", c), c.Close())
	}
	return &keeper{fullConn: full, statements: map[string]fullStmt{}}, nil
}

// fullConn is what connections of the driver can do.
type fullConn interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.QueryerContext
	driver.SessionResetter
	driver.Validator
}

// fullStmt is what statements of the driver can do.
type fullStmt interface {
	driver.Stmt
	driver.StmtExecContext
	driver.StmtQueryContext
}

// keeper is a connection that keeps what it has compiled, which takes SQLite longer
// than to run it. It is used by one goroutine at a time.
type keeper struct {
	fullConn
	statements map[string]fullStmt // by text
}

// Close closes the connection. One that is closed with a statement left would keep the
// file open.
func (k *keeper) Close() error {
	var errs []error
	for _, s := range k.statements {
		errs = append(errs, s.Close())
	}
	k.statements = nil
	return errors.Join(append(errs, k.fullConn.Close())...)
}

// statement returns the statement of a text.
func (k *keeper) statement(ctx context.Context, text string) (fullStmt, error) {
	if s, ok := k.statements[text]; ok {
		return s, nil
	}
	for other, s := range k.statements {
		if len(k.statements) < sqlstore.MaxStatements {
			break
		}
		delete(k.statements, other)
		if err := s.Close(); err != nil {
			return nil, err
		}
	}
	made, err := k.PrepareContext(ctx, text)
	if err != nil {
		return nil, err
	}
	s, ok := made.(fullStmt)
	if !ok {
		return nil, errors.Join(fmt.Errorf("statements of the driver are %T", made), made.Close())
	}
	k.statements[text] = s
	return s, nil
}

// run runs a statement.
func (k *keeper) run(ctx context.Context, text string, args []any) (driver.Result, error) {
	s, values, err := k.bind(ctx, text, args)
	if err != nil {
		return nil, err
	}
	return s.ExecContext(ctx, values)
}

// read has read read what a query returns.
func (k *keeper) read(ctx context.Context, text string, args []any, read func(sqlstore.Rows) error) (err error) {
	s, values, err := k.bind(ctx, text, args)
	if err != nil {
		return err
	}
	rows, err := s.QueryContext(ctx, values)
	if err != nil {
		return err
	}
	defer func() { err = cmp.Or(err, rows.Close()) }() // also after a panic
	columns := rows.Columns()
	return read(&result{rows: rows, columns: columns, row: make([]driver.Value, len(columns)), over: ctx.Err})
}

// bind returns the statement of a text, and what its parameters are.
func (k *keeper) bind(ctx context.Context, text string, args []any) (fullStmt, []driver.NamedValue, error) {
	s, err := k.statement(ctx, text)
	if err != nil {
		return nil, nil, err
	}
	values := make([]driver.NamedValue, len(args))
	for i, a := range args {
		v, err := driver.DefaultParameterConverter.ConvertValue(a)
		if err != nil {
			return nil, nil, fmt.Errorf("parameter %d: %w", i+1, err)
		}
		values[i] = driver.NamedValue{Ordinal: i + 1, Value: v}
	}
	return s, values, nil
}

// on runs fn on the connection that database/sql has lent.
func on(c *sql.Conn, fn func(*keeper) error) error {
	return c.Raw(func(raw any) error {
		k, ok := raw.(*keeper)
		if !ok {
			return fmt.Errorf("a connection is %T and keeps no statements", raw)
		}
		return fn(k)
	})
}

// lend runs fn on a connection.
func (d direct) lend(ctx context.Context, fn func(*keeper) error) error {
	c, err := d.db.Conn(ctx)
	if err != nil {
		return err
	}
	err = on(c, fn)
	_ = c.Close() // gives it back; what it could say is known
	return err
}

// Query runs a query on any connection.
func (d direct) Query(ctx context.Context, text string, args []any, read func(sqlstore.Rows) error) error {
	return d.lend(ctx, func(k *keeper) error { return k.read(ctx, text, args, read) })
}

// Exec runs a statement on any connection.
func (d direct) Exec(ctx context.Context, text string, args []any) (done sql.Result, err error) {
	err = d.lend(ctx, func(k *keeper) error {
		done, err = k.run(ctx, text, args)
		return err
	})
	return done, err
}

// Transact runs fn in a transaction that only reads: a snapshot. Others begin by Begin.
func (d direct) Transact(ctx context.Context, o sql.TxOptions, fn func(sqlstore.Conn) error) error {
	if !o.ReadOnly {
		return errors.New("a transaction that writes begins in the queue")
	}
	return d.lend(ctx, func(k *keeper) (err error) {
		// Neither waits for anything.
		lasting := context.WithoutCancel(ctx)
		if _, err := k.run(lasting, "begin", nil); err != nil {
			return err
		}
		defer func() { // also after a panic
			_, failed := k.run(lasting, "rollback", nil)
			err = cmp.Or(err, failed)
		}()
		return fn(&snapshot{keeper: k})
	})
}

// snapshot is a transaction that reads. Only the first statement can wait for a lock,
// or go through many rows to find those of a page; what follows belongs to the page.
// So that alone is interrupted when the context ends, which costs a goroutine.
type snapshot struct {
	keeper *keeper
	begun  bool
}

// Query runs a query in the snapshot.
func (s *snapshot) Query(ctx context.Context, text string, args []any, read func(sqlstore.Rows) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if s.begun {
		ctx = context.WithoutCancel(ctx)
	}
	s.begun = true
	return s.keeper.read(ctx, text, args, read)
}

// Exec runs a statement in the snapshot.
func (s *snapshot) Exec(ctx context.Context, text string, args []any) (sql.Result, error) {
	return s.keeper.run(ctx, text, args)
}

// Begin begins a transaction that writes.
func (d direct) Begin(ctx context.Context) (sqlstore.Transaction, error) {
	c, err := d.db.Conn(ctx)
	if err != nil {
		return nil, err
	}
	t := &transaction{conn: c}
	err = on(c, func(k *keeper) (err error) {
		t.tx, err = k.BeginTx(ctx, driver.TxOptions{})
		return err
	})
	if err != nil {
		return nil, cmp.Or(err, c.Close())
	}
	return t, nil
}

// transaction is one that writes. It has a connection until it ends.
type transaction struct {
	conn *sql.Conn // nil once it has ended
	tx   driver.Tx
}

// Query runs a query in the transaction.
func (t *transaction) Query(ctx context.Context, text string, args []any, read func(sqlstore.Rows) error) error {
	if t.conn == nil {
		return sql.ErrTxDone
	}
	return on(t.conn, func(k *keeper) error { return k.read(ctx, text, args, read) })
}

// Exec runs a statement in the transaction.
func (t *transaction) Exec(ctx context.Context, text string, args []any) (done sql.Result, err error) {
	if t.conn == nil {
		return nil, sql.ErrTxDone
	}
	err = on(t.conn, func(k *keeper) error {
		done, err = k.run(ctx, text, args)
		return err
	})
	return done, err
}

// Commit ends the transaction, also if it fails.
func (t *transaction) Commit() error { return t.end(driver.Tx.Commit) }

// Rollback ends the transaction.
func (t *transaction) Rollback() error { return t.end(driver.Tx.Rollback) }

func (t *transaction) end(how func(driver.Tx) error) error {
	if t.conn == nil {
		return sql.ErrTxDone
	}
	c := t.conn
	t.conn = nil
	err := on(c, func(*keeper) error { return how(t.tx) })
	return cmp.Or(err, c.Close())
}

// result is what a query returns.
type result struct {
	rows    driver.Rows
	columns []string
	row     []driver.Value
	over    func() error // of the context
	err     error
}

func (r *result) Columns() ([]string, error) { return r.columns, nil }
func (r *result) Err() error                 { return r.err }

func (r *result) Next() bool {
	if r.err = r.over(); r.err == nil {
		r.err = r.rows.Next(r.row)
	}
	if errors.Is(r.err, io.EOF) {
		r.err = nil
		return false
	}
	return r.err == nil
}

func (r *result) Scan(dest ...any) error {
	for i, d := range dest {
		if err := assign(d, r.row[i]); err != nil {
			return fmt.Errorf("column %s: %w", r.columns[i], err)
		}
	}
	return nil
}
