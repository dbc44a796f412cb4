package main

import (
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// address is where the program listens, and where the commands expect it.
const address = "127.0.0.1:8080"

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestREADME keeps the program in the README the one that is tested.
func TestREADME(t *testing.T) {
	program := read(t, "main.go")
	if !strings.Contains(read(t, "../../README.md"), "\n```go\n"+program+"```\n") {
		t.Error("the README does not show examples/mount/main.go")
	}
	if n := strings.Count(program, "\n"); n > 30 {
		t.Errorf("the program has %d lines, want at most 30", n)
	}
}

// TestCommands runs the README's lines in an empty folder, with a port that is
// free in place of the program's.
func TestCommands(t *testing.T) {
	_, commands, found := strings.Cut(read(t, "../../README.md"), "```sh\nhead -c 32 /dev/urandom > accounts.key")
	commands, _, _ = strings.Cut("head -c 32 /dev/urandom > accounts.key"+commands, "```")
	if !found {
		t.Fatal("the README does not show how to run the program")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	free := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	// go runs the programs as they were built, and curl waits for the server.
	script := `set -meuo pipefail
		go() { "$BIN/${2##*/}" "${@:3}"; }
		curl() { command curl -sS --retry 30 --retry-delay 1 --retry-connrefused "$@"; }
		trap 'kill %1' EXIT
		` + strings.ReplaceAll(commands, address, free)
	cmd := exec.CommandContext(t.Context(), "bash", "-c", script)
	cmd.Dir, cmd.Stderr = t.TempDir(), t.Output()
	cmd.Env = append(os.Environ(), "BIN="+build(t, free))
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v: %s", commands, err, out)
	}
	for _, want := range []string{"\tann@example.com\n", `"success":true`, `"email":"ann@example.com"`} {
		if !strings.Contains(string(out), want) {
			t.Errorf("the README's commands printed %s, want %s", out, want)
		}
	}
}

// build makes the two programs that the commands run, this one with another
// address, and returns where they are.
func build(t *testing.T, free string) string {
	t.Helper()
	bin, program := t.TempDir(), filepath.Join(t.TempDir(), "main.go")
	here, err := filepath.Abs("main.go")
	if err != nil {
		t.Fatal(err)
	}
	overlay, err := json.Marshal(map[string]map[string]string{"Replace": {here: program}})
	if err != nil {
		t.Fatal(err)
	}
	moved := strings.ReplaceAll(read(t, "main.go"), address, free)
	for path, text := range map[string]string{program: moved, filepath.Join(bin, "overlay.json"): string(overlay)} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(t.Context(), "go", "build", "-overlay", filepath.Join(bin, "overlay.json"), "-o", bin, ".", "../server")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v: %s", err, out)
	}
	return bin
}
