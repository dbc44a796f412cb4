package users

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
)

// Config adjusts a Service. The zero value is ready for production.
type Config struct {
	// Dashboards looks dashboards up for Personalise. Nil means that there are
	// none.
	Dashboards Dashboards
	// MailConfigured says that a changed address has to be verified by mail
	// before it takes effect. When false, it takes effect at once.
	MailConfigured bool
	// Now reads the clock. Nil means time.Now. Tests set it.
	Now func() time.Time
	// Rand is the source of identifiers. Nil means crypto/rand.
	Rand io.Reader
}

// Service applies the rules of accounts. It is safe for concurrent use.
type Service struct {
	store  Store
	config Config
}

// NewService returns a Service on store.
func NewService(store Store, config Config) *Service {
	if config.Dashboards == nil {
		config.Dashboards = DashboardMap(nil)
	}
	if config.Now == nil {
		config.Now = time.Now
	}
	if config.Rand == nil {
		config.Rand = rand.Reader
	}
	return &Service{store: store, config: config}
}

// MailConfigured reports whether a changed address has to be verified.
func (s *Service) MailConfigured() bool { return s.config.MailConfigured }

// Now returns the time in the form that stores keep: UTC with microseconds.
func (s *Service) Now() time.Time {
	return s.config.Now().UTC().Truncate(time.Microsecond)
}

// NewUUID returns a version 7 UUID of this moment for a record of any domain.
func (s *Service) NewUUID() (uuid.UUID, error) { return NewUUID(s.Now(), s.config.Rand) }

// Me is the path segment that stands for the caller.
const Me = "@me"

// Resolve returns the id of the user that a path segment names: Me and, as a
// deviation from the reference, the caller's own UUID for everyone; the UUID of
// any active user for staff. Anybody else gets ErrForbidden before any lookup,
// so that the answer tells nothing; staff get ErrNotFound for what is unknown,
// malformed or inactive.
func (s *Service) Resolve(ctx context.Context, actor Actor, segment string) (ID, error) {
	id, parsed := ParseUUID(segment)
	switch {
	case actor.ID == 0:
		return 0, ErrForbidden
	case segment == Me, parsed && id == actor.UUID:
		return actor.ID, nil
	case !actor.Staff:
		return 0, ErrForbidden
	case !parsed:
		return 0, ErrNotFound
	}
	u, err := s.store.UserByUUID(ctx, id)
	if err != nil {
		return 0, fmt.Errorf("resolve user: %w", err)
	}
	if !u.IsActive {
		return 0, ErrNotFound
	}
	return u.ID, nil
}

// ResolveAny is Resolve for paths that also take the number of a user: the own
// one for everyone (design D12), any other for staff, who find inactive users
// too.
func (s *Service) ResolveAny(ctx context.Context, actor Actor, segment string) (ID, error) {
	if id, err := s.ResolveSelf(actor, segment); err == nil {
		return id, nil
	}
	number, isNumber := ParseID(segment)
	id, isUUID := ParseUUID(segment)
	var u User
	var err error
	switch {
	case actor.ID == 0:
		return 0, ErrForbidden
	case isNumber && ID(number) == actor.ID:
		return actor.ID, nil
	case !actor.Staff:
		return 0, ErrForbidden
	case isNumber:
		u, err = s.store.User(ctx, ID(number))
	case isUUID:
		u, err = s.store.UserByUUID(ctx, id)
	default:
		return 0, ErrNotFound
	}
	if err != nil {
		return 0, fmt.Errorf("resolve user: %w", err)
	}
	return u.ID, nil
}

// ResolveSelf is Resolve for what only the user may do, staff or not: any
// segment but the caller's own is ErrForbidden.
func (s *Service) ResolveSelf(actor Actor, segment string) (ID, error) {
	id, parsed := ParseUUID(segment)
	if actor.ID != 0 && (segment == Me || parsed && id == actor.UUID) {
		return actor.ID, nil
	}
	return 0, ErrForbidden
}

// NewUser fills in what a new account needs besides u.Email and the caller's
// choices: UUID, DistinctID and DateJoined, unless they are set. The address is
// checked and put in lower case, and text that no store can hold or a DistinctID
// of more than 200 characters is an Invalid error. Pass the result to Tx.CreateUser.
func (s *Service) NewUser(u User) (User, error) {
	email, err := CheckEmail(Set(u.Email))
	if err != nil {
		return User{}, err
	}
	if err := u.checkStorable(); err != nil {
		return User{}, err
	}
	u.Email = lowerASCII(email)
	if u.DateJoined.IsZero() {
		u.DateJoined = s.Now()
	}
	if u.UUID == uuid.Nil {
		if u.UUID, err = s.NewUUID(); err != nil {
			return User{}, err
		}
	}
	if u.DistinctID == "" {
		// 32 bytes: contract section 6.
		if u.DistinctID, err = RandomText(s.config.Rand, 32); err != nil {
			return User{}, err
		}
	}
	return u, nil
}

// Delete removes the account with everything it owns. It returns ErrMember
// while the user belongs to an organization, and ErrNotFound.
func (s *Service) Delete(ctx context.Context, actor Actor, id ID) error {
	err := s.store.UpdateUsers(ctx, func(tx Tx) error {
		if _, err := tx.User(ctx, id); err != nil {
			return err
		}
		ms, err := tx.Memberships(ctx, id)
		if err != nil {
			return err
		}
		if len(ms) > 0 {
			return ErrMember
		}
		if err := tx.DeleteUser(ctx, id); err != nil {
			return err
		}
		return tx.AddEvent(ctx, s.Event(actor, id, "user account deleted"))
	})
	if err != nil {
		return fmt.Errorf("delete user: %w", err)
	}
	return nil
}

// edit changes one user by fn and logs the change. fn returns the names of the
// stored fields that differ; none means that nothing is written.
func (s *Service) edit(ctx context.Context, actor Actor, id ID, fn func(Tx, *User) ([]string, error)) (User, error) {
	var u User
	err := s.store.UpdateUsers(ctx, func(tx Tx) (err error) {
		if u, err = tx.User(ctx, id); err != nil {
			return err
		}
		fields, err := fn(tx, &u)
		if err != nil || len(fields) == 0 {
			return err
		}
		if u, err = tx.SaveUser(ctx, u); err != nil {
			return err
		}
		return tx.AddEvent(ctx, s.Event(actor, id, "user updated", fields...))
	})
	return u, err
}

// Update applies p and logs the change. Passwords, and addresses that have to be
// verified, are refused here with ErrForbidden: auth.Service.UpdateUser changes
// them. See Apply for the errors; ErrNotFound besides.
func (s *Service) Update(ctx context.Context, actor Actor, id ID, p Patch) (User, error) {
	if p.Password.Set || p.Email.Set && s.config.MailConfigured {
		return User{}, ErrForbidden
	}
	u, err := s.edit(ctx, actor, id, func(tx Tx, u *User) (fields []string, err error) {
		*u, fields, err = s.Apply(ctx, tx, actor, *u, p)
		return fields, err
	})
	if err != nil {
		return User{}, fmt.Errorf("update user: %w", err)
	}
	return u, nil
}

// SetHedgehogConfig replaces the whole value; "" stores null. It returns the
// stored value, or an Invalid error when it is larger than MaxJSON.
func (s *Service) SetHedgehogConfig(ctx context.Context, actor Actor, id ID, v JSON) (JSON, error) {
	f := Set(v)
	f.Null = v == ""
	u, err := s.Update(ctx, actor, id, Patch{HedgehogConfig: f})
	return u.HedgehogConfig, err
}

// HedgehogConfig returns the stored value; "" when there is none.
func (s *Service) HedgehogConfig(ctx context.Context, id ID) (JSON, error) {
	u, err := s.store.User(ctx, id)
	if err != nil {
		return "", fmt.Errorf("read hedgehog config: %w", err)
	}
	return u.HedgehogConfig, nil
}

// SeeProductIntro remembers whether the user has seen the introduction of a
// product and returns the whole map. At most MaxIntros products of MaxIntroName
// characters are kept; more is an Invalid error.
func (s *Service) SeeProductIntro(ctx context.Context, actor Actor, id ID, product Field[string], seen Field[bool]) (JSON, error) {
	key, err := CheckText(product, "product_key", MaxIntroName)
	if err != nil {
		return "", err
	}
	value := true
	if seen.Set {
		if err := required(seen, "seen"); err != nil {
			return "", err
		}
		value = seen.Value
	}
	u, err := s.edit(ctx, actor, id, func(_ Tx, u *User) ([]string, error) {
		intros, err := addIntro(u.HasSeenProductIntroFor, key, value)
		if err != nil || intros == u.HasSeenProductIntroFor {
			return nil, err
		}
		u.HasSeenProductIntroFor = intros
		return []string{"has_seen_product_intro_for"}, nil
	})
	if err != nil {
		return "", fmt.Errorf("see product intro: %w", err)
	}
	return u.HasSeenProductIntroFor, nil
}

// CompleteCredentialsReview stamps the review; later calls keep the first time.
func (s *Service) CompleteCredentialsReview(ctx context.Context, actor Actor, id ID) error {
	_, err := s.edit(ctx, actor, id, func(_ Tx, u *User) ([]string, error) {
		if !u.CredentialsReviewedAt.IsZero() {
			return nil, nil
		}
		u.CredentialsReviewedAt = s.Now()
		return []string{"credentials_reviewed_at"}, nil
	})
	if err != nil {
		return fmt.Errorf("complete credentials review: %w", err)
	}
	return nil
}

// SkipOnboarding remembers why the user skipped onboarding: "later" or "other".
// The first call sets the time; later ones change the reason and the
// organization only. step is checked for its form and not kept.
func (s *Service) SkipOnboarding(ctx context.Context, actor Actor, id ID, reason, step Field[string]) error {
	const name = "reason"
	switch {
	case !reason.Set:
		return invalid(name, "required", "This field is required.")
	case reason.Null:
		return invalid(name, "null", "This field may not be null.")
	case reason.Err != nil || reason.Value != "later" && reason.Value != "other":
		return invalid(name, "invalid_choice", "This is not a valid choice.")
	}
	if step.Set {
		if _, err := text(step, "step_at_skip", 64, true); err != nil {
			return err
		}
	}
	_, err := s.edit(ctx, actor, id, func(tx Tx, u *User) (_ []string, err error) {
		if *u, err = s.healthy(ctx, tx, id); err != nil {
			return nil, err
		}
		before := *u
		if u.OnboardingSkippedAt.IsZero() {
			u.OnboardingSkippedAt = s.Now()
		}
		u.OnboardingSkippedReason = reason.Value
		u.OnboardingSkippedOrganization = u.CurrentOrganization
		if *u == before {
			return nil, nil
		}
		return []string{"onboarding_skipped"}, nil
	})
	if err != nil {
		return fmt.Errorf("skip onboarding: %w", err)
	}
	return nil
}

// levelIn finds the level in one organization.
func levelIn(ms []Membership, organization uuid.UUID) Null[Level] {
	for _, m := range ms {
		if m.OrganizationID == organization {
			return Some(m.Level)
		}
	}
	return Null[Level]{}
}

// firstTeam is the lowest team that this level may see; zero if there is none.
func firstTeam(teams []Team, level Null[Level]) TeamID {
	i := slices.IndexFunc(teams, func(t Team) bool { return level.Valid && t.VisibleAt(level.Value) })
	if i < 0 {
		return 0
	}
	return teams[i].ID
}

// ssoEnforced reports whether the organization makes this address sign in
// elsewhere.
func ssoEnforced(o Organization, email string) bool {
	return len(o.SSOEnforcedDomains) > 0 && slices.Contains(o.SSOEnforcedDomains, EmailDomain(email))
}

// cleanDomains puts domains in the form that Organization documents.
func cleanDomains(domains []string) []string {
	var clean []string
	for _, d := range domains {
		clean = append(clean, EmailDomain("x@"+strings.TrimSpace(d)))
	}
	return clean
}

// notFoundAs replaces ErrNotFound by a refusal that names a member.
func notFoundAs(err error, refusal *Error) error {
	if errors.Is(err, ErrNotFound) {
		return refusal
	}
	return err
}
