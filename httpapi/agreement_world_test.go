package httpapi_test

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/cryptotest"
	"time"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/httpapi"
	"github.com/hedgerow-dev/hedgerow/integrations/github"
	"github.com/hedgerow-dev/hedgerow/integrations/githubtest"
	"github.com/hedgerow-dev/hedgerow/storage"
	"github.com/hedgerow-dev/hedgerow/storage/memory"
	"github.com/hedgerow-dev/hedgerow/storage/postgres"
	"github.com/hedgerow-dev/hedgerow/storage/postgres/postgrestest"
	"github.com/hedgerow-dev/hedgerow/storage/sqlite"
	"github.com/hedgerow-dev/hedgerow/users"
)

// databases are what worlds are stored in, one after the other.
type databases struct {
	memory   func() storage.Storage
	sqlite   string // path of an empty database
	postgres storage.Storage
	dsn      string
	appKey   *rsa.PrivateKey
}

func newDatabases(t *testing.T) *databases {
	t.Helper()
	d := &databases{memory: func() storage.Storage { return memory.New() }, sqlite: filepath.Join(t.TempDir(), "empty.db"), dsn: postgrestest.DSN(t)}
	st, err := sqlite.Open(t.Context(), d.sqlite)
	if err != nil {
		t.Fatal(err)
	}
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
	if d.postgres, err = postgres.Open(t.Context(), d.dsn); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.postgres.Close(); err != nil {
			t.Error(err)
		}
	})
	if d.appKey, err = rsa.GenerateKey(rand.Reader, 1024); err != nil {
		t.Fatal(err)
	}
	return d
}

// emptySQLite opens a copy of the empty database.
func (d *databases) emptySQLite(t *testing.T) storage.Storage {
	t.Helper()
	data, err := os.ReadFile(d.sqlite)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(filepath.Dir(d.sqlite), "test.db")
	for _, suffix := range []string{"-wal", "-shm"} {
		if err := os.RemoveAll(path + suffix); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	st, err := sqlite.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	return st
}

// emptyPostgres empties the database, as a new one would take too long. Every
// foreign key cascades, so that the order does not matter, but for the counts: triggers
// add to them what is deleted elsewhere.
func (d *databases) emptyPostgres(t *testing.T) storage.Storage {
	t.Helper()
	postgrestest.Execute(t, d.dsn, `do $$ declare name text; begin
		for name in select tablename from pg_tables where schemaname = current_schema() and tablename not like '%migrations'
			order by tablename in ('user_blocks', 'member_counts') loop
			execute format('delete from %I', name);
		end loop;
		perform setval(format('%I', sequencename)::regclass, 1, false)
			from pg_sequences where schemaname = current_schema() and sequencename not like '%migrations%';
	end $$`)
	return unclosed{d.postgres}
}

// unclosed is a store that outlives those who use it.
type unclosed struct{ storage.Storage }

func (unclosed) Close() error { return nil }

// world is one service three times, on different stores, and what is known about
// it from its answers. Everything random in it, in libraries too, follows from
// its seed and the number of the operation, so that what one API hands out, the others hand
// out as well, and a world without some of the operations does, too.
type world struct {
	t       *testing.T
	envs    []*env
	stores  []string
	logs    []*bytes.Buffer
	names   *names
	random  uint64 // seed
	serial  uint64 // of the last operation
	known   knowledge
	used    []fact             // in the operation that is being drawn
	goal    string             // what the last operations were to lead to
	devices map[string]*device // by the handle of their user
}

// setting is in what worlds differ from the start.
type setting struct {
	seed     uint64
	identity auth.IdentityChange
	github   string
	factor   string // of the member
}

func drawSetting(d draw, seed uint64) setting {
	return setting{seed, pick(d, auth.WithPassword, auth.Documented, auth.SessionOnly), d.one("as usual", "without PKCE", "uninstalled last", "asks the owner"),
		d.one("nothing", "an authenticator", "a passkey")}
}

func (s setting) String() string {
	return fmt.Sprintf("identity change %d, GitHub %s, the member has %s as second factor", s.identity, s.github, s.factor)
}

func newWorld(t *testing.T, d *databases, s setting) *world {
	w := &world{t: t, random: s.seed, names: &names{}, known: knowledge{}, devices: map[string]*device{}}
	w.add("memory", &noting{d.memory(), w.names}, d, s)
	w.add("sqlite", d.emptySQLite(t), d, s)
	w.add("postgres", d.emptyPostgres(t), d, s)
	for _, op := range w.beginning(s.factor == "an authenticator") {
		w.begin(op)
	}
	if s.factor == "a passkey" {
		w.registerPasskey()
	}
	return w
}

func (w *world) add(name string, st storage.Storage, d *databases, s setting) {
	log := &bytes.Buffer{}
	w.seed()
	e := newEnv(w.t, st, func(c *httpapi.Config) {
		withMail(c)
		c.Rand = library{}
		c.Auth.IdentityChange = s.identity
		c.Logger = slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{ReplaceAttr: timeless}))
		c.GitHub.Provider = nearGitHub(w.t, c.Now, d.appKey)
		c.GitHub.WebhookSecret = webhookSecret
		c.GitHub.DisablePKCE = s.github == "without PKCE"
		c.GitHub.UninstallLast = s.github == "uninstalled last"
	})
	if s.github == "asks the owner" {
		e.merge(`{"visitor":{"setup_action":"request"}}`)
	}
	w.envs, w.stores, w.logs = append(w.envs, e), append(w.stores, name), append(w.logs, log)
}

// timeless leaves the time out of a line of the log, so that a failure reads the
// same when it is repeated.
func timeless(_ []string, a slog.Attr) slog.Attr {
	if a.Key == slog.TimeKey {
		return slog.Attr{}
	}
	return a
}

// library is what libraries read, so that there is one source of randomness.
type library struct{}

func (library) Read(b []byte) (int, error) { return rand.Read(b) }

// seed makes what is random from now on follow from the number of the operation.
func (w *world) seed() { cryptotest.SetGlobalRandom(w.t, w.random<<16+w.serial) }

func (w *world) close() {
	for _, e := range w.envs {
		e.close()
	}
}

// nearGitHub is a GitHub in the same process, without a network.
func nearGitHub(t *testing.T, now func() time.Time, key *rsa.PrivateKey) *fakeGitHub {
	t.Helper()
	server, err := githubtest.New(githubtest.Options{Now: now, Key: key})
	if err != nil {
		t.Fatal(err)
	}
	state := githubtest.TwoInstallations()
	state.Branches = map[string]githubtest.Branches{"acme/repo-1": {Names: []string{"main", "Main", "e\u0301", "é"}, Default: "main"}}
	if err := server.SetState(state); err != nil {
		t.Fatal(err)
	}
	app := githubtest.NewApp()
	client, err := github.New(github.Config{ClientID: app.ClientID, ClientSecret: users.Secret(app.ClientSecret),
		PrivateKey: users.Secret(server.PrivateKeyPEM()), Slug: app.Slug, Transport: wire{server}, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	return &fakeGitHub{Client: client, server: server}
}

// wire carries requests to a handler.
type wire struct{ http.Handler }

func (h wire) RoundTrip(r *http.Request) (*http.Response, error) {
	in := r.Clone(r.Context())
	if in.Body == nil {
		in.Body = http.NoBody
	}
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, in)
	return rec.Result(), in.Body.Close()
}

// operation is one request, or one act of the host, of time or of GitHub.
type operation struct {
	number uint64 // in its world
	name   string // route or kind of act
	text   string
	do     func(e *env) reaction
	// cookie that comes with a request, and what else to know from the reaction of an act.
	cookie string
	used   []fact
	learn  func(*world, reaction)
}

// learning is op with what is to be known from it when it succeeds.
func (op operation) learning(learn func(*world, reaction)) operation {
	op.learn = learn
	return op
}

// shown is the members of v that are set, for people, with every byte of a text.
func shown(v any) string { return show(reflect.ValueOf(v)) }

func show(v reflect.Value) string {
	var parts []string
	switch at, isTime := v.Interface().(time.Time); {
	case isTime:
		return at.Format(time.RFC3339Nano)
	case v.Kind() == reflect.Struct:
		for i := range v.NumField() {
			if f := v.Field(i); !f.IsZero() && v.Type().Field(i).IsExported() {
				parts = append(parts, v.Type().Field(i).Name+":"+show(f))
			}
		}
		return "{" + strings.Join(parts, " ") + "}"
	case v.Kind() == reflect.Slice:
		for i := range v.Len() {
			parts = append(parts, show(v.Index(i)))
		}
		return "[" + strings.Join(parts, " ") + "]"
	case v.Kind() == reflect.String:
		return fmt.Sprintf("%+q", v.String())
	}
	return fmt.Sprint(v.Interface())
}

// reaction is all that can be seen of an operation.
type reaction struct {
	Status int // 0 for what is no request
	Header http.Header
	Body   string // of an act: its result
	Err    string // of an act
	Mail   []auth.Message
}

func (o reaction) succeeded() bool { return o.Status < 400 && o.Err == "" }

// String shows the reaction in one line.
func (o reaction) String() string {
	const most = 300
	body := o.Body[:min(len(o.Body), most)]
	switch {
	case o.Err != "":
		return "error " + o.Err
	case o.Status == 0:
		return "result " + body
	}
	return fmt.Sprintf("answer %d %+q", o.Status, body)
}

// decode reads the result of an act, and reports whether there is one.
func (o reaction) decode(v any) bool { return o.Err == "" && json.Unmarshal([]byte(o.Body), v) == nil }

// lines shows all of a reaction.
func (o reaction) lines() []string {
	lines := []string{fmt.Sprintf("status %d", o.Status), "error " + o.Err, "body " + o.Body}
	for _, name := range slices.Sorted(maps.Keys(o.Header)) {
		lines = append(lines, fmt.Sprintf("%s: %+q", name, o.Header[name]))
	}
	for _, m := range o.Mail {
		lines = append(lines, fmt.Sprintf("mail: %T%s", m, shown(m)))
	}
	return lines
}

// begin does an operation of the beginning of a world.
func (w *world) begin(op operation) {
	op.number = w.serial + 1
	if _, err := w.run(op); err != nil {
		w.t.Fatal(err)
	}
}

// run does an operation three times and returns the reaction. It is an error if
// there are several, or if it is an internal failure.
func (w *world) run(op operation) (reaction, error) {
	w.serial = op.number
	var first reaction
	for i, e := range w.envs {
		w.seed()
		got := op.do(e)
		got.Mail = e.mail()
		if i == 0 {
			first = got
		}
		switch {
		case !reflect.DeepEqual(got, first):
			return first, fmt.Errorf("%s and %s differ in the answer to %s\n%s\nlog of %[1]s:\n%[5]slog of %[2]s:\n%[6]s", w.stores[0], w.stores[i], op.text,
				w.firstDifference(i, first.lines(), got.lines()), w.logs[0], w.logs[i])
		case got.Status == http.StatusInternalServerError:
			return first, fmt.Errorf("%s fails: %s\nlog of %s:\n%s", op.text, got.Body, w.stores[i], w.logs[i])
		}
	}
	w.seed()
	w.learn(op, first)
	return first, nil
}

// send makes a request of which the server has read the header.
func send(e *env, r request) reaction {
	in := httptest.NewRequest(r.method, "http://internal.example/", strings.NewReader(r.body))
	u, err := url.ParseRequestURI(r.path)
	if err != nil {
		e.t.Fatal(err)
	}
	in.URL, in.RequestURI, in.RemoteAddr = u, r.path, r.from
	in.URL.RawQuery = r.query
	for _, h := range r.header {
		in.Header.Add(h[0], h[1])
	}
	rec := httptest.NewRecorder()
	e.api.ServeHTTP(rec, in)
	return reaction{Status: rec.Code, Header: rec.Header(), Body: rec.Body.String()}
}
