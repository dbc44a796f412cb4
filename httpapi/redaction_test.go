package httpapi_test

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/XSAM/otelsql"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	modernc "modernc.org/sqlite"

	"github.com/hedgerow-dev/hedgerow/httpapi"
	"github.com/hedgerow-dev/hedgerow/httpapi/metrics"
	"github.com/hedgerow-dev/hedgerow/httpapi/traces"
	"github.com/hedgerow-dev/hedgerow/storage"
	"github.com/hedgerow-dev/hedgerow/storage/memory"
	observedstore "github.com/hedgerow-dev/hedgerow/storage/observed"
	"github.com/hedgerow-dev/hedgerow/storage/sqlite"
	"github.com/hedgerow-dev/hedgerow/users"
)

// watch is everything by which a host can watch an API.
type watch struct {
	*env
	log      *buffer
	registry *prometheus.Registry
	metrics  *metrics.Metrics
	spans    *tracetest.SpanRecorder
	provider *sdk.TracerProvider
}

func newWatch(t *testing.T, open func(*testing.T, *sdk.TracerProvider) storage.Storage) *watch {
	t.Helper()
	w := &watch{log: &buffer{}, registry: prometheus.NewRegistry(), spans: tracetest.NewSpanRecorder()}
	w.provider = sdk.NewTracerProvider(sdk.WithSpanProcessor(w.spans))
	var err error
	if w.metrics, err = metrics.New(w.registry); err != nil {
		t.Fatal(err)
	}
	logger := slog.New(slog.NewTextHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	var gh *fakeGitHub
	w.env = newEnv(t, observedstore.New(open(t, w.provider), w.metrics.Operation, nil), func(c *httpapi.Config) {
		withMail(c)
		gh = newGitHub(t, c.Now, acme())
		c.GitHub.Provider, c.GitHub.WebhookSecret, c.Logger = w.metrics.GitHub(gh, c.Now), webhookSecret, logger
		c.Observe = func(ctx context.Context, x httpapi.Exchange) {
			w.metrics.Exchange(ctx, x)
			traces.Exchange(ctx, x)
			logger.InfoContext(ctx, "request", slog.Any("http", x))
		}
	})
	w.gh = gh
	t.Cleanup(w.close)
	return w
}

// tracedSQLite is the handle of a host whose statements are traced.
func tracedSQLite(t *testing.T, provider *sdk.TracerProvider) storage.Storage {
	t.Helper()
	base, err := modernc.NewConnector("file:" + filepath.Join(t.TempDir(), "test.db") + "?" + sqlite.HostSettings)
	if err != nil {
		t.Fatal(err)
	}
	db := otelsql.OpenDB(base, otelsql.WithTracerProvider(provider))
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	if err := sqlite.Migrate(t.Context(), db, sqlite.Config{}); err != nil {
		t.Fatal(err)
	}
	st, err := sqlite.New(t.Context(), db, sqlite.Config{})
	if err != nil {
		t.Fatal(err)
	}
	return st
}

// attack sends a secret in every place of a request that could be written down,
// some of which are right, to one route.
func (w *watch) attack(rt [2]string, secret string, who option) {
	w.t.Helper()
	hidden := url.PathEscape(strings.NewReplacer("/", "", ".", "").Replace(secret))
	for _, path := range []string{
		filled(rt[1]) + "?code=" + url.QueryEscape(secret) + "&token=" + url.QueryEscape(secret),
		strings.NewReplacer("{user}", hidden, "{key}", hidden, "{session}", hidden, "{passkey}", hidden, "{requests}", "install_requests",
			"{request}", hidden, "{installation}", "12345", "{uuid}", hidden).Replace(rt[1]),
		"/" + hidden,
	} {
		body := fmt.Sprintf(`{"email":%[1]q,"password":%[1]q,"current_password":%[1]q,"token":%[1]q,"uuid":%[1]q,"code":%[1]q,"label":%[1]q}`, secret)
		r := httptest.NewRequestWithContext(w.t.Context(), rt[0], "http://internal.example"+path, strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("User-Agent", hidden)
		r.Header.Set("X-Forwarded-For", hidden)
		r.Header.Set("X-Hub-Signature-256", hidden)
		r.Header.Set("X-Request-Id", "of "+hidden)
		r.Host = hidden + ".example"
		who(r)
		answer := httptest.NewRecorder()
		traces.Handler(w.metrics.Handler(w.api), traces.Config{Provider: w.provider}).ServeHTTP(answer, r)
		if answer.Code >= 500 && answer.Code != http.StatusServiceUnavailable {
			w.t.Errorf("%s %s: status %d", rt[0], path, answer.Code)
		}
	}
}

// places are what was written down, by where.
func (w *watch) places() map[string]string {
	w.t.Helper()
	w.flush(w.t.Context())
	page := httptest.NewRecorder()
	promhttp.HandlerFor(w.registry, promhttp.HandlerOpts{}).ServeHTTP(page, httptest.NewRequestWithContext(w.t.Context(), "GET", "/metrics", http.NoBody))
	var spans strings.Builder
	for _, s := range w.spans.Ended() {
		fmt.Fprintf(&spans, "%s %v %v %v\n", s.Name(), s.Attributes(), s.Events(), s.Status())
	}
	return map[string]string{"the log": w.log.b.String(), "the metrics": page.Body.String(), "the spans": spans.String()}
}

// TestObservationsHoldNoSecret leads a whole life, sends its secrets to every
// route in every place, and looks for them, and for addresses, in what was
// written down (R59).
func TestObservationsHoldNoSecret(t *testing.T) {
	for name, open := range map[string]func(*testing.T, *sdk.TracerProvider) storage.Storage{
		"memory": func(*testing.T, *sdk.TracerProvider) storage.Storage { return memory.New() },
		"sqlite": tracedSQLite,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWatch(t, open)
			secrets := w.secretsOfALife()
			alice, err := w.api.Users().UserByEmail(t.Context(), "alice@example.com")
			if err != nil {
				t.Fatal(err)
			}
			secrets["address"], secrets["new address"] = alice.Email, "new@example.com"
			secrets["code of an authenticator"] = w.code(users.Secret(secrets["authenticator"]))
			callers := []option{func(*http.Request) {}, header("Authorization", "Bearer "+secrets["API key"]), header("Cookie", "sessionid="+secrets["session"])}
			kinds := slices.Sorted(maps.Keys(secrets))
			for n, rt := range httpapi.Routes(w.api) {
				for k, what := range kinds {
					if (n+k)%3 != 0 && !*whole {
						continue // elsewhere it is on the next routes
					}
					w.attack(rt, secrets[what], callers[(n+k)/3%len(callers)])
				}
			}
			places := w.places()
			for where, want := range map[string]string{"the log": "http.route=/api/users/{user} ", "the metrics": `route="/api/reset/{uuid}"`, "the spans": "GET /api/users/{user}"} {
				if !strings.Contains(places[where], want) {
					t.Fatalf("%s lacks %s", where, want)
				}
			}
			for where, text := range places {
				for what, secret := range secrets {
					for _, form := range []string{secret, hex.EncodeToString([]byte(secret)), base64.StdEncoding.EncodeToString([]byte(secret)), url.QueryEscape(secret), url.PathEscape(secret)} {
						if found := strings.Index(text, form); found >= 0 && (len(secret) > 6 || isolated(text, found, len(form))) {
							t.Errorf("%s has the %s: …%s…", where, what, text[max(found-80, 0):min(found+len(form)+40, len(text))])
						}
					}
				}
			}
		})
	}
}

// isolated reports six digits that are not a part of a longer number, as many
// times are.
func isolated(text string, at, length int) bool {
	digit := func(i int) bool {
		return i >= 0 && i < len(text) && (text[i] >= '0' && text[i] <= '9' || text[i] == '.')
	}
	return !digit(at-1) && !digit(at+length)
}
