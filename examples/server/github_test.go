package main

import (
	"maps"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/hedgerow-dev/hedgerow/httpapi"
	"github.com/hedgerow-dev/hedgerow/integrations/githubtest"
)

// appVariables are all settings of the App of a fake GitHub.
func appVariables(t *testing.T) (map[string]string, *githubtest.Server) {
	t.Helper()
	gh, err := githubtest.New(githubtest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := gh.SetState(githubtest.Organization(3)); err != nil {
		t.Fatal(err)
	}
	listener := httptest.NewServer(gh)
	t.Cleanup(listener.Close)
	app := githubtest.NewApp()
	return map[string]string{
		clientIDVariable: app.ClientID, clientSecretVariable: app.ClientSecret, slugVariable: app.Slug, webhookSecretVariable: app.WebhookSecret,
		privateKeyVariable: strings.ReplaceAll(gh.PrivateKeyPEM(), "\n", `\n`), apiURLVariable: listener.URL, webURLVariable: listener.URL,
	}, gh
}

func TestConfigureGitHub(t *testing.T) {
	all, _ := appVariables(t)
	without := func(names ...string) map[string]string {
		left := maps.Clone(all)
		for _, name := range names {
			delete(left, name)
		}
		return left
	}
	with := func(name, value string) map[string]string {
		changed := maps.Clone(all)
		changed[name] = value
		return changed
	}
	app := []string{clientIDVariable, clientSecretVariable, privateKeyVariable, slugVariable}
	for name, c := range map[string]struct {
		variables map[string]string
		app       bool
		culprits  []string
	}{
		"everything":        {all, true, nil},
		"github.com":        {without(apiURLVariable, webURLVariable), true, nil},
		"no webhook secret": {without(webhookSecretVariable), true, nil},
		"nothing":           {nil, false, nil},
		"webhooks only":     {map[string]string{webhookSecretVariable: "x"}, false, nil},
		"no slug":           {without(slugVariable), false, []string{slugVariable}},
		"slug only":         {map[string]string{slugVariable: "x"}, false, app[:3]},
		"addresses only":    {without(app...), false, app},
		"no web address":    {without(webURLVariable), false, []string{webURLVariable}},
		"no API address":    {without(apiURLVariable), false, []string{apiURLVariable}},
		"plain http":        {with(apiURLVariable, "http://github.example.com"), false, []string{apiURLVariable}},
		"no key":            {with(privateKeyVariable, "s3cret"), false, []string{privateKeyVariable}},
	} {
		var g httpapi.GitHub
		err := configureGitHub(&g, func(name string) string { return c.variables[name] })
		if (err != nil) != (c.culprits != nil) || (g.Provider != nil) != c.app || string(g.WebhookSecret) != c.variables[webhookSecretVariable] {
			t.Errorf("%s: got %+v, %v", name, g, err)
		}
		for _, culprit := range c.culprits {
			if !strings.Contains(err.Error(), culprit) || strings.Contains(err.Error(), "s3cret") {
				t.Errorf("%s: got %v, want an error that names %s and no value", name, err, culprit)
			}
		}
	}
}

// TestServerWithGitHub asks a server with an App, and one without, for what a
// linked installation has. The world says only that it is linked.
func TestServerWithGitHub(t *testing.T) {
	world, db := filepath.Join(t.TempDir(), "world.json"), filepath.Join(t.TempDir(), "a.db")
	err := os.WriteFile(world, []byte(`{"users": {"ann": {"email": "ann@example.com"}}, "api_keys": {"k": {"owner": "ann", "scopes": ["user:read"]}},
		"integrations": [{"user": "ann", "installation_id": "12345", "snapshot": {"age_seconds": 0, "repositories": [{"id": 1, "name": "old", "full_name": "acme/old"}]}}]}`), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	const notice = "GitHub is not configured"
	c := start(t, "-db", db, "-world", world)
	if strings.Count(c.said, notice) != 1 {
		t.Errorf("without an App the log begins with %s, want it to say so once", c.said)
	}
	if err := c.end(t, os.Interrupt); err != nil {
		t.Fatal(err)
	}
	key := regexp.MustCompile(`phx_\w+`).FindString(c.out.String())
	variables, gh := appVariables(t)
	list := "/api/users/@me/integrations/github/12345/"
	c = start(t, "-db", db)
	if got := call(t, "GET", c.base+list+"repos/", key, ""); len(got["repositories"].([]any)) != 1 {
		t.Errorf("without an App: got %v, want what is stored", got)
	}
	if err := c.end(t, os.Interrupt); err != nil {
		t.Fatal(err)
	}
	for _, name := range slices.Sorted(maps.Keys(variables)) {
		t.Setenv(name, variables[name])
	}
	c = start(t, "-db", db)
	if strings.Contains(c.said, notice) {
		t.Errorf("with an App the log begins with %s", c.said)
	}
	if got := call(t, "GET", c.base+list+"branches/?repo=acme/repo-1", key, ""); got["default_branch"] != "main" {
		t.Errorf("with an App: got %v, want a branch", got)
	}
	if n := gh.Count("POST /app/installations/12345/access_tokens"); n != 1 {
		t.Errorf("the server asked for %d installation tokens, want 1", n)
	}
	t.Setenv(slugVariable, "")
	if _, err := command(t, "-db", db, "user", "list"); err == nil || !strings.Contains(err.Error(), slugVariable) {
		t.Errorf("half an App: got %v, want an error that names %s", err, slugVariable)
	}
}
