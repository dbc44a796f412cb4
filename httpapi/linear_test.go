package httpapi_test

import (
	"cmp"
	"encoding/json"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/hedgerow-dev/hedgerow/httpapi"
)

var histories = flag.Int("histories", 2, "how many histories of each kind TestLinearizable checks on each store")

const (
	fewestCallers, mostCallers = 8, 16
	steps                      = 8 // of each caller

	// faultEvery so many requests something happens to the database, where
	// something does. Each change without answer doubles what may have happened, so
	// that nothing more does once there are a few: one lost commit or connection may be
	// that of every caller.
	faultEvery = 40
	mostUnsure = 4
	// decideWithin is far more than the check of a history takes.
	decideWithin = 2 * time.Minute
)

// subject is what the callers of a history change and read together.
type subject struct {
	act   func(c *caller)        // is one step of a caller
	model func() porcupine.Model // says what the answers may be, once all are there
}

// subjects prepares each for a user of a name that nobody has.
var subjects = map[string]func(e *env, name string) subject{
	"fields":        fieldsSubject,
	"sessions":      sessionsSubject,
	"keys":          keysSubject,
	"autonomy":      autonomySubject,
	"reset link":    resetSubject,
	"verified link": verifiedSubject,
	"backup code":   backupSubject,
}

// TestLinearizable has 8 to 16 clients, 8 where answers get lost, change and read the same things at the same
// time, and looks for an order, one after the other, that explains all answers:
// each in the time between question and answer. An operation that was not answered
// may have happened, then or later, or not.
func TestLinearizable(t *testing.T) {
	for store, open := range linearStores() {
		t.Run(store, func(t *testing.T) {
			t.Parallel()
			l := open(t)
			checked, operations, unanswered := 0, 0, 0
			for kind, prepare := range subjects {
				for n := range *histories {
					name := strings.ReplaceAll(fmt.Sprint(kind, n), " ", "")
					h := record(l, prepare(l.env, name), uint64(n))
					if err := h.check(); err != nil {
						t.Errorf("%s, history %d: %v", kind, n, err)
						continue
					}
					checked, operations, unanswered = checked+1, operations+len(h.operations), unanswered+h.unanswered
				}
			}
			t.Logf("%d histories are linearizable: %d operations, %d of them not answered", checked, operations, unanswered)
			if l.fault != nil && unanswered == 0 && *histories > 1 && l.loses {
				t.Error("every operation was answered, want faults that are felt")
			}
		})
	}
}

// linear is where histories come from.
type linear struct {
	*env
	fault func() // something that happens to the database; nil where nothing does
	loses bool   // the fault makes answers uncertain, and not only late
	// settle ends what may be left of a fault; it may be nil.
	settle func()
}

// history is what concurrent callers asked for and were told.
type history struct {
	subject
	fault func()
	begun time.Time

	mu         sync.Mutex
	operations []porcupine.Operation
	requests   int
	unanswered int
	unsure     int // changes among them
	problems   []string
}

// caller is one of the clients of a history.
type caller struct {
	*history
	number int
	api    *httpapi.API
	rand   *rand.Rand
	last   porcupine.Operation // of this caller
	names  int                 // that unique has given
}

// unique is a word that nobody else has in this history.
func (c *caller) unique() string {
	c.names++
	return fmt.Sprintf("w%d-%d", c.number, c.names)
}

// record runs the callers of one history. Its number decides what they do, and
// chance what happens at the same time.
func record(l linear, s subject, number uint64) *history {
	h := &history{subject: s, fault: l.fault, begun: time.Now()}
	var working sync.WaitGroup
	callers := fewestCallers
	if !l.loses {
		callers += int(number) % (mostCallers - fewestCallers + 1)
	}
	for i := range callers {
		c := &caller{history: h, number: i, api: l.instance(), rand: rand.New(rand.NewPCG(number, uint64(i)))}
		working.Go(func() {
			for range steps {
				s.act(c)
			}
		})
	}
	working.Wait()
	if l.settle != nil {
		l.settle()
	}
	return h
}

// answered is what a request got.
type answered struct {
	status int
	header http.Header
	body   []byte
}

// text is a member of the body, in JSON; "" if there is none.
func (a answered) text(member string) string {
	var object map[string]json.RawMessage
	if json.Unmarshal(a.body, &object) != nil {
		return ""
	}
	return string(object[member])
}

// cookie is the session that an answer hands out.
func (a answered) cookie() string {
	for _, c := range (&http.Response{Header: a.header}).Cookies() {
		if c.Name == "sessionid" {
			return c.Name + "=" + c.Value
		}
	}
	return ""
}

// send sends a request that is no part of the history by itself.
func (c *caller) send(method, path, body string, o ...option) answered {
	r := httptest.NewRequest(method, "http://internal.example"+path, strings.NewReader(body))
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for _, set := range o {
		set(r)
	}
	w := httptest.NewRecorder()
	c.api.ServeHTTP(w, r)
	return answered{w.Code, w.Header(), w.Body.Bytes()}
}

// ask sends a request and notes it. read says what the answer tells, or nil for
// one that must not be; ask returns it, or nil.
func (c *caller) ask(in any, read func(answered) any, method, path, body string, o ...option) (out any) {
	c.disturb()
	call := time.Since(c.begun)
	a := c.send(method, path, body, o...)
	done := time.Since(c.begun)
	operation := porcupine.Operation{ClientId: c.number, Input: in, Call: int64(call), Return: int64(done)}
	c.mu.Lock()
	defer c.mu.Unlock()
	if a.status == http.StatusServiceUnavailable && c.fault != nil {
		c.unanswered++
		if method == http.MethodGet {
			return nil // it tells nothing, and has changed nothing
		}
		c.unsure++
		operation.Return = math.MaxInt64
	} else if out = read(a); out == nil {
		c.problems = append(c.problems, fmt.Sprintf("%s %s %s: got %d %s", method, path, body, a.status, a.body))
		return nil
	}
	operation.Output = out
	c.operations = append(c.operations, operation)
	c.last = operation
	return out
}

// also notes that the last request did a second thing.
func (c *caller) also(in, out any) {
	operation := c.last
	operation.Input, operation.Output = in, out
	c.mu.Lock()
	defer c.mu.Unlock()
	c.operations = append(c.operations, operation)
}

// disturb lets something happen to the database now and then.
func (c *caller) disturb() {
	c.mu.Lock()
	c.requests++
	due := c.fault != nil && c.requests%faultEvery == 0 && c.unsure < mostUnsure
	c.mu.Unlock()
	if due {
		c.fault()
	}
}

// check returns an error unless the history is linearizable.
func (h *history) check() error {
	if len(h.problems) > 0 {
		return fmt.Errorf("answers that must not be:\n%s", strings.Join(h.problems, "\n"))
	}
	if len(h.operations) == 0 {
		return fmt.Errorf("nothing happened")
	}
	if result := porcupine.CheckOperationsTimeout(h.model(), h.operations, decideWithin); result != porcupine.Ok {
		slices.SortFunc(h.operations, func(a, b porcupine.Operation) int { return cmp.Compare(a.Call, b.Call) })
		var lines strings.Builder
		for _, o := range h.operations {
			fmt.Fprintf(&lines, "\n%3d %12v %12v %+v: %+v", o.ClientId, time.Duration(o.Call), time.Duration(o.Return), o.Input, o.Output)
		}
		return fmt.Errorf("linearizable: %s%s", result, &lines)
	}
	return nil
}

// modelOf makes a model of a function that says whether in state s the operation
// in may have the result out, and what the state is then. There is no out when it
// was not answered, in which case its effect is asked for.
func modelOf[S comparable, I, O any](first S, step func(s S, in I, out *O) (S, bool)) porcupine.Model {
	return porcupine.Model{
		Init: func() any { return first },
		Step: func(state, in, out any) (bool, any) {
			var answer *O
			if out != nil {
				o := out.(O)
				answer = &o
			}
			next, ok := step(state.(S), in.(I), answer)
			return ok, next
		},
	}
}

// partitionBy splits a history into those of independent things.
func partitionBy[I any, K comparable](key func(I) K) func([]porcupine.Operation) [][]porcupine.Operation {
	return func(all []porcupine.Operation) (parts [][]porcupine.Operation) {
		byKey := map[K][]porcupine.Operation{}
		for _, o := range all {
			k := key(o.Input.(I))
			byKey[k] = append(byKey[k], o)
		}
		for _, part := range byKey {
			parts = append(parts, part)
		}
		return parts
	}
}

// pool is what callers know together.
type pool[T any] struct {
	mu    sync.Mutex
	items []T
}

func (p *pool[T]) add(item T) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.items = append(p.items, item)
}

// pick returns one of the latest items.
func (p *pool[T]) pick(r *rand.Rand) (item T, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.items) == 0 {
		return item, false
	}
	const latest = 6
	return p.items[len(p.items)-1-r.IntN(min(latest, len(p.items)))], true
}

func (p *pool[T]) all() []T {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.items)
}
