package httpapitest

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/httpapi"
)

// Config adjusts a Standin.
type Config struct {
	// PublicURL is the origin that clients see, unless a world says otherwise.
	// Required.
	PublicURL string
	// GitHubURL is where Standin.GitHub is served: an address of this machine,
	// without a path. Required.
	GitHubURL string
	// AllowRemote admits control calls that come by a host name or an address
	// other than the loopback one.
	AllowRemote bool
	// Logger receives internal failures. Nil discards them.
	Logger *slog.Logger
}

// Standin serves the API on a world in memory, and the control endpoints that
// replace and change it. It is safe for concurrent use: requests that run while
// the world is replaced end in the old one, and GitHub no longer answers them.
type Standin struct {
	config httpapi.Config // of every world, before its options
	github gitHubHost
	remote bool
	log    *slog.Logger
	mux    *http.ServeMux // the control endpoints

	control sync.Mutex // one control call at a time
	current atomic.Pointer[stage]
}

// appKeyBits is the least that crypto/rsa makes without a special setting, because
// it is fast. GitHub's keys have 2048.
const appKeyBits = 1024

// NewStandin returns a stand-in with an empty world. The error names the field
// of the configuration that is wrong.
func NewStandin(c Config) (*Standin, error) {
	if c.GitHubURL == "" {
		return nil, errors.New("stand-in: GitHubURL is required")
	}
	key := make([]byte, auth.EncryptionKeyBytes)
	rand.Read(key) // nothing outlives the process
	appKey, err := rsa.GenerateKey(rand.Reader, appKeyBits)
	if err != nil {
		return nil, fmt.Errorf("stand-in: %w", err)
	}
	s := &Standin{
		config: httpapi.Config{PublicURL: c.PublicURL, EncryptionKeys: [][]byte{key}, Logger: c.Logger},
		github: gitHubHost{c.GitHubURL, appKey}, remote: c.AllowRemote, log: c.Logger,
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if err := s.replace(context.Background(), &World{}); err != nil {
		return nil, fmt.Errorf("stand-in: %w", err)
	}
	s.mux = s.controls()
	return s, nil
}

// replace puts another world in place of the current one, with everything that
// belongs to it, or leaves the current one as it is.
func (s *Standin) replace(ctx context.Context, w *World) error {
	next, err := newStage(ctx, w, s.config, s.github)
	if err != nil {
		return err
	}
	if old := s.current.Load(); old != nil {
		old.end()
	}
	s.current.Store(next)
	return nil
}

// GitHub returns the fake GitHub of the current world, which is to be served at
// Config.GitHubURL.
func (s *Standin) GitHub() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		current := s.current.Load()
		if world := r.Header.Get(worldHeader); world != "" && world != current.name {
			panic(http.ErrAbortHandler) // it was under way when the world was replaced
		}
		current.github.ServeHTTP(w, r)
	})
}

// Flush waits until nothing is being written. Call it when no more requests
// come.
func (s *Standin) Flush(ctx context.Context) error { return s.current.Load().api.Auth().Flush(ctx) }

// controlPrefix is where the control endpoints are; the API has no such path.
const controlPrefix = "/_standin/"

// ServeHTTP answers control calls and gives everything else to the API.
func (s *Standin) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(r.URL.Path, controlPrefix) {
		s.serveControl(w, r)
		return
	}
	s.current.Load().api.ServeHTTP(w, r)
}
