package storagetest

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/storage"
	"github.com/hedgerow-dev/hedgerow/users"
)

func attemptTests() []test {
	return []test{
		{"round trip", testAttemptRoundTrip},
		{"replaced and deleted", testAttemptChanges},
		{"copies", testAttemptCopies},
	}
}

func expiryTests() []test {
	return []test{
		{"at or before now", testDeleteExpired},
		{"records without expiry stay", testNeverExpires},
	}
}

func saveAttempts(t *testing.T, st storage.Storage, key string, times []time.Time, expires time.Time) {
	t.Helper()
	update(t, st, func(ctx context.Context, tx auth.Tx) error { return tx.SaveAttempts(ctx, key, times, expires) })
}

func testAttemptRoundTrip(t *testing.T, st storage.Storage) {
	ctx := t.Context()
	if got := must(st.Attempts(ctx, "k"))(t); got != nil {
		t.Errorf("Attempts under an unknown key: got %v, want nil", got)
	}
	want := []time.Time{at(5), at(1), at(1), at(5).Add(time.Microsecond), at(5).Add(-time.Microsecond),
		time.Date(1969, 12, 31, 23, 59, 59, 999999000, time.UTC), time.Date(9999, 12, 31, 23, 59, 59, 999999000, time.UTC)}
	for i := range 30 {
		want = append(want, at(i))
	}
	for _, key := range []string{"k", "K", odd, "login:198.51.100.7", ""} {
		saveAttempts(t, st, key, want, at(100))
		same(t, "Attempts under "+key, must(st.Attempts(ctx, key))(t), want)
		want = want[:len(want)-1]
	}
	for _, key := range []string{"%", "k ", "login"} {
		if got := must(st.Attempts(ctx, key))(t); got != nil {
			t.Errorf("Attempts under the unknown %q: got %v, want nil", key, got)
		}
	}
}

func testAttemptChanges(t *testing.T, st storage.Storage) {
	ctx := t.Context()
	saveAttempts(t, st, "k", []time.Time{at(1), at(2)}, at(100))
	saveAttempts(t, st, "other", []time.Time{at(3)}, at(100))
	saveAttempts(t, st, "k", []time.Time{at(4)}, at(200))
	same(t, "Attempts after they were replaced", must(st.Attempts(ctx, "k"))(t), []time.Time{at(4)})
	for _, none := range [][]time.Time{nil, {}} {
		saveAttempts(t, st, "k", []time.Time{at(4)}, at(200))
		saveAttempts(t, st, "k", none, at(200))
		if got := must(st.Attempts(ctx, "k"))(t); got != nil {
			t.Errorf("Attempts after they were deleted: got %v, want nil", got)
		}
		saveAttempts(t, st, "k", none, at(200)) // there is nothing, which is no error
	}
	same(t, "Attempts under another key", must(st.Attempts(ctx, "other"))(t), []time.Time{at(3)})
}

func testAttemptCopies(t *testing.T, st storage.Storage) {
	want := []time.Time{at(1), at(2)}
	in := slices.Clone(want)
	saveAttempts(t, st, "k", in, at(100))
	in[0] = at(77)
	for range 2 { // the second time sees what the first one spoiled
		got := must(st.Attempts(t.Context(), "k"))(t)
		same(t, "Attempts", got, want)
		got[1] = at(78)
	}
}

// deleteExpired checks how many records DeleteExpired says it removed.
func deleteExpired(t *testing.T, st storage.Storage, now time.Time, want int) {
	t.Helper()
	update(t, st, func(ctx context.Context, tx auth.Tx) error {
		n, err := tx.DeleteExpired(ctx, now)
		same(t, "DeleteExpired", n, want)
		return err
	})
}

func testDeleteExpired(t *testing.T, st storage.Storage) {
	ctx := t.Context()
	u := addUser(t, st, "ann@example.com")
	names := []string{"before", "now", "after"}
	for i, name := range names {
		expires := at(10).Add(time.Duration(i-1) * time.Microsecond)
		s, o, k := newSession(u, number(byte(i)), name), newToken(u, name), newKey(u, name)
		s.ExpiresAt, o.ExpiresAt, k.ExpiresAt = expires, expires, expires
		put(t, st, auth.Tx.SaveSession, s)
		put(t, st, auth.Tx.SaveOAuthToken, o)
		put(t, st, auth.Tx.SaveAPIKey, k)
		saveAttempts(t, st, name, []time.Time{at(1), at(2)}, expires)
	}
	check := func(now time.Time, deleted int, left ...string) {
		t.Helper()
		deleteExpired(t, st, now, deleted)
		for _, name := range names {
			_, _, noSession := st.SessionByHash(ctx, hash(name))
			_, _, noToken := st.OAuthTokenByHash(ctx, hash(name))
			attempts := must(st.Attempts(ctx, name))(t)
			stays := slices.Contains(left, name)
			same(t, "session, token and attempts left: "+name, [3]bool{noSession == nil, noToken == nil, attempts != nil}, [3]bool{stays, stays, stays})
		}
		same(t, "sessions left", len(must(st.Sessions(ctx, u.ID))(t)), len(left))
		same(t, "keys left", len(must(st.APIKeys(ctx, u.ID))(t)), len(names))
	}
	check(at(10).Add(-2*time.Microsecond), 0, names...)
	check(at(10), 6, "after")
	check(at(10), 0, "after")
	check(at(11), 3)
	same(t, "User", must(st.User(ctx, u.ID))(t), u)
	key(t, st, "before", "before")
}

func testNeverExpires(t *testing.T, st storage.Storage) {
	u := addUser(t, st, "ann@example.com")
	forever := newToken(u, "forever")
	forever.ExpiresAt = time.Time{}
	put(t, st, auth.Tx.SaveOAuthToken, forever, newToken(u, "t"))
	put(t, st, auth.Tx.SaveAPIKey, newKey(u, "forever"))
	deleteExpired(t, st, time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC), 1)
	got, _ := token(t, st, "forever")
	same(t, "OAuthTokenByHash of one that never expires", got, forever)
	_, _, err := st.OAuthTokenByHash(t.Context(), hash("t"))
	refused(t, "OAuthTokenByHash of an expired one", err, users.ErrNotFound)
	key(t, st, "forever", "forever")
}
