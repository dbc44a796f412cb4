package httpapitest

import (
	"context"
	"crypto/rand"
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
	// AllowRemote admits control calls that come by a host name or an address
	// other than the loopback one.
	AllowRemote bool
	// Logger receives internal failures. Nil discards them.
	Logger *slog.Logger
}

// Standin serves the API on a world in memory, and the control endpoints that
// replace and change it. It is safe for concurrent use: requests that run while
// the world is replaced end in the old one.
type Standin struct {
	config httpapi.Config // of every world, before its options
	remote bool
	log    *slog.Logger
	mux    *http.ServeMux // the control endpoints

	control sync.Mutex // one control call at a time
	current atomic.Pointer[stage]
}

// NewStandin returns a stand-in with an empty world. The error names the field
// of the configuration that is wrong.
func NewStandin(c Config) (*Standin, error) {
	key := make([]byte, auth.EncryptionKeyBytes)
	rand.Read(key) // nothing outlives the process
	s := &Standin{
		config: httpapi.Config{PublicURL: c.PublicURL, EncryptionKeys: [][]byte{key}, Logger: c.Logger},
		remote: c.AllowRemote, log: c.Logger,
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
	next, err := newStage(ctx, w, s.config)
	if err != nil {
		return err
	}
	s.current.Store(next)
	return nil
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
