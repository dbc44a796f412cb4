package observed_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/storage"
	"github.com/hedgerow-dev/hedgerow/storage/memory"
	"github.com/hedgerow-dev/hedgerow/storage/observed"
	"github.com/hedgerow-dev/hedgerow/storage/sqlite"
	"github.com/hedgerow-dev/hedgerow/storage/storagetest"
	"github.com/hedgerow-dev/hedgerow/users"
)

func TestStorage(t *testing.T) {
	ignore := func(context.Context, observed.Operation) {}
	t.Run("memory", func(t *testing.T) {
		storagetest.Run(t, func(*testing.T) storage.Storage { return observed.New(memory.New(), ignore, nil) })
	})
	t.Run("sqlite", func(t *testing.T) {
		storagetest.Run(t, func(t *testing.T) storage.Storage {
			st, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "a.db"))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if err := st.Close(); err != nil {
					t.Errorf("Close: %v", err)
				}
			})
			return observed.New(st, ignore, nil)
		})
	})
}

// TestEveryMethod calls all of storage.Storage but Close: each is told of once,
// under its name.
func TestEveryMethod(t *testing.T) {
	var seen []observed.Operation
	st := reflect.ValueOf(observed.New(memory.New(), func(_ context.Context, o observed.Operation) { seen = append(seen, o) }, nil))
	interfaceOf := reflect.TypeFor[storage.Storage]()
	for i := range interfaceOf.NumMethod() {
		m := interfaceOf.Method(i)
		if m.Name == "Close" {
			continue
		}
		args := []reflect.Value{reflect.ValueOf(t.Context())}
		for a := 1; a < m.Type.NumIn(); a++ {
			args = append(args, reflect.Zero(m.Type.In(a)))
		}
		if strings.HasPrefix(m.Name, "Update") {
			args[1] = reflect.MakeFunc(m.Type.In(1), func([]reflect.Value) []reflect.Value { return []reflect.Value{reflect.Zero(reflect.TypeFor[error]())} })
		}
		seen = nil
		st.MethodByName(m.Name).Call(args)
		if len(seen) != 1 || seen[0].Name != m.Name || seen[0].Write != strings.HasPrefix(m.Name, "Update") {
			t.Errorf("%s: told of %+v", m.Name, seen)
		}
	}
}

func TestOutcomes(t *testing.T) {
	var got observed.Operation
	var now time.Time
	st := observed.New(memory.New(), func(_ context.Context, o observed.Operation) { got = o }, func() time.Time { return now })
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	fail := func(err error) error {
		return st.UpdateAuth(t.Context(), func(auth.Tx) error {
			now = now.Add(time.Second)
			return err
		})
	}
	for name, c := range map[string]struct {
		call func() error
		want observed.Operation
	}{
		"ok":          {func() error { return fail(nil) }, observed.Operation{Domain: observed.Auth, Name: "UpdateAuth", Write: true, Outcome: observed.OK, Duration: time.Second}},
		"refused":     {func() error { return fail(fmt.Errorf("save: %w", users.ErrConflict)) }, observed.Operation{Domain: observed.Auth, Name: "UpdateAuth", Write: true, Outcome: observed.Refused, Duration: time.Second}},
		"unavailable": {func() error { return fail(fmt.Errorf("save: %w", users.ErrUnavailable)) }, observed.Operation{Domain: observed.Auth, Name: "UpdateAuth", Write: true, Outcome: observed.Unavailable, Duration: time.Second}},
		"failed":      {func() error { return fail(io.ErrUnexpectedEOF) }, observed.Operation{Domain: observed.Auth, Name: "UpdateAuth", Write: true, Outcome: observed.Failed, Duration: time.Second}},
		"not found":   {func() error { _, err := st.User(t.Context(), 1); return err }, observed.Operation{Domain: observed.Users, Name: "User", Outcome: observed.Refused}},
		"canceled":    {func() error { _, err := st.AutonomyConfig(canceled, 1); return err }, observed.Operation{Domain: observed.Autonomy, Name: "AutonomyConfig", Outcome: observed.Canceled}},
	} {
		t.Run(name, func(t *testing.T) {
			if err := c.call(); (err == nil) != (name == "ok") || got != c.want {
				t.Errorf("got %+v and %v, want %+v", got, err, c.want)
			}
		})
	}
}

// TestPanic goes on as without the wrapper, and is no success.
func TestPanic(t *testing.T) {
	var got observed.Operation
	st := observed.New(memory.New(), func(_ context.Context, o observed.Operation) { got = o }, nil)
	want := errors.New("mistake")
	defer func() {
		if v := recover(); v != want || got.Outcome != observed.Failed {
			t.Errorf("got panic %v and outcome %q, want %v and failed", v, got.Outcome, want)
		}
	}()
	err := st.UpdateUsers(t.Context(), func(users.Tx) error { panic(want) })
	t.Errorf("UpdateUsers returned %v", err)
}
