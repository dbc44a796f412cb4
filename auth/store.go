package auth

import (
	"context"
	"crypto/sha256"
	"time"

	"github.com/google/uuid"

	"github.com/hedgerow-dev/hedgerow/users"
)

// Hash is the SHA-256 of a secret that is only ever compared. A store keeps it
// in place of the secret.
type Hash [sha256.Size]byte

// Reader is what this package reads. Methods that get one record return
// users.ErrNotFound when it does not exist.
type Reader interface {
	users.Reader
	// SessionByHash returns the session and the profile of its user, expired and inactive ones
	// included.
	SessionByHash(ctx context.Context, h Hash) (Session, *users.Profile, error)
	// Sessions lists those of a user by CreatedAt, then ID.
	Sessions(ctx context.Context, user users.ID) ([]Session, error)
	// APIKeyByHash returns the key and the profile of its owner, expired and inactive ones
	// included.
	APIKeyByHash(ctx context.Context, h Hash) (APIKey, *users.Profile, error)
	APIKey(ctx context.Context, id string) (APIKey, error)
	// APIKeys lists those of a user, newest first, then by ID.
	APIKeys(ctx context.Context, user users.ID) ([]APIKey, error)
	// OAuthTokenByHash returns the token and the profile of its user, expired and inactive ones
	// included.
	OAuthTokenByHash(ctx context.Context, h Hash) (OAuthToken, *users.Profile, error)
	// Ticket returns the ticket of that purpose and hash, expired ones included.
	Ticket(ctx context.Context, p Purpose, h Hash) (Ticket, error)
	// Tickets lists those of a user and purpose by CreatedAt, then Hash, expired
	// ones included.
	Tickets(ctx context.Context, user users.ID, p Purpose) ([]Ticket, error)
	SecondFactor(ctx context.Context, user users.ID) (SecondFactor, error)
	// Passkeys lists those of a user by CreatedAt, then ID.
	Passkeys(ctx context.Context, user users.ID) ([]Passkey, error)
	// PasskeyByCredential returns the passkey that an authenticator named.
	PasskeyByCredential(ctx context.Context, credential []byte) (Passkey, error)
	// Attempts returns what SaveAttempts stored under key, nil if nothing.
	Attempts(ctx context.Context, key string) ([]time.Time, error)
}

// Tx is one transaction over credentials and users.
type Tx interface {
	users.Tx
	Reader
	// SaveSession creates or replaces the session of the same ID. The user must
	// exist (users.ErrNotFound); a Hash that another session has is
	// users.ErrConflict.
	SaveSession(ctx context.Context, s Session) error
	// DeleteSession returns users.ErrNotFound if there is none.
	DeleteSession(ctx context.Context, id uuid.UUID) error
	// DeleteSessions ends all sessions of a user but one and returns how many
	// that were. The zero UUID spares none.
	DeleteSessions(ctx context.Context, user users.ID, except uuid.UUID) (int, error)
	// SaveAPIKey creates or replaces the key of the same ID. The owner must
	// exist (users.ErrNotFound); a Hash that another key has is
	// users.ErrConflict.
	SaveAPIKey(ctx context.Context, k APIKey) error
	// DeleteAPIKey returns users.ErrNotFound if there is none.
	DeleteAPIKey(ctx context.Context, id string) error
	// SaveOAuthToken creates or replaces the token of the same Hash. The user
	// must exist (users.ErrNotFound).
	SaveOAuthToken(ctx context.Context, t OAuthToken) error
	// DeleteOAuthToken returns users.ErrNotFound if there is none.
	DeleteOAuthToken(ctx context.Context, h Hash) error
	// SaveTicket creates or replaces the ticket of the same Purpose and Hash. The
	// user, unless zero, must exist (users.ErrNotFound).
	SaveTicket(ctx context.Context, t Ticket) error
	// DeleteTicket returns users.ErrNotFound if there is none, so that of many
	// who spend a ticket at once one succeeds.
	DeleteTicket(ctx context.Context, p Purpose, h Hash) error
	// DeleteTickets ends the tickets that a user has for these purposes, and is
	// content with none.
	DeleteTickets(ctx context.Context, user users.ID, purposes ...Purpose) error
	// SaveSecondFactor creates or replaces the second factor of the user, who must
	// exist (users.ErrNotFound).
	SaveSecondFactor(ctx context.Context, f SecondFactor) error
	// DeleteSecondFactor returns users.ErrNotFound if there is none.
	DeleteSecondFactor(ctx context.Context, user users.ID) error
	// SavePasskey creates or replaces the passkey of the same ID. The user must
	// exist (users.ErrNotFound); a CredentialID that another passkey has is
	// users.ErrConflict.
	SavePasskey(ctx context.Context, k Passkey) error
	// DeletePasskey returns users.ErrNotFound if there is none.
	DeletePasskey(ctx context.Context, id uuid.UUID) error
	// SaveAttempts stores times under key until expires. No times delete it.
	SaveAttempts(ctx context.Context, key string, times []time.Time, expires time.Time) error
	// DeleteExpired removes sessions, OAuth tokens, tickets and attempts that
	// expired at or before now, and returns how many records that were. A zero
	// expiry means never. API keys stay, so that their owners see what happened to them.
	DeleteExpired(ctx context.Context, now time.Time) (int, error)
}

// Store keeps credentials. Implementations are safe for concurrent use.
type Store interface {
	Reader
	// UpdateAuth runs fn in a transaction under the terms of
	// users.Store.UpdateUsers.
	UpdateAuth(ctx context.Context, fn func(Tx) error) error
}
