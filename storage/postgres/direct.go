package postgres

import (
	"cmp"
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/hedgerow-dev/hedgerow/storage/internal/sqlstore"
)

// direct runs statements on the connections of a handle as pgx itself does: without
// the goroutine and the copies that database/sql makes for each, and several in one
// round trip. It is safe for concurrent use.
type direct struct{ db *sql.DB }

// directly returns the direct of a handle, nil where something is around pgx.
func directly(ctx context.Context, db *sql.DB) (sqlstore.Handle, error) {
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, err
	}
	var h sqlstore.Handle
	err = conn.Raw(func(driver any) error {
		if _, ok := driver.(*stdlib.Conn); ok {
			h = direct{db}
		}
		return nil
	})
	return h, errors.Join(err, conn.Close())
}

// maxStale bounds on how many connections a statement is tried that turn out to have
// ended meanwhile, as in database/sql.
const maxStale = 3

// lend runs fn on a connection, again on another one if nothing could be sent.
func (d direct) lend(ctx context.Context, fn func(*pgx.Conn) (stale, err error)) error {
	for n := 1; ; n++ {
		conn, err := d.db.Conn(ctx)
		if err != nil {
			return err
		}
		var failed, stale error
		err = conn.Raw(func(c any) error {
			stale, failed = fn(c.(*stdlib.Conn).Conn())
			if stale != nil {
				return driver.ErrBadConn // the pool drops it
			}
			return nil
		})
		_ = conn.Close() // what it could say is known
		switch {
		case stale != nil && n < maxStale:
		case stale != nil:
			return stale
		case failed != nil:
			return failed
		default:
			return err
		}
	}
}

// Query runs a query on any connection.
func (d direct) Query(ctx context.Context, text string, args []any, read func(sqlstore.Rows) error) error {
	return d.lend(ctx, func(conn *pgx.Conn) (stale, err error) {
		rows, err := conn.Query(ctx, text, args...)
		return readRows(&result{Rows: rows}, err, read)
	})
}

// Exec runs a statement on any connection.
func (d direct) Exec(ctx context.Context, text string, args []any) (done sql.Result, err error) {
	err = d.lend(ctx, func(conn *pgx.Conn) (stale, err error) {
		tag, err := conn.Exec(ctx, text, args...)
		done = driver.RowsAffected(tag.RowsAffected())
		if pgconn.SafeToRetry(err) {
			return err, nil
		}
		return nil, err
	})
	return done, err
}

// result is rows of which the first has been looked for.
type result struct {
	pgx.Rows
	looked, more bool
}

func (r *result) Next() bool {
	if r.looked {
		r.looked = false
		return r.more
	}
	return r.Rows.Next()
}

func (r *result) Columns() ([]string, error) {
	var names []string
	for _, f := range r.FieldDescriptions() {
		names = append(names, f.Name)
	}
	return names, nil
}

// readRows has read read what a query returns, or tells that it could not be sent.
func readRows(r *result, err error, read func(sqlstore.Rows) error) (stale, failed error) {
	if err == nil {
		defer r.Close()
		r.more, r.looked = r.Rows.Next(), true
		if !r.more {
			err = r.Err()
		}
	}
	if pgconn.SafeToRetry(err) {
		return err, nil
	}
	if err == nil {
		err = read(r)
	}
	if err == nil {
		r.Close()
		err = r.Err()
	}
	return nil, err
}

// Transact runs fn in a transaction. Nothing is sent before its first statement.
func (d direct) Transact(ctx context.Context, o sql.TxOptions, fn func(sqlstore.Conn) error) error {
	begin, err := beginning(o)
	if err != nil {
		return err
	}
	return d.lend(ctx, func(conn *pgx.Conn) (stale, err error) {
		t := &transaction{conn: conn}
		t.queue(begin, nil, nil)
		kept := false
		defer func() { // also after a panic
			if !kept {
				t.rollback(ctx)
			}
		}()
		if err = fn(t); err == nil {
			err = t.commit(ctx)
			kept = err == nil
		}
		return t.stale, err
	})
}

func beginning(o sql.TxOptions) (string, error) {
	switch {
	case o.Isolation == sql.LevelReadCommitted && !o.ReadOnly:
		return "begin isolation level read committed", nil
	case o.Isolation == sql.LevelRepeatableRead && o.ReadOnly:
		return "begin isolation level repeatable read read only", nil
	}
	return "", fmt.Errorf("no transaction has the level %s", o.Isolation)
}

// transaction is one on a connection. What is queued goes with the next statement
// whose result somebody waits for.
type transaction struct {
	conn    *pgx.Conn
	waiting pgx.Batch
	reads   []func(sqlstore.Rows) error // the results of waiting; nil is for none
	begun   bool                        // something has been sent
	stale   error                       // why nothing could be
}

var _ sqlstore.Queuer = (*transaction)(nil)

// send sends what waits, with a statement after it, and returns the results at that.
func (t *transaction) send(ctx context.Context, text string, args []any) (pgx.BatchResults, error) {
	t.waiting.Queue(text, args...)
	results, err := t.sendWaiting(ctx)
	t.begun = t.begun || err == nil
	return results, err
}

// sendWaiting sends what waits, and returns what comes after the results of t.reads.
func (t *transaction) sendWaiting(ctx context.Context) (pgx.BatchResults, error) {
	b, reads := t.waiting, t.reads
	t.waiting, t.reads = pgx.Batch{}, nil
	results := t.conn.SendBatch(ctx, &b)
	for _, read := range reads {
		if err := next(results, read); err != nil {
			_ = results.Close() // says the same
			return nil, t.note(err)
		}
	}
	return results, nil
}

// next reads the next result.
func next(results pgx.BatchResults, read func(sqlstore.Rows) error) error {
	if read == nil {
		_, err := results.Exec()
		return err
	}
	rows, err := results.Query()
	return cmp.Or(readRows(&result{Rows: rows}, err, read))
}

// note notes that a connection had ended before the transaction began.
func (t *transaction) note(err error) error {
	if !t.begun && pgconn.SafeToRetry(err) {
		t.stale = err
	}
	return err
}

// Query runs a query in the transaction.
func (t *transaction) Query(ctx context.Context, text string, args []any, read func(sqlstore.Rows) error) error {
	if t.waiting.Len() == 0 {
		rows, err := t.conn.Query(ctx, text, args...)
		return cmp.Or(readRows(&result{Rows: rows}, err, read))
	}
	results, err := t.send(ctx, text, args)
	if err != nil {
		return err
	}
	return cmp.Or(next(results, read), results.Close())
}

// Exec runs a statement in the transaction.
func (t *transaction) Exec(ctx context.Context, text string, args []any) (sql.Result, error) {
	tag, err := t.exec(ctx, text, args)
	return driver.RowsAffected(tag.RowsAffected()), err
}

func (t *transaction) exec(ctx context.Context, text string, args []any) (pgconn.CommandTag, error) {
	if t.waiting.Len() == 0 {
		return t.conn.Exec(ctx, text, args...)
	}
	results, err := t.send(ctx, text, args)
	if err != nil {
		return pgconn.CommandTag{}, err
	}
	tag, err := results.Exec()
	return tag, cmp.Or(err, results.Close())
}

// Queue has a statement run with the next one.
func (t *transaction) Queue(ctx context.Context, text string, args []any, read func(sqlstore.Rows) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	t.queue(text, args, read)
	return nil
}

func (t *transaction) queue(text string, args []any, read func(sqlstore.Rows) error) {
	t.waiting.Queue(text, args...)
	t.reads = append(t.reads, read)
}

func (t *transaction) commit(ctx context.Context) error {
	if err := ctx.Err(); err != nil || !t.begun && t.waiting.Len() == 1 {
		return err // or nothing was done
	}
	if !t.begun {
		return t.commitAlone(ctx)
	}
	tag, err := t.exec(ctx, "commit", nil)
	if err == nil && tag.String() != "COMMIT" {
		return pgx.ErrTxCommitRollback // a statement has failed
	}
	return err
}

// commitAlone commits a transaction of which nothing has been sent. What is sent together
// is a transaction by itself, and "begin" and "commit" would be two statements more, a
// twelfth of a change of a user. It has the level that is the default then: a higher one
// is as good for what nobody has waited for, and there is no lower one.
func (t *transaction) commitAlone(ctx context.Context) error {
	t.waiting.QueuedQueries, t.reads = t.waiting.QueuedQueries[1:], t.reads[1:]
	results, err := t.sendWaiting(ctx)
	if err != nil {
		return err
	}
	return results.Close()
}

// rollback ends what was begun. A connection that cannot do so ends with it.
func (t *transaction) rollback(ctx context.Context) {
	if !t.begun && t.conn.PgConn().TxStatus() == idle {
		return
	}
	if ctx.Err() == nil {
		if _, err := t.conn.Exec(ctx, "rollback"); err == nil {
			return
		}
	}
	_ = t.conn.Close(ctx) // nobody is left to tell
}

// idle is the state of a connection without a transaction.
const idle = 'I'
