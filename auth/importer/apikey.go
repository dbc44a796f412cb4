package importer

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/users"
)

// apiKey is a line of posthog.personalapikey.
type apiKey struct {
	User                member[int64]     `json:"user"`
	Label               member[string]    `json:"label"`
	SecureValue         member[string]    `json:"secure_value"`
	MaskValue           member[string]    `json:"mask_value"`
	Scopes              member[[]string]  `json:"scopes"`
	ScopedTeams         member[[]int64]   `json:"scoped_teams"`
	ScopedOrganizations member[[]string]  `json:"scoped_organizations"`
	CreatedAt           member[time.Time] `json:"created_at"`
	LastUsedAt          member[time.Time] `json:"last_used_at"`
	LastRolledAt        member[time.Time] `json:"last_rolled_at"`

	owner int64
	teams []int64
	value auth.APIKey
}

func (k *apiKey) prepare(_ context.Context, _ *run, pk jsontext.Value) (err error) {
	v, r := auth.APIKey{}, &reading{}
	if v.ID, err = textOf(pk); err != nil {
		return err
	}
	k.owner, v.Label = must(r, k.User, "user"), must(r, k.Label, "label")
	hash := must(r, k.SecureValue, "secure_value")
	v.Mask, v.Scopes = or(r, k.MaskValue, "mask_value", ""), take(r, k.Scopes, "scopes")
	k.teams = take(r, k.ScopedTeams, "scoped_teams")
	for _, text := range take(r, k.ScopedOrganizations, "scoped_organizations") {
		id, ok := users.ParseUUID(text)
		if !ok {
			r.refuse("scoped_organizations", "invalid_input", "This is no list of UUIDs.")
		}
		v.ScopedOrganizations = append(v.ScopedOrganizations, id)
	}
	if k.ScopedOrganizations.Set && !k.ScopedOrganizations.Null && v.ScopedOrganizations == nil {
		v.ScopedOrganizations = []uuid.UUID{}
	}
	v.CreatedAt, v.LastUsedAt = r.time(k.CreatedAt, "created_at"), r.time(k.LastUsedAt, "last_used_at")
	v.LastRolledAt = r.time(k.LastRolledAt, "last_rolled_at")
	if r.err != nil {
		return r.err
	}
	if v.Hash, err = auth.ParseKeyHash(hash); err != nil {
		return err
	}
	if len(k.teams) > 0 {
		v.ScopedTeams = make([]users.TeamID, len(k.teams))
	} else if k.teams != nil {
		v.ScopedTeams = []users.TeamID{}
	}
	k.value = v
	return auth.CheckImportedKey(v)
}

func (k *apiKey) check(ctx context.Context, a *attempt) (bool, error) {
	var ok bool
	if k.value.UserID, ok = a.user(k.owner); !ok {
		return false, missing("user")
	}
	for i, pk := range k.teams {
		if k.value.ScopedTeams[i], ok = a.team(pk); !ok {
			return false, missing("scoped_teams")
		}
	}
	if a.seen.has("key of "+idText(k.owner), k.value.ID) {
		return true, nil
	}
	same, err := a.APIKey(ctx, k.value.ID)
	present, err := found(err)
	switch {
	case err != nil:
		return false, err
	case present && same.UserID == k.value.UserID:
		return true, nil
	case present || a.seen.has("key", k.value.ID):
		return false, taken("pk")
	case a.seen.has("hash", string(k.value.Hash[:])):
		return false, taken("secure_value")
	}
	return false, nil
}

// taken is the refusal of what another key has.
func taken(field string) error {
	return &users.Error{Kind: users.Conflict, Code: "unique", Field: field, Message: "Another key has the same one."}
}

func (k *apiKey) save(ctx context.Context, a *attempt) error {
	err := a.credentials.ImportAPIKey(ctx, a.tx, k.value)
	if errors.Is(err, users.ErrConflict) {
		return taken("secure_value")
	}
	return err
}

func (k *apiKey) number(*attempt) int64 { return 0 }

func (k *apiKey) claim(s *seen) {
	s.add("key", k.value.ID)
	s.add("key of "+idText(k.owner), k.value.ID)
	s.add("hash", string(k.value.Hash[:]))
}

func (k *apiKey) count(_ *run, c *Counts, _ int64) { c.APIKeys++ }

func idText(n int64) string { return strconv.FormatInt(n, 10) }
