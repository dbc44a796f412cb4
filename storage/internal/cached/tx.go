package cached

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/autonomy"
	"github.com/hedgerow-dev/hedgerow/integrations"
	"github.com/hedgerow-dev/hedgerow/users"
)

// The transactions that functions get. What a recorder has comes before what the
// interface has, as that lies deeper.
type (
	usersTx struct {
		plainUsersTx
		recorder
	}
	authTx struct {
		plainAuthTx
		authRecorder
	}
	autonomyTx struct {
		plainAutonomyTx
		recorder
	}
	integrationsTx struct {
		plainIntegrationsTx
		recorder
	}

	plainUsersTx        struct{ users.Tx }
	plainAuthTx         struct{ deeperAuthTx }
	deeperAuthTx        struct{ auth.Tx }
	plainAutonomyTx     struct{ autonomy.Tx }
	plainIntegrationsTx struct{ integrations.Tx }
)

// recorder has the methods of users.Tx whose changes a profile shows.
type recorder struct {
	tx users.Tx
	r  *record
}

// User reads a user, from what is kept if that is what the transaction sees.
func (t recorder) User(ctx context.Context, id users.ID) (u users.User, err error) {
	if err := ctx.Err(); err != nil {
		return users.User{}, err
	}
	kept := false
	if !t.r.changes(id) {
		u, kept = t.r.store.present(ctx, id)
	}
	if !kept {
		u, err = t.tx.User(ctx, id)
	}
	if err == nil {
		t.r.read[id] = u
	}
	return u, err
}

func (t recorder) CreateUser(ctx context.Context, u users.User) (users.User, error) {
	t.r.lists = true
	u, err := t.tx.CreateUser(ctx, u)
	if err == nil {
		t.r.read[u.ID] = u
	}
	return u, err
}

func (t recorder) SaveUser(ctx context.Context, u users.User) (users.User, error) {
	u, err := t.tx.SaveUser(ctx, u)
	if err == nil {
		t.r.saved(u)
	}
	return u, err
}

func (t recorder) DeleteUser(ctx context.Context, id users.ID) error {
	t.r.all = true
	return t.tx.DeleteUser(ctx, id)
}

func (t recorder) SaveOrganization(ctx context.Context, o users.Organization) error {
	t.r.all = true
	return t.tx.SaveOrganization(ctx, o)
}

func (t recorder) DeleteOrganization(ctx context.Context, id uuid.UUID) error {
	t.r.all = true
	return t.tx.DeleteOrganization(ctx, id)
}

func (t recorder) SaveTeam(ctx context.Context, team users.Team) (users.Team, error) {
	t.r.all = true
	return t.tx.SaveTeam(ctx, team)
}

func (t recorder) DeleteTeam(ctx context.Context, id users.TeamID) error {
	t.r.all = true
	return t.tx.DeleteTeam(ctx, id)
}

func (t recorder) SaveMembership(ctx context.Context, m users.Membership) error {
	t.r.all = true
	return t.tx.SaveMembership(ctx, m)
}

func (t recorder) DeleteMembership(ctx context.Context, user users.ID, organization uuid.UUID) error {
	t.r.all = true
	return t.tx.DeleteMembership(ctx, user, organization)
}

func (t recorder) SaveInvite(ctx context.Context, i users.Invite) error {
	t.r.all = true
	return t.tx.SaveInvite(ctx, i)
}

func (t recorder) DeleteInvite(ctx context.Context, id uuid.UUID) error {
	t.r.all = true
	return t.tx.DeleteInvite(ctx, id)
}

func (t recorder) SaveIdentity(ctx context.Context, i users.Identity) error {
	t.r.touch(i.UserID)
	return t.tx.SaveIdentity(ctx, i)
}

func (t recorder) DeleteIdentity(ctx context.Context, provider, subject string) (users.ID, error) {
	id, err := t.tx.DeleteIdentity(ctx, provider, subject)
	t.r.touch(id)
	return id, err
}

func (t recorder) SaveScene(ctx context.Context, s users.Scene) error {
	t.r.touch(s.UserID)
	return t.tx.SaveScene(ctx, s)
}

func (t recorder) DeleteScenes(ctx context.Context, dashboard int64) error {
	t.r.all = true
	return t.tx.DeleteScenes(ctx, dashboard)
}

// authRecorder has those of auth.Tx besides.
type authRecorder struct {
	recorder
	tx auth.Tx
}

func (t authRecorder) SaveSession(ctx context.Context, s auth.Session) error {
	t.r.names = append(t.r.names, s.ID)
	return t.tx.SaveSession(ctx, s)
}

func (t authRecorder) DeleteSession(ctx context.Context, id uuid.UUID) error {
	t.r.names = append(t.r.names, id)
	return t.tx.DeleteSession(ctx, id)
}

func (t authRecorder) DeleteSessions(ctx context.Context, user users.ID, except uuid.UUID) (int, error) {
	t.r.touch(user)
	return t.tx.DeleteSessions(ctx, user, except)
}

func (t authRecorder) SaveAPIKey(ctx context.Context, k auth.APIKey) error {
	if err := t.touchOwner(ctx, k.ID); err != nil {
		return err
	}
	t.r.touch(k.UserID)
	return t.tx.SaveAPIKey(ctx, k)
}

func (t authRecorder) DeleteAPIKey(ctx context.Context, id string) error {
	if err := t.touchOwner(ctx, id); err != nil {
		return err
	}
	return t.tx.DeleteAPIKey(ctx, id)
}

// touchOwner notes who has a key now, if there is one: the profile shows whether
// its user has keys, and may be kept without this one.
func (t authRecorder) touchOwner(ctx context.Context, key string) error {
	k, err := t.tx.APIKey(ctx, key)
	if errors.Is(err, users.ErrNotFound) {
		return nil
	} else if err != nil {
		return err
	}
	t.r.touch(k.UserID)
	return nil
}

func (t authRecorder) SaveOAuthToken(ctx context.Context, k auth.OAuthToken) error {
	t.r.names = append(t.r.names, k.Hash)
	return t.tx.SaveOAuthToken(ctx, k)
}

func (t authRecorder) DeleteOAuthToken(ctx context.Context, h auth.Hash) error {
	t.r.names = append(t.r.names, h)
	return t.tx.DeleteOAuthToken(ctx, h)
}

func (t authRecorder) DeleteExpired(ctx context.Context, now time.Time) (int, error) {
	t.r.all = true
	return t.tx.DeleteExpired(ctx, now)
}
