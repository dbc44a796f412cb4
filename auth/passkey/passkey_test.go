package passkey_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/auth/passkey"
)

var (
	config    = passkey.Config{RPID: "example.com", DisplayName: "Example", Origins: []string{"https://app.example.com"}}
	challenge = bytes.Repeat([]byte{1}, 32)
	owner     = auth.PasskeyOwner{Handle: bytes.Repeat([]byte{2}, 64), Name: "ann@example.com", DisplayName: "Ann"}
)

func newCeremony(t testing.TB) *passkey.Ceremony {
	t.Helper()
	c, err := passkey.New(config)
	if err != nil {
		t.Fatalf("passkey.New: %v", err)
	}
	return c
}

// register makes a passkey of b.
func register(t testing.TB, c *passkey.Ceremony, b *browser) auth.Passkey {
	t.Helper()
	options, state, err := c.BeginRegistration(owner, challenge)
	if err != nil {
		t.Fatalf("BeginRegistration: %v", err)
	}
	k, err := c.FinishRegistration(state, []byte(b.create(options)))
	if err != nil {
		t.Fatalf("FinishRegistration: %v", err)
	}
	return k
}

func TestConfig(t *testing.T) {
	for name, change := range map[string]struct {
		fn    func(*passkey.Config)
		field string
	}{
		"no RP id":             {func(c *passkey.Config) { c.RPID = "" }, "RPID"},
		"an address":           {func(c *passkey.Config) { c.RPID = "127.0.0.1" }, "RPID"},
		"a URL":                {func(c *passkey.Config) { c.RPID = "https://example.com" }, "RPID"},
		"no name":              {func(c *passkey.Config) { c.DisplayName = "" }, "DisplayName"},
		"no origins":           {func(c *passkey.Config) { c.Origins = nil }, "Origins"},
		"a path":               {func(c *passkey.Config) { c.Origins = []string{"https://example.com/"} }, "Origins"},
		"no scheme":            {func(c *passkey.Config) { c.Origins = []string{"example.com"} }, "Origins"},
		"another domain":       {func(c *passkey.Config) { c.Origins = []string{"https://example.org"} }, "Origins"},
		"a longer domain":      {func(c *passkey.Config) { c.Origins = []string{"https://notexample.com"} }, "Origins"},
		"plain HTTP":           {func(c *passkey.Config) { c.Origins = []string{"http://example.com"} }, "Origins"},
		"one of two is wrong":  {func(c *passkey.Config) { c.Origins = []string{"https://example.com", "ftp://example.com"} }, "Origins"},
		"a user":               {func(c *passkey.Config) { c.Origins = []string{"https://u@example.com"} }, "Origins"},
		"localhost of another": {func(c *passkey.Config) { c.Origins = []string{"http://localhost"} }, "Origins"},
	} {
		c := config
		change.fn(&c)
		if _, err := passkey.New(c); err == nil || !strings.Contains(err.Error(), "field "+change.field) {
			t.Errorf("%s: got %v, want an error that names %s", name, err, change.field)
		}
	}
	for _, c := range []passkey.Config{
		config,
		{RPID: "localhost", DisplayName: "Example", Origins: []string{"http://localhost:8010", "http://app.localhost"}},
		{RPID: "example.com", DisplayName: "Example", Origins: []string{"https://example.com:8443"}},
	} {
		if _, err := passkey.New(c); err != nil {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

// TestNames: the name of a passkey is that of its authenticator.
func TestNames(t *testing.T) {
	c := newCeremony(t)
	for aaguid, want := range map[string]string{
		"fbfc3007-154e-4ecc-8c0b-6e020557d7bd": "iCloud Keychain", "ea9b8d66-4d01-1d21-3ce4-b6b48cb575d4": "Google Password Manager",
		"00000000-0000-0000-0000-000000000000": "", "0190c0de-0000-7000-8000-000000000000": "",
	} {
		b := newBrowser()
		b.authenticator.Aaguid = uuid.MustParse(aaguid)
		if k := register(t, c, b); k.Name != want || !bytes.Equal(k.UserHandle, owner.Handle) || !bytes.Equal(k.CredentialID, b.key.ID) {
			t.Errorf("%s: got %+v, want the name %q", aaguid, k, want)
		}
	}
}

// TestUnreadable: what a store holds may be of another version, or broken.
func TestUnreadable(t *testing.T) {
	c, b := newCeremony(t), newBrowser()
	k := register(t, c, b)
	options, state, err := c.BeginAssertion([]auth.Passkey{k}, challenge)
	if err != nil {
		t.Fatal(err)
	}
	response := []byte(b.get(options))
	if a, err := c.FinishAssertion([]auth.Passkey{k}, state, response); err != nil || !a.UserVerified || a.Cloned {
		t.Fatalf("FinishAssertion: got %+v, %v", a, err)
	}
	if _, err := c.FinishAssertion([]auth.Passkey{k}, []byte("{"), response); !errors.Is(err, auth.ErrPasskeyChallenge) {
		t.Errorf("FinishAssertion of a broken state: got %v", err)
	}
	if _, err := c.FinishRegistration([]byte("{"), response); !errors.Is(err, auth.ErrPasskeyChallenge) {
		t.Errorf("FinishRegistration of a broken state: got %v", err)
	}
	if _, err := c.FinishAssertion(nil, state, response); !errors.Is(err, auth.ErrPasskey) {
		t.Errorf("FinishAssertion without passkeys: got %v", err)
	}
	broken := k.Clone()
	broken.Data = []byte("{")
	for name, call := range map[string]func() error{
		"FinishAssertion": func() error { _, err := c.FinishAssertion([]auth.Passkey{broken}, state, response); return err },
		"BeginAssertion":  func() error { _, _, err := c.BeginAssertion([]auth.Passkey{broken}, challenge); return err },
		"BeginRegistration": func() error {
			o := owner
			o.Passkeys = []auth.Passkey{broken}
			_, _, err := c.BeginRegistration(o, challenge)
			return err
		},
	} {
		if err := call(); err == nil || errors.Is(err, auth.ErrPasskey) || errors.Is(err, auth.ErrPasskeyChallenge) {
			t.Errorf("%s of a broken record: got %v, want an internal failure", name, err)
		}
	}
}
