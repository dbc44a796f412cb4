package metrics_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	dto "github.com/prometheus/client_model/go"

	"github.com/hedgerow-dev/hedgerow/httpapi"
	"github.com/hedgerow-dev/hedgerow/httpapi/metrics"
	"github.com/hedgerow-dev/hedgerow/integrations"
	"github.com/hedgerow-dev/hedgerow/storage/memory"
	"github.com/hedgerow-dev/hedgerow/storage/observed"
	"github.com/hedgerow-dev/hedgerow/users"
)

func newMetrics(t *testing.T) (*metrics.Metrics, *prometheus.Registry) {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	m, err := metrics.New(registry)
	if err != nil {
		t.Fatal(err)
	}
	return m, registry
}

// compare fails the test unless these series have these values, and no other
// series of the name exists.
func compare(t *testing.T, g prometheus.Gatherer, want string, names ...string) {
	t.Helper()
	if err := testutil.GatherAndCompare(g, strings.NewReader(want), names...); err != nil {
		t.Error(err)
	}
}

func TestRequests(t *testing.T) {
	m, registry := newMetrics(t)
	var inside float64
	api, err := httpapi.New(memory.New(), httpapi.Config{
		PublicURL: "https://app.example.com", EncryptionKeys: [][]byte{make([]byte, 32)},
		Observe: func(ctx context.Context, x httpapi.Exchange) {
			inside = series(t, registry, "hedgerow_http_requests_in_flight")[0].GetGauge().GetValue()
			m.Exchange(ctx, x)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	h := m.Handler(api)
	for _, target := range []string{"/api/users/@me", "/api/users/7/", "/api/none", "/favicon.ico"} {
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), http.MethodGet, target, http.NoBody))
	}
	h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), "BREW", "/coffee", http.NoBody))
	compare(t, registry, `
		# HELP hedgerow_http_requests_total Requests answered, by template of the path, method and status. The path of none is "unknown".
		# TYPE hedgerow_http_requests_total counter
		hedgerow_http_requests_total{method="GET",route="/api/users/{user}",status="401"} 2
		hedgerow_http_requests_total{method="GET",route="unknown",status="404"} 2
		hedgerow_http_requests_total{method="other",route="unknown",status="404"} 1
		# HELP hedgerow_http_requests_in_flight Requests that are being answered.
		# TYPE hedgerow_http_requests_in_flight gauge
		hedgerow_http_requests_in_flight 0
	`, "hedgerow_http_requests_total", "hedgerow_http_requests_in_flight")
	if inside != 1 {
		t.Errorf("%v requests were in flight during one", inside)
	}
	if n := samples(t, registry, "hedgerow_http_request_duration_seconds"); n != 5 {
		t.Errorf("%d durations, want 5", n)
	}
}

// series are those of one name.
func series(t *testing.T, g prometheus.Gatherer, name string) []*dto.Metric {
	t.Helper()
	families, err := g.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == name {
			return f.GetMetric()
		}
	}
	t.Fatalf("there is no %s", name)
	return nil
}

// samples is how many observations a histogram has, whatever the labels.
func samples(t *testing.T, g prometheus.Gatherer, name string) (n uint64) {
	t.Helper()
	for _, m := range series(t, g, name) {
		n += m.GetHistogram().GetSampleCount()
	}
	return n
}

// labels are the values of the labels of each series.
func labels(t *testing.T, g prometheus.Gatherer, name string) string {
	t.Helper()
	var all []string
	for _, m := range series(t, g, name) {
		var values []string
		for _, l := range m.GetLabel() {
			values = append(values, l.GetValue())
		}
		all = append(all, strings.Join(values, " "))
	}
	return strings.Join(all, ", ")
}

func TestStorage(t *testing.T) {
	m, registry := newMetrics(t)
	st := observed.New(memory.New(), m.Operation, nil)
	if _, err := st.User(t.Context(), 1); !errors.Is(err, users.ErrNotFound) {
		t.Fatal(err)
	}
	if err := st.UpdateIntegrations(t.Context(), func(integrations.Tx) error { return nil }); err != nil {
		t.Fatal(err)
	}
	if got := labels(t, registry, "hedgerow_storage_duration_seconds"); got != "integrations transaction ok, users read refused" {
		t.Errorf("got %s", got)
	}
}

// failing is a GitHub that answers every call with one error.
type failing struct {
	integrations.Provider
	err error
}

func (f failing) Uninstall(context.Context, string) error { return f.err }

func (f failing) Branches(context.Context, users.Secret, string) ([]string, error) { return nil, f.err }

func TestGitHub(t *testing.T) {
	m, registry := newMetrics(t)
	if p := m.GitHub(nil, nil); p != nil {
		t.Errorf("without a provider: got %v, want none", p)
	}
	limited := &integrations.Failure{Kind: integrations.RateLimited}
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	for _, c := range []struct {
		ctx context.Context
		err error
	}{{t.Context(), nil}, {t.Context(), limited}, {canceled, &integrations.Failure{Err: context.Canceled}}, {t.Context(), errors.New("odd")}} {
		var now time.Time
		p := m.GitHub(failing{err: c.err}, func() time.Time { now = now.Add(time.Second); return now })
		if err := p.Uninstall(c.ctx, "12345"); !errors.Is(err, c.err) {
			t.Errorf("Uninstall: got %v, want %v", err, c.err)
		}
		if _, err := p.Branches(c.ctx, "ghs_secret", "acme/web"); !errors.Is(err, c.err) {
			t.Errorf("Branches: got %v, want %v", err, c.err)
		}
	}
	want := "branches canceled, branches failed, branches ok, branches rate limited, uninstall canceled, uninstall failed, uninstall ok, uninstall rate limited"
	if got := labels(t, registry, "hedgerow_github_call_duration_seconds"); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestRegisteredTwice(t *testing.T) {
	_, registry := newMetrics(t)
	_, err := metrics.New(registry)
	if already := new(prometheus.AlreadyRegisteredError); !errors.As(err, already) {
		t.Errorf("New on the same registry: got %v, want an AlreadyRegisteredError", err)
	}
}
