package auth

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/hedgerow-dev/hedgerow/users"
)

const (
	// ChallengeLifetime is how long a challenge waits for a passkey, R31.
	ChallengeLifetime = 5 * time.Minute
	// challengeBytes is well over the 16 that WebAuthn Level 3 §13.4.3 asks for.
	challengeBytes = 32
)

// PasskeyCeremony does the WebAuthn part of registering and using passkeys;
// package auth/passkey implements it. Options and responses are JSON as browsers
// exchange it: what PublicKeyCredential.parseCreationOptionsFromJSON and
// parseRequestOptionsFromJSON take as the member "publicKey", and what
// PublicKeyCredential.toJSON returns.
//
// A state is what must be remembered between the two halves of a ceremony. It is
// opaque, and need not be readable by another version of the implementation. The
// caller sees to it that a state is used once and for a short time.
//
// A response that is malformed or does not hold is refused with ErrPasskey, and a
// state that cannot be read with ErrPasskeyChallenge; any other error is an
// internal failure. Implementations are safe for concurrent use.
type PasskeyCeremony interface {
	// BeginRegistration asks for a new passkey that signs in without a typed
	// address. challenge is random.
	BeginRegistration(o PasskeyOwner, challenge []byte) (options, state []byte, err error)
	// FinishRegistration returns the new passkey with CredentialID, UserHandle,
	// Name, Data and Verified, the last if the authenticator verified the user. The
	// Name is that of the authenticator, or "" if it is not known.
	FinishRegistration(state, response []byte) (Passkey, error)
	// BeginAssertion asks for one of these passkeys, and demands that the
	// authenticator verifies the user. Without passkeys it asks for any that is
	// ours, and wishes for that verification.
	BeginAssertion(passkeys []Passkey, challenge []byte) (options, state []byte, err error)
	// CredentialID returns the name of the passkey that a response of an assertion
	// claims to be of.
	CredentialID(response []byte) ([]byte, error)
	// FinishAssertion checks a response by the passkeys of one user. A changed
	// "backup eligible" flag is refused; a changed "backup state" is taken over.
	FinishAssertion(passkeys []Passkey, state, response []byte) (Assertion, error)
}

// PasskeyOwner is who a passkey is made for.
type PasskeyOwner struct {
	Handle      []byte // the UserHandle of the passkey to be, 32 to 64 bytes
	Name        string // what the account is called, such as the address
	DisplayName string
	Passkeys    []Passkey // those that exist; their authenticators are excluded
}

// Assertion is a passkey in use.
type Assertion struct {
	Data         []byte // takes the place of the passkey's
	UserVerified bool   // the authenticator verified the user this time
	// Cloned says that the signature counter did not grow although it should have:
	// the passkey may exist twice.
	Cloned bool
}

// random returns n random bytes.
func (s *Service) random(n int) ([]byte, error) {
	b := make([]byte, n)
	if _, err := io.ReadFull(s.config.Rand, b); err != nil {
		return nil, fmt.Errorf("read randomness: %w", err)
	}
	return b, nil
}

// addChallenge stores the state of a ceremony. Where it is of a user, older ones
// give way.
func (s *Service) addChallenge(ctx context.Context, tx Tx, p Purpose, hash Hash, user users.ID, state []byte) error {
	now := s.now()
	ticket := Ticket{Purpose: p, Hash: hash, UserID: user, Data: state, CreatedAt: now, ExpiresAt: now.Add(ChallengeLifetime)}
	if user == 0 {
		return tx.SaveTicket(ctx, ticket)
	}
	return addTicket(ctx, tx, ticket, maxPending)
}

// spendChallenge returns the state of a ceremony and sees to it that nobody gets
// it again. It returns ErrPasskeyChallenge if there is none.
func (s *Service) spendChallenge(ctx context.Context, tx Tx, p Purpose, hash Hash) ([]byte, error) {
	ticket, err := tx.Ticket(ctx, p, hash)
	if errors.Is(err, users.ErrNotFound) || err == nil && !s.now().Before(ticket.ExpiresAt) {
		return nil, ErrPasskeyChallenge
	} else if err != nil {
		return nil, err
	}
	return ticket.Data, tx.DeleteTicket(ctx, p, hash)
}

// checkResponse returns the response of a browser, or an Invalid error for the
// field "credential".
func checkResponse(f users.Field[users.JSON]) ([]byte, error) {
	const name = "credential"
	switch {
	case !f.Set:
		return nil, missing(name)
	case f.Null:
		return nil, invalid(name, "null", "This field may not be null.")
	case f.Err != nil || len(f.Value) > users.MaxJSON:
		return nil, invalid(name, "invalid_input", "This is not what a browser sends for a passkey.")
	}
	return []byte(f.Value), nil
}

// refusal tells what the caller can act on from a failure. A refused response has
// spent its challenge, so the refusal must not roll the transaction back. A store
// that does not answer says nothing about the response.
func refusal(err error) (refused, failed error) {
	if e := (*users.Error)(nil); errors.As(err, &e) && e.Kind != users.Unavailable {
		return err, nil
	}
	return nil, err
}

// usePasskey checks a response by the passkey that it names, which must be of
// this user unless that is zero. It stores nothing but an event about a counter
// that did not grow. The passkey is returned also with ErrPasskey, if there is one.
func (s *Service) usePasskey(ctx context.Context, tx Tx, user users.ID, state, response []byte) (Passkey, Assertion, error) {
	credential, err := s.config.Passkeys.CredentialID(response)
	if err != nil {
		return Passkey{}, Assertion{}, err
	}
	k, err := tx.PasskeyByCredential(ctx, credential)
	if errors.Is(err, users.ErrNotFound) || err == nil && user != 0 && k.UserID != user {
		return Passkey{}, Assertion{}, ErrPasskey
	} else if err != nil {
		return Passkey{}, Assertion{}, err
	}
	all, err := tx.Passkeys(ctx, k.UserID)
	if err != nil {
		return Passkey{}, Assertion{}, err
	}
	a, err := s.config.Passkeys.FinishAssertion(all, state, response)
	if err != nil {
		return k, Assertion{}, err
	}
	if a.Cloned {
		if err := tx.AddEvent(ctx, s.users.Event(users.Actor{}, k.UserID, "passkey counter did not grow")); err != nil {
			return k, Assertion{}, err
		}
		return k, Assertion{}, ErrPasskey
	}
	k.Data, k.LastUsedAt = a.Data, s.now()
	return k, a, nil
}

// explain leaves a trace of why a response was refused: the answer does not tell,
// and a wrong origin in the configuration looks like an attack.
func (s *Service) explain(ctx context.Context, err error) {
	if errors.Is(err, ErrPasskey) {
		s.config.Logger.DebugContext(ctx, "passkey refused", slog.Any("error", err))
	}
}
