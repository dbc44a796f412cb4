package github

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/hedgerow-dev/hedgerow/integrations"
	"github.com/hedgerow-dev/hedgerow/users"
)

const repositoriesRoute = "/installation/repositories"

// Repositories lists all repositories of an installation by its token. A
// repository that moved to the next page while we read is there once.
//
// GitHub has an entity tag for each page, so the list's is those of all its
// pages. If all are as they were, GitHub has counted no request against the rate
// limit.
func (c *Client) Repositories(ctx context.Context, token users.Secret, etag string) (integrations.RepositoryList, error) {
	r := request{call: "list repositories", token: string(token)}
	first, same, err := c.unchanged(ctx, r, splitTags(etag))
	if err != nil || same {
		return integrations.RepositoryList{NotModified: same}, err
	}
	var list integrations.RepositoryList
	var tags []string
	seen := map[int64]bool{}
	err = c.walk(ctx, r, repositoriesRoute, first, func(a response) (int, error) {
		tags = append(tags, a.header.Get("ETag"))
		var body struct {
			Repositories []jsontext.Value `json:"repositories"`
		}
		if err := a.decode(r.call, &body); err != nil {
			return 0, err
		}
		if body.Repositories == nil {
			return 0, incomplete(r.call, a, "there is no list of repositories")
		}
		for _, raw := range body.Repositories {
			if repository, ok := readRepository(raw); ok && !seen[repository.ID] {
				seen[repository.ID] = true
				list.Repositories = append(list.Repositories, repository)
			}
		}
		return len(body.Repositories), nil
	})
	if err != nil {
		return integrations.RepositoryList{}, err
	}
	list.ETag = joinTags(tags)
	return list, nil
}

// unchanged asks for each page whether it is still the one of its tag. If the
// first is another one, it is returned so that it need not be read again.
func (c *Client) unchanged(ctx context.Context, r request, tags []string) (first *response, same bool, err error) {
	r.method = http.MethodGet
	for n, tag := range tags {
		r.url, r.etag = c.pageURL(repositoriesRoute, n+1), tag
		a, err := c.send(ctx, r, http.StatusOK, http.StatusNotModified)
		if err != nil {
			return nil, false, err
		}
		if a.status == http.StatusNotModified {
			continue
		}
		if n == 0 {
			first = &a
		}
		return first, false, nil
	}
	return nil, len(tags) > 0, nil
}

// maxTag is the longest entity tag that is kept, in bytes; GitHub's have 68.
const maxTag = 200

// joinTags makes one text of the tags of all pages, or "" if a page has none that
// can be kept.
func joinTags(tags []string) string {
	for _, tag := range tags {
		if len(tag) > maxTag || !usable(tag) {
			return ""
		}
	}
	return strings.Join(tags, " ")
}

func splitTags(etag string) []string {
	tags := strings.Fields(etag)
	if len(tags) > maxPages || joinTags(tags) != etag {
		return nil
	}
	return tags
}

// readRepository reads one entry. ok is false if it lacks what a repository must
// have (contract section 5).
func readRepository(raw jsontext.Value) (r integrations.Repository, ok bool) {
	var o object
	if json.Unmarshal(raw, &o, lenient) != nil {
		return r, false
	}
	id, name, full := member[int64](o, "id"), o.optional("name"), o.optional("full_name")
	permissions := member[object](o, "permissions")
	return integrations.Repository{
		ID: id.Value, Name: name.Value, FullName: full.Value,
		Private: member[bool](o, "private"), Archived: member[bool](o, "archived"), CanPush: member[bool](permissions.Value, "push"),
		DefaultBranch: o.optional("default_branch"), Language: o.optional("language"), PushedAt: o.optional("pushed_at"),
	}, id.Valid && name.Valid && full.Valid
}

// repositoryRoute is the route of a repository, named "owner/name".
func repositoryRoute(repository string) string {
	owner, name, _ := strings.Cut(repository, "/")
	return "/repos/" + url.PathEscape(owner) + "/" + url.PathEscape(name)
}

// Branches lists all branches of a repository, named "owner/name".
func (c *Client) Branches(ctx context.Context, token users.Secret, repository string) ([]string, error) {
	r := request{call: "list branches", token: string(token)}
	var names []string
	seen := map[string]bool{}
	err := c.walk(ctx, r, repositoryRoute(repository)+"/branches", nil, func(a response) (int, error) {
		var page []jsontext.Value
		if err := a.decode(r.call, &page); err != nil {
			return 0, err
		}
		for _, raw := range page {
			var o object
			if json.Unmarshal(raw, &o, lenient) != nil {
				continue // one malformed entry must not cost the list
			}
			if name := o.text("name"); name != "" && !seen[name] {
				seen[name] = true
				names = append(names, name)
			}
		}
		return len(page), nil
	})
	if err != nil {
		return nil, err
	}
	return names, nil
}

// DefaultBranch of a repository, named "owner/name".
func (c *Client) DefaultBranch(ctx context.Context, token users.Secret, repository string) (string, error) {
	const call = "read repository"
	a, err := c.send(ctx, request{call: call, method: http.MethodGet, url: c.apiURL(repositoryRoute(repository)), token: string(token)}, http.StatusOK)
	if err != nil {
		return "", err
	}
	var body object
	if err := a.decode(call, &body); err != nil {
		return "", err
	}
	name := body.text("default_branch")
	if name == "" {
		return "", incomplete(call, a, "there is no default branch")
	}
	return name, nil
}
