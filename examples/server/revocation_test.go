package main

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/hedgerow-dev/hedgerow/storage/sqlite"
	"github.com/hedgerow-dev/hedgerow/users"
)

// pair is two servers on one file. What one of them takes away, or this process,
// the next request to the other must not have any more.
type pair struct {
	t             *testing.T
	acting, asked *child
	key           string // of ann, who can read users
	ann, chief    string // UUIDs
	annID         users.ID
	boss, own     *http.Cookie // sessions of chief and ann
	store         *sqlite.Store
}

func TestTwoProcessesRevokeAtOnce(t *testing.T) {
	p := startPair(t)
	for n := range 20 {
		p.acting, p.asked = p.asked, p.acting
		p.revokeKey()
		p.withdrawStaff()
		p.deactivate()
		if n%4 < 2 { // a login takes long
			p.endSession()
		}
		if t.Failed() {
			t.Fatalf("in round %d", n)
		}
	}
}

func startPair(t *testing.T) *pair {
	world, db := filepath.Join(t.TempDir(), "world.json"), filepath.Join(t.TempDir(), "a.db")
	err := os.WriteFile(world, []byte(`{"users": {"ann": {"email": "ann@example.com", "password": "testpassword12345"},
		"chief": {"email": "chief@example.com", "password": "testpassword12345", "is_staff": true}},
		"api_keys": {"k": {"owner": "ann", "scopes": ["user:read"]}}}`), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	loader := start(t, "-db", db, "-world", world)
	if err := loader.end(t, os.Interrupt); err != nil {
		t.Fatal(err)
	}
	p := &pair{t: t, key: regexp.MustCompile(`phx_\w+`).FindString(loader.out.String()), acting: start(t, "-db", db), asked: start(t, "-db", db)}
	if p.store, err = sqlite.Open(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.store.Close(); err != nil {
			t.Error(err)
		}
	})
	p.boss, p.own = p.login("chief@example.com"), p.login("ann@example.com")
	p.ann, _ = p.want(p.acting, "GET", "/api/users/@me", p.own, "", 200)["uuid"].(string)
	p.chief, _ = p.want(p.acting, "GET", "/api/users/@me", p.boss, "", 200)["uuid"].(string)
	u, err := p.store.UserByEmail(t.Context(), "ann@example.com")
	if err != nil || p.ann == "" || p.chief == "" || p.key == "" {
		t.Fatalf("got ann %q, chief %q, %v and the key %q, want all", p.ann, p.chief, err, p.key)
	}
	p.annID = u.ID
	return p
}

// send sends one request with a key or a cookie.
func (p *pair) send(c *child, method, path string, credential any, body string) *http.Response {
	p.t.Helper()
	r, err := http.NewRequestWithContext(p.t.Context(), method, c.base+path, strings.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	switch credential := credential.(type) {
	case string:
		r.Header.Set("Authorization", "Bearer "+credential)
	case *http.Cookie:
		r.AddCookie(credential)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	res, err := http.DefaultTransport.RoundTrip(r) // which follows no redirect
	if err != nil {
		p.t.Fatal(err)
	}
	return res
}

// want sends a request that must have this status.
func (p *pair) want(c *child, method, path string, credential any, body string, status int) map[string]any {
	p.t.Helper()
	res := p.send(c, method, path, credential, body)
	defer res.Body.Close()
	var m map[string]any
	if err := json.NewDecoder(res.Body).Decode(&m); err != nil && !errors.Is(err, io.EOF) {
		p.t.Fatalf("%s %s: %v", method, path, err)
	}
	if res.StatusCode != status {
		p.t.Errorf("%s %s: got status %d, %v, want %d", method, path, res.StatusCode, m, status)
	}
	return m
}

func (p *pair) login(email string) *http.Cookie {
	p.t.Helper()
	res := p.send(p.acting, "POST", "/api/login", nil, `{"email":"`+email+`","password":"testpassword12345"}`)
	defer res.Body.Close()
	for _, cookie := range res.Cookies() {
		if cookie.Name == "sessionid" {
			return &http.Cookie{Name: cookie.Name, Value: cookie.Value}
		}
	}
	p.t.Fatalf("no session for %s: status %d", email, res.StatusCode)
	return nil
}

func (p *pair) revokeKey() {
	p.t.Helper()
	made := p.want(p.acting, "POST", "/api/personal_api_keys", p.own, `{"label":"x","scopes":["user:read"],"scoped_teams":[],"scoped_organizations":[]}`, 201)
	id, _ := made["id"].(string)
	value, _ := made["value"].(string)
	for range 2 { // the second from what is kept
		p.want(p.asked, "GET", "/api/users/@me", value, "", 200)
	}
	p.want(p.acting, "DELETE", "/api/personal_api_keys/"+id, p.own, "", 204)
	p.want(p.asked, "GET", "/api/users/@me", value, "", 401)
}

func (p *pair) withdrawStaff() {
	p.t.Helper()
	p.want(p.acting, "PATCH", "/api/users/"+p.ann, p.boss, `{"is_staff":true}`, 200)
	for range 2 {
		p.want(p.asked, "GET", "/api/users/"+p.chief, p.key, "", 200)
	}
	p.want(p.acting, "PATCH", "/api/users/"+p.ann, p.boss, `{"is_staff":false}`, 200)
	p.want(p.asked, "GET", "/api/users/"+p.chief, p.key, "", 403)
}

// deactivate is by this process, which is the third.
func (p *pair) deactivate() {
	p.t.Helper()
	set := func(active bool) {
		p.t.Helper()
		ctx := p.t.Context()
		err := p.store.UpdateUsers(ctx, func(tx users.Tx) error {
			u, err := tx.User(ctx, p.annID)
			if err != nil {
				return err
			}
			u.IsActive = active
			_, err = tx.SaveUser(ctx, u)
			return err
		})
		if err != nil {
			p.t.Fatal(err)
		}
	}
	p.want(p.asked, "GET", "/api/users/@me", p.own, "", 200)
	set(false)
	for _, c := range []*child{p.asked, p.acting} {
		p.want(c, "GET", "/api/users/@me", p.key, "", 401)
		p.want(c, "GET", "/api/users/@me", p.own, "", 401)
	}
	set(true)
	p.want(p.asked, "GET", "/api/users/@me", p.key, "", 200)
}

func (p *pair) endSession() {
	p.t.Helper()
	cookie := p.login("ann@example.com")
	for range 2 {
		p.want(p.asked, "GET", "/api/users/@me", cookie, "", 200)
	}
	p.want(p.acting, "POST", "/api/logout", cookie, "", 302)
	p.want(p.asked, "GET", "/api/users/@me", cookie, "", 401)
}
