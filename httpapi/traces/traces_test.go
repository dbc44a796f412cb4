package traces_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/codes"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/httpapi"
	"github.com/hedgerow-dev/hedgerow/httpapi/traces"
	"github.com/hedgerow-dev/hedgerow/storage/memory"
	"github.com/hedgerow-dev/hedgerow/users"
)

const (
	parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	key    = "phx_traced"
)

// span answers one request and returns its span, attributes as text.
func span(t *testing.T, c traces.Config, r *http.Request, status int) (sdk.ReadOnlySpan, string) {
	t.Helper()
	recorder := tracetest.NewSpanRecorder()
	c.Provider = sdk.NewTracerProvider(sdk.WithSpanProcessor(recorder))
	api, err := httpapi.New(memory.New(), httpapi.Config{PublicURL: "https://app.example.com", EncryptionKeys: [][]byte{make([]byte, 32)}, Observe: traces.Exchange})
	if err != nil {
		t.Fatal(err)
	}
	u := users.New()
	u.Email = "ann@example.com"
	if u, err = api.Auth().CreateUser(t.Context(), u, ""); err != nil {
		t.Fatal(err)
	}
	if _, err := api.Auth().SaveAPIKey(t.Context(), auth.APIKey{UserID: u.ID, Label: "Test", Scopes: []string{"user:read"}}, key); err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	traces.Handler(api, c).ServeHTTP(w, r)
	if w.Code != status {
		t.Fatalf("%s %s: got status %d and %s, want %d", r.Method, r.URL, w.Code, w.Body, status)
	}
	if err := api.Auth().Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if ended := recorder.Ended(); len(ended) == 1 {
		var text strings.Builder
		for _, a := range ended[0].Attributes() {
			text.WriteString(string(a.Key) + "=" + a.Value.String() + "\n")
		}
		return ended[0], text.String()
	}
	t.Fatalf("there are %d spans, want 1", len(recorder.Ended()))
	return nil, ""
}

func request(t *testing.T, method, target string, headers ...string) *http.Request {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, target, http.NoBody)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	return r
}

func TestSpan(t *testing.T) {
	s, text := span(t, traces.Config{}, request(t, "GET", "/api/users/@me/?q=secret", "Authorization", "Bearer "+key, "User-Agent", "secret", "X-Forwarded-For", "192.0.2.99"), 200)
	if s.Name() != "GET /api/users/{user}" || s.Status().Code == codes.Error {
		t.Errorf("got name %q and status %v", s.Name(), s.Status())
	}
	for _, want := range []string{"http.request.method=GET\n", "http.route=/api/users/{user}\n", "http.response.status_code=200\n", "hedgerow.user=1\n", "hedgerow.credential=api_key\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("the attributes lack %s:\n%s", want, text)
		}
	}
	for _, leak := range []string{"@me", "secret", "192.0.2", key, "example.com"} {
		if strings.Contains(text, leak) {
			t.Errorf("the attributes have %s:\n%s", leak, text)
		}
	}
	s, text = span(t, traces.Config{}, request(t, "PHX_SECRET", "/api/users/PHX_SECRET"), 401)
	if s.Name() != "other /api/users/{user}" || strings.Contains(text, "PHX") || strings.Contains(text, "hedgerow.user") || !strings.Contains(text, "http.request.method=_OTHER\n") {
		t.Errorf("of an odd method: got name %q and\n%s", s.Name(), text)
	}
	if s, _ = span(t, traces.Config{}, request(t, "GET", "/"+key), 404); s.Name() != "GET unknown" {
		t.Errorf("of no route: got name %q", s.Name())
	}
}

// TestParent: whose trace goes on is for the host to say.
func TestParent(t *testing.T) {
	for name, c := range map[string]struct {
		config traces.Config
		remote bool
	}{"of a client": {traces.Config{}, false}, "of a gateway": {traces.Config{Continue: true}, true}} {
		t.Run(name, func(t *testing.T) {
			s, _ := span(t, c.config, request(t, "GET", "/api/users", "Traceparent", parent), 401)
			if s.Parent().IsRemote() != c.remote || (len(s.Links()) == 1) == c.remote {
				t.Errorf("got parent %v and links %v, want a remote parent: %v", s.Parent(), s.Links(), c.remote)
			}
		})
	}
}
