package memory

import (
	"bytes"
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/users"
)

func (r reader) SessionByHash(ctx context.Context, h auth.Hash) (auth.Session, *users.Profile, error) {
	end, err := r.begin(ctx)
	if err != nil {
		return auth.Session{}, nil, err
	}
	defer end()
	id, ok := r.d.sessionByHash[h]
	if !ok {
		return auth.Session{}, nil, users.ErrNotFound
	}
	s := r.d.sessions[id]
	return s, r.d.profile(r.d.users[s.UserID]), nil
}

func (r reader) Sessions(ctx context.Context, user users.ID) ([]auth.Session, error) {
	end, err := r.begin(ctx)
	if err != nil {
		return nil, err
	}
	defer end()
	var list []auth.Session
	for _, id := range r.d.sessionsOf[user] {
		list = append(list, r.d.sessions[id])
	}
	slices.SortFunc(list, func(a, b auth.Session) int {
		return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), bytes.Compare(a.ID[:], b.ID[:]))
	})
	return list, nil
}

func (r reader) APIKeyByHash(ctx context.Context, h auth.Hash) (auth.APIKey, *users.Profile, error) {
	end, err := r.begin(ctx)
	if err != nil {
		return auth.APIKey{}, nil, err
	}
	defer end()
	id, ok := r.d.keyByHash[h]
	if !ok {
		return auth.APIKey{}, nil, users.ErrNotFound
	}
	k := r.d.keys[id]
	return k.Clone(), r.d.profile(r.d.users[k.UserID]), nil
}

func (r reader) APIKey(ctx context.Context, id string) (auth.APIKey, error) {
	k, err := get(ctx, r, r.d.keys, id)
	return k.Clone(), err
}

func (r reader) APIKeys(ctx context.Context, user users.ID) ([]auth.APIKey, error) {
	end, err := r.begin(ctx)
	if err != nil {
		return nil, err
	}
	defer end()
	var list []auth.APIKey
	for _, id := range r.d.keysOf[user] {
		list = append(list, r.d.keys[id].Clone())
	}
	slices.SortFunc(list, func(a, b auth.APIKey) int {
		return cmp.Or(b.CreatedAt.Compare(a.CreatedAt), cmp.Compare(a.ID, b.ID))
	})
	return list, nil
}

func (r reader) OAuthTokenByHash(ctx context.Context, h auth.Hash) (auth.OAuthToken, *users.Profile, error) {
	end, err := r.begin(ctx)
	if err != nil {
		return auth.OAuthToken{}, nil, err
	}
	defer end()
	token, ok := r.d.tokens[h]
	if !ok {
		return auth.OAuthToken{}, nil, users.ErrNotFound
	}
	return token.Clone(), r.d.profile(r.d.users[token.UserID]), nil
}

func (r reader) Attempts(ctx context.Context, key string) ([]time.Time, error) {
	end, err := r.begin(ctx)
	if err != nil {
		return nil, err
	}
	defer end()
	return slices.Clone(r.d.attempts[key].times), nil
}

func (t *tx) SaveSession(ctx context.Context, s auth.Session) error {
	if other, taken := t.d.sessionByHash[s.Hash]; taken && other != s.ID {
		return users.ErrConflict
	}
	if _, err := t.User(ctx, s.UserID); err != nil {
		return err
	}
	if old, ok := t.d.sessions[s.ID]; ok {
		t.dropSession(old)
	}
	set(t, t.d.sessions, s.ID, s)
	set(t, t.d.sessionByHash, s.Hash, s.ID)
	set(t, t.d.sessionsOf, s.UserID, append(slices.Clone(t.d.sessionsOf[s.UserID]), s.ID))
	return nil
}

func (t *tx) dropSession(s auth.Session) {
	drop(t, t.d.sessions, s.ID)
	drop(t, t.d.sessionByHash, s.Hash)
	set(t, t.d.sessionsOf, s.UserID, slices.DeleteFunc(slices.Clone(t.d.sessionsOf[s.UserID]), func(id uuid.UUID) bool { return id == s.ID }))
}

func (t *tx) DeleteSession(ctx context.Context, id uuid.UUID) error {
	s, err := get(ctx, t.reader, t.d.sessions, id)
	if err != nil {
		return err
	}
	t.dropSession(s)
	return nil
}

func (t *tx) DeleteSessions(ctx context.Context, user users.ID, except uuid.UUID) (int, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	n := 0
	for _, id := range slices.Clone(t.d.sessionsOf[user]) {
		if id != except {
			t.dropSession(t.d.sessions[id])
			n++
		}
	}
	return n, nil
}

func (t *tx) SaveAPIKey(ctx context.Context, k auth.APIKey) error {
	if other, taken := t.d.keyByHash[k.Hash]; taken && other != k.ID {
		return users.ErrConflict
	}
	if _, err := t.User(ctx, k.UserID); err != nil {
		return err
	}
	if old, ok := t.d.keys[k.ID]; ok {
		t.dropKey(old)
	}
	set(t, t.d.keys, k.ID, k.Clone())
	set(t, t.d.keyByHash, k.Hash, k.ID)
	set(t, t.d.keysOf, k.UserID, append(slices.Clone(t.d.keysOf[k.UserID]), k.ID))
	return nil
}

func (t *tx) dropKey(k auth.APIKey) {
	drop(t, t.d.keys, k.ID)
	drop(t, t.d.keyByHash, k.Hash)
	set(t, t.d.keysOf, k.UserID, slices.DeleteFunc(slices.Clone(t.d.keysOf[k.UserID]), func(id string) bool { return id == k.ID }))
}

func (t *tx) DeleteAPIKey(ctx context.Context, id string) error {
	k, err := get(ctx, t.reader, t.d.keys, id)
	if err != nil {
		return err
	}
	t.dropKey(k)
	return nil
}

func (t *tx) SaveOAuthToken(ctx context.Context, token auth.OAuthToken) error {
	if _, err := t.User(ctx, token.UserID); err != nil {
		return err
	}
	set(t, t.d.tokens, token.Hash, token.Clone())
	return nil
}

func (t *tx) DeleteOAuthToken(ctx context.Context, h auth.Hash) error {
	if _, err := get(ctx, t.reader, t.d.tokens, h); err != nil {
		return err
	}
	drop(t, t.d.tokens, h)
	return nil
}

func (t *tx) SaveAttempts(ctx context.Context, key string, times []time.Time, expires time.Time) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if len(times) == 0 {
		drop(t, t.d.attempts, key)
		return nil
	}
	set(t, t.d.attempts, key, attempts{slices.Clone(times), expires})
	return nil
}

func (t *tx) DeleteExpired(ctx context.Context, now time.Time) (int, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	n := 0
	for _, s := range t.d.sessions {
		if !s.ExpiresAt.IsZero() && !s.ExpiresAt.After(now) {
			t.dropSession(s)
			n++
		}
	}
	for h, token := range t.d.tokens {
		if !token.ExpiresAt.IsZero() && !token.ExpiresAt.After(now) {
			drop(t, t.d.tokens, h)
			n++
		}
	}
	for key, ticket := range t.d.tickets {
		if !ticket.ExpiresAt.IsZero() && !ticket.ExpiresAt.After(now) {
			drop(t, t.d.tickets, key)
			n++
		}
	}
	for key, a := range t.d.attempts {
		if !a.expires.IsZero() && !a.expires.After(now) {
			drop(t, t.d.attempts, key)
			n++
		}
	}
	return n, nil
}
