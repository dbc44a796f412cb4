package memory

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

func compareIdentities(a, b users.Identity) int {
	return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), cmp.Compare(a.Provider, b.Provider), cmp.Compare(a.Subject, b.Subject))
}

func compareMemberships(a, b users.Membership) int {
	return cmp.Or(a.JoinedAt.Compare(b.JoinedAt), bytes.Compare(a.OrganizationID[:], b.OrganizationID[:]))
}

func (r reader) Organization(ctx context.Context, id uuid.UUID) (users.Organization, error) {
	o, err := get(ctx, r, r.d.organizations, id)
	return o.Clone(), err
}

func (r reader) Team(ctx context.Context, id users.TeamID) (users.Team, error) {
	return get(ctx, r, r.d.teams, id)
}

func (r reader) Teams(ctx context.Context, organization uuid.UUID) ([]users.Team, error) {
	end, err := r.begin(ctx)
	if err != nil {
		return nil, err
	}
	defer end()
	return r.d.teamList(organization), nil
}

func (d *data) teamList(organization uuid.UUID) []users.Team {
	var teams []users.Team
	for _, id := range d.teamsOf[organization] {
		teams = append(teams, d.teams[id])
	}
	return teams
}

func (r reader) Memberships(ctx context.Context, user users.ID) ([]users.Membership, error) {
	end, err := r.begin(ctx)
	if err != nil {
		return nil, err
	}
	defer end()
	return slices.Clone(r.d.memberships[user]), nil
}

func (r reader) Invites(ctx context.Context, folded string, since time.Time) ([]users.PendingInvite, error) {
	end, err := r.begin(ctx)
	if err != nil {
		return nil, err
	}
	defer end()
	var invites []users.PendingInvite
	for _, id := range r.d.invitesTo[folded] {
		if i := r.d.invites[id]; !i.CreatedAt.Before(since) {
			invites = append(invites, users.PendingInvite{Invite: i, OrganizationName: r.d.organizations[i.OrganizationID].Name})
		}
	}
	slices.SortFunc(invites, func(a, b users.PendingInvite) int {
		return cmp.Or(b.CreatedAt.Compare(a.CreatedAt), bytes.Compare(a.ID[:], b.ID[:]))
	})
	return invites, nil
}

func (r reader) SSOEnforced(ctx context.Context, domain string) (bool, error) {
	end, err := r.begin(ctx)
	if err != nil {
		return false, err
	}
	defer end()
	return r.d.sso[domain] > 0, nil
}

func (t *tx) SaveOrganization(ctx context.Context, o users.Organization) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	t.enforce(t.d.organizations[o.ID], -1)
	t.enforce(o, 1)
	set(t, t.d.organizations, o.ID, o.Clone())
	return nil
}

// enforce counts n for each domain of an organization.
func (t *tx) enforce(o users.Organization, n int) {
	for _, domain := range o.SSOEnforcedDomains {
		set(t, t.d.sso, domain, t.d.sso[domain]+n)
	}
}

func (t *tx) DeleteOrganization(ctx context.Context, id uuid.UUID) error {
	o, err := t.Organization(ctx, id)
	if err != nil {
		return err
	}
	t.enforce(o, -1)
	teams := slices.Clone(t.d.teamsOf[id])
	for _, u := range t.d.users {
		old := u
		if u.CurrentOrganization == id {
			u.CurrentOrganization = uuid.Nil
		}
		if slices.Contains(teams, u.CurrentTeam) {
			u.CurrentTeam = 0
		}
		if u != old {
			u.Version++
			set(t, t.d.users, u.ID, u)
		}
	}
	for _, team := range teams {
		t.dropTeam(team)
	}
	for user, ms := range t.d.memberships {
		rest := slices.DeleteFunc(slices.Clone(ms), func(m users.Membership) bool { return m.OrganizationID == id })
		if len(rest) < len(ms) {
			set(t, t.d.memberships, user, rest)
		}
	}
	for _, i := range t.d.invites {
		if i.OrganizationID == id {
			t.dropInvite(i)
		}
	}
	drop(t, t.d.active, id)
	drop(t, t.d.organizations, id)
	return nil
}

func (t *tx) SaveTeam(ctx context.Context, team users.Team) (users.Team, error) {
	if _, err := t.Organization(ctx, team.OrganizationID); err != nil {
		return users.Team{}, err
	}
	if team.ID == 0 {
		t.d.lastTeam++
		team.ID = t.d.lastTeam
	} else {
		old, err := t.Team(ctx, team.ID)
		if err != nil {
			return users.Team{}, err
		}
		t.unlist(old)
	}
	if team.ProjectID == 0 {
		team.ProjectID = int64(team.ID)
	}
	ids := append(slices.Clone(t.d.teamsOf[team.OrganizationID]), team.ID)
	slices.Sort(ids)
	set(t, t.d.teamsOf, team.OrganizationID, ids)
	set(t, t.d.teams, team.ID, team)
	return team, nil
}

// unlist takes a team out of the list of its organization.
func (t *tx) unlist(team users.Team) {
	set(t, t.d.teamsOf, team.OrganizationID, slices.DeleteFunc(slices.Clone(t.d.teamsOf[team.OrganizationID]),
		func(id users.TeamID) bool { return id == team.ID }))
}

func (t *tx) DeleteTeam(ctx context.Context, id users.TeamID) error {
	if _, err := t.Team(ctx, id); err != nil {
		return err
	}
	t.dropTeam(id)
	return nil
}

func (t *tx) dropTeam(id users.TeamID) {
	for _, u := range t.d.users {
		if u.CurrentTeam == id {
			u.CurrentTeam = 0
			u.Version++
			set(t, t.d.users, u.ID, u)
		}
	}
	t.dropScenes(func(s users.Scene) bool { return s.TeamID == id })
	dropWhere(t, t.d.teamInstallations, func(i integrations.TeamInstallation) bool { return i.TeamID == id })
	t.unlist(t.d.teams[id])
	drop(t, t.d.teams, id)
}

func (t *tx) dropScenes(which func(users.Scene) bool) {
	for user, scenes := range t.d.scenes {
		rest := slices.DeleteFunc(slices.Clone(scenes), which)
		if len(rest) < len(scenes) {
			set(t, t.d.scenes, user, rest)
		}
	}
}

func (t *tx) SaveMembership(ctx context.Context, m users.Membership) error {
	u, err := t.User(ctx, m.UserID)
	if err != nil {
		return err
	}
	if _, err := t.Organization(ctx, m.OrganizationID); err != nil {
		return err
	}
	list, had := t.without(m.UserID, m.OrganizationID)
	list = append(list, m)
	slices.SortFunc(list, compareMemberships)
	set(t, t.d.memberships, m.UserID, list)
	if !had && u.IsActive {
		t.count(m.OrganizationID, true)
	}
	return nil
}

func (t *tx) DeleteMembership(ctx context.Context, user users.ID, organization uuid.UUID) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	list, had := t.without(user, organization)
	if !had {
		return users.ErrNotFound
	}
	set(t, t.d.memberships, user, list)
	if t.d.users[user].IsActive {
		t.count(organization, false)
	}
	return nil
}

// without returns a user's memberships but one, and whether there was that one.
func (t *tx) without(user users.ID, organization uuid.UUID) ([]users.Membership, bool) {
	list := t.d.memberships[user]
	rest := slices.DeleteFunc(slices.Clone(list), func(m users.Membership) bool { return m.OrganizationID == organization })
	return rest, len(rest) < len(list)
}

func (t *tx) SaveInvite(ctx context.Context, i users.Invite) error {
	if _, err := t.Organization(ctx, i.OrganizationID); err != nil {
		return err
	}
	if old, ok := t.d.invites[i.ID]; ok {
		t.dropInvite(old)
	}
	folded := users.FoldEmail(i.TargetEmail)
	set(t, t.d.invitesTo, folded, append(slices.Clone(t.d.invitesTo[folded]), i.ID))
	set(t, t.d.invites, i.ID, i)
	return nil
}

func (t *tx) DeleteInvite(ctx context.Context, id uuid.UUID) error {
	i, err := get(ctx, t.reader, t.d.invites, id)
	if err != nil {
		return err
	}
	t.dropInvite(i)
	return nil
}

func (t *tx) dropInvite(i users.Invite) {
	folded := users.FoldEmail(i.TargetEmail)
	rest := slices.DeleteFunc(slices.Clone(t.d.invitesTo[folded]), func(id uuid.UUID) bool { return id == i.ID })
	if len(rest) > 0 {
		set(t, t.d.invitesTo, folded, rest)
	} else {
		drop(t, t.d.invitesTo, folded)
	}
	drop(t, t.d.invites, i.ID)
}

func (t *tx) SaveScene(ctx context.Context, s users.Scene) error {
	if _, err := t.User(ctx, s.UserID); err != nil {
		return err
	}
	if _, err := t.Team(ctx, s.TeamID); err != nil {
		return err
	}
	list := slices.Clone(t.d.scenes[s.UserID])
	at := slices.IndexFunc(list, func(o users.Scene) bool { return o.TeamID == s.TeamID && o.Scene == s.Scene })
	if at < 0 {
		list = append(list, s)
	} else {
		list[at] = s
	}
	set(t, t.d.scenes, s.UserID, list)
	return nil
}

func (t *tx) DeleteScenes(ctx context.Context, dashboard int64) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	t.dropScenes(func(s users.Scene) bool { return s.DashboardID == dashboard })
	return nil
}
