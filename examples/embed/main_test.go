package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// world is the program with a clock to set and a mailbox.
type world struct {
	*app
	t     *testing.T
	now   time.Time
	links []string // mailed, oldest first
	url   string
}

func newApp(t *testing.T, w *world) *app {
	t.Helper()
	a, err := open(t.Context(), config{
		path: filepath.Join(t.TempDir(), "notes.db"), publicURL: "https://notes.example.com", key: make([]byte, 32),
		now: func() time.Time { return w.now }, log: slog.New(slog.NewTextHandler(t.Output(), nil)),
		deliver: func(_, link string) { w.links = append(w.links, link) },
	})
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	return a
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, now: time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)}
	w.app = newApp(t, w)
	server := httptest.NewTLSServer(w.handler())
	w.url = server.URL
	t.Cleanup(func() {
		server.Close()
		if err := w.db.Close(); err != nil {
			t.Error(err)
		}
	})
	return w
}

// browser keeps cookies, as the browser of one person does.
func (w *world) browser() *http.Client {
	jar, err := cookiejar.New(nil)
	if err != nil {
		w.t.Fatal(err)
	}
	return &http.Client{Jar: jar, Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
}

// call sends a request and returns the answer, which must have this status.
func (w *world) call(c *http.Client, want int, method, path, body string, headers ...string) string {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.t.Context(), method, w.url+path, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	res, err := c.Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	if res.StatusCode != want {
		w.t.Fatalf("%s %s %s: got status %d, %s, want %d", method, path, body, res.StatusCode, text, want)
	}
	return string(text)
}

// link returns the path of the last link that was mailed.
func (w *world) link() string {
	w.t.Helper()
	if len(w.links) == 0 {
		w.t.Fatal("no link was mailed")
	}
	u, err := url.Parse(w.links[len(w.links)-1])
	if err != nil {
		w.t.Fatal(err)
	}
	return u.Path
}

// join signs somebody up and in.
func (w *world) join(email, handle string) *http.Client {
	w.t.Helper()
	c := w.browser()
	w.call(c, http.StatusCreated, "POST", "/signup", fmt.Sprintf(`{"email":%q,"handle":%q}`, email, handle))
	w.call(c, http.StatusNoContent, "POST", w.link(), "")
	return c
}

// count is the number of rows of a table.
func (w *world) count(table string) (n int) {
	w.t.Helper()
	if err := w.db.QueryRowContext(w.t.Context(), "select count(*) from "+table).Scan(&n); err != nil {
		w.t.Fatal(err)
	}
	return n
}

// contains fails the test unless an answer has a part.
func (w *world) contains(answer, part string) {
	w.t.Helper()
	if !strings.Contains(answer, part) {
		w.t.Errorf("got %s, want a part %s", answer, part)
	}
}

// TestServeStops has a request under way when the program is told to stop: it is
// finished and kept, and a new one is not taken.
func TestServeStops(t *testing.T) {
	w := &world{t: t, now: time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)}
	a := newApp(t, w)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- a.serve(ctx, l) }()
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	body, answers := `{"email":"ann@example.com","handle":"ann"}`, bufio.NewReader(conn)
	fmt.Fprintf(conn, "POST /signup HTTP/1.1\r\nHost: notes\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n", len(body))
	if line, err := answers.ReadString('\n'); err != nil || !strings.Contains(line, "100 Continue") {
		t.Fatalf("before the body: got %q, %v", line, err)
	}
	stop()
	for {
		extra, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			break
		}
		extra.Close()
	}
	if _, err := answers.ReadString('\n'); err != nil { // ends "100 Continue"
		t.Fatal(err)
	}
	fmt.Fprint(conn, body)
	res, err := http.ReadResponse(answers, nil)
	if err != nil || res.StatusCode != http.StatusCreated {
		t.Fatalf("the request that was under way: got %v, %v", res, err)
	}
	if err := <-ended; err != nil {
		t.Errorf("serve: %v", err)
	}
	if err := a.db.Ping(); err == nil {
		t.Error("the database is open after the end")
	}
}

// stopper stops the program when it says that it listens.
type stopper struct{ stop func() }

func (s stopper) Write(p []byte) (int, error) {
	if strings.Contains(string(p), "listening") {
		s.stop()
	}
	return len(p), nil
}

func TestRun(t *testing.T) {
	args := []string{"-addr", "127.0.0.1:0", "-db", filepath.Join(t.TempDir(), "notes.db")}
	key := strings.Repeat("a", 43) + "="
	for name, c := range map[string]struct {
		args []string
		key  string
		want string // in the error
	}{
		"stopped at once":     {args, key, ""},
		"no key":              {args, "", keyVariable},
		"a key of other size": {args, "YWJj", "EncryptionKeys"},
		"unknown flag":        {append(args, "-x"), key, "-x"},
		"no such folder":      {[]string{"-db", "/nowhere/notes.db"}, key, "unable to open"},
		"no such address":     {append(args, "-addr", "256.0.0.1:0"), key, "256.0.0.1"},
	} {
		ctx, stop := context.WithCancel(t.Context())
		err := run(ctx, c.args, c.key, io.Discard, stopper{stop})
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
		stop()
	}
}
