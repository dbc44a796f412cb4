package memory

import (
	"context"

	"github.com/hedgerow-dev/hedgerow/autonomy"
	"github.com/hedgerow-dev/hedgerow/users"
)

func (r reader) AutonomyConfig(ctx context.Context, user users.ID) (autonomy.Config, error) {
	return get(ctx, r, r.d.autonomy, user)
}

func (t *tx) SaveAutonomyConfig(ctx context.Context, c autonomy.Config) error {
	if owner, taken := t.d.autonomyOwner[c.ID]; taken && owner != c.UserID {
		return users.ErrConflict
	}
	if _, err := t.User(ctx, c.UserID); err != nil {
		return err
	}
	t.dropAutonomy(c.UserID)
	set(t, t.d.autonomy, c.UserID, c)
	set(t, t.d.autonomyOwner, c.ID, c.UserID)
	return nil
}

func (t *tx) DeleteAutonomyConfig(ctx context.Context, user users.ID) error {
	if _, err := t.AutonomyConfig(ctx, user); err != nil {
		return err
	}
	t.dropAutonomy(user)
	return nil
}

// dropAutonomy removes what a user may have.
func (t *tx) dropAutonomy(user users.ID) {
	if c, had := t.d.autonomy[user]; had {
		drop(t, t.d.autonomyOwner, c.ID)
		drop(t, t.d.autonomy, user)
	}
}
