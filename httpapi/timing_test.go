package httpapi_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/httpapi"
	"github.com/hedgerow-dev/hedgerow/storage/memory"
	"github.com/hedgerow-dev/hedgerow/users"
)

// BenchmarkWhoExists measures whether time tells who has an account (R08). The
// classes of one question take turns, and their medians may differ by 5 % or
// 2 ms. For 2,000 samples a class:
//
//	go test ./httpapi -run '^$' -bench WhoExists -benchtime 2000x -timeout 60m
func BenchmarkWhoExists(b *testing.B) {
	const login, reset, verify = "/api/login", "/api/reset", "/api/users/request_email_verification"
	credentials := `{"email": "%s@example.com", "password": "wrong-password-77"}`
	for _, question := range []struct {
		path, body string
		status     int
	}{
		{login, credentials, 400}, {reset, `{"email": "%s@example.com"}`, 204}, {verify, `{"uuid": "%[2]s"}`, 200},
	} {
		b.Run(strings.Trim(question.path, "/"), func(b *testing.B) {
			api, people, later := accountsOfAllKinds(b)
			samples := map[string][]time.Duration{}
			for b.Loop() {
				for name, id := range people {
					body := fmt.Sprintf(question.body+"%.0[1]s%.0[2]s", name, id)
					r := httptest.NewRequest("POST", question.path, strings.NewReader(body))
					r.Header.Set("Content-Type", "application/json")
					w := httptest.NewRecorder()
					start := time.Now()
					api.ServeHTTP(w, r)
					samples[name] = append(samples[name], time.Since(start))
					if w.Code != question.status {
						b.Fatalf("%s %s: got status %d, want %d", question.path, body, w.Code, question.status)
					}
				}
				later() // the limits forget
				// What is done after an answer must not slow the next one down.
				if err := api.Auth().Flush(b.Context()); err != nil {
					b.Fatal(err)
				}
			}
			compareMedians(b, samples)
		})
	}
}

// accountsOfAllKinds returns an API at the cost of production, the local parts of
// addresses with the UUIDs of their accounts, and what makes a day pass.
func accountsOfAllKinds(b *testing.B) (api *httpapi.API, people map[string]string, later func()) {
	b.Helper()
	var now atomic.Int64
	now.Store(time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC).Unix())
	api, err := httpapi.New(memory.New(), httpapi.Config{
		PublicURL: "https://app.example.com", EncryptionKeys: encryptionKeys,
		Now:  func() time.Time { return time.Unix(now.Load(), 0) },
		Auth: auth.Config{Mailer: &mailbox{}},
	})
	if err != nil {
		b.Fatal(err)
	}
	people = map[string]string{"nobody": unknownID}
	for name, change := range map[string]func(*users.User){
		"known": func(*users.User) {}, "inactive": inactive, "passwordless": noPassword, "imported": imported,
	} {
		u := users.New()
		u.Email, u.IsEmailVerified = name+"@example.com", users.Some(false)
		hash, err := api.Auth().HashPassword(b.Context(), password)
		if err != nil {
			b.Fatal(err)
		}
		u.PasswordHash = hash
		change(&u)
		if u, err = api.Auth().CreateUser(b.Context(), u, ""); err != nil {
			b.Fatal(err)
		}
		people[name] = u.UUID.String()
	}
	b.Cleanup(func() {
		if err := api.Auth().Flush(context.Background()); err != nil {
			b.Error(err)
		}
	})
	return api, people, func() { now.Add(int64(25 * time.Hour / time.Second)) }
}

// imported gives an account a password hash that came from elsewhere.
func imported(u *users.User) {
	u.PasswordHash = "pbkdf2_sha256$100000$seasalt$bPcw+dijvrXsVuO1sGvImpd53C5y7aKVlXIagsGKEH4="
}

// compareMedians reports the median of each class and fails if two are too far
// apart.
func compareMedians(b *testing.B, samples map[string][]time.Duration) {
	b.Helper()
	var low, high time.Duration
	for name, s := range samples {
		slices.Sort(s)
		median := s[len(s)/2]
		b.ReportMetric(float64(median.Nanoseconds())/1e3, name+"-µs")
		if low == 0 || median < low {
			low = median
		}
		high = max(high, median)
	}
	// Few samples say nothing about medians.
	if n := b.N; n >= 1000 && high-low > 2*time.Millisecond && float64(high) > 1.05*float64(low) {
		b.Errorf("after %d samples a class the medians lie between %v and %v", n, low, high)
	}
}
