package importer_test

import (
	"bytes"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hedgerow-dev/hedgerow/auth/importer"
	"github.com/hedgerow-dev/hedgerow/storage/sqlite"
)

var manyUsers = flag.Int("users", 2000, "how many users TestSpeed imports; with more than 100000 it also judges speed and memory")

const (
	maxMemory = 128 << 20 // bytes that the process may take
	minShare  = 0.5       // of the rate of a program that only inserts the same rows
	keyEvery  = 10        // users per API key
)

func userID(n int) string { return fmt.Sprintf("01900000-0000-7000-9000-%012x", n) }

// keyHash is the SHA-256 of the n-th key.
func keyHash(n int) [sha256.Size]byte { return sha256.Sum256([]byte("phx_" + strconv.Itoa(n))) }

// generated is an export with n users, each in one organization, and a key for
// every tenth of them.
type generated struct {
	users, next int
	buf         bytes.Buffer
}

func (g *generated) Read(p []byte) (int, error) {
	for g.buf.Len() == 0 {
		if g.next > 2*g.users+g.users/keyEvery {
			return 0, io.EOF
		}
		g.line(g.next)
		g.next++
	}
	return g.buf.Read(p)
}

func (g *generated) line(n int) {
	switch {
	case n == 0:
		fmt.Fprintf(&g.buf, `{"model": "posthog.organization", "pk": %q, "fields": {"name": "Acme"}}`+"\n", acme)
	case n <= g.users:
		fmt.Fprintf(&g.buf, `{"model": "posthog.user", "pk": %[1]d, "fields": {"password": "pbkdf2_sha256$1000000$seasalt%[1]d$bPcw+dijvrXsVuO1sGvImpd53C5y7aKVlXIagsGKEH4=",`+
			` "last_login": "2026-05-01T12:00:00.123Z", "first_name": "First %[1]d", "last_name": "Last", "is_staff": false, "is_active": true, "date_joined": "2025-01-01T00:00:00Z",`+
			` "uuid": "%[2]s", "current_organization": "%[3]s", "current_team": null, "email": "user%[1]d@example.com", "pending_email": null, "temporary_token": null,`+
			` "distinct_id": "distinct-%[1]d", "is_email_verified": true, "partial_notification_settings": {"plugin_disabled": false}, "anonymize_data": false,`+
			` "toolbar_mode": "toolbar", "hedgehog_config": null, "events_column_config": {"active": "DEFAULT"}, "has_seen_product_intro_for": null, "theme_mode": "dark",`+
			` "role_at_organization": "data", "groups": [], "user_permissions": []}}`+"\n", n, userID(n), acme)
	case n <= 2*g.users:
		fmt.Fprintf(&g.buf, `{"model": "posthog.organizationmembership", "pk": "%s", "fields": {"organization": "%s", "user": %d, "level": 1, "joined_at": "2025-01-01T00:00:00Z"}}`+"\n",
			userID(n), acme, n-g.users)
	default:
		k := n - 2*g.users
		hash := keyHash(k)
		fmt.Fprintf(&g.buf, `{"model": "posthog.personalapikey", "pk": "key%d", "fields": {"user": %d, "label": "Test", "mask_value": "phx_...abcd", "secure_value": "sha256$%s",`+
			` "created_at": "2025-01-01T00:00:00Z", "scopes": ["user:read"], "scoped_teams": [], "scoped_organizations": []}}`+"\n", k, k*keyEvery, hex.EncodeToString(hash[:]))
	}
}

// TestSpeed compares an import with a program that does nothing but insert the
// same rows, by prepared statements and in as many transactions. The two take turns,
// but what else the machine does still counts. With a million users, on one that is
// idle:
//
//	go test ./auth/importer -run TestSpeed -users 1000000 -v -timeout 60m
func TestSpeed(t *testing.T) {
	n, dir := *manyUsers, t.TempDir()
	st, err := sqlite.Open(t.Context(), filepath.Join(dir, "import.db"))
	if err != nil {
		t.Fatal(err)
	}
	d, bare := newTarget(t, st), newBare(t, filepath.Join(dir, "import.db"), filepath.Join(dir, "bare.db"))
	var copying cost
	batches := 0
	start := costNow(t)
	report, err := importer.Run(t.Context(), d, d.users, d.auth, &generated{users: n}, importer.Options{Progress: func(importer.Report) {
		if batches++; batches%turnBatches == 0 {
			before := costNow(t)
			bare.catchUp(t)
			copying.add(costNow(t).minus(before))
		}
	}})
	ours := costNow(t).minus(start).minus(copying)
	want := importer.Counts{Organizations: 1, Users: n, Memberships: n, APIKeys: n / keyEvery}
	if err != nil || report.Imported != want || report.Refused > 0 {
		t.Fatalf("got %+v, %v, want %+v", report, err, want)
	}
	bare.catchUp(t)
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
	memory, share := peakMemory(t), bare.spent.wall.Seconds()/ours.wall.Seconds()
	t.Logf("%d users: %v (%.0f users/s), a bare program %v, share %.2f, of processor time %.2f; peak memory of both %d MiB", n, ours.wall.Round(time.Millisecond),
		float64(n)/ours.wall.Seconds(), bare.spent.wall.Round(time.Millisecond), share, bare.spent.cpu.Seconds()/ours.cpu.Seconds(), memory>>20)
	if n > 100_000 && (share < minShare || memory > maxMemory) {
		t.Errorf("got a share of %.2f in %d MiB, want at least %.2f in %d MiB", share, memory>>20, minShare, maxMemory>>20)
	}
}

// turnBatches is how many transactions the import makes in a turn.
const turnBatches = 20

// cost is what something took.
type cost struct{ wall, cpu time.Duration }

func (c cost) minus(other cost) cost { return cost{c.wall - other.wall, c.cpu - other.cpu} }

func (c *cost) add(other cost) { c.wall, c.cpu = c.wall+other.wall, c.cpu+other.cpu }

var epoch = time.Now()

// costNow is what the process has taken so far.
func costNow(t *testing.T) cost {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return cost{time.Since(epoch), time.Duration(u.Utime.Nano() + u.Stime.Nano())}
}

var peak = regexp.MustCompile(`VmHWM:\s+(\d+) kB`)

// peakMemory is the most that the process has taken so far.
func peakMemory(t *testing.T) int {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Skip("there is no /proc here")
	}
	kib, err := strconv.Atoi(string(peak.FindSubmatch(status)[1]))
	if err != nil {
		t.Fatal(err)
	}
	return kib << 10
}

// bare copies what is new in the tables of one database into those of another.
type bare struct {
	source, target *sql.DB
	copied         map[string]int // rows, by table
	spent          cost           // on inserts
}

func newBare(t *testing.T, from, to string) *bare {
	t.Helper()
	st, err := sqlite.Open(t.Context(), to)
	if err != nil {
		t.Fatal(err)
	}
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
	const settings = "?_busy_timeout=5000&_journal_mode=WAL&_synchronous=FULL&_foreign_keys=1&_txlock=immediate"
	return &bare{source: openRaw(t, "file:"+from+"?_query_only=1"), target: openRaw(t, "file:"+to+settings), copied: map[string]int{}}
}

func openRaw(t *testing.T, dsn string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", dsn)
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

// catchUp inserts what is new, as many rows in a transaction as the import has
// lines. Reading them is not counted.
func (b *bare) catchUp(t *testing.T) {
	t.Helper()
	for _, table := range []string{"organizations", "users", "memberships", "api_keys", "events"} {
		for {
			columns, batch := b.next(t, table)
			if len(batch) == 0 {
				break
			}
			before := costNow(t)
			b.insert(t, "insert into "+table+" values (?"+strings.Repeat(", ?", columns-1)+")", batch)
			b.spent.add(costNow(t).minus(before))
			b.copied[table] += len(batch)
		}
	}
}

// next reads up to 500 rows that were not copied. None is ever deleted here, so that
// they are numbered one by one.
func (b *bare) next(t *testing.T, table string) (columns int, batch [][]any) {
	t.Helper()
	rows, err := b.source.QueryContext(t.Context(), "select * from "+table+" where rowid > $1 order by rowid limit 500", b.copied[table])
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	names, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	for rows.Next() {
		row, dest := make([]any, len(names)), make([]any, len(names))
		for i := range row {
			dest[i] = &row[i]
		}
		if err := rows.Scan(dest...); err != nil {
			t.Fatal(err)
		}
		batch = append(batch, row)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return len(names), batch
}

func (b *bare) insert(t *testing.T, statement string, batch [][]any) {
	t.Helper()
	ctx := t.Context()
	tx, err := b.target.BeginTx(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	stmt, err := tx.PrepareContext(ctx, statement)
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range batch {
		if _, err := stmt.ExecContext(ctx, row...); err != nil {
			t.Fatal(err)
		}
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
}
