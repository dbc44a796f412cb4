package importer

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/users"
)

// user is a line of posthog.user.
type user struct {
	UUID                          member[string]    `json:"uuid"`
	DistinctID                    member[string]    `json:"distinct_id"`
	DateJoined                    member[time.Time] `json:"date_joined"`
	LastLogin                     member[time.Time] `json:"last_login"`
	IsActive                      member[bool]      `json:"is_active"`
	IsStaff                       member[bool]      `json:"is_staff"`
	FirstName                     member[string]    `json:"first_name"`
	LastName                      member[string]    `json:"last_name"`
	Email                         member[string]    `json:"email"`
	PendingEmail                  member[string]    `json:"pending_email"`
	IsEmailVerified               member[bool]      `json:"is_email_verified"`
	Password                      member[string]    `json:"password"`
	CurrentOrganization           member[string]    `json:"current_organization"`
	CurrentTeam                   member[int64]     `json:"current_team"`
	PartialNotificationSettings   document          `json:"partial_notification_settings"`
	AnonymizeData                 member[bool]      `json:"anonymize_data"`
	AllowImpersonation            member[bool]      `json:"allow_impersonation"`
	ToolbarMode                   member[string]    `json:"toolbar_mode"`
	EventsColumnConfig            document          `json:"events_column_config"`
	HasSeenProductIntroFor        document          `json:"has_seen_product_intro_for"`
	ThemeMode                     member[string]    `json:"theme_mode"`
	HedgehogConfig                document          `json:"hedgehog_config"`
	AllowSidebarSuggestions       member[bool]      `json:"allow_sidebar_suggestions"`
	ShortcutPosition              member[string]    `json:"shortcut_position"`
	RoleAtOrganization            member[string]    `json:"role_at_organization"`
	CredentialsReviewedAt         member[time.Time] `json:"credentials_reviewed_at"`
	OnboardingSkippedAt           member[time.Time] `json:"onboarding_skipped_at"`
	OnboardingSkippedReason       member[string]    `json:"onboarding_skipped_reason"`
	OnboardingSkippedOrganization member[string]    `json:"onboarding_skipped_organization"`

	pk, team int64
	settings users.JSON // with the team numbers of the file
	value    users.User
}

// patch are the members that a user could have set through the API. null stands for
// the default where the API does not take it.
func (u *user) patch() users.Patch {
	role, columns, settings := u.RoleAtOrganization.Field, u.EventsColumnConfig.Field, u.PartialNotificationSettings.Field
	role.Set, columns.Set, settings.Set = role.Set && !role.Null, columns.Set && !columns.Null, settings.Set && !settings.Null
	return users.Patch{
		FirstName: u.FirstName.Field, LastName: u.LastName.Field, NotificationSettings: settings, AnonymizeData: u.AnonymizeData.Field,
		AllowImpersonation: u.AllowImpersonation.Field, ToolbarMode: u.ToolbarMode.Field, IsStaff: u.IsStaff.Field, EventsColumnConfig: columns,
		HasSeenProductIntroFor: u.HasSeenProductIntroFor.Field, ThemeMode: u.ThemeMode.Field, HedgehogConfig: u.HedgehogConfig.Field,
		AllowSidebarSuggestions: u.AllowSidebarSuggestions.Field, ShortcutPosition: u.ShortcutPosition.Field, RoleAtOrganization: role,
	}
}

func (u *user) prepare(ctx context.Context, im *run, pk jsontext.Value) (err error) {
	if u.pk, err = numberOf(pk); err != nil {
		return err
	}
	v, r := users.New(), &reading{}
	v.UUID, v.DistinctID = r.mustID(u.UUID, "uuid"), must(r, u.DistinctID, "distinct_id")
	v.DateJoined, v.LastLogin = r.time(u.DateJoined, "date_joined"), r.time(u.LastLogin, "last_login")
	v.IsActive = must(r, u.IsActive, "is_active")
	v.Email, v.PendingEmail = must(r, u.Email, "email"), or(r, u.PendingEmail, "pending_email", "")
	v.IsEmailVerified = nullable(r, u.IsEmailVerified, "is_email_verified", users.Null[bool]{})
	v.CurrentOrganization = r.id(u.CurrentOrganization, "current_organization")
	u.team = or(r, u.CurrentTeam, "current_team", 0)
	v.CredentialsReviewedAt = r.time(u.CredentialsReviewedAt, "credentials_reviewed_at")
	v.OnboardingSkippedAt = r.time(u.OnboardingSkippedAt, "onboarding_skipped_at")
	v.OnboardingSkippedReason = or(r, u.OnboardingSkippedReason, "onboarding_skipped_reason", "")
	v.OnboardingSkippedOrganization = r.id(u.OnboardingSkippedOrganization, "onboarding_skipped_organization")
	hash := users.Secret(must(r, u.Password, "password"))
	if r.err != nil {
		return r.err
	}
	if v.PasswordHash, err = auth.ParsePasswordHash(hash); err != nil {
		return err
	}
	u.value, err = im.accounts.ImportedUser(ctx, v, u.patch())
	u.settings = u.value.NotificationSettings
	return err
}

func (u *user) check(ctx context.Context, a *attempt) (bool, error) {
	if a.careful || a.tx == nil {
		if present, err := u.lookUp(ctx, a); present || err != nil {
			return present, err
		}
	}
	if id := u.value.CurrentOrganization; id != uuid.Nil {
		if exists, err := a.organization(ctx, id); err != nil || !exists {
			return false, cmp.Or(err, missing("current_organization"))
		}
	}
	if u.team != 0 {
		var ok bool
		if u.value.CurrentTeam, ok = a.team(u.team); !ok {
			return false, missing("current_team")
		}
	}
	u.value.NotificationSettings = users.RenumberTeams(u.settings, func(pk users.TeamID) (users.TeamID, bool) { return a.team(int64(pk)) })
	if a.tx == nil {
		a.newUsers[u.pk] = unsaved(u.pk)
	}
	return false, nil
}

// lookUp is the part of check that the database does too, when it stores the user.
func (u *user) lookUp(ctx context.Context, a *attempt) (present bool, err error) {
	v := &u.value
	if a.seen.has("user", v.UUID.String()) {
		return true, nil
	}
	same, err := a.UserByUUID(ctx, v.UUID)
	if present, err = found(err); present || err != nil {
		a.newUsers[u.pk] = int64(same.ID)
		return present, err
	}
	_, err = a.UserByEmail(ctx, users.FoldEmail(v.Email))
	if taken, err := found(err); taken || err != nil || a.seen.has("email", users.FoldEmail(v.Email)) {
		return false, cmp.Or(err, error(users.ErrEmailTaken))
	}
	if a.seen.has("distinct", v.DistinctID) {
		return false, errDistinctID
	}
	return false, nil
}

// errDistinctID is what is left of users.ErrConflict once the UUID was looked up.
var errDistinctID = &users.Error{Kind: users.Conflict, Code: "unique", Field: "distinct_id", Message: "Another user has the same one."}

func (u *user) save(ctx context.Context, a *attempt) error {
	saved, err := a.credentials.ImportUser(ctx, a.tx, u.value)
	if errors.Is(err, users.ErrConflict) {
		return errDistinctID
	}
	a.newUsers[u.pk] = int64(saved.ID)
	return err
}

func (u *user) number(a *attempt) int64 { return a.newUsers[u.pk] }

func (u *user) claim(s *seen) {
	s.add("user", u.value.UUID.String())
	s.add("email", users.FoldEmail(u.value.Email))
	s.add("distinct", u.value.DistinctID)
}

func (u *user) count(im *run, c *Counts, number int64) {
	c.Users++
	im.users.add(u.pk, number)
}

// membership is a line of posthog.organizationmembership.
type membership struct {
	Organization member[string]    `json:"organization"`
	User         member[int64]     `json:"user"`
	Level        member[int]       `json:"level"`
	JoinedAt     member[time.Time] `json:"joined_at"`
	InvitedBy    member[int64]     `json:"invited_by"`

	user, inviter int64
	value         users.Membership
}

func (m *membership) prepare(_ context.Context, im *run, _ jsontext.Value) (err error) {
	r := &reading{}
	m.user, m.inviter = must(r, m.User, "user"), or(r, m.InvitedBy, "invited_by", 0)
	v := users.Membership{OrganizationID: r.mustID(m.Organization, "organization"), Level: users.Level(must(r, m.Level, "level")),
		JoinedAt: r.time(m.JoinedAt, "joined_at")}
	if r.err != nil {
		return r.err
	}
	m.value, err = im.accounts.PrepareMembership(v)
	return err
}

func (m *membership) check(ctx context.Context, a *attempt) (bool, error) {
	var ok bool
	if m.value.UserID, ok = a.user(m.user); !ok {
		return false, missing("user")
	}
	if m.inviter != 0 {
		if m.value.InvitedBy, ok = a.user(m.inviter); !ok {
			return false, missing("invited_by")
		}
	}
	if exists, err := a.organization(ctx, m.value.OrganizationID); err != nil || !exists {
		return false, cmp.Or(err, missing("organization"))
	}
	if a.seen.has("membership", m.key()) {
		return true, nil
	}
	ms, err := a.Memberships(ctx, m.value.UserID)
	return slices.ContainsFunc(ms, func(other users.Membership) bool { return other.OrganizationID == m.value.OrganizationID }), err
}

func (m *membership) key() string { return string(m.value.OrganizationID[:]) + idText(m.user) }

func (m *membership) save(ctx context.Context, a *attempt) error {
	return a.tx.SaveMembership(ctx, m.value)
}

func (m *membership) number(*attempt) int64 { return 0 }

func (m *membership) claim(s *seen) { s.add("membership", m.key()) }

func (m *membership) count(_ *run, c *Counts, _ int64) { c.Memberships++ }
