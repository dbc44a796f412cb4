package httpapi_test

import (
	"log/slog"
	"net/url"
	"strings"
	"testing"

	"github.com/hedgerow-dev/hedgerow/storage/postgres"
	"github.com/hedgerow-dev/hedgerow/storage/postgres/postgrestest"
)

// connections is how many may be in the pool of a store, each of which may be lost.
const connections = 16

// TestDatabaseOutOfReach cuts the connections to the database before a request of
// every verb, and lets them through again.
func TestDatabaseOutOfReach(t *testing.T) {
	for _, v := range verbs() {
		t.Run(v.String(), func(t *testing.T) {
			t.Parallel()
			dsn := postgrestest.DSN(t)
			relay := postgrestest.NewRelay(t, dsn)
			u, err := url.Parse(postgrestest.Through(t, dsn, relay))
			if err != nil {
				t.Fatal(err)
			}
			u.User = url.UserPassword(u.User.Username(), "database-secret")
			store, err := postgres.Open(t.Context(), u.String())
			if err != nil {
				t.Fatalf("open store: %v", err)
			}
			var log buffer
			e, send := newScene(t, store, v, slog.New(slog.NewTextHandler(&log, nil)))
			relay.Cut()
			failed := 3
			for range failed {
				r := send()
				r.refused(503, "server_error", "unavailable", "")
				if got := r.header.Values("Set-Cookie"); len(got) > 0 {
					t.Errorf("the database is out of reach, and the answer sets %q", got)
				}
			}
			relay.Restore()
			r := send()
			for ; r.status == 503 && failed < connections; failed++ {
				r = send()
			}
			r.ok(v.status)
			e.flush(t.Context())
			text := log.b.String()
			if got := strings.Count(text, "request failed"); got != failed {
				t.Errorf("%d requests failed, and the log has %d of them:\n%s", failed, got, text)
			}
			if strings.Contains(text, "database-secret") {
				t.Error("the log has the password of the database")
			}
		})
	}
}
