package users

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
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

// SightPage is one page of users before a viewer.
type SightPage struct {
	Total  int
	Sights []Sight
}

// Look returns one user as viewer sees it. A missing current organization or
// team is chosen and stored first (contract section 7.4). It returns
// ErrNotFound. Whether viewer may look is decided by Resolve. When the viewer
// brings a Profile of that user, it is shown.
func (s *Service) Look(ctx context.Context, viewer Viewer, id ID) (Sight, error) {
	if p := viewer.Profile; p != nil && p.User.ID == id && viewer.Actor.ID == id && !p.ill() {
		sight, err := s.sight(ctx, viewer, p, p.Memberships)
		if err != nil {
			return Sight{}, fmt.Errorf("view user: %w", err)
		}
		return sight, nil
	}
	page, err := s.look(ctx, viewer, Query{ID: id, Limit: 1})
	if err != nil {
		return Sight{}, fmt.Errorf("view user: %w", err)
	}
	if len(page.Sights) == 0 {
		return Sight{}, ErrNotFound
	}
	return page.Sights[0], nil
}

// List returns the active users that q selects: for staff all of them, for
// anybody else at most the actor, whatever q says.
func (s *Service) List(ctx context.Context, viewer Viewer, q Query) (SightPage, error) {
	q.Active = true
	if !viewer.Actor.Staff {
		q.ID = viewer.Actor.ID
	}
	page, err := s.look(ctx, viewer, q)
	if err != nil {
		return SightPage{}, fmt.Errorf("list users: %w", err)
	}
	return page, nil
}

func (s *Service) look(ctx context.Context, viewer Viewer, q Query) (SightPage, error) {
	page, err := s.store.Profiles(ctx, q)
	if err != nil {
		return SightPage{}, err
	}
	if page, err = s.heal(ctx, q, page); err != nil {
		return SightPage{}, err
	}
	return s.sights(ctx, viewer, page)
}

// sights adds who looks, and what the owner alone sees.
func (s *Service) sights(ctx context.Context, viewer Viewer, page Page) (SightPage, error) {
	levels, err := s.levels(ctx, viewer, page)
	if err != nil {
		return SightPage{}, err
	}
	result := SightPage{Total: page.Total, Sights: make([]Sight, 0, len(page.Profiles))}
	for _, p := range page.Profiles {
		sight, err := s.sight(ctx, viewer, p, levels)
		if err != nil {
			return SightPage{}, err
		}
		result.Sights = append(result.Sights, sight)
	}
	return result, nil
}

func (s *Service) sight(ctx context.Context, viewer Viewer, p *Profile, levels []Membership) (Sight, error) {
	sight := Sight{Profile: p, Self: p.User.ID == viewer.Actor.ID, levels: levels}
	var err error
	if sight.Self && p.HasInvite {
		sight.invites, err = s.store.Invites(ctx, FoldEmail(p.User.Email), s.Now().Add(-InviteAge))
	}
	return sight, err
}

// levels are the memberships of the viewer, from the page if it is on it.
func (s *Service) levels(ctx context.Context, viewer Viewer, page Page) ([]Membership, error) {
	actor := viewer.Actor.ID
	if actor == 0 {
		return nil, nil
	}
	at, on := slices.BinarySearchFunc(page.Profiles, actor, func(p *Profile, id ID) int { return cmp.Compare(p.User.ID, id) })
	switch {
	case on:
		return page.Profiles[at].Memberships, nil
	case viewer.Profile != nil && viewer.Profile.User.ID == actor:
		return viewer.Profile.Memberships, nil
	}
	return s.store.Memberships(ctx, actor)
}

// View spells out what the viewer sees.
func (s Sight) View() View {
	p, v := s.Profile, s.RecordView()
	v.Team = p.team()
	for i := range p.Memberships {
		o := p.Organizations[i]
		v.Organizations = append(v.Organizations, MemberOrganization{Organization: o, Level: levelIn(s.levels, o.ID)})
	}
	if o := p.Organization(v.User.CurrentOrganization); o != nil {
		ov := &OrganizationView{
			MemberOrganization: MemberOrganization{Organization: *o, Level: levelIn(s.levels, o.ID)},
			MemberCount:        p.MemberCount,
		}
		for _, t := range p.Teams {
			if t.OrganizationID == o.ID && ov.Level.Valid && t.VisibleAt(ov.Level.Value) {
				ov.Teams = append(ov.Teams, t)
			}
		}
		v.Organization = ov
	}
	return v
}

// RecordView is View without Team, Organization and Organizations, which stay as
// they are where Profile.WithUser has a result.
func (s Sight) RecordView() View {
	p := s.Profile
	v := View{
		User:                     p.User,
		Self:                     s.Self,
		Scenes:                   p.Scenes,
		HasSocialAuth:            p.HasIdentity,
		RequiresCredentialReview: p.HasAPIKey && p.User.CredentialsReviewedAt.IsZero(),
	}
	if o := p.Organization(p.User.CurrentOrganization); o != nil {
		v.HasSSOEnforcement = ssoEnforced(*o, p.User.Email)
	}
	if s.Self {
		s.addOwn(&v)
	}
	return v
}

// addOwn adds what only the owner sees.
func (s Sight) addOwn(v *View) {
	for _, m := range s.levels {
		if m.OrganizationID == v.User.CurrentOrganization {
			v.FirstInOrganization = Some(m.InvitedBy == 0)
		}
	}
	for _, i := range s.invites {
		if !levelIn(s.levels, i.OrganizationID).Valid && len(v.Invites) < MaxInvites {
			v.Invites = append(v.Invites, i)
		}
	}
}

// heal stores a current organization and team for those users of a page that
// lack one, and reads the page again if that changed anything.
func (s *Service) heal(ctx context.Context, q Query, page Page) (Page, error) {
	var ill []ID
	for _, p := range page.Profiles {
		if p.ill() {
			ill = append(ill, p.User.ID)
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
