package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

const (
	clientPassword = "mighty-strong-secure-1337!!"
	me             = "/api/users/@me"
	apiKeys        = "/api/personal_api_keys/"
)

// client is a user who changes things all the time and remembers what was
// promised.
type client struct {
	t    *testing.T
	name string
	base string
	http *http.Client
	kind
	key, session credential

	// states are, of each thing by name, those in which it may be: one after an
	// acknowledged change, more after changes whose end is unknown.
	states  map[string][]string
	cookies []string
	success chan time.Time // when a request was sent that was served
	samples []sample
	kept    int           // changes that were acknowledged
	broken  bool          // it has met something that must not be
	ended   chan struct{} // closed when it does no more work
}

// kind is what a client does. check reads what it has changed, and reports
// whether it could.
type kind struct {
	step  func(c *client, n int)
	check func(c *client) bool
}

func kinds() map[string]kind {
	return map[string]kind{
		"patch":    {(*client).patch, (*client).checkName},
		"autonomy": {(*client).setPriority, (*client).checkPriority},
		"keys":     {(*client).makeKey, func(c *client) bool { _, ok := c.checkKeys(); return ok }},
		"login":    {(*client).signIn, (*client).checkCookies},
	}
}

// credential is a header.
type credential struct{ name, value string }

func newClient(t *testing.T, base, name, key string, k kind) *client {
	t.Helper()
	c := &client{t: t, name: name, base: base, kind: k, key: credential{"Authorization", "Bearer " + key}, states: map[string][]string{},
		success: make(chan time.Time), ended: make(chan struct{})}
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	c.http = &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	_, cookie, ok := c.login()
	if !ok {
		t.FailNow()
	}
	c.session = credential{"Cookie", cookie}
	return c
}

func (c *client) work(stop <-chan struct{}) {
	defer close(c.ended)
	for n := 0; !c.broken; n++ {
		select {
		case <-stop:
			return
		default:
			c.step(c, n)
		}
	}
}

// fail ends the work of the client, and the test fails.
func (c *client) fail(format string, args ...any) {
	c.broken = true
	c.t.Errorf("client "+c.name+": "+format, args...)
}

// send sends a request and reports whether it was served, with this status. If
// not, it must have been told that the service cannot answer.
func (c *client) send(by credential, method, path, body string, status int) (answer any, cookie string, ok bool) {
	r, err := http.NewRequestWithContext(c.t.Context(), method, c.base+path, strings.NewReader(body))
	if err != nil {
		c.fail("%v", err)
		return nil, "", false
	}
	if by.name != "" {
		r.Header.Set(by.name, by.value)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	sent := time.Now()
	res, err := c.http.Do(r)
	if err != nil {
		c.fail("%v", err)
		return nil, "", false
	}
	defer res.Body.Close()
	if res.ContentLength != 0 {
		err = json.NewDecoder(res.Body).Decode(&answer)
	}
	ok = res.StatusCode == status
	c.samples = append(c.samples, sample{sent, time.Now(), ok})
	if envelope, _ := answer.(map[string]any); err != nil || !ok && (res.StatusCode != http.StatusServiceUnavailable || envelope["type"] != "server_error") {
		c.fail("%s %s %s: got %d, %v, %v, want %d, or 503", method, path, body, res.StatusCode, answer, err, status)
	}
	if ok {
		select {
		case c.success <- sent:
		default:
		}
	}
	for _, k := range res.Cookies() {
		cookie = k.Name + "=" + k.Value
	}
	return answer, cookie, ok
}

// changed notes that a thing was put into a state, or perhaps was.
func (c *client) changed(thing, state string, acknowledged bool) {
	if acknowledged {
		c.states[thing] = nil
		c.kept++
	}
	c.states[thing] = append(c.states[thing], state)
}

// sees compares the state of a thing with what was promised.
func (c *client) sees(thing, state string) {
	if want := c.states[thing]; !slices.Contains(want, state) {
		c.fail("%s is %s, want one of %v", thing, state, want)
	}
}

// patch changes two fields at once.
func (c *client) patch(n int) {
	name := fmt.Sprint("n", n)
	_, _, ok := c.send(c.key, "PATCH", me, fmt.Sprintf(`{"first_name":%q,"last_name":%[1]q}`, name), http.StatusOK)
	c.changed("name", name+" "+name, ok)
	c.checkName()
}

func (c *client) checkName() bool {
	answer, _, ok := c.send(c.key, "GET", me, "", http.StatusOK)
	if ok {
		user := answer.(map[string]any)
		c.sees("name", fmt.Sprint(user["first_name"], " ", user["last_name"]))
	}
	return ok
}

func (c *client) setPriority(n int) {
	priority := fmt.Sprint("P", n%5)
	_, _, ok := c.send(c.key, "POST", me+"/signal_autonomy", fmt.Sprintf(`{"autostart_priority":%q}`, priority), http.StatusOK)
	c.changed("priority", priority, ok)
	c.checkPriority()
}

func (c *client) checkPriority() bool {
	answer, _, ok := c.send(c.key, "GET", me+"/signal_autonomy", "", http.StatusOK)
	if ok {
		c.sees("priority", fmt.Sprint(answer.(map[string]any)["autostart_priority"]))
	}
	return ok
}

// makeKey makes a key, uses it, and deletes the oldest of several.
func (c *client) makeKey(n int) {
	label := fmt.Sprint("k", n)
	answer, _, ok := c.send(c.session, "POST", apiKeys, fmt.Sprintf(`{"label":%q,"scopes":["user:read"],"scoped_teams":[],"scoped_organizations":[]}`, label), http.StatusCreated)
	c.states[label] = []string{"gone"}
	c.changed(label, "there", ok)
	if ok {
		c.send(credential{"Authorization", fmt.Sprint("Bearer ", answer.(map[string]any)["value"])}, "GET", me, "", http.StatusOK)
	}
	if keys, ok := c.checkKeys(); ok && len(keys) > 5 {
		oldest := keys[len(keys)-1]
		_, _, ok := c.send(c.session, "DELETE", apiKeys+oldest.id, "", http.StatusNoContent)
		c.changed(oldest.label, "gone", ok)
	}
}

type listedKey struct{ id, label string }

// checkKeys returns the keys that this client made, the newest first.
func (c *client) checkKeys() (keys []listedKey, ok bool) {
	answer, _, ok := c.send(c.session, "GET", apiKeys, "", http.StatusOK)
	if !ok {
		return nil, false
	}
	there := map[string]bool{}
	for _, v := range answer.([]any) {
		k := v.(map[string]any)
		if label := fmt.Sprint(k["label"]); strings.HasPrefix(label, "k") {
			keys = append(keys, listedKey{fmt.Sprint(k["id"]), label})
			there[label] = true
			c.sees(label, "there")
		}
	}
	for label := range c.states {
		if !there[label] {
			c.sees(label, "gone")
		}
	}
	return keys, true
}

func (c *client) login() (any, string, bool) {
	return c.send(credential{}, "POST", "/api/login", fmt.Sprintf(`{"email":"%s@example.com","password":%q}`, c.name, clientPassword), http.StatusOK)
}

// signIn signs in, and signs out of the oldest of several sessions.
func (c *client) signIn(int) {
	_, cookie, ok := c.login()
	if !ok {
		return
	}
	c.changed(cookie, "live", true)
	c.send(credential{"Cookie", cookie}, "GET", me, "", http.StatusOK)
	c.cookies = append(c.cookies, cookie)
	if len(c.cookies) > 3 {
		oldest := c.cookies[len(c.cookies)-4]
		_, _, ok := c.send(credential{"Cookie", oldest}, "POST", "/api/logout", "", http.StatusFound)
		c.changed(oldest, "ended", ok)
	}
}

// checkCookies reads by every cookie whose state is known.
func (c *client) checkCookies() bool {
	for _, cookie := range c.cookies {
		status := map[string]int{"live": http.StatusOK, "ended": http.StatusUnauthorized}[c.states[cookie][0]]
		if len(c.states[cookie]) > 1 {
			continue
		}
		if _, _, ok := c.send(credential{"Cookie", cookie}, "GET", me, "", status); !ok {
			return false
		}
	}
	return true
}
