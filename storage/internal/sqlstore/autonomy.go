package sqlstore

import (
	"context"

	"github.com/google/uuid"

	"github.com/hedgerow-dev/hedgerow/autonomy"
	"github.com/hedgerow-dev/hedgerow/users"
)

type autonomyRow struct {
	UserID            int64     `db:"user_id"`
	ID                uuid.UUID `db:"id"`
	AutostartPriority string    `db:"autostart_priority"`
	CreatedAt         stamp     `db:"created_at"`
	UpdatedAt         stamp     `db:"updated_at"`
}

func (r autonomyRow) config() (autonomy.Config, error) {
	return autonomy.Config{ID: r.ID, UserID: users.ID(r.UserID), AutostartPriority: autonomy.Priority(r.AutostartPriority),
		CreatedAt: timeOf(r.CreatedAt), UpdatedAt: timeOf(r.UpdatedAt)}, nil
}

func (r reader) AutonomyConfig(ctx context.Context, user users.ID) (autonomy.Config, error) {
	return one(ctx, r, "read autonomy config", autonomyRow.config,
		"select user_id, id, autostart_priority, created_at, updated_at from {autonomy_configs} where user_id = $1"+r.lock, user)
}

func (t *tx) SaveAutonomyConfig(ctx context.Context, c autonomy.Config) error {
	_, err := t.named(ctx, "save autonomy config", `insert into {autonomy_configs} (user_id, id, autostart_priority, created_at, updated_at)
		values (:user_id, :id, :autostart_priority, :created_at, :updated_at)
		on conflict (user_id) do update set id = excluded.id, autostart_priority = excluded.autostart_priority,
		created_at = excluded.created_at, updated_at = excluded.updated_at`,
		autonomyRow{int64(c.UserID), c.ID, string(c.AutostartPriority), stamp(c.CreatedAt), stamp(c.UpdatedAt)})
	return err
}

func (t *tx) DeleteAutonomyConfig(ctx context.Context, user users.ID) error {
	return t.one(ctx, "delete autonomy config", "delete from {autonomy_configs} where user_id = $1", user)
}
