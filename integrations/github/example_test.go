package github_test

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"

	"github.com/hedgerow-dev/hedgerow/integrations"
	"github.com/hedgerow-dev/hedgerow/integrations/github"
	"github.com/hedgerow-dev/hedgerow/integrations/githubtest"
	"github.com/hedgerow-dev/hedgerow/users"
)

func Example() {
	fake, err := githubtest.New(githubtest.Options{})
	if err != nil {
		panic(err)
	}
	if err := fake.SetState(githubtest.Organization(101)); err != nil {
		panic(err)
	}
	listener := httptest.NewServer(fake)
	defer listener.Close()

	app, ctx := githubtest.NewApp(), context.Background()
	client, err := github.New(github.Config{
		ClientID: app.ClientID, PrivateKey: users.Secret(fake.PrivateKeyPEM()), APIURL: listener.URL, WebURL: listener.URL,
		Transport: listener.Client().Transport, // without it, the client has its own
	})
	if err != nil {
		panic(err)
	}
	token, err := client.MintToken(ctx, githubtest.InstallationID)
	if err != nil {
		panic(err)
	}
	list, err := client.Repositories(ctx, token.Token, "")
	fmt.Println(len(list.Repositories), list.Repositories[100].FullName, err)

	_, err = client.MintToken(ctx, "999")
	var failure *integrations.Failure
	fmt.Println(errors.As(err, &failure) && failure.Kind == integrations.Missing, err)
	// Output:
	// 101 acme/repo-101 <nil>
	// true create installation token: missing (404)
}
