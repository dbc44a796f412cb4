package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/hedgerow-dev/hedgerow/storage/internal/sqlstore"
	"github.com/hedgerow-dev/hedgerow/users"
)

// countedDirect is a direct on a new database whose connections count.
func countedDirect(t *testing.T, connections int) (direct, *counter) {
	t.Helper()
	c := newCounter(t, filepath.Join(t.TempDir(), "a.db"), writeSettings)
	db := handleOf(keeping{c}, connections)
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
		if got := c.open.Load(); got != 0 {
			t.Errorf("%d statements are open after Close", got)
		}
	})
	return direct{db.DB}, c
}

// selectNumber reads one.
func selectNumber(ctx context.Context, c sqlstore.Conn, text string, args ...any) (n int64, err error) {
	err = c.Query(ctx, text, args, func(rows sqlstore.Rows) error {
		if !rows.Next() {
			return errors.Join(rows.Err(), sql.ErrNoRows)
		}
		return rows.Scan(&n)
	})
	return n, err
}

const endless = "with recursive n(i) as (select 1 union all select i + 1 from n) select max(i) from n"

// TestDirectInterrupts ends the context of statements that never end by themselves.
func TestDirectInterrupts(t *testing.T) {
	t.Parallel()
	d, _ := countedDirect(t, 1)
	for name, run := range map[string]func(context.Context) error{
		"Query": func(ctx context.Context) error {
			_, err := selectNumber(ctx, d, endless)
			return err
		},
		"Exec": func(ctx context.Context) error {
			_, err := d.Exec(ctx, endless, nil)
			return err
		},
		"the first in a snapshot": func(ctx context.Context) error {
			return d.Transact(ctx, sql.TxOptions{ReadOnly: true}, func(c sqlstore.Conn) error {
				_, err := selectNumber(ctx, c, endless)
				return err
			})
		},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		if err := run(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: got %v, want %v", name, err, context.DeadlineExceeded)
		}
		cancel()
		if n, err := selectNumber(t.Context(), d, "select 7"); err != nil || n != 7 {
			t.Errorf("a statement after %s: got %d and %v, want 7", name, n, err)
		}
	}
}

// TestDirectStopsBetweenRows ends the context while rows are read.
func TestDirectStopsBetweenRows(t *testing.T) {
	t.Parallel()
	d, _ := countedDirect(t, 1)
	ctx, cancel := context.WithCancel(t.Context())
	read := 0
	err := d.Query(ctx, "select value from json_each('[1, 2, 3]')", nil, func(rows sqlstore.Rows) error {
		for rows.Next() {
			read++
			cancel()
		}
		return rows.Err()
	})
	if read != 1 || !errors.Is(err, context.Canceled) {
		t.Errorf("got %d rows and %v, want one and %v", read, err, context.Canceled)
	}
}

// TestDirectWatchesOne has one statement of a profile watch the context, which costs
// a goroutine.
func TestDirectWatchesOne(t *testing.T) {
	t.Parallel()
	st, c := counting(t, 3)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	if _, err := st.Profiles(ctx, users.Query{ID: 2, Limit: 1}); err != nil {
		t.Fatal(err)
	}
	if all, watching := c.n.Load(), c.frail.Load(); all < 3 || watching != 1 {
		t.Errorf("%d of %d statements watch the context, want one", watching, all)
	}
}

// TestDirectSnapshot has somebody else write between two statements.
func TestDirectSnapshot(t *testing.T) {
	t.Parallel()
	d, _ := countedDirect(t, 2)
	if _, err := d.Exec(t.Context(), "create table x (n)", nil); err != nil {
		t.Fatal(err)
	}
	const count = "select count(*) from x"
	for want := range int64(3) {
		err := d.Transact(t.Context(), sql.TxOptions{ReadOnly: true}, func(c sqlstore.Conn) error {
			before, err := selectNumber(t.Context(), c, count)
			if err != nil {
				return err
			}
			if _, err := d.Exec(t.Context(), "insert into x values ($1)", []any{want}); err != nil {
				return err
			}
			after, err := selectNumber(t.Context(), c, count)
			if before != want || after != want {
				t.Errorf("the snapshot has %d rows and then %d, want %d", before, after, want)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// TestDirectPanics leaves the one connection free.
func TestDirectPanics(t *testing.T) {
	t.Parallel()
	d, _ := countedDirect(t, 1)
	for name, run := range map[string]func(){
		"reads": func() {
			_ = d.Query(t.Context(), "select 1", nil, func(sqlstore.Rows) error { panic(errStop) })
		},
		"a snapshot": func() {
			_ = d.Transact(t.Context(), sql.TxOptions{ReadOnly: true}, func(sqlstore.Conn) error { panic(errStop) })
		},
	} {
		func() {
			defer func() {
				if got := recover(); got != errStop {
					t.Errorf("%s: got panic %v, want %v", name, got, errStop)
				}
			}()
			run()
		}()
		if n, err := selectNumber(t.Context(), d, "select 7"); err != nil || n != 7 {
			t.Errorf("after a panic in what %s: got %d and %v, want 7", name, n, err)
		}
	}
}

// TestDirectEnded uses a transaction that has ended.
func TestDirectEnded(t *testing.T) {
	t.Parallel()
	d, c := countedDirect(t, 1)
	for name, end := range map[string]func(sqlstore.Transaction) error{"Commit": sqlstore.Transaction.Commit, "Rollback": sqlstore.Transaction.Rollback} {
		tx, err := d.Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := end(tx); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		_, query := selectNumber(t.Context(), tx, "select 1")
		_, exec := tx.Exec(t.Context(), "select 1", nil)
		for call, err := range map[string]error{"Query": query, "Exec": exec, "Commit": tx.Commit(), "Rollback": tx.Rollback()} {
			if !errors.Is(err, sql.ErrTxDone) {
				t.Errorf("%s after %s: got %v, want %v", call, name, err, sql.ErrTxDone)
			}
		}
	}
	if got := c.commits.Load(); got != 1 {
		t.Errorf("%d commits, want 1", got)
	}
	if err := d.Transact(t.Context(), sql.TxOptions{}, func(sqlstore.Conn) error { return nil }); err == nil {
		t.Error("Transact began a transaction that writes, which is for the queue")
	}
}

// TestDirectKeepsSome meets more texts than a connection keeps statements.
func TestDirectKeepsSome(t *testing.T) {
	t.Parallel()
	d, c := countedDirect(t, 1)
	for i := range int64(sqlstore.MaxStatements + 50) {
		for range 2 {
			if n, err := selectNumber(t.Context(), d, fmt.Sprintf("select %d + $1", i), i); err != nil || n != 2*i {
				t.Fatalf("got %d and %v, want %d", n, err, 2*i)
			}
		}
	}
	if open, compiled := c.open.Load(), c.compiled.Load(); open != sqlstore.MaxStatements || compiled != sqlstore.MaxStatements+50 {
		t.Errorf("%d statements are open and %d were compiled, want %d and %d", open, compiled, sqlstore.MaxStatements, sqlstore.MaxStatements+50)
	}
}

// TestAssign has columns read as database/sql reads them, or refused.
func TestAssign(t *testing.T) {
	t.Parallel()
	d, _ := countedDirect(t, 1)
	id := uuid.New()
	for _, value := range []any{nil, int64(0), int64(1), int64(-7), "", "text", "1", []byte{}, []byte("bytes"), id.String(), 1.5} {
		for _, dest := range []any{
			new(int64), new(int), new(users.ID), new(string), new(bool), new([]byte), new(uuid.UUID), new(uuid.NullUUID),
			new(sql.Null[string]), new(sql.Null[int64]), new(sql.Null[bool]), new(int8),
		} {
			want := reflect.New(reflect.TypeOf(dest).Elem()).Interface()
			wantErr := d.db.QueryRowContext(t.Context(), "select $1", value).Scan(want)
			err := d.Query(t.Context(), "select $1 as it", []any{value}, func(rows sqlstore.Rows) error {
				if !rows.Next() {
					return errors.Join(rows.Err(), sql.ErrNoRows)
				}
				return rows.Scan(dest)
			})
			if wantErr != nil && err == nil || err == nil && !reflect.DeepEqual(dest, want) {
				t.Errorf("%T %v as %T: got %+v, want %+v, %v", value, value, dest, dest, want, wantErr)
			}
			if err != nil && wantErr == nil && reflect.TypeOf(value) == reflect.TypeOf(dest).Elem() {
				t.Errorf("%T %v as %T: %v", value, value, dest, err)
			}
		}
	}
}

// TestOpenIsDirect finds what the store has run kept by its connection.
func TestOpenIsDirect(t *testing.T) {
	t.Parallel()
	for name, open := range map[string]func(context.Context, string) (*Store, error){"Open": Open, "OpenUncached": OpenUncached} {
		st, err := open(t.Context(), furnished(t, 1))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if err := rename(t.Context(), st, 1, "Ann"); err != nil {
			t.Fatalf("%s: UpdateUsers: %v", name, err)
		}
		conn, err := st.write.DB.Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		err = on(conn, func(k *keeper) error {
			if len(k.statements) < 2 {
				t.Errorf("%s: the connection that writes keeps %d statements, want those of a change", name, len(k.statements))
			}
			return nil
		})
		if err := errors.Join(err, conn.Close(), st.Close()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
