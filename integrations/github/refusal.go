package github

import (
	"bytes"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/hedgerow-dev/hedgerow/integrations"
)

const (
	// defaultWait is what to wait after a rate limit without any hint, and maxWait
	// the longest hint that is believed: GitHub's limits are by the hour.
	defaultWait = time.Minute
	maxWait     = 24 * time.Hour
)

// refusal classifies an answer of a status that was not asked for.
func (c *Client) refusal(call string, a response) error {
	f := &integrations.Failure{Kind: integrations.Unexpected, Call: call, Status: a.status}
	switch {
	case a.limited():
		f.Kind, f.RetryAfter = integrations.RateLimited, a.wait(c.config.Now())
	case a.status == http.StatusUnauthorized:
		f.Kind = integrations.Unauthorized
	case a.status == http.StatusForbidden && a.says("suspended"):
		f.Kind = integrations.Suspended
	case a.status == http.StatusForbidden:
		f.Kind = integrations.Forbidden
	case a.status == http.StatusNotFound:
		f.Kind = integrations.Missing
	case a.status/100 != 3 && !jsontext.Value(a.body).IsValid(lenient):
		f.Kind = integrations.Unreachable // who knows who wrote this
	}
	return f
}

// says looks for a lower-case text in the body, in any letter case.
func (a response) says(text string) bool {
	return bytes.Contains(bytes.ToLower(a.body), []byte(text))
}

// limited detects a rate limit (contract section 15).
func (a response) limited() bool {
	switch a.status {
	case http.StatusTooManyRequests:
		return true
	case http.StatusForbidden:
		return !a.says("suspended") && (a.header.Get("Retry-After") != "" || a.header.Get("X-RateLimit-Remaining") == "0" ||
			a.says("rate limit") || a.says("abuse detection"))
	}
	return false
}

// wait is how long a rate limit lasts: by Retry-After, else by
// x-ratelimit-reset, else a minute (contract section 13).
func (a response) wait(now time.Time) time.Duration {
	retry := strings.TrimSpace(a.header.Get("Retry-After"))
	if seconds, err := strconv.ParseInt(retry, 10, 64); err == nil && seconds >= 0 {
		return bounded(seconds)
	}
	if at, err := http.ParseTime(retry); err == nil {
		return bounded(at.Unix() - now.Unix())
	}
	if reset, err := strconv.ParseInt(a.header.Get("X-RateLimit-Reset"), 10, 64); err == nil && reset > 0 {
		return bounded(reset - now.Unix())
	}
	return defaultWait
}

// bounded turns seconds into a wait of at least one second and at most maxWait.
func bounded(seconds int64) time.Duration {
	return time.Duration(min(max(seconds, 1), int64(maxWait/time.Second))) * time.Second
}
