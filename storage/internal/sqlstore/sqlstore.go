// Package sqlstore is the SQL that the relational backends share. The same text
// runs on all of them; what differs is a Dialect.
package sqlstore

import (
	"cmp"
	"context"
	"database/sql"
	"database/sql/driver"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/jmoiron/sqlx"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/autonomy"
	"github.com/hedgerow-dev/hedgerow/integrations"
	"github.com/hedgerow-dev/hedgerow/users"
)

// Dialect is all in which the databases differ.
type Dialect struct {
	// ForUpdate is appended to selects of one record inside a transaction.
	ForUpdate string
	// LockKey locks the key bound to $1 until the end of the transaction, though
	// there may be no row yet to lock. It is "" where transactions that write run
	// one at a time.
	LockKey string
	// In is a condition that column is in the list bound to a placeholder, and
	// List binds such a list.
	In   func(column, placeholder string) string
	List func(values any) (any, error)
	// Unique reports a violated unique or primary key, and whether it is the one
	// of the folded address.
	Unique func(err error) (email, ok bool)
	// ForeignKey reports a reference to what does not exist.
	ForeignKey func(err error) bool
	// Retry reports a transaction that lost a race and can be run again.
	Retry func(err error) bool
	// Text reports text that the database cannot hold.
	Text func(err error) bool
	// Unavailable reports a database that cannot answer now: locked, full, lost.
	Unavailable func(err error) bool
}

// Store implements storage.Storage on two handles: one that only reads, and one
// that begins its transactions as a writer. They may be the same.
type Store struct {
	reader
	write *sqlx.DB
	close func() error
}

// New returns a store. close is called by Close.
func New(read, write *sqlx.DB, d Dialect, close func() error) *Store {
	return &Store{reader: reader{q: read, db: read, d: &d}, write: write, close: close}
}

// Close releases the handles.
func (s *Store) Close() error { return s.close() }

// querier is what a handle and a transaction have in common.
type querier interface {
	sqlx.ExtContext
	GetContext(ctx context.Context, dest any, query string, args ...any) error
	SelectContext(ctx context.Context, dest any, query string, args ...any) error
}

// reader has the reading methods of both the store and a transaction.
type reader struct {
	q    querier
	db   *sqlx.DB // nil inside a transaction
	d    *Dialect
	lock string // Dialect.ForUpdate inside a transaction
}

// tx is one transaction.
type tx struct{ reader }

// maxAttempts bounds how often a transaction runs that keeps losing races.
const maxAttempts = 10

// update runs fn in a transaction of the writing handle, again if it lost a
// race.
func (s *Store) update(ctx context.Context, fn func(*tx) error) error {
	for n := 1; ; n++ {
		err := s.attempt(ctx, fn)
		if err == nil || !s.d.Retry(err) {
			return err
		}
		if n == maxAttempts {
			return fmt.Errorf("%w: %d attempts: %w", users.ErrUnavailable, n, err)
		}
		if err := pause(ctx, n); err != nil {
			return err
		}
	}
}

// pause waits for a random time, on average longer after each attempt, so that
// those who met do not meet again.
func pause(ctx context.Context, attempt int) error {
	wait := time.NewTimer(rand.N(time.Duration(attempt) * 10 * time.Millisecond))
	defer wait.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-wait.C:
		return nil
	}
}

// attempt runs fn in a transaction once. A database whose transactions begin
// elsewhere by default must not change what locks protect, so that the level
// is given.
func (s *Store) attempt(ctx context.Context, fn func(*tx) error) error {
	t, err := s.write.BeginTxx(ctx, &sql.TxOptions{Isolation: sql.LevelReadCommitted})
	if err != nil {
		return s.wrap(ctx, "begin", err)
	}
	// After a commit this does nothing; after an error or a panic nobody is
	// left to tell that a rollback failed.
	defer func() { _ = t.Rollback() }()
	if err := fn(&tx{reader{q: t, d: s.d, lock: s.d.ForUpdate}}); err != nil {
		return err
	}
	return s.wrap(ctx, "commit", t.Commit())
}

// UpdateUsers runs fn in a transaction.
func (s *Store) UpdateUsers(ctx context.Context, fn func(users.Tx) error) error {
	return s.update(ctx, func(t *tx) error { return fn(t) })
}

// UpdateAuth runs fn in a transaction.
func (s *Store) UpdateAuth(ctx context.Context, fn func(auth.Tx) error) error {
	return s.update(ctx, func(t *tx) error { return fn(t) })
}

// UpdateAutonomy runs fn in a transaction.
func (s *Store) UpdateAutonomy(ctx context.Context, fn func(autonomy.Tx) error) error {
	return s.update(ctx, func(t *tx) error { return fn(t) })
}

// UpdateIntegrations runs fn in a transaction.
func (s *Store) UpdateIntegrations(ctx context.Context, fn func(integrations.Tx) error) error {
	return s.update(ctx, func(t *tx) error { return fn(t) })
}

// wrap turns an error of the driver into ours.
func (r reader) wrap(ctx context.Context, what string, err error) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		// database/sql may say only that the transaction is gone.
		return fmt.Errorf("%s: %w", what, ctx.Err())
	}
	if errors.Is(err, sql.ErrNoRows) {
		return users.ErrNotFound
	}
	if email, ok := r.d.Unique(err); ok {
		if email {
			return users.ErrEmailTaken
		}
		return users.ErrConflict
	}
	if r.d.ForeignKey(err) {
		return users.ErrNotFound
	}
	if r.d.Text(err) {
		return fmt.Errorf("%s: %w: %w", what, errText, err)
	}
	if r.d.Unavailable(err) {
		return fmt.Errorf("%s: %w: %w", what, users.ErrUnavailable, err)
	}
	return fmt.Errorf("%s: %w", what, err)
}

// errText is for text that a host stores and services do not check.
var errText = &users.Error{Kind: users.Invalid, Code: "invalid_input", Message: "Text must be valid UTF-8 without U+0000."}

// matchless reports text among the arguments that no stored record can have:
// PostgreSQL holds neither U+0000 nor invalid UTF-8, and refuses to look for
// them too.
func matchless(args []any) bool {
	for _, a := range args {
		if v := reflect.ValueOf(a); v.Kind() == reflect.String && (!utf8.ValidString(v.String()) || strings.ContainsRune(v.String(), 0)) {
			return true
		}
	}
	return false
}

// exec runs a statement and returns how many rows it changed.
func (t *tx) exec(ctx context.Context, what, query string, args ...any) (int64, error) {
	res, err := t.q.ExecContext(ctx, query, args...)
	if err != nil {
		return 0, t.wrap(ctx, what, err)
	}
	n, err := res.RowsAffected()
	return n, t.wrap(ctx, what, err)
}

// one is exec for a statement that must find something to change.
func (t *tx) one(ctx context.Context, what, query string, args ...any) error {
	if matchless(args) {
		return cmp.Or(ctx.Err(), error(users.ErrNotFound))
	}
	n, err := t.exec(ctx, what, query, args...)
	if err == nil && n == 0 {
		return users.ErrNotFound
	}
	return err
}

// named runs a statement with the members of a row as parameters.
func (t *tx) named(ctx context.Context, what, query string, row any) (int64, error) {
	res, err := sqlx.NamedExecContext(ctx, t.q, query, row)
	if err != nil {
		return 0, t.wrap(ctx, what, err)
	}
	n, err := res.RowsAffected()
	return n, t.wrap(ctx, what, err)
}

// list selects rows and converts them.
func list[R, T any](ctx context.Context, r reader, what string, convert func(R) (T, error), query string, args ...any) ([]T, error) {
	if matchless(args) {
		return nil, ctx.Err()
	}
	var rows []R
	if err := r.q.SelectContext(ctx, &rows, query, args...); err != nil {
		return nil, r.wrap(ctx, what, err)
	}
	values := make([]T, 0, len(rows))
	for _, row := range rows {
		v, err := convert(row)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", what, err)
		}
		values = append(values, v)
	}
	return values, nil
}

// one selects a single row and converts it.
func one[R, T any](ctx context.Context, r reader, what string, convert func(R) (T, error), query string, args ...any) (T, error) {
	var row R
	var zero T
	if matchless(args) {
		return zero, cmp.Or(ctx.Err(), error(users.ErrNotFound))
	}
	if err := r.q.GetContext(ctx, &row, query, args...); err != nil {
		return zero, r.wrap(ctx, what, err)
	}
	v, err := convert(row)
	if err != nil {
		return zero, fmt.Errorf("%s: %w", what, err)
	}
	return v, nil
}

// self is the conversion of rows that are values already.
func self[T any](v T) (T, error) { return v, nil }

// stamp is a time as microseconds since 1970, on every database: its resolution
// and order are then the same everywhere. The zero time is null.
type stamp time.Time

func (s stamp) Value() (driver.Value, error) {
	if time.Time(s).IsZero() {
		return nil, nil
	}
	return time.Time(s).UnixMicro(), nil
}

func (s *stamp) Scan(v any) error {
	switch v := v.(type) {
	case nil:
		*s = stamp{}
	case int64:
		*s = stamp(time.UnixMicro(v).UTC())
	default:
		return fmt.Errorf("a time is stored as %T", v)
	}
	return nil
}

// document is a value kept as JSON text; a nil slice is null.
type document[T any] struct{ v T }

func (d document[T]) Value() (driver.Value, error) {
	b, err := json.Marshal(d.v)
	return string(b), err
}

func (d *document[T]) Scan(v any) error {
	switch v := v.(type) {
	case string:
		return json.Unmarshal([]byte(v), &d.v)
	case []byte:
		return json.Unmarshal(v, &d.v)
	}
	return fmt.Errorf("a document is stored as %T", v)
}

func null[T any](n users.Null[T]) sql.Null[T]   { return sql.Null[T]{V: n.Value, Valid: n.Valid} }
func unnull[T any](n sql.Null[T]) users.Null[T] { return users.Null[T]{Value: n.V, Valid: n.Valid} }

func nullID(id uuid.UUID) uuid.NullUUID { return uuid.NullUUID{UUID: id, Valid: id != uuid.Nil} }

func timeOf(s stamp) time.Time { return time.Time(s) }

// returning runs a statement that returns one number. No row is
// users.ErrNotFound.
func (t *tx) returning(ctx context.Context, what, query string, row any) (int64, error) {
	rows, err := sqlx.NamedQueryContext(ctx, t.q, query, row)
	if err != nil {
		return 0, t.wrap(ctx, what, err)
	}
	defer rows.Close()
	if !rows.Next() {
		if err := rows.Err(); err != nil {
			return 0, t.wrap(ctx, what, err)
		}
		return 0, users.ErrNotFound
	}
	var n int64
	if err := rows.Scan(&n); err != nil {
		return 0, t.wrap(ctx, what, err)
	}
	return n, t.wrap(ctx, what, rows.Close())
}
