package postgrestest

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// supervisor makes and starts a server, says so, and ends it when its input
// ends: that happens however the process of the tests ends. $1 is the folder of
// the binaries, $2 that of the server, $3 its settings, and $4 the server that it
// copies and follows, if any. The order of ICU differs from that of bytes, so
// that tests see who relies on the wrong one. A server that was killed leaves
// shared memory behind: a segment, and no more as long as the rest is in its folder.
const supervisor = `
trap 'rm -rf "$2"' EXIT
if [ -z "$4" ]
then "$1/initdb" -D "$2/data" -U hedgerow -A trust -E UTF8 --locale=C --locale-provider=icu --icu-locale=en-US --no-sync
else "$1/pg_basebackup" -D "$2/data" -d "$4" -R -c fast --no-sync
fi >"$2/log" 2>&1 &&
"$1/pg_ctl" -D "$2/data" -l "$2/log" -w -o "-k '$2' -c listen_addresses= -c max_connections=200 -c dynamic_shared_memory_type=mmap $3" start >>"$2/log" 2>&1 ||
{ cat "$2/log"; exit 1; }
echo ready
cat >/dev/null
"$1/pg_ctl" -D "$2/data" -m immediate stop >/dev/null 2>&1 ||
{ id=$(awk 'NR == 7 {print $2}' "$2/data/postmaster.pid") && ipcrm -m "$id"; }
`

// lossy are settings for a server that no test breaks.
const lossy = "-c fsync=off -c full_page_writes=off"

// soon is for a standby, which tries every 5 seconds by default to find its primary
// again. Nothing that has to be there too is acknowledged until then.
const soon = "-c wal_retrieve_retry_interval=200ms"

// Server is a private PostgreSQL that tests may break.
type Server struct {
	binaries, dir string
	attributes    *syscall.SysProcAttr // of its processes
	input         io.WriteCloser       // it runs as long as this is open
	supervisor    *exec.Cmd
}

// Start starts a server for one test, with which it ends. It keeps what it has
// acknowledged through whatever the test does to it. Without the binaries of one
// the test is skipped, or fails if the environment variable CI is true.
func Start(t testing.TB) *Server {
	t.Helper()
	return startFor(t, "")
}

// Launch starts a server for a program that is no test, which ends it by Stop. It
// keeps what it has acknowledged. Settings are options such as
// "-c shared_buffers=1GB"; "" is none.
func Launch(settings string) (*Server, error) { return start(settings, "") }

// Stop ends the server and removes what it stored.
func (s *Server) Stop() error { return errors.Join(s.input.Close(), s.supervisor.Wait()) }

// PID returns the process whose children serve connections.
func (s *Server) PID() (int, error) {
	text, err := os.ReadFile(filepath.Join(s.dir, "data", "postmaster.pid"))
	if err != nil {
		return 0, err
	}
	first, _, _ := strings.Cut(string(text), "\n")
	return strconv.Atoi(first)
}

// Standby starts a server that follows s. From then on s acknowledges only what
// the standby has too.
func (s *Server) Standby(t testing.TB) *Server {
	t.Helper()
	standby := startFor(t, "host="+s.dir+" user=hedgerow")
	Execute(t, s.DSN(), "alter system set synchronous_standby_names = '*'")
	Execute(t, s.DSN(), "select pg_reload_conf()")
	Execute(t, s.DSN(), `do $$ begin
		set local statement_timeout = '60s';
		while not exists (select 1 from pg_stat_replication where sync_state = 'sync') loop perform pg_sleep(0.01); end loop;
	end $$`)
	return standby
}

func startFor(t testing.TB, follow string) *Server {
	t.Helper()
	s, err := start(soon, follow)
	if err != nil {
		unavailable(t, err)
	}
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Errorf("end the server: %v", err)
		}
	})
	return s
}

// DSN returns the URL of a database of s or, with other servers, of the one among
// them that takes writes.
func (s *Server) DSN(others ...*Server) string {
	hosts, q := []string{s.dir}, url.Values{}
	for _, o := range others {
		hosts = append(hosts, o.dir)
		q.Set("target_session_attrs", "read-write")
	}
	q.Set("host", strings.Join(hosts, ","))
	u := url.URL{Scheme: "postgres", User: url.User("hedgerow"), Path: "/postgres", RawQuery: q.Encode()}
	return u.String()
}

// Crash ends all processes of the server at once, and starts it again.
func (s *Server) Crash(t testing.TB) {
	t.Helper()
	s.control(t, "-l", filepath.Join(s.dir, "log"), "-m", "immediate", "restart")
}

// Kill ends the server by SIGKILL.
func (s *Server) Kill(t testing.TB) {
	t.Helper()
	pid, err := s.PID()
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatalf("kill the server: %v", err)
	}
}

// Promote makes a server of its own of a standby.
func (s *Server) Promote(t testing.TB) {
	t.Helper()
	s.control(t, "promote")
}

func (s *Server) control(t testing.TB, args ...string) {
	t.Helper()
	cmd := exec.Command(filepath.Join(s.binaries, "pg_ctl"), append([]string{"-D", filepath.Join(s.dir, "data"), "-w"}, args...)...)
	cmd.Dir, cmd.SysProcAttr = s.dir, s.attributes
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("pg_ctl %v: %v: %s", args, err, out)
	}
}

func start(settings, follow string) (*Server, error) {
	binaries, err := findBinaries()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "hedgerow-postgres-") // mode 0700
	if err != nil {
		return nil, err
	}
	s := &Server{binaries: binaries, dir: dir, supervisor: exec.Command("sh", "-c", supervisor, "sh", binaries, dir, settings, follow)}
	s.attributes = &syscall.SysProcAttr{Setpgid: true} // an interrupt from the terminal is for the tests
	if os.Geteuid() == 0 {
		// PostgreSQL refuses to run as root.
		if s.attributes.Credential, err = unprivileged(dir); err != nil {
			return nil, err
		}
	}
	s.supervisor.Dir, s.supervisor.SysProcAttr = dir, s.attributes
	if s.input, err = s.supervisor.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := s.supervisor.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := s.supervisor.Start(); err != nil {
		return nil, err
	}
	lines, said := bufio.NewScanner(out), ""
	for lines.Scan() {
		if lines.Text() == "ready" {
			return s, nil
		}
		said += lines.Text() + "\n"
	}
	return nil, fmt.Errorf("the server did not start: %w: %s", s.supervisor.Wait(), said)
}

// findBinaries returns the folder of initdb and its companions. Debian keeps
// them out of the path.
func findBinaries() (string, error) {
	if found, err := exec.LookPath("initdb"); err == nil {
		if found, err = filepath.EvalSymlinks(found); err == nil {
			return filepath.Dir(found), nil
		}
	}
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if err != nil {
		return "", err
	}
	if len(found) == 0 {
		return "", errors.New("no binaries of PostgreSQL on this machine, and " + variable + " is not set")
	}
	return filepath.Dir(slices.Max(found)), nil
}

// unprivileged gives dir to a user without rights and returns who that is.
func unprivileged(dir string) (*syscall.Credential, error) {
	u, err := user.Lookup("nobody")
	if err != nil {
		return nil, err
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		return nil, err
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, os.Chown(dir, int(uid), int(gid))
}
