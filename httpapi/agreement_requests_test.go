package httpapi_test

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/hedgerow-dev/hedgerow/integrations/githubtest"
)

// request is one request as a server hands it over.
type request struct {
	method, path, query, body, from string
	header                          [][2]string
}

func (r request) String() string {
	where := r.path
	if r.query != "" {
		where += "?" + r.query
	}
	body := r.body
	if len(body) > 2000 {
		body = fmt.Sprintf("%s… (%d bytes)", body[:2000], len(body))
	}
	return fmt.Sprintf("%s %q %+q from %s with %+q", r.method, where, body, r.from, r.header)
}

// maker says how to call a route. The zero maker sends no body and no query.
type maker struct {
	members []member
	needed  int               // so many of members
	query   func(draw) string // nil means none
	// make, if set, comes in place of members, and may add headers.
	make func(draw, *request)
	// cookie is the kind of cookie that the route needs; "" means any credential,
	// and "none" that it is best called by nobody.
	cookie string
}

func numbers(d draw, names ...string) string {
	q := url.Values{}
	for _, name := range names {
		if d.IntN(8) == 7 {
			q.Add(name, d.one("1", "2", "0", "500", "501", "1000", "-1", "99999999999999999999", "2147483647", " 1", "1.0", "1e2", "0x1", "１", "", "\x00"))
		}
	}
	return q.Encode()
}

func listQuery(d draw) string {
	q := numbers(d, "limit", "offset", "limit")
	if d.IntN(4) == 3 {
		q += "&email=" + url.QueryEscape(d.one(d.known("email", "x"), d.address(), d.text(), "\xff", "a\x00"))
	}
	if d.IntN(4) == 3 {
		q += "&is_staff=" + url.QueryEscape(d.one("true", "false", "TRUE", "0", "1", "x", "\x00"))
	}
	return oddQuery(d, q)
}

// oddQuery spoils a query now and then.
func oddQuery(d draw, q string) string {
	if d.seldom() {
		return q + d.one("&%zz", ";a=b", "&a", "&=&&", "&email=%ff", "&search=%00", "&limit=1;offset=2")
	}
	return strings.Trim(q, "&")
}

func repositoryQuery(d draw) string {
	q := numbers(d, "limit", "offset")
	if d.IntN(4) == 3 {
		q += "&search=" + url.QueryEscape(d.one("r", "REPO", "é", "_", "%", "\xff", d.text()))
	}
	return oddQuery(d, q)
}

// countPasskeys is a request that makes passkeys a second factor.
func countPasskeys(d draw) operation {
	cookie, _, _ := strings.Cut(d.known("passkey", "sessionid=x "), " ")
	return call(request{method: "PATCH", path: "/api/users/@me", body: `{"passkeys_enabled_for_2fa":` + d.mostly("true")("false") + `}`, from: "192.0.2.1:1",
		header: [][2]string{{"Cookie", cookie}, {"Content-Type", "application/json"}}})
}

// changeAddress is a request for another address.
func changeAddress(d draw) operation {
	return call(request{method: "PATCH", path: "/api/users/@me", body: `{"email":` + quoted(d.address()) + `}`, from: "192.0.2.1:1",
		header: [][2]string{{"Cookie", d.known("cookie", "sessionid=x")}, {"Content-Type", "application/json"}}})
}

func branchQuery(d draw) string {
	return "repo=" + url.QueryEscape(d.mostly("acme/repo-1", "acme/repo-1", "acme/web")("ACME/Web", "acme/none", "", "x", "a/../b", "é/é", "a\x00/b", d.text())) + "&" + repositoryQuery(d)
}

// callbackQuery is what a browser comes back from GitHub with.
func callbackQuery(d draw, r *request) {
	cookie, query, _ := strings.Cut(d.known("callback", "sessionid=x state=x&code=y&installation_id=12345&setup_action=install"), " ")
	q, err := url.ParseQuery(query)
	if err != nil {
		d.w.t.Fatal(err)
	}
	if !d.seldom() {
		r.header = [][2]string{{"Cookie", cookie}}
	}
	if d.seldom() {
		q.Set(d.one("state", "code", "installation_id", "setup_action", "error"), d.one("", "x", "12345", "67890", "request", "\x00", "\xff", d.text()))
	}
	if d.seldom() {
		q.Del(d.one("state", "code", "installation_id", "setup_action"))
	}
	r.query = oddQuery(d, q.Encode())
}

// setupBody confirms an authenticator, most of the time the one that the session
// has set up.
func setupBody(d draw, r *request) {
	cookie, secret, _ := strings.Cut(d.known("setup", "sessionid=x "+hostSecret), " ")
	r.header = [][2]string{{"Cookie", cookie}}
	code := d.totp(secret)
	r.body = d.body([]member{{"token", func(draw) string { return code }}, {"current_password", draw.password}}, 1)
}

// pair draws what a mail has brought: the UUID of a user and a token.
func pair(d draw, kind string) (id, token string) {
	id, token, _ = strings.Cut(d.known(kind, unknownID+" x"), " ")
	if d.seldom() {
		id = d.one(d.known("uuid", unknownID), strings.ToUpper(id), d.text())
	}
	if d.seldom() {
		token = d.one(token+"x", "", d.text())
	}
	return id, token
}

func verifyBody(d draw, r *request) {
	id, token := pair(d, "verify")
	r.body = d.body([]member{{"uuid", func(draw) string { return quoted(id) }}, {"token", func(draw) string { return quoted(token) }}}, 2)
}

func checkReset(d draw, r *request) {
	id, token := pair(d, "reset")
	r.path, r.query = "/api/reset/"+url.PathEscape(id), oddQuery(d, "token="+url.QueryEscape(token))
}

func resetBody(d draw, r *request) {
	id, token := pair(d, "reset")
	r.path = "/api/reset/" + url.PathEscape(id)
	r.body = d.body([]member{{"token", func(draw) string { return quoted(token) }}, {"password", draw.password}}, 2)
}

// credentialBody answers a challenge by a passkey, kinds of which are known.
func credentialBody(kind string) func(draw, *request) {
	return func(d draw, r *request) {
		// A challenge comes with the cookie that it belongs to.
		cookie, credential, _ := strings.Cut(d.known(kind, ` {"id":"x"}`), " ")
		if cookie != "" {
			r.header = [][2]string{{"Cookie", cookie}}
		}
		r.body = d.body([]member{{"credential", func(draw) string { return credential }}, {"name", draw.name}}, 1)
	}
}

// delivery is a webhook of GitHub.
func delivery(d draw, r *request) {
	login := quoted(d.one("acme", "octocat", d.text(), "\x00", "é"))
	if d.seldom() {
		login = d.odd()
	}
	r.body = fmt.Sprintf(`{"action":%q,"installation":{"id":%s,"account":{"login":%s,"type":%s}},"requester":%s,"repository_selection":%q}`,
		d.one("created", "added", "removed", "deleted", "x"), d.one("12345", "67890", "1", "0", "-1", "9223372036854775807", "1.5"),
		login, d.one(`"Organization"`, `"User"`, quoted(d.text())), d.one("null", `{"id":99}`, `{"id":0}`), d.one("all", "selected", "é\x00"))
	if d.seldom() {
		r.body = d.odd()
	}
	signature := githubtest.SignWebhook(webhookSecret, []byte(r.body))
	if d.seldom() {
		signature = d.one("", "sha256=00", "é")
	}
	r.header = append(r.header, [2]string{"X-Hub-Signature-256", signature},
		[2]string{"X-GitHub-Event", d.one("installation", "installation_repositories", "ping", "\xff")},
		[2]string{"X-GitHub-Delivery", d.one("", "1", "2", "é", "\xff", "\xc3", strings.Repeat("é", 32), strings.Repeat("x", 65), fmt.Sprint(d.IntN(50)))})
}

// userMembers are those of contract section 8.2.
var userMembers = []member{
	{"email", func(d draw) string { return quoted(d.address()) }},
	{"password", draw.password},
	{"current_password", draw.password},
	{"email", func(d draw) string { return quoted(d.address()) }}, // twice as likely
	{"first_name", draw.name},
	{"last_name", draw.name},
	{"notification_settings", func(d draw) string {
		return d.one("{}", `{"plugin_disabled":false}`, `{"data_pipeline_error_threshold":`+d.one("0", "1", "0.5", "0.10", "1e-3", "1e-400", "2", `"x"`)+`}`,
			`{"project_weekly_digest_disabled":`+d.object()+`}`, `{"realtime_notifications_disabled":{"comment_mention":`+d.object()+`}}`)
	}},
	{"anonymize_data", draw.flag},
	{"allow_impersonation", draw.flag},
	{"toolbar_mode", choose("disabled", "toolbar", "", "x")},
	{"is_staff", draw.flag},
	{"set_current_organization", knownText("organization")},
	{"set_current_team", knownText("team")},
	{"events_column_config", draw.json},
	{"has_seen_product_intro_for", draw.object},
	{"theme_mode", choose("light", "dark", "system", "", "DARK")},
	{"hedgehog_config", draw.json},
	{"allow_sidebar_suggestions", draw.flag},
	{"shortcut_position", choose("above", "below", "hidden", "", "é")},
	{"role_at_organization", choose("engineering", "founder", "other", "Other", "")},
	{"passkeys_enabled_for_2fa", draw.flag},
}

var keyMembers = []member{
	{"label", draw.name},
	{"scopes", func(d draw) string {
		return d.mostly(`["*"]`, `["user:read"]`, `["user:write"]`, `["user:read","user:write"]`, `["insight:read"]`)("[]", `["x"]`, `["user:read","user:read"]`, `["`+"\u00e9"+`:read"]`)
	}},
	{"scoped_teams", func(d draw) string {
		return d.mostly("[]", "null")("["+d.known("team", "1")+"]", "[1]", `["1"]`, "[999]", "[1,1]")
	}},
	{"scoped_organizations", func(d draw) string {
		return d.mostly("[]", "null")(`["`+d.known("organization", unknownID)+`"]`, `["`+strings.ToUpper(d.known("organization", unknownID))+`"]`, `["x"]`)
	}},
	{"expires_at", func(d draw) string {
		return d.mostly("null", `"2026-06-02T00:00:00Z"`)(`"2026-05-01T15:00:00.123456789+02:00"`, `"9999-12-31T23:59:59.9999999Z"`, `"2026-13-01T00:00:00Z"`, `"0001-01-01T00:00:00Z"`, `"infinity"`,
			`"2261-01-01T00:00:00-23:59"`)
	}},
}

// requestMakers says how to call every route.
func requestMakers() map[string]maker {
	const (
		user         = "/api/users/{user}"
		linked       = user + "/integrations"
		installation = linked + "/github/{installation}"
		passkeys     = user + "/passkeys"
		keys         = "/api/personal_api_keys"
	)
	passwordOnly := []member{{"current_password", draw.password}}
	token := []member{{"token", draw.code}, {"current_password", draw.password}}
	return map[string]maker{
		"GET /api/users":                                 {query: listQuery},
		"GET " + user:                                    {},
		"PATCH " + user:                                  {members: userMembers},
		"PUT " + user:                                    {members: userMembers, needed: 3},
		"DELETE " + user:                                 {},
		"GET " + user + "/github_login":                  {},
		"GET " + user + "/hedgehog_config":               {},
		"PATCH " + user + "/hedgehog_config":             {make: func(d draw, r *request) { r.body = d.one(d.json(), d.json(), d.odd()) }},
		"POST " + user + "/scene_personalisation":        {members: []member{{"scene", draw.name}, {"dashboard", func(d draw) string { return d.one("1", "2", `"1"`, "null", "3", "0", "1.0") }}}, needed: 2},
		"POST " + user + "/credentials_review_complete":  {members: passwordOnly},
		"POST " + user + "/onboarding/skip":              {members: []member{{"reason", choose("later", "other", "x")}, {"step_at_skip", draw.name}}, needed: 1},
		"PATCH " + user + "/product_intro_seen":          {members: []member{{"product_key", draw.name}, {"seen", draw.flag}}, needed: 1},
		"PATCH /api/users/cancel_email_change_request":   {members: passwordOnly, cookie: "pending address"},
		"POST /api/users/verify_email":                   {make: verifyBody},
		"POST /api/users/request_email_verification":     {members: []member{{"uuid", knownText("uuid")}}, needed: 1},
		"GET " + user + "/signal_autonomy":               {cookie: "autonomy"},
		"POST " + user + "/signal_autonomy":              {members: []member{{"autostart_priority", choose("P0", "P1", "P2", "P4", "", "p1", "P\x00")}}, needed: 1},
		"DELETE " + user + "/signal_autonomy":            {},
		"GET " + user + "/start_2fa_setup":               {},
		"GET " + user + "/two_factor_start_setup":        {},
		"POST " + user + "/validate_2fa":                 {make: setupBody},
		"POST " + user + "/two_factor_validate":          {make: setupBody},
		"GET " + user + "/two_factor_status":             {},
		"POST " + user + "/two_factor_backup_codes":      {members: passwordOnly},
		"POST " + user + "/two_factor_disable":           {members: passwordOnly},
		"GET " + user + "/login_sessions":                {},
		"DELETE " + user + "/login_sessions/{session}":   {},
		"POST " + user + "/login_sessions/revoke_others": {members: passwordOnly},
		"GET " + passkeys:                                {},
		"POST " + passkeys + "/register/begin":           {members: passwordOnly},
		"POST " + passkeys + "/register/complete":        {make: credentialBody("registration")},
		"PATCH " + passkeys + "/{passkey}":               {members: []member{{"name", draw.name}}, needed: 1},
		"DELETE " + passkeys + "/{passkey}":              {},
		"GET " + linked: {query: func(d draw) string {
			return oddQuery(d, d.one("", "", "kind=github", "kind=slack", "kind=", "kind=%00"))
		}},
		"POST " + linked + "/github/start":                  {members: []member{{"team_id", func(d draw) string { return d.one(d.known("team", "1"), `"1"`, "null", "999", `""`) }}, {"connect_from", choose("posthog_code", "x", "")}}},
		"GET " + linked + "/github/install_requests":        {cookie: "asked"},
		"DELETE " + linked + "/github/{requests}/{request}": {},
		"DELETE " + installation:                            {},
		"GET " + installation + "/repos":                    {query: repositoryQuery},
		"POST " + installation + "/repos/refresh":           {},
		"GET " + installation + "/branches":                 {query: branchQuery},
		"GET /complete/github-link":                         {make: callbackQuery},
		"POST /webhooks/github":                             {make: delivery},
		"POST /webhooks/github/pr":                          {make: delivery},
		"GET " + keys:                                       {},
		"POST " + keys:                                      {members: keyMembers, needed: 4},
		"GET " + keys + "/{key}":                            {},
		"PATCH " + keys + "/{key}":                          {members: keyMembers},
		"DELETE " + keys + "/{key}":                         {},
		"POST " + keys + "/{key}/roll":                      {},
		"POST /api/login":                                   {members: []member{{"email", draw.account}, {"password", draw.password}}, needed: 2},
		"POST /api/login/token":                             {members: token, needed: 1, cookie: "pending"},
		"POST /api/login/passkey/begin":                     {members: []member{{"email", draw.account}}},
		"POST /api/login/passkey/complete":                  {make: credentialBody("assertion")},
		"POST /api/login/2fa/passkey/begin":                 {cookie: "pending"},
		"POST /api/login/2fa/passkey/complete":              {make: credentialBody("step")},
		"POST /api/reset":                                   {members: []member{{"email", draw.account}}, needed: 1},
		"GET /api/reset/{uuid}":                             {make: checkReset},
		"POST /api/reset/{uuid}":                            {make: resetBody},
		"POST /logout":                                      {query: nextQuery},
		"POST /api/logout":                                  {query: nextQuery},
		"GET /api/schema":                                   {query: formatQuery},
		"GET /api/schema/docs":                              {},
		"GET /api/schema/docs/{file}":                       {},
	}
}

func formatQuery(d draw) string {
	return oddQuery(d, d.one("", "format=json", "format=yaml", "format=xml"))
}

func nextQuery(d draw) string {
	return oddQuery(d, "next="+url.QueryEscape(d.one("", "/", "/x?y=z", "//x", `/\x`, "\x00", d.text())))
}

// request draws one of a route.
func (d draw) request(route string, m maker) request {
	r := request{from: d.one("192.0.2.1:1", "192.0.2.2:1", "192.0.2.3:1", "[2001:db8::1]:1")}
	r.method, r.path, _ = strings.Cut(route, " ")
	r.path = d.path(&r, r.path)
	if m.query != nil {
		r.query = m.query(d)
	}
	if m.make != nil {
		m.make(d, &r)
	} else if m.members != nil {
		r.body = d.body(m.members, m.needed)
	}
	if d.seldom() {
		r.path += "/"
	}
	if d.rarely() {
		r.method = d.one("OPTIONS", "HEAD", "PUT", "DELETE", "POST", "GET", "TRACE", "PROPFIND")
	}
	d.headers(&r, m)
	return r
}

// path fills the segments of a pattern in. A segment that only one session can
// use brings its cookie, most of the time.
func (d draw) path(r *request, pattern string) string {
	segments := strings.Split(pattern, "/")
	for i, s := range segments {
		if !strings.HasPrefix(s, "{") {
			continue
		}
		segment := d.segment(strings.Trim(s, "{}"))
		if cookie, rest, ok := strings.Cut(segment, " "); ok && (cookie == "" || strings.HasPrefix(cookie, "sessionid=")) {
			if segment = rest; cookie != "" && !d.seldom() {
				r.header = [][2]string{{"Cookie", cookie}}
			}
		}
		segments[i] = url.PathEscape(segment)
	}
	return strings.Join(segments, "/")
}

func (d draw) segment(name string) string {
	if d.rarely() {
		return d.one("x", "é", "\x00", "\xff", "a.b", "a/b", "%", d.text())
	}
	switch name {
	case "user":
		return d.one("@me", "@me", "@me", "@me", "@me", "@me", "@me", "@me", "@me", "@me", "@me", "@me", d.known("uuid", "@me"), d.known("uuid", "@me"), d.known("number", "1"), strings.ToUpper(d.known("uuid", "@me")),
			unknownID, "999", "01")
	case "installation":
		return d.one(d.known(name, "12345"), d.known(name, "12345"), d.known(name, "12345"), "12345", "67890", "0", "012345", "99999999999999999999999999", "1")
	case "requests":
		return "install_requests"
	case "file":
		return d.one("start.js", "index.html")
	}
	return d.known(name, unknownID)
}

// headers says who calls, and more.
func (d draw) headers(r *request, m maker) {
	add := func(name, value string) { r.header = append(r.header, [2]string{name, value}) }
	if m.cookie == "none" && d.IntN(4) < 3 {
	} else if m.cookie != "" && m.cookie != "none" && !d.seldom() && len(r.header) == 0 {
		add("Cookie", d.known(m.cookie, d.known("cookie", "sessionid=x")))
	} else if len(r.header) == 0 || r.header[0][0] != "Cookie" || d.seldom() {
		d.caller(add)
	}
	if r.body != "" && !d.rarely() {
		add("Content-Type", "application/json")
	} else if r.body != "" {
		add("Content-Type", d.one("application/json; charset=utf-8", "application/json; charset=latin1", "text/plain", "", "application/JSON"))
	}
	if d.seldom() {
		add(d.one("If-Match", "Accept", "Origin", "User-Agent", "X-Request-Id", "Content-Encoding", "X-Forwarded-For"),
			d.one(d.known("etag", `"1-1"`), "*", "*/*", "text/html", "https://app.example.com", "https://evil.example", "null", "Mozilla/5.0 (X11; Linux x86_64) Firefox/130.0", "\xff\xfe",
				strings.Repeat("é", 300), "gzip", "192.0.2.9"))
	}
}

// caller draws whose request it is.
func (d draw) caller(add func(name, value string)) {
	if !d.seldom() {
		if d.one("c", "c", "b") == "c" {
			add("Cookie", d.known("cookie", "sessionid=x"))
			if jar := d.known("jar", ""); jar != "" && d.seldom() {
				add("Cookie", jar)
			}
		} else {
			add("Authorization", "Bearer "+d.known("bearer", "phx_x"))
		}
		return
	}
	switch d.IntN(5) {
	case 0:
	case 1:
		add("Authorization", d.one("Bearer phx_wrong", "Bearer \xff\xff", "Basic x", "Bearer pha_unknown-unknown-unknown", "Bearer"))
	case 2:
		add("Cookie", d.known("pending", "sessionid=x"))
	case 3:
		add("Cookie", d.known("cookie", "sessionid=x")+"; "+d.known("cookie", "sessionid=x"))
	case 4:
		add("Cookie", d.known("cookie", "sessionid=x"))
		add("Authorization", "Bearer "+d.known("bearer", "phx_x"))
	}
}
