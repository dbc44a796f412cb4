package httpapi_test

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/httpapi"
	"github.com/hedgerow-dev/hedgerow/integrations"
	"github.com/hedgerow-dev/hedgerow/integrations/githubtest"
	"github.com/hedgerow-dev/hedgerow/users"
)

// speaker sends requests by an OpenAPI document and judges the answers by it.
type speaker struct {
	specValues
	t          *testing.T
	e          *env
	operations [][2]string
	people     int           // groups of people so far
	last       []string      // requests, for a failure
	callers    []http.Header // who has been seen
	sessions   []http.Header // those of them with a fresh session
	bearers    []http.Header // those with a key that may do much
	waiting    []http.Header // those whose login waits for its second step
	favourite  http.Header   // who does much of what comes next
	owned      []owned
	secrets    map[string]http.Header // who was shown the secret of an authenticator
	coder      http.Header            // who the code in the present request is for
	verify     [][2]string            // user and token of mails
	reset      [][2]string            // likewise

	sent, succeeded map[[2]string]int
}

// owned is a record that somebody was shown as theirs.
type owned struct {
	id     string
	caller http.Header
}

// specConfig has all that the document describes: mail, an App, and few limits.
func specConfig(t *testing.T) func(*httpapi.Config) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	dashboards := users.DashboardMap{}
	for n := range int64(10_000) {
		dashboards[n] = users.TeamID(n)
	}
	return func(c *httpapi.Config) {
		withMail(c)
		c.GitHub.Provider = nearGitHub(t, c.Now, key)
		c.GitHub.WebhookSecret = webhookSecret
		c.Dashboards = dashboards
		c.Auth.LoginFailures = -1
		c.Auth.SecondSteps.Max = -1
	}
}

func newSpeaker(t *testing.T, e *env, d *document, seed uint64) *speaker {
	t.Helper()
	s := &speaker{specValues: specValues{d: d, r: mathrand.New(mathrand.NewPCG(seed, 0)), known: map[string][]string{}}, t: t, e: e, secrets: map[string]http.Header{},
		sent: map[[2]string]int{}, succeeded: map[[2]string]int{}}
	for op := range d.operations() {
		if op[0] != "*" {
			s.operations = append(s.operations, op)
		}
	}
	slices.SortFunc(s.operations, func(a, b [2]string) int { return strings.Compare(a[1]+" "+a[0], b[1]+" "+b[0]) })
	return s
}

// run sends so many requests, every operation as often as any other. New people
// come now and then, as the requests delete and lock out those that there are.
func (s *speaker) run(n int) error {
	var order []int
	for i := range n {
		if i%300 == 0 {
			s.addPeople()
		}
		if len(order) == 0 {
			order = s.r.Perm(len(s.operations))
			s.favourite = among(s.r, s.sessions)
		}
		if err := s.request(s.operations[order[0]]); err != nil {
			return err
		}
		order = order[1:]
		if s.chance(100) {
			s.e.advance(among(s.r, []time.Duration{time.Second, time.Minute, 11 * time.Minute, 3 * time.Hour, 25 * time.Hour}))
		}
	}
	return nil
}

// addPeople adds a user, a foreign one and one of the staff, one who is gone, one
// with an authenticator and one without an organization.
func (s *speaker) addPeople() {
	s.people++
	c := s.e.newCast(s.people)
	o, team := s.e.organization(fmt.Sprint("acme", s.people), c.alice, c.bob, c.boss)
	single, guarded := s.e.user(fmt.Sprint("single", s.people), unproved), s.e.user(fmt.Sprint("guarded", s.people))
	if err := s.e.api.Auth().SaveTOTP(s.t.Context(), guarded.ID, hostSecret, []users.Secret{"abcdefgh"}); err != nil {
		s.t.Fatal(err)
	}
	for _, u := range []users.User{c.alice, c.bob, c.boss} {
		// In place of the link of the cast, which has no tokens.
		if _, err := s.e.api.Integrations().Import(s.t.Context(), integrations.Import{UserToken: "ghu_x", RefreshToken: "ghr_x",
			Installation: integrations.Installation{UserID: u.ID, InstallationID: githubtest.InstallationID}}); err != nil {
			s.t.Fatal(err)
		}
	}
	s.sessions, s.bearers, s.waiting, s.owned, s.verify, s.reset = nil, nil, nil, nil, nil, nil
	for _, name := range callers {
		s.meet(c.callers[name], name)
	}
	s.meet(s.e.session(single, 0), "fresh")
	for _, u := range []users.User{c.alice, c.bob, c.boss, c.gone, single, guarded} {
		s.learn("uuid", u.UUID.String())
		s.learn("email", u.Email)
	}
	s.learn("email", fmt.Sprintf("new%d@example.com", s.people))
	s.e.merge(fmt.Sprintf(`{"visitor":{"setup_action":%q}}`, among(s.r, []string{"install", "request"})))
	for _, known := range [][2]string{{"organization_id", o.ID.String()}, {"team", number(users.ID(team.ID))}, {"key", "@current"}, {"key", c.aliceKey}, {"key", c.bobKey},
		{"installation_id", githubtest.InstallationID}, {"password", password}, {"password", "correct horse battery staple 7"}, {"secret", hostSecret}, {"full_name", "acme/repo-1"}, {"scopes", "*"}} {
		s.learn(known[0], known[1])
	}
}

func unproved(u *users.User) { u.IsEmailVerified = users.Some(false) }

// meet adds somebody who calls; name is as in the access matrix.
func (s *speaker) meet(who option, name string) {
	r := httptest.NewRequest("GET", "/", nil)
	who(r)
	s.callers = append(s.callers, r.Header)
	s.callers = s.callers[max(len(s.callers)-40, 0):]
	switch name {
	case "fresh", "bob", "boss":
		s.sessions = append(s.sessions, r.Header)
	case "star", "write", "boss key":
		s.bearers = append(s.bearers, r.Header)
	case "waiting":
		s.waiting = append(s.waiting, r.Header)
	}
}

// caller chooses who makes a request: mostly somebody whom the document lets in,
// and of those whoever was shown what the path names.
func (s *speaker) caller(operation node, target string) http.Header {
	fit := s.sessions
	security, _ := operation.members["security"].([]any)
	if len(security) > 1 {
		fit = append(slices.Clip(fit), s.bearers...)
	} else if len(security) == 0 {
		fit = append(slices.Clip(s.waiting), http.Header{})
	}
	if s.chance(4) || len(fit) == 0 {
		return among(s.r, s.callers)
	}
	if s.coder != nil && len(security) > 0 {
		return s.coder
	}
	for _, o := range s.owned {
		if strings.Contains(target, o.id) && !s.chance(4) {
			return o.caller
		}
	}
	if s.chance(2) && len(security) > 0 {
		return s.favourite
	}
	return among(s.r, fit)
}

// request makes one request and judges its answer.
func (s *speaker) request(op [2]string) error {
	s.coder = nil
	mails := s.reset
	if strings.Contains(op[1], "verif") {
		mails = s.verify
	}
	if s.mail = [2]string{}; len(mails) > 0 {
		if s.mail = mails[len(mails)-1]; s.chance(2) {
			s.mail = among(s.r, mails)
		}
	}
	item, _ := s.d.at(s.d.root, "paths", op[1])
	operation, _ := s.d.at(item, strings.ToLower(op[0]))
	target, query, headers := s.parameters(append(s.d.list(item, "parameters"), s.d.list(operation, "parameters")...), op[1])
	sent := s.body(operation)
	r := httptest.NewRequest(op[0], "http://internal.example/", bytes.NewReader(sent))
	u, err := url.ParseRequestURI(target)
	if err != nil {
		return fmt.Errorf("make a path of %q: %w", target, err)
	}
	r.URL, r.RequestURI, r.RemoteAddr = u, target, among(s.r, []string{"192.0.2.1:1", "192.0.2.2:1"})
	r.URL.RawQuery = query
	caller := s.caller(operation, target)
	for name, values := range caller {
		r.Header[name] = slices.Clone(values)
	}
	s.oddHeaders(r, sent, headers)
	if strings.HasPrefix(op[1], "/webhooks/") && !s.chance(4) {
		r.Header.Set("X-Hub-Signature-256", githubtest.SignWebhook(webhookSecret, sent))
		r.Header.Set("X-Github-Event", among(s.r, []string{"installation", "installation_repositories", "ping"}))
	}
	w := s.e.answer(r)
	s.note(r, sent, w)
	if s.sent[op]++; w.Code < 400 {
		s.succeeded[op]++
	}
	if w.Code >= 500 {
		return fmt.Errorf("%s %s fails with %d: %s", op[0], target, w.Code, w.Body)
	}
	if err := s.d.check("", exchanged(r, sent, w)); err != nil {
		return err
	}
	return s.remember(op[1], caller, w)
}

// parameters fills in path, query and headers; what is optional is sometimes left
// out, and some values are none that the document allows.
func (s *speaker) parameters(list []node, path string) (target, query string, headers http.Header) {
	q, headers := url.Values{}, http.Header{}
	for _, p := range list {
		name, _ := p.members["name"].(string)
		required, _ := p.members["required"].(bool)
		schema, _ := p.members["schema"].(map[string]any)
		text := fmt.Sprint(s.value(schema, name, 1))
		if s.chance(8) {
			text = among(s.r, specTexts)
		}
		switch in, _ := p.members["in"].(string); {
		case in == "path":
			if text == "" {
				text = "x"
			}
			path = strings.ReplaceAll(path, "{"+name+"}", url.PathEscape(text))
		case !required && s.chance(2):
		case in == "query":
			q.Add(name, text)
		default:
			headers.Set(name, strings.Map(func(r rune) rune {
				if r < ' ' {
					return -1
				}
				return r
			}, text))
		}
	}
	if s.chance(3) {
		path += "/"
	}
	return path, q.Encode(), headers
}

// body makes the body of a request: as a schema has it, damaged, or none.
func (s *speaker) body(operation node) []byte {
	schema, declared := s.d.at(operation, "requestBody", "content", "application/json", "schema")
	if !declared {
		if s.chance(3) {
			return encoded(s.anything(0))
		}
		return nil
	}
	v := s.withCode(s.value(schema.members, "", 0))
	switch s.r.IntN(24) {
	case 0:
		return nil
	case 1:
		whole := encoded(v)
		return whole[:s.r.IntN(len(whole)+1)]
	case 2:
		return []byte(`{"a":1,"a":` + string(encoded(v)) + `}`)
	case 3, 4, 5:
		return encoded(s.broken(v))
	}
	return encoded(v)
}

// withCode puts the code of an authenticator that an answer has brought in place of
// a token, now and then: it is not in any answer.
func (s *speaker) withCode(v any) any {
	m, ok := v.(map[string]any)
	if !ok || m["token"] == nil || m["uuid"] != nil || len(s.known["secret"]) == 0 || s.chance(2) {
		return v
	}
	secret, _ := s.named("secret")
	if code, err := auth.TOTPCode(users.Secret(secret), s.e.now()); err == nil {
		m["token"], s.coder = code, s.secrets[secret]
	}
	return v
}

func encoded(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // made of what encoding/json writes
	}
	return b
}

// oddHeaders sets the headers of a request, wrongly now and then.
func (s *speaker) oddHeaders(r *http.Request, sent []byte, headers http.Header) {
	for name, values := range headers {
		r.Header[name] = values
	}
	if len(sent) > 0 {
		r.Header.Set("Content-Type", "application/json")
	}
	for _, odd := range [][2]string{{"Content-Type", "text/plain"}, {"Accept", "text/html"}, {"Content-Encoding", "gzip"}, {"Origin", "https://evil.example"}, {"X-Request-Id", "é"}, {"User-Agent", "\xff"}} {
		if s.chance(100) {
			r.Header.Set(odd[0], odd[1])
		}
	}
}

// note keeps the request for the report of a failure.
func (s *speaker) note(r *http.Request, sent []byte, w *httptest.ResponseRecorder) {
	s.last = append(s.last, fmt.Sprintf("%s %s?%s %.300q with %.300q: %d %.300q", r.Method, r.URL.EscapedPath(), r.URL.RawQuery, sent, fmt.Sprint(r.Header), w.Code, w.Body))
	s.last = s.last[max(len(s.last)-15, 0):]
}

// remember learns from an answer about a path, and from the mail that it has led
// to.
func (s *speaker) remember(path string, caller http.Header, w *httptest.ResponseRecorder) error {
	d := json.NewDecoder(bytes.NewReader(w.Body.Bytes()))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err == nil && w.Code < 300 {
		s.harvest("", v)
		if m, ok := v.(map[string]any); ok && m["otpauth_url"] != nil {
			s.secrets[fmt.Sprint(m["secret"])] = caller
		}
		s.own(path, caller, v)
	}
	s.learn("Etag", w.Header().Get("ETag"))
	for _, c := range w.Result().Cookies() {
		switch {
		case c.Value == "":
		case w.Code == http.StatusUnauthorized:
			s.meet(header("Cookie", c.Name+"="+c.Value), "waiting")
		default:
			s.meet(header("Cookie", c.Name+"="+c.Value), "fresh")
		}
	}
	if values := s.known["value"]; len(values) > 0 && w.Code == http.StatusCreated {
		s.meet(header("Authorization", "Bearer "+values[len(values)-1]), "star")
	}
	for _, m := range s.e.mail() {
		switch m := m.(type) {
		case auth.EmailVerification:
			s.verify = append(s.verify, linkOf(m.Link))
		case auth.PasswordReset:
			s.reset = append(s.reset, linkOf(m.Link))
		}
	}
	s.verify, s.reset = s.verify[max(len(s.verify)-5, 0):], s.reset[max(len(s.reset)-5, 0):]
	return s.follow()
}

// linkOf splits the end of a link in a mail.
func linkOf(link users.Secret) [2]string {
	parts := strings.Split(string(link), "/")
	return [2]string{parts[len(parts)-2], parts[len(parts)-1]}
}

// own learns whose the records of a collection are, and that the document names
// them in the path of each.
func (s *speaker) own(path string, caller http.Header, v any) {
	name := ""
	paths, _ := s.d.at(s.d.root, "paths")
	for longer := range paths.members {
		parent, last, _ := strings.Cut(strings.Replace(longer, "/{requests}/", "/install_requests/", 1), path+"/")
		if parent == "" && strings.HasPrefix(last, "{") && !strings.Contains(last, "/") {
			name = strings.Trim(last, "{}")
		}
	}
	if name == "" {
		return
	}
	if m, ok := v.(map[string]any); ok && m["results"] != nil {
		v = m["results"]
	}
	list, ok := v.([]any)
	if !ok {
		list = []any{v}
	}
	for _, record := range list {
		if m, ok := record.(map[string]any); ok {
			id, _ := m["id"].(string)
			if s.learn(name, id); id != "" {
				s.owned = append(s.owned, owned{id, caller})
			}
		}
	}
}

// follow goes to GitHub's page that the last start of a link has named, and learns
// what the browser would come back with.
func (s *speaker) follow() error {
	pages := s.known["install_url"]
	if len(pages) == 0 {
		return nil
	}
	s.known["install_url"] = nil
	w := httptest.NewRecorder()
	s.e.gh.server.ServeHTTP(w, httptest.NewRequest("GET", pages[len(pages)-1], nil))
	back, err := url.Parse(w.Header().Get("Location"))
	if err != nil {
		return errors.Join(errors.New("GitHub sends the browser nowhere"), err)
	}
	for name, values := range back.Query() {
		s.known[name] = nil // they belong together
		s.learn(name, values[0])
	}
	return nil
}
