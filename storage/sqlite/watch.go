package sqlite

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"sync"

	"github.com/jmoiron/sqlx"

	"github.com/hedgerow-dev/hedgerow/storage/internal/sqlstore"
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
	db, err := openDirect(path, readSettings, 1)
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

// observed reads the data version of the one connection of a handle of openDirect.
type observed struct {
	db   *sql.DB
	keep bool // the handle serves nothing else

	mu     sync.Mutex
	conn   *sql.Conn // kept
	last   *keeper   // that was read
	opened uint64    // connections so far: a new one counts anew
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
	err = on(conn, func(k *keeper) error {
		if k != o.last {
			o.last = k
			o.opened++
		}
		n, err := k.dataVersion()
		version = o.opened<<32 | uint64(n)
		return err
	})
	if o.keep && err == nil {
		o.conn = conn
		return version, nil
	}
	o.conn = nil
	return version, errors.Join(err, conn.Close())
}

// dataVersion is the number that changes when another connection commits.
func (k *keeper) dataVersion() (n uint32, err error) {
	err = k.read(context.Background(), "pragma data_version", nil, func(rows sqlstore.Rows) error {
		if !rows.Next() {
			return cmp.Or(rows.Err(), sql.ErrNoRows)
		}
		var wide int64
		err := rows.Scan(&wide)
		n = uint32(wide)
		return err
	})
	return n, err
}

func (o *observed) close() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.conn == nil {
		return o.db.Close()
	}
	err := errors.Join(o.conn.Close(), o.db.Close())
	o.conn = nil
	return err
}
