package httpapitest

import (
	"context"
	"errors"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/hedgerow-dev/hedgerow/integrations"
	"github.com/hedgerow-dev/hedgerow/integrations/githubtest"
	"github.com/hedgerow-dev/hedgerow/users"
)

// integrationsSpec is what the package integrations adds to a world.
type integrationsSpec struct {
	Integrations     []linkSpec           `json:"integrations"`
	TeamIntegrations []teamLinkSpec       `json:"team_integrations"`
	InstallRequests  []installRequestSpec `json:"install_requests"`
}

// linkSpec is a user's link to an installation. Ages are in seconds.
type linkSpec struct {
	User                string          `json:"user"`
	InstallationID      string          `json:"installation_id"`
	RepositorySelection *string         `json:"repository_selection"`
	Account             *accountSpec    `json:"account"`
	GitHubUser          *gitHubUserSpec `json:"github_user"`
	Age                 float64         `json:"age_seconds"`
	TokenAge            float64         `json:"installation_token_age_seconds"`
	Snapshot            *snapshotSpec   `json:"snapshot"`
}

type accountSpec struct {
	Type *string `json:"type"`
	Name *string `json:"name"`
}

type gitHubUserSpec struct {
	Login *string `json:"login"`
	ID    *int64  `json:"id"`
}

type snapshotSpec struct {
	Repositories []jsontext.Value `json:"repositories"`
	Age          member[*float64] `json:"age_seconds"`
}

// repositorySpec is a repository as the API shows it.
type repositorySpec struct {
	ID            *int64  `json:"id"`
	Name          *string `json:"name"`
	FullName      *string `json:"full_name"`
	Private       *bool   `json:"private"`
	Archived      *bool   `json:"archived"`
	CanPush       *bool   `json:"can_push"`
	DefaultBranch *string `json:"default_branch"`
	Language      *string `json:"language"`
	PushedAt      *string `json:"pushed_at"`
}

type teamLinkSpec struct {
	Team                      string  `json:"team"`
	InstallationID            string  `json:"installation_id"`
	CreatedBy                 *string `json:"created_by"`
	ConnectingUserGitHubLogin *string `json:"connecting_user_github_login"`
}

type installRequestSpec struct {
	User         string                             `json:"user"`
	GitHubUserID *int64                             `json:"github_user_id"`
	GitHubLogin  string                             `json:"github_login"`
	Status       member[integrations.RequestStatus] `json:"status"`
}

func (f *fixture) loadIntegrations(ctx context.Context, s spec) error {
	err := each("/integrations", s.Integrations, func(n int, at jsontext.Pointer, l linkSpec) error {
		return f.loadLink(ctx, at, l, older(n, len(s.Integrations)))
	})
	if err != nil {
		return err
	}
	err = each("/team_integrations", s.TeamIntegrations, func(n int, at jsontext.Pointer, l teamLinkSpec) error {
		return f.loadTeamLink(ctx, at, l, older(n, len(s.TeamIntegrations)))
	})
	if err != nil {
		return err
	}
	return each("/install_requests", s.InstallRequests, func(n int, at jsontext.Pointer, r installRequestSpec) error {
		return f.loadInstallRequest(ctx, at, r, older(n, len(s.InstallRequests)))
	})
}

// loadLink stores a link. offset, which keeps the order of the file, is added to
// its age, but not to the ages of tokens and lists, which end at once.
func (f *fixture) loadLink(ctx context.Context, at jsontext.Pointer, s linkSpec, offset time.Duration) error {
	u, err := find(at.AppendToken("user"), f.ids.Users, s.User)
	if err != nil {
		return err
	}
	age, err := span(at.AppendToken("age_seconds"), s.Age, time.Second)
	if err != nil {
		return err
	}
	now := f.api.Users().Now()
	l := integrations.Import{Installation: integrations.Installation{
		UserID: u.ID, InstallationID: s.InstallationID, CreatedAt: now.Add(-age - offset), RepositorySelection: orZero(s.RepositorySelection),
	}}
	if a := s.Account; a != nil {
		l.Account = integrations.Account{Type: orZero(a.Type), Login: orZero(a.Name)}
	}
	if g := s.GitHubUser; g != nil {
		l.GitHubUser = integrations.Account{ID: orZero(g.ID), Login: orZero(g.Login)}
	}
	if err := f.loadSnapshot(at.AppendToken("snapshot"), s.Snapshot, &l, now); err != nil {
		return err
	}
	if err := f.issueTokens(at, s, &l, now); err != nil {
		return err
	}
	_, err = f.store.Installation(ctx, u.ID, s.InstallationID)
	if err == nil {
		return refuse(at.AppendToken("installation_id"), "the user has this installation already")
	} else if !errors.Is(err, users.ErrNotFound) {
		return err
	}
	_, err = f.api.Integrations().Import(ctx, l)
	return refusedAt(at, err)
}

// issueTokens gives a link tokens that the fake GitHub takes, whether or not it
// knows the installation. Elsewhere the first use has to ask for one.
func (f *fixture) issueTokens(at jsontext.Pointer, s linkSpec, l *integrations.Import, now time.Time) error {
	age, err := span(at.AppendToken("installation_token_age_seconds"), s.TokenAge, time.Second)
	if err != nil || f.github == nil {
		return err
	}
	token, _ := f.github.IssueInstallationToken(s.InstallationID, age)
	l.InstallationToken = users.Secret(token)
	l.TokenRefreshedAt, l.TokenLifetime = now.Add(-age), githubtest.InstallationTokenLifetime
	if s.GitHubUser == nil {
		return nil // nobody to have one
	}
	t := f.github.IssueUserToken(l.GitHubUser.Login, l.GitHubUser.ID)
	l.UserToken, l.RefreshToken, l.UserTokenRefreshedAt = users.Secret(t.AccessToken), users.Secret(t.RefreshToken), now
	if t.Lifetime != 0 { // else they do not expire
		l.UserTokenExpiresAt, l.RefreshTokenExpiresAt = now.Add(t.Lifetime), now.Add(t.RefreshLifetime)
	}
	return nil
}

func (f *fixture) loadSnapshot(at jsontext.Pointer, s *snapshotSpec, l *integrations.Import, now time.Time) error {
	if s == nil {
		return nil
	}
	err := each(at.AppendToken("repositories"), s.Repositories, func(_ int, at jsontext.Pointer, raw jsontext.Value) error {
		r, err := readRepository(at, raw)
		l.Repositories = append(l.Repositories, r)
		return err
	})
	if err != nil {
		return err
	}
	zero := 0.0
	seconds := s.Age.or(&zero)
	if seconds == nil {
		return nil // a list that is not usable
	}
	age, err := span(at.AppendToken("age_seconds"), *seconds, time.Second)
	l.SnapshotAt = now.Add(-age)
	return err
}

// readRepository reads a repository of a snapshot. Members that are not kept are
// no mistake: the object may be one of GitHub's.
func readRepository(at jsontext.Pointer, raw jsontext.Value) (integrations.Repository, error) {
	var r repositorySpec
	if err := refusedJSON(json.Unmarshal(raw, &r)); err != nil {
		return integrations.Repository{}, within(at, err)
	}
	for name, missing := range map[string]bool{"id": r.ID == nil, "name": r.Name == nil, "full_name": r.FullName == nil} {
		if missing {
			return integrations.Repository{}, refuse(at, "the repository has no "+name)
		}
	}
	return integrations.Repository{
		ID: *r.ID, Name: *r.Name, FullName: *r.FullName, Private: optional(r.Private), Archived: optional(r.Archived), CanPush: optional(r.CanPush),
		DefaultBranch: optional(r.DefaultBranch), Language: optional(r.Language), PushedAt: optional(r.PushedAt),
	}, nil
}

func (f *fixture) loadTeamLink(ctx context.Context, at jsontext.Pointer, s teamLinkSpec, age time.Duration) error {
	t, err := find(at.AppendToken("team"), f.ids.Teams, s.Team)
	if err != nil {
		return err
	}
	i := integrations.TeamInstallation{
		TeamID: t.ID, InstallationID: s.InstallationID, ConnectingLogin: orZero(s.ConnectingUserGitHubLogin), CreatedAt: f.api.Users().Now().Add(-age),
	}
	if s.CreatedBy != nil {
		u, err := find(at.AppendToken("created_by"), f.ids.Users, *s.CreatedBy)
		if err != nil {
			return err
		}
		i.CreatedBy = u.ID
	}
	_, err = f.api.Integrations().SaveTeamInstallation(ctx, i)
	if errors.Is(err, users.ErrConflict) {
		return refuse(at.AppendToken("installation_id"), "the team has this installation already")
	}
	return refusedAt(at, err)
}

func (f *fixture) loadInstallRequest(ctx context.Context, at jsontext.Pointer, s installRequestSpec, age time.Duration) error {
	u, err := find(at.AppendToken("user"), f.ids.Users, s.User)
	if err != nil {
		return err
	}
	r := integrations.InstallRequest{
		UserID: u.ID, GitHubUserID: orZero(s.GitHubUserID), GitHubLogin: s.GitHubLogin, Status: s.Status.or(integrations.Pending),
		RequestedAt: f.api.Users().Now().Add(-age),
	}
	switch r.Status {
	case integrations.Approved:
		r.ResolvedAt = f.api.Users().Now()
	case integrations.Pending, integrations.Unidentified:
	default:
		return refuse(at.AppendToken("status"), "a status is pending, approved or unidentified")
	}
	if r.ID, err = f.api.Users().NewUUID(); err != nil {
		return err
	}
	return f.store.UpdateIntegrations(ctx, func(tx integrations.Tx) error {
		if err := tx.SaveInstallRequest(ctx, r); err != nil {
			return err
		}
		return tx.AddEvent(ctx, f.api.Users().Event(users.Actor{Credential: users.ByHost}, u.ID, "github install requested"))
	})
}

// orZero is what a nullable member points to.
func orZero[T any](v *T) (zero T) {
	if v == nil {
		return zero
	}
	return *v
}
