package autonomy

import (
	"context"

	"github.com/hedgerow-dev/hedgerow/users"
)

// Reader is what this package reads.
type Reader interface {
	users.Reader
	// AutonomyConfig returns the record of a user, or users.ErrNotFound.
	AutonomyConfig(ctx context.Context, user users.ID) (Config, error)
}

// Tx is one transaction over configurations and users.
type Tx interface {
	users.Tx
	Reader
	// SaveAutonomyConfig creates or replaces the record of the same user, its ID
	// included. The user must exist (users.ErrNotFound); an ID that the record
	// of another user has is users.ErrConflict.
	SaveAutonomyConfig(ctx context.Context, c Config) error
	// DeleteAutonomyConfig returns users.ErrNotFound if the user has none.
	DeleteAutonomyConfig(ctx context.Context, user users.ID) error
}

// Store keeps configurations. Implementations are safe for concurrent use.
type Store interface {
	Reader
	// UpdateAutonomy runs fn in a transaction under the terms of
	// users.Store.UpdateUsers.
	UpdateAutonomy(ctx context.Context, fn func(Tx) error) error
}
