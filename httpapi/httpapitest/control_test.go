package httpapitest_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/httpapi/httpapitest"
	"github.com/hedgerow-dev/hedgerow/users"
)

// TestControlRefusals covers what is wrong in control calls other than a world.
func TestControlRefusals(t *testing.T) {
	s := httpapitest.New(t, world)
	held := s.IDs()
	if status, text := call(t, "DELETE", s.URL+"/_standin/organizations/zoo", ""); status != http.StatusNoContent || text != "" {
		t.Fatalf("delete zoo: got %d %q, want 204", status, text)
	}
	if len(held.Organizations) != 2 || len(held.Teams) != 2 {
		t.Errorf("deleting changed what others hold to %v", held)
	}
	before := s.Clock().Now()
	for _, c := range []struct {
		method, path, body string
		status             int
		culprit            string
	}{
		{"POST", "sessions", `{"user": "nobody"}`, 400, "/user"},
		{"POST", "sessions", `{}`, 400, "/user"},
		{"POST", "sessions", `{"user": null}`, 400, "/user"},
		{"POST", "sessions", `{"user": "alice", "age": 1}`, 400, "/age"},
		{"POST", "sessions", `{"user": "alice", "age_seconds": -1}`, 400, "/age_seconds"},
		{"POST", "sessions", `{"user": "alice", "age_seconds": 1e300}`, 400, "/age_seconds"},
		{"POST", "sessions", `{"user": "alice", "second_factor": 1}`, 400, "/second_factor"},
		{"POST", "sessions", `{"user": "alice"} `, 200, ""},
		{"POST", "sessions", ``, 400, ""},
		{"POST", "api_keys", `{"user": "nobody", "scopes": ["*"]}`, 400, "/user"},
		{"POST", "api_keys", `{"user": "alice", "scopes": "*"}`, 400, "/scopes"},
		{"POST", "api_keys", `{"user": "alice", "scopes": [null]}`, 400, "/scopes/0"},
		{"POST", "oauth_tokens", `{"user": "nobody"}`, 400, "/user"},
		{"POST", "oauth_tokens", `{"user": "alice", "scopes": 1}`, 400, "/scopes"},
		{"POST", "oauth_tokens", `{"user": "alice", "expired": "yes"}`, 400, "/expired"},
		{"POST", "oauth_tokens", `{"user": "alice", "scoped_teams": ["app", "web"]}`, 400, "/scoped_teams/1"}, // went with zoo
		{"POST", "clock", `{}`, 400, "/advance_seconds"},
		{"POST", "clock", `{"advance_seconds": -1}`, 400, "/advance_seconds"},
		{"POST", "clock", `{"advance_seconds": "1"}`, 400, "/advance_seconds"},
		{"POST", "clock", `{"advance_seconds": 1e12}`, 400, "/advance_seconds"},
		{"PATCH", "users/nobody", `{}`, 404, ""},
		{"PATCH", "users/alice", `[]`, 400, ""},
		{"PATCH", "users/alice", `{"emial": "x"}`, 400, "/emial"},
		{"PATCH", "users/alice", `{"email": "BOB@example.com"}`, 400, "/email"},
		{"PATCH", "users/alice", `{"email": "x"}`, 400, "/email"},
		{"PATCH", "users/alice", `{"memberships": {"zoo": 1}}`, 400, "/memberships/zoo"},
		{"DELETE", "organizations/zoo", ``, 404, ""},
		{"GET", "world", ``, 405, ""},
		{"PUT", "mail", ``, 405, ""},
		{"GET", "users/alice", ``, 405, ""},
		{"POST", "verification_tokens", `{}`, 400, "/user"},
		{"POST", "verification_tokens", `{"user": "nobody"}`, 400, "/user"},
		{"POST", "totp", `{"user": "alice"}`, 400, "/user"}, {"POST", "totp", `{"user": "nobody"}`, 400, "/user"}, {"POST", "totp", `{}`, 400, ""},
		{"POST", "totp", `{"user": "alice", "secret": "AAAA"}`, 400, ""}, {"POST", "totp", `{"secret": "1"}`, 400, "/secret"},
		{"POST", "github", `{}`, 405, ""},
		{"PATCH", "github", ``, 400, ""},
		{"PATCH", "github", `{"users": {"octocat": {"id": "x"}}}`, 400, "/users/octocat/id"},
		{"PATCH", "github", `{"users": {"a/b": {"id": 1, "id": 2}}}`, 400, "/users/a~1b/id"},
		{"PATCH", "github", `{"app": {"colour": "red"}}`, 400, "/app/colour"},
		{"PATCH", "github", `{"installations": {"x": {}}}`, 400, "/installations/x"},
		{"POST", "github/faults", `{}`, 400, "/fault"},
		{"POST", "github/faults", `{"route": "GET /user", "fault": "explode"}`, 400, "/fault"},
		{"POST", "github/faults", `{"route": "GET /nowhere", "fault": "html_200"}`, 400, "/route"},
		{"POST", "github/faults", `{"route": "GET /user", "fault": "status"}`, 400, "/status"},
		{"POST", "github/faults", `{"route": "GET /user", "fault": "html_200", "times": -1}`, 400, "/times"},
		{"POST", "github/faults", `{"route": "GET /user", "fault": "html_200", "until": 1}`, 400, "/until"},
		{"DELETE", "github/faults", `{"routes": "GET /user"}`, 400, "/routes"},
		{"DELETE", "github/faults", `{"route": "GET /nowhere"}`, 400, "/route"},
		{"DELETE", "github/faults?route=x", ``, 400, "/route"},
		{"DELETE", "team_integrations/app/12345", ``, 404, ""},
		{"DELETE", "team_integrations/nowhere/12345", ``, 404, ""},
		{"GET", "", ``, 404, ""},
	} {
		got := want[map[string]string](t, c.status, c.method, s.URL+"/_standin/"+c.path, c.body)
		if got["path"] != c.culprit || c.status != 200 && got["detail"] == "" {
			t.Errorf("%s %s %s: got %v, want path %q", c.method, c.path, c.body, got, c.culprit)
		}
	}
	if !s.Clock().Now().Equal(before) {
		t.Error("a refused call moved the clock")
	}
	if got := pick(t, me(t, s, "alice"), "email"); got != `["alice@example.com"]` {
		t.Errorf("a refused PATCH left %s", got)
	}
	if status, _ := call(t, "POST", s.URL+"/_standin/clock", strings.Repeat(" ", 17<<20)); status != http.StatusRequestEntityTooLarge {
		t.Errorf("a huge body: got status %d, want 413", status)
	}
}

func TestControlNamesMethods(t *testing.T) {
	s := httpapitest.New(t, "{}")
	res, err := http.Post(s.URL+"/_standin/mail/", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if got := res.Header.Get("Allow"); res.StatusCode != http.StatusMethodNotAllowed || got != "DELETE, GET" {
		t.Errorf("got %d with Allow %q", res.StatusCode, got)
	}
}

// TestControlRefusesWebPages sends what a browser adds to requests of pages of
// other origins, and of one whose name was made to resolve to this machine.
func TestControlRefusesWebPages(t *testing.T) {
	s := httpapitest.New(t, world)
	host := strings.TrimPrefix(s.URL, "http://")
	for _, c := range []struct {
		headers []string
		status  int
	}{
		{[]string{"Sec-Fetch-Site", "cross-site"}, 403},
		{[]string{"Sec-Fetch-Site", "same-site"}, 403},
		{[]string{"Origin", "https://evil.example"}, 403},
		{[]string{"Origin", "null"}, 403},
		{[]string{"Origin", "http://localhost:1"}, 403},
		{[]string{"Host", "evil.example"}, 403},
		{[]string{"Host", "evil.example", "Origin", "http://evil.example", "Sec-Fetch-Site", "same-origin"}, 403},
		{[]string{"Host", "127.0.0.1.evil.example:80"}, 403},
		{[]string{"Host", "192.0.2.1"}, 403},
		{[]string{"Host", "localhost:8011"}, 200},
		{[]string{"Host", "[::1]:8011"}, 200},
		{[]string{"Host", "localhost"}, 200},
		{[]string{"Sec-Fetch-Site", "none"}, 200},
		{[]string{"Sec-Fetch-Site", "same-origin", "Origin", "http://" + host}, 200},
	} {
		for _, call := range []struct{ method, path, body string }{{"GET", "mail", ""}, {"POST", "sessions", `{"user": "alice"}`}} {
			_ = want[any](t, c.status, call.method, s.URL+"/_standin/"+call.path, call.body, c.headers...)
		}
	}
	open, err := httpapitest.NewStandin(httpapitest.Config{PublicURL: "http://tests.example", GitHubURL: "http://127.0.0.1:1", AllowRemote: true})
	if err != nil {
		t.Fatal(err)
	}
	for origin, status := range map[string]int{"": 200, "http://tests.example": 200, "http://evil.example": 403} {
		r := httptest.NewRequest("GET", "http://tests.example/_standin/mail", nil)
		if origin != "" {
			r.Header.Set("Origin", origin)
		}
		w := httptest.NewRecorder()
		if open.ServeHTTP(w, r); w.Code != status {
			t.Errorf("remote allowed, origin %q: got status %d, want %d", origin, w.Code, status)
		}
	}
}

func TestPatchUser(t *testing.T) {
	s := httpapitest.New(t, world)
	patch := func(user, body string) users.User {
		t.Helper()
		got := want[httpapitest.UserIDs](t, http.StatusOK, "PATCH", s.URL+"/_standin/users/"+user, body)
		if got != s.IDs().Users[strings.ReplaceAll(user, "%C3%AB", "ë")] {
			t.Errorf("%s: got %v", user, got)
		}
		u, err := s.API().Users().User(t.Context(), got.ID)
		if err != nil {
			t.Fatal(err)
		}
		return u
	}
	before := patch("zo%C3%AB", `{}`)
	cookie := s.Session("zoë", auth.StartOptions{})
	u := patch("zo%C3%AB", `{"email": "Other@Example.com", "password": "x", "first_name": "", "last_name": "L", "is_staff": false, "is_email_verified": null,
		"pending_email": null, "memberships": {"acme": 15}, "current_organization": null, "current_team": "app", "hedgehog_config": 0,
		"linked_identities": [], "credentials_reviewed": true}`)
	expected := before
	expected.Email, expected.FirstName, expected.LastName, expected.IsStaff, expected.PendingEmail, expected.HedgehogConfig = "Other@Example.com", "", "L", false, "", "0"
	expected.IsEmailVerified, expected.CurrentOrganization, expected.CurrentTeam = users.Null[bool]{}, u.CurrentOrganization, s.IDs().Teams["app"].ID
	expected.CredentialsReviewedAt, expected.PasswordHash, expected.Version = s.Clock().Now(), u.PasswordHash, before.Version+1
	if u != expected || u.CurrentOrganization != [16]byte{} || u.PasswordHash == before.PasswordHash {
		t.Errorf("got %+v, want %+v", u, expected)
	}
	if status, text := call(t, "POST", s.URL+"/api/login", `{"email": "other@example.com", "password": "x"}`); status != http.StatusOK {
		t.Errorf("login with the new password: got %d %s", status, text)
	}
	if status, _ := call(t, "GET", s.URL+"/api/users/@me", "", "Cookie", cookie.String()); status != http.StatusOK {
		t.Errorf("a session from before: got status %d", status)
	}
	sight, err := s.API().Users().Look(t.Context(), users.Viewer{Actor: users.Actor{ID: u.ID}}, u.ID)
	if err != nil {
		t.Fatal(err)
	}
	if view := sight.View(); len(view.Organizations) != 1 || view.Organizations[0].Level.Value != users.LevelOwner || view.HasSocialAuth {
		t.Errorf("got view %+v, want an owner of acme without identities", view)
	}
	patch("alice", `{"is_active": false, "memberships": {}}`)
	if ms, err := s.Store().Memberships(t.Context(), s.IDs().Users["alice"].ID); err != nil || len(ms) != 0 {
		t.Errorf("alice is still in %v, %v", ms, err)
	}
	if status, _ := call(t, "GET", s.URL+"/api/users/@me", "", "Cookie", s.Session("alice", auth.StartOptions{}).String()); status != http.StatusUnauthorized {
		t.Errorf("an inactive user: got status %d", status)
	}
	if bob := patch("bob", `{"is_active": true, "password": "!unusable", "credentials_reviewed": false}`); bob.HasPassword() || !bob.CredentialsReviewedAt.IsZero() {
		t.Errorf("got %+v, want no password and no review", bob)
	}
	if status, text := call(t, "DELETE", s.URL+"/api/users/@me", "", "Cookie", s.Session("bob", auth.StartOptions{}).String()); status != http.StatusNoContent {
		t.Fatalf("delete bob: got %d %s", status, text)
	}
	if status, _ := call(t, "PATCH", s.URL+"/_standin/users/bob", `{"is_staff": true}`); status != http.StatusNotFound {
		t.Errorf("a user who is gone: got status %d, want 404", status)
	}
}

func TestSessions(t *testing.T) {
	s := httpapitest.New(t, world)
	for _, body := range []string{
		`{"user": "alice", "age_seconds": 90.5000004, "second_factor": false}`, `{"user": "alice", "second_factor": true, "age_seconds": 60}`, `{"user": "alice"}`,
	} {
		want[map[string]string](t, http.StatusOK, "POST", s.URL+"/_standin/sessions", body)
	}
	s.Login("alice")
	sessions, err := s.Store().Sessions(t.Context(), s.IDs().Users["alice"].ID)
	if err != nil || len(sessions) != 4 {
		t.Fatalf("got %d sessions, %v, want 4", len(sessions), err)
	}
	for n, age := range []time.Duration{90500 * time.Millisecond, time.Minute, 0, 0} { // oldest first
		if got := sessions[n]; !got.CreatedAt.Equal(s.Clock().Now().Add(-age)) || got.SecondFactor != (n > 0) {
			t.Errorf("session %d began at %v with second factor %v", n, got.CreatedAt, got.SecondFactor)
		}
	}
	u, err := s.Store().User(t.Context(), sessions[0].UserID)
	if err != nil || !u.LastLogin.IsZero() {
		t.Errorf("the last login is %v, %v, want none", u.LastLogin, err)
	}
}

// TestReplaceUnderLoad replaces the world while others sign in to it, and fails
// if a goroutine is left over.
func TestReplaceUnderLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := httpapitest.NewStandin(httpapitest.Config{PublicURL: "http://127.0.0.1", GitHubURL: "http://127.0.0.1:1"})
		if err != nil {
			t.Fatal(err)
		}
		send := func(method, path, body string, status int, headers ...string) string {
			r := httptest.NewRequest(method, "http://127.0.0.1"+path, strings.NewReader(body))
			r.Header.Set("Content-Type", "application/json")
			for i := 0; i < len(headers); i += 2 {
				r.Header.Set(headers[i], headers[i+1])
			}
			w := httptest.NewRecorder()
			if s.ServeHTTP(w, r); w.Code != status {
				t.Errorf("%s %s: got status %d, %s, want %d", method, path, w.Code, w.Body, status)
			}
			return w.Body.String()
		}
		send("PUT", "/_standin/world", world, 200)
		var wait sync.WaitGroup
		for range 3 {
			wait.Go(func() {
				for range 100 {
					send("POST", "/api/login", `{"email": "alice@example.com", "password": "short"}`, 200)
					send("POST", "/_standin/sessions", `{"user": "zoë"}`, 200)
				}
			})
		}
		for n := range 200 {
			send("PUT", "/_standin/world", world, 200)
			value := strings.Split(send("POST", "/_standin/api_keys", `{"user": "zoë", "scopes": ["user:read"]}`, 200), `"`)[7]
			send("GET", "/api/users/@me", "", 200, "Authorization", "Bearer "+value) // stores the time of use behind the answer
			if n%10 == 0 {
				send("PUT", "/_standin/world", `{"users": {"x": {}}}`, 400)
			}
		}
		wait.Wait()
		if err := s.Flush(t.Context()); err != nil {
			t.Errorf("Flush: %v", err)
		}
	})
}

func TestMailbox(t *testing.T) {
	var box httpapitest.Mailbox
	m := auth.PasswordChanged{To: auth.Recipient{User: 1, Email: "a@example.com"}}
	if err := box.Send(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	got := box.Messages()
	got[0] = nil
	if again := box.Messages(); len(again) != 1 || again[0] != auth.Message(m) {
		t.Errorf("got %v, want the message", again)
	}
	if box.Clear(); len(box.Messages()) != 0 {
		t.Error("Clear left mail behind")
	}
}

// failed records that a test would have ended.
type failed struct {
	T
	message string
}

func (f *failed) Fatalf(format string, args ...any) {
	f.message = fmt.Sprintf(format, args...)
	panic(f)
}

func TestServerFailsTheTest(t *testing.T) {
	for name, use := range map[string]func(t httpapitest.TB){
		"/users/alice/emial": func(t httpapitest.TB) { httpapitest.New(t, `{"users": {"alice": {"emial": "x"}}}`) },
		"/users/x":           func(t httpapitest.TB) { httpapitest.New(t, "{}").Load(`{"users": {"x": null}}`) },
		`no "alice"`:         func(t httpapitest.TB) { httpapitest.New(t, "{}").Login("alice") },
		`no "bob"`:           func(t httpapitest.TB) { httpapitest.New(t, "{}").NewKey("bob", "*") },
	} {
		f := &failed{}
		func() {
			defer func() {
				if r := recover(); r != any(f) {
					t.Errorf("%s: the test went on: %v", name, r)
				}
			}()
			use(f)
		}()
		if !strings.Contains(f.message, name) {
			t.Errorf("got failure %q, want one with %s", f.message, name)
		}
		for _, fn := range f.cleanup {
			fn()
		}
	}
}
