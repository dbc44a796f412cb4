package ownstorage

import (
	"cmp"
	"context"
	"slices"

	"github.com/google/uuid"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/integrations"
	"github.com/hedgerow-dev/hedgerow/users"
)

func usersOf(s *state) *table[users.ID, users.User] { return &s.users }

func (r reader) User(ctx context.Context, id users.ID) (users.User, error) {
	return get(ctx, r, usersOf, id)
}

func (r reader) UserByUUID(ctx context.Context, id uuid.UUID) (users.User, error) {
	return only(ctx, r, usersOf, func(u users.User) bool { return u.UUID == id })
}

func (r reader) UserByEmail(ctx context.Context, folded string) (users.User, error) {
	return only(ctx, r, usersOf, func(u users.User) bool { return users.FoldEmail(u.Email) == folded })
}

// Profiles takes total and page from one state.
func (r reader) Profiles(ctx context.Context, q users.Query) (users.Page, error) {
	s, err := r.look(ctx)
	if err != nil {
		return users.Page{}, err
	}
	found := s.users.sorted(func(u users.User) bool {
		return (q.ID == 0 || q.ID == u.ID) && (q.UUID == uuid.Nil || q.UUID == u.UUID) && (q.Email == "" || q.Email == u.Email) &&
			(!q.Staff.Valid || q.Staff.Value == u.IsStaff) && (!q.Active || u.IsActive)
	}, func(a, b users.User) int { return cmp.Compare(a.ID, b.ID) })
	page := users.Page{Total: len(found)}
	found = slices.DeleteFunc(found, func(u users.User) bool { return u.ID <= q.After })
	found = found[min(q.Offset, len(found)):]
	for _, u := range found[:min(q.Limit, len(found))] {
		page.Profiles = append(page.Profiles, s.profile(u))
	}
	return page, nil
}

// profile is u with everything that is shown beside it.
func (s *state) profile(u users.User) *users.Profile {
	p := &users.Profile{
		User:        u,
		Memberships: s.memberships.sorted(func(m users.Membership) bool { return m.UserID == u.ID }, compareMemberships),
		HasIdentity: s.identities.any(func(i users.Identity) bool { return i.UserID == u.ID }),
		HasAPIKey:   s.keys.any(func(k auth.APIKey) bool { return k.UserID == u.ID }),
		HasInvite:   s.invites.any(func(i users.Invite) bool { return users.FoldEmail(i.TargetEmail) == users.FoldEmail(u.Email) }),
	}
	for _, c := range s.scenes.sorted(func(c scene) bool { return c.UserID == u.ID }, func(a, b scene) int { return cmp.Compare(a.Place, b.Place) }) {
		p.Scenes = append(p.Scenes, c.Scene)
	}
	for _, m := range p.Memberships {
		p.Organizations = append(p.Organizations, clone(s.organizations.rows[m.OrganizationID]))
	}
	if o, ok := s.organizations.rows[u.CurrentOrganization]; ok {
		if p.Organization(o.ID) == nil {
			p.Organizations = append(p.Organizations, clone(o))
		}
		for _, m := range s.memberships.rows {
			if m.OrganizationID == o.ID && s.users.rows[m.UserID].IsActive {
				p.MemberCount++
			}
		}
	}
	p.Teams = s.teams.sorted(func(t users.Team) bool {
		return t.ID == u.CurrentTeam || u.CurrentOrganization != uuid.Nil && t.OrganizationID == u.CurrentOrganization
	}, compareTeams)
	return p
}

func (t *tx) CreateUser(ctx context.Context, u users.User) (users.User, error) {
	u.ID, u.Version = users.ID(t.number("users")), 1
	if err := t.acceptable(ctx, u); err != nil {
		return users.User{}, err
	}
	set(t, &t.users, u.ID, u)
	return u, ctx.Err()
}

func (t *tx) SaveUser(ctx context.Context, u users.User) (users.User, error) {
	old, err := t.User(ctx, u.ID)
	if err != nil {
		return users.User{}, err
	}
	if err := t.acceptable(ctx, u); err != nil {
		return users.User{}, err
	}
	u.Version = old.Version + 1
	set(t, &t.users, u.ID, u)
	return u, nil
}

// acceptable reports what u shares with another user and must not, or what it refers
// to that is not there.
func (t *tx) acceptable(ctx context.Context, u users.User) error {
	for id, o := range t.users.rows {
		if id != u.ID && users.FoldEmail(o.Email) == users.FoldEmail(u.Email) {
			return users.ErrEmailTaken
		}
		if id != u.ID && (o.UUID == u.UUID || o.DistinctID == u.DistinctID) {
			return users.ErrConflict
		}
	}
	if u.CurrentOrganization != uuid.Nil {
		if err := exists(ctx, &t.organizations, u.CurrentOrganization); err != nil {
			return err
		}
	}
	if u.CurrentTeam != 0 {
		return exists(ctx, &t.teams, u.CurrentTeam)
	}
	return nil
}

// DeleteUser is the list of all that belongs to a user. What the user connected
// for a team stays.
func (t *tx) DeleteUser(ctx context.Context, id users.ID) error {
	if err := remove(ctx, t, &t.users, id); err != nil {
		return err
	}
	dropWhere(t, &t.memberships, func(m users.Membership) bool { return m.UserID == id })
	dropWhere(t, &t.identities, func(i users.Identity) bool { return i.UserID == id })
	dropWhere(t, &t.scenes, func(c scene) bool { return c.UserID == id })
	dropWhere(t, &t.sessions, func(s auth.Session) bool { return s.UserID == id })
	dropWhere(t, &t.keys, func(k auth.APIKey) bool { return k.UserID == id })
	dropWhere(t, &t.tokens, func(k auth.OAuthToken) bool { return k.UserID == id })
	dropWhere(t, &t.tickets, func(k auth.Ticket) bool { return k.UserID == id })
	dropWhere(t, &t.passkeys, func(k auth.Passkey) bool { return k.UserID == id })
	drop(t, &t.factors, id)
	drop(t, &t.autonomy, id)
	for _, i := range t.links.rows {
		if i.UserID == id {
			t.dropLink(i.ID)
		}
	}
	dropWhere(t, &t.linkStates, func(s integrations.LinkState) bool { return s.UserID == id })
	dropWhere(t, &t.installRequests, func(r integrations.InstallRequest) bool { return r.UserID == id })
	for _, i := range t.teamInstallations.rows {
		if i.CreatedBy == id {
			i.CreatedBy = 0
			set(t, &t.teamInstallations, i.ID, i)
		}
	}
	return nil
}

func identitiesOf(s *state) *table[identityKey, users.Identity] { return &s.identities }

func (r reader) Identities(ctx context.Context, user users.ID) ([]users.Identity, error) {
	return list(ctx, r, identitiesOf, func(i users.Identity) bool { return i.UserID == user }, func(a, b users.Identity) int {
		return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), cmp.Compare(a.Provider, b.Provider), cmp.Compare(a.Subject, b.Subject))
	})
}

func (t *tx) SaveIdentity(ctx context.Context, i users.Identity) error {
	key := identityKey{i.Provider, i.Subject}
	old, had := t.identities.rows[key]
	if had && old.UserID != i.UserID {
		return users.ErrConflict
	}
	if err := exists(ctx, &t.users, i.UserID); err != nil {
		return err
	}
	if had {
		old.Login = i.Login
		i = old
	}
	set(t, &t.identities, key, i)
	return nil
}

func (t *tx) DeleteIdentity(ctx context.Context, provider, subject string) (users.ID, error) {
	key := identityKey{provider, subject}
	owner := t.identities.rows[key].UserID
	if err := remove(ctx, t, &t.identities, key); err != nil {
		return 0, err
	}
	return owner, nil
}
