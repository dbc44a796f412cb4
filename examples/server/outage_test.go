package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hedgerow-dev/hedgerow/storage/postgres/postgrestest"
)

// patience is how long an outage may take in a test, on a busy machine too.
const patience = 2 * time.Minute

const (
	ofAKind = 3 // clients that do the same
	answers = 5 // that each of them has had between outages, at least
)

// TestOutage breaks the database of a server under load: first all its processes
// die and it starts again, then it is killed and a synchronous standby takes over.
// Nothing that was acknowledged may be lost. The log says how long it took.
func TestOutage(t *testing.T) {
	t.Chdir(t.TempDir())
	primary := postgrestest.Start(t)
	standby := primary.Standby(t)
	db := strings.Replace(primary.DSN(standby), "hedgerow@", "hedgerow:database-secret@", 1)
	server, keys := startWorld(t, db)
	var clients []*client
	stop := make(chan struct{})
	var working sync.WaitGroup
	end := sync.OnceFunc(func() { close(stop); working.Wait() })
	defer end()
	for name, key := range keys {
		c := newClient(t, server.base, name, key, kinds()[strings.TrimRight(name, "0123456789")])
		clients = append(clients, c)
		working.Go(func() { c.work(stop) })
	}
	var outages []outage
	for _, o := range []outage{{name: "restart after a crash", happen: func() { primary.Crash(t) }},
		{name: "promotion of a standby", happen: func() { primary.Kill(t); standby.Promote(t) }}} {
		await(t, clients, time.Now())
		o.begun = time.Now()
		o.happen()
		await(t, clients, time.Now())
		outages = append(outages, o)
	}
	end()
	for _, o := range outages {
		o.report(t, clients)
	}
	failures, kept := 0, 0
	for _, c := range clients {
		if !c.check(c) {
			t.Errorf("client %s is not served when all is over", c.name)
		}
		failures, kept = failures+c.failures(), kept+c.kept
	}
	t.Logf("%d changes were acknowledged", kept)
	if err := server.end(t, os.Interrupt); err != nil {
		t.Errorf("stopping gracefully: %v", err)
	}
	log := server.rest.String()
	if got := strings.Count(log, "request failed"); got != failures {
		t.Errorf("%d failures are logged, want each of %d", got, failures)
	}
	if strings.Contains(log, "database-secret") {
		t.Error("the log has the password of the database")
	}
}

// startWorld starts a server with a user, and a key, for each kind of client.
func startWorld(t *testing.T, db string) (*child, map[string]string) {
	t.Helper()
	const user = `"%s": {"email": "%[1]s@example.com", "password": "` + clientPassword + `"}`
	const key = `"%s": {"owner": "%[1]s", "scopes": ["*"]}`
	var people, keys []string
	for kind := range kinds() {
		for n := range ofAKind {
			name := fmt.Sprint(kind, n)
			people, keys = append(people, fmt.Sprintf(user, name)), append(keys, fmt.Sprintf(key, name))
		}
	}
	world := filepath.Join(t.TempDir(), "world.json")
	text := `{"users": {` + strings.Join(people, ",") + `}, "api_keys": {` + strings.Join(keys, ",") + `}}`
	if err := os.WriteFile(world, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	loader := start(t, "-db", db, "-world", world)
	if err := loader.end(t, os.Interrupt); err != nil {
		t.Fatal(err)
	}
	values := map[string]string{}
	for _, m := range regexp.MustCompile(`API key (\w+): (phx_\w+)`).FindAllStringSubmatch(loader.out.String(), -1) {
		values[m[1]] = m[2]
	}
	return start(t, "-db", db), values
}

// outage is something that happens to the database.
type outage struct {
	name   string
	happen func()
	begun  time.Time
}

// report logs when all clients were served again.
func (o outage) report(t *testing.T, clients []*client) {
	t.Helper()
	var last time.Duration
	failures := 0
	for _, c := range clients {
		back, n := c.served(o.begun)
		last, failures = max(last, back.Sub(o.begun)), failures+n
	}
	if failures == 0 {
		t.Errorf("%s: no request met it", o.name)
	}
	t.Logf("%s: every client is served again after %v; %d answers 503 until then", o.name, last.Round(time.Millisecond), failures)
}

// await waits until each client has had some answers to requests that it sent after
// a moment.
func await(t *testing.T, clients []*client, moment time.Time) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for _, c := range clients {
		for n := 0; n < answers; {
			select {
			case sent := <-c.success:
				if sent.After(moment) {
					n++
				}
			case <-c.ended:
				t.FailNow() // it has said why
			case <-ctx.Done():
				t.Fatalf("client %s is not served again", c.name)
			}
		}
	}
}

// sample is what became of one request.
type sample struct {
	sent, answered time.Time
	served         bool // or else it was told that the service cannot answer
}

// served returns when a client was served again after a moment, by a request that
// it sent after it had failed, and how many had failed until then.
func (c *client) served(after time.Time) (back time.Time, failures int) {
	var failed time.Time
	for _, s := range c.samples {
		switch {
		case s.answered.Before(after):
		case !s.served:
			failed = s.answered
			failures++
		case failures > 0 && s.sent.After(failed):
			return s.answered, failures
		}
	}
	return back, failures
}

func (c *client) failures() (n int) {
	for _, s := range c.samples {
		if !s.served {
			n++
		}
	}
	return n
}
