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
var lasting = map[string]bool{"organization": true, "email": true, "uuid": true, "number": true, "team": true}

// fact is something that is known.
type fact struct{ kind, value string }

// forget drops what was of no use in a request.
func (k knowledge) forget(used []fact) {
	for _, f := range used {
		if !lasting[f.kind] && f.kind != "bearer" && f.kind != "cookie" {
			k[f.kind] = slices.DeleteFunc(k[f.kind], func(v string) bool { return v == f.value })
		}
	}
}

// before names what shows facts of a kind.
var before = map[string][]string{
	"pending": {"POST /api/login"}, "page": {"POST /api/users/{user}/integrations/github/start"}, "callback": {"visit of GitHub's page"},
	"registration": {"POST /api/users/{user}/passkeys/register/begin"}, "assertion": {"POST /api/login/passkey/begin"}, "step": {"POST /api/login/2fa/passkey/begin"},
	"setup": {"GET /api/users/{user}/two_factor_start_setup"}, "verify": {"verification token"}, "reset": {"POST /api/reset"}, "cookie": {"session"},
	"key": {"POST /api/personal_api_keys"}, "session": {"GET /api/users/{user}/login_sessions"}, "passkey": {"POST /api/users/{user}/passkeys/register/complete"},
	"request": {"GET /api/users/{user}/integrations/github/install_requests"}, "asked": {"GET /complete/github-link"},
	"autonomy": {"POST /api/users/{user}/signal_autonomy"}, "installation": {"GET /api/users/{user}/integrations", "import of a link", "GET /complete/github-link"}, "invite": {"invite"},
	"pending address": {"change of address"}, "OAuth token": {"OAuth token"}, "identity": {"identity"}, "team installation": {"team installation"},
}

// needs names the kinds of facts without which a route or act is of little use.
var needs = map[string]string{
	"GET /api/users/{user}/signal_autonomy": "autonomy", "POST /api/login/token": "pending", "POST /api/login/2fa/passkey/begin": "pending", "POST /api/login/2fa/passkey/complete": "step",
	"visit of GitHub's page": "page", "GET /complete/github-link": "callback", "POST /api/users/{user}/passkeys/register/complete": "registration",
	"POST /api/login/passkey/complete": "assertion", "POST /api/users/{user}/validate_2fa": "setup", "POST /api/users/{user}/two_factor_validate": "setup",
	"POST /api/users/verify_email": "verify", "GET /api/reset/{uuid}": "reset", "POST /api/reset/{uuid}": "reset", "invite deleted": "invite",
	"OAuth token revoked": "OAuth token", "passkeys as second factor": "passkey", "PATCH /api/users/cancel_email_change_request": "pending address",
	"identity deleted": "identity", "team installation deleted": "team installation",
}

// useful is name, or what has to come before it.
func (d draw) useful(name string) string {
	for {
		need := needs[name]
		for _, segment := range []string{"key", "session", "passkey", "request", "installation"} {
			if strings.Contains(name, "{"+segment+"}") {
				need = segment
			}
		}
		if need == "request" && len(d.w.known[need]) == 0 && len(d.w.known["asked"]) == 0 {
			need = "asked"
		}
		if need == "" || len(d.w.known[need]) > 0 {
			return name
		}
		name = d.one(before[need]...)
	}
}

// idKinds are the segments that a list of a path shows ids for.
var idKinds = []struct{ path, kind string }{
	{"/login_sessions", "session"}, {"/passkeys", "passkey"}, {"/install_requests", "request"}, {"/personal_api_keys", "key"},
}

// learn adds what a reaction shows. What only one session can use is kept behind
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
	switch o.Status {
	case http.StatusBadRequest, http.StatusUnauthorized, http.StatusNotFound:
		w.known.forget(op.used)
	}
	if o.Status == http.StatusUnauthorized && strings.Contains(o.Body, "not_authenticated") {
		w.known.dropCookie(op.cookie)
	}
	if op.name == "GET /complete/github-link" {
		w.known.forget(op.used) // it is spent
	}
	switch location := o.Header.Get("Location"); {
	case strings.HasSuffix(location, "github_link_success=1"):
		w.known.add("installation", op.cookie+" 12345")
	case strings.HasSuffix(location, "github_install_pending"):
		w.known.add("asked", op.cookie)
	}
	if op.name == "POST /api/users/{user}/signal_autonomy" && o.succeeded() && op.cookie != "" {
		w.known.add("autonomy", op.cookie)
	}
	var body any
	if o.Status >= http.StatusBadRequest || json.Unmarshal([]byte(o.Body), &body) != nil {
		return
	}
	for _, p := range idKinds {
		if strings.Contains(op.name, p.path) && !strings.HasSuffix(op.name, "/begin") {
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
		if page := textOf(m["install_url"]); strings.HasSuffix(op.name, "/start") && op.cookie != "" {
			w.known.add("page", op.cookie+" "+page)
		}
		if codes, ok := m["backup_codes"].([]any); ok {
			for _, code := range codes {
				w.known.add("backup", textOf(code))
			}
		}
		if textOf(m["pending_email"]) != "" && op.cookie != "" {
			w.known.add("pending address", op.cookie)
		}
		if m["publicKey"] != nil && strings.HasSuffix(op.name, "/begin") {
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
		for _, name := range slices.Sorted(maps.Keys(v)) { // a seed always draws the same
			walk(v[name], visit)
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
