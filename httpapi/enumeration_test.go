package httpapi_test

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/httpapi"
	"github.com/hedgerow-dev/hedgerow/storage"
	"github.com/hedgerow-dev/hedgerow/storage/memory"
	"github.com/hedgerow-dev/hedgerow/users"
)

// observed marks the context of requests whose reads and writes are counted:
// what is done after the answer has another context.
type observed struct{}

// counter counts the calls that open routes make on the path of a request.
type counter struct {
	storage.Storage
	mu    sync.Mutex
	calls map[string]int
}

func (c *counter) count(ctx context.Context, name string) {
	if ctx.Value(observed{}) == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls[name]++
}

func (c *counter) User(ctx context.Context, id users.ID) (users.User, error) {
	c.count(ctx, "User")
	return c.Storage.User(ctx, id)
}

func (c *counter) UserByEmail(ctx context.Context, folded string) (users.User, error) {
	c.count(ctx, "UserByEmail")
	return c.Storage.UserByEmail(ctx, folded)
}

func (c *counter) UserByUUID(ctx context.Context, id uuid.UUID) (users.User, error) {
	c.count(ctx, "UserByUUID")
	return c.Storage.UserByUUID(ctx, id)
}

func (c *counter) SSOEnforced(ctx context.Context, domain string) (bool, error) {
	c.count(ctx, "SSOEnforced")
	return c.Storage.SSOEnforced(ctx, domain)
}

func (c *counter) Attempts(ctx context.Context, key string) ([]time.Time, error) {
	c.count(ctx, "Attempts")
	return c.Storage.Attempts(ctx, key)
}

func (c *counter) Ticket(ctx context.Context, p auth.Purpose, h auth.Hash) (auth.Ticket, error) {
	c.count(ctx, "Ticket")
	return c.Storage.Ticket(ctx, p, h)
}

func (c *counter) UpdateAuth(ctx context.Context, fn func(auth.Tx) error) error {
	c.count(ctx, "UpdateAuth")
	return c.Storage.UpdateAuth(ctx, fn)
}

// TestOpenRoutesWorkAlike: on the path of a request, an open route does the same
// whether or not there is an account, so that time tells nothing (R08, R37).
func TestOpenRoutesWorkAlike(t *testing.T) {
	store := &counter{Storage: memory.New(), calls: map[string]int{}}
	box := &mailbox{}
	e := &env{t: t, store: store, box: box, time: time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)}
	var err error
	e.api, err = httpapi.New(store, httpapi.Config{PublicURL: "https://app.example.com", EncryptionKeys: encryptionKeys, Now: e.now,
		Auth: auth.Config{PasswordCost: cheap, Mailer: box}})
	if err != nil {
		t.Fatal(err)
	}
	alice, gone := e.user("alice", unverified), e.user("gone", inactive)
	mark := func(r *http.Request) { *r = *r.WithContext(context.WithValue(r.Context(), observed{}, true)) }
	const verify, ask, reset = "/api/users/verify_email", "/api/users/request_email_verification", "/api/reset"
	for name, test := range map[string]struct {
		path   string
		bodies []string
		status int
		some   string // a call that must be among them
	}{
		"ask for verification": {ask, []string{uuidBody(alice.UUID.String(), ""), uuidBody(gone.UUID.String(), ""), uuidBody(unknownID, "")}, 200, "UserByUUID"},
		"ask for reset":        {reset, []string{`{"email":"alice@example.com"}`, `{"email":"gone@example.com"}`, `{"email":"nobody@example.com"}`}, 204, "UserByEmail"},
		"verify":               {verify, []string{uuidBody(alice.UUID.String(), "x"), uuidBody(gone.UUID.String(), "x"), uuidBody(unknownID, "x"), uuidBody("x", "x")}, 400, "Ticket"},
		"set password":         {reset + "/", []string{alice.UUID.String(), gone.UUID.String(), unknownID, "x"}, 400, "Ticket"},
	} {
		var first map[string]int
		for _, body := range test.bodies {
			store.calls = map[string]int{}
			path := test.path
			if path == reset+"/" {
				path, body = path+body, `{"token":"x","password":"`+newPassword+`"}`
			}
			e.do("POST", path, body, mark).ok(test.status)
			if err := e.api.Auth().Flush(t.Context()); err != nil {
				t.Fatal(err)
			}
			if first == nil {
				first = store.calls
			}
			if !maps.Equal(store.calls, first) || store.calls[test.some] == 0 {
				t.Errorf("%s: %s %s: got calls %v, want %v with %s", name, path, body, store.calls, first, test.some)
			}
		}
	}
	if got := kinds(box.mail); got != "EmailVerification alice@example.com, PasswordReset alice@example.com" &&
		got != "PasswordReset alice@example.com, EmailVerification alice@example.com" {
		t.Errorf("got mail %q, want one of each to Alice", got)
	}
}

func uuidBody(id, token string) string { return fmt.Sprintf(`{"uuid":%q,"token":%q}`, id, token) }
