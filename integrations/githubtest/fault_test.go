package githubtest_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/hedgerow-dev/hedgerow/integrations/githubtest"
)

const repositories = "GET /installation/repositories"

func (w *world) fault(text string) {
	w.t.Helper()
	var f githubtest.Fault
	err := json.Unmarshal([]byte(text), &f)
	if err == nil {
		err = w.AddFault(f)
	}
	if err != nil {
		w.t.Fatalf("fault %s: %v", text, err)
	}
}

func TestAnsweringFaults(t *testing.T) {
	w := start(t, githubtest.Organization(1))
	for _, c := range []struct {
		fault, members string
		status         int
		header, value  string
		body           string
	}{
		{"status", `,"status":502`, 502, "Content-Type", "application/json; charset=utf-8", "Bad Gateway"},
		{"status", `,"status":503,"body":"down"`, 503, "Retry-After", "", "down"},
		{"status", `,"status":404,"body":{"message":"Gone"}`, 404, "Etag", "", `{"message":"Gone"}`},
		{"json", `,"body":[1,2]`, 200, "Content-Type", "application/json; charset=utf-8", "[1,2]"},
		{"html_200", ``, 200, "Content-Type", "text/html; charset=utf-8", "<html>"},
		{"wrong_shape_200", ``, 200, "Content-Type", "application/json; charset=utf-8", "unexpected"},
		{"truncated_json_200", ``, 200, "Content-Type", "application/json; charset=utf-8", `"na`},
		{"plain_403", ``, 403, "X-Ratelimit-Remaining", "4992", "Resource not accessible"},
		{"rate_limit_primary_403", `,"reset_in":90`, 403, "X-Ratelimit-Reset", "1772366490", "rate limit"},
		{"rate_limit_primary_403", ``, 403, "X-Ratelimit-Remaining", "0", "rate limit"},
		{"rate_limit_secondary_403", ``, 403, "Retry-After", "60", "secondary rate limit"},
		{"rate_limit_secondary_403", `,"retry_after":7`, 403, "Retry-After", "7", "secondary rate limit"},
		{"rate_limit_message_403", ``, 403, "Retry-After", "", "abuse detection"},
		{"rate_limit_429", ``, 429, "Retry-After", "", "Too many"},
		{"rate_limit_429", `,"retry_after":5`, 429, "Retry-After", "5", "Too many"},
		{"redirect", ``, 302, "Location", "https://elsewhere.invalid/", ""},
	} {
		w.fault(`{"route":"` + repositories + `","fault":"` + c.fault + `","times":1` + c.members + `}`)
		r := w.get("/installation/repositories", "ghs_same")
		if r.status != c.status || r.header.Get(c.header) != c.value || !strings.Contains(r.text, c.body) {
			t.Errorf("%s%s: got %d, %s %q, %s", c.fault, c.members, r.status, c.header, r.header.Get(c.header), r.text)
		}
	}
	if r := w.get("/installation/repositories", w.installationToken()); r.status != 200 {
		t.Errorf("after the faults: got %d", r.status)
	}
}

// TestOversizedBodies holds that only their size is wrong with them.
func TestOversizedBodies(t *testing.T) {
	w := start(t, githubtest.Organization(1))
	for kind, size := range map[string]int{githubtest.HugeBody: 8 << 20, githubtest.GzipBomb: 64 << 20} {
		w.fault(`{"route":"` + repositories + `","fault":"` + kind + `"}`)
		if r := w.get("/installation/repositories", ""); len(r.text) < size || r.body["repositories"] == nil {
			t.Errorf("%s: got %d bytes, want over %d of JSON", kind, len(r.text), size)
		}
	}
}

func TestConnectionFaults(t *testing.T) {
	w := start(t, githubtest.Organization(1))
	token := w.installationToken()
	for _, kind := range []string{githubtest.ConnectionRefused, githubtest.ConnectionReset} {
		w.get("/installation/repositories", token) // the connection is kept
		w.ClearRequests()
		w.fault(`{"route":"` + repositories + `","fault":"` + kind + `"}`)
		if r, err := w.try(http.MethodGet, "/installation/repositories", "", "Authorization", "Bearer "+token); err == nil {
			t.Errorf("%s: got %d %s", kind, r.status, r.text)
		}
		if got := w.Count(repositories); got != 1 {
			t.Errorf("%s: %d requests arrived, want 1", kind, got)
		}
		w.ClearFaults()
	}
	for _, kind := range []string{githubtest.NoAnswer, githubtest.SlowBody} {
		w.fault(`{"route":"` + repositories + `","fault":"` + kind + `"}`)
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, w.url+"/installation/repositories", nil)
		if err != nil {
			t.Fatal(err)
		}
		response, err := http.DefaultClient.Do(r)
		if err == nil {
			_, err = response.Body.Read(make([]byte, 1000)) // what was sent
			for err == nil {
				_, err = response.Body.Read(make([]byte, 1000))
			}
			response.Body.Close()
		}
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: got %v, want to wait in vain", kind, err)
		}
	}
}

func TestAlteringFaults(t *testing.T) {
	w := start(t, githubtest.Organization(150))
	token := w.installationToken()
	w.fault(`{"route":"` + repositories + `","fault":"link_other_host","times":1}`)
	if r := w.get("/installation/repositories", token); !strings.HasPrefix(r.header.Get("Link"), "<"+githubtest.OtherHost) {
		t.Errorf("link: got %s", r.header.Get("Link"))
	}
	w.fault(`{"route":"` + repositories + `","fault":"add_between_pages","times":1}`)
	first := w.get("/installation/repositories?per_page=100", token).body["repositories"].([]any)
	second := w.get("/installation/repositories?per_page=100&page=2", token).body
	if second["total_count"] != float64(151) || !reflect.DeepEqual(first[99], second["repositories"].([]any)[0]) {
		t.Errorf("the second page does not begin with the end of the first: %v", second["total_count"])
	}
	w.fault(`{"route":"POST /login/oauth/access_token","fault":"token_missing","times":1}`)
	refresh := w.IssueUserToken("a", 1).RefreshToken
	if got := w.form("grant_type", "refresh_token", "refresh_token", refresh); got["access_token"] != nil || got["refresh_token"] == nil {
		t.Errorf("token_missing: got %v", got)
	}
}

func TestFaultRoutes(t *testing.T) {
	w := start(t, githubtest.Organization(1))
	see := func() int { return w.get("/app/installations/12345", "").status }
	w.fault(`{"route":"GET /app/installations/{id}","fault":"status","status":500}`)
	w.fault(`{"route":"GET /app/installations/12345","fault":"status","status":501,"times":1}`)
	if first, second := see(), see(); first != 501 || second != 500 {
		t.Errorf("concrete before pattern: got %d, %d", first, second)
	}
	w.fault(`{"route":"GET /app/installations/{installation_id}","fault":"status","status":502}`)
	if got := see(); got != 502 {
		t.Errorf("a new fault replaces: got %d", got)
	}
	if err := w.RemoveFault("GET /app/installations/{x}"); err != nil || see() != 401 {
		t.Errorf("removed: %v, got %d", err, see())
	}
	for text, want := range map[string]string{
		`{"route":"GET /installations","fault":"html_200"}`:                 "no such route",
		`{"route":"/user","fault":"html_200"}`:                              "want a method and a path",
		`{"route":"GET /user?x=1","fault":"html_200"}`:                      "want a method and a path",
		`{"route":"GET /user","fault":"explode"}`:                           `/fault: "explode" is none of`,
		`{"route":"GET /user","fault":"status"}`:                            "/status: want",
		`{"route":"GET /user","fault":"status","status":42}`:                "/status: want",
		`{"route":"GET /user","fault":"json"}`:                              "/body: needed",
		`{"route":"GET /user","fault":"html_200","times":-1}`:               "/times: negative",
		`{"route":"GET /user","fault":"html_200","after":1}`:                "/after: unknown member",
		`{"route":"GET /user","fault":"rate_limit_429","retry_after":"60"}`: "/retry_after: want int",
	} {
		var f githubtest.Fault
		err := json.Unmarshal([]byte(text), &f)
		if err == nil {
			err = w.AddFault(f)
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", text, err, want)
		}
	}
}

func TestRequestLog(t *testing.T) {
	w := start(t, githubtest.Organization(1))
	w.fault(`{"route":"POST /app/installations/{id}/access_tokens","fault":"connection_refused"}`)
	_, err := w.try(http.MethodPost, "/app/installations/12345/access_tokens?x=1", `{"repository_ids":[1]}`, "Authorization", "Bearer a.b.c")
	if err == nil {
		t.Error("the fault did not show")
	}
	w.get("/installation/repositories?per_page=1", "ghs_a.b.c")
	w.get("/user", "ghu_x")
	w.get("/nowhere", "")
	w.form("code", "c")
	got, err := json.Marshal(w.Requests())
	if err != nil {
		t.Fatal(err)
	}
	want := `[{"route":"POST /app/installations/12345/access_tokens","credential":"jwt","body":{"repository_ids":[1]}},` +
		`{"route":"GET /installation/repositories","credential":"installation","body":null},` +
		`{"route":"GET /user","credential":"user","body":null},{"route":"GET /nowhere","credential":"none","body":null},` +
		`{"route":"POST /login/oauth/access_token","credential":"client","body":{"client_id":"Iv1.a629723000d0a5d5","client_secret":"app-client-secret","code":"c"}}]`
	if string(got) != want {
		t.Errorf("requests:\n got %s\nwant %s", got, want)
	}
	if n := w.Count("POST /app/installations/{id}/access_tokens"); n != 1 {
		t.Errorf("Count: got %d", n)
	}
	w.Reset()
	if len(w.Requests()) != 0 || w.State().App != nil || w.get("/user", "").status != 401 {
		t.Error("Reset left something")
	}
}

func TestSignWebhook(t *testing.T) {
	// The example of GitHub's documentation.
	want := "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
	if got := githubtest.SignWebhook("It's a Secret to Everybody", []byte("Hello, World!")); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	r, err := githubtest.NewDelivery(t.Context(), "http://app.example.com/webhooks/github/", "installation", "s", map[string]any{"action": "deleted"})
	if err != nil || r.Header.Get("X-Github-Event") != "installation" || r.Header.Get("X-Github-Delivery") == "" ||
		r.Header.Get("X-Hub-Signature-256") != githubtest.SignWebhook("s", []byte(`{"action":"deleted"}`)) {
		t.Errorf("delivery: %v, %v", err, r.Header)
	}
}
