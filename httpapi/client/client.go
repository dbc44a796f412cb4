package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"time"

	"github.com/hedgerow-dev/hedgerow/users"
)

// Me stands for the caller where an operation takes a user.
const Me = "@me"

// Config adjusts a Client. The zero value has no credential, signs in by Login
// and is right for production.
type Config struct {
	// APIKey is a personal API key or an OAuth access token, which every request
	// carries. Empty means a session.
	APIKey users.Secret
	// Session is the cookie of a session to begin with. Without it, Login and the
	// other ways to sign in start one. It does not go with APIKey.
	Session *http.Cookie
	// HTTPClient sends the requests. Nil means one that gives a request 30 seconds.
	// The Client uses a copy that follows no redirect, so that a credential goes to
	// the base URL alone; without a Jar, the copy has one of its own.
	HTTPClient *http.Client
	// Tries is how often a request is sent at most. Zero means 4, and 1 means that
	// nothing is repeated.
	Tries int
	// MaxWait is how long a call waits between its tries, all together. If
	// Retry-After asks for more, the error is returned at once. Zero means 30 seconds.
	MaxWait time.Duration
}

const (
	defaultTimeout = 30 * time.Second
	defaultTries   = 4
	defaultMaxWait = 30 * time.Second
)

// Client calls the API at one place with one credential. It is safe for concurrent
// use.
type Client struct {
	base   string // without a slash at the end
	config Config
	http   http.Client
}

// New returns a client of the API at a base URL, such as
// "https://app.example.com" or, for one with a base path,
// "https://app.example.com/accounts". It connects to nothing. The error names what
// is wrong.
func New(baseURL string, config Config) (*Client, error) {
	base, err := url.Parse(baseURL)
	if err != nil || base.Scheme != "http" && base.Scheme != "https" || base.Host == "" || base.User != nil || base.RawQuery != "" || base.Fragment != "" {
		return nil, errors.New("client: the base URL must be like https://app.example.com")
	}
	if config.APIKey != "" && config.Session != nil {
		return nil, errors.New("client config: APIKey and Session exclude each other")
	}
	if strings.ContainsAny(string(config.APIKey), " \t\r\n") {
		return nil, errors.New("client config: APIKey holds white space")
	}
	if config.Tries < 0 || config.MaxWait < 0 {
		return nil, errors.New("client config: Tries and MaxWait must not be negative")
	}
	if config.Tries == 0 {
		config.Tries = defaultTries
	}
	if config.MaxWait == 0 {
		config.MaxWait = defaultMaxWait
	}
	c := &Client{base: strings.TrimSuffix(base.String(), "/"), config: config, http: http.Client{Timeout: defaultTimeout}}
	if config.HTTPClient != nil {
		c.http = *config.HTTPClient
	}
	c.http.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	if c.http.Jar == nil && config.APIKey == "" {
		if c.http.Jar, err = cookiejar.New(nil); err != nil {
			return nil, fmt.Errorf("client: %w", err)
		}
	}
	if config.Session != nil {
		c.http.Jar.SetCookies(base, []*http.Cookie{config.Session})
	}
	return c, nil
}

// Option adjusts one call.
type Option func(*operation)

// ReadHeader stores the header of a successful answer in h, for its ETag, say.
func ReadHeader(h *http.Header) Option { return func(r *operation) { r.readHeader = h } }

// operation is one of the document, and what a call of it sends.
type operation struct {
	name, method string
	path         string // with parameters in braces
	values       []any  // of these, in their order
	success      int    // the status
	params       url.Values
	header       http.Header
	body         any
	hasBody      bool
	readHeader   *http.Header
}

func (r *operation) query(name string, value any) {
	if r.params == nil {
		r.params = url.Values{}
	}
	r.params.Set(name, fmt.Sprint(value))
}

func (r *operation) set(name, value string) {
	if r.header == nil {
		r.header = http.Header{}
	}
	r.header.Set(name, value)
}

// call calls an operation and decodes the body of the answer; there is none if
// answer is nil.
func (c *Client) call(ctx context.Context, r operation, answer any, options []Option) error {
	for _, o := range options {
		o(&r)
	}
	err := c.send(ctx, r, answer)
	if err != nil {
		return fmt.Errorf("%s: %w", r.name, err)
	}
	return nil
}

func (c *Client) send(ctx context.Context, r operation, answer any) error {
	target, err := c.target(r)
	if err != nil {
		return err
	}
	var body []byte
	if r.hasBody {
		if body, err = json.Marshal(r.body); err != nil {
			return fmt.Errorf("encode body: %w", err)
		}
	}
	return c.retry(ctx, r.method, func() error {
		req, err := http.NewRequestWithContext(ctx, r.method, target, bytes.NewReader(body))
		if err != nil {
			return err
		}
		if r.header != nil {
			req.Header = r.header.Clone()
		}
		req.Header.Set("Accept", "application/json")
		if r.hasBody {
			req.Header.Set("Content-Type", "application/json")
		}
		if c.config.APIKey != "" {
			req.Header.Set("Authorization", "Bearer "+string(c.config.APIKey))
		}
		return c.once(r, req, answer)
	})
}

// target is the URL of a call.
func (c *Client) target(r operation) (string, error) {
	u := strings.Builder{}
	u.WriteString(c.base)
	rest := r.path
	for _, value := range r.values {
		before, after, _ := strings.Cut(rest, "{")
		name, after, _ := strings.Cut(after, "}")
		segment := fmt.Sprint(value)
		if segment == "" || segment == "." || segment == ".." {
			return "", fmt.Errorf("the parameter %s must not be %q", name, segment) // it would be another path
		}
		u.WriteString(before)
		u.WriteString(url.PathEscape(segment))
		rest = after
	}
	u.WriteString(rest)
	if len(r.params) > 0 {
		u.WriteString("?" + r.params.Encode())
	}
	return u.String(), nil
}
