package github

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"time"

	"golang.org/x/oauth2"

	"github.com/hedgerow-dev/hedgerow/integrations"
	"github.com/hedgerow-dev/hedgerow/users"
)

// maxLifetime is the longest that a token is believed to live.
const maxLifetime = 10 * 365 * 24 * time.Hour

// AuthorizeURL is the page where a user authorizes the App. It needs
// Config.ClientID.
func (c *Client) AuthorizeURL(r integrations.AuthorizeRequest) (string, error) {
	if c.config.ClientID == "" {
		return "", notConfigured("authorize", "the App's client id")
	}
	q := url.Values{"client_id": {c.config.ClientID}, "redirect_uri": {r.RedirectURI}, "state": {r.State}}
	if r.Challenge != "" {
		q.Set("code_challenge", r.Challenge)
		q.Set("code_challenge_method", "S256")
	}
	return c.web.String() + "/login/oauth/authorize?" + q.Encode(), nil
}

// InstallURL is the page where an account installs the App. It needs Config.Slug.
func (c *Client) InstallURL(state string) (string, error) {
	if c.config.Slug == "" {
		return "", notConfigured("install", "the App's slug")
	}
	page := c.web.String() + "/apps/" + url.PathEscape(c.config.Slug) + "/installations/new"
	if state != "" {
		page += "?" + url.Values{"state": {state}}.Encode()
	}
	return page, nil
}

// Exchange trades a code for a user token. It sends the code once.
func (c *Client) Exchange(ctx context.Context, r integrations.ExchangeRequest) (integrations.UserToken, error) {
	const call = "exchange code"
	conf, err := c.oauth(call)
	if err != nil {
		return integrations.UserToken{}, err
	}
	conf.RedirectURL = r.RedirectURI
	var options []oauth2.AuthCodeOption
	if r.Verifier != "" {
		options = append(options, oauth2.VerifierOption(string(r.Verifier)))
	}
	token, err := conf.Exchange(c.withClient(ctx), string(r.Code), options...)
	return c.userToken(ctx, call, token, err)
}

// RefreshUserToken trades a refresh token for a new pair. It sends it once.
func (c *Client) RefreshUserToken(ctx context.Context, refresh users.Secret) (integrations.UserToken, error) {
	const call = "refresh user token"
	conf, err := c.oauth(call)
	if err != nil {
		return integrations.UserToken{}, err
	}
	token, err := conf.TokenSource(c.withClient(ctx), &oauth2.Token{RefreshToken: string(refresh)}).Token()
	return c.userToken(ctx, call, token, err)
}

// oauth is the configuration of the token route. Its AuthStyle is given, because
// x/oauth2 would find it out by sending a failing exchange twice.
func (c *Client) oauth(call string) (*oauth2.Config, error) {
	if c.config.ClientID == "" || c.config.ClientSecret == "" {
		return nil, notConfigured(call, "the App's client id or secret")
	}
	return &oauth2.Config{
		ClientID: c.config.ClientID, ClientSecret: string(c.config.ClientSecret),
		Endpoint: oauth2.Endpoint{TokenURL: c.web.String() + "/login/oauth/access_token", AuthStyle: oauth2.AuthStyleInParams},
	}, nil
}

func (c *Client) withClient(ctx context.Context) context.Context {
	return context.WithValue(ctx, oauth2.HTTPClient, c.http)
}

// userToken turns what x/oauth2 has into ours. Lifetimes are taken from the
// answer and not from token.Expiry, which is by the system clock.
func (c *Client) userToken(ctx context.Context, call string, token *oauth2.Token, err error) (integrations.UserToken, error) {
	if err != nil {
		return integrations.UserToken{}, c.tokenFailure(ctx, call, err)
	}
	if !usable(token.AccessToken) || token.RefreshToken != "" && !usable(token.RefreshToken) {
		return integrations.UserToken{}, incomplete(call, response{status: http.StatusOK}, "a token cannot be sent in a header")
	}
	return integrations.UserToken{
		AccessToken: users.Secret(token.AccessToken), RefreshToken: users.Secret(token.RefreshToken),
		ExpiresIn: lifetime(token.Extra("expires_in")), RefreshExpiresIn: lifetime(token.Extra("refresh_token_expires_in")),
	}, nil
}

// tokenFailure classifies the errors of x/oauth2. It wraps none of them, because
// they show the answer.
func (c *Client) tokenFailure(ctx context.Context, call string, err error) error {
	var answered *oauth2.RetrieveError
	var network *url.Error
	switch {
	case errors.As(err, &answered):
		a := response{answered.Response.StatusCode, answered.Response.Header, answered.Body}
		if answered.ErrorCode == "" || a.limited() || a.status >= http.StatusInternalServerError {
			return c.refusal(call, a)
		}
		return &integrations.Failure{Kind: rejection(answered.ErrorCode), Call: call, Status: a.status}
	case errors.As(err, &network):
		return lost(ctx, call, 0, err)
	}
	return lost(ctx, call, 0, errors.New("the answer has no token"))
}

// rejection tells GitHub's final words about a refresh token (contract section
// 12) from the rest.
func rejection(code string) integrations.FailureKind {
	switch code {
	case "bad_refresh_token", "refresh_token_expired", "unauthorized_client":
		return integrations.Final
	}
	return integrations.Rejected
}

// lifetime reads a number of seconds as x/oauth2 has it: float64 from JSON, int64
// from a form. Anything that is no positive number is no lifetime.
func lifetime(extra any) time.Duration {
	var seconds float64
	switch n := extra.(type) {
	case float64:
		seconds = n
	case int64:
		seconds = float64(n)
	}
	if !(seconds > 0) {
		return 0
	}
	return time.Duration(min(seconds, maxLifetime.Seconds())) * time.Second
}

// maxToken is far above what GitHub has announced for its longer tokens.
const maxToken = 16 << 10

// usable says whether a token can be sent in a header.
func usable(token string) bool {
	if token == "" || len(token) > maxToken {
		return false
	}
	for n := range len(token) {
		if token[n] <= ' ' || token[n] > '~' {
			return false
		}
	}
	return true
}
