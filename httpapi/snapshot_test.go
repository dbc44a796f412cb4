package httpapi_test

import (
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// snapshot is what a database held at a moment, to compare with and to go back to.
type snapshot struct {
	t       *testing.T
	db      *sql.DB // with one connection
	tables  []string
	restore string
}

// counted are the tables with numbers that follow from others, in parts that
// differ each time.
var counted = []string{"user_blocks", "member_counts"}

// rows are those of each table, in the order of their text.
type rows map[string][]string

// takeSnapshot copies every table beside itself.
func takeSnapshot(t *testing.T, db *sql.DB) *snapshot {
	t.Helper()
	s := &snapshot{t: t, db: db}
	const sqliteTables = "select name from sqlite_master where type = 'table' and name <> 'hedgerow_migrations'"
	const postgresTables = "select table_name from information_schema.tables where table_schema = current_schema() and table_name <> 'hedgerow_migrations'"
	var sequences, numbered string
	tables, err := s.query(sqliteTables)
	if err != nil {
		s.exec("set session_replication_role = replica") // references may point nowhere for a while
		sequences, numbered = s.sequences(), " overriding system value"
		tables, err = s.query(postgresTables)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range tables {
		if !slices.Contains(counted, row[0]) {
			s.tables = append(s.tables, row[0])
		}
	}
	// Triggers of SQLite count on while rows go and come back, so that these are last.
	for _, name := range slices.Concat(s.tables, counted) {
		s.exec("create table saved_" + name + " as select * from " + name)
		s.restore += "delete from " + name + "; insert into " + name + numbered + " select * from saved_" + name + "; "
	}
	s.restore = "begin; " + s.restore + sequences + "commit"
	return s
}

// sequences sets those of PostgreSQL to their values of now. Those of SQLite are
// in a table.
func (s *snapshot) sequences() (statements string) {
	found, err := s.query("select format('select setval(%L, %s, %L); ', sequencename, coalesce(last_value, 1), last_value is not null) from pg_sequences where schemaname = current_schema()")
	if err != nil {
		s.t.Fatal(err)
	}
	for _, row := range found {
		statements += row[0]
	}
	return statements
}

// back restores what the snapshot holds.
func (s *snapshot) back() {
	s.t.Helper()
	s.exec(s.restore)
}

// now reads all tables but some. What is sealed or random differs each time, and
// shows only whether it is there.
func (s *snapshot) now(but ...string) rows {
	s.t.Helper()
	all := rows{}
	for _, name := range s.tables {
		if slices.Contains(but, name) {
			continue
		}
		found, err := s.query("select * from " + name)
		if err != nil {
			s.t.Fatal(err)
		}
		for _, row := range found {
			all[name] = append(all[name], strings.Join(row, "|"))
		}
		slices.Sort(all[name])
	}
	return all
}

// random are the columns of secrets that must be read back, and of revisions.
var random = []string{"secret", "sealed", "sealed_verifier", "data", "revision", "surroundings"}

func (s *snapshot) query(statement string) (table [][]string, err error) {
	found, err := s.db.QueryContext(s.t.Context(), statement)
	if err != nil {
		return nil, err
	}
	defer found.Close()
	columns, err := found.Columns()
	if err != nil {
		return nil, err
	}
	for found.Next() {
		values, targets, texts := make([]any, len(columns)), make([]any, len(columns)), make([]string, len(columns))
		for i := range values {
			targets[i] = &values[i]
		}
		if err := found.Scan(targets...); err != nil {
			return nil, err
		}
		for i, v := range values {
			if texts[i] = fmt.Sprint(v); v != nil && slices.Contains(random, columns[i]) {
				texts[i] = "random"
			}
		}
		table = append(table, texts)
	}
	return table, found.Err()
}

func (s *snapshot) exec(statements string) {
	s.t.Helper()
	if _, err := s.db.ExecContext(s.t.Context(), statements); err != nil {
		s.t.Fatalf("%s: %v", statements, err)
	}
}

// difference lists rows that only one of the two has.
func difference(got, want rows) (lines []string) {
	for name, list := range got {
		for _, row := range list {
			if !slices.Contains(want[name], row) {
				lines = append(lines, "+ "+name+": "+row)
			}
		}
	}
	for name, list := range want {
		for _, row := range list {
			if !slices.Contains(got[name], row) {
				lines = append(lines, "- "+name+": "+row)
			}
		}
	}
	slices.Sort(lines)
	return lines
}
