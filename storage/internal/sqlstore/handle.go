package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"maps"
	"slices"
	"sync"

	"github.com/jmoiron/sqlx"
)

// MaxStatements bounds those that are kept prepared. There are fewer: as
// many as are written in this package, and a few dozen forms of Profiles.
const MaxStatements = 256

// handle keeps its statements prepared, where the Dialect asks for it: SQLite
// takes 10 to 40 us to compile what it then runs in 10. It is safe for
// concurrent use.
type handle struct {
	*sqlx.DB

	mu       sync.RWMutex
	prepared map[string]*sqlx.Stmt // by text; nil if none are kept
	wanted   map[string]bool       // texts that were met in a transaction

	commit func(Transaction) error
}

func newHandle(db *sqlx.DB, d Dialect) *handle {
	h := &handle{DB: db, commit: d.commit}
	if d.Prepare {
		h.prepared, h.wanted = map[string]*sqlx.Stmt{}, map[string]bool{}
	}
	return h
}

// lookup returns the statement of a text, or nil and whether one may be made.
func (h *handle) lookup(text string) (stmt *sqlx.Stmt, possible bool) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.prepared[text], h.prepared != nil && len(h.prepared) < MaxStatements
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

// Query runs a query outside transactions.
func (h *handle) Query(ctx context.Context, text string, args []any, read func(Rows) error) error {
	stmt, possible := h.lookup(text)
	if stmt == nil && possible {
		var err error
		if stmt, err = h.prepare(ctx, text); err != nil {
			return err
		}
	}
	if stmt == nil {
		return readAll(read)(h.QueryContext(ctx, text, args...))
	}
	return readAll(read)(stmt.QueryContext(ctx, args...))
}

// readAll has read read what a query returns.
func readAll(read func(Rows) error) func(*sql.Rows, error) error {
	return func(rows *sql.Rows, err error) error {
		if err != nil {
			return err
		}
		defer rows.Close()
		if err := read(rows); err != nil {
			return err
		}
		return rows.Close()
	}
}

// Exec runs a statement outside transactions.
func (h *handle) Exec(ctx context.Context, text string, args []any) (sql.Result, error) {
	return h.ExecContext(ctx, text, args...)
}

// Transact runs fn in a transaction.
func (h *handle) Transact(ctx context.Context, o sql.TxOptions, fn func(Conn) error) error {
	t, err := h.begin(ctx, &o)
	if err != nil {
		return err
	}
	// After a commit this does nothing; after an error or a panic nobody is
	// left to tell that a rollback failed.
	defer func() { _ = t.Rollback() }()
	if err := fn(t); err != nil {
		return err
	}
	if o.ReadOnly {
		return nil // and no commit that anybody has to hear of
	}
	return h.commit(t)
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

// Begin begins a transaction.
func (h *handle) Begin(ctx context.Context) (Transaction, error) {
	t, err := h.begin(ctx, nil)
	if err != nil {
		return nil, err
	}
	return t, nil
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

// transaction is one that a handle has begun, or the host (handle is nil then). A
// text that it is the first to meet runs as it is, and is prepared for the next.
type transaction struct {
	*sqlx.Tx
	handle *handle
	bound  map[string]*sqlx.Stmt // of the handle, in this transaction
}

// lookup returns the statement of a text, or nil.
func (t *transaction) lookup(ctx context.Context, text string) *sqlx.Stmt {
	if t.handle == nil {
		return nil // the host's
	}
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

// Query runs a query in the transaction.
func (t *transaction) Query(ctx context.Context, text string, args []any, read func(Rows) error) error {
	if stmt := t.lookup(ctx, text); stmt != nil {
		return readAll(read)(stmt.QueryContext(ctx, args...))
	}
	return readAll(read)(t.QueryContext(ctx, text, args...))
}

// Exec runs a statement in the transaction.
func (t *transaction) Exec(ctx context.Context, text string, args []any) (sql.Result, error) {
	if stmt := t.lookup(ctx, text); stmt != nil {
		return stmt.ExecContext(ctx, args...)
	}
	return t.ExecContext(ctx, text, args...)
}
