package github

import (
	"errors"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/hedgerow-dev/hedgerow/integrations"
	"github.com/hedgerow-dev/hedgerow/users"
)

// lenient reads what others wrote: a name given twice or odd bytes in one place
// must not cost the whole answer.
var lenient = json.JoinOptions(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))

// maxText is the longest text that is taken over from GitHub, in bytes. Names of
// accounts, repositories and branches are far below.
const maxText = 1024

// decode reads the body. Text that is no JSON is Unreachable, JSON of another
// shape Incomplete.
func (a response) decode(call string, into any) error {
	body := jsontext.Value(a.body)
	if !body.IsValid(lenient) {
		return &integrations.Failure{Kind: integrations.Unreachable, Call: call, Status: a.status, Err: errors.New("the body is no JSON")}
	}
	if body.Kind() == 'n' || json.Unmarshal(body, into, lenient) != nil {
		return incomplete(call, a, "the body has another shape")
	}
	return nil
}

// object is a JSON object whose members are read one by one, so that one of the
// wrong type does not cost the others.
type object map[string]jsontext.Value

// member reads a member as a T, or says that it is missing or something else.
func member[T any](o object, name string) users.Null[T] {
	raw, ok := o[name]
	if !ok || raw.Kind() == 'n' {
		return users.Null[T]{}
	}
	var value T
	if json.Unmarshal(raw, &value, lenient) != nil {
		return users.Null[T]{}
	}
	return users.Some(value)
}

// optional is a text member of acceptable length.
func (o object) optional(name string) users.Null[string] {
	text := member[string](o, name)
	if len(text.Value) > maxText {
		return users.Null[string]{}
	}
	return text
}

// text is a text member, or "".
func (o object) text(name string) string { return o.optional(name).Value }

func (o object) integer(name string) (int64, bool) {
	n := member[int64](o, name)
	return n.Value, n.Valid
}
