package users

import (
	"strconv"
	"sync/atomic"

	"github.com/google/uuid"
)

// Profile is a user with everything that is shown beside it, as of one moment.
// A store may give one Profile to many readers at once, so nobody changes it or
// what it refers to.
type Profile struct {
	User        User
	Memberships []Membership // by JoinedAt and then OrganizationID
	// Organizations are those of the memberships, in the same order, and last the
	// current one, if it is none of them.
	Organizations []Organization
	// Teams are those of the current organization and, even if it belongs
	// elsewhere, the current team; by ID.
	Teams       []Team
	MemberCount int     // active members of the current organization
	Scenes      []Scene // in the order of their creation
	HasIdentity bool    // at least one linked identity
	HasAPIKey   bool    // at least one personal API key
	HasInvite   bool    // at least one invite to the address, however old

	forms [2]atomic.Pointer[form]
}

// form is what somebody made of a Profile, or of one before WithUser.
type form struct {
	key     string
	value   any
	earlier bool
}

// Form returns what KeepForm kept last under this key, nil if nothing. It is not
// current if it is of the Profile that WithUser was called on: then all of it is
// true that does not depend on the record of the user. It is safe for concurrent
// use.
func (p *Profile) Form(key []byte) (value any, current bool) {
	for i := range p.forms {
		if f := p.forms[i].Load(); f != nil && f.key == string(key) {
			return f.value, !f.earlier
		}
	}
	return nil, false
}

// KeepForm keeps a form of the Profile, such as its JSON, for as long as the
// Profile lives: as that never changes, neither does the form get old. Two fit:
// one for keys of the owner, as Sight.AppendKey makes them, and one for others.
// It is safe for concurrent use.
func (p *Profile) KeepForm(key []byte, value any) {
	slot := &p.forms[1]
	if string(key) == selfKey {
		slot = &p.forms[0]
	}
	slot.Store(&form{key: string(key), value: value})
}

// WithUser returns a Profile of a later state of the same user, if nothing else
// that it shows has changed. It returns nil where the record itself changes that
// or what the user is found by: organization, team, address, UUID, activity, staff.
func (p *Profile) WithUser(u User) *Profile {
	b := &p.User
	if b.CurrentOrganization != u.CurrentOrganization || b.CurrentTeam != u.CurrentTeam || b.Email != u.Email || b.UUID != u.UUID ||
		b.IsActive != u.IsActive || b.IsStaff != u.IsStaff {
		return nil
	}
	next := &Profile{
		User: u, Memberships: p.Memberships, Organizations: p.Organizations, Teams: p.Teams, MemberCount: p.MemberCount,
		Scenes: p.Scenes, HasIdentity: p.HasIdentity, HasAPIKey: p.HasAPIKey, HasInvite: p.HasInvite,
	}
	for i := range p.forms {
		if f := p.forms[i].Load(); f != nil {
			next.forms[i].Store(&form{key: f.key, value: f.value, earlier: true})
		}
	}
	return next
}

// Organization returns one of Organizations, nil if it is none of them.
func (p *Profile) Organization(id uuid.UUID) *Organization {
	for i := range p.Organizations {
		if p.Organizations[i].ID == id {
			return &p.Organizations[i]
		}
	}
	return nil
}

// team returns the current team, nil if there is none.
func (p *Profile) team() *Team {
	for i := range p.Teams {
		if p.Teams[i].ID == p.User.CurrentTeam {
			return &p.Teams[i]
		}
	}
	return nil
}

// ill reports a user whose current organization or team is missing and can be
// told (contract section 7.4).
func (p *Profile) ill() bool {
	current := p.User.CurrentOrganization
	if current == uuid.Nil {
		return len(p.Memberships) > 0
	}
	return p.User.CurrentTeam == 0 && firstTeam(p.teamsOf(current), levelIn(p.Memberships, current)) != 0
}

func (p *Profile) teamsOf(organization uuid.UUID) []Team {
	var list []Team
	for _, t := range p.Teams {
		if t.OrganizationID == organization {
			list = append(list, t)
		}
	}
	return list
}

// Viewer is who looks at profiles.
type Viewer struct {
	Actor Actor
	// Profile of the actor, if somebody has read it in the same request already.
	Profile *Profile
}

// Sight is a Profile before somebody who looks at it.
type Sight struct {
	Profile *Profile
	// Self says that the viewer is the user.
	Self    bool
	levels  []Membership    // the viewer's
	invites []PendingInvite // of the viewer, if Self
}

// selfKey is the key of what the owner sees.
const selfKey = "self"

// AppendKey appends a key under which a form of the Profile can be kept: whoever
// has the same key for a Profile gets an equal View of it. Without one, as views
// change with time, it reports false.
func (s Sight) AppendKey(b []byte) ([]byte, bool) {
	if s.Self {
		return append(b, selfKey...), !s.Profile.HasInvite
	}
	for i := range s.Profile.Organizations {
		if level := levelIn(s.levels, s.Profile.Organizations[i].ID); level.Valid {
			b = strconv.AppendInt(b, int64(level.Value), 10)
		}
		b = append(b, ',')
	}
	return b, true
}
