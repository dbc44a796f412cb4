package github

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/hedgerow-dev/hedgerow/integrations"
	"github.com/hedgerow-dev/hedgerow/users"
)

// drift is how far the JWT reaches into past and future, so that clocks may
// differ; together the ten minutes that GitHub allows (contract section 15).
const drift = 5 * time.Minute

// jwt signs a JWT of the App.
func (c *Client) jwt(call string) (string, error) {
	if c.config.ClientID == "" || c.key == nil {
		return "", notConfigured(call, "the App's client id or private key")
	}
	now := c.config.Now()
	token, err := jwt.NewWithClaims(jwt.SigningMethodRS256, jwt.MapClaims{
		"iss": c.config.ClientID, "iat": now.Add(-drift).Unix(), "exp": now.Add(drift).Unix(),
	}).SignedString(c.key)
	if err != nil {
		return "", &integrations.Failure{Kind: integrations.NotConfigured, Call: call, Err: err}
	}
	return token, nil
}

// asApp makes a call about an installation as the App.
func (c *Client) asApp(ctx context.Context, call, method, installation, below string, want ...int) (response, error) {
	token, err := c.jwt(call)
	if err != nil {
		return response{}, err
	}
	return c.send(ctx, request{call: call, method: method, url: c.apiURL("/app/installations/" + url.PathEscape(installation) + below), token: token}, want...)
}

// Installation reads an installation as the App.
func (c *Client) Installation(ctx context.Context, installation string) (integrations.RemoteInstallation, error) {
	const call = "read installation"
	a, err := c.asApp(ctx, call, http.MethodGet, installation, "", http.StatusOK)
	if err != nil {
		return integrations.RemoteInstallation{}, err
	}
	var body struct {
		Account object `json:"account"`
	}
	if err := a.decode(call, &body); err != nil {
		return integrations.RemoteInstallation{}, err
	}
	account := integrations.Account{Login: body.Account.text("login"), Type: body.Account.text("type")}
	account.ID, _ = body.Account.integer("id")
	return integrations.RemoteInstallation{Account: account}, nil
}

// MintToken makes an installation token as the App.
func (c *Client) MintToken(ctx context.Context, installation string) (integrations.InstallationToken, error) {
	const call = "create installation token"
	a, err := c.asApp(ctx, call, http.MethodPost, installation, "/access_tokens", http.StatusCreated)
	if err != nil {
		return integrations.InstallationToken{}, err
	}
	var body object
	if err := a.decode(call, &body); err != nil {
		return integrations.InstallationToken{}, err
	}
	token, expires := member[string](body, "token").Value, body.text("expires_at")
	if !usable(token) || expires == "" {
		return integrations.InstallationToken{}, incomplete(call, a, "token or expires_at is missing")
	}
	at, err := time.Parse(time.RFC3339, expires)
	if err != nil {
		at = time.Time{} // the rules have a lifetime for this case
	}
	return integrations.InstallationToken{Token: users.Secret(token), ExpiresAt: at.UTC(), RepositorySelection: body.text("repository_selection")}, nil
}

// Uninstall removes the App from the account. 404 says that it is gone already.
func (c *Client) Uninstall(ctx context.Context, installation string) error {
	_, err := c.asApp(ctx, "delete installation", http.MethodDelete, installation, "", http.StatusNoContent, http.StatusNotFound)
	return err
}
