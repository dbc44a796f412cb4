package auth

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/hedgerow-dev/hedgerow/users"
)

const (
	// MaxAPIKeys of one user, contract section 11.2.
	MaxAPIKeys = 10
	maxLabel   = 40
	// keyBytes is the randomness of a key, contract section 2.2.
	keyBytes = 35
	// idBytes is the randomness of a key's public id.
	idBytes = 16
	// keyUseEvery is how fine LastUsedAt is, contract section 2.2.
	keyUseEvery = time.Hour
	maxScopes   = 200
	// maxRestrictions is how many teams or organizations a key may name.
	maxRestrictions = 1000
)

// KeyPatch is what a user may choose about an API key. For a new key, all
// members but ExpiresAt are required.
type KeyPatch struct {
	Label               users.Field[string]
	Scopes              users.Field[[]string]
	ScopedTeams         users.Field[[]users.TeamID]
	ScopedOrganizations users.Field[[]string]
	ExpiresAt           users.Field[time.Time] // null means never
}

// APIKeys lists the keys of a user, newest first.
func (s *Service) APIKeys(ctx context.Context, user users.ID) ([]APIKey, error) {
	used := s.keyUse.unstored()
	keys, err := s.store.APIKeys(ctx, user)
	if err != nil {
		return nil, fmt.Errorf("list API keys: %w", err)
	}
	for i := range keys {
		keys[i] = withUse(keys[i], used)
	}
	return keys, nil
}

// APIKey returns a key of the user, or users.ErrNotFound, also for a key of
// somebody else.
func (s *Service) APIKey(ctx context.Context, user users.ID, id string) (APIKey, error) {
	used := s.keyUse.unstored()
	k, err := ownKey(ctx, s.store, user, id)
	if err != nil {
		return APIKey{}, fmt.Errorf("read API key: %w", err)
	}
	return withUse(k, used), nil
}

func ownKey(ctx context.Context, r Reader, user users.ID, id string) (APIKey, error) {
	k, err := r.APIKey(ctx, id)
	if err == nil && k.UserID != user {
		return APIKey{}, users.ErrNotFound
	}
	return k, err
}

// CreateAPIKey makes a key for the caller and returns it with its value, which
// cannot be read again. It returns an Invalid error for a member, ErrTooManyKeys,
// or ErrNotAuthenticated if account or session ended while the request ran.
func (s *Service) CreateAPIKey(ctx context.Context, p Principal, patch KeyPatch) (APIKey, users.Secret, error) {
	k, value, err := s.newKey(p.Actor.ID)
	if err != nil {
		return APIKey{}, "", err
	}
	err = s.store.UpdateAuth(ctx, func(tx Tx) error {
		// The user's row is the lock behind which keys are counted.
		if _, err := liveUser(ctx, tx, p); err != nil {
			return err
		}
		if err := s.applyKey(ctx, tx, &k, patch, true); err != nil {
			return err
		}
		keys, err := tx.APIKeys(ctx, p.Actor.ID)
		if err != nil {
			return err
		}
		if len(keys) >= MaxAPIKeys {
			return ErrTooManyKeys
		}
		if len(keys) > 0 && !k.CreatedAt.After(keys[0].CreatedAt) {
			// Lists are ordered by time, also when the clock stands still.
			k.CreatedAt = keys[0].CreatedAt.Add(time.Microsecond)
		}
		if err := tx.SaveAPIKey(ctx, k); err != nil {
			return err
		}
		return tx.AddEvent(ctx, s.users.Event(p.Actor, p.Actor.ID, "API key created"))
	})
	if err != nil {
		return APIKey{}, "", fmt.Errorf("create API key: %w", err)
	}
	return k, value, nil
}

// newKey makes a key that can do nothing yet, and its value.
func (s *Service) newKey(user users.ID) (APIKey, users.Secret, error) {
	value, err := s.newKeyValue()
	if err != nil {
		return APIKey{}, "", err
	}
	id, err := users.RandomText(s.config.Rand, idBytes)
	if err != nil {
		return APIKey{}, "", err
	}
	return APIKey{ID: id, UserID: user, Hash: hashOf(value), Mask: mask(value), CreatedAt: s.now()}, value, nil
}

func (s *Service) newKeyValue() (users.Secret, error) {
	text, err := users.RandomText(s.config.Rand, keyBytes)
	return users.Secret("phx_" + text), err
}

// mask shows enough of a key to tell it from others.
func mask(value users.Secret) string {
	v := string(value)
	if len(v) < 16 {
		return "..."
	}
	return v[:4] + "..." + v[len(v)-4:]
}

// SaveAPIKey stores a key with a given value; it is for the host. Scopes and
// restrictions are taken as they are. A zero ID, CreatedAt or Mask is filled
// in. It returns users.ErrNotFound if the owner does not exist,
// users.ErrConflict if the value is in use, and an Invalid error for text that
// no store can hold or an ID of more than users.MaxKey characters.
func (s *Service) SaveAPIKey(ctx context.Context, k APIKey, value users.Secret) (APIKey, error) {
	fresh, _, err := s.newKey(k.UserID)
	if err != nil {
		return APIKey{}, fmt.Errorf("save API key: %w", err)
	}
	if err := users.CheckKey([2]string{"id", k.ID}); err != nil {
		return APIKey{}, err
	}
	if err := users.CheckStorable([2]string{"label", k.Label}, [2]string{"scopes", strings.Join(k.Scopes, " ")},
		[2]string{"value", mask(value)}); err != nil {
		return APIKey{}, err
	}
	k = k.Clone()
	k.Hash, k.Mask = hashOf(value), mask(value)
	setDefault(&k.ID, fresh.ID)
	setDefault(&k.CreatedAt, fresh.CreatedAt)
	err = s.store.UpdateAuth(ctx, func(tx Tx) error {
		if err := tx.SaveAPIKey(ctx, k); err != nil {
			return err
		}
		return tx.AddEvent(ctx, s.users.Event(users.Actor{Credential: users.ByHost}, k.UserID, "API key saved"))
	})
	if err != nil {
		return APIKey{}, fmt.Errorf("save API key: %w", err)
	}
	return k, nil
}

// NewAPIKeyValue returns a random value in the format of contract section 2.2,
// for SaveAPIKey.
func (s *Service) NewAPIKeyValue() (users.Secret, error) { return s.newKeyValue() }

// UpdateAPIKey changes what patch names. It returns users.ErrNotFound, an Invalid
// error for a member, or ErrNotAuthenticated under the terms of CreateAPIKey.
func (s *Service) UpdateAPIKey(ctx context.Context, p Principal, id string, patch KeyPatch) (APIKey, error) {
	k, err := s.editKey(ctx, p, id, "API key updated", func(tx Tx, k *APIKey) error {
		return s.applyKey(ctx, tx, k, patch, false)
	})
	if err != nil {
		return APIKey{}, fmt.Errorf("update API key: %w", err)
	}
	return k, nil
}

// RollAPIKey replaces the value of a key, which it returns. The old value is
// worth nothing from then on. It returns users.ErrNotFound, or ErrNotAuthenticated
// under the terms of CreateAPIKey.
func (s *Service) RollAPIKey(ctx context.Context, p Principal, id string) (APIKey, users.Secret, error) {
	value, err := s.newKeyValue()
	if err != nil {
		return APIKey{}, "", fmt.Errorf("roll API key: %w", err)
	}
	k, err := s.editKey(ctx, p, id, "API key rolled", func(_ Tx, k *APIKey) error {
		k.Hash, k.Mask, k.LastRolledAt = hashOf(value), mask(value), s.now()
		return nil
	})
	if err != nil {
		return APIKey{}, "", fmt.Errorf("roll API key: %w", err)
	}
	return k, value, nil
}

// editKey changes a key of the caller by fn and returns it.
func (s *Service) editKey(ctx context.Context, p Principal, id, action string, fn func(Tx, *APIKey) error) (APIKey, error) {
	used := s.keyUse.unstored()
	var k APIKey
	err := s.store.UpdateAuth(ctx, func(tx Tx) (err error) {
		if _, err := liveUser(ctx, tx, p); err != nil {
			return err
		}
		if k, err = ownKey(ctx, tx, p.Actor.ID, id); err != nil {
			return err
		}
		if err := fn(tx, &k); err != nil {
			return err
		}
		if err := tx.SaveAPIKey(ctx, k); err != nil {
			return err
		}
		return tx.AddEvent(ctx, s.users.Event(p.Actor, p.Actor.ID, action))
	})
	return withUse(k, used), err
}

// DeleteAPIKey revokes a key. It returns users.ErrNotFound, or ErrNotAuthenticated
// under the terms of CreateAPIKey.
func (s *Service) DeleteAPIKey(ctx context.Context, p Principal, id string) error {
	err := s.store.UpdateAuth(ctx, func(tx Tx) error {
		if _, err := liveUser(ctx, tx, p); err != nil {
			return err
		}
		k, err := ownKey(ctx, tx, p.Actor.ID, id)
		if err != nil {
			return err
		}
		if err := tx.DeleteAPIKey(ctx, k.ID); err != nil {
			return err
		}
		return tx.AddEvent(ctx, s.users.Event(p.Actor, p.Actor.ID, "API key deleted"))
	})
	if err != nil {
		return fmt.Errorf("delete API key: %w", err)
	}
	return nil
}

// missing is the refusal of a new key without a member.
func missing(name string) error { return invalid(name, "required", "This field is required.") }

// applyKey changes k by p, or returns the first rule that p breaks. whole says
// that all members but the expiry are required.
func (s *Service) applyKey(ctx context.Context, tx Tx, k *APIKey, p KeyPatch, whole bool) error {
	if p.Label.Set || whole {
		label, err := users.CheckText(p.Label, "label", maxLabel)
		if err != nil {
			return err
		}
		k.Label = label
	}
	if whole && !p.Scopes.Set {
		return missing("scopes")
	}
	if p.Scopes.Set {
		if err := s.checkScopes(p.Scopes); err != nil {
			return err
		}
		k.Scopes = p.Scopes.Value
	}
	ms, err := tx.Memberships(ctx, k.UserID)
	if err != nil {
		return err
	}
	if whole && !p.ScopedTeams.Set {
		return missing("scoped_teams")
	}
	if p.ScopedTeams.Set {
		if k.ScopedTeams, err = ownTeams(ctx, tx, ms, p.ScopedTeams); err != nil {
			return err
		}
	}
	if whole && !p.ScopedOrganizations.Set {
		return missing("scoped_organizations")
	}
	if p.ScopedOrganizations.Set {
		if k.ScopedOrganizations, err = ownOrganizations(ms, p.ScopedOrganizations); err != nil {
			return err
		}
	}
	return s.applyExpiry(k, p.ExpiresAt)
}

func (s *Service) applyExpiry(k *APIKey, f users.Field[time.Time]) error {
	const name = "expires_at"
	switch {
	case !f.Set:
	case f.Err != nil:
		return invalid(name, f.Err.Code, f.Err.Message)
	case f.Null:
		k.ExpiresAt = time.Time{}
	case !f.Value.After(s.now()):
		return invalid(name, "invalid_input", "The time of expiry has passed.")
	default:
		k.ExpiresAt = f.Value.UTC().Truncate(time.Microsecond)
	}
	return nil
}

func (s *Service) checkScopes(f users.Field[[]string]) error {
	const name = "scopes"
	if err := listForm(f, name, maxScopes); err != nil {
		return err
	}
	if len(f.Value) == 0 {
		return invalid(name, "empty", "Name at least one scope.")
	}
	for _, scope := range f.Value {
		if !utf8.ValidString(scope) || !s.validScope(scope) {
			return invalid(name, "invalid_input", "There is no such scope.")
		}
	}
	return nil
}

// listForm reports a list that is null, no list, or longer than limit.
func listForm[T any](f users.Field[[]T], name string, limit int) error {
	if f.Null {
		return invalid(name, "null", "This field may not be null.")
	}
	if f.Err != nil {
		return invalid(name, f.Err.Code, f.Err.Message)
	}
	if len(f.Value) > limit {
		return invalid(name, "invalid_input", "This list is too long.")
	}
	return nil
}

func ownTeams(ctx context.Context, tx Tx, ms []users.Membership, f users.Field[[]users.TeamID]) ([]users.TeamID, error) {
	const name = "scoped_teams"
	if f.Null {
		return nil, nil
	}
	if err := listForm(f, name, maxRestrictions); err != nil {
		return nil, err
	}
	visible := map[users.TeamID]bool{}
	for _, m := range ms {
		teams, err := tx.Teams(ctx, m.OrganizationID)
		if err != nil {
			return nil, err
		}
		for _, t := range teams {
			visible[t.ID] = t.VisibleAt(m.Level)
		}
	}
	for _, team := range f.Value {
		if !visible[team] {
			return nil, invalid(name, "invalid_input", "You have no access to one of these teams.")
		}
	}
	return f.Value, nil
}

func ownOrganizations(ms []users.Membership, f users.Field[[]string]) ([]uuid.UUID, error) {
	const name = "scoped_organizations"
	if f.Null {
		return nil, nil
	}
	if err := listForm(f, name, maxRestrictions); err != nil {
		return nil, err
	}
	ids := make([]uuid.UUID, 0, min(len(f.Value), len(ms)))
	for _, text := range f.Value {
		id, ok := users.ParseUUID(text)
		if !ok || !slices.ContainsFunc(ms, func(m users.Membership) bool { return m.OrganizationID == id }) {
			return nil, invalid(name, "invalid_input", "You are not a member of one of these organizations.")
		}
		ids = append(ids, id)
	}
	return ids, nil
}

// storeKeyUse stores times of use of API keys.
func (s *Service) storeKeyUse(ctx context.Context, batch map[string]time.Time) error {
	return s.store.UpdateAuth(ctx, func(tx Tx) error {
		for _, id := range slices.Sorted(maps.Keys(batch)) {
			k, err := tx.APIKey(ctx, id)
			if errors.Is(err, users.ErrNotFound) {
				continue // deleted meanwhile
			} else if err != nil {
				return err
			}
			if !batch[id].After(k.LastUsedAt) {
				continue
			}
			k.LastUsedAt = batch[id]
			if err := tx.SaveAPIKey(ctx, k); err != nil {
				return err
			}
		}
		return nil
	})
}

// withUse is k with a later time of use that was not stored when it was read.
func withUse(k APIKey, used map[string]time.Time) APIKey {
	if t := used[k.ID]; t.After(k.LastUsedAt) {
		k.LastUsedAt = t
	}
	return k
}

// Flush waits until the times of use of API keys and sessions are stored, and the
// mail that was waiting is handed to the Mailer. The host calls it before it
// closes the store.
func (s *Service) Flush(ctx context.Context) error {
	for _, done := range []<-chan struct{}{s.keyUse.idle(), s.sessionUse.idle(), s.outbox.idle()} {
		select {
		case <-done:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}
