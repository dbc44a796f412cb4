package users

import (
	"encoding/json"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Storable reports text that every store can hold: valid UTF-8 without U+0000,
// which PostgreSQL refuses.
func Storable(text string) bool { return utf8.ValidString(text) && strings.IndexByte(text, 0) < 0 }

// ToStorable returns text with U+FFFD in place of what is not Storable, for what
// outsiders sent and nobody can correct.
func ToStorable(text string) string {
	if Storable(text) {
		return text
	}
	return strings.ReplaceAll(strings.ToValidUTF8(text, "\ufffd"), "\x00", "\ufffd")
}

// CheckStorable returns an Invalid error for the first member that is not
// Storable. It is for what the host stores as it is. A member is its name and
// then its text.
func CheckStorable(members ...[2]string) error {
	for _, m := range members {
		if !Storable(m[1]) {
			return errUnstorable(m[0])
		}
	}
	return nil
}

// CheckKey is CheckStorable for text that records are found by: it has at most
// MaxKey characters.
func CheckKey(members ...[2]string) error {
	if err := CheckStorable(members...); err != nil {
		return err
	}
	for _, m := range members {
		if err := CheckLength(m[0], m[1], MaxKey); err != nil {
			return err
		}
	}
	return nil
}

// CheckLength returns an Invalid error for text of more than limit characters.
func CheckLength(field, text string, limit int) error {
	if utf8.RuneCountInString(text) > limit {
		return invalid(field, "max_length", "This field may have at most "+strconv.Itoa(limit)+" characters.")
	}
	return nil
}

func errUnstorable(field string) *Error {
	return invalid(field, "invalid_input", "This field holds characters that are not allowed.")
}

// checkJSON refuses what is no JSON, as only a host can send it, and what is too
// large.
func checkJSON(v JSON, name string) error {
	switch {
	case len(v) > MaxJSON:
		return invalid(name, "invalid_input", "This value is too large.")
	case !Storable(string(v)) || v != "" && !json.Valid([]byte(v)):
		return errUnstorable(name)
	}
	return nil
}

// maxDistinctID is the longest DistinctID, contract section 6.
const maxDistinctID = 200

// checkStorable looks at all text of a new user but the address, which has rules
// of its own.
func (u User) checkStorable() error {
	for _, m := range []struct {
		name  string
		value JSON
	}{
		{"notification_settings", u.NotificationSettings}, {"events_column_config", u.EventsColumnConfig},
		{"has_seen_product_intro_for", u.HasSeenProductIntroFor}, {"hedgehog_config", u.HedgehogConfig},
	} {
		if err := checkJSON(m.value, m.name); err != nil {
			return err
		}
	}
	if err := CheckLength("distinct_id", u.DistinctID, maxDistinctID); err != nil {
		return err
	}
	return CheckStorable(
		[2]string{"distinct_id", u.DistinctID}, [2]string{"first_name", u.FirstName}, [2]string{"last_name", u.LastName},
		[2]string{"pending_email", u.PendingEmail}, [2]string{"password", string(u.PasswordHash)}, [2]string{"toolbar_mode", u.ToolbarMode.Value},
		[2]string{"theme_mode", u.ThemeMode.Value}, [2]string{"shortcut_position", u.ShortcutPosition.Value},
		[2]string{"role_at_organization", u.RoleAtOrganization.Value}, [2]string{"onboarding_skipped_reason", u.OnboardingSkippedReason},
	)
}
