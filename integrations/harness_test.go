package integrations_test

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/integrations"
	"github.com/hedgerow-dev/hedgerow/integrations/github"
	"github.com/hedgerow-dev/hedgerow/integrations/githubtest"
	"github.com/hedgerow-dev/hedgerow/storage/memory"
	"github.com/hedgerow-dev/hedgerow/users"
)

// world is a service on a store, a GitHub, and a user.
type world struct {
	*integrations.Service
	t      *testing.T
	store  *memory.Store
	github *githubtest.Server
	config integrations.Config
	keys   [][]byte
	users  *users.Service
	user   users.User

	mu  sync.Mutex
	now time.Time
}

func (w *world) clock() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

func (w *world) advance(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}

func newWorld(t *testing.T, change ...func(*integrations.Config)) *world {
	t.Helper()
	w := &world{t: t, store: memory.New(), now: time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC), keys: [][]byte{bytes.Repeat([]byte{1}, auth.EncryptionKeyBytes)}}
	server, err := githubtest.New(githubtest.Options{Now: w.clock})
	if err != nil {
		t.Fatal(err)
	}
	if err := server.SetState(githubtest.Organization(3)); err != nil {
		t.Fatal(err)
	}
	w.github = server
	listener, transport := httptest.NewServer(server), &http.Transport{}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		listener.Close()
	})
	app := githubtest.NewApp()
	client, err := github.New(github.Config{ClientID: app.ClientID, ClientSecret: users.Secret(app.ClientSecret), PrivateKey: users.Secret(server.PrivateKeyPEM()),
		Slug: app.Slug, APIURL: listener.URL, WebURL: listener.URL, Transport: transport, Now: w.clock})
	if err != nil {
		t.Fatal(err)
	}
	w.config = integrations.Config{Provider: client, CallbackURL: githubtest.CallbackURL}
	for _, f := range change {
		f(&w.config)
	}
	w.users = users.NewService(w.store, users.Config{Now: w.clock})
	w.Service = w.service()
	u := users.New()
	u.Email = "ann@example.com"
	if u, err = w.users.NewUser(u); err != nil {
		t.Fatal(err)
	}
	err = w.store.UpdateUsers(t.Context(), func(tx users.Tx) (err error) {
		w.user, err = tx.CreateUser(t.Context(), u)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// service is another service on the same store, with the keys of now.
func (w *world) service() *integrations.Service {
	w.t.Helper()
	sealer, err := auth.NewSealer(w.keys...)
	if err != nil {
		w.t.Fatal(err)
	}
	s, err := integrations.NewService(w.store, w.users, sealer, w.config)
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

func (w *world) actor() users.Actor {
	return users.Actor{ID: w.user.ID, UUID: w.user.UUID, Credential: users.BySession}
}

// link links the installation of the fixtures.
func (w *world) link() {
	w.t.Helper()
	started, err := w.Start(w.t.Context(), w.user.ID, integrations.StartRequest{})
	if err != nil {
		w.t.Fatal(err)
	}
	page, err := url.Parse(started.URL)
	if err != nil {
		w.t.Fatal(err)
	}
	recorder := httptest.NewRecorder()
	r := httptest.NewRequestWithContext(w.t.Context(), http.MethodGet, page.RequestURI(), nil)
	r.Header.Set("User-Agent", "browser")
	w.github.ServeHTTP(recorder, r)
	back, err := recorder.Result().Location()
	if err != nil {
		w.t.Fatal(err)
	}
	q := back.Query()
	outcome, err := w.Complete(w.t.Context(), w.actor(), integrations.Callback{Code: users.Secret(q.Get("code")), State: users.Secret(q.Get("state")),
		InstallationID: q.Get("installation_id"), SetupAction: q.Get("setup_action")})
	if err != nil || outcome != (integrations.Outcome{}) {
		w.t.Fatalf("Complete: %+v, %v", outcome, err)
	}
	w.github.ClearRequests()
}

// stored is the link as the store has it.
func (w *world) stored() integrations.Installation {
	w.t.Helper()
	i, err := w.store.Installation(w.t.Context(), w.user.ID, githubtest.InstallationID)
	if err != nil {
		w.t.Fatal(err)
	}
	return i
}

// repositories lists all of them.
func (w *world) repositories() ([]integrations.Repository, error) {
	list, _, err := w.Repositories(w.t.Context(), w.user.ID, githubtest.InstallationID, integrations.Page{Limit: 100})
	return list, err
}
