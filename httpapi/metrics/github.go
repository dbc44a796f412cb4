package metrics

import (
	"context"
	"errors"
	"time"

	"github.com/hedgerow-dev/hedgerow/integrations"
	"github.com/hedgerow-dev/hedgerow/users"
)

// GitHub returns a provider that does all that p does, and counts its calls. nil
// stays nil. now reads the clock; nil means time.Now.
func (m *Metrics) GitHub(p integrations.Provider, now func() time.Time) integrations.Provider {
	if p == nil {
		return nil
	}
	if now == nil {
		now = time.Now
	}
	return &provider{p, m, now}
}

// provider names every method, so that the compiler asks for one that is added.
type provider struct {
	p   integrations.Provider
	m   *Metrics
	now func() time.Time
}

func called[R any](ctx context.Context, p *provider, name string, call func() (R, error)) (R, error) {
	began := p.now()
	r, err := call()
	p.m.gitHubTimes.WithLabelValues(name, outcome(ctx, err)).Observe(max(p.now().Sub(began), 0).Seconds())
	return r, err
}

func outcome(ctx context.Context, err error) string {
	var failure *integrations.Failure
	switch {
	case err == nil:
		return "ok"
	case ctx.Err() != nil:
		return "canceled"
	case errors.As(err, &failure):
		return failure.Kind.String()
	}
	return "failed"
}

// none is for calls that return only an error.
type none struct{}

// AuthorizeURL asks nobody, so it is not counted.
func (p *provider) AuthorizeURL(r integrations.AuthorizeRequest) (string, error) {
	return p.p.AuthorizeURL(r)
}

// InstallURL asks nobody, so it is not counted.
func (p *provider) InstallURL(state string) (string, error) { return p.p.InstallURL(state) }

func (p *provider) Exchange(ctx context.Context, r integrations.ExchangeRequest) (integrations.UserToken, error) {
	return called(ctx, p, "exchange", func() (integrations.UserToken, error) { return p.p.Exchange(ctx, r) })
}

func (p *provider) RefreshUserToken(ctx context.Context, refresh users.Secret) (integrations.UserToken, error) {
	return called(ctx, p, "refresh_user_token", func() (integrations.UserToken, error) { return p.p.RefreshUserToken(ctx, refresh) })
}

func (p *provider) User(ctx context.Context, token users.Secret) (integrations.Account, error) {
	return called(ctx, p, "user", func() (integrations.Account, error) { return p.p.User(ctx, token) })
}

func (p *provider) CheckAccess(ctx context.Context, token users.Secret, installation string) error {
	_, err := called(ctx, p, "check_access", func() (none, error) { return none{}, p.p.CheckAccess(ctx, token, installation) })
	return err
}

func (p *provider) Installation(ctx context.Context, installation string) (integrations.RemoteInstallation, error) {
	return called(ctx, p, "installation", func() (integrations.RemoteInstallation, error) { return p.p.Installation(ctx, installation) })
}

func (p *provider) MintToken(ctx context.Context, installation string) (integrations.InstallationToken, error) {
	return called(ctx, p, "mint_token", func() (integrations.InstallationToken, error) { return p.p.MintToken(ctx, installation) })
}

func (p *provider) Uninstall(ctx context.Context, installation string) error {
	_, err := called(ctx, p, "uninstall", func() (none, error) { return none{}, p.p.Uninstall(ctx, installation) })
	return err
}

func (p *provider) Repositories(ctx context.Context, token users.Secret, etag string) (integrations.RepositoryList, error) {
	return called(ctx, p, "repositories", func() (integrations.RepositoryList, error) { return p.p.Repositories(ctx, token, etag) })
}

func (p *provider) Branches(ctx context.Context, token users.Secret, repository string) ([]string, error) {
	return called(ctx, p, "branches", func() ([]string, error) { return p.p.Branches(ctx, token, repository) })
}

func (p *provider) DefaultBranch(ctx context.Context, token users.Secret, repository string) (string, error) {
	return called(ctx, p, "default_branch", func() (string, error) { return p.p.DefaultBranch(ctx, token, repository) })
}
