package httpapi_test

import (
	"bytes"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/httpapi"
	"github.com/hedgerow-dev/hedgerow/integrations"
	"github.com/hedgerow-dev/hedgerow/integrations/githubtest"
	"github.com/hedgerow-dev/hedgerow/storage/sqlite"
	"github.com/hedgerow-dev/hedgerow/users"
)

// TestIntegrationList: contract section 3.
func TestIntegrationList(t *testing.T) {
	withGitHub(t, acme, nil, func(t *testing.T, e *env) {
		alice, bob := e.user("alice"), e.user("bob")
		_, team := e.organization("acme", alice, bob)
		_, second := e.organization("beta", alice)
		who := e.session(alice, 0)
		later := func(d time.Duration, id string) func(*integrations.Installation) {
			return func(i *integrations.Installation) { i.InstallationID, i.CreatedAt = id, e.now().Add(d) }
		}
		e.seedLink(alice, later(2*time.Second, "3"))
		e.seedLink(alice, later(time.Second, "2"))
		e.seedLink(alice, later(0, "1"), func(i *integrations.Installation) {
			i.RepositorySelection, i.Account, i.GitHubUser, i.UnavailableSince = "", integrations.Account{}, integrations.Account{}, e.now()
		})
		e.seedLink(bob, later(0, "2"))
		e.teamInstallation(second.ID, "3", 0, "")
		e.teamInstallation(team.ID, "4", 0, "")
		flags := func() []string {
			t.Helper()
			var got []string
			for _, item := range e.do("GET", linkedPath+"?limit=1&offset=1", "", who).ok(200).json()["results"].([]any) {
				o := item.(object)
				s := o["installation_id"].(string)
				for _, name := range []string{"uses_shared_installation", "installation_shared"} {
					if o[name].(bool) {
						s += " " + name
					}
				}
				got = append(got, s)
			}
			return got
		}
		if got, want := flags(), []string{"1", "2 installation_shared", "3 installation_shared"}; !slices.Equal(got, want) {
			t.Errorf("list is %q, want %q", got, want)
		}
		e.do("PATCH", "/api/users/@me/", `{"set_current_team":"`+itoa(int64(second.ID))+`"}`, who).ok(200)
		if got, want := flags()[2], "3 uses_shared_installation installation_shared"; got != want {
			t.Errorf("with a current team: %q, want %q", got, want)
		}
		unknown := e.do("GET", linkedPath, "", who).json()["results"].([]any)[0].(object)
		if unknown["account"] != nil || unknown["repository_selection"] != nil || unknown["github_login"] != nil || unknown["installation_status"] != "unavailable" {
			t.Errorf("item without much is %v", unknown)
		}
		e.do("GET", linkedPath+"?kind=github", "", who).ok(200)
		e.do("GET", linkedPath+"?kind=slack", "", who).ok(200).has("results", "[]")
		for _, kind := range []string{"kind=gitlab", "kind=", "kind=GitHub", "kind=github&kind=x"} {
			for _, path := range []string{linkedPath, "/api/users/" + bob.UUID.String() + "/integrations"} {
				e.do("GET", path+"?"+kind, "", who).invalid("invalid_input", "")
			}
		}
		e.do("DELETE", "/api/users/@me/integrations/github/2", "", who).ok(204)
		if list := e.do("GET", linkedPath, "", e.session(bob, 0)).json()["results"].([]any); len(list) != 1 || list[0].(object)["installation_shared"] != false {
			t.Errorf("the other's list is %v", list)
		}
	})
}

// TestUninstall: with the option, the last link takes the App with it.
func TestUninstall(t *testing.T) {
	const gone = "DELETE /app/installations/12345"
	withGitHub(t, acme, func(c *httpapi.Config) { c.GitHub.UninstallLast = true }, func(t *testing.T, e *env) {
		alice, bob := e.user("alice"), e.user("bob")
		_, team := e.organization("acme", alice)
		who, other := e.session(alice, 0), e.session(bob, 0)
		e.seedLink(alice)
		e.seedLink(bob)
		e.do("DELETE", onePath, "", who).ok(204)
		e.calls("a link of two", map[string]int{})
		shared := e.teamInstallation(team.ID, "12345", 0, "")
		e.do("DELETE", onePath, "", other).ok(204)
		e.calls("the last personal link beside a team", map[string]int{})
		if err := e.api.Integrations().DeleteTeamInstallation(t.Context(), shared.ID); err != nil {
			t.Fatal(err)
		}
		for _, kind := range []string{"", githubtest.Status, githubtest.ConnectionRefused, githubtest.Plain403} {
			if kind != "" {
				e.fault("DELETE /app/installations/{id}", kind, func(f *githubtest.Fault) {
					if kind == githubtest.Status {
						f.Status = 500
					}
				})
			}
			e.seedLink(alice)
			e.do("DELETE", onePath, "", who).ok(204)
			e.calls("the last link", map[string]int{gone: 1})
			e.do("GET", linkedPath, "", who).has("results", "[]")
		}
		e.do("DELETE", onePath, "", who).ok(404)
		e.calls("no link", map[string]int{})
	})
}

// TestLinksOfOneInstant are listed in the order in which they were made, also when
// the clock stands still.
func TestLinksOfOneInstant(t *testing.T) {
	ids := []string{"5", "3", "6", "1", "4", "2"}
	state := func() githubtest.State {
		s := acme()
		for _, id := range ids {
			s.Installations[id] = s.Installations[githubtest.InstallationID]
		}
		s.Users[githubtest.Login] = githubtest.User{ID: githubtest.UserID, Installations: append(ids, githubtest.InstallationID)}
		return s
	}
	withGitHub(t, state, nil, func(t *testing.T, e *env) {
		who := e.session(e.user("alice"), 0)
		for _, id := range ids {
			back := e.visit(e.startLink(who, ""))
			back.Set("installation_id", id)
			e.callback(who, back).lands(linkedPage)
		}
		var got []string
		for _, item := range e.do("GET", linkedPath, "", who).ok(200).json()["results"].([]any) {
			got = append(got, item.(object)["installation_id"].(string))
		}
		if !slices.Equal(got, ids) {
			t.Errorf("list is %q, want %q", got, ids)
		}
	})
}

// TestGitHubLoginSources: contract section 9, in the order of the sources.
func TestGitHubLoginSources(t *testing.T) {
	each(t, nil, func(t *testing.T, e *env) {
		alice, bob := e.user("alice"), e.user("bob")
		_, team := e.organization("acme", alice, bob)
		who := e.session(alice, 0)
		want := func(source, login string) {
			t.Helper()
			if r := e.do("GET", "/api/users/@me/github_login/", "", who).ok(200); r.raw != `{"github_login":`+login+`}` {
				t.Errorf("%s: %s, want %s", source, r.raw, login)
			}
		}
		want("nothing", "null")
		e.teamInstallation(team.ID, "1", bob.ID, "somebody")
		e.teamInstallation(team.ID, "2", alice.ID, "")
		want("team installations without a login or of others", "null")
		for n, at := range []time.Duration{time.Hour, 0} {
			_, err := e.api.Integrations().SaveTeamInstallation(t.Context(), integrations.TeamInstallation{TeamID: team.ID, InstallationID: itoa(int64(n + 3)),
				CreatedBy: alice.ID, ConnectingLogin: []string{"Newer", "Team"}[n], CreatedAt: e.now().Add(at)})
			if err != nil {
				t.Fatal(err)
			}
		}
		want("the oldest team installation", `"Team"`)
		for _, i := range []users.Identity{{Provider: "gitlab", Subject: "1", Login: "other"}, {Provider: "github", Subject: "1"}, {Provider: "github", Subject: "2", Login: "Identity"}} {
			i.UserID = alice.ID
			if err := e.api.Users().SaveIdentity(t.Context(), i); err != nil {
				t.Fatal(err)
			}
			e.advance(time.Second)
		}
		want("an identity", `"Identity"`)
		e.seedLink(alice, func(i *integrations.Installation) { i.InstallationID, i.GitHubUser.Login = "1", "" })
		want("a link without a login", `"Identity"`)
		e.seedLink(alice, func(i *integrations.Installation) { i.InstallationID, i.GitHubUser.Login = "3", "Newest" })
		e.seedLink(alice, func(i *integrations.Installation) {
			i.InstallationID, i.GitHubUser.Login, i.CreatedAt = "2", "Oldest", e.now().Add(-time.Hour)
		})
		want("the oldest link", `"Oldest"`)
	})
}

// TestTeamInstallationRules: what the host may store.
func TestTeamInstallationRules(t *testing.T) {
	each(t, nil, func(t *testing.T, e *env) {
		_, team := e.organization("acme")
		for _, id := range []string{"", "x", "012", strings.Repeat("1", 21)} {
			_, err := e.api.Integrations().SaveTeamInstallation(t.Context(), integrations.TeamInstallation{TeamID: team.ID, InstallationID: id})
			if err == nil || !strings.Contains(err.Error(), "installation_id") {
				t.Errorf("SaveTeamInstallation of %q: %v", id, err)
			}
		}
	})
}

// buffer is a log.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

// TestNoSecretLeaks links an installation under every failure and looks for its
// secrets in answers, logs and the bytes of the database (R52, R59).
func TestNoSecretLeaks(t *testing.T) {
	dir := t.TempDir()
	st, err := sqlite.Open(t.Context(), filepath.Join(dir, "test.db"))
	if err != nil {
		t.Fatal(err)
	}
	var log buffer
	e := newEnv(t, st, func(c *httpapi.Config) {
		c.GitHub.Provider, c.GitHub.WebhookSecret = newGitHub(t, c.Now, acme()), webhookSecret
		c.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	})
	alice := e.user("alice")
	_, team := e.organization("acme", alice)
	e.teamInstallation(team.ID, "12345", 0, "")
	var answers strings.Builder
	record := func(r reply) {
		answers.WriteString(r.raw + r.header.Get("Location") + r.header.Get("Set-Cookie") + "\n")
	}
	secrets := []string{webhookSecret, string(bytes.Repeat([]byte{7}, auth.EncryptionKeyBytes)), githubtest.NewApp().ClientSecret}
	for _, route := range []string{"", exchangeRoute, userRoute, checkRoute, infoRoute, mintRoute, listRoute} {
		for _, kind := range []string{githubtest.Status, githubtest.HTML200, githubtest.ConnectionReset, githubtest.WrongShape200} {
			e.advance(time.Hour)
			who := e.session(alice, 0)
			back := e.visit(e.startLink(who, `{"team_id":`+itoa(int64(team.ID))+`}`))
			token, err := url.ParseQuery(back.Get("state"))
			if err != nil {
				t.Fatal(err)
			}
			secrets = append(secrets, back.Get("code"), token.Get("token"))
			if route != "" {
				e.fault(route, kind, func(f *githubtest.Fault) {
					if kind == githubtest.Status {
						f.Status = 500
					}
				})
			}
			record(e.callback(who, back))
			record(e.do("GET", linkedPath, "", who))
			record(e.do("GET", reposPath, "", who))
			e.gh.server.ClearFaults()
		}
	}
	link := e.storedLink(alice)
	sealer, err := auth.NewSealer(encryptionKeys...)
	if err != nil {
		t.Fatal(err)
	}
	plain, _, err := sealer.Open(link.Sealed, "installations/"+itoa(int64(alice.ID))+"/12345/tokens")
	if err != nil {
		t.Fatalf("the tokens are not sealed for their place: %v", err)
	}
	for _, part := range strings.Split(string(plain), `"`) {
		if strings.HasPrefix(part, "gh") {
			secrets = append(secrets, part, part[:len(part)/2+4])
		}
	}
	for _, r := range e.gh.server.Requests() {
		if body, ok := r.Body.(map[string]any); ok {
			if verifier, ok := body["code_verifier"].(string); ok {
				secrets = append(secrets, verifier)
			}
		}
	}
	if len(secrets) < 10 {
		t.Fatalf("only %d secrets to look for", len(secrets))
	}
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
	places := map[string]string{"an answer": answers.String(), "the log": log.b.String()}
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("files %v, %v", files, err)
	}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		places[filepath.Base(file)] = string(content)
	}
	if !strings.Contains(places["the log"], "installation_fetch_failed") || !strings.Contains(places["test.db"], "octocat") {
		t.Error("the places that are searched do not hold what they should")
	}
	for where, text := range places {
		for n, secret := range secrets {
			if strings.Contains(text, secret) {
				t.Errorf("secret %d is in %s", n, where)
			}
		}
	}
}
