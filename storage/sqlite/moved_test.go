package sqlite_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/hedgerow-dev/hedgerow/storage/sqlite"
	"github.com/hedgerow-dev/hedgerow/users"
)

// TestMovedFile takes the file away while the store is open. SQLite would go on
// writing, and what it acknowledged would be gone after a restart.
func TestMovedFile(t *testing.T) {
	t.Parallel()
	for name, take := range map[string]func(dir, path string) error{
		"the directory is removed": func(dir, _ string) error { return os.RemoveAll(dir) },
		"the directory is renamed": func(dir, _ string) error { return os.Rename(dir, dir+"-old") },
		"the file is removed":      func(_, path string) error { return os.Remove(path) },
		"the file is replaced":     func(_, path string) error { return errors.Join(os.Remove(path), os.WriteFile(path, nil, 0o600)) },
	} {
		for kind, open := range map[string]func(context.Context, string) (*sqlite.Store, error){"cached": sqlite.Open, "uncached": sqlite.OpenUncached} {
			t.Run(name+"/"+kind, func(t *testing.T) {
				t.Parallel()
				dir := filepath.Join(t.TempDir(), "data")
				if err := os.Mkdir(dir, 0o700); err != nil {
					t.Fatal(err)
				}
				path := filepath.Join(dir, "a.db")
				st := opened(t, path, open)
				ann, err := create(t.Context(), st, "ann@example.com")
				if err != nil {
					t.Fatal(err)
				}
				if err := take(dir, path); err != nil {
					t.Fatal(err)
				}
				for range 3 {
					if _, err := create(t.Context(), st, "bob@example.com"); !errors.Is(err, users.ErrUnavailable) {
						t.Errorf("write: got %v, want %v", err, users.ErrUnavailable)
					}
				}
				if name != "the directory is renamed" {
					return
				}
				if err := os.Rename(dir+"-old", dir); err != nil {
					t.Fatal(err)
				}
				if _, err := create(t.Context(), st, "carl@example.com"); err != nil {
					t.Errorf("write when the file is back: %v", err)
				}
				if got := all(t, st); len(got) != 2 || got[0].ID != ann.ID || got[1].Email != "carl@example.com" {
					t.Errorf("users are %+v, want ann and carl", got)
				}
			})
		}
	}
}
