package observed

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/autonomy"
	"github.com/hedgerow-dev/hedgerow/integrations"
	"github.com/hedgerow-dev/hedgerow/users"
)

func (s *store) User(ctx context.Context, id users.ID) (users.User, error) {
	return read(ctx, s, Users, "User", s.st.User, id)
}

func (s *store) UserByUUID(ctx context.Context, id uuid.UUID) (users.User, error) {
	return read(ctx, s, Users, "UserByUUID", s.st.UserByUUID, id)
}

func (s *store) UserByEmail(ctx context.Context, folded string) (users.User, error) {
	return read(ctx, s, Users, "UserByEmail", s.st.UserByEmail, folded)
}

func (s *store) Profiles(ctx context.Context, q users.Query) (users.Page, error) {
	return read(ctx, s, Users, "Profiles", s.st.Profiles, q)
}

func (s *store) Organization(ctx context.Context, id uuid.UUID) (users.Organization, error) {
	return read(ctx, s, Users, "Organization", s.st.Organization, id)
}

func (s *store) Team(ctx context.Context, id users.TeamID) (users.Team, error) {
	return read(ctx, s, Users, "Team", s.st.Team, id)
}

func (s *store) Teams(ctx context.Context, organization uuid.UUID) ([]users.Team, error) {
	return read(ctx, s, Users, "Teams", s.st.Teams, organization)
}

func (s *store) Memberships(ctx context.Context, user users.ID) ([]users.Membership, error) {
	return read(ctx, s, Users, "Memberships", s.st.Memberships, user)
}

func (s *store) Invites(ctx context.Context, folded string, since time.Time) ([]users.PendingInvite, error) {
	return read2(ctx, s, Users, "Invites", s.st.Invites, folded, since)
}

func (s *store) SSOEnforced(ctx context.Context, domain string) (bool, error) {
	return read(ctx, s, Users, "SSOEnforced", s.st.SSOEnforced, domain)
}

func (s *store) Identities(ctx context.Context, user users.ID) ([]users.Identity, error) {
	return read(ctx, s, Users, "Identities", s.st.Identities, user)
}

func (s *store) Events(ctx context.Context, q users.EventQuery) ([]users.Event, error) {
	return read(ctx, s, Users, "Events", s.st.Events, q)
}

func (s *store) Consumer(ctx context.Context, name string) (users.Consumer, error) {
	return read(ctx, s, Users, "Consumer", s.st.Consumer, name)
}

func (s *store) Consumers(ctx context.Context) ([]users.Consumer, error) {
	began := s.now()
	all, err := s.st.Consumers(ctx)
	s.done(ctx, Operation{Domain: Users, Name: "Consumers"}, began, err)
	return all, err
}

func (s *store) SessionByHash(ctx context.Context, h auth.Hash) (auth.Session, *users.Profile, error) {
	return readOwned(ctx, s, "SessionByHash", s.st.SessionByHash, h)
}

func (s *store) Sessions(ctx context.Context, user users.ID) ([]auth.Session, error) {
	return read(ctx, s, Auth, "Sessions", s.st.Sessions, user)
}

func (s *store) APIKeyByHash(ctx context.Context, h auth.Hash) (auth.APIKey, *users.Profile, error) {
	return readOwned(ctx, s, "APIKeyByHash", s.st.APIKeyByHash, h)
}

func (s *store) APIKey(ctx context.Context, id string) (auth.APIKey, error) {
	return read(ctx, s, Auth, "APIKey", s.st.APIKey, id)
}

func (s *store) APIKeys(ctx context.Context, user users.ID) ([]auth.APIKey, error) {
	return read(ctx, s, Auth, "APIKeys", s.st.APIKeys, user)
}

func (s *store) OAuthTokenByHash(ctx context.Context, h auth.Hash) (auth.OAuthToken, *users.Profile, error) {
	return readOwned(ctx, s, "OAuthTokenByHash", s.st.OAuthTokenByHash, h)
}

func (s *store) Ticket(ctx context.Context, p auth.Purpose, h auth.Hash) (auth.Ticket, error) {
	return read2(ctx, s, Auth, "Ticket", s.st.Ticket, p, h)
}

func (s *store) Tickets(ctx context.Context, user users.ID, p auth.Purpose) ([]auth.Ticket, error) {
	return read2(ctx, s, Auth, "Tickets", s.st.Tickets, user, p)
}

func (s *store) SecondFactor(ctx context.Context, user users.ID) (auth.SecondFactor, error) {
	return read(ctx, s, Auth, "SecondFactor", s.st.SecondFactor, user)
}

func (s *store) Passkeys(ctx context.Context, user users.ID) ([]auth.Passkey, error) {
	return read(ctx, s, Auth, "Passkeys", s.st.Passkeys, user)
}

func (s *store) PasskeyByCredential(ctx context.Context, credential []byte) (auth.Passkey, error) {
	return read(ctx, s, Auth, "PasskeyByCredential", s.st.PasskeyByCredential, credential)
}

func (s *store) Attempts(ctx context.Context, key string) ([]time.Time, error) {
	return read(ctx, s, Auth, "Attempts", s.st.Attempts, key)
}

func (s *store) AutonomyConfig(ctx context.Context, user users.ID) (autonomy.Config, error) {
	return read(ctx, s, Autonomy, "AutonomyConfig", s.st.AutonomyConfig, user)
}

func (s *store) Installation(ctx context.Context, user users.ID, installationID string) (integrations.Installation, error) {
	return read2(ctx, s, Integrations, "Installation", s.st.Installation, user, installationID)
}

func (s *store) Installations(ctx context.Context, q integrations.Query) ([]integrations.Installation, error) {
	return read(ctx, s, Integrations, "Installations", s.st.Installations, q)
}

func (s *store) Repositories(ctx context.Context, id uuid.UUID) ([]integrations.Repository, error) {
	return read(ctx, s, Integrations, "Repositories", s.st.Repositories, id)
}

func (s *store) Branches(ctx context.Context, id uuid.UUID, repository string) (integrations.BranchList, error) {
	return read2(ctx, s, Integrations, "Branches", s.st.Branches, id, repository)
}

func (s *store) TeamInstallations(ctx context.Context, q integrations.TeamQuery) ([]integrations.TeamInstallation, error) {
	return read(ctx, s, Integrations, "TeamInstallations", s.st.TeamInstallations, q)
}

func (s *store) LinkStates(ctx context.Context, user users.ID) ([]integrations.LinkState, error) {
	return read(ctx, s, Integrations, "LinkStates", s.st.LinkStates, user)
}

func (s *store) InstallRequests(ctx context.Context, q integrations.RequestQuery) ([]integrations.InstallRequest, error) {
	return read(ctx, s, Integrations, "InstallRequests", s.st.InstallRequests, q)
}
