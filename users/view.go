package users

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
)

// MaxInvites bounds View.Invites and InviteAge how old they may be, contract
// section 6.
const (
	MaxInvites = 25
	InviteAge  = 3 * 24 * time.Hour
)

// View is a user as one viewer sees it: contract sections 6 and 7.
type View struct {
	User User
	// Self says that the viewer is the user.
	Self          bool
	Team          *Team // the current one; nil if none
	Organization  *OrganizationView
	Organizations []MemberOrganization
	Scenes        []Scene
	Invites       []PendingInvite // empty unless Self
	// FirstInOrganization is set when Self and a member of the current
	// organization.
	FirstInOrganization      Null[bool]
	HasSocialAuth            bool
	HasSSOEnforcement        bool
	RequiresCredentialReview bool
}

// Is2FAEnabled reports whether signing in asks for a second factor.
func (u User) Is2FAEnabled() bool {
	return u.HasTOTP || u.PasskeysEnabledFor2FA.Value && u.HasVerifiedPasskey
}

// MemberOrganization is an organization with the level of the viewer in it,
// which is missing for one the viewer is not in.
type MemberOrganization struct {
	Organization
	Level Null[Level]
}

// OrganizationView is the current organization of a user. Teams are those that
// the viewer may see.
type OrganizationView struct {
	MemberOrganization
	Teams       []Team
	MemberCount int
}

// ViewPage is one page of users as a viewer sees them.
type ViewPage struct {
	Total int
	Views []View
}

// View returns one user as actor sees it. A missing current organization or
// team is chosen and stored first (contract section 7.4). It returns
// ErrNotFound. Whether actor may look is decided by Resolve.
func (s *Service) View(ctx context.Context, actor Actor, id ID) (View, error) {
	page, err := s.views(ctx, actor, Query{ID: id, Limit: 1})
	if err != nil {
		return View{}, fmt.Errorf("view user: %w", err)
	}
	if len(page.Views) == 0 {
		return View{}, ErrNotFound
	}
	return page.Views[0], nil
}

// List returns the active users that q selects: for staff all of them, for
// anybody else at most the actor, whatever q says.
func (s *Service) List(ctx context.Context, actor Actor, q Query) (ViewPage, error) {
	q.Active = true
	if !actor.Staff {
		q.ID = actor.ID
	}
	page, err := s.views(ctx, actor, q)
	if err != nil {
		return ViewPage{}, fmt.Errorf("list users: %w", err)
	}
	return page, nil
}

func (s *Service) views(ctx context.Context, actor Actor, q Query) (ViewPage, error) {
	page, err := s.store.Profiles(ctx, q)
	if err != nil {
		return ViewPage{}, err
	}
	if page, err = s.heal(ctx, q, page); err != nil {
		return ViewPage{}, err
	}
	levels, ok := page.Memberships[actor.ID]
	if !ok && actor.ID != 0 {
		if levels, err = s.store.Memberships(ctx, actor.ID); err != nil {
			return ViewPage{}, err
		}
	}
	result := ViewPage{Total: page.Total, Views: make([]View, 0, len(page.Users))}
	for _, u := range page.Users {
		v := page.view(u, levels)
		if v.Self = u.ID == actor.ID; v.Self {
			if err := s.viewSelf(ctx, &v, levels); err != nil {
				return ViewPage{}, err
			}
		}
		result.Views = append(result.Views, v)
	}
	return result, nil
}

// view assembles what everybody may see. levels are the viewer's.
func (p Page) view(u User, levels []Membership) View {
	v := View{
		User:                     u,
		Scenes:                   p.Scenes[u.ID],
		HasSocialAuth:            p.HasIdentity[u.ID],
		RequiresCredentialReview: p.HasAPIKey[u.ID] && u.CredentialsReviewedAt.IsZero(),
	}
	for _, m := range p.Memberships[u.ID] {
		v.Organizations = append(v.Organizations, MemberOrganization{
			Organization: p.Organizations[m.OrganizationID], Level: levelIn(levels, m.OrganizationID),
		})
	}
	if o, ok := p.Organizations[u.CurrentOrganization]; ok {
		ov := &OrganizationView{
			MemberOrganization: MemberOrganization{Organization: o, Level: levelIn(levels, o.ID)},
			MemberCount:        p.MemberCounts[o.ID],
		}
		for _, t := range p.Teams[o.ID] {
			if ov.Level.Valid && t.VisibleAt(ov.Level.Value) {
				ov.Teams = append(ov.Teams, t)
			}
		}
		v.Organization = ov
		v.HasSSOEnforcement = ssoEnforced(o, u.Email)
	}
	v.Team = p.team(u.CurrentTeam)
	return v
}

func (p Page) team(id TeamID) *Team {
	if id == 0 {
		return nil
	}
	for _, teams := range p.Teams {
		for i := range teams {
			if teams[i].ID == id {
				return &teams[i]
			}
		}
	}
	return nil
}

// viewSelf adds what only the user sees.
func (s *Service) viewSelf(ctx context.Context, v *View, own []Membership) error {
	for _, m := range own {
		if m.OrganizationID == v.User.CurrentOrganization {
			v.FirstInOrganization = Some(m.InvitedBy == 0)
		}
	}
	invites, err := s.store.Invites(ctx, FoldEmail(v.User.Email), s.Now().Add(-InviteAge))
	if err != nil {
		return err
	}
	for _, i := range invites {
		if !levelIn(own, i.OrganizationID).Valid && len(v.Invites) < MaxInvites {
			v.Invites = append(v.Invites, i)
		}
	}
	return nil
}

// heal stores a current organization and team for those users of a page that
// lack one, and reads the page again if that changed anything.
func (s *Service) heal(ctx context.Context, q Query, page Page) (Page, error) {
	var ill []ID
	for _, u := range page.Users {
		if page.ill(u) {
			ill = append(ill, u.ID)
		}
	}
	if ill == nil {
		return page, nil
	}
	err := s.store.UpdateUsers(ctx, func(tx Tx) error {
		for _, id := range ill {
			// As of now, not as of the page: somebody may have chosen meanwhile.
			if _, err := s.healthy(ctx, tx, id); err != nil && !errors.Is(err, ErrNotFound) {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return Page{}, fmt.Errorf("heal current organization: %w", err)
	}
	return s.store.Profiles(ctx, q)
}

// healthy returns a user, after storing the current organization and team that
// were missing. Whatever depends on them reads the user through it.
func (s *Service) healthy(ctx context.Context, tx Tx, id ID) (User, error) {
	u, err := tx.User(ctx, id)
	if err != nil || u.CurrentOrganization != uuid.Nil && u.CurrentTeam != 0 {
		return u, err
	}
	ms, err := tx.Memberships(ctx, id)
	if err != nil {
		return User{}, err
	}
	before := u
	if u.CurrentOrganization == uuid.Nil && len(ms) > 0 {
		u.CurrentOrganization = ms[0].OrganizationID
	}
	if u.CurrentTeam == 0 && u.CurrentOrganization != uuid.Nil {
		teams, err := tx.Teams(ctx, u.CurrentOrganization)
		if err != nil {
			return User{}, err
		}
		u.CurrentTeam = firstTeam(teams, levelIn(ms, u.CurrentOrganization))
	}
	if u == before {
		return u, nil
	}
	return tx.SaveUser(ctx, u)
}

// ill reports a user whose current organization or team is missing and can be
// told (contract section 7.4).
func (p Page) ill(u User) bool {
	ms := p.Memberships[u.ID]
	if u.CurrentOrganization == uuid.Nil {
		return len(ms) > 0
	}
	return u.CurrentTeam == 0 && firstTeam(p.Teams[u.CurrentOrganization], levelIn(ms, u.CurrentOrganization)) != 0
}
