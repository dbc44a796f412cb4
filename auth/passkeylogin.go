package auth

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"

	"github.com/hedgerow-dev/hedgerow/users"
)

// StartPasskeyLogin begins to sign in with a passkey. It returns the options for
// the browser, and the secret of the challenge for PasskeyLogin. An address is
// optional: with one, only a passkey of the account with that address is accepted.
// Accounts are not looked at, so that the answer tells nothing about them. It
// returns ErrLockedOut, ErrThrottled, or an Invalid error for the address.
func (s *Service) StartPasskeyLogin(ctx context.Context, client string, email users.Field[string]) (options []byte, challenge users.Secret, err error) {
	if s.config.Passkeys == nil {
		return nil, "", users.ErrNotFound
	}
	folded := ""
	if email.Set {
		address, err := users.CheckEmail(email)
		if err != nil {
			return nil, "", err
		}
		folded = users.FoldEmail(address)
	}
	options, challenge, err = s.startPasskeyLogin(ctx, client, folded)
	if err != nil {
		return nil, "", fmt.Errorf("start passkey login: %w", err)
	}
	return options, challenge, nil
}

func (s *Service) startPasskeyLogin(ctx context.Context, client, folded string) (options []byte, token users.Secret, err error) {
	address, _ := loginKeys(client, "")
	if err := s.checkAddress(ctx, address); err != nil {
		return nil, "", err
	}
	if err := s.allow(ctx, "passkey-client:"+client, passkeyLogins); err != nil {
		return nil, "", err
	}
	challenge, err := s.random(challengeBytes)
	if err != nil {
		return nil, "", err
	}
	if token, err = s.newToken(); err != nil {
		return nil, "", err
	}
	options, state, err := s.config.Passkeys.BeginAssertion(nil, challenge)
	if err != nil {
		return nil, "", err
	}
	err = s.store.UpdateAuth(ctx, func(tx Tx) error {
		return s.addChallenge(ctx, tx, PasskeyLogin, hashOf(token), 0, append(addressMark(folded), state...))
	})
	return options, token, err
}

// addressMark ties a challenge to a folded address; "" ties it to none.
func addressMark(folded string) []byte {
	mark := make([]byte, sha256.Size)
	if folded != "" {
		sum := sha256.Sum256([]byte(folded))
		copy(mark, sum[:])
	}
	return mark
}

// PasskeyLoginRequest is one attempt to sign in with a passkey.
type PasskeyLoginRequest struct {
	Challenge  users.Secret // what StartPasskeyLogin returned
	Credential users.Field[users.JSON]
	// Client, UserAgent, Current and Remembered are those of LoginRequest.
	Client     string
	UserAgent  string
	Current    users.Secret
	Remembered []users.Secret
}

// PasskeyLogin checks a passkey and starts a session, whose secret it returns. A
// verified passkey whose authenticator has verified the user is good for both
// steps of a login; any other one is like a password: where a second factor is on,
// the answer is Err2FARequired as with Login. Unknown passkey, wrong signature,
// inactive account and one with another address are all ErrPasskey. Other
// refusals: ErrPasskeyChallenge, ErrSSOEnforced, ErrNotVerified, ErrLockedOut, or
// an Invalid error for the field "credential".
func (s *Service) PasskeyLogin(ctx context.Context, r PasskeyLoginRequest) (users.Secret, error) {
	if s.config.Passkeys == nil {
		return "", users.ErrNotFound
	}
	response, err := checkResponse(r.Credential)
	if err != nil {
		return "", err
	}
	token, err := s.passkeyLogin(ctx, r, response)
	if errors.Is(err, Err2FARequired) {
		return token, err
	} else if err != nil {
		s.explain(ctx, err)
		return "", fmt.Errorf("passkey login: %w", err)
	}
	return token, nil
}

func (s *Service) passkeyLogin(ctx context.Context, r PasskeyLoginRequest, response []byte) (users.Secret, error) {
	address, _ := loginKeys(r.Client, "")
	if err := s.checkAddress(ctx, address); err != nil {
		return "", err
	}
	session, token, err := s.newSession(0, r.UserAgent)
	if err != nil {
		return "", err
	}
	session.Method = "passkey"
	var u users.User  // whose passkey the response names
	var refused error // the challenge is spent, and so no reason to roll back
	err = s.store.UpdateAuth(ctx, func(tx Tx) error {
		var verified bool
		var err error
		if u, verified, err = s.takePasskey(ctx, tx, r.Challenge, response); err != nil {
			refused, err = refusal(err)
			return err
		}
		session.UserID, session.SecondFactor, refused = u.ID, verified, nil
		pending, err := s.enter(ctx, tx, u, session, r.Current, r.Remembered)
		if pending {
			refused = Err2FARequired
		}
		return err
	})
	switch {
	case err != nil:
	case refused == nil:
		s.remindToVerify(ctx, u)
	case errors.Is(refused, ErrNotVerified):
		s.mailLink(ctx, VerifyEmailLink, "login", u.ID)
	case errors.Is(refused, ErrPasskey):
		err = s.failLogin(ctx, address, "", u.ID)
	}
	return token, cmp.Or(err, refused)
}

// takePasskey spends a challenge, checks the response to it, and returns the user
// who may sign in. verified says that both factors are proved. With a refusal it
// returns the user whose passkey was named, if there is one.
func (s *Service) takePasskey(ctx context.Context, tx Tx, challenge users.Secret, response []byte) (u users.User, verified bool, err error) {
	data, err := s.spendChallenge(ctx, tx, PasskeyLogin, hashOf(challenge))
	if err != nil {
		return u, false, err
	}
	mark, state := data[:sha256.Size], data[sha256.Size:]
	k, a, err := s.usePasskey(ctx, tx, 0, state, response)
	if err != nil {
		return users.User{ID: k.UserID}, false, err
	}
	if u, err = tx.User(ctx, k.UserID); err != nil {
		return u, false, err
	}
	if !u.IsActive || !bytes.Equal(mark, addressMark("")) && !bytes.Equal(mark, addressMark(users.FoldEmail(u.Email))) {
		return u, false, ErrPasskey
	}
	// A user verification that only the thief of a passkey has set up proves
	// nothing. So it counts if it was there when the passkey was registered, or was
	// first used beside a password (WebAuthn Level 3 §7.2, "uvInitialized").
	verified = a.UserVerified && k.Verified
	if err := tx.SavePasskey(ctx, k); err != nil {
		return u, false, err
	}
	if sso, err := tx.SSOEnforced(ctx, users.EmailDomain(u.Email)); err != nil {
		return u, false, err
	} else if sso {
		return u, false, ErrSSOEnforced
	}
	return u, verified, s.checkVerified(u)
}

// passkeyStepHash names the challenge of a login that waits, so that a newer one
// takes its place.
func passkeyStepHash(pending Hash) Hash { return sha256.Sum256(pending[:]) }

// StartPasskeyStep begins the second step of a login by passkey and returns the
// options for the browser. pending is what Login or PasskeyLogin returned with
// Err2FARequired. It returns Err2FASession, Err2FAExpired and ErrNoPasskeys.
func (s *Service) StartPasskeyStep(ctx context.Context, pending users.Secret) (options []byte, err error) {
	if s.config.Passkeys == nil {
		return nil, users.ErrNotFound
	}
	challenge, err := s.random(challengeBytes)
	if err != nil {
		return nil, fmt.Errorf("start second step: %w", err)
	}
	err = s.store.UpdateAuth(ctx, func(tx Tx) error {
		u, err := s.waiting(ctx, tx, hashOf(pending))
		if err != nil {
			return err
		}
		if !passkeysCount(u) {
			return ErrNoPasskeys
		}
		passkeys, err := tx.Passkeys(ctx, u.ID)
		if err != nil {
			return err
		}
		var state []byte
		if options, state, err = s.config.Passkeys.BeginAssertion(passkeys, challenge); err != nil {
			return err
		}
		return s.addChallenge(ctx, tx, PasskeyStep, passkeyStepHash(hashOf(pending)), u.ID, state)
	})
	if err != nil {
		return nil, fmt.Errorf("start second step: %w", err)
	}
	return options, nil
}

// passkeysCount reports whether passkeys are a second factor of u.
func passkeysCount(u users.User) bool { return u.PasskeysEnabledFor2FA.Value && u.HasVerifiedPasskey }

// PasskeyStepRequest is the passkey that completes a login.
type PasskeyStepRequest struct {
	Pending    users.Secret // what Login or PasskeyLogin returned
	Credential users.Field[users.JSON]
	// UserAgent as the browser sent it.
	UserAgent string
}

// FinishLoginByPasskey is FinishLogin by a passkey, which answers StartPasskeyStep
// and must have verified the user. It returns Err2FASession, Err2FAExpired,
// ErrNoPasskeys, ErrPasskey, ErrPasskeyChallenge, ErrThrottled, or an Invalid
// error for the field "credential".
func (s *Service) FinishLoginByPasskey(ctx context.Context, r PasskeyStepRequest) (SignedIn, error) {
	if s.config.Passkeys == nil {
		return SignedIn{}, users.ErrNotFound
	}
	response, err := checkResponse(r.Credential)
	if err != nil {
		return SignedIn{}, err
	}
	st, err := s.openStep(ctx, r.Pending)
	if err != nil {
		return SignedIn{}, fmt.Errorf("finish login: %w", err)
	}
	st.response = response
	u, in, err := s.finish(ctx, st, r.UserAgent, s.takePasskeyStep)
	if err != nil {
		s.explain(ctx, err)
		return SignedIn{}, fmt.Errorf("finish login: %w", err)
	}
	s.remindToVerify(ctx, u)
	return in, nil
}

// takePasskeyStep is takeStep for a passkey.
func (s *Service) takePasskeyStep(ctx context.Context, tx Tx, st *step) (u users.User, refused, err error) {
	if u, err = s.waiting(ctx, tx, st.pending); err != nil {
		return u, nil, err
	}
	if !passkeysCount(u) {
		return u, ErrNoPasskeys, nil
	}
	state, err := s.spendChallenge(ctx, tx, PasskeyStep, passkeyStepHash(st.pending))
	if err != nil {
		return u, nil, err
	}
	k, a, err := s.usePasskey(ctx, tx, u.ID, state, st.response)
	// The first step was the same passkey: see takePasskey.
	if err == nil && (!a.UserVerified || !k.Verified && st.method != "password") {
		err = ErrPasskey
	}
	if refused, err = refusal(err); err != nil {
		return u, nil, err
	}
	if refused != nil {
		return u, refused, tx.AddEvent(ctx, s.users.Event(users.Actor{}, u.ID, "second factor failed"))
	}
	k.Verified = true
	if err := tx.SavePasskey(ctx, k); err != nil {
		return u, nil, err
	}
	if err := tx.DeleteTicket(ctx, PendingLogin, st.pending); err != nil {
		return u, nil, err
	}
	return u, nil, tx.AddEvent(ctx, s.users.Event(users.Actor{}, u.ID, "second factor passed"))
}
