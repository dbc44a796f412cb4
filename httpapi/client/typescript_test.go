package client_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/hedgerow-dev/hedgerow/httpapi/httpapitest"
)

// TestTypeScript makes types of the OpenAPI document, compiles a program that
// uses them, and runs it.
func TestTypeScript(t *testing.T) {
	npm, node := program(t, "npm"), program(t, "node")
	folder := t.TempDir()
	if err := os.CopyFS(folder, os.DirFS("testdata/typescript")); err != nil {
		t.Fatal(err)
	}
	document, err := filepath.Abs("../openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	run := func(name string, args ...string) string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), name, args...)
		cmd.Dir = folder
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s %v: %v\n%s", filepath.Base(name), args, err, out)
		}
		return string(out)
	}
	run(npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts")
	run(node, "node_modules/openapi-typescript/bin/cli.js", document, "--output", "api.d.ts")
	run(node, "node_modules/typescript/bin/tsc", "--noEmit", "--strict", "--project", ".")
	run(node, "node_modules/typescript/bin/tsc", "--project", ".")

	api := httpapitest.New(t, world)
	got := run(node, "sample.js", api.URL, api.NewKey("alice", "user:read", "user:write"), "alice@example.com", password)
	want, err := os.ReadFile("testdata/typescript/output.txt")
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// program finds a program, or skips the test; with CI=true that is a failure.
func program(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err == nil {
		return path
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("there is no %s", name)
	}
	t.Skipf("there is no %s", name)
	return ""
}

// TestTypeScriptLock: the lock file names no host to fetch packages from.
func TestTypeScriptLock(t *testing.T) {
	lock, err := os.ReadFile("testdata/typescript/package-lock.json")
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(lock, []byte(`"resolved"`)) || !bytes.Contains(lock, []byte(`"integrity"`)) {
		t.Error(`package-lock.json has "resolved", or no "integrity"; npm install --omit-lockfile-registry-resolved writes it`)
	}
}
