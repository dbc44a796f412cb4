package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"maps"
	"reflect"
	"slices"
	"sync"

	"github.com/jmoiron/sqlx"
)

// conn runs statements: on a handle, or in a transaction.
type conn interface {
	QueryxContext(ctx context.Context, query string, args ...any) (*sqlx.Rows, error)
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}

// maxStatements bounds those that a handle keeps prepared. There are fewer: as
// many as are written in this package, and a few dozen forms of Profiles.
const maxStatements = 256

// handle keeps its statements prepared, where the Dialect asks for it: SQLite
// takes 10 to 40 us to compile what it then runs in 10. It is safe for
// concurrent use.
type handle struct {
	*sqlx.DB

	mu       sync.RWMutex
	prepared map[string]*sqlx.Stmt // by text; nil if none are kept
	wanted   map[string]bool       // texts that were met in a transaction
}

func newHandle(db *sqlx.DB, d Dialect) *handle {
	h := &handle{DB: db}
	if d.Prepare {
		h.prepared, h.wanted = map[string]*sqlx.Stmt{}, map[string]bool{}
	}
	return h
}

// lookup returns the statement of a text, or nil and whether one may be made.
func (h *handle) lookup(text string) (stmt *sqlx.Stmt, possible bool) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.prepared[text], h.prepared != nil && len(h.prepared) < maxStatements
}

// prepare makes the statement of a text. This takes a connection, so that it is
// not for transactions: they may have the last one.
func (h *handle) prepare(ctx context.Context, text string) (*sqlx.Stmt, error) {
	made, err := h.PreparexContext(ctx, text)
	if err != nil {
		return nil, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if first := h.prepared[text]; first != nil || h.prepared == nil {
		return first, made.Close()
	}
	h.prepared[text] = made
	return made, nil
}

// QueryxContext runs a query outside transactions.
func (h *handle) QueryxContext(ctx context.Context, query string, args ...any) (*sqlx.Rows, error) {
	stmt, possible := h.lookup(query)
	if stmt == nil && possible {
		var err error
		if stmt, err = h.prepare(ctx, query); err != nil {
			return nil, err
		}
	}
	if stmt == nil {
		return h.DB.QueryxContext(ctx, query, args...)
	}
	return stmt.QueryxContext(ctx, args...)
}

// begin begins a transaction, after it has prepared what earlier ones met first.
func (h *handle) begin(ctx context.Context, o *sql.TxOptions) (*transaction, error) {
	for _, text := range h.takeWanted() {
		if _, err := h.prepare(ctx, text); err != nil {
			return nil, err
		}
	}
	t, err := h.BeginTxx(ctx, o)
	if err != nil {
		return nil, err
	}
	return &transaction{t, h, map[string]*sqlx.Stmt{}}, nil
}

func (h *handle) takeWanted() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	texts := slices.Collect(maps.Keys(h.wanted))
	clear(h.wanted)
	return texts
}

// closeStatements lets go of what is prepared. Statements run without that then.
func (h *handle) closeStatements() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	var errs []error
	for _, stmt := range h.prepared {
		errs = append(errs, stmt.Close())
	}
	h.prepared, h.wanted = nil, nil
	return errors.Join(errs...)
}

// transaction is one that a handle has begun. A text that it is the first to meet
// runs as it is, and is prepared for the next.
type transaction struct {
	*sqlx.Tx
	handle *handle
	bound  map[string]*sqlx.Stmt // of the handle, in this transaction
}

// lookup returns the statement of a text, or nil.
func (t *transaction) lookup(ctx context.Context, text string) *sqlx.Stmt {
	if stmt := t.bound[text]; stmt != nil {
		return stmt
	}
	stmt, possible := t.handle.lookup(text)
	if stmt != nil {
		t.bound[text] = t.StmtxContext(ctx, stmt)
		return t.bound[text]
	}
	if possible {
		t.handle.mu.Lock()
		defer t.handle.mu.Unlock()
		if t.handle.wanted != nil {
			t.handle.wanted[text] = true
		}
	}
	return nil
}

func (t *transaction) QueryxContext(ctx context.Context, query string, args ...any) (*sqlx.Rows, error) {
	if stmt := t.lookup(ctx, query); stmt != nil {
		return stmt.QueryxContext(ctx, args...)
	}
	return t.Tx.QueryxContext(ctx, query, args...)
}

func (t *transaction) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	if stmt := t.lookup(ctx, query); stmt != nil {
		return stmt.ExecContext(ctx, args...)
	}
	return t.Tx.ExecContext(ctx, query, args...)
}

// scan reads the row that rows stand at.
func scan(rows *sqlx.Rows, dest any) error {
	if _, one := dest.(sql.Scanner); one || reflect.TypeOf(dest).Elem().Kind() != reflect.Struct {
		return rows.Scan(dest)
	}
	return rows.StructScan(dest)
}
