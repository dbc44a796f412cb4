package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/jmoiron/sqlx"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/hedgerow-dev/hedgerow/storage/internal/sqlstore"
)

// Config says how the tables in the host's database are called.
type Config struct {
	// TablePrefix begins the name of every table and index: at most 20 of a-z, 0-9
	// and _, and no digit first. Empty means none.
	TablePrefix string
}

func (c Config) schema() (sqlstore.Schema, error) {
	s, err := sqlstore.NewSchema(migrationFiles, sqlstore.Names{Prefix: c.TablePrefix})
	if err != nil {
		return s, fmt.Errorf("sqlite: %w", err)
	}
	return s, nil
}

// HostSettings are the parameters of a DSN with which a host opens the handle
// that it gives to New, as in
//
//	sql.Open("sqlite", "file:"+path+"?"+sqlite.HostSettings)
const HostSettings = writeSettings

// New keeps accounts in the host's own database. db is a handle on a file by
// modernc.org/sqlite with the HostSettings; New refuses one without what they
// are for. It looks at two connections, and relies on the others being opened
// alike. It does not migrate: Migrate has to have run. Nobody but the host closes
// db, not even Close.
func New(ctx context.Context, db *sql.DB, c Config) (*Store, error) {
	s, err := c.schema()
	if err != nil {
		return nil, err
	}
	x := sqlx.NewDb(db, "sqlite")
	if err := sqlstore.CheckConnections(ctx, x, checkConnection); err != nil {
		return nil, fmt.Errorf("sqlite: the database handle: %w", err)
	}
	pending, err := s.Pending(ctx, x, tableExists)
	if err == nil {
		err = sqlstore.RefusePending(pending)
	}
	if err != nil {
		return nil, fmt.Errorf("sqlite: %w", explain(err))
	}
	inner := sqlstore.New(x, x, s.Names, dialect(), func() error { return nil })
	return &Store{Storage: inner, sql: inner, write: x}, nil
}

// minPatience is the least time that a connection may wait for its turn: a
// checkpoint or a migration can take a good part of a second.
const minPatience = 1000 // milliseconds

// synchronousFull is FULL as SQLite numbers it; EXTRA is above.
const synchronousFull = 2

func checkConnection(ctx context.Context, conn *sqlx.Conn) error {
	var e *sqlite.Error
	if _, err := conn.ExecContext(ctx, "select nothing"); !errors.As(err, &e) {
		return fmt.Errorf("its driver is not modernc.org/sqlite: %w", err)
	}
	var s struct {
		Version     string
		File        string
		Encoding    string
		ForeignKeys bool `db:"foreign_keys"`
		Journal     string
		Synchronous int
		BusyTimeout int  `db:"busy_timeout"`
		QueryOnly   bool `db:"query_only"`
	}
	err := conn.GetContext(ctx, &s, `select sqlite_version() as version, (select file from pragma_database_list where name = 'main') as file,
		(select encoding from pragma_encoding) as encoding, (select foreign_keys from pragma_foreign_keys) as foreign_keys,
		(select journal_mode from pragma_journal_mode) as journal, (select synchronous from pragma_synchronous) as synchronous,
		(select timeout from pragma_busy_timeout) as busy_timeout, (select query_only from pragma_query_only) as query_only`)
	switch {
	case err != nil:
		return err
	case !soundVersion(s.Version):
		return errUnsound(s.Version)
	case s.File == "":
		return errors.New("each of its connections has a database of its own in memory; open a file")
	case s.Encoding != "UTF-8":
		return fmt.Errorf("the file has the encoding %s, in which texts have another order; create one with UTF-8", s.Encoding)
	case !s.ForeignKeys:
		return errors.New("references are not enforced; open it with _foreign_keys=1")
	case s.Journal != "wal":
		return errors.New("readers and writers keep each other out; open it with _journal_mode=WAL")
	case s.Synchronous < synchronousFull:
		return errors.New("a power cut may lose what was acknowledged; open it with _synchronous=FULL")
	case s.BusyTimeout < minPatience:
		return errors.New("a connection does not wait for its turn, or not long enough; open it with _busy_timeout=5000")
	case s.QueryOnly:
		return errors.New("it may only read; open it without _query_only")
	}
	return checkImmediate(ctx, conn, s.File)
}

// checkImmediate refuses a handle whose transactions take the right to write
// only when they need it: two that have read before would then refuse each other.
// While such a transaction runs, somebody else can begin one that writes.
func checkImmediate(ctx context.Context, conn *sqlx.Conn, path string) (err error) {
	tx, err := conn.BeginTxx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, tx.Rollback()) }()
	other, err := open(path, probeSettings+"&_txlock=immediate", 1)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, other.Close()) }()
	switch err := lock(ctx, other); {
	case err == nil:
		return errors.New("its transactions do not begin as writers; open it with _txlock=immediate")
	case code(err)&0xff == sqlite3.SQLITE_BUSY:
		return nil
	default:
		return err
	}
}
