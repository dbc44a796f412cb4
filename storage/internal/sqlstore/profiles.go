package sqlstore

import (
	"context"
	"database/sql"

	"github.com/google/uuid"

	"github.com/hedgerow-dev/hedgerow/users"
)

// gathered is what belongs to a page of users.
type gathered struct {
	users         []profileRow
	memberships   map[users.ID][]users.Membership
	organizations map[uuid.UUID]users.Organization
	teams         []users.Team
	memberCounts  map[uuid.UUID]int
	scenes        map[users.ID][]users.Scene
}

// profileRow is a user with what a page shows and needs no more rows for.
type profileRow struct {
	userRow
	HasMembership bool `db:"has_membership"`
	HasScene      bool `db:"has_scene"`
	HasIdentity   bool `db:"has_identity"`
	HasAPIKey     bool `db:"has_api_key"`
	HasInvite     bool `db:"has_invite"`
	stamps
	Total int `db:"total"` // users that match, where a page is read with their number
}

// profileColumns are those of a profileRow.
var profileColumns = userFields + `, exists (select 1 from {memberships} x where x.user_id = u.id) as has_membership,
	exists (select 1 from {scenes} x where x.user_id = u.id) as has_scene,
	exists (select 1 from {identities} x where x.user_id = u.id) as has_identity,
	exists (select 1 from {api_keys} x where x.user_id = u.id) as has_api_key,
	exists (select 1 from {invites} x where x.target_folded = u.email_folded) as has_invite`

// snapshot runs fn on a reader all of whose statements see one moment.
func (r reader) snapshot(ctx context.Context, fn func(reader) error) error {
	if r.db == nil {
		return fn(r)
	}
	var failed error
	err := r.db.Transact(ctx, sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true}, func(c Conn) error {
		inside := r
		inside.q, inside.db = c, nil
		failed = fn(inside)
		return failed
	})
	if failed != nil {
		return failed
	}
	return r.wrap(ctx, "snapshot", err)
}

// Profiles reads a page in a fixed number of statements.
func (r reader) Profiles(ctx context.Context, q users.Query) (page users.Page, err error) {
	if r.kept != nil && (unique(q) || q.Offset == 0) { // one statement
		total, rows, err := r.pageUsers(ctx, q, r.stampColumns())
		if err != nil {
			return users.Page{}, err
		}
		if list, all := r.kept.find(rows); all && (unique(q) || len(rows) > 0) {
			return users.Page{Total: total, Profiles: list}, nil
		}
		if list, err := r.renewed(ctx, rows); list != nil || err != nil {
			return users.Page{Total: total, Profiles: list}, err
		}
	}
	err = r.snapshot(ctx, func(r reader) error {
		columns := profileColumns
		if r.kept != nil {
			columns = r.stampColumns()
		}
		total, rows, err := r.pageUsers(ctx, q, columns)
		if err != nil {
			return err
		}
		page.Total = total
		if r.kept != nil {
			page.Profiles, err = r.complete(ctx, rows)
		} else {
			page.Profiles, err = r.describe(ctx, gathered{users: rows})
		}
		return err
	})
	if err != nil {
		return users.Page{}, err
	}
	return page, nil
}

// describe reads what belongs to the users of a page.
func (r reader) describe(ctx context.Context, g gathered) ([]*users.Profile, error) {
	if len(g.users) == 0 {
		return nil, nil
	}
	if err := r.describeUsers(ctx, &g); err != nil {
		return nil, err
	}
	if err := r.describeOrganizations(ctx, &g); err != nil {
		return nil, err
	}
	return g.profiles()
}

// profiles puts together what belongs together.
func (g gathered) profiles() ([]*users.Profile, error) {
	list := make([]*users.Profile, 0, len(g.users))
	for _, row := range g.users {
		u, err := row.user()
		if err != nil {
			return nil, err
		}
		p := &users.Profile{
			User: u, Memberships: g.memberships[u.ID], Scenes: g.scenes[u.ID], MemberCount: g.memberCounts[u.CurrentOrganization],
			HasIdentity: row.HasIdentity, HasAPIKey: row.HasAPIKey, HasInvite: row.HasInvite,
		}
		for _, m := range p.Memberships {
			p.Organizations = append(p.Organizations, g.organizations[m.OrganizationID])
		}
		if o, ok := g.organizations[u.CurrentOrganization]; ok && p.Organization(o.ID) == nil {
			p.Organizations = append(p.Organizations, o)
		}
		for _, t := range g.teams {
			if t.OrganizationID == u.CurrentOrganization || t.ID == u.CurrentTeam {
				p.Teams = append(p.Teams, t)
			}
		}
		list = append(list, p)
	}
	return list, nil
}

// describeUsers reads what users of a page have several of.
func (r reader) describeUsers(ctx context.Context, g *gathered) error {
	ids := make([]int64, 0, len(g.users))
	var belong, chose bool
	for _, u := range g.users {
		ids = append(ids, u.ID)
		belong, chose = belong || u.HasMembership, chose || u.HasScene
	}
	mine, in, err := among(r.d, "user_id", "$1", ids)
	if err != nil {
		return err
	}
	if belong {
		g.memberships = map[users.ID][]users.Membership{}
		ms, err := list(ctx, r, "list memberships", membershipRow.membership, selectMembership+"where "+mine+" order by joined_at nulls first, organization_id", in)
		if err != nil {
			return err
		}
		for _, m := range ms {
			g.memberships[m.UserID] = append(g.memberships[m.UserID], m)
		}
	}
	if chose {
		g.scenes = map[users.ID][]users.Scene{}
		scenes, err := list(ctx, r, "list scenes", sceneRow.scene, "select user_id, team_id, scene, dashboard_id from {scenes} where "+mine+" order by id", in)
		if err != nil {
			return err
		}
		for _, s := range scenes {
			g.scenes[s.UserID] = append(g.scenes[s.UserID], s)
		}
	}
	return nil
}

// describeOrganizations reads the organizations of a page, and the teams and
// numbers of members of the current ones.
func (r reader) describeOrganizations(ctx context.Context, g *gathered) error {
	named, current := map[string]bool{}, map[string]bool{}
	teams := []int64{}
	for _, u := range g.users {
		if id := u.CurrentOrganization; id.Valid {
			named[id.UUID.String()], current[id.UUID.String()] = true, true
		}
		if u.CurrentTeam.Valid {
			teams = append(teams, u.CurrentTeam.V)
		}
		for _, m := range g.memberships[users.ID(u.ID)] {
			named[m.OrganizationID.String()] = true
		}
	}
	if len(named) == 0 && len(teams) == 0 {
		return nil
	}
	isNamed, namedIn, err := among(r.d, "id", "$1", keys(named))
	if err != nil {
		return err
	}
	isCurrent, currentIn, err := among(r.d, "organization_id", "$1", keys(current))
	if err != nil {
		return err
	}
	isTeam, teamsIn, err := among(r.d, "id", "$2", teams)
	if err != nil {
		return err
	}
	organizations, err := list(ctx, r, "list organizations", organizationRow.organization, selectOrganization+"where "+isNamed, namedIn)
	if err != nil {
		return err
	}
	g.organizations = map[uuid.UUID]users.Organization{}
	for _, o := range organizations {
		g.organizations[o.ID] = o
	}
	g.teams, err = list(ctx, r, "list teams", teamRow.team,
		selectTeam+"where "+isCurrent+" or "+isTeam+" order by id", currentIn, teamsIn)
	if err != nil {
		return err
	}
	type count struct {
		ID uuid.UUID `db:"organization_id"`
		N  int       `db:"n"`
	}
	counts, err := list(ctx, r, "count members", self[count],
		"select organization_id, cast(sum(members) as bigint) as n from {member_counts} where "+isCurrent+" group by organization_id", currentIn)
	if err != nil {
		return err
	}
	g.memberCounts = map[uuid.UUID]int{}
	for _, c := range counts {
		g.memberCounts[c.ID] = c.N
	}
	return nil
}

// among is the condition that a column has one of these values, and what is bound to
// its placeholder. A single value is no list, which SQLite would have to parse and to
// search: without one a profile takes 0.8 of the time.
func among[T any](d *Dialect, column, placeholder string, values []T) (condition string, bound any, err error) {
	if len(values) == 1 {
		return column + " = " + placeholder, values[0], nil
	}
	bound, err = d.List(values)
	return d.In(column, placeholder), bound, err
}

func keys(set map[string]bool) []string {
	list := make([]string, 0, len(set))
	for k := range set {
		list = append(list, k)
	}
	return list
}
