package httpapi

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/hedgerow-dev/hedgerow/users"
)

// refusal is how one kind of error looks on the wire, contract section 1.1.
type refusal struct {
	status int
	typ    string
}

// kinds maps what the domain refuses. Anything else is a 500 that says nothing.
var kinds = map[users.Kind]refusal{
	users.Invalid:         {http.StatusBadRequest, "validation_error"},
	users.NotFound:        {http.StatusNotFound, "invalid_request"},
	users.Conflict:        {http.StatusConflict, "server_error"},
	users.Denied:          {http.StatusForbidden, "authentication_error"},
	users.Unauthenticated: {http.StatusUnauthorized, "authentication_error"},
	users.Throttled:       {http.StatusTooManyRequests, "throttled_error"},
	users.Unavailable:     {http.StatusServiceUnavailable, "server_error"},
	users.Unfinished:      {http.StatusUnauthorized, "server_error"},
	users.Stale:           {http.StatusPreconditionFailed, "invalid_request"},
}

// transportError is a refusal of the request as such, before any domain sees
// it.
type transportError struct {
	refusal
	code, detail string
}

func (e *transportError) Error() string { return e.detail }

func requestError(status int, code, detail string) *transportError {
	return &transportError{refusal{status, "invalid_request"}, code, detail}
}

var (
	errNotFound    = requestError(http.StatusNotFound, "not_found", "Endpoint not found.")
	errMethod      = requestError(http.StatusMethodNotAllowed, "method_not_allowed", "Method not allowed.")
	errAccept      = requestError(http.StatusNotAcceptable, "not_acceptable", "Only application/json can be sent.")
	errMedia       = requestError(http.StatusUnsupportedMediaType, "unsupported_media_type", "Only application/json in UTF-8 is read.")
	errTooLarge    = requestError(http.StatusRequestEntityTooLarge, "request_too_large", "The body is too large.")
	errParse       = requestError(http.StatusBadRequest, "parse_error", "The body is not valid JSON.")
	errDuplicate   = requestError(http.StatusBadRequest, "parse_error", "A member name occurs twice.")
	errTooDeep     = requestError(http.StatusBadRequest, "parse_error", "The body is nested too deeply or has too many members.")
	errNoObject    = &users.Error{Kind: users.Invalid, Code: "invalid_input", Message: "Expected an object."}
	errNoKeyAccess = &users.Error{Kind: users.Denied, Code: "permission_denied", Message: "This action does not support API key access."}
	errCrossOrigin = &users.Error{Kind: users.Denied, Code: "permission_denied", Message: "Cross-origin requests with a session are refused."}
)

// missingScope names the scope, so that the owner of a key can add it.
func missingScope(scope string) *users.Error {
	return &users.Error{Kind: users.Denied, Code: "permission_denied", Message: "The key lacks the scope " + scope + "."}
}

// writeError sends the envelope for err.
func (a *API) writeError(w http.ResponseWriter, r *http.Request, err error) {
	status, typ, code, detail, attr := http.StatusInternalServerError, "server_error", "error", "Something went wrong.", ""
	var refused *users.Error
	var transport *transportError
	switch {
	case errors.As(err, &transport):
		status, typ, code, detail = transport.status, transport.typ, transport.code, transport.detail
	case errors.As(err, &refused) && kinds[refused.Kind].status != 0:
		k := kinds[refused.Kind]
		status, typ, code, detail, attr = k.status, k.typ, refused.Code, refused.Message, refused.Field
		if refused.RetryAfter > 0 {
			w.Header().Set("Retry-After", strconv.FormatInt(int64((refused.RetryAfter+time.Second-1)/time.Second), 10))
		}
	case errors.Is(err, context.DeadlineExceeded):
		status, code = http.StatusServiceUnavailable, "timeout"
	}
	if status >= 500 && !errors.Is(err, context.Canceled) {
		a.config.Logger.ErrorContext(r.Context(), "request failed", slog.Any("error", err),
			slog.String("request_id", w.Header().Get(requestIDHeader)), slog.String("method", r.Method), slog.String("route", r.Pattern))
	}
	if status == http.StatusUnauthorized {
		// The first authenticator of every route; contract section 1.
		w.Header().Set("WWW-Authenticate", "Session")
	}
	var j jsonWriter
	j.open()
	j.text("type", typ)
	j.text("code", code)
	j.text("detail", detail)
	j.optionalText("attr", attr, attr != "")
	j.close()
	writeBody(w, r, status, jsonType, j.bytes())
}
