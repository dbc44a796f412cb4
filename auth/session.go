package auth

import (
	"time"

	"github.com/google/uuid"

	"github.com/hedgerow-dev/hedgerow/users"
)

// Session is one browser's sign-in. ID is public and stays the same when the
// secret behind Hash is replaced.
type Session struct {
	ID           uuid.UUID
	Hash         Hash
	UserID       users.ID
	CreatedAt    time.Time // of the login; freshness counts from here
	ExpiresAt    time.Time
	LastActivity time.Time // by the minute
	Method       string    // "password"
	SecondFactor bool      // a second factor was passed
	UserAgent    string    // as the browser sent it, cut to 512 bytes
}

// StartOptions describes a session that the host starts.
type StartOptions struct {
	Age          time.Duration // how long ago the login was
	SecondFactor bool
}
