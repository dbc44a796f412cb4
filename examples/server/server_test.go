package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/storage/sqlite"
	"github.com/hedgerow-dev/hedgerow/users"
)

// TestMain runs the program itself when a test asks for a child process.
func TestMain(m *testing.M) {
	if os.Getenv("HEDGEROW_TEST_SERVER") != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// child is the server as a process of its own.
type child struct {
	cmd  *exec.Cmd
	base string
	out  *bytes.Buffer
	log  io.Reader
	said string // in the log, until it listened

	rest   strings.Builder // of the log
	closed chan struct{}   // when the log ends
}

// start runs the server until it listens.
func start(t *testing.T, args ...string) *child {
	t.Helper()
	c := launch(t, args...)
	c.listening(t)
	return c
}

// launch runs the server and does not wait.
func launch(t *testing.T, args ...string) *child {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	c := &child{cmd: exec.Command(os.Args[0], append([]string{"-addr", addr}, args...)...), base: "http://" + addr, out: &bytes.Buffer{}, closed: make(chan struct{})}
	c.cmd.Env = append(os.Environ(), "HEDGEROW_TEST_SERVER=1")
	c.cmd.Stdout = c.out
	if c.log, err = c.cmd.StderrPipe(); err != nil {
		t.Fatal(err)
	}
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.cmd.Process.Kill() }) // it may have ended already
	return c
}

// listening waits until the server listens.
func (c *child) listening(t *testing.T) {
	t.Helper()
	lines := bufio.NewScanner(c.log)
	for lines.Scan() {
		if strings.Contains(lines.Text(), "listening") {
			go func() {
				defer close(c.closed)
				_, _ = io.Copy(&c.rest, c.log) // it ends when the process does
			}()
			return
		}
		c.said += lines.Text() + "\n"
	}
	t.Fatalf("the server did not start: %v\n%s", c.cmd.Wait(), c.said)
}

// end waits for the process, after which its output may be read.
func (c *child) end(t *testing.T, signal os.Signal) error {
	t.Helper()
	if err := c.cmd.Process.Signal(signal); err != nil {
		t.Fatal(err)
	}
	<-c.closed
	return c.cmd.Wait()
}

// call sends one request with an API key.
func call(t *testing.T, method, url, key, body string) map[string]any {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+key)
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var m map[string]any
	if err := json.NewDecoder(res.Body).Decode(&m); err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("%s %s: status %d, %v, %v", method, url, res.StatusCode, m, err)
	}
	return m
}

func TestKilledServerKeepsWhatItAcknowledged(t *testing.T) {
	db := filepath.Join(t.TempDir(), "hedgerow.db")
	first := start(t, "-db", db)
	if err := first.end(t, os.Interrupt); err != nil {
		t.Fatalf("stopping gracefully: %v", err)
	}
	key := regexp.MustCompile(`phx_\w+`).FindString(first.out.String())
	if got := strings.Count(first.out.String(), "curl -"); key == "" || got != 2 {
		t.Fatalf("got %d curl lines and key %q, want 2 and a key: %s", got, key, first.out)
	}
	second := start(t, "-db", db)
	call(t, "PATCH", second.base+"/api/users/@me", key, `{"theme_mode":"dark"}`)
	if err := second.end(t, os.Kill); err == nil {
		t.Fatal("the server ended well although it was killed")
	}
	third := start(t, "-db", db)
	if got := call(t, "GET", third.base+"/api/users/@me", key, "")["theme_mode"]; got != "dark" {
		t.Errorf("theme_mode is %v after a kill, want dark", got)
	}
	if second.out.Len() != 0 {
		t.Errorf("a second start printed %q", second.out)
	}
	if err := third.end(t, os.Interrupt); err != nil {
		t.Errorf("stopping gracefully: %v", err)
	}
	info, err := os.Stat(db)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the database has mode %v, %v, want 0600", info.Mode(), err)
	}
}

// command runs one command and returns what it prints.
func command(t *testing.T, args ...string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	err := run(context.WithoutCancel(t.Context()), args, &out, io.Discard)
	return out.String(), err
}

func TestCommands(t *testing.T) {
	dir := t.TempDir()
	db, copied := filepath.Join(dir, "a.db"), filepath.Join(dir, "copy.db")
	for _, c := range []struct {
		args []string
		want string // in the output, or in the error if it begins with "error:"
	}{
		{[]string{"-db", db, "user", "create", "Ann@example.com", "mighty-strong-secure-1337!!"}, "ann@example.com"},
		{[]string{"-db", db, "user", "create", "ann@EXAMPLE.com"}, "error:unique"},
		{[]string{"-db", db, "user", "create", "bob@example.com", "12345678"}, "error:password"},
		{[]string{"-db", db, "key", "create", "ann@example.com", "user:read"}, "phx_"},
		{[]string{"-db", db, "user", "deactivate", "ann@example.com"}, ""},
		{[]string{"-db", db, "backup", copied}, ""},
		{[]string{"-db", db, "backup", copied}, "error:exists"},
		{[]string{"-db", copied, "user", "list"}, "ann@example.com\tinactive"},
		{[]string{"-db", db, "migrate"}, "up to date"},
		{[]string{"-db", db, "user", "deactivate", "nobody@example.com"}, "error:not_found"},
		{[]string{"-db", db, "reset-2fa", "ann@example.com"}, ""},
		{[]string{"-db", db, "reset-2fa", "nobody@example.com"}, "error:not_found"},
		{[]string{"-db", db, "reset-2fa"}, "error:unknown command"},
		{[]string{"-db", db, "fly"}, "error:unknown command"},
		{[]string{"-db", "mysql://x", "migrate"}, "error:-db"},
		{[]string{"-db", "memory", "backup", copied}, "error:in memory"},
		{[]string{"-db", filepath.Join(dir, "none", "a.db"), "migrate"}, "error:no such file"},
		{[]string{"-db", db, "-identity-change", "x", "migrate"}, "error:-identity-change"},
		{[]string{"-db", db, "-log-format", "x", "migrate"}, "error:-log-format"},
		{[]string{"-db", db, "-trusted-proxy", "proxy", "migrate"}, "error:-trusted-proxy"},
		{[]string{"-db", db, "-trusted-proxy", "::1", "-trusted-proxy", "10.0.0.0/8", "migrate"}, "up to date"},
	} {
		checkCommand(t, c.args, c.want)
	}
}

// checkCommand wants text in the output of a command, or in its error if it
// begins with "error:".
func checkCommand(t *testing.T, args []string, want string) {
	t.Helper()
	out, err := command(t, args...)
	want, refused := strings.CutPrefix(want, "error:")
	if refused {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: got error %v, want one with %q", args, err, want)
		}
	} else if err != nil || !strings.Contains(out, want) {
		t.Errorf("%v: got %q, %v, want %q", args, out, err, want)
	}
}

func TestWorld(t *testing.T) {
	world := filepath.Join(t.TempDir(), "world.json")
	err := os.WriteFile(world, []byte(`{
		"organizations": {"acme": {"name": "Acme", "sso_enforced_domains": ["corp.example"]}},
		"teams": {"web": {"organization": "acme", "name": "Web", "api_token": "token123"}},
		"users": {"alice": {"email": "alice@example.com", "password": "testpassword12345", "memberships": {"acme": 1},
			"current_organization": "acme", "current_team": "web", "linked_identities": [{"provider": "github", "login": "octocat"}]}},
		"api_keys": {"k1": {"owner": "alice", "scopes": ["user:read"], "scoped_teams": ["web"]}},
		"options": {"identity_change": "session_only", "public_url": "https://app.example.com"},
		"dashboards": {"d1": {"team": "web"}},
		"invites": {"i1": {"organization": "acme", "target_email": "x@example.com", "age_days": 1}}}`), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	db := filepath.Join(t.TempDir(), "w.db")
	c := start(t, "-db", db, "-world", world)
	if err := c.end(t, os.Interrupt); err != nil {
		t.Fatal(err)
	}
	key := regexp.MustCompile(`phx_\w+`).FindString(c.out.String())
	c = start(t, "-db", db)
	me := call(t, "GET", c.base+"/api/users/@me", key, "")
	if team, ok := me["team"].(map[string]any); !ok || team["name"] != "Web" || team["api_token"] != "token123" || me["has_social_auth"] != true {
		t.Errorf("got team %v and has_social_auth %v", me["team"], me["has_social_auth"])
	}
	if _, err := command(t, "-db", db, "-world", world, "-addr", "127.0.0.1:0"); err == nil || !strings.Contains(err.Error(), "not empty") {
		t.Errorf("a world for a database in use: got error %v", err)
	}
	for _, c := range []struct{ text, culprit string }{
		{`{"users": {"a": {"emial": "x"}}}`, "/users/a/emial"},
		{`{"organizations": {"o": {}}, "teams": {"t": {"organization": "p"}}}`, "/teams/t/organization"},
	} {
		if err := os.WriteFile(world, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		db := filepath.Join(t.TempDir(), "refused.db")
		if _, err := command(t, "-db", db, "-world", world, "-addr", "127.0.0.1:0"); err == nil || !strings.Contains(err.Error(), c.culprit) {
			t.Errorf("%s: got error %v, want one that names %s", c.text, err, c.culprit)
		}
		if out, err := command(t, "-db", db, "user", "create", "ann@example.com"); err != nil || !strings.HasPrefix(out, "1\t") {
			t.Errorf("%s: the first user afterwards is %q, %v, want an unused database", c.text, out, err)
		}
	}
}

// TestResetSecondFactor is the operator's way out for a user who lost the phone.
func TestResetSecondFactor(t *testing.T) {
	db := filepath.Join(t.TempDir(), "a.db")
	if _, err := command(t, "-db", db, "user", "create", "ann@example.com"); err != nil {
		t.Fatal(err)
	}
	hasTOTP := func(change func(tx auth.Tx, u users.User) error) bool {
		t.Helper()
		st, err := sqlite.Open(t.Context(), db)
		if err != nil {
			t.Fatal(err)
		}
		defer st.Close()
		u, err := st.UserByEmail(t.Context(), "ann@example.com")
		if err == nil && change != nil {
			err = st.UpdateAuth(t.Context(), func(tx auth.Tx) error { return change(tx, u) })
		}
		if err != nil {
			t.Fatal(err)
		}
		return u.HasTOTP
	}
	hasTOTP(func(tx auth.Tx, u users.User) error {
		u.HasTOTP = true
		if _, err := tx.SaveUser(t.Context(), u); err != nil {
			return err
		}
		return tx.SaveSecondFactor(t.Context(), auth.SecondFactor{UserID: u.ID, Secret: []byte("sealed")})
	})
	if !hasTOTP(nil) {
		t.Fatal("the user has no authenticator to begin with")
	}
	addr, mail := postbox(t)
	t.Setenv(smtpVariable, "smtp://"+addr+"?tls=none")
	t.Setenv(fromVariable, "Acme <no-reply@acme.example>")
	if _, err := command(t, "-db", db, "reset-2fa", "Ann@example.com"); err != nil {
		t.Fatal(err)
	}
	if hasTOTP(nil) {
		t.Error("the authenticator is still there")
	}
	got := ""
	select {
	case got = <-mail: // it was sent before the command ended
	default:
	}
	for _, part := range []string{"RCPT TO:<ann@example.com>", "From: \"Acme\" <no-reply@acme.example>", "Subject: Your second factor was reset"} {
		if !strings.Contains(got, part) {
			t.Errorf("got mail %q, want %q in it", got, part)
		}
	}
}

// TestPasskeysNeedADomain, as browsers have none on an IP address.
func TestPasskeysNeedADomain(t *testing.T) {
	for url, want := range map[string]int{"": http.StatusNotFound, "http://localhost:8010": http.StatusOK, "http://accounts.example.com": http.StatusNotFound,
		"https://accounts.example.com": http.StatusOK} {
		args := []string{"-db", "memory"}
		if url != "" {
			args = append(args, "-public-url", url)
		}
		res, err := http.Post(start(t, args...).base+"/api/login/passkey/begin", "", nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := res.Body.Close(); err != nil || res.StatusCode != want {
			t.Errorf("public URL %q: got status %d, %v, want %d", url, res.StatusCode, err, want)
		}
	}
}
