package memory

import (
	"bytes"
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/hedgerow-dev/hedgerow/integrations"
	"github.com/hedgerow-dev/hedgerow/users"
)

type linkKey struct {
	user         users.ID
	installation string
}

type branchKey struct {
	link       uuid.UUID
	repository string
}

type claim struct {
	holder uuid.UUID
	until  time.Time
}

func keyOf(i integrations.Installation) linkKey { return linkKey{i.UserID, i.InstallationID} }

// selected returns copies of the values of a map that match, in order.
func selected[K comparable, V any](ctx context.Context, r reader, m map[K]V, matches func(V) bool, order func(a, b V) int) ([]V, error) {
	end, err := r.begin(ctx)
	if err != nil {
		return nil, err
	}
	defer end()
	var list []V
	for _, v := range m {
		if matches(v) {
			list = append(list, v)
		}
	}
	slices.SortFunc(list, order)
	return list, nil
}

func compareUUIDs(a, b uuid.UUID) int { return bytes.Compare(a[:], b[:]) }

func (r reader) Installation(ctx context.Context, user users.ID, installationID string) (integrations.Installation, error) {
	end, err := r.begin(ctx)
	if err != nil {
		return integrations.Installation{}, err
	}
	defer end()
	id, ok := r.d.linkOf[linkKey{user, installationID}]
	if !ok {
		return integrations.Installation{}, users.ErrNotFound
	}
	return r.d.links[id].Clone(), nil
}

func (r reader) Installations(ctx context.Context, q integrations.Query) ([]integrations.Installation, error) {
	end, err := r.begin(ctx)
	if err != nil {
		return nil, err
	}
	defer end()
	var list []integrations.Installation
	for _, id := range r.d.linkCandidates(q) {
		i := r.d.links[id]
		if (q.UserID == 0 || q.UserID == i.UserID) && (q.InstallationIDs == nil || slices.Contains(q.InstallationIDs, i.InstallationID)) &&
			compareUUIDs(id, q.After) > 0 && (q.Limit == 0 || len(list) < q.Limit) {
			list = append(list, i.Clone())
		}
	}
	return list, nil
}

// linkCandidates narrows the links to look at by an index, if the query allows,
// in order and without repetition.
func (d *data) linkCandidates(q integrations.Query) []uuid.UUID {
	var ids []uuid.UUID
	switch {
	case q.UserID != 0:
		ids = slices.Clone(d.linksOf[q.UserID])
	case q.InstallationIDs != nil:
		for _, installation := range q.InstallationIDs {
			ids = append(ids, d.linksTo[installation]...)
		}
	default:
		ids = slices.Collect(maps.Keys(d.links))
	}
	slices.SortFunc(ids, compareUUIDs)
	return slices.Compact(ids)
}

func (r reader) Repositories(ctx context.Context, id uuid.UUID) ([]integrations.Repository, error) {
	end, err := r.begin(ctx)
	if err != nil {
		return nil, err
	}
	defer end()
	return slices.Clone(r.d.repositories[id]), nil
}

func (r reader) Branches(ctx context.Context, id uuid.UUID, repository string) (integrations.BranchList, error) {
	b, err := get(ctx, r, r.d.branches, branchKey{id, repository})
	return b.Clone(), err
}

func (r reader) TeamInstallations(ctx context.Context, q integrations.TeamQuery) ([]integrations.TeamInstallation, error) {
	return selected(ctx, r, r.d.teamInstallations, func(i integrations.TeamInstallation) bool {
		return (q.TeamID == 0 || q.TeamID == i.TeamID) && (q.CreatedBy == 0 || q.CreatedBy == i.CreatedBy) &&
			(q.InstallationIDs == nil || slices.Contains(q.InstallationIDs, i.InstallationID))
	}, func(a, b integrations.TeamInstallation) int { return cmp.Compare(a.ID, b.ID) })
}

func (r reader) LinkStates(ctx context.Context, user users.ID) ([]integrations.LinkState, error) {
	list, err := selected(ctx, r, r.d.linkStates, func(s integrations.LinkState) bool { return s.UserID == user },
		func(a, b integrations.LinkState) int {
			return cmp.Or(a.ExpiresAt.Compare(b.ExpiresAt), bytes.Compare(a.Hash[:], b.Hash[:]))
		})
	for n := range list {
		list[n] = list[n].Clone()
	}
	return list, err
}

func (r reader) InstallRequests(ctx context.Context, q integrations.RequestQuery) ([]integrations.InstallRequest, error) {
	return selected(ctx, r, r.d.installRequests, func(i integrations.InstallRequest) bool {
		return (q.UserID == 0 || q.UserID == i.UserID) && (q.GitHubUserID == 0 || q.GitHubUserID == i.GitHubUserID)
	}, func(a, b integrations.InstallRequest) int {
		return cmp.Or(b.RequestedAt.Compare(a.RequestedAt), compareUUIDs(a.ID, b.ID))
	})
}

func (t *tx) SaveInstallation(ctx context.Context, i integrations.Installation) error {
	if other, taken := t.d.linkOf[keyOf(i)]; taken && other != i.ID {
		return users.ErrConflict
	}
	if _, err := t.User(ctx, i.UserID); err != nil {
		return err
	}
	if old, ok := t.d.links[i.ID]; ok {
		t.unlistLink(old)
	}
	set(t, t.d.links, i.ID, i.Clone())
	set(t, t.d.linkOf, keyOf(i), i.ID)
	set(t, t.d.linksOf, i.UserID, append(slices.Clone(t.d.linksOf[i.UserID]), i.ID))
	set(t, t.d.linksTo, i.InstallationID, append(slices.Clone(t.d.linksTo[i.InstallationID]), i.ID))
	return nil
}

// unlistLink takes a link out of the indexes.
func (t *tx) unlistLink(i integrations.Installation) {
	same := func(id uuid.UUID) bool { return id == i.ID }
	drop(t, t.d.linkOf, keyOf(i))
	set(t, t.d.linksOf, i.UserID, slices.DeleteFunc(slices.Clone(t.d.linksOf[i.UserID]), same))
	set(t, t.d.linksTo, i.InstallationID, slices.DeleteFunc(slices.Clone(t.d.linksTo[i.InstallationID]), same))
}

func (t *tx) DeleteInstallation(ctx context.Context, id uuid.UUID) error {
	if _, err := get(ctx, t.reader, t.d.links, id); err != nil {
		return err
	}
	t.dropLink(id)
	return nil
}

// dropLink removes a link with its lists.
func (t *tx) dropLink(id uuid.UUID) {
	t.unlistLink(t.d.links[id])
	drop(t, t.d.links, id)
	drop(t, t.d.repositories, id)
	dropWhere(t, t.d.branches, func(b integrations.BranchList) bool { return b.LinkID == id })
}

// dropWhere removes the values that match and returns how many that were.
func dropWhere[K comparable, V any](t *tx, m map[K]V, matches func(V) bool) int {
	n := 0
	for k, v := range maps.Clone(m) {
		if matches(v) {
			drop(t, m, k)
			n++
		}
	}
	return n
}

func (t *tx) SaveRepositories(ctx context.Context, id uuid.UUID, list []integrations.Repository) error {
	if _, err := get(ctx, t.reader, t.d.links, id); err != nil {
		return err
	}
	set(t, t.d.repositories, id, slices.Clone(list))
	return nil
}

func (t *tx) SaveBranches(ctx context.Context, b integrations.BranchList) error {
	if _, err := get(ctx, t.reader, t.d.links, b.LinkID); err != nil {
		return err
	}
	set(t, t.d.branches, branchKey{b.LinkID, b.Repository}, b.Clone())
	return nil
}

func (t *tx) SaveTeamInstallation(ctx context.Context, i integrations.TeamInstallation) (integrations.TeamInstallation, error) {
	if _, ok := t.d.teamInstallations[i.ID]; !ok && i.ID != 0 {
		return integrations.TeamInstallation{}, users.ErrNotFound
	}
	for _, other := range t.d.teamInstallations {
		if other.ID != i.ID && other.TeamID == i.TeamID && other.InstallationID == i.InstallationID {
			return integrations.TeamInstallation{}, users.ErrConflict
		}
	}
	if _, err := t.Team(ctx, i.TeamID); err != nil {
		return integrations.TeamInstallation{}, err
	}
	if _, ok := t.d.users[i.CreatedBy]; !ok && i.CreatedBy != 0 {
		return integrations.TeamInstallation{}, users.ErrNotFound
	}
	if i.ID == 0 {
		t.d.lastTeamInstallation++
		i.ID = t.d.lastTeamInstallation
	}
	set(t, t.d.teamInstallations, i.ID, i)
	return i, nil
}

func (t *tx) DeleteTeamInstallation(ctx context.Context, id int64) error {
	if _, err := get(ctx, t.reader, t.d.teamInstallations, id); err != nil {
		return err
	}
	drop(t, t.d.teamInstallations, id)
	return nil
}

func (t *tx) SaveLinkState(ctx context.Context, s integrations.LinkState) error {
	if _, taken := t.d.linkStates[s.Hash]; taken {
		return users.ErrConflict
	}
	if _, err := t.User(ctx, s.UserID); err != nil {
		return err
	}
	set(t, t.d.linkStates, s.Hash, s.Clone())
	return nil
}

func (t *tx) DeleteLinkState(ctx context.Context, h integrations.StateHash) error {
	if _, err := get(ctx, t.reader, t.d.linkStates, h); err != nil {
		return err
	}
	drop(t, t.d.linkStates, h)
	return nil
}

func (t *tx) SaveInstallRequest(ctx context.Context, r integrations.InstallRequest) error {
	if _, err := t.User(ctx, r.UserID); err != nil {
		return err
	}
	set(t, t.d.installRequests, r.ID, r)
	return nil
}

func (t *tx) DeleteInstallRequest(ctx context.Context, id uuid.UUID) error {
	if _, err := get(ctx, t.reader, t.d.installRequests, id); err != nil {
		return err
	}
	drop(t, t.d.installRequests, id)
	return nil
}

func (t *tx) Claim(ctx context.Context, name string, holder uuid.UUID, now, until time.Time) (bool, error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	if c, taken := t.d.claims[name]; taken && c.until.After(now) {
		return false, nil
	}
	set(t, t.d.claims, name, claim{holder, until})
	return true, nil
}

func (t *tx) Unclaim(ctx context.Context, name string, holder uuid.UUID) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if t.d.claims[name].holder == holder {
		drop(t, t.d.claims, name)
	}
	return nil
}

func (t *tx) DeleteExpiredLinks(ctx context.Context, now time.Time) (int, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	return dropWhere(t, t.d.linkStates, func(s integrations.LinkState) bool { return !s.ExpiresAt.After(now) }) +
		dropWhere(t, t.d.branches, func(b integrations.BranchList) bool { return !b.ExpiresAt.After(now) }) +
		dropWhere(t, t.d.claims, func(c claim) bool { return !c.until.After(now) }), nil
}

// dropIntegrations removes what a user has linked or started. What the user
// connected for a team stays.
func (t *tx) dropIntegrations(user users.ID) {
	for _, id := range t.d.linksOf[user] {
		t.dropLink(id)
	}
	drop(t, t.d.linksOf, user)
	dropWhere(t, t.d.linkStates, func(s integrations.LinkState) bool { return s.UserID == user })
	dropWhere(t, t.d.installRequests, func(r integrations.InstallRequest) bool { return r.UserID == user })
	for id, i := range maps.Clone(t.d.teamInstallations) {
		if i.CreatedBy == user {
			i.CreatedBy = 0
			set(t, t.d.teamInstallations, id, i)
		}
	}
}
