// Package postgrestest gives tests a PostgreSQL.
//
// It is the one that HEDGEROW_TEST_POSTGRES names with a URL, or else a private
// server that starts from the binaries on the machine with the first test of a
// process, listens on a socket in a temporary folder, and stops with the process.
// Tests of outages start servers of their own, or put a Relay in front of one.
package postgrestest

import (
	"context"
	"crypto/rand"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
)

// variable names a server to use. Its user must be allowed to create schemas.
const variable = "HEDGEROW_TEST_POSTGRES"

// private is the server of this process. It is a variable because starting one
// takes seconds, and tests share nothing else.
var private = sync.OnceValues(func() (*Server, error) { return start(lossy, "") })

// DSN returns the URL of a database in which an empty schema is the first of the
// search path. No other test gets this schema, and it goes with the test.
// Without a server or the binaries of one the test is skipped, or fails if the
// environment variable CI is true.
func DSN(t testing.TB) string {
	t.Helper()
	base := os.Getenv(variable)
	if base == "" {
		server, err := private()
		if err != nil {
			unavailable(t, err)
		}
		base = server.DSN()
	}
	u, err := url.Parse(base)
	if err != nil || u.Scheme == "" {
		t.Fatalf("%s is no URL", variable)
	}
	schema := "hedgerow_" + strings.ToLower(rand.Text())
	Execute(t, base, "create schema "+schema)
	t.Cleanup(func() { Execute(t, base, "drop schema "+schema+" cascade") })
	q := u.Query()
	q.Set("search_path", schema)
	u.RawQuery = q.Encode()
	return u.String()
}

func unavailable(t testing.TB, err error) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf("PostgreSQL for tests: %v", err)
	}
	t.Skipf("PostgreSQL for tests: %v", err)
}

// Execute runs one statement on the database of a DSN, also when the test's own
// context is done, as it is in a cleanup.
func Execute(t testing.TB, dsn, statement string) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		t.Fatalf("connect to PostgreSQL: %v", err)
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, statement); err != nil {
		t.Errorf("%s: %v", statement, err)
	}
}
