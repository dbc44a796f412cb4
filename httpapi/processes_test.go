package httpapi_test

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/gob"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/httpapi"
	"github.com/hedgerow-dev/hedgerow/storage/postgres"
	"github.com/hedgerow-dev/hedgerow/storage/postgres/postgrestest"
	"github.com/hedgerow-dev/hedgerow/users"
)

var processes = flag.Bool("processes", false, "run what each runs on every store on three processes that share a PostgreSQL instead")

// processVariable is set in those processes, which are this program too.
const processVariable = "HEDGEROW_TEST_PROCESS"

func TestMain(m *testing.M) {
	for _, message := range []auth.Message{auth.PasswordChanged{}, auth.PasswordReset{}, auth.TwoFactorEnabled{}, auth.TwoFactorDisabled{}, auth.BackupCodeUsed{},
		auth.SecondFactorReset{}, auth.EmailVerification{}, auth.EmailChangeRequested{}, auth.EmailChanged{}} {
		gob.Register(message)
	}
	if os.Getenv(processVariable) != "" {
		if err := serveProcess(); err != nil {
			fmt.Fprintln(os.Stderr, "process:", err)
			os.Exit(1)
		}
		return
	}
	code := m.Run()
	if d, err := apiDocument(); code == 0 && ranWhole() {
		if err = errors.Join(err, checkFidelity(witnessed, d, *update)); err != nil {
			fmt.Fprintln(os.Stderr, "fidelity:", err)
			code = 1
		}
	}
	os.Exit(code)
}

// process is one of them. It ends when its input does, however this one ends.
type process struct {
	address string
	input   io.WriteCloser
}

// fleet starts the processes. It is a variable because they serve all tests:
// each request says what world it is for.
var fleet = sync.OnceValues(func() (all []process, err error) {
	for range 3 {
		cmd := exec.Command(os.Args[0])
		cmd.Env, cmd.Stderr = append(os.Environ(), processVariable+"=1"), os.Stderr
		input, err := cmd.StdinPipe()
		if err != nil {
			return nil, err
		}
		out, err := cmd.StdoutPipe()
		if err != nil {
			return nil, err
		}
		if err := cmd.Start(); err != nil {
			return nil, err
		}
		line, err := bufio.NewReader(out).ReadString('\n')
		if err != nil {
			return nil, fmt.Errorf("a process did not start: %w", errors.Join(err, cmd.Wait()))
		}
		all = append(all, process{strings.TrimSpace(line), input})
	}
	return all, nil
})

// order comes with each request and says how to answer it.
type order struct {
	DSN string
	// Config has the plain values of the test's configuration; what it holds
	// besides follows.
	Config     map[string]any
	Passkeys   bool
	Mail       bool
	Dashboards users.DashboardMap
	GitHub     map[string]any // the plain values of the client's

	Now   time.Time
	From  string // the address of the client
	Close bool   // there is no request, and the world goes
}

// orderHeader brings the order in JSON, and reportHeader takes a report back in
// gob, both in base64.
const (
	orderHeader  = "Hedgerow-Test-Order"
	reportHeader = "Hedgerow-Test-Report"
)

// report comes with each answer.
type report struct {
	Mail []auth.Message
	Err  string
}

// newOrder refuses a configuration that is lost on the way.
func newOrder(dsn string, c httpapi.Config, gh *fakeGitHub) (order, error) {
	_, captured := c.Auth.Mailer.(*mailbox)
	dashboards, plainDashboards := c.Dashboards.(users.DashboardMap)
	if c.Rand != nil || c.Logger != nil || c.Authenticator != nil || c.Auth.Mailer != nil && !captured || c.Dashboards != nil && !plainDashboards ||
		c.GitHub.Provider != nil && gh == nil {
		return order{}, errors.New("this configuration cannot be given to another process: use inProcess in place of each")
	}
	o := order{DSN: dsn, Config: plain(reflect.ValueOf(c)), Passkeys: c.Auth.Passkeys != nil, Mail: captured, Dashboards: dashboards}
	if gh != nil {
		o.GitHub = plain(reflect.ValueOf(gh.config))
	}
	return o, nil
}

// plain are the members of a struct that JSON can bring to another process.
func plain(v reflect.Value) map[string]any {
	members := map[string]any{}
	for field, value := range v.Fields() {
		switch value.Kind() {
		case reflect.Func, reflect.Interface, reflect.Pointer:
		case reflect.Struct:
			members[field.Name] = plain(value)
		default:
			members[field.Name] = value.Interface()
		}
	}
	return members
}

// onProcesses runs a test on the processes. Users and what else a host does are
// made in the process of the test, as an operator's command does.
func onProcesses(t *testing.T, configure func(*httpapi.Config), fn func(t *testing.T, e *env)) {
	t.Helper()
	all, err := fleet()
	if err != nil {
		t.Fatal(err)
	}
	dsn := postgrestest.DSN(t)
	st, err := postgres.Open(t.Context(), dsn)
	if err != nil {
		t.Fatalf("open store: %v", err)
	}
	e := newEnv(t, st, configure)
	e.processes = all
	t.Cleanup(e.close)
	if e.order, err = newOrder(dsn, e.config, e.gh); err != nil {
		t.Fatal(err)
	}
	fn(t, e)
}

// send has the process whose turn it is answer.
func (e *env) send(r *http.Request) *httptest.ResponseRecorder {
	e.t.Helper()
	o := e.order
	o.Now, o.From = e.now(), r.RemoteAddr
	return e.sendTo(e.processes[e.turn.Add(1)%int64(len(e.processes))], o, r)
}

func (e *env) sendTo(p process, o order, r *http.Request) *httptest.ResponseRecorder {
	e.t.Helper()
	text, err := json.Marshal(o)
	if err != nil {
		e.t.Fatal(err)
	}
	out := r.Clone(r.Context())
	out.URL.Scheme, out.URL.Host, out.RequestURI = "http", p.address, ""
	out.Header.Set(orderHeader, base64.StdEncoding.EncodeToString(text))
	if out.Header["User-Agent"] == nil {
		out.Header.Set("User-Agent", "") // or the transport sends its own
	}
	if out.Header["Accept-Encoding"] == nil {
		out.Header.Set("Accept-Encoding", "identity") // or the transport asks for gzip
	}
	if r.ContentLength == 0 {
		out.Body = http.NoBody // or the transport would announce one
	}
	resp, err := http.DefaultTransport.RoundTrip(out)
	if err != nil {
		e.t.Fatalf("%s %s: %v", r.Method, r.URL, err)
	}
	defer resp.Body.Close()
	w := httptest.NewRecorder()
	if _, err := io.Copy(w.Body, resp.Body); err != nil {
		e.t.Fatalf("%s %s: %v", r.Method, r.URL, err)
	}
	e.take(resp.Header.Get(reportHeader))
	for _, name := range []string{reportHeader, "Date"} {
		resp.Header.Del(name)
	}
	w.Code = resp.StatusCode
	maps.Copy(w.Header(), resp.Header)
	return w
}

// take reads a report.
func (e *env) take(text string) {
	e.t.Helper()
	var r report
	if err := gob.NewDecoder(base64.NewDecoder(base64.StdEncoding, bytes.NewBufferString(text))).Decode(&r); err != nil {
		e.t.Fatalf("report of a process: %v", err)
	}
	if r.Err != "" {
		e.t.Errorf("a process: %s", r.Err)
	}
	for _, m := range r.Mail {
		_ = e.box.Send(e.t.Context(), m) // which only keeps it
	}
}

// closeProcesses has each forget the world of the test.
func (e *env) closeProcesses() {
	e.t.Helper()
	for _, p := range e.processes {
		o := e.order
		o.Close = true
		e.sendTo(p, o, httptest.NewRequest("DELETE", "/", nil))
	}
}
