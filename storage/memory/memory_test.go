package memory_test

import (
	"testing"

	"github.com/hedgerow-dev/hedgerow/storage"
	"github.com/hedgerow-dev/hedgerow/storage/internal/cached"
	"github.com/hedgerow-dev/hedgerow/storage/memory"
	"github.com/hedgerow-dev/hedgerow/storage/storagetest"
)

func TestStorage(t *testing.T) {
	storagetest.Run(t, func(*testing.T) storage.Storage { return memory.New() })
}

func TestWithoutCache(t *testing.T) {
	storagetest.Run(t, func(*testing.T) storage.Storage { return memory.New().Storage.(*cached.Store).Storage })
}

func BenchmarkStorage(b *testing.B) {
	storagetest.Benchmark(b, func(*testing.B) storage.Storage { return memory.New() })
}
