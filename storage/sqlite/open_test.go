package sqlite_test

import (
	"context"
	"database/sql"
	"fmt"
	"io/fs"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"

	"github.com/hedgerow-dev/hedgerow/storage/sqlite"
	"github.com/hedgerow-dev/hedgerow/users"
)

// create stores a user with this address and a line of the activity log about
// it, in one transaction.
func create(ctx context.Context, st *sqlite.Store, email string) (users.User, error) {
	u := users.New()
	u.UUID, u.DistinctID, u.Email = uuid.New(), uuid.NewString(), email
	err := st.UpdateUsers(ctx, func(tx users.Tx) (err error) {
		if u, err = tx.CreateUser(ctx, u); err != nil {
			return err
		}
		return tx.AddEvent(ctx, users.Event{Target: u.ID, Action: "user created"})
	})
	return u, err
}

// fill makes a database with n users and closes it.
func fill(t *testing.T, path string, n int) {
	t.Helper()
	st, err := sqlite.Open(t.Context(), path)
	if err != nil {
		t.Fatalf("Open(%q): %v", path, err)
	}
	for i := range n {
		if _, err := create(t.Context(), st, fmt.Sprintf("%d@example.com", i)); err != nil {
			t.Fatalf("create user: %v", err)
		}
	}
	if err := st.Close(); err != nil {
		t.Fatalf("Close: %v", err)
	}
}

// all reads every user.
func all(t *testing.T, st *sqlite.Store) []users.User {
	t.Helper()
	p, err := st.Profiles(t.Context(), users.Query{Limit: 1_000_000})
	if err != nil {
		t.Fatalf("Profiles: %v", err)
	}
	var list []users.User
	for _, profile := range p.Profiles {
		list = append(list, profile.User)
	}
	return list
}

// raw opens the file without this package, on one connection.
func raw(t *testing.T, path string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+(&url.URL{Path: path}).EscapedPath())
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// run executes statements with a connection of its own.
func run(t *testing.T, path string, statements ...string) {
	t.Helper()
	db := raw(t, path)
	for _, s := range statements {
		if _, err := db.ExecContext(t.Context(), s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

// text runs a query that answers one text.
func text(t *testing.T, path, query string) (s string) {
	t.Helper()
	if err := raw(t, path).QueryRowContext(t.Context(), query).Scan(&s); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return s
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// snapshot is every file below dir with its content; folders end in a slash.
func snapshot(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			files[path+"/"] = ""
			return nil
		}
		b, err := os.ReadFile(path)
		files[path] = string(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func names(files map[string]string) []string { return slices.Sorted(maps.Keys(files)) }

func checkMode(t *testing.T, path string) {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Mode(); got != 0o600 {
		t.Errorf("mode of %s is %v, want 0600", filepath.Base(path), got)
	}
}

func TestOpenMode(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a.db")
	st := open(t, path)
	if _, err := create(t.Context(), st, "a@example.com"); err != nil {
		t.Fatal(err)
	}
	for _, suffix := range []string{"", "-wal", "-shm"} {
		checkMode(t, path+suffix)
	}
}

func TestOpenEmptyFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a.db")
	write(t, path, "")
	if _, err := create(t.Context(), open(t, path), "a@example.com"); err != nil {
		t.Error(err)
	}
}

func TestOpenAgain(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a.db")
	fill(t, path, 3)
	before := read(t, path)
	if got := len(all(t, open(t, path))); got != 3 {
		t.Errorf("%d users after opening again, want 3", got)
	}
	if read(t, path) != before {
		t.Error("opening and reading changed the file")
	}
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		make func(t *testing.T, path string)
		path string // instead of "a.db" in the folder
		want string // in the error
	}{
		"no folder":     {path: filepath.Join("missing", "a.db"), want: "no such file or directory"},
		"folder":        {make: makeFolder, want: "cannot be written"},
		"below a file":  {path: filepath.Join("file", "a.db"), want: "not a directory"},
		"short text":    {make: func(t *testing.T, path string) { write(t, path, "hello\n") }, want: "not a SQLite database"},
		"long text":     {make: func(t *testing.T, path string) { write(t, path, strings.Repeat("hello\n", 2000)) }, want: "not a SQLite database"},
		"foreign":       {make: func(t *testing.T, path string) { run(t, path, "create table users (id integer)") }, want: "another program"},
		"foreign WAL":   {make: makeForeignWAL, want: "another program"},
		"newer":         {make: makeNewer, want: "use a newer build"},
		"damaged start": {make: func(t *testing.T, path string) { damage(t, path, 100, 4096) }, want: "damaged"},
		"read-only":     {make: makeReadOnly, want: "cannot be written"},
		"read-only, migrated": {make: func(t *testing.T, path string) {
			t.Helper()
			if os.Geteuid() != 0 {
				fill(t, path, 1)
			}
			makeReadOnly(t, path)
		}, want: "cannot be written"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			path := filepath.Join(dir, "a.db")
			if c.path != "" {
				path = filepath.Join(dir, c.path)
			}
			write(t, filepath.Join(dir, "file"), "")
			if c.make != nil {
				c.make(t, path)
			}
			before := snapshot(t, dir)
			st, err := sqlite.Open(t.Context(), path)
			if err == nil {
				t.Fatalf("Open succeeded; Close: %v", st.Close())
			}
			if msg := err.Error(); strings.Contains(msg, "\n") || !strings.HasPrefix(msg, "sqlite: ") ||
				!strings.Contains(msg, path) || !strings.Contains(msg, c.want) {
				t.Errorf("error %q is not one line with %q and %q", msg, path, c.want)
			}
			after := snapshot(t, dir)
			if name == "read-only, migrated" {
				// SQLite cannot read it without these two, and leaves them behind.
				delete(after, path+"-wal")
				delete(after, path+"-shm")
			}
			if !maps.Equal(before, after) {
				t.Errorf("files were %q and are %q, or their content changed", names(before), names(after))
			}
		})
	}
}

func makeFolder(t *testing.T, path string) {
	t.Helper()
	if err := os.Mkdir(path, 0o700); err != nil {
		t.Fatal(err)
	}
}

func makeForeignWAL(t *testing.T, path string) {
	t.Helper()
	run(t, path, "pragma journal_mode = wal", "create table goose_db_version (id integer)")
}

func makeNewer(t *testing.T, path string) {
	t.Helper()
	fill(t, path, 1)
	run(t, path, "insert into hedgerow_migrations (version_id, is_applied) values (99999, true)")
}

func makeReadOnly(t *testing.T, path string) {
	t.Helper()
	if os.Geteuid() == 0 {
		t.Skip("root may write everything")
	}
	if _, err := os.Stat(path); err != nil {
		write(t, path, "")
	}
	if err := os.Chmod(path, 0o400); err != nil {
		t.Fatal(err)
	}
}

func TestOpenRefusesMemory(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, path := range []string{"", ":memory:", "file::memory:?cache=shared"} {
		st, err := sqlite.Open(t.Context(), path)
		if err == nil {
			t.Errorf("Open(%q) succeeded; Close: %v", path, st.Close())
		} else if !strings.Contains(err.Error(), "a file is needed") || strings.Contains(err.Error(), "\n") {
			t.Errorf("Open(%q): %v", path, err)
		}
	}
	if got := names(snapshot(t, ".")); len(got) != 1 {
		t.Errorf("Open left %q", got)
	}
}

func TestOpenCancelled(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	st, err := sqlite.Open(ctx, filepath.Join(t.TempDir(), "a.db"))
	if err == nil {
		t.Fatalf("Open succeeded; Close: %v", st.Close())
	}
}

// damage makes a database with users and overwrites the bytes between two
// offsets; zero is the end of the file.
func damage(t *testing.T, path string, from, to int) {
	t.Helper()
	fill(t, path, 100)
	b := []byte(read(t, path))
	if to == 0 {
		to = len(b)
	}
	copy(b[from:to], strings.Repeat("\xa5", to-from))
	write(t, path, string(b))
}

// TestDamaged wants an error from opening, reading or writing, and no panic.
func TestDamaged(t *testing.T) {
	t.Parallel()
	const page = 4096
	cases := map[string]func(t *testing.T, path string){
		"schema":     func(t *testing.T, path string) { damage(t, path, 100, page) },
		"migrations": func(t *testing.T, path string) { damage(t, path, page, 2*page) },
		"all pages":  func(t *testing.T, path string) { damage(t, path, page, 0) },
		"cut": func(t *testing.T, path string) {
			fill(t, path, 100)
			if err := os.Truncate(path, 3*page); err != nil {
				t.Fatal(err)
			}
		},
		"cut within a page": func(t *testing.T, path string) {
			fill(t, path, 100)
			if err := os.Truncate(path, page+page/2); err != nil {
				t.Fatal(err)
			}
		},
	}
	for name, prepare := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "a.db")
			prepare(t, path)
			before := read(t, path)
			st, err := sqlite.Open(t.Context(), path)
			if err != nil {
				if msg := err.Error(); strings.Contains(msg, "\n") || !strings.Contains(msg, "damaged") {
					t.Errorf("error %q is not one line that says what is wrong", msg)
				}
				if read(t, path) != before {
					t.Error("the refused file was changed")
				}
				return
			}
			_, readErr := st.Profiles(t.Context(), users.Query{Limit: 100})
			_, writeErr := create(t.Context(), st, "new@example.com")
			closeErr := st.Close()
			if readErr == nil || writeErr == nil {
				t.Errorf("no error: read %v, write %v, close %v", readErr, writeErr, closeErr)
			}
		})
	}
}

func TestOpenOddPaths(t *testing.T) {
	for _, name := range []string{
		"a b.db", "a#b.db", "a%b.db", "a%41.db", "a?mode=memory", "a?_query_only=1&_journal_mode=off", "a&b=c;d+e.db", "file:a.db", "a:b.db",
		"http:", "-a.db", "'a' \"b\" `c`", `a\b.db`, "a\nb.db", "日本 🦔.db", "\xff\xfe.db", "a", "...", "~", "$HOME", "vfs=unix-none", "[a]{b}*",
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, name)
			fill(t, path, 2)
			if got := names(snapshot(t, dir)); !slices.Equal(got, []string{dir + "/", path}) {
				t.Errorf("the folder holds %q", got)
			}
			checkMode(t, path)
			t.Chdir(dir)
			if got := len(all(t, open(t, name))); got != 2 {
				t.Errorf("%d users through the relative path, want 2", got)
			}
		})
	}
}

func TestOpenUncleanPath(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	fill(t, filepath.Join(dir, "a.db"), 1)
	if got := len(all(t, open(t, dir+"//x/.././a.db"))); got != 1 {
		t.Errorf("%d users, want 1", got)
	}
}

const schema = "select group_concat(type || ' ' || name, char(10)) from (select * from sqlite_master order by type, name)"

// checkFresh wants a file to have the schema of one that a single Open made.
func checkFresh(t *testing.T, path string) {
	t.Helper()
	alone := filepath.Join(t.TempDir(), "alone.db")
	fill(t, alone, 0)
	if got, want := text(t, path, schema), text(t, alone, schema); got != want {
		t.Errorf("schema is\n%s\nand not\n%s", got, want)
	}
	const versions = "select group_concat(version_id) from (select * from hedgerow_migrations order by id)"
	if got, want := text(t, path, versions), text(t, alone, versions); got != want {
		t.Errorf("migrations %s, want %s", got, want)
	}
	if got := text(t, path, "pragma integrity_check"); got != "ok" {
		t.Errorf("integrity check: %s", got)
	}
}

func TestOpenTogether(t *testing.T) {
	t.Parallel()
	const stores = 5
	path := filepath.Join(t.TempDir(), "a.db")
	start := make(chan struct{})
	errs := make(chan error, stores)
	var wg sync.WaitGroup
	for i := range stores {
		wg.Go(func() {
			<-start
			st, err := sqlite.Open(t.Context(), path)
			if err != nil {
				errs <- err
				return
			}
			_, err = create(t.Context(), st, fmt.Sprintf("%d@example.com", i))
			errs <- err
			errs <- st.Close()
		})
	}
	close(start)
	go func() { wg.Wait(); close(errs) }()
	for err := range errs {
		if err != nil {
			t.Error(err)
		}
	}
	if got := len(all(t, open(t, path))); got != stores {
		t.Errorf("%d users, want %d", got, stores)
	}
	checkMode(t, path)
	checkFresh(t, path)
}
