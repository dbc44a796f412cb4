package storagetest

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/storage"
	"github.com/hedgerow-dev/hedgerow/users"
)

func sessionTests() []test {
	return []test{
		{"round trip", testSessionRoundTrip},
		{"order", testSessions},
		{"a replaced secret is void", testSessionReplaced},
		{"one secret one session", testSessionConflict},
		{"not found", testSessionNotFound},
		{"DeleteSessions", testDeleteSessions},
		{"DeleteSessions spares none", testDeleteAllSessions},
	}
}

// session reads a session and its user by the secret.
func session(t *testing.T, st auth.Reader, secret string) (auth.Session, users.User) {
	t.Helper()
	s, p, err := st.SessionByHash(t.Context(), hash(secret))
	if err != nil {
		t.Fatalf("SessionByHash: got %v, want nil", err)
	}
	return s, p.User
}

func noSession(t *testing.T, st auth.Reader, secret string) {
	t.Helper()
	_, _, err := st.SessionByHash(t.Context(), hash(secret))
	refused(t, "SessionByHash of "+secret, err, users.ErrNotFound)
}

func testSessionRoundTrip(t *testing.T, st storage.Storage) {
	ctx := t.Context()
	u := addUser(t, st, "ann@example.com", func(u *users.User) { u.IsActive = false })
	other := addUser(t, st, "bob@example.com")
	full := newSession(u, number(1), "s1")
	full.SecondFactor, full.UserAgent, full.Method = true, odd, odd
	complete(t, full)
	expired := auth.Session{ID: number(2), Hash: hash("s2"), UserID: other.ID, ExpiresAt: at(-1e6)}
	put(t, st, auth.Tx.SaveSession, full, expired)
	got, owner := session(t, st, "s1")
	same(t, "SessionByHash", got, full)
	same(t, "the user of SessionByHash", owner, u)
	got, owner = session(t, st, "s2")
	same(t, "SessionByHash of one with nothing set", got, expired)
	same(t, "the user of SessionByHash", owner, other)
	sameList(t, "Sessions", must(st.Sessions(ctx, u.ID))(t), full)
	other.FirstName = "Bob"
	other = saveUser(t, st, other)
	_, owner = session(t, st, "s2")
	same(t, "the user of SessionByHash after SaveUser", owner, other)
}

func testSessions(t *testing.T, st storage.Storage) {
	ctx := t.Context()
	u, other := addUser(t, st, "ann@example.com"), addUser(t, st, "bob@example.com")
	first, second := newSession(u, number(9), "s1"), newSession(u, number(2), "s2")
	third, theirs := newSession(u, number(3), "s3"), newSession(other, number(4), "s4")
	second.CreatedAt = at(0).Add(time.Microsecond)
	third.CreatedAt = second.CreatedAt
	put(t, st, auth.Tx.SaveSession, third, theirs, second, first)
	sameList(t, "Sessions", must(st.Sessions(ctx, u.ID))(t), first, second, third)
	sameList(t, "Sessions of another", must(st.Sessions(ctx, other.ID))(t), theirs)
	sameList(t, "Sessions of nobody", must(st.Sessions(ctx, other.ID+1))(t))

	second.LastActivity, second.ExpiresAt = at(50), at(500)
	put(t, st, auth.Tx.SaveSession, second)
	list := must(st.Sessions(ctx, u.ID))(t)
	sameList(t, "Sessions after one was replaced", list, first, second, third)
	list[0].UserAgent = "spoiled"
	sameList(t, "Sessions after a result was changed", must(st.Sessions(ctx, u.ID))(t), first, second, third)
	put(t, st, auth.Tx.DeleteSession, second.ID)
	sameList(t, "Sessions after DeleteSession", must(st.Sessions(ctx, u.ID))(t), first, third)
	noSession(t, st, "s2")
}

func testSessionReplaced(t *testing.T, st storage.Storage) {
	u := addUser(t, st, "ann@example.com")
	old, other := newSession(u, number(1), "old"), newSession(u, number(2), "other")
	put(t, st, auth.Tx.SaveSession, old, other)
	rotated := newSession(u, old.ID, "new")
	rotated.SecondFactor, rotated.LastActivity = true, at(7)
	put(t, st, auth.Tx.SaveSession, rotated)
	noSession(t, st, "old")
	got, _ := session(t, st, "new")
	same(t, "SessionByHash with the new secret", got, rotated)
	sameList(t, "Sessions", must(st.Sessions(t.Context(), u.ID))(t), rotated, other)
	// The old secret is nobody's, so it is free.
	put(t, st, auth.Tx.SaveSession, newSession(u, number(3), "old"))
}

func testSessionConflict(t *testing.T, st storage.Storage) {
	ann, bob := addUser(t, st, "ann@example.com"), addUser(t, st, "bob@example.com")
	a, b := newSession(ann, number(1), "a"), newSession(bob, number(2), "b")
	put(t, st, auth.Tx.SaveSession, a, b)
	refused(t, "SaveSession of a new one with a taken Hash",
		try(t, st, auth.Tx.SaveSession, newSession(bob, number(3), "a")), users.ErrConflict)
	refused(t, "SaveSession with a taken Hash", try(t, st, auth.Tx.SaveSession, newSession(bob, b.ID, "a")), users.ErrConflict)
	got, owner := session(t, st, "a")
	same(t, "SessionByHash after refusals", got, a)
	same(t, "the user of SessionByHash after refusals", owner, ann)
	got, _ = session(t, st, "b")
	same(t, "SessionByHash of the other after refusals", got, b)
}

func testSessionNotFound(t *testing.T, st storage.Storage) {
	u := addUser(t, st, "ann@example.com")
	stray := newSession(u, number(1), "s")
	stray.UserID++
	refused(t, "SaveSession with an unknown user", try(t, st, auth.Tx.SaveSession, stray), users.ErrNotFound)
	noSession(t, st, "s")
	_, _, err := st.SessionByHash(t.Context(), auth.Hash{})
	refused(t, "SessionByHash of the zero Hash", err, users.ErrNotFound)
	for _, id := range []uuid.UUID{uuid.Nil, number(1)} {
		refused(t, "DeleteSession with an unknown ID", try(t, st, auth.Tx.DeleteSession, id), users.ErrNotFound)
	}
}

// deleteSessions ends the sessions of u but one and checks their number.
func deleteSessions(t *testing.T, st storage.Storage, u users.User, except uuid.UUID, want int) {
	t.Helper()
	update(t, st, func(ctx context.Context, tx auth.Tx) error {
		n, err := tx.DeleteSessions(ctx, u.ID, except)
		same(t, "DeleteSessions", n, want)
		return err
	})
}

func testDeleteSessions(t *testing.T, st storage.Storage) {
	ctx := t.Context()
	ann, bob := addUser(t, st, "ann@example.com"), addUser(t, st, "bob@example.com")
	kept, theirs := newSession(ann, number(2), "s2"), newSession(bob, number(4), "s4")
	put(t, st, auth.Tx.SaveSession, newSession(ann, number(1), "s1"), kept, newSession(ann, number(3), "s3"), theirs)
	deleteSessions(t, st, ann, kept.ID, 2)
	sameList(t, "Sessions", must(st.Sessions(ctx, ann.ID))(t), kept)
	session(t, st, "s2")
	noSession(t, st, "s1")
	noSession(t, st, "s3")
	deleteSessions(t, st, ann, kept.ID, 0)
	// Somebody else's session spares none of one's own.
	deleteSessions(t, st, ann, theirs.ID, 1)
	sameList(t, "Sessions", must(st.Sessions(ctx, ann.ID))(t))
	sameList(t, "Sessions of another", must(st.Sessions(ctx, bob.ID))(t), theirs)
}

func testDeleteAllSessions(t *testing.T, st storage.Storage) {
	ann, bob := addUser(t, st, "ann@example.com"), addUser(t, st, "bob@example.com")
	put(t, st, auth.Tx.SaveSession, newSession(ann, number(1), "s1"), newSession(ann, number(2), "s2"), newSession(bob, number(3), "s3"))
	deleteSessions(t, st, ann, uuid.Nil, 2)
	noSession(t, st, "s1")
	noSession(t, st, "s2")
	session(t, st, "s3")
	deleteSessions(t, st, ann, uuid.Nil, 0)
}
