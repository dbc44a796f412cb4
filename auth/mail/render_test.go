package mail_test

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"log/slog"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/auth/mail"
)

var ann = auth.Recipient{User: 7, Email: "ann@example.com", Name: "Ann"}

// messages has one of each type.
var messages = []struct {
	message auth.Message
	want    []string // in both bodies
}{
	{auth.TwoFactorEnabled{To: ann}, []string{"An authenticator was set up for your Acme account"}},
	{auth.TwoFactorDisabled{To: ann}, []string{"The authenticator of your Acme account was removed"}},
	{auth.BackupCodeUsed{To: ann, Remaining: 7}, []string{"signed in to your Acme account by a backup code. Codes that are left: 7."}},
	{auth.SecondFactorReset{To: ann}, []string{"removed the second factor of your Acme account"}},
	{auth.PasswordChanged{To: ann}, []string{"The password of your Acme account was changed"}},
	{verification, []string{"that ann@example.com is the address of your Acme account", "https://app.example.com/verify_email/u/s3cret"}},
	{auth.EmailChangeRequested{To: ann, New: "new@example.com"}, []string{"new@example.com is to become the address of your Acme account"}},
	{auth.EmailChanged{To: ann, Old: "ann@example.com", New: "new@example.com"}, []string{"was changed from ann@example.com to new@example.com"}},
	{auth.PasswordReset{To: ann, Token: "s3cret", Link: "https://app.example.com/reset/u/s3cret"},
		[]string{"a new password for your Acme account", "https://app.example.com/reset/u/s3cret"}},
}

func renderer(t *testing.T, service string) *mail.Renderer {
	t.Helper()
	r, err := mail.NewRenderer(service)
	if err != nil {
		t.Fatalf("NewRenderer: %v", err)
	}
	return r
}

func render(t *testing.T, r *mail.Renderer, m auth.Message) mail.Content {
	t.Helper()
	c, err := r.Render(m)
	if err != nil {
		t.Fatalf("Render(%T): %v", m, err)
	}
	return c
}

func TestRender(t *testing.T) {
	r := renderer(t, "Acme")
	for _, test := range messages {
		c := render(t, r, test.message)
		if c.Subject == "" || strings.ContainsAny(c.Subject, "\r\n") || !strings.Contains(c.HTML, "<title>"+c.Subject+"</title>") {
			t.Errorf("%T: got subject %q", test.message, c.Subject)
		}
		for _, want := range append(test.want, "Hello Ann,", "Acme") {
			if !strings.Contains(c.Text, want) || !strings.Contains(c.HTML, want) {
				t.Errorf("%T: %q is missing in\n%s\n%s", test.message, want, c.Text, c.HTML)
			}
		}
		if strings.Contains(c.Text+c.HTML, "[secret]") || strings.Contains(c.Text, "<") || strings.Contains(c.Text, "\n\n\n") {
			t.Errorf("%T: got\n%s", test.message, c.Text)
		}
	}
	if c := render(t, renderer(t, ""), auth.PasswordChanged{}); !strings.Contains(c.Text, "Hello,\n\nThe password of your account was") {
		t.Errorf("without names: got\n%s", c.Text)
	}
}

// TestEveryMessageIsRendered reads the types from the source of package auth.
func TestEveryMessageIsRendered(t *testing.T) {
	paths, err := filepath.Glob("../*.go")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no source: %v", err)
	}
	var types []string
	for _, path := range paths {
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Name.Name == "message" && fn.Recv != nil {
				types = append(types, fn.Recv.List[0].Type.(*ast.Ident).Name)
			}
		}
	}
	var tested []string
	for _, test := range messages {
		tested = append(tested, reflect.TypeOf(test.message).Name())
	}
	slices.Sort(types)
	slices.Sort(tested)
	if !slices.Equal(types, tested) {
		t.Errorf("messages of package auth: %v; rendered here: %v", types, tested)
	}
}

// TestUserInputIsEscaped: HTML in a name or an address stays text, and a link is
// never a script.
func TestUserInputIsEscaped(t *testing.T) {
	r := renderer(t, "Acme <b>")
	evil := auth.Recipient{Email: "<i>@example.com", Name: `<script>alert("x")</script>{{.Service}}`}
	for _, m := range []auth.Message{
		auth.EmailVerification{To: evil, Link: "javascript:alert(1)"}, auth.EmailChangeRequested{To: evil, New: `"><img src=x>`},
		auth.EmailChanged{To: evil, Old: "<i>", New: "<i>\r\n.\r\n"}, auth.PasswordReset{To: evil, Link: `https://x/"><script>`},
	} {
		c := render(t, r, m)
		for _, bad := range []string{"<script", "<i>", "<img", "<b>", `href="javascript:`} {
			if strings.Contains(c.HTML, bad) {
				t.Errorf("%T: the HTML has %s in it:\n%s", m, bad, c.HTML)
			}
		}
		if strings.Contains(c.Text, "\r") || strings.Contains(c.Text, "\n.\n") {
			t.Errorf("%T: a line was added:\n%q", m, c.Text)
		}
		if !strings.Contains(c.Text, "{{.Service}}") {
			t.Errorf("%T: the name was run as a template:\n%s", m, c.Text)
		}
	}
}

func TestLog(t *testing.T) {
	var out bytes.Buffer
	l := mail.NewLog(slog.New(slog.NewJSONHandler(&out, nil)))
	for _, test := range messages {
		out.Reset()
		if err := l.Send(t.Context(), test.message); err != nil {
			t.Fatalf("Send: %v", err)
		}
		_, linked := test.message.(auth.EmailVerification)
		_, reset := test.message.(auth.PasswordReset)
		got := out.String()
		if !strings.Contains(got, `"kind":"`+auth.Kind(test.message)+`","user":7`) || strings.Contains(got, "s3cret") != (linked || reset) {
			t.Errorf("%T: got %s", test.message, got)
		}
		if strings.Contains(got, "ann@") || !strings.Contains(got, "for development only") {
			t.Errorf("%T: got %s", test.message, got)
		}
	}
}
