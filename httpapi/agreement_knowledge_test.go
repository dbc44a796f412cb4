package httpapi_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/descope/virtualwebauthn"

	"github.com/hedgerow-dev/hedgerow/auth"
)

// knowledge is what answers have shown, by kind, oldest first: what later
// requests can name.
type knowledge map[string][]string

// mostKnown is how many of a kind are remembered, so that later requests name
// what is still there.
const mostKnown = 8

func (k knowledge) add(kind string, values ...string) {
	for _, v := range values {
		if v == "" || slices.Contains(k[kind], v) {
			continue
		}
		if k[kind] = append(k[kind], v); len(k[kind]) > mostKnown && !lasting[kind] {
			k[kind] = k[kind][1:]
		}
	}
}

// dropCookie forgets a cookie that turned out to be worthless.
func (k knowledge) dropCookie(cookie string) {
	for kind, values := range k {
		k[kind] = slices.DeleteFunc(values, func(v string) bool { return v == cookie || strings.HasPrefix(v, cookie+" ") })
	}
}

// lasting kinds are remembered for the whole sequence: states are read by them.
var lasting = map[string]bool{"organization": true, "email": true, "uuid": true, "number": true}

// idKinds are the segments that a list of a path shows ids for.
var idKinds = []struct{ path, kind string }{
	{"/login_sessions", "session"}, {"/passkeys", "passkey"}, {"/install_requests", "request"}, {"/personal_api_keys", "key"},
}

// learn adds what an reaction shows. What only one session can use is kept behind
// its cookie and a space.
func (w *world) learn(op operation, o reaction) {
	if op.learn != nil && o.succeeded() {
		op.learn(w, o)
	}
	challenge := w.learnCookies(o)
	w.known.add("etag", o.Header.Get("ETag"))
	for _, m := range o.Mail {
		switch m := m.(type) {
		case auth.EmailVerification:
			w.known.add("verify", fromLink(string(m.Link)))
		case auth.PasswordReset:
			w.known.add("reset", fromLink(string(m.Link)))
		}
	}
	if o.Status == http.StatusUnauthorized && strings.Contains(o.Body, "not_authenticated") {
		w.known.dropCookie(op.cookie)
	}
	if strings.HasSuffix(o.Header.Get("Location"), "github_link_success=1") {
		w.known.add("installation", op.cookie+" 12345")
	}
	var body any
	if o.Status >= http.StatusBadRequest || json.Unmarshal([]byte(o.Body), &body) != nil {
		return
	}
	for _, p := range idKinds {
		if strings.Contains(op.name, p.path) {
			walk(body, func(m map[string]any) {
				if id := textOf(m["id"]); id != "" {
					w.known.add(p.kind, op.cookie+" "+id)
				}
			})
		}
	}
	walk(body, func(m map[string]any) {
		w.known.add("bearer", textOf(m["value"]))
		if id := textOf(m["installation_id"]); id != "" {
			w.known.add("installation", op.cookie+" "+id)
		}
		if secret := textOf(m["secret"]); secret != "" {
			w.known.add("secret", secret)
			w.known.add("setup", op.cookie+" "+secret)
		}
		if page := textOf(m["install_url"]); page != "" && op.cookie != "" {
			w.known.add("page", op.cookie+" "+page)
		}
		if codes, ok := m["backup_codes"].([]any); ok {
			for _, code := range codes {
				w.known.add("backup", textOf(code))
			}
		}
		if m["publicKey"] != nil {
			w.learnChallenge(op, o.Body, challenge)
		}
	})
}

// learnCookies returns the cookie of a challenge, if there is one.
func (w *world) learnCookies(o reaction) (challenge string) {
	for _, c := range (&http.Response{Header: o.Header}).Cookies() {
		pair := c.Name + "=" + c.Value
		switch {
		case c.Value == "":
		case c.Name == "sessionid" && o.Status == http.StatusUnauthorized:
			w.known.add("pending", pair)
		case c.Name == "sessionid":
			w.known.add("cookie", pair)
		case c.Name == "sessionid_passkey":
			challenge = pair
		default:
			w.known.add("jar", pair)
		}
	}
	return challenge
}

// learnChallenge has devices answer the options of a passkey ceremony.
func (w *world) learnChallenge(op operation, options, cookie string) {
	if strings.Contains(op.name, "/register/begin") {
		o, err := virtualwebauthn.ParseAttestationOptions(options)
		if err != nil {
			w.t.Fatalf("%s: %v", options, err)
		}
		d := w.devices[o.UserID]
		if d == nil {
			d = newDevice(w.t)
			d.Options.UserHandle = []byte(o.UserID)
			w.devices[o.UserID] = d
		}
		w.known.add("registration", op.cookie+" "+virtualwebauthn.CreateAttestationResponse(d.page, d.Authenticator, d.key, *o))
		return
	}
	o, err := virtualwebauthn.ParseAssertionOptions(options)
	if err != nil {
		w.t.Fatalf("%s: %v", options, err)
	}
	kind := "assertion"
	if strings.Contains(op.name, "/2fa/") {
		kind, cookie = "step", op.cookie
	}
	for _, handle := range slices.Sorted(maps.Keys(w.devices)) {
		d := w.devices[handle]
		d.key.Counter++
		w.known.add(kind, cookie+" "+virtualwebauthn.CreateAssertionResponse(d.page, d.Authenticator, d.key, *o))
	}
}

// fromLink is the user and the token at the end of a link in a mail.
func fromLink(link string) string {
	parts := strings.Split(link, "/")
	return strings.Join(parts[len(parts)-2:], " ")
}

// walk visits all objects of a JSON value.
func walk(v any, visit func(map[string]any)) {
	switch v := v.(type) {
	case []any:
		for _, element := range v {
			walk(element, visit)
		}
	case map[string]any:
		visit(v)
		for _, element := range v {
			walk(element, visit)
		}
	}
}

// textOf is a text, or "" for what is none.
func textOf(v any) string {
	if n, ok := v.(float64); ok {
		return fmt.Sprint(n)
	}
	s, _ := v.(string)
	return s
}
