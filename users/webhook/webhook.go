// Package webhook sends the activity log to an URL, each event as a POST that is
// signed in the manner of Standard Webhooks (standardwebhooks.com), and checks
// such signatures for receivers.
package webhook

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/hedgerow-dev/hedgerow/users"
)

// The headers of a delivery.
const (
	IDHeader        = "Webhook-Id"        // the same each time that an event is sent
	TimestampHeader = "Webhook-Timestamp" // of this time, in seconds since 1970
	SignatureHeader = "Webhook-Signature" // "v1," and base64, for each secret, separated by blanks
)

const (
	defaultTimeout = 10 * time.Second
	maxTimeout     = 30 * time.Second
	maxAnswer      = 64 << 10 // bytes of an answer that are read, so that the connection can be kept
)

// Config adjusts a Sender. URL and Secrets are required.
type Config struct {
	// URL that takes events. It is https; plain http only on a loopback address.
	URL string
	// Secrets sign: each signs every delivery, so that one can be replaced. A
	// secret is "whsec_" and base64 of 24 to 64 random bytes.
	Secrets []users.Secret
	// Timeout of one delivery. Zero means 10 seconds; more than 30 are refused.
	Timeout time.Duration
	// Transport sends. Nil means one of the Sender's own, without proxy.
	Transport http.RoundTripper
	// Now reads the clock. Nil means time.Now.
	Now func() time.Time
}

// Sender posts events to one URL. It is safe for concurrent use.
type Sender struct {
	url    string
	keys   [][]byte
	client http.Client
	now    func() time.Time
}

// New returns a Sender. The error names the field of config that is wrong.
func New(config Config) (*Sender, error) {
	u, err := url.Parse(config.URL)
	if err != nil || u.Host == "" || u.Fragment != "" || u.Scheme != "https" && (u.Scheme != "http" || !loopback(u.Hostname())) {
		// Not the URL itself: it may hold a password.
		return nil, errors.New("webhook: URL must be https, or http on a loopback address")
	}
	keys, err := keysOf(config.Secrets)
	if err != nil {
		return nil, fmt.Errorf("webhook: Secrets: %w", err)
	}
	if config.Timeout == 0 {
		config.Timeout = defaultTimeout
	}
	if config.Timeout < 0 || config.Timeout > maxTimeout {
		return nil, errors.New("webhook: Timeout must be from 0 to 30 seconds")
	}
	if config.Transport == nil {
		config.Transport = &http.Transport{TLSHandshakeTimeout: config.Timeout, ResponseHeaderTimeout: config.Timeout, IdleConnTimeout: 90 * time.Second,
			MaxResponseHeaderBytes: maxAnswer, DisableCompression: true}
	}
	if config.Now == nil {
		config.Now = time.Now
	}
	client := http.Client{Transport: config.Transport, Timeout: config.Timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return &Sender{config.URL, keys, client, config.Now}, nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// Message is the body of a delivery, in JSON.
type Message struct {
	Type      string    `json:"type"`      // users.Event.Action
	Timestamp time.Time `json:"timestamp"` // when it happened
	Data      Data      `json:"data"`
}

// Data is who did what to whom, and the names of what changed: never values.
type Data struct {
	ID         int64    `json:"id"` // ascending
	User       users.ID `json:"user"`
	Actor      users.ID `json:"actor"` // 0 is the host or nobody
	Credential string   `json:"credential"`
	Fields     []string `json:"fields"`
}

// Send delivers one event: it is what users.FeedConfig.Deliver takes. Any status
// but 2xx is an error, redirects included; no error holds the URL.
func (s *Sender) Send(ctx context.Context, e users.Event) error {
	body, err := json.Marshal(Message{Type: e.Action, Timestamp: e.At, Data: Data{ID: e.ID, User: e.Target, Actor: e.Actor, Credential: string(e.Credential),
		Fields: append([]string{}, e.Fields...)}})
	if err != nil {
		return fmt.Errorf("write event: %w", err)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url, bytes.NewReader(body))
	if err != nil {
		return errors.New("webhook: the URL makes no request")
	}
	id, at := "evt_"+strconv.FormatInt(e.ID, 10), s.now()
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("User-Agent", "hedgerow")
	r.Header.Set(IDHeader, id)
	r.Header.Set(TimestampHeader, strconv.FormatInt(at.Unix(), 10))
	r.Header.Set(SignatureHeader, sign(s.keys, id, at, body))
	res, err := s.client.Do(r)
	if err != nil {
		if wrapped := new(url.Error); errors.As(err, &wrapped) {
			err = wrapped.Err // without the URL
		}
		return fmt.Errorf("send webhook: %w", err)
	}
	defer res.Body.Close()
	if res.StatusCode < 200 || res.StatusCode > 299 {
		return fmt.Errorf("send webhook: status %d", res.StatusCode)
	}
	// Whoever says 2xx has the event, even if the rest of the answer is lost.
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, maxAnswer))
	return nil
}
