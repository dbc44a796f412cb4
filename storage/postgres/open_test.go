package postgres_test

import (
	"errors"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/hedgerow-dev/hedgerow/storage/postgres"
	"github.com/hedgerow-dev/hedgerow/storage/postgres/postgrestest"
	"github.com/hedgerow-dev/hedgerow/users"
)

// query runs a statement and returns its one column as text.
func query(t *testing.T, dsn, statement string) []string {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	rows, err := conn.Query(t.Context(), statement)
	if err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
	values, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
	return values
}

func TestFiveStartsAtOnceMigrateOnce(t *testing.T) {
	t.Parallel()
	dsn := postgrestest.DSN(t)
	errs := make([]error, 5)
	var wg sync.WaitGroup
	for i := range errs {
		wg.Go(func() {
			st, err := postgres.Open(t.Context(), dsn)
			if err == nil {
				err = st.Close()
			}
			errs[i] = err
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Errorf("five starts at once: %v", err)
	}
	if got := query(t, dsn, "select cast(version_id as text) from hedgerow_migrations group by 1 having count(*) <> 1"); len(got) != 0 {
		t.Errorf("migrations that ran more than once: %v", got)
	}
	if got := query(t, dsn, "select cast(max(version_id) as text) from hedgerow_migrations"); got[0] < "3" {
		t.Errorf("the schema has version %v", got)
	}
}

// with returns the DSN with a parameter set.
func with(t *testing.T, dsn, name, value string) string {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	q.Set(name, value)
	u.RawQuery = q.Encode()
	return u.String()
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	dsn := postgrestest.DSN(t)
	for name, c := range map[string]struct{ dsn, want string }{
		"no DSN at all":     {"postgres://ann:secret@host:port/db", "cannot be parsed"},
		"a missing schema":  {with(t, dsn, "search_path", "nowhere"), "search_path"},
		"a missing server":  {"postgres://ann:secret@127.0.0.1:1/db", "127.0.0.1"},
		"lazy commits":      {with(t, dsn, "synchronous_commit", "off"), "set synchronous_commit to on"},
		"an unknown option": {with(t, dsn, "no_such_option", "1"), "no_such_option"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			st, err := postgres.Open(t.Context(), c.dsn)
			if err == nil {
				t.Fatalf("Open: got nil, want an error; %v", st.Close())
			}
			if !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "secret") {
				t.Errorf("Open: got %v, want an error with %q and without the password", err, c.want)
			}
		})
	}
}

func TestOpenRefusesNewerSchema(t *testing.T) {
	t.Parallel()
	dsn := postgrestest.DSN(t)
	open(t, dsn)
	query(t, dsn, "insert into hedgerow_migrations (version_id, is_applied) values (9999, true) returning cast(id as text)")
	st, err := postgres.Open(t.Context(), dsn)
	if err == nil {
		t.Fatalf("Open: got nil, want an error; %v", st.Close())
	}
	if !strings.Contains(err.Error(), "newer build") {
		t.Errorf("Open: got %v, want an error that asks for a newer build", err)
	}
}

func TestOpenRefusesEncoding(t *testing.T) {
	t.Parallel()
	dsn := postgrestest.DSN(t)
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	u.Path = "/" + u.Query().Get("search_path")
	postgrestest.Execute(t, dsn, "create database "+u.Path[1:]+" encoding 'SQL_ASCII' locale 'C' locale_provider libc template template0")
	t.Cleanup(func() { postgrestest.Execute(t, dsn, "drop database "+u.Path[1:]) })
	st, err := postgres.Open(t.Context(), u.String())
	if err == nil {
		t.Fatalf("Open: got nil, want an error; %v", st.Close())
	}
	if !strings.Contains(err.Error(), "encoding UTF8") {
		t.Errorf("Open: got %v, want an error that asks for UTF8", err)
	}
}

func TestReopen(t *testing.T) {
	t.Parallel()
	dsn := postgrestest.DSN(t)
	var u users.User
	err := open(t, dsn).UpdateUsers(t.Context(), func(tx users.Tx) (err error) {
		u, err = tx.CreateUser(t.Context(), newUser("ann@example.com"))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := open(t, dsn).User(t.Context(), u.ID); err != nil || got.Email != u.Email {
		t.Errorf("User after a second Open: got %v, %v", got, err)
	}
}
