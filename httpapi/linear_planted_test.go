package httpapi_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/autonomy"
	"github.com/hedgerow-dev/hedgerow/storage"
	"github.com/hedgerow-dev/hedgerow/storage/memory"
	"github.com/hedgerow-dev/hedgerow/users"
)

// TestLinearizableCatches has each kind of history find what it is there for, in a
// store of which some reads answer what they answered the last time: outside a
// transaction like a cache that is not dropped, and inside like one without a lock.
func TestLinearizableCatches(t *testing.T) {
	link := "User Ticket tx.User tx.Ticket"
	for _, c := range []struct{ kind, late string }{
		{"fields", "tx.User"},
		{"sessions", "SessionByHash"},
		{"keys", "APIKeyByHash"},
		{"keys", "APIKeys"},
		{"keys", "tx.APIKeys"},
		{"autonomy", "AutonomyConfig"},
		{"autonomy", "tx.AutonomyConfig"},
		{"reset link", link},
		{"verified link", link},
		{"backup code", "tx.SecondFactor"},
	} {
		t.Run(c.kind+"/"+c.late, func(t *testing.T) {
			t.Parallel()
			inner := memory.New()
			sound, broken := newLinear(t, inner), newLinear(t, &forgetful{Storage: inner, late: strings.Fields(c.late), answers: map[string]any{}})
			const enough = 20
			for n := range enough {
				s := subjects[c.kind](sound.env, fmt.Sprint("user", n))
				broken.time = sound.now()
				err := record(broken, s, uint64(n)).check()
				if err != nil && strings.Contains(err.Error(), "linearizable: Illegal") {
					return
				} else if err != nil {
					t.Fatal(err)
				}
			}
			t.Errorf("%d histories are linearizable, want one that is not", enough)
		})
	}
}

// forgetful is a store with reads that are late.
type forgetful struct {
	storage.Storage
	late []string // names of methods; "tx." is of a transaction

	mu      sync.Mutex
	answers map[string]any // of late reads, the last time
}

// got is what a read got.
type got[T any] struct {
	value T
	err   error
}

// remembered does a read and, if that is late, answers what it got before.
func remembered[T any](f *forgetful, read string, arg any, do func() (T, error)) (T, error) {
	value, err := do()
	if !slices.Contains(f.late, read) {
		return value, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	key := fmt.Sprint(read, arg)
	before, ok := f.answers[key].(got[T])
	f.answers[key] = got[T]{value, err}
	if !ok {
		return value, err
	}
	return before.value, before.err
}

func (f *forgetful) User(ctx context.Context, id users.ID) (users.User, error) {
	return remembered(f, "User", id, func() (users.User, error) { return f.Storage.User(ctx, id) })
}

func (f *forgetful) Ticket(ctx context.Context, p auth.Purpose, h auth.Hash) (auth.Ticket, error) {
	return remembered(f, "Ticket", h, func() (auth.Ticket, error) { return f.Storage.Ticket(ctx, p, h) })
}

func (f *forgetful) APIKeys(ctx context.Context, id users.ID) ([]auth.APIKey, error) {
	return remembered(f, "APIKeys", id, func() ([]auth.APIKey, error) { return f.Storage.APIKeys(ctx, id) })
}

func (f *forgetful) AutonomyConfig(ctx context.Context, id users.ID) (autonomy.Config, error) {
	return remembered(f, "AutonomyConfig", id, func() (autonomy.Config, error) { return f.Storage.AutonomyConfig(ctx, id) })
}

// withUser is a credential and whose it is.
type withUser[T any] struct {
	credential T
	profile    *users.Profile
}

func (f *forgetful) SessionByHash(ctx context.Context, h auth.Hash) (auth.Session, *users.Profile, error) {
	w, err := remembered(f, "SessionByHash", h, func() (w withUser[auth.Session], err error) {
		w.credential, w.profile, err = f.Storage.SessionByHash(ctx, h)
		return w, err
	})
	return w.credential, w.profile, err
}

func (f *forgetful) APIKeyByHash(ctx context.Context, h auth.Hash) (auth.APIKey, *users.Profile, error) {
	w, err := remembered(f, "APIKeyByHash", h, func() (w withUser[auth.APIKey], err error) {
		w.credential, w.profile, err = f.Storage.APIKeyByHash(ctx, h)
		return w, err
	})
	return w.credential, w.profile, err
}

func (f *forgetful) UpdateAuth(ctx context.Context, fn func(auth.Tx) error) error {
	return f.Storage.UpdateAuth(ctx, func(tx auth.Tx) error { return fn(forgetfulAuthTx{tx, f}) })
}

func (f *forgetful) UpdateAutonomy(ctx context.Context, fn func(autonomy.Tx) error) error {
	return f.Storage.UpdateAutonomy(ctx, func(tx autonomy.Tx) error { return fn(forgetfulAutonomyTx{tx, f}) })
}

type forgetfulAuthTx struct {
	auth.Tx
	f *forgetful
}

func (t forgetfulAuthTx) User(ctx context.Context, id users.ID) (users.User, error) {
	return remembered(t.f, "tx.User", id, func() (users.User, error) { return t.Tx.User(ctx, id) })
}

func (t forgetfulAuthTx) Ticket(ctx context.Context, p auth.Purpose, h auth.Hash) (auth.Ticket, error) {
	return remembered(t.f, "tx.Ticket", h, func() (auth.Ticket, error) { return t.Tx.Ticket(ctx, p, h) })
}

func (t forgetfulAuthTx) SecondFactor(ctx context.Context, id users.ID) (auth.SecondFactor, error) {
	return remembered(t.f, "tx.SecondFactor", id, func() (auth.SecondFactor, error) { return t.Tx.SecondFactor(ctx, id) })
}

func (t forgetfulAuthTx) APIKeys(ctx context.Context, id users.ID) ([]auth.APIKey, error) {
	return remembered(t.f, "tx.APIKeys", id, func() ([]auth.APIKey, error) { return t.Tx.APIKeys(ctx, id) })
}

type forgetfulAutonomyTx struct {
	autonomy.Tx
	f *forgetful
}

func (t forgetfulAutonomyTx) AutonomyConfig(ctx context.Context, id users.ID) (autonomy.Config, error) {
	return remembered(t.f, "tx.AutonomyConfig", id, func() (autonomy.Config, error) { return t.Tx.AutonomyConfig(ctx, id) })
}
