package ownstorage_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/examples/ownstorage"
	"github.com/hedgerow-dev/hedgerow/storage"
	"github.com/hedgerow-dev/hedgerow/storage/storagetest"
	"github.com/hedgerow-dev/hedgerow/users"
)

func open(t *testing.T, path string) *ownstorage.Store {
	t.Helper()
	st, err := ownstorage.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	return st
}

// compare fails the test unless the file has what is in memory.
func compare(t *testing.T, st *ownstorage.Store) {
	t.Helper()
	if err := ownstorage.SameInFile(st); err != nil {
		t.Error(err)
	}
}

// TestStorage is the whole contract, and that the file has all of it.
func TestStorage(t *testing.T) {
	storagetest.Run(t, func(t *testing.T) storage.Storage {
		st := open(t, filepath.Join(t.TempDir(), "accounts.log"))
		t.Cleanup(func() {
			compare(t, st)
			if err := st.Close(); err != nil {
				t.Error(err)
			}
		})
		return st
	})
}

// add makes a user.
func add(ctx context.Context, st storage.Storage, email string) (users.User, error) {
	credentials, err := auth.NewService(st, users.NewService(st, users.Config{}), auth.Config{})
	if err != nil {
		return users.User{}, err
	}
	u := users.New()
	u.Email = email
	return credentials.CreateUser(ctx, u, "")
}

// TestTornCommit cuts the last commit off in the middle, as a crash does.
func TestTornCommit(t *testing.T) {
	path := filepath.Join(t.TempDir(), "accounts.log")
	st := open(t, path)
	if _, err := add(t.Context(), st, "ann@example.com"); err != nil {
		t.Fatal(err)
	}
	before, whole := ownstorage.Rows(st), read(t, path)
	if _, err := add(t.Context(), st, "bob@example.com"); err != nil {
		t.Fatal(err)
	}
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
	after := read(t, path)
	for _, end := range []int{len(whole), len(whole) + 1, len(after) - 1} {
		if err := os.WriteFile(path, []byte(after[:end]), 0o600); err != nil {
			t.Fatal(err)
		}
		st := open(t, path)
		if rest := read(t, path); rest != whole {
			t.Errorf("cut off at %d: Open left %q", end, rest)
		}
		if got := ownstorage.Rows(st); got != before {
			t.Errorf("cut off at %d: got %s, want %s", end, got, before)
		}
		if _, err := add(t.Context(), st, "e@example.com"); err != nil {
			t.Errorf("cut off at %d: a shorter commit after that: %v", end, err)
		}
		compare(t, st)
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestOpenRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"no JSON\n": "commit at 0",
		`[{"table":"nothing","key":1,"value":1}]` + "\n":          "no table nothing",
		`[{"table":"users","key":"one","value":{}}]` + "\n":       "users",
		"[]\n" + `[{"table":"users","key":1,"value":[1]}]` + "\n": "commit at 3",
	} {
		path := filepath.Join(t.TempDir(), "accounts.log")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := ownstorage.Open(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Open with %q: got %v, want an error with %q", text, err, want)
		}
		if read(t, path) != text {
			t.Errorf("Open changed %q", text)
		}
	}
}

func ExampleOpen() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	st, err := ownstorage.Open(filepath.Join(dir, "accounts.log"))
	if err != nil {
		fmt.Println(err)
		return
	}
	ann, err := add(ctx, st, "ann@example.com")
	fmt.Println(ann.ID, err)
	_, err = add(ctx, st, "ANN@example.com")
	fmt.Println(errors.Is(err, users.ErrEmailTaken), st.Close())
	// Output:
	// 1 <nil>
	// true <nil>
}
