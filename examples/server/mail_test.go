package main

import (
	"net"
	"net/http"
	"net/textproto"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestMailer(t *testing.T) {
	const server, from = "smtp://user:s3cret@mail.example.com", "Acme <no-reply@acme.example>"
	if m, err := mailer("", ""); m != nil || err != nil {
		t.Errorf("without settings: got %v, %v, want nothing", m, err)
	}
	if m, err := mailer(server, from); m == nil || err != nil {
		t.Errorf("with settings: got %v, %v, want a sender", m, err)
	}
	for _, pair := range [][2]string{{server, ""}, {"", from}, {"http://u:s3cret@h", from}, {server, "nobody"}} {
		m, err := mailer(pair[0], pair[1])
		if m != nil || err == nil || !strings.Contains(err.Error(), smtpVariable) || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%v: got %v, %v, want an error that names the variable", pair, m, err)
		}
	}
}

// postbox takes one mail by SMTP and hands it over with its envelope.
func postbox(t *testing.T) (addr string, mail <-chan string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() }) // it may be closed already
	got := make(chan string, 1)
	go func() {
		defer close(got)
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer l.Close()
		text := textproto.NewConn(conn)
		defer text.Close()
		answer, all := "220 here", ""
		for text.PrintfLine("%s", answer) == nil {
			line, err := text.ReadLine()
			if err != nil {
				return
			}
			switch all += line + "\n"; line {
			case "DATA":
				if text.PrintfLine("354 go on") != nil {
					return
				}
				body, err := text.ReadDotLines()
				if err != nil {
					return
				}
				got <- all + strings.Join(body, "\n")
			case "QUIT":
				_ = text.PrintfLine("221 bye") // the client may not wait for it
				return
			}
			answer = "250 ok"
		}
	}()
	return l.Addr().String(), got
}

// TestWorldWithMail: without a mail server, the mail of a world goes to the log.
func TestWorldWithMail(t *testing.T) {
	world := filepath.Join(t.TempDir(), "world.json")
	if err := os.WriteFile(world, []byte(`{"mail": true, "users": {"ann": {"email": "ann@example.com"}}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	c := start(t, "-db", "memory", "-world", world)
	res, err := http.Post(c.base+"/api/reset", "application/json", strings.NewReader(`{"email": "ann@example.com"}`))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusNoContent {
		t.Errorf("ask for a mail: got status %d, want 204", res.StatusCode)
	}
}
