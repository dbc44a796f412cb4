package traces_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"

	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/hedgerow-dev/hedgerow/httpapi"
	"github.com/hedgerow-dev/hedgerow/httpapi/traces"
	"github.com/hedgerow-dev/hedgerow/storage/memory"
)

// Each request is a span, which the program's own exporter takes.
func Example() {
	recorder := tracetest.NewSpanRecorder() // in production an exporter
	provider := sdk.NewTracerProvider(sdk.WithSpanProcessor(recorder))
	api, err := httpapi.New(memory.New(), httpapi.Config{
		PublicURL: "https://app.example.com", EncryptionKeys: [][]byte{make([]byte, 32)}, // a real key is random
		Observe: traces.Exchange,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	handler := traces.Handler(api, traces.Config{Provider: provider})
	handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/api/users/@me?token=secret", http.NoBody))
	fmt.Println(recorder.Ended()[0].Name())
	// Output: GET /api/users/{user}
}
