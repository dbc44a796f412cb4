package httpapi_test

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/autonomy"
	"github.com/hedgerow-dev/hedgerow/integrations"
	"github.com/hedgerow-dev/hedgerow/users"
)

// The changes of a failing store, by domain.
type (
	failingUsersChanges struct {
		tx   users.Tx
		plan *plan
	}
	failingAuthChanges struct {
		tx   auth.Tx
		plan *plan
	}
	failingAutonomyChanges struct {
		tx   autonomy.Tx
		plan *plan
	}
	failingIntegrationsChanges struct {
		tx   integrations.Tx
		plan *plan
	}
)

// put makes one change, unless that is to fail.
func put[A any](ctx context.Context, p *plan, name string, change func(context.Context, A) error, a A) error {
	if err := p.next(name); err != nil {
		return err
	}
	return change(ctx, a)
}

func (w failingUsersChanges) CreateUser(ctx context.Context, u users.User) (users.User, error) {
	return get(ctx, w.plan, "CreateUser", w.tx.CreateUser, u)
}

func (w failingUsersChanges) SaveUser(ctx context.Context, u users.User) (users.User, error) {
	return get(ctx, w.plan, "SaveUser", w.tx.SaveUser, u)
}

func (w failingUsersChanges) DeleteUser(ctx context.Context, id users.ID) error {
	return put(ctx, w.plan, "DeleteUser", w.tx.DeleteUser, id)
}

func (w failingUsersChanges) SaveOrganization(ctx context.Context, o users.Organization) error {
	return put(ctx, w.plan, "SaveOrganization", w.tx.SaveOrganization, o)
}

func (w failingUsersChanges) DeleteOrganization(ctx context.Context, id uuid.UUID) error {
	return put(ctx, w.plan, "DeleteOrganization", w.tx.DeleteOrganization, id)
}

func (w failingUsersChanges) SaveTeam(ctx context.Context, t users.Team) (users.Team, error) {
	return get(ctx, w.plan, "SaveTeam", w.tx.SaveTeam, t)
}

func (w failingUsersChanges) DeleteTeam(ctx context.Context, id users.TeamID) error {
	return put(ctx, w.plan, "DeleteTeam", w.tx.DeleteTeam, id)
}

func (w failingUsersChanges) SaveMembership(ctx context.Context, m users.Membership) error {
	return put(ctx, w.plan, "SaveMembership", w.tx.SaveMembership, m)
}

func (w failingUsersChanges) DeleteMembership(ctx context.Context, user users.ID, organization uuid.UUID) error {
	if err := w.plan.next("DeleteMembership"); err != nil {
		return err
	}
	return w.tx.DeleteMembership(ctx, user, organization)
}

func (w failingUsersChanges) SaveInvite(ctx context.Context, i users.Invite) error {
	return put(ctx, w.plan, "SaveInvite", w.tx.SaveInvite, i)
}

func (w failingUsersChanges) DeleteInvite(ctx context.Context, id uuid.UUID) error {
	return put(ctx, w.plan, "DeleteInvite", w.tx.DeleteInvite, id)
}

func (w failingUsersChanges) SaveIdentity(ctx context.Context, i users.Identity) error {
	return put(ctx, w.plan, "SaveIdentity", w.tx.SaveIdentity, i)
}

func (w failingUsersChanges) DeleteIdentity(ctx context.Context, provider string, subject string) (users.ID, error) {
	if err := w.plan.next("DeleteIdentity"); err != nil {
		return 0, err
	}
	return w.tx.DeleteIdentity(ctx, provider, subject)
}

func (w failingUsersChanges) SaveScene(ctx context.Context, s users.Scene) error {
	return put(ctx, w.plan, "SaveScene", w.tx.SaveScene, s)
}

func (w failingUsersChanges) DeleteScenes(ctx context.Context, dashboard int64) error {
	return put(ctx, w.plan, "DeleteScenes", w.tx.DeleteScenes, dashboard)
}

func (w failingUsersChanges) AddEvent(ctx context.Context, e users.Event) error {
	return put(ctx, w.plan, "AddEvent", w.tx.AddEvent, e)
}

func (w failingAuthChanges) SaveSession(ctx context.Context, s auth.Session) error {
	return put(ctx, w.plan, "SaveSession", w.tx.SaveSession, s)
}

func (w failingAuthChanges) DeleteSession(ctx context.Context, id uuid.UUID) error {
	return put(ctx, w.plan, "DeleteSession", w.tx.DeleteSession, id)
}

func (w failingAuthChanges) DeleteSessions(ctx context.Context, user users.ID, except uuid.UUID) (int, error) {
	if err := w.plan.next("DeleteSessions"); err != nil {
		return 0, err
	}
	return w.tx.DeleteSessions(ctx, user, except)
}

func (w failingAuthChanges) SaveAPIKey(ctx context.Context, k auth.APIKey) error {
	return put(ctx, w.plan, "SaveAPIKey", w.tx.SaveAPIKey, k)
}

func (w failingAuthChanges) DeleteAPIKey(ctx context.Context, id string) error {
	return put(ctx, w.plan, "DeleteAPIKey", w.tx.DeleteAPIKey, id)
}

func (w failingAuthChanges) SaveOAuthToken(ctx context.Context, t auth.OAuthToken) error {
	return put(ctx, w.plan, "SaveOAuthToken", w.tx.SaveOAuthToken, t)
}

func (w failingAuthChanges) DeleteOAuthToken(ctx context.Context, h auth.Hash) error {
	return put(ctx, w.plan, "DeleteOAuthToken", w.tx.DeleteOAuthToken, h)
}

func (w failingAuthChanges) SaveTicket(ctx context.Context, t auth.Ticket) error {
	return put(ctx, w.plan, "SaveTicket", w.tx.SaveTicket, t)
}

func (w failingAuthChanges) DeleteTicket(ctx context.Context, p auth.Purpose, h auth.Hash) error {
	if err := w.plan.next("DeleteTicket"); err != nil {
		return err
	}
	return w.tx.DeleteTicket(ctx, p, h)
}

func (w failingAuthChanges) DeleteTickets(ctx context.Context, user users.ID, purposes ...auth.Purpose) error {
	if err := w.plan.next("DeleteTickets"); err != nil {
		return err
	}
	return w.tx.DeleteTickets(ctx, user, purposes...)
}

func (w failingAuthChanges) SaveSecondFactor(ctx context.Context, f auth.SecondFactor) error {
	return put(ctx, w.plan, "SaveSecondFactor", w.tx.SaveSecondFactor, f)
}

func (w failingAuthChanges) DeleteSecondFactor(ctx context.Context, user users.ID) error {
	return put(ctx, w.plan, "DeleteSecondFactor", w.tx.DeleteSecondFactor, user)
}

func (w failingAuthChanges) SavePasskey(ctx context.Context, k auth.Passkey) error {
	return put(ctx, w.plan, "SavePasskey", w.tx.SavePasskey, k)
}

func (w failingAuthChanges) DeletePasskey(ctx context.Context, id uuid.UUID) error {
	return put(ctx, w.plan, "DeletePasskey", w.tx.DeletePasskey, id)
}

func (w failingAuthChanges) SaveAttempts(ctx context.Context, key string, times []time.Time, expires time.Time) error {
	if err := w.plan.next("SaveAttempts"); err != nil {
		return err
	}
	return w.tx.SaveAttempts(ctx, key, times, expires)
}

func (w failingAuthChanges) DeleteExpired(ctx context.Context, now time.Time) (int, error) {
	return get(ctx, w.plan, "DeleteExpired", w.tx.DeleteExpired, now)
}

func (w failingAutonomyChanges) SaveAutonomyConfig(ctx context.Context, c autonomy.Config) error {
	return put(ctx, w.plan, "SaveAutonomyConfig", w.tx.SaveAutonomyConfig, c)
}

func (w failingAutonomyChanges) DeleteAutonomyConfig(ctx context.Context, user users.ID) error {
	return put(ctx, w.plan, "DeleteAutonomyConfig", w.tx.DeleteAutonomyConfig, user)
}

func (w failingIntegrationsChanges) SaveInstallation(ctx context.Context, i integrations.Installation) error {
	return put(ctx, w.plan, "SaveInstallation", w.tx.SaveInstallation, i)
}

func (w failingIntegrationsChanges) DeleteInstallation(ctx context.Context, id uuid.UUID) error {
	return put(ctx, w.plan, "DeleteInstallation", w.tx.DeleteInstallation, id)
}

func (w failingIntegrationsChanges) SaveRepositories(ctx context.Context, id uuid.UUID, list []integrations.Repository) error {
	if err := w.plan.next("SaveRepositories"); err != nil {
		return err
	}
	return w.tx.SaveRepositories(ctx, id, list)
}

func (w failingIntegrationsChanges) SaveBranches(ctx context.Context, b integrations.BranchList) error {
	return put(ctx, w.plan, "SaveBranches", w.tx.SaveBranches, b)
}

func (w failingIntegrationsChanges) SaveTeamInstallation(ctx context.Context, i integrations.TeamInstallation) (integrations.TeamInstallation, error) {
	return get(ctx, w.plan, "SaveTeamInstallation", w.tx.SaveTeamInstallation, i)
}

func (w failingIntegrationsChanges) DeleteTeamInstallation(ctx context.Context, id int64) error {
	return put(ctx, w.plan, "DeleteTeamInstallation", w.tx.DeleteTeamInstallation, id)
}

func (w failingIntegrationsChanges) SaveLinkState(ctx context.Context, s integrations.LinkState) error {
	return put(ctx, w.plan, "SaveLinkState", w.tx.SaveLinkState, s)
}

func (w failingIntegrationsChanges) DeleteLinkState(ctx context.Context, h integrations.StateHash) error {
	return put(ctx, w.plan, "DeleteLinkState", w.tx.DeleteLinkState, h)
}

func (w failingIntegrationsChanges) SaveInstallRequest(ctx context.Context, r integrations.InstallRequest) error {
	return put(ctx, w.plan, "SaveInstallRequest", w.tx.SaveInstallRequest, r)
}

func (w failingIntegrationsChanges) DeleteInstallRequest(ctx context.Context, id uuid.UUID) error {
	return put(ctx, w.plan, "DeleteInstallRequest", w.tx.DeleteInstallRequest, id)
}

func (w failingIntegrationsChanges) Claim(ctx context.Context, name string, holder uuid.UUID, now time.Time, until time.Time) (bool, error) {
	if err := w.plan.next("Claim"); err != nil {
		return false, err
	}
	return w.tx.Claim(ctx, name, holder, now, until)
}

func (w failingIntegrationsChanges) Unclaim(ctx context.Context, name string, holder uuid.UUID) error {
	if err := w.plan.next("Unclaim"); err != nil {
		return err
	}
	return w.tx.Unclaim(ctx, name, holder)
}

func (w failingIntegrationsChanges) DeleteExpiredLinks(ctx context.Context, now time.Time) (int, error) {
	return get(ctx, w.plan, "DeleteExpiredLinks", w.tx.DeleteExpiredLinks, now)
}

func (w failingUsersChanges) DeleteEvents(ctx context.Context, through int64, before time.Time, limit int) (int, error) {
	if err := w.plan.next("DeleteEvents"); err != nil {
		return 0, err
	}
	return w.tx.DeleteEvents(ctx, through, before, limit)
}

func (w failingUsersChanges) CreateConsumer(ctx context.Context, c users.Consumer) error {
	return put(ctx, w.plan, "CreateConsumer", w.tx.CreateConsumer, c)
}

func (w failingUsersChanges) SaveConsumer(ctx context.Context, c users.Consumer) error {
	return put(ctx, w.plan, "SaveConsumer", w.tx.SaveConsumer, c)
}

func (w failingUsersChanges) DeleteConsumer(ctx context.Context, name string) error {
	return put(ctx, w.plan, "DeleteConsumer", w.tx.DeleteConsumer, name)
}
