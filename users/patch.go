package users

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"
)

// Patch is a change of a user: the members of contract section 8.2, each
// absent, null or a value. The zero Patch changes nothing.
//
// Password and CurrentPassword are checked here for their form only: package
// auth compares and hashes them.
type Patch struct {
	FirstName               Field[string]
	LastName                Field[string]
	Email                   Field[string]
	NotificationSettings    Field[JSON]
	AnonymizeData           Field[bool]
	AllowImpersonation      Field[bool]
	ToolbarMode             Field[string]
	IsStaff                 Field[bool]
	SetCurrentOrganization  Field[string]
	SetCurrentTeam          Field[string]
	Password                Field[string]
	CurrentPassword         Field[string]
	EventsColumnConfig      Field[JSON]
	HasSeenProductIntroFor  Field[JSON]
	ThemeMode               Field[string]
	HedgehogConfig          Field[JSON]
	AllowSidebarSuggestions Field[bool]
	ShortcutPosition        Field[string]
	RoleAtOrganization      Field[string]
	PasskeysEnabledFor2FA   Field[bool]
}

// change is one application of a Patch.
type change struct {
	s      *Service
	r      Reader
	actor  Actor
	user   User
	patch  Patch
	fields []string // stored names of what differs now

	organization uuid.UUID // the one asked for
	team         Null[Team]
}

// Apply returns u as it is after p, with the sorted names of the stored fields
// that changed, and writes nothing. The first broken rule in the contract's
// field order is returned as an Invalid error; an actor who is not staff, or
// who does not come by a session, may not send IsStaff (ErrForbidden), and only
// the user's own session or the host may change PasskeysEnabledFor2FA. r is what
// decides uniqueness and membership; pass the transaction that saves the result.
func (s *Service) Apply(ctx context.Context, r Reader, actor Actor, u User, p Patch) (User, []string, error) {
	c := &change{s: s, r: r, actor: actor, user: u, patch: p}
	if err := p.CheckStaff(actor); err != nil {
		return User{}, nil, err
	}
	for _, step := range []func(context.Context) error{
		c.names, c.email, c.notifications, c.privacy, c.staff, c.currentOrganization, c.currentTeam,
		c.passwords, c.columns, c.appearance, c.role, c.passkeys, c.current,
	} {
		if err := step(ctx); err != nil {
			return User{}, nil, err
		}
	}
	slices.Sort(c.fields)
	return c.user, slices.Compact(c.fields), nil
}

// assign stores v and remembers the name if that is a change.
func assign[T comparable](c *change, dst *T, v T, name string) {
	if *dst != v {
		*dst = v
		c.fields = append(c.fields, name)
	}
}

// CheckStaff returns ErrForbidden if p sends IsStaff and actor is not staff, or
// does not come by a session. It comes before every other rule, so that it tells
// nothing else; a value that is no boolean is left to validation.
func (p Patch) CheckStaff(actor Actor) error {
	if f := p.IsStaff; !f.Set || f.Null || f.Err != nil {
		return nil
	}
	if !actor.Staff || actor.Credential != BySession && actor.Credential != ByHost {
		return ErrForbidden
	}
	return nil
}

func (c *change) names(context.Context) error {
	for _, m := range []struct {
		f    Field[string]
		dst  *string
		name string
	}{
		{c.patch.FirstName, &c.user.FirstName, "first_name"},
		{c.patch.LastName, &c.user.LastName, "last_name"},
	} {
		if !m.f.Set {
			continue
		}
		v, err := text(m.f, m.name, MaxName, true)
		if err != nil {
			return err
		}
		if err := checkDisplayName(m.name, v); err != nil {
			return err
		}
		assign(c, m.dst, v, m.name)
	}
	return nil
}

func (c *change) email(ctx context.Context) error {
	if !c.patch.Email.Set {
		return nil
	}
	v, err := CheckEmail(c.patch.Email)
	if err != nil {
		return err
	}
	folded := FoldEmail(v)
	other, err := c.r.UserByEmail(ctx, folded)
	switch {
	case err == nil && other.ID != c.user.ID:
		return ErrEmailTaken
	case err != nil && !errors.Is(err, ErrNotFound):
		return err
	}
	if folded == FoldEmail(c.user.Email) || !c.s.config.MailConfigured {
		assign(c, &c.user.Email, v, "email")
		return nil
	}
	if err := c.ssoGuard(ctx, c.user.Email, "sso_enforced_current_email"); err != nil {
		return err
	}
	if err := c.ssoGuard(ctx, v, "sso_enforced_new_email"); err != nil {
		return err
	}
	assign(c, &c.user.PendingEmail, v, "pending_email")
	return nil
}

func (c *change) ssoGuard(ctx context.Context, email, code string) error {
	enforced, err := c.r.SSOEnforced(ctx, EmailDomain(email))
	if err != nil {
		return err
	}
	if enforced {
		return invalid("", code, "Single sign-on is enforced for this address.")
	}
	return nil
}

func (c *change) notifications(context.Context) error {
	f := c.patch.NotificationSettings
	if !f.Set {
		return nil
	}
	const name = "notification_settings"
	if f.Null {
		return invalid(name, "null", "This field may not be null.")
	}
	merged, err := mergeNotifications(c.user.NotificationSettings, f.Value)
	if err != nil {
		return err
	}
	assign(c, &c.user.NotificationSettings, merged, "partial_notification_settings")
	return nil
}

func (c *change) privacy(context.Context) error {
	if err := c.flag(c.patch.AnonymizeData, &c.user.AnonymizeData, "anonymize_data"); err != nil {
		return err
	}
	if err := c.flag(c.patch.AllowImpersonation, &c.user.AllowImpersonation, "allow_impersonation"); err != nil {
		return err
	}
	return c.choice(c.patch.ToolbarMode, &c.user.ToolbarMode, "toolbar_mode", "disabled", "toolbar", "")
}

func (c *change) staff(context.Context) error {
	f := c.patch.IsStaff
	if !f.Set {
		return nil
	}
	if err := required(f, "is_staff"); err != nil {
		return err
	}
	assign(c, &c.user.IsStaff, f.Value, "is_staff")
	return nil
}

// currentOrganization checks membership of the actor, not of the user: staff
// store their own choice on the target (contract section 8.2).
func (c *change) currentOrganization(ctx context.Context) error {
	if !c.patch.SetCurrentOrganization.Set {
		return nil
	}
	const name = "set_current_organization"
	v, err := text(c.patch.SetCurrentOrganization, name, 0, false)
	if err != nil {
		return err
	}
	id, ok := ParseUUID(v)
	if !ok {
		return invalid(name, "invalid_input", "This is not an organization id.")
	}
	level, err := c.level(ctx, id)
	if err != nil {
		return err
	}
	if !level.Valid {
		return invalid(name, "does_not_exist", "There is no such organization.")
	}
	c.organization = id
	return nil
}

func (c *change) currentTeam(ctx context.Context) error {
	if !c.patch.SetCurrentTeam.Set {
		return nil
	}
	const name = "set_current_team"
	v, err := text(c.patch.SetCurrentTeam, name, 0, false)
	if err != nil {
		return err
	}
	unknown := invalid(name, "does_not_exist", "There is no such team.")
	id, ok := ParseID(v)
	if !ok {
		return unknown
	}
	team, err := c.r.Team(ctx, TeamID(id))
	if errors.Is(err, ErrNotFound) {
		return unknown
	} else if err != nil {
		return err
	}
	level, err := c.level(ctx, team.OrganizationID)
	if err != nil {
		return err
	}
	if !level.Valid || !team.VisibleAt(level.Value) {
		return unknown
	}
	c.team = Some(team)
	return nil
}

// level is the actor's in an organization.
func (c *change) level(ctx context.Context, organization uuid.UUID) (Null[Level], error) {
	ms, err := c.r.Memberships(ctx, c.actor.ID)
	if err != nil {
		return Null[Level]{}, err
	}
	return levelIn(ms, organization), nil
}

func (c *change) passwords(context.Context) error {
	if c.patch.Password.Set {
		if _, err := text(c.patch.Password, "password", MaxPassword, false); err != nil {
			return err
		}
	}
	if c.patch.CurrentPassword.Set {
		if _, err := text(c.patch.CurrentPassword, "current_password", 0, false); err != nil {
			return err
		}
	}
	return nil
}

func (c *change) columns(context.Context) error {
	if f := c.patch.EventsColumnConfig; f.Set {
		if f.Null {
			return invalid("events_column_config", "null", "This field may not be null.")
		}
		if err := c.json(f, &c.user.EventsColumnConfig, "events_column_config"); err != nil {
			return err
		}
	}
	if f := c.patch.HasSeenProductIntroFor; f.Set {
		if err := checkIntros(f.Value); err != nil {
			return err
		}
		return c.json(f, &c.user.HasSeenProductIntroFor, "has_seen_product_intro_for")
	}
	return nil
}

func (c *change) appearance(context.Context) error {
	if err := c.choice(c.patch.ThemeMode, &c.user.ThemeMode, "theme_mode", "light", "dark", "system", ""); err != nil {
		return err
	}
	if err := c.json(c.patch.HedgehogConfig, &c.user.HedgehogConfig, "hedgehog_config"); err != nil {
		return err
	}
	if err := c.flag(c.patch.AllowSidebarSuggestions, &c.user.AllowSidebarSuggestions, "allow_sidebar_suggestions"); err != nil {
		return err
	}
	return c.choice(c.patch.ShortcutPosition, &c.user.ShortcutPosition, "shortcut_position", "above", "below", "hidden", "")
}

func (c *change) role(context.Context) error {
	const name = "role_at_organization"
	if f := c.patch.RoleAtOrganization; f.Set && f.Null {
		return invalid(name, "null", "This field may not be null.")
	}
	return c.choice(c.patch.RoleAtOrganization, &c.user.RoleAtOrganization, name,
		"engineering", "data", "product", "founder", "leadership", "marketing", "sales", "other")
}

// passkeys leaves the second factor to its owner's session and the host: staff and
// leaked keys must not be able to take it away (design D5, R07).
func (c *change) passkeys(context.Context) error {
	f := c.patch.PasskeysEnabledFor2FA
	const name = "passkeys_enabled_for_2fa"
	if f.Set && f.Err == nil && f.Value && !c.user.HasVerifiedPasskey {
		return invalid(name, "no_passkeys", "Register a passkey first.")
	}
	before := c.user.PasskeysEnabledFor2FA.Value
	if err := c.flag(f, &c.user.PasskeysEnabledFor2FA, name); err != nil {
		return err
	}
	own := c.actor.Credential == BySession && c.actor.ID == c.user.ID
	if c.user.PasskeysEnabledFor2FA.Value != before && !own && c.actor.Credential != ByHost {
		return ErrForbidden
	}
	return nil
}

// current applies the cross-field rules of contract section 8.2.
func (c *change) current(ctx context.Context) error {
	switch {
	case c.team.Valid:
		t := c.team.Value
		if c.organization != uuid.Nil && t.OrganizationID != c.organization {
			return invalid("set_current_team", "invalid_input", "The team is not in that organization.")
		}
		assign(c, &c.user.CurrentOrganization, t.OrganizationID, "current_organization")
		assign(c, &c.user.CurrentTeam, t.ID, "current_team")
	case c.organization != uuid.Nil:
		level, err := c.level(ctx, c.organization)
		if err != nil {
			return err
		}
		teams, err := c.r.Teams(ctx, c.organization)
		if err != nil {
			return err
		}
		assign(c, &c.user.CurrentOrganization, c.organization, "current_organization")
		assign(c, &c.user.CurrentTeam, firstTeam(teams, level), "current_team")
	}
	return nil
}

func (c *change) flag(f Field[bool], dst *Null[bool], name string) error {
	if !f.Set {
		return nil
	}
	if f.Err != nil {
		return at(f.Err, name)
	}
	assign(c, dst, Null[bool]{Value: f.Value, Valid: !f.Null}, name)
	return nil
}

func (c *change) choice(f Field[string], dst *Null[string], name string, choices ...string) error {
	if !f.Set {
		return nil
	}
	if f.Err != nil || !f.Null && !slices.Contains(choices, f.Value) {
		return invalid(name, "invalid_choice", "This is not a valid choice.")
	}
	assign(c, dst, Null[string]{Value: f.Value, Valid: !f.Null}, name)
	return nil
}

func (c *change) json(f Field[JSON], dst *JSON, name string) error {
	if !f.Set {
		return nil
	}
	if err := checkJSON(f.Value, name); err != nil {
		return err
	}
	assign(c, dst, f.Value, name)
	return nil
}

// required returns the error of a field that may be neither null nor malformed.
func required[T any](f Field[T], name string) error {
	if f.Null {
		return invalid(name, "null", "This field may not be null.")
	}
	if f.Err != nil {
		return at(f.Err, name)
	}
	return nil
}

// at returns e for a certain field.
func at(e *Error, name string) *Error {
	c := *e
	c.Field = name
	return &c
}

// text checks a string member and returns it trimmed. A limit of zero means
// none.
func text(f Field[string], name string, limit int, blank bool) (string, error) {
	if err := required(f, name); err != nil {
		return "", err
	}
	v := strings.TrimSpace(f.Value)
	switch {
	case v == "" && !blank:
		return "", invalid(name, "blank", "This field may not be blank.")
	case !Storable(v):
		return "", errUnstorable(name)
	case limit == 0:
		return v, nil
	}
	if err := CheckLength(name, v, limit); err != nil {
		return "", err
	}
	return v, nil
}

// CheckText checks a required string member of any request: it may not be null,
// blank or longer than limit characters (0: no limit). It returns the value
// without surrounding white space, or an Invalid error for the field name.
func CheckText(f Field[string], name string, limit int) (string, error) {
	if !f.Set {
		return "", invalid(name, "required", "This field is required.")
	}
	return text(f, name, limit, false)
}

// CheckEmail checks the form of an address and returns it without surrounding
// white space, or an Invalid error for the field "email".
func CheckEmail(f Field[string]) (string, error) {
	const name = "email"
	v, err := text(f, name, 0, false)
	if err != nil {
		return "", err
	}
	if len(v) > MaxEmail {
		return "", invalid(name, "max_length", "An email address has at most 254 characters.")
	}
	if !ValidEmail(v) {
		return "", invalid(name, "invalid_input", "Enter a valid email address.")
	}
	return v, nil
}

// ParseID reads a positive decimal number without sign or leading zero, the one
// spelling of an integer id.
func ParseID(s string) (int64, bool) {
	n, err := strconv.ParseInt(s, 10, 64)
	return n, err == nil && n > 0 && strconv.FormatInt(n, 10) == s
}

// ParseUUID reads the hyphenated form only, in either letter case.
func ParseUUID(s string) (uuid.UUID, bool) {
	if len(s) != 36 {
		return uuid.Nil, false
	}
	id, err := uuid.Parse(s)
	return id, err == nil
}
