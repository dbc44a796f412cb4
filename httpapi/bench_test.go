package httpapi_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/httpapi"
	"github.com/hedgerow-dev/hedgerow/storage/memory"
	"github.com/hedgerow-dev/hedgerow/storage/storagetest"
	"github.com/hedgerow-dev/hedgerow/users"
)

const benchmarkKey = "phx_benchmark"

// newBenchmark returns an API in memory on which 100 users of one organization
// live, and one of them, who is staff and owns benchmarkKey.
func newBenchmark(b *testing.B) (*httpapi.API, users.User) {
	b.Helper()
	api, err := httpapi.New(memory.New(), httpapi.Config{PublicURL: "https://app.example.com", EncryptionKeys: encryptionKeys})
	if err != nil {
		b.Fatal(err)
	}
	owner, err := populate(b.Context(), api)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := api.Auth().Flush(context.WithoutCancel(b.Context())); err != nil {
			b.Error(err)
		}
	})
	return api, owner
}

func populate(ctx context.Context, api *httpapi.API) (owner users.User, err error) {
	o := users.NewOrganization()
	o.Name, o.Slug = "Acme", "acme"
	if o, err = api.Users().SaveOrganization(ctx, o); err != nil {
		return owner, err
	}
	if _, err := api.Users().SaveTeam(ctx, users.Team{OrganizationID: o.ID, Name: "Web", APIToken: "phc_web", Timezone: "UTC"}); err != nil {
		return owner, err
	}
	for i := range 100 {
		u := users.New()
		u.Email, u.FirstName, u.IsStaff = "user"+strconv.Itoa(i)+"@example.com", "Zoë", i == 0
		u.NotificationSettings, u.HedgehogConfig = `{"plugin_disabled":true}`, `{"version":2,"color":"green"}`
		if u, err = api.Auth().CreateUser(ctx, u, ""); err != nil {
			return owner, err
		}
		if err := api.Users().SaveMembership(ctx, users.Membership{UserID: u.ID, OrganizationID: o.ID, Level: users.LevelMember}); err != nil {
			return owner, err
		}
		if i == 0 {
			owner = u
		}
	}
	_, err = api.Auth().SaveAPIKey(ctx, auth.APIKey{UserID: owner.ID, Label: "Benchmark", Scopes: []string{"user:write"}}, benchmarkKey)
	return owner, err
}

func BenchmarkCalibration(b *testing.B) { storagetest.Calibrate(b) }

// BenchmarkEncodeUser is of a user who was not shown before.
func BenchmarkEncodeUser(b *testing.B) {
	api, owner := newBenchmark(b)
	sight, err := api.Users().Look(b.Context(), users.Viewer{Actor: users.Actor{ID: owner.ID}}, owner.ID)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if httpapi.EncodeUser(sight) == 0 {
			b.Fatal("no JSON")
		}
	}
}

func BenchmarkDecodePatch(b *testing.B) {
	body := []byte(`{"theme_mode":"dark","first_name":"Zoë","notification_settings":{"plugin_disabled":false}}`)
	b.ReportAllocs()
	for b.Loop() {
		if p, err := httpapi.DecodePatch(body); err != nil || p.ThemeMode.Value != "dark" {
			b.Fatalf("DecodePatch(%s): got %+v, %v", body, p.ThemeMode, err)
		}
	}
}

// BenchmarkRequest is of whole requests but for the socket, when everything is in
// memory.
func BenchmarkRequest(b *testing.B) {
	api, _ := newBenchmark(b)
	for name, target := range map[string]string{
		"profile": "/api/users/@me", "list of 100": "/api/users?limit=100", "search": "/api/users?email=user7@example.com",
	} {
		b.Run(name, func(b *testing.B) {
			r := benchmarkRequest(b, http.MethodGet, target)
			b.ReportAllocs()
			for b.Loop() {
				answerBenchmark(b, api, r)
			}
		})
	}
	b.Run("change", func(b *testing.B) {
		for range 2 { // who changes settings has seen them; the first time, a current organization is chosen
			answerBenchmark(b, api, benchmarkRequest(b, http.MethodGet, "/api/users/@me"))
		}
		r := benchmarkRequest(b, http.MethodPatch, "/api/users/@me")
		r.Header.Set("Content-Type", "application/json")
		bodies := [2]string{`{"theme_mode":"dark"}`, `{"theme_mode":"light"}`}
		b.ReportAllocs()
		for n := 0; b.Loop(); n++ {
			body := bodies[n%2]
			r.Body, r.ContentLength = io.NopCloser(strings.NewReader(body)), int64(len(body))
			answerBenchmark(b, api, r)
		}
	})
}

func benchmarkRequest(b *testing.B, method, target string) *http.Request {
	b.Helper()
	r := httptest.NewRequestWithContext(b.Context(), method, target, http.NoBody)
	r.Header.Set("Authorization", "Bearer "+benchmarkKey)
	return r
}

func answerBenchmark(b *testing.B, api *httpapi.API, r *http.Request) {
	b.Helper()
	w := statusWriter{header: http.Header{}}
	if api.ServeHTTP(&w, r); w.status != http.StatusOK {
		b.Fatalf("%s %s: status %d", r.Method, r.URL, w.status)
	}
}

// statusWriter drops bodies. A recorder would copy them, which costs more than to
// make them.
type statusWriter struct {
	header http.Header
	status int
}

func (w *statusWriter) Header() http.Header         { return w.header }
func (w *statusWriter) Write(b []byte) (int, error) { return len(b), nil }
func (w *statusWriter) WriteHeader(status int)      { w.status = status }
