package httpapi_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hedgerow-dev/hedgerow/httpapi"
	"github.com/hedgerow-dev/hedgerow/integrations/github"
	"github.com/hedgerow-dev/hedgerow/integrations/githubtest"
	"github.com/hedgerow-dev/hedgerow/storage/memory"
	"github.com/hedgerow-dev/hedgerow/users"
)

// gitHubFaults are all that GitHub can do wrong.
func gitHubFaults() []githubtest.Fault {
	status := func(status int, body string) githubtest.Fault {
		f := githubtest.Fault{Kind: githubtest.Status, Status: status}
		if body != "" {
			f.Body = json.RawMessage(body)
		}
		return f
	}
	faults := []githubtest.Fault{status(500, ""), status(502, ""), status(503, ""), status(504, ""), status(422, ""), status(401, ""), status(404, ""),
		status(403, `{"message":"This installation has been suspended"}`), {Kind: githubtest.JSON, Body: json.RawMessage(`null`)}}
	for _, kind := range []string{githubtest.ConnectionRefused, githubtest.ConnectionReset, githubtest.NoAnswer, githubtest.SlowBody, githubtest.HTML200,
		githubtest.WrongShape200, githubtest.TruncatedJSON200, githubtest.Plain403, githubtest.RateLimitPrimary403, githubtest.RateLimitSecondary403,
		githubtest.RateLimitMessage403, githubtest.RateLimit429, githubtest.HugeBody, githubtest.GzipBomb, githubtest.Redirect, githubtest.TokenMissing,
		githubtest.ExpiresAtMissing, githubtest.ExpiresAtOdd, githubtest.LinkOtherHost, githubtest.AddBetweenPages} {
		faults = append(faults, githubtest.Fault{Kind: kind})
	}
	return faults
}

const wished = "wish"

// gitHubVerbs are requests, and a call of the host, that ask GitHub.
func gitHubVerbs() []verb {
	oldToken := func(method, path string) scene {
		return func(e *env, alice users.User, cookie option) func() reply {
			e.link(cookie)
			e.advance(31 * time.Minute)
			e.dropSnapshot(alice)
			return func() reply { return e.do(method, linkPath+path, "", cookie) }
		}
	}
	listed := func(e *env, alice users.User, cookie option) func() reply {
		e.link(cookie)
		e.do("GET", reposPath, "", cookie).ok(200)
		e.advance(90 * time.Minute)
		who := e.session(alice, 0)
		return func() reply { return e.do("GET", reposPath, "", who) }
	}
	wish := func(e *env, _ users.User, cookie option) func() reply {
		page := e.startLink(cookie, "")
		return func() reply {
			back := e.visit(page)
			back.Del("installation_id")
			back.Set("setup_action", "request")
			return e.callback(cookie, back)
		}
	}
	return slices.Concat(githubVerbs(), linkedVerbs(), []verb{
		{"GET", installRoute + "/repos", "old token", oldToken("GET", "/12345/repos"), 200, 0},
		{"GET", installRoute + "/repos", "old list", listed, 200, 0},
		{"GET", installRoute + "/branches", "old token", oldToken("GET", "/12345/branches?repo=acme/repo-1"), 200, 0},
		{"GET", "/complete/github-link", wished, wish, 302, 0},
		hostCall(renewing, "", 0, func(e *env, alice users.User) func(ctx context.Context) error {
			e.link(e.session(alice, 0))
			e.advance(5 * time.Hour)
			return func(ctx context.Context) error {
				_, err := e.api.Integrations().UserToken(ctx, alice.ID, "12345")
				return err
			}
		}),
	})
}

// TestEveryFaultOfGitHub has each call to GitHub fail in every way, for each route
// that makes it. The answer is that of the contract, and what is stored is as before
// but for what GitHub has said for good. When GitHub works again, so do we. It fails
// if fallback, for instance, takes nothing for a list (if stored || true).
func TestEveryFaultOfGitHub(t *testing.T) {
	tried := map[string]bool{}
	for _, v := range gitHubVerbs() {
		o := &outside{verb: v}
		for _, route := range o.calls(t) {
			tried[route] = true
			t.Run(v.String()+"/"+route, func(t *testing.T) {
				t.Parallel()
				for _, f := range gitHubFaults() {
					f.Route = route
					o.try(t, f)
				}
			})
		}
	}
	got := strings.Join(slices.Sorted(maps.Keys(tried)), "\n")
	want := strings.Join([]string{"DELETE /app/installations/12345", infoRoute, "GET /installation/repositories", "GET /repos/acme/repo-1",
		"GET /repos/acme/repo-1/branches", userRoute, checkRoute, mintRoute, exchangeRoute}, "\n")
	if want = strings.ReplaceAll(want, "{id}", "12345"); got != want {
		t.Errorf("calls that are tried:\n%s\nwant\n%s", got, want)
	}
}

// outside is a verb that asks GitHub.
type outside struct {
	verb verb
	good string // what is answered without a fault
}

// impatient sends a request, and gives GitHub little time if that is what its fault
// takes.
func (e *env) impatient(f githubtest.Fault, send func() reply) reply {
	e.t.Helper()
	if f.Kind != githubtest.NoAnswer && f.Kind != githubtest.SlowBody {
		return send()
	}
	config, usual := e.gh.config, e.gh.Client
	config.Timeout = 100 * time.Millisecond
	var err error
	if e.gh.Client, err = github.New(config); err != nil {
		e.t.Fatal(err)
	}
	defer func() { e.gh.Client = usual }()
	return send()
}

// scene makes a world for the verb.
func (o *outside) scene(t *testing.T) (e *env, send func() reply, left func() rows) {
	t.Helper()
	n := &names{}
	e, send = newScene(t, &noting{memory.New(), n}, o.verb, nil, func(c *httpapi.Config) {
		c.GitHub.UninstallLast = true
	})
	e.gh.server.ClearRequests()
	return e, send, func() rows { return keptInMemory(e, n, o.verb) }
}

// calls are the routes of GitHub that the verb needs.
func (o *outside) calls(t *testing.T) []string {
	t.Helper()
	e, send, _ := o.scene(t)
	o.good = send().ok(o.verb.status).raw
	called := map[string]bool{}
	for _, r := range e.gh.server.Requests() {
		if !strings.Contains(r.Route, "/login/oauth/authorize") && !strings.Contains(r.Route, "/apps/") {
			called[r.Route] = true
		}
	}
	return slices.Sorted(maps.Keys(called))
}

// try sends the verb under a fault, and again without.
func (o *outside) try(t *testing.T, f githubtest.Fault) {
	t.Helper()
	e, send, left := o.scene(t)
	before := left()
	if err := e.gh.server.AddFault(f); err != nil {
		t.Fatal(err)
	}
	what := fmt.Sprintf("%s of %s %d %s", o.verb, f.Kind, f.Status, f.Body)
	r := e.impatient(f, send)
	o.answered(t, what, f, r)
	// A wish is kept also when GitHub does not say whose it is.
	if o.verb.name != wished && (r.status >= 400 || strings.Contains(r.header.Get("Location"), "github_link_error")) {
		o.unchanged(t, what, before, left())
	}
	e.gh.server.ClearFaults()
	e.advance(2 * time.Minute)
	if f.Kind == githubtest.TokenMissing && o.verb.path == renewing {
		return // GitHub has taken the token to renew, and has not given the new one
	}
	if r = send(); r.status != o.verb.status && !(o.verb.again != 0 && r.status == o.verb.again) {
		t.Errorf("%s, and then without: got %d %s, want %d", what, r.status, r.raw, o.verb.status)
	}
}

// answered fails the test unless the answer is one that the contract has.
func (o *outside) answered(t *testing.T, what string, f githubtest.Fault, r reply) {
	t.Helper()
	limited := f.Kind == githubtest.RateLimit429 || strings.HasPrefix(f.Kind, "rate_limit")
	switch {
	case r.status == o.verb.status:
		want := o.good
		if f.Route == "GET /repos/acme/repo-1" { // the default branch is not essential
			want = strings.Replace(want, `"default_branch":"main"`, `"default_branch":null`, 1)
		}
		if r.raw != o.good && r.raw != want && f.Kind != githubtest.AddBetweenPages {
			t.Errorf("%s: the answer is %s, without it %s", what, r.raw, o.good)
		}
	case o.verb.method == "host":
		if r.status != 503 && !limited {
			t.Errorf("%s: got %d %s", what, r.status, r.raw)
		}
	case limited:
		if r.refused(429, "throttled_error", "rate_limited", ""); r.header.Get("Retry-After") == "" {
			t.Errorf("%s: no Retry-After", what)
		}
	case f.Status == 404 && strings.HasSuffix(f.Route, "/branches"):
		r.refused(404, "invalid_request", "not_found", "")
	default:
		r.refused(503, "server_error", "github_unavailable", "")
	}
}

// ofTokens is what of a link may change with its tokens, and when GitHub says that
// the installation is gone; and what of the session.
var ofTokens = regexp.MustCompile(`"(UpdatedAt|TokenRefreshedAt|TokenLifetime|UnavailableSince|LastActivity)":("[^"]*"|\d+)`)

// unchanged fails the test if what is stored differs in more than that.
func (o *outside) unchanged(t *testing.T, what string, before, after rows) {
	t.Helper()
	for _, all := range []rows{before, after} {
		for _, table := range []string{"links,", "sessions"} {
			for i, line := range all[table] {
				all[table][i] = ofTokens.ReplaceAllString(line, `"$1"`)
			}
		}
	}
	if lines := difference(after, before); len(lines) > 0 {
		t.Errorf("%s changes\n\t%s", what, strings.Join(lines, "\n\t"))
	}
}
