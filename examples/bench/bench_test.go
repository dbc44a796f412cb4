package main

import (
	"os"
	"strings"
	"testing"
)

// TestMain runs the program itself when a test asks for a child process.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "serve" {
		main()
		return
	}
	os.Exit(m.Run())
}

// TestTable measures everything, on few users and for moments.
func TestTable(t *testing.T) {
	var out, log strings.Builder
	err := run(t.Context(), []string{"-users", "200", "-large", "400", "-rounds", "1", "-duration", "20ms"}, &out, &log)
	t.Log(log.String())
	t.Log(out.String())
	if err != nil {
		t.Fatalf("run: %v", err)
	}
}
