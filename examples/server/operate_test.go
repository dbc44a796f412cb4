package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/hedgerow-dev/hedgerow/storage/postgres/postgrestest"
)

// block returns the only one of docs/operate.md that holds a text.
func block(t *testing.T, language, part string) string {
	t.Helper()
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "operate.md"))
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, b := range regexp.MustCompile("(?ms)^```"+language+"\n(.*?)^```$").FindAllStringSubmatch(string(page), -1) {
		if strings.Contains(b[1], part) {
			found = append(found, b[1])
		}
	}
	if len(found) != 1 {
		t.Fatalf("docs/operate.md has %d blocks with %q, want one", len(found), part)
	}
	return found[0]
}

// shell runs commands in the working directory, in which hedgerow is this program.
func shell(t *testing.T, commands string) string {
	t.Helper()
	bin := t.TempDir()
	program := "#!/bin/sh\nHEDGEROW_TEST_SERVER=1 exec '" + os.Args[0] + "' \"$@\"\n"
	if err := os.WriteFile(filepath.Join(bin, "hedgerow"), []byte(program), 0o700); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "bash", "-euo", "pipefail", "-c", commands)
	cmd.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"))
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v: %s", commands, err, out)
	}
	return string(out)
}

// database makes a database of its own, for programs that take no search path.
func database(t *testing.T) string {
	t.Helper()
	dsn := postgrestest.DSN(t)
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	u.Path = "/" + q.Get("search_path")
	q.Del("search_path")
	u.RawQuery = q.Encode()
	postgrestest.Execute(t, dsn, "create database "+u.Path[1:]+" encoding 'UTF8' template template0")
	t.Cleanup(func() { postgrestest.Execute(t, dsn, "drop database "+u.Path[1:]+" with (force)") })
	return u.String()
}

// freePorts replaces the ports of docs/operate.md by some that are free.
func freePorts(t *testing.T) *strings.Replacer {
	t.Helper()
	var pairs []string
	for _, port := range []string{"8010", "8011", "8012", "8013"} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		pairs = append(pairs, "127.0.0.1:"+port, l.Addr().String())
	}
	return strings.NewReplacer(pairs...)
}

// nginx runs a proxy with this configuration until the test ends, however it does.
func nginx(t *testing.T, config string) {
	t.Helper()
	path := "/usr/sbin:" + os.Getenv("PATH") // where Debian has it
	if err := exec.Command("env", "PATH="+path, "nginx", "-v").Run(); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("there is no nginx: %v", err)
		}
		t.Skip("there is no nginx")
	}
	dir := t.TempDir()
	var paths strings.Builder
	for _, kind := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		fmt.Fprintf(&paths, "%s_temp_path %s;\n", kind, kind)
	}
	whole := "pid pid;\nerror_log stderr;\nevents {}\nhttp {\naccess_log off;\n" + paths.String() + config + "}\n"
	if err := os.WriteFile(filepath.Join(dir, "nginx.conf"), []byte(whole), 0o600); err != nil {
		t.Fatal(err)
	}
	// It leaves this process when it listens, and is told to stop when the input
	// ends.
	cmd := exec.Command("sh", "-c", `nginx -p "$1" -c nginx.conf -e stderr && echo ready && cat && nginx -p "$1" -c nginx.conf -e stderr -s stop`, "sh", dir)
	cmd.Env, cmd.Stderr = append(os.Environ(), "PATH="+path), t.Output()
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	input, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if said, err := io.ReadAll(io.LimitReader(out, int64(len("ready\n")))); err != nil || string(said) != "ready\n" {
		t.Fatalf("nginx did not start: %v", cmd.Wait())
	}
	t.Cleanup(func() {
		if err := input.Close(); err != nil {
			t.Error(err)
		}
		if err := cmd.Wait(); err != nil {
			t.Errorf("nginx: %v", err)
		}
	})
}

// from sends requests from an address of this machine.
func from(address string) *http.Client {
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}}
	return &http.Client{Transport: &http.Transport{DialContext: dialer.DialContext}}
}

// status sends a request and returns the status of the answer.
func status(ctx context.Context, client *http.Client, method, url, key, body string) (int, error) {
	r, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return 0, err
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	if key != "" {
		r.Header.Set("Authorization", "Bearer "+key)
	}
	res, err := client.Do(r)
	if err != nil {
		return 0, err
	}
	return res.StatusCode, res.Body.Close()
}

// TestThreeProcessesBehindProxy runs them, and nginx, as docs/operate.md says, and
// restarts one after another while requests go on.
func TestThreeProcessesBehindProxy(t *testing.T) {
	ports, commands := freePorts(t), block(t, "sh", "-addr")
	nginx(t, ports.Replace(block(t, "nginx", "upstream")))
	t.Chdir(t.TempDir())
	db := database(t)
	export, lines, _ := strings.Cut(ports.Replace(commands), "\n")
	t.Setenv("HEDGEROW_ENCRYPTION_KEYS", shell(t, export+"\nprintf %s \"$HEDGEROW_ENCRYPTION_KEYS\""))
	var starts [][]string
	var all []*child
	for line := range strings.SplitSeq(strings.TrimSpace(lines), "\n") {
		args, ok := strings.CutPrefix(line, "hedgerow ")
		if !ok {
			t.Fatalf("%q does not start a server", line)
		}
		starts = append(starts, strings.Fields(strings.Replace(args, `"$DATABASE_URL"`, db, 1)))
		all = append(all, launch(t, starts[len(starts)-1]...))
	}
	for _, c := range all {
		c.listening(t)
	}
	proxy := ports.Replace("http://127.0.0.1:8010")
	key := newUser(t, db)
	call(t, "PATCH", proxy+"/api/users/@me", key, `{"theme_mode":"dark"}`)
	for range 2 * len(all) {
		if got := call(t, "GET", proxy+"/api/users/@me", key, "")["theme_mode"]; got != "dark" {
			t.Errorf("theme_mode behind the proxy is %v, want dark", got)
		}
	}
	checkLimit(t, proxy)
	checkRestarts(t, proxy+"/api/users/@me", key, func(n int, down func()) {
		if err := all[n].end(t, syscall.SIGTERM); err != nil {
			t.Errorf("stopping gracefully: %v", err)
		}
		down()
		all[n] = start(t, starts[n]...)
	}, len(all))
}

const annsPassword = "mighty-strong-secure-1337!!"

// newUser makes ann by commands, and an API key.
func newUser(t *testing.T, db string) string {
	t.Helper()
	if _, err := command(t, "-db", db, "user", "create", "ann@example.com", annsPassword); err != nil {
		t.Fatal(err)
	}
	key, err := command(t, "-db", db, "key", "create", "ann@example.com", "user:read", "user:write")
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(key)
}

// checkLimit has one client locked out for what it did to all processes, and no
// other client of the proxy.
func checkLimit(t *testing.T, proxy string) {
	t.Helper()
	login := func(client *http.Client, password string) int {
		t.Helper()
		got, err := status(t.Context(), client, "POST", proxy+"/api/login", "", `{"email": "ann@example.com", "password": "`+password+`"}`)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	attacker, ann := from("127.0.0.2"), from("127.0.0.3")
	for n := range 30 {
		if got := login(attacker, "wrong"); got != http.StatusBadRequest {
			t.Fatalf("failure %d: got status %d, want 400", n+1, got)
		}
	}
	if got := login(attacker, annsPassword); got != http.StatusForbidden {
		t.Errorf("the client that is locked out: got status %d, want 403", got)
	}
	if got := login(ann, annsPassword); got != http.StatusOK {
		t.Errorf("another client: got status %d, want 200", got)
	}
}

// checkRestarts wants every GET answered while each of n processes is restarted:
// restart calls down when one is.
func checkRestarts(t *testing.T, url, key string, restart func(n int, down func()), n int) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	answered := make(chan struct{}, 1)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for ctx.Err() == nil {
				got, err := status(ctx, http.DefaultClient, "GET", url, key, "")
				if ctx.Err() == nil && (err != nil || got != http.StatusOK) {
					t.Errorf("GET during a restart: got status %d, %v", got, err)
					stop()
				}
				select {
				case answered <- struct{}{}:
				default:
				}
			}
		})
	}
	for i := range n {
		restart(i, func() {
			for range 20 {
				select {
				case <-answered:
				case <-ctx.Done():
				}
			}
		})
	}
	stop()
	wg.Wait()
}
