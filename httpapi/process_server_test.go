package httpapi_test

import (
	"bytes"
	"encoding/base64"
	"encoding/gob"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"sync"
	"time"

	"github.com/hedgerow-dev/hedgerow/httpapi"
	"github.com/hedgerow-dev/hedgerow/integrations/github"
	"github.com/hedgerow-dev/hedgerow/storage/postgres"
)

// serveProcess answers requests until the input ends.
func serveProcess() error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	s := &server{worlds: map[string]*hosted{}}
	failed := make(chan error, 1)
	go func() { failed <- http.Serve(l, s) }()
	go func() {
		_, err := io.Copy(io.Discard, os.Stdin)
		failed <- err
	}()
	fmt.Println(l.Addr())
	return <-failed
}

// server has an API for each database that it was asked for.
type server struct {
	mu     sync.Mutex
	worlds map[string]*hosted
}

// hosted is the API on one database.
type hosted struct {
	api    *httpapi.API
	store  *postgres.Store
	box    *mailbox
	github *http.Transport

	mu  sync.Mutex
	now time.Time
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var o order
	text, err := base64.StdEncoding.DecodeString(r.Header.Get(orderHeader))
	if err == nil {
		err = json.Unmarshal(text, &o)
	}
	var report report
	answer := httptest.NewRecorder()
	if err == nil {
		err = s.answer(answer, r, o, &report)
	}
	if err != nil {
		report.Err = err.Error()
	}
	var b bytes.Buffer
	if err := gob.NewEncoder(&b).Encode(report); err != nil {
		panic(err) // the test sees that there is no answer
	}
	maps.Copy(w.Header(), answer.Header())
	w.Header().Set(reportHeader, base64.StdEncoding.EncodeToString(b.Bytes()))
	w.WriteHeader(answer.Code)
	_, _ = w.Write(answer.Body.Bytes()) // the test sees what is missing
}

func (s *server) answer(w http.ResponseWriter, r *http.Request, o order, report *report) error {
	world, err := s.world(r, o)
	if err != nil || o.Close {
		return err
	}
	r.Header.Del(orderHeader)
	r.RemoteAddr = o.From
	world.mu.Lock()
	world.now = o.Now
	world.mu.Unlock()
	world.api.ServeHTTP(w, r)
	// What an answer does not wait for, the next process sees when it is stored.
	if err := world.api.Auth().Flush(r.Context()); err != nil {
		return err
	}
	report.Mail = world.box.take()
	return nil
}

// world returns what an order is for, and opens or closes it.
func (s *server) world(r *http.Request, o order) (*hosted, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := s.worlds[o.DSN]
	switch {
	case o.Close && w == nil:
		return nil, nil
	case o.Close:
		delete(s.worlds, o.DSN)
		w.github.CloseIdleConnections()
		return nil, w.store.Close()
	case w != nil:
		return w, nil
	}
	w = &hosted{box: &mailbox{}, github: &http.Transport{}}
	config, err := w.config(o)
	if err != nil {
		return nil, err
	}
	if w.store, err = postgres.Open(r.Context(), o.DSN); err != nil {
		return nil, err
	}
	if w.api, err = httpapi.New(w.store, config); err != nil {
		return nil, errors.Join(err, w.store.Close())
	}
	s.worlds[o.DSN] = w
	return w, nil
}

// config is the test's configuration again.
func (w *hosted) config(o order) (c httpapi.Config, err error) {
	if err := convert(o.Config, &c); err != nil {
		return c, err
	}
	c.Now = func() time.Time {
		w.mu.Lock()
		defer w.mu.Unlock()
		return w.now
	}
	c.Docs = docs
	if o.Passkeys {
		if c.Auth.Passkeys, err = newCeremony("https://app.example.com"); err != nil {
			return c, err
		}
	}
	if o.Mail {
		c.Auth.Mailer = w.box
	}
	if o.Dashboards != nil {
		c.Dashboards = o.Dashboards
	}
	if o.GitHub != nil {
		g := github.Config{Transport: w.github, Now: c.Now}
		if err := convert(o.GitHub, &g); err != nil {
			return c, err
		}
		c.GitHub.Provider, err = github.New(g)
	}
	return c, err
}

// convert sets the members of a struct that plain found.
func convert(members map[string]any, to any) error {
	text, err := json.Marshal(members)
	if err != nil {
		return err
	}
	return json.Unmarshal(text, to)
}
