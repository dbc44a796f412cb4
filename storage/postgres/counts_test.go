package postgres_test

import (
	"context"
	"database/sql"
	"errors"
	"net/url"
	"slices"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/hedgerow-dev/hedgerow/storage/postgres"
	"github.com/hedgerow-dev/hedgerow/storage/postgres/postgrestest"
	"github.com/hedgerow-dev/hedgerow/users"
)

// member adds a user, who is a member of an organization unless that is Nil.
func member(ctx context.Context, tx users.Tx, organization uuid.UUID) (users.User, error) {
	u := users.New()
	u.UUID, u.DistinctID, u.Email = uuid.New(), uuid.NewString(), uuid.NewString()+"@example.com"
	u, err := tx.CreateUser(ctx, u)
	if err == nil && organization != uuid.Nil {
		err = tx.SaveMembership(ctx, users.Membership{UserID: u.ID, OrganizationID: organization})
	}
	return u, err
}

// addMember is member in a transaction of its own.
func addMember(t *testing.T, st *postgres.Store, organization uuid.UUID) (u users.User) {
	t.Helper()
	err := st.UpdateUsers(t.Context(), func(tx users.Tx) (err error) {
		u, err = member(t.Context(), tx, organization)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func addOrganization(t *testing.T, st *postgres.Store) uuid.UUID {
	t.Helper()
	o := users.NewOrganization()
	o.ID = uuid.New()
	if err := st.UpdateUsers(t.Context(), func(tx users.Tx) error { return tx.SaveOrganization(t.Context(), o) }); err != nil {
		t.Fatal(err)
	}
	return o.ID
}

// numbers wants so many users and active members of any organization.
func numbers(t *testing.T, st *postgres.Store, dsn, total, members string) {
	t.Helper()
	if _, err := st.Profiles(t.Context(), users.Query{Limit: 1}); err != nil {
		t.Error(err)
	}
	got := query(t, dsn, `select (select coalesce(sum(total), 0) from user_blocks) || ' ' || (select coalesce(sum(members), 0) from member_counts)`)
	if want := []string{total + " " + members}; !slices.Equal(got, want) {
		t.Errorf("users and active members: got %q, want %q", got, want)
	}
}

// repeatable begins a transaction of the host that sees one moment.
func repeatable(t *testing.T, dsn string) *sql.Tx {
	t.Helper()
	db, err := sql.Open("pgx", dsn)
	if err != nil {
		t.Fatal(err)
	}
	tx, err := db.BeginTx(t.Context(), &sql.TxOptions{Isolation: sql.LevelRepeatableRead})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tx.Rollback(); db.Close() })
	if _, err := tx.Exec("select 1 from users"); err != nil { // from here on it sees nothing new
		t.Fatal(err)
	}
	return tx
}

// TestNumbersInSnapshots has transactions of the host that see an earlier moment
// count right, though they do not see the rows that others have made one.
func TestNumbersInSnapshots(t *testing.T) {
	t.Parallel()
	dsn := postgrestest.DSN(t)
	st := open(t, dsn)
	acme := addOrganization(t, st)
	addMember(t, st, acme)
	one, other := repeatable(t, dsn), repeatable(t, dsn)
	for range 100 {
		addMember(t, st, acme)
	}
	for range 100 {
		for _, tx := range []*sql.Tx{one, other} {
			err := st.Tx(tx).UpdateUsers(t.Context(), func(tx users.Tx) error {
				_, err := member(t.Context(), tx, acme)
				return err
			})
			if err != nil {
				t.Fatalf("a sign-up that sees an earlier moment: %v", err)
			}
		}
	}
	for _, tx := range []*sql.Tx{one, other} {
		if err := tx.Commit(); err != nil {
			t.Errorf("commit: %v", err)
		}
	}
	numbers(t, st, dsn, "301", "301")
}

// TestMemberNotSeen deactivates a user in a transaction that cannot see that the
// user has become a member meanwhile.
func TestMemberNotSeen(t *testing.T) {
	t.Parallel()
	dsn := postgrestest.DSN(t)
	st := open(t, dsn)
	acme, u := addOrganization(t, st), addMember(t, st, uuid.Nil)
	tx := repeatable(t, dsn)
	err := st.UpdateUsers(t.Context(), func(tx users.Tx) error {
		return tx.SaveMembership(t.Context(), users.Membership{UserID: u.ID, OrganizationID: acme})
	})
	if err != nil {
		t.Fatal(err)
	}
	_, err = tx.Exec("update users set is_active = false")
	if e := (*pgconn.PgError)(nil); !errors.As(err, &e) || e.Code != "40001" {
		t.Errorf("deactivate: got %v, want a serialization failure", err)
	}
	if err := tx.Rollback(); err != nil {
		t.Error(err)
	}
	numbers(t, st, dsn, "1", "1")
}

// TestNumbersFromElsewhere changes the tables from a connection that would not
// find them by their names alone, and empties them.
func TestNumbersFromElsewhere(t *testing.T) {
	t.Parallel()
	dsn := postgrestest.DSN(t)
	st := open(t, dsn)
	acme := addOrganization(t, st)
	for range 3 {
		addMember(t, st, acme)
	}
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	schema := q.Get("search_path")
	q.Set("search_path", "pg_catalog")
	u.RawQuery = q.Encode()
	elsewhere := u.String()
	postgrestest.Execute(t, elsewhere, "update "+schema+".users set is_active = false where id = (select min(id) from "+schema+".users)")
	numbers(t, st, dsn, "3", "2")
	postgrestest.Execute(t, elsewhere, "delete from "+schema+".users where id = (select max(id) from "+schema+".users)")
	numbers(t, st, dsn, "2", "1")
	postgrestest.Execute(t, elsewhere, "truncate "+schema+".memberships")
	numbers(t, st, dsn, "2", "0")
	postgrestest.Execute(t, elsewhere, "truncate "+schema+".users cascade")
	numbers(t, st, dsn, "0", "0")
}

// TestNumbersStayShort wants the rows of a number to be made one.
func TestNumbersStayShort(t *testing.T) {
	t.Parallel()
	dsn := postgrestest.DSN(t)
	st := open(t, dsn)
	acme := addOrganization(t, st)
	for range 800 {
		addMember(t, st, acme)
	}
	numbers(t, st, dsn, "800", "800")
	// That none of the last 200 changes made the rows of a block one, or none of
	// all changes those of an organization, happens once in 10^11 times.
	const short = `select ((select count(*) from user_blocks) < 200 and (select count(*) from member_counts) < 800)::text`
	if got := query(t, dsn, short); !slices.Equal(got, []string{"true"}) {
		t.Error("there are as many rows as changes")
	}
}
