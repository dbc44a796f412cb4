package sqlite_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"

	"github.com/hedgerow-dev/hedgerow/storage/sqlite"
	"github.com/hedgerow-dev/hedgerow/users"
)

// disk is one that can be made full, and have room again.
type disk struct {
	dir        string
	fill, free func(t *testing.T)
}

// limited has no file grow any more, which is an error of input and output.
func limited(t *testing.T) disk {
	set := func(t *testing.T, bytes uint64) {
		t.Helper()
		var now syscall.Rlimit
		if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &now); err != nil {
			t.Fatal(err)
		}
		now.Cur = min(bytes, now.Max)
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &now); err != nil {
			t.Fatal(err)
		}
	}
	const megabyte = 1 << 20
	return disk{t.TempDir(), func(t *testing.T) { set(t, megabyte) }, func(t *testing.T) { set(t, ^uint64(0)) }}
}

// small is a file system of its own, which is full when it is. There is room for the
// log, which grows to 4 MiB before it is written back, and the file.
func small(t *testing.T) disk {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=16m"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	ballast := filepath.Join(dir, "ballast")
	return disk{dir, func(t *testing.T) {
		f, err := os.Create(ballast)
		if err != nil {
			t.Fatal(err)
		}
		zeros := make([]byte, 4096)
		for err == nil {
			_, err = f.Write(zeros)
		}
		if !errors.Is(err, syscall.ENOSPC) {
			t.Fatalf("fill the disk: %v", err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}, func(t *testing.T) {
		if err := os.Remove(ballast); err != nil {
			t.Fatal(err)
		}
	}}
}

// TestFullDisk runs TestFullDiskChild in processes of their own: a limit is one of a
// whole process, and a file system may be mounted in a namespace.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"limited", "small"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			binary, err := os.Executable()
			if err != nil {
				t.Fatal(err)
			}
			c := exec.CommandContext(t.Context(), binary, "-test.run=^TestFullDiskChild$")
			c.Env = append(os.Environ(), childTask+"="+kind)
			if kind == "small" {
				self := []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}}
				gself := []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}}
				c.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS, UidMappings: self, GidMappings: gself}
			}
			out, err := c.CombinedOutput()
			if errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.ENOSPC) {
				t.Logf("no file system can be mounted here: %v", err)
				return
			}
			if err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}

// TestFullDiskChild does nothing on its own.
func TestFullDiskChild(t *testing.T) {
	switch os.Getenv(childTask) {
	case "limited":
		surviveFullDisk(t, limited(t))
	case "small":
		surviveFullDisk(t, small(t))
	}
}

// crowdedWriters is how many write at once, and so share commits.
const crowdedWriters = 32

// surviveFullDisk writes until nothing is accepted any more, again and again. What is
// refused leaves nothing, what is acknowledged stays, reads go on, and writes when
// there is room again.
func surviveFullDisk(t *testing.T, d disk) {
	path := filepath.Join(d.dir, "a.db")
	st, err := sqlite.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	kept := map[string]bool{}
	for round := range 4 {
		if got := crowd(t, st, fmt.Sprintf("room%d", round), kept); got != 0 {
			t.Errorf("round %d: %d writes of %d failed while there was room", round, got, crowdedWriters)
		}
		d.fill(t)
		for n := 0; crowd(t, st, fmt.Sprintf("full%d-%d", round, n), kept) < crowdedWriters; n++ {
			if n == 1000 {
				t.Fatal("the disk is never full")
			}
		}
		checkKept(t, st, kept)
		if t.Failed() {
			return
		}
		d.free(t)
	}
	if got := crowd(t, st, "last", kept); got != 0 {
		t.Errorf("%d writes failed when there was room again", got)
	}
	if err := st.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
	if got := text(t, path, "pragma integrity_check"); got != "ok" {
		t.Errorf("integrity check: %s", got)
	}
	if st, err = sqlite.Open(t.Context(), path); err != nil {
		t.Fatal(err)
	}
	checkKept(t, st, kept)
	if err := st.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
}

// crowd has many write at once and returns how many of them were refused.
func crowd(t *testing.T, st *sqlite.Store, name string, kept map[string]bool) (refused int) {
	t.Helper()
	var wg sync.WaitGroup
	var results [crowdedWriters]error
	email := func(i int) string { return fmt.Sprintf("%s-%d@example.com", name, i) }
	for i := range results {
		wg.Go(func() { _, results[i] = create(t.Context(), st, email(i)) })
	}
	wg.Wait()
	for i, err := range results {
		if err == nil {
			kept[email(i)] = true
			continue
		}
		if refused++; !errors.Is(err, users.ErrUnavailable) {
			t.Errorf("write to a full disk: got %v, want %v", err, users.ErrUnavailable)
		}
	}
	return refused
}

// checkKept reads all, and each by itself.
func checkKept(t *testing.T, st *sqlite.Store, kept map[string]bool) {
	t.Helper()
	stored := all(t, st)
	for _, u := range stored {
		if !kept[u.Email] {
			t.Errorf("%s is stored and was not acknowledged", u.Email)
		}
	}
	if len(stored) != len(kept) {
		t.Errorf("%d users are stored, and %d were acknowledged", len(stored), len(kept))
	}
	for email := range kept {
		if _, err := st.UserByEmail(t.Context(), email); err != nil {
			t.Errorf("%s was acknowledged: %v", email, err)
		}
	}
	events, err := st.Events(t.Context(), users.EventQuery{Limit: 1_000_000})
	if err != nil || len(events) != len(kept) {
		t.Errorf("%d lines in the activity log and %v, want %d", len(events), err, len(kept))
	}
}
