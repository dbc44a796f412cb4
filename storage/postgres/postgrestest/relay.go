package postgrestest

import (
	"net"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// Relay is a way to a server that a test can break. It is safe for concurrent
// use.
type Relay struct {
	listener        net.Listener
	network, target string // of the server

	mu    sync.Mutex
	state relayState
	ends  []net.Conn
}

type relayState int

const (
	open    relayState = iota
	cut                // no connection lives
	stalled            // connections live, and what is sent vanishes
	losing             // the next answer vanishes, and its connection ends
)

// NewRelay opens a way to the server of a DSN. It ends with the test.
func NewRelay(t testing.TB, dsn string) *Relay {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal("the DSN is no URL")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &Relay{listener: l, network: "tcp", target: u.Host}
	if folder := u.Query().Get("host"); folder != "" {
		r.network, r.target = "unix", filepath.Join(folder, ".s.PGSQL.5432")
	}
	t.Cleanup(func() {
		r.Cut()
		if err := l.Close(); err != nil {
			t.Errorf("close the relay: %v", err)
		}
	})
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			r.serve(client)
		}
	}()
	return r
}

// Through returns a DSN of the same database by way of these relays, as if each
// were a host.
func Through(t testing.TB, dsn string, relays ...*Relay) string {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal("the DSN is no URL")
	}
	var hosts []string
	for _, r := range relays {
		hosts = append(hosts, r.listener.Addr().String())
	}
	q := u.Query()
	q.Del("host")
	u.Host, u.RawQuery = strings.Join(hosts, ","), q.Encode()
	return u.String()
}

// Cut ends all connections and refuses new ones.
func (r *Relay) Cut() { r.set(cut) }

// Restore lets new connections through again; those of before end.
func (r *Relay) Restore() { r.set(open) }

// Stall makes all that is sent vanish, on new connections too, as if the power of
// the host had failed.
func (r *Relay) Stall() { r.set(stalled) }

// LoseAnswer ends the connection on which the server answers next, in place of
// passing the answer on.
func (r *Relay) LoseAnswer() { r.set(losing) }

func (r *Relay) set(state relayState) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.state = state
	if state != open && state != cut {
		return
	}
	for _, end := range r.ends {
		_ = end.Close() // some are closed already
	}
	r.ends = nil
}

// serve connects a client with the server.
func (r *Relay) serve(client net.Conn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	server, err := net.Dial(r.network, r.target)
	if err != nil || r.state == cut {
		_ = client.Close() // what the test is about
		return
	}
	r.ends = append(r.ends, client, server)
	go r.pass(server, client, false)
	go r.pass(client, server, true)
}

// pass sends to one end what comes from the other, which may be the answers of
// the server, until one of them closes.
func (r *Relay) pass(to, from net.Conn, answers bool) {
	defer func() { _ = to.Close(); _ = from.Close() }() // what the test is about
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		if err != nil {
			return
		}
		switch state := r.now(answers); {
		case state == stalled:
		case state == losing && answers:
			return
		default:
			if _, err := to.Write(buffer[:n]); err != nil {
				return
			}
		}
	}
}

// now is the state that something sent meets. One answer is lost only.
func (r *Relay) now(answer bool) relayState {
	r.mu.Lock()
	defer r.mu.Unlock()
	state := r.state
	if state == losing && answer {
		r.state = open
	}
	return state
}
