package integrations_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/hedgerow-dev/hedgerow/integrations"
	"github.com/hedgerow-dev/hedgerow/integrations/githubtest"
	"github.com/hedgerow-dev/hedgerow/storage/memory"
	"github.com/hedgerow-dev/hedgerow/users"
)

// quiet is a service that knows nothing and reaches nobody.
func quiet(t *testing.T) *integrations.Service {
	t.Helper()
	store := memory.New()
	s, err := integrations.NewService(store, users.NewService(store, users.Config{}), nil, integrations.Config{WebhookSecret: "secret"})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// FuzzDeliver: whatever is signed is applied, ignored or refused as unreadable.
func FuzzDeliver(f *testing.F) {
	for _, body := range []string{"", "{}", "null", "[1]", `{"action":"deleted","installation":{"id":12345}}`, `{"action":"created","installation":{"id":1,"account":null},"requester":{"id":-1}}`,
		`{"action":"added","installation":{"id":1e3},"repository_selection":7}`, `{"installation":{"id":"12345"}}`, "\xff", `{"installation":{"id":99999999999999999999}}`} {
		f.Add("installation", "id", []byte(body))
		f.Add("installation_repositories", "", []byte(body))
	}
	f.Fuzz(func(t *testing.T, event, id string, body []byte) {
		err := quiet(t).Deliver(t.Context(), integrations.Delivery{Event: event, ID: id, Signature: githubtest.SignWebhook("secret", body), Body: body})
		if err != nil && !errors.Is(err, integrations.ErrDelivery) {
			t.Errorf("Deliver(%q, %q): %v", event, body, err)
		}
	})
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
		outcome, err := quiet(t).Complete(t.Context(), users.Actor{ID: 1}, integrations.Callback{Code: users.Secret(code), State: users.Secret(state), Error: failure,
			InstallationID: installation, SetupAction: action})
		if err != nil || !slices.Contains(known, outcome.Failure) || outcome.ConnectFrom != "" {
			t.Errorf("Complete: %+v, %v", outcome, err)
		}
	})
}
