package httpapi_test

import (
	"crypto/rand"
	"crypto/rsa"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hedgerow-dev/hedgerow/httpapi"
	"github.com/hedgerow-dev/hedgerow/storage/memory"
)

// TestFailingCalls has each call of the store fail in turn that an operation makes, in
// every form. Its answer is then that the service cannot answer, and never that of a
// success that did not happen: what is stored is all of it or nothing, no mail tells of
// what is not stored, and whoever asks again is served.
func TestFailingCalls(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	// By default every third call, the first of which goes round.
	some, step := forms()[1:2], 3
	if *whole {
		some, step = forms(), 1
	}
	for i, v := range failingVerbs() {
		t.Run("memory/"+v.String(), func(t *testing.T) {
			t.Parallel()
			tr := &trial{t: t, report: t.Errorf, verb: v, first: i % step}
			tr.fresh = func() {
				names := &names{}
				f := newFailing(&noting{memory.New(), names})
				tr.plan = f.plan
				tr.env, tr.send = newScene(t, f, v, nil, hasty, func(c *httpapi.Config) { c.GitHub.Provider = quickGitHub(t, c.Now, key) })
				tr.left = func() rows { return keptInMemory(tr.env, names, v) }
			}
			tr.try(forms(), step)
		})
	}
	for database, open := range watchedStores() {
		for i, v := range failingVerbs() {
			if v.path == renewing {
				continue // GitHub does not go back to the world before
			}
			t.Run(database+"/"+v.String(), func(t *testing.T) {
				t.Parallel()
				w := open(t)
				f := newFailing(w.store)
				tr := &trial{t: t, report: t.Errorf, verb: v, plan: f.plan, first: i % step}
				tr.env, tr.send = newScene(t, f, v, nil, hasty)
				before := takeSnapshot(t, w.beside)
				tr.fresh, tr.left = before.back, func() rows { return before.now(v.apart()...) }
				tr.try(some, step)
			})
		}
	}
}

// hasty does not wait long for a token that another request was to renew, and whose
// lease a failing store has not given back.
func hasty(c *httpapi.Config) { c.GitHub.Patience = time.Second }

// quickGitHub is the usual GitHub, without a network.
func quickGitHub(t *testing.T, now func() time.Time, key *rsa.PrivateKey) *fakeGitHub {
	t.Helper()
	g := nearGitHub(t, now, key)
	if err := g.server.SetState(acme()); err != nil {
		t.Fatal(err)
	}
	return g
}

// trial tries a verb while calls of the store fail.
type trial struct {
	*env
	t *testing.T
	// report is told what is wrong.
	report func(format string, args ...any)
	wrong  bool // so far
	failed int  // how many calls

	verb  verb
	plan  *plan
	send  func() reply
	fresh func()      // makes the world again
	left  func() rows // what is stored, but for what may change apart
	first int         // the first calls, which are left out

	nothing, whole rows // without the verb, and with all it does
	good           reply
}

// passed is what came of a verb.
type passed struct {
	reply
	name        string // of the call that failed; "" if none did
	calls, mail int
	left        rows
}

// try has calls fail, each so many after the last, until the verb makes no more.
func (tr *trial) try(forms []form, step int) {
	good := tr.run(0, form{})
	good.ok(tr.verb.status)
	tr.whole, tr.good = good.left, good.reply
	if again := tr.run(0, form{}); len(difference(again.left, tr.whole)) > 0 {
		tr.t.Fatalf("the same request in the same world leaves something else:\n%s", strings.Join(difference(again.left, tr.whole), "\n"))
	}
	defer func() { tr.t.Logf("%d failures", tr.failed) }()
	for _, f := range forms {
		for n := 1 + tr.first; ; n += step {
			p := tr.run(n, f)
			if p.name == "" {
				break
			}
			tr.failed++
			tr.judge(fmt.Sprintf("call %d, %s, %s", n, p.name, f.name), f, p)
			if tr.wrong || tr.t.Failed() {
				return
			}
		}
	}
}

// run sends the request in a new world, where a call fails.
func (tr *trial) run(n int, f form) (p passed) {
	tr.t.Helper()
	tr.fresh()
	tr.config.Rand.(*predictable).restart()
	tr.mail()
	tr.nothing = tr.left()
	tr.plan.arm(n, f)
	p.reply = tr.send()
	tr.flush(tr.t.Context())
	p.name, p.calls = tr.plan.disarm()
	p.mail, p.left = len(tr.mail()), tr.left()
	return p
}

// judge fails the test unless the answer and what is left are right.
func (tr *trial) judge(what string, f form, p passed) {
	tr.t.Helper()
	added, missing := difference(p.left, tr.nothing), difference(p.left, tr.whole)
	made, none := len(missing) == 0, len(added) == 0
	if !made && !none {
		tr.complain("%s: status %d; left is neither nothing\n\t%s\nnor all\n\t%s", what, p.status, strings.Join(added, "\n\t"), strings.Join(missing, "\n\t"))
	}
	switch {
	case p.status == tr.verb.status:
		if !made && !tr.verb.later() {
			tr.complain("%s: status %d for a change that was not made", what, p.status)
		}
		if got, want := unrandom(p.raw), unrandom(tr.good.raw); got != want {
			tr.complain("%s: the answer is %s, without it\n%s", what, got, want)
		}
	case p.status != f.status:
		tr.complain("%s: got %d %s, want %d", what, p.status, p.raw, f.status)
	case len(p.header.Values("Set-Cookie")) > 0:
		tr.complain("%s: status %d with the cookie %q", what, p.status, p.header.Values("Set-Cookie"))
	}
	if !made && p.mail > 0 {
		tr.complain("%s: %d mails about what was not done", what, p.mail)
	}
	tr.retry(what, made && !none)
}

func (tr *trial) complain(format string, args ...any) {
	tr.t.Helper()
	tr.wrong = true
	tr.report(format, args...)
}

// retry asks once more, when a lease that was not given back has ended.
func (tr *trial) retry(what string, made bool) {
	tr.t.Helper()
	want := tr.verb.status
	if made && tr.verb.again != 0 {
		want = tr.verb.again
	}
	r := tr.send()
	if r.status != want && tr.gh != nil {
		tr.advance(time.Minute)
		r = tr.send()
		tr.advance(-time.Minute)
	}
	lost := tr.verb.path == renewing && (r.status == tr.verb.status || r.status == tr.verb.again)
	if r.status != want && !lost {
		tr.complain("%s, and asked again: got %d %s, want %d", what, r.status, r.raw, want)
	}
	tr.flush(tr.t.Context())
	tr.mail()
}

var randomText = regexp.MustCompile(`"(Sealed|Data|Secret|CredentialID|SealedVerifier|Revision)":"[^"]*"`)

// unrandom leaves out what is random in spite of a source that is not.
func unrandom(line string) string { return randomText.ReplaceAllString(line, `"$1":"random"`) }

// keptInMemory are the rows of a store in memory.
func keptInMemory(e *env, n *names, v verb) rows {
	e.t.Helper()
	all := rows{}
	lines, err := stateOf(e, n, nil, nil, []string{"new@example.com"})
	if err != nil {
		e.t.Errorf("read the store: %v", err)
	}
	for _, line := range lines {
		if strings.HasPrefix(line, "number of ") && strings.HasSuffix(line, " 0") {
			continue // of a link that was taken back too: the store still knows its name
		}
		table, _, _ := strings.Cut(line, " ")
		switch {
		case table == "attempts":
		case strings.Contains(line, "link states of") && slices.Contains(v.apart(), "link_states"):
		case table == "ticket" && slices.Contains(v.apart(), "tickets"):
		default:
			all[table] = append(all[table], unrandom(line))
		}
	}
	return all
}
