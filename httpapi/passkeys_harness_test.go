package httpapi_test

import (
	"encoding/json"
	"net/url"
	"testing"

	"github.com/descope/virtualwebauthn"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/auth/passkey"
)

// ceremony is that of a service with pages on one origin.
func ceremony(t *testing.T, origin string) auth.PasskeyCeremony {
	t.Helper()
	c, err := newCeremony(origin)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func newCeremony(origin string) (auth.PasskeyCeremony, error) {
	u, err := url.Parse(origin)
	if err != nil {
		return nil, err
	}
	return passkey.New(passkey.Config{RPID: u.Hostname(), DisplayName: "Hedgerow", Origins: []string{origin}})
}

// device is an authenticator in software, with one passkey, and the page that it
// believes to be on.
type device struct {
	t    *testing.T
	page virtualwebauthn.RelyingParty
	virtualwebauthn.Authenticator
	key virtualwebauthn.Credential
}

// newDevice makes one that verifies its user and syncs its passkey.
func newDevice(t *testing.T) *device {
	d := &device{
		t:             t,
		page:          virtualwebauthn.RelyingParty{ID: "app.example.com", Name: "Hedgerow", Origin: "https://app.example.com"},
		Authenticator: virtualwebauthn.NewAuthenticatorWithOptions(virtualwebauthn.AuthenticatorOptions{BackupEligible: true}),
		key:           virtualwebauthn.NewCredential(virtualwebauthn.KeyTypeEC2),
	}
	// The library writes coordinates without leading zeros, which no authenticator
	// does (RFC 9053 §7.1.1): whole ones make 77 bytes.
	for len(d.key.Key.AttestationData()) != 77 {
		d.key = virtualwebauthn.NewCredential(virtualwebauthn.KeyTypeEC2)
	}
	return d
}

// keyOnly makes a device that does not verify its user.
func keyOnly(t *testing.T) *device {
	d := newDevice(t)
	d.Options.UserNotVerified = true
	return d
}

// body is what a page sends: the answer of the device, and perhaps more.
func body(credential string, more ...string) string {
	b := `{"credential":` + credential
	for _, m := range more {
		b += "," + m
	}
	return b + "}"
}

// register answers the options of a registration.
func (d *device) register(options reply) string {
	d.t.Helper()
	o, err := virtualwebauthn.ParseAttestationOptions(options.ok(200).raw)
	if err != nil {
		d.t.Fatalf("%s: %v", options.raw, err)
	}
	d.Options.UserHandle = []byte(o.UserID)
	return virtualwebauthn.CreateAttestationResponse(d.page, d.Authenticator, d.key, *o)
}

// sign answers the options of an assertion, and counts it.
func (d *device) sign(options reply) string {
	d.t.Helper()
	o, err := virtualwebauthn.ParseAssertionOptions(options.ok(200).raw)
	if err != nil {
		d.t.Fatalf("%s: %v", options.raw, err)
	}
	d.key.Counter++
	return virtualwebauthn.CreateAssertionResponse(d.page, d.Authenticator, d.key, *o)
}

const (
	registerBegin    = own + "passkeys/register/begin"
	registerComplete = own + "passkeys/register/complete"
	signInBegin      = "/api/login/passkey/begin"
	signInComplete   = "/api/login/passkey/complete"
	stepBegin        = "/api/login/2fa/passkey/begin"
	stepComplete     = "/api/login/2fa/passkey/complete"
)

// addPasskey registers the passkey of a device and returns its id.
func (e *env) addPasskey(d *device, cookie option) string {
	e.t.Helper()
	credential := d.register(e.do("POST", registerBegin, "", cookie))
	return e.do("POST", registerComplete, body(credential), cookie).ok(201).json()["id"].(string)
}

// signIn signs in by a device; b is the body that begins it.
func (e *env) signIn(d *device, b string, options ...option) reply {
	e.t.Helper()
	begun := e.do("POST", signInBegin, b, options...)
	return e.do("POST", signInComplete, body(d.sign(begun)), together(append(options, begun.cookie("sessionid_passkey"))...))
}

// passkeyStep takes the second step of a login by a device.
func (e *env) passkeyStep(d *device, pending option) reply {
	e.t.Helper()
	return e.do("POST", stepComplete, body(d.sign(e.do("POST", stepBegin, "", pending))), pending)
}

// passkeys lists those of a session's user.
func (e *env) passkeys(cookie option) []map[string]any {
	e.t.Helper()
	var list []map[string]any
	r := e.do("GET", own+"passkeys", "", cookie).ok(200)
	if err := json.Unmarshal([]byte(r.raw), &list); err != nil {
		e.t.Fatalf("%s: %v", r.raw, err)
	}
	return list
}

// usePasskeys makes passkeys a second factor.
func (e *env) usePasskeys(cookie option) {
	e.t.Helper()
	e.do("PATCH", "/api/users/@me", `{"passkeys_enabled_for_2fa":true}`, cookie).ok(200)
}
