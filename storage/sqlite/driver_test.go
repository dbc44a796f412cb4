package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"
	"sync/atomic"
	"testing"

	"github.com/jmoiron/sqlx"
	"modernc.org/sqlite"

	"github.com/hedgerow-dev/hedgerow/storage/internal/sqlstore"
)

// counter is a driver.Connector whose connections count what they do.
type counter struct {
	driver.Connector

	n        atomic.Int64 // statements that ran
	compiled atomic.Int64 // texts that were compiled, to run once or more often
	open     atomic.Int64 // prepared statements that are not closed
	commits  atomic.Int64 // transactions that ended well
	frail    atomic.Int64 // statements that are interrupted when a context ends

	// noCommit is an error with which commits fail, if it is not nil.
	noCommit atomic.Pointer[error]
}

// newCounter is one for a database at path.
func newCounter(t testing.TB, path, settings string) *counter {
	t.Helper()
	c, err := sqlite.NewConnector(dsn(path, settings))
	if err != nil {
		t.Fatal(err)
	}
	return &counter{Connector: c}
}

func (c *counter) ran(ctx context.Context) {
	c.n.Add(1)
	if ctx.Done() != nil {
		c.frail.Add(1)
	}
}

func (c *counter) Connect(ctx context.Context) (driver.Conn, error) {
	inner, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return countingConn{inner.(fullConn), c}, nil
}

type countingConn struct {
	fullConn
	c *counter
}

func (c countingConn) PrepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	inner, err := c.fullConn.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	if query == "begin" || query == "rollback" {
		return inner.(fullStmt), nil // database/sql has none
	}
	c.c.compiled.Add(1)
	c.c.open.Add(1)
	return countingStmt{inner.(fullStmt), c.c}, nil
}

func (c countingConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	c.c.ran(ctx)
	c.c.compiled.Add(1)
	return c.fullConn.ExecContext(ctx, query, args)
}

func (c countingConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	c.c.ran(ctx)
	c.c.compiled.Add(1)
	return c.fullConn.QueryContext(ctx, query, args)
}

func (c countingConn) BeginTx(ctx context.Context, o driver.TxOptions) (driver.Tx, error) {
	inner, err := c.fullConn.BeginTx(ctx, o)
	if err != nil {
		return nil, err
	}
	return countingTx{inner, c.c}, nil
}

type countingTx struct {
	driver.Tx
	c *counter
}

// Commit fails as the driver does, which rolls back then.
func (t countingTx) Commit() error {
	if err := t.c.noCommit.Load(); err != nil {
		return errors.Join(*err, t.Rollback())
	}
	err := t.Tx.Commit()
	if err == nil {
		t.c.commits.Add(1)
	}
	return err
}

type countingStmt struct {
	fullStmt
	c *counter
}

func (s countingStmt) ExecContext(ctx context.Context, args []driver.NamedValue) (driver.Result, error) {
	s.c.ran(ctx)
	return s.fullStmt.ExecContext(ctx, args)
}

func (s countingStmt) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	s.c.ran(ctx)
	return s.fullStmt.QueryContext(ctx, args)
}

func (s countingStmt) Close() error {
	s.c.open.Add(-1)
	return s.fullStmt.Close()
}

// counted opens a database that has its tables, so that both handles count.
func counted(t *testing.T, path string) (st *sqlstore.Store, reading, writing *counter) {
	t.Helper()
	reading, writing = newCounter(t, path, readSettings), newCounter(t, path, writeSettings)
	read, write := handleOf(keeping{reading}, readers), handleOf(keeping{writing}, 1)
	return joined(t, read, write, directly(read, write)), reading, writing
}

// countedByHost is counted for a store whose statements go through database/sql, as
// they do on the handle of a host.
func countedByHost(t *testing.T, path string) (st *sqlstore.Store, reading, writing *counter) {
	t.Helper()
	reading, writing = newCounter(t, path, readSettings), newCounter(t, path, writeSettings)
	return joined(t, handleOf(reading, readers), handleOf(writing, 1), dialect()), reading, writing
}

func joined(t *testing.T, read, write *sqlx.DB, d sqlstore.Dialect) *sqlstore.Store {
	t.Helper()
	st := sqlstore.New(read, write, sqlstore.Names{}, d, func() error { return errors.Join(read.Close(), write.Close()) })
	t.Cleanup(func() {
		if err := st.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return st
}
