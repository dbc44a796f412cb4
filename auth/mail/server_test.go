package mail_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"io"
	"math/big"
	"net"
	"net/textproto"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// server is a small mail server on loopback.
type server struct {
	addr     string
	roots    *x509.CertPool // vouch for its certificate
	tls      *tls.Config
	implicit bool
	startTLS bool
	// refuse answers a verb, such as "RCPT", with this line; "" hangs up. hang
	// leaves that verb without an answer until the client goes away.
	refuse map[string]string
	hang   string

	mu   sync.Mutex
	mail []delivery
	gone chan struct{} // one value for each connection that ended
}

// delivery is one mail, and how it came.
type delivery struct {
	from, to  string
	user      string // as AUTH PLAIN named it, with the password
	encrypted bool
	raw       string
}

func newServer(t *testing.T, change func(*server)) *server {
	t.Helper()
	s := &server{startTLS: true, refuse: map[string]string{}, gone: make(chan struct{}, 100)}
	s.tls, s.roots = certificate(t)
	if change != nil {
		change(s)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.addr = l.Addr().String()
	var connections sync.WaitGroup
	connections.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return // closed
			}
			connections.Go(func() { s.serve(conn) })
		}
	})
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		connections.Wait()
	})
	return s
}

// certificate is self-signed, for 127.0.0.1.
func certificate(t *testing.T) (*tls.Config, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(leaf)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}, roots
}

func (s *server) serve(conn net.Conn) {
	defer func() { s.gone <- struct{}{} }()
	defer func() { _ = conn.Close() }() // the client may have been first
	d := delivery{encrypted: s.implicit}
	if s.implicit {
		conn = tls.Server(conn, s.tls)
	}
	text := textproto.NewConn(conn)
	reply := func(line string) bool { return text.PrintfLine("%s", line) == nil }
	if s.hang == "CONNECT" {
		_, _ = io.Copy(io.Discard, conn)
		return
	}
	reply("220 test ESMTP")
	for {
		line, err := text.ReadLine()
		if err != nil {
			return
		}
		verb, argument, _ := strings.Cut(line, " ")
		if verb == s.hang {
			_, _ = io.Copy(io.Discard, conn)
			return
		}
		if answer, ok := s.refuse[verb]; ok {
			if answer == "" || !reply(answer) {
				return
			}
			continue
		}
		switch verb {
		case "EHLO":
			reply("250-test")
			if s.startTLS && !d.encrypted {
				reply("250-STARTTLS")
			}
			reply("250 AUTH PLAIN")
		case "STARTTLS":
			reply("220 go on")
			conn = tls.Server(conn, s.tls)
			text, d.encrypted = textproto.NewConn(conn), true
		case "AUTH":
			secret, _ := base64.StdEncoding.DecodeString(strings.TrimPrefix(argument, "PLAIN "))
			d.user = strings.ReplaceAll(string(secret), "\x00", ":")
			reply("235 hello")
		case "MAIL":
			d.from = argument
			reply("250 ok")
		case "RCPT":
			d.to = argument
			reply("250 ok")
		case "DATA":
			reply("354 go on")
			lines, err := text.ReadDotLines()
			if err != nil {
				return
			}
			d.raw = strings.Join(lines, "\r\n")
			s.mu.Lock()
			s.mail = append(s.mail, d)
			s.mu.Unlock()
			reply("250 taken")
		case "QUIT":
			reply("221 bye")
			return
		default:
			reply("502 what is " + verb)
		}
	}
}

// only returns the one mail that came.
func (s *server) only(t *testing.T) delivery {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.mail) != 1 {
		t.Fatalf("got %d mails, want 1", len(s.mail))
	}
	return s.mail[0]
}

func (s *server) port(t *testing.T) int {
	t.Helper()
	_, port, err := net.SplitHostPort(s.addr)
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
