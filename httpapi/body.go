package httpapi

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/hedgerow-dev/hedgerow/users"
)

const (
	maxDepth   = 64    // design limit of nesting
	maxMembers = 2_000 // of all objects of one body together
	maxItems   = 2_000 // of a list that a domain reads
)

// body is a request body that was parsed once: everything that looks at it
// looks at this. The zero body stands for none.
type body struct {
	value   jsontext.Value            // nil if there was no body
	members map[string]jsontext.Value // of value, if it is an object
}

// has reports whether a member was sent, whatever its value.
func (b body) has(name string) bool {
	_, ok := b.members[name]
	return ok
}

// object returns errNoObject if there is a body that is not an object.
func (b body) object() error {
	if b.value != nil && b.value.Kind() != '{' {
		return errNoObject
	}
	return nil
}

// readBody reads a JSON body of at most limit bytes.
func readBody(w http.ResponseWriter, r *http.Request, limit int64) (body, error) {
	raw, err := readRaw(w, r, limit)
	switch {
	case err != nil:
		return body{}, err
	case len(raw) == 0:
		return body{}, nil
	case !jsonMedia(r.Header):
		return body{}, errMedia
	}
	return parseBody(raw)
}

// readRaw reads a body of at most limit bytes as it is. w, which may be nil, then
// learns that the rest of a larger one will not be read.
func readRaw(w http.ResponseWriter, r *http.Request, limit int64) ([]byte, error) {
	if o, ok := w.(*observed); ok {
		w = o.ResponseWriter // the server's own is the one that learns
	}
	raw, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return nil, errTooLarge
	} else if err != nil {
		return nil, errParse // the client went away or broke the framing
	}
	return raw, nil
}

// jsonMedia reports whether the body is declared as JSON in UTF-8 without
// content encoding.
func jsonMedia(h http.Header) bool {
	if e := h.Get("Content-Encoding"); e != "" && !strings.EqualFold(e, "identity") || len(h.Values("Content-Type")) != 1 {
		return false
	}
	if h.Get("Content-Type") == "application/json" {
		return true // as nearly everybody writes it
	}
	media, params, err := mime.ParseMediaType(h.Get("Content-Type"))
	charset, declared := params["charset"]
	return err == nil && media == "application/json" && (!declared || strings.EqualFold(charset, "utf-8"))
}

// parseBody walks the tokens once. The decoder refuses invalid UTF-8, lone
// surrogates and names that occur twice; depth and size are ours.
func parseBody(raw []byte) (body, error) {
	d := jsontext.NewDecoder(bytes.NewBuffer(raw)) // a buffer is not copied
	b := body{members: map[string]jsontext.Value{}}
	name, start, names := "", int64(0), 0
	for {
		tok, err := d.ReadToken()
		if err != nil {
			return body{}, parseError(err)
		}
		depth := d.StackDepth()
		kind, n := d.StackIndex(depth)
		isName := kind == '{' && n%2 == 1
		if isName {
			names++
		}
		if depth > maxDepth || names > maxMembers {
			return body{}, errTooDeep
		}
		if depth == 0 {
			break
		}
		switch {
		case depth > 1 || kind != '{' || n == 0:
		case isName:
			name, start = tok.String(), d.InputOffset()
		default:
			b.members[name] = jsontext.Value(bytes.TrimLeft(raw[start:d.InputOffset()], " \t\r\n:"))
		}
	}
	if _, err := d.ReadToken(); err != io.EOF {
		return body{}, errParse
	}
	b.value = jsontext.Value(bytes.TrimSpace(raw))
	return b, nil
}

func parseError(err error) error {
	if errors.Is(err, jsontext.ErrDuplicateName) {
		return errDuplicate
	}
	return errParse
}

// wrongType is the error of a member of the wrong type.
var wrongType = &users.Error{Kind: users.Invalid, Code: "invalid_input", Message: "This value has the wrong type."}

// field reads one member by fn, which reports whether the value is right.
func field[T any](b body, name string, fn func(jsontext.Value) (T, bool)) users.Field[T] {
	raw, ok := b.members[name]
	if !ok {
		return users.Field[T]{}
	}
	f := users.Field[T]{Set: true, Null: raw.Kind() == 'n'}
	if !f.Null {
		if f.Value, ok = fn(raw); !ok {
			f.Err = wrongType
		}
	}
	return f
}

// text reads a string; a number counts as its text.
func (b body) text(name string) users.Field[string] {
	return field(b, name, func(v jsontext.Value) (string, bool) {
		switch v.Kind() {
		case '"':
			return unquote(v)
		case '0':
			return string(v), true
		}
		return "", false
	})
}

// code reads a code of six digits as a string or, without its leading zeros, as
// a number; any other string is left to the domain.
func (b body) code(name string) users.Field[string] {
	f := b.text(name)
	if b.members[name].Kind() == '0' {
		f.Value = strings.Repeat("0", max(6-len(f.Value), 0)) + f.Value
	}
	return f
}

// string reads a string and nothing else.
func (b body) string(name string) users.Field[string] {
	return field(b, name, unquote)
}

func unquote(v jsontext.Value) (string, bool) {
	if v.Kind() != '"' {
		return "", false
	}
	s, err := jsontext.AppendUnquote(nil, v)
	return string(s), err == nil
}

// flag reads a boolean as contract section 8.2 spells them: JSON booleans, some
// words in any case, and the numbers 1 and 0.
func (b body) flag(name string) users.Field[bool] {
	return field(b, name, func(v jsontext.Value) (value, ok bool) {
		switch v.Kind() {
		case 't', 'f':
			return v.Kind() == 't', true
		case '0':
			return string(v) == "1", string(v) == "1" || string(v) == "0"
		}
		s, ok := unquote(v)
		if !ok {
			return false, false
		}
		switch strings.ToLower(s) {
		case "true", "t", "yes", "y", "on", "1":
			return true, true
		case "false", "f", "no", "n", "off", "0":
			return false, true
		}
		return false, false
	})
}

// nullableFlag is flag where the texts "null" and "" count as null.
func (b body) nullableFlag(name string) users.Field[bool] {
	if s, ok := unquote(b.members[name]); ok && (s == "" || strings.EqualFold(s, "null")) {
		return users.SetNull[bool]()
	}
	return b.flag(name)
}

// json keeps any value as it is, without white space around its tokens.
func (b body) json(name string) users.Field[users.JSON] {
	return field(b, name, func(v jsontext.Value) (users.JSON, bool) {
		return compact(v)
	})
}

func compact(v jsontext.Value) (users.JSON, bool) {
	v = v.Clone()
	err := v.Compact()
	return users.JSON(v), err == nil
}

// list reads an array whose elements fn accepts, of at most maxItems: more would
// cost much before a domain refuses them.
func list[T any](b body, name string, fn func(jsontext.Value) (T, bool)) users.Field[[]T] {
	f := field(b, name, func(v jsontext.Value) ([]T, bool) {
		d := jsontext.NewDecoder(bytes.NewBuffer(v))
		if tok, err := d.ReadToken(); err != nil || tok.Kind() != '[' {
			return nil, false
		}
		values := []T{}
		for d.PeekKind() != ']' {
			raw, err := d.ReadValue()
			if err != nil || len(values) == maxItems {
				return nil, false
			}
			value, ok := fn(raw)
			if !ok {
				return nil, false
			}
			values = append(values, value)
		}
		return values, true
	})
	if raw := b.members[name]; f.Err != nil && raw.Kind() != '[' {
		f.Err = &users.Error{Kind: users.Invalid, Code: "not_a_list", Message: "Expected a list."}
	}
	return f
}

// number reads a positive integer id, as a number or as its text.
func number(v jsontext.Value) (int64, bool) {
	s := string(v)
	if v.Kind() == '"' {
		s, _ = unquote(v)
	} else if v.Kind() != '0' {
		return 0, false
	}
	return users.ParseID(s)
}

// time reads a time as RFC 3339 writes it.
func (b body) time(name string) users.Field[time.Time] {
	return field(b, name, func(v jsontext.Value) (time.Time, bool) {
		s, ok := unquote(v)
		t, err := time.Parse(time.RFC3339Nano, s)
		return t, ok && err == nil
	})
}
