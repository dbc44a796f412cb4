package main

import (
	"bytes"
	"cmp"
	"flag"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/httpapi"
	"github.com/hedgerow-dev/hedgerow/storage/postgres/postgrestest"
)

var soakFor = flag.Duration("soak", 3*time.Second, "how long TestSoak runs on each database")

const (
	soakers = 8 // users
	// parts of a soak. The level is what the second one shows, of an hour from the
	// 10th minute to the 20th.
	parts   = 6
	samples = 5 // of each part
	// Memory may be so much over its level. A short soak is still warming up.
	steady, warming = 1.05, 2.0
	whole           = time.Hour
	// Connections to the database come and go.
	slack = 8
)

// TestSoak has users do everything by turns for as long as -soak says. No answer
// may hold what is another user's, and memory, goroutines and descriptors stay.
func TestSoak(t *testing.T) {
	for name, db := range map[string]func(t *testing.T) string{
		"sqlite":   func(t *testing.T) string { return filepath.Join(t.TempDir(), "a.db") },
		"postgres": func(t *testing.T) string { return postgrestest.DSN(t) },
	} {
		t.Run(name, func(t *testing.T) {
			s := newSoak(t, db(t), *soakFor, func(h http.Handler) http.Handler { return h })
			if problems := s.run(); len(problems) > 0 {
				t.Error(strings.Join(problems, "\n"))
			}
			t.Logf("%d requests in %v; %v at first, %v in the end", s.requests, *soakFor, s.level(1), s.level(parts-1))
			if s.requests < soakers*samples {
				t.Error("the server was hardly used")
			}
		})
	}
}

// soak is a server, those who use it, and what it takes.
type soak struct {
	t        *testing.T
	duration time.Duration
	api      *httpapi.API
	users    []*soaker
	taken    []usage
	measured atomic.Int32 // how many are taken

	gate sync.RWMutex // closed while usage is measured

	mu       sync.Mutex
	requests int
	problems []string
}

// newSoak starts a server whose handler is wrapped.
func newSoak(t *testing.T, db string, duration time.Duration, wrap func(http.Handler) http.Handler) *soak {
	t.Helper()
	store, err := open(t.Context(), db)
	if err != nil {
		t.Fatal(err)
	}
	logger := slog.New(slog.DiscardHandler)
	config := options{publicURL: "http://127.0.0.1"}.config(logger)
	config.EncryptionKeys = [][]byte{make([]byte, auth.EncryptionKeyBytes)}
	api, err := httpapi.New(store, config)
	if err != nil {
		t.Fatal(err)
	}
	a := app{api: api, store: store, log: logger}
	server := httptest.NewServer(wrap(a.handler()))
	s := &soak{t: t, duration: duration, api: api}
	t.Cleanup(func() {
		for _, u := range s.users {
			u.http.CloseIdleConnections()
		}
		server.Close()
		if err := store.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	for n := range soakers {
		s.users = append(s.users, newSoaker(s, &a, server.URL, fmt.Sprint("user", n)))
	}
	return s
}

// run lets all users work, measures from time to time, and returns what must not
// be.
func (s *soak) run() []string {
	s.t.Helper()
	stop := make(chan struct{})
	var working sync.WaitGroup
	for _, u := range s.users {
		working.Go(func() { u.work(stop) })
	}
	tick := time.NewTicker(s.duration / (parts * samples))
	defer tick.Stop()
	for range parts * samples {
		<-tick.C
		s.gate.Lock() // every request under way is answered first
		s.taken = append(s.taken, s.measure())
		s.measured.Add(1)
		s.gate.Unlock()
	}
	close(stop)
	working.Wait()
	return append(s.problems, s.growth()...)
}

// usage is what the process takes while nothing happens.
type usage struct{ memory, goroutines, descriptors int }

// String implements fmt.Stringer.
func (u usage) String() string {
	return fmt.Sprintf("%.1f MiB, %d goroutines, %d descriptors", float64(u.memory)/(1<<20), u.goroutines, u.descriptors)
}

func (s *soak) measure() usage {
	s.t.Helper()
	if err := s.api.Auth().Flush(s.t.Context()); err != nil {
		s.t.Errorf("Flush: %v", err)
	}
	descriptors, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		s.t.Fatal(err)
	}
	// Up to 2 MiB that were just let go of are not given back each time.
	least := math.MaxInt
	for range 3 {
		debug.FreeOSMemory()
		least = min(least, resident(s.t))
	}
	return usage{least, runtime.NumGoroutine(), len(descriptors)}
}

// resident returns the bytes of memory that the process takes.
func resident(t *testing.T) int {
	t.Helper()
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Error(err)
	}
	var size, pages int
	if _, err := fmt.Sscan(string(text), &size, &pages); err != nil {
		t.Error(err)
	}
	return pages * os.Getpagesize()
}

// level is the median of each figure in a part.
func (s *soak) level(part int) usage {
	taken := s.taken[part*samples : (part+1)*samples]
	median := func(figure func(u usage) int) int {
		sorted := slices.SortedFunc(slices.Values(taken), func(a, b usage) int { return cmp.Compare(figure(a), figure(b)) })
		return figure(sorted[len(sorted)/2])
	}
	return usage{median(func(u usage) int { return u.memory }), median(func(u usage) int { return u.goroutines }), median(func(u usage) int { return u.descriptors })}
}

// growth returns what is over its level in a later part.
func (s *soak) growth() (found []string) {
	first, most := s.level(1), warming
	if s.duration >= whole {
		most = steady
	}
	for part := 2; part < parts; part++ {
		now := s.level(part)
		if float64(now.memory) > most*float64(first.memory) {
			found = append(found, fmt.Sprintf("memory grows: %v in part %d, and %v before", now, part+1, first))
		}
		if now.goroutines > first.goroutines+slack {
			found = append(found, fmt.Sprintf("goroutines pile up: %v in part %d, and %v before", now, part+1, first))
		}
		if now.descriptors > first.descriptors+slack {
			found = append(found, fmt.Sprintf("descriptors pile up: %v in part %d, and %v before", now, part+1, first))
		}
	}
	return found
}

func (s *soak) problem(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	const enough = 20
	if len(s.problems) < enough {
		s.problems = append(s.problems, fmt.Sprintf(format, args...))
	}
}

// TestSoakCatches leaks, and mixes users up.
func TestSoakCatches(t *testing.T) {
	const short = 2 * time.Second
	// A leak that begins after the level is taken, and is half as much again.
	const shares, most = 8, 12
	var mu sync.Mutex
	var kept [][]byte
	block := sync.OnceValue(func() int { return resident(t) / shares })
	var files []*os.File
	until := make(chan struct{})
	var leaks *soak
	leaks = newSoak(t, filepath.Join(t.TempDir(), "a.db"), short, func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			mu.Lock()
			if leaks.measured.Load() > 2*samples && len(kept) < most {
				kept = append(kept, bytes.Repeat([]byte{1}, block()))
			}
			if f, err := os.Open(os.DevNull); err == nil {
				files = append(files, f)
			}
			mu.Unlock()
			go func() { <-until }()
			h.ServeHTTP(w, r)
		})
	})
	found := strings.Join(leaks.run(), "\n")
	close(until)
	for _, f := range files {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}
	for _, want := range []string{"memory grows", "goroutines pile up", "descriptors pile up"} {
		if !strings.Contains(found, want) {
			t.Errorf("a leak is not noticed: found %q, want %q; %d blocks kept", found, want, len(kept))
		}
	}
	var last string
	mixed := newSoak(t, filepath.Join(t.TempDir(), "b.db"), short, func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			mu.Lock()
			if by := r.Header.Get("Authorization"); by != "" && last != "" && len(by)%2 == 0 {
				r.Header.Set("Authorization", last)
				last = ""
			} else if by != "" {
				last = by
			}
			mu.Unlock()
			h.ServeHTTP(w, r)
		})
	})
	if found := strings.Join(mixed.run(), "\n"); !strings.Contains(found, "holds what is of") {
		t.Errorf("users are mixed up and nobody notices: found %q", found)
	}
}
