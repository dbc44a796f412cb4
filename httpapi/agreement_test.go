package httpapi_test

import (
	"flag"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/hedgerow-dev/hedgerow/httpapi"
	"github.com/hedgerow-dev/hedgerow/storage/memory"
)

var operations = flag.Int("operations", 2_000, "how many operations TestStoresAgree tries")

// enough operations reach every route and every act of the host several times.
const enough = 20_000

// TestStoresAgree sends the same random operations to three APIs that differ in
// nothing but their store, and compares each answer and, after each sequence of
// operations, all that is stored. A sequence with a difference is cut down to the
// operations and values that it takes, and is kept in testdata/rapid until it
// passes.
func TestStoresAgree(t *testing.T) {
	adjust(t, "rapid.steps", "100") // of one sequence, on average
	adjust(t, "rapid.checks", "5")  // sequences of one subtest
	adjust(t, "rapid.shrinktime", "5m")
	d, seen := newDatabases(t), &coverage{calls: map[string]int{}, successes: map[string]int{}}
	for n := 1; seen.operations < *operations && !t.Failed(); n++ {
		t.Run(strconv.Itoa(n), func(t *testing.T) {
			rapid.Check(t, func(rt *rapid.T) {
				w := newWorld(t, rt, d)
				defer w.close()
				rt.Repeat(map[string]func(*rapid.T){"operation": func(rt *rapid.T) {
					op := w.ops.Draw(rt, "operation")
					seen.add(op, w.run(rt, op))
				}})
				w.compareStates(rt)
			})
		})
	}
	if !t.Failed() && *operations >= enough {
		seen.check(t)
	}
}

// adjust sets a flag for the time of a test, unless the command line did.
func adjust(t *testing.T, name, value string) {
	t.Helper()
	f, given := flag.Lookup(name), false
	flag.Visit(func(set *flag.Flag) { given = given || set == f })
	if given {
		return
	}
	if err := f.Value.Set(value); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Value.Set(f.DefValue); err != nil {
			t.Error(err)
		}
	})
}

// TestEveryRouteIsTried holds the generator to the route table.
func TestEveryRouteIsTried(t *testing.T) {
	e := newEnv(t, memory.New(), nil)
	t.Cleanup(e.close)
	left := requestMakers()
	for _, rt := range httpapi.Routes(e.api) {
		name := rt[0] + " " + rt[1]
		if _, ok := left[name]; !ok {
			t.Errorf("TestStoresAgree does not know how to call %s", name)
		}
		delete(left, name)
	}
	for name := range left {
		t.Errorf("TestStoresAgree calls %s, which is no route", name)
	}
}

// coverage counts what was tried, by route or act.
type coverage struct {
	operations       int
	calls, successes map[string]int
	start            time.Time
}

func (c *coverage) add(op operation, o reaction) {
	if c.operations++; c.start.IsZero() {
		c.start = time.Now()
	}
	c.calls[op.name]++
	if o.succeeded() {
		c.successes[op.name]++
	}
}

// check fails the test unless every route and act has succeeded.
func (c *coverage) check(t *testing.T) {
	t.Helper()
	names := slices.Concat(slices.Collect(maps.Keys(requestMakers())), slices.Collect(maps.Keys(hostActs())))
	slices.Sort(names)
	for _, name := range names {
		if c.successes[name] == 0 {
			t.Errorf("of %d times, %q never succeeded", c.calls[name], name)
		}
	}
	report := fmt.Sprintf("%d operations in %s", c.operations, time.Since(c.start).Round(time.Second))
	for _, name := range names {
		report += fmt.Sprintf("\n%6d of %6d succeeded: %s", c.successes[name], c.calls[name], name)
	}
	t.Log(report)
}
