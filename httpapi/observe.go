package httpapi

import (
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/hedgerow-dev/hedgerow/users"
)

// Exchange is one request and its answer, for metrics, traces and logs. Nothing
// in it is a secret, an e-mail address or a concrete path, and Method, Route and
// Status have few values, whatever clients send.
type Exchange struct {
	// Method is one of RFC 9110 or PATCH; any other is "other".
	Method string
	// Route is the template of the path, such as "/api/users/{user}", without
	// Config.BasePath and slash at the end. It is "" for a path that is none of ours.
	Route string
	// Status of the answer; zero if the connection was cut instead.
	Status int
	// Duration until it was answered, by Config.Now.
	Duration time.Duration
	// User is who called; zero for nobody.
	User users.ID
	// Credential is what User called with.
	Credential users.Credential
	// RequestID is the X-Request-Id of the answer: the client's own, if that was at
	// most 64 letters, digits, dots, dashes and underscores.
	RequestID string
}

// LogValue is the exchange as a group of attributes, for package log/slog.
func (x Exchange) LogValue() slog.Value {
	return slog.GroupValue(
		slog.String("method", x.Method), slog.String("route", x.Route), slog.Int("status", x.Status), slog.Duration("duration", x.Duration),
		slog.Int64("user", int64(x.User)), slog.String("credential", string(x.Credential)), slog.String("request_id", x.RequestID))
}

// observed is an answer that is remembered for Config.Observe.
type observed struct {
	http.ResponseWriter
	status int
	call   *call // nil as long as no route is found
}

func (o *observed) WriteHeader(status int) {
	o.status = status
	o.ResponseWriter.WriteHeader(status)
}

// Unwrap is for http.ResponseController.
func (o *observed) Unwrap() http.ResponseWriter { return o.ResponseWriter }

// observe tells Config.Observe of every request.
func (a *API) observe(next http.Handler) http.Handler {
	if a.config.Observe == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		o, began := &observed{ResponseWriter: w}, a.config.Now()
		defer func() {
			x := o.exchange(r.Method)
			x.Duration = max(a.config.Now().Sub(began), 0) // clocks may be set back
			a.config.Observe(r.Context(), x)
		}()
		next.ServeHTTP(o, r)
	})
}

func (o *observed) exchange(method string) Exchange {
	x := Exchange{Method: "other", Status: o.status, RequestID: o.Header().Get(requestIDHeader)}
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions,
		http.MethodConnect, http.MethodTrace:
		x.Method = method
	}
	if c := o.call; c != nil {
		x.Route = strings.TrimSuffix(c.Pattern, "/{$}")
		x.User, x.Credential = c.principal.Actor.ID, c.principal.Actor.Credential
	}
	return x
}
