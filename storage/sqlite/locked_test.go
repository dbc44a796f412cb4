package sqlite_test

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hedgerow-dev/hedgerow/storage/sqlite"
	"github.com/hedgerow-dev/hedgerow/users"
)

// TestLocked waits for the busy timeout of five seconds, once.
func TestLocked(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	path := filepath.Join(t.TempDir(), "a.db")
	st := open(t, path)
	before, err := create(ctx, st, "before@example.com")
	if err != nil {
		t.Fatal(err)
	}

	lock := raw(t, path)
	if _, err := lock.ExecContext(ctx, "begin exclusive"); err != nil {
		t.Fatal(err)
	}
	if _, err := create(ctx, st, "during@example.com"); !errors.Is(err, users.ErrUnavailable) {
		t.Errorf("write while locked: %v, want users.ErrUnavailable", err)
	}
	// Readers do not wait for a writer, nor does opening what is up to date.
	if got, err := st.User(ctx, before.ID); err != nil || got.Email != before.Email {
		t.Errorf("read while locked: %q, %v", got.Email, err)
	}
	second, err := sqlite.Open(ctx, path)
	if err != nil {
		t.Errorf("Open while locked: %v", err)
	} else if err := second.Close(); err != nil {
		t.Errorf("Close while locked: %v", err)
	}
	if _, err := lock.ExecContext(ctx, "rollback"); err != nil {
		t.Fatal(err)
	}

	if _, err := create(ctx, st, "after@example.com"); err != nil {
		t.Errorf("write after the lock: %v", err)
	}
	var got []string
	for _, u := range all(t, st) {
		got = append(got, u.Email)
	}
	if len(got) != 2 || got[0] != "before@example.com" || got[1] != "after@example.com" {
		t.Errorf("users %q, want before and after", got)
	}
}

// TestLockedBeforeMigration waits for the busy timeout, and not again for every
// statement and attempt.
func TestLockedBeforeMigration(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a.db")
	lock := raw(t, path)
	for _, s := range []string{"pragma journal_mode = wal", "begin immediate"} {
		if _, err := lock.ExecContext(t.Context(), s); err != nil {
			t.Fatal(err)
		}
	}
	start := time.Now()
	st, err := sqlite.Open(t.Context(), path)
	if err == nil {
		t.Fatalf("Open succeeded; Close: %v", st.Close())
	}
	if msg := err.Error(); strings.Contains(msg, "\n") || !strings.Contains(msg, "another program has locked the database") {
		t.Errorf("error %q is not one line that says what is wrong", msg)
	}
	if d := time.Since(start); d > 9*time.Second {
		t.Errorf("Open took %v, want little more than five seconds", d)
	}
}

// TestLastingErrorIsNotRetried goes by a clock that only waiting moves.
func TestLastingErrorIsNotRetried(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	run(t, path, "create table hedgerow_migrations (id integer primary key, version_id integer, is_applied integer, tstamp timestamp)",
		"insert into hedgerow_migrations (version_id, is_applied, tstamp) values (0, 1, datetime('now'))",
		"create trigger stop before insert on hedgerow_migrations begin select raise(abort, 'stopped for good'); end")
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		st, err := sqlite.Open(t.Context(), path)
		if err == nil {
			t.Fatalf("Open succeeded; Close: %v", st.Close())
		}
		if !strings.Contains(err.Error(), "stopped for good") {
			t.Errorf("got error %v, want the one of the database", err)
		}
		if d := time.Since(start); d > 0 {
			t.Errorf("Open waited %v", d)
		}
	})
}

// TestCancelled ends the context while the transaction runs.
func TestCancelled(t *testing.T) {
	t.Parallel()
	st := open(t, filepath.Join(t.TempDir(), "a.db"))
	ctx, cancel := context.WithCancel(t.Context())
	err := st.UpdateUsers(ctx, func(tx users.Tx) error {
		u := users.New()
		u.Email = "a@example.com"
		if _, err := tx.CreateUser(ctx, u); err != nil {
			return err
		}
		cancel()
		return nil
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want context.Canceled", err)
	}
	if got := all(t, st); len(got) != 0 {
		t.Errorf("%d users of a cancelled transaction", len(got))
	}
}
