// Package metrics counts for Prometheus what an API, its store and its calls to
// GitHub do. Labels have few values, whatever clients send, and none of them is
// about a user.
package metrics

import (
	"context"
	"fmt"
	"net/http"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/hedgerow-dev/hedgerow/httpapi"
	"github.com/hedgerow-dev/hedgerow/storage/observed"
)

// unknown is the route of every path that is none of the API's.
const unknown = "unknown"

// Metrics are the numbers of one program. It is safe for concurrent use.
type Metrics struct {
	requests     *prometheus.CounterVec
	requestTimes *prometheus.HistogramVec
	inFlight     prometheus.Gauge
	storeTimes   *prometheus.HistogramVec
	gitHubTimes  *prometheus.HistogramVec
}

// New registers the metrics of this package, whose names begin with "hedgerow_".
// The error is of registerer, such as that it has them already.
func New(registerer prometheus.Registerer) (*Metrics, error) {
	histogram := func(name, help string, labels ...string) *prometheus.HistogramVec {
		return prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help,
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}}, labels)
	}
	m := &Metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "hedgerow_http_requests_total",
			Help: "Requests answered, by template of the path, method and status. The path of none is \"unknown\"."}, []string{"route", "method", "status"}),
		requestTimes: histogram("hedgerow_http_request_duration_seconds", "Time until a request was answered.", "route", "method"),
		inFlight:     prometheus.NewGauge(prometheus.GaugeOpts{Name: "hedgerow_http_requests_in_flight", Help: "Requests that are being answered."}),
		storeTimes: histogram("hedgerow_storage_duration_seconds",
			"Time of a read or a transaction, waiting included; outcome is ok, refused, canceled, unavailable or failed.", "domain", "kind", "outcome"),
		gitHubTimes: histogram("hedgerow_github_call_duration_seconds",
			"Time of a call to GitHub, all pages and repetitions included; outcome is ok, canceled or a kind of failure.", "call", "outcome"),
	}
	for _, c := range []prometheus.Collector{m.requests, m.requestTimes, m.inFlight, m.storeTimes, m.gitHubTimes} {
		if err := registerer.Register(c); err != nil {
			return nil, fmt.Errorf("register metrics: %w", err)
		}
	}
	return m, nil
}

// Exchange counts a request: it is, or is called by, httpapi.Config.Observe.
func (m *Metrics) Exchange(_ context.Context, x httpapi.Exchange) {
	route := x.Route
	if route == "" {
		route = unknown
	}
	m.requests.WithLabelValues(route, x.Method, strconv.Itoa(x.Status)).Inc()
	m.requestTimes.WithLabelValues(route, x.Method).Observe(x.Duration.Seconds())
}

// Handler counts requests as in flight while next answers them.
func (m *Metrics) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		m.inFlight.Inc()
		defer m.inFlight.Dec()
		next.ServeHTTP(w, r)
	})
}

// Operation counts what a store does: it is what observed.New takes.
func (m *Metrics) Operation(_ context.Context, o observed.Operation) {
	kind := "read"
	if o.Write {
		kind = "transaction"
	}
	m.storeTimes.WithLabelValues(string(o.Domain), kind, string(o.Outcome)).Observe(o.Duration.Seconds())
}
