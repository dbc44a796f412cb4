package main

import (
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/autonomy"
	"github.com/hedgerow-dev/hedgerow/integrations"
	"github.com/hedgerow-dev/hedgerow/integrations/githubtest"
	"github.com/hedgerow-dev/hedgerow/storage/sqlite"
	"github.com/hedgerow-dev/hedgerow/users"
)

// remote is a GitHub that also takes issues, which the fake one has no route for.
type remote struct {
	*githubtest.Server
	url    string
	issues []string // path and body, oldest first
}

func newRemote(t *testing.T) *remote {
	t.Helper()
	fake, err := githubtest.New(githubtest.Options{})
	if err == nil {
		err = fake.SetState(githubtest.Organization(3))
	}
	if err != nil {
		t.Fatal(err)
	}
	g := &remote{Server: fake}
	mux := http.NewServeMux()
	mux.Handle("/", fake)
	mux.HandleFunc("POST /repos/{owner}/{name}/issues", func(w http.ResponseWriter, r *http.Request) {
		// A token that may list repositories is one of the installation.
		check := httptest.NewRequestWithContext(r.Context(), http.MethodGet, "/installation/repositories", nil)
		check.Header = http.Header{"Authorization": r.Header["Authorization"], "User-Agent": {"check"}}
		answer := httptest.NewRecorder()
		fake.ServeHTTP(answer, check)
		body, err := io.ReadAll(r.Body)
		if err != nil || answer.Code != http.StatusOK {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		g.issues = append(g.issues, r.URL.Path+" "+string(body))
		w.WriteHeader(http.StatusCreated)
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	g.url = server.URL
	return g
}

// database makes a file with ann, who opted in and linked an installation, and
// bob, who did neither.
func database(t *testing.T, key []byte) string {
	t.Helper()
	ctx, path := t.Context(), filepath.Join(t.TempDir(), "accounts.db")
	store, err := sqlite.Open(ctx, path)
	if err != nil {
		t.Fatal(err)
	}
	w, err := newWorker(store, key, nil, "")
	if err != nil {
		t.Fatal(err)
	}
	credentials, err := auth.NewService(store, w.accounts, auth.Config{})
	if err != nil {
		t.Fatal(err)
	}
	ids := map[string]users.ID{}
	for _, name := range []string{"ann", "bob", "eve"} {
		u := users.New()
		u.Email, u.IsActive = name+"@example.com", name != "eve"
		if u, err = credentials.CreateUser(ctx, u, ""); err != nil {
			t.Fatal(err)
		}
		ids[name] = u.ID
	}
	for _, name := range []string{"ann", "eve"} {
		patch := autonomy.Patch{AutostartPriority: users.Set(autonomy.P2)}
		if _, err := w.autonomy.Save(ctx, users.Actor{Credential: users.ByHost}, ids[name], patch); err != nil {
			t.Fatal(err)
		}
	}
	// A token of long ago, which has to be renewed before it is used.
	link := integrations.Installation{UserID: ids["ann"], InstallationID: githubtest.InstallationID,
		TokenRefreshedAt: time.Now().Add(-time.Hour), TokenLifetime: time.Hour}
	if _, err := w.links.Import(ctx, integrations.Import{Installation: link, InstallationToken: "spent"}); err != nil {
		t.Fatal(err)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestWorker(t *testing.T) {
	g, key := newRemote(t), make([]byte, auth.EncryptionKeyBytes)
	environment := map[string]string{
		"HEDGEROW_ENCRYPTION_KEYS":        base64.StdEncoding.EncodeToString(key),
		"HEDGEROW_GITHUB_APP_CLIENT_ID":   githubtest.NewApp().ClientID,
		"HEDGEROW_GITHUB_APP_PRIVATE_KEY": g.PrivateKeyPEM(),
	}
	var in, want strings.Builder
	for _, c := range []struct{ title, user, priority, repository, outcome string }{
		{"urgent", "ann@example.com", "P1", "acme/repo-2", "task started on main"},
		{"as urgent as it must be", "ann@example.com", "P2", "ACME/repo-3", "task started on main"},
		{"not urgent", "ann@example.com", "P3", "acme/repo-2", "left to a person"},
		{"elsewhere", "ann@example.com", "P0", "acme/other", "left to a person, as nothing that they linked has the repository"},
		{"not opted in", "bob@example.com", "P0", "acme/repo-2", "left to a person"},
		{"not active", "eve@example.com", "P0", "acme/repo-2", "left to a person"},
		{"nobody", "nobody@example.com", "P0", "acme/repo-2", "failed: read user: " + users.ErrNotFound.Error()},
	} {
		fmt.Fprintf(&in, `{"user":%q,"priority":%q,"team_default":"P4","repository":%q,"title":%q}`+"\n", c.user, c.priority, c.repository, c.title)
		fmt.Fprintf(&want, "%s: %s\n", c.title, c.outcome)
	}
	var out strings.Builder
	args := []string{"-db", database(t, key), "-github", g.url}
	if err := run(t.Context(), args, func(name string) string { return environment[name] }, strings.NewReader(in.String()), &out); err != nil {
		t.Fatal(err)
	}
	if out.String() != want.String() {
		t.Errorf("got\n%s\nwant\n%s", &out, &want)
	}
	issues := []string{`/repos/acme/repo-2/issues {"body":"P1, to be fixed on main.","title":"urgent"}`,
		`/repos/ACME/repo-3/issues {"body":"P2, to be fixed on main.","title":"as urgent as it must be"}`}
	if !slices.Equal(g.issues, issues) {
		t.Errorf("issues: got %q, want %q", g.issues, issues)
	}
	if n := g.Count("POST /app/installations/{id}/access_tokens"); n != 1 {
		t.Errorf("the token was renewed %d times, want once", n)
	}
}
