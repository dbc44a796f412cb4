package httpapi_test

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/anishathalye/porcupine"
)

// The names of a user, with the ETag.
type (
	fieldsIn struct {
		read        bool
		first, last string // "" leaves it alone
		match       string // If-Match
		// change names a change, and is what the read that goes with its answer follows.
		change string
	}
	fieldsOut struct {
		refused     bool // the ETag does not match
		first, last string
		tag         string
	}
)

// fieldsState is what a user is. tag is "" until somebody was told, and owed are
// the changes whose answers are still to be read.
type fieldsState struct{ first, last, tag, owed string }

// fieldsSubject has names changed, each by itself and both at once, whatever they
// are or only if they are as they were last seen.
func fieldsSubject(e *env, name string) subject {
	alice := e.user(name)
	key := e.key(alice, "user:read", "user:write")
	tags := make([]string, mostCallers) // that callers saw last
	act := func(c *caller) {
		if tags[c.number] == "" || c.rand.IntN(3) == 0 {
			path := []string{own, "/api/users/" + alice.UUID.String()}[c.rand.IntN(2)]
			if out, ok := c.ask(fieldsIn{read: true}, readFields, "GET", path, "", key).(fieldsOut); ok {
				tags[c.number] = out.tag
			}
			return
		}
		value := c.unique()
		in := fieldsIn{match: tags[c.number], change: value}
		if c.rand.IntN(4) == 0 {
			in.match = ""
		}
		body := ""
		switch c.rand.IntN(3) {
		case 0:
			in.first, body = value, fmt.Sprintf(`{"first_name":%q}`, value)
		case 1:
			in.last, body = value, fmt.Sprintf(`{"last_name":%q}`, value)
		case 2:
			in.first, in.last, body = value, value, fmt.Sprintf(`{"first_name":%q,"last_name":%[1]q}`, value)
		}
		options := []option{key}
		if in.match != "" {
			options = append(options, header("If-Match", in.match))
		}
		if out, ok := c.ask(in, readFields, "PATCH", own, body, options...).(fieldsOut); ok && !out.refused {
			tags[c.number] = out.tag
			// The answer shows the user as it is after the change, which others may
			// have changed again by then.
			c.also(fieldsIn{read: true, change: value}, out)
		}
	}
	first := fieldsState{first: alice.FirstName, last: alice.LastName}
	return subject{act, func() porcupine.Model { return modelOf(first, fieldsStep) }}
}

func readFields(a answered) any {
	switch a.status {
	case http.StatusOK:
		first, err := strconv.Unquote(a.text("first_name"))
		last, errLast := strconv.Unquote(a.text("last_name"))
		if tag := a.header.Get("ETag"); err == nil && errLast == nil && tag != "" {
			return fieldsOut{first: first, last: last, tag: tag}
		}
	case http.StatusPreconditionFailed:
		return fieldsOut{refused: true}
	}
	return nil
}

func fieldsStep(s fieldsState, in fieldsIn, out *fieldsOut) (fieldsState, bool) {
	owed := strings.Fields(s.owed)
	if in.read {
		if in.change != "" {
			n := slices.Index(owed, in.change)
			if n < 0 {
				return s, false
			}
			owed = slices.Delete(owed, n, n+1)
		}
		same := s.first == out.first && s.last == out.last && (s.tag == "" || s.tag == out.tag)
		return fieldsState{out.first, out.last, out.tag, strings.Join(owed, " ")}, same
	}
	if in.match != "" && in.match != s.tag {
		return s, out == nil || out.refused
	}
	s.tag = ""
	if in.first != "" {
		s.first = in.first
	}
	if in.last != "" {
		s.last = in.last
	}
	if out == nil {
		return s, true
	}
	owed = append(owed, in.change)
	slices.Sort(owed)
	s.owed = strings.Join(owed, " ")
	return s, !out.refused
}

// A user's autonomy configuration.
type (
	autonomyIn struct {
		verb     string
		priority string
	}
	// autonomyOut is "there is none" in its zero value.
	autonomyOut struct{ id, priority, updated string }
)

// unseen stands for what the store has chosen and nobody was told.
const unseen = "?"

func autonomySubject(e *env, name string) subject {
	key := e.key(e.user(name), "user:write")
	act := func(c *caller) {
		switch c.rand.IntN(6) {
		case 0:
			c.ask(autonomyIn{verb: "delete"}, readAutonomy, "DELETE", myAutonomy, "", key)
		case 1, 2:
			e.advance(time.Microsecond) // which tells one change from the next
			priority := fmt.Sprintf(`"P%d"`, c.rand.IntN(5))
			c.ask(autonomyIn{"save", priority}, readAutonomy, "POST", myAutonomy, `{"autostart_priority":`+priority+`}`, key)
		default:
			c.ask(autonomyIn{verb: "read"}, readAutonomy, "GET", myAutonomy, "", key)
		}
	}
	return subject{act, func() porcupine.Model { return modelOf(autonomyOut{}, autonomyStep) }}
}

func readAutonomy(a answered) any {
	switch a.status {
	case http.StatusOK:
		if a.text("id") != "" {
			return autonomyOut{a.text("id"), a.text("autostart_priority"), a.text("updated_at")}
		}
	case http.StatusNoContent:
		return autonomyOut{} // deleted
	case http.StatusNotFound:
		return autonomyOut{}
	}
	return nil
}

func autonomyStep(s autonomyOut, in autonomyIn, out *autonomyOut) (autonomyOut, bool) {
	switch in.verb {
	case "read":
		if (s.id == unseen || s.id == out.id) && (s.updated == unseen || s.updated == out.updated) && s.priority == out.priority {
			return *out, true
		}
		return s, false
	case "delete": // also what is not there
		return autonomyOut{}, true
	}
	if out == nil {
		if s.id == "" {
			s.id = unseen
		}
		return autonomyOut{s.id, in.priority, unseen}, true
	}
	sameID := s.id == "" || s.id == unseen || s.id == out.id
	return *out, sameID && out.priority == in.priority
}
