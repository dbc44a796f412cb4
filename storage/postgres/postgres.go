// Package postgres keeps accounts in a PostgreSQL database, which any number of
// processes may share.
package postgres

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/jmoiron/sqlx"

	"github.com/hedgerow-dev/hedgerow/storage/internal/sqlstore"
)

// Store implements storage.Storage on a PostgreSQL database.
type Store struct{ *sqlstore.Store }

const (
	// connections bounds those that a store opened by Open uses at once: several
	// processes then fit into the 100 that a server allows by default.
	connections = 16
	// connectTimeout is that of a DSN without connect_timeout, for each host.
	connectTimeout = 5 * time.Second
)

// keepAlive notices within 25 seconds that the host at the other end of an idle
// connection is gone without a word. A statement under way waits for its context.
var keepAlive = net.KeepAliveConfig{Enable: true, Idle: 10 * time.Second, Interval: 5 * time.Second, Count: 3}

// Open connects to the database of a DSN, a URL such as
// "postgres://user:password@host/database" or a list such as "host=… dbname=…",
// and brings its tables up to date. Several processes may do so at once. With
// several hosts and target_session_attrs=read-write it finds the one that takes
// writes, also after a failover. It refuses synchronous_commit=off, which may lose
// acknowledged changes, and tables from which a later build has taken something
// away. It uses at most 16 connections. The caller closes the store.
func Open(ctx context.Context, dsn string) (*Store, error) {
	config, err := pgx.ParseConfig(dsn)
	if err != nil {
		return nil, fmt.Errorf("postgres: %w", withoutDSN(err))
	}
	if err := checkMode(config); err != nil {
		return nil, fmt.Errorf("postgres: %w", err)
	}
	followFailover(config)
	db := sqlx.NewDb(stdlib.OpenDB(*config, stdlib.OptionAfterConnect(keepPlans)), "pgx")
	db.SetMaxOpenConns(connections)
	db.SetMaxIdleConns(connections)
	if err := prepare(ctx, db); err != nil {
		return nil, errors.Join(fmt.Errorf("postgres: open: %w", err), db.Close())
	}
	return &Store{sqlstore.New(db, db, sqlstore.Names{}, dialect(direct{db.DB}), db.Close)}, nil
}

// keepPlans has a connection plan each of its prepared statements once. By default
// PostgreSQL plans one with a limit each time, because it believes that an unknown
// limit is a large one: a page then costs 1.3 times as much. What the best plan
// depends on is written out in our statements, none of which is long enough to
// compile, though a large limit makes it seem so. And each finds what it needs by an
// index, also in a table that has been small so far, where PostgreSQL plans to read all
// of it: a key among 256 then takes the server 45 µs in place of 36.
func keepPlans(ctx context.Context, conn *pgx.Conn) error {
	if conn.Config().DefaultQueryExecMode != pgx.QueryExecModeCacheStatement {
		return nil // nothing stays prepared, and a pooler may share the connection
	}
	_, err := conn.Exec(ctx, "set plan_cache_mode = force_generic_plan; set jit = off; set enable_seqscan = off")
	return err
}

// followFailover makes sure that no connection stays with a server that is gone or
// has stopped taking writes. The next one goes to whichever host does.
func followFailover(config *pgx.ConnConfig) {
	if config.ConnectTimeout == 0 {
		config.ConnectTimeout = connectTimeout
	}
	config.DialFunc = (&net.Dialer{Timeout: config.ConnectTimeout, KeepAliveConfig: keepAlive}).DialContext
	keep := config.OnPgError
	config.OnPgError = func(conn *pgconn.PgConn, err *pgconn.PgError) bool {
		return err.Code != readOnlyTransaction && keep(conn, err)
	}
}

// withoutDSN leaves the text of the DSN out, which may hold a password.
func withoutDSN(err error) error {
	var e *pgconn.ParseConfigError
	if errors.As(err, &e) {
		return errors.New("the DSN cannot be parsed; it is like postgres://user:password@host:5432/database")
	}
	return err
}

func prepare(ctx context.Context, db *sqlx.DB) error {
	if err := check(ctx, db); err != nil {
		return err
	}
	schema, err := Config{}.schema()
	if err != nil {
		return err
	}
	return migrate(ctx, db, schema)
}

// minVersion is the oldest server that its makers still mend.
const minVersion = 15_00_00

// check refuses a server that cannot be used.
func check(ctx context.Context, q sqlx.QueryerContext) error {
	var version int
	if err := sqlx.GetContext(ctx, q, &version, "select cast(current_setting('server_version_num') as int)"); err != nil {
		return err
	}
	if version < minVersion {
		return fmt.Errorf("PostgreSQL %d is too old; use 15 or later", version/10000)
	}
	var encoding, client, commit, readOnly string
	err := q.QueryRowxContext(ctx, `select current_setting('server_encoding'), current_setting('client_encoding'), current_setting('synchronous_commit'),
		current_setting('transaction_read_only')`).Scan(&encoding, &client, &commit, &readOnly)
	switch {
	case err != nil:
		return err
	case encoding != "UTF8":
		return fmt.Errorf("the database has the encoding %s; create one with encoding UTF8", encoding)
	case client != "UTF8":
		return fmt.Errorf("client_encoding is %s; leave it out of the DSN and the settings of user and database, or set it to UTF8", client)
	case commit == "off":
		return errors.New("a crash may lose what was acknowledged; set synchronous_commit to on, in the DSN or for user or database")
	case readOnly == "on":
		return errors.New("the server takes no writes; name all hosts, with target_session_attrs=read-write, or a user who may write")
	}
	return nil
}

// Codes of PostgreSQL, appendix A of its manual.
const (
	uniqueViolation      = "23505"
	foreignKeyViolation  = "23503"
	serializationFailure = "40001"
	deadlockDetected     = "40P01"
	badCharacter         = "22021"
	readOnlyTransaction  = "25006" // a standby, after a failover
	lockNotAvailable     = "55P03"
	divisionByZero       = "22012"
	queryCanceled        = "57014" // statement_timeout

	// Classes of codes.
	connectionException   = "08"
	insufficientResources = "53"
	operatorIntervention  = "57P" // shutting down, or starting
	systemError           = "58"
)

// Who adds an event first locks the last number given out, which is below its
// own. Who reads goes up to the last number given out before it looked, and up to
// the lowest that is locked: whatever has a number up to there, and is not seen,
// was given up. A lock has 31 bits of a number, which is enough as long as fewer
// events are written while one transaction lasts.
const (
	lockLastEvent = `select pg_advisory_xact_lock_shared(cast(cast('{events}' as regclass) as oid)::int,
		(select cast(last_value & 2147483647 as int) from {events}_id_seq))`
	lastEvent   = `select last_value from {events}_id_seq`
	lockedEvent = `select min(s.last_value - ((s.last_value - cast(l.objid as bigint)) & 2147483647)) from pg_locks l, {events}_id_seq s
		where l.locktype = 'advisory' and l.objsubid = 2 and l.pid <> pg_backend_pid()
		and l.classid = cast(cast('{events}' as regclass) as oid)
		and l.database = (select oid from pg_database where datname = current_database())`
)

// stamps are revisions, and the number of members. Those of several organizations
// are combined by "xor", which tells them as well as one does, as revisions are
// random: each alone is found by an index, in a third of the time that joining their
// texts takes.
const stamps = `u.revision as record, u.surroundings as surroundings,
	coalesce((select bit_xor(o.revision) from {memberships} m join {organizations} o on o.id = m.organization_id where m.user_id = u.id), 0) as organizations,
	coalesce((select o.revision from {organizations} o where o.id = u.current_organization), 0) as current,
	cast(coalesce((select sum(c.members) from {member_counts} c where c.organization_id = u.current_organization), 0) as bigint) as members`

// dialect is for a handle of pgx; direct is nil where something is around that.
func dialect(direct sqlstore.Handle) sqlstore.Dialect {
	return sqlstore.Dialect{
		Direct:        direct,
		ForUpdate:     " for update",
		LockKey:       "select pg_advisory_xact_lock(hashtextextended($1, 0))",
		BeforeEvent:   lockLastEvent,
		EventBounds:   []string{lastEvent, lockedEvent},
		Stamps:        stamps,
		DividedByZero: func(err error) bool { return code(err) == divisionByZero },
		In:            func(column, placeholder string) string { return column + " = any(" + placeholder + ")" },
		List:          func(values any) (any, error) { return values, nil },
		Unique: func(err error) (email, ok bool) {
			var e *pgconn.PgError
			if !errors.As(err, &e) || e.Code != uniqueViolation {
				return false, false
			}
			return strings.HasSuffix(e.ConstraintName, "users_email_folded_key"), true
		},
		ForeignKey:  func(err error) bool { return code(err) == foreignKeyViolation },
		Retry:       func(err error) bool { c := code(err); return c == serializationFailure || c == deadlockDetected },
		Text:        func(err error) bool { return code(err) == badCharacter },
		Unavailable: unavailable,
	}
}

// unavailable reports a server that cannot be reached or cannot work now.
func unavailable(err error) bool {
	// Whatever the reason: while servers change places, one may even refuse the user.
	if connect := new(pgconn.ConnectError); errors.As(err, &connect) {
		return true
	}
	switch c := code(err); c {
	case "":
	case readOnlyTransaction, lockNotAvailable, queryCanceled:
		return true
	default:
		return strings.HasPrefix(c, connectionException) || strings.HasPrefix(c, insufficientResources) ||
			strings.HasPrefix(c, operatorIntervention) || strings.HasPrefix(c, systemError)
	}
	var network net.Error
	return errors.As(err, &network) || pgconn.SafeToRetry(err) ||
		errors.Is(err, driver.ErrBadConn) || errors.Is(err, sql.ErrConnDone) || errors.Is(err, pgconn.ErrConnClosed) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}

// code is the SQLSTATE that the server sent, "" for other errors.
func code(err error) string {
	var e *pgconn.PgError
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}
