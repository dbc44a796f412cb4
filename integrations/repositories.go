package integrations

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/hedgerow-dev/hedgerow/users"
)

const (
	// snapshotLife is how long a list of repositories is fresh, contract section
	// 13, and refreshEvery how often a user may ask for a new one, section 6.
	snapshotLife = time.Hour
	refreshEvery = 30 * time.Second
)

// Page is which part of a list to return: what matches Search, without the
// first Offset, at most Limit. Search is a part of the name in any case; blank
// matches everything.
type Page struct {
	Search string
	Limit  int // positive
	Offset int
}

func (p Page) matches(name string) bool {
	return strings.Contains(strings.ToLower(name), strings.ToLower(strings.TrimSpace(p.Search)))
}

// cut takes the page out of a list. more reports whether anything follows.
func cut[T any](p Page, list []T, name func(T) string) (part []T, more bool) {
	var found []T
	for _, v := range list {
		if p.matches(name(v)) {
			found = append(found, v)
		}
	}
	if p.Offset >= len(found) {
		return nil, false
	}
	found = found[p.Offset:]
	return found[:min(p.Limit, len(found))], len(found) > p.Limit
}

// Repositories returns a page of the repositories of a linked installation, in
// GitHub's order, and whether more follow. A list of the last hour is returned
// as it is; an older one is refreshed first, and returned all the same when that
// fails. With no list at all, a failure is ErrGitHubUnavailable or
// ErrRateLimited. It returns users.ErrNotFound if there is no link.
func (s *Service) Repositories(ctx context.Context, user users.ID, installationID string, p Page) ([]Repository, bool, error) {
	link, err := s.store.Installation(ctx, user, installationID)
	if err != nil {
		return nil, false, wrap("list repositories", err)
	}
	if !s.fresh(link, snapshotLife) {
		if err := s.refreshSnapshot(ctx, link, snapshotLife); err != nil {
			if err := s.fallback(ctx, !link.SnapshotAt.IsZero(), err); err != nil {
				return nil, false, wrap("list repositories", err)
			}
		}
	}
	list, err := s.store.Repositories(ctx, link.ID)
	if err != nil {
		return nil, false, wrap("list repositories", err)
	}
	part, more := cut(p, list, func(r Repository) string { return r.FullName })
	return part, more, nil
}

// fallback decides what a failed refresh means: nothing, if something is stored
// to answer from, or a refusal.
func (s *Service) fallback(ctx context.Context, stored bool, err error) error {
	if !outside(err) || ctx.Err() != nil {
		return err
	}
	s.config.Logger.WarnContext(ctx, "refresh failed", slog.Bool("stale", stored), slog.Any("error", err))
	if stored {
		return nil
	}
	return refusal(err)
}

// RefreshRepositories asks GitHub for the repositories of a link now and returns
// all of them, unless that was done within 30 seconds. A failure is
// ErrNotRefreshed if there is a list, and as for Repositories if there is none;
// for an installation that GitHub says is gone, what is stored is returned.
func (s *Service) RefreshRepositories(ctx context.Context, user users.ID, installationID string) ([]Repository, Status, error) {
	link, err := s.store.Installation(ctx, user, installationID)
	if err != nil {
		return nil, "", wrap("refresh repositories", err)
	}
	if !s.fresh(link, refreshEvery) {
		failure := s.refreshSnapshot(ctx, link, refreshEvery)
		now, err := s.store.Installation(ctx, user, installationID)
		if err != nil {
			return nil, "", wrap("refresh repositories", err)
		}
		if failure != nil && now.Status() == Connected {
			if err := s.fallback(ctx, !link.SnapshotAt.IsZero(), failure); err != nil {
				return nil, "", wrap("refresh repositories", err)
			}
			return nil, "", ErrNotRefreshed
		}
		link = now
	}
	list, err := s.store.Repositories(ctx, link.ID)
	return list, link.Status(), wrap("refresh repositories", err)
}

// fresh reports a usable snapshot younger than life.
func (s *Service) fresh(i Installation, life time.Duration) bool {
	return !i.SnapshotAt.IsZero() && s.now().Sub(i.SnapshotAt) < life
}

// refreshSnapshot replaces the stored list by GitHub's, once for all who ask at
// the same time.
func (s *Service) refreshSnapshot(ctx context.Context, link Installation, life time.Duration) error {
	ctx, cancel := s.patient(ctx)
	defer cancel()
	done := func(ctx context.Context) (bool, error) {
		i, err := same(ctx, s.store, link)
		return err == nil && s.fresh(i, life), err
	}
	return s.alone(ctx, "repositories/"+link.ID.String(), done, func(ctx context.Context) error {
		link, err := same(ctx, s.store, link)
		if err != nil {
			return err
		}
		if link.SnapshotAt.IsZero() {
			link.dropSnapshot() // what is not usable must not be confirmed
		}
		var list RepositoryList
		err = s.withToken(ctx, link, func(token users.Secret) (err error) {
			list, err = s.config.Provider.Repositories(ctx, token, link.ETag)
			return err
		})
		if err != nil {
			return err
		}
		ctx, cancel := kept(ctx)
		defer cancel()
		return s.store.UpdateIntegrations(ctx, func(tx Tx) error { return s.saveSnapshot(ctx, tx, link, list) })
	})
}

// saveSnapshot moves the time of the snapshot and rewrites the list only if it
// differs.
func (s *Service) saveSnapshot(ctx context.Context, tx Tx, link Installation, list RepositoryList) error {
	i, err := same(ctx, tx, link)
	if err != nil {
		return err
	}
	if list.NotModified {
		if i.ETag != link.ETag || !i.SnapshotAt.Equal(link.SnapshotAt) {
			// Dropped meanwhile, so this is no answer about what is stored now.
			return &Failure{Kind: Unexpected, Call: "list repositories"}
		}
	} else {
		stored, err := tx.Repositories(ctx, i.ID)
		if err != nil {
			return err
		}
		if !slices.Equal(stored, list.Repositories) {
			if err := tx.SaveRepositories(ctx, i.ID, list.Repositories); err != nil {
				return err
			}
		}
		i.ETag = list.ETag
	}
	i.SnapshotAt = s.now()
	return tx.SaveInstallation(ctx, i)
}

// dropSnapshot says that the stored list is no longer usable.
func (i *Installation) dropSnapshot() { i.SnapshotAt, i.ETag = time.Time{}, "" }
