package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"reflect"
)

// Conn runs statements: on a handle, or in a transaction.
type Conn interface {
	// Query has read, once, read the rows that a statement returns.
	Query(ctx context.Context, text string, args []any, read func(Rows) error) error
	// Exec runs a statement.
	Exec(ctx context.Context, text string, args []any) (sql.Result, error)
}

// Queuer is a Conn in a transaction that can put statements off.
type Queuer interface {
	// Queue runs a statement that nobody waits for, just before the next one or the
	// commit, which fails in its place. read is nil for one without rows.
	Queue(ctx context.Context, text string, args []any, read func(Rows) error) error
}

// Rows are those of *sql.Rows.
type Rows interface {
	Columns() ([]string, error)
	Next() bool
	Scan(dest ...any) error
	Err() error
}

// Handle runs statements, each on any connection.
type Handle interface {
	Conn
	// Transact runs fn in a transaction, which it commits if fn returns nil.
	Transact(ctx context.Context, o sql.TxOptions, fn func(Conn) error) error
}

// Writer begins transactions that write, which it runs one at a time.
type Writer interface {
	// Begin begins a transaction. It waits no longer than ctx lasts; the transaction
	// may not last longer either.
	Begin(ctx context.Context) (Transaction, error)
}

// Transaction is one that several goroutines may use, one after another.
type Transaction interface {
	Conn
	// Commit keeps what was done, or undoes it and fails.
	Commit() error
	// Rollback undoes what was done. Once the transaction has ended it fails and does
	// nothing.
	Rollback() error
}

// queue runs a statement that nobody waits for: at once, unless it can be put off.
func (t *tx) queue(ctx context.Context, text string, args []any, read func(Rows) error) error {
	if q, ok := t.q.(Queuer); ok {
		return q.Queue(ctx, text, args, read)
	}
	if read != nil {
		return t.q.Query(ctx, text, args, read)
	}
	_, err := t.q.Exec(ctx, text, args)
	return err
}

// into returns pointers to the members of row for the columns of a text, or row
// itself where it is no struct of columns.
func (t *texts) into(text string, rows Rows, row any) ([]any, error) {
	v := reflect.ValueOf(row).Elem()
	if _, one := row.(sql.Scanner); one || v.Kind() != reflect.Struct {
		return []any{row}, nil
	}
	key := bindingKey{text, v.Type()}
	kept, ok := t.columns.Load(key)
	if !ok {
		members, err := t.membersOf(rows, v.Type())
		if err != nil {
			return nil, err
		}
		t.columns.Store(key, members)
		kept = members
	}
	members := kept.([][]int)
	dest := make([]any, len(members))
	for i, index := range members {
		dest[i] = v.FieldByIndex(index).Addr().Interface()
	}
	return dest, nil
}

// membersOf finds the members of a row for the columns of rows.
func (t *texts) membersOf(rows Rows, row reflect.Type) ([][]int, error) {
	columns, err := rows.Columns()
	if err != nil {
		return nil, err
	}
	mapped := t.mapper.TypeMap(row)
	members := make([][]int, len(columns))
	for i, c := range columns {
		member := mapped.GetByPath(c)
		if member == nil {
			return nil, fmt.Errorf("%s has no member for the column %s", row, c)
		}
		members[i] = member.Index
	}
	return members, nil
}
