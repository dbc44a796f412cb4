package httpapi_test

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/httpapi"
	"github.com/hedgerow-dev/hedgerow/integrations/githubtest"
	"github.com/hedgerow-dev/hedgerow/users"
)

const (
	unknownID   = "0190c0de-0000-7000-8000-000000000000"
	malformedID = "not-an-id"
)

// cast is who calls and who is named in the access matrix.
type cast struct {
	alice, bob, boss, gone users.User
	callers                map[string]option
	aliceKey, bobKey       string // ids
	goneKey                string
}

// newCast makes people whose names end in n. Alice and Bob are nobody special,
// Boss is staff, Gone is inactive.
func (e *env) newCast(n int) *cast {
	e.t.Helper()
	suffix := strconv.Itoa(n)
	c := &cast{alice: e.user("alice" + suffix), bob: e.user("bob" + suffix), boss: e.user("boss"+suffix, staff), gone: e.user("gone"+suffix, inactive)}
	key := func(u users.User, scopes ...string) (option, string) {
		value, err := e.api.Auth().NewAPIKeyValue()
		if err != nil {
			e.t.Fatalf("new key: %v", err)
		}
		k, err := e.api.Auth().SaveAPIKey(e.t.Context(), auth.APIKey{UserID: u.ID, Label: "test", Scopes: scopes}, value)
		if err != nil {
			e.t.Fatalf("save key: %v", err)
		}
		return header("Authorization", "Bearer "+string(value)), k.ID
	}
	c.callers = map[string]option{
		"anonymous": func(*http.Request) {},
		"bad key":   header("Authorization", "Bearer phx_wrong"),
		"fresh":     e.session(c.alice, 0),
		"stale":     e.session(c.alice, 3*time.Hour),
		"bob":       e.session(c.bob, 0),
		"boss":      e.session(c.boss, 0),
		"old boss":  e.session(c.boss, 3*time.Hour),
		"gone":      e.session(c.gone, 0),
	}
	c.callers["read"], c.aliceKey = key(c.alice, "user:read")
	c.callers["write"], _ = key(c.alice, "user:write")
	c.callers["star"], _ = key(c.alice, "*")
	c.callers["other scope"], _ = key(c.alice, "insight:write")
	c.callers["no scopes"], _ = key(c.alice)
	for _, u := range []users.User{c.alice, c.bob, c.boss} {
		e.seedLink(u)
	}
	_, c.bobKey = key(c.bob, "*")
	c.callers["boss key"], _ = key(c.boss, "*")
	c.callers["gone key"], c.goneKey = key(c.gone, "*")
	e.addAlike(c, suffix)
	return c
}

// alike are callers who must be treated as another is, whatever the request: those
// whose credential has expired, and an OAuth token of Alice with "user:write".
var alike = map[string]string{"ended": "gone", "expired key": "bad key", "token": "write"}

func (e *env) addAlike(c *cast, suffix string) {
	e.t.Helper()
	c.callers["ended"] = e.session(c.alice, 15*24*time.Hour)
	expired, token := users.Secret("phx_expired"+suffix), users.Secret("pha_of_the_access_matrix"+suffix)
	if _, err := e.api.Auth().SaveAPIKey(e.t.Context(), auth.APIKey{UserID: c.alice.ID, Label: "test", Scopes: []string{"*"}, ExpiresAt: e.now()}, expired); err != nil {
		e.t.Fatalf("save key: %v", err)
	}
	if err := e.api.Auth().SaveOAuthToken(e.t.Context(), token, auth.OAuthToken{UserID: c.alice.ID, Scopes: "insight:read user:write"}); err != nil {
		e.t.Fatalf("save token: %v", err)
	}
	c.callers["expired key"], c.callers["token"] = header("Authorization", "Bearer "+string(expired)), header("Authorization", "Bearer "+string(token))
}

// callers are the columns of the matrix.
var callers = strings.Split("anonymous,bad key,gone,gone key,fresh,stale,read,write,star,other scope,no scopes,bob,boss,old boss,boss key", ",")

// accessRow is one request of the matrix. Who may call it is written as one
// word per caller: a status that refuses before the target is looked at, or
// "ok".
type accessRow struct {
	method, path, body string
	success            int
	// anonymous, bad key, gone, gone key | fresh, stale | read, write, star, other scope, no scopes | bob | boss, old boss, boss key
	callers string
	// targets is which rule the path segment follows.
	targets string
}

// accessRows is contract section 2.5, section 11 and design D12, by hand.
var accessRows = []accessRow{
	{"GET", "/api/users", "", 200, "401 401 401 401 | ok ok | ok ok ok 403 403 | ok | ok ok ok", ""},
	{"GET", "/api/users/{user}", "", 200, "401 401 401 401 | ok ok | ok ok ok 403 403 | ok | ok ok ok", "user"},
	{"PATCH", "/api/users/{user}", `{"last_name":"X"}`, 200, "401 401 401 401 | ok 403 | 403 ok ok 403 403 | ok | ok 403 ok", "user"},
	{"PATCH", "/api/users/{user}", `{"theme_mode":"dark"}`, 200, "401 401 401 401 | ok ok | 403 ok ok 403 403 | ok | ok ok ok", "user"},
	{"PATCH", "/api/users/{user}", `{"theme_mode":"dark","uuid":1}`, 200, "401 401 401 401 | ok 403 | 403 ok ok 403 403 | ok | ok 403 ok", "user"},
	{"PATCH", "/api/users/{user}", ``, 200, "401 401 401 401 | ok 403 | 403 ok ok 403 403 | ok | ok 403 ok", "user"},
	// Without address and password a PUT that is let in is 400.
	{"PUT", "/api/users/{user}", `{"last_name":"X"}`, 400, "401 401 401 401 | ok 403 | 403 ok ok 403 403 | ok | ok 403 ok", "user"},
	{"DELETE", "/api/users/{user}", "", 204, "401 401 401 401 | ok 403 | 401 401 401 401 401 | ok | ok 403 401", "user"},
	{"DELETE", "/api/users/{user}", `{"theme_mode":"dark"}`, 204, "401 401 401 401 | ok 403 | 401 401 401 401 401 | ok | ok 403 401", "user"},
	{"GET", "/api/users/{user}/github_login", "", 200, "401 401 401 401 | ok ok | ok ok ok 403 403 | ok | ok ok ok", "user"},
	{"GET", "/api/users/{user}/hedgehog_config", "", 200, "401 401 401 401 | ok ok | ok ok ok 403 403 | ok | ok ok ok", "user"},
	{"PATCH", "/api/users/{user}/hedgehog_config", `{"color":"red"}`, 200, "401 401 401 401 | ok ok | 403 ok ok 403 403 | ok | ok ok ok", "user"},
	// There is no such dashboard, so whoever is let in gets 400.
	{"POST", "/api/users/{user}/scene_personalisation", `{"scene":"s","dashboard":9}`, 400, "401 401 401 401 | ok ok | 403 403 403 403 403 | ok | ok ok 403", "user"},
	{"POST", "/api/users/{user}/credentials_review_complete", "", 204, "401 401 401 401 | ok 403 | 401 401 401 401 401 | ok | ok 403 401", "self"},
	{"POST", "/api/users/{user}/onboarding/skip", `{"reason":"later"}`, 200, "401 401 401 401 | ok 403 | 403 403 403 403 403 | ok | ok 403 403", "user"},
	{"PATCH", "/api/users/{user}/product_intro_seen", `{"product_key":"logs"}`, 200, "401 401 401 401 | ok ok | 403 ok ok 403 403 | ok | ok ok ok", "user"},
	// The POST makes the records that the GET finds.
	{"POST", "/api/users/{user}/signal_autonomy", `{"autostart_priority":"P2"}`, 200, "401 401 401 401 | ok ok | 403 ok ok 403 403 | ok | ok ok ok", "number"},
	{"GET", "/api/users/{user}/signal_autonomy", "", 200, "401 401 401 401 | ok ok | 403 ok ok 403 403 | ok | ok ok ok", "number"},
	{"DELETE", "/api/users/{user}/signal_autonomy", "", 204, "401 401 401 401 | ok ok | 403 ok ok 403 403 | ok | ok ok ok", "number"},

	{"GET", "/api/users/{user}/start_2fa_setup", "", 200, "401 401 401 401 | ok ok | 403 403 403 403 403 | ok | ok ok 403", "self"},
	{"GET", "/api/users/{user}/two_factor_start_setup", "", 200, "401 401 401 401 | ok ok | 403 403 403 403 403 | ok | ok ok 403", "self"},
	{"POST", "/api/users/{user}/validate_2fa", `{"token":"x"}`, 400, "401 401 401 401 | ok 403 | 403 403 403 403 403 | ok | ok 403 403", "self"},
	{"POST", "/api/users/{user}/two_factor_validate", `{"token":"x"}`, 400, "401 401 401 401 | ok 403 | 403 403 403 403 403 | ok | ok 403 403", "self"},
	{"GET", "/api/users/{user}/two_factor_status", "", 200, "401 401 401 401 | ok ok | 403 403 403 403 403 | ok | ok ok 403", "self"},
	// Nobody here has an authenticator.
	{"POST", "/api/users/{user}/two_factor_backup_codes", "", 400, "401 401 401 401 | ok 403 | 403 403 403 403 403 | ok | ok 403 403", "self"},
	{"POST", "/api/users/{user}/two_factor_disable", "", 200, "401 401 401 401 | ok 403 | 403 403 403 403 403 | ok | ok 403 403", "self"},
	{"GET", "/api/users/{user}/login_sessions", "", 200, "401 401 401 401 | ok ok | 401 401 401 401 401 | ok | ok ok 401", "self"},
	{"DELETE", "/api/users/{user}/login_sessions/{session}", "", 404, "401 401 401 401 | ok 403 | 401 401 401 401 401 | ok | ok 403 401", "self"},
	{"POST", "/api/users/{user}/login_sessions/revoke_others", "", 200, "401 401 401 401 | ok 403 | 401 401 401 401 401 | ok | ok 403 401", "self"},
	// Without mail, and without a pending address, whoever is let in gets 400.
	{"PATCH", "/api/users/cancel_email_change_request", "", 400, "401 401 401 401 | ok 403 | 403 403 403 403 403 | ok | ok 403 403", ""},
	{"POST", "/api/users/verify_email", `{"uuid":"x","token":"x"}`, 400, "ok 401 ok 401 | ok ok | ok ok ok ok ok | ok | ok ok ok", ""},
	{"POST", "/api/users/request_email_verification", `{"uuid":"x"}`, 400, "ok 401 ok 401 | ok ok | ok ok ok ok ok | ok | ok ok ok", ""},
	{"POST", "/api/reset", `{"email":"x@example.com"}`, 400, "ok 401 ok 401 | ok ok | ok ok ok ok ok | ok | ok ok ok", ""},
	{"GET", "/api/schema", "", 200, "ok 401 ok 401 | ok ok | ok ok ok ok ok | ok | ok ok ok", ""},
	{"GET", "/api/schema/docs", "", 200, "ok 401 ok 401 | ok ok | ok ok ok ok ok | ok | ok ok ok", ""},
	// There is no such file.
	{"GET", "/api/schema/docs/{file}", "", 404, "ok 401 ok 401 | ok ok | ok ok ok ok ok | ok | ok ok ok", ""},
	{"GET", "/api/reset/{uuid}", "", 400, "ok 401 ok 401 | ok ok | ok ok ok ok ok | ok | ok ok ok", ""},
	{"POST", "/api/reset/{uuid}", `{"token":"x","password":"x"}`, 400, "ok 401 ok 401 | ok ok | ok ok ok ok ok | ok | ok ok ok", ""},
	// Everybody but Gone has linked 12345, with a fresh list of repositories and
	// branches.
	{"GET", "/api/users/{user}/integrations", "", 200, "401 401 401 401 | ok ok | ok ok ok 403 403 | ok | ok ok ok", "user"},
	{"POST", "/api/users/{user}/integrations/github/start", "{}", 200, "401 401 401 401 | ok ok | 403 ok ok 403 403 | ok | ok ok ok", "user"},
	{"GET", "/api/users/{user}/integrations/github/install_requests", "", 200, "401 401 401 401 | ok ok | ok ok ok 403 403 | ok | ok ok ok", "user"},
	// There is no such request, so whoever is let in gets 404.
	{"DELETE", "/api/users/{user}/integrations/github/{requests}/{request}", "", 404, "401 401 401 401 | ok ok | 403 ok ok 403 403 | ok | ok ok ok", "user"},
	{"GET", "/api/users/{user}/integrations/github/{installation}/repos", "", 200, "401 401 401 401 | ok ok | ok ok ok 403 403 | ok | ok ok ok", "user"},
	{"POST", "/api/users/{user}/integrations/github/{installation}/repos/refresh", "", 200, "401 401 401 401 | ok ok | 403 ok ok 403 403 | ok | ok ok ok", "user"},
	{"GET", "/api/users/{user}/integrations/github/{installation}/branches", "", 200, "401 401 401 401 | ok ok | ok ok ok 403 403 | ok | ok ok ok", "user"},
	{"DELETE", "/api/users/{user}/integrations/github/{installation}", "", 204, "401 401 401 401 | ok ok | 403 ok ok 403 403 | ok | ok ok ok", "user"},
	{"GET", "/complete/github-link", "", 302, "401 401 401 401 | ok ok | 401 401 401 401 401 | ok | ok ok 401", ""},
	// Nobody here has a signature.
	{"POST", "/webhooks/github", "{}", 403, "ok ok ok ok | ok ok | ok ok ok ok ok | ok | ok ok ok", ""},
	{"POST", "/webhooks/github/pr", "{}", 403, "ok ok ok ok | ok ok | ok ok ok ok ok | ok | ok ok ok", ""},

	{"GET", "/api/users/{user}/passkeys", "", 200, "401 401 401 401 | ok ok | 403 403 403 403 403 | ok | ok ok 403", "self"},
	{"POST", "/api/users/{user}/passkeys/register/begin", "", 200, "401 401 401 401 | ok 403 | 403 403 403 403 403 | ok | ok 403 403", "self"},
	// No passkey answers, and there is none to change.
	{"POST", "/api/users/{user}/passkeys/register/complete", `{"credential":{}}`, 400, "401 401 401 401 | ok 403 | 403 403 403 403 403 | ok | ok 403 403", "self"},
	{"PATCH", "/api/users/{user}/passkeys/{passkey}", `{"name":"x"}`, 404, "401 401 401 401 | ok 403 | 403 403 403 403 403 | ok | ok 403 403", "self"},
	{"DELETE", "/api/users/{user}/passkeys/{passkey}", "", 404, "401 401 401 401 | ok 403 | 401 401 401 401 401 | ok | ok 403 401", "self"},

	{"GET", "/api/personal_api_keys", "", 200, "401 401 401 401 | ok ok | 403 403 403 403 403 | ok | ok ok 403", ""},
	{"POST", "/api/personal_api_keys", `{"label":"x","scopes":["*"],"scoped_teams":[],"scoped_organizations":[]}`, 201, "401 401 401 401 | ok 403 | 403 403 403 403 403 | ok | ok 403 403", ""},
	{"GET", "/api/personal_api_keys/{key}", "", 200, "401 401 401 401 | ok ok | ok ok ok ok ok | ok | ok ok ok", "key"},
	{"PATCH", "/api/personal_api_keys/{key}", `{"label":"y"}`, 200, "401 401 401 401 | ok 403 | 403 403 403 403 403 | ok | ok 403 403", "key"},
	{"DELETE", "/api/personal_api_keys/{key}", "", 204, "401 401 401 401 | ok 403 | 403 403 403 403 403 | ok | ok 403 403", "key"},
	{"POST", "/api/personal_api_keys/{key}/roll", "", 200, "401 401 401 401 | ok 403 | 403 403 403 403 403 | ok | ok 403 403", "key"},

	// A dead session is nobody. A bad key is refused even where anybody may
	// call, and a good one never turns into a cookie.
	{"POST", "/api/login", "{}", 400, "ok 401 ok 401 | ok ok | 403 403 403 403 403 | ok | ok ok 403", ""},
	{"POST", "/api/login/token", "{}", 400, "ok 401 ok 401 | ok ok | 403 403 403 403 403 | ok | ok ok 403", ""},
	{"POST", "/api/login/passkey/begin", "", 200, "ok 401 ok 401 | ok ok | 403 403 403 403 403 | ok | ok ok 403", ""},
	{"POST", "/api/login/passkey/complete", "{}", 400, "ok 401 ok 401 | ok ok | 403 403 403 403 403 | ok | ok ok 403", ""},
	{"POST", "/api/login/2fa/passkey/begin", "", 400, "ok 401 ok 401 | ok ok | 403 403 403 403 403 | ok | ok ok 403", ""},
	{"POST", "/api/login/2fa/passkey/complete", "{}", 400, "ok 401 ok 401 | ok ok | 403 403 403 403 403 | ok | ok ok 403", ""},
	{"POST", "/logout", "", 302, "ok 401 ok 401 | ok ok | ok ok ok ok ok | ok | ok ok ok", ""},
	{"POST", "/api/logout", "", 302, "ok 401 ok 401 | ok ok | ok ok ok ok ok | ok | ok ok ok", ""},
}

// targetStatus is what an admitted caller gets for a path segment: 0 for
// success. The columns are those of segments; for keys, the first is @current
// and the next three are a key of that person.
func targetStatus(rule, caller, target string) int {
	table := map[string]map[string]string{
		"user": { // @me, alice, bob, gone, unknown, malformed
			"alice": "0 0 403 403 403 403",
			"bob":   "0 403 0 403 403 403",
			"boss":  "0 0 0 404 404 404",
		},
		// @me, alice, bob, gone, unknown, malformed | the numbers of alice, bob, gone, nobody
		"number": {
			"alice": "0 0 403 403 403 403 0 403 403 403",
			"bob":   "0 403 0 403 403 403 403 0 403 403",
			"boss":  "0 0 0 0 404 404 0 0 0 404",
		},
		"self": {
			"alice": "0 0 403 403 403 403",
			"bob":   "0 403 0 403 403 403",
			"boss":  "0 403 403 403 403 403",
		},
		"key": { // @current, alice, bob, gone, unknown, malformed
			"alice": "404 0 404 404 404 404",
			"bob":   "404 404 0 404 404 404",
			"boss":  "404 404 404 404 404 404",
			"read":  "0 0 403 403 403 403", // the key of Alice that is named
			"key":   "0 403 403 403 403 403",
		},
	}[rule]
	who := caller
	switch caller {
	case "fresh", "stale":
		who = "alice"
	case "old boss":
		who = "boss"
	case "read", "write", "star", "other scope", "no scopes", "boss key":
		switch {
		case rule == "key" && caller != "read":
			who = "key"
		case rule != "key" && caller == "boss key":
			who = "boss"
		case rule != "key":
			who = "alice"
		}
	}
	status, err := strconv.Atoi(strings.Fields(table[who])[slices.Index(segmentsOf(rule), target)])
	if err != nil {
		panic(err)
	}
	return status
}

// segmentsOf lists what a path may name under a target rule.
func segmentsOf(rule string) []string {
	segments := []string{"me", "alice", "bob", "gone", "unknown", "malformed"}
	switch rule {
	case "":
		return []string{""}
	case "number":
		return append(segments, "number of alice", "number of bob", "number of gone", "number of nobody")
	}
	return segments
}

// exact reports a path that has only the methods in the table: no HEAD, no
// OPTIONS.
func exact(path string) bool {
	return strings.HasSuffix(path, "/signal_autonomy") || strings.Contains(path, "/integrations") || strings.Contains(path, "/github-link") ||
		strings.Contains(path, "/webhooks/")
}

func number(id users.ID) string { return strconv.FormatInt(int64(id), 10) }

// path fills the segment in.
func (c *cast) path(pattern, target string) string {
	ids := map[string]string{"me": "@me", "alice": c.alice.UUID.String(), "bob": c.bob.UUID.String(), "gone": c.gone.UUID.String(),
		"unknown": unknownID, "malformed": malformedID,
		"number of alice": number(c.alice.ID), "number of bob": number(c.bob.ID), "number of gone": number(c.gone.ID), "number of nobody": "999999"}
	keys := map[string]string{"me": "@current", "alice": c.aliceKey, "bob": c.bobKey, "gone": c.goneKey, "unknown": "AbCdEf", "malformed": "-1"}
	path := strings.NewReplacer("{user}", ids[target], "{key}", keys[target], "{uuid}", c.alice.UUID.String(), "{requests}", "install_requests", "{request}", unknownID,
		"{installation}", githubtest.InstallationID).Replace(pattern)
	if strings.HasSuffix(path, "/branches") {
		path += "?repo=acme/web"
	}
	return path
}

// withSlash puts a slash behind the path and before the query.
func withSlash(path, slash string) string {
	path, query, ok := strings.Cut(path, "?")
	if ok {
		query = "?" + query
	}
	return path + slash + query
}

func TestAccessMatrixIsComplete(t *testing.T) {
	each(t, nil, func(t *testing.T, e *env) {
		tested := map[[2]string]bool{}
		for _, row := range accessRows {
			tested[[2]string{row.method, row.path}] = true
		}
		routes := map[[2]string]bool{}
		for _, pair := range httpapi.Routes(e.api) {
			if routes[pair] = true; !tested[pair] {
				t.Errorf("the access matrix lacks %v", pair)
			}
		}
		for pair := range tested {
			if !routes[pair] {
				t.Errorf("there is no route %v", pair)
			}
		}
	})
}

func TestAccessMatrix(t *testing.T) {
	unlimited := func(c *httpapi.Config) { c.Auth.VerificationMails.Max, c.Auth.PasswordResets.Max = -1, -1 }
	withGitHub(t, acme, unlimited, func(t *testing.T, e *env) {
		m := &matrix{e: e}
		for _, row := range accessRows {
			words := strings.Fields(strings.ReplaceAll(row.callers, "|", " "))
			if len(words) != len(callers) {
				t.Fatalf("%s %s: %d words for %d callers", row.method, row.path, len(words), len(callers))
			}
			for i, caller := range callers {
				for _, target := range segmentsOf(row.targets) {
					m.check(row, caller, target, words[i])
				}
			}
			for _, twin := range slices.Sorted(maps.Keys(alike)) {
				for _, target := range segmentsOf(row.targets) {
					if twin != "token" || row.targets != "key" { // a token is no key, and is not itself @current
						m.check(row, twin, target, words[slices.Index(callers, alike[twin])])
					}
				}
			}
		}
	})
}

// matrix checks cells, with new people whenever a request had an effect that
// the next one could notice. Paths have a slash at the end every other time.
type matrix struct {
	e      *env
	people *cast
	casts  int
	slash  bool
}

func (m *matrix) check(row accessRow, caller, target, word string) {
	want := row.success
	if word != "ok" {
		status, err := strconv.Atoi(word)
		if err != nil {
			m.e.t.Fatal(err)
		}
		want = status
	} else if target != "" {
		as := caller
		if original, ok := alike[caller]; ok {
			as = original
		}
		if status := targetStatus(row.targets, as, target); status != 0 {
			want = status
		}
	}
	methods := []string{row.method}
	if row.method == "GET" && !exact(row.path) {
		methods = append(methods, "HEAD")
	}
	for _, method := range methods {
		slash := ""
		if m.slash {
			slash = "/"
		}
		m.send(method, slash, row, caller, target, want)
	}
	m.slash = !m.slash
}

func (m *matrix) send(method, slash string, row accessRow, caller, target string, want int) {
	t := m.e.t
	if m.people == nil {
		m.casts++
		m.people = m.e.newCast(m.casts)
	}
	name := fmt.Sprintf("%s %s%s %s by %q on %q", method, row.path, slash, row.body, caller, target)
	r := m.e.do(method, withSlash(m.people.path(row.path, target), slash), row.body, m.people.callers[caller])
	if r.status != want {
		t.Errorf("%s: got %d, want %d; body %s", name, r.status, want, r.raw)
	}
	if r.status >= 400 && (strings.Contains(r.raw, "bob") || strings.Contains(r.raw, "gone")) {
		t.Errorf("%s: the refusal tells about somebody: %s", name, r.raw)
	}
	if changes := row.method == "DELETE" || strings.HasSuffix(row.path, "/roll") || strings.HasSuffix(row.path, "/revoke_others") ||
		strings.HasSuffix(row.path, "logout") || strings.HasSuffix(row.path, "/start"); r.status < 400 && changes {
		m.people = nil
	}
}

// TestForeignTargetsLookAlike: whoever is not staff cannot tell another user
// from one that does not exist.
func TestForeignTargetsLookAlike(t *testing.T) {
	owner := map[string]string{"fresh": "alice", "stale": "alice", "read": "alice", "star": "alice", "bob": "bob"}
	each(t, nil, func(t *testing.T, e *env) {
		people := e.newCast(1)
		for _, row := range accessRows {
			if row.targets == "" || row.targets == "key" {
				continue
			}
			for caller := range owner {
				var first string
				for _, target := range segmentsOf(row.targets)[3:] {
					if target == "number of "+owner[caller] {
						continue
					}
					raw := e.do(row.method, people.path(row.path, target), row.body, people.callers[caller]).raw
					if first == "" {
						first = raw
					}
					if raw != first {
						t.Errorf("%s %s by %s on %s: got %s, want %s", row.method, row.path, caller, target, raw, first)
					}
				}
				foreign := "bob"
				if caller == "bob" {
					foreign = "alice"
				}
				if raw := e.do(row.method, people.path(row.path, foreign), row.body, people.callers[caller]).raw; raw != first {
					t.Errorf("%s %s by %s on %s: got %s, want %s", row.method, row.path, caller, foreign, raw, first)
				}
			}
		}
	})
}

// TestUserBeforeBody: contract section 1.2, where no earlier check needs the
// body.
func TestUserBeforeBody(t *testing.T) {
	each(t, nil, func(t *testing.T, e *env) {
		people := e.newCast(1)
		for _, c := range [][2]string{{"PATCH", "hedgehog_config"}, {"POST", "signal_autonomy"}, {"POST", "onboarding/skip"}} {
			method, path := c[0], "/api/users/{user}/"+c[1]
			for body, status := range map[string]int{"{": 400, strings.Repeat(" ", 2<<20): 413} {
				e.do(method, people.path(path, "bob"), body, people.callers["fresh"]).ok(403)
				e.do(method, people.path(path, "unknown"), body, people.callers["boss"]).ok(404)
				e.do(method, people.path(path, "me"), body, people.callers["fresh"]).ok(status)
			}
		}
	})
}

// openPaths are those that anybody may call.
var openPaths = []string{
	"/api/login", "/api/login/token", "/logout", "/api/logout", "/api/reset", "/api/reset/{uuid}",
	"/api/login/passkey/begin", "/api/login/passkey/complete", "/api/login/2fa/passkey/begin", "/api/login/2fa/passkey/complete",
	"/api/users/verify_email", "/api/users/request_email_verification", "/webhooks/github", "/webhooks/github/pr",
	"/api/schema", "/api/schema/docs", "/api/schema/docs/{file}",
}

// TestUnmappedMethods: contract section 1.2, on every path of the resource.
func TestUnmappedMethods(t *testing.T) {
	each(t, nil, func(t *testing.T, e *env) {
		people := e.newCast(1)
		mapped := map[[2]string]bool{}
		for _, pair := range httpapi.Routes(e.api) {
			mapped[pair] = true
		}
		for pair := range mapped {
			path := people.path(pair[1], "me")
			open := slices.Contains(openPaths, pair[1])
			for _, method := range []string{"GET", "POST", "PUT", "PATCH", "DELETE"} {
				if mapped[[2]string{method, pair[1]}] {
					continue
				}
				for _, slash := range []string{"", "/"} {
					if anonymous := e.do(method, withSlash(path, slash), ""); open {
						anonymous.refused(405, "invalid_request", "method_not_allowed", "")
					} else {
						anonymous.refused(401, "authentication_error", "not_authenticated", "")
					}
					r := e.do(method, withSlash(path, slash), "", people.callers["fresh"])
					r.refused(405, "invalid_request", "method_not_allowed", "")
					if r.header.Get("Allow") == "" || strings.Contains(r.header.Get("Allow"), method) {
						t.Errorf("%s %s: Allow is %q", method, path, r.header.Get("Allow"))
					}
				}
			}
			if !open {
				e.do("OPTIONS", path, "").refused(401, "authentication_error", "not_authenticated", "")
			}
			if exact(pair[1]) {
				e.do("OPTIONS", path, "", people.callers["stale"]).ok(405)
				e.do("HEAD", path, "", people.callers["stale"]).ok(405)
				continue
			}
			e.do("OPTIONS", path, "", people.callers["stale"]).ok(200)
		}
		for _, path := range []string{"/api/nothing", "/api/users/@me/nothing", "/api/users/@me.json", "/api/users//", "/api/users/@me//", "/nothing", "/"} {
			e.do("GET", path, "").refused(404, "invalid_request", "not_found", "")
			e.do("PATCH", path, "{}", people.callers["star"]).refused(404, "invalid_request", "not_found", "")
		}
	})
}
