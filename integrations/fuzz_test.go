package integrations_test

import (
	"encoding/json"
	"errors"
	"slices"
	"testing"

	"github.com/google/uuid"

	"github.com/hedgerow-dev/hedgerow/integrations"
	"github.com/hedgerow-dev/hedgerow/integrations/githubtest"
	"github.com/hedgerow-dev/hedgerow/storage/memory"
	"github.com/hedgerow-dev/hedgerow/users"
)

// quiet is a service that reaches nobody, on a store of its own.
func quiet(t *testing.T) (*integrations.Service, *memory.Store) {
	t.Helper()
	store := memory.New()
	s, err := integrations.NewService(store, users.NewService(store, users.Config{}), nil, integrations.Config{WebhookSecret: "secret"})
	if err != nil {
		t.Fatal(err)
	}
	return s, store
}

// FuzzDeliver: whatever is signed is applied, ignored or refused as unreadable. What
// is linked goes when GitHub says that it is deleted, and by nothing else.
func FuzzDeliver(f *testing.F) {
	for _, body := range []string{"", "{}", "null", "[1]", `{"action":"deleted","installation":{"id":12345}}`, `{"action":"created","installation":{"id":1,"account":null},"requester":{"id":-1}}`,
		`{"action":"added","installation":{"id":1e3},"repository_selection":7}`, `{"installation":{"id":"12345"}}`, "\xff", `{"installation":{"id":99999999999999999999}}`,
		`{"action":"added","installation":{"id":12345},"repository_selection":"all"}`, `{"action":"removed","installation":{"id":12345},"repository_selection":"some"}`,
		`{"action":"created","installation":{"id":12345,"account":{"login":"acme","type":"User"}},"requester":{"id":99}}`} {
		f.Add("installation", "id", []byte(body))
		f.Add("installation_repositories", "", []byte(body))
	}
	f.Fuzz(func(t *testing.T, event, id string, body []byte) {
		s, store := quiet(t)
		saveLink(t, store)
		err := s.Deliver(t.Context(), integrations.Delivery{Event: event, ID: id, Signature: githubtest.SignWebhook("secret", body), Body: body})
		if err != nil && !errors.Is(err, integrations.ErrDelivery) {
			t.Errorf("Deliver(%q, %q): %v", event, body, err)
		}
		deleted := err == nil && event == "installation" && saysDeleted(body)
		links, err := store.Installations(t.Context(), integrations.Query{})
		if err != nil || len(links) == 0 != deleted {
			t.Errorf("Deliver(%q, %q): %d links after it, %v", event, body, len(links), err)
		}
		for _, l := range links {
			if l.RepositorySelection != "" && l.RepositorySelection != "all" && l.RepositorySelection != "selected" {
				t.Errorf("Deliver(%q, %q): the selection is %q", event, body, l.RepositorySelection)
			}
		}
	})
}

// saveLink stores a user who has linked installation 12345.
func saveLink(t *testing.T, store *memory.Store) {
	t.Helper()
	err := store.UpdateIntegrations(t.Context(), func(tx integrations.Tx) error {
		u := users.New()
		u.Email, u.UUID = "ann@example.com", uuid.UUID{1}
		u, err := tx.CreateUser(t.Context(), u)
		return errors.Join(err, tx.SaveInstallation(t.Context(), integrations.Installation{ID: uuid.UUID{2}, UserID: u.ID, InstallationID: "12345"}))
	})
	if err != nil {
		t.Fatal(err)
	}
}

// saysDeleted reports an event that the installation of saveLink is gone.
func saysDeleted(body []byte) bool {
	var e struct {
		Action       string
		Installation struct{ ID int64 }
	}
	return json.Unmarshal(body, &e) == nil && e.Action == "deleted" && e.Installation.ID == 12345
}

// FuzzComplete: whatever the browser brings without a state of ours ends in one
// of the known ways.
func FuzzComplete(f *testing.F) {
	known := []string{integrations.AccessDenied, integrations.OAuthError, integrations.MissingParams, integrations.InvalidState}
	for _, state := range []string{"", "x", "token=x&source=user_integration", "token=", "%", "token=a&token=b", ";", "\x00"} {
		f.Add("code", state, "", "12345", "install")
		f.Add("", state, "access_denied", "", "request")
		f.Add("", state, "", "", "request")
	}
	f.Fuzz(func(t *testing.T, code, state, failure, installation, action string) {
		s, _ := quiet(t)
		outcome, err := s.Complete(t.Context(), users.Actor{ID: 1}, integrations.Callback{Code: users.Secret(code), State: users.Secret(state), Error: failure,
			InstallationID: installation, SetupAction: action})
		if err != nil || !slices.Contains(known, outcome.Failure) || outcome.ConnectFrom != "" {
			t.Errorf("Complete: %+v, %v", outcome, err)
		}
	})
}
