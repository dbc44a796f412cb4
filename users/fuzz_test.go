package users_test

import (
	"encoding/json"
	"net/mail"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/hedgerow-dev/hedgerow/storage/memory"
	"github.com/hedgerow-dev/hedgerow/users"
)

// FuzzFoldEmail: an address that is accepted is one for a mail program, too, and
// has one folded form.
func FuzzFoldEmail(f *testing.F) {
	for _, s := range []string{"A@B.co", "a@BÜCHER.example", "", "@", "a@b@c", "\xff@x.y", "a@xn--bcher-kva.example", `"a b"@c.de`, "a@[127.0.0.1]", "Bob <a@b.co>", "a@b.co\r\nBcc: x@y.z",
		"a@b.co\u202e", "a@ｅxample.com", "root@localhost", " a@b.co ", strings.Repeat("a", 65) + "@b.co", "a@" + strings.Repeat("b.", 126) + "co"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		folded := users.FoldEmail(s)
		if again := users.FoldEmail(folded); again != folded {
			t.Errorf("FoldEmail(%q) = %q, and folded again %q", s, folded, again)
		}
		valid := users.ValidEmail(s)
		if valid && !users.ValidEmail(folded) {
			t.Errorf("%q is valid and its folded form %q is not", s, folded)
		}
		if parsed, err := mail.ParseAddress(s); valid && (err != nil || parsed.Address != s || parsed.Name != "") {
			t.Errorf("%q is valid, and a mail program reads %v, %v", s, parsed, err)
		}
		if valid && (!users.Storable(s) || strings.ContainsAny(s, "\r\n\t ,;<>\"()") || strings.Count(s, "@") != 1) {
			t.Errorf("%q is valid", s)
		}
		if taken, err := users.CheckEmail(users.Set(s)); err == nil && (!users.ValidEmail(taken) || len(taken) > users.MaxEmail) {
			t.Errorf("%q is taken as %q", s, taken)
		}
	})
}

// FuzzParseID: an id has one spelling, a UUID two, by case.
func FuzzParseID(f *testing.F) {
	for _, s := range []string{"1", "007", "+5", "-1", "9223372036854775807", "9223372036854775808", "٥", "", "0190c0de-0000-7000-8000-000000000000",
		"0190C0DE-0000-7000-8000-00000000000A", "0190c0de00007000800000000000000000aa", "{0190c0de-0000-7000-8000-00000000000}", "urn:uuid:0190c0de-0000-7000-8000-000"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if n, ok := users.ParseID(s); ok && (n <= 0 || s[0] == '0' || strings.Trim(s, "0123456789") != "") {
			t.Errorf("ParseID(%q) = %d", s, n)
		}
		if id, ok := users.ParseUUID(s); ok != plainUUID(s) || ok && id.String() != strings.ToLower(s) {
			t.Errorf("ParseUUID(%q) = %s, %t", s, id, ok)
		}
	})
}

// plainUUID reports 8-4-4-4-12 hexadecimal digits.
func plainUUID(s string) bool {
	parts := strings.Split(s, "-")
	if len(parts) != 5 {
		return false
	}
	for i, n := range []int{8, 4, 4, 4, 12} {
		if len(parts[i]) != n || strings.Trim(parts[i], "0123456789abcdefABCDEF") != "" {
			return false
		}
	}
	return true
}

// FuzzNotifications: whatever a row holds, settings can be shown and changed, and
// what was accepted reads back.
func FuzzNotifications(f *testing.F) {
	stored := []string{"", "null", "[]", "{", "7", `{"plugin_disabled":"x"}`, `{"project_weekly_digest_disabled":[1]}`, `{"realtime_notifications_disabled":{"comment_mention":7}}`, "\xff",
		`{"data_pipeline_error_threshold":1e999}`, `{"unknown":{"a":{"b":[1,2,{"c":null}]}}}`, `{"plugin_disabled":false} x`, `{"\ud800":1}`, strings.Repeat(`{"a":`, 2000)}
	sent := []string{`{}`, `{"plugin_disabled":false}`, `{"project_weekly_digest_disabled":{"1":true}}`, `{"realtime_notifications_disabled":{"comment_mention":{"1":true}}}`,
		`{"data_pipeline_error_threshold":0.5}`, `{"data_pipeline_error_threshold":1e-400}`, `{"data_pipeline_error_threshold":true}`, `[]`, `null`, "{}\xb0"}
	for i, s := range stored {
		f.Add(s, sent[i%len(sent)])
	}
	for _, s := range sent {
		f.Add("", s)
		f.Add(`{"realtime_notifications_disabled":{"comment_mention":{"2":true}}}`, s)
	}
	st := memory.New()
	service := users.NewService(st, users.Config{})
	f.Fuzz(func(t *testing.T, stored, sent string) {
		before := shown(t, stored)
		u := users.User{ID: 1, NotificationSettings: users.JSON(stored)}
		after, _, err := service.Apply(t.Context(), st, users.Actor{ID: 1, Credential: users.BySession}, u, users.Patch{NotificationSettings: users.Set(users.JSON(sent))})
		if err != nil {
			return
		}
		var changes map[string]any
		if err := json.Unmarshal([]byte(sent), &changes); err != nil {
			t.Fatalf("%q was accepted: %v", sent, err)
		}
		now := shown(t, string(after.NotificationSettings))
		for key, value := range changes {
			if flag, ok := value.(bool); ok && now[key] != flag {
				t.Errorf("%q on %q: %s is %v", sent, stored, key, now[key])
			}
		}
		for key := range before {
			if _, ok := now[key]; !ok {
				t.Errorf("%q on %q: %s is gone", sent, stored, key)
			}
		}
	})
}

// shown decodes the settings that are shown when a row holds stored.
func shown(t *testing.T, stored string) map[string]any {
	t.Helper()
	text := users.EffectiveNotifications(users.JSON(stored))
	var m map[string]any
	d := json.NewDecoder(strings.NewReader(string(text)))
	d.UseNumber() // a host may have stored what no float64 holds
	if err := d.Decode(&m); err != nil || !utf8.ValidString(string(text)) {
		t.Fatalf("stored %q is shown as %q, %v", stored, text, err)
	}
	for _, key := range []string{"plugin_disabled", "data_pipeline_error_threshold", "realtime_notifications_disabled"} {
		if _, ok := m[key]; !ok {
			t.Errorf("stored %q is shown without %s", stored, key)
		}
	}
	return m
}

// FuzzEffectiveNotifications compares the two ways to overlay settings: a space
// in front leaves the value as it is, and has it parsed.
func FuzzEffectiveNotifications(f *testing.F) {
	for _, stored := range []string{
		``, `{}`, `{`, `}`, `{}}`, `null`, `[]`, `{"":1}`, `{"a":true}`, `{"a":true,}`, `{"a":true}x`, `{"a" :true}`, `{"a":true,"a":false}`,
		`{"b":true,"a":false}`, `{"plugin_disabled":false}`, `{"plugin_disabled!":false}`, `{"all_weekly_digest_disabled":true,"z":{}}`,
		`{"project_weekly_digest_disabled":{"1":true,"2":false}}`, `{"project_weekly_digest_disabled":{"2":true,"1":false}}`,
		`{"realtime_notifications_disabled":{"alert_firing":{"1":true},"issue_assigned":{}}}`, `{"data_pipeline_error_threshold":0.25}`,
		`{"data_pipeline_error_threshold":1}`, `{"data_pipeline_error_threshold":1e-05}`, `{"data_pipeline_error_threshold":00}`,
		`{"data_pipeline_error_threshold":0.}`, `{"data_pipeline_error_threshold":0.1.2}`, `{"a":{"b":{"c":{"d":true}}}}`, `{"é":true}`, `{"\u0061":true}`,
	} {
		f.Add(stored)
	}
	f.Add(`{"plugin_disabled":{}}`)
	f.Add(`{"data_pipeline_error_threshold":1.5}`)
	f.Add(`{"plugin_disabled":true,"all_weekly_digest_disabled":true}`)
	f.Fuzz(func(t *testing.T, stored string) {
		got, want := users.EffectiveNotifications(users.JSON(stored)), users.EffectiveNotifications(users.JSON(" "+stored))
		if got != want {
			t.Errorf("EffectiveNotifications(%q): got %s, want %s as when it is parsed", stored, got, want)
		}
	})
}
