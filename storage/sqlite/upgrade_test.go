package sqlite

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/jmoiron/sqlx"
	"github.com/pressly/goose/v3"

	"github.com/hedgerow-dev/hedgerow/storage/internal/sqlstore"
	"github.com/hedgerow-dev/hedgerow/storage/internal/upgradetest"
)

// versions has, for each version of the schema, rows for the tables that it
// added, as a build of that version writes them. A new migration adds an
// element and leaves the others as they are.
var versions = []string{
	`insert into organizations values ('01900000-0000-7000-8000-000000000001', 'Acme', 'acme', null, 1714564800123456, 1714564800123456, 9, '[]', 1, '{}',
		null, 1, null, 1, 1, null, null, 0, null, 1, null, 0, '["acme.example"]');
	insert into sso_domains values ('01900000-0000-7000-8000-000000000001', 'acme.example');
	insert into teams values (7, '01900000-0000-7000-8000-000000000002', '01900000-0000-7000-8000-000000000001', 7, 'phc_x', 'Web', 1, '{}', 1, 0, 'UTC', 0);
	insert into users values (5, 3, '01900000-0000-7000-8000-000000000003', 'distinct', 1714564800123456, null, 1, 0, 'Ann', '日本', 'Ann@Example.com',
		'ann@example.com', '', 1, '$argon2id$x', '01900000-0000-7000-8000-000000000001', 7, '{"plugin_disabled":false}', 0, null, 'toolbar',
		'{"active":"DEFAULT"}', '', 'dark', '{"color" : "red"}', 1, 'above', null, 0, 0, 0, null, null, '', null);
	insert into memberships values (5, '01900000-0000-7000-8000-000000000001', 8, 1714564800123456, 0);
	insert into users values (6, 1, '01900000-0000-7000-8000-00000000000a', 'inactive', 1714564800123456, null, 0, 1, '', '', 'old@example.com',
		'old@example.com', '', 1, '', null, null, '{}', 0, null, '', '{}', '', '', '', 1, 'above', null, 0, 0, 0, null, null, '', null);
	insert into memberships values (6, '01900000-0000-7000-8000-000000000001', 1, 1714564800123456, 0);
	insert into invites values ('01900000-0000-7000-8000-000000000004', '01900000-0000-7000-8000-000000000001', 'Bob@example.com', 'bob@example.com', 1714564800123456);
	insert into identities values (5, 'github', '99', 'ann', 1714564800123456);
	insert into scenes values (1, 5, 7, 'home', 3);
	insert into events values (1, 1714564800123456, 5, 'session', 5, 'user updated', '["first_name"]');
	insert into sessions values ('01900000-0000-7000-8000-000000000005', x'01', 5, 1714564800123456, 1714564800123456, null, 'password', 1, 'Browser/1.0');
	insert into api_keys values ('key', 5, 'Test', x'02', 'phx_…', '["*"]', 'null', '[]', 1714564800123456, null, null, null);
	insert into oauth_tokens values (x'03', 5, 'app', 'user:read', 'null', 1714564800123456, null);
	insert into attempts values ('login', '[1714564800123456]', 1714564800123456)`,

	`insert into autonomy_configs values (5, '01900000-0000-7000-8000-000000000006', 'P2', 1714564800123456, 1714564800123456)`,

	`insert into tickets values ('pending_login', x'01', 5, x'02', 1714564800123456, 1714564800123456);
	insert into second_factors values (5, x'03', 57152160, -1, '["$argon2id$x"]', 1, 1714564800123456, 1714564800123456);
	insert into passkeys values ('01900000-0000-7000-8000-000000000007', 5, x'04', x'05', 'Phone', x'7b7d', 1, 1714564800123456, null)`,

	`insert into installations values ('01900000-0000-7000-8000-000000000007', 5, '12345', 1714564800123456, 1714564800123456, 'selected', 1, 'acme', 'Organization',
		99, 'ann', 'User', x'0102', 1714564800123456, 3600000000, 1714564800123456, null, null, null, 1714564800123456, 'etag');
	insert into repositories values ('01900000-0000-7000-8000-000000000007', '[{"id":1,"name":"web","full_name":"acme/web"}]');
	insert into branches values ('01900000-0000-7000-8000-000000000007', 'acme/web', '["main"]', 'main', 1714564800123456, 1714564800123456, 1714564800123456);
	insert into team_installations values (1, 7, '12345', 5, 'ann', 1714564800123456);
	insert into link_states values (x'04', 5, 'app_install', '', '', null, 1714564800123456);
	insert into install_requests values ('01900000-0000-7000-8000-000000000008', 5, 99, 'ann', 'pending', '', '', '', 1714564800123456, null);
	insert into claims values ('lease', '01900000-0000-7000-8000-000000000009', 1714564800123456)`,

	`update users set is_staff = not is_staff`, // the rows of user_blocks and member_counts are not for builds to write

	`update users set is_staff = is_staff`, // no rows are new

	`insert into consumers values ('hooks', 1, '01900000-0000-7000-8000-00000000000b', 1714564800123456, 2, 1714564800123456)`,
}

// content is every row of every table of ours, without what migrations record.
// Columns that are not in like, which is an earlier content, are left out.
type content map[string]table

type table struct {
	columns []string
	rows    []string
}

func contentOf(t *testing.T, db *sqlx.DB, like content) content {
	t.Helper()
	var names []string
	err := db.SelectContext(t.Context(), &names, `select name from sqlite_master where type = 'table' and name not like 'sqlite!_%' escape '!' and name <> $1`, sqlstore.Names{}.MigrationTable())
	if err != nil {
		t.Fatal(err)
	}
	result := content{}
	for _, name := range names {
		columns := "*"
		if old, ok := like[name]; ok {
			columns = strings.Join(old.columns, ", ")
		}
		result[name] = tableOf(t, db, "select "+columns+" from "+name+" order by 1, 2")
	}
	return result
}

func tableOf(t *testing.T, db *sqlx.DB, query string) table {
	t.Helper()
	rows, err := db.QueryxContext(t.Context(), query)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	defer rows.Close()
	var result table
	if result.columns, err = rows.Columns(); err != nil {
		t.Fatal(err)
	}
	for rows.Next() {
		values, err := rows.SliceScan()
		if err != nil {
			t.Fatal(err)
		}
		result.rows = append(result.rows, fmt.Sprintf("%#v", values))
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return result
}

// makeVersion makes a database as a build of that version left it and returns
// what it holds.
func makeVersion(t *testing.T, path string, version int) content {
	t.Helper()
	db, err := open(path, writeSettings, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	schema, err := Config{}.schema()
	if err != nil {
		t.Fatal(err)
	}
	p, err := schema.Provider(goose.DialectSQLite3, db.DB)
	if err != nil {
		t.Fatal(err)
	}
	for n, rows := range versions[:version] {
		if _, err := p.UpTo(t.Context(), p.ListSources()[n].Version); err != nil {
			t.Fatalf("migrate to version %d: %v", n+1, err)
		}
		if _, err := db.ExecContext(t.Context(), rows); err != nil {
			t.Fatalf("rows of version %d: %v", n+1, err)
		}
	}
	before := contentOf(t, db, nil)
	for name, table := range before {
		if len(table.rows) == 0 {
			t.Errorf("version %d: table %s has no rows in this test", version, name)
		}
	}
	return before
}

func TestUpgrade(t *testing.T) {
	t.Parallel()
	latest := latestVersion(t)
	if len(versions) != latest {
		t.Fatalf("this test has rows for %d versions and there are %d migrations", len(versions), latest)
	}
	for version := 1; version <= latest; version++ {
		t.Run(fmt.Sprint(version), func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "a.db")
			before := makeVersion(t, path, version)
			st, err := Open(t.Context(), path)
			if err != nil {
				t.Fatalf("Open: %v", err)
			}
			defer st.Close()
			checkUpgraded(t, st, before)
		})
	}
}

func latestVersion(t *testing.T) int {
	t.Helper()
	schema, err := Config{}.schema()
	if err != nil {
		t.Fatal(err)
	}
	return len(schema.Migrations)
}

// checkUpgraded wants every old row, sound references, and a schema like that
// of a new database.
func checkUpgraded(t *testing.T, st *Store, before content) {
	t.Helper()
	after := contentOf(t, st.write, before)
	for name, old := range before {
		if got := after[name]; !slices.Equal(got.rows, old.rows) {
			t.Errorf("table %s:\n got %q,\nwant %q", name, got.rows, old.rows)
		}
	}
	if broken := tableOf(t, st.write, "pragma foreign_key_check").rows; broken != nil {
		t.Errorf("references to nothing: %q", broken)
	}
	fresh, err := Open(t.Context(), filepath.Join(t.TempDir(), "fresh.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer fresh.Close()
	const schema = "select type, name, sql from sqlite_master order by type, name"
	if got, want := tableOf(t, st.write, schema), tableOf(t, fresh.write, schema); !slices.Equal(got.rows, want.rows) {
		t.Errorf("schema:\n got %q,\nwant %q", got.rows, want.rows)
	}
	upgradetest.Use(t, st)
}
