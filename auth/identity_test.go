package auth_test

import (
	"testing"

	"github.com/hedgerow-dev/hedgerow/auth"
)

func TestIdentityChangeText(t *testing.T) {
	for rule, want := range map[auth.IdentityChange]string{auth.WithPassword: "with_password", auth.Documented: "documented", auth.SessionOnly: "session_only"} {
		text, err := rule.MarshalText()
		if err != nil || string(text) != want {
			t.Errorf("MarshalText of %d: got %q, %v, want %q", rule, text, err, want)
		}
		got := auth.IdentityChange(-1)
		if err := got.UnmarshalText(text); err != nil || got != rule {
			t.Errorf("UnmarshalText of %q: got %d, %v, want %d", text, got, err, rule)
		}
	}
	rule := auth.Documented
	for _, text := range []string{"", "Documented", "documented "} {
		if err := rule.UnmarshalText([]byte(text)); err == nil || rule != auth.Documented {
			t.Errorf("UnmarshalText of %q: got %d and %v, want an error", text, rule, err)
		}
	}
	for _, rule := range []auth.IdentityChange{-1, 3} {
		if text, err := rule.MarshalText(); err == nil {
			t.Errorf("MarshalText of %d: got %q, want an error", rule, text)
		}
	}
}
