package main

import (
	"encoding/json"
	"fmt"
	"io"
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
	steps   int           // that it has done
	kept    int           // changes that were acknowledged
	broken  bool          // it has met something that must not be
	ended   chan struct{} // closed when it does no more work

	problem func(string) // is told what must not be

	mortal bool // the server may be killed, after which no request is answered
	killed bool // that has happened
	// settled says that nothing is under way any more, so that what is seen stays.
	settled bool
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
		"address":  {(*client).move, (*client).checkAddress},
	}
}

// credential is a header.
type credential struct{ name, value string }

func newClient(t *testing.T, base, name, key string, k kind) *client {
	t.Helper()
	c := &client{t: t, name: name, base: base, kind: k, key: credential{"Authorization", "Bearer " + key}, states: map[string][]string{},
		success: make(chan time.Time), ended: make(chan struct{}), problem: func(what string) { t.Error(what) }}
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
	for ; !c.broken; c.steps++ {
		select {
		case <-stop:
			return
		default:
			c.step(c, c.steps)
		}
	}
}

// fail ends the work of the client, and the test fails.
func (c *client) fail(format string, args ...any) {
	c.broken = true
	c.problem(fmt.Sprintf("client "+c.name+": "+format, args...))
}

// send sends a request and reports whether it was served, with this status. If
// not, it must have been told that the service cannot answer now.
func (c *client) send(by credential, method, path, body string, status int) (answer any, cookie string, ok bool) {
	_, answer, cookie, ok = c.ask(by, method, path, body, status)
	return answer, cookie, ok
}

// ask is send for a request that may have one of several answers.
func (c *client) ask(by credential, method, path, body string, statuses ...int) (status int, answer any, cookie string, ok bool) {
	r, err := http.NewRequestWithContext(c.t.Context(), method, c.base+path, strings.NewReader(body))
	if err != nil {
		c.fail("%v", err)
		return 0, nil, "", false
	}
	if by.name != "" {
		r.Header.Set(by.name, by.value)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	sent := time.Now()
	res, err := c.http.Do(r)
	var text []byte
	if err == nil {
		defer res.Body.Close()
		text, err = io.ReadAll(res.Body)
	}
	switch {
	case err != nil && c.mortal:
		c.killed = true
		return 0, nil, "", false
	case err == nil && len(text) > 0:
		err = json.Unmarshal(text, &answer)
	}
	if err != nil {
		c.fail("%s %s %s: %v", method, path, body, err)
		return 0, nil, "", false
	}
	ok = slices.Contains(statuses, res.StatusCode)
	c.note(sample{sent, time.Now(), ok})
	envelope, _ := answer.(map[string]any)
	refused := res.StatusCode == http.StatusServiceUnavailable && envelope["type"] == "server_error" ||
		res.StatusCode == http.StatusTooManyRequests && envelope["type"] == "throttled_error" // too many hash passwords
	if !ok && !refused {
		c.fail("%s %s %s: got %d, %v, want one of %v, or 503 or 429", method, path, body, res.StatusCode, answer, statuses)
	}
	for _, k := range res.Cookies() {
		cookie = k.Name + "=" + k.Value
	}
	return res.StatusCode, answer, cookie, ok
}

// note keeps what became of a request, where the server lives long enough for it
// to be of interest.
func (c *client) note(s sample) {
	if !c.mortal {
		c.samples = append(c.samples, s)
	}
	if s.served {
		select {
		case c.success <- s.sent:
		default:
		}
	}
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
	if c.settled {
		c.states[thing] = []string{state}
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

// makeKey makes a key and uses it or, if there are several, deletes the oldest.
func (c *client) makeKey(n int) {
	if keys, ok := c.checkKeys(); !ok {
		return
	} else if len(keys) > 5 {
		oldest := keys[len(keys)-1]
		_, _, ok := c.send(c.session, "DELETE", apiKeys+oldest.id, "", http.StatusNoContent)
		c.changed(oldest.label, "gone", ok)
		return
	}
	label := fmt.Sprint("k", n)
	answer, _, ok := c.send(c.session, "POST", apiKeys, fmt.Sprintf(`{"label":%q,"scopes":["user:read"],"scoped_teams":[],"scoped_organizations":[]}`, label), http.StatusCreated)
	c.states[label] = []string{"gone"}
	c.changed(label, "there", ok)
	if ok {
		c.send(credential{"Authorization", fmt.Sprint("Bearer ", answer.(map[string]any)["value"])}, "GET", me, "", http.StatusOK)
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
		if there[label] {
			continue
		}
		c.sees(label, "gone")
		if len(c.states[label]) == 1 {
			delete(c.states, label) // its name does not come back
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

// homes is how many addresses there are for those who move.
const homes = 20

// move takes another address, which somebody else may have. That ends other
// sessions, and gives this one a new cookie.
func (c *client) move(n int) {
	c.settleIn()
	home := fmt.Sprintf("home%d@example.com", (7*n+3*int(c.name[len(c.name)-1]))%homes)
	status, _, cookie, ok := c.ask(c.session, "PATCH", me, fmt.Sprintf(`{"email":%q}`, home),
		http.StatusOK, http.StatusBadRequest, http.StatusTooManyRequests, http.StatusUnauthorized)
	switch {
	case !ok:
		c.changed("address", home, false)
	case status == http.StatusOK:
		c.changed("address", home, true)
		if cookie != "" {
			c.session.value = cookie
		}
	case status == http.StatusUnauthorized: // the answer with the new cookie was lost
		c.returnHome()
	}
}

func (c *client) checkAddress() bool {
	_, ok := c.address()
	return ok
}

// address is what the server has.
func (c *client) address() (string, bool) {
	answer, _, ok := c.send(c.key, "GET", me, "", http.StatusOK)
	if !ok {
		return "", false
	}
	address := fmt.Sprint(answer.(map[string]any)["email"])
	c.settleIn()
	c.sees("address", address)
	return address, true
}

// settleIn notes the address that everybody has at first.
func (c *client) settleIn() {
	if c.states["address"] == nil {
		c.states["address"] = []string{c.name + "@example.com"}
	}
}

// returnHome signs in again, by the address that the server has.
func (c *client) returnHome() {
	address, ok := c.address()
	if !ok {
		return
	}
	body := fmt.Sprintf(`{"email":%q,"password":%q}`, address, clientPassword)
	if _, cookie, ok := c.send(credential{}, "POST", "/api/login", body, http.StatusOK); ok {
		c.session.value = cookie
	}
}
