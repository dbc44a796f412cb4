package httpapi

import (
	"context"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/hedgerow-dev/hedgerow/users"
)

// Routes lists method and path of every route, for tests of the whole table.
// The rows that stand for all other methods of a path are not among them.
func Routes(a *API) [][2]string {
	var pairs [][2]string
	for _, rt := range a.routes() {
		if rt.method != other {
			pairs = append(pairs, [2]string{rt.method, rt.path})
		}
	}
	return pairs
}

// Callers says who may call each route, by method and path: "anyone", "session",
// or "session or bearer" with the scope. The rows that stand for all other
// methods of a path have the method "*" and "".
func Callers(a *API) map[[2]string]string {
	callers := map[[2]string]string{}
	for _, rt := range a.routes() {
		who := "nobody"
		switch {
		case rt.method == other:
			who = ""
		case rt.access == anyone, rt.access == signed:
			who = "anyone"
		case rt.access == sessionOnly, rt.access == sessionBlind:
			who = "session"
		case rt.access == sessionOrKey:
			who = "session or bearer " + rt.scope
		}
		callers[[2]string{rt.method, rt.path}] = who
	}
	return callers
}

// BasePath is the path that the API is mounted under.
func BasePath(a *API) string { return a.config.BasePath }

// EncodeUser is what an answer costs about a user who was not shown before. It
// returns the number of bytes.
func EncodeUser(s users.Sight) int {
	form := newUserJSON(s, nil)
	return len(form.head) + len(form.around) + len(form.tail)
}

// DecodePatch is what becomes of the body of a PATCH of a user.
func DecodePatch(raw []byte) (users.Patch, error) {
	b, err := parseBody(raw)
	return userPatch(b), err
}

// DecodeBody is what becomes of any body: its members, if it is an object.
func DecodeBody(raw []byte) (map[string]jsontext.Value, error) {
	b, err := parseBody(raw)
	return b.members, err
}

// NewDeadline is the context of a request, and what ends it.
func NewDeadline(parent context.Context, at time.Time) (context.Context, func()) {
	d := &deadline{Context: parent, at: at}
	return d, d.end
}
