package ownstorage

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/hedgerow-dev/hedgerow/integrations"
	"github.com/hedgerow-dev/hedgerow/users"
)

func organizationsOf(s *state) *table[uuid.UUID, users.Organization] { return &s.organizations }
func teamsOf(s *state) *table[users.TeamID, users.Team]              { return &s.teams }
func membershipsOf(s *state) *table[membershipKey, users.Membership] { return &s.memberships }
func compareTeams(a, b users.Team) int                               { return cmp.Compare(a.ID, b.ID) }

func compareMemberships(a, b users.Membership) int {
	return cmp.Or(a.JoinedAt.Compare(b.JoinedAt), compareUUIDs(a.OrganizationID, b.OrganizationID))
}

func (r reader) Organization(ctx context.Context, id uuid.UUID) (users.Organization, error) {
	return get(ctx, r, organizationsOf, id)
}

func (r reader) Team(ctx context.Context, id users.TeamID) (users.Team, error) {
	return get(ctx, r, teamsOf, id)
}

func (r reader) Teams(ctx context.Context, organization uuid.UUID) ([]users.Team, error) {
	return list(ctx, r, teamsOf, func(t users.Team) bool { return t.OrganizationID == organization }, compareTeams)
}

func (r reader) Memberships(ctx context.Context, user users.ID) ([]users.Membership, error) {
	return list(ctx, r, membershipsOf, func(m users.Membership) bool { return m.UserID == user }, compareMemberships)
}

func (r reader) Invites(ctx context.Context, folded string, since time.Time) ([]users.PendingInvite, error) {
	s, err := r.look(ctx)
	if err != nil {
		return nil, err
	}
	found := s.invites.sorted(func(i users.Invite) bool {
		return users.FoldEmail(i.TargetEmail) == folded && !i.CreatedAt.Before(since)
	}, func(a, b users.Invite) int { return cmp.Or(b.CreatedAt.Compare(a.CreatedAt), compareUUIDs(a.ID, b.ID)) })
	var invites []users.PendingInvite
	for _, i := range found {
		invites = append(invites, users.PendingInvite{Invite: i, OrganizationName: s.organizations.rows[i.OrganizationID].Name})
	}
	return invites, nil
}

func (r reader) SSOEnforced(ctx context.Context, domain string) (bool, error) {
	s, err := r.look(ctx)
	return err == nil && s.organizations.any(func(o users.Organization) bool { return slices.Contains(o.SSOEnforcedDomains, domain) }), err
}

func (t *tx) SaveOrganization(ctx context.Context, o users.Organization) error {
	set(t, &t.organizations, o.ID, o)
	return ctx.Err()
}

// DeleteOrganization raises the version of a user once, whatever it clears.
func (t *tx) DeleteOrganization(ctx context.Context, id uuid.UUID) error {
	if err := remove(ctx, t, &t.organizations, id); err != nil {
		return err
	}
	t.clearCurrent(func(o uuid.UUID, team users.TeamID) (bool, bool) {
		return o == id, t.teams.rows[team].OrganizationID == id
	})
	for _, team := range t.teams.rows {
		if team.OrganizationID == id {
			t.dropTeam(team.ID)
		}
	}
	dropWhere(t, &t.memberships, func(m users.Membership) bool { return m.OrganizationID == id })
	dropWhere(t, &t.invites, func(i users.Invite) bool { return i.OrganizationID == id })
	return nil
}

// clearCurrent takes away what users have as their current organization or team.
func (t *tx) clearCurrent(gone func(uuid.UUID, users.TeamID) (organization, team bool)) {
	for _, u := range t.users.rows {
		organization, team := gone(u.CurrentOrganization, u.CurrentTeam)
		if organization {
			u.CurrentOrganization = uuid.Nil
		}
		if team {
			u.CurrentTeam = 0
		}
		if organization || team {
			u.Version++
			set(t, &t.users, u.ID, u)
		}
	}
}

func (t *tx) SaveTeam(ctx context.Context, team users.Team) (users.Team, error) {
	if err := exists(ctx, &t.organizations, team.OrganizationID); err != nil {
		return users.Team{}, err
	}
	if team.ID == 0 {
		team.ID = users.TeamID(t.number("teams"))
	} else if err := exists(ctx, &t.teams, team.ID); err != nil {
		return users.Team{}, err
	}
	if team.ProjectID == 0 {
		team.ProjectID = int64(team.ID)
	}
	set(t, &t.teams, team.ID, team)
	return team, nil
}

func (t *tx) DeleteTeam(ctx context.Context, id users.TeamID) error {
	if err := exists(ctx, &t.teams, id); err != nil {
		return err
	}
	t.clearCurrent(func(_ uuid.UUID, team users.TeamID) (bool, bool) { return false, team == id })
	t.dropTeam(id)
	return nil
}

// dropTeam removes a team that is nobody's current one.
func (t *tx) dropTeam(id users.TeamID) {
	drop(t, &t.teams, id)
	dropWhere(t, &t.scenes, func(c scene) bool { return c.TeamID == id })
	dropWhere(t, &t.teamInstallations, func(i integrations.TeamInstallation) bool { return i.TeamID == id })
}

func (t *tx) SaveMembership(ctx context.Context, m users.Membership) error {
	if err := exists(ctx, &t.users, m.UserID); err != nil {
		return err
	}
	if err := exists(ctx, &t.organizations, m.OrganizationID); err != nil {
		return err
	}
	set(t, &t.memberships, membershipKey{m.UserID, m.OrganizationID}, m)
	return nil
}

func (t *tx) DeleteMembership(ctx context.Context, user users.ID, organization uuid.UUID) error {
	return remove(ctx, t, &t.memberships, membershipKey{user, organization})
}

func (t *tx) SaveInvite(ctx context.Context, i users.Invite) error {
	if err := exists(ctx, &t.organizations, i.OrganizationID); err != nil {
		return err
	}
	set(t, &t.invites, i.ID, i)
	return nil
}

func (t *tx) DeleteInvite(ctx context.Context, id uuid.UUID) error {
	return remove(ctx, t, &t.invites, id)
}

func (t *tx) SaveScene(ctx context.Context, s users.Scene) error {
	if err := exists(ctx, &t.users, s.UserID); err != nil {
		return err
	}
	if err := exists(ctx, &t.teams, s.TeamID); err != nil {
		return err
	}
	key := sceneKey{s.UserID, s.TeamID, s.Scene}
	place := t.scenes.rows[key].Place
	if place == 0 {
		place = t.number("scenes")
	}
	set(t, &t.scenes, key, scene{s, place})
	return nil
}

func (t *tx) DeleteScenes(ctx context.Context, dashboard int64) error {
	dropWhere(t, &t.scenes, func(c scene) bool { return c.DashboardID == dashboard })
	return ctx.Err()
}
