package main

import (
	"context"
	"crypto/rand"
	_ "embed"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/auth/passkey"
	"github.com/hedgerow-dev/hedgerow/httpapi"
	"github.com/hedgerow-dev/hedgerow/httpapi/httpapitest"
	"github.com/hedgerow-dev/hedgerow/integrations/github"
	"github.com/hedgerow-dev/hedgerow/integrations/githubtest"
	"github.com/hedgerow-dev/hedgerow/storage"
	"github.com/hedgerow-dev/hedgerow/storage/memory"
	"github.com/hedgerow-dev/hedgerow/users"
)

// world is who and what there is at the start; package httpapitest describes it.
//
//go:embed world.json
var world []byte

// The user of the world to sign in as.
const (
	demoUser     = "demo"
	demoEmail    = "demo@example.com"
	demoPassword = "hedgehogs-like-mealworms-7"
)

// demoConfig says where a demo is served, and by what clock.
type demoConfig struct {
	publicURL, gitHubURL string
	now                  func() time.Time
	log                  *slog.Logger
}

// demo is the page, the API behind it, and a GitHub.
type demo struct {
	api    *httpapi.API
	store  storage.Storage
	github *githubtest.Server
	pages  http.Handler
	ids    httpapitest.IDs
}

func newDemo(ctx context.Context, c demoConfig) (*demo, error) {
	d := &demo{store: memory.New()}
	w, err := httpapitest.ParseWorld(world)
	if err != nil {
		return nil, err
	}
	if d.pages, err = pages(); err != nil {
		return nil, err
	}
	provider, err := d.startGitHub(c)
	if err != nil {
		return nil, err
	}
	config, err := c.api()
	if err != nil {
		return nil, err
	}
	config.GitHub = httpapi.GitHub{Provider: provider, SettingsPath: "/"}
	w.Configure(&config)
	if d.api, err = httpapi.New(d.store, config); err != nil {
		return nil, err
	}
	if d.ids, err = w.Load(ctx, d.store, d.api, nil); err != nil {
		return nil, err
	}
	return d, d.startSessions(ctx)
}

// api is the configuration of the API but for its GitHub.
func (c demoConfig) api() (httpapi.Config, error) {
	origin, err := url.Parse(c.publicURL)
	if err != nil {
		return httpapi.Config{}, err
	}
	ceremony, err := passkey.New(passkey.Config{RPID: origin.Hostname(), DisplayName: "Settings", Origins: []string{c.publicURL}})
	key := make([]byte, auth.EncryptionKeyBytes)
	rand.Read(key) // nothing outlives the process
	return httpapi.Config{
		PublicURL: c.publicURL, EncryptionKeys: [][]byte{key}, Now: c.now, Logger: c.log,
		Auth: auth.Config{Passkeys: ceremony},
	}, err
}

// startGitHub makes a GitHub on which the App can be installed in two places, and
// the client of the API for it.
func (d *demo) startGitHub(c demoConfig) (*github.Client, error) {
	var err error
	if d.github, err = githubtest.New(githubtest.Options{Now: c.now}); err != nil {
		return nil, err
	}
	state := githubtest.TwoInstallations()
	state.App.CallbackURL = c.publicURL + "/complete/github-link/"
	acme := state.Installations[githubtest.InstallationID]
	acme.Repositories = githubtest.Repositories{Count: 130}
	state.Installations[githubtest.InstallationID] = acme
	state.Visitor.Installation = personalInstallation // the other one is linked from the start
	if err := d.github.SetState(state); err != nil {
		return nil, err
	}
	return github.New(github.Config{
		ClientID: state.App.ClientID, ClientSecret: users.Secret(state.App.ClientSecret), Slug: state.App.Slug,
		PrivateKey: users.Secret(d.github.PrivateKeyPEM()), APIURL: c.gitHubURL, WebURL: c.gitHubURL, Now: c.now,
	})
}

// personalInstallation is the second of githubtest.TwoInstallations.
const personalInstallation = "67890"

// startSessions signs the user in on other devices, so that there are sessions to
// end.
func (d *demo) startSessions(ctx context.Context) error {
	for _, age := range []time.Duration{time.Hour, 50 * time.Hour} {
		if _, err := d.api.Auth().StartSession(ctx, d.ids.Users[demoUser].ID, auth.StartOptions{Age: age}); err != nil {
			return fmt.Errorf("other sessions: %w", err)
		}
	}
	return nil
}

// handler serves the page and the API on one origin, which the page needs for its
// cookie.
func (d *demo) handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", d.pages)
	mux.Handle("/api/", d.api)
	mux.Handle("/complete/github-link/", d.api)
	return mux
}
