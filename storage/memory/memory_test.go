package memory_test

import (
	"github.com/hedgerow-dev/hedgerow/storage"
	"github.com/hedgerow-dev/hedgerow/storage/memory"
)

var _ storage.Storage = memory.New()
