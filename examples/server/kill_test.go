package main

import (
	"context"
	"database/sql"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hedgerow-dev/hedgerow/storage/postgres/postgrestest"
)

var kills = flag.Int("kills", 5, "how often TestKilled kills the server on each database")

// mostAnswers is how many requests are served at the most before the server is
// killed. Each client has one more under way, anywhere between question and answer.
const mostAnswers = 60

// TestKilled kills a server under load again and again. After each time the
// database is looked at as it was left, and once more through the next server:
// nothing that was acknowledged may be lost, and nothing half made.
func TestKilled(t *testing.T) {
	for name, open := range map[string]func(t *testing.T) (dsn string, l *ledgers){
		"sqlite": openKilledFile,
		"postgres": func(t *testing.T) (string, *ledgers) {
			dsn := postgrestest.DSN(t)
			// What the killed server had asked for may still be done.
			return dsn + "&application_name=killed", &ledgers{t: t, driver: "pgx", dsn: dsn, integrity: []string{`do $$ begin
				while exists (select 1 from pg_stat_activity where application_name = 'killed') loop
					perform pg_sleep(0.001);
					perform pg_stat_clear_snapshot();
				end loop;
			end $$`}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Chdir(t.TempDir()) // for the file with the keys
			db, l := open(t)
			v := newVictims(t, db)
			random, begun := rand.New(rand.NewPCG(1, 1)), time.Now()
			for n := range *kills {
				v.round(random.IntN(mostAnswers))
				if problems := append(l.check(), v.restart()...); len(problems) > 0 {
					t.Fatalf("after kill %d:\n%s", n+1, strings.Join(problems, "\n"))
				}
			}
			if err := v.server.end(t, os.Interrupt); err != nil {
				t.Errorf("stopping gracefully: %v", err)
			}
			kept := 0
			for _, c := range v.clients {
				kept += c.kept
			}
			t.Logf("%d kills in %v: %d changes were acknowledged, none is lost", *kills, time.Since(begun).Round(time.Millisecond), kept)
			if kept < *kills {
				t.Error("the server was hardly used")
			}
		})
	}
}

func openKilledFile(t *testing.T) (string, *ledgers) {
	path := filepath.Join(t.TempDir(), "a.db")
	return path, &ledgers{t: t, driver: "sqlite", dsn: "file:" + path, integrity: []string{"pragma integrity_check", "pragma foreign_key_check"}}
}

// TestKilledCatches damages what a killed server left, as an unsound one would have.
func TestKilledCatches(t *testing.T) {
	db, l := openKilledFile(t)
	v := newVictims(t, db)
	round := func() {
		t.Helper()
		v.round(mostAnswers)
		if problems := l.check(); len(problems) > 0 {
			t.Fatalf("a sound server left %v", problems)
		}
	}
	round()
	for damage, want := range map[string]string{
		"update users set last_name = 'half' where email like 'patch0%'":        "a change of one name",
		"delete from api_keys where label like 'k%'":                            "API keys",
		"delete from events where action = 'API key created'":                   "API keys",
		"delete from events where action = 'user logged in'":                    "a session without",
		"delete from autonomy_configs":                                          "autonomy",
		"update users set version = version + 1 where id = 1":                   "version less",
		"delete from users where email like 'login0%'":                          "nobody",
		"insert into sessions select 'x', x'00', 999, null, 1, null, '', 0, ''": "orphan",
	} {
		if problems := strings.Join(l.damaged(damage), "\n"); !strings.Contains(problems, want) {
			t.Errorf("%s: found %q, want %q", damage, problems, want)
		}
	}
	// A server that forgets what it has acknowledged.
	if problems := v.restart(); len(problems) > 0 {
		t.Fatalf("a sound server forgot %v", problems)
	}
	before, err := os.ReadFile(db)
	if err != nil {
		t.Fatal(err)
	}
	round()
	if err := os.WriteFile(db, before, 0o600); err != nil {
		t.Fatal(err)
	}
	if problems := v.restart(); len(problems) == 0 {
		t.Error("clients miss nothing of what was acknowledged, in the file of before")
	}
}

// victims are the clients of a server that is killed.
type victims struct {
	t        *testing.T
	db, addr string
	server   *child
	clients  []*client

	mu       sync.Mutex
	problems []string
}

func newVictims(t *testing.T, db string) *victims {
	t.Helper()
	server, keys := startWorld(t, db)
	v := &victims{t: t, db: db, addr: strings.TrimPrefix(server.base, "http://"), server: server}
	for name, key := range keys {
		c := newClient(t, server.base, name, key, kinds()[strings.TrimRight(name, "0123456789")])
		c.mortal, c.settled = true, true
		c.problem = func(what string) {
			v.mu.Lock()
			defer v.mu.Unlock()
			v.problems = append(v.problems, what)
		}
		c.step(c, 0) // with a server that lives
		c.steps = 1
		v.clients = append(v.clients, c)
	}
	return v
}

// round has all clients work, and kills the server after so many answers.
func (v *victims) round(answers int) {
	v.t.Helper()
	var working sync.WaitGroup
	served := make(chan time.Time, mostAnswers)
	for _, c := range v.clients {
		c.killed, c.success = false, served
		working.Go(func() {
			for ; !c.killed && !c.broken; c.steps++ {
				c.step(c, c.steps)
			}
		})
	}
	for range answers {
		<-served
	}
	if err := v.server.end(v.t, os.Kill); err == nil {
		v.t.Error("the server ended well although it was killed")
	}
	working.Wait()
}

// restart starts the next server, in which each client looks for what it was
// promised, and returns what must not be, in the round before either.
func (v *victims) restart() []string {
	v.t.Helper()
	v.server = start(v.t, "-db", v.db, "-addr", v.addr)
	for _, c := range v.clients {
		c.killed = false
		c.http.CloseIdleConnections()
		c.cookies = c.cookies[max(0, len(c.cookies)-maxCookies):]
		if !c.check(c) && !c.broken {
			c.fail("is not served")
		}
	}
	return v.problems
}

// maxCookies bounds how many sessions of a client are tried.
const maxCookies = 6

// ledgers looks at a database between two servers.
type ledgers struct {
	t           *testing.T
	driver, dsn string
	integrity   []string // statements that return nothing, or "ok"
	// writes are, of each user, its version less what was logged for it. That never
	// changes: whatever raises the version is logged.
	writes map[int64]int64
}

// violations are queries that find what must not be.
var violations = map[string]string{
	"two owners of an address":    "select email_folded from users group by email_folded having count(*) > 1",
	"a change of one name of two": `select email from users where email like 'patch%' and first_name <> '' and first_name <> last_name`,
	"API keys without a line in the log, or lines without their key": `select u.email from users u where
		(select count(*) from api_keys k where k.user_id = u.id) <>
		(select count(*) from events e where e.target = u.id and e.action in ('API key created', 'API key saved')) -
		(select count(*) from events e where e.target = u.id and e.action = 'API key deleted')`,
	"a session without a login in the log": `select u.email from users u where
		(select count(*) from sessions s where s.user_id = u.id) >
		(select count(*) from events e where e.target = u.id and e.action in ('user logged in', 'session started')) -
		(select count(*) from events e where e.target = u.id and e.action in ('user logged out', 'session revoked'))`,
	"autonomy that is not in the log": `select u.email from users u where
		(select count(*) from autonomy_configs c where c.user_id = u.id) <>
		(select count(*) from events e where e.target = u.id and e.action = 'autonomy config created') -
		(select count(*) from events e where e.target = u.id and e.action = 'autonomy config deleted')`,
	"a line in the log about nobody": "select action from events where target not in (select id from users)",
}

// belongings are tables of what belongs to users.
var belongings = []string{"sessions", "api_keys", "oauth_tokens", "autonomy_configs", "second_factors", "passkeys", "memberships", "identities", "scenes",
	"installations", "link_states", "install_requests"}

// check returns the violations.
func (l *ledgers) check() []string {
	l.t.Helper()
	db, err := sql.Open(l.driver, l.dsn)
	if err != nil {
		l.t.Fatal(err)
	}
	defer db.Close()
	return l.look(db)
}

// damaged returns the violations that a statement leads to, and undoes it.
func (l *ledgers) damaged(statement string) []string {
	l.t.Helper()
	db, err := sql.Open(l.driver, l.dsn)
	if err != nil {
		l.t.Fatal(err)
	}
	defer db.Close()
	tx, err := db.BeginTx(l.t.Context(), nil)
	if err != nil {
		l.t.Fatal(err)
	}
	defer func() { _ = tx.Rollback() }() // that is the purpose
	if _, err := tx.ExecContext(l.t.Context(), statement); err != nil {
		l.t.Fatalf("%s: %v", statement, err)
	}
	before := l.writes
	defer func() { l.writes = before }()
	return l.look(tx)
}

// querier is a database or a transaction.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

func (l *ledgers) look(q querier) (found []string) {
	l.t.Helper()
	for _, statement := range l.integrity {
		for _, row := range l.rows(q, statement) {
			if row != "ok" {
				found = append(found, statement+": "+row)
			}
		}
	}
	for what, query := range violations {
		for _, row := range l.rows(q, query) {
			found = append(found, what+": "+row)
		}
	}
	for _, table := range belongings {
		for range l.rows(q, "select user_id from "+table+" where user_id not in (select id from users)") {
			found = append(found, "an orphan in "+table)
		}
	}
	return append(found, l.versions(q)...)
}

// versions compares with the time before.
func (l *ledgers) versions(q querier) (found []string) {
	l.t.Helper()
	before := l.writes
	l.writes = map[int64]int64{}
	for _, row := range l.rows(q, `select cast(u.id as text) || ' ' || cast(u.version -
		(select count(*) from events e where e.target = u.id and e.action in ('user updated', 'user logged in')) as text) from users u`) {
		var id, rest int64
		if _, err := fmt.Sscan(row, &id, &rest); err != nil {
			l.t.Fatal(err)
		}
		if l.writes[id] = rest; before != nil && before[id] != rest {
			found = append(found, fmt.Sprintf("user %d: version less logged changes was %d, and is %d", id, before[id], rest))
		}
	}
	return found
}

// rows returns the first column of all.
func (l *ledgers) rows(q querier, query string) (found []string) {
	l.t.Helper()
	rows, err := q.QueryContext(l.t.Context(), query)
	if err != nil {
		l.t.Fatalf("%s: %v", query, err)
	}
	defer rows.Close()
	for rows.Next() {
		columns, err := rows.Columns()
		if err != nil {
			l.t.Fatal(err)
		}
		values := make([]any, len(columns))
		for i := range values {
			values[i] = new(any)
		}
		var first string
		values[0] = &first
		if err := rows.Scan(values...); err != nil {
			l.t.Fatalf("%s: %v", query, err)
		}
		found = append(found, first)
	}
	if err := rows.Err(); err != nil {
		l.t.Fatalf("%s: %v", query, err)
	}
	return found
}
