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

// The reads of a failing store, by domain, outside a transaction and inside.
type (
	failingUsers struct {
		in   users.Reader
		plan *plan
	}
	failingAuth struct {
		in   auth.Reader
		plan *plan
	}
	failingAutonomy struct {
		in   autonomy.Reader
		plan *plan
	}
	failingIntegrations struct {
		in   integrations.Reader
		plan *plan
	}
)

// get reads one thing, unless that is to fail.
func get[A, V any](ctx context.Context, p *plan, name string, read func(context.Context, A) (V, error), a A) (v V, err error) {
	if err := p.next(name); err != nil {
		return v, err
	}
	return read(ctx, a)
}

func (r failingUsers) User(ctx context.Context, id users.ID) (users.User, error) {
	return get(ctx, r.plan, "User", r.in.User, id)
}

func (r failingUsers) UserByUUID(ctx context.Context, id uuid.UUID) (users.User, error) {
	return get(ctx, r.plan, "UserByUUID", r.in.UserByUUID, id)
}

func (r failingUsers) UserByEmail(ctx context.Context, folded string) (users.User, error) {
	return get(ctx, r.plan, "UserByEmail", r.in.UserByEmail, folded)
}

func (r failingUsers) Profiles(ctx context.Context, q users.Query) (users.Page, error) {
	return get(ctx, r.plan, "Profiles", r.in.Profiles, q)
}

func (r failingUsers) Organization(ctx context.Context, id uuid.UUID) (users.Organization, error) {
	return get(ctx, r.plan, "Organization", r.in.Organization, id)
}

func (r failingUsers) Team(ctx context.Context, id users.TeamID) (users.Team, error) {
	return get(ctx, r.plan, "Team", r.in.Team, id)
}

func (r failingUsers) Teams(ctx context.Context, organization uuid.UUID) ([]users.Team, error) {
	return get(ctx, r.plan, "Teams", r.in.Teams, organization)
}

func (r failingUsers) Memberships(ctx context.Context, user users.ID) ([]users.Membership, error) {
	return get(ctx, r.plan, "Memberships", r.in.Memberships, user)
}

func (r failingUsers) Invites(ctx context.Context, folded string, since time.Time) ([]users.PendingInvite, error) {
	if err := r.plan.next("Invites"); err != nil {
		return nil, err
	}
	return r.in.Invites(ctx, folded, since)
}

func (r failingUsers) SSOEnforced(ctx context.Context, domain string) (bool, error) {
	return get(ctx, r.plan, "SSOEnforced", r.in.SSOEnforced, domain)
}

func (r failingUsers) Identities(ctx context.Context, user users.ID) ([]users.Identity, error) {
	return get(ctx, r.plan, "Identities", r.in.Identities, user)
}

func (r failingUsers) Events(ctx context.Context, q users.EventQuery) ([]users.Event, error) {
	if err := r.plan.next("Events"); err != nil {
		return nil, err
	}
	return r.in.Events(ctx, q)
}

func (r failingUsers) Consumer(ctx context.Context, name string) (users.Consumer, error) {
	if err := r.plan.next("Consumer"); err != nil {
		return users.Consumer{}, err
	}
	return r.in.Consumer(ctx, name)
}

func (r failingUsers) Consumers(ctx context.Context) ([]users.Consumer, error) {
	if err := r.plan.next("Consumers"); err != nil {
		return nil, err
	}
	return r.in.Consumers(ctx)
}

func (r failingAuth) SessionByHash(ctx context.Context, h auth.Hash) (auth.Session, *users.Profile, error) {
	if err := r.plan.next("SessionByHash"); err != nil {
		return auth.Session{}, nil, err
	}
	return r.in.SessionByHash(ctx, h)
}

func (r failingAuth) Sessions(ctx context.Context, user users.ID) ([]auth.Session, error) {
	return get(ctx, r.plan, "Sessions", r.in.Sessions, user)
}

func (r failingAuth) APIKeyByHash(ctx context.Context, h auth.Hash) (auth.APIKey, *users.Profile, error) {
	if err := r.plan.next("APIKeyByHash"); err != nil {
		return auth.APIKey{}, nil, err
	}
	return r.in.APIKeyByHash(ctx, h)
}

func (r failingAuth) APIKey(ctx context.Context, id string) (auth.APIKey, error) {
	return get(ctx, r.plan, "APIKey", r.in.APIKey, id)
}

func (r failingAuth) APIKeys(ctx context.Context, user users.ID) ([]auth.APIKey, error) {
	return get(ctx, r.plan, "APIKeys", r.in.APIKeys, user)
}

func (r failingAuth) OAuthTokenByHash(ctx context.Context, h auth.Hash) (auth.OAuthToken, *users.Profile, error) {
	if err := r.plan.next("OAuthTokenByHash"); err != nil {
		return auth.OAuthToken{}, nil, err
	}
	return r.in.OAuthTokenByHash(ctx, h)
}

func (r failingAuth) Ticket(ctx context.Context, p auth.Purpose, h auth.Hash) (auth.Ticket, error) {
	if err := r.plan.next("Ticket"); err != nil {
		return auth.Ticket{}, err
	}
	return r.in.Ticket(ctx, p, h)
}

func (r failingAuth) Tickets(ctx context.Context, user users.ID, p auth.Purpose) ([]auth.Ticket, error) {
	if err := r.plan.next("Tickets"); err != nil {
		return nil, err
	}
	return r.in.Tickets(ctx, user, p)
}

func (r failingAuth) SecondFactor(ctx context.Context, user users.ID) (auth.SecondFactor, error) {
	return get(ctx, r.plan, "SecondFactor", r.in.SecondFactor, user)
}

func (r failingAuth) Passkeys(ctx context.Context, user users.ID) ([]auth.Passkey, error) {
	return get(ctx, r.plan, "Passkeys", r.in.Passkeys, user)
}

func (r failingAuth) PasskeyByCredential(ctx context.Context, credential []byte) (auth.Passkey, error) {
	return get(ctx, r.plan, "PasskeyByCredential", r.in.PasskeyByCredential, credential)
}

func (r failingAuth) Attempts(ctx context.Context, key string) ([]time.Time, error) {
	return get(ctx, r.plan, "Attempts", r.in.Attempts, key)
}

func (r failingAutonomy) AutonomyConfig(ctx context.Context, user users.ID) (autonomy.Config, error) {
	return get(ctx, r.plan, "AutonomyConfig", r.in.AutonomyConfig, user)
}

func (r failingIntegrations) Installation(ctx context.Context, user users.ID, installationID string) (integrations.Installation, error) {
	if err := r.plan.next("Installation"); err != nil {
		return integrations.Installation{}, err
	}
	return r.in.Installation(ctx, user, installationID)
}

func (r failingIntegrations) Installations(ctx context.Context, q integrations.Query) ([]integrations.Installation, error) {
	return get(ctx, r.plan, "Installations", r.in.Installations, q)
}

func (r failingIntegrations) Repositories(ctx context.Context, id uuid.UUID) ([]integrations.Repository, error) {
	return get(ctx, r.plan, "Repositories", r.in.Repositories, id)
}

func (r failingIntegrations) Branches(ctx context.Context, id uuid.UUID, repository string) (integrations.BranchList, error) {
	if err := r.plan.next("Branches"); err != nil {
		return integrations.BranchList{}, err
	}
	return r.in.Branches(ctx, id, repository)
}

func (r failingIntegrations) TeamInstallations(ctx context.Context, q integrations.TeamQuery) ([]integrations.TeamInstallation, error) {
	return get(ctx, r.plan, "TeamInstallations", r.in.TeamInstallations, q)
}

func (r failingIntegrations) LinkStates(ctx context.Context, user users.ID) ([]integrations.LinkState, error) {
	return get(ctx, r.plan, "LinkStates", r.in.LinkStates, user)
}

func (r failingIntegrations) InstallRequests(ctx context.Context, q integrations.RequestQuery) ([]integrations.InstallRequest, error) {
	return get(ctx, r.plan, "InstallRequests", r.in.InstallRequests, q)
}
