package httpapi_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hedgerow-dev/hedgerow/httpapi"
)

// TestDeadline ends the context of a request in each way that there is, when nobody
// waits for it and when a child of it does.
func TestDeadline(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		finish func(parent, end func())
		want   error
	}{
		"time passes":          {func(_, _ func()) { time.Sleep(time.Minute) }, context.DeadlineExceeded},
		"the request is over":  {func(_, end func()) { end() }, context.Canceled},
		"the client goes away": {func(parent, _ func()) { parent() }, context.Canceled},
	} {
		for _, waits := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					type key struct{}
					parent, cancel := context.WithCancel(context.WithValue(t.Context(), key{}, "value"))
					defer cancel()
					at := time.Now().Add(time.Minute)
					ctx, end := httpapi.NewDeadline(parent, at)
					defer end()
					child := ctx
					if waits {
						var stop func()
						child, stop = context.WithCancel(ctx)
						defer stop()
					}
					if got, ok := ctx.Deadline(); !ok || !got.Equal(at) {
						t.Errorf("Deadline: got %v, %v, want %v", got, ok, at)
					}
					if ctx.Value(key{}) != "value" || child.Value(key{}) != "value" {
						t.Error("a value of the parent is gone")
					}
					if err := errors.Join(ctx.Err(), child.Err()); err != nil {
						t.Errorf("before: got %v", err)
					}
					c.finish(cancel, end)
					checkEnded(t, ctx, child, c.want)
				})
			})
		}
	}
}

func checkEnded(t *testing.T, ctx, child context.Context, want error) {
	t.Helper()
	synctest.Wait()
	if !errors.Is(ctx.Err(), want) || !errors.Is(child.Err(), want) {
		t.Errorf("afterwards: got %v and %v, want %v", ctx.Err(), child.Err(), want)
	}
	// Who begins to wait now does so in vain.
	for _, c := range []context.Context{ctx, child} {
		select {
		case <-c.Done():
		default:
			t.Error("Done is not closed")
		}
	}
	if !errors.Is(ctx.Err(), want) {
		t.Errorf("with a timer: got %v, want %v", ctx.Err(), want)
	}
}

// TestDeadlineOfParent has the parent end before.
func TestDeadlineOfParent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		at := time.Now().Add(time.Second)
		parent, cancel := context.WithDeadline(t.Context(), at)
		defer cancel()
		ctx, end := httpapi.NewDeadline(parent, at.Add(time.Minute))
		defer end()
		if got, _ := ctx.Deadline(); !got.Equal(at) {
			t.Errorf("Deadline: got %v, want %v", got, at)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if !errors.Is(ctx.Err(), context.DeadlineExceeded) {
			t.Errorf("Err: got %v", ctx.Err())
		}
	})
}
