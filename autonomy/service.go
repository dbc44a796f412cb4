package autonomy

import (
	"context"
	"errors"
	"fmt"

	"github.com/hedgerow-dev/hedgerow/users"
)

// Service applies the rules of autonomy configurations. It is safe for
// concurrent use. Whom an actor may act on is decided by
// users.Service.ResolveAny.
type Service struct {
	store Store
	users *users.Service
}

// NewService returns a Service on store. Clock and randomness are those of
// accounts.
func NewService(store Store, accounts *users.Service) *Service {
	return &Service{store: store, users: accounts}
}

// Config returns the record of a user, or ErrNoConfig.
func (s *Service) Config(ctx context.Context, user users.ID) (Config, error) {
	c, err := s.store.AutonomyConfig(ctx, user)
	if errors.Is(err, users.ErrNotFound) {
		return Config{}, ErrNoConfig
	} else if err != nil {
		return Config{}, fmt.Errorf("read autonomy config: %w", err)
	}
	return c, nil
}

// Save changes what p names in the record of a user, which it creates if there
// is none, and returns it. UpdatedAt is set even if nothing else changes; only
// other changes are logged. It returns ErrPriority, or users.ErrNotFound if
// there is no such user.
func (s *Service) Save(ctx context.Context, actor users.Actor, user users.ID, p Patch) (Config, error) {
	if err := p.check(); err != nil {
		return Config{}, err
	}
	id, err := s.users.NewUUID()
	if err != nil {
		return Config{}, fmt.Errorf("save autonomy config: %w", err)
	}
	var c Config
	err = s.store.UpdateAutonomy(ctx, func(tx Tx) (err error) {
		// The user's row is the lock behind which a first write looks.
		if _, err := tx.User(ctx, user); err != nil {
			return err
		}
		now := s.users.Now()
		before, err := tx.AutonomyConfig(ctx, user)
		created := errors.Is(err, users.ErrNotFound)
		if created {
			before = Config{ID: id, UserID: user, CreatedAt: now}
		} else if err != nil {
			return err
		}
		c = before
		p.apply(&c)
		c.UpdatedAt = now
		if err := tx.SaveAutonomyConfig(ctx, c); err != nil {
			return err
		}
		return s.logSave(ctx, tx, actor, created, before, c)
	})
	if err != nil {
		return Config{}, fmt.Errorf("save autonomy config: %w", err)
	}
	return c, nil
}

// logSave logs a record that is new or has another priority.
func (s *Service) logSave(ctx context.Context, tx Tx, actor users.Actor, created bool, before, after Config) error {
	var fields []string
	if before.AutostartPriority != after.AutostartPriority {
		fields = []string{priorityField}
	}
	action := "autonomy config updated"
	switch {
	case created:
		action = "autonomy config created"
	case fields == nil:
		return nil
	}
	return tx.AddEvent(ctx, s.users.Event(actor, after.UserID, action, fields...))
}

// Delete removes the record of a user. That there is none is no error.
func (s *Service) Delete(ctx context.Context, actor users.Actor, user users.ID) error {
	err := s.store.UpdateAutonomy(ctx, func(tx Tx) error {
		err := tx.DeleteAutonomyConfig(ctx, user)
		if errors.Is(err, users.ErrNotFound) {
			return nil
		} else if err != nil {
			return err
		}
		return tx.AddEvent(ctx, s.users.Event(actor, user, "autonomy config deleted"))
	})
	if err != nil {
		return fmt.Errorf("delete autonomy config: %w", err)
	}
	return nil
}
