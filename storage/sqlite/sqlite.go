// Package sqlite keeps accounts in one SQLite file, without cgo. Every commit
// is on disk before it is acknowledged.
package sqlite

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/jmoiron/sqlx"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/hedgerow-dev/hedgerow/storage"
	"github.com/hedgerow-dev/hedgerow/storage/internal/cached"
	"github.com/hedgerow-dev/hedgerow/storage/internal/sqlstore"
)

// Store implements storage.Storage on a file.
type Store struct {
	storage.Storage
	sql   *sqlstore.Store
	write *sqlx.DB
}

// Tx is the store inside a transaction that the host has begun on the same
// database, and ends. Its reads see what the transaction sees; each UpdateX is a
// part of it that is kept or undone as a whole. It is used by one goroutine at a
// time, and closing it does nothing.
func (s *Store) Tx(host *sql.Tx) storage.Storage { return s.sql.Tx(host) }

const (
	// readers is how many connections read at once; one more writes.
	readers = 4

	readSettings  = "_busy_timeout=5000&_foreign_keys=1&_query_only=1"
	writeSettings = "_busy_timeout=5000&_journal_mode=WAL&_synchronous=FULL&_foreign_keys=1&_txlock=immediate"
	probeSettings = "_busy_timeout=0"

	// ownSettings are for the connection of a store that writes. Before a statement
	// with triggers changes a page, SQLite copies it so that it can undo that statement
	// alone: in memory rather than in a file, which takes a quarter off such a statement.
	ownSettings = writeSettings + "&_pragma=temp_store(memory)"
)

// Open opens the file at path, which it creates with mode 0600, and brings its
// tables up to date. Several processes may open one file, also at once. It
// refuses a file that is no database, holds somebody else's tables, cannot be
// written, or from which a later build has taken something away. The caller closes
// the store.
//
// Up to 8192 users with their credentials are kept in memory, which costs about
// 6 KiB each, and the file is asked before each use whether somebody has changed it.
func Open(ctx context.Context, path string) (*Store, error) {
	f, err := openFile(ctx, path)
	if err != nil {
		return nil, fmt.Errorf("sqlite: open %s: %w", path, err)
	}
	s, err := f.cached()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("sqlite: open %s: %w", path, err), f.close())
	}
	return s, nil
}

// OpenUncached is Open for programs that have no memory to spare: everything is
// read from the file each time.
func OpenUncached(ctx context.Context, path string) (*Store, error) {
	f, err := openFile(ctx, path)
	if err != nil {
		return nil, fmt.Errorf("sqlite: open %s: %w", path, err)
	}
	s := sqlstore.New(f.read, f.write, sqlstore.Names{}, f.dialect, f.close)
	return &Store{Storage: s, sql: s, write: f.write}, nil
}

// file is an open one, with tables that are up to date.
type file struct {
	path        string
	read, write *sqlx.DB
	dialect     sqlstore.Dialect
}

func (f file) close() error { return errors.Join(f.read.Close(), f.write.Close()) }

func openFile(ctx context.Context, path string) (f file, err error) {
	if path == "" || strings.Contains(path, ":memory:") {
		return file{}, errors.New("a file is needed; use package memory for a store without one")
	}
	// Whatever the working directory is later.
	if f.path, err = filepath.Abs(path); err != nil {
		return file{}, err
	}
	if err := createFile(f.path); err != nil {
		return file{}, err
	}
	if f.read, err = openDirect(f.path, readSettings, readers); err != nil {
		return file{}, err
	}
	// A refused file stays as it is: the first writing connection would already
	// change its journal mode.
	if err := check(ctx, f.read); err != nil {
		return file{}, errors.Join(err, f.read.Close())
	}
	if f.write, err = openDirect(f.path, ownSettings, 1); err != nil {
		return file{}, errors.Join(err, f.read.Close())
	}
	if err := f.prepare(ctx); err != nil {
		return file{}, errors.Join(err, f.close())
	}
	return f, nil
}

// prepare brings the tables up to date.
func (f *file) prepare(ctx context.Context) error {
	schema, err := Config{}.schema()
	if err != nil {
		return err
	}
	if err := migrate(ctx, f.write, schema); err != nil {
		return explain(err)
	}
	if err := checkWritable(ctx, f.path); err != nil {
		return err
	}
	f.dialect = directly(f.read, f.write)
	f.dialect.Committing, err = stays(f.path)
	return err
}

// cached puts the cache in front of the handles.
func (f file) cached() (*Store, error) {
	w, err := newWatch(f.path, f.write)
	if err != nil {
		return nil, err
	}
	var cache *cached.Store
	d := f.dialect
	d.Committed = func(ok bool) {
		version, foreign := w.committed()
		cache.Committed(ok, version, foreign)
	}
	d.Undone = func() { cache.Undone() }
	// The last one to close tidies the file up, and must be one that may write.
	s := sqlstore.New(f.read, f.write, sqlstore.Names{}, d, func() error { return errors.Join(w.close(), f.close()) })
	cache = cached.New(s, w.version)
	return &Store{Storage: cache, sql: s, write: f.write}, nil
}

// createFile creates a missing file, because SQLite itself would make it
// readable for everybody. One that exists is not opened: closing it again would
// drop the locks that another store of this process holds on it.
func createFile(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, os.ErrExist) {
		return nil
	} else if err != nil {
		return err
	}
	return f.Close()
}

// errMoved says that the path of the store does not lead to its file any more.
var errMoved = errors.New("the file was moved, removed or replaced")

// stays returns a function that fails unless path leads to the same file as now.
// SQLite goes on writing to a file that was removed, and what it writes is lost.
func stays(path string) (func() error, error) {
	before, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	return func() error {
		if now, err := os.Stat(path); err != nil || !os.SameFile(before, now) {
			return errMoved
		}
		return nil
	}, nil
}

func open(path, settings string, connections int) (*sqlx.DB, error) {
	c, err := sqlite.NewConnector(dsn(path, settings))
	if err != nil {
		return nil, err
	}
	return handleOf(c, connections), nil
}

// dsn has "file:", without which SQLite ignores parameters of its own.
func dsn(path, settings string) string {
	return "file:" + (&url.URL{Path: path}).EscapedPath() + "?" + settings
}

func handleOf(c driver.Connector, connections int) *sqlx.DB {
	db := sqlx.NewDb(sql.OpenDB(c), "sqlite")
	db.SetMaxOpenConns(connections)
	db.SetMaxIdleConns(connections)
	return db
}

// check refuses a library or a file that cannot be used.
func check(ctx context.Context, db *sqlx.DB) error {
	var version string
	if err := db.GetContext(ctx, &version, "select sqlite_version()"); err != nil {
		return explain(err)
	}
	if !soundVersion(version) {
		return errUnsound(version)
	}
	var tables int
	if err := db.GetContext(ctx, &tables, "select count(*) from sqlite_master where type = 'table' and name not like 'sqlite!_%' escape '!'"); err != nil {
		return explain(err)
	}
	var ours bool
	if err := db.GetContext(ctx, &ours, tableExists, sqlstore.Names{}.MigrationTable()); err != nil {
		return explain(err)
	}
	if tables > 0 && !ours {
		return errors.New("the file holds the tables of another program; choose another file")
	}
	return nil
}

// checkWritable refuses a file that may only be read, which would show with the
// first write otherwise: SQLite begins even a writing transaction on it. One
// that another program has locked may be written, later.
func checkWritable(ctx context.Context, path string) error {
	db, err := open(path, probeSettings, 1)
	if err != nil {
		return err
	}
	if _, err = db.ExecContext(ctx, "delete from "+sqlstore.Names{}.MigrationTable()+" where false"); code(err)&0xff == sqlite3.SQLITE_BUSY {
		err = nil
	}
	return errors.Join(explain(err), db.Close())
}

// soundVersion reports a release without the write-ahead log reset bug.
func soundVersion(v string) bool {
	var major, minor, patch int
	if _, err := fmt.Sscanf(v, "%d.%d.%d", &major, &minor, &patch); err != nil {
		return false
	}
	n := major*1_000_000 + minor*1_000 + patch
	return n >= 3_051_003 && n != 3_052_000
}

func errUnsound(version string) error {
	return fmt.Errorf("SQLite %s can damage a write-ahead log; 3.51.3 or later is needed, and not 3.52.0", version)
}

// explain adds what to do about an error of opening.
func explain(err error) error {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return err
	}
	switch e.Code() & 0xff {
	case sqlite3.SQLITE_NOTADB:
		return fmt.Errorf("the file is not a SQLite database; choose another file: %w", err)
	case sqlite3.SQLITE_CORRUPT:
		return fmt.Errorf("the database is damaged; restore a backup: %w", err)
	case sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN:
		return fmt.Errorf("the database cannot be written; check the permissions of file and folder: %w", err)
	case sqlite3.SQLITE_BUSY:
		return fmt.Errorf("another program has locked the database: %w", err)
	}
	return err
}

// directly is the dialect for handles of openDirect.
func directly(read, write *sqlx.DB) sqlstore.Dialect {
	d := dialect()
	d.Direct, d.Writer = direct{read.DB}, direct{write.DB}
	return d
}

func dialect() sqlstore.Dialect {
	return sqlstore.Dialect{
		OneWriter: true,
		LastID:    true,
		Prepare:   true,
		In: func(column, placeholder string) string {
			return column + " in (select value from json_each(" + placeholder + "))"
		},
		List: func(values any) (any, error) { b, err := json.Marshal(values); return string(b), err },
		Unique: func(err error) (email, ok bool) {
			c := code(err)
			ok = c == sqlite3.SQLITE_CONSTRAINT_UNIQUE || c == sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY
			// SQLite names the column in the message and nowhere else.
			return ok && strings.Contains(err.Error(), "users.email_folded"), ok
		},
		Retry:      func(error) bool { return false },
		Text:       func(error) bool { return false },
		ForeignKey: func(err error) bool { return code(err) == sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY },
		Unavailable: func(err error) bool {
			switch code(err) & 0xff {
			case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR,
				sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
				return true
			}
			return errors.Is(err, errMoved)
		},
	}
}

// code is SQLite's extended result code, 0 for other errors.
func code(err error) int {
	var e *sqlite.Error
	if errors.As(err, &e) {
		return e.Code()
	}
	return 0
}

// Backup writes a consistent copy of the database to a new file with mode 0600,
// while others read and write. An existing file is an error that matches
// os.ErrExist.
func (s *Store) Backup(ctx context.Context, path string) (err error) {
	dir, err := os.MkdirTemp(filepath.Dir(path), ".hedgerow-backup-") // mode 0700
	if err != nil {
		return fmt.Errorf("sqlite: back up: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	copied := filepath.Join(dir, "copy")
	if _, err := s.write.ExecContext(ctx, "vacuum into $1", copied); err != nil {
		return fmt.Errorf("sqlite: back up: %w", err)
	}
	if err := os.Chmod(copied, 0o600); err != nil {
		return fmt.Errorf("sqlite: back up: %w", err)
	}
	// Unlike a rename, a link never replaces what is there.
	if err := os.Link(copied, path); err != nil {
		return fmt.Errorf("sqlite: back up: %w", err)
	}
	return nil
}
