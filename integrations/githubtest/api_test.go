package githubtest_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/hedgerow-dev/hedgerow/integrations/githubtest"
)

func TestAppJWT(t *testing.T) {
	w := start(t, githubtest.Organization(1))
	now, iss := w.now.Unix(), githubtest.NewApp().ClientID
	rs256 := `{"alg":"RS256","typ":"JWT"}`
	claims := func(iat, exp int64, iss string) string {
		return fmt.Sprintf(`{"iat":%d,"exp":%d,"iss":%q}`, iat, exp, iss)
	}
	good := w.jwt(rs256, claims(now-300, now+300, iss))
	for name, c := range map[string]struct {
		token string
		want  int
	}{
		"good":            {good, 200},
		"at the limits":   {w.jwt(rs256, claims(now, now+600, iss)), 200},
		"none":            {"", 401},
		"other algorithm": {w.jwt(`{"alg":"none"}`, claims(now-300, now+300, iss)), 401},
		"changed":         {good[:len(good)-4] + "AAAA", 401},
		"other issuer":    {w.jwt(rs256, claims(now-300, now+300, "other")), 401},
		"from the future": {w.jwt(rs256, claims(now+1, now+300, iss)), 401},
		"expired":         {w.jwt(rs256, claims(now-300, now, iss)), 401},
		"too long":        {w.jwt(rs256, claims(now-300, now+601, iss)), 401},
		"text as time":    {w.jwt(rs256, `{"iat":"1","exp":"2","iss":"`+iss+`"}`), 401},
		"no token at all": {"a.b", 401},
	} {
		if r := w.get("/app/installations/12345", c.token); r.status != c.want {
			t.Errorf("%s: got %d %s, want %d", name, r.status, r.text, c.want)
		}
	}
	if r := w.get("/app/installations/54321", good); r.status != http.StatusNotFound {
		t.Errorf("unknown installation: got %d", r.status)
	}
}

func TestInstallationLife(t *testing.T) {
	w := start(t, githubtest.PersonalAccount())
	jwt := w.jwt(`{"alg":"RS256"}`, fmt.Sprintf(`{"iat":%d,"exp":%d,"iss":%q}`, w.now.Unix(), w.now.Unix()+600, githubtest.NewApp().ClientID))
	create := func() reply {
		return w.do(http.MethodPost, "/app/installations/12345/access_tokens", "", "Authorization", "Bearer "+jwt)
	}
	r := create()
	token, _ := r.body["token"].(string)
	if r.status != http.StatusCreated || len(token) < 100 || r.body["expires_at"] != "2026-03-01T13:00:00Z" || r.body["repository_selection"] != "selected" {
		t.Fatalf("create token: got %d %s", r.status, r.text)
	}
	see := func() int { return w.get("/installation/repositories", token).status }
	if got := see(); got != 200 {
		t.Errorf("live token: got %d", got)
	}
	merge := func(patch string) {
		t.Helper()
		if err := w.Merge([]byte(patch)); err != nil {
			t.Fatal(err)
		}
	}
	merge(`{"installations":{"12345":{"suspended":true}}}`)
	if r := create(); see() != 403 || r.status != 403 || r.body["message"] != "This installation has been suspended" {
		t.Errorf("suspended: got %d %s", r.status, r.text)
	}
	merge(`{"installations":{"12345":{"suspended":false}}}`)
	if got := see(); got != 200 {
		t.Errorf("unsuspended: got %d", got)
	}
	merge(`{"revoke_installation_tokens":["12345"]}`)
	if got := see(); got != 401 {
		t.Errorf("revoked: got %d", got)
	}
	token, _ = create().body["token"].(string)
	if got := see(); got != 200 {
		t.Errorf("token after the revocation: got %d", got)
	}
	w.now = w.now.Add(59 * time.Minute)
	if got := see(); got != 200 {
		t.Errorf("after 59 minutes: got %d", got)
	}
	w.now = w.now.Add(time.Minute)
	if got := see(); got != 401 {
		t.Errorf("after an hour: got %d", got)
	}
	w.now = w.now.Add(-time.Hour)
	if r := w.do(http.MethodDelete, "/app/installations/12345", "", "Authorization", "Bearer "+jwt); r.status != http.StatusNoContent {
		t.Errorf("delete: got %d", r.status)
	}
	token, _ = w.IssueInstallationToken("12345", 0)
	if r := create(); see() != 401 || r.status != 404 || !w.State().Installations["12345"].Deleted {
		t.Errorf("deleted: got %d, create %d", see(), r.status)
	}
}

func TestPages(t *testing.T) {
	for size, pages := range map[int]int{0: 1, 1: 1, 100: 1, 101: 2, 650: 7} {
		w := start(t, githubtest.Organization(size))
		token, next := w.installationToken(), "/installation/repositories?per_page=500"
		seen, calls := map[string]bool{}, 0
		for next != "" {
			r := w.get(next, token)
			if calls++; r.status != 200 || r.body["total_count"] != float64(size) {
				t.Fatalf("%d repositories: got %d %v", size, r.status, r.body["total_count"])
			}
			for _, entry := range r.body["repositories"].([]any) {
				seen[entry.(map[string]any)["full_name"].(string)] = true
			}
			next = ""
			for link := range strings.SplitSeq(r.header.Get("Link"), ", ") {
				if target, rel, _ := strings.Cut(link, "; "); rel == `rel="next"` {
					next = strings.TrimPrefix(strings.Trim(target, "<>"), w.url)
				}
			}
		}
		if len(seen) != size || calls != pages {
			t.Errorf("%d repositories: saw %d in %d pages, want %d", size, len(seen), calls, pages)
		}
	}
}

func TestConditionalRequest(t *testing.T) {
	w := start(t, githubtest.Organization(3))
	token := w.installationToken()
	ask := func(tag string) reply {
		return w.do(http.MethodGet, "/installation/repositories", "", "Authorization", "Bearer "+token, "If-None-Match", tag)
	}
	first := ask("")
	second := ask(first.header.Get("ETag"))
	if second.status != http.StatusNotModified || second.text != "" || second.header.Get("X-RateLimit-Remaining") != first.header.Get("X-RateLimit-Remaining") {
		t.Errorf("unchanged: got %d %q, remaining %s after %s", second.status, second.text,
			second.header.Get("X-RateLimit-Remaining"), first.header.Get("X-RateLimit-Remaining"))
	}
	if err := w.Merge([]byte(`{"installations":{"12345":{"repositories":4}}}`)); err != nil {
		t.Fatal(err)
	}
	if third := ask(first.header.Get("ETag")); third.status != 200 || third.header.Get("X-RateLimit-Remaining") != "4998" {
		t.Errorf("changed: got %d, remaining %s", third.status, third.header.Get("X-RateLimit-Remaining"))
	}
}

func TestServesRawRepositories(t *testing.T) {
	s := githubtest.Organization(0)
	i := s.Installations[githubtest.InstallationID]
	i.Repositories.List = []json.RawMessage{githubtest.NewRepository(1, "acme", "web"), githubtest.MalformedRepository(), json.RawMessage(`7`)}
	s.Installations[githubtest.InstallationID] = i
	w := start(t, s)
	r := w.get("/installation/repositories", w.installationToken())
	list := r.body["repositories"].([]any)
	if len(list) != 3 || list[2] != float64(7) || list[1].(map[string]any)["id"] != "seven" || list[0].(map[string]any)["node_id"] == nil {
		t.Errorf("repositories: %s", r.text)
	}
}

func TestUserRoutes(t *testing.T) {
	w := start(t, githubtest.TwoInstallations())
	token := w.IssueUserToken(githubtest.Login, githubtest.UserID).AccessToken
	stranger := w.IssueUserToken("stranger", 5).AccessToken
	if r := w.get("/user", token); r.body["login"] != githubtest.Login || r.body["id"] != float64(githubtest.UserID) {
		t.Errorf("user: %s", r.text)
	}
	if r := w.get("/user/installations", token); r.body["total_count"] != float64(2) {
		t.Errorf("installations: %s", r.text)
	}
	for target, want := range map[string]int{"/user/installations/67890/repositories": 200, "/user/installations/1/repositories": 404, "/users": 404, "/user/": 404} {
		if r := w.get(target, token); r.status != want {
			t.Errorf("%s: got %d, want %d", target, r.status, want)
		}
	}
	if r := w.get("/user/installations/12345/repositories", stranger); r.status != 404 {
		t.Errorf("a stranger sees the installation: %d", r.status)
	}
	w.RevokeUserTokens(githubtest.Login)
	if r := w.get("/user", token); r.status != 401 || r.body["message"] != "Bad credentials" {
		t.Errorf("revoked: %d %s", r.status, r.text)
	}
	w.now = w.now.Add(githubtest.UserTokenLifetime)
	if r := w.get("/user", stranger); r.status != 401 {
		t.Errorf("expired: %d", r.status)
	}
	if r := w.do(http.MethodGet, "/user", "", "User-Agent", ""); r.status != 403 || !strings.Contains(r.text, "User-Agent") {
		t.Errorf("no User-Agent: %d %s", r.status, r.text)
	}
}

func TestBranches(t *testing.T) {
	s := githubtest.Organization(2)
	s.Branches = map[string]githubtest.Branches{"acme/web": {Names: []string{"main", "dev"}, Default: "dev"}}
	w := start(t, s)
	token := w.installationToken()
	for target, want := range map[string]string{
		"/repos/Acme/WEB": `"default_branch":"dev"`, "/repos/acme/web/branches": `"name":"main"`,
		"/repos/acme/repo-2": `"default_branch":"main"`, "/repos/acme/repo-2/branches": `"name":"main"`, "/repos/acme/other": "Not Found",
	} {
		if r := w.get(target, token); !strings.Contains(r.text, want) {
			t.Errorf("%s: got %d %s, want %s", target, r.status, r.text, want)
		}
	}
}
