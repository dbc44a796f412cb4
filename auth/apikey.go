package auth

import (
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/hedgerow-dev/hedgerow/users"
)

// APIKey is a personal API key. The value itself is shown once and not kept.
type APIKey struct {
	ID     string // public, random
	UserID users.ID
	Label  string
	Hash   Hash
	Mask   string   // first and last four characters of the value
	Scopes []string // empty means that the key can do nothing
	// ScopedTeams and ScopedOrganizations restrict a key elsewhere; the routes of
	// this library ignore them (contract section 2.4). nil differs from empty.
	ScopedTeams         []users.TeamID
	ScopedOrganizations []uuid.UUID
	CreatedAt           time.Time
	LastUsedAt          time.Time
	LastRolledAt        time.Time
	ExpiresAt           time.Time // zero means never
}

// Clone returns a copy that shares nothing with k.
func (k APIKey) Clone() APIKey {
	k.Scopes = slices.Clone(k.Scopes)
	k.ScopedTeams = slices.Clone(k.ScopedTeams)
	k.ScopedOrganizations = slices.Clone(k.ScopedOrganizations)
	return k
}

// OAuthToken is an access token that the host issued to an application for a
// user. Deleting the application means deleting its tokens.
type OAuthToken struct {
	Hash        Hash
	UserID      users.ID
	Application string
	Scopes      string // separated by single spaces; empty means nothing
	ScopedTeams []users.TeamID
	CreatedAt   time.Time
	ExpiresAt   time.Time // zero means never
}

// Clone returns a copy that shares nothing with t.
func (t OAuthToken) Clone() OAuthToken {
	t.ScopedTeams = slices.Clone(t.ScopedTeams)
	return t
}
