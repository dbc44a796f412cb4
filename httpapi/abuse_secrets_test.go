package httpapi_test

import (
	"database/sql"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/httpapi"
	"github.com/hedgerow-dev/hedgerow/integrations/githubtest"
	"github.com/hedgerow-dev/hedgerow/storage"
	"github.com/hedgerow-dev/hedgerow/storage/memory"
)

// valueOf is what an option adds to a header, behind a prefix.
func valueOf(o option, name, prefix string) string {
	r := &http.Request{Header: http.Header{}}
	o(r)
	return strings.TrimPrefix(r.Header.Get(name), prefix)
}

// secretsOfALife are all that one account is given, and what it gives, while it
// signs up for everything.
func (e *env) secretsOfALife() map[string]string {
	e.t.Helper()
	alice := e.user("alice")
	secret, cookie := e.enrol(alice)
	secrets := map[string]string{"password": password, "authenticator": string(secret), "encryption key": string(encryptionKeys[0]), "webhook secret": webhookSecret,
		"client secret": githubtest.NewApp().ClientSecret}
	for n, code := range e.backupCodes(cookie) {
		secrets[fmt.Sprint("backup code ", n)] = code
	}
	pending := e.pending("alice")
	in := e.do("POST", "/api/login/token", token(e.code(secret)), pending).ok(200)
	cookie = in.cookie("sessionid")
	secrets["session"], secrets["device"] = valueOf(cookie, "Cookie", "sessionid="), strings.SplitN(valueOf(in.cookie("remember-cookie_"), "Cookie", ""), "=", 2)[1]
	secrets["waiting login"] = valueOf(e.pending("alice"), "Cookie", "sessionid=")
	secrets["API key"] = e.do("POST", keysPath, keyBody(nil), cookie).ok(201).json()["value"].(string)
	secrets["OAuth token"] = valueOf(e.token(alice, "user:read"), "Authorization", "Bearer ")
	secrets["new authenticator"] = string(e.start(cookie))
	secrets["challenge"] = valueOf(e.do("POST", signInBegin, "").cookie("sessionid_passkey"), "Cookie", "sessionid_passkey=")
	e.link(cookie)
	_, team := e.organization("acme", alice)
	e.teamInstallation(team.ID, "12345", 0, "")
	page := e.startLink(cookie, fmt.Sprintf(`{"team_id":%d}`, team.ID))
	state, err := url.ParseQuery(page.Query().Get("state"))
	if err != nil {
		e.t.Fatal(err)
	}
	secrets["link state"] = state.Get("token")
	secrets["verification link"], secrets["reset link"] = e.stage(alice, "new@example.com"), e.askReset(alice)
	e.tokensOf(secrets, e.storedLink(alice).Sealed, fmt.Sprintf("installations/%d/12345/tokens", alice.ID))
	return secrets
}

// tokensOf adds those that are sealed for a place.
func (e *env) tokensOf(secrets map[string]string, sealed []byte, place string) {
	e.t.Helper()
	sealer, err := auth.NewSealer(encryptionKeys...)
	if err != nil {
		e.t.Fatal(err)
	}
	plain, _, err := sealer.Open(sealed, place)
	if err != nil {
		e.t.Fatalf("the tokens are not sealed for their place: %v", err)
	}
	found := 0
	for _, part := range strings.Split(string(plain), `"`) {
		if strings.HasPrefix(part, "gh") {
			found++
			secrets[fmt.Sprint("token of GitHub ", found)], secrets[fmt.Sprint("half a token of GitHub ", found)] = part, part[:len(part)/2+4]
		}
	}
	if found != 3 {
		e.t.Errorf("there are %d tokens of GitHub, want 3", found)
	}
	if _, _, err := sealer.Open(sealed, place+"x"); err == nil {
		e.t.Error("tokens can be moved to another place")
	}
}

// TestR52SecretsAtRest (also R58): no table, log or debug output of a store holds a
// secret, or half a token, as it is or encoded.
func TestR52SecretsAtRest(t *testing.T) {
	stores := watchedStores()
	stores["memory"] = func(*testing.T) watched { return watched{store: memory.New()} }
	for name, open := range stores {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := open(t)
			var log buffer
			e := newEnv(t, w.store, func(c *httpapi.Config) {
				withMail(c)
				c.GitHub.Provider, c.GitHub.WebhookSecret = newGitHub(t, c.Now, acme()), webhookSecret
				c.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
			})
			secrets := e.secretsOfALife()
			e.flush(t.Context())
			places := map[string]string{"the log": log.b.String(), "debug output": printed(w.store)}
			if w.beside != nil {
				places["the tables"] = dump(t, w.beside)
				if !strings.Contains(places["the tables"], "alice@example.com") || !strings.Contains(places["the tables"], "octocat") {
					t.Fatal("the dump does not hold what it should")
				}
			}
			for where, text := range places {
				for what, secret := range secrets {
					for _, form := range []string{secret, hex.EncodeToString([]byte(secret)), base64.StdEncoding.EncodeToString([]byte(secret)), url.QueryEscape(secret)} {
						if len(secret) < 8 || strings.Contains(text, form) {
							t.Errorf("%s holds the %s of %d characters", where, what, len(secret))
						}
					}
				}
			}
		})
	}
}

// printed is a store and what it gives out, as a careless program prints it.
func printed(st storage.Storage) string { return fmt.Sprintf("%v %+v %#v", st, st, st) }

// dump is all that the tables of a database hold, as text.
func dump(t *testing.T, db *sql.DB) string {
	t.Helper()
	s := &snapshot{t: t, db: db}
	tables, err := s.query("select name from sqlite_master where type = 'table'")
	if err != nil {
		tables, err = s.query("select table_name from information_schema.tables where table_schema = current_schema()")
	}
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, table := range tables {
		found, err := db.QueryContext(t.Context(), "select * from "+table[0])
		if err != nil {
			t.Fatal(err)
		}
		columns, err := found.Columns()
		if err != nil {
			t.Fatal(err)
		}
		for found.Next() {
			values, targets := make([]sql.RawBytes, len(columns)), make([]any, len(columns))
			for i := range values {
				targets[i] = &values[i]
			}
			if err := found.Scan(targets...); err != nil {
				t.Fatal(err)
			}
			for _, v := range values {
				all.Write(v)
				all.WriteByte('|')
			}
		}
		if err := found.Err(); err != nil {
			t.Fatal(err)
		}
	}
	return all.String()
}

// TestR58Randomness: of each kind of secret, no two are alike, each has at least
// 128 bits, and no place of the text is always the same.
func TestR58Randomness(t *testing.T) {
	e := newEnv(t, memory.New(), func(c *httpapi.Config) { c.GitHub.Provider = newGitHub(t, c.Now, acme()) })
	t.Cleanup(e.close)
	alice := e.user("alice")
	e.user("bob")
	cookie := e.session(alice, 0)
	id := e.do("POST", keysPath, keyBody(nil), cookie).ok(201).json()["id"].(string)
	n := size(250, 10_000)
	for kind, c := range map[string]struct {
		bits float64 // of one character
		make func() string
	}{
		"API key": {5.9, func() string {
			return e.do("POST", keysPath+id+"/roll", "", cookie).ok(200).json()["value"].(string)[4:]
		}},
		"session": {6, func() string {
			return valueOf(e.do("POST", "/api/login", credentials("bob", password)).cookie("sessionid"), "Cookie", "sessionid=")
		}},
		"authenticator": {5, func() string { return string(e.start(cookie)) }},
		"challenge": {6, func() string {
			return valueOf(e.do("POST", signInBegin, "").cookie("sessionid_passkey"), "Cookie", "sessionid_passkey=")
		}},
		"link state": {5.9, func() string {
			state, err := url.ParseQuery(e.startLink(cookie, "").Query().Get("state"))
			if err != nil {
				t.Fatal(err)
			}
			return state.Get("token")
		}},
	} {
		seen, places := map[string]bool{}, map[[2]int]int{}
		for range n {
			e.advance(5 * time.Second) // the limits of starts and challenges
			cookie = e.session(alice, 0)
			s := c.make()
			if seen[s] || float64(len(s))*c.bits < 128 {
				t.Fatalf("%s: one of %d characters, seen before: %v", kind, len(s), seen[s])
			}
			seen[s] = true
			for i := 2; i < 20; i++ { // the first digits of a large number are not even
				places[[2]int{i, int(s[i])}]++
			}
		}
		for place, times := range places {
			if times > n/5 {
				t.Errorf("%s: the %d. character is %q in %d of %d", kind, place[0], rune(place[1]), times, n)
			}
		}
	}
}

// statuses are what requests were answered, by request and store.
type statuses struct {
	mu   sync.Mutex
	seen map[string]map[string]string
}

func (s *statuses) add(store, request string, r reply) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.seen[request] == nil {
		s.seen[request] = map[string]string{}
	}
	s.seen[request][store] = fmt.Sprint(r.status)
}

// TestR57SQLText: text that means something to a database means nothing to ours,
// wherever it stands, and all stores answer alike.
func TestR57SQLText(t *testing.T) {
	nasty := []string{`'; drop table users; --`, `' or '1'='1`, `$1`, `$1 -1`, `?`, `?1`, `:a`, `@a`, `%`, `_`, `\`, `\'`, `--`, `/*`, `$$x$$`, `$a$x$a$`, `"`, `;`, `E'\\'`, `U&'\0041'`, `NULL`,
		"\x00", "a\x00b", "\ufffd", "１", "-1", "0x41", "1e999", "NaN", "Infinity", "'||pg_sleep(9)||'"}
	all := &statuses{seen: map[string]map[string]string{}}
	t.Cleanup(func() {
		for request, by := range all.seen {
			if len(by) > 1 && (by["memory"] != by["sqlite"] || by["memory"] != by["postgres"]) {
				t.Errorf("%s is answered by %v", request, by)
			}
		}
	})
	withGitHub(t, acme, func(c *httpapi.Config) { c.Auth.OnboardingSkips.Max = -1 }, func(t *testing.T, e *env) {
		alice, boss := e.user("alice"), e.user("boss", staff)
		e.organization("Acme", alice)
		e.seedLink(alice)
		_, store, _ := strings.Cut(t.Name(), "/")
		for i, text := range nasty {
			e.advance(time.Minute)
			cookie, chief, slash := e.session(alice, 0), e.session(boss, 0), strings.Repeat("/", i%2)
			send := func(what, method, path, body string, caller option) {
				r := e.do(method, path, body, caller)
				if r.status >= 500 {
					t.Errorf("%s: got %d %s", r.call, r.status, r.raw)
				}
				all.add(store, fmt.Sprintf("%s with %q", what, text), r)
			}
			for _, rt := range httpapi.Routes(e.api) {
				for _, segment := range []string{"{user}", "{key}", "{session}", "{passkey}", "{request}", "{installation}", "{uuid}"} {
					if strings.Contains(rt[1], segment) {
						path := filled(strings.Replace(rt[1], segment, url.PathEscape(text), 1)) + slash
						send(rt[0]+" "+rt[1]+" "+segment, rt[0], path, "", cookie)
						send("staff "+rt[0]+" "+rt[1]+" "+segment, rt[0], path, "", chief)
						cookie = e.session(alice, 0)
					}
				}
			}
			for _, q := range []string{"/api/users" + slash + "?email=", "/api/users" + slash + "?is_staff=", "/api/users" + slash + "?limit=", "/api/users" + slash + "?offset=", linkedPath + "?kind=",
				reposPath + "?search=", onePath + "branches?repo=", onePath + "branches?repo=acme/web&search=", "/api/reset/" + alice.UUID.String() + slash + "?token=",
				"/complete/github-link" + slash + "?state=", "/complete/github-link" + slash + "?error="} {
				send("GET "+q, "GET", q+url.QueryEscape(text), "", chief)
			}
			value := strings.ReplaceAll(strings.ReplaceAll(fmt.Sprintf("%q", text), `\x00`, `\u0000`), `\'`, `'`)
			for member, rt := range map[string][2]string{
				`{"first_name":%s}`: {"PATCH", self}, `{"hedgehog_config":%s}`: {"PATCH", self}, `{"events_column_config":{"a":%s}}`: {"PATCH", self}, `{"email":%s}`: {"PATCH", self},
				`{"set_current_team":%s}`: {"PATCH", self}, `{"set_current_organization":%s}`: {"PATCH", self}, `{"theme_mode":%s}`: {"PATCH", self}, `{"notification_settings":{%s:true}}`: {"PATCH", self},
				`{"a":%s}`: {"PATCH", own + "hedgehog_config"}, `{"product_key":%s}`: {"PATCH", own + "product_intro_seen"}, `{"scene":%s,"dashboard":1}`: {"POST", own + "scene_personalisation"},
				`{"reason":"later","step_at_skip":%s}`: {"POST", own + "onboarding/skip"}, `{"autostart_priority":%s}`: {"POST", own + "signal_autonomy"}, `{"team_id":%s}`: {"POST", strings.TrimSuffix(startPath, "/")},
				`{"email":%s,"password":"x"}`: {"POST", "/api/login"}, `{"email":"alice@example.com","password":%s}`: {"POST", "/api/login"}, `{"uuid":%s,"token":"x"}`: {"POST", "/api/users/verify_email"},
				`{"uuid":"x","token":%s}`: {"POST", "/api/users/verify_email"}, `{"token":%s}`: {"POST", "/api/login/token"},
				`{"label":%s,"scopes":["*"],"scoped_teams":[],"scoped_organizations":[]}`: {"POST", "/api/personal_api_keys"},
			} {
				send(rt[0]+" "+rt[1]+" "+member, rt[0], rt[1]+slash, fmt.Sprintf(member, value), cookie)
			}
			e.do("GET", "/api/users", "", chief).ok(200).has("count", "2")
		}
	})
}

// TestR59LogText: no line of the log is made by a client, and none has what a client
// keeps secret, also when something panics.
func TestR59LogText(t *testing.T) {
	const planted = "planted-secret-value"
	each(t, nil, func(t *testing.T, e *env) {
		var log buffer
		logging := e.beside(e.store, func(c *httpapi.Config) {
			c.Dashboards = panicking{planted}
			c.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
		})
		alice := e.user("alice")
		e.organization("Acme", alice)
		cookie := e.session(alice, 0)
		odd := []option{header("X-Request-Id", planted+"\r\nlevel=ERROR msg=forged"), header("User-Agent", "\x1b[31m\r\nlevel=ERROR msg=forged "+strings.Repeat("x", 1<<20)),
			header("Referer", planted), header("X-Api-Key", planted), cookie}
		for _, path := range spellings(own+"scene_personalisation", alice) {
			for _, dashboard := range []string{"1", "2", "3"} {
				body := fmt.Sprintf(`{"scene":"a\r\nlevel=ERROR msg=forged\u001b[0m","dashboard":%s,"password":%q}`, dashboard, planted)
				logging.do("POST", path+"?token="+planted+"%0d%0alevel=ERROR", body, odd...).refused(500, "server_error", "error", "")
			}
		}
		logging.do("POST", "/api/login", fmt.Sprintf(`{"email":"alice@example.com","password":%q}`, planted), odd[:4]...).ok(400)
		e.do("GET", self, "", cookie).ok(200) // the process lives
		text := log.b.String()
		if strings.Count(text, "msg=panic") == 0 || strings.Count(text, "msg=panic") != strings.Count(text, "type=string") {
			t.Errorf("the panics are not logged: %s", text)
		}
		if strings.Contains(text, planted) {
			t.Errorf("the log has what a client or a panic holds: %s", text)
		}
		for line := range strings.Lines(text) {
			if !strings.HasPrefix(line, "time=") || strings.Contains(line, "\x1b") || len(line) > 64<<10 {
				t.Errorf("somebody else wrote the line %.100q", line)
			}
		}
	})
}
