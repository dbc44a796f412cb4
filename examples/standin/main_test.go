package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// TestMain runs the program itself when a test asks for a child process.
func TestMain(m *testing.M) {
	if os.Getenv("HEDGEROW_TEST_STANDIN") != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// program is the stand-in as a process of its own, driven over HTTP only.
type program struct {
	t      *testing.T
	base   string
	github string // where its GitHub is
	cmd    *exec.Cmd
	ids    map[string]map[string]map[string]any // the answer to the last world
}

const announcement = "The stand-in is at "

// start runs the stand-in until it says where it is.
func start(t *testing.T, args ...string) *program {
	t.Helper()
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), "HEDGEROW_TEST_STANDIN=1")
	cmd.Stderr = t.Output()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() }) // it may have ended already
	p, lines := &program{t: t, cmd: cmd}, bufio.NewReader(out)
	for _, l := range []struct {
		text    string
		address *string
	}{{announcement, &p.base}, {"Its GitHub is at ", &p.github}} {
		line, err := lines.ReadString('\n')
		address, ok := strings.CutPrefix(strings.TrimSpace(line), l.text)
		if err != nil || !ok {
			t.Fatalf("the stand-in printed %q, %v", line, err)
		}
		*l.address = address
	}
	return p
}

// answer is the answer to one request.
type answer struct {
	t      *testing.T
	call   string
	status int
	header http.Header
	text   string
}

// send sends a request with these credentials: "" for none, a cookie, or the
// value of a key or token.
func (p *program) send(method, path, credentials, body string) answer {
	p.t.Helper()
	r, err := http.NewRequestWithContext(p.t.Context(), method, p.base+path, strings.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	if strings.HasPrefix(credentials, "sessionid=") {
		r.Header.Set("Cookie", credentials)
	} else if credentials != "" {
		r.Header.Set("Authorization", "Bearer "+credentials)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		p.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return answer{p.t, method + " " + path + " " + body, res.StatusCode, res.Header, string(text)}
}

// ok fails the test unless the status is as given.
func (a answer) ok(status int) answer {
	a.t.Helper()
	if a.status != status {
		a.t.Fatalf("%s: got status %d, %s, want %d", a.call, a.status, a.text, status)
	}
	return a
}

// refused fails the test unless the answer has this status and code.
func (a answer) refused(status int, code string) {
	a.t.Helper()
	if a.ok(status); a.member("code") != code {
		a.t.Errorf("%s: got %s, want code %s", a.call, a.text, code)
	}
}

// into decodes the body.
func (a answer) into(v any) {
	a.t.Helper()
	if err := json.Unmarshal([]byte(a.text), v); err != nil {
		a.t.Fatalf("%s: %q: %v", a.call, a.text, err)
	}
}

// member returns a member of the body.
func (a answer) member(name string) any {
	a.t.Helper()
	var m map[string]any
	a.into(&m)
	return m[name]
}

// world replaces the world.
func (p *program) world(text string) {
	p.t.Helper()
	p.ids = nil
	p.send("PUT", "/_standin/world", "", text).ok(200).into(&p.ids)
}

// text is a member of the answer to a control call that must succeed.
func (p *program) text(path, body, member string) string {
	p.t.Helper()
	value, ok := p.send("POST", "/_standin/"+path, "", body).ok(200).member(member).(string)
	if !ok {
		p.t.Fatalf("POST %s %s: %s is no text", path, body, member)
	}
	return value
}

func (p *program) session(body string) string {
	p.t.Helper()
	return p.text("sessions", body, "cookie")
}

func (p *program) advance(seconds string) string {
	p.t.Helper()
	return p.text("clock", `{"advance_seconds": `+seconds+`}`, "now")
}

func TestListensOnLoopbackOnly(t *testing.T) {
	stopped, stop := context.WithCancel(t.Context())
	stop()
	for _, addr := range []string{":0", "0.0.0.0:0", "[::]:0", "192.0.2.1:0", "127.0.0.1", "127.0.0.1:x"} {
		var out bytes.Buffer
		err := run(stopped, []string{"-addr", addr}, &out, io.Discard)
		if err == nil || !strings.Contains(err.Error(), "-addr") || out.Len() > 0 {
			t.Errorf("%s: got %v and output %q, want a refusal", addr, err, out.String())
		}
	}
	if err := run(stopped, []string{"world.json"}, io.Discard, io.Discard); err == nil {
		t.Error("an argument was ignored")
	}
	for addr, want := range map[string]string{
		"127.0.0.1:0": "http://127.0.0.1:", "127.8.9.10:0": "http://127.8.9.10:", "localhost:0": "http://127.0.0.1:", ":0": "http://localhost:",
	} {
		args := []string{"-addr", addr}
		if addr == ":0" {
			args = append(args, "-allow-remote")
		}
		var out bytes.Buffer
		if err := run(stopped, args, &out, io.Discard); err != nil || !strings.HasPrefix(out.String(), announcement+want) {
			t.Errorf("%s: got %v and output %q, want %s", addr, err, out.String(), want)
		}
	}
}

func TestStopsGracefully(t *testing.T) {
	p := start(t, "-addr", "127.0.0.1:0")
	p.world(`{"users": {"alice": {"email": "alice@example.com"}}}`)
	if err := p.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Wait(); err != nil {
		t.Errorf("after an interrupt: %v, want a clean end", err)
	}
}
