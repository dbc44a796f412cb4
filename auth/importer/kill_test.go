package importer_test

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/hedgerow-dev/hedgerow/auth/importer"
	"github.com/hedgerow-dev/hedgerow/storage"
	"github.com/hedgerow-dev/hedgerow/storage/postgres"
	"github.com/hedgerow-dev/hedgerow/storage/postgres/postgrestest"
	"github.com/hedgerow-dev/hedgerow/storage/sqlite"
	"github.com/hedgerow-dev/hedgerow/users"
)

var kills = flag.Int("kills", 5, "how often TestKilled kills an import into each database")

// The test binary runs itself: TestChild imports into the database that the
// environment names.
const childDB = "HEDGEROW_TEST_IMPORT_DB"

// killedUsers is how many users TestKilled imports, in seven transactions.
const killedUsers = 1500

func openDB(ctx context.Context, t *testing.T, db string) storage.Storage {
	t.Helper()
	var st storage.Storage
	var err error
	if strings.HasPrefix(db, "postgres") {
		st, err = postgres.Open(ctx, db)
	} else {
		st, err = sqlite.Open(ctx, db)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
	return st
}

// marked writes a byte for each line that is read.
type marked struct {
	io.Reader
	marks io.Writer
}

func (m marked) Read(p []byte) (int, error) {
	if _, err := m.marks.Write([]byte{'.'}); err != nil {
		return 0, err
	}
	return m.Reader.Read(p)
}

// TestChild is the body of child processes; on its own it does nothing.
func TestChild(t *testing.T) {
	db := os.Getenv(childDB)
	if db == "" {
		return
	}
	st := openDB(t.Context(), t, db)
	d := newTarget(t, st)
	report, err := importer.Run(t.Context(), d, d.users, d.auth, marked{&generated{users: killedUsers}, os.Stdout}, importer.Options{})
	if err != nil {
		t.Fatal(err)
	}
	fmt.Printf("\n%d there, %d refused\n", report.Imported.Total()+report.Present.Total(), report.Refused)
}

// TestKilled kills imports with SIGKILL anywhere, runs them again until one gets to
// the end, and finds everything once.
func TestKilled(t *testing.T) {
	for name, open := range map[string]func(t *testing.T) string{
		"sqlite":   func(t *testing.T) string { return filepath.Join(t.TempDir(), "a.db") },
		"postgres": func(t *testing.T) string { return postgrestest.DSN(t) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := open(t)
			const lines = 1 + 2*killedUsers + killedUsers/keyEvery
			for range *kills {
				runChild(t, db, rand.IntN(lines))
			}
			if got, want := runChild(t, db, -1), fmt.Sprintf("%d there, 0 refused", lines); !strings.Contains(got, want) {
				t.Errorf("the last import says %q, want %q", strings.Trim(got, "."), want)
			}
			checkGenerated(t, openDB(t.Context(), t, db))
		})
	}
}

// runChild imports, kills that after so many lines unless that is negative, and
// returns what it wrote.
func runChild(t *testing.T, db string, lines int) string {
	t.Helper()
	binary, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.CommandContext(t.Context(), binary, "-test.run=^TestChild$")
	c.Env = append(os.Environ(), childDB+"="+db)
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(out)
	if lines >= 0 {
		if _, err := r.Discard(lines); err != nil {
			t.Errorf("the child ended before line %d: %v", lines, err)
		}
		if err := c.Process.Kill(); err != nil {
			t.Error(err)
		}
	}
	text, err := io.ReadAll(r)
	if err != nil {
		t.Error(err)
	}
	if err := c.Wait(); (err != nil) != (lines >= 0) {
		t.Fatalf("the child that was to be killed (%v): %v", lines >= 0, err)
	}
	return string(text)
}

// checkGenerated compares a store with the file.
func checkGenerated(t *testing.T, st storage.Storage) {
	t.Helper()
	ctx, d := t.Context(), newTarget(t, st)
	imported := map[users.ID]int{}
	for after := int64(0); ; {
		events, err := st.Events(ctx, users.EventQuery{After: after, Limit: 1000})
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range events {
			if after = e.ID; e.Action == "user imported" {
				imported[e.Target]++
			}
		}
		if len(events) == 0 {
			break
		}
	}
	page, err := st.Profiles(ctx, users.Query{Limit: killedUsers + 1})
	if err != nil || page.Total != killedUsers || len(page.Profiles) != killedUsers || len(imported) != killedUsers {
		t.Fatalf("%d users and %d that the activity log says were imported, %v, want %d", page.Total, len(imported), err, killedUsers)
	}
	seen := map[string]bool{}
	for _, p := range page.Profiles {
		u := p.User
		n, err := strconv.Atoi(strings.TrimPrefix(u.DistinctID, "distinct-"))
		if err != nil || u.Email != fmt.Sprintf("user%d@example.com", n) || u.UUID.String() != userID(n) || imported[u.ID] != 1 || seen[u.Email] ||
			!strings.HasPrefix(string(u.PasswordHash), fmt.Sprintf("pbkdf2_sha256$1000000$seasalt%d$", n)) || u.CurrentOrganization != acme {
			t.Errorf("user %d is %+v, in the activity log %d times", n, u, imported[u.ID])
		}
		seen[u.Email] = true
		if len(p.Memberships) != 1 || p.Memberships[0].OrganizationID != acme || p.HasAPIKey != (n%keyEvery == 0) || p.MemberCount != killedUsers {
			t.Errorf("user %d has memberships %+v, a key: %v, beside %d members", n, p.Memberships, p.HasAPIKey, p.MemberCount)
		}
	}
	for k := 1; k <= killedUsers/keyEvery; k++ {
		p, err := d.auth.Bearer(ctx, users.Secret("phx_"+strconv.Itoa(k)))
		if err != nil || p.User.DistinctID != fmt.Sprintf("distinct-%d", k*keyEvery) {
			t.Errorf("key %d is that of %q, %v", k, p.User.DistinctID, err)
		}
	}
	if err := d.auth.Flush(ctx); err != nil {
		t.Error(err)
	}
}
