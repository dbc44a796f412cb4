package httpapi_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/anishathalye/porcupine"
)

// The sessions of a user.
type (
	sessionsIn struct {
		verb string
		id   string // of the session that is used or ended
		// signed is the id of the session that a login began, as soon as that is known.
		signed *string
	}
	sessionsOut struct {
		there bool   // the session was live, or the login went well
		ids   string // of all, where they are listed
	}
	// knownSession is one that its owner has identified.
	knownSession struct{ id, cookie string }
	// liveSessions are their ids in order, joined by commas.
	liveSessions = string
)

type sessionsWorld struct {
	name  string
	known pool[knownSession]
	seen  pool[string] // ids in any list
}

// sessionsSubject has sessions begun, listed, used and ended, by another one and by
// themselves.
func sessionsSubject(e *env, name string) subject {
	alice := e.user(name)
	w := &sessionsWorld{name: name}
	anchor := e.session(alice, 0)
	first := e.sessions(anchor)[0]["id"].(string)
	act := func(c *caller) {
		s, ok := w.known.pick(c.rand)
		if !ok {
			w.signIn(c)
			return
		}
		cookie := header("Cookie", s.cookie)
		switch c.rand.IntN(6) {
		case 0, 1:
			w.signIn(c)
		case 2:
			c.ask(sessionsIn{verb: "end", id: s.id}, gone, "DELETE", own+"login_sessions/"+s.id, "", anchor)
		case 3:
			leave := func(a answered) any { return allowed(a.status == http.StatusFound, sessionsOut{}) }
			c.ask(sessionsIn{verb: "leave", id: s.id}, leave, "POST", "/api/logout", "", cookie)
		case 4:
			c.ask(sessionsIn{verb: "list", id: first}, w.list, "GET", own+"login_sessions", "", anchor)
		case 5:
			c.ask(sessionsIn{verb: "use", id: s.id}, used, "GET", own, "", cookie)
		}
	}
	return subject{act, func() porcupine.Model { return w.model(first) }}
}

// signIn begins a session and finds out which one it is, before others may end it.
func (w *sessionsWorld) signIn(c *caller) {
	in := sessionsIn{verb: "sign in", signed: new(string)}
	cookie := ""
	c.ask(in, func(a answered) any {
		cookie = a.cookie()
		return allowed(a.status == http.StatusOK && cookie != "", sessionsOut{there: true})
	}, "POST", "/api/login", credentials(w.name, password))
	for tries := 0; cookie != "" && *in.signed == "" && tries < connections; tries++ {
		id := new(string)
		c.ask(sessionsIn{verb: "list", signed: id}, func(a answered) any {
			*id = current(a)
			return allowed(*id != "", w.list(a))
		}, "GET", own+"login_sessions", "", header("Cookie", cookie))
		*in.signed = *id
	}
	if *in.signed != "" {
		w.known.add(knownSession{*in.signed, cookie})
	}
}

// allowed is out if that is what must be.
func allowed(ok bool, out any) any {
	if !ok {
		return nil
	}
	return out
}

// gone reads the answer to the end of something.
func gone(a answered) any {
	return allowed(a.status == http.StatusNoContent || a.status == http.StatusNotFound, sessionsOut{there: a.status == http.StatusNoContent})
}

// used reads the answer to the use of a credential.
func used(a answered) any {
	return allowed(a.status == http.StatusOK || a.status == http.StatusUnauthorized, sessionsOut{there: a.status == http.StatusOK})
}

type sessionItem struct {
	ID        string
	IsCurrent bool `json:"is_current"`
}

func (w *sessionsWorld) list(a answered) any {
	var list []sessionItem
	if a.status != http.StatusOK || json.Unmarshal(a.body, &list) != nil {
		return nil
	}
	var ids []string
	for _, item := range list {
		ids = append(ids, item.ID)
		w.seen.add(item.ID)
	}
	slices.Sort(ids)
	return sessionsOut{there: true, ids: strings.Join(ids, ",")}
}

// current is the id of the session that lists.
func current(a answered) string {
	var list []sessionItem
	if json.Unmarshal(a.body, &list) == nil {
		for _, item := range list {
			if item.IsCurrent {
				return item.ID
			}
		}
	}
	return ""
}

// model knows the session that was there at first. A login without answer may have
// begun any session that was listed and is nobody's.
func (w *sessionsWorld) model(first string) porcupine.Model {
	nobodys := map[string]bool{}
	for _, id := range w.seen.all() {
		nobodys[id] = true
	}
	delete(nobodys, first)
	for _, s := range w.known.all() {
		delete(nobodys, s.id)
	}
	m := porcupine.NondeterministicModel{
		Init: func() []any { return []any{first} },
		Step: func(state, in, out any) []any {
			live, request := strings.Split(state.(liveSessions), ","), in.(sessionsIn)
			if request.verb == "sign in" && out == nil {
				next := []any{state}
				for id := range nobodys {
					next = append(next, plus(live, id))
				}
				return next
			}
			next, ok := sessionsStep(live, request, out)
			if !ok {
				return nil
			}
			return []any{next}
		},
	}
	return m.ToModel()
}

func plus(live []string, id string) liveSessions {
	if !slices.Contains(live, id) {
		live = append(slices.Clone(live), id)
		slices.Sort(live)
	}
	return strings.Join(live, ",")
}

func minus(live []string, id string) liveSessions {
	return strings.Join(slices.DeleteFunc(slices.Clone(live), func(other string) bool { return other == id }), ",")
}

func sessionsStep(live []string, in sessionsIn, result any) (liveSessions, bool) {
	same := strings.Join(live, ",")
	out, answered := result.(sessionsOut)
	id := in.id
	if in.signed != nil {
		id = *in.signed
	}
	there := slices.Contains(live, id)
	switch in.verb {
	case "sign in":
		return plus(live, id), !there && id != ""
	case "list":
		return same, there && out.ids == same
	case "use":
		return same, out.there == there
	case "leave":
		return minus(live, id), true
	}
	return minus(live, id), !answered || out.there == there
}

// The API keys of a user, by label.
type (
	keysIn struct {
		verb, label string
		value       string // that is used
	}
	keysOut struct {
		there  bool
		value  string // that was made
		labels string // where all are listed
	}
	knownKey struct{ label, id, value string }
	// keyValues is of each key label=value, in order, joined by spaces.
	keyValues = string
)

type keysWorld struct {
	session option
	known   pool[knownKey]
}

const maxKeys = 10 // of one user, contract section 11.2

// keysSubject has keys created up to the limit, used, rolled, listed and deleted.
func keysSubject(e *env, name string) subject {
	w := &keysWorld{session: e.session(e.user(name), 0)}
	act := func(c *caller) {
		k, ok := w.known.pick(c.rand)
		if !ok {
			w.create(c)
			return
		}
		switch c.rand.IntN(8) {
		case 0, 1, 2:
			w.create(c)
		case 3:
			made := func(a answered) any { return madeKey(a, http.StatusOK, http.StatusNotFound) }
			if out, ok := c.ask(keysIn{verb: "roll", label: k.label}, made, "POST", keysPath+k.id+"/roll", "", w.session).(keysOut); ok && out.there {
				w.known.add(knownKey{k.label, k.id, out.value})
			}
		case 4:
			deleted := func(a answered) any {
				return allowed(a.status == http.StatusNoContent || a.status == http.StatusNotFound, keysOut{there: a.status == http.StatusNoContent})
			}
			c.ask(keysIn{verb: "delete", label: k.label}, deleted, "DELETE", keysPath+k.id, "", w.session)
		case 5:
			c.ask(keysIn{verb: "list"}, w.list, "GET", keysPath, "", w.session)
		default:
			if k.value != "" {
				read := func(a answered) any {
					return allowed(a.status == http.StatusOK || a.status == http.StatusUnauthorized, keysOut{there: a.status == http.StatusOK})
				}
				c.ask(keysIn{verb: "use", label: k.label, value: k.value}, read, "GET", own, "", header("Authorization", "Bearer "+k.value))
			}
		}
	}
	return subject{act, func() porcupine.Model { return modelOf("", keysStep) }}
}

func (w *keysWorld) create(c *caller) {
	label, id := c.unique(), ""
	made := func(a answered) any {
		id, _ = strconv.Unquote(a.text("id"))
		return madeKey(a, http.StatusCreated, http.StatusBadRequest)
	}
	body := fmt.Sprintf(`{"label":%q,"scopes":["user:read"],"scoped_teams":[],"scoped_organizations":[]}`, label)
	if out, ok := c.ask(keysIn{verb: "create", label: label}, made, "POST", keysPath, body, w.session).(keysOut); ok && out.there {
		w.known.add(knownKey{label, id, out.value})
	}
}

func madeKey(a answered, made, refused int) any {
	value, err := strconv.Unquote(a.text("value"))
	switch {
	case a.status == refused:
		return keysOut{}
	case a.status == made && err == nil:
		return keysOut{there: true, value: value}
	}
	return nil
}

func (w *keysWorld) list(a answered) any {
	var list []struct{ ID, Label string }
	if a.status != http.StatusOK || json.Unmarshal(a.body, &list) != nil {
		return nil
	}
	var labels []string
	for _, k := range list {
		labels = append(labels, k.Label)
		w.known.add(knownKey{label: k.Label, id: k.ID}) // also of one whose maker got no answer
	}
	slices.Sort(labels)
	return keysOut{labels: strings.Join(labels, " ")}
}

func keysStep(s keyValues, in keysIn, out *keysOut) (keyValues, bool) {
	keys := map[string]string{}
	for entry := range strings.FieldsSeq(s) {
		label, value, _ := strings.Cut(entry, "=")
		keys[label] = value
	}
	labels := slices.Sorted(maps.Keys(keys))
	value, there := keys[in.label]
	switch in.verb {
	case "list":
		return s, out.labels == strings.Join(labels, " ")
	case "use":
		return s, out.there == (there && value == in.value)
	case "create":
		there = len(keys) < maxKeys
	}
	if out != nil && out.there != there {
		return s, false
	}
	switch {
	case !there:
		return s, true
	case in.verb == "delete":
		delete(keys, in.label)
	case out == nil:
		keys[in.label] = unseen
	default:
		keys[in.label] = out.value
	}
	var entries []string
	for _, label := range slices.Sorted(maps.Keys(keys)) {
		entries = append(entries, label+"="+keys[label])
	}
	return strings.Join(entries, " "), true
}
