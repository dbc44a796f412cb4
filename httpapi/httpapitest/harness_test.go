package httpapitest_test

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/hedgerow-dev/hedgerow/httpapi/httpapitest"
)

// world has two organizations, and users of all kinds.
const world = `{
	"mail": true,
	"organizations": {"zoo": {"name": "Zoo"}, "acme": {"enforce_2fa": null, "sso_enforced_domains": ["corp.example"]}},
	"teams": {"web": {"organization": "zoo", "api_token": "token123"}, "app": {"organization": "acme", "name": "App"}},
	"users": {
		"zoë": {"email": "Zoe@Example.com", "password": "testpassword12345", "first_name": "Zoë", "is_staff": true, "is_email_verified": true,
			"memberships": {"zoo": 15, "acme": 1}, "current_organization": "acme", "current_team": "web",
			"linked_identities": [{"provider": "github", "login": "first"}, {"provider": "github", "login": "second"}],
			"hedgehog_config": [ 1, {"color": "red"} ], "pending_email": " new@example.com"},
		"alice": {"email": "alice@example.com", "password": "short", "memberships": {"acme": 8}},
		"bob": {"email": "bob@example.com", "password": "!unusable", "is_active": false, "credentials_reviewed": true},
		"eve": {"email": "eve@example.com", "password": null, "memberships": {"acme": 1}, "current_organization": null, "current_team": null, "is_email_verified": false}
	},
	"api_keys": {
		"k2": {"owner": "zoë", "scopes": ["user:read"], "scoped_teams": ["app"], "scoped_organizations": ["zoo"]},
		"k1": {"owner": "zoë", "label": "Later", "scopes": null, "scoped_teams": null}
	},
	"invites": {
		"i1": {"organization": "zoo", "target_email": "ALICE@example.com"},
		"i2": {"organization": "zoo", "target_email": "alice@example.com", "age_days": 3},
		"i3": {"organization": "zoo", "target_email": "alice@example.com", "age_days": 3},
		"i0": {"organization": "zoo", "target_email": "alice@example.com", "age_days": 3.01}
	},
	"dashboards": {"d2": {"team": "app"}, "d1": {"team": "web"}},
	"autonomy": {"eve": {"autostart_priority": "P2"}, "alice": {"autostart_priority": null}}
}`

// call sends one request and returns status and body. The options are pairs of
// a header's name and value; "Host" is the host name.
func call(t *testing.T, method, url, body string, headers ...string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(headers); i += 2 {
		if headers[i] == "Host" {
			r.Host = headers[i+1]
		}
		r.Header.Set(headers[i], headers[i+1])
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(text)
}

// want sends a request, fails the test unless the status is as given, and
// decodes the answer.
func want[T any](t *testing.T, status int, method, url, body string, headers ...string) (v T) {
	t.Helper()
	got, text := call(t, method, url, body, headers...)
	if got != status {
		t.Fatalf("%s %s %s: got status %d, %s, want %d", method, url, body, got, text, status)
	}
	if text != "" {
		if err := json.Unmarshal([]byte(text), &v); err != nil {
			t.Fatalf("%s %s: %q: %v", method, url, text, err)
		}
	}
	return v
}

// me reads the user object of a user of the world.
func me(t *testing.T, s *httpapitest.Server, user string) map[string]any {
	t.Helper()
	res, err := s.Login(user).Get(s.URL + "/api/users/@me")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var m map[string]any
	if err := json.NewDecoder(res.Body).Decode(&m); err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("%s: status %d, %v, %v", user, res.StatusCode, m, err)
	}
	return m
}

// pick shows some members of an object as JSON, in their order.
func pick(t *testing.T, m map[string]any, members ...string) string {
	t.Helper()
	list := []any{}
	for _, name := range members {
		v, ok := m[name]
		if !ok {
			t.Errorf("there is no member %s", name)
		}
		list = append(list, v)
	}
	text, err := json.Marshal(list)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
