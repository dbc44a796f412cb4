package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/hedgerow-dev/hedgerow/users"
)

// maxAnswer is the most bytes of an answer that are read, several times the
// longest page.
const maxAnswer = 64 << 20

// once sends a request and reads its answer.
func (c *Client) once(r operation, req *http.Request, answer any) error {
	res, err := c.http.Do(req)
	if err != nil {
		return &unreachedError{err}
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	if err != nil {
		return &unreachedError{fmt.Errorf("read answer: %w", err)}
	}
	if len(body) > maxAnswer {
		return errors.New("the answer is too long")
	}
	if res.StatusCode != r.success {
		return refused(r.name, res, body)
	}
	if answer != nil {
		if media, _, err := mime.ParseMediaType(res.Header.Get("Content-Type")); err != nil || media != "application/json" {
			return fmt.Errorf("the answer is %q and no JSON", res.Header.Get("Content-Type"))
		}
		if err := json.Unmarshal(body, answer); err != nil {
			return fmt.Errorf("decode answer: %w", err)
		}
	}
	if r.readHeader != nil {
		*r.readHeader = res.Header
	}
	return nil
}

// unreachedError is a request without an answer.
type unreachedError struct{ err error }

func (e *unreachedError) Error() string { return e.err.Error() }
func (e *unreachedError) Unwrap() error { return e.err }

// retry runs once until it succeeds or must not be repeated.
func (c *Client) retry(ctx context.Context, method string, once func() error) error {
	var last error
	_, err := backoff.Retry(ctx, func() (struct{}, error) {
		if last = once(); last == nil {
			return struct{}{}, nil
		}
		return struct{}{}, again(ctx, method, last)
	}, backoff.WithMaxTries(uint(c.config.Tries)), backoff.WithMaxElapsedTime(c.config.MaxWait))
	if err == nil || last == nil {
		return err
	}
	if cause := context.Cause(ctx); cause != nil && !errors.Is(last, cause) {
		return fmt.Errorf("%w while waiting after: %w", cause, last)
	}
	return last // what Retry returns is only about when to come back
}

// again says whether and when to repeat a request that failed: the error is
// permanent, or names the time, or leaves it to the growing pauses.
func again(ctx context.Context, method string, err error) error {
	var refused *Error
	var unreached *unreachedError
	reads := method == http.MethodGet
	switch {
	case ctx.Err() != nil:
		return backoff.Permanent(err)
	case errors.As(err, &unreached) && reads:
		return err
	case errors.As(err, &refused) && refused.Refusal != nil:
		throttled, unavailable := refused.Refusal.Kind == users.Throttled, refused.Refusal.Kind == users.Unavailable
		if !throttled && !(unavailable && reads) {
			return backoff.Permanent(err)
		}
		wait := refused.Refusal.RetryAfter
		if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) <= wait {
			return backoff.Permanent(err)
		}
		if wait > 0 {
			return &backoff.RetryAfterError{Duration: wait}
		}
		return err
	}
	return backoff.Permanent(err)
}
