package sqlstore_test

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/hedgerow-dev/hedgerow/storage"
)

func TestNewDoesNotMigrate(t *testing.T) {
	t.Parallel()
	hosts(t, func(t *testing.T, h host) {
		ctx := t.Context()
		h.exec(t, "create table users (mine integer)") // the host's own table of that name
		pending, err := h.pending(ctx, h.DB, "acme_")
		if first := (storage.Migration{Version: 1, Name: "accounts"}); err != nil || len(pending) < 4 || pending[0] != first {
			t.Errorf("Pending at first: got %v, %v, want all, and first %v", pending, err, first)
		}
		if _, err := h.new(ctx, h.DB, "acme_"); err == nil || !strings.Contains(err.Error(), "version 1 (accounts)") || !strings.Contains(err.Error(), "Migrate") {
			t.Errorf("New before Migrate: got %v, want an error that names Migrate and what has not run", err)
		}
		if got := h.column(t, h.schema); len(got) != 1 {
			t.Errorf("Pending and New left %q", got)
		}
		st := h.migrated(t, "acme_")
		if pending, err := h.pending(ctx, h.DB, "acme_"); err != nil || len(pending) > 0 {
			t.Errorf("Pending after Migrate: got %v, %v, want none", pending, err)
		}
		if _, err := create(ctx, st, "ann@example.com"); err != nil {
			t.Errorf("create a user: %v", err)
		}
		if err := st.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
		if err := h.PingContext(ctx); err != nil {
			t.Errorf("the host's handle after Close: %v", err)
		}
	})
}

// TestScript runs the SQL by hand in place of Migrate: an old version, which then
// is brought up to date.
func TestScript(t *testing.T) {
	t.Parallel()
	for _, prefix := range []string{"", "acme_"} {
		var mu sync.Mutex
		schemas := map[bool]map[string][]string{true: {}, false: {}}
		for _, byScript := range []bool{false, true} {
			t.Run(fmt.Sprint(prefix, byScript), func(t *testing.T) {
				hosts(t, func(t *testing.T, h host) {
					if byScript {
						runScripts(t, h, prefix)
					}
					if _, err := create(t.Context(), h.migrated(t, prefix), "ann@example.com"); err != nil {
						t.Errorf("create a user: %v", err)
					}
					lines := withoutSchema(t, h)
					mu.Lock()
					defer mu.Unlock()
					schemas[byScript][filepath.Base(t.Name())] = lines
				})
			})
		}
		for name, want := range schemas[false] {
			if got := schemas[true][name]; !slices.Equal(got, want) {
				t.Errorf("%s: the script makes\n%q,\nwant\n%q", name, got, want)
			}
		}
		if len(schemas[false]) != 2 {
			t.Errorf("compared %d databases, want 2", len(schemas[false]))
		}
	}
}

// withoutSchema is the definition of the tables, in which the schema of
// PostgreSQL has the name that each test has.
func withoutSchema(t *testing.T, h host) []string {
	t.Helper()
	var lines []string
	for _, line := range h.column(t, h.schema) {
		words := strings.FieldsFunc(line, func(r rune) bool { return r == ' ' || r == '.' })
		lines = append(lines, strings.Join(slices.DeleteFunc(words, func(w string) bool { return strings.HasPrefix(w, "hedgerow_") && len(w) > 30 }), " "))
	}
	return lines
}

// runScripts makes the tables of version 2 and upgrades them, as somebody does who
// reads what is pending.
func runScripts(t *testing.T, h host, prefix string) {
	t.Helper()
	script := func(from int64) string {
		t.Helper()
		text, err := h.script(prefix, from)
		if err != nil {
			t.Fatalf("SQL from %d: %v", from, err)
		}
		return text
	}
	if err := h.try(t, script(3)); err == nil {
		t.Error("the script for tables of version 2 runs without any")
	}
	old, _, found := strings.Cut(script(0), "-- 3 (")
	if !found {
		t.Fatalf("the script does not say where version 3 begins")
	}
	h.exec(t, old+"commit;")
	pending, err := h.pending(t.Context(), h.DB, prefix)
	if err != nil || len(pending) < 2 || pending[0] != (storage.Migration{Version: 3, Name: "second_factor"}) {
		t.Fatalf("Pending at version 2: got %v, %v", pending, err)
	}
	if err := h.try(t, script(pending[1].Version)); err == nil {
		t.Error("a script that leaves a version out runs")
	}
	upgrade := script(pending[0].Version)
	h.exec(t, upgrade)
	if pending, err := h.pending(t.Context(), h.DB, prefix); err != nil || len(pending) > 0 {
		t.Errorf("Pending after the script: got %v, %v, want none", pending, err)
	}
	if err := h.try(t, upgrade); err == nil {
		t.Error("the script runs twice")
	}
	if _, err := h.script(prefix, 99); err == nil || !strings.Contains(err.Error(), "migration 99") {
		t.Errorf("SQL from 99: got %v, want an error that there is none", err)
	}
}

// try runs a script of one transaction and gives up what is left of it.
func (h host) try(t *testing.T, script string) error {
	t.Helper()
	conn, err := h.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_, err = conn.ExecContext(t.Context(), script)
	if err != nil {
		if _, err := conn.ExecContext(t.Context(), "rollback"); err != nil {
			t.Errorf("rollback: %v", err)
		}
	}
	return err
}
