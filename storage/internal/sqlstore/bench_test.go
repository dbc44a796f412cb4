package sqlstore_test

import (
	"database/sql"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/hedgerow-dev/hedgerow/storage/postgres"
	"github.com/hedgerow-dev/hedgerow/storage/postgres/postgrestest"
	"github.com/hedgerow-dev/hedgerow/storage/sqlite"
	"github.com/hedgerow-dev/hedgerow/users"
)

// BenchmarkProfiles reads pages of 100 users and a single profile, of few users
// and of many.
func BenchmarkProfiles(b *testing.B) {
	ctx := b.Context()
	for _, n := range []int{10_000, 1_000_000} {
		b.Run(fmt.Sprint("sqlite/", n), func(b *testing.B) {
			db := openDB(b, "sqlite", "file:"+filepath.Join(b.TempDir(), "host.db")+"?"+sqlite.HostSettings)
			if err := sqlite.Migrate(ctx, db, sqlite.Config{}); err != nil {
				b.Fatal(err)
			}
			fill(b, db, n)
			st, err := sqlite.New(ctx, db, sqlite.Config{})
			if err != nil {
				b.Fatal(err)
			}
			readPages(b, st, n)
		})
		b.Run(fmt.Sprint("postgres/", n), func(b *testing.B) {
			db := openDB(b, "pgx", postgrestest.DSN(b))
			if err := postgres.Migrate(ctx, db, postgres.Config{}); err != nil {
				b.Fatal(err)
			}
			fill(b, db, n)
			st, err := postgres.New(ctx, db, postgres.Config{})
			if err != nil {
				b.Fatal(err)
			}
			readPages(b, st, n)
		})
	}
}

// fill makes n users. Every eighth is inactive, and one of a thousand is staff.
// The first 10,000 are members of one organization, which is everybody's current
// one.
func fill(b *testing.B, db *sql.DB, n int) {
	b.Helper()
	acme := organization(1).String()
	for _, statement := range []string{
		insertOrganization("", 1),
		insertUsers("", n, "n", "n % 8 <> 0", "n % 1000 = 1"),
		"update users set current_organization = '" + acme + "'",
		"insert into memberships (user_id, organization_id, level, invited_by) select id, '" + acme + "', 1, 0 from users where id <= 10000",
		"analyze",
	} {
		if _, err := db.ExecContext(b.Context(), statement); err != nil {
			b.Fatalf("%s: %v", statement, err)
		}
	}
}

func readPages(b *testing.B, st users.Reader, n int) {
	active, staff := n-n/8, n/1000
	for _, c := range []struct {
		name        string
		q           users.Query
		total, want int
	}{
		{"first page", users.Query{Active: true, Limit: 100}, active, 100},
		{"middle page", users.Query{Active: true, Limit: 100, Offset: active/2 + 300}, active, 100},
		{"last page", users.Query{Active: true, Limit: 100, Offset: active - 100}, active, 100},
		{"last page of all", users.Query{Limit: 100, Offset: n - 100}, n, 100},
		{"last page of staff", users.Query{Active: true, Staff: users.Some(true), Limit: 10, Offset: staff - 10}, staff, 10},
		{"email", users.Query{Active: true, Email: "user9999@example.com", Limit: 100}, 1, 1},
		{"profile", users.Query{ID: 9_999, Limit: 1}, 1, 1},
	} {
		b.Run(c.name, func(b *testing.B) {
			for b.Loop() {
				p, err := st.Profiles(b.Context(), c.q)
				if err != nil || p.Total != c.total || len(p.Profiles) != c.want {
					b.Fatalf("got %d of %d users and %v, want %d of %d", len(p.Profiles), p.Total, err, c.want, c.total)
				}
			}
		})
	}
}
