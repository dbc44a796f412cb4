package users_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/hedgerow-dev/hedgerow/users"
)

func TestValidEmail(t *testing.T) {
	for _, ok := range []string{"a@b.co", "first.last+tag@example.com", "a@bücher.example", "A@BÜCHER.Example", "a@xn--bcher-kva.example", "a@bu\u0308cher.example", "a@straße.example", "a@例え.テスト", "root@localhost", strings.Repeat("a", 64) + "@b.co"} {
		if !users.ValidEmail(ok) {
			t.Errorf("ValidEmail(%q) = false", ok)
		}
	}
	for _, bad := range []string{"", "a", "a@", "@b.co", "a@b", "a@b@c.de", "Bob <a@b.co>", "a@b.co (x)", `"a b"@c.de`, "a@[127.0.0.1]",
		"a@127.0.0.1", "a@b.co,d@e.fr", "a b@c.de", "a@b..co", "a@.co", ".a@b.co", "a.@b.co", "a..b@c.de", "a@-b.co", "a\r\n@b.co",
		"a\x00@b.co", "ü@b.co", "a@b.co\u202e", "a@exa\u200bmple.com", "a@exa\u00admple.com", "a@example\ufe0f.com", "a@ｅxample.com", "a@example。com", "a@ⅷ.example",
		"a@\u2060localhost", strings.Repeat("a", 65) + "@b.co"} {
		if users.ValidEmail(bad) {
			t.Errorf("ValidEmail(%q) = true", bad)
		}
	}
}

// TestEffectiveNotifications keeps the constant of defaults equal to the table.
func TestEffectiveNotifications(t *testing.T) {
	constant, computed := users.EffectiveNotifications(""), users.EffectiveNotifications("{}")
	if constant != computed {
		t.Errorf("the defaults are\n%s\nand the table says\n%s", constant, computed)
	}
	var m map[string]any
	if err := json.Unmarshal([]byte(users.EffectiveNotifications(`{"plugin_disabled":false}`)), &m); err != nil || m["plugin_disabled"] != false {
		t.Errorf("got %v, %v, want the stored value over the default", m["plugin_disabled"], err)
	}
}

func TestNewUUID(t *testing.T) {
	at := time.UnixMilli(0x0190c0de1234)
	id, err := users.NewUUID(at, bytes.NewReader(bytes.Repeat([]byte{0xff}, 16)))
	if want := "0190c0de-1234-7fff-bfff-ffffffffffff"; err != nil || id.String() != want {
		t.Errorf("NewUUID = %v, %v, want %s", id, err, want)
	}
	if _, err := users.NewUUID(at, bytes.NewReader(nil)); err == nil {
		t.Error("NewUUID without randomness gives no error")
	}
}

func TestSecretDoesNotPrint(t *testing.T) {
	u := users.User{PasswordHash: "hunter2"}
	if s := strings.Join([]string{u.PasswordHash.String(), u.PasswordHash.GoString()}, ""); strings.Contains(s, "hunter2") {
		t.Errorf("a secret prints %q", s)
	}
}

// TestFoldEmail is of domains that are their own ASCII form, and of others.
func TestFoldEmail(t *testing.T) {
	t.Parallel()
	for email, want := range map[string]string{
		"Ann@Mail-1.EXAMPLE.com":    "ann@mail-1.example.com",
		"ann@-a..b.":                "ann@-a..b.",
		"ann@bücher.example":        "ann@xn--bcher-kva.example",
		"ann@XN--BCHER-KVA.example": "ann@xn--bcher-kva.example",
		"ann@a.xn--BÜCHER":          "ann@a.xn--bÜcher",
		"ann@ＥＸＡＭＰＬＥ.com":           "ann@example.com",
		"Ann":                       "ann",
	} {
		if got := users.FoldEmail(email); got != want {
			t.Errorf("FoldEmail(%q): got %q, want %q", email, got, want)
		}
	}
}
