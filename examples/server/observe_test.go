package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/hedgerow-dev/hedgerow/users"
	"github.com/hedgerow-dev/hedgerow/users/webhook"
)

// page reads a page as text.
func page(t *testing.T, url string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(b)
}

// TestMetricsAndAccessLog: both are off by default, and /metrics is never where
// clients are.
func TestMetricsAndAccessLog(t *testing.T) {
	c := start(t, "-db", filepath.Join(t.TempDir(), "a.db"), "-metrics", "127.0.0.1:0", "-access-log")
	found := regexp.MustCompile(`msg=metrics url=(\S+)`).FindStringSubmatch(c.said)
	if found == nil {
		t.Fatalf("the log does not say where metrics are:\n%s", c.said)
	}
	page(t, c.base+"/api/users/@me?token=planted")
	page(t, c.base+"/planted")
	status, text := page(t, found[1])
	for _, want := range []string{
		`hedgerow_http_requests_total{method="GET",route="/api/users/{user}",status="401"} 1`,
		`hedgerow_http_requests_total{method="GET",route="unknown",status="404"} 1`,
		`hedgerow_http_requests_in_flight 0`, `hedgerow_storage_duration_seconds_count{domain="users",kind="transaction",outcome="ok"}`, "go_goroutines",
	} {
		if status != 200 || !strings.Contains(text, want) {
			t.Errorf("%s: status %d, and it lacks %s", found[1], status, want)
		}
	}
	if status, _ := page(t, c.base+"/metrics"); status != 404 {
		t.Errorf("/metrics where clients are: status %d, want 404", status)
	}
	if err := c.end(t, os.Interrupt); err != nil {
		t.Errorf("the server ended with %v", err)
	}
	log := c.rest.String()
	if !strings.Contains(log, "msg=request http.method=GET http.route=/api/users/{user} http.status=401") || strings.Contains(log, "planted") {
		t.Errorf("the access log is\n%s", log)
	}

	quiet := start(t, "-db", "memory")
	page(t, quiet.base+"/api/users/@me")
	if err := quiet.end(t, os.Interrupt); err != nil {
		t.Errorf("the server ended with %v", err)
	}
	if log := quiet.said + quiet.rest.String(); strings.Contains(log, "msg=request") || strings.Contains(log, "msg=metrics") {
		t.Errorf("without flags the log is\n%s", log)
	}
}

// TestWebhook: what happens arrives signed, in order, also what happened while
// the server was down.
func TestWebhook(t *testing.T) {
	const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	bodies := make(chan string, 100)
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err == nil {
			err = webhook.Verify(r.Header, body, []users.Secret{secret}, time.Now())
		}
		if err != nil {
			t.Errorf("delivery: %v", err)
		}
		bodies <- string(body)
	}))
	t.Cleanup(receiver.Close)
	t.Setenv(hookURLVariable, receiver.URL)
	t.Setenv(hookSecretVariable, secret)
	db := filepath.Join(t.TempDir(), "a.db")
	if err := run(t.Context(), []string{"-db", db, "user", "create", "ann@example.com"}, io.Discard, io.Discard); err != nil {
		t.Fatal(err)
	}
	c := start(t, "-db", db)
	if got := <-bodies; !strings.HasPrefix(got, `{"type":"user created"`) || !strings.Contains(got, `"id":1,`) || strings.Contains(got, "ann@") {
		t.Errorf("the first delivery is %s", got)
	}
	if err := run(t.Context(), []string{"-db", db, "user", "deactivate", "ann@example.com"}, io.Discard, io.Discard); err != nil {
		t.Fatal(err)
	}
	for n := 2; ; n++ {
		got := <-bodies
		if !strings.Contains(got, fmt.Sprintf(`"id":%d,`, n)) {
			t.Fatalf("delivery %d is %s", n, got)
		}
		if strings.Contains(got, `"fields":["is_active"]`) {
			break
		}
	}
	if err := c.end(t, os.Interrupt); err != nil {
		t.Errorf("the server ended with %v", err)
	}
	if log := c.rest.String(); strings.Contains(log, "level=ERROR") {
		t.Errorf("the log has errors:\n%s", log)
	}
	t.Setenv(hookSecretVariable, "")
	if err := run(t.Context(), []string{"-db", db, "user", "list"}, io.Discard, io.Discard); err == nil || !strings.Contains(err.Error(), hookSecretVariable) {
		t.Errorf("with half of the settings: got %v, want an error that names %s", err, hookSecretVariable)
	}
}
