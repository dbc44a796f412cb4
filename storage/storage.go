// Package storage joins what the domain packages ask of a database. It holds
// no driver: storage/memory, storage/sqlite and storage/postgres implement
// Storage, and storage/storagetest says in tests what an implementation must do.
package storage

import (
	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/autonomy"
	"github.com/hedgerow-dev/hedgerow/integrations"
	"github.com/hedgerow-dev/hedgerow/users"
)

// Storage is everything the library asks of a database. It is safe for
// concurrent use.
type Storage interface {
	users.Store
	auth.Store
	autonomy.Store
	integrations.Store
	// Close releases what the store itself opened. Calls after it fail.
	Close() error
}

// Migration is one step of the tables of a store that keeps them in a database.
type Migration struct {
	Version int64
	Name    string // such as "second_factor"
}
