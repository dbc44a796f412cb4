// Package sqlite keeps accounts in one SQLite file, without cgo. Every commit
// is on disk before it is acknowledged.
package sqlite

import (
	"context"
	"database/sql"
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
)

// Open opens the file at path, which it creates with mode 0600, and brings its
// tables up to date. Several processes may open one file, also at once. It
// refuses a file that is no database, holds somebody else's tables, cannot be
// written, or from which a later build has taken something away. The caller closes
// the store.
//
// Up to 8192 users with their credentials are kept in memory, which costs about
// 6 KiB each, and the file is asked before each use whether somebody has changed it.
func Open(ctx context.Context, path string) (*Store, error) { return openFile(ctx, path, cachedStore) }

// OpenUncached is Open for programs that have no memory to spare: everything is
// read from the file each time.
func OpenUncached(ctx context.Context, path string) (*Store, error) {
	return openFile(ctx, path, plainStore)
}

// openFile opens the handles and puts a store together on them.
func openFile(ctx context.Context, path string, assemble func(path string, read, write *sqlx.DB) (*Store, error)) (*Store, error) {
	if path == "" || strings.Contains(path, ":memory:") {
		return nil, errors.New("sqlite: a file is needed; use package memory for a store without one")
	}
	schema, err := Config{}.schema()
	if err != nil {
		return nil, err
	}
	path = filepath.Clean(path)
	if err := createFile(path); err != nil {
		return nil, fmt.Errorf("sqlite: %w", err)
	}
	read, err := open(path, readSettings, readers)
	if err != nil {
		return nil, fmt.Errorf("sqlite: open %s: %w", path, err)
	}
	// A refused file stays as it is: the first writing connection would already
	// change its journal mode.
	if err := check(ctx, read); err != nil {
		return nil, errors.Join(fmt.Errorf("sqlite: open %s: %w", path, err), read.Close())
	}
	write, err := open(path, writeSettings, 1)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("sqlite: open %s: %w", path, err), read.Close())
	}
	if err = explain(migrate(ctx, write, schema)); err == nil {
		err = checkWritable(ctx, path)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("sqlite: open %s: %w", path, err), read.Close(), write.Close())
	}
	s, err := assemble(path, read, write)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("sqlite: open %s: %w", path, err), read.Close(), write.Close())
	}
	return s, nil
}

func plainStore(_ string, read, write *sqlx.DB) (*Store, error) {
	s := sqlstore.New(read, write, sqlstore.Names{}, dialect(), func() error { return errors.Join(read.Close(), write.Close()) })
	return &Store{Storage: s, sql: s, write: write}, nil
}

// cachedStore puts the cache in front of the handles.
func cachedStore(path string, read, write *sqlx.DB) (*Store, error) {
	d := dialect()
	w, err := newWatch(path, write)
	if err != nil {
		return nil, err
	}
	var cache *cached.Store
	d.Committed = func(ok bool) {
		version, foreign := w.committed()
		cache.Committed(ok, version, foreign)
	}
	d.Undone = func() { cache.Undone() }
	// The last one to close tidies the file up, and must be one that may write.
	s := sqlstore.New(read, write, sqlstore.Names{}, d, func() error { return errors.Join(w.close(), read.Close(), write.Close()) })
	cache = cached.New(s, w.version)
	return &Store{Storage: cache, sql: s, write: write}, nil
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

func open(path, settings string, connections int) (*sqlx.DB, error) {
	// Without "file:" SQLite ignores parameters of its own.
	db, err := sqlx.Open("sqlite", "file:"+(&url.URL{Path: path}).EscapedPath()+"?"+settings)
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(connections)
	db.SetMaxIdleConns(connections)
	return db, nil
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

func dialect() sqlstore.Dialect {
	return sqlstore.Dialect{
		OneWriter: true,
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
			return false
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
