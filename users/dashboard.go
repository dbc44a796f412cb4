package users

import (
	"context"
	"fmt"
)

// Dashboard is a dashboard of the host, as far as this package needs to know.
type Dashboard struct {
	ID   int64
	Team TeamID
}

// Dashboards looks the host's dashboards up. Implementations are safe for
// concurrent use.
type Dashboards interface {
	// Dashboard returns the dashboard, or ErrNotFound.
	Dashboard(ctx context.Context, id int64) (Dashboard, error)
}

// DashboardMap is a fixed set of dashboards: the team of each id. A nil map is
// empty and ready to use.
type DashboardMap map[int64]TeamID

// Dashboard returns the dashboard, or ErrNotFound.
func (m DashboardMap) Dashboard(_ context.Context, id int64) (Dashboard, error) {
	team, ok := m[id]
	if !ok {
		return Dashboard{}, ErrNotFound
	}
	return Dashboard{ID: id, Team: team}, nil
}

// Personalise makes a dashboard the user's choice for a scene of their current
// team. The refusals are those of contract section 8.9, Invalid with the field
// at fault; a missing dashboard or scene has none.
func (s *Service) Personalise(ctx context.Context, actor Actor, id ID, scene Field[string], dashboard Field[int64]) error {
	var d Dashboard
	if dashboard.Set {
		if err := required(dashboard, "dashboard"); err != nil {
			return err
		}
		// The host may ask a database of its own: not inside the transaction.
		var err error
		d, err = s.config.Dashboards.Dashboard(ctx, dashboard.Value)
		if err = notFoundAs(err, invalid("dashboard", "does_not_exist", "There is no such dashboard.")); err != nil {
			return err
		}
	}
	err := s.store.UpdateUsers(ctx, func(tx Tx) error {
		u, err := s.healthy(ctx, tx, id)
		if err != nil {
			return err
		}
		if dashboard.Set && (u.CurrentTeam == 0 || d.Team != u.CurrentTeam) {
			return invalid("dashboard", "invalid_input", "The dashboard belongs to another team.")
		}
		name, err := sceneName(scene, dashboard.Set)
		if err != nil {
			return err
		}
		if err := tx.SaveScene(ctx, Scene{UserID: id, TeamID: d.Team, Scene: name, DashboardID: d.ID}); err != nil {
			return err
		}
		return tx.AddEvent(ctx, s.Event(actor, id, "user updated", "scene_personalisation"))
	})
	if err != nil {
		return fmt.Errorf("personalise scene: %w", err)
	}
	return nil
}

// sceneName checks the scene, and after it that nothing is missing.
func sceneName(scene Field[string], dashboard bool) (name string, err error) {
	if scene.Set {
		if name, err = text(scene, "scene", MaxScene, false); err != nil {
			return "", err
		}
	}
	switch {
	case !dashboard:
		return "", invalid("", "invalid_input", "A dashboard is required.")
	case !scene.Set:
		return "", invalid("", "invalid_input", "A scene is required.")
	}
	return name, nil
}

// DashboardDeleted removes every choice of a dashboard. The host calls it when
// it deletes one.
func (s *Service) DashboardDeleted(ctx context.Context, dashboard int64) error {
	err := s.store.UpdateUsers(ctx, func(tx Tx) error { return tx.DeleteScenes(ctx, dashboard) })
	if err != nil {
		return fmt.Errorf("remove choices of a dashboard: %w", err)
	}
	return nil
}
