package httpapi_test

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/hedgerow-dev/hedgerow/httpapi"
	"github.com/hedgerow-dev/hedgerow/storage"
)

// TestLostCommits loses each commit of every verb, before and after it reached
// the database. What is left is the whole change or nothing of it; who is told
// that it was made finds it, and who is told that the service cannot answer may
// ask again.
func TestLostCommits(t *testing.T) {
	for database, open := range watchedStores() {
		for _, v := range verbs() {
			t.Run(database+"/"+v.String(), func(t *testing.T) {
				t.Parallel()
				w := open(t)
				e, send := newScene(t, w.store, v, nil)
				l := &loss{env: e, verb: v, commits: w.commits, send: send, before: takeSnapshot(t, w.beside)}
				l.try()
			})
		}
	}
}

// newScene makes a world in which a verb can be sent, and returns what sends it.
func newScene(t *testing.T, store storage.Storage, v verb, logger *slog.Logger, change ...func(*httpapi.Config)) (*env, func() reply) {
	t.Helper()
	e := newEnv(t, store, func(c *httpapi.Config) {
		withMail(c)
		c.Rand, c.Logger = &predictable{src: rand.NewChaCha8([32]byte{1})}, logger
		c.GitHub.WebhookSecret = webhookSecret
		for _, f := range change {
			f(c)
		}
		if c.GitHub.Provider == nil {
			c.GitHub.Provider = newGitHub(t, c.Now, acme())
		}
	})
	t.Cleanup(e.close)
	alice := e.user("alice")
	e.organization("Acme", alice)
	cookie := e.session(alice, 0)
	e.do("GET", self, "", cookie).ok(200) // which chooses the current organization
	send := v.prepare(e, alice, cookie)
	e.flush(t.Context())
	return e, send
}

// loss tries a verb under every loss.
type loss struct {
	*env
	verb    verb
	commits *commits
	send    func() reply
	before  *snapshot

	nothing, whole rows // without the verb, and with all it does
}

// try loses every commit in turn. One of them makes the change.
func (l *loss) try() {
	l.before.back()
	l.nothing = l.before.now(l.verb.apart()...)
	r, commits, whole := l.run(0, false)
	r.ok(l.verb.status)
	l.whole = whole
	if _, _, same := l.run(0, false); len(difference(same, whole)) > 0 {
		l.t.Fatalf("the same request in the same world leaves something else:\n%s", strings.Join(difference(same, whole), "\n"))
	}
	want, changes := 1, 0
	if len(difference(whole, l.nothing)) == 0 {
		want = 0
	}
	for n := 1; n <= commits; n++ {
		missed, made := l.lose(n, commits, false), l.lose(n, commits, true)
		if made && !missed {
			changes++
		}
	}
	if changes != want {
		l.t.Errorf("%d of %d commits make the change, want %d", changes, commits, want)
	}
}

// run sends the request in the world of before and returns its answer, how many
// commits it took, and what the database then holds.
func (l *loss) run(lose int, after bool) (r reply, commits int, left rows) {
	l.t.Helper()
	l.before.back()
	l.config.Rand.(*predictable).restart()
	l.mail()
	l.commits.expect(lose, after)
	r = l.send()
	l.flush(l.t.Context())
	commits = l.commits.counted()
	l.commits.expect(0, false)
	return r, commits, l.before.now(l.verb.apart()...)
}

// lose loses the n-th commit and reports whether the change was made.
func (l *loss) lose(n, of int, after bool) (made bool) {
	l.t.Helper()
	what := fmt.Sprintf("commit %d of %d lost before the database had it", n, of)
	if after {
		what = strings.Replace(what, "before", "after", 1)
	}
	r, _, left := l.run(n, after)
	added, missing := difference(left, l.nothing), difference(left, l.whole)
	made = len(missing) == 0
	if len(added) > 0 && !made {
		l.t.Errorf("%s: left is neither nothing\n\t%s\nnor all\n\t%s", what, strings.Join(added, "\n\t"), strings.Join(missing, "\n\t"))
	}
	switch {
	case r.status != l.verb.status:
		r.refused(503, "server_error", "unavailable", "")
		if mail := l.mail(); len(mail) > 0 {
			l.t.Errorf("%s: mail about it was sent: %v", what, mail)
		}
	case !made && !l.verb.later():
		l.t.Errorf("%s: status %d for a change that was not made", what, r.status)
	}
	l.retry(what, made && r.status != l.verb.status)
	return made
}

// retry asks once more, when a lease that was not given back has ended.
func (l *loss) retry(what string, made bool) {
	l.t.Helper()
	l.mail()
	if leases, err := l.before.query("select name from claims"); err != nil {
		l.t.Fatal(err)
	} else if len(leases) > 0 {
		l.advance(time.Minute)
		defer l.advance(-time.Minute)
	}
	want := l.verb.status
	if made && l.verb.again != 0 {
		want = l.verb.again
	}
	if r := l.send(); r.status != want {
		l.t.Errorf("%s, and asked again: got %d %s, want %d", what, r.status, r.raw, want)
	}
	l.flush(l.t.Context())
}

// TestLostCommitsKnowsEveryVerb holds the verbs to the route table.
func TestLostCommitsKnowsEveryVerb(t *testing.T) {
	known := map[[2]string]bool{}
	for _, v := range verbs() {
		known[[2]string{v.method, v.path}] = true
	}
	for _, route := range httpapi.Routes(newFuzzEnv(t).api) {
		if !known[route] {
			t.Errorf("%s %s has no verb", route[0], route[1])
		}
		delete(known, route)
	}
	for route := range known {
		t.Errorf("%s %s is no route", route[0], route[1])
	}
}
