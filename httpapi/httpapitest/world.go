package httpapitest

import (
	"context"

	"github.com/google/uuid"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/httpapi"
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
}

type options struct {
	IdentityChange    member[auth.IdentityChange] `json:"identity_change"`
	LoginFailureLimit member[int]                 `json:"login_failure_limit"`
	PublicURL         member[string]              `json:"public_url"`
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
}

// Load stores the world in an empty store, on which api was made, and returns
// what its names stand for. Users, teams and dashboards are numbered from 1 in
// the order of the file, and dashboards is filled: it should be the one that api
// was made with. A world that breaks a rule is a *Refusal and leaves the store
// as it was: it is tried in memory first.
func (w *World) Load(ctx context.Context, store storage.Storage, api *httpapi.API, dashboards users.DashboardMap) (IDs, error) {
	trial := httpapi.Config{PublicURL: "http://localhost", EncryptionKeys: [][]byte{make([]byte, auth.EncryptionKeyBytes)}}
	if _, err := newStage(ctx, w, trial); err != nil {
		return IDs{}, err
	}
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
}

// load stores everything. The order is fixed, as later records name earlier
// ones, whatever the order of the members in the file.
func (f *fixture) load(ctx context.Context, s spec) error {
	for _, step := range []func(context.Context, spec) error{f.loadAccounts, f.loadAutonomy} {
		if err := step(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

// stage is one world being played: an API in memory with a clock and a mailbox
// of its own.
type stage struct {
	fixture
	clock *Clock
	mail  *Mailbox
}

// newStage makes an API on a new memory store and loads w into it.
func newStage(ctx context.Context, w *World, config httpapi.Config) (*stage, error) {
	s := &stage{clock: newClock(), mail: &Mailbox{}}
	s.fixture = fixture{store: memory.New(), dashboards: users.DashboardMap{}, ids: newIDs()}
	w.Configure(&config)
	config.Auth.PasswordCost = auth.Cost{KiB: 8, Passes: 1} // the least there is
	config.Dashboards, config.Now = s.dashboards, s.clock.Now
	if w.Mail() {
		config.Auth.Mailer = s.mail
	}
	var err error
	if s.api, err = httpapi.New(s.store, config); err != nil {
		// Nothing else of a world can be refused here.
		return nil, refuse("/options/public_url", err.Error())
	}
	if err := s.load(ctx, w.spec); err != nil {
		return nil, err
	}
	return s, nil
}
