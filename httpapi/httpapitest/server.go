package httpapitest

import (
	"context"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/httpapi"
	"github.com/hedgerow-dev/hedgerow/integrations/githubtest"
	"github.com/hedgerow-dev/hedgerow/storage"
)

// TB is what New needs of a *testing.T or *testing.B.
type TB interface {
	Helper()
	Fatalf(format string, args ...any)
	Cleanup(func())
}

// Server is a stand-in for Go tests that listens on a free port of the loopback
// address. Its methods end the test when they fail; as those of a testing.T that
// do, they are for the goroutine of the test.
type Server struct {
	// URL of the server, and GitHubURL of the fake GitHub, without a trailing
	// slash.
	URL, GitHubURL string

	t       TB
	standin *Standin
}

// New starts a stand-in with this world, which ends with the test. The control
// endpoints are there too.
func New(t TB, world string) *Server {
	t.Helper()
	server := httptest.NewUnstartedServer(nil)
	hub := httptest.NewUnstartedServer(nil)
	s := &Server{URL: "http://" + server.Listener.Addr().String(), GitHubURL: "http://" + hub.Listener.Addr().String(), t: t}
	var err error
	if s.standin, err = NewStandin(Config{PublicURL: s.URL, GitHubURL: s.GitHubURL}); err != nil {
		server.Close()
		hub.Close()
		t.Fatalf("httpapitest.New: %v", err)
	}
	server.Config.Handler, hub.Config.Handler = s.standin, s.standin.GitHub()
	server.Start()
	hub.Start()
	t.Cleanup(func() {
		// Nobody must wait for a GitHub that does not answer.
		if err := hub.Config.Close(); err != nil {
			t.Fatalf("close GitHub: %v", err)
		}
		server.Close()
		if err := s.standin.Flush(context.Background()); err != nil {
			t.Fatalf("flush the stand-in: %v", err)
		}
	})
	s.Load(world)
	return s
}

// Load replaces the world, as PUT /_standin/world does.
func (s *Server) Load(world string) {
	s.t.Helper()
	w, err := ParseWorld([]byte(world))
	if err == nil {
		err = s.standin.replace(context.Background(), w)
	}
	if err != nil {
		s.t.Fatalf("load world: %v", err)
	}
}

// IDs says what the names of the world stand for. Its maps may only be read.
func (s *Server) IDs() IDs {
	s.standin.control.Lock()
	defer s.standin.control.Unlock()
	return s.standin.current.Load().ids
}

// API returns the API and so the services behind it.
func (s *Server) API() *httpapi.API { return s.standin.current.Load().api }

// Store returns what the current world is kept in, for what a world cannot say.
func (s *Server) Store() storage.Storage { return s.standin.current.Load().store }

// Clock returns the clock of the current world.
func (s *Server) Clock() *Clock { return s.standin.current.Load().clock }

// Mail returns the mail of the current world, which is captured if the world
// says "mail": true. It waits for what earlier requests have caused.
func (s *Server) Mail() *Mailbox {
	s.t.Helper()
	current := s.standin.current.Load()
	if err := current.api.Auth().Flush(context.Background()); err != nil {
		s.t.Fatalf("wait for mail: %v", err)
	}
	return current.mail
}

// GitHub returns the fake GitHub of the current world. An App that is changed
// there, and not by PATCH /_standin/github, is not changed for the API.
func (s *Server) GitHub() *githubtest.Server { return s.standin.current.Load().github }

// Login returns a client with a new session of this user of the world, as if a
// second factor had been passed. It follows the API's changes of the cookie
// unless the world has a public_url with https.
func (s *Server) Login(user string) *http.Client {
	s.t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		s.t.Fatalf("login: %v", err)
	}
	origin, err := url.Parse(s.URL)
	if err != nil {
		s.t.Fatalf("login: %v", err)
	}
	jar.SetCookies(origin, []*http.Cookie{s.Session(user, auth.StartOptions{SecondFactor: true})})
	return &http.Client{Jar: jar}
}

// Session returns the cookie of a new session of this user of the world.
func (s *Server) Session(user string, o auth.StartOptions) *http.Cookie {
	s.t.Helper()
	cookie, err := s.standin.current.Load().newSession(context.Background(), user, o)
	if err != nil {
		s.t.Fatalf("session: %v", err)
	}
	return cookie
}

// NewKey returns the value of a new API key of this user of the world.
func (s *Server) NewKey(user string, scopes ...string) string {
	s.t.Helper()
	key, err := s.standin.current.Load().newKey(context.Background(), user, defaultLabel, scopes)
	if err != nil {
		s.t.Fatalf("new key: %v", err)
	}
	return key.Value
}
