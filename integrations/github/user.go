package github

import (
	"context"
	"net/http"
	"net/url"

	"github.com/hedgerow-dev/hedgerow/integrations"
	"github.com/hedgerow-dev/hedgerow/users"
)

// User returns the account that a user token belongs to.
func (c *Client) User(ctx context.Context, token users.Secret) (integrations.Account, error) {
	const call = "read user"
	a, err := c.send(ctx, request{call: call, method: http.MethodGet, url: c.apiURL("/user"), token: string(token)}, http.StatusOK)
	if err != nil {
		return integrations.Account{}, err
	}
	var body object
	if err := a.decode(call, &body); err != nil {
		return integrations.Account{}, err
	}
	id, ok := body.integer("id")
	account := integrations.Account{ID: id, Login: body.text("login"), Type: body.text("type")}
	if !ok || account.Login == "" {
		return integrations.Account{}, incomplete(call, a, "id or login is missing")
	}
	return account, nil
}

// CheckAccess asks with a user token whether that user may list the
// installation. A 200 that is no JSON object comes from something in between, and
// proves nothing.
func (c *Client) CheckAccess(ctx context.Context, token users.Secret, installation string) error {
	const call = "list the installation as the user"
	address := c.apiURL("/user/installations/" + url.PathEscape(installation) + "/repositories?per_page=1")
	a, err := c.send(ctx, request{call: call, method: http.MethodGet, url: address, token: string(token)}, http.StatusOK)
	if err != nil {
		return err
	}
	var body object
	return a.decode(call, &body)
}
