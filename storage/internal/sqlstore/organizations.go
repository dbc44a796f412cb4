package sqlstore

import (
	"context"
	"database/sql"
	"time"

	"github.com/google/uuid"

	"github.com/hedgerow-dev/hedgerow/users"
)

type organizationRow struct {
	ID                    uuid.UUID           `db:"id"`
	Name                  string              `db:"name"`
	Slug                  string              `db:"slug"`
	LogoMediaID           sql.Null[uuid.UUID] `db:"logo_media_id"`
	CreatedAt             stamp               `db:"created_at"`
	UpdatedAt             stamp               `db:"updated_at"`
	PluginsAccessLevel    int                 `db:"plugins_access_level"`
	Features              string              `db:"available_product_features"`
	IsMemberJoinEmail     bool                `db:"is_member_join_email_enabled"`
	Metadata              string              `db:"metadata"`
	CustomerID            sql.Null[string]    `db:"customer_id"`
	Enforce2FA            sql.Null[bool]      `db:"enforce_2fa"`
	MembersCanInvite      sql.Null[bool]      `db:"members_can_invite"`
	MembersCanUseKeys     bool                `db:"members_can_use_personal_api_keys"`
	AllowPubliclyShared   bool                `db:"allow_publicly_shared_resources"`
	IsAIApproved          sql.Null[bool]      `db:"is_ai_data_processing_approved"`
	ExperimentStatsMethod sql.Null[string]    `db:"default_experiment_stats_method"`
	AnonymizeIPs          bool                `db:"default_anonymize_ips"`
	DefaultRoleID         sql.Null[string]    `db:"default_role_id"`
	IsActive              sql.Null[bool]      `db:"is_active"`
	IsNotActiveReason     sql.Null[string]    `db:"is_not_active_reason"`
	IsPendingDeletion     sql.Null[bool]      `db:"is_pending_deletion"`
	SSODomains            document[[]string]  `db:"sso_enforced_domains"`
}

const selectOrganization = `select id, name, slug, logo_media_id, created_at, updated_at, plugins_access_level,
	available_product_features, is_member_join_email_enabled, metadata, customer_id, enforce_2fa, members_can_invite,
	members_can_use_personal_api_keys, allow_publicly_shared_resources, is_ai_data_processing_approved,
	default_experiment_stats_method, default_anonymize_ips, default_role_id, is_active, is_not_active_reason,
	is_pending_deletion, sso_enforced_domains from {organizations} `

const saveOrganization = `insert into {organizations} (id, name, slug, logo_media_id, created_at, updated_at, plugins_access_level,
	available_product_features, is_member_join_email_enabled, metadata, customer_id, enforce_2fa, members_can_invite,
	members_can_use_personal_api_keys, allow_publicly_shared_resources, is_ai_data_processing_approved,
	default_experiment_stats_method, default_anonymize_ips, default_role_id, is_active, is_not_active_reason,
	is_pending_deletion, sso_enforced_domains)
	values (:id, :name, :slug, :logo_media_id, :created_at, :updated_at, :plugins_access_level, :available_product_features,
	:is_member_join_email_enabled, :metadata, :customer_id, :enforce_2fa, :members_can_invite,
	:members_can_use_personal_api_keys, :allow_publicly_shared_resources, :is_ai_data_processing_approved,
	:default_experiment_stats_method, :default_anonymize_ips, :default_role_id, :is_active, :is_not_active_reason,
	:is_pending_deletion, :sso_enforced_domains)
	on conflict (id) do update set name = excluded.name, slug = excluded.slug, logo_media_id = excluded.logo_media_id,
	created_at = excluded.created_at, updated_at = excluded.updated_at, plugins_access_level = excluded.plugins_access_level,
	available_product_features = excluded.available_product_features,
	is_member_join_email_enabled = excluded.is_member_join_email_enabled, metadata = excluded.metadata,
	customer_id = excluded.customer_id, enforce_2fa = excluded.enforce_2fa, members_can_invite = excluded.members_can_invite,
	members_can_use_personal_api_keys = excluded.members_can_use_personal_api_keys,
	allow_publicly_shared_resources = excluded.allow_publicly_shared_resources,
	is_ai_data_processing_approved = excluded.is_ai_data_processing_approved,
	default_experiment_stats_method = excluded.default_experiment_stats_method,
	default_anonymize_ips = excluded.default_anonymize_ips, default_role_id = excluded.default_role_id,
	is_active = excluded.is_active, is_not_active_reason = excluded.is_not_active_reason,
	is_pending_deletion = excluded.is_pending_deletion, sso_enforced_domains = excluded.sso_enforced_domains`

func (r organizationRow) organization() (users.Organization, error) {
	return users.Organization{
		ID: r.ID, Name: r.Name, Slug: r.Slug, LogoMediaID: unnull(r.LogoMediaID), CreatedAt: timeOf(r.CreatedAt),
		UpdatedAt: timeOf(r.UpdatedAt), PluginsAccessLevel: r.PluginsAccessLevel, AvailableProductFeatures: users.JSON(r.Features),
		IsMemberJoinEmailEnabled: r.IsMemberJoinEmail, Metadata: users.JSON(r.Metadata), CustomerID: unnull(r.CustomerID),
		Enforce2FA: unnull(r.Enforce2FA), MembersCanInvite: unnull(r.MembersCanInvite),
		MembersCanUsePersonalAPIKeys: r.MembersCanUseKeys, AllowPubliclySharedResources: r.AllowPubliclyShared,
		IsAIDataProcessingApproved: unnull(r.IsAIApproved), DefaultExperimentStatsMethod: unnull(r.ExperimentStatsMethod),
		DefaultAnonymizeIPs: r.AnonymizeIPs, DefaultRoleID: unnull(r.DefaultRoleID), IsActive: unnull(r.IsActive),
		IsNotActiveReason: unnull(r.IsNotActiveReason), IsPendingDeletion: unnull(r.IsPendingDeletion),
		SSOEnforcedDomains: r.SSODomains.v,
	}, nil
}

func (r reader) Organization(ctx context.Context, id uuid.UUID) (users.Organization, error) {
	return one(ctx, r, "read organization", organizationRow.organization, selectOrganization+"where id = $1"+r.lock, id)
}

func (t *tx) SaveOrganization(ctx context.Context, o users.Organization) error {
	_, err := t.named(ctx, "save organization", saveOrganization, organizationRow{
		ID: o.ID, Name: o.Name, Slug: o.Slug, LogoMediaID: null(o.LogoMediaID), CreatedAt: stamp(o.CreatedAt),
		UpdatedAt: stamp(o.UpdatedAt), PluginsAccessLevel: o.PluginsAccessLevel, Features: string(o.AvailableProductFeatures),
		IsMemberJoinEmail: o.IsMemberJoinEmailEnabled, Metadata: string(o.Metadata), CustomerID: null(o.CustomerID),
		Enforce2FA: null(o.Enforce2FA), MembersCanInvite: null(o.MembersCanInvite),
		MembersCanUseKeys: o.MembersCanUsePersonalAPIKeys, AllowPubliclyShared: o.AllowPubliclySharedResources,
		IsAIApproved: null(o.IsAIDataProcessingApproved), ExperimentStatsMethod: null(o.DefaultExperimentStatsMethod),
		AnonymizeIPs: o.DefaultAnonymizeIPs, DefaultRoleID: null(o.DefaultRoleID), IsActive: null(o.IsActive),
		IsNotActiveReason: null(o.IsNotActiveReason), IsPendingDeletion: null(o.IsPendingDeletion),
		SSODomains: document[[]string]{o.SSOEnforcedDomains},
	})
	if err != nil {
		return err
	}
	if _, err := t.exec(ctx, "save organization", "delete from {sso_domains} where organization_id = $1", o.ID); err != nil {
		return err
	}
	for _, domain := range o.SSOEnforcedDomains {
		if _, err := t.exec(ctx, "save organization",
			"insert into {sso_domains} (organization_id, domain) values ($1, $2) on conflict do nothing", o.ID, domain); err != nil {
			return err
		}
	}
	return nil
}

func (r reader) SSOEnforced(ctx context.Context, domain string) (bool, error) {
	found, err := list(ctx, r, "read enforced domains", self[int], "select 1 from {sso_domains} where domain = $1 limit 1", domain)
	return len(found) > 0, err
}

// DeleteOrganization clears it as a current one first: references to what is
// gone are set to null by the database, which would not raise versions.
func (t *tx) DeleteOrganization(ctx context.Context, id uuid.UUID) error {
	t.locked = nil // it changes users
	if _, err := t.exec(ctx, "delete organization", `update {users} set version = version + 1,
		current_organization = case when current_organization = $1 then null else current_organization end,
		current_team = case when current_team in (select id from {teams} where organization_id = $1) then null else current_team end
		where current_organization = $1 or current_team in (select id from {teams} where organization_id = $1)`, id); err != nil {
		return err
	}
	return t.one(ctx, "delete organization", "delete from {organizations} where id = $1", id)
}

type teamRow struct {
	ID             int64     `db:"id"`
	UUID           uuid.UUID `db:"uuid"`
	OrganizationID uuid.UUID `db:"organization_id"`
	ProjectID      int64     `db:"project_id"`
	APIToken       string    `db:"api_token"`
	Name           string    `db:"name"`
	Snippet        bool      `db:"completed_snippet_onboarding"`
	Onboarding     string    `db:"has_completed_onboarding_for"`
	IngestedEvent  bool      `db:"ingested_event"`
	IsDemo         bool      `db:"is_demo"`
	Timezone       string    `db:"timezone"`
	AccessControl  bool      `db:"access_control"`
}

const selectTeam = `select id, uuid, organization_id, project_id, api_token, name, completed_snippet_onboarding,
	has_completed_onboarding_for, ingested_event, is_demo, timezone, access_control from {teams} `

func (r teamRow) team() (users.Team, error) {
	return users.Team{ID: users.TeamID(r.ID), UUID: r.UUID, OrganizationID: r.OrganizationID, ProjectID: r.ProjectID,
		APIToken: r.APIToken, Name: r.Name, CompletedSnippetOnboarding: r.Snippet, HasCompletedOnboardingFor: users.JSON(r.Onboarding),
		IngestedEvent: r.IngestedEvent, IsDemo: r.IsDemo, Timezone: r.Timezone, AccessControl: r.AccessControl}, nil
}

func (r reader) Team(ctx context.Context, id users.TeamID) (users.Team, error) {
	return one(ctx, r, "read team", teamRow.team, selectTeam+"where id = $1"+r.lock, id)
}

func (r reader) Teams(ctx context.Context, organization uuid.UUID) ([]users.Team, error) {
	return list(ctx, r, "list teams", teamRow.team, selectTeam+"where organization_id = $1 order by id"+r.lock, organization)
}

func (t *tx) SaveTeam(ctx context.Context, team users.Team) (users.Team, error) {
	row := teamRow{int64(team.ID), team.UUID, team.OrganizationID, team.ProjectID, team.APIToken, team.Name, team.CompletedSnippetOnboarding,
		string(team.HasCompletedOnboardingFor), team.IngestedEvent, team.IsDemo, team.Timezone, team.AccessControl}
	query := `insert into {teams} (uuid, organization_id, project_id, api_token, name, completed_snippet_onboarding,
		has_completed_onboarding_for, ingested_event, is_demo, timezone, access_control)
		values (:uuid, :organization_id, :project_id, :api_token, :name, :completed_snippet_onboarding,
		:has_completed_onboarding_for, :ingested_event, :is_demo, :timezone, :access_control) returning id`
	if team.ID != 0 {
		query = `update {teams} set uuid = :uuid, organization_id = :organization_id, project_id = :project_id, api_token = :api_token,
			name = :name, completed_snippet_onboarding = :completed_snippet_onboarding,
			has_completed_onboarding_for = :has_completed_onboarding_for, ingested_event = :ingested_event, is_demo = :is_demo,
			timezone = :timezone, access_control = :access_control where id = :id returning id`
	}
	id, err := t.returning(ctx, "save team", query, row)
	if err != nil {
		return users.Team{}, err
	}
	team.ID = users.TeamID(id)
	if team.ProjectID == 0 {
		team.ProjectID = id
		_, err = t.exec(ctx, "save team", "update {teams} set project_id = id where id = $1", id)
	}
	return team, err
}

func (t *tx) DeleteTeam(ctx context.Context, id users.TeamID) error {
	t.locked = nil // it changes users
	if _, err := t.exec(ctx, "delete team", "update {users} set version = version + 1, current_team = null where current_team = $1", id); err != nil {
		return err
	}
	return t.one(ctx, "delete team", "delete from {teams} where id = $1", id)
}

type membershipRow struct {
	UserID         int64     `db:"user_id"`
	OrganizationID uuid.UUID `db:"organization_id"`
	Level          int       `db:"level"`
	JoinedAt       stamp     `db:"joined_at"`
	InvitedBy      int64     `db:"invited_by"`
}

const selectMembership = "select user_id, organization_id, level, joined_at, invited_by from {memberships} "

func (r membershipRow) membership() (users.Membership, error) {
	return users.Membership{UserID: users.ID(r.UserID), OrganizationID: r.OrganizationID, Level: users.Level(r.Level),
		JoinedAt: timeOf(r.JoinedAt), InvitedBy: users.ID(r.InvitedBy)}, nil
}

func (r reader) Memberships(ctx context.Context, user users.ID) ([]users.Membership, error) {
	return list(ctx, r, "list memberships", membershipRow.membership,
		selectMembership+"where user_id = $1 order by joined_at nulls first, organization_id"+r.lock, user)
}

func (t *tx) SaveMembership(ctx context.Context, m users.Membership) error {
	_, err := t.named(ctx, "save membership", `insert into {memberships} (user_id, organization_id, level, joined_at, invited_by)
		values (:user_id, :organization_id, :level, :joined_at, :invited_by)
		on conflict (user_id, organization_id) do update set level = excluded.level, joined_at = excluded.joined_at,
		invited_by = excluded.invited_by`,
		membershipRow{int64(m.UserID), m.OrganizationID, int(m.Level), stamp(m.JoinedAt), int64(m.InvitedBy)})
	return err
}

func (t *tx) DeleteMembership(ctx context.Context, user users.ID, organization uuid.UUID) error {
	return t.one(ctx, "delete membership", "delete from {memberships} where user_id = $1 and organization_id = $2", user, organization)
}

type inviteRow struct {
	ID             uuid.UUID `db:"id"`
	OrganizationID uuid.UUID `db:"organization_id"`
	TargetEmail    string    `db:"target_email"`
	TargetFolded   string    `db:"target_folded"`
	CreatedAt      stamp     `db:"created_at"`
	Name           string    `db:"name"`
}

func (r inviteRow) invite() (users.PendingInvite, error) {
	return users.PendingInvite{Invite: users.Invite{ID: r.ID, OrganizationID: r.OrganizationID, TargetEmail: r.TargetEmail,
		CreatedAt: timeOf(r.CreatedAt)}, OrganizationName: r.Name}, nil
}

func (r reader) Invites(ctx context.Context, folded string, since time.Time) ([]users.PendingInvite, error) {
	return list(ctx, r, "list invites", inviteRow.invite, `select i.id, i.organization_id, i.target_email, i.created_at, o.name
		from {invites} i join {organizations} o on o.id = i.organization_id
		where i.target_folded = $1 and i.created_at >= $2 order by i.created_at desc nulls last, i.id`, folded, since.UnixMicro())
}

func (t *tx) SaveInvite(ctx context.Context, i users.Invite) error {
	_, err := t.named(ctx, "save invite", `insert into {invites} (id, organization_id, target_email, target_folded, created_at)
		values (:id, :organization_id, :target_email, :target_folded, :created_at)
		on conflict (id) do update set organization_id = excluded.organization_id, target_email = excluded.target_email,
		target_folded = excluded.target_folded, created_at = excluded.created_at`,
		inviteRow{i.ID, i.OrganizationID, i.TargetEmail, users.FoldEmail(i.TargetEmail), stamp(i.CreatedAt), ""})
	return err
}

func (t *tx) DeleteInvite(ctx context.Context, id uuid.UUID) error {
	return t.one(ctx, "delete invite", "delete from {invites} where id = $1", id)
}

type sceneRow struct {
	UserID      int64  `db:"user_id"`
	TeamID      int64  `db:"team_id"`
	Scene       string `db:"scene"`
	DashboardID int64  `db:"dashboard_id"`
}

func (r sceneRow) scene() (users.Scene, error) {
	return users.Scene{UserID: users.ID(r.UserID), TeamID: users.TeamID(r.TeamID), Scene: r.Scene, DashboardID: r.DashboardID}, nil
}

func (t *tx) SaveScene(ctx context.Context, s users.Scene) error {
	_, err := t.named(ctx, "save scene", `insert into {scenes} (user_id, team_id, scene, dashboard_id)
		values (:user_id, :team_id, :scene, :dashboard_id)
		on conflict (user_id, team_id, scene) do update set dashboard_id = excluded.dashboard_id`,
		sceneRow{int64(s.UserID), int64(s.TeamID), s.Scene, s.DashboardID})
	return err
}

func (t *tx) DeleteScenes(ctx context.Context, dashboard int64) error {
	_, err := t.exec(ctx, "delete scenes", "delete from {scenes} where dashboard_id = $1", dashboard)
	return err
}
