package storagetest

import (
	"context"
	"errors"
	"testing"

	"github.com/google/uuid"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/autonomy"
	"github.com/hedgerow-dev/hedgerow/storage"
	"github.com/hedgerow-dev/hedgerow/users"
)

func autonomyTests() []test {
	return []test{
		{"round trip", testAutonomyRoundTrip},
		{"one row per user", testAutonomyReplaced},
		{"one user per ID", testAutonomyConflict},
		{"not found", testAutonomyNotFound},
		{"an error undoes changes of every domain", testAutonomyRollback},
		{"a canceled read", testAutonomyCanceled},
		{"first writes at once", testAutonomyRace},
	}
}

// newConfig returns a record that is not stored yet.
func newConfig(u users.User, id uuid.UUID) autonomy.Config {
	return autonomy.Config{ID: id, UserID: u.ID, AutostartPriority: autonomy.P2, CreatedAt: at(3), UpdatedAt: at(4)}
}

// autonomyChanges lists every method that autonomy.Tx adds.
func (w world) autonomyChanges() []change[autonomy.Tx] {
	changed := newConfig(w.ann, number(9))
	changed.AutostartPriority = autonomy.None
	return []change[autonomy.Tx]{
		{"SaveAutonomyConfig", with(autonomy.Tx.SaveAutonomyConfig, changed)},
		{"DeleteAutonomyConfig", with(autonomy.Tx.DeleteAutonomyConfig, w.bob.ID)},
	}
}

func (w world) readAutonomy(ctx context.Context, r autonomy.Reader, line func(string, error, ...any)) {
	for _, u := range []users.User{w.ann, w.bob} {
		c, err := r.AutonomyConfig(ctx, u.ID)
		line("AutonomyConfig", err, c)
	}
}

func testAutonomyRoundTrip(t *testing.T, st storage.Storage) {
	ann, bob := addUser(t, st, "ann@example.com"), addUser(t, st, "bob@example.com")
	full, empty := newConfig(ann, number(1)), autonomy.Config{ID: number(2), UserID: bob.ID}
	complete(t, full)
	put(t, st, autonomy.Tx.SaveAutonomyConfig, full, empty)
	same(t, "AutonomyConfig", must(st.AutonomyConfig(t.Context(), ann.ID))(t), full)
	same(t, "AutonomyConfig without a priority", must(st.AutonomyConfig(t.Context(), bob.ID))(t), empty)
	update(t, st, func(ctx context.Context, tx autonomy.Tx) error {
		same(t, "AutonomyConfig in a transaction", must(tx.AutonomyConfig(ctx, ann.ID))(t), full)
		same(t, "User in a transaction", must(tx.User(ctx, ann.ID))(t), ann)
		return nil
	})
}

func testAutonomyReplaced(t *testing.T, st storage.Storage) {
	ann, bob := addUser(t, st, "ann@example.com"), addUser(t, st, "bob@example.com")
	changed := newConfig(ann, number(2))
	changed.AutostartPriority, changed.CreatedAt, changed.UpdatedAt = autonomy.P0, at(8), at(9)
	put(t, st, autonomy.Tx.SaveAutonomyConfig, newConfig(ann, number(1)), changed)
	same(t, "AutonomyConfig", must(st.AutonomyConfig(t.Context(), ann.ID))(t), changed)
	// The old ID is nobody's, so it is free.
	put(t, st, autonomy.Tx.SaveAutonomyConfig, newConfig(bob, number(1)))
	put(t, st, autonomy.Tx.DeleteAutonomyConfig, ann.ID)
	_, err := st.AutonomyConfig(t.Context(), ann.ID)
	refused(t, "AutonomyConfig after DeleteAutonomyConfig", err, users.ErrNotFound)
	same(t, "AutonomyConfig of another", must(st.AutonomyConfig(t.Context(), bob.ID))(t), newConfig(bob, number(1)))
}

func testAutonomyConflict(t *testing.T, st storage.Storage) {
	ann, bob := addUser(t, st, "ann@example.com"), addUser(t, st, "bob@example.com")
	first, second := newConfig(ann, number(1)), newConfig(bob, number(2))
	refusedID := func(c autonomy.Config) {
		t.Helper()
		refused(t, "SaveAutonomyConfig with a taken ID", try(t, st, autonomy.Tx.SaveAutonomyConfig, c), users.ErrConflict)
	}
	put(t, st, autonomy.Tx.SaveAutonomyConfig, first)
	refusedID(newConfig(bob, number(1)))
	put(t, st, autonomy.Tx.SaveAutonomyConfig, second)
	refusedID(newConfig(bob, number(1)))
	same(t, "AutonomyConfig after refusals", must(st.AutonomyConfig(t.Context(), ann.ID))(t), first)
	same(t, "AutonomyConfig of the other after refusals", must(st.AutonomyConfig(t.Context(), bob.ID))(t), second)
}

func testAutonomyNotFound(t *testing.T, st storage.Storage) {
	u := addUser(t, st, "ann@example.com")
	_, err := st.AutonomyConfig(t.Context(), u.ID)
	refused(t, "AutonomyConfig that is not there", err, users.ErrNotFound)
	refused(t, "DeleteAutonomyConfig that is not there", try(t, st, autonomy.Tx.DeleteAutonomyConfig, u.ID), users.ErrNotFound)
	stray := newConfig(users.User{ID: u.ID + 1}, number(1))
	refused(t, "SaveAutonomyConfig with an unknown user", try(t, st, autonomy.Tx.SaveAutonomyConfig, stray), users.ErrNotFound)
	_, err = st.AutonomyConfig(t.Context(), stray.UserID)
	refused(t, "AutonomyConfig of an unknown user", err, users.ErrNotFound)
}

func testAutonomyRollback(t *testing.T, st storage.Storage) {
	w := newWorld(t, st)
	dan := addUser(t, st, "dan@example.com")
	before := w.snapshot(t, t.Context(), st)
	err := attempt(t, st, func(ctx context.Context, tx autonomy.Tx) error {
		u, err := tx.CreateUser(ctx, newUser("carl@example.com"))
		return errors.Join(err, tx.SaveAutonomyConfig(ctx, newConfig(u, number(9))), tx.SaveAutonomyConfig(ctx, newConfig(dan, number(8))),
			tx.DeleteAutonomyConfig(ctx, w.bob.ID), tx.AddEvent(ctx, users.Event{At: at(5), Target: u.ID, Action: "created"}), tx.DeleteUser(ctx, w.ann.ID), errStop)
	})
	refused(t, "UpdateAutonomy", err, errStop)
	if errors.Is(err, users.ErrNotFound) || errors.Is(err, users.ErrConflict) {
		t.Errorf("UpdateAutonomy: got %v, want all changes to work", err)
	}
	unchanged(t, "changes of all domains and an error", w.snapshot(t, t.Context(), st), before)
	_, err = st.AutonomyConfig(t.Context(), dan.ID)
	refused(t, "AutonomyConfig of a user who had none", err, users.ErrNotFound)
	// The IDs are free again, and the user is there to be deleted elsewhere.
	put(t, st, autonomy.Tx.SaveAutonomyConfig, newConfig(w.ann, number(9)))
	put(t, st, auth.Tx.DeleteUser, w.ann.ID)
	put(t, st, autonomy.Tx.SaveAutonomyConfig, newConfig(w.bob, number(9)))
}

func testAutonomyCanceled(t *testing.T, st storage.Storage) {
	w := newWorld(t, st)
	for want, ctx := range dead(t) {
		_, err := st.AutonomyConfig(ctx, w.ann.ID)
		refused(t, "AutonomyConfig", err, want)
		err = attempt(t, st, func(_ context.Context, tx autonomy.Tx) error {
			_, err := tx.AutonomyConfig(ctx, w.ann.ID)
			return err
		})
		refused(t, "AutonomyConfig in a transaction", err, want)
	}
	must(st.AutonomyConfig(t.Context(), w.ann.ID))(t)
}

// testAutonomyRace has callers that each look first and create what is not
// there, behind the lock on the user.
func testAutonomyRace(t *testing.T, st storage.Storage) {
	u := addUser(t, st, "ann@example.com")
	const callers = 100
	created := make([]bool, callers)
	results := race(callers, func(i int) error {
		return attempt(t, st, func(ctx context.Context, tx autonomy.Tx) error {
			if _, err := tx.User(ctx, u.ID); err != nil {
				return err
			}
			c, err := tx.AutonomyConfig(ctx, u.ID)
			if created[i] = errors.Is(err, users.ErrNotFound); created[i] {
				c, err = newConfig(u, number(byte(i+1))), nil
			}
			if err != nil {
				return err
			}
			return tx.SaveAutonomyConfig(ctx, c)
		})
	})
	same(t, "writes that worked", winners(t, results, nil), callers)
	winner, n := 0, 0
	for i, first := range created {
		if first {
			winner, n = i, n+1
		}
	}
	same(t, "writes that came first", n, 1)
	same(t, "AutonomyConfig", must(st.AutonomyConfig(t.Context(), u.ID))(t), newConfig(u, number(byte(winner+1))))
}
