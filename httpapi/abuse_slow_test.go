package httpapi_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/storage"
	"github.com/hedgerow-dev/hedgerow/users"
)

// deadlines sees until when a request may run.
type deadlines struct {
	storage.Storage
	seen chan time.Time
}

func (d *deadlines) SessionByHash(ctx context.Context, h auth.Hash) (auth.Session, *users.Profile, error) {
	at, _ := ctx.Deadline()
	d.seen <- at
	return d.Storage.SessionByHash(ctx, h)
}

// TestR63Deadline: every request ends within 15 seconds, whoever serves it.
func TestR63Deadline(t *testing.T) {
	each(t, nil, func(t *testing.T, e *env) {
		store := &deadlines{e.store, make(chan time.Time, 1)}
		probe := e.beside(store)
		alice := e.user("alice")
		cookie := e.session(alice, 0)
		for _, path := range spellings(self, alice) {
			start := time.Now()
			probe.do("GET", path, "", cookie).ok(200)
			if at := <-store.seen; at.IsZero() || at.After(time.Now().Add(15*time.Second)) || at.Before(start.Add(14*time.Second)) {
				t.Errorf("%s may run until %v, which is not 15 seconds from %v", path, at, start)
			}
		}
	})
}

// slowServer serves as the README asks for, with its seconds made shorter, and says
// when a handler has ended.
func (e *env) slowServer(second time.Duration) (address string, ended chan struct{}) {
	e.t.Helper()
	ended = make(chan struct{}, 100_000)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		e.t.Fatal(err)
	}
	server := &http.Server{ReadHeaderTimeout: 10 * second, ReadTimeout: 30 * second, WriteTimeout: 30 * second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() { ended <- struct{}{} }()
		e.api.ServeHTTP(w, r)
	})}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	e.t.Cleanup(func() {
		if err := errors.Join(server.Close(), ignoreClosed(<-served)); err != nil {
			e.t.Error(err)
		}
	})
	return listener.Addr().String(), ended
}

func ignoreClosed(err error) error {
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// drip sends a text byte by byte, then nothing, and returns what came back and how
// long it took until the server hung up.
func drip(t *testing.T, address, begin string, every time.Duration) (answer string, took time.Duration) {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	start := time.Now()
	if _, err := io.WriteString(conn, begin); err != nil {
		t.Fatal(err)
	}
	stop := make(chan struct{})
	defer close(stop)
	go func() {
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				return
			case <-tick.C:
				if _, err := conn.Write([]byte("x")); err != nil {
					return // the server hung up
				}
			}
		}
	}()
	all, _ := io.ReadAll(conn) // which may end by a reset
	return string(all), time.Since(start)
}

// slowest is how long 99 of 100 requests take at most.
func slowest(t *testing.T, address, key string) time.Duration {
	t.Helper()
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	times := make([]time.Duration, 100)
	for i := range times {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address+self, nil)
		if err != nil {
			t.Error(err)
			return 0
		}
		r.Header.Set("Authorization", key)
		start := time.Now()
		resp, err := transport.RoundTrip(r)
		if err != nil || resp.StatusCode != 200 {
			t.Errorf("request %d: %v, %v", i, resp, err)
			return 0
		}
		if _, err := io.Copy(io.Discard, resp.Body); err != nil {
			t.Error(err)
		}
		if err := resp.Body.Close(); err != nil {
			t.Error(err)
		}
		times[i] = time.Since(start)
	}
	slices.Sort(times)
	return times[98]
}

// idleAt names the variable by which a process is told where to connect and how
// often.
const idleAt = "HEDGEROW_TEST_IDLE"

// crowded has one server at a time wait for the full number of connections: a
// process may not have as many files open as all of them together.
var crowded sync.Mutex

// idle has another process open connections that say nothing, which end with the
// test. Both ends here would be twice as many files.
func idle(t *testing.T, address string, connections int) {
	t.Helper()
	c := exec.Command(os.Args[0], "-test.run=^TestIdleConnections$")
	c.Env, c.Stderr = append(os.Environ(), fmt.Sprintf("%s=%s %d", idleAt, address, connections)), os.Stderr
	input, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	output, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	said := bufio.NewReader(output)
	t.Cleanup(func() {
		_, copied := io.Copy(io.Discard, said)
		if err := errors.Join(copied, c.Wait()); err != nil {
			t.Errorf("the process of %d connections: %v", connections, err)
		}
	})
	t.Cleanup(func() { _ = input.Close() }) // before: it ends then
	if line, err := said.ReadString('\n'); err != nil || line != "open\n" {
		t.Fatalf("a process with %d connections says %q, %v", connections, line, err)
	}
}

// TestIdleConnections does nothing on its own: it is the process of idle.
func TestIdleConnections(t *testing.T) {
	var address string
	var connections int
	if n, err := fmt.Sscan(os.Getenv(idleAt), &address, &connections); n == 0 {
		return
	} else if err != nil {
		t.Fatal(err)
	}
	for i := range connections {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatalf("connection %d: %v", i, err)
		}
		defer conn.Close()
	}
	fmt.Println("open")
	if _, err := io.Copy(io.Discard, os.Stdin); err != nil {
		t.Error(err)
	}
}

// TestR63SlowClients: heads and bodies that come byte by byte, answers that nobody
// reads, and connections that say nothing end in time, and others are served.
func TestR63SlowClients(t *testing.T) {
	second := time.Second / 25
	if *whole {
		second = time.Second
	}
	each(t, nil, func(t *testing.T, e *env) {
		if *whole {
			crowded.Lock()
			defer crowded.Unlock()
		}
		boss := e.user("boss", staff)
		key := valueOf(e.key(boss, "*"), "Authorization", "")
		large := `{"a":"` + strings.Repeat("x", 60<<10) + `"}`
		for n := range 200 {
			u := e.user(fmt.Sprintf("user%d", n))
			e.save(u, func(u *users.User) { u.HedgehogConfig = users.JSON(large) })
		}
		address, ended := e.slowServer(second)
		head := func(method, more string) string {
			return method + " /api/users/@me HTTP/1.1\r\nHost: x\r\nAuthorization: " + key + "\r\n" + more
		}
		quiet := slowest(t, address, key)
		idle(t, address, size(50, 10_000))
		slack := 2 * time.Second // for a busy machine
		if *whole {
			slack = 20 * time.Millisecond
		}
		var wg sync.WaitGroup
		wg.Go(func() {
			if answer, took := drip(t, address, "GET /api/users/@me HTTP/1.1\r\nX: ", second); strings.Contains(answer, " 200 ") || took > 10*second+2*time.Second {
				t.Errorf("a slow head is ended after %v by %q", took, answer)
			}
		})
		wg.Go(func() {
			answer, took := drip(t, address, head("PATCH", "Content-Type: application/json\r\nContent-Length: 100000\r\n\r\n{"), second)
			if strings.Contains(answer, " 200 ") || took > 30*second+2*time.Second {
				t.Errorf("a slow body is ended after %v by %q", took, answer)
			}
		})
		wg.Go(func() { // who waits to be asked for a body is refused without it
			more := "Connection: close\r\nContent-Type: application/json\r\nContent-Length: 1000000\r\nExpect: 100-continue\r\n\r\n"
			answer, _ := drip(t, address, strings.Replace(head("PATCH", more), "phx_", "phx_x", 1), time.Hour)
			if !strings.HasPrefix(answer, "HTTP/1.1 401 ") {
				t.Errorf("a body that nobody wants is answered by %.60q", answer)
			}
		})
		wg.Go(func() {
			if got := slowest(t, address, key); got > 2*quiet+slack {
				t.Errorf("beside slow clients 99 of 100 requests take up to %v, and %v without", got, quiet)
			}
		})
		wg.Wait()
		for len(ended) > 0 {
			<-ended
		}
		unread, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		request := "GET /api/users?limit=500 HTTP/1.1\r\nHost: x\r\nAuthorization: " + key + "\r\n\r\n"
		if _, err := io.WriteString(unread, request); err != nil {
			t.Fatal(err)
		}
		select {
		case <-ended:
			if took := time.Since(start); took < 20*second || took > 30*second+2*time.Second {
				t.Errorf("an answer that nobody reads is given up after %v, want %v", took, 30*second)
			}
		case <-time.After(60*second + 20*time.Second):
			t.Error("an answer that nobody reads is never given up")
		}
		if err := unread.Close(); err != nil {
			t.Error(err)
		}
	})
}
