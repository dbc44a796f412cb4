package client

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/hedgerow-dev/hedgerow/users"
)

// Error is an answer that is no success.
type Error struct {
	// Status of the answer.
	Status int
	// RequestID names the request in the log of the server; "" if the answer did
	// not come from the API.
	RequestID string
	// Refusal is what the API says, and what errors.Is and errors.As find. It is
	// nil for a failure inside the server, and for an answer that something in
	// between has made up, unless its status says enough.
	Refusal *users.Error
}

// Error returns the refusal, or else the status.
func (e *Error) Error() string {
	if e.Refusal != nil {
		return e.Refusal.Error()
	}
	if e.RequestID == "" {
		return fmt.Sprintf("unexpected status %d", e.Status)
	}
	return fmt.Sprintf("unexpected status %d (request %s)", e.Status, e.RequestID)
}

// Unwrap returns the refusal.
func (e *Error) Unwrap() error {
	if e.Refusal == nil {
		return nil
	}
	return e.Refusal
}

// kinds is what a status says about an error.
var kinds = map[int]users.Kind{
	http.StatusBadRequest:            users.Invalid,
	http.StatusMethodNotAllowed:      users.Invalid,
	http.StatusNotAcceptable:         users.Invalid,
	http.StatusRequestEntityTooLarge: users.Invalid,
	http.StatusUnsupportedMediaType:  users.Invalid,
	http.StatusUnauthorized:          users.Unauthenticated,
	http.StatusForbidden:             users.Denied,
	http.StatusNotFound:              users.NotFound,
	http.StatusConflict:              users.Conflict,
	http.StatusPreconditionFailed:    users.Stale,
	http.StatusTooManyRequests:       users.Throttled,
	http.StatusServiceUnavailable:    users.Unavailable,
}

// refused reads an answer that is no success.
func refused(operation string, res *http.Response, body []byte) *Error {
	e := &Error{Status: res.StatusCode, RequestID: res.Header.Get("X-Request-Id")}
	var wire struct{ Type, Code, Detail, Attr string }
	if err := json.Unmarshal(body, &wire); err != nil || wire.Code == "" {
		e.Refusal = guessed(operation, res.StatusCode, len(body) == 0)
	} else if kind := kinds[res.StatusCode]; kind != 0 {
		if res.StatusCode == http.StatusUnauthorized && wire.Type == "server_error" {
			kind = users.Unfinished
		}
		e.Refusal = &users.Error{Kind: kind, Code: wire.Code, Field: wire.Attr, Message: wire.Detail}
	}
	if e.Refusal != nil {
		e.Refusal.RetryAfter = retryAfter(res)
	}
	return e
}

// guessed is what a status alone says. A 404 without a body is how the API says
// that a user has no autonomy configuration; the rest comes from a proxy.
func guessed(operation string, status int, empty bool) *users.Error {
	switch status {
	case http.StatusNotFound:
		if operation == "getSignalAutonomy" && empty {
			return &users.Error{Kind: users.NotFound, Code: "no_config", Message: "There is no autonomy configuration."}
		}
	case http.StatusTooManyRequests:
		return &users.Error{Kind: users.Throttled, Code: "throttled", Message: "Too many requests. Try again later."}
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		unavailable := *users.ErrUnavailable
		return &unavailable
	}
	return nil
}

// maxRetryAfter bounds what a number of seconds may say.
const maxRetryAfter = 1 << 30

// retryAfter is the number of seconds that an answer asks to wait; zero is unknown.
func retryAfter(res *http.Response) time.Duration {
	seconds, err := strconv.Atoi(res.Header.Get("Retry-After"))
	if err != nil || seconds < 0 || seconds > maxRetryAfter {
		return 0
	}
	return time.Duration(seconds) * time.Second
}
