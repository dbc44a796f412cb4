package githubtest

import (
	"encoding/json"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// The kinds of credential in a Request.
const (
	ByJWT          = "jwt"          // the App itself
	ByInstallation = "installation" // an installation token
	ByUser         = "user"         // a user access token
	ByClient       = "client"       // client id and secret in the body
	ByNobody       = "none"
)

// Request is one request that arrived, whether or not it was answered.
type Request struct {
	// Route is the method and the concrete path, without query and without the
	// path of Options.APIPath.
	Route string `json:"route"`
	// Credential is the kind of credential by its looks: ByJWT and so on. It may
	// still have been refused.
	Credential string `json:"credential"`
	// Body is the parsed JSON, the members of a form, or nil.
	Body any `json:"body"`
	// Query and Header are not part of the JSON form.
	Query  url.Values  `json:"-"`
	Header http.Header `json:"-"`

	route pattern
}

// Requests returns what arrived since the last reset, oldest first, faulted
// requests included.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

// ClearRequests forgets what arrived.
func (s *Server) ClearRequests() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = nil
}

// Count returns how many requests arrived for a route, which is concrete or a
// pattern as in Fault.Route. It panics if no such route exists, because a test
// that counts it would prove nothing.
func (s *Server) Count(route string) (n int) {
	p, err := s.known(route)
	if err != nil {
		panic(err)
	}
	for _, r := range s.Requests() {
		if r.route.overlaps(p) {
			n++
		}
	}
	return n
}

// known reads a route and checks that this GitHub has it.
func (s *Server) known(text string) (pattern, error) {
	p, err := parsePattern(text)
	if err != nil {
		return pattern{}, err
	}
	for _, r := range s.routes {
		if r.pattern.overlaps(p) {
			return p, nil
		}
	}
	return pattern{}, invalid("/route", "%q: there is no such route", text)
}

// parseBody reads JSON or a form by its content type. What cannot be read is nil.
func parseBody(r *http.Request, raw []byte) any {
	if len(raw) == 0 {
		return nil
	}
	mediaType, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")) // an odd one is like none
	if mediaType == "application/x-www-form-urlencoded" {
		form, err := url.ParseQuery(string(raw))
		if err != nil {
			return nil
		}
		members := map[string]any{}
		for name := range form {
			members[name] = form.Get(name)
		}
		return members
	}
	var body any
	if err := json.Unmarshal(raw, &body); err != nil {
		return nil
	}
	return body
}

// member returns a text member of the body, or "".
func (c *call) member(name string) string {
	members, _ := c.body.(map[string]any)
	text, _ := members[name].(string)
	return text
}

// bearer returns the token of the Authorization header, or "".
func (c *call) bearer() string {
	scheme, token, _ := strings.Cut(c.r.Header.Get("Authorization"), " ")
	if strings.EqualFold(scheme, "Bearer") || strings.EqualFold(scheme, "token") {
		return token
	}
	return ""
}

func (c *call) credential() string {
	token := c.bearer()
	switch {
	case strings.HasPrefix(token, "ghs_"):
		return ByInstallation
	case strings.HasPrefix(token, "ghu_"):
		return ByUser
	case strings.Count(token, ".") == 2:
		return ByJWT
	case token == "" && c.member("client_secret") != "":
		return ByClient
	}
	return ByNobody
}
