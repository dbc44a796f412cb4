package httpapi_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/hedgerow-dev/hedgerow/storage/sqlite"
	"github.com/hedgerow-dev/hedgerow/users"
)

// onFullDisk names the variable by which a process is told to be the one whose files
// may not grow.
const onFullDisk = "HEDGEROW_TEST_FULL_DISK"

// TestFullDisk has a process serve whose files may not grow for a while: a limit is
// one of a whole process.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	binary, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.CommandContext(t.Context(), binary, "-test.run=^TestFullDiskServer$")
	c.Env = append(os.Environ(), onFullDisk+"=1")
	if out, err := c.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// limitFiles lets no file of this process become larger.
func limitFiles(t *testing.T, bytes uint64) {
	t.Helper()
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		t.Fatal(err)
	}
	limit.Cur = min(bytes, limit.Max)
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		t.Fatal(err)
	}
}

// TestFullDiskServer does nothing on its own. While the disk is full, what changes
// something is answered by 503 and changes nothing, and what reads is served. It fails
// if a failed commit is forgotten, by return failed in (*queue).once of sqlstore.
func TestFullDiskServer(t *testing.T) {
	if os.Getenv(onFullDisk) == "" {
		return
	}
	st, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "test.db"))
	if err != nil {
		t.Fatal(err)
	}
	e := newEnv(t, st, withMail)
	alice := e.user("alice")
	cookie, leaving := e.session(alice, 0), e.session(alice, 0)
	e.do("GET", self, "", cookie).ok(200)
	for round := range 3 {
		name := fmt.Sprint("kept ", round)
		e.do("PATCH", self, fmt.Sprintf(`{"first_name":%q}`, name), cookie).ok(200)
		e.mail()
		limitFiles(t, 0)
		before := e.stored(alice)
		for range 2 {
			for _, r := range []reply{
				e.do("PATCH", self, `{"first_name":"lost","last_name":"lost"}`, cookie),
				e.do("PATCH", self, `{"email":"new@example.com"}`, cookie),
				e.do("POST", keysPath, keyBody(nil), cookie),
				e.do("POST", "/api/login", credentials("alice", password)),
				e.do("POST", "/api/logout", "", leaving),
				e.do("DELETE", self, "", cookie),
			} {
				r.refused(503, "server_error", "unavailable", "")
				if cookies := r.header.Values("Set-Cookie"); len(cookies) > 0 {
					t.Errorf("%s: the cookies %q", r.call, cookies)
				}
			}
			e.do("GET", self, "", cookie).ok(200).has("first_name", fmt.Sprintf("%q", name))
			e.do("GET", self, "", leaving).ok(200)
			e.do("GET", keysPath, "", cookie).ok(200)
		}
		if after := e.stored(alice); after != before {
			t.Errorf("a full disk changed %+v to %+v", before, after)
		}
		if mail := e.mail(); len(mail) > 0 {
			t.Errorf("mail about what was not stored: %v", mail)
		}
		limitFiles(t, ^uint64(0))
	}
	e.do("POST", keysPath, keyBody(nil), cookie).ok(201)
	e.do("POST", "/api/logout", "", leaving).ok(302)
	e.do("GET", self, "", leaving).ok(401)
	events, err := e.api.Users().Events(t.Context(), users.EventQuery{Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	for _, ev := range events {
		if strings.Contains(ev.Action, "logged in") {
			t.Errorf("the activity log has %q", ev.Action)
		}
	}
	e.close()
}
