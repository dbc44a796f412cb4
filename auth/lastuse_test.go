package auth_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/storage/memory"
	"github.com/hedgerow-dev/hedgerow/users"
)

// gate is a store whose writes wait from close on, and whose read of a key calls
// between before it returns what it has read.
type gate struct {
	auth.Store
	open    chan struct{}
	between func()
}

func (g *gate) UpdateAuth(ctx context.Context, fn func(auth.Tx) error) error {
	select {
	case <-g.open:
	case <-ctx.Done():
		return ctx.Err()
	}
	return g.Store.UpdateAuth(ctx, fn)
}

func (g *gate) APIKey(ctx context.Context, id string) (auth.APIKey, error) {
	k, err := g.Store.APIKey(ctx, id)
	g.between()
	return k, err
}

// usedAt is when the key of usedKey was used.
var usedAt = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)

// usedKey has a key whose use waits at a closed gate to be stored.
func usedKey(t *testing.T) (*gate, *auth.Service, users.User) {
	t.Helper()
	g := &gate{Store: memory.New(), open: make(chan struct{}), between: func() {}}
	close(g.open)
	s, err := auth.NewService(g, users.NewService(g.Store.(*memory.Store), users.Config{}), auth.Config{Now: func() time.Time { return usedAt }})
	if err != nil {
		t.Fatal(err)
	}
	u := newUser(t, s, "ann@example.com")
	value := users.Secret("phx_0123456789abcdef")
	if _, err := s.SaveAPIKey(t.Context(), auth.APIKey{ID: "k", UserID: u.ID}, value); err != nil {
		t.Fatal(err)
	}
	g.open = make(chan struct{})
	if _, err := s.Bearer(t.Context(), value); err != nil {
		t.Fatal(err)
	}
	return g, s, u
}

// TestLastUseStoredDuringARead: a use that is stored after the key was read, and
// before the answer is made, is seen all the same.
func TestLastUseStoredDuringARead(t *testing.T) {
	g, s, u := usedKey(t)
	g.between = func() {
		close(g.open)
		if err := s.Flush(t.Context()); err != nil {
			t.Error(err)
		}
		g.between = func() {}
	}
	if k, err := s.APIKey(t.Context(), u.ID, "k"); err != nil || !k.LastUsedAt.Equal(usedAt) {
		t.Errorf("last use is %v, %v, want %v", k.LastUsedAt, err, usedAt)
	}
}

// TestLastUseDoesNotWaitForever: a store that falls silent holds up neither the
// uses that follow nor the end of the program.
func TestLastUseDoesNotWaitForever(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, s, _ := usedKey(t)
		begun := time.Now()
		if err := s.Flush(t.Context()); err != nil || time.Since(begun) > time.Minute {
			t.Errorf("Flush: got %v after %v, want no error within a minute", err, time.Since(begun))
		}
	})
}
