// Package sqlstore is the SQL that the relational backends share. The same text
// runs on all of them; what differs is a Dialect.
package sqlstore

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"unicode/utf8"

	"github.com/jmoiron/sqlx"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/autonomy"
	"github.com/hedgerow-dev/hedgerow/integrations"
	"github.com/hedgerow-dev/hedgerow/users"
)

// Dialect is all in which the databases differ.
type Dialect struct {
	// ForUpdate is appended to selects of records inside a transaction that may write.
	ForUpdate string
	// Prepare says that the database compiles a statement each time that it comes as
	// text, and the driver does not keep it prepared.
	Prepare bool
	// LockKey locks the key bound to $1 until the end of the transaction, though
	// there may be no row yet to lock. It is "" with OneWriter.
	LockKey string
	// OneWriter says that transactions that write run one at a time. They queue in
	// the store then, where each gets its turn, and those that wait share a commit.
	OneWriter bool
	// LastID says that the driver tells the id that a database gave to a new row.
	LastID bool
	// BeforeEvent runs before the first event of a transaction, and EventBounds,
	// one after another, before events are read: each selects the number up to
	// which they may be. Transactions that run side by side commit events in
	// another order than that of their numbers, and who reads the log from a
	// position must not pass one that comes later. Both are empty with OneWriter.
	BeforeEvent string
	EventBounds []string
	// In is a condition that column is in the list bound to a placeholder, and
	// List binds such a list.
	In   func(column, placeholder string) string
	List func(values any) (any, error)
	// Stamps, unless empty, are the columns of stamps for a user u, of which the one
	// of the record is kept in a column revision.
	Stamps string
	// DividedByZero, with Stamps, reports that a statement has divided by zero.
	DividedByZero func(err error) bool
	// Unique reports a violated unique or primary key, and whether it is the one
	// of the folded address.
	Unique func(err error) (email, ok bool)
	// ForeignKey reports a reference to what does not exist.
	ForeignKey func(err error) bool
	// Retry reports a transaction that lost a race and can be run again.
	Retry func(err error) bool
	// Text reports text that the database cannot hold.
	Text func(err error) bool
	// Direct, unless nil, runs the statements in place of database/sql, which takes
	// longer for each and waits for the answer of one before it sends the next.
	Direct Handle
	// Writer, unless nil, begins the transactions that write in the place of the handle
	// for that, with OneWriter.
	Writer Writer
	// Committing, unless nil, runs before each commit, which it prevents by an error.
	Committing func() error
	// Committed, unless nil, runs after each commit and each attempt at one, before
	// anybody is told of it or another transaction begins; ok says that it
	// succeeded. It also runs when what succeeded is given up. With OneWriter, Undone
	// runs when the function that succeeded last is undone alone.
	Committed func(ok bool)
	Undone    func()
	// Unavailable reports a database that cannot answer now: locked, full, lost.
	Unavailable func(err error) bool
}

// Store implements storage.Storage on two handles: one that only reads, and one
// that begins its transactions as a writer. They may be the same.
type Store struct {
	reader
	run   runner
	close func() error
}

// New returns a store. close is called by Close.
func New(read, write *sqlx.DB, names Names, d Dialect, close func() error) *Store {
	reading := newHandle(read, d)
	writing := reading
	if write != read {
		writing = newHandle(write, d)
	}
	r := reader{q: reading, db: reading, d: &d, texts: &texts{names: names, mapper: read.Mapper}}
	if d.Direct != nil {
		r.q, r.db = d.Direct, d.Direct
	}
	if d.Stamps != "" {
		r.kept = &kept{profiles: map[users.ID]stamped{}, guesses: map[users.ID]chan struct{}{}}
	}
	run := r.transactions(r.db)
	if d.OneWriter {
		q := &queue{r: r, write: writing}
		if d.Writer != nil {
			q.write = d.Writer
		}
		run = q.run
	}
	return &Store{reader: r, run: run, close: func() error {
		return errors.Join(reading.closeStatements(), writing.closeStatements(), close())
	}}
}

// Close releases the handles.
func (s *Store) Close() error { return s.close() }

// reader has the reading methods of both the store and a transaction.
type reader struct {
	q     Conn
	db    Handle // nil inside a transaction
	d     *Dialect
	texts *texts
	lock  string // Dialect.ForUpdate inside a transaction that may write
	share *share // inside a transaction that others have a part in
	kept  *kept  // nil without Dialect.Stamps, and inside a transaction that may write
}

// tx is one transaction.
type tx struct {
	reader
	logged bool // BeforeEvent has run
	saved  []*savedUser
	// locked are the users that the transaction has read or saved, as they are; nil
	// without Dialect.Stamps.
	locked map[users.ID]users.User
	// guessing is nil without a guess.
	guessing *guess
}

// UpdateUsers runs fn in a transaction.
func (s *Store) UpdateUsers(ctx context.Context, fn func(users.Tx) error) error {
	return s.run(ctx, func(t *tx) error { return fn(t) })
}

// UpdateAuth runs fn in a transaction.
func (s *Store) UpdateAuth(ctx context.Context, fn func(auth.Tx) error) error {
	return s.run(ctx, func(t *tx) error { return fn(t) })
}

// UpdateAutonomy runs fn in a transaction.
func (s *Store) UpdateAutonomy(ctx context.Context, fn func(autonomy.Tx) error) error {
	return s.run(ctx, func(t *tx) error { return fn(t) })
}

// UpdateIntegrations runs fn in a transaction.
func (s *Store) UpdateIntegrations(ctx context.Context, fn func(integrations.Tx) error) error {
	return s.run(ctx, func(t *tx) error { return fn(t) })
}

// wrap turns an error of the driver into ours.
func (r reader) wrap(ctx context.Context, what string, err error) error {
	if err == nil {
		return nil
	}
	r.share.fail(ctx, err)
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
		if n, ok := a.(sql.Null[string]); ok {
			a = n.V
		}
		if v := reflect.ValueOf(a); v.Kind() == reflect.String && (!utf8.ValidString(v.String()) || strings.ContainsRune(v.String(), 0)) {
			return true
		}
	}
	return false
}

// exec runs a statement and returns how many rows it changed.
func (t *tx) exec(ctx context.Context, what, query string, args ...any) (int64, error) {
	res, err := t.q.Exec(ctx, t.texts.of(query), args)
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
	query, args, err := t.texts.bind(query, row)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", what, err)
	}
	return t.exec(ctx, what, query, args...)
}

// get selects a single row into dest.
func (r reader) get(ctx context.Context, dest any, query string, args ...any) error {
	text := r.texts.of(query)
	return r.q.Query(ctx, text, args, func(rows Rows) error {
		members, err := r.texts.into(text, rows, dest)
		if err != nil {
			return err
		}
		if !rows.Next() {
			return cmp.Or(rows.Err(), sql.ErrNoRows)
		}
		return rows.Scan(members...)
	})
}

// lockOwner locks, in a transaction, the user who has what is found from here, if
// anybody. Rules lock a user and then what it has; whoever starts from a secret
// must do so in the same order, or the two wait for each other until PostgreSQL
// ends one, a second later.
func (r reader) lockOwner(ctx context.Context, from string, args ...any) error {
	if r.lock == "" || matchless(args) {
		return nil
	}
	_, err := r.q.Exec(ctx, r.texts.of("select id from {users} where id = (select user_id from "+from+")"+r.lock), args)
	return r.wrap(ctx, "lock owner", err)
}

// list selects rows and converts them.
func list[R, T any](ctx context.Context, r reader, what string, convert func(R) (T, error), query string, args ...any) ([]T, error) {
	if matchless(args) {
		return nil, ctx.Err()
	}
	text, values := r.texts.of(query), []T{}
	var unfit error
	err := r.q.Query(ctx, text, args, func(rows Rows) error {
		var row, empty R
		members, err := r.texts.into(text, rows, &row)
		if err != nil {
			return err
		}
		for rows.Next() {
			row = empty // lists in it are not to be filled again
			if err := rows.Scan(members...); err != nil {
				return err
			}
			var v T
			if v, unfit = convert(row); unfit != nil {
				return unfit
			}
			values = append(values, v)
		}
		return rows.Err()
	})
	if unfit != nil {
		return nil, fmt.Errorf("%s: %w", what, unfit)
	}
	if err != nil {
		return nil, r.wrap(ctx, what, err)
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
	if err := r.get(ctx, &row, query, args...); err != nil {
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

// returning runs a statement with the members of a row as parameters that
// returns one number. No row is users.ErrNotFound.
func (t *tx) returning(ctx context.Context, what, query string, row any) (int64, error) {
	query, args, err := t.texts.bind(query, row)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", what, err)
	}
	var n int64
	err = t.get(ctx, &n, query, args...)
	return n, t.wrap(ctx, what, err)
}

// insert inserts a row whose id the database gives, and returns that. Where the
// driver tells it, there is no result to read: database/sql starts a goroutine for
// each, which makes creating users a fifth slower.
func (t *tx) insert(ctx context.Context, what, query string, row any) (int64, error) {
	if !t.d.LastID {
		return t.returning(ctx, what, query+" returning id", row)
	}
	query, args, err := t.texts.bind(query, row)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", what, err)
	}
	res, err := t.q.Exec(ctx, t.texts.of(query), args)
	if err != nil {
		return 0, t.wrap(ctx, what, err)
	}
	id, err := res.LastInsertId()
	return id, t.wrap(ctx, what, err)
}
