package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"

	"github.com/hedgerow-dev/hedgerow/users"
)

// soaker is a user of a soak. Whatever is stored of it holds its canary.
type soaker struct {
	*soak
	name, base, canary string
	key                credential
	http               *http.Client
}

// canaries finds every one in an answer.
var canaries = regexp.MustCompile(`canary-[a-z0-9]+-`)

func newSoaker(s *soak, a *app, base, name string) *soaker {
	s.t.Helper()
	c := &soaker{soak: s, name: name, base: base, canary: "canary-" + name + "-"}
	u := users.New()
	u.Email, u.FirstName = c.canary+"@example.com", c.canary
	u, err := a.api.Auth().CreateUser(s.t.Context(), u, clientPassword)
	if err != nil {
		s.t.Fatal(err)
	}
	value, err := a.newKey(s.t.Context(), u.ID, []string{"*"})
	if err != nil {
		s.t.Fatal(err)
	}
	c.key = credential{"Authorization", "Bearer " + string(value)}
	// One connection, which lasts.
	c.http = &http.Client{Transport: &http.Transport{MaxConnsPerHost: 1},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return c
}

// work does one thing after the other until it is told to stop.
func (c *soaker) work(stop <-chan struct{}) {
	things := []func(n int){c.profile, c.autonomy, c.session, c.profile, c.apiKey, c.hedgehog, c.refused}
	for n := 0; ; n++ {
		select {
		case <-stop:
			return
		default:
		}
		things[n%len(things)](n)
	}
}

// send sends a request, wants one of these statuses and nobody else's canary, and
// returns the answer and the cookie that comes with it.
func (c *soaker) send(by credential, method, path, body string, statuses ...int) (answer map[string]any, cookie string) {
	r, err := http.NewRequestWithContext(c.t.Context(), method, c.base+path, strings.NewReader(body))
	if err != nil {
		c.problem("%v", err)
		return nil, ""
	}
	if by.name != "" {
		r.Header.Set(by.name, by.value)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	c.gate.RLock()
	defer c.gate.RUnlock()
	res, err := c.http.Do(r)
	if err != nil {
		c.problem("%s %s: %v", method, path, err)
		return nil, ""
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		c.problem("%s %s: %v", method, path, err)
	}
	c.mu.Lock()
	c.requests++
	c.mu.Unlock()
	for _, found := range canaries.FindAllString(string(text)+fmt.Sprint(res.Header), -1) {
		if found != c.canary {
			c.problem("%s: the answer to %s %s holds what is of %s", c.name, method, path, found)
		}
	}
	expected := false
	for _, status := range statuses {
		expected = expected || status == res.StatusCode
	}
	if !expected {
		c.problem("%s: %s %s: got %d %s, want one of %v", c.name, method, path, res.StatusCode, text, statuses)
	}
	_ = json.Unmarshal(text, &answer) // lists and empty bodies are none
	for _, k := range res.Cookies() {
		cookie = k.Name + "=" + k.Value
	}
	return answer, cookie
}

// profile changes a name and reads it in each way.
func (c *soaker) profile(n int) {
	last := fmt.Sprint(c.canary, n)
	changed, _ := c.send(c.key, "PATCH", me, fmt.Sprintf(`{"last_name":%q}`, last), http.StatusOK)
	read, _ := c.send(c.key, "GET", me, "", http.StatusOK)
	if changed["last_name"] != last || read["last_name"] != last {
		c.problem("%s: last_name is %v and then %v, want %s", c.name, changed["last_name"], read["last_name"], last)
	}
	c.send(c.key, "GET", "/api/users", "", http.StatusOK)
}

func (c *soaker) autonomy(n int) {
	const path = me + "/signal_autonomy"
	c.send(c.key, "POST", path, fmt.Sprintf(`{"autostart_priority":"P%d"}`, n%5), http.StatusOK)
	c.send(c.key, "GET", path, "", http.StatusOK)
	c.send(c.key, "DELETE", path, "", http.StatusNoContent)
}

// signIn tries again when too many passwords wait to be hashed, each time after a
// wait of two seconds.
func (c *soaker) signIn() credential {
	body := fmt.Sprintf(`{"email":"%s@example.com","password":%q}`, c.canary, clientPassword)
	for range 100 {
		if _, cookie := c.send(credential{}, "POST", "/api/login", body, http.StatusOK, http.StatusTooManyRequests); cookie != "" {
			return credential{"Cookie", cookie}
		}
	}
	c.problem("%s: cannot sign in", c.name)
	return credential{}
}

// session signs in, looks around and signs out.
func (c *soaker) session(int) {
	by := c.signIn()
	for _, path := range []string{me, me + "/login_sessions", me + "/two_factor_status", me + "/integrations", apiKeys} {
		c.send(by, "GET", path, "", http.StatusOK)
	}
	c.send(by, "POST", "/api/logout", "", http.StatusFound)
	c.send(by, "GET", me, "", http.StatusUnauthorized)
}

// apiKey makes a key, uses it, rolls it and deletes it.
func (c *soaker) apiKey(int) {
	by := c.signIn()
	made, _ := c.send(by, "POST", apiKeys, fmt.Sprintf(`{"label":%q,"scopes":["user:read"],"scoped_teams":[],"scoped_organizations":[]}`, c.canary), http.StatusCreated)
	path := fmt.Sprint(apiKeys, made["id"])
	c.send(credential{"Authorization", fmt.Sprint("Bearer ", made["value"])}, "GET", me, "", http.StatusOK)
	c.send(by, "POST", path+"/roll", "", http.StatusOK)
	c.send(credential{"Authorization", fmt.Sprint("Bearer ", made["value"])}, "GET", me, "", http.StatusUnauthorized)
	c.send(by, "DELETE", path, "", http.StatusNoContent)
	c.send(by, "POST", "/api/logout", "", http.StatusFound)
}

func (c *soaker) hedgehog(n int) {
	const path = me + "/hedgehog_config"
	c.send(c.key, "PATCH", path, fmt.Sprintf(`{"color":%q,"turn":%d}`, c.canary, n), http.StatusOK)
	c.send(c.key, "GET", path, "", http.StatusOK)
}

// refused asks for what nobody gets.
func (c *soaker) refused(int) {
	c.send(c.key, "PATCH", me, `{"email":`, http.StatusBadRequest)
	c.send(c.key, "GET", "/api/users/00000000-0000-7000-8000-000000000000", "", http.StatusForbidden, http.StatusNotFound)
	c.send(credential{"Authorization", "Bearer phx_nobody"}, "GET", me, "", http.StatusUnauthorized)
	c.send(credential{}, "GET", "/api/nothing", "", http.StatusNotFound)
}
