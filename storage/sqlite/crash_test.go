package sqlite_test

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"

	"github.com/hedgerow-dev/hedgerow/storage/sqlite"
	"github.com/hedgerow-dev/hedgerow/users"
)

// The test binary runs itself: TestChild is what the child does with the file
// that the environment names.
const (
	childTask = "HEDGEROW_TEST_TASK"
	childPath = "HEDGEROW_TEST_PATH"
)

// TestChild is the body of child processes; on its own it does nothing.
func TestChild(t *testing.T) {
	path := os.Getenv(childPath)
	switch os.Getenv(childTask) {
	case "":
		return
	case "open":
		fmt.Println("\nready now")
		if _, err := io.Copy(io.Discard, os.Stdin); err != nil {
			t.Fatal(err)
		}
		if _, err := create(t.Context(), open(t, path), uuid.NewString()+"@example.com"); err != nil {
			t.Fatal(err)
		}
	case "write":
		st := open(t, path)
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				for !t.Failed() {
					u, err := create(t.Context(), st, uuid.NewString()+"@example.com")
					if err != nil {
						t.Error(err)
					}
					fmt.Printf("\nid %d %s\n", u.ID, u.Email)
				}
			})
		}
		wg.Wait()
	}
}

// child is a running TestChild.
type child struct {
	*exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
	err strings.Builder
}

func startChild(t *testing.T, task, path string) *child {
	t.Helper()
	binary, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := &child{Cmd: exec.CommandContext(t.Context(), binary, "-test.run=^TestChild$")}
	c.Env = append(os.Environ(), childTask+"="+task, childPath+"="+path)
	c.Stderr = &c.err
	if c.in, err = c.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	c.out = bufio.NewReader(out)
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	return c
}

// line returns the next whole line that begins with prefix, without it; "" at
// the end. seen collects the others.
func (c *child) line(prefix string, seen *strings.Builder) string {
	for {
		s, err := c.out.ReadString('\n')
		if err != nil {
			return "" // what a killed child had not finished is no line
		}
		if rest, ok := strings.CutPrefix(s, prefix); ok {
			return strings.TrimSuffix(rest, "\n")
		}
		seen.WriteString(s)
	}
}

func TestOpenTogetherProcesses(t *testing.T) {
	t.Parallel()
	const processes = 5
	path := filepath.Join(t.TempDir(), "a.db")
	var children []*child
	var seen strings.Builder
	for range processes {
		c := startChild(t, "open", path)
		children = append(children, c)
		if c.line("ready ", &seen) != "now" {
			t.Fatalf("a child did not start: %s%s", &seen, &c.err)
		}
	}
	for _, c := range children {
		if err := c.in.Close(); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range children {
		rest, err := io.ReadAll(c.out)
		if err != nil {
			t.Error(err)
		}
		if err := c.Wait(); err != nil {
			t.Errorf("child: %v\n%s%s", err, rest, &c.err)
		}
	}
	if got := len(all(t, open(t, path))); got != processes {
		t.Errorf("%d users, want %d", got, processes)
	}
	checkMode(t, path)
	checkFresh(t, path)
}

// TestCrash kills a process again and again whose writers share commits: what it
// acknowledged stays.
func TestCrash(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a.db")
	acknowledged := map[users.ID]string{}
	for round := range 5 {
		c := startChild(t, "write", path)
		var seen strings.Builder
		add := func() bool {
			id, email, ok := strings.Cut(c.line("id ", &seen), " ")
			if !ok {
				return false
			}
			n, err := strconv.ParseInt(id, 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			acknowledged[users.ID(n)] = email
			return true
		}
		for range 10 + 17*round {
			if !add() {
				t.Fatalf("the child stopped by itself: %v\n%s%s", c.Wait(), &seen, &c.err)
			}
		}
		if err := c.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		for add() {
		}
		if err := c.Wait(); err == nil {
			t.Fatal("the child was not killed")
		}
		checkSurvivors(t, path, acknowledged)
	}
}

func checkSurvivors(t *testing.T, path string, acknowledged map[users.ID]string) {
	t.Helper()
	st, err := sqlite.Open(t.Context(), path)
	if err != nil {
		t.Fatalf("Open after a crash: %v", err)
	}
	defer func() {
		if err := st.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	}()
	stored := map[users.ID]string{}
	for _, u := range all(t, st) {
		stored[u.ID] = u.Email
	}
	for id, email := range acknowledged {
		if stored[id] != email {
			t.Errorf("user %d was acknowledged as %q and is %q", id, email, stored[id])
		}
	}
	// A user and its line were written together.
	events, err := st.Events(t.Context(), users.EventQuery{Limit: 1_000_000})
	if err != nil {
		t.Fatal(err)
	}
	if len(events) != len(stored) {
		t.Errorf("%d users have %d lines in the activity log", len(stored), len(events))
	}
	for _, e := range events {
		if stored[e.Target] == "" {
			t.Errorf("the activity log names user %d, who does not exist", e.Target)
		}
	}
	if got := text(t, path, "pragma integrity_check"); got != "ok" {
		t.Errorf("integrity check: %s", got)
	}
}
