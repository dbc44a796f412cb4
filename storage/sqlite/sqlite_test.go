package sqlite_test

import (
	"path/filepath"
	"testing"

	"github.com/hedgerow-dev/hedgerow/storage"
	"github.com/hedgerow-dev/hedgerow/storage/sqlite"
	"github.com/hedgerow-dev/hedgerow/storage/storagetest"
)

func open(t testing.TB, path string, options ...sqlite.Option) *sqlite.Store {
	t.Helper()
	st, err := sqlite.Open(t.Context(), path, options...)
	if err != nil {
		t.Fatalf("Open(%q): %v", path, err)
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

func TestWithoutCache(t *testing.T) {
	storagetest.Run(t, func(t *testing.T) storage.Storage {
		return open(t, filepath.Join(t.TempDir(), "a.db"), sqlite.WithoutCache())
	})
}

func BenchmarkStorage(b *testing.B) {
	storagetest.Benchmark(b, func(b *testing.B) storage.Storage { return open(b, filepath.Join(b.TempDir(), "a.db")) })
}

func BenchmarkWithoutCache(b *testing.B) {
	storagetest.Benchmark(b, func(b *testing.B) storage.Storage {
		return open(b, filepath.Join(b.TempDir(), "a.db"), sqlite.WithoutCache())
	})
}
