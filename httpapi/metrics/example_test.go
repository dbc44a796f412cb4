package metrics_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/hedgerow-dev/hedgerow/httpapi"
	"github.com/hedgerow-dev/hedgerow/httpapi/metrics"
	"github.com/hedgerow-dev/hedgerow/storage/memory"
	"github.com/hedgerow-dev/hedgerow/storage/observed"
)

// Requests to the API, and what they ask of the store, are counted. The page for
// Prometheus belongs where clients cannot reach it.
func Example() {
	registry := prometheus.NewRegistry()
	m, err := metrics.New(registry)
	if err != nil {
		fmt.Println(err)
		return
	}
	store := observed.New(memory.New(), m.Operation, nil)
	api, err := httpapi.New(store, httpapi.Config{
		PublicURL: "https://app.example.com", EncryptionKeys: [][]byte{make([]byte, 32)}, // a real key is random
		Observe: m.Exchange,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	public, internal := m.Handler(api), promhttp.HandlerFor(registry, promhttp.HandlerOpts{})

	public.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/api/users/@me", http.NoBody))
	page := httptest.NewRecorder()
	internal.ServeHTTP(page, httptest.NewRequest(http.MethodGet, "/metrics", http.NoBody))
	for line := range strings.Lines(page.Body.String()) {
		if strings.HasPrefix(line, "hedgerow_http_requests") {
			fmt.Print(line)
		}
	}
	// Output:
	// hedgerow_http_requests_in_flight 0
	// hedgerow_http_requests_total{method="GET",route="/api/users/{user}",status="401"} 1
}
