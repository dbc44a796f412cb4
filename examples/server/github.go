package main

import (
	"fmt"
	"strings"

	"github.com/hedgerow-dev/hedgerow/httpapi"
	"github.com/hedgerow-dev/hedgerow/integrations/github"
	"github.com/hedgerow-dev/hedgerow/users"
)

// The variables of the GitHub App. The first four belong together, and so do the
// two addresses, which are for an Enterprise server.
const (
	clientIDVariable      = "HEDGEROW_GITHUB_APP_CLIENT_ID"
	clientSecretVariable  = "HEDGEROW_GITHUB_APP_CLIENT_SECRET"
	privateKeyVariable    = "HEDGEROW_GITHUB_APP_PRIVATE_KEY"
	slugVariable          = "HEDGEROW_GITHUB_APP_SLUG"
	webhookSecretVariable = "HEDGEROW_GITHUB_WEBHOOK_SECRET"
	apiURLVariable        = "HEDGEROW_GITHUB_API_URL"
	webURLVariable        = "HEDGEROW_GITHUB_WEB_URL"
)

// configureGitHub sets the App, if there is one. No link can be finished with a
// part of the App's settings, or with the API of one GitHub and the pages of
// another, so that both are a mistake. The secret for webhooks does something by
// itself.
func configureGitHub(c *httpapi.GitHub, getenv func(string) string) error {
	c.WebhookSecret = users.Secret(getenv(webhookSecretVariable))
	app := []string{clientIDVariable, clientSecretVariable, privateKeyVariable, slugVariable}
	addresses := []string{apiURLVariable, webURLVariable}
	appMissing, addressesMissing := unset(getenv, app), unset(getenv, addresses)
	switch {
	case len(addressesMissing) == 1:
		return fmt.Errorf("%s is not set, but the other address of GitHub is", addressesMissing[0])
	case len(appMissing) == len(app) && len(addressesMissing) == len(addresses):
		return nil
	case len(appMissing) > 0:
		return fmt.Errorf("a part of the GitHub App is configured; %s is missing", strings.Join(appMissing, ", "))
	}
	client, err := github.New(github.Config{
		ClientID: getenv(clientIDVariable), ClientSecret: users.Secret(getenv(clientSecretVariable)),
		PrivateKey: users.Secret(getenv(privateKeyVariable)), Slug: getenv(slugVariable),
		APIURL: getenv(apiURLVariable), WebURL: getenv(webURLVariable),
	})
	if err != nil {
		return fmt.Errorf("%s, %s, %s: %w", privateKeyVariable, apiURLVariable, webURLVariable, err)
	}
	c.Provider = client
	return nil
}

// unset returns the variables that are not set.
func unset(getenv func(string) string, variables []string) (missing []string) {
	for _, v := range variables {
		if getenv(v) == "" {
			missing = append(missing, v)
		}
	}
	return missing
}
