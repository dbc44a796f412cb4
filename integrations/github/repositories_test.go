package github_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"

	"github.com/hedgerow-dev/hedgerow/integrations"
	"github.com/hedgerow-dev/hedgerow/integrations/github"
	"github.com/hedgerow-dev/hedgerow/integrations/githubtest"
	"github.com/hedgerow-dev/hedgerow/users"
)

const listRoute = "GET /installation/repositories"

func (w *world) list(etag string) integrations.RepositoryList {
	w.t.Helper()
	list, err := w.Repositories(w.t.Context(), w.token, etag)
	if err != nil {
		w.t.Fatal(err)
	}
	return list
}

func TestAllPages(t *testing.T) {
	// A full page without a next is followed by a look at the next one.
	for size, calls := range map[int]int{0: 1, 1: 1, 99: 1, 100: 2, 101: 2, 650: 7} {
		w := start(t, githubtest.Organization(size))
		list := w.list("")
		if len(list.Repositories) != size || w.Count(listRoute) != calls {
			t.Errorf("%d repositories: got %d in %d calls, want %d calls", size, len(list.Repositories), w.Count(listRoute), calls)
		}
		for n, r := range list.Repositories {
			if want := fmt.Sprintf("acme/repo-%d", n+1); r.FullName != want {
				t.Fatalf("repository %d of %d: got %s, want %s", n, size, r.FullName, want)
			}
		}
	}
}

func TestRepositoryMembers(t *testing.T) {
	s := githubtest.Organization(0)
	i := s.Installations[githubtest.InstallationID]
	i.Repositories.List = []json.RawMessage{
		githubtest.NewRepository(4, "acme", "web"), githubtest.MalformedRepository(), githubtest.NewRepository(3, "acme", "api"),
		json.RawMessage(`{"id":9,"name":"odd","full_name":"acme/odd","private":"yes","archived":null,"language":7,"pushed_at":[],"permissions":{"push":1},"default_branch":""}`),
		json.RawMessage(`{"id":1.5,"name":"x","full_name":"acme/x"}`), json.RawMessage(`{"id":true,"name":"x","full_name":"acme/x"}`),
		json.RawMessage(`{"id":8,"name":null,"full_name":"acme/x"}`), json.RawMessage(`{"id":99999999999999999999,"name":"x","full_name":"acme/x"}`),
		json.RawMessage(`{"id":8,"name":"x","full_name":"` + strings.Repeat("x", 5000) + `"}`), json.RawMessage(`{"ID":8,"Name":"x","Full_Name":"acme/x"}`),
	}
	s.Installations[githubtest.InstallationID] = i
	want := []integrations.Repository{
		{ID: 4, Name: "web", FullName: "acme/web", Private: users.Some(true), Archived: users.Some(true), DefaultBranch: users.Some("main"),
			Language: users.Some("Go"), PushedAt: users.Some("2026-03-01T12:00:00Z"), CanPush: users.Some(false)},
		{ID: 3, Name: "api", FullName: "acme/api", Private: users.Some(false), Archived: users.Some(false), DefaultBranch: users.Some("main"), CanPush: users.Some(true)},
		{ID: 9, Name: "odd", FullName: "acme/odd", DefaultBranch: users.Some("")},
	}
	if got := start(t, s).list("").Repositories; !reflect.DeepEqual(got, want) {
		t.Errorf("repositories:\n got %+v\nwant %+v", got, want)
	}
}

// TestMalformedEntryDoesNotEndTheList: a full page counts its malformed entries
// (contract section 15).
func TestMalformedEntryDoesNotEndTheList(t *testing.T) {
	w := start(t, githubtest.Organization(0))
	page := func(from, to int) json.RawMessage {
		entries := []string{string(githubtest.MalformedRepository())}
		for n := from; n < to; n++ {
			entries = append(entries, fmt.Sprintf(`{"id":%d,"name":"r","full_name":"acme/r"}`, n))
		}
		return json.RawMessage(`{"repositories":[` + strings.Join(entries, ",") + `]}`)
	}
	// Without any Link: only the number of raw entries says that there is more.
	w.fault(githubtest.Fault{Route: listRoute, Kind: githubtest.JSON, Times: 1, Body: page(1, 100)})
	if err := w.Update(func(s *githubtest.State) error {
		i := s.Installations["12345"]
		i.Repositories.List = make([]json.RawMessage, 103)
		for n := range i.Repositories.List {
			i.Repositories.List[n] = githubtest.NewRepository(int64(1000+n), "acme", "second")
		}
		s.Installations["12345"] = i
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if got := len(w.list("").Repositories); got != 99+3 {
		t.Errorf("got %d repositories, want 99 of the first page and 3 of the second", got)
	}
}

func TestLinkToAnotherHost(t *testing.T) {
	w := start(t, githubtest.Organization(150))
	w.fault(githubtest.Fault{Route: listRoute, Kind: githubtest.LinkOtherHost})
	if got := len(w.list("").Repositories); got != 150 {
		t.Errorf("got %d repositories; the page was full, so the next is asked for here", got)
	}
	if len(w.wire.hosts) != 1 {
		t.Errorf("requests went to %v", w.wire.hosts)
	}
}

func TestLinksThatAreNotFollowed(t *testing.T) {
	var link string
	listener := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasPrefix(r.URL.Path, "/v3/") {
			t.Errorf("%s was asked for", r.URL)
		}
		w.Header().Set("Link", link)
		id := len(r.URL.RawQuery) // differs between the first and the followed page
		_, _ = fmt.Fprintf(w, `{"repositories":[{"id":%d,"name":"r","full_name":"acme/r"}]}`, id)
		link = ""
	}))
	defer listener.Close()
	var transport http.Transport
	defer transport.CloseIdleConnections()
	c, err := github.New(github.Config{APIURL: listener.URL + "/v3", Transport: &transport})
	if err != nil {
		t.Fatal(err)
	}
	host := strings.TrimPrefix(listener.URL, "http://")
	for target, want := range map[string]int{
		listener.URL + "/v3/installation/repositories?page=2":                   2,
		"/v3/installation/repositories?page=2":                                  2,
		"?page=2&a=1,2,3":                                                       2,
		listener.URL + "/installation/repositories?page=2":                      1,
		listener.URL + "/v3/../installation/repositories?page=2":                1,
		listener.URL + "/v3/%2e%2e/installation/repositories":                   1,
		listener.URL + "/v33/installation/repositories?page=2":                  1,
		"https://" + host + "/v3/installation/repositories":                     1,
		"http://user@" + host + "/v3/installation/repositories":                 1,
		"http://" + host + ".evil.example/v3/installation/repositories":         1,
		"http://evil.example/" + host + "/v3/installation/repositories?page=2":  1,
		"//evil.example/v3/installation/repositories":                           1,
		"javascript:alert(1)":                                                   1,
		"http://%zz":                                                            1,
		listener.URL + "/v3/installation/repositories?page=2>; rel=\"last\", <": 1,
	} {
		link = `<` + listener.URL + `/v3/first>; rel="prev", <` + target + `>; rel="next"; x="y"`
		list, err := c.Repositories(t.Context(), "ghs_x", "")
		if err != nil || len(list.Repositories) != want {
			t.Errorf("%s: got %d pages, %v, want %d", target, len(list.Repositories), err, want)
		}
	}
}

// TestRepositoryAddedBetweenPages: the next page then repeats one.
func TestRepositoryAddedBetweenPages(t *testing.T) {
	w := start(t, githubtest.Organization(250))
	w.fault(githubtest.Fault{Route: listRoute, Kind: githubtest.AddBetweenPages})
	seen := map[string]bool{}
	for _, r := range w.list("").Repositories {
		if seen[r.FullName] {
			t.Errorf("%s is there twice", r.FullName)
		}
		seen[r.FullName] = true
	}
	for n := 1; n <= 250; n++ {
		if name := fmt.Sprintf("acme/repo-%d", n); !seen[name] {
			t.Errorf("%s is missing", name)
		}
	}
}

func TestUnchangedListIsFree(t *testing.T) {
	w := start(t, githubtest.Organization(250))
	first := w.list("")
	remaining := func() string {
		res := w.visitAPI("/installation/repositories")
		return res.Header.Get("X-RateLimit-Used")
	}
	if got := remaining(); got != "4" {
		t.Fatalf("three pages and a look: used %s", got)
	}
	w.ClearRequests()
	if again := w.list(first.ETag); !again.NotModified || again.Repositories != nil || again.ETag != "" || w.Count(listRoute) != 3 {
		t.Errorf("unchanged: got %+v in %d calls", again, w.Count(listRoute))
	}
	if got := remaining(); got != "5" {
		t.Errorf("the second list counted against the limit: used %s", got)
	}
	w.merge(`{"installations":{"12345":{"repositories":251}}}`)
	w.ClearRequests()
	changed := w.list(first.ETag)
	if changed.NotModified || len(changed.Repositories) != 251 || changed.ETag == first.ETag || w.Count(listRoute) != 3 {
		t.Errorf("changed: got %d in %d calls", len(changed.Repositories), w.Count(listRoute))
	}
}

// TestChangeOnALaterPage is seen although the first page is as it was.
func TestChangeOnALaterPage(t *testing.T) {
	w := start(t, githubtest.Organization(0))
	rename := func(name string) {
		t.Helper()
		if err := w.Update(func(s *githubtest.State) error {
			i := s.Installations["12345"]
			i.Repositories.List = nil
			for n := range 150 {
				i.Repositories.List = append(i.Repositories.List, githubtest.NewRepository(int64(n+1), "acme", fmt.Sprint("r", n)))
			}
			i.Repositories.List[140] = githubtest.NewRepository(141, "acme", name)
			s.Installations["12345"] = i
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	rename("before")
	first := w.list("")
	rename("after")
	if got := w.list(first.ETag); got.NotModified || len(got.Repositories) != 150 || got.Repositories[140].Name != "after" {
		t.Errorf("got %+v", got.NotModified)
	}
}

func TestOddTagsAreNotSent(t *testing.T) {
	w := start(t, githubtest.Organization(1))
	for _, etag := range []string{" ", "a  b", "a\nb", strings.Repeat("x", 300), strings.TrimSpace(strings.Repeat("x ", 101)), "ä"} {
		w.ClearRequests()
		if got := w.list(etag); got.NotModified || len(got.Repositories) != 1 || w.Requests()[0].Header.Get("If-None-Match") != "" {
			t.Errorf("etag %q: got %+v", etag, got)
		}
	}
}

func TestTooManyPages(t *testing.T) {
	w := start(t, githubtest.Organization(10_001))
	_, err := w.Repositories(t.Context(), w.token, "")
	wantKind(t, "10,001 repositories", err, integrations.Unreachable)
	if got := w.Count(listRoute); got != 100 {
		t.Errorf("%d pages were read, want 100", got)
	}
}

func TestBranches(t *testing.T) {
	s := acme()
	names := []string{"main"}
	for n := range 120 {
		names = append(names, fmt.Sprintf("feature/%d", n))
	}
	s.Branches["acme/web"] = githubtest.Branches{Names: names, Default: "main"}
	w := start(t, s)
	if got, err := w.Branches(t.Context(), w.token, "acme/web"); err != nil || !reflect.DeepEqual(got, names) {
		t.Errorf("Branches: got %d, %v", len(got), err)
	}
	if got, err := w.DefaultBranch(t.Context(), w.token, "acme/web"); err != nil || got != "main" {
		t.Errorf("DefaultBranch: got %q, %v", got, err)
	}
	_, err := w.Branches(t.Context(), w.token, "acme/other")
	wantKind(t, "Branches of another repository", err, integrations.Missing)
	_, err = w.DefaultBranch(t.Context(), w.token, "acme/web?x=/../..")
	wantKind(t, "DefaultBranch of an odd name", err, integrations.Missing)
}

// visitAPI sends a request with the installation's token, past the client.
func (w *world) visitAPI(path string) *http.Response {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.t.Context(), http.MethodGet, w.url+path, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+string(w.token))
	res, err := w.wire.RoundTrip(r)
	if err != nil {
		w.t.Fatal(err)
	}
	res.Body.Close()
	return res
}
