package httpapi

import (
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"strings"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/users"
)

// call is one admitted request.
type call struct {
	*http.Request
	principal auth.Principal
	target    users.ID // the user that the path names
	body      body
	header    http.Header // of the answer
}

func (c *call) actor() users.Actor { return c.principal.Actor }

// viewer is the caller with the profile that came with the credential.
func (c *call) viewer() users.Viewer {
	return users.Viewer{Actor: c.principal.Actor, Profile: c.principal.Profile}
}

// answer is what a handler sends, or nothing if body is nil. A zero status is
// 200.
type answer struct {
	status int
	body   []byte
	media  []string    // Content-Type; nil is JSON
	lent   *jsonWriter // that body belongs to; given back when it is sent
}

// handler does the work of one route.
type handler func(c *call) (answer, error)

// serve runs the checks of contract section 1.2 in their order, then the
// handler.
func (a *API) serve(res *resource) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := &call{Request: r, header: w.Header()}
		if o, ok := w.(*observed); ok {
			o.call = c
		}
		ans, err := a.run(w, res, c)
		if err != nil {
			if errors.Is(err, errMethod) {
				w.Header().Set("Allow", res.allow())
			}
			if errors.Is(err, auth.ErrNotAuthenticated) && a.worthless(r) {
				a.setCookie(w.Header(), "")
			}
			a.writeError(w, r, err)
			return
		}
		if ans.status == 0 {
			ans.status = http.StatusOK
		}
		if ans.media == nil {
			ans.media = jsonType
		}
		writeBody(w, r, ans.status, ans.media, ans.body)
		if ans.lent != nil {
			ans.lent.giveBack()
		}
	})
}

// worthless reports whether it was a session cookie that found nobody, and that
// is not of a login which waits for its second step.
func (a *API) worthless(r *http.Request) bool {
	token, sent := a.cookie(r)
	if !sent || a.config.Authenticator != nil || len(r.Header.Values("Authorization")) > 0 {
		return false
	}
	pending, err := a.auth.IsPending(r.Context(), token)
	if err != nil {
		a.config.Logger.ErrorContext(r.Context(), "read pending login", slog.Any("error", err))
	}
	return err == nil && !pending
}

func (a *API) run(w http.ResponseWriter, res *resource, c *call) (answer, error) {
	if !validSegments(c.Request) {
		return answer{}, errNotFound
	}
	if res.speaksJSON() && !accepts(c.Request) {
		return answer{}, errAccept
	}
	rt := res.find(c.Method)
	if err := a.identify(rt, c); err != nil {
		return answer{}, err
	}
	if err := rt.admit(c.principal); err != nil {
		return answer{}, err
	}
	if rt.bodyFirst() {
		if err := a.readBody(w, rt, c); err != nil {
			return answer{}, err
		}
	}
	if err := a.checkFresh(rt, c); err != nil {
		return answer{}, err
	}
	if err := a.checkLimit(rt, c); err != nil {
		return answer{}, err
	}
	if rt.handler == nil {
		if c.Method != http.MethodOptions || rt.method == other {
			return answer{}, errMethod
		}
		c.header.Set("Allow", res.allow())
		return answer{body: metadata(rt)}, nil
	}
	if err := a.findTarget(rt, c); err != nil {
		return answer{}, err
	}
	if !rt.bodyFirst() {
		if err := a.readBody(w, rt, c); err != nil {
			return answer{}, err
		}
	}
	return rt.handler(c)
}

// findTarget applies the target column.
func (a *API) findTarget(rt route, c *call) (err error) {
	segment := c.PathValue("user")
	switch rt.target {
	case byUUID:
		c.target, err = a.users.Resolve(c.Context(), c.actor(), segment)
	case ownOnly:
		c.target, err = a.users.ResolveSelf(c.actor(), segment)
	case byAnyID:
		c.target, err = a.users.ResolveAny(c.Context(), c.actor(), segment)
	}
	return err
}

// readBody reads the body of a request that may have one.
func (a *API) readBody(w http.ResponseWriter, rt route, c *call) (err error) {
	if rt.handler != nil && rt.access != signed && !safeMethod(c.Method) && c.Method != http.MethodDelete {
		c.body, err = readBody(w, c.Request, a.config.MaxBody)
	}
	return err
}

// identify finds the caller and applies the organization's demand for a second
// factor.
func (a *API) identify(rt route, c *call) error {
	if rt.access == signed {
		return nil
	}
	if rt.access == anyone {
		// Signing in gives the browser a cookie, so it is guarded like a
		// request that has one.
		if err := a.checkOrigin(c.Request); err != nil {
			return err
		}
	}
	p, err := a.authenticate(c.Request, rt.access == sessionBlind)
	if err != nil {
		return err
	}
	c.principal = p
	if rt.exempt {
		if _, err := a.users.ResolveSelf(p.Actor, c.PathValue("user")); err == nil || rt.access == anyone {
			return nil
		}
	}
	return a.auth.Check2FA(c.Context(), p)
}

// bodyFirst reports a route with a check that looks at the body, so that an
// unreadable one is refused there.
func (rt route) bodyFirst() bool {
	return rt.fresh == freshOnly || rt.limit == byCredential || rt.limit == verificationMail || rt.limit == passwordReset
}

// checkFresh applies the freshness column.
func (a *API) checkFresh(rt route, c *call) error {
	if safeMethod(c.Method) || rt.fresh == anyAge {
		return nil
	}
	if rt.fresh == freshOnly && len(c.body.members) > 0 {
		sensitive := false
		for name := range c.body.members {
			sensitive = sensitive || !harmless(name)
		}
		if !sensitive {
			return nil
		}
	}
	return a.auth.CheckFresh(c.principal)
}

// checkLimit applies the limit column.
func (a *API) checkLimit(rt route, c *call) error {
	switch {
	case rt.limit == onboardingSkip:
		return a.auth.AllowOnboardingSkip(c.Context(), c.actor().ID)
	case rt.limit == linkStart:
		return a.auth.AllowLinkStart(c.Context(), c.actor().ID)
	case rt.limit == byCredential && c.body.has("current_password") && c.principal.Known():
		return a.auth.AllowCredentialChange(c.Context(), c.actor().ID)
	case rt.limit == verificationMail:
		return a.auth.AllowVerificationMail(c.Context(), a.asker(c))
	case rt.limit == passwordReset:
		return a.auth.AllowPasswordReset(c.Context(), a.asker(c))
	}
	return nil
}

// asker is whom a request for mail is counted by.
func (a *API) asker(c *call) auth.Asker {
	return auth.Asker{
		User: c.actor().ID, Email: strings.TrimSpace(c.body.string("email").Value), UUID: c.body.string("uuid").Value,
		Client: a.clientAddress(c.Request),
	}
}

// validSegments applies the lookup segments of contract section 1: anything but
// a slash or a dot. Installations are digits. The mux has decoded them.
func validSegments(r *http.Request) bool {
	for _, name := range []string{"user", "key", "session", "passkey", "uuid", "request"} {
		if strings.ContainsAny(r.PathValue(name), "/.") {
			return false
		}
	}
	literal := r.PathValue("requests")
	return strings.Trim(r.PathValue("installation"), "0123456789") == "" && (literal == "" || literal == "install_requests")
}

// metadata answers OPTIONS.
func metadata(route) []byte {
	var j jsonWriter
	j.open()
	j.text("name", "Hedgerow")
	j.text("description", "")
	for _, name := range []string{"renders", "parses"} {
		j.array(name)
		j.text("", "application/json")
		j.endArray()
	}
	j.close()
	return j.bytes()
}

var jsonType = []string{"application/json; charset=utf-8"}

// writeBody sends a body; nil means that there is none.
func writeBody(w http.ResponseWriter, r *http.Request, status int, media []string, b []byte) {
	if b != nil {
		h := w.Header()
		h["Content-Type"], h["Content-Length"] = media, []string{strconv.Itoa(len(b))}
	}
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		// The client may be gone; there is nobody left to tell.
		_, _ = w.Write(b)
	}
}
