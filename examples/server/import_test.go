package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// importLines are an export of one user, and a line that is refused.
const importLines = `{"model": "posthog.organization", "pk": "01900000-0000-7000-8000-000000000001", "fields": {"name": "Acme", "slug": "acme"}}
{"model": "posthog.user", "pk": 12, "fields": {"password": "pbkdf2_sha256$1000$seasalt$bPcw+dijvrXsVuO1sGvImpd53C5y7aKVlXIagsGKEH4=", "is_staff": true, "is_active": true, "uuid": "01900000-0000-7000-8000-000000000003", "email": "ann@example.com", "distinct_id": "distinct-ann"}}
{"model": "posthog.user", "pk": 13, "fields": {"password": "plain secret", "is_active": true, "uuid": "01900000-0000-7000-8000-000000000004", "email": "bob@example.com", "distinct_id": "distinct-bob"}}
`

// TestImport imports a file dry, with a refused line, corrected, and again, and
// then finds the user over HTTP.
func TestImport(t *testing.T) {
	dir := t.TempDir()
	db, bad, good := filepath.Join(dir, "a.db"), filepath.Join(dir, "bad.jsonl"), filepath.Join(dir, "good.jsonl")
	for path, text := range map[string]string{bad: importLines, good: strings.Replace(importLines, `"plain secret"`, `"!"`, 1)} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	const counts = ": %1 organizations, 0 domains, 0 teams, %2 users, 0 memberships, 0 API keys"
	line := func(verb, organizations, users string) string {
		return verb + strings.NewReplacer("%1", organizations, "%2", users).Replace(counts)
	}
	for _, c := range []struct {
		args   []string
		failed string // the error
		want   []string
	}{
		{[]string{"-dry-run", bad}, "1 lines were refused", []string{"line 3: posthog.user password: ", line("would be imported", "1", "1")}},
		{[]string{bad}, "1 lines were refused", []string{"line 3: posthog.user password: ", line("imported", "1", "1"), line("there already", "0", "0")}},
		{[]string{good}, "", []string{line("imported", "0", "1"), line("there already", "1", "1"), "3 lines, of which 0 are of other models and 0 were refused"}},
		{[]string{good}, "", []string{line("imported", "0", "0"), line("there already", "1", "2")}},
		{[]string{filepath.Join(dir, "none")}, "no such file", nil},
		{nil, "name one file", nil},
		{[]string{good, bad}, "name one file", nil},
	} {
		var errOut bytes.Buffer
		err := run(t.Context(), append([]string{"-db", db, "import"}, c.args...), &bytes.Buffer{}, &errOut)
		if (err == nil) != (c.failed == "") || err != nil && !strings.Contains(err.Error(), c.failed) {
			t.Errorf("import %v: got error %v, want %q", c.args, err, c.failed)
		}
		for _, want := range c.want {
			if !strings.Contains(errOut.String(), want) {
				t.Errorf("import %v: got %q, want %q in it", c.args, errOut.String(), want)
			}
		}
		for _, secret := range []string{"plain secret", "example.com", "seasalt"} {
			if strings.Contains(errOut.String(), secret) {
				t.Errorf("import %v: got %q, which tells %q", c.args, errOut.String(), secret)
			}
		}
	}
	s := start(t, "-db", db)
	key, err := command(t, "-db", db, "key", "create", "ann@example.com", "user:read")
	if err != nil {
		t.Fatal(err)
	}
	me := call(t, "GET", s.base+"/api/users/@me", strings.TrimSpace(key), "")
	if me["uuid"] != "01900000-0000-7000-8000-000000000003" || me["has_password"] != true {
		t.Errorf("the imported user is %v", me)
	}
	if err := s.end(t, os.Interrupt); err != nil {
		t.Errorf("stopping: %v", err)
	}
	if s.out.Len() != 0 {
		t.Errorf("the first start printed %q", s.out)
	}
}
