package integrations

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"github.com/hedgerow-dev/hedgerow/users"
)

// The methods in this file are for the host, which owns the installations of
// teams and may bring links along from elsewhere. They ask for no permission.

var errInstallationID = &users.Error{Kind: users.Invalid, Code: "invalid_input", Field: "installation_id", Message: "This is not the id of an installation."}

var host = users.Actor{Credential: users.ByHost}

// SaveTeamInstallation creates an installation of a team, when its ID is zero,
// or replaces the one of that ID. A zero CreatedAt is filled in. The result is
// what was stored. It returns users.ErrNotFound if record, team or creator does
// not exist, users.ErrConflict if the team has the installation already, or an
// Invalid error for the id of the installation.
func (s *Service) SaveTeamInstallation(ctx context.Context, i TeamInstallation) (TeamInstallation, error) {
	if !ValidInstallationID(i.InstallationID) {
		return TeamInstallation{}, errInstallationID
	}
	if err := users.CheckStorable([2]string{"connecting_login", i.ConnectingLogin}); err != nil {
		return TeamInstallation{}, err
	}
	if i.CreatedAt.IsZero() {
		i.CreatedAt = s.now()
	}
	var saved TeamInstallation
	err := s.store.UpdateIntegrations(ctx, func(tx Tx) (err error) {
		if saved, err = tx.SaveTeamInstallation(ctx, i); err != nil {
			return err
		}
		return tx.AddEvent(ctx, s.accounts.Event(host, i.CreatedBy, "team github installation saved", fmt.Sprintf("team %d", i.TeamID)))
	})
	if err != nil {
		return TeamInstallation{}, fmt.Errorf("save team installation: %w", err)
	}
	return saved, nil
}

// DeleteTeamInstallation returns users.ErrNotFound if there is none.
func (s *Service) DeleteTeamInstallation(ctx context.Context, id int64) error {
	return wrap("delete team installation", s.store.UpdateIntegrations(ctx, func(tx Tx) error {
		return s.deleteTeamInstallation(ctx, tx, host, id)
	}))
}

func (s *Service) deleteTeamInstallation(ctx context.Context, tx Tx, actor users.Actor, id int64) error {
	if err := tx.DeleteTeamInstallation(ctx, id); err != nil {
		return err
	}
	return tx.AddEvent(ctx, s.accounts.Event(actor, 0, "team github installation deleted", fmt.Sprintf("record %d", id)))
}

// TeamInstallations lists the installations of a team by ID.
func (s *Service) TeamInstallations(ctx context.Context, team users.TeamID) ([]TeamInstallation, error) {
	list, err := s.store.TeamInstallations(ctx, TeamQuery{TeamID: team})
	return list, wrap("list team installations", err)
}

// Import is a link that was made elsewhere, with its secrets in plain text. Sealed
// is ignored.
type Import struct {
	Installation
	InstallationToken, UserToken, RefreshToken users.Secret
	Repositories                               []Repository // as of SnapshotAt
}

func (link Import) checkStorable() error {
	if err := users.CheckStorable([2]string{"repository_selection", link.RepositorySelection}, [2]string{"etag", link.ETag},
		[2]string{"account", link.Account.Login}, [2]string{"account", link.Account.Type},
		[2]string{"github_user", link.GitHubUser.Login}, [2]string{"github_user", link.GitHubUser.Type}); err != nil {
		return err
	}
	for _, r := range link.Repositories {
		for _, text := range r.texts() {
			if err := users.CheckStorable([2]string{"repositories", *text}); err != nil {
				return err
			}
		}
	}
	return nil
}

// Import stores a link, in place of one of the same user and installation. A zero
// ID, CreatedAt or UpdatedAt is filled in. The result is what was stored. It
// returns users.ErrNotFound if there is no such user, or an Invalid error for the
// id of the installation or for text that no store can hold.
func (s *Service) Import(ctx context.Context, link Import) (Installation, error) {
	i := link.Installation
	if !ValidInstallationID(i.InstallationID) {
		return Installation{}, errInstallationID
	}
	if err := link.checkStorable(); err != nil {
		return Installation{}, err
	}
	if i.ID == uuid.Nil {
		var err error
		if i.ID, err = s.accounts.NewUUID(); err != nil {
			return Installation{}, err
		}
	}
	if i.CreatedAt.IsZero() {
		i.CreatedAt = s.now()
	}
	if i.UpdatedAt.IsZero() {
		i.UpdatedAt = i.CreatedAt
	}
	t := tokens{Installation: string(link.InstallationToken), User: string(link.UserToken), Refresh: string(link.RefreshToken)}
	if err := s.seal(&i, t); err != nil {
		return Installation{}, err
	}
	err := s.store.UpdateIntegrations(ctx, func(tx Tx) error {
		old, err := tx.Installation(ctx, i.UserID, i.InstallationID)
		if err == nil {
			err = tx.DeleteInstallation(ctx, old.ID)
		} else if errors.Is(err, users.ErrNotFound) {
			err = nil
		}
		if err != nil {
			return err
		}
		if err := tx.SaveInstallation(ctx, i); err != nil {
			return err
		}
		if err := tx.SaveRepositories(ctx, i.ID, link.Repositories); err != nil {
			return err
		}
		return tx.AddEvent(ctx, s.accounts.Event(host, i.UserID, actionLinked, "installation "+i.InstallationID))
	})
	return i, wrap("import installation", err)
}
