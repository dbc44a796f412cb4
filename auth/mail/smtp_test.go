package mail_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	netmail "net/mail"
	"strings"
	"testing"
	"time"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/auth/mail"
)

const from = "Acme <no-reply@acme.example>"

var verification = auth.EmailVerification{
	To:    auth.Recipient{User: 7, Email: "ann@example.com", Name: "Ann"},
	Token: "s3cret", Link: "https://app.example.com/verify_email/u/s3cret",
}

// sender makes an SMTP for the server; url has %d for the port.
func sender(t *testing.T, s *server, url string) *mail.SMTP {
	t.Helper()
	m, err := mail.NewSMTP(fmt.Sprintf(url, s.port(t)), from, mail.Config{
		RootCAs: s.roots, Now: func() time.Time { return time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC) },
	})
	if err != nil {
		t.Fatalf("NewSMTP: %v", err)
	}
	return m
}

// parts reads a mail with a text and an HTML body.
func parts(t *testing.T, raw string) (head netmail.Header, text, html string) {
	t.Helper()
	m, err := netmail.ReadMessage(strings.NewReader(raw))
	if err != nil {
		t.Fatalf("read mail: %v\n%s", err, raw)
	}
	media, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil || media != "multipart/alternative" {
		t.Fatalf("got content type %q, %v, want multipart/alternative", media, err)
	}
	var bodies []string
	r := multipart.NewReader(m.Body, params["boundary"])
	for {
		p, err := r.NextRawPart()
		if errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(quotedprintable.NewReader(p))
		if err != nil {
			t.Fatal(err)
		}
		bodies = append(bodies, p.Header.Get("Content-Type")+"\n"+string(b))
	}
	if len(bodies) != 2 || !strings.HasPrefix(bodies[0], "text/plain; charset=UTF-8\n") || !strings.HasPrefix(bodies[1], "text/html; charset=UTF-8\n") {
		t.Fatalf("got parts %q, want plain text and HTML", bodies)
	}
	return m.Header, bodies[0], bodies[1]
}

func TestSendWithTLS(t *testing.T) {
	for name, test := range map[string]struct {
		url      string
		implicit bool
	}{
		"STARTTLS":     {"smtp://ann:p%%40ss@127.0.0.1:%d", false},
		"implicit TLS": {"smtps://ann:p%%40ss@127.0.0.1:%d", true},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t, func(s *server) { s.implicit, s.startTLS = test.implicit, !test.implicit })
			if err := sender(t, s, test.url).Send(t.Context(), verification); err != nil {
				t.Fatalf("Send: %v", err)
			}
			d := s.only(t)
			if !d.encrypted || d.user != ":ann:p@ss" {
				t.Errorf("got encrypted %t, user %q, want true and :ann:p@ss", d.encrypted, d.user)
			}
			if d.from != "FROM:<no-reply@acme.example>" || d.to != "TO:<ann@example.com>" {
				t.Errorf("got envelope %s %s", d.from, d.to)
			}
			head, text, html := parts(t, d.raw)
			for name, want := range map[string]string{
				"From": `"Acme" <no-reply@acme.example>`, "To": "<ann@example.com>", "Subject": "Confirm your email address",
				"Date": "Fri, 01 May 2026 12:00:00 +0000", "Auto-Submitted": "auto-generated", "User-Agent": "", "X-Mailer": "",
			} {
				if got := head.Get(name); got != want {
					t.Errorf("got %s %q, want %q", name, got, want)
				}
			}
			if id := head.Get("Message-Id"); !strings.HasSuffix(id, "@acme.example>") || len(id) < 30 {
				t.Errorf("got Message-ID %q, want a random one at acme.example", id)
			}
			if !strings.Contains(text, "\nhttps://app.example.com/verify_email/u/s3cret\r\n") || !strings.Contains(html, `href="https://app.example.com/verify_email/u/s3cret"`) {
				t.Errorf("the link is missing:\n%s\n%s", text, html)
			}
		})
	}
}

// TestTLSIsNotOptional: without encryption nothing is sent, whatever the server
// offers, unless it is on this machine and the URL says so.
func TestTLSIsNotOptional(t *testing.T) {
	s := newServer(t, func(s *server) { s.startTLS = false })
	if err := sender(t, s, "smtp://ann:pass@127.0.0.1:%d").Send(t.Context(), verification); err == nil {
		t.Error("Send without STARTTLS: got nil, want an error")
	}
	strict, err := mail.NewSMTP(fmt.Sprintf("smtp://127.0.0.1:%d", newServer(t, nil).port(t)), from, mail.Config{})
	if err != nil {
		t.Fatal(err)
	}
	if err := strict.Send(t.Context(), verification); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("Send to a server that nobody vouches for: got %v, want an error about the certificate", err)
	}
	if len(s.mail) != 0 {
		t.Errorf("mail was sent: %v", s.mail)
	}
	if err := sender(t, s, "smtp://127.0.0.1:%d?tls=none").Send(t.Context(), verification); err != nil {
		t.Errorf("Send with tls=none: %v", err)
	}
	if d := s.only(t); d.encrypted || d.user != "" {
		t.Errorf("got encrypted %t, user %q, want neither", d.encrypted, d.user)
	}
}

// TestRefusals: an error says the step and the code, and nothing secret that the
// server repeats.
func TestRefusals(t *testing.T) {
	for name, test := range map[string]struct{ verb, answer, want string }{
		"login":     {"AUTH", "535 no: ann p4ss s3cret ann@example.com", "answered 535"},
		"sender":    {"MAIL", "550 ann@example.com p4ss s3cret", "answered 550"},
		"recipient": {"RCPT", "452 <ann@example.com> p4ss s3cret", "answered 452"},
		"content":   {"DATA", "554 s3cret p4ss ann@example.com", "answered 554"},
		"hang-up":   {"RCPT", "", "RCPT"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t, func(s *server) { s.refuse[test.verb] = test.answer })
			err := sender(t, s, "smtp://ann:p4ss@127.0.0.1:%d").Send(t.Context(), verification)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Fatalf("Send: got %v, want an error with %q", err, test.want)
			}
			for _, secret := range []string{"p4ss", "s3cret", "ann@example.com"} {
				if strings.Contains(err.Error(), secret) {
					t.Errorf("the error %q has %q in it", err, secret)
				}
			}
			<-s.gone // the connection is not left behind
		})
	}
	s := newServer(t, func(s *server) { s.refuse["QUIT"] = "500 never" })
	if err := sender(t, s, "smtp://127.0.0.1:%d").Send(t.Context(), verification); err != nil {
		t.Errorf("Send to a server that takes the mail and then fails: got %v, want nil", err)
	}
	s.only(t)
}

// TestCancel: a server that does not answer holds nobody up.
func TestCancel(t *testing.T) {
	for _, verb := range []string{"CONNECT", "EHLO", "STARTTLS", "RCPT"} {
		t.Run(verb, func(t *testing.T) {
			s := newServer(t, func(s *server) { s.hang = verb })
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer cancel()
			err := sender(t, s, "smtp://127.0.0.1:%d").Send(ctx, verification)
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("Send: got %v, want %v", err, context.DeadlineExceeded)
			}
			<-s.gone
		})
	}
}

// TestHeadersCannotBeInjected: names and addresses with line ends add no line to
// the head of a mail, and no command to the conversation.
func TestHeadersCannotBeInjected(t *testing.T) {
	s := newServer(t, nil)
	m := verification
	m.To.Name = "Ann\r\nBcc: eve@example.com\r\n\r\n\u202efoo\x00\u2028bar"
	if err := sender(t, s, "smtp://127.0.0.1:%d").Send(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	head, text, html := parts(t, s.only(t).raw)
	if head.Get("Bcc") != "" || !strings.Contains(text, "\nHello Ann Bcc: eve@example.com foo bar,\r\n") || strings.Contains(html, "\u202e") {
		t.Errorf("the name is not on one line:\n%v\n%s", head, text)
	}
	for _, address := range []string{"ann@example.com\r\nRCPT TO:<eve@example.com>", "ann@example.com\nBcc: eve@example.com", "Ann <ann@example.com>",
		"ann@example.com, eve@example.com", "<ann@example.com>", "ann@[127.0.0.1]", "", "ann"} {
		m.To.Email = address
		err := sender(t, s, "smtp://127.0.0.1:%d").Send(t.Context(), m)
		if err == nil || strings.Contains(err.Error(), "eve") {
			t.Errorf("Send to %q: got %v, want an error without the address", address, err)
		}
	}
	s.only(t)
}

// TestInternationalDomain goes out in ASCII.
func TestInternationalDomain(t *testing.T) {
	s := newServer(t, nil)
	m := verification
	m.To.Email = "Ann@bücher.example"
	if err := sender(t, s, "smtp://127.0.0.1:%d").Send(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	if got := s.only(t).to; got != "TO:<Ann@xn--bcher-kva.example>" {
		t.Errorf("got recipient %s", got)
	}
}

func TestNewSMTPRefuses(t *testing.T) {
	for name, test := range map[string]struct{ url, from string }{
		"no scheme":        {"mail.example.com", from},
		"other scheme":     {"http://u:s3cret@mail.example.com", from},
		"no host":          {"smtp://:587", from},
		"path":             {"smtp://u:s3cret@mail.example.com/x", from},
		"port":             {"smtp://u:s3cret@mail.example.com:70000", from},
		"broken":           {"smtp://u:s3cret@mail.example.com:%zz", from},
		"remote plaintext": {"smtp://u:s3cret@mail.example.com?tls=none", from},
		"smtps plaintext":  {"smtps://127.0.0.1?tls=none", from},
		"parameter":        {"smtp://127.0.0.1?tls=maybe", from},
		"no sender":        {"smtp://127.0.0.1", ""},
		"bad sender":       {"smtp://127.0.0.1", "Acme <acme>"},
		"two senders":      {"smtp://127.0.0.1", "a@example.com, b@example.com"},
	} {
		if _, err := mail.NewSMTP(test.url, test.from, mail.Config{}); err == nil || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: got %v, want an error without the password", name, err)
		}
	}
	if _, err := mail.NewSMTP("smtp://127.0.0.1", from, mail.Config{Timeout: -1}); err == nil || !strings.Contains(err.Error(), "Timeout") {
		t.Errorf("negative timeout: got %v, want an error that names it", err)
	}
}
