package sqlite

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"sync"

	"github.com/jmoiron/sqlx"
)

// watch tells what happens to a file, for package cached. "pragma data_version"
// is a number that changes when another connection commits. A connection that
// only watches sees every commit so, and the one that writes sees exactly those
// of others. Where the index of the log can be read, that tells of commits, and the
// connection only keeps it open.
type watch struct {
	observer *observed
	index    *walIndex // nil where it cannot be read
	writer   *observed
	other    uint64 // of the writer, after its last commit
}

func newWatch(path string, write *sqlx.DB) (*watch, error) {
	db, err := open(path, readSettings, 1)
	if err != nil {
		return nil, err
	}
	w := &watch{observer: &observed{db: db.DB, keep: true}, writer: &observed{db: write.DB}}
	if w.other, err = w.writer.read(); err != nil {
		return nil, errors.Join(explain(err), db.Close())
	}
	if _, err := w.observer.read(); err != nil {
		return nil, errors.Join(explain(err), w.close())
	}
	if w.index, err = openWalIndex(path); err != nil {
		w.index = nil // the observer tells what it would
	}
	return w, nil
}

// version is that of the last commit.
func (w *watch) version(context.Context) (uint64, error) {
	if w.index == nil {
		return w.observer.read()
	}
	version, err := w.index.read()
	if errors.Is(err, errTorn) {
		// A statement waits for who writes the header, and mends what is left of one
		// who has died.
		if _, err := w.observer.read(); err != nil {
			return 0, err
		}
		return w.index.read()
	}
	return version, err
}

// committed follows each commit of the writer, before the next. It returns the
// version and whether somebody else has committed since the commit before.
func (w *watch) committed() (version uint64, foreign bool) {
	version, err := w.version(context.Background())
	if err != nil {
		version = 0
	}
	// Later than the version, so that nobody else comes in between unseen.
	other, err := w.writer.read()
	foreign = err != nil || other != w.other
	w.other = other
	return version, foreign
}

func (w *watch) close() error {
	var err error
	if w.index != nil {
		err = w.index.close()
	}
	return errors.Join(err, w.observer.close())
}

// stmt is what a statement of the driver can do.
type stmt interface {
	driver.Stmt
	driver.StmtQueryContext
}

// observed reads the data version of the one connection of a handle. It goes
// past database/sql, which would make up a fifth of the 4 us that this takes.
type observed struct {
	db   *sql.DB
	keep bool // the handle serves nothing else

	mu     sync.Mutex
	conn   *sql.Conn // kept
	raw    any       // the driver's connection that stmt belongs to
	stmt   stmt
	opened uint64 // connections so far: a new one counts anew
}

func (o *observed) read() (version uint64, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	conn := o.conn
	if conn == nil {
		if conn, err = o.db.Conn(context.Background()); err != nil {
			return 0, err
		}
	}
	err = conn.Raw(func(raw any) error {
		if raw != o.raw || !o.keep {
			if err := o.prepare(raw); err != nil {
				return err
			}
		}
		n, err := o.query()
		version = o.opened<<32 | n
		if err != nil || !o.keep {
			// A connection that is closed with a statement left keeps the file open.
			err = errors.Join(err, o.finish())
		}
		return err
	})
	if o.keep && err == nil {
		o.conn = conn
		return version, nil
	}
	o.conn = nil
	return version, errors.Join(err, conn.Close())
}

// prepare makes the statement on a new connection.
func (o *observed) prepare(raw any) error {
	made, err := raw.(driver.Conn).Prepare("pragma data_version")
	if err != nil {
		return err
	}
	query, ok := made.(stmt)
	if !ok {
		return errors.Join(fmt.Errorf("statements of the driver are %T", made), made.Close())
	}
	if raw != o.raw {
		o.opened++
	}
	o.raw, o.stmt = raw, query
	return nil
}

func (o *observed) finish() error {
	err := o.stmt.Close()
	o.stmt = nil
	if o.keep {
		o.raw = nil
	}
	return err
}

func (o *observed) query() (n uint64, err error) {
	rows, err := o.stmt.QueryContext(context.Background(), nil)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	var row [1]driver.Value
	if err := rows.Next(row[:]); err != nil {
		return 0, err
	}
	version, ok := row[0].(int64)
	if !ok {
		return 0, fmt.Errorf("the data version is %T", row[0])
	}
	return uint64(uint32(version)), nil
}

func (o *observed) close() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.conn == nil {
		return o.db.Close()
	}
	err := o.conn.Raw(func(any) error { return o.finish() })
	err = errors.Join(err, o.conn.Close(), o.db.Close())
	o.conn = nil
	return err
}
