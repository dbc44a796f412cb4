package importer

import (
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"

	"github.com/hedgerow-dev/hedgerow/users"
)

// member is one of "fields": absent, null, a value, or something else.
type member[T any] struct{ users.Field[T] }

// UnmarshalJSONFrom keeps what is wrong with the value for when the rules get there.
func (m *member[T]) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	raw, err := d.ReadValue()
	if err != nil {
		return err
	}
	m.Set, m.Null = true, raw.Kind() == 'n'
	if !m.Null && json.Unmarshal(raw, &m.Value) != nil {
		m.Err = errLine("invalid_input", "This value is of the wrong type.")
	}
	return nil
}

// document is a member that may be any JSON.
type document struct{ users.Field[users.JSON] }

// UnmarshalJSONFrom keeps the value without white space.
func (m *document) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	raw, err := d.ReadValue()
	if err != nil {
		return err
	}
	m.Set, m.Null = true, raw.Kind() == 'n'
	if m.Null {
		return nil
	}
	text := raw.Clone()
	if err := text.Compact(); err != nil {
		return err
	}
	m.Value = users.JSON(text)
	return nil
}

// reading takes values out of members and remembers the first that is wrong.
type reading struct{ err *users.Error }

func (r *reading) refuse(name, code, message string) {
	if r.err == nil {
		r.err = &users.Error{Kind: users.Invalid, Code: code, Field: name, Message: message}
	}
}

// take returns the value, the zero value for null and what is absent.
func take[T any](r *reading, m member[T], name string) T {
	if m.Err != nil {
		r.refuse(name, m.Err.Code, m.Err.Message)
	}
	return m.Value
}

// must is take for a member that has to be there.
func must[T any](r *reading, m member[T], name string) T {
	switch {
	case !m.Set:
		r.refuse(name, "required", "This field is required.")
	case m.Null:
		r.refuse(name, "null", "This field may not be null.")
	}
	return take(r, m, name)
}

// or returns the value, or fallback for null and what is absent.
func or[T any](r *reading, m member[T], name string, fallback T) T {
	if !m.Set || m.Null {
		return fallback
	}
	return take(r, m, name)
}

// nullable is take for a member that keeps null apart, and fallback for what is
// absent.
func nullable[T any](r *reading, m member[T], name string, fallback users.Null[T]) users.Null[T] {
	if !m.Set {
		return fallback
	}
	return users.Null[T]{Value: take(r, m, name), Valid: !m.Null}
}

// id reads a UUID; null and what is absent is the zero one.
func (r *reading) id(m member[string], name string) uuid.UUID {
	text := or(r, m, name, "")
	id, ok := users.ParseUUID(text)
	if text != "" && (!ok || id == uuid.Nil) {
		r.refuse(name, "invalid_input", "This is no UUID.")
	}
	return id
}

// mustID is id for a member that has to be there.
func (r *reading) mustID(m member[string], name string) uuid.UUID {
	if must(r, m, name) == "" {
		r.refuse(name, "blank", "This field may not be blank.")
	}
	return r.id(m, name)
}

// time reads an instant in the form that stores keep; null is the zero time.
func (r *reading) time(m member[time.Time], name string) time.Time {
	t := take(r, m, name)
	if y := t.Year(); m.Set && !m.Null && m.Err == nil && (y < 1900 || y > 9999) {
		r.refuse(name, "invalid_input", "This time is out of range.")
	}
	return t.UTC().Truncate(time.Microsecond)
}

func (r *reading) fail() error {
	if r.err != nil {
		return r.err
	}
	return nil
}
