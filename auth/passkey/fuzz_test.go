package passkey_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/go-webauthn/webauthn/protocol"

	"github.com/hedgerow-dev/hedgerow/auth"
)

// FuzzResponse: whatever a browser sends is refused, or is for the challenge and of
// the passkey. ID, ATTESTATION and SIGNATURE stand for what the passkey has made, which
// is another in each process.
func FuzzResponse(f *testing.F) {
	c, b := newCeremony(f), newBrowser()
	options, setup, err := c.BeginRegistration(owner, challenge)
	if err != nil {
		f.Fatal(err)
	}
	created := string(b.create(options))
	k := register(f, c, b)
	options, state, err := c.BeginAssertion(nil, challenge)
	if err != nil {
		f.Fatal(err)
	}
	got := string(b.get(options))
	id, attestation, signature := base64.RawURLEncoding.EncodeToString(k.CredentialID), member(f, created, "attestationObject"), member(f, got, "signature")
	template := strings.NewReplacer(id, "ID", attestation, "ATTESTATION", signature, "SIGNATURE")
	for _, seed := range []string{template.Replace(created), template.Replace(got), created, got, "", "{}", "null", `{"id":"AA","rawId":"AA","type":"public-key","response":{}}`, `{"ID":1}`} {
		f.Add([]byte(seed))
	}
	words := strings.NewReplacer("ID", id, "ATTESTATION", attestation, "SIGNATURE", signature)
	// The last digit has bits that count for nothing.
	signature = signature[:len(signature)-1]
	f.Fuzz(func(t *testing.T, text []byte) {
		response := []byte(words.Replace(string(text)))
		if made, err := c.FinishRegistration(setup, response); err == nil {
			checkMade(t, made, response)
		} else if !errors.Is(err, auth.ErrPasskey) || string(response) == created {
			t.Errorf("FinishRegistration: got %v", err)
		}
		if proof, err := c.FinishAssertion([]auth.Passkey{k}, state, response); err == nil {
			if !bytes.Contains(response, []byte(signature)) || !proof.UserVerified || proof.Cloned {
				t.Errorf("FinishAssertion: got %+v", proof)
			}
		} else if !errors.Is(err, auth.ErrPasskey) || string(response) == got {
			t.Errorf("FinishAssertion: got %v", err)
		}
		if id, err := c.CredentialID(response); err != nil && !errors.Is(err, auth.ErrPasskey) || err == nil && len(id) == 0 {
			t.Errorf("CredentialID: got %x, %v", id, err)
		}
	})
}

// member is a part of a browser's response.
func member(f *testing.F, answer, name string) string {
	f.Helper()
	var a struct{ Response map[string]string }
	if err := json.Unmarshal([]byte(answer), &a); err != nil || a.Response[name] == "" {
		f.Fatalf("%s has no %s, %v", answer, name, err)
	}
	return a.Response[name]
}

// checkMade holds a passkey that was accepted to the challenge and to the response.
func checkMade(t *testing.T, made auth.Passkey, response []byte) {
	t.Helper()
	parsed, err := protocol.ParseCredentialCreationResponseBytes(response)
	if err != nil {
		t.Fatalf("%s was accepted: %v", response, err)
	}
	client := parsed.Response.CollectedClientData
	if client.Type != protocol.CreateCeremony || client.Challenge != base64.RawURLEncoding.EncodeToString(challenge) || client.Origin != config.Origins[0] {
		t.Errorf("accepted for %+v", client)
	}
	if !bytes.Equal(made.CredentialID, parsed.Response.AttestationObject.AuthData.AttData.CredentialID) || !bytes.Equal(made.UserHandle, owner.Handle) {
		t.Errorf("%s was accepted as %x of %x", response, made.CredentialID, made.UserHandle)
	}
}
