package client

import (
	"context"
	"iter"
)

// AllUsers goes through the list of users, page by page: params.Limit is the
// length of a page. After an error it ends. A user who is added or deleted
// meanwhile may shift others, so that one is missed or comes twice.
func (c *Client) AllUsers(ctx context.Context, params ListUsersParams, options ...Option) iter.Seq2[User, error] {
	return pages(params.Offset, func(offset int) ([]User, bool, error) {
		params.Offset = nil
		if offset > 0 {
			params.Offset = &offset
		}
		page, err := c.ListUsers(ctx, params, options...)
		return page.Results, !page.Next.IsNull() && page.Next.IsSpecified(), err
	})
}

// AllRepositories goes through the repositories of an installation, as AllUsers
// does through users.
func (c *Client) AllRepositories(ctx context.Context, user UserID, installation InstallationID, params ListRepositoriesParams, options ...Option) iter.Seq2[Repository, error] {
	return pages(params.Offset, func(offset int) ([]Repository, bool, error) {
		params.Offset = &offset
		page, err := c.ListRepositories(ctx, user, installation, params, options...)
		return page.Repositories, page.HasMore, err
	})
}

// AllBranches goes through the branches of a repository, as AllUsers does through
// users.
func (c *Client) AllBranches(ctx context.Context, user UserID, installation InstallationID, params ListBranchesParams, options ...Option) iter.Seq2[string, error] {
	return pages(params.Offset, func(offset int) ([]string, bool, error) {
		params.Offset = &offset
		page, err := c.ListBranches(ctx, user, installation, params, options...)
		return page.Branches, page.HasMore, err
	})
}

// pages walks through a list. fetch returns the page at an offset, and whether
// there are more.
func pages[T any](start *int, fetch func(offset int) ([]T, bool, error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		offset := 0
		if start != nil {
			offset = *start
		}
		for more := true; more; {
			var page []T
			var err error
			if page, more, err = fetch(offset); err != nil {
				var zero T
				yield(zero, err)
				return
			}
			for _, element := range page {
				if !yield(element, nil) {
					return
				}
			}
			offset += len(page)
			more = more && len(page) > 0
		}
	}
}
