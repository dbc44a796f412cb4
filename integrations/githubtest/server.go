package githubtest

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"
)

// maxBody of a request; nothing that a client sends to GitHub here is larger.
const maxBody = 1 << 20

// keyBits is the least that crypto/rsa makes without a special setting, because
// it is fast. GitHub's keys have 2048.
const keyBits = 1024

// Options adjust a Server.
type Options struct {
	// Now reads the clock, which is best shared with the code under test. Nil means
	// time.Now.
	Now func() time.Time
	// APIPath is a path, such as "/api/v3" of an Enterprise server, below which the
	// REST routes are. The pages and the token route stay at the root.
	APIPath string
	// Key is the key pair of the App. Nil means one of the Server's own, which is
	// too short for anything but tests.
	Key *rsa.PrivateKey
}

// Server is a GitHub. It is safe for concurrent use.
type Server struct {
	now     func() time.Time
	apiPath string
	key     *rsa.PrivateKey
	routes  []route

	mu       sync.Mutex
	state    State
	tokens   tokens
	requests []Request
	faults   []*armed
	used     map[string]*usage // by token
	serial   int               // of codes, tokens and requests
}

// New returns a GitHub without App, users and installations.
func New(o Options) (*Server, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Key == nil {
		key, err := rsa.GenerateKey(rand.Reader, keyBits)
		if err != nil {
			return nil, err
		}
		o.Key = key
	}
	s := &Server{now: o.Now, apiPath: strings.TrimRight(o.APIPath, "/"), key: o.Key}
	s.routes = s.table()
	s.Reset()
	return s, nil
}

// Reset forgets everything: state, tokens, faults and requests.
func (s *Server) Reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state, s.tokens, s.requests, s.faults, s.used = State{}.clone(), newTokens(), nil, nil, map[string]*usage{}
}

// PrivateKeyPEM returns the private key of the App, as GitHub hands it out once.
func (s *Server) PrivateKeyPEM() string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(s.key)}))
}

// State returns a copy of the state.
func (s *Server) State() State {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state.clone()
}

// SetState replaces the state. Tokens live on; see Reset. The error is an
// *Invalid, and then nothing has changed.
func (s *Server) SetState(state State) error {
	return s.Update(func(s *State) error { *s = state; return nil })
}

// Merge merges a partial state in JSON into the state, as State.UnmarshalJSON
// says.
func (s *Server) Merge(data []byte) error {
	return s.Update(func(s *State) error { return s.UnmarshalJSON(data) })
}

// Update changes the state by f. If f or the check of what it made fails, nothing
// has changed. f must not use the Server.
func (s *Server) Update(f func(*State) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	state := s.state.clone()
	if err := f(&state); err != nil {
		return err
	}
	if err := state.check(); err != nil {
		return err
	}
	state = state.clone() // f may have put maps of the caller in
	for _, id := range state.RevokeInstallationTokens {
		s.tokens.revokeInstallation(id)
	}
	state.RevokeInstallationTokens = nil
	for id, i := range state.Installations {
		if i.Deleted {
			s.tokens.revokeInstallation(id)
		}
	}
	s.state = state
	s.tokens.syncCodes(state.Codes, s.now())
	return nil
}

// route is one row of the table.
type route struct {
	pattern pattern
	web     bool // at the root, whatever Options.APIPath
	handle  func(*call) answer
}

func (s *Server) table() []route {
	return []route{
		{must("GET /login/oauth/authorize"), true, s.authorize},
		{must("POST /login/oauth/access_token"), true, s.token},
		{must("GET /apps/{slug}/installations/new"), true, s.install},
		{must("GET /user"), false, s.asUser(s.getUser)},
		{must("GET /user/installations"), false, s.asUser(s.userInstallations)},
		{must("GET /user/installations/{id}/repositories"), false, s.asUser(s.userRepositories)},
		{must("GET /app/installations/{id}"), false, s.asApp(s.getInstallation)},
		{must("DELETE /app/installations/{id}"), false, s.asApp(s.deleteInstallation)},
		{must("POST /app/installations/{id}/access_tokens"), false, s.asApp(s.createToken)},
		{must("GET /installation/repositories"), false, s.asInstallation(s.installationRepositories)},
		{must("GET /repos/{owner}/{name}"), false, s.asInstallation(s.getRepository)},
		{must("GET /repos/{owner}/{name}/branches"), false, s.asInstallation(s.listBranches)},
	}
}

// call is one request.
type call struct {
	r     *http.Request
	now   time.Time
	route pattern // concrete
	body  any
	fault Fault // an altering one, or none
}

// ServeHTTP answers as GitHub does, or by a fault.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	raw, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		http.Error(w, "body cannot be read", http.StatusRequestEntityTooLarge)
		return
	}
	s.answer(r, raw).write(w, r)
}

// answer decides under the lock; writing, which may wait, comes after.
func (s *Server) answer(r *http.Request, raw []byte) answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	path, below := strings.CutPrefix(r.URL.EscapedPath(), s.apiPath+"/")
	if !below {
		path = strings.TrimPrefix(r.URL.EscapedPath(), "/")
	}
	c := &call{r: r, now: s.now(), body: parseBody(r, raw), route: pattern{r.Method, strings.Split(path, "/")}}
	s.requests = append(s.requests, Request{
		Route: c.route.String(), Credential: c.credential(), Body: c.body, Query: r.URL.Query(), Header: r.Header.Clone(),
		route: c.route,
	})
	var a answer
	if fault, ok := s.takeFault(c); ok {
		if a, ok = fault.answer(c); ok {
			s.finish(c, &a)
			return a
		}
		c.fault = fault
	}
	a = s.handle(c, below)
	if c.fault.Kind != "" && a.status < http.StatusBadRequest {
		c.fault.alter(&a)
	}
	s.finish(c, &a)
	return a
}

// handle finds the route. below says that the path was below APIPath.
func (s *Server) handle(c *call, below bool) answer {
	if c.r.UserAgent() == "" {
		return refuse(http.StatusForbidden, "Request forbidden by administrative rules. Please make sure your request has a User-Agent header.")
	}
	for _, route := range s.routes {
		if route.pattern.overlaps(c.route) && (s.apiPath == "" || route.web != below) {
			return route.handle(c)
		}
	}
	return refuse(http.StatusNotFound, "Not Found")
}
