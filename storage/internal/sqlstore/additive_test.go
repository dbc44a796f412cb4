package sqlstore_test

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/hedgerow-dev/hedgerow/storage"
)

var (
	sqlComment  = regexp.MustCompile(`--[^\n]*`)
	newTable    = regexp.MustCompile(`^create table (\S+) \(`)
	newIndex    = regexp.MustCompile(`^create (unique )?index \S+ on (\S+) \(`)
	newColumn   = regexp.MustCompile(`^alter table (\S+) add column (.+)`)
	reference   = regexp.MustCompile(`references \S+( \([^)]*\))?( on delete (cascade|set null))?`)
	notForOlder = []string{" unique", " primary key", " check"}
)

// additive reports what in a migration an earlier build could not work with, or
// would have to wait for longer than a moment. docs/contribute.md has the rules.
func additive(text string) error {
	made, altered := map[string]bool{}, ""
	for statement := range strings.SplitSeq(sqlComment.ReplaceAllString(text, ""), ";") {
		statement = strings.ToLower(strings.Join(strings.Fields(statement), " "))
		if statement == "" {
			continue
		}
		if err := adds(statement, made, &altered); err != nil {
			return fmt.Errorf("%q: %w", statement, err)
		}
	}
	return nil
}

// adds judges one statement. made has the tables that the migration has made, and
// altered is the one that it has added columns to.
func adds(statement string, made map[string]bool, altered *string) error {
	for _, found := range reference.FindAllStringSubmatch(statement, -1) {
		if found[2] == "" {
			return errors.New("a reference keeps an earlier build from deleting; say on delete cascade or set null")
		}
	}
	if found := newTable.FindStringSubmatch(statement); found != nil {
		made[found[1]] = true
		return nil
	}
	if found := newIndex.FindStringSubmatch(statement); found != nil {
		if found[1] != "" && !made[found[2]] {
			return errors.New("an earlier build may write the same value twice")
		}
		return nil
	}
	found := newColumn.FindStringSubmatch(statement)
	if found == nil {
		return errors.New("only tables, indexes and columns may be added")
	}
	if *altered != "" && *altered != found[1] {
		return errors.New("two tables that exist are locked at once, which may deadlock with requests; make two migrations")
	}
	*altered = found[1]
	if strings.Contains(found[2], " not null") && !strings.Contains(found[2], " default ") {
		return errors.New("an earlier build does not set the column; give it a default")
	}
	for _, words := range notForOlder {
		if strings.Contains(found[2], words) {
			return fmt.Errorf("an earlier build does not know of%s", words)
		}
	}
	return nil
}

func TestAdditive(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"": "",
		"-- A note; and more.\ncreate table {x} (id text, user_id bigint references {users} on delete cascade);\ncreate unique index {_}x_id on {x} (id);": "",
		"alter table {users} add column a text;\n alter table {users}\n\tadd column b bigint not null default 0; create index {_}b on {users} (b);":        "",
		"alter table {users} add column a bigint references {teams} on delete set null;":                                                                   "",

		"drop table {users};":                                               "only",
		"drop index {_}x":                                                   "only",
		"alter table {users} drop column a":                                 "only",
		"alter table {users} rename column a to b":                          "only",
		"ALTER TABLE {users} RENAME TO {people}":                            "only",
		"alter table {users} alter column a set not null":                   "only",
		"update {users} set a = 1":                                          "only",
		"alter table {users} add constraint c check (a > 0)":                "only",
		"alter table {users} add column a text not null":                    "default",
		"alter table {users} add column a text unique":                      "unique",
		"alter table {users} add column a bigint check (a > 0)":             "check",
		"create unique index {_}x on {users} (a)":                           "twice",
		"create table {x} (user_id bigint references {users})":              "on delete",
		"create table {x} (user_id bigint references {users} (id))":         "on delete",
		"alter table {a} add column x text; alter table {b} add column x t": "two migrations",
	} {
		if err := additive(text); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want an error with %q", text, err, want)
		}
	}
}

// firstAdditive is the first migration of which an earlier build was released.
const firstAdditive = 7

// TestMigrationsAreAdditive but those that begin a generation, and are the same
// steps in both databases.
func TestMigrationsAreAdditive(t *testing.T) {
	t.Parallel()
	steps := map[string][]storage.Migration{}
	for name, h := range map[string]host{"sqlite": {names: sqliteNames, migrations: "../../sqlite"}, "postgres": {names: sqliteNames, migrations: "../../postgres"}} {
		for _, m := range h.build(t, "").Migrations {
			steps[name] = append(steps[name], m.Migration)
			if m.Version < firstAdditive || m.Version%1000 == 0 {
				continue
			}
			if err := additive(m.SQL); err != nil {
				t.Errorf("%s, migration %d: %v", name, m.Version, err)
			}
		}
	}
	if !slices.Equal(steps["sqlite"], steps["postgres"]) || len(steps["sqlite"]) == 0 {
		t.Errorf("steps of sqlite: %v, of postgres: %v, want the same", steps["sqlite"], steps["postgres"])
	}
}
