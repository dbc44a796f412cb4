package httpapi_test

import (
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/hedgerow-dev/hedgerow/httpapi"
	"github.com/hedgerow-dev/hedgerow/storage/memory"
)

var (
	operations = flag.Int("operations", 2_000, "how many operations TestStoresAgree tries")
	seed       = flag.Uint64("seed", 0, "of the first sequence of TestStoresAgree; 0 means any")
)

// enough operations reach every route and every act of the host several times.
const enough = 20_000

// TestStoresAgree sends the same random operations to three APIs that differ in
// nothing but their store, and compares each answer and, now and then, all that is
// stored. Each sequence of operations has a seed. One with a difference is cut
// down to operations that it takes.
//
// These faults of one line were planted, and each was found by fewer than 20,000
// operations and cut down to at most six and a comparison: another collation of
// identities, a look-up of U+0000 on PostgreSQL, a cache that is not told of a key
// or a scene, a version that is not raised, tokens or branches that stay in memory
// when their user goes, an offset that overflows, and times without microseconds.
// Another collation of the ids of keys was not found by 20,000. Package storagetest
// has a case for it.
func TestStoresAgree(t *testing.T) {
	d, seen := newDatabases(t), newCoverage()
	next := *seed
	if next == 0 {
		next = uint64(rand.Uint32())
	}
	for ; seen.operations < *operations && !t.Failed(); next++ {
		t.Run(fmt.Sprint("seed ", next), func(t *testing.T) {
			s := newSequence(t, d, next)
			if err := s.draw(seen); err != nil {
				all := len(s.operations)
				t.Errorf("%s\nThat is left of %d operations. They are done again by -seed %d -operations 1", s.shrink(err), all, next)
			}
		})
	}
	if !t.Failed() && *operations >= enough {
		seen.check(t)
	}
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

func newCoverage() *coverage { return &coverage{calls: map[string]int{}, successes: map[string]int{}} }

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
