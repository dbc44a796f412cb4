package httpapi_test

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/httpapi"
	"github.com/hedgerow-dev/hedgerow/storage"
	"github.com/hedgerow-dev/hedgerow/storage/memory"
	"github.com/hedgerow-dev/hedgerow/storage/postgres"
	"github.com/hedgerow-dev/hedgerow/storage/postgres/postgrestest"
	"github.com/hedgerow-dev/hedgerow/storage/sqlite"
	"github.com/hedgerow-dev/hedgerow/users"
)

// env is an API on a fresh store, with a clock that moves when told.
type env struct {
	t     *testing.T
	api   *httpapi.API
	store storage.Storage

	// others are the API in other processes, on stores of their own that share
	// the database of store. Requests are dealt to all in turn.
	config      httpapi.Config
	others      []*httpapi.API
	otherStores []storage.Storage
	turn        atomic.Int64
	processes   []process // real ones, which then answer all requests
	order       order

	mu   sync.Mutex
	time time.Time
	box  *mailbox    // unless mail is not configured
	gh   *fakeGitHub // unless there is no App
}

const password = "testpassword12345"

var encryptionKeys = [][]byte{bytes.Repeat([]byte{7}, auth.EncryptionKeyBytes)}

// docs is a small page about the API.
var docs = fstest.MapFS{"index.html": {Data: []byte("<p>")}, "start.js": {Data: []byte("1")}}

// cheap makes password hashing fast enough for tests.
var cheap = auth.Cost{KiB: 8, Passes: 1}

// each runs a test on every store, and on PostgreSQL with three instances that
// share nothing but the database and the clock; or, with the flag -processes, on
// three processes. configure may be nil.
func each(t *testing.T, configure func(*httpapi.Config), fn func(t *testing.T, e *env)) {
	t.Helper()
	if *processes {
		t.Run("processes", func(t *testing.T) {
			t.Parallel()
			onProcesses(t, configure, fn)
		})
		return
	}
	inProcess(t, configure, fn)
}

// inProcess is each for a test that reaches into the process of the API.
func inProcess(t *testing.T, configure func(*httpapi.Config), fn func(t *testing.T, e *env)) {
	t.Helper()
	for name, open := range map[string]func(t *testing.T) []storage.Storage{
		"memory": func(*testing.T) []storage.Storage { return []storage.Storage{memory.New()} },
		"sqlite": func(t *testing.T) []storage.Storage {
			st, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "test.db"))
			if err != nil {
				t.Fatalf("open store: %v", err)
			}
			return []storage.Storage{st}
		},
		"postgres": openThree,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			stores := open(t)
			e := newEnv(t, stores[0], configure)
			for _, st := range stores[1:] {
				e.addProcess(st)
			}
			t.Cleanup(e.close)
			fn(t, e)
		})
	}
}

// openThree opens three stores on one database.
func openThree(t *testing.T) []storage.Storage {
	dsn := postgrestest.DSN(t)
	var stores []storage.Storage
	for range 3 {
		st, err := postgres.Open(t.Context(), dsn)
		if err != nil {
			t.Fatalf("open store: %v", err)
		}
		stores = append(stores, st)
	}
	return stores
}

// addProcess adds another process.
func (e *env) addProcess(store storage.Storage) {
	e.t.Helper()
	api, err := httpapi.New(store, e.config)
	if err != nil {
		e.t.Fatalf("httpapi.New: %v", err)
	}
	e.others, e.otherStores = append(e.others, api), append(e.otherStores, store)
}

// alone ends the other processes.
func (e *env) alone() {
	e.t.Helper()
	e.flush(e.t.Context())
	e.others = nil
}

// instance is the process whose turn it is.
func (e *env) instance() *httpapi.API {
	n := e.turn.Add(1) % int64(1+len(e.others))
	if n == 0 {
		return e.api
	}
	return e.others[n-1]
}

// flush has every process write what it has put off.
func (e *env) flush(ctx context.Context) {
	e.t.Helper()
	for _, api := range append([]*httpapi.API{e.api}, e.others...) {
		if err := api.Auth().Flush(ctx); err != nil {
			e.t.Errorf("Flush: %v", err)
		}
	}
}

// close ends all processes. The test's own context is done by then.
func (e *env) close() {
	e.t.Helper()
	e.closeProcesses()
	e.flush(context.Background())
	for _, st := range append([]storage.Storage{e.store}, e.otherStores...) {
		if err := st.Close(); err != nil {
			e.t.Errorf("Close: %v", err)
		}
	}
}

// newEnv puts an API on a store. configure may be nil.
func newEnv(t *testing.T, store storage.Storage, configure func(*httpapi.Config)) *env {
	t.Helper()
	e := &env{t: t, store: store, time: time.Date(2026, 5, 1, 12, 0, 0, 123456000, time.UTC)}
	config := httpapi.Config{PublicURL: "https://app.example.com", EncryptionKeys: encryptionKeys, Now: e.now,
		Auth:       auth.Config{PasswordCost: cheap, Passkeys: ceremony(t, "https://app.example.com")},
		Dashboards: users.DashboardMap{1: 1, 2: 2}, Docs: docs}
	if configure != nil {
		configure(&config)
	}
	e.box, _ = config.Auth.Mailer.(*mailbox)
	e.gh, _ = config.GitHub.Provider.(*fakeGitHub)
	e.config = config
	var err error
	if e.api, err = httpapi.New(e.store, config); err != nil {
		t.Fatalf("httpapi.New: %v", err)
	}
	return e
}

func (e *env) now() time.Time {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.time
}

func (e *env) advance(d time.Duration) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.time = e.time.Add(d)
}

// user stores NAME@example.com with the usual password.
func (e *env) user(name string, change ...func(*users.User)) users.User {
	e.t.Helper()
	u := users.New()
	u.Email, u.FirstName, u.IsEmailVerified = name+"@example.com", strings.ToUpper(name[:1])+name[1:], users.Some(true)
	hash, err := e.api.Auth().HashPassword(e.t.Context(), password)
	if err != nil {
		e.t.Fatalf("hash password: %v", err)
	}
	u.PasswordHash = hash
	for _, c := range change {
		c(&u)
	}
	if u, err = e.api.Auth().CreateUser(e.t.Context(), u, ""); err != nil {
		e.t.Fatalf("create user %s: %v", name, err)
	}
	return u
}

func staff(u *users.User)      { u.IsStaff = true }
func inactive(u *users.User)   { u.IsActive = false }
func noPassword(u *users.User) { u.PasswordHash = "" }

// organization stores an organization with one team and these members.
func (e *env) organization(name string, members ...users.User) (users.Organization, users.Team) {
	e.t.Helper()
	o := users.NewOrganization()
	o.Name = name
	o, err := e.api.Users().SaveOrganization(e.t.Context(), o)
	if err != nil {
		e.t.Fatalf("save organization: %v", err)
	}
	team, err := e.api.Users().SaveTeam(e.t.Context(), users.Team{OrganizationID: o.ID, Name: name + " team", APIToken: "phc_" + name})
	if err != nil {
		e.t.Fatalf("save team: %v", err)
	}
	for _, m := range members {
		if err := e.api.Users().SaveMembership(e.t.Context(), users.Membership{UserID: m.ID, OrganizationID: o.ID, Level: users.LevelMember}); err != nil {
			e.t.Fatalf("save membership: %v", err)
		}
	}
	return o, team
}

// session signs in u some time ago.
func (e *env) session(u users.User, age time.Duration) option {
	e.t.Helper()
	token, err := e.api.Auth().StartSession(e.t.Context(), u.ID, auth.StartOptions{Age: age})
	if err != nil {
		e.t.Fatalf("start session: %v", err)
	}
	return header("Cookie", "sessionid="+string(token))
}

// key makes an API key of u.
func (e *env) key(u users.User, scopes ...string) option {
	e.t.Helper()
	value, err := e.api.Auth().NewAPIKeyValue()
	if err != nil {
		e.t.Fatalf("new key: %v", err)
	}
	if _, err := e.api.Auth().SaveAPIKey(e.t.Context(), auth.APIKey{UserID: u.ID, Label: "test", Scopes: scopes}, value); err != nil {
		e.t.Fatalf("save key: %v", err)
	}
	return header("Authorization", "Bearer "+string(value))
}

// option adjusts a request.
type option func(*http.Request)

func header(name, value string) option {
	return func(r *http.Request) { r.Header.Add(name, value) }
}

// reply is an answer.
type reply struct {
	t      *testing.T
	call   string
	status int
	header http.Header
	raw    string
}

// do sends a request and holds it and its answer to the OpenAPI document. A body
// that is not "" is sent as JSON.
func (e *env) do(method, path, body string, options ...option) reply {
	e.t.Helper()
	r := httptest.NewRequest(method, "http://internal.example"+path, strings.NewReader(body))
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for _, o := range options {
		o(r)
	}
	w := e.answer(r)
	checkDocumented(e.t, e.api, exchanged(r, []byte(body), w))
	return reply{e.t, method + " " + path + " " + body, w.Code, w.Header(), w.Body.String()}
}

func (e *env) answer(r *http.Request) *httptest.ResponseRecorder {
	e.t.Helper()
	if e.processes != nil {
		return e.send(r)
	}
	w := httptest.NewRecorder()
	api := e.instance()
	api.ServeHTTP(w, r)
	if len(e.others) > 0 {
		// What an answer does not wait for, such as the last use of a key, the next
		// process sees when it is stored.
		if err := api.Auth().Flush(e.t.Context()); err != nil {
			e.t.Errorf("Flush: %v", err)
		}
	}
	return w
}

// ok fails the test unless the status is as given.
func (r reply) ok(status int) reply {
	r.t.Helper()
	if r.status != status {
		r.t.Errorf("%s: got status %d, want %d; body %s", r.call, r.status, status, r.raw)
	}
	return r
}

// refused fails the test unless the answer is this error; attr "" is null.
func (r reply) refused(status int, typ, code, attr string) {
	r.t.Helper()
	var got struct {
		Type, Code, Detail string
		Attr               *string
	}
	d := json.NewDecoder(strings.NewReader(r.raw))
	d.DisallowUnknownFields()
	if err := d.Decode(&got); err != nil {
		r.t.Errorf("%s: status %d, body %q is no error object: %v", r.call, r.status, r.raw, err)
		return
	}
	gotAttr := ""
	if got.Attr != nil {
		gotAttr = *got.Attr
	}
	if r.status != status || got.Type != typ || got.Code != code || gotAttr != attr {
		r.t.Errorf("%s: got %d %s/%s attr %q, want %d %s/%s attr %q", r.call, r.status, got.Type, got.Code, gotAttr, status, typ, code, attr)
	}
}

// invalid is refused for a 400 validation_error.
func (r reply) invalid(code, attr string) {
	r.t.Helper()
	r.refused(http.StatusBadRequest, "validation_error", code, attr)
}

// denied is refused for a 403 permission_denied.
func (r reply) denied() {
	r.t.Helper()
	r.refused(http.StatusForbidden, "authentication_error", "permission_denied", "")
}

// nobody is refused for a 401 with this code.
func (r reply) nobody(code string) {
	r.t.Helper()
	r.refused(http.StatusUnauthorized, "authentication_error", code, "")
}

// json decodes the body.
func (r reply) json() map[string]any {
	r.t.Helper()
	var m map[string]any
	if err := json.Unmarshal([]byte(r.raw), &m); err != nil {
		r.t.Fatalf("%s: status %d, body %q: %v", r.call, r.status, r.raw, err)
	}
	return m
}

// has fails the test unless a member of the body has this JSON value.
func (r reply) has(member, want string) reply {
	r.t.Helper()
	got, err := json.Marshal(r.json()[member])
	if err != nil {
		r.t.Fatal(err)
	}
	if string(got) != want {
		r.t.Errorf("%s: %s is %s, want %s", r.call, member, got, want)
	}
	return r
}

// mailbox captures mail.
type mailbox struct {
	mu   sync.Mutex
	mail []auth.Message
}

// Send keeps the message.
func (m *mailbox) Send(_ context.Context, message auth.Message) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.mail = append(m.mail, message)
	return nil
}

// take returns what was sent since the last call, oldest first.
func (m *mailbox) take() []auth.Message {
	m.mu.Lock()
	defer m.mu.Unlock()
	mail := m.mail
	m.mail = nil
	return mail
}

// mail returns what was sent since the last call, oldest first.
func (e *env) mail() []auth.Message {
	e.t.Helper()
	e.flush(e.t.Context())
	return e.box.take()
}
