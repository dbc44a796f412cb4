package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/hedgerow-dev/hedgerow/httpapi"
	"github.com/hedgerow-dev/hedgerow/httpapi/metrics"
	"github.com/hedgerow-dev/hedgerow/storage"
	"github.com/hedgerow-dev/hedgerow/storage/observed"
)

// watch is what the operator wants to see of requests. Its zero value sees
// nothing and costs nothing.
type watch struct {
	metrics  *metrics.Metrics // nil without -metrics
	registry *prometheus.Registry
	log      *slog.Logger // nil without -access-log
}

func newWatch(o options, logger *slog.Logger) (w watch, err error) {
	if o.accessLog {
		w.log = logger
	}
	if o.metrics == "" {
		return w, nil
	}
	w.registry = prometheus.NewRegistry()
	w.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	w.metrics, err = metrics.New(w.registry)
	return w, err
}

// wire has the API tell of its requests, its store and its calls to GitHub.
func (w watch) wire(c *httpapi.Config, store storage.Storage) storage.Storage {
	if w.metrics != nil || w.log != nil {
		c.Observe = w.exchange
	}
	if w.metrics == nil {
		return store
	}
	c.GitHub.Provider = w.metrics.GitHub(c.GitHub.Provider, nil)
	return observed.New(store, w.metrics.Operation, nil)
}

func (w watch) exchange(ctx context.Context, x httpapi.Exchange) {
	if w.metrics != nil {
		w.metrics.Exchange(ctx, x)
	}
	if w.log != nil {
		w.log.InfoContext(ctx, "request", slog.Any("http", x))
	}
}

// handler counts the requests to the API that are being answered.
func (w watch) handler(api http.Handler) http.Handler {
	if w.metrics == nil {
		return api
	}
	return w.metrics.Handler(api)
}

// serve answers GET /metrics on an address of its own until the function that it
// returns is called.
func (w watch) serve(addr string, logger *slog.Logger) (stop func(context.Context) error, err error) {
	if w.metrics == nil {
		return func(context.Context) error { return nil }, nil
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("-metrics: %w", err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(w.registry, promhttp.HandlerOpts{}))
	server := &http.Server{Handler: mux, ReadHeaderTimeout: headerTimeout, ReadTimeout: bodyTimeout, WriteTimeout: bodyTimeout,
		ErrorLog: slog.NewLogLogger(logger.Handler(), slog.LevelWarn)}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(l) }()
	logger.Info("metrics", slog.String("url", "http://"+l.Addr().String()+"/metrics"))
	return func(ctx context.Context) error {
		err := server.Shutdown(ctx)
		if served := <-failed; !errors.Is(served, http.ErrServerClosed) {
			err = errors.Join(err, served)
		}
		return err
	}, nil
}
