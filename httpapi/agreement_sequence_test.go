package httpapi_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/hedgerow-dev/hedgerow/storage"
	"github.com/hedgerow-dev/hedgerow/storage/memory"
	"github.com/hedgerow-dev/hedgerow/users"
)

const (
	// Worlds take time to make, and knowledge to gather.
	sequenceLength = 200
	// What differs in the stores may be gone again at the end.
	betweenComparisons = 50
	shrinkingTime      = 3 * time.Minute
)

// sequence is operations on a new world, one after the other.
type sequence struct {
	t          *testing.T
	databases  *databases
	setting    setting
	operations []operation
	transcript strings.Builder // of the last time that they were done
}

func newSequence(t *testing.T, d *databases, seed uint64) *sequence {
	return &sequence{t: t, databases: d, setting: setting{seed: seed}}
}

// draw draws operations and does them, up to the first difference, which it
// returns.
func (s *sequence) draw(seen *coverage) error {
	source := rand.New(rand.NewPCG(s.setting.seed, 0))
	s.setting = drawSetting(draw{Rand: source}, s.setting.seed)
	w := newWorld(s.t, s.databases, s.setting)
	defer w.close()
	next := w.newOperations(source)
	for n := range sequenceLength {
		op := next()
		op.number = w.serial + 1
		s.operations = append(s.operations, op)
		o, err := w.run(op)
		if err != nil {
			return err
		}
		seen.add(op, o)
		if (n+1)%betweenComparisons > 0 {
			continue
		}
		s.operations = append(s.operations, comparison)
		if err := w.compareStates(); err != nil {
			return err
		}
	}
	return nil
}

// comparison stands for one of all that is stored. It reads through caches.
var comparison = operation{name: "comparison", text: "all that is stored is compared"}

// do does operations on a new world, and compares all that is stored at the end.
// It returns those up to the first difference, which it returns as well.
func (s *sequence) do(operations []operation) ([]operation, error) {
	w := newWorld(s.t, s.databases, s.setting)
	defer w.close()
	s.transcript.Reset()
	for n, op := range append(slices.Clip(operations), comparison) {
		fmt.Fprintf(&s.transcript, "%d. %s\n", n+1, op.text)
		var err error
		if op.name == comparison.name {
			err = w.compareStates()
		} else {
			var o reaction
			o, err = w.run(op)
			fmt.Fprintf(&s.transcript, "   %s\n", o)
		}
		if err != nil {
			return operations[:min(n+1, len(operations))], err
		}
	}
	return operations, nil
}

// shrink leaves operations out as long as there is a difference without them, and
// shows those that are left and the difference, of which err is the first.
func (s *sequence) shrink(err error) string {
	deadline := time.Now().Add(shrinkingTime)
	for size := len(s.operations) / 2; size > 0; {
		again := s.leaveOut(size, deadline)
		if size > 1 || !again {
			size /= 2
		}
	}
	if _, again := s.do(s.operations); again != nil {
		return fmt.Sprintf("with %s:\n%s%v", s.setting, &s.transcript, again)
	}
	return fmt.Sprintf("with %s: done again, there is no difference, and at first there was: %v", s.setting, err)
}

// leaveOut leaves out as many operations at a time as size says, the last ones
// first, and reports whether it could.
func (s *sequence) leaveOut(size int, deadline time.Time) bool {
	could := false
	for end := len(s.operations); end > 0 && time.Now().Before(deadline); end -= size {
		fewer := slices.Concat(s.operations[:max(end-size, 0)], s.operations[end:])
		if failing, err := s.do(fewer); err != nil {
			s.operations, could = failing, true
			end = min(end, len(failing)+size)
		}
	}
	return could
}

// TestSequencesShrink has a store that forgets to do something, and wants the
// few operations that show it.
func TestSequencesShrink(t *testing.T) {
	d, seen := newDatabases(t), newCoverage()
	d.memory = func() storage.Storage { return negligent{memory.New()} }
	for number := range uint64(10) {
		s := newSequence(t, d, number)
		err := s.draw(seen)
		if err == nil {
			continue
		}
		shown := s.shrink(err)
		if len(s.operations) > 3 || !strings.Contains(shown, "DeleteMembership(") || !strings.Contains(shown, "what is stored differs between memory and sqlite") {
			t.Errorf("%d operations are left:\n%s", len(s.operations), shown)
		}
		return
	}
	t.Errorf("no difference in %d operations", seen.operations)
}

// negligent is a store that keeps the memberships that it is to delete.
type negligent struct{ storage.Storage }

func (s negligent) UpdateUsers(ctx context.Context, fn func(users.Tx) error) error {
	return s.Storage.UpdateUsers(ctx, func(tx users.Tx) error { return fn(negligentTx{tx}) })
}

type negligentTx struct{ users.Tx }

func (negligentTx) DeleteMembership(context.Context, users.ID, uuid.UUID) error { return nil }

// TestSequencesRepeat wants a seed to stand for the same operations each time.
func TestSequencesRepeat(t *testing.T) {
	d, seen := newDatabases(t), newCoverage()
	for number := range uint64(3) {
		first, second := newSequence(t, d, number), newSequence(t, d, number)
		if err := errors.Join(first.draw(seen), second.draw(seen)); err != nil {
			t.Fatal(err)
		}
		for n, op := range first.operations {
			if again := second.operations[n]; again.text != op.text {
				t.Fatalf("operation %d of seed %d:\n%s\nand again:\n%s", n+1, number, op.text, again.text)
			}
		}
	}
}
