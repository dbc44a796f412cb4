package httpapi_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/hedgerow-dev/hedgerow/httpapi"
)

// FuzzBody: a body is read exactly if readable says so, and then every member is
// what encoding/json finds. A decoder that was told to allow duplicate names fell
// at the first seed with two of them.
func FuzzBody(f *testing.F) {
	for _, seed := range []string{
		`{}`, `null`, `[]`, `"x"`, `-0`, ` `, ``, `{"a":{"b":1,"b":2}}`, "\ufeff{}", `{"a":"\ud800"}`, `{"a":"\ud83d\ude00"}`, `{"a":"\\ud800"}`, `{"a":1,"\u0061":2}`, `{"a":1}{"b":2}`,
		` {"a" : [ 1 , {"c":null} ] , "b":"x"} `, `{"A":1,"a":2}`, `{"":""}`, `{"a":1,}`, `{"a":01}`, `{"a":1e400}`, `[{"a":1},{"a":1}]`, `{"a":"` + "\xff" + `"}`, `{"a":"` + "\x00" + `"}`,
		strings.Repeat("[", 64) + strings.Repeat("]", 64), strings.Repeat("[", 65) + strings.Repeat("]", 65), strings.Repeat(`{"a":`, 64) + "0" + strings.Repeat("}", 64),
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		members, err := httpapi.DecodeBody(raw)
		if want := readable(raw); (err == nil) != want {
			t.Fatalf("%q: %v, want it read: %t", raw, err, want)
		}
		var whole map[string]json.RawMessage
		if err != nil || json.Unmarshal(raw, &whole) != nil {
			return
		}
		if got, want := slices.Sorted(maps.Keys(members)), slices.Sorted(maps.Keys(whole)); !slices.Equal(got, want) {
			t.Fatalf("%q: members %q, want %q", raw, got, want)
		}
		for name, value := range members {
			if !bytes.Equal(value, whole[name]) {
				t.Errorf("%q: member %q is %q, want %q", raw, name, value, whole[name])
			}
		}
	})
}

// readable says what a body may be, in terms of encoding/json: one JSON value in
// UTF-8, no half of a surrogate pair, no name twice in an object, nested 64 deep at
// most, with 2,000 members at most.
func readable(raw []byte) bool {
	if !json.Valid(raw) || !utf8.Valid(raw) || loneSurrogate(raw) {
		return false
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var open []map[string]bool // names of the objects around; nil for an array
	members, isValue := 0, false
	for {
		tok, err := d.Token()
		if err != nil {
			return true // the end, as it is valid
		}
		inside := len(open) > 0 && open[len(open)-1] != nil
		switch name, isText := tok.(string); {
		case tok == json.Delim('}') || tok == json.Delim(']'):
			open, isValue = open[:len(open)-1], false
			continue
		case inside && !isValue && isText:
			if members++; open[len(open)-1][name] || members > 2000 {
				return false
			}
			open[len(open)-1][name], isValue = true, true
			continue
		case tok == json.Delim('{'):
			open = append(open, map[string]bool{})
		case tok == json.Delim('['):
			open = append(open, nil)
		}
		if isValue = false; len(open) > 64 {
			return false
		}
	}
}

// loneSurrogate reports half of a pair of escapes in valid JSON.
func loneSurrogate(raw []byte) bool {
	high := false // the escape before was the first half
	for i := 0; i < len(raw); i++ {
		var unit uint64
		if raw[i] == '\\' {
			if i++; raw[i] == 'u' {
				unit, _ = strconv.ParseUint(string(raw[i+1:i+5]), 16, 16) // valid, as all of it is
				i += 4
			}
		}
		low := unit >= 0xdc00 && unit < 0xe000
		if low != high {
			return true
		}
		high = unit >= 0xd800 && unit < 0xdc00
	}
	return high
}
