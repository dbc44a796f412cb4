package httpapi

import (
	"slices"
	"time"

	"github.com/hedgerow-dev/hedgerow/users"
)

// userJSON is the JSON of a user but for the one member that depends on the
// credential, which comes between head and around.
type userJSON struct {
	head   []byte
	around []byte // team, organization and organizations, as Profile.Form means it
	tail   []byte
	etag   []string // the header
	// notifications are what the settings in stored are shown as.
	stored, notifications users.JSON
}

// userJSON returns the JSON of a user. It is kept with the profile: making it again
// takes 3 to 4 us, less after a change of the record, when what is around stays, and
// copying it 0.1 us.
func (a *API) userJSON(sight users.Sight) *userJSON {
	var space [64]byte
	key, lasting := sight.AppendKey(space[:0])
	if !lasting {
		return newUserJSON(sight, nil)
	}
	kept, current := sight.Profile.Form(key)
	form, _ := kept.(*userJSON)
	if form == nil || !current {
		form = newUserJSON(sight, form)
		sight.Profile.KeepForm(key, form)
	}
	return form
}

// writeUser appends the user object of contract section 6, for a credential that is
// fresh until then.
func writeUser(j *jsonWriter, fresh time.Time, form *userJSON) {
	j.buf = append(j.buf, form.head...)
	j.time("sensitive_session_expires_at", fresh, offsetTime)
	j.buf = append(j.buf, form.around...)
	j.buf = append(j.buf, form.tail...)
}

// newUserJSON makes the JSON of a user. earlier, unless nil, is that of the profile
// before users.Profile.WithUser.
func newUserJSON(sight users.Sight, earlier *userJSON) *userJSON {
	j := lendWriter()
	defer j.giveBack()
	var v users.View
	if earlier == nil {
		v = sight.View()
	} else {
		v = sight.RecordView()
	}
	u := &sight.Profile.User
	form := &userJSON{etag: []string{etag(u.ID, u.Version)}, stored: u.NotificationSettings}
	if earlier != nil && earlier.stored == form.stored {
		form.notifications = earlier.notifications
	} else {
		form.notifications = users.EffectiveNotifications(form.stored)
	}
	writeHead(j, v, form.notifications)
	head := len(j.buf)
	writeTail(j, v)
	own := slices.Clone(j.buf)
	form.head, form.tail = own[:head], own[head:]
	if earlier != nil {
		form.around = earlier.around // more than half of all
		return form
	}
	writeAround(j, v)
	form.around = slices.Clone(j.buf[len(own):])
	return form
}

// writeHead appends the members before sensitive_session_expires_at.
func writeHead(j *jsonWriter, v users.View, notifications users.JSON) {
	u := &v.User
	j.buf = append(j.buf, '{')
	j.time("date_joined", u.DateJoined, utcTime)
	j.uuid("uuid", u.UUID)
	j.text("distinct_id", u.DistinctID)
	j.text("first_name", u.FirstName)
	j.text("last_name", u.LastName)
	j.text("email", u.Email)
	j.optionalText("pending_email", u.PendingEmail, u.PendingEmail != "")
	j.nullBool("is_email_verified", u.IsEmailVerified)
	j.json("notification_settings", notifications)
	j.nullBool("anonymize_data", u.AnonymizeData)
	j.nullBool("allow_impersonation", u.AllowImpersonation)
	j.nullText("toolbar_mode", u.ToolbarMode)
	j.bool("has_password", u.HasPassword())
	j.int("id", int64(u.ID))
	j.bool("is_staff", u.IsStaff)
	j.bool("is_impersonated", false)
	j.null("is_impersonated_until")
	j.null("is_impersonated_read_only")
}

// writeAround appends the members after sensitive_session_expires_at that do not
// depend on the record of the user.
func writeAround(j *jsonWriter, v users.View) {
	writeTeamOrNull(j, "team", v.Team)
	writeOrganization(j, v.Organization)
	j.array("organizations")
	for _, o := range v.Organizations {
		writeOrganizationBasic(j, o)
	}
	j.endArray()
}

// writeTail appends the members that follow.
func writeTail(j *jsonWriter, v users.View) {
	u := &v.User
	j.jsonOf("events_column_config", u.EventsColumnConfig, notNull, users.DefaultColumns)
	j.bool("is_2fa_enabled", u.Is2FAEnabled())
	j.bool("has_social_auth", v.HasSocialAuth)
	j.bool("has_sso_enforcement", v.HasSSOEnforcement)
	j.json("has_seen_product_intro_for", u.HasSeenProductIntroFor)
	j.array("scene_personalisation")
	for _, s := range v.Scenes {
		j.object("")
		j.text("scene", s.Scene)
		j.int("dashboard", s.DashboardID)
		j.close()
	}
	j.endArray()
	j.nullText("theme_mode", u.ThemeMode)
	j.json("hedgehog_config", u.HedgehogConfig)
	j.nullBool("allow_sidebar_suggestions", u.AllowSidebarSuggestions)
	if u.ShortcutPosition.Valid {
		j.text("shortcut_position", u.ShortcutPosition.Value)
	} else {
		j.text("shortcut_position", "above") // contract section 6
	}
	j.nullText("role_at_organization", u.RoleAtOrganization)
	j.nullBool("passkeys_enabled_for_2fa", u.PasskeysEnabledFor2FA)
	j.nullBool("is_organization_first_user", v.FirstInOrganization)
	writeInvites(j, v.Invites)
	writeOnboarding(j, v)
	j.close()
}

// writeOnboarding appends the members that came after the snapshot, contract
// section 6 [L1].
func writeOnboarding(j *jsonWriter, v users.View) {
	u := v.User
	j.array("active_realtime_notification_types")
	for _, t := range users.RealtimeNotificationTypes() {
		j.text("", t)
	}
	j.endArray()
	j.bool("requires_credential_review", v.RequiresCredentialReview)
	j.time("onboarding_skipped_at", u.OnboardingSkippedAt, utcTime)
	j.optionalText("onboarding_skipped_reason", u.OnboardingSkippedReason, u.OnboardingSkippedReason != "")
	j.uuid("onboarding_skipped_organization_id", u.OnboardingSkippedOrganization)
	j.null("onboarding_delegated_to_invite")
	j.null("onboarding_delegated_to_organization_id")
	j.null("onboarding_delegation_accepted_at")
}

func writeInvites(j *jsonWriter, invites []users.PendingInvite) {
	j.array("pending_invites")
	for _, i := range invites {
		j.object("")
		j.uuid("id", i.ID)
		j.text("target_email", i.TargetEmail)
		j.uuid("organization_id", i.OrganizationID)
		j.text("organization_name", i.OrganizationName)
		j.time("created_at", i.CreatedAt, utcTime)
		j.close()
	}
	j.endArray()
}

func writeTeamOrNull(j *jsonWriter, name string, t *users.Team) {
	if t == nil {
		j.null(name)
		return
	}
	j.object(name)
	writeTeamMembers(j, *t)
	j.close()
}

// writeTeamMembers appends TeamBasic, contract section 7.1.
func writeTeamMembers(j *jsonWriter, t users.Team) {
	j.int("id", int64(t.ID))
	j.uuid("uuid", t.UUID)
	j.uuid("organization", t.OrganizationID)
	j.int("project_id", t.ProjectID)
	j.text("api_token", t.APIToken)
	j.text("name", t.Name)
	j.bool("completed_snippet_onboarding", t.CompletedSnippetOnboarding)
	j.jsonOf("has_completed_onboarding_for", t.HasCompletedOnboardingFor, "{n", "null")
	j.bool("ingested_event", t.IngestedEvent)
	j.bool("is_demo", t.IsDemo)
	j.text("timezone", t.Timezone)
	j.bool("access_control", t.AccessControl)
}

// writeOrganizationHead appends what both forms of an organization begin with.
func writeOrganizationHead(j *jsonWriter, o users.Organization) {
	j.uuid("id", o.ID)
	j.text("name", o.Name)
	j.text("slug", o.Slug)
	j.uuid("logo_media_id", o.LogoMediaID.Value)
}

func writeLevel(j *jsonWriter, level users.Null[users.Level]) {
	if !level.Valid {
		j.null("membership_level")
		return
	}
	j.int("membership_level", int64(level.Value))
}

func writeStanding(j *jsonWriter, o users.Organization) {
	j.nullBool("is_active", o.IsActive)
	j.nullText("is_not_active_reason", o.IsNotActiveReason)
	j.nullBool("is_pending_deletion", o.IsPendingDeletion)
}

// writeOrganizationBasic appends OrganizationBasic, contract section 7.2.
func writeOrganizationBasic(j *jsonWriter, o users.MemberOrganization) {
	j.object("")
	writeOrganizationHead(j, o.Organization)
	writeLevel(j, o.Level)
	j.bool("members_can_use_personal_api_keys", o.MembersCanUsePersonalAPIKeys)
	writeStanding(j, o.Organization)
	j.close()
}

// writeOrganization appends the current organization, contract section 7.3.
func writeOrganization(j *jsonWriter, o *users.OrganizationView) {
	const name = "organization"
	if o == nil {
		j.null(name)
		return
	}
	j.object(name)
	writeOrganizationHead(j, o.Organization)
	j.time("created_at", o.CreatedAt, utcTime)
	j.time("updated_at", o.UpdatedAt, utcTime)
	writeLevel(j, o.Level)
	j.int("plugins_access_level", int64(o.PluginsAccessLevel))
	writeTeams(j, o.Teams)
	j.jsonOf("available_product_features", o.AvailableProductFeatures, "[n", "null")
	j.bool("is_member_join_email_enabled", o.IsMemberJoinEmailEnabled)
	j.jsonOf("metadata", o.Metadata, "{", "{}")
	j.nullText("customer_id", o.CustomerID)
	j.nullBool("enforce_2fa", o.Enforce2FA)
	j.nullBool("members_can_invite", o.MembersCanInvite)
	j.bool("members_can_use_personal_api_keys", o.MembersCanUsePersonalAPIKeys)
	j.bool("allow_publicly_shared_resources", o.AllowPubliclySharedResources)
	j.int("member_count", int64(o.MemberCount))
	j.nullBool("is_ai_data_processing_approved", o.IsAIDataProcessingApproved)
	j.nullText("default_experiment_stats_method", o.DefaultExperimentStatsMethod)
	j.bool("default_anonymize_ips", o.DefaultAnonymizeIPs)
	j.nullText("default_role_id", o.DefaultRoleID)
	writeStanding(j, o.Organization)
	j.close()
}

// writeTeams appends the teams, and the projects that they make up.
func writeTeams(j *jsonWriter, teams []users.Team) {
	j.array("teams")
	for _, t := range teams {
		j.object("")
		writeTeamMembers(j, t)
		j.close()
	}
	j.endArray()
	j.array("projects")
	seen := map[int64]bool{}
	for _, t := range teams {
		if seen[t.ProjectID] {
			continue
		}
		seen[t.ProjectID] = true
		j.object("")
		j.int("id", t.ProjectID)
		j.uuid("organization_id", t.OrganizationID)
		j.text("name", t.Name)
		j.close()
	}
	j.endArray()
}
