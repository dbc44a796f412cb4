package httpapitest_test

import (
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/httpapi/httpapitest"
)

func TestPatchGitHub(t *testing.T) {
	s := httpapitest.New(t, aged("0", known))
	repos, status := githubPaths+"3/repos/", func() string {
		t.Helper()
		return pick(t, as[struct{ Results []object }](t, s, "alice", 200, "GET", linkedPath).Results[0], "installation_status")
	}
	before := want[object](t, 200, "GET", s.URL+"/_standin/github", "")
	if got := pick(t, before, "users", "branches", "codes"); got != `[{},{},{}]` || before["app"].(object)["callback_url"] != s.URL+"/complete/github-link/" {
		t.Errorf("got %v, want nobody and pages that lead back", before)
	}
	control(t, s, 200, "PATCH", "github", `{"revoke_installation_tokens": ["3"]}`)
	as[any](t, s, "alice", 200, "GET", repos)
	if got, want := routes(t, s), listRoute+", "+mintRoute+", "+listRoute; got != want {
		t.Errorf("a revoked token: got calls %s, want %s", got, want)
	}
	after := want[object](t, 200, "PATCH", s.URL+"/_standin/github", `{"installations": {"3": {"suspended": true}}}`)
	if got := pick(t, after["installations"].(object)["3"].(object), "account", "repositories", "suspended"); got != `[{"id":0,"login":"octocat","type":"User"},3,true]` {
		t.Errorf("a merged installation is %s", got)
	}
	s.Clock().Advance(3600e9)
	as[any](t, s, "alice", 200, "GET", repos) // the old list
	if got := status(); got != `["unavailable"]` {
		t.Errorf("suspended: got %s", got)
	}
	control(t, s, 200, "PATCH", "github", `{"installations": {"3": {"suspended": false}}}`)
	as[any](t, s, "alice", 200, "GET", repos)
	if got := status(); got != `["connected"]` {
		t.Errorf("no longer suspended: got %s", got)
	}
	control(t, s, 200, "PATCH", "github", `{"installations": {"3": {"deleted": true}}}`)
	s.Clock().Advance(3600e9)
	as[any](t, s, "alice", 200, "GET", repos)
	if got := status(); got != `["unavailable"]` {
		t.Errorf("deleted: got %s", got)
	}
}

// TestPatchApp changes the App for both sides: GitHub and the API.
func TestPatchApp(t *testing.T) {
	s := httpapitest.New(t, strings.Replace(linked, `"options"`, `"mail": true, "options"`, 1))
	start := func(status int) object {
		t.Helper()
		return as[object](t, s, "bob", status, "POST", githubPaths+"start/")
	}
	install := func(slug string) {
		t.Helper()
		if got := start(200)["install_url"].(string); !strings.HasPrefix(got, s.GitHubURL+"/apps/"+slug+"/installations/new?state=token%3D") {
			t.Errorf("got page %s, want one of %s", got, slug)
		}
	}
	install("acme-dev")
	control(t, s, 200, "PATCH", "github", `{"app": {"slug": "other"}}`)
	install("other")
	cookie := s.Session("bob", auth.StartOptions{}).String()
	for _, app := range []string{`{"slug": ""}`, `null`} {
		control(t, s, 200, "PATCH", "github", `{"app": `+app+`}`)
		start(400)
	}
	if status, _ := call(t, "GET", s.URL+linkedPath, "", "Cookie", cookie); status != 200 {
		t.Errorf("a session from before: got status %d", status)
	}
	if status, _ := call(t, "POST", s.URL+"/webhooks/github/", "{}"); status != 500 {
		t.Errorf("a delivery without a secret: got status %d, want 500", status)
	}
	control(t, s, 200, "PATCH", "github", `{"app": {"client_id": "x", "slug": "third", "webhook_secret": "y"}}`)
	install("third")
	if status, _ := call(t, "POST", s.URL+"/webhooks/github/", "{}"); status != 403 {
		t.Errorf("an unsigned delivery: got status %d, want 403", status)
	}
	if got := s.GitHub().State().App.CallbackURL; got != "https://app.example.com/complete/github-link/" {
		t.Errorf("a new App has callback %q", got)
	}
}

func TestFaults(t *testing.T) {
	s := httpapitest.New(t, "{}")
	post := func(fault string) {
		t.Helper()
		control(t, s, 204, "POST", "github/faults", `{"route": "GET /installation/repositories", `+fault+`}`)
	}
	repositories := func() (int, string) {
		t.Helper()
		status, text := call(t, "GET", s.URL+githubPaths+"3/repos/", "", "Cookie", s.Session("alice", auth.StartOptions{}).String())
		return status, text
	}
	for fault, want := range map[string]struct {
		status int
		code   string
		calls  int
	}{
		`"fault": "connection_refused"`:                        {503, "github_unavailable", 2},
		`"fault": "status", "status": 502`:                     {503, "github_unavailable", 2},
		`"fault": "status", "status": 500`:                     {503, "github_unavailable", 1},
		`"fault": "status", "status": 502, "times": 1`:         {200, "repositories", 2},
		`"fault": "json", "body": {"repositories": "x"}`:       {503, "github_unavailable", 1},
		`"fault": "html_200"`:                                  {503, "github_unavailable", 1},
		`"fault": "wrong_shape_200"`:                           {503, "github_unavailable", 1},
		`"fault": "plain_403"`:                                 {503, "github_unavailable", 1},
		`"fault": "rate_limit_primary_403", "reset_in": 90`:    {429, "rate_limited", 1},
		`"fault": "rate_limit_secondary_403"`:                  {429, "rate_limited", 1},
		`"fault": "rate_limit_429", "retry_after": 5`:          {429, "rate_limited", 1},
		`"fault": "truncated_json_200"`:                        {503, "github_unavailable", 1},
		`"fault": "json", "body": {"repositories": []}`:        {200, `"repositories":[]`, 1},
		`"fault": "status", "status": 404, "body": {"x": "y"}`: {503, "github_unavailable", 1},
	} {
		s.Load(aged("0", known)) // drops faults and requests
		post(fault)
		status, text := repositories()
		if status != want.status || !strings.Contains(text, want.code) {
			t.Errorf("%s: got %d %s, want %d with %s", fault, status, text, want.status, want.code)
		}
		if calls := strings.Count(routes(t, s), listRoute); calls != want.calls {
			t.Errorf("%s: got %d calls, want %d", fault, calls, want.calls)
		}
	}
	for _, how := range []struct{ path, body string }{
		{"github/faults", ""}, {"github/faults", "{}"}, {"github/faults", `{"route": "GET /installation/repositories"}`},
		{"github/faults?route=GET%20/installation/repositories", ""},
	} {
		s.Load(aged("0", known))
		post(`"fault": "html_200"`)
		post(`"fault": "plain_403"`) // replaces it
		control(t, s, 204, "DELETE", "github/faults?route=GET%20/user", "")
		if status, text := repositories(); status != 503 {
			t.Errorf("removing another fault: got %d %s", status, text)
		}
		control(t, s, 204, "DELETE", how.path, how.body)
		if status, text := repositories(); status != 200 {
			t.Errorf("%v left a fault: got %d %s", how, status, text)
		}
	}
}

func TestRequests(t *testing.T) {
	s := httpapitest.New(t, aged("1801", known))
	control(t, s, 204, "POST", "github/faults", `{"route": "POST /app/installations/{id}/access_tokens", "fault": "plain_403", "times": 1}`)
	as[any](t, s, "alice", 200, "GET", githubPaths+"3/repos/")
	if status, text := call(t, "POST", s.GitHubURL+"/login/oauth/access_token?x=1", `{"client_secret": "s", "n": [1]}`); status != 200 {
		t.Errorf("a foreign client: got %d %s", status, text)
	}
	got := control(t, s, 200, "GET", "github/requests", "")
	expected := `[{"route":"POST /app/installations/3/access_tokens","credential":"jwt","body":null},` +
		`{"route":"GET /installation/repositories","credential":"installation","body":null},` +
		`{"route":"POST /login/oauth/access_token","credential":"client","body":{"client_secret":"s","n":[1]}}]`
	if got != expected {
		t.Errorf("got  %s\nwant %s", got, expected)
	}
	control(t, s, 204, "DELETE", "github/requests", "")
	if got := control(t, s, 200, "GET", "github/requests", ""); got != "[]" {
		t.Errorf("after deleting: got %s", got)
	}
}

// TestReplaceWhileGitHubIsSilent replaces the world hundreds of times while a
// request waits for a GitHub that does not answer, or is still on its way there.
// Neither waits for the other, the next GitHub hears nothing of the old world,
// and no connection is left.
func TestReplaceWhileGitHubIsSilent(t *testing.T) {
	var s *httpapitest.Standin
	var pending sync.WaitGroup
	connections, closed := 0, sync.NewCond(&sync.Mutex{})
	arrived, release, finished := make(chan struct{}), make(chan struct{}), make(chan struct{})
	hub := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() { finished <- struct{}{} }()
		arrived <- struct{}{}
		<-release
		s.GitHub().ServeHTTP(w, r)
	}))
	hub.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		closed.L.Lock()
		defer closed.L.Unlock()
		switch state {
		case http.StateNew:
			connections++
		case http.StateClosed, http.StateHijacked:
			connections--
			closed.Signal()
		}
	}
	hub.Start()
	defer hub.Close()
	var err error
	if s, err = httpapitest.NewStandin(httpapitest.Config{PublicURL: "http://127.0.0.1", GitHubURL: hub.URL}); err != nil {
		t.Fatal(err)
	}
	send := func(method, path, body, cookie string, status int) string {
		r := httptest.NewRequest(method, "http://127.0.0.1"+path, strings.NewReader(body))
		r.Header.Set("Cookie", cookie)
		w := httptest.NewRecorder()
		if s.ServeHTTP(w, r); w.Code != status {
			t.Errorf("%s %s: got status %d, %s, want %d", method, path, w.Code, w.Body, status)
		}
		return w.Body.String()
	}
	for n := range 200 {
		send("PUT", "/_standin/world", aged("0", known), "", 200)
		cookie := strings.Split(send("POST", "/_standin/sessions", `{"user": "alice"}`, "", 200), `"`)[3]
		send("POST", "/_standin/github/faults", `{"route": "GET /installation/repositories", "fault": "no_answer"}`, "", 204)
		pending.Go(func() { send("GET", githubPaths+"3/repos/", "", cookie, 503) })
		<-arrived
		onItsWay := n%2 == 0
		if !onItsWay {
			release <- struct{}{}
		}
		send("PUT", "/_standin/world", "{}", "", 200)
		if onItsWay {
			release <- struct{}{}
		}
		<-finished
		if got := send("GET", "/_standin/github/requests", "", "", 200); got != "[]" {
			t.Fatalf("the next GitHub heard %s", got)
		}
	}
	pending.Wait()
	closed.L.Lock()
	defer closed.L.Unlock()
	for connections > 0 {
		closed.Wait()
	}
}

func TestStandinNeedsGitHubURL(t *testing.T) {
	for _, address := range []string{"", "github.example.com", "http://192.0.2.1"} {
		s, err := httpapitest.NewStandin(httpapitest.Config{PublicURL: "http://127.0.0.1", GitHubURL: address})
		if s != nil || err == nil || !strings.Contains(err.Error(), "GitHubURL") {
			t.Errorf("%q: got %v, want an error that names GitHubURL", address, err)
		}
	}
}
