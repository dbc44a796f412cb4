package httpapitest

import (
	"errors"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/hedgerow-dev/hedgerow/auth"
)

// maxControlBody is the most bytes of a control call: a world of some ten
// thousand users.
const maxControlBody = 16 << 20

// control is one control endpoint. Its handler returns what to answer as JSON,
// or nil for 204.
type control struct {
	method, path string
	handle       func(c *controlCall) (any, error)
}

// controlCall is one admitted control call, to the world that is current.
type controlCall struct {
	*http.Request
	*stage
	body []byte
}

// controls is the table of all control endpoints. Each domain adds its own.
func (s *Standin) controls() *http.ServeMux {
	table := slices.Concat([]control{
		{http.MethodPut, "world", s.putWorld},
		{http.MethodPost, "clock", advanceClock},
		{http.MethodGet, "mail", listMail},
		{http.MethodDelete, "mail", clearMail},
	}, accountControls(), factorControls(), s.gitHubControls())
	mux, byPath := http.NewServeMux(), map[string]map[string]control{}
	for _, c := range table {
		methods, ok := byPath[c.path]
		if !ok {
			methods = map[string]control{}
			byPath[c.path] = methods
			h := s.dispatch(methods)
			mux.Handle(controlPrefix+c.path, h)
			mux.Handle(controlPrefix+c.path+"/{$}", h)
		}
		methods[c.method] = c
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		s.answer(w, http.StatusNotFound, refusal{Detail: "there is no such control endpoint"})
	})
	return mux
}

// dispatch runs the control of the request's method.
func (s *Standin) dispatch(methods map[string]control) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		c, ok := methods[r.Method]
		if !ok {
			w.Header().Set("Allow", strings.Join(slices.Sorted(maps.Keys(methods)), ", "))
			s.answer(w, http.StatusMethodNotAllowed, refusal{Detail: "this method is not allowed here"})
			return
		}
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxControlBody))
		if err != nil {
			s.answer(w, http.StatusRequestEntityTooLarge, refusal{Detail: "the body cannot be read: " + err.Error()})
			return
		}
		result, err := s.run(c, r, body)
		var refused *Refusal
		switch {
		case errors.Is(err, errNoName):
			s.answer(w, http.StatusNotFound, refusal{Detail: err.Error()})
		case errors.As(err, &refused):
			s.answer(w, http.StatusBadRequest, refusal{refused.Path, refused.Error()})
		case err != nil:
			s.log.ErrorContext(r.Context(), "control call failed", slog.String("path", r.URL.Path), slog.Any("error", err))
			s.answer(w, http.StatusInternalServerError, refusal{Detail: "something went wrong"})
		case result == nil:
			w.WriteHeader(http.StatusNoContent)
		default:
			s.answer(w, http.StatusOK, result)
		}
	}
}

// run handles one control call at a time. The answer is sent when the next one
// may run already, so that no client can hold it up.
func (s *Standin) run(c control, r *http.Request, body []byte) (any, error) {
	s.control.Lock()
	defer s.control.Unlock()
	return c.handle(&controlCall{r, s.current.Load(), body})
}

// refusal is the answer to a control call that changed nothing.
type refusal struct {
	Path   string `json:"path"` // of the culprit in the body, as a JSON pointer
	Detail string `json:"detail"`
}

// errNoName is a name in the path that stands for nothing.
var errNoName = errors.New("nothing in this world has that name")

func (s *Standin) serveControl(w http.ResponseWriter, r *http.Request) {
	if !s.admits(r) {
		s.answer(w, http.StatusForbidden, refusal{Detail: "control calls come from programs on this machine, not from web pages of others"})
		return
	}
	s.mux.ServeHTTP(w, r)
}

// admits refuses what a web page elsewhere makes a browser send: by the headers
// that browsers add, and by the host name, as the page's own name may have been
// made to resolve to this machine.
func (s *Standin) admits(r *http.Request) bool {
	site := r.Header.Get("Sec-Fetch-Site")
	if site != "" && site != "none" && site != "same-origin" {
		return false
	}
	if origin := r.Header.Get("Origin"); origin != "" && origin != "http://"+r.Host {
		return false
	}
	return s.remote || loopback(r.Host)
}

// loopback reports a host that is this machine, with or without a port.
func loopback(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.Trim(host, "[]")
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.IsLoopback()
}

func (s *Standin) answer(w http.ResponseWriter, status int, v any) {
	text, err := json.Marshal(v, json.Deterministic(true))
	if err != nil {
		s.log.Error("write answer of a control call", slog.Any("error", err))
		status, text = http.StatusInternalServerError, []byte(`{}`)
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	// The client may be gone; there is nobody left to tell.
	_, _ = w.Write(text)
}

// putWorld replaces the world. What it returns are the names of the new one.
func (s *Standin) putWorld(c *controlCall) (any, error) {
	w, err := ParseWorld(c.body)
	if err != nil {
		return nil, err
	}
	if err := s.replace(c.Context(), w); err != nil {
		return nil, err
	}
	return s.current.Load().ids, nil
}

func advanceClock(c *controlCall) (any, error) {
	var in struct {
		Seconds member[float64] `json:"advance_seconds"`
	}
	if err := decode(c.body, &in); err != nil {
		return nil, err
	}
	const at = "/advance_seconds"
	if !in.Seconds.set {
		return nil, refuse(at, "a number is required")
	}
	d, err := span(at, in.Seconds.value, time.Second)
	if err != nil {
		return nil, err
	}
	return map[string]string{"now": c.clock.Advance(d).Format("2006-01-02T15:04:05.000000Z")}, nil
}

// listMail shows captured mail, oldest first. Mail leaves after the answer to the
// request that caused it, and is waited for.
func listMail(c *controlCall) (any, error) {
	if err := c.api.Auth().Flush(c.Context()); err != nil {
		return nil, err
	}
	list := []map[string]any{}
	for _, m := range c.mail.Messages() {
		shown := describe(m)
		shown["to"], shown["user"], shown["kind"] = m.Recipient().Email, c.nameOf(m.Recipient().User), auth.Kind(m)
		list = append(list, shown)
	}
	return list, nil
}

func clearMail(c *controlCall) (any, error) {
	if err := c.api.Auth().Flush(c.Context()); err != nil {
		return nil, err
	}
	c.mail.Clear()
	return nil, nil
}
