package auth_test

import (
	"errors"
	"testing"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/users"
)

// TestKeysByEndedSession: a session that was revoked while its request ran makes
// and changes no key, and neither does an account that is gone.
func TestKeysByEndedSession(t *testing.T) {
	s, st := newService(t, auth.Config{})
	ann, bob := newUser(t, s, "ann@example.com"), newUser(t, s, "bob@example.com")
	patch := auth.KeyPatch{Label: users.Set("CI"), Scopes: users.Set([]string{"*"}), ScopedTeams: users.SetNull[[]users.TeamID](),
		ScopedOrganizations: users.SetNull[[]string]()}
	p, other, gone := callerOf(t, s, ann), callerOf(t, s, ann), callerOf(t, s, bob)
	k, _, err := s.CreateAPIKey(t.Context(), p, patch)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.RevokeSession(t.Context(), other, p.Session.ID.String()); err != nil {
		t.Fatal(err)
	}
	if err := s.SetActive(t.Context(), bob.ID, false); err != nil {
		t.Fatal(err)
	}
	for name, p := range map[string]auth.Principal{"ended session": p, "inactive account": gone, "no account": {Actor: users.Actor{ID: 99}}} {
		_, _, created := s.CreateAPIKey(t.Context(), p, patch)
		_, updated := s.UpdateAPIKey(t.Context(), p, k.ID, auth.KeyPatch{Label: users.Set("x")})
		_, _, rolled := s.RollAPIKey(t.Context(), p, k.ID)
		for call, err := range map[string]error{"CreateAPIKey": created, "UpdateAPIKey": updated, "RollAPIKey": rolled, "DeleteAPIKey": s.DeleteAPIKey(t.Context(), p, k.ID)} {
			if !errors.Is(err, auth.ErrNotAuthenticated) {
				t.Errorf("%s by %s: got %v, want %v", call, name, err, auth.ErrNotAuthenticated)
			}
		}
	}
	if keys, err := st.APIKeys(t.Context(), ann.ID); err != nil || len(keys) != 1 || keys[0].Hash != k.Hash || keys[0].Label != "CI" {
		t.Errorf("the keys are %+v, %v, want the one from before", keys, err)
	}
}
