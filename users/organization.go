package users

import (
	"slices"
	"time"

	"github.com/google/uuid"
)

// Level is the rank of a membership, contract section 7.3.
type Level int

// The levels.
const (
	LevelMember Level = 1
	LevelAdmin  Level = 8
	LevelOwner  Level = 15
)

// Organization is a group of people that owns teams. The host keeps it current
// through Service.SaveOrganization.
type Organization struct {
	ID                           uuid.UUID
	Name                         string // at most 64 characters
	Slug                         string // at most 48 characters
	LogoMediaID                  Null[uuid.UUID]
	CreatedAt, UpdatedAt         time.Time
	PluginsAccessLevel           int // 0 none, 3 config, 6 install, 9 root
	AvailableProductFeatures     JSON
	IsMemberJoinEmailEnabled     bool
	Metadata                     JSON // an object
	CustomerID                   Null[string]
	Enforce2FA                   Null[bool]
	MembersCanInvite             Null[bool]
	MembersCanUsePersonalAPIKeys bool
	AllowPubliclySharedResources bool
	IsAIDataProcessingApproved   Null[bool]
	DefaultExperimentStatsMethod Null[string]
	DefaultAnonymizeIPs          bool
	DefaultRoleID                Null[string]
	IsActive                     Null[bool]
	IsNotActiveReason            Null[string]
	IsPendingDeletion            Null[bool]
	// SSOEnforcedDomains are the e-mail domains, in lower case, whose users must
	// sign in elsewhere.
	SSOEnforcedDomains []string
}

// noInstanceTag is the metadata of an organization that says nothing else
// (contract section 7.3).
const noInstanceTag JSON = `{"instance_tag":"none"}`

// NewOrganization returns an organization with the contract's defaults.
func NewOrganization() Organization {
	return Organization{
		PluginsAccessLevel:           3,
		IsMemberJoinEmailEnabled:     true,
		Metadata:                     noInstanceTag,
		Enforce2FA:                   Null[bool]{},
		MembersCanInvite:             Some(true),
		MembersCanUsePersonalAPIKeys: true,
		AllowPubliclySharedResources: true,
		IsActive:                     Some(true),
		IsPendingDeletion:            Some(false),
	}
}

// Clone returns a copy that shares nothing with o.
func (o Organization) Clone() Organization {
	o.SSOEnforcedDomains = slices.Clone(o.SSOEnforcedDomains)
	return o
}

// checkStorable looks at the text that has no rules of its own.
func (o Organization) checkStorable() error {
	for _, domain := range o.SSOEnforcedDomains {
		if err := CheckKey([2]string{"sso_enforced_domains", domain}); err != nil {
			return err
		}
	}
	return CheckStorable(
		[2]string{"available_product_features", string(o.AvailableProductFeatures)}, [2]string{"metadata", string(o.Metadata)},
		[2]string{"customer_id", o.CustomerID.Value}, [2]string{"default_experiment_stats_method", o.DefaultExperimentStatsMethod.Value},
		[2]string{"default_role_id", o.DefaultRoleID.Value}, [2]string{"is_not_active_reason", o.IsNotActiveReason.Value},
	)
}

// Team is a project of an organization. The host keeps it current through
// Service.SaveTeam.
type Team struct {
	ID                         TeamID
	UUID                       uuid.UUID
	OrganizationID             uuid.UUID
	ProjectID                  int64 // zero is stored as ID
	APIToken                   string
	Name                       string
	CompletedSnippetOnboarding bool
	HasCompletedOnboardingFor  JSON
	IngestedEvent              bool
	IsDemo                     bool
	Timezone                   string // IANA name
	// AccessControl restricts the team to admins and owners of its organization.
	AccessControl bool
}

// VisibleAt reports whether a member of the team's organization with this level
// may see the team.
func (t Team) VisibleAt(level Level) bool {
	return level >= LevelMember && (!t.AccessControl || level >= LevelAdmin)
}

// Membership ties a user to an organization, at most once.
type Membership struct {
	UserID         ID
	OrganizationID uuid.UUID
	Level          Level
	JoinedAt       time.Time
	InvitedBy      ID // zero when nobody did
}

// Invite asks an address to join an organization.
type Invite struct {
	ID             uuid.UUID
	OrganizationID uuid.UUID
	TargetEmail    string
	CreatedAt      time.Time
}

// PendingInvite is an invite with the name of the organization it is for.
type PendingInvite struct {
	Invite
	OrganizationName string
}

// Identity is a login at another provider that the host has tied to a user.
// Subject is the provider's stable id; Login is display text and may change.
// Provider and Subject together are unique.
type Identity struct {
	UserID    ID
	Provider  string // "github"
	Subject   string
	Login     string
	CreatedAt time.Time
}

// Scene is a dashboard that a user chose for one scene of a team.
type Scene struct {
	UserID      ID
	TeamID      TeamID
	Scene       string
	DashboardID int64
}
