package importer

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"

	"github.com/hedgerow-dev/hedgerow/users"
)

// organization is a line of posthog.organization.
type organization struct {
	Name                         member[string]    `json:"name"`
	Slug                         member[string]    `json:"slug"`
	LogoMedia                    member[string]    `json:"logo_media"`
	CreatedAt                    member[time.Time] `json:"created_at"`
	UpdatedAt                    member[time.Time] `json:"updated_at"`
	PluginsAccessLevel           member[int]       `json:"plugins_access_level"`
	AvailableProductFeatures     document          `json:"available_product_features"`
	IsMemberJoinEmailEnabled     member[bool]      `json:"is_member_join_email_enabled"`
	CustomerID                   member[string]    `json:"customer_id"`
	Enforce2FA                   member[bool]      `json:"enforce_2fa"`
	MembersCanInvite             member[bool]      `json:"members_can_invite"`
	MembersCanUsePersonalAPIKeys member[bool]      `json:"members_can_use_personal_api_keys"`
	AllowPubliclySharedResources member[bool]      `json:"allow_publicly_shared_resources"`
	IsAIDataProcessingApproved   member[bool]      `json:"is_ai_data_processing_approved"`
	DefaultExperimentStatsMethod member[string]    `json:"default_experiment_stats_method"`
	DefaultAnonymizeIPs          member[bool]      `json:"default_anonymize_ips"`
	DefaultRole                  member[string]    `json:"default_role"`
	IsActive                     member[bool]      `json:"is_active"`
	IsNotActiveReason            member[string]    `json:"is_not_active_reason"`
	IsPendingDeletion            member[bool]      `json:"is_pending_deletion"`

	value users.Organization
}

func (o *organization) prepare(_ context.Context, im *run, pk jsontext.Value) error {
	text, err := textOf(pk)
	if err != nil {
		return err
	}
	v, r := users.NewOrganization(), &reading{}
	var ok bool
	if v.ID, ok = users.ParseUUID(text); !ok || v.ID == uuid.Nil {
		r.refuse("pk", "invalid_input", "This is no UUID.")
	}
	v.Name, v.Slug = must(r, o.Name, "name"), or(r, o.Slug, "slug", "")
	logo := r.id(o.LogoMedia, "logo_media")
	v.LogoMediaID = users.Null[uuid.UUID]{Value: logo, Valid: logo != uuid.Nil}
	v.CreatedAt, v.UpdatedAt = r.time(o.CreatedAt, "created_at"), r.time(o.UpdatedAt, "updated_at")
	v.PluginsAccessLevel = or(r, o.PluginsAccessLevel, "plugins_access_level", v.PluginsAccessLevel)
	v.AvailableProductFeatures = o.AvailableProductFeatures.Value
	v.IsMemberJoinEmailEnabled = or(r, o.IsMemberJoinEmailEnabled, "is_member_join_email_enabled", v.IsMemberJoinEmailEnabled)
	v.CustomerID = nullable(r, o.CustomerID, "customer_id", v.CustomerID)
	v.Enforce2FA = nullable(r, o.Enforce2FA, "enforce_2fa", v.Enforce2FA)
	v.MembersCanInvite = nullable(r, o.MembersCanInvite, "members_can_invite", v.MembersCanInvite)
	v.MembersCanUsePersonalAPIKeys = or(r, o.MembersCanUsePersonalAPIKeys, "members_can_use_personal_api_keys", v.MembersCanUsePersonalAPIKeys)
	v.AllowPubliclySharedResources = or(r, o.AllowPubliclySharedResources, "allow_publicly_shared_resources", v.AllowPubliclySharedResources)
	v.IsAIDataProcessingApproved = nullable(r, o.IsAIDataProcessingApproved, "is_ai_data_processing_approved", v.IsAIDataProcessingApproved)
	v.DefaultExperimentStatsMethod = nullable(r, o.DefaultExperimentStatsMethod, "default_experiment_stats_method", v.DefaultExperimentStatsMethod)
	v.DefaultAnonymizeIPs = or(r, o.DefaultAnonymizeIPs, "default_anonymize_ips", v.DefaultAnonymizeIPs)
	v.DefaultRoleID = nullable(r, o.DefaultRole, "default_role", v.DefaultRoleID)
	v.IsActive = nullable(r, o.IsActive, "is_active", v.IsActive)
	v.IsNotActiveReason = nullable(r, o.IsNotActiveReason, "is_not_active_reason", v.IsNotActiveReason)
	v.IsPendingDeletion = nullable(r, o.IsPendingDeletion, "is_pending_deletion", v.IsPendingDeletion)
	if r.err != nil {
		return r.err
	}
	o.value, err = im.accounts.PrepareOrganization(v)
	return err
}

func (o *organization) check(ctx context.Context, a *attempt) (bool, error) {
	return a.organization(ctx, o.value.ID)
}

func (o *organization) save(ctx context.Context, a *attempt) error {
	return a.tx.SaveOrganization(ctx, o.value)
}

func (o *organization) number(*attempt) int64 { return 0 }

func (o *organization) claim(s *seen) { s.add("organization", o.value.ID.String()) }

func (o *organization) count(_ *run, c *Counts, _ int64) { c.Organizations++ }

// domain is a line of posthog.organizationdomain: addresses of a domain that was
// verified may have to sign in elsewhere.
type domain struct {
	Organization   member[string]    `json:"organization"`
	Domain         member[string]    `json:"domain"`
	VerifiedAt     member[time.Time] `json:"verified_at"`
	SSOEnforcement member[string]    `json:"sso_enforcement"`

	id       uuid.UUID
	name     string
	enforced bool
}

func (d *domain) prepare(context.Context, *run, jsontext.Value) error {
	r := &reading{}
	d.id, d.name = r.mustID(d.Organization, "organization"), users.EmailDomain("x@"+must(r, d.Domain, "domain"))
	d.enforced = or(r, d.SSOEnforcement, "sso_enforcement", "") != "" && !r.time(d.VerifiedAt, "verified_at").IsZero()
	if !users.ValidEmail("x@" + d.name) {
		r.refuse("domain", "invalid_input", "This is no domain.")
	}
	return r.fail()
}

func (d *domain) check(ctx context.Context, a *attempt) (bool, error) {
	o, err := a.Organization(ctx, d.id)
	exists, err := found(err)
	if err != nil {
		return false, err
	}
	if !exists && !a.seen.has("organization", d.id.String()) {
		return false, missing("organization")
	}
	return !d.enforced || slices.Contains(o.SSOEnforcedDomains, d.name), nil
}

func (d *domain) save(ctx context.Context, a *attempt) error {
	o, err := a.Organization(ctx, d.id)
	if err != nil {
		return err
	}
	o.SSOEnforcedDomains = append(o.SSOEnforcedDomains, d.name)
	return a.tx.SaveOrganization(ctx, o)
}

func (d *domain) number(*attempt) int64 { return 0 }

func (d *domain) claim(*seen) {}

func (d *domain) count(_ *run, c *Counts, _ int64) { c.Domains++ }

// team is a line of posthog.team.
type team struct {
	UUID                       member[string] `json:"uuid"`
	Organization               member[string] `json:"organization"`
	Project                    member[int64]  `json:"project"`
	APIToken                   member[string] `json:"api_token"`
	Name                       member[string] `json:"name"`
	CompletedSnippetOnboarding member[bool]   `json:"completed_snippet_onboarding"`
	HasCompletedOnboardingFor  document       `json:"has_completed_onboarding_for"`
	IngestedEvent              member[bool]   `json:"ingested_event"`
	IsDemo                     member[bool]   `json:"is_demo"`
	Timezone                   member[string] `json:"timezone"`
	AccessControl              member[bool]   `json:"access_control"`

	pk    int64
	value users.Team
}

func (t *team) prepare(_ context.Context, im *run, pk jsontext.Value) (err error) {
	if t.pk, err = numberOf(pk); err != nil {
		return err
	}
	r := &reading{}
	v := users.Team{UUID: r.mustID(t.UUID, "uuid"), OrganizationID: r.mustID(t.Organization, "organization")}
	v.ProjectID, v.APIToken, v.Name = or(r, t.Project, "project", 0), must(r, t.APIToken, "api_token"), must(r, t.Name, "name")
	v.CompletedSnippetOnboarding = or(r, t.CompletedSnippetOnboarding, "completed_snippet_onboarding", false)
	v.HasCompletedOnboardingFor = t.HasCompletedOnboardingFor.Value
	v.IngestedEvent, v.IsDemo = or(r, t.IngestedEvent, "ingested_event", false), or(r, t.IsDemo, "is_demo", false)
	v.Timezone, v.AccessControl = or(r, t.Timezone, "timezone", ""), or(r, t.AccessControl, "access_control", false)
	if r.err != nil {
		return r.err
	}
	t.value, err = im.accounts.PrepareTeam(v)
	return err
}

func (t *team) check(ctx context.Context, a *attempt) (bool, error) {
	if exists, err := a.organization(ctx, t.value.OrganizationID); err != nil || !exists {
		return false, cmp.Or(err, missing("organization"))
	}
	if a.seen.has("team", t.value.UUID.String()) {
		return true, nil
	}
	teams, err := a.Teams(ctx, t.value.OrganizationID)
	if err != nil {
		return false, err
	}
	i := slices.IndexFunc(teams, func(other users.Team) bool { return other.UUID == t.value.UUID })
	a.newTeams[t.pk] = unsaved(t.pk)
	if i >= 0 {
		a.newTeams[t.pk] = int64(teams[i].ID)
	}
	return i >= 0, nil
}

func (t *team) save(ctx context.Context, a *attempt) error {
	saved, err := a.tx.SaveTeam(ctx, t.value)
	a.newTeams[t.pk] = int64(saved.ID)
	return err
}

func (t *team) number(a *attempt) int64 { return a.newTeams[t.pk] }

func (t *team) claim(s *seen) { s.add("team", t.value.UUID.String()) }

func (t *team) count(im *run, c *Counts, number int64) {
	c.Teams++
	im.teams.add(t.pk, number)
}
