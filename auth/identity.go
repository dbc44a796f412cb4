package auth

import "fmt"

// identityChanges spells the rules in flags and files.
var identityChanges = [...]string{WithPassword: "with_password", Documented: "documented", SessionOnly: "session_only"}

// MarshalText spells the rule as flags and files do: "with_password",
// "documented" or "session_only".
func (c IdentityChange) MarshalText() ([]byte, error) {
	if c < 0 || int(c) >= len(identityChanges) {
		return nil, fmt.Errorf("identity change %d is unknown", int(c))
	}
	return []byte(identityChanges[c]), nil
}

// UnmarshalText reads what MarshalText writes.
func (c *IdentityChange) UnmarshalText(text []byte) error {
	for rule, name := range identityChanges {
		if name == string(text) {
			*c = IdentityChange(rule)
			return nil
		}
	}
	return fmt.Errorf("%q is none of with_password, documented and session_only", text)
}
