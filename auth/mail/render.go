package mail

import (
	"embed"
	"fmt"
	htmltemplate "html/template"
	"strings"
	"text/template"
	"unicode"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/users"
)

// Content is a mail ready to be sent. Subject is one line without anything that
// a user chose.
type Content struct {
	Subject string
	Text    string // lines end with "\n"
	HTML    string // a whole document
}

//go:embed templates
var files embed.FS

// Renderer turns messages into mails. It is safe for concurrent use.
type Renderer struct {
	service string
	text    *template.Template
	html    *htmltemplate.Template
}

// NewRenderer returns a Renderer for the service of this name, which mails tell
// their reader. "" leaves it out.
func NewRenderer(service string) (*Renderer, error) {
	funcs := map[string]any{"line": line, "reveal": reveal}
	text, err := template.New("").Funcs(funcs).ParseFS(files, "templates/*.txt")
	if err != nil {
		return nil, fmt.Errorf("mail templates: %w", err)
	}
	html, err := htmltemplate.New("").Funcs(funcs).ParseFS(files, "templates/*.html")
	if err != nil {
		return nil, fmt.Errorf("mail templates: %w", err)
	}
	return &Renderer{service: line(service), text: text, html: html}, nil
}

// view is what a template sees.
type view struct {
	Service string
	Name    string
	Message auth.Message
}

// Render returns the mail for a message. An error means that there is no
// template for a message of this type.
func (r *Renderer) Render(m auth.Message) (Content, error) {
	kind := auth.Kind(m)
	v := view{Service: r.service, Name: line(m.Recipient().Name), Message: m}
	var text, html strings.Builder
	if err := r.text.ExecuteTemplate(&text, kind+".txt", v); err != nil {
		return Content{}, fmt.Errorf("render mail: %w", err)
	}
	if err := r.html.ExecuteTemplate(&html, kind+".html", v); err != nil {
		return Content{}, fmt.Errorf("render mail: %w", err)
	}
	subject, body, _ := strings.Cut(text.String(), "\n")
	return Content{Subject: line(strings.TrimPrefix(subject, "Subject: ")), Text: strings.TrimSpace(body) + "\n", HTML: html.String()}, nil
}

// line puts text that a user chose on one line of plain text: what begins a new
// one, or turns the direction of writing, becomes a space. It is cut to the
// length of a name.
func line(s string) string {
	runes := []rune(strings.ToValidUTF8(s, " "))
	for i, r := range runes {
		if unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp) {
			runes[i] = ' '
		}
	}
	return strings.Join(strings.Fields(string(runes[:min(len(runes), users.MaxEmail)])), " ")
}

// reveal is the one place where a secret is written out.
func reveal(s users.Secret) string { return string(s) }
