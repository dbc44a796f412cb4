package auth

import (
	"context"
	"encoding/hex"
	"errors"
	"strings"

	"github.com/hedgerow-dev/hedgerow/users"
)

// ParseKeyHash reads a hash of an API key as contract section 2.2 stores it, such as
// "sha256$45af…". Other kinds are an Invalid error for the field "secure_value":
// nobody could look such a key up by its value.
func ParseKeyHash(text string) (h Hash, err error) {
	digits, ok := strings.CutPrefix(text, "sha256$")
	if !ok || len(digits) != 2*len(h) {
		return Hash{}, invalid("secure_value", "invalid_input", "This is no SHA-256 of a key; its owner has to make a new key.")
	}
	if _, err := hex.Decode(h[:], []byte(digits)); err != nil {
		return Hash{}, invalid("secure_value", "invalid_input", "This is no SHA-256 of a key; its owner has to make a new key.")
	}
	return h, nil
}

// ImportUser stores an account that comes from elsewhere, with a line of the
// activity log. u is what users.Service.ImportedUser returned. Errors are those of
// users.Tx.CreateUser.
func (s *Service) ImportUser(ctx context.Context, tx Tx, u users.User) (users.User, error) {
	u, err := tx.CreateUser(ctx, u)
	if err != nil {
		return users.User{}, err
	}
	return u, tx.AddEvent(ctx, s.users.Event(users.Actor{Credential: users.ByHost}, u.ID, "user imported"))
}

// ImportAPIKey stores a key that comes from elsewhere and is known by its Hash, with
// a line of the activity log. Scopes that do not exist here grant nothing. It returns
// an Invalid error for a member, ErrTooManyKeys, users.ErrNotFound if the owner does
// not exist, or users.ErrConflict if the ID is another key's or the Hash is.
func (s *Service) ImportAPIKey(ctx context.Context, tx Tx, k APIKey) error {
	if err := CheckImportedKey(k); err != nil {
		return err
	}
	if _, err := tx.APIKey(ctx, k.ID); err == nil {
		return users.ErrConflict
	} else if !errors.Is(err, users.ErrNotFound) {
		return err
	}
	keys, err := tx.APIKeys(ctx, k.UserID)
	if err != nil {
		return err
	}
	if len(keys) >= MaxAPIKeys {
		return ErrTooManyKeys
	}
	setDefault(&k.Mask, mask(""))
	setDefault(&k.CreatedAt, s.now())
	if err := tx.SaveAPIKey(ctx, k); err != nil {
		return err
	}
	return tx.AddEvent(ctx, s.users.Event(users.Actor{Credential: users.ByHost}, k.UserID, "API key saved"))
}

const (
	maxKeyID     = 50
	maxMask      = 11 // contract section 2.2
	maxScopeText = 100
)

// CheckImportedKey returns the Invalid error for a member that ImportAPIKey does.
func CheckImportedKey(k APIKey) error {
	for _, m := range []struct {
		name, value string
		limit       int
	}{{"id", k.ID, maxKeyID}, {"label", k.Label, maxLabel}, {"mask_value", k.Mask, maxMask}} {
		if err := users.CheckLength(m.name, m.value, m.limit); err != nil {
			return err
		}
	}
	switch {
	case k.ID == "":
		return missing("id")
	case len(k.Scopes) > maxScopes:
		return invalid("scopes", "invalid_input", "This list is too long.")
	case len(k.ScopedTeams) > maxRestrictions:
		return invalid("scoped_teams", "invalid_input", "This list is too long.")
	case len(k.ScopedOrganizations) > maxRestrictions:
		return invalid("scoped_organizations", "invalid_input", "This list is too long.")
	}
	for _, scope := range k.Scopes {
		if len(scope) > maxScopeText {
			return invalid("scopes", "invalid_input", "There is no such scope.")
		}
	}
	return users.CheckStorable([2]string{"id", k.ID}, [2]string{"label", k.Label}, [2]string{"mask_value", k.Mask},
		[2]string{"scopes", strings.Join(k.Scopes, " ")})
}
