package httpapitest

import (
	"context"
	"crypto/rsa"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/hedgerow-dev/hedgerow/httpapi"
	"github.com/hedgerow-dev/hedgerow/integrations/github"
	"github.com/hedgerow-dev/hedgerow/integrations/githubtest"
	"github.com/hedgerow-dev/hedgerow/users"
)

// gitHubSpec is the fake GitHub of a world: the JSON of a githubtest.State.
type gitHubSpec struct {
	GitHub member[jsontext.Value] `json:"github"`
}

// gitHubHost is what the fake GitHubs of all worlds have in common.
type gitHubHost struct {
	url string
	key *rsa.PrivateKey // of the App; nil makes one
}

// state reads the GitHub of a world. Unless the world says what the App is, or
// that there is none, it is the one of githubtest.NewApp.
func (s gitHubSpec) state() (githubtest.State, error) {
	var state githubtest.State
	var own struct {
		App member[jsontext.Value] `json:"app"`
	}
	if s.GitHub.set {
		if err := state.UnmarshalJSON(s.GitHub.value); err != nil {
			return state, foreign("/github", err)
		}
		if err := json.Unmarshal(s.GitHub.value, &own); err != nil {
			return state, err
		}
	}
	if !own.App.set {
		state.App = githubtest.NewApp()
		state.App.CallbackURL = "" // that of the world
	}
	return state, nil
}

// foreign turns what the fake GitHub refuses into a Refusal below a path.
func foreign(at jsontext.Pointer, err error) error {
	var wrong *githubtest.Invalid
	if errors.As(err, &wrong) {
		return refuse(at+jsontext.Pointer(wrong.Path), wrong.Reason)
	}
	return err
}

// startGitHub makes the fake GitHub of the world, and the transport to it.
func (s *stage) startGitHub(host gitHubHost, spec gitHubSpec) error {
	state, err := spec.state()
	if err != nil {
		return err
	}
	if s.github, err = githubtest.New(githubtest.Options{Now: s.clock.Now, Key: host.key}); err != nil {
		return fmt.Errorf("make a GitHub: %w", err)
	}
	s.gitHubURL = host.url
	transport, end := connect()
	s.transport, s.end = ofWorld{s.name, transport}, end
	s.sendBrowsersBack(&state)
	return foreign("/github", s.github.SetState(state))
}

// connect returns a transport, and a function that breaks all its connections
// for good: what waits for a GitHub of an old world ends at once and never
// reaches the new one.
func connect() (transport http.RoundTripper, end func()) {
	life, end := context.WithCancel(context.Background())
	var dialer net.Dialer
	return &http.Transport{DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := dialer.DialContext(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		context.AfterFunc(life, func() { _ = conn.Close() }) // it may be closed already
		if err := life.Err(); err != nil {
			return nil, err
		}
		return conn, nil
	}}, end
}

// worldHeader names the world that a request to GitHub comes from. Programs other
// than the stand-in have no need of it.
const worldHeader = "X-Standin-World"

// ofWorld sends requests with the name of a world.
type ofWorld struct {
	world string
	base  http.RoundTripper
}

func (o ofWorld) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context()) // a RoundTripper must not change what it is given
	r.Header.Set(worldHeader, o.world)
	return o.base.RoundTrip(r)
}

// sendBrowsersBack makes the App's pages lead to the API of this world.
func (s *stage) sendBrowsersBack(state *githubtest.State) {
	if state.App != nil && state.App.CallbackURL == "" {
		state.App.CallbackURL = strings.TrimRight(s.config.PublicURL, "/") + "/complete/github-link/"
	}
}

// withApp adds the App that the fake GitHub has to a configuration.
func (s *stage) withApp(config httpapi.Config) (httpapi.Config, error) {
	app := s.github.State().App
	if app == nil {
		return config, nil
	}
	client, err := github.New(github.Config{
		ClientID: app.ClientID, ClientSecret: users.Secret(app.ClientSecret), PrivateKey: users.Secret(s.github.PrivateKeyPEM()), Slug: app.Slug,
		APIURL: s.gitHubURL, WebURL: s.gitHubURL, Transport: s.transport, Now: s.clock.Now,
	})
	if err != nil {
		return config, fmt.Errorf("GitHubURL: %w", err)
	}
	config.GitHub.Provider, config.GitHub.WebhookSecret = client, users.Secret(app.WebhookSecret)
	return config, nil
}
