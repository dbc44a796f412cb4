package postgres_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/hedgerow-dev/hedgerow/storage/internal/upgradetest"
	"github.com/hedgerow-dev/hedgerow/storage/postgres"
	"github.com/hedgerow-dev/hedgerow/storage/postgres/postgrestest"
)

// versions has, for each version of the schema, rows for the tables that it
// added, as a build of that version writes them. A new migration adds an
// element and leaves the others as they are.
var versions = []string{
	`insert into organizations values ('01900000-0000-7000-8000-000000000001', 'Acme', 'acme', null, 1714564800123456, 1714564800123456, 9,
		'[]', true, '{}', null, true, null, true, true, null, null, false, null, true, null, false, '["acme.example"]');
	insert into sso_domains values ('01900000-0000-7000-8000-000000000001', 'acme.example');
	insert into teams values (7, '01900000-0000-7000-8000-000000000002', '01900000-0000-7000-8000-000000000001', 7, 'phc_x', 'Web', true,
		'{}', true, false, 'UTC', false);
	insert into users values (5, 3, '01900000-0000-7000-8000-000000000003', 'distinct', 1714564800123456, null, true, false, 'Ann', '日本',
		'Ann@Example.com', 'ann@example.com', '', true, '$argon2id$x', '01900000-0000-7000-8000-000000000001', 7, '{"plugin_disabled":false}',
		false, null, 'toolbar', '{"active":"DEFAULT"}', '', 'dark', '{"color" : "red"}', true, 'above', null, false, false, false, null, null,
		'', null);
	insert into memberships values (5, '01900000-0000-7000-8000-000000000001', 8, 1714564800123456, 0);
	insert into users values (6, 1, '01900000-0000-7000-8000-00000000000a', 'inactive', 1714564800123456, null, false, true, '', '',
		'old@example.com', 'old@example.com', '', true, '', null, null, '{}', false, null, '', '{}', '', '', '', true, 'above', null, false,
		false, false, null, null, '', null);
	insert into memberships values (6, '01900000-0000-7000-8000-000000000001', 1, 1714564800123456, 0);
	insert into invites values ('01900000-0000-7000-8000-000000000004', '01900000-0000-7000-8000-000000000001', 'Bob@example.com',
		'bob@example.com', 1714564800123456);
	insert into identities values (5, 'github', '99', 'ann', 1714564800123456);
	insert into scenes values (1, 5, 7, 'home', 3);
	insert into events values (1, 1714564800123456, 5, 'session', 5, 'user updated', '["first_name"]');
	insert into sessions values ('01900000-0000-7000-8000-000000000005', '\x01', 5, 1714564800123456, 1714564800123456, null, 'password',
		true, 'Browser/1.0');
	insert into api_keys values ('key', 5, 'Test', '\x02', 'phx_…', '["*"]', 'null', '[]', 1714564800123456, null, null, null);
	insert into oauth_tokens values ('\x03', 5, 'app', 'user:read', 'null', 1714564800123456, null);
	insert into attempts values ('login', '[1714564800123456]', 1714564800123456)`,

	`insert into autonomy_configs values (5, '01900000-0000-7000-8000-000000000006', 'P2', 1714564800123456, 1714564800123456)`,

	`insert into tickets values ('pending_login', '\x01', 5, '\x02', 1714564800123456, 1714564800123456);
	insert into second_factors values (5, '\x03', 57152160, -1, '["$argon2id$x"]', 1, 1714564800123456, 1714564800123456);
	insert into passkeys values ('01900000-0000-7000-8000-000000000007', 5, '\x04', '\x05', 'Phone', '\x7b7d', true, 1714564800123456, null)`,

	`insert into installations values ('01900000-0000-7000-8000-000000000007', 5, '12345', 1714564800123456, 1714564800123456, 'selected', 1,
		'acme', 'Organization', 99, 'ann', 'User', '\x0102', 1714564800123456, 3600000000, 1714564800123456, null, null, null, 1714564800123456,
		'etag');
	insert into repositories values ('01900000-0000-7000-8000-000000000007', '[{"id":1,"name":"web","full_name":"acme/web"}]');
	insert into branches values ('01900000-0000-7000-8000-000000000007', 'acme/web', '["main"]', 'main', 1714564800123456, 1714564800123456,
		1714564800123456);
	insert into team_installations values (1, 7, '12345', 5, 'ann', 1714564800123456);
	insert into link_states values ('\x04', 5, 'app_install', '', '', null, 1714564800123456);
	insert into install_requests values ('01900000-0000-7000-8000-000000000008', 5, 99, 'ann', 'pending', '', '', '', 1714564800123456, null);
	insert into claims values ('lease', '01900000-0000-7000-8000-000000000009', 1714564800123456)`,

	`update users set is_staff = not is_staff`, // the rows of user_blocks and member_counts are not for builds to write

	`update users set is_staff = is_staff`, // revisions are not for builds to write

	`insert into consumers values ('hooks', 1, '01900000-0000-7000-8000-00000000000b', 1714564800123456, 2, 1714564800123456)`,
}

// content is every row of every table, by the name of the table.
type content map[string][]string

// contentOf reads these columns of each table: the later columns of an upgraded
// one are new.
func contentOf(t *testing.T, dsn string, columns map[string]string) content {
	t.Helper()
	result := content{}
	for name, list := range columns {
		result[name] = query(t, dsn, "select row("+list+")::text from "+name+" order by 1")
	}
	return result
}

// columnsOf lists the columns of each table, but that of the migrations.
func columnsOf(t *testing.T, dsn string) map[string]string {
	t.Helper()
	lists := map[string]string{}
	for _, line := range query(t, dsn, `select table_name || ':' || string_agg(column_name, ', ' order by ordinal_position) from information_schema.columns
		where table_schema = current_schema() and table_name <> 'hedgerow_migrations' group by table_name`) {
		name, list, _ := strings.Cut(line, ":")
		lists[name] = list
	}
	return lists
}

// makeVersion makes tables as a build of that version left them.
func makeVersion(t *testing.T, dsn string, version int) {
	t.Helper()
	postgrestest.Execute(t, dsn, `create table hedgerow_migrations (id integer primary key generated by default as identity,
		version_id bigint not null, is_applied boolean not null, tstamp timestamp not null default now());
		insert into hedgerow_migrations (version_id, is_applied) values (0, true)`)
	for n, rows := range versions[:version] {
		postgrestest.Execute(t, dsn, postgres.Migrations(t)[n]+rows)
		postgrestest.Execute(t, dsn, fmt.Sprintf("insert into hedgerow_migrations (version_id, is_applied) values (%d, true)", n+1))
	}
	for name, rows := range contentOf(t, dsn, columnsOf(t, dsn)) {
		if len(rows) == 0 {
			t.Errorf("version %d: table %s has no rows in this test", version, name)
		}
	}
}

func TestUpgrade(t *testing.T) {
	t.Parallel()
	latest := len(postgres.Migrations(t))
	if len(versions) != latest {
		t.Fatalf("this test has rows for %d versions and there are %d migrations", len(versions), latest)
	}
	fresh := postgrestest.DSN(t)
	open(t, fresh)
	for version := 1; version <= latest; version++ {
		t.Run(fmt.Sprint(version), func(t *testing.T) {
			t.Parallel()
			dsn := postgrestest.DSN(t)
			makeVersion(t, dsn, version)
			old := columnsOf(t, dsn)
			before := contentOf(t, dsn, old)
			st := open(t, dsn)
			after := contentOf(t, dsn, old)
			for name, rows := range before {
				if !slices.Equal(after[name], rows) {
					t.Errorf("table %s:\n got %q,\nwant %q", name, after[name], rows)
				}
			}
			if got, want := definitions(t, dsn), definitions(t, fresh); !slices.Equal(got, want) {
				t.Errorf("columns:\n got %q,\nwant %q", got, want)
			}
			upgradetest.Use(t, st)
		})
	}
}

func definitions(t *testing.T, dsn string) []string {
	t.Helper()
	return query(t, dsn, `select table_name || ' ' || column_name || ' ' || data_type || ' ' || is_nullable
		from information_schema.columns where table_schema = current_schema() order by 1`)
}
