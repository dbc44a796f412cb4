package ownstorage

import (
	"bytes"
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/autonomy"
	"github.com/hedgerow-dev/hedgerow/users"
)

func sessionsOf(s *state) *table[uuid.UUID, auth.Session]    { return &s.sessions }
func keysOf(s *state) *table[string, auth.APIKey]            { return &s.keys }
func tokensOf(s *state) *table[auth.Hash, auth.OAuthToken]   { return &s.tokens }
func ticketsOf(s *state) *table[ticketKey, auth.Ticket]      { return &s.tickets }
func factorsOf(s *state) *table[users.ID, auth.SecondFactor] { return &s.factors }
func passkeysOf(s *state) *table[uuid.UUID, auth.Passkey]    { return &s.passkeys }
func attemptsOf(s *state) *table[string, attempts]           { return &s.attempts }
func configsOf(s *state) *table[users.ID, autonomy.Config]   { return &s.autonomy }
func compareUUIDs(a, b uuid.UUID) int                        { return bytes.Compare(a[:], b[:]) }
func expired(at, now time.Time) bool                         { return !at.IsZero() && !at.After(now) }

// credential reads a credential with the profile of its user, both of one state.
func credential[K comparable, V any](ctx context.Context, r reader, m func(*state) *table[K, V], matches func(V) bool, owner func(V) users.ID) (V, *users.Profile, error) {
	var none V
	s, err := r.look(ctx)
	if err != nil {
		return none, nil, err
	}
	for _, v := range m(s).rows {
		if matches(v) {
			return clone(v), s.profile(s.users.rows[owner(v)]), nil
		}
	}
	return none, nil, users.ErrNotFound
}

func (r reader) SessionByHash(ctx context.Context, h auth.Hash) (auth.Session, *users.Profile, error) {
	return credential(ctx, r, sessionsOf, func(s auth.Session) bool { return s.Hash == h }, func(s auth.Session) users.ID { return s.UserID })
}

func (r reader) Sessions(ctx context.Context, user users.ID) ([]auth.Session, error) {
	return list(ctx, r, sessionsOf, func(s auth.Session) bool { return s.UserID == user }, func(a, b auth.Session) int {
		return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), compareUUIDs(a.ID, b.ID))
	})
}

func (r reader) APIKeyByHash(ctx context.Context, h auth.Hash) (auth.APIKey, *users.Profile, error) {
	return credential(ctx, r, keysOf, func(k auth.APIKey) bool { return k.Hash == h }, func(k auth.APIKey) users.ID { return k.UserID })
}

func (r reader) APIKey(ctx context.Context, id string) (auth.APIKey, error) {
	return get(ctx, r, keysOf, id)
}

func (r reader) APIKeys(ctx context.Context, user users.ID) ([]auth.APIKey, error) {
	return list(ctx, r, keysOf, func(k auth.APIKey) bool { return k.UserID == user }, func(a, b auth.APIKey) int {
		return cmp.Or(b.CreatedAt.Compare(a.CreatedAt), cmp.Compare(a.ID, b.ID))
	})
}

func (r reader) OAuthTokenByHash(ctx context.Context, h auth.Hash) (auth.OAuthToken, *users.Profile, error) {
	return credential(ctx, r, tokensOf, func(t auth.OAuthToken) bool { return t.Hash == h }, func(t auth.OAuthToken) users.ID { return t.UserID })
}

func (r reader) Ticket(ctx context.Context, p auth.Purpose, h auth.Hash) (auth.Ticket, error) {
	return get(ctx, r, ticketsOf, ticketKey{p, h})
}

func (r reader) Tickets(ctx context.Context, user users.ID, p auth.Purpose) ([]auth.Ticket, error) {
	return list(ctx, r, ticketsOf, func(t auth.Ticket) bool { return t.UserID == user && t.Purpose == p }, func(a, b auth.Ticket) int {
		return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), bytes.Compare(a.Hash[:], b.Hash[:]))
	})
}

func (r reader) SecondFactor(ctx context.Context, user users.ID) (auth.SecondFactor, error) {
	return get(ctx, r, factorsOf, user)
}

func (r reader) Passkeys(ctx context.Context, user users.ID) ([]auth.Passkey, error) {
	return list(ctx, r, passkeysOf, func(k auth.Passkey) bool { return k.UserID == user }, func(a, b auth.Passkey) int {
		return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), compareUUIDs(a.ID, b.ID))
	})
}

func (r reader) PasskeyByCredential(ctx context.Context, credential []byte) (auth.Passkey, error) {
	return only(ctx, r, passkeysOf, func(k auth.Passkey) bool { return bytes.Equal(k.CredentialID, credential) })
}

func (r reader) Attempts(ctx context.Context, key string) ([]time.Time, error) {
	s, err := r.look(ctx)
	if err != nil {
		return nil, err
	}
	return slices.Clone(attemptsOf(s).rows[key].Times), nil
}

func (r reader) AutonomyConfig(ctx context.Context, user users.ID) (autonomy.Config, error) {
	return get(ctx, r, configsOf, user)
}

func (t *tx) SaveSession(ctx context.Context, s auth.Session) error {
	if t.sessions.any(func(o auth.Session) bool { return o.Hash == s.Hash && o.ID != s.ID }) {
		return users.ErrConflict
	}
	if err := exists(ctx, &t.users, s.UserID); err != nil {
		return err
	}
	set(t, &t.sessions, s.ID, s)
	return nil
}

func (t *tx) DeleteSession(ctx context.Context, id uuid.UUID) error {
	return remove(ctx, t, &t.sessions, id)
}

func (t *tx) DeleteSessions(ctx context.Context, user users.ID, except uuid.UUID) (int, error) {
	return dropWhere(t, &t.sessions, func(s auth.Session) bool { return s.UserID == user && s.ID != except }), ctx.Err()
}

func (t *tx) SaveAPIKey(ctx context.Context, k auth.APIKey) error {
	if t.keys.any(func(o auth.APIKey) bool { return o.Hash == k.Hash && o.ID != k.ID }) {
		return users.ErrConflict
	}
	if err := exists(ctx, &t.users, k.UserID); err != nil {
		return err
	}
	set(t, &t.keys, k.ID, k)
	return nil
}

func (t *tx) DeleteAPIKey(ctx context.Context, id string) error { return remove(ctx, t, &t.keys, id) }

func (t *tx) SaveOAuthToken(ctx context.Context, token auth.OAuthToken) error {
	if err := exists(ctx, &t.users, token.UserID); err != nil {
		return err
	}
	set(t, &t.tokens, token.Hash, token)
	return nil
}

func (t *tx) DeleteOAuthToken(ctx context.Context, h auth.Hash) error {
	return remove(ctx, t, &t.tokens, h)
}

func (t *tx) SaveTicket(ctx context.Context, ticket auth.Ticket) error {
	if ticket.UserID != 0 {
		if err := exists(ctx, &t.users, ticket.UserID); err != nil {
			return err
		}
	}
	set(t, &t.tickets, ticketKey{ticket.Purpose, ticket.Hash}, ticket)
	return ctx.Err()
}

func (t *tx) DeleteTicket(ctx context.Context, p auth.Purpose, h auth.Hash) error {
	return remove(ctx, t, &t.tickets, ticketKey{p, h})
}

func (t *tx) DeleteTickets(ctx context.Context, user users.ID, purposes ...auth.Purpose) error {
	dropWhere(t, &t.tickets, func(k auth.Ticket) bool { return k.UserID == user && slices.Contains(purposes, k.Purpose) })
	return ctx.Err()
}

func (t *tx) SaveSecondFactor(ctx context.Context, f auth.SecondFactor) error {
	if err := exists(ctx, &t.users, f.UserID); err != nil {
		return err
	}
	set(t, &t.factors, f.UserID, f)
	return nil
}

func (t *tx) DeleteSecondFactor(ctx context.Context, user users.ID) error {
	return remove(ctx, t, &t.factors, user)
}

func (t *tx) SavePasskey(ctx context.Context, k auth.Passkey) error {
	if t.passkeys.any(func(o auth.Passkey) bool { return bytes.Equal(o.CredentialID, k.CredentialID) && o.ID != k.ID }) {
		return users.ErrConflict
	}
	if err := exists(ctx, &t.users, k.UserID); err != nil {
		return err
	}
	set(t, &t.passkeys, k.ID, k)
	return nil
}

func (t *tx) DeletePasskey(ctx context.Context, id uuid.UUID) error {
	return remove(ctx, t, &t.passkeys, id)
}

func (t *tx) SaveAttempts(ctx context.Context, key string, times []time.Time, expires time.Time) error {
	if len(times) == 0 {
		drop(t, &t.attempts, key)
	} else {
		set(t, &t.attempts, key, attempts{slices.Clone(times), expires})
	}
	return ctx.Err()
}

func (t *tx) DeleteExpired(ctx context.Context, now time.Time) (int, error) {
	n := dropWhere(t, &t.sessions, func(s auth.Session) bool { return expired(s.ExpiresAt, now) }) +
		dropWhere(t, &t.tokens, func(k auth.OAuthToken) bool { return expired(k.ExpiresAt, now) }) +
		dropWhere(t, &t.tickets, func(k auth.Ticket) bool { return expired(k.ExpiresAt, now) }) +
		dropWhere(t, &t.attempts, func(a attempts) bool { return expired(a.Expires, now) })
	return n, ctx.Err()
}

func (t *tx) SaveAutonomyConfig(ctx context.Context, c autonomy.Config) error {
	if t.autonomy.any(func(o autonomy.Config) bool { return o.ID == c.ID && o.UserID != c.UserID }) {
		return users.ErrConflict
	}
	if err := exists(ctx, &t.users, c.UserID); err != nil {
		return err
	}
	set(t, &t.autonomy, c.UserID, c)
	return nil
}

func (t *tx) DeleteAutonomyConfig(ctx context.Context, user users.ID) error {
	return remove(ctx, t, &t.autonomy, user)
}
