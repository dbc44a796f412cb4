package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"sync"
	"testing"
)

// TestTwoProcessesRefreshOnce has 100 requests to two servers on one SQLite file
// race for an installation token and a list that have to be fetched.
func TestTwoProcessesRefreshOnce(t *testing.T) {
	world, db := filepath.Join(t.TempDir(), "world.json"), filepath.Join(t.TempDir(), "a.db")
	err := os.WriteFile(world, []byte(`{"users": {"ann": {"email": "ann@example.com"}}, "api_keys": {"k": {"owner": "ann", "scopes": ["user:read"]}},
		"integrations": [{"user": "ann", "installation_id": "12345", "installation_token_age_seconds": 3500}]}`), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	variables, gh := appVariables(t)
	for name, value := range variables {
		t.Setenv(name, value)
	}
	loader := start(t, "-db", db, "-world", world)
	if err := loader.end(t, os.Interrupt); err != nil {
		t.Fatal(err)
	}
	value := regexp.MustCompile(`phx_\w+`).FindString(loader.out.String())
	first, second := start(t, "-db", db), start(t, "-db", db)
	const callers = 100
	var wait sync.WaitGroup
	problems := make(chan string, callers)
	for n := range callers {
		base := []*child{first, second}[n%2].base
		wait.Go(func() {
			if problem := listRepositories(base, value); problem != "" {
				problems <- problem
			}
		})
	}
	wait.Wait()
	close(problems)
	for problem := range problems {
		t.Error(problem)
	}
	for _, route := range []string{"POST /app/installations/12345/access_tokens", "GET /installation/repositories"} {
		if n := gh.Count(route); n != 1 {
			t.Errorf("%s was called %d times, want once", route, n)
		}
	}
	// A restart loses neither list nor token.
	if err := second.end(t, os.Interrupt); err != nil {
		t.Fatal(err)
	}
	second = start(t, "-db", db)
	if problem := listRepositories(second.base, value); problem != "" {
		t.Error(problem)
	}
	if n := len(gh.Requests()); n != 2 {
		t.Errorf("after a restart GitHub has seen %d requests, want the 2 from before", n)
	}
}

func listRepositories(base, key string) (problem string) {
	r, err := http.NewRequest("GET", base+"/api/users/@me/integrations/github/12345/repos/", nil)
	if err != nil {
		return err.Error()
	}
	r.Header.Set("Authorization", "Bearer "+key)
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		return err.Error()
	}
	defer res.Body.Close()
	if body, err := io.ReadAll(res.Body); err != nil || res.StatusCode != http.StatusOK {
		return fmt.Sprintf("got status %d, %s, %v", res.StatusCode, body, err)
	}
	return ""
}
