package users

import "strings"

// overlayPlain returns the members of both objects, those of over where both have
// one. Both must be as encode writes settings: without spaces, escapes and
// exponents, members in order. It reports false where over is anything else, which
// parsing can still make sense of. This takes 1 us and one allocation, and parsing
// 14 us and 50: it is most of what the JSON of a user took.
func overlayPlain(base, over JSON) (JSON, bool) {
	var b strings.Builder
	b.Grow(len(base) + len(over))
	b.WriteByte('{')
	below, above := plainMembers{rest: string(base)}, plainMembers{rest: string(over)}
	below.next()
	above.next()
	for below.key != "" || above.key != "" {
		m := &below
		if below.key == "" || above.key != "" && above.key <= below.key {
			m = &above
		}
		if b.Len() > 1 {
			b.WriteByte(',')
		}
		b.WriteString(m.text)
		if m == &above && above.key == below.key {
			below.next()
		}
		m.next()
	}
	b.WriteByte('}')
	return JSON(b.String()), !above.failed
}

// plainMembers walks the members of an object. key is "" at its end.
type plainMembers struct {
	key, text string // the name, and what stands there for name and value
	rest      string // what follows, with the brace or comma before it
	begun     bool
	failed    bool // the object is not as encode writes it
}

func (m *plainMembers) next() {
	before := m.key
	m.key = ""
	if m.begun && m.rest == "}" || m.rest == "{}" {
		return
	}
	open := byte('{')
	if m.begun {
		open = ','
	}
	m.failed = true
	if m.rest == "" || m.rest[0] != open {
		return
	}
	name := plainString(m.rest[1:])
	if name <= len(`""`) || len(m.rest) <= 1+name || m.rest[1+name] != ':' {
		return
	}
	value := plainValue(m.rest[2+name:])
	if value == 0 {
		return
	}
	key := m.rest[2:name]
	if key <= before {
		return
	}
	m.key, m.text, m.rest = key, m.rest[1:2+name+value], m.rest[2+name+value:]
	m.begun, m.failed = true, false
}

// plainString returns the length of the string that s begins with, 0 if there is
// none or it is anything but ASCII letters, digits and signs without escapes.
func plainString(s string) int {
	if s == "" || s[0] != '"' {
		return 0
	}
	for i := 1; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"':
			return i + 1
		case c < ' ' || c == '\\' || c >= 0x7f:
			return 0
		}
	}
	return 0
}

// plainValue returns the length of the value that s begins with, 0 if it is none
// that a setting has.
func plainValue(s string) int {
	for _, literal := range [...]string{"true", "false", "{}"} {
		if strings.HasPrefix(s, literal) {
			return len(literal)
		}
	}
	if strings.HasPrefix(s, "{") {
		m := plainMembers{rest: s}
		for m.next(); m.key != ""; m.next() {
			if strings.HasPrefix(m.rest, "}") {
				return len(s) - len(m.rest) + 1
			}
		}
		return 0
	}
	return plainShare(s)
}

// plainShare returns the length of a number from 0 to 1 without an exponent.
func plainShare(s string) int {
	if !strings.HasPrefix(s, "0") && !strings.HasPrefix(s, "1") {
		return 0
	}
	whole, digits, _ := strings.Cut(s[:len(s)-len(strings.TrimLeft(s, "0123456789."))], ".")
	if len(whole) != 1 || strings.Contains(digits, ".") {
		return 0
	}
	if digits == "" {
		return len(whole)
	}
	return len(whole) + 1 + len(digits)
}
