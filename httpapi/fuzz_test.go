package httpapi_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/httpapi"
	"github.com/hedgerow-dev/hedgerow/storage"
	"github.com/hedgerow-dev/hedgerow/storage/memory"
	"github.com/hedgerow-dev/hedgerow/users"
)

// fuzzEnv is an API on a memory store with Alice, who is staff. Where requests
// change something, every input rewinds it, so that a failure can be repeated.
type fuzzEnv struct {
	api    *httpapi.API
	store  *fuzzStore
	alice  users.User
	token  users.Secret // of the session
	value  users.Secret // of the key
	cookie option
	key    option
	rows   func(auth.Tx) error // saves Alice with both
}

// fuzzStore is one store after another: to make an API on each would take longer
// than most requests.
type fuzzStore struct{ storage.Storage }

// rewind gives the API a store with nothing but Alice, as she was at first, after
// everybody is done with the one before.
func (e *fuzzEnv) rewind(t testing.TB) {
	t.Helper()
	if err := e.api.Auth().Flush(t.Context()); err != nil {
		t.Fatalf("Flush: %v", err)
	}
	e.store.Storage = memory.New()
	if err := e.store.UpdateAuth(t.Context(), e.rows); err != nil {
		t.Fatalf("rewind: %v", err)
	}
}

func newFuzzEnv(t testing.TB, change ...func(*httpapi.Config)) *fuzzEnv {
	t.Helper()
	now := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	passkeys, err := newCeremony("https://app.example.com")
	if err != nil {
		t.Fatal(err)
	}
	config := httpapi.Config{PublicURL: "https://app.example.com", EncryptionKeys: encryptionKeys, Now: func() time.Time { return now },
		Auth: auth.Config{PasswordCost: cheap, Passkeys: passkeys}, Dashboards: users.DashboardMap{1: 1}}
	for _, c := range change {
		c(&config)
	}
	store := &fuzzStore{memory.New()}
	api, err := httpapi.New(store, config)
	if err != nil {
		t.Fatalf("httpapi.New: %v", err)
	}
	t.Cleanup(func() {
		if err := api.Auth().Flush(context.Background()); err != nil {
			t.Errorf("Flush: %v", err)
		}
	})
	e := &fuzzEnv{api: api, store: store}
	e.addAlice(t)
	e.cookie, e.key = header("Cookie", "sessionid="+string(e.token)), header("Authorization", "Bearer "+string(e.value))
	return e
}

// addAlice creates Alice with a session and a key.
func (e *fuzzEnv) addAlice(t testing.TB) {
	t.Helper()
	a, u := e.api.Auth(), users.New()
	u.Email, u.IsStaff = "alice@example.com", true
	u, err := a.CreateUser(t.Context(), u, "")
	if err != nil {
		t.Fatalf("create user: %v", err)
	}
	if e.token, err = a.StartSession(t.Context(), u.ID, auth.StartOptions{}); err != nil {
		t.Fatalf("start session: %v", err)
	}
	if e.value, err = a.NewAPIKeyValue(); err != nil {
		t.Fatalf("new key: %v", err)
	}
	key, err := a.SaveAPIKey(t.Context(), auth.APIKey{UserID: u.ID, Label: "test", Scopes: []string{"*"}}, e.value)
	if err != nil {
		t.Fatalf("save key: %v", err)
	}
	sessions, err := e.store.Sessions(t.Context(), u.ID)
	if err != nil || len(sessions) != 1 {
		t.Fatalf("%d sessions, %v", len(sessions), err)
	}
	e.alice = u
	e.rows = func(tx auth.Tx) error {
		_, err := tx.CreateUser(context.Background(), u)
		return errors.Join(err, tx.SaveSession(context.Background(), sessions[0]), tx.SaveAPIKey(context.Background(), key))
	}
}

// send makes a request and checks what must hold of every answer.
func (e *fuzzEnv) send(t *testing.T, r *http.Request, options ...option) *httptest.ResponseRecorder {
	t.Helper()
	for _, o := range options {
		o(r)
	}
	sent, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatalf("read the body to send: %v", err)
	}
	r.Body = io.NopCloser(bytes.NewReader(sent))
	w := httptest.NewRecorder()
	e.api.ServeHTTP(w, r)
	checkDocumented(t, e.api, exchanged(r, sent, w))
	call := fmt.Sprintf("%s %q", r.Method, r.URL.String())
	if w.Code >= 500 {
		t.Errorf("%s: got %d; body %s", call, w.Code, w.Body)
	}
	return w
}

func FuzzPatch(f *testing.F) {
	for _, seed := range []string{
		`{}`, `null`, `[]`, `"x"`, `0`, ` `, `{"a":{"b":1,"b":2}}`, "\ufeff{}", `{"first_name":"\ud800"}`, `{"email":"bob@example.com"}`,
		`{"notification_settings":{"realtime_notifications_disabled":{"comment_mention":{"1":true}}}}`,
		`{"notification_settings":{"data_pipeline_error_threshold":1e400}}`, `{"set_current_team":1e3}`, `{"hedgehog_config":{"a":[1,2.50,-0]}}`,
		`{"is_staff":"yes","theme_mode":"","toolbar_mode":null}`, `{"password":"x","current_password":"y"}`, `{"label":"x","scopes":["*"]}`,
		`{"theme_mode":"dark"}`, `{"shortcut_position":"above"}`, `{"role_at_organization":"data"}`, `{"toolbar_mode":"toolbar"}`, `{"first_name":"\u00e9","last_name":""}`,
		`{"anonymize_data":"Yes","allow_impersonation":null,"allow_sidebar_suggestions":1}`, `{"has_seen_product_intro_for":{"a":true}}`, `{"set_current_organization":null}`,
		`{"label":"x","scopes":["user:read"],"scoped_teams":null,"scoped_organizations":[]}`, `{"email":"alice@example.com","current_password":""}`,
		`{"product_key":"logs","seen":false}`, `{"scene":"s","dashboard":1}`, `{"reason":"later","step_at_skip":"x"}`,
		`{"events_column_config":"DEFAULT"}`, strings.Repeat("[", 100), `{"first_name":"` + "\xff" + `"}`,
	} {
		f.Add([]byte(seed))
	}
	e := newFuzzEnv(f)
	f.Fuzz(func(t *testing.T, body []byte) {
		e.rewind(t)
		for _, target := range [][2]string{
			{"PATCH", "/api/users/@me"}, {"PUT", "/api/users/@me/"}, {"PATCH", "/api/users/@me/hedgehog_config"}, {"POST", "/api/users/@me/scene_personalisation"},
			{"PATCH", "/api/users/@me/product_intro_seen"}, {"POST", "/api/users/@me/onboarding/skip"}, {"POST", "/api/personal_api_keys"},
		} {
			for _, caller := range []option{e.cookie, e.key} {
				r := httptest.NewRequest(target[0], "http://internal.example"+target[1], bytes.NewReader(body))
				w := e.send(t, r, header("Content-Type", "application/json"), caller)
				if !json.Valid(body) && len(body) > 0 && w.Code < 400 {
					t.Errorf("%v accepted %q, which is not JSON", target, body)
				}
			}
		}
		// Whatever was stored can be shown.
		w := e.send(t, httptest.NewRequest("GET", "http://internal.example/api/users/@me", nil), e.key)
		if w.Code != 200 {
			t.Errorf("GET after PATCH %q: got %d", body, w.Code)
		}
	})
}

func FuzzPath(f *testing.F) {
	for _, seed := range []string{"/", "/api/users", "/api/users/", "/api/users/@me", "/api/users/%40me", "/api/users/@me%2f", "/api/users/../users", "//api/users",
		"/api/users/a.b", "/api/users/%00", "/api/users/%ff/github_login", "/api/personal_api_keys/@current", "/api/users/{user}", "/api/users/@me/./", "/logout?next=//x", "*", ""} {
		for _, method := range []string{"GET", "HEAD", "POST", "DELETE", "OPTIONS", "CONNECT", "PURGE"} {
			f.Add(method, seed)
		}
	}
	e := newFuzzEnv(f)
	f.Fuzz(func(t *testing.T, method, path string) {
		// httptest.NewRequest panics on what a server would never pass on.
		u, err := url.ParseRequestURI("http://internal.example" + path)
		if err != nil {
			return
		}
		r, err := http.NewRequestWithContext(t.Context(), method, "http://internal.example/", nil)
		if err != nil {
			return
		}
		r.URL, r.RequestURI, r.Body, r.RemoteAddr = u, path, http.NoBody, "192.0.2.1:1234"
		e.rewind(t)
		for _, caller := range []option{func(*http.Request) {}, e.key, e.cookie} {
			w := e.send(t, r.Clone(t.Context()), caller)
			if w.Code >= 300 && w.Code < 400 && w.Code != http.StatusFound || w.Code == http.StatusFound && r.Method != http.MethodPost {
				t.Errorf("%s %q: got redirect %d to %q", method, path, w.Code, w.Header().Get("Location"))
			}
		}
	})
}

func FuzzQuery(f *testing.F) {
	for _, seed := range []string{"", "limit=1&offset=1", "limit=-1", "limit=99999999999999999999", "offset=2147483647", "email=a%ff", "email=%00", "is_staff=TRUE",
		"limit=1;offset=2", "%zz", "limit=1&limit=2", "next=%0d%0aX:1", "email=' or 1=1 --", "&&&==&", "limit=%EF%BC%91", "limit=2147483647&offset=2147483647"} {
		f.Add(seed)
	}
	e := newFuzzEnv(f) // nothing here changes anything
	f.Fuzz(func(t *testing.T, query string) {
		for _, path := range []string{"/api/users", "/api/users/", "/api/users/@me", "/api/personal_api_keys/@current"} {
			r := httptest.NewRequest("GET", "http://internal.example"+path, nil)
			r.URL.RawQuery = query
			w := e.send(t, r, e.key)
			if w.Code != 200 || !strings.HasPrefix(path, "/api/users") || strings.HasSuffix(path, "@me") {
				continue
			}
			var page struct {
				Count          int
				Next, Previous *string
				Results        []any
			}
			if err := json.Unmarshal(w.Body.Bytes(), &page); err != nil {
				t.Fatalf("%s?%s: %v", path, query, err)
			}
			if page.Count > 1 || len(page.Results) > page.Count {
				t.Errorf("%s?%s: %d results of %d", path, query, len(page.Results), page.Count)
			}
			for _, link := range []*string{page.Next, page.Previous} {
				if link == nil {
					continue
				}
				if u, err := url.Parse(*link); err != nil || u.Host != "app.example.com" || u.Path != path {
					t.Errorf("%s?%s: link %q, %v", path, query, *link, err)
				}
			}
		}
	})
}
