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
	"syscall"
)

// supervisor makes and starts a server, says so, and ends it when its input
// ends: that happens however the process of the tests ends. $1 is the folder of
// the binaries, $2 that of the server. The order of ICU differs from that of
// bytes, so that tests see who relies on the wrong one.
const supervisor = `
trap 'rm -rf "$2"' EXIT
"$1/initdb" -D "$2/data" -U hedgerow -A trust -E UTF8 --locale=C --locale-provider=icu --icu-locale=en-US --no-sync >"$2/log" 2>&1 &&
"$1/pg_ctl" -D "$2/data" -l "$2/log" -w -o "-k '$2' -c listen_addresses= -c max_connections=200 -c fsync=off -c full_page_writes=off" start >>"$2/log" 2>&1 ||
{ cat "$2/log"; exit 1; }
echo ready
cat >/dev/null
"$1/pg_ctl" -D "$2/data" -m immediate stop >/dev/null 2>&1
`

// server is a private server. It runs as long as input is open.
type server struct {
	dsn   string
	input io.WriteCloser
}

func start() (*server, error) {
	binaries, err := findBinaries()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "hedgerow-postgres-") // mode 0700
	if err != nil {
		return nil, err
	}
	cmd := exec.Command("sh", "-c", supervisor, "sh", binaries, dir)
	cmd.Dir = dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // an interrupt from the terminal is for the tests
	if os.Geteuid() == 0 {
		// PostgreSQL refuses to run as root.
		if cmd.SysProcAttr.Credential, err = unprivileged(dir); err != nil {
			return nil, err
		}
	}
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
	lines, said := bufio.NewScanner(out), ""
	for lines.Scan() {
		if lines.Text() == "ready" {
			u := url.URL{Scheme: "postgres", User: url.User("hedgerow"), Path: "/postgres", RawQuery: url.Values{"host": {dir}}.Encode()}
			return &server{u.String(), input}, nil
		}
		said += lines.Text() + "\n"
	}
	return nil, fmt.Errorf("the server did not start: %w: %s", cmd.Wait(), said)
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
