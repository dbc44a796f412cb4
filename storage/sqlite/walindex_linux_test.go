package sqlite

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/jmoiron/sqlx"
)

// indexed opens a file with one table, and a watch on it.
func indexed(t *testing.T) (*watch, *sqlx.DB, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "a.db")
	writer, err := openDirect(path, writeSettings, 1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeAll(t, writer) })
	run(t, writer, "create table t (n integer)")
	w, err := newWatch(path, writer)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.close(); err != nil {
			t.Error(err)
		}
	})
	return w, writer, path
}

func closeAll(t *testing.T, db *sqlx.DB) {
	t.Helper()
	if err := db.Close(); err != nil {
		t.Error(err)
	}
}

func run(t *testing.T, db *sqlx.DB, statement string) {
	t.Helper()
	if _, err := db.Exec(statement); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

func number(t *testing.T, w *watch) uint64 {
	t.Helper()
	n, err := w.version(t.Context())
	if err != nil {
		t.Fatalf("version: %v", err)
	}
	return n
}

// TestIndexTellsOfCommits compares the two ways to learn of a commit, by the writer
// and by others, with whom the log begins anew now and then.
func TestIndexTellsOfCommits(t *testing.T) {
	t.Parallel()
	for _, by := range []string{"index", "statement"} {
		t.Run(by, func(t *testing.T) {
			t.Parallel()
			w, writer, path := indexed(t)
			if w.index == nil {
				t.Fatal("the WAL index cannot be read")
			}
			if by == "statement" {
				w = &watch{observer: w.observer}
			}
			tellsOfCommits(t, w, writer, path)
		})
	}
}

func tellsOfCommits(t *testing.T, w *watch, writer *sqlx.DB, path string) {
	t.Helper()
	other, err := open(path, writeSettings, 1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeAll(t, other) })
	run(t, other, "pragma wal_autocheckpoint = 3")
	for i := range 50 {
		before := number(t, w)
		if again := number(t, w); again != before {
			t.Fatalf("round %d: version %d became %d, though nobody committed", i, before, again)
		}
		by := writer
		if i%3 == 0 {
			by = other
		}
		run(t, by, "insert into t values ("+strconv.Itoa(i)+")")
		if after := number(t, w); after <= before {
			t.Fatalf("round %d: version %d follows %d after a commit", i, after, before)
		}
	}
}

// TestIndexOfNewLog has the log begin anew, which changes nothing in the database,
// and then a commit, which does.
func TestIndexOfNewLog(t *testing.T) {
	t.Parallel()
	w, writer, _ := indexed(t)
	before, salt := number(t, w), w.index.last.Load().header[walSalt]
	// The next transaction that writes begins the log anew.
	run(t, writer, "pragma wal_checkpoint(restart)")
	tx, err := writer.Beginx()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec("insert into t values (1)"); err != nil {
		t.Fatal(err)
	}
	if got := number(t, w); got != before {
		t.Errorf("version before the commit: got %d, want %d", got, before)
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	if got := number(t, w); got != before+1 {
		t.Errorf("version after the commit: got %d, want %d", got, before+1)
	}
	if w.index.last.Load().header[walSalt] == salt {
		t.Error("the log did not begin anew")
	}
}

// TestTornIndex has the two headers differ, as while somebody writes them.
func TestTornIndex(t *testing.T) {
	t.Parallel()
	var memory [2]walHeader
	memory[0][walFormat], memory[1][walFormat] = walVersion, walVersion
	unmapped := 0
	x, err := newWalIndex(&memory, func() error { unmapped++; return nil })
	if err != nil {
		t.Fatal(err)
	}
	memory[1][walCommits]++
	if _, err := x.read(); !errors.Is(err, errTorn) {
		t.Errorf("half written: got %v, want %v", err, errTorn)
	}
	memory[0][walCommits]++
	if n, err := x.read(); n != 2 || err != nil {
		t.Errorf("written: got %d, %v, want 2", n, err)
	}
	for range 2 {
		if err := x.close(); err != nil || unmapped != 1 {
			t.Errorf("close: %v, unmapped %d times", err, unmapped)
		}
	}
	if _, err := x.read(); !errors.Is(err, errUnmapped) {
		t.Errorf("closed: got %v, want %v", err, errUnmapped)
	}
}

// TestNewLogIsTold changes what tells a log that begins anew from a later state.
func TestNewLogIsTold(t *testing.T) {
	t.Parallel()
	// A salt of 0x01020304, as it lies in memory.
	before := walHeader{walFormat: walVersion, walCommits: 7, walFrame: 40, walPages: 12, walFrameSum: 3, walFrameSum + 1: 4, walSalt: bigEndian(0x01020304)}
	anew := before
	anew[walFrame], anew[walSalt], anew[walSalt+1] = 0, bigEndian(0x01020305), 99
	if !anew.restarts(&before) {
		t.Error("a log that begins anew counts as a later state")
	}
	for name, change := range map[string]func(h *walHeader){
		"frames":     func(h *walHeader) { h[walFrame] = 1 },
		"commits":    func(h *walHeader) { h[walCommits]++ },
		"pages":      func(h *walHeader) { h[walPages]++ },
		"checksum":   func(h *walHeader) { h[walFrameSum]++ },
		"checksum 2": func(h *walHeader) { h[walFrameSum+1]++ },
		"same salt":  func(h *walHeader) { h[walSalt] = before[walSalt] },
		"later salt": func(h *walHeader) { h[walSalt] = bigEndian(0x01020306) },
	} {
		h := anew
		if change(&h); h.restarts(&before) {
			t.Errorf("%s: counts as the same state", name)
		}
	}
}

// TestNoIndex is of a file that has none, and of one that is no index.
func TestNoIndex(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a.db")
	if _, err := openWalIndex(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: got %v, want %v", err, os.ErrNotExist)
	}
	f, err := os.Create(path + "-shm")
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Truncate(1 << 15); err != nil {
		t.Fatal(err)
	}
	if x, err := openWalIndex(path); err == nil {
		t.Errorf("empty index: got %+v", x)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := openWalIndex(path); err == nil || errors.Is(err, os.ErrNotExist) {
		t.Errorf("not open: got %v", err)
	}
}
