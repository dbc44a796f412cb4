package main

import (
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/hedgerow-dev/hedgerow/storage/postgres/postgrestest"
)

// TestServersShareOneDatabase starts three at once on an empty database.
func TestServersShareOneDatabase(t *testing.T) {
	t.Chdir(t.TempDir())
	db := postgrestest.DSN(t)
	var all []*child
	for range 3 {
		all = append(all, launch(t, "-db", db))
	}
	for _, c := range all {
		c.listening(t)
	}
	var printed strings.Builder
	for _, c := range all {
		if err := c.end(t, os.Interrupt); err != nil {
			t.Errorf("stopping gracefully: %v", err)
		}
		printed.WriteString(c.out.String())
	}
	keys := regexp.MustCompile(`(?m)API key +(phx_\w+)`).FindAllStringSubmatch(printed.String(), -1)
	if len(keys) != 1 {
		t.Fatalf("got %d first accounts, want one: %s", len(keys), &printed)
	}
	first, second := start(t, "-db", db), start(t, "-db", db)
	call(t, "PATCH", first.base+"/api/users/@me", keys[0][1], `{"theme_mode":"dark"}`)
	if got := call(t, "GET", second.base+"/api/users/@me", keys[0][1], "")["theme_mode"]; got != "dark" {
		t.Errorf("theme_mode at another server is %v, want dark", got)
	}
	if _, err := os.Stat(postgresKeyFile); err != nil {
		t.Errorf("the key file: %v", err)
	}
}

func TestCommandsOnPostgres(t *testing.T) {
	t.Chdir(t.TempDir())
	db := postgrestest.DSN(t)
	for _, c := range []struct {
		args []string
		want string // in the output, or in the error if it begins with "error:"
	}{
		{[]string{"user", "create", "Ann@example.com", "mighty-strong-secure-1337!!"}, "ann@example.com"},
		{[]string{"user", "create", "ann@EXAMPLE.com"}, "error:unique"},
		{[]string{"key", "create", "ann@example.com", "user:read"}, "phx_"},
		{[]string{"user", "deactivate", "ann@example.com"}, ""},
		{[]string{"user", "list"}, "ann@example.com\tinactive"},
		{[]string{"reset-2fa", "ann@example.com"}, ""},
		{[]string{"migrate"}, "up to date"},
		{[]string{"backup", "copy"}, "error:pg_dump"},
	} {
		checkCommand(t, append([]string{"-db", db}, c.args...), c.want)
	}
}

func TestShown(t *testing.T) {
	for db, want := range map[string]string{
		"memory":      "memory",
		"hedgerow.db": "hedgerow.db",
		"postgres://ann:s@cret@db.example:5432/accounts?password=secret&x=@y": "postgres://db.example:5432/accounts",
	} {
		if got := shown(db); got != want {
			t.Errorf("shown(%q): got %q, want %q", db, got, want)
		}
	}
	var log strings.Builder
	t.Chdir(t.TempDir())
	err := run(t.Context(), []string{"-db", "postgres://ann:secret@127.0.0.1:1/x", "migrate"}, io.Discard, &log)
	if err == nil || strings.Contains(err.Error()+log.String(), "secret") {
		t.Errorf("a server that is not there: got %v and log %s, want an error without the password", err, log.String())
	}
}

func TestPostgresKeyFile(t *testing.T) {
	t.Chdir(t.TempDir())
	if _, err := encryptionKeys("", "postgres://db.example/accounts", slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	names, err := filepath.Glob("*")
	if err != nil || len(names) != 1 || names[0] != postgresKeyFile {
		t.Errorf("files made: got %v, %v, want %s", names, err, postgresKeyFile)
	}
}
