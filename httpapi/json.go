package httpapi

import (
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"

	"github.com/hedgerow-dev/hedgerow/users"
)

// jsonWriter appends JSON. Names are literals of this package and are not
// escaped; the values of strings are.
type jsonWriter struct{ buf []byte }

func (j *jsonWriter) bytes() []byte { return j.buf }

// writers are lent, because a page of 100 users has 300 KiB: to find and clear
// as much again for each answer takes longer than to fill it.
var writers = sync.Pool{New: func() any { return new(jsonWriter) }}

// maxLent is the largest buffer that is kept for the next answer.
const maxLent = 1 << 20

func lendWriter() *jsonWriter { return writers.Get().(*jsonWriter) }

// giveBack ends the use of a writer and of its bytes.
func (j *jsonWriter) giveBack() {
	if cap(j.buf) <= maxLent {
		j.buf = j.buf[:0]
		writers.Put(j)
	}
}

// name begins a member, or an element of an array when it is "".
func (j *jsonWriter) name(name string) {
	if n := len(j.buf); n > 0 && j.buf[n-1] != '{' && j.buf[n-1] != '[' {
		j.buf = append(j.buf, ',')
	}
	if name != "" {
		j.buf = append(j.buf, '"')
		j.buf = append(j.buf, name...)
		j.buf = append(j.buf, '"', ':')
	}
}

func (j *jsonWriter) open()  { j.buf = append(j.buf, '{') }
func (j *jsonWriter) close() { j.buf = append(j.buf, '}') }

func (j *jsonWriter) object(name string) {
	j.name(name)
	j.buf = append(j.buf, '{')
}

func (j *jsonWriter) array(name string) {
	j.name(name)
	j.buf = append(j.buf, '[')
}

func (j *jsonWriter) endArray() { j.buf = append(j.buf, ']') }

func (j *jsonWriter) null(name string) {
	j.name(name)
	j.buf = append(j.buf, "null"...)
}

func (j *jsonWriter) text(name, v string) {
	j.name(name)
	// Invalid UTF-8 is replaced and reported; what is stored was checked.
	j.buf, _ = jsontext.AppendQuote(j.buf, v)
}

func (j *jsonWriter) optionalText(name, v string, valid bool) {
	if !valid {
		j.null(name)
		return
	}
	j.text(name, v)
}

func (j *jsonWriter) nullText(name string, v users.Null[string]) {
	j.optionalText(name, v.Value, v.Valid)
}

func (j *jsonWriter) int(name string, v int64) {
	j.name(name)
	j.buf = strconv.AppendInt(j.buf, v, 10)
}

func (j *jsonWriter) bool(name string, v bool) {
	j.name(name)
	j.buf = strconv.AppendBool(j.buf, v)
}

func (j *jsonWriter) nullBool(name string, v users.Null[bool]) {
	if !v.Valid {
		j.null(name)
		return
	}
	j.bool(name, v.Value)
}

func (j *jsonWriter) uuid(name string, v uuid.UUID) {
	if v == uuid.Nil {
		j.null(name)
		return
	}
	j.name(name)
	var text [36]byte
	hexUUID(text[:], v)
	j.buf = append(j.buf, '"')
	j.buf = append(j.buf, text[:]...)
	j.buf = append(j.buf, '"')
}

func hexUUID(dst []byte, v uuid.UUID) {
	const digits = "0123456789abcdef"
	i := 0
	for n, b := range v {
		if n == 4 || n == 6 || n == 8 || n == 10 {
			dst[i] = '-'
			i++
		}
		dst[i], dst[i+1] = digits[b>>4], digits[b&15]
		i += 2
	}
}

// json copies text that was checked when it was stored. It is checked again, as
// another program may have damaged the row since: what is no JSON counts as null.
func (j *jsonWriter) json(name string, v users.JSON) { j.jsonOf(name, v, anyKind, "null") }

// anyKind is every jsontext.Kind of a value, and notNull all but one.
const (
	anyKind = notNull + "n"
	notNull = `{["0tf`
)

// jsonOf is json for a member that has values of some kinds only. Anything else
// counts as the fallback.
func (j *jsonWriter) jsonOf(name string, v users.JSON, kinds string, fallback users.JSON) {
	if v == "" || v != fallback && (!isJSON(v) || strings.IndexByte(kinds, byte(jsontext.Value(v).Kind())) < 0) {
		v = fallback
	}
	j.name(name)
	j.buf = append(j.buf, v...)
}

// isJSON reports text that can be part of an answer. A host may have stored names
// that occur twice.
func isJSON(v users.JSON) bool { return jsontext.Value(v).IsValid(jsontext.AllowDuplicateNames(true)) }

// The two spellings of a time, contract section 1.
const (
	utcTime    = "2006-01-02T15:04:05.000000Z"
	offsetTime = "2006-01-02T15:04:05.000000+00:00"
)

// time writes null for the zero time.
func (j *jsonWriter) time(name string, v time.Time, layout string) {
	if v.IsZero() {
		j.null(name)
		return
	}
	j.name(name)
	j.buf = append(j.buf, '"')
	j.buf = v.UTC().AppendFormat(j.buf, layout)
	j.buf = append(j.buf, '"')
}
