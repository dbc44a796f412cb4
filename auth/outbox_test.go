package auth_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/storage/memory"
	"github.com/hedgerow-dev/hedgerow/users"
)

// post is a Mailer that does as a test says.
type post struct {
	send func(ctx context.Context) error

	mu   sync.Mutex
	sent int
	last string // address of the last mail
}

func (p *post) Send(ctx context.Context, m auth.Message) error {
	p.mu.Lock()
	p.sent++
	p.last = m.Recipient().Email
	p.mu.Unlock()
	return p.send(ctx)
}

// withPost returns a service on it with Ann and sixty others as users, and its log.
func withPost(t *testing.T, p *post) (*auth.Service, *bytes.Buffer) {
	t.Helper()
	store, log := memory.New(), &bytes.Buffer{}
	accounts := users.NewService(store, users.Config{MailConfigured: true})
	s, err := auth.NewService(store, accounts, auth.Config{
		Mailer: p, VerifyEmailURL: "https://app.example.com/verify", PasswordResetURL: "https://app.example.com/reset/",
		PasswordResets: auth.Rate{Max: -1}, Logger: slog.New(slog.NewTextHandler(log, nil)),
	})
	if err != nil {
		t.Fatalf("NewService: %v", err)
	}
	for i := range 61 {
		u := users.New()
		if u.Email = "ann@example.com"; i > 0 {
			u.Email = fmt.Sprintf("user%d@example.com", i)
		}
		if _, err := s.CreateUser(t.Context(), u, ""); err != nil {
			t.Fatalf("CreateUser: %v", err)
		}
	}
	return s, log
}

func ask(t *testing.T, s *auth.Service, email string) {
	t.Helper()
	if err := s.RequestPasswordReset(t.Context(), users.Set(email)); err != nil {
		t.Fatalf("RequestPasswordReset: %v", err)
	}
}

func flush(t *testing.T, s *auth.Service) {
	t.Helper()
	if err := s.Flush(t.Context()); err != nil {
		t.Fatalf("Flush: %v", err)
	}
}

// TestMailDelaysNobody: a mail server that stands still costs neither time nor
// any amount of memory.
func TestMailDelaysNobody(t *testing.T) {
	stuck := make(chan struct{})
	p := &post{send: func(ctx context.Context) error {
		if _, limited := ctx.Deadline(); !limited {
			t.Error("a mail may take for ever")
		}
		<-stuck
		return nil
	}}
	s, log := withPost(t, p)
	for i := range 1100 {
		ask(t, s, fmt.Sprintf("user%d@example.com", 1+i%60))
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Flush(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Flush with mail that waits: got %v, want %v", err, context.Canceled)
	}
	close(stuck)
	flush(t, s)
	// One was being sent while a thousand waited.
	if p.sent < 1000 || p.sent > 1001 {
		t.Errorf("got %d mails, want 1000 or 1001", p.sent)
	}
	if got := strings.Count(log.String(), "mail is dropped"); got != 1100-p.sent {
		t.Errorf("got %d lines about dropped mail, want %d", got, 1100-p.sent)
	}
	ask(t, s, "ann@example.com")
	flush(t, s)
	if p.sent < 1001 {
		t.Error("nothing is sent after the queue was full")
	}
}

// TestMailOfOneLeavesRoom: whoever asks for mail to one user again and again keeps
// none from the others.
func TestMailOfOneLeavesRoom(t *testing.T) {
	stuck := make(chan struct{})
	p := &post{send: func(context.Context) error {
		<-stuck
		return nil
	}}
	s, log := withPost(t, p)
	for range 1100 {
		ask(t, s, "ann@example.com")
	}
	ask(t, s, "user1@example.com")
	close(stuck)
	flush(t, s)
	// One of Ann's was being sent while twenty waited.
	if p.sent < 21 || p.sent > 22 || p.last != "user1@example.com" {
		t.Errorf("got %d mails, the last to %s; want 21 or 22, the last to user1@example.com", p.sent, p.last)
	}
	if got := strings.Count(log.String(), "mail is dropped"); got != 1101-p.sent {
		t.Errorf("got %d lines about dropped mail, want %d", got, 1101-p.sent)
	}
}

// TestMailThatFails is logged without an address, and stops no other.
func TestMailThatFails(t *testing.T) {
	fail := true
	p := &post{send: func(context.Context) error {
		if fail {
			fail = false
			return errors.New("server on fire")
		}
		panic("ann@example.com")
	}}
	s, log := withPost(t, p)
	for range 3 {
		ask(t, s, "ann@example.com")
	}
	flush(t, s)
	if p.sent != 3 {
		t.Errorf("got %d attempts, want 3", p.sent)
	}
	got := log.String()
	if strings.Count(got, "server on fire") != 1 || strings.Count(got, `msg="panic in mail"`) != 2 || strings.Contains(got, "ann@") {
		t.Errorf("got log %s", got)
	}
}

func TestMailConfigIsChecked(t *testing.T) {
	p := &post{}
	page := "https://app.example.com/x"
	for name, test := range map[string]struct {
		accounts users.Config
		config   auth.Config
	}{
		"VerifyEmailURL":        {users.Config{MailConfigured: true}, auth.Config{Mailer: p, PasswordResetURL: page}},
		"PasswordResetURL":      {users.Config{MailConfigured: true}, auth.Config{Mailer: p, VerifyEmailURL: page, PasswordResetURL: "/reset"}},
		"MailConfigured":        {users.Config{}, auth.Config{Mailer: p, VerifyEmailURL: page, PasswordResetURL: page}},
		"Mailer":                {users.Config{MailConfigured: true}, auth.Config{}},
		"VerificationMails.Per": {users.Config{}, auth.Config{VerificationMails: auth.Rate{Max: 1}}},
		"PasswordResets.Per":    {users.Config{}, auth.Config{PasswordResets: auth.Rate{Max: 1}}},
	} {
		store := memory.New()
		if _, err := auth.NewService(store, users.NewService(store, test.accounts), test.config); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: got error %v, want one that names it", name, err)
		}
	}
}

func TestKind(t *testing.T) {
	if got := auth.Kind(auth.EmailChangeRequested{}); got != "email_change_requested" {
		t.Errorf("Kind: got %q, want email_change_requested", got)
	}
}
