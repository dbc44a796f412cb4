package sqlite_test

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/hedgerow-dev/hedgerow/storage"
	"github.com/hedgerow-dev/hedgerow/storage/sqlite"
	"github.com/hedgerow-dev/hedgerow/storage/storagetest"
)

func open(t testing.TB, path string) *sqlite.Store {
	t.Helper()
	return opened(t, path, sqlite.Open)
}

func opened(t testing.TB, path string, open func(context.Context, string) (*sqlite.Store, error)) *sqlite.Store {
	t.Helper()
	st, err := open(t.Context(), path)
	if err != nil {
		t.Fatalf("open %q: %v", path, err)
	}
	t.Cleanup(func() {
		if err := st.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return st
}

func TestStorage(t *testing.T) {
	storagetest.Run(t, func(t *testing.T) storage.Storage {
		return open(t, filepath.Join(t.TempDir(), "a b#%?.db"))
	})
}

func TestStorageUncached(t *testing.T) {
	storagetest.Run(t, func(t *testing.T) storage.Storage {
		return opened(t, filepath.Join(t.TempDir(), "a.db"), sqlite.OpenUncached)
	})
}

func BenchmarkStorage(b *testing.B) {
	storagetest.Benchmark(b, func(b *testing.B) storage.Storage { return open(b, filepath.Join(b.TempDir(), "a.db")) })
}

func BenchmarkWithoutCache(b *testing.B) {
	storagetest.Benchmark(b, func(b *testing.B) storage.Storage {
		return opened(b, filepath.Join(b.TempDir(), "a.db"), sqlite.OpenUncached)
	})
}
