package main

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/hedgerow-dev/hedgerow/auth"
)

// TestProgram goes through what a person does, in the program and in the API.
func TestProgram(t *testing.T) {
	w := newWorld(t)
	ann := w.join("ann@example.com", "ann")
	w.call(ann, http.StatusCreated, "POST", "/notes", `{"text":"buy seeds"}`)
	w.contains(w.call(ann, http.StatusOK, "GET", "/api/users/@me", ""), `"email":"ann@example.com"`)
	w.contains(w.call(ann, http.StatusOK, "PATCH", "/api/users/@me/", `{"first_name":"Ann"}`), `"first_name":"Ann"`)
	if got, want := w.call(ann, http.StatusOK, "GET", "/notes", ""), `{"author":"Ann","notes":["buy seeds"]}`+"\n"; got != want {
		t.Errorf("notes: got %s, want %s", got, want)
	}
	bob := w.join("bob@example.com", "bob")
	if got, want := w.call(bob, http.StatusOK, "GET", "/notes", ""), `{"author":"","notes":null}`+"\n"; got != want {
		t.Errorf("notes of somebody else: got %s, want %s", got, want)
	}

	var key struct{ Value string }
	created := w.call(ann, http.StatusCreated, "POST", "/api/personal_api_keys/", `{"label":"script","scopes":["user:read"],"scoped_teams":[],"scoped_organizations":[]}`)
	if err := json.Unmarshal([]byte(created), &key); err != nil {
		t.Fatal(err)
	}
	anybody := w.browser()
	w.contains(w.call(anybody, http.StatusOK, "GET", "/api/users/@me", "", "Authorization", "Bearer "+key.Value), `"ann@example.com"`)
	w.call(anybody, http.StatusUnauthorized, "GET", "/notes", "", "Authorization", "Bearer "+key.Value)
	w.call(anybody, http.StatusUnauthorized, "GET", "/api/users/@me", "")
	w.call(anybody, http.StatusNotFound, "POST", "/api/login", `{}`)
}

// TestRollback fails a sign-up in its second half and in its first one: neither
// leaves anything.
func TestRollback(t *testing.T) {
	w := newWorld(t)
	w.join("ann@example.com", "ann")
	tables := []string{"accounts_users", "accounts_events", "members", "links"}
	before := map[string]int{}
	for _, table := range tables {
		before[table] = w.count(table)
	}
	for _, c := range []struct{ name, body, want string }{
		{"the program's own row conflicts", `{"email":"bob@example.com","handle":"ann"}`, "handle"},
		{"the account conflicts", `{"email":"ANN@example.com","handle":"bob"}`, "email"},
		{"no address", `{"email":"bob","handle":"bob"}`, "email"},
	} {
		w.contains(w.call(w.browser(), http.StatusBadRequest, "POST", "/signup", c.body), c.want)
		for _, table := range tables {
			if n := w.count(table); n != before[table] {
				t.Errorf("%s: %s has %d rows, want %d as before", c.name, table, n, before[table])
			}
		}
	}
	w.join("bob@example.com", "bob")
	if n := w.count("members"); n != 2 || len(w.links) != 2 {
		t.Errorf("in the end there are %d members and %d links were mailed, want 2 of each", n, len(w.links))
	}
}

func TestLogin(t *testing.T) {
	w := newWorld(t)
	w.join("ann@example.com", "ann")
	ann := w.browser()
	w.call(ann, http.StatusNotFound, "POST", w.link(), "") // spent
	w.call(ann, http.StatusNoContent, "POST", "/login", `{"email":"nobody@example.com"}`)
	if len(w.links) != 1 {
		t.Errorf("mailed %v, want nothing to nobody", w.links)
	}
	w.call(ann, http.StatusNoContent, "POST", "/login", `{"email":"ANN@example.com"}`)
	w.now = w.now.Add(linkLifetime)
	w.call(ann, http.StatusNotFound, "POST", w.link(), "") // too old
	w.call(ann, http.StatusNoContent, "POST", "/login", `{"email":"ann@example.com"}`)
	w.call(ann, http.StatusNoContent, "POST", w.link(), "")
	w.call(ann, http.StatusOK, "GET", "/notes", "")

	// The API goes by the time of this login where a recent one is needed.
	w.call(ann, http.StatusOK, "PATCH", "/api/users/@me", `{"email":"ann@example.org"}`)
	w.now = w.now.Add(3 * time.Hour)
	w.contains(w.call(ann, http.StatusForbidden, "PATCH", "/api/users/@me", `{"email":"ann@example.net"}`), "sensitive_action_required_reauth")

	w.now = w.now.Add(loginLifetime)
	w.call(ann, http.StatusUnauthorized, "GET", "/notes", "")
	w.call(ann, http.StatusUnauthorized, "GET", "/api/users/@me", "")
}

// TestAccountEnds shows that what becomes of an account matters to the program.
func TestAccountEnds(t *testing.T) {
	w := newWorld(t)
	ann, bob := w.join("ann@example.com", "ann"), w.join("bob@example.com", "bob")
	w.call(ann, http.StatusCreated, "POST", "/notes", `{"text":"buy seeds"}`)
	u, err := w.api.Users().UserByEmail(t.Context(), "bob@example.com")
	if err == nil {
		err = w.api.Auth().SetActive(t.Context(), u.ID, false)
	}
	if err != nil {
		t.Fatal(err)
	}
	w.call(bob, http.StatusUnauthorized, "GET", "/api/users/@me", "")
	w.call(bob, http.StatusUnauthorized, "GET", "/notes", "")
	w.call(bob, http.StatusNoContent, "POST", "/login", `{"email":"bob@example.com"}`)
	if len(w.links) != 2 {
		t.Errorf("mailed %v, want no link for an account that is not active", w.links)
	}
	w.call(ann, http.StatusNoContent, "DELETE", "/api/users/@me", "")
	w.call(ann, http.StatusUnauthorized, "GET", "/notes", "")
	for table, want := range map[string]int{"accounts_users": 1, "members": 1, "notes": 0, "logins": 1} {
		if n := w.count(table); n != want {
			t.Errorf("after the account was deleted, %s has %d rows, want %d", table, n, want)
		}
	}
}

func TestOtherOrigins(t *testing.T) {
	w := newWorld(t)
	ann := w.join("ann@example.com", "ann")
	for path, method := range map[string]string{"/notes": "POST", "/api/users/@me": "PATCH"} {
		w.call(ann, http.StatusForbidden, method, path, `{"text":"x"}`, "Sec-Fetch-Site", "cross-site")
	}
	if n := w.count("notes"); n != 0 {
		t.Errorf("a page of another origin wrote %d notes", n)
	}
}

func TestDeleteExpired(t *testing.T) {
	w := newWorld(t)
	ann := w.join("ann@example.com", "ann")
	w.call(ann, http.StatusNoContent, "POST", "/login", `{"email":"ann@example.com"}`)
	u, err := w.api.Users().UserByEmail(t.Context(), "ann@example.com")
	if err == nil {
		_, err = w.api.Auth().StartSession(t.Context(), u.ID, auth.StartOptions{}) // a record of the API, for a fortnight
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		after                   time.Duration
		links, logins, sessions int
	}{{linkLifetime - 1, 1, 1, 1}, {1, 0, 1, 1}, {loginLifetime, 0, 0, 1}, {loginLifetime, 0, 0, 0}} {
		w.now = w.now.Add(c.after)
		if err := w.deleteExpired(t.Context()); err != nil {
			t.Fatal(err)
		}
		for table, want := range map[string]int{"links": c.links, "logins": c.logins, "accounts_sessions": c.sessions} {
			if n := w.count(table); n != want {
				t.Errorf("at %v: %s has %d rows, want %d", w.now, table, n, want)
			}
		}
	}
}

func TestBodies(t *testing.T) {
	w := newWorld(t)
	ann := w.join("ann@example.com", "ann")
	for _, body := range []string{"", "[]", `{"text":"` + strings.Repeat("x", maxBody) + `"}`} {
		w.call(ann, http.StatusBadRequest, "POST", "/notes", body)
	}
}
