package ownstorage

import (
	"bytes"
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/hedgerow-dev/hedgerow/integrations"
	"github.com/hedgerow-dev/hedgerow/users"
)

func linksOf(s *state) *table[uuid.UUID, integrations.Installation]  { return &s.links }
func branchesOf(s *state) *table[branchKey, integrations.BranchList] { return &s.branches }
func teamInstallationsOf(s *state) *table[int64, integrations.TeamInstallation] {
	return &s.teamInstallations
}
func linkStatesOf(s *state) *table[integrations.StateHash, integrations.LinkState] {
	return &s.linkStates
}
func requestsOf(s *state) *table[uuid.UUID, integrations.InstallRequest] { return &s.installRequests }

func (r reader) Installation(ctx context.Context, user users.ID, installationID string) (integrations.Installation, error) {
	return only(ctx, r, linksOf, func(i integrations.Installation) bool { return i.UserID == user && i.InstallationID == installationID })
}

func (r reader) Installations(ctx context.Context, q integrations.Query) ([]integrations.Installation, error) {
	found, err := list(ctx, r, linksOf, func(i integrations.Installation) bool {
		return (q.UserID == 0 || q.UserID == i.UserID) && among(q.InstallationIDs, i.InstallationID) && compareUUIDs(i.ID, q.After) > 0
	}, func(a, b integrations.Installation) int { return compareUUIDs(a.ID, b.ID) })
	if q.Limit > 0 && len(found) > q.Limit {
		found = found[:q.Limit]
	}
	return found, err
}

// among reports whether a query that may name ids takes this one.
func among(ids []string, id string) bool { return ids == nil || slices.Contains(ids, id) }

func (r reader) Repositories(ctx context.Context, id uuid.UUID) ([]integrations.Repository, error) {
	s, err := r.look(ctx)
	if err != nil {
		return nil, err
	}
	return slices.Clone(s.repositories.rows[id]), nil
}

func (r reader) Branches(ctx context.Context, id uuid.UUID, repository string) (integrations.BranchList, error) {
	return get(ctx, r, branchesOf, branchKey{id, repository})
}

func (r reader) TeamInstallations(ctx context.Context, q integrations.TeamQuery) ([]integrations.TeamInstallation, error) {
	return list(ctx, r, teamInstallationsOf, func(i integrations.TeamInstallation) bool {
		return (q.TeamID == 0 || q.TeamID == i.TeamID) && (q.CreatedBy == 0 || q.CreatedBy == i.CreatedBy) && among(q.InstallationIDs, i.InstallationID)
	}, func(a, b integrations.TeamInstallation) int { return cmp.Compare(a.ID, b.ID) })
}

func (r reader) LinkStates(ctx context.Context, user users.ID) ([]integrations.LinkState, error) {
	return list(ctx, r, linkStatesOf, func(s integrations.LinkState) bool { return s.UserID == user }, func(a, b integrations.LinkState) int {
		return cmp.Or(a.ExpiresAt.Compare(b.ExpiresAt), bytes.Compare(a.Hash[:], b.Hash[:]))
	})
}

func (r reader) InstallRequests(ctx context.Context, q integrations.RequestQuery) ([]integrations.InstallRequest, error) {
	return list(ctx, r, requestsOf, func(i integrations.InstallRequest) bool {
		return (q.UserID == 0 || q.UserID == i.UserID) && (q.GitHubUserID == 0 || q.GitHubUserID == i.GitHubUserID)
	}, func(a, b integrations.InstallRequest) int {
		return cmp.Or(b.RequestedAt.Compare(a.RequestedAt), compareUUIDs(a.ID, b.ID))
	})
}

func (t *tx) SaveInstallation(ctx context.Context, i integrations.Installation) error {
	if t.links.any(func(o integrations.Installation) bool {
		return o.ID != i.ID && o.UserID == i.UserID && o.InstallationID == i.InstallationID
	}) {
		return users.ErrConflict
	}
	if err := exists(ctx, &t.users, i.UserID); err != nil {
		return err
	}
	set(t, &t.links, i.ID, i)
	return nil
}

func (t *tx) DeleteInstallation(ctx context.Context, id uuid.UUID) error {
	if err := exists(ctx, &t.links, id); err != nil {
		return err
	}
	t.dropLink(id)
	return nil
}

// dropLink removes a link with its lists.
func (t *tx) dropLink(id uuid.UUID) {
	drop(t, &t.links, id)
	drop(t, &t.repositories, id)
	dropWhere(t, &t.branches, func(b integrations.BranchList) bool { return b.LinkID == id })
}

func (t *tx) SaveRepositories(ctx context.Context, id uuid.UUID, list []integrations.Repository) error {
	if err := exists(ctx, &t.links, id); err != nil {
		return err
	}
	set(t, &t.repositories, id, slices.Clone(list))
	return nil
}

func (t *tx) SaveBranches(ctx context.Context, b integrations.BranchList) error {
	if err := exists(ctx, &t.links, b.LinkID); err != nil {
		return err
	}
	set(t, &t.branches, branchKey{b.LinkID, b.Repository}, b)
	return nil
}

func (t *tx) SaveTeamInstallation(ctx context.Context, i integrations.TeamInstallation) (integrations.TeamInstallation, error) {
	none := integrations.TeamInstallation{}
	if i.ID != 0 {
		if err := exists(ctx, &t.teamInstallations, i.ID); err != nil {
			return none, err
		}
	}
	if t.teamInstallations.any(func(o integrations.TeamInstallation) bool {
		return o.ID != i.ID && o.TeamID == i.TeamID && o.InstallationID == i.InstallationID
	}) {
		return none, users.ErrConflict
	}
	if err := exists(ctx, &t.teams, i.TeamID); err != nil {
		return none, err
	}
	if i.CreatedBy != 0 {
		if err := exists(ctx, &t.users, i.CreatedBy); err != nil {
			return none, err
		}
	}
	if i.ID == 0 {
		i.ID = t.number("team_installations")
	}
	set(t, &t.teamInstallations, i.ID, i)
	return i, nil
}

func (t *tx) DeleteTeamInstallation(ctx context.Context, id int64) error {
	return remove(ctx, t, &t.teamInstallations, id)
}

func (t *tx) SaveLinkState(ctx context.Context, s integrations.LinkState) error {
	if _, taken := t.linkStates.rows[s.Hash]; taken {
		return users.ErrConflict
	}
	if err := exists(ctx, &t.users, s.UserID); err != nil {
		return err
	}
	set(t, &t.linkStates, s.Hash, s)
	return nil
}

func (t *tx) DeleteLinkState(ctx context.Context, h integrations.StateHash) error {
	return remove(ctx, t, &t.linkStates, h)
}

func (t *tx) SaveInstallRequest(ctx context.Context, r integrations.InstallRequest) error {
	if err := exists(ctx, &t.users, r.UserID); err != nil {
		return err
	}
	set(t, &t.installRequests, r.ID, r)
	return nil
}

func (t *tx) DeleteInstallRequest(ctx context.Context, id uuid.UUID) error {
	return remove(ctx, t, &t.installRequests, id)
}

func (t *tx) Claim(ctx context.Context, name string, holder uuid.UUID, now, until time.Time) (bool, error) {
	if t.claims.rows[name].Until.After(now) {
		return false, ctx.Err()
	}
	set(t, &t.claims, name, claim{holder, until})
	return true, ctx.Err()
}

func (t *tx) Unclaim(ctx context.Context, name string, holder uuid.UUID) error {
	if t.claims.rows[name].Holder == holder {
		drop(t, &t.claims, name)
	}
	return ctx.Err()
}

func (t *tx) DeleteExpiredLinks(ctx context.Context, now time.Time) (int, error) {
	n := dropWhere(t, &t.linkStates, func(s integrations.LinkState) bool { return !s.ExpiresAt.After(now) }) +
		dropWhere(t, &t.branches, func(b integrations.BranchList) bool { return !b.ExpiresAt.After(now) }) +
		dropWhere(t, &t.claims, func(c claim) bool { return !c.Until.After(now) })
	return n, ctx.Err()
}
