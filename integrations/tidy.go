package integrations

import (
	"context"
	"slices"

	"github.com/hedgerow-dev/hedgerow/users"
)

// tidy is a Provider without text that a store cannot hold: what GitHub sends is
// not ours to correct, and must not make a link or a list fail.
type tidy struct{ Provider }

func (a Account) tidy() Account {
	a.Login, a.Type = users.ToStorable(a.Login), users.ToStorable(a.Type)
	return a
}

// texts are the texts of a repository.
func (r *Repository) texts() []*string {
	return []*string{&r.Name, &r.FullName, &r.DefaultBranch.Value, &r.Language.Value, &r.PushedAt.Value}
}

func (t tidy) User(ctx context.Context, token users.Secret) (Account, error) {
	a, err := t.Provider.User(ctx, token)
	return a.tidy(), err
}

func (t tidy) Installation(ctx context.Context, installationID string) (RemoteInstallation, error) {
	i, err := t.Provider.Installation(ctx, installationID)
	i.Account = i.Account.tidy()
	return i, err
}

func (t tidy) MintToken(ctx context.Context, installationID string) (InstallationToken, error) {
	token, err := t.Provider.MintToken(ctx, installationID)
	token.RepositorySelection = users.ToStorable(token.RepositorySelection)
	return token, err
}

func (t tidy) Repositories(ctx context.Context, token users.Secret, etag string) (RepositoryList, error) {
	list, err := t.Provider.Repositories(ctx, token, etag)
	list.ETag, list.Repositories = users.ToStorable(list.ETag), slices.Clone(list.Repositories)
	for i := range list.Repositories {
		for _, text := range list.Repositories[i].texts() {
			*text = users.ToStorable(*text)
		}
	}
	return list, err
}

func (t tidy) Branches(ctx context.Context, token users.Secret, repository string) ([]string, error) {
	names, err := t.Provider.Branches(ctx, token, repository)
	names = slices.Clone(names)
	for i, name := range names {
		names[i] = users.ToStorable(name)
	}
	return names, err
}

func (t tidy) DefaultBranch(ctx context.Context, token users.Secret, repository string) (string, error) {
	name, err := t.Provider.DefaultBranch(ctx, token, repository)
	return users.ToStorable(name), err
}
