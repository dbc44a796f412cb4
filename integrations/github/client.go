package github

import (
	"crypto/rsa"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/hedgerow-dev/hedgerow/integrations"
	"github.com/hedgerow-dev/hedgerow/users"
)

// Config says which App we are and where GitHub is. Everything is optional: what
// needs a setting that is not there fails with integrations.NotConfigured. The
// zero Config is github.com without an App.
type Config struct {
	// ClientID of the App: issuer of its JWT and OAuth client.
	ClientID string
	// ClientSecret is for code exchange and refresh.
	ClientSecret users.Secret
	// PrivateKey of the App in PEM, PKCS#1 or PKCS#8. Literal \n stand for newlines,
	// and blanks around it are trimmed (contract section 17).
	PrivateKey users.Secret
	// Slug of the App, for its install page.
	Slug string
	// APIURL is the base of the REST routes. "" means https://api.github.com; an
	// Enterprise server has a path, as in https://github.example.com/api/v3. Plain
	// http is accepted for loopback addresses only.
	APIURL string
	// WebURL is the base of the pages and the token route. "" means
	// https://github.com.
	WebURL string
	// Transport sends the requests. Nil means one of the client's own, without
	// proxy, that closes idle connections after 90 seconds.
	Transport http.RoundTripper
	// Timeout of one call, its body included. Zero means 10 seconds, and it may not
	// be longer (contract section 13) or negative.
	Timeout time.Duration
	// Now reads the clock. Nil means time.Now.
	Now func() time.Time
}

const (
	defaultAPI = "https://api.github.com"
	defaultWeb = "https://github.com"
	// maxTimeout, maxBody and maxPages are the limits of security requirement R53.
	maxTimeout = 10 * time.Second
	maxBody    = 5 << 20
	maxPages   = 100
	// maxHeader is enough for any answer of GitHub, a Link of four addresses
	// included.
	maxHeader = 64 << 10
)

// Client talks to GitHub. It is safe for concurrent use and keeps no token.
type Client struct {
	config   Config
	key      *rsa.PrivateKey // nil if not configured
	api, web *url.URL
	http     *http.Client
}

var _ integrations.Provider = (*Client)(nil)

// New returns a client. The error names the field of config that is wrong and
// does not show its value.
func New(config Config) (*Client, error) {
	c := &Client{config: config}
	var err error
	if c.api, err = base(config.APIURL, defaultAPI); err != nil {
		return nil, fmt.Errorf("github config: APIURL: %w", err)
	}
	if c.web, err = base(config.WebURL, defaultWeb); err != nil {
		return nil, fmt.Errorf("github config: WebURL: %w", err)
	}
	if c.key, err = privateKey(string(config.PrivateKey)); err != nil {
		return nil, fmt.Errorf("github config: PrivateKey: %w", err)
	}
	if config.Timeout < 0 || config.Timeout > maxTimeout {
		return nil, fmt.Errorf("github config: Timeout: want 0 to %s, got %s", maxTimeout, config.Timeout)
	}
	if config.Timeout == 0 {
		c.config.Timeout = maxTimeout
	}
	if config.Now == nil {
		c.config.Now = time.Now
	}
	if config.Transport == nil {
		config.Transport = transport()
	}
	c.http = &http.Client{Transport: identify{config.Transport}, Timeout: c.config.Timeout, CheckRedirect: c.checkRedirect}
	return c, nil
}

// transport is like http.DefaultTransport, but reads no proxy from the
// environment and takes less from the other side.
func transport() *http.Transport {
	return &http.Transport{
		DialContext:            (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
		TLSHandshakeTimeout:    5 * time.Second,
		ForceAttemptHTTP2:      true,
		MaxIdleConnsPerHost:    8,
		IdleConnTimeout:        90 * time.Second,
		MaxResponseHeaderBytes: maxHeader,
	}
}

// base parses a base URL without a slash at its end.
func base(text, otherwise string) (*url.URL, error) {
	if text == "" {
		text = otherwise
	}
	u, err := url.Parse(strings.TrimRight(text, "/"))
	if err != nil {
		return nil, errors.New("not a URL") // the cause would show the text
	}
	if u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, errors.New("want scheme, host and path only")
	}
	if u.Scheme != "https" && (u.Scheme != "http" || !loopback(u.Hostname())) {
		return nil, errors.New("want https, or http on a loopback address")
	}
	return u, nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// privateKey reads the PEM, or returns nil if there is none.
func privateKey(text string) (*rsa.PrivateKey, error) {
	text = strings.TrimSpace(strings.ReplaceAll(text, `\n`, "\n"))
	if text == "" {
		return nil, nil
	}
	key, err := jwt.ParseRSAPrivateKeyFromPEM([]byte(text))
	if err != nil {
		return nil, errors.New("not an RSA private key in PEM")
	}
	return key, nil
}
