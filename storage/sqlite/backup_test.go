package sqlite_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"

	"github.com/hedgerow-dev/hedgerow/storage/sqlite"
	"github.com/hedgerow-dev/hedgerow/users"
)

// keepWriting creates users until the returned function is called. It returns
// after the first one.
func keepWriting(t *testing.T, st *sqlite.Store) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	first, done := make(chan struct{}), make(chan error, 1)
	go func() {
		for i := 0; ; i++ {
			if _, err := create(ctx, st, fmt.Sprintf("writer%d@example.com", i)); err != nil {
				if errors.Is(err, context.Canceled) {
					err = nil
				}
				done <- err
				return
			}
			if i == 0 {
				close(first)
			}
		}
	}()
	select {
	case <-first:
	case err := <-done:
		t.Fatalf("writer: %v", err)
	}
	return func() {
		t.Helper()
		cancel()
		if err := <-done; err != nil {
			t.Errorf("writer: %v", err)
		}
	}
}

func TestBackup(t *testing.T) {
	t.Parallel()
	dir, copies := t.TempDir(), t.TempDir()
	path := filepath.Join(dir, "a.db")
	fill(t, path, 50)
	st := open(t, path)
	// The writer has connections of its own, as another process would.
	stop := keepWriting(t, open(t, path))
	var paths []string
	var least []int
	for i := range 3 {
		least = append(least, len(all(t, st)))
		target := filepath.Join(copies, fmt.Sprintf("b '%d'?#%%41.db", i))
		if err := st.Backup(t.Context(), target); err != nil {
			t.Fatalf("Backup: %v", err)
		}
		checkMode(t, target)
		paths = append(paths, target)
	}
	stop()
	if got, want := names(snapshot(t, copies)), append([]string{copies + "/"}, paths...); !slices.Equal(got, want) {
		t.Errorf("the folder holds %q, want %q", got, want)
	}

	source := all(t, st)
	for i, target := range paths {
		if got := text(t, target, "pragma integrity_check"); got != "ok" {
			t.Errorf("integrity check: %s", got)
		}
		backup := open(t, target)
		got := all(t, backup)
		if len(got) < least[i] || len(got) > len(source) {
			t.Errorf("copy %d has %d users; %d were there before", i, len(got), least[i])
		} else if !reflect.DeepEqual(got, source[:len(got)]) {
			t.Errorf("copy %d has other users", i)
		}
		events, err := backup.Events(t.Context(), users.EventQuery{Limit: 1_000_000})
		if err != nil {
			t.Fatal(err)
		}
		if len(events) != len(got) {
			t.Errorf("copy %d has %d users and %d lines in the activity log", i, len(got), len(events))
		}
		// The copy is a database of its own.
		if _, err := create(t.Context(), backup, "copy@example.com"); err != nil {
			t.Errorf("write to copy %d: %v", i, err)
		}
	}
	if got := len(all(t, st)); got != len(source) {
		t.Errorf("%d users in the source, want %d", got, len(source))
	}
}

func TestBackupRefuses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	st := open(t, filepath.Join(dir, "a.db"))
	copies := t.TempDir()
	file, link, folder := filepath.Join(copies, "file"), filepath.Join(copies, "link"), filepath.Join(copies, "folder")
	write(t, file, "precious")
	if err := os.Symlink(filepath.Join(copies, "nowhere"), link); err != nil {
		t.Fatal(err)
	}
	makeFolder(t, folder)
	for _, target := range []string{file, link, folder, filepath.Join(dir, "a.db")} {
		if err := st.Backup(t.Context(), target); !errors.Is(err, os.ErrExist) {
			t.Errorf("Backup to %s: %v, want os.ErrExist", filepath.Base(target), err)
		}
	}
	if got := read(t, file); got != "precious" {
		t.Errorf("the existing file holds %q", got)
	}
	if err := st.Backup(t.Context(), filepath.Join(copies, "missing", "b.db")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Backup to a missing folder: %v, want os.ErrNotExist", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := st.Backup(ctx, filepath.Join(copies, "b.db")); !errors.Is(err, context.Canceled) {
		t.Errorf("Backup with a cancelled context: %v", err)
	}
	entries, err := os.ReadDir(copies)
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != 3 {
		t.Errorf("refused backups left %v", entries)
	}
}
