package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/httpapi"
	"github.com/hedgerow-dev/hedgerow/storage"
	"github.com/hedgerow-dev/hedgerow/storage/memory"
	"github.com/hedgerow-dev/hedgerow/storage/postgres"
	"github.com/hedgerow-dev/hedgerow/storage/sqlite"
	"github.com/hedgerow-dev/hedgerow/users"
)

// openOurs opens a store of the library. The one in memory begins with n users.
func openOurs(ctx context.Context, program, db string, n int) (storage.Storage, error) {
	switch program {
	case ourMemory:
		st := memory.New()
		return st, seed(ctx, st, n)
	case ourSQLite:
		return sqlite.Open(ctx, db)
	case ourUncached:
		return sqlite.OpenUncached(ctx, db)
	case ourPostgres:
		return postgres.Open(ctx, db)
	}
	return nil, fmt.Errorf("there is no program %q", program)
}

// ours is the API of the library, mounted as examples/server does.
func ours(st storage.Storage) (http.Handler, error) {
	api, err := httpapi.New(st, httpapi.Config{
		PublicURL:      "http://127.0.0.1",
		EncryptionKeys: [][]byte{make([]byte, auth.EncryptionKeyBytes)}, // nothing here is secret
	})
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("/", api)
	return mux, nil
}

// seedFile makes a SQLite file with n users.
func seedFile(ctx context.Context, path string, n int) error {
	st, err := sqlite.Open(ctx, path)
	if err != nil {
		return err
	}
	return errors.Join(seed(ctx, st, n), st.Close())
}

// seedPostgres fills the database of a DSN with n users.
func seedPostgres(ctx context.Context, dsn string, n int) error {
	st, err := postgres.Open(ctx, dsn)
	if err != nil {
		return err
	}
	if err := errors.Join(seed(ctx, st, min(n, 2*organizations)), st.Close()); err != nil {
		return err
	}
	return multiply(ctx, dsn, n)
}

// multiply makes users of a database n, by copies of those with an original each in
// every organization. The database makes them by itself, in a quarter of the time that
// one after another takes through the store.
func multiply(ctx context.Context, dsn string, n int) (err error) {
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close(ctx)) }()
	for _, statement := range []string{moreUsers, moreMemberships} {
		if _, err := conn.Exec(ctx, statement, organizations, n); err != nil {
			return fmt.Errorf("more users: %w", err)
		}
	}
	// What the database does by itself, within minutes.
	_, err = conn.Exec(ctx, "vacuum analyze")
	return err
}

// The originals are users $1+1 to 2*$1, and the copies those up to $2.
const (
	moreUsers = `insert into users select made.* from generate_series(2 * $1::bigint + 1, $2::bigint) i
		join users u on u.id > $1::bigint and u.id % $1::bigint = i % $1::bigint,
		jsonb_populate_record(u, jsonb_build_object('id', i,
			'uuid', overlay(u.uuid placing lpad(to_hex(i >> 8), 4, '0') || '-' || lpad(to_hex(i & 255), 2, '0') from 5 for 7),
			'distinct_id', 'distinct_' || lpad(cast(i as text), 24, '0'),
			'email', 'user' || i || '@example.test', 'email_folded', 'user' || i || '@example.test',
			'date_joined', u.date_joined + (i - u.id) * 1000000)) made order by i`
	moreMemberships = `insert into memberships select made.* from users u
		join memberships m on m.user_id > $1::bigint and m.user_id <= 2 * $1::bigint and m.user_id % $1::bigint = u.id % $1::bigint,
		jsonb_populate_record(m, jsonb_build_object('user_id', u.id)) made
		where u.id > 2 * $1::bigint and u.id <= $2::bigint order by u.id`
)

const (
	organizations = 500
	batch         = 1000 // users in one transaction
	sinceYear     = 2025
)

// seed stores n users, numbered from 1, each in one of the organizations. The
// first of them are staff and have an API key.
func seed(ctx context.Context, st storage.Storage, n int) error {
	var teams []users.Team
	err := st.UpdateAuth(ctx, func(tx auth.Tx) (err error) {
		teams, err = seedTeams(ctx, tx)
		return err
	})
	for first := 1; first <= n && err == nil; first += batch {
		err = st.UpdateAuth(ctx, func(tx auth.Tx) error {
			for i := first; i < first+batch && i <= n; i++ {
				if err := seedUser(ctx, tx, i, teams[i%organizations]); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err != nil {
		return fmt.Errorf("seed: %w", err)
	}
	return nil
}

func seedTeams(ctx context.Context, tx auth.Tx) ([]users.Team, error) {
	teams := make([]users.Team, 0, organizations)
	for i := range organizations {
		o := users.NewOrganization()
		o.ID, o.Name, o.Slug = numbered(1, i), fmt.Sprintf("Organization %d", i), fmt.Sprintf("organization-%d", i)
		o.CreatedAt, o.UpdatedAt = joined(i), joined(i)
		if err := tx.SaveOrganization(ctx, o); err != nil {
			return nil, err
		}
		// Members do not see such a team in their organization, as little as others
		// do, so that an object is as long in a list as alone.
		t, err := tx.SaveTeam(ctx, users.Team{
			UUID: numbered(2, i), OrganizationID: o.ID, APIToken: fmt.Sprintf("phc_%024d", i), Name: "Default project", Timezone: "UTC",
			AccessControl: true,
		})
		if err != nil {
			return nil, err
		}
		teams = append(teams, t)
	}
	return teams, nil
}

func seedUser(ctx context.Context, tx auth.Tx, i int, t users.Team) error {
	u := users.New()
	u.UUID, u.DistinctID = numbered(3, i), distinctID(i)
	u.DateJoined, u.LastLogin = joined(i), joined(i)
	u.Email, u.IsEmailVerified, u.IsStaff = email(i), users.Some(true), i <= mostCallers
	u.FirstName, u.LastName, u.PasswordHash = "Ada", "Lovelace", "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
	u.CurrentOrganization, u.CurrentTeam = t.OrganizationID, t.ID
	u.NotificationSettings = `{"plugin_disabled":true,"all_weekly_digest_disabled":false}`
	u.HasSeenProductIntroFor = `{"dashboards":true,"insights":true,"feature_flags":true}`
	u.HedgehogConfig = `{"version":2,"use_as_profile":true,"color":"green","accessories":["hat","glasses"]}`
	u.ThemeMode, u.RoleAtOrganization = users.Some("system"), users.Some("engineering")
	u, err := tx.CreateUser(ctx, u)
	if err != nil {
		return err
	}
	m := users.Membership{UserID: u.ID, OrganizationID: t.OrganizationID, Level: users.LevelMember, JoinedAt: u.DateJoined}
	if err := tx.SaveMembership(ctx, m); err != nil || i > mostCallers {
		return err
	}
	return tx.SaveAPIKey(ctx, auth.APIKey{
		ID: fmt.Sprintf("key%d", i), UserID: u.ID, Label: "Benchmark", Hash: sha256.Sum256([]byte(key(i))), Mask: "phx_...0000",
		Scopes: []string{"user:read", "user:write"}, CreatedAt: u.DateJoined,
	})
}

func distinctID(i int) string { return fmt.Sprintf("distinct_%024d", i) }

// numbered is a version 7 UUID of a kind of record that sorts by i.
func numbered(kind byte, i int) uuid.UUID {
	return uuid.UUID{0: 1, 1: 0x90, 2: byte(i >> 16), 3: byte(i >> 8), 4: byte(i), 6: 0x70, 8: 0x80, 15: kind}
}

// joined is the moment of record i, one a second.
func joined(i int) time.Time {
	return time.Date(sinceYear, 1, 1, 0, 0, 0, 123456000, time.UTC).Add(time.Duration(i) * time.Second)
}
