package httpapitest

import (
	"context"
	"crypto/rand"
	"net/http"

	"github.com/google/uuid"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/httpapi"
	"github.com/hedgerow-dev/hedgerow/integrations/githubtest"
	"github.com/hedgerow-dev/hedgerow/storage"
	"github.com/hedgerow-dev/hedgerow/storage/memory"
	"github.com/hedgerow-dev/hedgerow/users"
)

// World is a fixture that was read from JSON; see the package comment.
type World struct{ spec spec }

// spec is the members of a world. Each domain adds its own, and a step to
// fixture.load.
type spec struct {
	Mail    bool    `json:"mail"`
	Options options `json:"options"`
	accountsSpec
	autonomySpec
	integrationsSpec
	gitHubSpec
}

type options struct {
	IdentityChange    member[auth.IdentityChange] `json:"identity_change"`
	LoginFailureLimit member[int]                 `json:"login_failure_limit"`
	PublicURL         member[string]              `json:"public_url"`
	UninstallLast     member[bool]                `json:"uninstall_on_last_reference"`
}

// IDs says what the names of a world stand for, by name. Its JSON form is the
// answer to PUT /_standin/world.
type IDs struct {
	Users         map[string]UserIDs        `json:"users"`
	Organizations map[string]OrganizationID `json:"organizations"`
	Teams         map[string]TeamIDs        `json:"teams"`
	APIKeys       map[string]APIKey         `json:"api_keys"`
	Dashboards    map[string]DashboardID    `json:"dashboards"`
	Invites       map[string]InviteID       `json:"invites"`
}

// UserIDs are what names a user on the wire.
type UserIDs struct {
	ID   users.ID  `json:"id"`
	UUID uuid.UUID `json:"uuid"`
}

// OrganizationID names an organization on the wire.
type OrganizationID struct {
	ID uuid.UUID `json:"id"`
}

// TeamIDs are what names a team on the wire.
type TeamIDs struct {
	ID   users.TeamID `json:"id"`
	UUID uuid.UUID    `json:"uuid"`
}

// APIKey is the public id of an API key, and what to send as bearer.
type APIKey struct {
	ID    string `json:"id"`
	Value string `json:"value"`
}

// DashboardID names a dashboard on the wire.
type DashboardID struct {
	ID int64 `json:"id"`
}

// InviteID names an invite on the wire.
type InviteID struct {
	ID uuid.UUID `json:"id"`
}

func newIDs() IDs {
	return IDs{
		map[string]UserIDs{}, map[string]OrganizationID{}, map[string]TeamIDs{},
		map[string]APIKey{}, map[string]DashboardID{}, map[string]InviteID{},
	}
}

// ParseWorld reads a world. Names that dangle and values that break a rule are
// found when it is loaded. The error is a *Refusal.
func ParseWorld(text []byte) (*World, error) {
	w := &World{}
	if err := decode(text, &w.spec); err != nil {
		return nil, err
	}
	if limit := w.spec.Options.LoginFailureLimit; limit.set && limit.value < 1 {
		return nil, refuse("/options/login_failure_limit", "a positive number belongs here")
	}
	if _, err := w.spec.state(); err != nil {
		return nil, err
	}
	return w, nil
}

// Mail reports whether mail is configured in this world.
func (w *World) Mail() bool { return w.spec.Mail }

// Configure changes c as the options of the world say. The mailer is the
// caller's to set, as Mail says.
func (w *World) Configure(c *httpapi.Config) {
	o := w.spec.Options
	o.IdentityChange.assign(&c.Auth.IdentityChange)
	o.LoginFailureLimit.assign(&c.Auth.LoginFailures)
	o.PublicURL.assign(&c.PublicURL)
	o.UninstallLast.assign(&c.GitHub.UninstallLast)
}

// Load stores the world in an empty store, on which api was made, and returns
// what its names stand for. Users, teams and dashboards are numbered from 1 in
// the order of the file, and dashboards is filled: it should be the one that api
// was made with. A world that breaks a rule is a *Refusal and leaves the store
// as it was: it is tried in memory first.
func (w *World) Load(ctx context.Context, store storage.Storage, api *httpapi.API, dashboards users.DashboardMap) (IDs, error) {
	trial := httpapi.Config{PublicURL: "http://localhost", EncryptionKeys: [][]byte{make([]byte, auth.EncryptionKeyBytes)}}
	tried, err := newStage(ctx, w, trial, gitHubHost{url: trial.PublicURL})
	if err != nil {
		return IDs{}, err
	}
	tried.end()
	f := &fixture{store: store, api: api, dashboards: dashboards, ids: newIDs()}
	if err := f.load(ctx, w.spec); err != nil {
		return IDs{}, err
	}
	return f.ids, nil
}

// fixture is a world in a store: what its names stand for, and the services
// that store what it says.
type fixture struct {
	store      storage.Storage
	api        *httpapi.API
	dashboards users.DashboardMap
	ids        IDs
	github     *githubtest.Server // nil outside of a stand-in
}

// load stores everything. The order is fixed, as later records name earlier
// ones, whatever the order of the members in the file.
func (f *fixture) load(ctx context.Context, s spec) error {
	for _, step := range []func(context.Context, spec) error{f.loadAccounts, f.loadAutonomy, f.loadIntegrations} {
		if err := step(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

// stage is one world being played: an API in memory with a clock, a mailbox and a
// GitHub of its own.
type stage struct {
	fixture
	clock  *Clock
	mail   *Mailbox
	config httpapi.Config // of the API, but for the App

	name      string // no two worlds have the same
	gitHubURL string
	transport http.RoundTripper
	end       func() // breaks the connections to GitHub; see connect
}

// newStage makes an API on a new memory store and loads w into it.
func newStage(ctx context.Context, w *World, config httpapi.Config, host gitHubHost) (*stage, error) {
	s := &stage{clock: newClock(), mail: &Mailbox{}, name: rand.Text()}
	s.fixture = fixture{store: memory.New(), dashboards: users.DashboardMap{}, ids: newIDs()}
	w.Configure(&config)
	config.Auth.PasswordCost = auth.Cost{KiB: 8, Passes: 1} // the least there is
	config.Dashboards, config.Now = s.dashboards, s.clock.Now
	if w.Mail() {
		config.Auth.Mailer = s.mail
	}
	s.config = config
	if err := s.startGitHub(host, w.spec.gitHubSpec); err != nil {
		return nil, err
	}
	if err := s.play(ctx, w); err != nil {
		s.end()
		return nil, err
	}
	return s, nil
}

func (s *stage) play(ctx context.Context, w *World) (err error) {
	if s.api, err = s.newAPI(); err != nil {
		return err
	}
	return s.load(ctx, w.spec)
}

func (s *stage) newAPI() (*httpapi.API, error) {
	config, err := s.withApp(s.config)
	if err != nil {
		return nil, err
	}
	api, err := httpapi.New(s.store, config)
	if err != nil {
		// Nothing else of a world can be refused here.
		return nil, refuse("/options/public_url", err.Error())
	}
	return api, nil
}

// withNewAPI is the same world with the App that its GitHub has now.
func (s *stage) withNewAPI(ctx context.Context) (*stage, error) {
	if err := s.api.Auth().Flush(ctx); err != nil {
		return nil, err
	}
	next := *s
	var err error
	next.api, err = s.newAPI()
	return &next, err
}
