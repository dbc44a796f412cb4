package auth_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/hedgerow-dev/hedgerow/auth"
)

func encryptionKey(fill byte) []byte { return bytes.Repeat([]byte{fill}, auth.EncryptionKeyBytes) }

func newSealer(t *testing.T, keys ...[]byte) *auth.Sealer {
	t.Helper()
	s, err := auth.NewSealer(keys...)
	if err != nil {
		t.Fatalf("NewSealer: %v", err)
	}
	return s
}

func TestSealer(t *testing.T) {
	s := newSealer(t, encryptionKey(1))
	for _, plain := range []string{"", "secret", strings.Repeat("x", 10_000)} {
		first, second := s.Seal([]byte(plain), "totp/7/secret"), s.Seal([]byte(plain), "totp/7/secret")
		if bytes.Equal(first, second) || plain != "" && bytes.Contains(first, []byte(plain)) {
			t.Errorf("Seal(%.10q): twice the same, or in clear", plain)
		}
		got, stale, err := s.Open(first, "totp/7/secret")
		if string(got) != plain || stale || err != nil {
			t.Errorf("Open: got %.10q, stale %t, error %v, want %.10q", got, stale, err, plain)
		}
		for n := range first {
			changed := bytes.Clone(first)
			changed[n] ^= 1
			if _, _, err := s.Open(changed, "totp/7/secret"); n < 64 && !errors.Is(err, auth.ErrUnsealed) {
				t.Errorf("Open with byte %d changed: got %v, want ErrUnsealed", n, err)
			}
			if _, _, err := s.Open(first[:n], "totp/7/secret"); n < 64 && !errors.Is(err, auth.ErrUnsealed) {
				t.Errorf("Open of %d bytes: got %v, want ErrUnsealed", n, err)
			}
		}
		if _, _, err := s.Open(first, "totp/8/secret"); !errors.Is(err, auth.ErrUnsealed) {
			t.Errorf("Open in another place: got %v, want ErrUnsealed", err)
		}
	}
}

func TestSealerRotation(t *testing.T) {
	old := newSealer(t, encryptionKey(1)).Seal([]byte("secret"), "place")
	both := newSealer(t, encryptionKey(2), encryptionKey(1))
	plain, stale, err := both.Open(old, "place")
	if string(plain) != "secret" || !stale || err != nil {
		t.Errorf("Open by the old key: got %q, stale %t, error %v", plain, stale, err)
	}
	onlyNew := newSealer(t, encryptionKey(2))
	if plain, stale, err := onlyNew.Open(both.Seal(plain, "place"), "place"); string(plain) != "secret" || stale || err != nil {
		t.Errorf("Open after sealing again: got %q, stale %t, error %v", plain, stale, err)
	}
	if _, _, err := onlyNew.Open(old, "place"); !errors.Is(err, auth.ErrUnsealed) {
		t.Errorf("Open by an unknown key: got %v, want ErrUnsealed", err)
	}
}

func TestSealerKeys(t *testing.T) {
	for name, keys := range map[string][][]byte{
		"none":     nil,
		"short":    {encryptionKey(1)[1:]},
		"repeated": {encryptionKey(1), encryptionKey(2), encryptionKey(1)},
	} {
		if _, err := auth.NewSealer(keys...); err == nil {
			t.Errorf("NewSealer with %s keys: got nil, want an error", name)
		}
	}
}
