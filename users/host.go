package users

import (
	"context"
	"fmt"
	"strings"

	"github.com/google/uuid"
)

// The methods in this file are for the host, which owns organizations, teams,
// memberships, invites and identities. They ask for no permission.

// User returns the user, or ErrNotFound.
func (s *Service) User(ctx context.Context, id ID) (User, error) {
	u, err := s.store.User(ctx, id)
	if err != nil {
		return User{}, fmt.Errorf("read user: %w", err)
	}
	return u, nil
}

// UserByEmail returns the user with this address, in any spelling that counts
// as the same, or ErrNotFound.
func (s *Service) UserByEmail(ctx context.Context, email string) (User, error) {
	u, err := s.store.UserByEmail(ctx, FoldEmail(strings.TrimSpace(email)))
	if err != nil {
		return User{}, fmt.Errorf("read user: %w", err)
	}
	return u, nil
}

// PrepareOrganization returns o as SaveOrganization stores it, or the Invalid error
// that it returns.
func (s *Service) PrepareOrganization(o Organization) (Organization, error) {
	o = o.Clone()
	var err error
	if o.Name, err = CheckText(Set(o.Name), "name", 64); err != nil {
		return Organization{}, err
	}
	if o.Slug, err = text(Set(o.Slug), "slug", 48, true); err != nil {
		return Organization{}, err
	}
	o.SSOEnforcedDomains = cleanDomains(o.SSOEnforcedDomains)
	if err := o.checkStorable(); err != nil {
		return Organization{}, err
	}
	if o.ID == uuid.Nil {
		if o.ID, err = s.NewUUID(); err != nil {
			return Organization{}, err
		}
	}
	if o.CreatedAt.IsZero() {
		o.CreatedAt = s.Now()
	}
	if o.UpdatedAt.IsZero() {
		o.UpdatedAt = s.Now()
	}
	if o.Metadata == "" {
		o.Metadata = noInstanceTag
	}
	return o, nil
}

// SaveOrganization creates or replaces an organization. A zero ID, CreatedAt or
// UpdatedAt is filled in. The result is what was stored. A name over 64 or a
// slug over 48 characters, or a missing name, is an Invalid error.
func (s *Service) SaveOrganization(ctx context.Context, o Organization) (Organization, error) {
	o, err := s.PrepareOrganization(o)
	if err != nil {
		return Organization{}, err
	}
	err = s.store.UpdateUsers(ctx, func(tx Tx) error { return tx.SaveOrganization(ctx, o) })
	if err != nil {
		return Organization{}, fmt.Errorf("save organization: %w", err)
	}
	return o, nil
}

// DeleteOrganization removes an organization with its teams, memberships and
// invites. It returns ErrNotFound.
func (s *Service) DeleteOrganization(ctx context.Context, id uuid.UUID) error {
	err := s.store.UpdateUsers(ctx, func(tx Tx) error { return tx.DeleteOrganization(ctx, id) })
	if err != nil {
		return fmt.Errorf("delete organization: %w", err)
	}
	return nil
}

// PrepareTeam returns t as SaveTeam stores it, or the Invalid error that it returns.
func (s *Service) PrepareTeam(t Team) (Team, error) {
	var err error
	if t.Name, err = CheckText(Set(t.Name), "name", 200); err != nil {
		return Team{}, err
	}
	if err := CheckStorable([2]string{"api_token", t.APIToken}, [2]string{"timezone", t.Timezone},
		[2]string{"has_completed_onboarding_for", string(t.HasCompletedOnboardingFor)}); err != nil {
		return Team{}, err
	}
	if t.UUID == uuid.Nil {
		if t.UUID, err = s.NewUUID(); err != nil {
			return Team{}, err
		}
	}
	if t.Timezone == "" {
		t.Timezone = "UTC"
	}
	return t, nil
}

// SaveTeam creates a team, when its ID is zero, or replaces the one of that ID.
// A zero UUID and an empty Timezone are filled in. The result is what was
// stored. It returns ErrNotFound if team or organization does not exist.
func (s *Service) SaveTeam(ctx context.Context, t Team) (Team, error) {
	t, err := s.PrepareTeam(t)
	if err != nil {
		return Team{}, err
	}
	var saved Team
	err = s.store.UpdateUsers(ctx, func(tx Tx) (err error) {
		saved, err = tx.SaveTeam(ctx, t)
		return err
	})
	if err != nil {
		return Team{}, fmt.Errorf("save team: %w", err)
	}
	return saved, nil
}

// DeleteTeam removes a team. It returns ErrNotFound.
func (s *Service) DeleteTeam(ctx context.Context, id TeamID) error {
	err := s.store.UpdateUsers(ctx, func(tx Tx) error { return tx.DeleteTeam(ctx, id) })
	if err != nil {
		return fmt.Errorf("delete team: %w", err)
	}
	return nil
}

// PrepareMembership returns m as SaveMembership stores it, or the Invalid error that
// it returns.
func (s *Service) PrepareMembership(m Membership) (Membership, error) {
	switch m.Level {
	case LevelMember, LevelAdmin, LevelOwner:
	default:
		return Membership{}, invalid("level", "invalid_choice", "There is no such membership level.")
	}
	if m.JoinedAt.IsZero() {
		m.JoinedAt = s.Now()
	}
	return m, nil
}

// SaveMembership makes a user a member of an organization, or changes the
// level. A zero JoinedAt is filled in; a level that does not exist is an
// Invalid error. It returns ErrNotFound if user or organization does not exist.
func (s *Service) SaveMembership(ctx context.Context, m Membership) error {
	m, err := s.PrepareMembership(m)
	if err != nil {
		return err
	}
	err = s.store.UpdateUsers(ctx, func(tx Tx) error { return tx.SaveMembership(ctx, m) })
	if err != nil {
		return fmt.Errorf("save membership: %w", err)
	}
	return nil
}

// DeleteMembership takes a user out of an organization, which is then no longer
// the user's current one. It returns ErrNotFound if there is no membership.
func (s *Service) DeleteMembership(ctx context.Context, user ID, organization uuid.UUID) error {
	err := s.store.UpdateUsers(ctx, func(tx Tx) error {
		u, err := tx.User(ctx, user)
		if err != nil {
			return err
		}
		if err := tx.DeleteMembership(ctx, user, organization); err != nil {
			return err
		}
		if u.CurrentOrganization != organization {
			return nil
		}
		u.CurrentOrganization, u.CurrentTeam = uuid.Nil, 0
		_, err = tx.SaveUser(ctx, u)
		return err
	})
	if err != nil {
		return fmt.Errorf("delete membership: %w", err)
	}
	return nil
}

// SaveInvite creates or replaces an invite. A zero ID or CreatedAt is filled
// in. It returns ErrNotFound if the organization does not exist, or an Invalid
// error for the address.
func (s *Service) SaveInvite(ctx context.Context, i Invite) (Invite, error) {
	var err error
	if i.TargetEmail, err = CheckEmail(Set(i.TargetEmail)); err != nil {
		return Invite{}, at(err.(*Error), "target_email")
	}
	if i.ID == uuid.Nil {
		if i.ID, err = s.NewUUID(); err != nil {
			return Invite{}, err
		}
	}
	if i.CreatedAt.IsZero() {
		i.CreatedAt = s.Now()
	}
	err = s.store.UpdateUsers(ctx, func(tx Tx) error { return tx.SaveInvite(ctx, i) })
	if err != nil {
		return Invite{}, fmt.Errorf("save invite: %w", err)
	}
	return i, nil
}

// DeleteInvite withdraws an invite. It returns ErrNotFound.
func (s *Service) DeleteInvite(ctx context.Context, id uuid.UUID) error {
	err := s.store.UpdateUsers(ctx, func(tx Tx) error { return tx.DeleteInvite(ctx, id) })
	if err != nil {
		return fmt.Errorf("delete invite: %w", err)
	}
	return nil
}

// SaveIdentity ties a login at another provider to a user, or updates its
// display text. A zero CreatedAt is filled in. It returns ErrConflict when the
// login is somebody else's, ErrNotFound, or an Invalid error for a provider or
// subject that is missing or has more than MaxKey characters.
func (s *Service) SaveIdentity(ctx context.Context, i Identity) error {
	if i.Provider == "" {
		return invalid("provider", "required", "A provider is required.")
	}
	if i.Subject == "" {
		return invalid("subject", "required", "A subject is required.")
	}
	if err := CheckKey([2]string{"provider", i.Provider}, [2]string{"subject", i.Subject}); err != nil {
		return err
	}
	if err := CheckStorable([2]string{"login", i.Login}); err != nil {
		return err
	}
	if i.CreatedAt.IsZero() {
		i.CreatedAt = s.Now()
	}
	err := s.store.UpdateUsers(ctx, func(tx Tx) error {
		if err := tx.SaveIdentity(ctx, i); err != nil {
			return err
		}
		return tx.AddEvent(ctx, s.Event(Actor{Credential: ByHost}, i.UserID, "identity linked"))
	})
	if err != nil {
		return fmt.Errorf("save identity: %w", err)
	}
	return nil
}

// DeleteIdentity unties a login. It returns ErrNotFound.
func (s *Service) DeleteIdentity(ctx context.Context, provider, subject string) error {
	err := s.store.UpdateUsers(ctx, func(tx Tx) error {
		owner, err := tx.DeleteIdentity(ctx, provider, subject)
		if err != nil {
			return err
		}
		return tx.AddEvent(ctx, s.Event(Actor{Credential: ByHost}, owner, "identity unlinked"))
	})
	if err != nil {
		return fmt.Errorf("delete identity: %w", err)
	}
	return nil
}
