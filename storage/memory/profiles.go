package memory

import (
	"cmp"
	"context"
	"slices"

	"github.com/google/uuid"

	"github.com/hedgerow-dev/hedgerow/users"
)

func (r reader) Profiles(ctx context.Context, q users.Query) (users.Page, error) {
	end, err := r.begin(ctx)
	if err != nil {
		return users.Page{}, err
	}
	defer end()
	ids := r.d.matching(q)
	p := users.Page{Total: len(ids)}
	at, found := slices.BinarySearch(ids, q.After)
	if found {
		at++
	}
	ids = ids[at:]
	ids = ids[min(q.Offset, len(ids)):]
	for _, id := range ids[:min(q.Limit, len(ids))] {
		p.Profiles = append(p.Profiles, r.d.profile(r.d.users[id]))
	}
	return p, nil
}

// matching lists the users that match, ascending.
func (d *data) matching(q users.Query) []users.ID {
	var id users.ID
	switch {
	case q.ID != 0:
		id = q.ID
	case q.UUID != uuid.Nil:
		id = d.byUUID[q.UUID]
	case q.Email != "":
		id = d.byEmail[users.FoldEmail(q.Email)]
	default:
		return d.ids[asked(q)]
	}
	if u, ok := d.users[id]; !ok || !matches(u, q) {
		return nil
	}
	return []users.ID{id}
}

func matches(u users.User, q users.Query) bool {
	return (q.ID == 0 || q.ID == u.ID) && (q.UUID == uuid.Nil || q.UUID == u.UUID) && (q.Email == "" || q.Email == u.Email) &&
		slices.Contains(flagsOf(u), asked(q))
}

// flags are the conditions of a query that many users meet. For each the ids are
// kept in order.
type flags struct {
	active bool
	staff  users.Null[bool]
}

// asked are those of a query.
func asked(q users.Query) flags {
	f := flags{active: q.Active}
	if q.Staff.Valid {
		f.staff = q.Staff
	}
	return f
}

// flagsOf lists those that u meets.
func flagsOf(u users.User) []flags {
	staff := users.Some(u.IsStaff)
	if u.IsActive {
		return []flags{{}, {staff: staff}, {active: true}, {active: true, staff: staff}}
	}
	return []flags{{}, {staff: staff}}
}

// relist moves a user between the lists of ids.
func (t *tx) relist(id users.ID, from, to []flags) {
	for _, f := range from {
		if !slices.Contains(to, f) {
			ids := slices.Clone(t.d.ids[f])
			at, _ := slices.BinarySearch(ids, id)
			set(t, t.d.ids, f, slices.Delete(ids, at, at+1))
		}
	}
	for _, f := range to {
		if !slices.Contains(from, f) {
			ids := t.d.ids[f]
			at, _ := slices.BinarySearch(ids, id)
			if at < len(ids) {
				ids = slices.Clone(ids)
			}
			set(t, t.d.ids, f, slices.Insert(ids, at, id))
		}
	}
}

// profile is u with everything that is shown beside it.
func (d *data) profile(u users.User) *users.Profile {
	p := &users.Profile{
		User: u, Memberships: slices.Clone(d.memberships[u.ID]), Scenes: slices.Clone(d.scenes[u.ID]),
		HasIdentity: len(d.identities[u.ID]) > 0, HasAPIKey: len(d.keysOf[u.ID]) > 0, HasInvite: len(d.invitesTo[users.FoldEmail(u.Email)]) > 0,
	}
	for _, m := range p.Memberships {
		p.Organizations = append(p.Organizations, d.organizations[m.OrganizationID].Clone())
	}
	if o, ok := d.organizations[u.CurrentOrganization]; ok {
		if p.Organization(o.ID) == nil {
			p.Organizations = append(p.Organizations, o.Clone())
		}
		p.MemberCount = d.active[o.ID]
		p.Teams = d.teamList(o.ID)
	}
	if t, ok := d.teams[u.CurrentTeam]; ok && t.OrganizationID != u.CurrentOrganization {
		p.Teams = append(p.Teams, t)
		slices.SortFunc(p.Teams, func(a, b users.Team) int { return cmp.Compare(a.ID, b.ID) })
	}
	return p
}
