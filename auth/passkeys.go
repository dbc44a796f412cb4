package auth

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/hedgerow-dev/hedgerow/users"
)

const (
	// maxCredentialID is the longest id of a credential in bytes, WebAuthn Level 3
	// §7.1, step 25.
	maxCredentialID = 1023
	// maxPasskeys of one user, section 3 of the security requirements.
	maxPasskeys = 25
	// userHandleBytes is all that WebAuthn Level 3 §14.6.1 recommends.
	userHandleBytes = 64
)

// Passkeys lists the passkeys of a user, oldest first.
func (s *Service) Passkeys(ctx context.Context, user users.ID) ([]Passkey, error) {
	list, err := s.store.Passkeys(ctx, user)
	if err != nil {
		return nil, fmt.Errorf("list passkeys: %w", err)
	}
	return list, nil
}

// passkeySetupHash names the registration of a session, so that a newer one takes
// its place. Logins of the host have no session: theirs is one per user.
func passkeySetupHash(p Principal) Hash {
	return hashOf(users.Secret(id(p.Actor.ID) + ":" + p.Session.ID.String()))
}

// StartPasskey begins to register a passkey of the caller and returns the options
// for the browser. They wait ChallengeLifetime for ConfirmPasskey by the same
// session. It returns ErrTooManyPasskeys.
func (s *Service) StartPasskey(ctx context.Context, p Principal) (options []byte, err error) {
	if s.config.Passkeys == nil {
		return nil, users.ErrNotFound
	}
	challenge, err := s.random(challengeBytes)
	if err != nil {
		return nil, fmt.Errorf("start passkey: %w", err)
	}
	handle, err := s.random(userHandleBytes)
	if err != nil {
		return nil, fmt.Errorf("start passkey: %w", err)
	}
	err = s.store.UpdateAuth(ctx, func(tx Tx) error {
		u, err := liveUser(ctx, tx, p)
		if err != nil {
			return err
		}
		owner := PasskeyOwner{Handle: handle, Name: u.Email, DisplayName: cmp.Or(strings.TrimSpace(u.FirstName+" "+u.LastName), u.Email)}
		if owner.Passkeys, err = tx.Passkeys(ctx, u.ID); err != nil {
			return err
		}
		if n := len(owner.Passkeys); n >= maxPasskeys {
			return ErrTooManyPasskeys
		} else if n > 0 {
			owner.Handle = owner.Passkeys[0].UserHandle
		}
		var state []byte
		if options, state, err = s.config.Passkeys.BeginRegistration(owner, challenge); err != nil {
			return err
		}
		return s.addChallenge(ctx, tx, PasskeySetup, passkeySetupHash(p), u.ID, state)
	})
	if err != nil {
		return nil, fmt.Errorf("start passkey: %w", err)
	}
	return options, nil
}

// ConfirmPasskey registers the passkey that answers StartPasskey. An absent name
// is that of the authenticator, or "Passkey". It returns ErrPasskey,
// ErrPasskeyChallenge, ErrTooManyPasskeys, or an Invalid error for a field.
func (s *Service) ConfirmPasskey(ctx context.Context, p Principal, credential users.Field[users.JSON], name users.Field[string]) (k Passkey, err error) {
	if s.config.Passkeys == nil {
		return Passkey{}, users.ErrNotFound
	}
	response, err := checkResponse(credential)
	if err != nil {
		return Passkey{}, err
	}
	var chosen string
	if name.Set {
		if chosen, err = users.CheckName(name, "name"); err != nil {
			return Passkey{}, err
		}
	}
	var refused error // the challenge is spent, and so no reason to roll back
	err = s.store.UpdateAuth(ctx, func(tx Tx) error {
		u, err := liveUser(ctx, tx, p)
		if err != nil {
			return err
		}
		if k, err = s.registered(ctx, tx, p, response); err != nil {
			refused, err = refusal(err)
			return err
		}
		if k.ID, err = uuid.NewRandomFromReader(s.config.Rand); err != nil {
			return fmt.Errorf("read randomness: %w", err)
		}
		refused, k.UserID, k.CreatedAt, k.Name = nil, u.ID, s.now(), cmp.Or(chosen, k.Name, "Passkey")
		if err := tx.SavePasskey(ctx, k); err != nil {
			return err
		}
		if err := tx.AddEvent(ctx, s.users.Event(p.Actor, u.ID, "passkey added")); err != nil {
			return err
		}
		return s.followPasskeys(ctx, tx, p.Actor, u, p.Session.ID)
	})
	if err = cmp.Or(err, refused); err != nil {
		s.explain(ctx, err)
		return Passkey{}, fmt.Errorf("confirm passkey: %w", err)
	}
	return k, nil
}

// registered spends the caller's challenge for a new passkey.
func (s *Service) registered(ctx context.Context, tx Tx, p Principal, response []byte) (Passkey, error) {
	state, err := s.spendChallenge(ctx, tx, PasskeySetup, passkeySetupHash(p))
	if err != nil {
		return Passkey{}, err
	}
	k, err := s.config.Passkeys.FinishRegistration(state, response)
	if err != nil {
		return Passkey{}, err
	}
	existing, err := tx.Passkeys(ctx, p.Actor.ID)
	if err != nil {
		return Passkey{}, err
	}
	switch n := len(existing); {
	case n >= maxPasskeys:
		return Passkey{}, ErrTooManyPasskeys
	case len(k.CredentialID) > maxCredentialID:
		return Passkey{}, ErrPasskey
	case n > 0 && !bytes.Equal(existing[0].UserHandle, k.UserHandle):
		return Passkey{}, ErrPasskeyChallenge // another session registered the first one meanwhile
	}
	if _, err := tx.PasskeyByCredential(ctx, k.CredentialID); err == nil {
		return Passkey{}, ErrPasskey // WebAuthn Level 3 §7.1, step 26: one credential, one account
	} else if !errors.Is(err, users.ErrNotFound) {
		return Passkey{}, err
	}
	return k, nil
}

// followPasskeys brings what u says about passkeys in line with those that exist.
// If signing in asks for more or for less from then on, the sessions of the user
// end but one.
func (s *Service) followPasskeys(ctx context.Context, tx Tx, actor users.Actor, u users.User, except uuid.UUID) error {
	list, err := tx.Passkeys(ctx, u.ID)
	if err != nil {
		return err
	}
	before := u
	u.HasVerifiedPasskey = slices.ContainsFunc(list, func(k Passkey) bool { return k.Verified })
	if !u.HasVerifiedPasskey && u.PasskeysEnabledFor2FA.Value {
		u.PasskeysEnabledFor2FA = users.Some(false)
		if err := tx.AddEvent(ctx, s.users.Event(actor, u.ID, "user updated", "passkeys_enabled_for_2fa")); err != nil {
			return err
		}
	}
	if u == before {
		return nil
	}
	if u, err = tx.SaveUser(ctx, u); err != nil {
		return err
	}
	if u.Is2FAEnabled() != before.Is2FAEnabled() || u.PasskeysEnabledFor2FA != before.PasskeysEnabledFor2FA {
		_, err = endSessions(ctx, tx, u.ID, except)
	}
	return err
}

// ownPasskey finds a passkey of a user by the text of its ID. It returns
// users.ErrNotFound, also for one of somebody else.
func ownPasskey(ctx context.Context, tx Tx, user users.ID, id string) (Passkey, error) {
	parsed, ok := users.ParseUUID(id)
	if !ok {
		return Passkey{}, users.ErrNotFound
	}
	list, err := tx.Passkeys(ctx, user)
	if err != nil {
		return Passkey{}, err
	}
	for _, k := range list {
		if k.ID == parsed {
			return k, nil
		}
	}
	return Passkey{}, users.ErrNotFound
}

// RenamePasskey names one of the caller's passkeys; an absent name changes
// nothing. It returns users.ErrNotFound, or an Invalid error for the field "name".
func (s *Service) RenamePasskey(ctx context.Context, p Principal, id string, name users.Field[string]) (k Passkey, err error) {
	err = s.store.UpdateAuth(ctx, func(tx Tx) error {
		if _, err := liveUser(ctx, tx, p); err != nil {
			return err
		}
		if k, err = ownPasskey(ctx, tx, p.Actor.ID, id); err != nil || !name.Set {
			return err
		}
		if k.Name, err = users.CheckName(name, "name"); err != nil {
			return err
		}
		if err := tx.SavePasskey(ctx, k); err != nil {
			return err
		}
		return tx.AddEvent(ctx, s.users.Event(p.Actor, p.Actor.ID, "passkey renamed"))
	})
	if err != nil {
		return Passkey{}, fmt.Errorf("rename passkey: %w", err)
	}
	return k, nil
}

// DeletePasskey removes one of the caller's passkeys, and whatever waits for one:
// pending logins and challenges. Without a verified passkey left, passkeys stop to
// count as second factor, and the other sessions end. It returns
// users.ErrNotFound.
func (s *Service) DeletePasskey(ctx context.Context, p Principal, id string) error {
	err := s.store.UpdateAuth(ctx, func(tx Tx) error {
		u, err := liveUser(ctx, tx, p)
		if err != nil {
			return err
		}
		k, err := ownPasskey(ctx, tx, u.ID, id)
		if err != nil {
			return err
		}
		if err := tx.DeletePasskey(ctx, k.ID); err != nil {
			return err
		}
		if err := tx.DeleteTickets(ctx, u.ID, PendingLogin, PasskeySetup, PasskeyStep); err != nil {
			return err
		}
		if err := tx.AddEvent(ctx, s.users.Event(p.Actor, u.ID, "passkey removed")); err != nil {
			return err
		}
		return s.followPasskeys(ctx, tx, p.Actor, u, p.Session.ID)
	})
	if err != nil {
		return fmt.Errorf("delete passkey: %w", err)
	}
	return nil
}

// SavePasskey adds a passkey to k.UserID and returns it with its ID, which is new;
// it is for hosts that import accounts. What is zero is filled in: CredentialID,
// UserHandle and CreatedAt, and the name "Passkey". Without Data nobody can use
// it. It returns users.ErrNotFound, users.ErrConflict for a CredentialID that
// another passkey has or a UserHandle that differs from the user's other passkeys,
// or an Invalid error for the field "name" or, over 1023 bytes, "credential_id".
func (s *Service) SavePasskey(ctx context.Context, k Passkey) (Passkey, error) {
	given := len(k.UserHandle)
	k, err := s.completePasskey(k.Clone())
	if err != nil {
		return Passkey{}, err
	}
	err = s.store.UpdateAuth(ctx, func(tx Tx) error {
		u, err := tx.User(ctx, k.UserID)
		if err != nil {
			return err
		}
		existing, err := tx.Passkeys(ctx, u.ID)
		if err != nil {
			return err
		}
		if len(existing) > 0 && given == 0 {
			k.UserHandle = existing[0].UserHandle
		} else if len(existing) > 0 && !bytes.Equal(k.UserHandle, existing[0].UserHandle) {
			return users.ErrConflict
		}
		if err := tx.SavePasskey(ctx, k); err != nil {
			return err
		}
		host := users.Actor{Credential: users.ByHost}
		if err := tx.AddEvent(ctx, s.users.Event(host, u.ID, "passkey added")); err != nil {
			return err
		}
		return s.followPasskeys(ctx, tx, host, u, uuid.Nil)
	})
	if err != nil {
		return Passkey{}, fmt.Errorf("save passkey: %w", err)
	}
	return k, nil
}

// completePasskey gives k an ID and fills in what is zero.
func (s *Service) completePasskey(k Passkey) (Passkey, error) {
	var err error
	if k.Name, err = users.CheckName(users.Set(cmp.Or(k.Name, "Passkey")), "name"); err != nil {
		return Passkey{}, err
	}
	if k.ID, err = uuid.NewRandomFromReader(s.config.Rand); err != nil {
		return Passkey{}, fmt.Errorf("read randomness: %w", err)
	}
	if len(k.CredentialID) == 0 {
		if k.CredentialID, err = s.random(challengeBytes); err != nil {
			return Passkey{}, err
		}
	}
	if len(k.CredentialID) > maxCredentialID {
		return Passkey{}, invalid("credential_id", "max_length", "The id of a credential has at most 1023 bytes.")
	}
	if len(k.UserHandle) == 0 {
		if k.UserHandle, err = s.random(userHandleBytes); err != nil {
			return Passkey{}, err
		}
	}
	if k.Data == nil {
		k.Data = []byte{}
	}
	setDefault(&k.CreatedAt, s.now())
	return k, nil
}
