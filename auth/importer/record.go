package importer

import (
	"context"
	"errors"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/users"
)

// record is what a line holds: the members of "fields", and what becomes of them.
type record interface {
	// prepare applies the rules that need no other record.
	prepare(ctx context.Context, im *run, pk jsontext.Value) error
	// check reports whether the record is there already, or what it refers to is not.
	check(ctx context.Context, a *attempt) (present bool, err error)
	save(ctx context.Context, a *attempt) error
	// number returns the id that the record has here, of a user or team.
	number(a *attempt) int64
	// claim notes what no later line of a dry run may have too.
	claim(s *seen)
	// count raises the number of such records, once they are committed.
	count(im *run, c *Counts, number int64)
}

// recordOf returns an empty record of a Django model, nil for others.
func recordOf(model string) record {
	switch model {
	case "posthog.organization":
		return &organization{}
	case "posthog.organizationdomain":
		return &domain{}
	case "posthog.team":
		return &team{}
	case "posthog.user":
		return &user{}
	case "posthog.organizationmembership":
		return &membership{}
	case "posthog.personalapikey":
		return &apiKey{}
	}
	return nil
}

// attempt is one try to store a batch: all of it is forgotten if that fails.
type attempt struct {
	*run
	auth.Reader
	tx                 auth.Tx // nil in a dry run
	newUsers, newTeams map[int64]int64
	organizations      map[uuid.UUID]bool // that exist
}

// user returns who the file calls pk, above the line.
func (a *attempt) user(pk int64) (users.ID, bool) {
	id, ok := a.newUsers[pk]
	if !ok {
		id, ok = a.users.get(pk)
	}
	return users.ID(id), ok
}

// team returns which one the file calls pk, above the line.
func (a *attempt) team(pk int64) (users.TeamID, bool) {
	id, ok := a.newTeams[pk]
	if !ok {
		id, ok = a.teams.get(pk)
	}
	return users.TeamID(id), ok
}

// organization reports whether there is one.
func (a *attempt) organization(ctx context.Context, id uuid.UUID) (bool, error) {
	if a.organizations[id] || a.seen.has("organization", id.String()) {
		return true, nil
	}
	_, err := a.Organization(ctx, id)
	exists, err := found(err)
	if exists {
		a.organizations[id] = true
	}
	return exists, err
}

// found tells records that do not exist from failures.
func found(err error) (bool, error) {
	if errors.Is(err, users.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// missing is the refusal of a reference to what no line above has brought.
func missing(field string) error {
	return &users.Error{Kind: users.Invalid, Code: "does_not_exist", Field: field, Message: "No line above has brought what this refers to."}
}

// unsaved is the number that a record has in a dry run: none that a store has.
func unsaved(pk int64) int64 { return pk - 1<<62 }

// numberOf reads a pk that is a number.
func numberOf(pk jsontext.Value) (n int64, err error) {
	if pk.Kind() != '0' || json.Unmarshal(pk, &n) != nil || n <= 0 || n >= 1<<62 {
		return 0, &users.Error{Kind: users.Invalid, Code: "invalid_input", Field: "pk", Message: "This is no positive number."}
	}
	return n, nil
}

// textOf reads a pk that is text.
func textOf(pk jsontext.Value) (s string, err error) {
	if pk.Kind() != '"' || json.Unmarshal(pk, &s) != nil || s == "" {
		return "", &users.Error{Kind: users.Invalid, Code: "invalid_input", Field: "pk", Message: "This is no text."}
	}
	return s, nil
}
