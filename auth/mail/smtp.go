package mail

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	netmail "net/mail"
	"net/textproto"
	"net/url"
	"strconv"
	"strings"
	"time"

	gomail "github.com/wneessen/go-mail"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/users"
)

// Config adjusts an SMTP sender. The zero value is right for production.
type Config struct {
	// RootCAs vouch for the mail server. Nil means those of the system.
	RootCAs *x509.CertPool
	// Timeout of one mail, connection included. Zero means 20 seconds.
	Timeout time.Duration
	// Now reads the clock for the Date of a mail. Nil means time.Now.
	Now func() time.Time
	// Rand is the source of Message-IDs. Nil means crypto/rand.
	Rand io.Reader
}

const (
	submissionPort  = 587 // RFC 6409 §3.1: STARTTLS
	submissionsPort = 465 // RFC 8314 §7.3: TLS from the start
	defaultTimeout  = 20 * time.Second
	messageIDBytes  = 16
)

// SMTP sends mail through a mail server, by a connection of its own for each. It
// is safe for concurrent use.
type SMTP struct {
	config   Config
	renderer *Renderer
	from     netmail.Address
	domain   string // of from

	host     string
	port     int
	implicit bool // TLS from the start
	plain    bool // no TLS at all
	user     string
	password users.Secret
}

// NewSMTP returns a sender for a server such as "smtp://user:password@host:587",
// which must offer STARTTLS, or "smtps://user:password@host:465". The port may be
// left out, and so may user and password. For a server on this machine,
// "smtp://127.0.0.1:1025?tls=none" does without TLS. from is the address that
// mail comes from, such as "Acme <no-reply@acme.example>"; its name is what mails
// call the service. It connects to nothing. Errors do not show the URL, which
// has a password in it.
func NewSMTP(server, from string, config Config) (*SMTP, error) {
	s := &SMTP{config: config}
	if err := s.parseServer(server); err != nil {
		return nil, fmt.Errorf("SMTP server: %w", err)
	}
	address, err := netmail.ParseAddress(from)
	if err != nil || !users.ValidEmail(address.Address) {
		return nil, errors.New("SMTP sender: from must be an address such as Acme <no-reply@acme.example>")
	}
	s.from = netmail.Address{Name: line(address.Name), Address: canonical(address.Address)}
	s.domain = users.EmailDomain(s.from.Address)
	if config.Timeout < 0 {
		return nil, errors.New("SMTP sender: field Timeout must be positive")
	}
	if config.Timeout == 0 {
		s.config.Timeout = defaultTimeout
	}
	if config.Now == nil {
		s.config.Now = time.Now
	}
	if config.Rand == nil {
		s.config.Rand = rand.Reader
	}
	s.renderer, err = NewRenderer(s.from.Name)
	return s, err
}

func (s *SMTP) parseServer(server string) error {
	u, err := url.Parse(server)
	if err != nil || u.Hostname() == "" || strings.Trim(u.Path, "/") != "" || u.Fragment != "" {
		return errors.New("want smtp://user:password@host:port or smtps://user:password@host:port")
	}
	s.host = u.Hostname()
	s.user = u.User.Username()
	password, _ := u.User.Password()
	s.password = users.Secret(password)
	switch u.Scheme {
	case "smtp":
		s.port = submissionPort
	case "smtps":
		s.port, s.implicit = submissionsPort, true
	default:
		return errors.New("the scheme must be smtp or smtps")
	}
	if u.Port() != "" {
		if s.port, err = strconv.Atoi(u.Port()); err != nil || s.port < 1 || s.port > 65535 {
			return errors.New("the port must be from 1 to 65535")
		}
	}
	switch {
	case u.RawQuery == "":
	case u.RawQuery != "tls=none" || s.implicit:
		return errors.New("the only parameter is tls=none, of smtp")
	case !loopback(s.host):
		return errors.New("tls=none is for servers on this machine")
	default:
		s.plain = true
	}
	return nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// canonical writes the domain of an address in ASCII, so that any server takes
// it.
func canonical(address string) string {
	local, _, _ := strings.Cut(address, "@")
	return local + "@" + users.EmailDomain(address)
}

// Send renders and delivers m. The context ends it at any point. Errors name the
// step and the server's code, never an address, a password or what the mail says.
func (s *SMTP) Send(ctx context.Context, m auth.Message) error {
	msg, err := s.compose(m)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, s.config.Timeout)
	defer cancel()
	if err := s.transmit(ctx, msg); err != nil {
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return fmt.Errorf("send mail by SMTP: %w", err)
	}
	return nil
}

// compose makes the mail. The name of the recipient stays out of its head.
func (s *SMTP) compose(m auth.Message) (*gomail.Msg, error) {
	to := m.Recipient().Email
	if !users.ValidEmail(to) {
		return nil, errors.New("compose mail: the recipient has no valid address")
	}
	content, err := s.renderer.Render(m)
	if err != nil {
		return nil, err
	}
	id, err := users.RandomText(s.config.Rand, messageIDBytes)
	if err != nil {
		return nil, fmt.Errorf("compose mail: %w", err)
	}
	msg := gomail.NewMsg(gomail.WithNoDefaultUserAgent())
	msg.FromMailAddress(&s.from)
	if err := msg.To(canonical(to)); err != nil {
		return nil, errors.New("compose mail: the recipient's address is refused")
	}
	msg.Subject(content.Subject)
	msg.SetDateWithValue(s.config.Now())
	msg.SetMessageIDWithValue(id + "@" + s.domain)
	msg.SetGenHeader("Auto-Submitted", "auto-generated") // RFC 3834 §5: no robot shall answer
	msg.SetBodyString(gomail.TypeTextPlain, content.Text)
	msg.AddAlternativeString(gomail.TypeTextHTML, content.HTML)
	return msg, nil
}

// transmit makes a client for one mail: the library's is not made for sharing.
func (s *SMTP) transmit(ctx context.Context, msg *gomail.Msg) error {
	end := func() bool { return true }
	dial := func(_ context.Context, network, address string) (net.Conn, error) {
		conn, err := s.dial(ctx, network, address)
		if err == nil {
			// The library waits by deadlines of its own, so it is ended by closing.
			end = context.AfterFunc(ctx, func() { _ = conn.Close() })
		}
		return conn, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // closes what is still open
	client, err := gomail.NewClient(s.host, s.options(dial)...)
	if err != nil {
		return describe(err)
	}
	session, err := client.DialToSMTPClientWithContext(ctx)
	if err != nil {
		return describe(err)
	}
	if err := client.SendWithSMTPClient(session, msg); err != nil && !msg.IsDelivered() {
		return describe(err)
	}
	// The server has the mail; how the conversation ends changes nothing.
	if client.CloseWithSMTPClient(session) == nil {
		end()
	}
	return nil
}

func (s *SMTP) dial(ctx context.Context, network, address string) (net.Conn, error) {
	if s.implicit {
		d := tls.Dialer{Config: s.tlsConfig()}
		return d.DialContext(ctx, network, address)
	}
	var d net.Dialer
	return d.DialContext(ctx, network, address)
}

func (s *SMTP) tlsConfig() *tls.Config {
	return &tls.Config{ServerName: s.host, MinVersion: tls.VersionTLS12, RootCAs: s.config.RootCAs}
}

func (s *SMTP) options(dial gomail.DialContextFunc) []gomail.Option {
	options := []gomail.Option{
		gomail.WithPort(s.port), gomail.WithTimeout(s.config.Timeout), gomail.WithHELO(s.domain), gomail.WithTLSConfig(s.tlsConfig()),
		gomail.WithTLSPolicy(gomail.TLSMandatory), gomail.WithDialContextFunc(dial), gomail.WithoutNoop(), gomail.WithoutRset(),
	}
	if s.implicit {
		options = append(options, gomail.WithSSL())
	}
	if s.plain {
		options = append(options, gomail.WithTLSPolicy(gomail.NoTLS))
	}
	if s.user != "" {
		options = append(options, gomail.WithUsername(s.user), gomail.WithPassword(string(s.password)),
			gomail.WithOpportunisticSMTPAuth(gomail.SMTPAuthSCRAMSHA256, gomail.SMTPAuthPlain, gomail.SMTPAuthLogin))
	}
	return options
}

// describe drops what a server may have put into its answer: addresses, or what
// it was sent.
func describe(err error) error {
	var send *gomail.SendError
	var answer *textproto.Error
	switch {
	case errors.As(err, &send) && send.ErrorCode() != 0:
		return fmt.Errorf("%s: the server answered %d", send.Reason, send.ErrorCode())
	case errors.As(err, &send):
		return errors.New(send.Reason.String())
	case errors.As(err, &answer):
		return fmt.Errorf("open the session: the server answered %d", answer.Code)
	}
	return fmt.Errorf("open the session: %w", err)
}
