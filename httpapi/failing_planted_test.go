package httpapi_test

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/httpapi"
	"github.com/hedgerow-dev/hedgerow/storage"
	"github.com/hedgerow-dev/hedgerow/storage/memory"
	"github.com/hedgerow-dev/hedgerow/users"
)

// TestFailingCallsSeesBugs plants one of each kind between the services and the
// store, and wants it found.
func TestFailingCallsSeesBugs(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]verb{}
	for _, v := range failingVerbs() {
		all[v.String()] = v
	}
	for _, c := range []struct {
		name, verb, want string
		plant            func(storage.Storage) storage.Storage
	}{
		{"an error is swallowed", "PATCH " + userPath + " password", "for a change that was not made",
			func(st storage.Storage) storage.Storage { return swallowing{st} }},
		{"a change is kept in spite of an error", "PATCH " + userPath + " password", "neither nothing",
			func(st storage.Storage) storage.Storage { return keeping{st} }},
		{"a list that cannot be read is empty", "GET " + userPath + "/login_sessions", "the answer is",
			func(st storage.Storage) storage.Storage { return emptying{st} }},
		{"a failure is called a refusal", "PATCH " + userPath + " profile", "want 500",
			func(st storage.Storage) storage.Storage { return refusing{st} }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			v, ok := all[c.verb]
			if !ok {
				t.Fatalf("there is no verb %s", c.verb)
			}
			var found []string
			tr := &trial{t: t, verb: v, report: func(format string, args ...any) { found = append(found, fmt.Sprintf(format, args...)) }}
			tr.fresh = func() {
				names := &names{}
				f := newFailing(&noting{memory.New(), names})
				tr.plan = f.plan
				tr.env, tr.send = newScene(t, c.plant(f), v, nil, func(c *httpapi.Config) { c.GitHub.Provider = quickGitHub(t, c.Now, key) })
				tr.left = func() rows { return keptInMemory(tr.env, names, v) }
			}
			tr.try(forms()[:1], 1)
			if !strings.Contains(strings.Join(found, "\n"), c.want) {
				t.Errorf("found %q, want %q", found, c.want)
			}
		})
	}
}

// swallowing says that all was stored.
type swallowing struct{ storage.Storage }

func (s swallowing) UpdateAuth(ctx context.Context, fn func(auth.Tx) error) error {
	if err := s.Storage.UpdateAuth(ctx, fn); !errors.Is(err, errPlanted) {
		return err
	}
	return nil
}

// keeping commits what was done before an error.
type keeping struct{ storage.Storage }

func (s keeping) UpdateAuth(ctx context.Context, fn func(auth.Tx) error) error {
	var failed error
	err := s.Storage.UpdateAuth(ctx, func(tx auth.Tx) error {
		if failed = fn(tx); errors.Is(failed, errPlanted) {
			return nil
		}
		return failed
	})
	return cmp.Or(err, failed)
}

// emptying finds no sessions when it cannot look.
type emptying struct{ storage.Storage }

func (s emptying) Sessions(ctx context.Context, user users.ID) ([]auth.Session, error) {
	if list, err := s.Storage.Sessions(ctx, user); !errors.Is(err, errPlanted) {
		return list, err
	}
	return nil, nil
}

// refusing takes any failure for a right that is missing.
type refusing struct{ storage.Storage }

func (s refusing) UpdateAuth(ctx context.Context, fn func(auth.Tx) error) error {
	if err := s.Storage.UpdateAuth(ctx, fn); !errors.Is(err, errPlanted) {
		return err
	}
	return users.ErrForbidden
}
