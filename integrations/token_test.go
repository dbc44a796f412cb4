package integrations_test

import (
	"errors"
	"testing"
	"time"

	"github.com/hedgerow-dev/hedgerow/integrations"
	"github.com/hedgerow-dev/hedgerow/integrations/githubtest"
	"github.com/hedgerow-dev/hedgerow/users"
)

func TestInstallationToken(t *testing.T) {
	const mint = "POST /app/installations/{id}/access_tokens"
	w, ctx := newWorld(t), t.Context()
	if _, err := w.InstallationToken(ctx, w.user.ID, githubtest.InstallationID); !errors.Is(err, users.ErrNotFound) {
		t.Errorf("before the link: got %v, want %v", err, users.ErrNotFound)
	}
	w.link()
	token := func(what string) users.Secret {
		t.Helper()
		got, err := w.InstallationToken(ctx, w.user.ID, githubtest.InstallationID)
		if err != nil || got == "" {
			t.Fatalf("%s: got a token of %d characters, %v", what, len(got), err)
		}
		return got
	}
	first := token("at once")
	w.advance(githubtest.InstallationTokenLifetime/2 - time.Minute)
	if token("before half of its life") != first {
		t.Error("the token was renewed before half of its life")
	}
	w.advance(2 * time.Minute)
	if err := w.github.AddFault(githubtest.Fault{Route: mint, Kind: githubtest.Plain403, Times: 1}); err != nil {
		t.Fatal(err)
	}
	if token("while GitHub fails") != first {
		t.Error("the token that is stored was not used when it could not be renewed")
	}
	if token("after half of its life") == first {
		t.Error("the token was not renewed at half of its life")
	}

	none := integrations.Import{Installation: integrations.Installation{UserID: w.user.ID, InstallationID: "54321"}}
	if _, err := w.Import(ctx, none); err != nil {
		t.Fatal(err)
	}
	if got, err := w.InstallationToken(ctx, w.user.ID, "54321"); !errors.Is(err, integrations.ErrGitHubUnavailable) {
		t.Errorf("no token, and an installation that GitHub does not know: got %d characters, %v, want %v", len(got), err, integrations.ErrGitHubUnavailable)
	}
}
