package sqlstore

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/users"
)

// The columns of credentials are selected under names of their own, so that a
// row can hold the user beside them.

type sessionRow struct {
	ID           uuid.UUID `db:"c_id"`
	Hash         []byte    `db:"c_hash"`
	UserID       int64     `db:"c_user_id"`
	CreatedAt    stamp     `db:"c_created_at"`
	ExpiresAt    stamp     `db:"c_expires_at"`
	LastActivity stamp     `db:"c_last_activity"`
	Method       string    `db:"c_method"`
	SecondFactor bool      `db:"c_second_factor"`
	UserAgent    string    `db:"c_user_agent"`
}

const (
	sessionColumns = "c.id as c_id, c.hash as c_hash, c.user_id as c_user_id, c.created_at as c_created_at, c.expires_at as c_expires_at, " +
		"c.last_activity as c_last_activity, c.method as c_method, c.second_factor as c_second_factor, c.user_agent as c_user_agent"
	keyColumns = "c.id as c_id, c.user_id as c_user_id, c.label as c_label, c.hash as c_hash, c.mask as c_mask, c.scopes as c_scopes, " +
		"c.scoped_teams as c_scoped_teams, c.scoped_organizations as c_scoped_organizations, c.created_at as c_created_at, " +
		"c.last_used_at as c_last_used_at, c.last_rolled_at as c_last_rolled_at, c.expires_at as c_expires_at"
	tokenColumns = "c.hash as c_hash, c.user_id as c_user_id, c.application as c_application, c.scopes as c_scopes, " +
		"c.scoped_teams as c_scoped_teams, c.created_at as c_created_at, c.expires_at as c_expires_at"
)

// withProfile reads one credential by hash into row, and the profile of its
// user. row embeds a profileRow, which is returned by of. Rows are locked in the
// order of the tables: see lockOwner.
func (r reader) withProfile(ctx context.Context, what, table, columns string, h auth.Hash, row any, of *profileRow) (p *users.Profile, err error) {
	from := " from {users} u join {" + table + "} c on c.user_id = u.id where c.hash = $1" + r.lock
	full := profileColumns
	if r.kept != nil {
		full += ", " + r.d.Stamps
		if err := r.get(ctx, row, "select "+columns+", "+r.stampColumns()+from, h[:]); err != nil {
			return nil, r.wrap(ctx, what, err)
		}
		if list, all := r.kept.find([]profileRow{*of}); all {
			return list[0], nil
		}
		if r.kept.around(*of) != nil {
			// Most often the record alone has changed, which takes this one statement, and
			// again the credential with it, so that both are of one moment.
			if err := r.get(ctx, row, "select "+columns+", "+full+from, h[:]); err != nil {
				return nil, r.wrap(ctx, what, err)
			}
			if p, err := r.kept.renewedBy(*of); p != nil || err != nil {
				return p, err
			}
		}
	}
	err = r.snapshot(ctx, func(r reader) error {
		if err := r.get(ctx, row, "select "+columns+", "+full+from, h[:]); err != nil {
			return r.wrap(ctx, what, err)
		}
		rows := []profileRow{*of}
		profiles, err := r.describe(ctx, gathered{users: rows})
		if err != nil {
			return err
		}
		if r.kept != nil {
			r.kept.keep(rows, profiles)
		}
		p = profiles[0]
		return nil
	})
	return p, err
}

func (r sessionRow) session() (auth.Session, error) {
	return auth.Session{ID: r.ID, Hash: hashOf(r.Hash), UserID: users.ID(r.UserID), CreatedAt: timeOf(r.CreatedAt), ExpiresAt: timeOf(r.ExpiresAt),
		LastActivity: timeOf(r.LastActivity), Method: r.Method, SecondFactor: r.SecondFactor, UserAgent: r.UserAgent}, nil
}

func hashOf(b []byte) (h auth.Hash) {
	copy(h[:], b)
	return h
}

func (r reader) SessionByHash(ctx context.Context, h auth.Hash) (auth.Session, *users.Profile, error) {
	var row struct {
		sessionRow
		profileRow
	}
	p, err := r.withProfile(ctx, "read session", "sessions", sessionColumns, h, &row, &row.profileRow)
	if err != nil {
		return auth.Session{}, nil, err
	}
	s, _ := row.session()
	return s, p, nil
}

func (r reader) Sessions(ctx context.Context, user users.ID) ([]auth.Session, error) {
	return list(ctx, r, "list sessions", sessionRow.session, "select "+sessionColumns+" from {sessions} c where user_id = $1 order by created_at nulls first, id"+r.lock, user)
}

func (t *tx) SaveSession(ctx context.Context, s auth.Session) error {
	_, err := t.named(ctx, "save session", `insert into {sessions} (id, hash, user_id, created_at, expires_at, last_activity, method, second_factor, user_agent)
		values (:c_id, :c_hash, :c_user_id, :c_created_at, :c_expires_at, :c_last_activity, :c_method, :c_second_factor, :c_user_agent)
		on conflict (id) do update set hash = excluded.hash, user_id = excluded.user_id, created_at = excluded.created_at,
		expires_at = excluded.expires_at, last_activity = excluded.last_activity, method = excluded.method,
		second_factor = excluded.second_factor, user_agent = excluded.user_agent`,
		sessionRow{s.ID, s.Hash[:], int64(s.UserID), stamp(s.CreatedAt), stamp(s.ExpiresAt), stamp(s.LastActivity), s.Method, s.SecondFactor, s.UserAgent})
	return err
}

func (t *tx) DeleteSession(ctx context.Context, id uuid.UUID) error {
	return t.one(ctx, "delete session", "delete from {sessions} where id = $1", id)
}

func (t *tx) DeleteSessions(ctx context.Context, user users.ID, except uuid.UUID) (int, error) {
	n, err := t.exec(ctx, "delete sessions", "delete from {sessions} where user_id = $1 and id <> $2", user, except)
	return int(n), err
}

type keyRow struct {
	ID                  string                   `db:"c_id"`
	UserID              int64                    `db:"c_user_id"`
	Label               string                   `db:"c_label"`
	Hash                []byte                   `db:"c_hash"`
	Mask                string                   `db:"c_mask"`
	Scopes              document[[]string]       `db:"c_scopes"`
	ScopedTeams         document[[]users.TeamID] `db:"c_scoped_teams"`
	ScopedOrganizations document[[]uuid.UUID]    `db:"c_scoped_organizations"`
	CreatedAt           stamp                    `db:"c_created_at"`
	LastUsedAt          stamp                    `db:"c_last_used_at"`
	LastRolledAt        stamp                    `db:"c_last_rolled_at"`
	ExpiresAt           stamp                    `db:"c_expires_at"`
}

func (r keyRow) key() (auth.APIKey, error) {
	return auth.APIKey{ID: r.ID, UserID: users.ID(r.UserID), Label: r.Label, Hash: hashOf(r.Hash), Mask: r.Mask, Scopes: r.Scopes.v,
		ScopedTeams: r.ScopedTeams.v, ScopedOrganizations: r.ScopedOrganizations.v, CreatedAt: timeOf(r.CreatedAt),
		LastUsedAt: timeOf(r.LastUsedAt), LastRolledAt: timeOf(r.LastRolledAt), ExpiresAt: timeOf(r.ExpiresAt)}, nil
}

func (r reader) APIKeyByHash(ctx context.Context, h auth.Hash) (auth.APIKey, *users.Profile, error) {
	var row struct {
		keyRow
		profileRow
	}
	p, err := r.withProfile(ctx, "read API key", "api_keys", keyColumns, h, &row, &row.profileRow)
	if err != nil {
		return auth.APIKey{}, nil, err
	}
	k, _ := row.key()
	return k, p, nil
}

func (r reader) APIKey(ctx context.Context, id string) (auth.APIKey, error) {
	const from = "{api_keys} c where c.id = $1"
	if err := r.lockOwner(ctx, from, id); err != nil {
		return auth.APIKey{}, err
	}
	return one(ctx, r, "read API key", keyRow.key, "select "+keyColumns+" from "+from+r.lock, id)
}

func (r reader) APIKeys(ctx context.Context, user users.ID) ([]auth.APIKey, error) {
	return list(ctx, r, "list API keys", keyRow.key, "select "+keyColumns+" from {api_keys} c where user_id = $1 order by created_at desc nulls last, id"+r.lock, user)
}

func (t *tx) SaveAPIKey(ctx context.Context, k auth.APIKey) error {
	_, err := t.named(ctx, "save API key", `insert into {api_keys} (id, user_id, label, hash, mask, scopes, scoped_teams, scoped_organizations,
		created_at, last_used_at, last_rolled_at, expires_at)
		values (:c_id, :c_user_id, :c_label, :c_hash, :c_mask, :c_scopes, :c_scoped_teams, :c_scoped_organizations,
		:c_created_at, :c_last_used_at, :c_last_rolled_at, :c_expires_at)
		on conflict (id) do update set user_id = excluded.user_id, label = excluded.label, hash = excluded.hash, mask = excluded.mask,
		scopes = excluded.scopes, scoped_teams = excluded.scoped_teams, scoped_organizations = excluded.scoped_organizations,
		created_at = excluded.created_at, last_used_at = excluded.last_used_at, last_rolled_at = excluded.last_rolled_at,
		expires_at = excluded.expires_at`,
		keyRow{k.ID, int64(k.UserID), k.Label, k.Hash[:], k.Mask, document[[]string]{k.Scopes}, document[[]users.TeamID]{k.ScopedTeams},
			document[[]uuid.UUID]{k.ScopedOrganizations}, stamp(k.CreatedAt), stamp(k.LastUsedAt), stamp(k.LastRolledAt), stamp(k.ExpiresAt)})
	return err
}

func (t *tx) DeleteAPIKey(ctx context.Context, id string) error {
	return t.one(ctx, "delete API key", "delete from {api_keys} where id = $1", id)
}

type tokenRow struct {
	Hash        []byte                   `db:"c_hash"`
	UserID      int64                    `db:"c_user_id"`
	Application string                   `db:"c_application"`
	Scopes      string                   `db:"c_scopes"`
	ScopedTeams document[[]users.TeamID] `db:"c_scoped_teams"`
	CreatedAt   stamp                    `db:"c_created_at"`
	ExpiresAt   stamp                    `db:"c_expires_at"`
}

func (r reader) OAuthTokenByHash(ctx context.Context, h auth.Hash) (auth.OAuthToken, *users.Profile, error) {
	var row struct {
		tokenRow
		profileRow
	}
	p, err := r.withProfile(ctx, "read OAuth token", "oauth_tokens", tokenColumns, h, &row, &row.profileRow)
	if err != nil {
		return auth.OAuthToken{}, nil, err
	}
	c := row.tokenRow
	return auth.OAuthToken{Hash: hashOf(c.Hash), UserID: users.ID(c.UserID), Application: c.Application, Scopes: c.Scopes,
		ScopedTeams: c.ScopedTeams.v, CreatedAt: timeOf(c.CreatedAt), ExpiresAt: timeOf(c.ExpiresAt)}, p, nil
}

func (t *tx) SaveOAuthToken(ctx context.Context, k auth.OAuthToken) error {
	_, err := t.named(ctx, "save OAuth token", `insert into {oauth_tokens} (hash, user_id, application, scopes, scoped_teams, created_at, expires_at)
		values (:c_hash, :c_user_id, :c_application, :c_scopes, :c_scoped_teams, :c_created_at, :c_expires_at)
		on conflict (hash) do update set user_id = excluded.user_id, application = excluded.application, scopes = excluded.scopes,
		scoped_teams = excluded.scoped_teams, created_at = excluded.created_at, expires_at = excluded.expires_at`,
		tokenRow{k.Hash[:], int64(k.UserID), k.Application, k.Scopes, document[[]users.TeamID]{k.ScopedTeams}, stamp(k.CreatedAt), stamp(k.ExpiresAt)})
	return err
}

func (t *tx) DeleteOAuthToken(ctx context.Context, h auth.Hash) error {
	return t.one(ctx, "delete OAuth token", "delete from {oauth_tokens} where hash = $1", h[:])
}

func (r reader) Attempts(ctx context.Context, key string) ([]time.Time, error) {
	if r.lock != "" && r.d.LockKey != "" && !matchless([]any{key}) {
		if _, err := r.q.Exec(ctx, r.d.LockKey, []any{key}); err != nil {
			return nil, r.wrap(ctx, "lock attempts", err)
		}
	}
	rows, err := list(ctx, r, "read attempts", self[document[[]int64]],
		"select times from {attempts} where id = $1"+r.lock, key)
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	var times []time.Time
	for _, us := range rows[0].v {
		times = append(times, time.UnixMicro(us).UTC())
	}
	return times, nil
}

func (t *tx) SaveAttempts(ctx context.Context, key string, times []time.Time, expires time.Time) error {
	if len(times) == 0 {
		_, err := t.exec(ctx, "delete attempts", "delete from {attempts} where id = $1", key)
		return err
	}
	var us []int64
	for _, at := range times {
		us = append(us, at.UnixMicro())
	}
	_, err := t.exec(ctx, "save attempts", `insert into {attempts} (id, times, expires_at) values ($1, $2, $3)
		on conflict (id) do update set times = excluded.times, expires_at = excluded.expires_at`, key, document[[]int64]{us}, stamp(expires))
	return err
}

func (t *tx) DeleteExpired(ctx context.Context, now time.Time) (int, error) {
	total := 0
	for _, table := range []string{"sessions", "oauth_tokens", "tickets", "attempts"} {
		n, err := t.exec(ctx, "delete expired", "delete from {"+table+"} where expires_at <= $1", stamp(now))
		if err != nil {
			return 0, err
		}
		total += int(n)
	}
	return total, nil
}
