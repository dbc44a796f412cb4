// Package traces makes OpenTelemetry spans of the requests that an API answers.
// They say the template of the path, the method, the status and the id of the
// caller, and nothing else that a client sent.
package traces

import (
	"context"
	"net/http"
	"net/url"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/hedgerow-dev/hedgerow/httpapi"
)

// Config adjusts Handler. Provider is required.
type Config struct {
	// Provider makes the spans.
	Provider trace.TracerProvider
	// Continue says that every client may continue a trace of its own, and so
	// decide what is sampled: right behind a gateway of the host. Otherwise each
	// request begins a trace, with a link to that of the client.
	Continue bool
}

// Handler makes a span of each request that next answers, and puts it into the
// context of the request. Exchange completes it.
func Handler(next http.Handler, c Config) http.Handler {
	within := otelhttp.NewHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		whole, ok := r.Context().Value(wholeKey{}).(*http.Request)
		if !ok {
			panic("traces: the request got lost")
		}
		next.ServeHTTP(w, whole.WithContext(r.Context()))
	}), "request",
		otelhttp.WithTracerProvider(c.Provider), otelhttp.WithPropagators(propagation.TraceContext{}),
		// Its metrics have a label that clients choose, the host; package metrics has better ones.
		otelhttp.WithMeterProvider(noop.NewMeterProvider()),
		otelhttp.WithServerName("hedgerow"),
		otelhttp.WithSpanNameFormatter(func(operation string, _ *http.Request) string { return operation }),
		otelhttp.WithPublicEndpointFn(func(*http.Request) bool { return !c.Continue }))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		within.ServeHTTP(w, bare(r))
	})
}

// wholeKey is the key of the request as it came.
type wholeKey struct{}

// bare is what otelhttp gets to see of a request, because it records all that it
// sees: paths, methods and agents, which may hold secrets by mistake, and
// addresses.
func bare(r *http.Request) *http.Request {
	b := &http.Request{URL: &url.URL{}, Proto: r.Proto, ProtoMajor: r.ProtoMajor, ProtoMinor: r.ProtoMinor, Header: http.Header{}, TLS: r.TLS}
	for _, name := range (propagation.TraceContext{}).Fields() {
		if v := r.Header.Values(name); len(v) > 0 {
			b.Header[http.CanonicalHeaderKey(name)] = v
		}
	}
	return b.WithContext(context.WithValue(r.Context(), wholeKey{}, r))
}

// Exchange names the span of a request by its route and adds who called: it is,
// or is called by, httpapi.Config.Observe.
func Exchange(ctx context.Context, x httpapi.Exchange) {
	span := trace.SpanFromContext(ctx)
	if !span.IsRecording() {
		return
	}
	route := x.Route
	if route == "" {
		route = "unknown"
	}
	span.SetName(x.Method + " " + route)
	span.SetAttributes(attribute.String("http.route", route), attribute.String("hedgerow.request_id", x.RequestID))
	if x.Method != "other" { // otelhttp has said "_OTHER"
		span.SetAttributes(attribute.String("http.request.method", x.Method))
	}
	if x.User != 0 {
		span.SetAttributes(attribute.Int64("hedgerow.user", int64(x.User)), attribute.String("hedgerow.credential", string(x.Credential)))
	}
}
