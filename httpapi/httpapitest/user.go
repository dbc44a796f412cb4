package httpapitest

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/users"
)

// userSpec is a user of a world, and the body of PATCH /_standin/users/{name}.
type userSpec struct {
	Email               member[string]         `json:"email"`
	Password            member[*string]        `json:"password"`
	FirstName           member[string]         `json:"first_name"`
	LastName            member[string]         `json:"last_name"`
	IsStaff             member[bool]           `json:"is_staff"`
	IsActive            member[bool]           `json:"is_active"`
	IsEmailVerified     member[*bool]          `json:"is_email_verified"`
	PendingEmail        member[*string]        `json:"pending_email"`
	Memberships         object[users.Level]    `json:"memberships"` // nil if absent
	CurrentOrganization member[*string]        `json:"current_organization"`
	CurrentTeam         member[*string]        `json:"current_team"`
	LinkedIdentities    member[[]identitySpec] `json:"linked_identities"`
	HedgehogConfig      member[jsontext.Value] `json:"hedgehog_config"`
	CredentialsReviewed member[bool]           `json:"credentials_reviewed"`
	factorSpec
}

type identitySpec struct {
	Provider string `json:"provider"`
	Login    string `json:"login"`
}

// unusable is a password that nobody can sign in with.
const unusable = "!unusable"

// createUser stores a user of a world.
func (f *fixture) createUser(ctx context.Context, at jsontext.Pointer, name string, s userSpec) error {
	if !s.Email.set {
		return refuse(at.AppendToken("email"), "an address is required")
	}
	u := users.New()
	u.Email = s.Email.value
	u, err := f.api.Users().NewUser(u)
	if err != nil {
		return refusedAt(at, err)
	}
	c, err := f.userChange(ctx, at, s)
	if err != nil {
		return err
	}
	c.apply(&u)
	host := users.Actor{Credential: users.ByHost}
	err = f.store.UpdateUsers(ctx, func(tx users.Tx) (err error) {
		if u, err = tx.CreateUser(ctx, u); err != nil {
			return err
		}
		if err := c.saveLinks(ctx, tx, u.ID); err != nil {
			return err
		}
		return tx.AddEvent(ctx, f.api.Users().Event(host, u.ID, "user created"))
	})
	if err != nil {
		return refusedAt(at, err)
	}
	f.ids.Users[name] = UserIDs{u.ID, u.UUID}
	if s.factorSpec.empty() {
		return nil
	}
	factors, err := f.factorChange(ctx, at, u.ID, s.factorSpec)
	if err != nil {
		return err
	}
	return f.store.UpdateAuth(ctx, func(tx auth.Tx) error {
		u, err := tx.User(ctx, u.ID)
		if err != nil {
			return err
		}
		if err := factors.save(ctx, tx, &u); err != nil {
			return err
		}
		_, err = tx.SaveUser(ctx, u)
		return err
	})
}

// patchUser sets stored fields of a user directly: nothing else changes, sessions
// included, but that an address which is set to wait voids earlier links.
func (f *fixture) patchUser(ctx context.Context, id users.ID, s userSpec) error {
	c, err := f.userChange(ctx, "", s)
	if err != nil {
		return err
	}
	factors, err := f.factorChange(ctx, "", id, s.factorSpec)
	if err != nil {
		return err
	}
	err = f.store.UpdateAuth(ctx, func(tx auth.Tx) error {
		u, err := tx.User(ctx, id)
		if err != nil {
			return err
		}
		c.apply(&u)
		if err := factors.save(ctx, tx, &u); err != nil {
			return err
		}
		if _, err := tx.SaveUser(ctx, u); err != nil {
			return err
		}
		if s.PendingEmail.set {
			if err := tx.DeleteTickets(ctx, id, auth.VerifyEmailLink); err != nil {
				return err
			}
		}
		return c.saveLinks(ctx, tx, id)
	})
	if errors.Is(err, users.ErrNotFound) {
		return errNoName // deleted through the API
	}
	return refusedAt("", err)
}

// userChange is a userSpec whose names were looked up.
type userChange struct {
	f            *fixture
	spec         userSpec
	email        string
	pending      string
	hash         users.Secret
	organization uuid.UUID
	team         users.TeamID
	hedgehog     users.JSON
	memberships  []users.Membership // without the user
	identities   []users.Identity   // without the user
}

// userChange does what is not for a transaction: it looks names up, hashes the
// password and checks values.
func (f *fixture) userChange(ctx context.Context, at jsontext.Pointer, s userSpec) (*userChange, error) {
	c := &userChange{f: f, spec: s}
	for _, step := range []func(context.Context, jsontext.Pointer) error{c.prepareFields, c.prepareCurrent, c.prepareMemberships, c.prepareIdentities} {
		if err := step(ctx, at); err != nil {
			return nil, err
		}
	}
	return c, nil
}

func (c *userChange) prepareFields(ctx context.Context, at jsontext.Pointer) (err error) {
	if c.spec.Email.set {
		if c.email, err = users.CheckEmail(users.Set(c.spec.Email.value)); err != nil {
			return refusedAt(at, err)
		}
	}
	if p := c.spec.PendingEmail.value; p != nil {
		if c.pending, err = users.CheckEmail(users.Set(*p)); err != nil {
			return refuse(at.AppendToken("pending_email"), "this is not an address")
		}
	}
	if p := c.spec.Password.value; p != nil && *p != unusable {
		if c.hash, err = c.f.api.Auth().HashPassword(ctx, *p); err != nil {
			return err
		}
	}
	if v := c.spec.HedgehogConfig.value.Clone(); v != nil && v.Kind() != 'n' {
		if err := v.Compact(); err != nil {
			return err
		}
		c.hedgehog = users.JSON(v)
	}
	return nil
}

func (c *userChange) prepareCurrent(_ context.Context, at jsontext.Pointer) error {
	if name := c.spec.CurrentOrganization.value; name != nil {
		o, err := find(at.AppendToken("current_organization"), c.f.ids.Organizations, *name)
		if err != nil {
			return err
		}
		c.organization = o.ID
	}
	if name := c.spec.CurrentTeam.value; name != nil {
		t, err := find(at.AppendToken("current_team"), c.f.ids.Teams, *name)
		if err != nil {
			return err
		}
		c.team = t.ID
	}
	return nil
}

func (c *userChange) prepareMemberships(_ context.Context, at jsontext.Pointer) error {
	now := c.f.api.Users().Now()
	return c.spec.Memberships.each(at.AppendToken("memberships"), func(n int, at jsontext.Pointer, name string, level users.Level) error {
		o, err := find(at, c.f.ids.Organizations, name)
		if err != nil {
			return err
		}
		switch level {
		case users.LevelMember, users.LevelAdmin, users.LevelOwner:
		default:
			return refuse(at, "a level is 1, 8 or 15")
		}
		joined := now.Add(-older(n, len(c.spec.Memberships)))
		c.memberships = append(c.memberships, users.Membership{OrganizationID: o.ID, Level: level, JoinedAt: joined})
		return nil
	})
}

func (c *userChange) prepareIdentities(_ context.Context, at jsontext.Pointer) error {
	now, list := c.f.api.Users().Now(), c.spec.LinkedIdentities.value
	at = at.AppendToken("linked_identities")
	for n, i := range list {
		if i.Provider == "" {
			return refuse(element(at, n).AppendToken("provider"), "a name is required")
		}
		// Subjects are unique in a world; what they are does not matter.
		subject, err := c.f.api.Users().NewUUID()
		if err != nil {
			return err
		}
		c.identities = append(c.identities, users.Identity{
			Provider: i.Provider, Subject: subject.String(), Login: i.Login, CreatedAt: now.Add(-older(n, len(list))),
		})
	}
	return nil
}

// apply sets the fields of the user itself.
func (c *userChange) apply(u *users.User) {
	s := c.spec
	s.FirstName.assign(&u.FirstName)
	s.LastName.assign(&u.LastName)
	s.IsStaff.assign(&u.IsStaff)
	s.IsActive.assign(&u.IsActive)
	if s.Email.set {
		u.Email = c.email
	}
	if s.Password.set {
		u.PasswordHash = c.hash
	}
	if s.IsEmailVerified.set {
		u.IsEmailVerified = optional(s.IsEmailVerified.value)
	}
	if s.PendingEmail.set {
		u.PendingEmail = c.pending
	}
	if s.CurrentOrganization.set {
		u.CurrentOrganization = c.organization
	}
	if s.CurrentTeam.set {
		u.CurrentTeam = c.team
	}
	if s.HedgehogConfig.set {
		u.HedgehogConfig = c.hedgehog
	}
	if s.CredentialsReviewed.set {
		u.CredentialsReviewedAt = time.Time{}
		if s.CredentialsReviewed.value {
			u.CredentialsReviewedAt = c.f.api.Users().Now()
		}
	}
}

// saveLinks replaces memberships and identities, each if it is there.
func (c *userChange) saveLinks(ctx context.Context, tx users.Tx, id users.ID) error {
	if c.spec.Memberships != nil {
		if err := replaceMemberships(ctx, tx, id, c.memberships); err != nil {
			return err
		}
	}
	if !c.spec.LinkedIdentities.set {
		return nil
	}
	old, err := tx.Identities(ctx, id)
	if err != nil {
		return err
	}
	for _, i := range old {
		if _, err := tx.DeleteIdentity(ctx, i.Provider, i.Subject); err != nil {
			return err
		}
	}
	for _, i := range c.identities {
		i.UserID = id
		if err := tx.SaveIdentity(ctx, i); err != nil {
			return err
		}
	}
	return nil
}

// replaceMemberships leaves the current organization of the user alone, unlike
// what the host's own way of ending a membership does.
func replaceMemberships(ctx context.Context, tx users.Tx, id users.ID, wanted []users.Membership) error {
	old, err := tx.Memberships(ctx, id)
	if err != nil {
		return err
	}
	for _, m := range old {
		if err := tx.DeleteMembership(ctx, id, m.OrganizationID); err != nil {
			return err
		}
	}
	for _, m := range wanted {
		m.UserID = id
		if err := tx.SaveMembership(ctx, m); err != nil {
			return err
		}
	}
	return nil
}

// element is the path of an element of a list.
func element(at jsontext.Pointer, n int) jsontext.Pointer { return at.AppendToken(strconv.Itoa(n)) }
