package importer

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/hedgerow-dev/hedgerow/users"
)

const (
	// MaxLine is the longest line in bytes, without its end. A user with all that
	// may be stored has about a third of it.
	MaxLine = 1 << 20
	// maxDepth is how deep a line nests: "fields" and, below it, as deep as the body
	// of a request.
	maxDepth   = 64
	bufferSize = 64 << 10
)

// errLine is why a line is not even looked at.
func errLine(code, message string) *users.Error {
	return &users.Error{Kind: users.Invalid, Code: code, Message: message}
}

// lines splits a file, of which it holds one line at a time.
type lines struct {
	r     *bufio.Reader
	count int
	text  []byte
}

// next returns the next line that is not blank, and how many bytes it took. A line
// over MaxLine is cut, one byte later. The text is valid until the next call. At
// the end of the file the error is io.EOF.
func (l *lines) next() (text []byte, n int64, err error) {
	for {
		l.text = l.text[:0]
		l.count++
		size, err := l.line()
		n += size
		if err != nil && (err != io.EOF || len(l.text) == 0) {
			l.count--
			return nil, n, err
		}
		if len(bytes.TrimSpace(l.text)) > 0 || len(l.text) > MaxLine {
			return l.text, n, nil
		}
	}
}

// line reads one line into text.
func (l *lines) line() (n int64, err error) {
	for {
		part, err := l.r.ReadSlice('\n')
		n += int64(len(part))
		l.text = append(l.text, bytes.TrimSuffix(part, []byte("\n"))...)
		l.text = l.text[:min(len(l.text), MaxLine+1)]
		if !errors.Is(err, bufio.ErrBufferFull) {
			return n, err
		}
	}
}

// decode reads a line into it. The error is not about the line.
func (im *run) decode(ctx context.Context, text []byte, it *item) error {
	switch {
	case len(text) > MaxLine:
		it.refused = errLine("max_length", "A line may have at most 1 MiB.")
		return nil
	case deep(text):
		it.refused = errLine("parse_error", "This line nests too deep.")
		return nil
	}
	var o struct {
		Model  string         `json:"model"`
		PK     jsontext.Value `json:"pk"`
		Fields jsontext.Value `json:"fields"`
	}
	if err := json.Unmarshal(text, &o); err != nil || o.Model == "" || o.Fields.Kind() != '{' {
		it.refused = errLine("parse_error", "This line is no object with model, pk and fields, or is no JSON in UTF-8, or names a member twice.")
		return nil
	}
	l := recordOf(o.Model)
	if l == nil {
		return nil
	}
	it.model = o.Model
	if json.Unmarshal(o.Fields, l) != nil {
		it.refused = errLine("parse_error", "The fields of this line cannot be read.")
		return nil
	}
	err := l.prepare(ctx, im, o.PK)
	switch it.refused = refusalOf(err); {
	case it.refused != nil:
		return nil
	case err == nil:
		it.record = l
	}
	return err
}

// deep reports nesting over maxDepth, also in what is no JSON.
func deep(text []byte) bool {
	if bytes.Count(text, []byte("{"))+bytes.Count(text, []byte("[")) <= maxDepth {
		return false
	}
	depth, quoted := 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			if depth++; depth > maxDepth {
				return true
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return false
}
