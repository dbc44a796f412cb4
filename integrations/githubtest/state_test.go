package githubtest_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/hedgerow-dev/hedgerow/integrations/githubtest"
)

const github = `{"app":{"client_id":"Iv1.x","client_secret":"s","slug":"acme-dev","webhook_secret":""},
 "users":{"octocat":{"id":99,"installations":["12345"]}},
 "installations":{"12345":{"account":{"type":"User","login":"octocat"},"repository_selection":"selected","repositories":3}},
 "branches":{"acme/web":{"names":["main","dev"],"default":"main"}},
 "codes":{"code_1":{"user":"octocat","redirect_uri":"https://app.example.com/complete/github-link/"}}}`

func TestStateMergesAndRoundTrips(t *testing.T) {
	w := start(t, githubtest.State{})
	for _, patch := range []string{
		github,
		`{"installations":{"12345":{"suspended":true}},"app":{"slug":"other"}}`,
		`{"users":{"hubot":{"id":7,"installations":[]}},"visitor":{"user":"hubot"}}`,
	} {
		if err := w.Merge([]byte(patch)); err != nil {
			t.Fatalf("Merge(%s): %v", patch, err)
		}
	}
	s := w.State()
	i := s.Installations["12345"]
	if !i.Suspended || i.Account.Login != "octocat" || i.Repositories.Count != 3 || s.App.Slug != "other" || s.App.ClientID != "Iv1.x" || len(s.Users) != 2 {
		t.Errorf("merged state: %+v, app %+v", s, s.App)
	}
	first, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	var again githubtest.State
	if err := json.Unmarshal(first, &again); err != nil {
		t.Fatalf("reading %s: %v", first, err)
	}
	if second, _ := json.Marshal(again); string(second) != string(first) {
		t.Errorf("round trip:\n got %s\nwant %s", second, first)
	}
	if err := w.Merge([]byte(`{"app":null}`)); err != nil || w.State().App != nil {
		t.Errorf("app null: %v, %+v", err, w.State().App)
	}
}

func TestStateRefusesWithThePath(t *testing.T) {
	for patch, path := range map[string]string{
		`{"apps":{}}`:                                             "/apps: unknown member",
		`{"App":{}}`:                                              "/App: unknown member",
		`{"app":{"client_ID":"x"}}`:                               "/app/client_ID: unknown member",
		`{"app":{"slug":7}}`:                                      "/app/slug: want string",
		`{"users":[]}`:                                            "/users: want an object",
		`{"users":{"a":{"id":"1"}}}`:                              "/users/a/id: want int64",
		`{"users":{"a":{"id":1,"id":2}}}`:                         "/users/a/id: given twice",
		`{"users":{"a":{"installations":[1]}}}`:                   "/users/a/installations: want string",
		`{"users":{"a":{"installations":["x"]}}}`:                 "/users/a/installations/0",
		`{"installations":{"012":{}}}`:                            "/installations/012: not an installation id",
		`{"installations":{"1":{"repositories":"many"}}}`:         "/installations/1/repositories: want a number or a list",
		`{"installations":{"1":{"repositories":-1}}}`:             "/installations/1/repositories: negative",
		`{"installations":{"1":{"account":{"name":"x"}}}}`:        "/installations/1/account/name: unknown member",
		`{"branches":{"web":{"names":[]}}}`:                       "/branches/web",
		`{"codes":{"c":{"user":"nobody"}}}`:                       `/codes/c/user: no user "nobody"`,
		`{"visitor":{"user":"nobody"}}`:                           `/visitor/user: no user "nobody"`,
		`[]`:                                                      "want an object",
		`{"users":{}} {}`:                                         "text after",
		`{"users":`:                                               "/users",
		`{"installations":{"1":{"deleted":"yes"}},"users":{}}`:    "/installations/1/deleted: want bool",
		`{"revoke_installation_tokens":[5]}`:                      "/revoke_installation_tokens: want string",
		`{"codes":{"c":{"user":"octocat","redirect_url":"x"}}}`:   "/codes/c/redirect_url: unknown member",
		`{"branches":{"acme/web":{"names":"main"}}}`:              "/branches/acme~1web/names: want []string",
		`{"app":{"webhook_secret":"x"},"visitor":{"with":"x"}}`:   "/visitor/with: unknown member",
		`{"installations":{"12345":{"Repository_selection":""}}}`: "/installations/12345/Repository_selection",
	} {
		w := start(t, githubtest.Organization(1))
		before, _ := json.Marshal(w.State())
		if err := w.Merge([]byte(patch)); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("Merge(%s): got %v, want %q", patch, err, path)
		}
		if after, _ := json.Marshal(w.State()); string(after) != string(before) {
			t.Errorf("Merge(%s) failed and changed the state to %s", patch, after)
		}
	}
}

func TestStateIsCopied(t *testing.T) {
	mine := githubtest.Organization(1)
	w := start(t, mine)
	mine.Users["intruder"] = githubtest.User{}
	mine.Installations[githubtest.InstallationID].Account.Login = "evil"
	theirs := w.State()
	theirs.Users["intruder"] = githubtest.User{}
	theirs.App.ClientID = "evil"
	got := w.State()
	if len(got.Users) != 1 || got.App.ClientID == "evil" || got.Installations[githubtest.InstallationID].Account.Login != "acme" {
		t.Errorf("the state of the server changed from outside: %+v", got)
	}
}
