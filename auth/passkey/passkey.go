package passkey

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"

	"github.com/hedgerow-dev/hedgerow/auth"
)

// Config says who we are to authenticators. All members are required.
type Config struct {
	// RPID is the domain that passkeys are bound to, such as "example.com". It
	// cannot be changed later without losing all passkeys.
	RPID string
	// DisplayName is what people call this service.
	DisplayName string
	// Origins are those of the pages that use passkeys, as "https://app.example.com":
	// RPID or below it, and https unless the host is localhost.
	Origins []string
}

// Ceremony is the auth.PasskeyCeremony of one relying party. It is safe for
// concurrent use.
type Ceremony struct{ rp *webauthn.WebAuthn }

var _ auth.PasskeyCeremony = (*Ceremony)(nil)

// New returns the ceremonies of a relying party. The error names the field of
// config that is wrong.
func New(config Config) (*Ceremony, error) {
	if err := config.check(); err != nil {
		return nil, fmt.Errorf("passkey config: %w", err)
	}
	// The library could enforce the timeout, but by the clock of the system; the
	// caller does it by its own.
	timeout := webauthn.TimeoutConfig{Timeout: auth.ChallengeLifetime, TimeoutUVD: auth.ChallengeLifetime}
	rp, err := webauthn.New(&webauthn.Config{
		RPID: config.RPID, RPDisplayName: config.DisplayName, RPOrigins: config.Origins,
		Timeouts: webauthn.TimeoutsConfig{Login: timeout, Registration: timeout},
	})
	if err != nil {
		return nil, fmt.Errorf("passkey config: field RPID: %w", err)
	}
	return &Ceremony{rp: rp}, nil
}

func (c Config) check() error {
	if c.RPID == "" || protocol.ValidateRPID(c.RPID) != nil {
		return errors.New("field RPID must be a domain such as example.com")
	}
	if c.DisplayName == "" {
		return errors.New("field DisplayName is missing")
	}
	if len(c.Origins) == 0 {
		return errors.New("field Origins is missing")
	}
	for _, origin := range c.Origins {
		u, err := url.Parse(origin)
		if err != nil || u.Host == "" || u.Scheme+"://"+u.Host != origin {
			return fmt.Errorf("field Origins has %q, which is not an origin such as https://app.example.com", origin)
		}
		if host := u.Hostname(); host != c.RPID && !strings.HasSuffix(host, "."+c.RPID) {
			return fmt.Errorf("field Origins has %q, which is not on the domain of RPID", origin)
		} else if u.Scheme != "https" && (u.Scheme != "http" || host != "localhost" && !strings.HasSuffix(host, ".localhost")) {
			return fmt.Errorf("field Origins has %q, which is not https", origin)
		}
	}
	return nil
}

// owner is a user as the library sees one.
type owner struct {
	handle      []byte
	name        string
	displayName string
	credentials []webauthn.Credential
}

// WebAuthnID returns the user handle.
func (o owner) WebAuthnID() []byte { return o.handle }

// WebAuthnName returns the name of the account.
func (o owner) WebAuthnName() string { return o.name }

// WebAuthnDisplayName returns the name of the person.
func (o owner) WebAuthnDisplayName() string { return o.displayName }

// WebAuthnCredentials returns the passkeys.
func (o owner) WebAuthnCredentials() []webauthn.Credential { return o.credentials }

// credentials reads the records of passkeys. One without data has a name and
// verifies nothing.
func credentials(passkeys []auth.Passkey) ([]webauthn.Credential, error) {
	list := make([]webauthn.Credential, len(passkeys))
	for i, k := range passkeys {
		if len(k.Data) == 0 {
			list[i].ID = k.CredentialID
		} else if err := json.Unmarshal(k.Data, &list[i]); err != nil {
			return nil, fmt.Errorf("read passkey %s: %w", k.ID, err)
		}
	}
	return list, nil
}

// refused wraps what the library says about a response. It is for logs: the
// caller of the API gets auth.ErrPasskey.
func refused(err error) error { return fmt.Errorf("%w: %w", auth.ErrPasskey, err) }

// marshal returns the two parts of a ceremony that has begun.
func marshal(options any, session *webauthn.SessionData) ([]byte, []byte, error) {
	o, err := json.Marshal(options)
	if err != nil {
		return nil, nil, fmt.Errorf("write options: %w", err)
	}
	state, err := json.Marshal(session)
	if err != nil {
		return nil, nil, fmt.Errorf("write state: %w", err)
	}
	return o, state, nil
}

func readState(state []byte) (webauthn.SessionData, error) {
	var session webauthn.SessionData
	if err := json.Unmarshal(state, &session); err != nil {
		return session, fmt.Errorf("%w: %w", auth.ErrPasskeyChallenge, err)
	}
	return session, nil
}

// BeginRegistration implements auth.PasskeyCeremony.
func (c *Ceremony) BeginRegistration(o auth.PasskeyOwner, challenge []byte) (options, state []byte, err error) {
	existing, err := credentials(o.Passkeys)
	if err != nil {
		return nil, nil, err
	}
	creation, session, err := c.rp.BeginRegistration(
		owner{handle: o.Handle, name: o.Name, displayName: o.DisplayName},
		webauthn.WithExclusions(webauthn.Credentials(existing).CredentialDescriptors()),
		webauthn.WithResidentKeyRequirement(protocol.ResidentKeyRequirementRequired),
		webauthn.WithConveyancePreference(protocol.PreferNoAttestation),
		func(options *protocol.PublicKeyCredentialCreationOptions) error {
			options.Challenge = challenge
			options.AuthenticatorSelection.UserVerification = protocol.VerificationPreferred
			return nil
		},
	)
	if err != nil {
		return nil, nil, fmt.Errorf("begin registration: %w", err)
	}
	return marshal(creation, session)
}

// FinishRegistration implements auth.PasskeyCeremony.
func (c *Ceremony) FinishRegistration(state, response []byte) (auth.Passkey, error) {
	session, err := readState(state)
	if err != nil {
		return auth.Passkey{}, err
	}
	parsed, err := protocol.ParseCredentialCreationResponseBytes(response)
	if err != nil {
		return auth.Passkey{}, refused(err)
	}
	credential, err := c.rp.CreateCredential(owner{handle: session.UserID}, session, parsed)
	if err != nil {
		return auth.Passkey{}, refused(err)
	}
	data, err := json.Marshal(credential)
	if err != nil {
		return auth.Passkey{}, fmt.Errorf("write passkey: %w", err)
	}
	return auth.Passkey{
		CredentialID: credential.ID, UserHandle: session.UserID, Name: model(credential.Authenticator.AAGUID),
		Data: data, Verified: credential.Flags.UserVerified,
	}, nil
}

// BeginAssertion implements auth.PasskeyCeremony.
func (c *Ceremony) BeginAssertion(passkeys []auth.Passkey, challenge []byte) (options, state []byte, err error) {
	allowed, err := credentials(passkeys)
	if err != nil {
		return nil, nil, err
	}
	var assertion *protocol.CredentialAssertion
	var session *webauthn.SessionData
	if len(passkeys) == 0 {
		assertion, session, err = c.rp.BeginDiscoverableLogin(webauthn.WithChallenge(challenge), webauthn.WithUserVerification(protocol.VerificationPreferred))
	} else {
		assertion, session, err = c.rp.BeginLogin(owner{handle: passkeys[0].UserHandle, credentials: allowed},
			webauthn.WithChallenge(challenge), webauthn.WithUserVerification(protocol.VerificationRequired))
	}
	if err != nil {
		return nil, nil, fmt.Errorf("begin assertion: %w", err)
	}
	return marshal(assertion, session)
}

// CredentialID implements auth.PasskeyCeremony.
func (c *Ceremony) CredentialID(response []byte) ([]byte, error) {
	parsed, err := protocol.ParseCredentialRequestResponseBytes(response)
	if err != nil {
		return nil, refused(err)
	}
	return parsed.RawID, nil
}

// FinishAssertion implements auth.PasskeyCeremony.
func (c *Ceremony) FinishAssertion(passkeys []auth.Passkey, state, response []byte) (auth.Assertion, error) {
	session, err := readState(state)
	if err != nil {
		return auth.Assertion{}, err
	}
	parsed, err := protocol.ParseCredentialRequestResponseBytes(response)
	if err != nil {
		return auth.Assertion{}, refused(err)
	}
	if len(passkeys) == 0 {
		return auth.Assertion{}, auth.ErrPasskey
	}
	user := owner{handle: passkeys[0].UserHandle}
	if user.credentials, err = credentials(passkeys); err != nil {
		return auth.Assertion{}, err
	}
	var credential *webauthn.Credential
	if len(session.UserID) == 0 {
		_, credential, err = c.rp.ValidatePasskeyLogin(func(_, _ []byte) (webauthn.User, error) { return user, nil }, session, parsed)
	} else {
		credential, err = c.rp.ValidateLogin(user, session, parsed)
	}
	if err != nil {
		return auth.Assertion{}, refused(err)
	}
	data, err := json.Marshal(credential)
	if err != nil {
		return auth.Assertion{}, fmt.Errorf("write passkey: %w", err)
	}
	return auth.Assertion{
		Data: data, UserVerified: parsed.Response.AuthenticatorData.Flags.HasUserVerified(), Cloned: credential.Authenticator.CloneWarning,
	}, nil
}
