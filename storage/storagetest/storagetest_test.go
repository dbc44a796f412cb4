package storagetest_test

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/storage"
	"github.com/hedgerow-dev/hedgerow/storage/memory"
	"github.com/hedgerow-dev/hedgerow/storage/storagetest"
)

// faultVariable names, in a child process, the fault to plant.
const faultVariable = "HEDGEROW_STORAGETEST_FAULT"

// TestSuite runs the suite on a store with the fault that the environment
// names, and otherwise on one that is wrapped in the same way without a fault.
func TestSuite(t *testing.T) {
	plant := onTx(func(tx auth.Tx) auth.Tx { return tx })
	if name, ok := os.LookupEnv(faultVariable); ok {
		for _, f := range faults() {
			if f.name == name {
				plant = f.plant
			}
		}
	}
	storagetest.Run(t, func(t *testing.T) storage.Storage {
		st := plant(memory.New())
		t.Cleanup(func() { _ = st.Close() })
		return st
	})
}

// TestFaults runs the suite on each fault in a process of its own, because a
// failing test would fail its parents too.
func TestFaults(t *testing.T) {
	if _, ok := os.LookupEnv(faultVariable); ok {
		t.Fatal("a child process runs TestSuite only")
	}
	program, err := os.Executable()
	if err != nil {
		t.Fatalf("find the test binary: %v", err)
	}
	for _, f := range faults() {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			out, err := runSuite(t.Context(), program, f)
			if err == nil {
				t.Errorf("the suite passes, want %s to fail", f.found)
			}
			if want := "--- FAIL: TestSuite/" + f.found + " "; !strings.Contains(out, want) {
				t.Errorf("the suite prints\n%s\nwant %q in it", out, want)
			}
		})
	}
}

// runSuite runs the test that must find f and returns what it prints.
func runSuite(ctx context.Context, program string, f fault) (string, error) {
	run := []string{"^TestSuite$"}
	for part := range strings.SplitSeq(f.found, "/") {
		run = append(run, "^"+part+"$")
	}
	cmd := exec.CommandContext(ctx, program, "-test.run="+strings.Join(run, "/"), "-test.count=1", "-test.timeout=30s")
	cmd.Env = append(os.Environ(), faultVariable+"="+f.name)
	out, err := cmd.CombinedOutput()
	return string(out), err
}
