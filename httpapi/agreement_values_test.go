package httpapi_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/users"
)

// draw makes random values, from what is known about a world among others.
type draw struct {
	*rand.Rand
	w *world
}

// one draws one of several.
func (d draw) one(values ...string) string { return pick(d, values...) }

func pick[V any](d draw, values ...V) V { return values[d.IntN(len(values))] }

// seldom draws true once in sixteen times, rarely once in a hundred.
func (d draw) seldom() bool { return d.IntN(16) == 15 }
func (d draw) rarely() bool { return d.IntN(100) == 99 }

// known draws something that answers have shown, or else the fallback.
func (d draw) known(kind, fallback string) string {
	values := d.w.known[kind]
	if len(values) == 0 {
		return fallback
	}
	value := values[len(values)-1] // what is new is more likely to be worth something
	if lasting[kind] || d.yes() {
		value = d.one(values...)
	}
	d.w.used = append(d.w.used, fact{kind, value})
	return value
}

// yes draws one of two.
func (d draw) yes() bool { return d.IntN(2) == 1 }

// mostly draws one of these, and now and then something else.
func (d draw) mostly(values ...string) func(others ...string) string {
	return func(others ...string) string {
		if d.IntN(8) == 7 {
			return d.one(others...)
		}
		return d.one(values...)
	}
}

// oddTexts is text that some store might refuse, change or take for other text.
var oddTexts = []string{
	"", " ", "a", "A", "é", "e\u0301", "ß", "SS", "İ", "i", "ı", "K", "\u212a", "ﬁ", "Ω", "\u2126", "日本", "🦔", "𝒜", "\u200b", "\u202e", "\ufeff", "\ufffd", "\uffff",
	"\x00", "a\x00b", "\x00\x00", "\x7f", "\u0085", "\x1b[0m", "\t\r\n", " a ", "\u00a0a\u00a0", `\`, `\\x00`, `"`, "'", "''", "' or 1=1 --", "%", "_", "%_\\", "*", "$1", "?", ":id",
	"<b>", "https://a.example", "{}", "[]", "null", "NULL", "true", "0", "-1", "1e3", "NaN", "infinity", "epoch", "2026-05-01", "{1,2}", "(1,2)", `\N`,
	"a\u0300\u0301\u0302\u0303\u0304\u0305", "\U0010ffff", "\ue000",
}

// text draws odd text, valid UTF-8.
func (d draw) text() string {
	switch d.IntN(8) {
	case 0:
		return d.characters()
	case 1:
		return strings.Repeat(d.one("x", "é", "🦔"), pick(d, 39, 40, 41, 64, 65, 128, 129, 149, 150, 151, 200, 201, 255, 2000, 70_000))
	case 2:
		return d.one(oddTexts...) + d.one(oddTexts...)
	}
	return d.one(oddTexts...)
}

// characters draws up to twelve characters of one, two, three and four bytes.
func (d draw) characters() string {
	var drawn []rune
	for range d.IntN(13) {
		drawn = append(drawn, rune(d.IntN(pick(d, 0x80, 0x800, 0x10000, 0x110000))))
	}
	return string(drawn)
}

// quoted is text as JSON.
func quoted(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		panic(err) // text can be written
	}
	return string(b)
}

// odd draws JSON of any kind, or text that is none.
func (d draw) odd() string {
	switch d.IntN(6) {
	case 0:
		return quoted(d.text())
	case 1:
		return d.one("0", "1", "-0", "-1", "1.0", "1.5", "2", "3", "1e0", "1e3", "1E-2", "1e400", "1e-400", "0.1", "2147483648", "9007199254740993", "9223372036854775807",
			"9223372036854775808", "-9223372036854775808", "123456789012345678901234567890", "-1.7976931348623157e309", "0.30000000000000004", "00", "1.", ".5", "+1", "NaN", "0x1")
	case 2:
		return d.one("null", "true", "false", "{}", "[]", `""`, "[null]", "[[]]", `{"a":null}`, `{"":""}`, `{"a":1,"a":2}`, `{"A":1,"a":2}`, `{"\u0000":"\u0000"}`, `{"__proto__":{}}`,
			`{"a":{"b":[1,2.50,{"c":"é"}]}}`, " [ 1 , 2 ] ", `{"é":1,"e\u0301":2}`, `[1e400]`, `{"b":1,"a":2}`, "tru", "{", "]", `{"a"}`, "'a'")
	case 3:
		return d.one(`"\ud800"`, `"\udc00"`, `"\ud83e\udd94"`, `"\ud83ex"`, `"\u0000"`, `"a\u0000b"`, "\"\xff\"", "\"\xed\xa0\x80\"", "\"\xc0\x80\"", `"\x"`, `"\u00"`, "\"\x01\"", `"\/"`)
	case 4:
		return strings.Repeat("[", pick(d, 2, 60, 62, 63, 64, 65, 200)) + d.one("", "1", "]")
	}
	n := pick(d, 1, 2, 62, 63, 64)
	return strings.Repeat(d.one("[", `{"a":`), n)[:n] + quoted(d.text()) + strings.Repeat("]", n)
}

// json draws any JSON that a member for anything may hold.
func (d draw) json() string {
	return d.one("{}", "[]", "null", "true", "0", `""`, `{"color":"red"}`, `{"a":[1,2.50,-0,1e2]}`, `{"z":1,"a":{"b":null}}`, `"🦔"`, `{"e\u0301":"\u00e9"}`, "12345678901234567890.10",
		quoted(strings.Repeat("x", 65_000)), `{"a":`+quoted(d.text())+`}`)
}

// object draws an object that names switches.
func (d draw) object() string {
	return "{" + quoted(d.one("logs", "surveys", "é", "e\u0301", "a\x00", "LOGS", "", d.known("number", "1"))) + ":" + d.one("true", "false", "1", "null", "{}") + "}"
}

func (d draw) flag() string {
	return d.mostly("true", "false")(`"true"`, `"NO"`, `"on"`, "1", "0", "null", `"null"`, `""`, "2")
}

// choose draws one of several texts as JSON.
func choose(values ...string) func(draw) string {
	return func(d draw) string { return quoted(d.one(values...)) }
}

// knownText draws something known as JSON text.
func knownText(kind string) func(draw) string {
	return func(d draw) string { return quoted(d.known(kind, d.text())) }
}

// name draws what a person or thing may be called.
func (d draw) name() string {
	return quoted(d.mostly("Ann", "O'Neil & Söhne", "e\u0301", "é", "ANN", "ann", " Ann ", "日本", "🦔", "İ", strings.Repeat("é", 40))("", d.text()))
}

// address draws an e-mail address: of somebody, in another spelling, or new.
func (d draw) address() string {
	name := d.one("alice", "bob", "carol", "dave", "new", "kate", "\u212aate", "a.b+c", "o'neil", "_", "%", "a_b", "x"+strings.Repeat("y", 63))
	address := name + "@" + d.one("example.com", "EXAMPLE.com", "bücher.example", "xn--bcher-kva.example", "sso.example", "straße.example", "strasse.example", "e\u0301.example", "é.example", "localhost")
	switch d.IntN(4) {
	case 0:
		return address
	case 1:
		return strings.ToUpper(address)
	case 2:
		return strings.ToUpper(d.known("email", address))
	}
	return d.known("email", address)
}

// account draws the address of an account, in JSON.
func (d draw) account() string {
	if d.IntN(8) == 7 {
		return quoted(d.address())
	}
	return quoted(d.known("email", "alice@example.com"))
}

// passwords that are strong enough; the first is that of everybody at first.
var passwords = []string{password, "mighty-strong-secure-1337!!", "Ein sehr langes Geheimnis 42 é", "Ein sehr langes Geheimnis 42 e\u0301"}

func (d draw) password() string {
	if d.seldom() {
		return quoted(d.one("short", "password", " "+password+" ", strings.ToUpper(password), password+"\x00", d.text()))
	}
	return quoted(d.one(slices.Concat([]string{password, password, password}, passwords)...))
}

// code draws what may be a code of a second factor, in JSON.
func (d draw) code() string {
	if d.seldom() {
		return quoted(d.known("backup", d.text()))
	}
	return d.totp(d.one(hostSecret, d.known("secret", hostSecret)))
}

// totp is what an authenticator shows now, in JSON.
func (d draw) totp(secret string) string {
	code, err := auth.TOTPCode(users.Secret(secret), d.w.envs[0].now())
	if err != nil {
		d.w.t.Fatal(err)
	}
	return quoted(code)
}

// unique leaves out members that are there already.
func unique(members []member) []member {
	var list []member
	for _, m := range members {
		if !slices.ContainsFunc(list, func(other member) bool { return other.name == m.name }) {
			list = append(list, m)
		}
	}
	return list
}

// member is one of a body.
type member struct {
	name  string
	value func(draw) string // of the right kind, most of the time
}

// body draws a body of these members, of which the first so many are needed.
func (d draw) body(members []member, needed int) string {
	if d.seldom() {
		return d.one("", "{}", d.odd(), " {} ", "{}{}", "\ufeff{}", `{"a":1`, "\xff", strings.Repeat(" ", 1<<20)+"{}")
	}
	chosen := slices.Clone(members[:min(needed, len(members))])
	if optional := members[len(chosen):]; len(optional) > 0 {
		for range d.IntN(4) {
			chosen = append(chosen, pick(d, optional...))
		}
	}
	if !d.rarely() {
		chosen = unique(chosen)
	}
	wrong := -1
	if d.seldom() && len(chosen) > 0 {
		wrong = d.IntN(len(chosen))
	}
	var parts []string
	for i, m := range chosen {
		value := m.value
		if i == wrong {
			value = draw.odd
		}
		parts = append(parts, fmt.Sprintf("%s:%s", quoted(m.name), value(d)))
	}
	if d.seldom() {
		parts = append(parts, d.one(`"uuid":"x"`, `"id":1`, `"version":0`, `"a\u0000":1`, `"First_Name":"x"`, `"current_password":"`+password+`"`))
	}
	return "{" + strings.Join(parts, ",") + "}"
}
