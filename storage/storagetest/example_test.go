package storagetest_test

import (
	"testing"

	"github.com/hedgerow-dev/hedgerow/storage"
	"github.com/hedgerow-dev/hedgerow/storage/memory"
	"github.com/hedgerow-dev/hedgerow/storage/storagetest"
)

// All that the test file of a backend needs. examples/ownstorage is a backend to
// begin from.
func ExampleRun() {
	TestStorage := func(t *testing.T) {
		storagetest.Run(t, func(*testing.T) storage.Storage { return memory.New() })
	}
	_ = TestStorage // go test calls it
}
