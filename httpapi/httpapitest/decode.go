package httpapitest

import (
	"cmp"
	"errors"
	"fmt"
	"reflect"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/hedgerow-dev/hedgerow/users"
)

// Refusal says what is wrong with a world or with the body of a control call.
type Refusal struct {
	// Path is the culprit as a JSON pointer (RFC 6901), such as
	// "/users/alice/emial"; "" is the whole document.
	Path   string
	Reason string
}

// Error returns path and reason.
func (r *Refusal) Error() string {
	if r.Path == "" {
		return r.Reason
	}
	return r.Path + ": " + r.Reason
}

func refuse(at jsontext.Pointer, reason string) error { return &Refusal{string(at), reason} }

// within moves a Refusal below a path.
func within(at jsontext.Pointer, err error) error {
	var refused *Refusal
	if errors.As(err, &refused) {
		return refuse(at+jsontext.Pointer(refused.Path), refused.Reason)
	}
	return err
}

// refusedAt turns what a service refuses into a Refusal of the member of the
// object at a path. Any other error stays one of ours.
func refusedAt(at jsontext.Pointer, err error) error {
	var refused *users.Error
	if err == nil || !errors.As(err, &refused) {
		return err
	}
	switch refused.Kind {
	case users.Invalid, users.Conflict, users.NotFound:
		if refused.Field != "" {
			at = at.AppendToken(refused.Field)
		}
		return refuse(at, refused.Message)
	}
	return fmt.Errorf("%s: %w", at, err)
}

// decode reads one JSON value strictly: unknown members, members that occur
// twice, wrong types and null where it means nothing are a Refusal.
func decode(text []byte, v any) error {
	return refusedJSON(json.Unmarshal(text, v, json.RejectUnknownMembers(true), json.WithUnmarshalers(json.UnmarshalFromFunc(refuseNull))))
}

// refusedJSON turns what the decoder refuses into a Refusal.
func refusedJSON(err error) error {
	var wrong *json.SemanticError
	var malformed *jsontext.SyntacticError
	switch {
	case errors.Is(err, json.ErrUnknownName) && errors.As(err, &wrong):
		return refuse(wrong.JSONPointer, "there is no such member")
	case errors.As(err, &wrong) && wrong.Err != nil:
		return refuse(wrong.JSONPointer, wrong.Err.Error())
	case errors.As(err, &wrong):
		return refuse(wrong.JSONPointer, misplaced(wrong.JSONKind))
	case errors.Is(err, jsontext.ErrDuplicateName) && errors.As(err, &malformed):
		return refuse(malformed.JSONPointer, "the member occurs twice")
	case errors.As(err, &malformed):
		return refuse(malformed.JSONPointer, "this is not valid JSON: "+malformed.Err.Error())
	case err != nil:
		return refuse("", err.Error())
	}
	return nil
}

func misplaced(kind jsontext.Kind) string {
	what := map[jsontext.Kind]string{'n': "null", '"': "a string", '0': "a number", '{': "an object", '[': "an array"}[kind]
	return cmp.Or(what, "a boolean") + " does not belong here"
}

// refuseNull refuses null for every value that is not a pointer: the decoder
// would take it for the zero value. Types that read themselves decide alone.
func refuseNull(d *jsontext.Decoder, v any) error {
	switch v.(type) {
	case json.UnmarshalerFrom, json.Unmarshaler:
		return errors.ErrUnsupported
	}
	if d.PeekKind() == 'n' && reflect.TypeOf(v).Elem().Kind() != reflect.Pointer {
		return errors.New(misplaced('n'))
	}
	return errors.ErrUnsupported
}

// member is a member that may be absent. One whose T is a pointer takes null.
type member[T any] struct {
	value T
	set   bool
}

// UnmarshalJSONFrom reads the value.
func (m *member[T]) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	m.set = true
	return json.UnmarshalDecode(d, &m.value)
}

func (m member[T]) or(fallback T) T {
	if m.set {
		return m.value
	}
	return fallback
}

// assign stores the value unless the member is absent.
func (m member[T]) assign(dst *T) { *dst = m.or(*dst) }

// optional is a nullable member as the domain types write it.
func optional[T any](v *T) users.Null[T] {
	if v == nil {
		return users.Null[T]{}
	}
	return users.Some(*v)
}

// object is a JSON object whose members keep their order.
type object[T any] []entry[T]

type entry[T any] struct {
	name  string
	value T
}

// UnmarshalJSONFrom reads the members.
func (o *object[T]) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	if kind := d.PeekKind(); kind != '{' {
		if err := d.SkipValue(); err != nil {
			return err
		}
		return errors.New(misplaced(kind))
	}
	if _, err := d.ReadToken(); err != nil {
		return err
	}
	*o = object[T]{}
	for d.PeekKind() != '}' {
		name, err := d.ReadToken()
		if err != nil {
			return err
		}
		e := entry[T]{name: name.String()}
		if err := json.UnmarshalDecode(d, &e.value); err != nil {
			return err
		}
		*o = append(*o, e)
	}
	_, err := d.ReadToken()
	return err
}

// each calls fn for the members in their order, with the path of each.
func (o object[T]) each(at jsontext.Pointer, fn func(n int, at jsontext.Pointer, name string, v T) error) error {
	for n, e := range o {
		if err := fn(n, at.AppendToken(e.name), e.name, e.value); err != nil {
			return err
		}
	}
	return nil
}

// each calls fn for the elements of a list, with the path of each.
func each[T any](at jsontext.Pointer, list []T, fn func(n int, at jsontext.Pointer, v T) error) error {
	for n, v := range list {
		if err := fn(n, element(at, n), v); err != nil {
			return err
		}
	}
	return nil
}

// find returns what a name stands for.
func find[T any](at jsontext.Pointer, known map[string]T, name string) (T, error) {
	v, ok := known[name]
	if !ok && name == "" {
		return v, refuse(at, "a name is required")
	} else if !ok {
		return v, refuse(at, fmt.Sprintf("there is no %q", name))
	}
	return v, nil
}

// maxAge bounds ages and steps of the clock, so that no time leaves the range
// in which it can be written.
const maxAge = 100 * 365 * 24 * time.Hour

// span is a number of units as a duration.
func span(at jsontext.Pointer, n float64, unit time.Duration) (time.Duration, error) {
	if limit := float64(maxAge / unit); n < 0 || n > limit {
		return 0, refuse(at, fmt.Sprintf("a number from 0 to %.0f belongs here", limit))
	}
	return time.Duration(n * float64(unit)).Truncate(time.Microsecond), nil
}
