package httpapi_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hedgerow-dev/hedgerow/httpapi"
	"github.com/hedgerow-dev/hedgerow/integrations"
	"github.com/hedgerow-dev/hedgerow/integrations/github"
	"github.com/hedgerow-dev/hedgerow/integrations/githubtest"
)

// outage is a row of contract section 13: what GitHub does, and what a caller
// without a stored list gets.
type outage struct {
	name, kind string
	status     int // of the fault
	change     func(*githubtest.Fault)
	limited    string // Retry-After; "" for 503
}

func outages() []outage {
	seconds := func(n int) func(*githubtest.Fault) {
		return func(f *githubtest.Fault) { f.RetryAfter, f.ResetIn = &n, nil }
	}
	reset := func(n int) func(*githubtest.Fault) { return func(f *githubtest.Fault) { f.ResetIn = &n } }
	list := []outage{
		{"refused connection", githubtest.ConnectionRefused, 0, nil, ""},
		{"reset", githubtest.ConnectionReset, 0, nil, ""},
		{"500", githubtest.Status, 500, nil, ""},
		{"502", githubtest.Status, 502, nil, ""},
		{"503", githubtest.Status, 503, nil, ""},
		{"504", githubtest.Status, 504, nil, ""},
		{"404", githubtest.Status, 404, nil, ""},
		{"page", githubtest.HTML200, 0, nil, ""},
		{"wrong shape", githubtest.WrongShape200, 0, nil, ""},
		{"truncated", githubtest.TruncatedJSON200, 0, nil, ""},
		{"too large", githubtest.HugeBody, 0, nil, ""},
		{"bomb", githubtest.GzipBomb, 0, nil, ""},
		{"redirect", githubtest.Redirect, 0, nil, ""},
		{"403", githubtest.Plain403, 0, nil, ""},
		{"primary limit", githubtest.RateLimitPrimary403, 0, reset(90), "90"},
		{"primary limit that has just ended", githubtest.RateLimitPrimary403, 0, reset(0), "1"},
		{"secondary limit", githubtest.RateLimitSecondary403, 0, seconds(7), "7"},
		{"limit by its message", githubtest.RateLimitMessage403, 0, nil, "60"},
		{"429", githubtest.RateLimit429, 0, nil, "60"},
		{"429 with a hint", githubtest.RateLimit429, 0, seconds(5), "5"},
	}
	for i := range list {
		if change := list[i].change; change == nil {
			status := list[i].status
			list[i].change = func(f *githubtest.Fault) { f.Status = status }
		}
	}
	return list
}

func TestD11RepositoryOutages(t *testing.T) {
	withGitHub(t, acme, nil, func(t *testing.T, e *env) {
		alice := e.user("alice")
		e.link(e.session(alice, 0))
		who := e.key(alice, "user:write")
		for _, o := range outages() {
			e.gh.server.ClearFaults()
			e.dropSnapshot(alice)
			e.do("GET", reposPath, "", who).ok(200)
			at := e.storedLink(alice).SnapshotAt
			e.advance(time.Hour)
			e.fault(listRoute, o.kind, o.change)
			if names := e.do("GET", reposPath, "", who).ok(200).has("has_more", "false").names(); len(names) != 3 {
				t.Errorf("%s with a stored list: got %v", o.name, names)
			}
			if i := e.storedLink(alice); !i.SnapshotAt.Equal(at) {
				t.Errorf("%s moved the time of the list", o.name)
			}
			e.do("POST", reposPath+"refresh/", "", who).invalid("invalid_input", "")

			e.dropSnapshot(alice)
			for _, send := range []func() reply{
				func() reply { return e.do("GET", reposPath, "", who) }, func() reply { return e.do("POST", reposPath+"refresh/", "", who) },
			} {
				r := send()
				if o.limited == "" {
					r.refused(503, "server_error", "github_unavailable", "")
				} else if r.refused(429, "throttled_error", "rate_limited", ""); r.header.Get("Retry-After") != o.limited {
					t.Errorf("%s: Retry-After is %q, want %s", o.name, r.header.Get("Retry-After"), o.limited)
				}
			}
			if list, err := e.store.Repositories(t.Context(), e.storedLink(alice).ID); err != nil || len(list) != 3 {
				t.Errorf("%s cleared the stored list: %v %v", o.name, list, err)
			}
			if t.Failed() {
				t.Fatalf("after %q", o.name)
			}
		}
	})
}

// TestSlowGitHub: no answer ends in time for one from what is stored.
func TestSlowGitHub(t *testing.T) {
	each(t, func(c *httpapi.Config) {
		c.GitHub.Provider = newGitHub(t, c.Now, acme(), func(c *github.Config) { c.Timeout = 30 * time.Millisecond })
	}, func(t *testing.T, e *env) {
		alice := e.user("alice")
		who := e.session(alice, 0)
		e.link(who)
		e.do("GET", reposPath, "", who).ok(200)
		e.advance(time.Hour)
		for _, kind := range []string{githubtest.NoAnswer, githubtest.SlowBody} {
			e.fault(listRoute, kind)
			e.do("GET", reposPath, "", who).ok(200)
		}
		e.dropSnapshot(alice)
		e.do("GET", reposPath, "", who).refused(503, "server_error", "github_unavailable", "")
	})
}

// TestSnapshotLife: contract section 13, what is fresh and what moves.
func TestSnapshotLife(t *testing.T) {
	withGitHub(t, acme, nil, func(t *testing.T, e *env) {
		alice := e.user("alice")
		e.link(e.session(alice, 0))
		who := e.key(alice, "user:read")
		get := func(what string, calls int) reply {
			t.Helper()
			r := e.do("GET", reposPath, "", who).ok(200)
			want := map[string]int{}
			if calls > 0 {
				want[listRoute] = calls
			}
			for _, request := range e.gh.server.Requests() { // tokens come and go by their own rules
				if request.Route == mint12345 {
					want[mint12345]++
				}
			}
			e.calls(what, want)
			return r
		}
		get("no list", 1)
		e.advance(time.Hour - time.Microsecond)
		get("a list of almost an hour", 0)
		e.advance(time.Microsecond)
		get("a list of an hour, unchanged at GitHub", 1)
		if i := e.storedLink(alice); !i.SnapshotAt.Equal(e.now()) || i.ETag == "" {
			t.Errorf("an unchanged list left %+v", i)
		}
		get("the same list", 0)
		e.advance(time.Hour)
		e.merge(`{"installations":{"12345":{"repositories":0}}}`)
		if names := get("an empty list", 1).names(); len(names) != 0 {
			t.Errorf("repositories are %v", names)
		}
		get("an empty list is a list", 0)
		e.alter(alice, func(i *integrations.Installation) { i.SnapshotAt, i.ETag = time.Time{}, "old" })
		e.do("GET", reposPath, "", who).ok(200)
		if requests := e.gh.server.Requests(); len(requests) != 1 || requests[0].Header.Get("If-None-Match") != "" {
			t.Errorf("a list without a time was asked for by %v", requests)
		}
	})
}

// TestSharedRefresh: many cold requests cost one call.
func TestSharedRefresh(t *testing.T) {
	withGitHub(t, acme, nil, func(t *testing.T, e *env) {
		alice := e.user("alice")
		who := e.session(alice, 0)
		e.link(who)
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() {
				if r := e.do("GET", reposPath, "", who); r.status != 200 {
					t.Errorf("status %d: %s", r.status, r.raw)
				}
			})
		}
		wg.Wait()
		e.calls("100 cold requests", map[string]int{listRoute: 1})
	})
}

// TestRepositoryQuery: contract section 5.
func TestRepositoryQuery(t *testing.T) {
	withGitHub(t, func() githubtest.State {
		s := githubtest.Organization(0)
		i := s.Installations["12345"]
		i.Repositories.List = []json.RawMessage{githubtest.NewRepository(1, "acme", "Web"), githubtest.MalformedRepository(), githubtest.NewRepository(2, "acme", "api"),
			json.RawMessage(`{"id":3,"name":"bare","full_name":"acme/bare","private":"no","archived":null,"language":null,"permissions":[]}`)}
		s.Installations["12345"] = i
		return s
	}, nil, func(t *testing.T, e *env) {
		alice, bob := e.user("alice"), e.user("bob")
		who := e.session(alice, 0)
		e.link(who)
		if r := e.do("GET", reposPath, "", who).ok(200); !slices.Equal(r.names(), []string{"acme/Web", "acme/api", "acme/bare"}) ||
			!strings.Contains(r.raw, `{"id":3,"name":"bare","full_name":"acme/bare"}`) ||
			!strings.Contains(r.raw, `"private":`) || !strings.Contains(r.raw, `"can_push":`) || !strings.Contains(r.raw, `"default_branch":`) {
			t.Errorf("repositories are %s", r.raw)
		}
		for query, want := range map[string][]string{
			"search=%20WEB%20": {"acme/Web"}, "search=+": {"acme/Web", "acme/api", "acme/bare"}, "search=acme/a": {"acme/api"}, "search=%25": {}, "search=.": {},
			"limit=1": {"acme/Web"}, "limit=+2+&offset=1.0": {"acme/api", "acme/bare"}, "limit=&offset=": {"acme/Web", "acme/api", "acme/bare"},
			"limit=0&limit=1": {"acme/Web"}, "offset=3": {}, "offset=99999999999999999999": {}, "limit=500": {"acme/Web", "acme/api", "acme/bare"},
			"search=a&limit=1&offset=1": {"acme/api"}, "unknown=1": {"acme/Web", "acme/api", "acme/bare"}, "search=" + strings.Repeat("x", 256): {},
		} {
			if got := e.do("GET", reposPath+"?"+query, "", who).ok(200).names(); !slices.Equal(got, want) {
				t.Errorf("%s: got %v, want %v", query, got, want)
			}
		}
		e.do("GET", reposPath+"?limit=2", "", who).has("has_more", "true")
		e.do("GET", reposPath+"?limit=3", "", who).has("has_more", "false")
		for query, want := range map[string][2]string{
			"limit=0": {"min_value", "limit"}, "limit=501": {"max_value", "limit"}, "limit=abc": {"invalid_input", "limit"}, "limit=1.5": {"invalid_input", "limit"},
			"limit=1e2": {"invalid_input", "limit"}, "limit=%2B5": {"invalid_input", "limit"}, "limit=007": {"invalid_input", "limit"},
			"limit=%D9%A5": {"invalid_input", "limit"}, "limit=-1": {"min_value", "limit"}, "limit=99999999999999999999": {"max_value", "limit"},
			"offset=-1": {"min_value", "offset"}, "offset=abc": {"invalid_input", "offset"}, "offset=+": {"invalid_input", "offset"},
			"search=" + strings.Repeat("x", 257): {"max_length", "search"},
		} {
			for _, path := range []string{reposPath, "/api/users/" + bob.UUID.String() + "/integrations/github/999/repos"} {
				e.do("GET", path+"?"+query, "", who).invalid(want[0], want[1])
			}
		}
		e.do("GET", "/api/users/"+bob.UUID.String()+"/integrations/github/12345/repos/", "", who).refused(403, "authentication_error", "permission_denied", "")
	})
}

// TestInstallationSegment: only the very digits name an installation, and only
// one's own.
func TestInstallationSegment(t *testing.T) {
	withGitHub(t, acme, nil, func(t *testing.T, e *env) {
		alice, bob := e.user("alice"), e.user("bob")
		e.seedLink(alice)
		who, other := e.session(alice, 0), e.session(bob, 0)
		for _, segment := range []string{"012345", "12345a", "-12345", "+12345", "12345.0", "%31234%35a", "１２３４５", "777", url.PathEscape("1/2")} {
			for _, path := range []string{"", "/repos", "/branches?repo=acme/web"} {
				method := "GET"
				if path == "" {
					method = "DELETE"
				}
				e.do(method, "/api/users/@me/integrations/github/"+segment+path, "", who).refused(404, "invalid_request", "not_found", "")
			}
			e.do("POST", "/api/users/@me/integrations/github/"+segment+"/repos/refresh", "", who).refused(404, "invalid_request", "not_found", "")
		}
		e.do("DELETE", onePath, "", other).refused(404, "invalid_request", "not_found", "")
		e.do("GET", reposPath, "", other).refused(404, "invalid_request", "not_found", "")
		e.do("GET", reposPath, "", who).ok(200)
		e.calls("no link", map[string]int{})
	})
}

// TestA03RefreshRepositories: contract section 6.
func TestA03RefreshRepositories(t *testing.T) {
	withGitHub(t, func() githubtest.State { return githubtest.Organization(120) }, nil, func(t *testing.T, e *env) {
		alice := e.user("alice")
		who := e.session(alice, 0)
		e.link(who)
		refresh := func(what string, calls, repositories int) {
			t.Helper()
			r := e.do("POST", reposPath+"refresh/", `[1]`, who).ok(200).has("installation_status", `"connected"`)
			if n := len(r.names()); n != repositories {
				t.Errorf("%s: %d repositories, want %d", what, n, repositories)
			}
			if n := e.gh.server.Count(listRoute); n != calls {
				t.Errorf("%s: %d calls, want %d", what, n, calls)
			}
			e.gh.server.ClearRequests()
		}
		refresh("first", 2, 120)
		e.merge(`{"installations":{"12345":{"repositories":4}}}`)
		e.advance(30*time.Second - time.Microsecond)
		refresh("too soon", 0, 120)
		e.advance(time.Microsecond)
		refresh("after 30 seconds", 1, 4)

		e.merge(`{"installations":{"12345":{"suspended":true}}}`)
		e.advance(time.Hour)
		r := e.do("POST", reposPath+"refresh/", "", who).ok(200).has("installation_status", `"unavailable"`)
		if n := len(r.names()); n != 4 {
			t.Errorf("the stored list has %d repositories", n)
		}
	})
}

// TestBranches: contract section 6.
func TestBranches(t *testing.T) {
	const branchRoute, defaultRoute = "GET /repos/acme/web/branches", "GET /repos/acme/web"
	withGitHub(t, func() githubtest.State {
		s := acme()
		names := []string{"api", "dev", "main", "Feature"}
		for n := range 150 {
			names = append(names, fmt.Sprintf("topic-%03d", n))
		}
		s.Branches = map[string]githubtest.Branches{"acme/web": {Names: names, Default: "main"}}
		return s
	}, nil, func(t *testing.T, e *env) {
		alice := e.user("alice")
		e.link(e.session(alice, 0))
		who := e.key(alice, "user:read")
		path := onePath + "branches/"
		get := func(query string) reply { t.Helper(); return e.do("GET", path+"?"+query, "", who).ok(200) }
		get("repo=acme/web&limit=3").has("branches", `["main","api","dev"]`).has("default_branch", `"main"`).has("has_more", "true")
		e.calls("cold branches", map[string]int{branchRoute: 2, defaultRoute: 1})
		get("repo=ACME/Web&search=FEAT").has("branches", `["Feature"]`).has("has_more", "false")
		get("repo=acme/web&limit=1000&offset=153").has("branches", `["topic-149"]`)
		get("repo=acme/web&offset=200").has("branches", `[]`)
		e.calls("warm branches", map[string]int{})

		for query, want := range map[string][2]string{
			"": {"required", "repo"}, "repo=": {"blank", "repo"}, "repo=+": {"blank", "repo"}, "repo=web": {"invalid_input", ""}, "repo=a/b/c": {"invalid_input", ""},
			"repo=../web": {"invalid_input", ""}, "repo=acme/..": {"invalid_input", ""}, "repo=acme/w%20b": {"invalid_input", ""}, "repo=acme/": {"invalid_input", ""},
			"repo=acme/w%3Fb": {"invalid_input", ""}, "repo=acme/web&limit=1001": {"max_value", "limit"}, "repo=acme/web&limit=0": {"min_value", "limit"},
			"repo=acme/web&offset=-1": {"min_value", "offset"},
		} {
			e.do("GET", path+"?"+query, "", who).invalid(want[0], want[1])
		}
		e.do("GET", path+"?repo=acme/nothing", "", who).refused(404, "invalid_request", "not_found", "")
		e.gh.server.ClearRequests()

		e.advance(10 * time.Minute)
		e.merge(`{"branches":{"acme/web":{"names":["dev","main","new"],"default":"dev"}}}`)
		get("repo=acme/web").has("branches", `["main","dev","new"]`).has("default_branch", `"main"`)
		e.calls("branches of ten minutes: the default branch is still remembered", map[string]int{branchRoute: 1})
		for _, kind := range []string{githubtest.ConnectionRefused, githubtest.Plain403, githubtest.RateLimit429, githubtest.HTML200} {
			e.advance(time.Hour)
			e.fault(branchRoute, kind)
			get("repo=acme/web").has("branches", `["main","dev","new"]`)
		}
		e.advance(24 * time.Hour)
		e.do("GET", path+"?repo=acme/web", "", who).refused(503, "server_error", "github_unavailable", "")
		e.gh.server.ClearFaults()

		e.fault(defaultRoute, githubtest.Status, func(f *githubtest.Fault) { f.Status = 500 })
		get("repo=acme/web").has("branches", `["dev","main","new"]`).has("default_branch", "null")
		e.gh.server.ClearFaults()
		e.advance(10 * time.Minute)
		get("repo=acme/web").has("branches", `["dev","main","new"]`).has("default_branch", `"dev"`)
		e.advance(24*time.Hour - time.Microsecond)
		e.fault(defaultRoute, githubtest.Status, func(f *githubtest.Fault) { f.Status = 500 })
		e.merge(`{"branches":{"acme/web":{"names":["main","new"],"default":"main"}}}`)
		get("repo=acme/web").has("default_branch", "null")
		if n, err := e.api.Integrations().DeleteExpired(t.Context()); err != nil || n != 0 {
			t.Errorf("DeleteExpired: %d, %v", n, err)
		}
		e.advance(24 * time.Hour)
		if n, err := e.api.Integrations().DeleteExpired(t.Context()); err != nil || n != 1 {
			t.Errorf("DeleteExpired: %d, %v", n, err)
		}
	})
}

// TestBranchesOfAGoneInstallation: contract section 13. That GitHub no longer
// knows the installation says nothing about the repository.
func TestBranchesOfAGoneInstallation(t *testing.T) {
	withGitHub(t, acme, nil, func(t *testing.T, e *env) {
		who := e.session(e.user("alice"), 0)
		e.link(who)
		for _, state := range []string{`{"deleted":true}`, `{"deleted":false,"suspended":true}`} {
			e.merge(`{"installations":{"12345":` + state + `}}`)
			e.do("GET", onePath+"branches/?repo=acme/web", "", who).refused(503, "server_error", "github_unavailable", "")
		}
	})
}
