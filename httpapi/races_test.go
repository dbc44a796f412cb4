package httpapi_test

import (
	"context"
	"testing"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/storage"
	"github.com/hedgerow-dev/hedgerow/storage/memory"
	"github.com/hedgerow-dev/hedgerow/users"
)

// meddler is a store in which somebody else is faster: change is applied to the
// user just before the next transaction over credentials.
type meddler struct {
	storage.Storage
	user   users.ID
	change func(*users.User)
}

func (m *meddler) UpdateAuth(ctx context.Context, fn func(auth.Tx) error) error {
	if change := m.change; change != nil {
		m.change = nil
		err := m.UpdateUsers(ctx, func(tx users.Tx) error {
			u, err := tx.User(ctx, m.user)
			if err != nil {
				return err
			}
			change(&u)
			_, err = tx.SaveUser(ctx, u)
			return err
		})
		if err != nil {
			return err
		}
	}
	return m.Storage.UpdateAuth(ctx, fn)
}

// TestUserChangesMeanwhile: what was judged before the transaction is judged
// again inside it.
func TestUserChangesMeanwhile(t *testing.T) {
	m := &meddler{Storage: memory.New()}
	e := newEnv(t, m, nil)
	alice := e.user("alice")
	m.user = alice.ID
	key := e.key(alice, "user:write")
	send := func(body string, change func(*users.User), o ...option) reply {
		t.Helper()
		m.change = change
		return e.do("PATCH", "/api/users/@me", body, o...)
	}
	// The address that was no change has become one.
	send(`{"email":"alice@example.com"}`, func(u *users.User) { u.Email = "moved@example.com" }, key).invalid("required", "current_password")
	e.do("GET", "/api/users/@me", "", key).ok(200).has("email", `"moved@example.com"`)
	// The version that matched does so no longer.
	tag := e.do("GET", "/api/users/@me", "", key).header.Get("ETag")
	send(`{"theme_mode":"dark"}`, func(u *users.User) { u.FirstName = "B" }, key, header("If-Match", tag)).refused(412, "invalid_request", "precondition_failed", "")
}

// TestPasswordChangesMeanwhile: a password that was right is not any more.
func TestPasswordChangesMeanwhile(t *testing.T) {
	m := &meddler{Storage: memory.New()}
	e := newEnv(t, m, nil)
	alice := e.user("alice")
	m.user = alice.ID
	cookie := e.session(alice, 0)
	hash, err := e.api.Auth().HashPassword(t.Context(), "somebody-elses-choice-77")
	if err != nil {
		t.Fatal(err)
	}
	// The first transaction of the request counts it against the limit; the
	// change comes before the second.
	m.change = func(*users.User) { m.change = func(u *users.User) { u.PasswordHash = hash } }
	e.do("PATCH", "/api/users/@me", `{"password":"a_new_password","current_password":"`+password+`"}`, cookie).invalid("incorrect_password", "current_password")
	e.do("POST", "/api/login", credentials("alice", "a_new_password")).invalid("invalid_credentials", "")
	e.do("POST", "/api/login", credentials("alice", "somebody-elses-choice-77")).ok(200)
}
