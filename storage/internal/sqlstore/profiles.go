package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"strings"

	"github.com/google/uuid"

	"github.com/hedgerow-dev/hedgerow/users"
)

// Profiles reads a page in a fixed number of statements, all in one read
// transaction.
func (r reader) Profiles(ctx context.Context, q users.Query) (users.Page, error) {
	if r.db != nil {
		t, err := r.db.BeginTxx(ctx, &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true})
		if err != nil {
			return users.Page{}, r.wrap(ctx, "begin", err)
		}
		// Nothing was written, so that ending it cannot fail in a way that matters.
		defer func() { _ = t.Rollback() }()
		r.q, r.db = t, nil
	}
	p := users.Page{
		Memberships: map[users.ID][]users.Membership{}, Organizations: map[uuid.UUID]users.Organization{},
		Teams: map[uuid.UUID][]users.Team{}, MemberCounts: map[uuid.UUID]int{}, Scenes: map[users.ID][]users.Scene{},
		HasIdentity: map[users.ID]bool{}, HasAPIKey: map[users.ID]bool{},
	}
	if err := r.pageUsers(ctx, q, &p); err != nil || len(p.Users) == 0 {
		return p, err
	}
	if err := r.describeUsers(ctx, &p); err != nil {
		return users.Page{}, err
	}
	if err := r.describeOrganizations(ctx, &p); err != nil {
		return users.Page{}, err
	}
	return p, nil
}

// pageUsers reads the users themselves, and how many there are in all.
func (r reader) pageUsers(ctx context.Context, q users.Query, p *users.Page) error {
	where, args := conditions(q)
	totals, err := list(ctx, r, "count users", self[int], "select count(*) from {users} u"+where, args...)
	if err != nil || len(totals) == 0 {
		return err
	}
	p.Total = totals[0]
	n := len(args)
	page := fmt.Sprintf("%sand u.id > $%d order by u.id limit $%d offset $%d", where, n+1, n+2, n+3)
	p.Users, err = list(ctx, r, "list users", userRow.user, selectUser+page, append(args, q.After, q.Limit, q.Offset)...)
	return err
}

func conditions(q users.Query) (string, []any) {
	var b strings.Builder
	var args []any
	b.WriteString(" where 1 = 1 ")
	add := func(condition string, values ...any) {
		for _, v := range values {
			args = append(args, v)
			condition = strings.Replace(condition, "?", fmt.Sprintf("$%d", len(args)), 1)
		}
		b.WriteString("and " + condition + " ")
	}
	if q.ID != 0 {
		add("u.id = ?", q.ID)
	}
	if q.UUID != uuid.Nil {
		add("u.uuid = ?", q.UUID)
	}
	if q.Email != "" {
		add("u.email_folded = ? and u.email = ?", users.FoldEmail(q.Email), q.Email)
	}
	if q.Staff.Valid {
		add("u.is_staff = ?", q.Staff.Value)
	}
	if q.Active {
		add("u.is_active")
	}
	return b.String(), args
}

// describeUsers reads what belongs to the users of a page.
func (r reader) describeUsers(ctx context.Context, p *users.Page) error {
	ids := make([]int64, 0, len(p.Users))
	for _, u := range p.Users {
		ids = append(ids, int64(u.ID))
	}
	in, err := r.d.List(ids)
	if err != nil {
		return err
	}
	mine := "where " + r.d.In("user_id", "$1")
	ms, err := list(ctx, r, "list memberships", membershipRow.membership, selectMembership+mine+" order by joined_at nulls first, organization_id", in)
	if err != nil {
		return err
	}
	for _, m := range ms {
		p.Memberships[m.UserID] = append(p.Memberships[m.UserID], m)
	}
	scenes, err := list(ctx, r, "list scenes", sceneRow.scene, "select user_id, team_id, scene, dashboard_id from {scenes} "+mine+" order by id", in)
	if err != nil {
		return err
	}
	for _, s := range scenes {
		p.Scenes[s.UserID] = append(p.Scenes[s.UserID], s)
	}
	for table, has := range map[string]map[users.ID]bool{"identities": p.HasIdentity, "api_keys": p.HasAPIKey} {
		owners, err := list(ctx, r, "list owners", self[users.ID], "select distinct user_id from {"+table+"} "+mine, in)
		if err != nil {
			return err
		}
		for _, id := range owners {
			has[id] = true
		}
	}
	return nil
}

// describeOrganizations reads the organizations of a page, and the teams and
// numbers of members of the current ones.
func (r reader) describeOrganizations(ctx context.Context, p *users.Page) error {
	named, current := map[string]bool{}, map[string]bool{}
	teams := []int64{}
	for _, u := range p.Users {
		if u.CurrentOrganization != uuid.Nil {
			named[u.CurrentOrganization.String()], current[u.CurrentOrganization.String()] = true, true
		}
		if u.CurrentTeam != 0 {
			teams = append(teams, int64(u.CurrentTeam))
		}
		for _, m := range p.Memberships[u.ID] {
			named[m.OrganizationID.String()] = true
		}
	}
	namedIn, err := r.d.List(keys(named))
	if err != nil {
		return err
	}
	currentIn, err := r.d.List(keys(current))
	if err != nil {
		return err
	}
	teamsIn, err := r.d.List(teams)
	if err != nil {
		return err
	}
	organizations, err := list(ctx, r, "list organizations", organizationRow.organization, selectOrganization+"where "+r.d.In("id", "$1"), namedIn)
	if err != nil {
		return err
	}
	for _, o := range organizations {
		p.Organizations[o.ID] = o
	}
	found, err := list(ctx, r, "list teams", teamRow.team,
		selectTeam+"where "+r.d.In("organization_id", "$1")+" or "+r.d.In("id", "$2")+" order by id", currentIn, teamsIn)
	if err != nil {
		return err
	}
	for _, t := range found {
		p.Teams[t.OrganizationID] = append(p.Teams[t.OrganizationID], t)
	}
	type count struct {
		ID uuid.UUID `db:"organization_id"`
		N  int       `db:"n"`
	}
	counts, err := list(ctx, r, "count members", self[count],
		`select m.organization_id, count(*) as n from {memberships} m join {users} u on u.id = m.user_id and u.is_active
		where `+r.d.In("m.organization_id", "$1")+` group by m.organization_id`, currentIn)
	if err != nil {
		return err
	}
	for id := range current {
		p.MemberCounts[uuid.MustParse(id)] = 0
	}
	for _, c := range counts {
		p.MemberCounts[c.ID] = c.N
	}
	return nil
}

func keys(set map[string]bool) []string {
	list := make([]string, 0, len(set))
	for k := range set {
		list = append(list, k)
	}
	return list
}
