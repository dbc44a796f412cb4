package storagetest

import (
	"context"
	"testing"
	"time"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/autonomy"
	"github.com/hedgerow-dev/hedgerow/integrations"
	"github.com/hedgerow-dev/hedgerow/storage"
	"github.com/hedgerow-dev/hedgerow/users"
)

func cancellationTests() []test {
	return []test{
		{"reads", testCanceledReads},
		{"a transaction does not begin", testCanceledUpdate},
		{"every change", testCanceledChanges},
		{"in the middle of a transaction", testCanceledMiddle},
		{"of a transaction that waits", testCanceledWaiting},
		{"of a read beside a transaction", testReaderBesideTransaction},
	}
}

// dead returns contexts that are over, each with its error.
func dead(t *testing.T) map[error]context.Context {
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	late, cancel := context.WithDeadline(t.Context(), time.Unix(0, 0))
	t.Cleanup(cancel)
	return map[error]context.Context{context.Canceled: canceled, context.DeadlineExceeded: late}
}

// readCalls lists every method of auth.Reader.
func (w world) readCalls() map[string]func(context.Context, auth.Reader) error {
	return map[string]func(context.Context, auth.Reader) error{
		"User":        func(ctx context.Context, r auth.Reader) error { _, err := r.User(ctx, w.ann.ID); return err },
		"UserByUUID":  func(ctx context.Context, r auth.Reader) error { _, err := r.UserByUUID(ctx, w.ann.UUID); return err },
		"UserByEmail": func(ctx context.Context, r auth.Reader) error { _, err := r.UserByEmail(ctx, w.ann.Email); return err },
		"Profiles": func(ctx context.Context, r auth.Reader) error {
			_, err := r.Profiles(ctx, users.Query{Limit: 1})
			return err
		},
		"Organization": func(ctx context.Context, r auth.Reader) error { _, err := r.Organization(ctx, w.acme.ID); return err },
		"Team":         func(ctx context.Context, r auth.Reader) error { _, err := r.Team(ctx, w.acmeTeam.ID); return err },
		"Teams":        func(ctx context.Context, r auth.Reader) error { _, err := r.Teams(ctx, w.acme.ID); return err },
		"Memberships":  func(ctx context.Context, r auth.Reader) error { _, err := r.Memberships(ctx, w.ann.ID); return err },
		"Invites": func(ctx context.Context, r auth.Reader) error {
			_, err := r.Invites(ctx, w.ann.Email, at(0))
			return err
		},
		"SSOEnforced": func(ctx context.Context, r auth.Reader) error {
			_, err := r.SSOEnforced(ctx, "acme.example")
			return err
		},
		"Identities": func(ctx context.Context, r auth.Reader) error { _, err := r.Identities(ctx, w.ann.ID); return err },
		"Events": func(ctx context.Context, r auth.Reader) error {
			_, err := r.Events(ctx, users.EventQuery{Limit: 1})
			return err
		},
		"Consumer":  func(ctx context.Context, r auth.Reader) error { _, err := r.Consumer(ctx, "hooks"); return err },
		"Consumers": func(ctx context.Context, r auth.Reader) error { _, err := r.Consumers(ctx); return err },
		"SessionByHash": func(ctx context.Context, r auth.Reader) error {
			_, _, err := r.SessionByHash(ctx, hash("ann"))
			return err
		},
		"Sessions": func(ctx context.Context, r auth.Reader) error { _, err := r.Sessions(ctx, w.ann.ID); return err },
		"APIKeyByHash": func(ctx context.Context, r auth.Reader) error {
			_, _, err := r.APIKeyByHash(ctx, hash("ann"))
			return err
		},
		"APIKey":  func(ctx context.Context, r auth.Reader) error { _, err := r.APIKey(ctx, "ann"); return err },
		"APIKeys": func(ctx context.Context, r auth.Reader) error { _, err := r.APIKeys(ctx, w.ann.ID); return err },
		"OAuthTokenByHash": func(ctx context.Context, r auth.Reader) error {
			_, _, err := r.OAuthTokenByHash(ctx, hash("ann"))
			return err
		},
		"Ticket": func(ctx context.Context, r auth.Reader) error {
			_, err := r.Ticket(ctx, auth.PendingLogin, hash("ann"))
			return err
		},
		"SecondFactor": func(ctx context.Context, r auth.Reader) error { _, err := r.SecondFactor(ctx, w.ann.ID); return err },
		"Passkeys":     func(ctx context.Context, r auth.Reader) error { _, err := r.Passkeys(ctx, w.ann.ID); return err },
		"PasskeyByCredential": func(ctx context.Context, r auth.Reader) error {
			_, err := r.PasskeyByCredential(ctx, []byte("ann"))
			return err
		},
		"Attempts": func(ctx context.Context, r auth.Reader) error { _, err := r.Attempts(ctx, "ann"); return err },
	}
}

func testCanceledReads(t *testing.T, st storage.Storage) {
	w := newWorld(t, st)
	for name, read := range w.readCalls() {
		for want, ctx := range dead(t) {
			refused(t, name, read(ctx, st), want)
			err := st.UpdateAuth(t.Context(), func(tx auth.Tx) error { return read(ctx, tx) })
			refused(t, name+" in a transaction", err, want)
		}
		refused(t, name+" afterwards", read(t.Context(), st), nil)
	}
}

func testCanceledUpdate(t *testing.T, st storage.Storage) {
	w := newWorld(t, st)
	before := w.snapshot(t, t.Context(), st)
	for want, ctx := range dead(t) {
		err := st.UpdateAuth(ctx, func(tx auth.Tx) error { return tx.DeleteUser(t.Context(), w.ann.ID) })
		refused(t, "UpdateAuth", err, want)
		err = st.UpdateUsers(ctx, func(tx users.Tx) error { return tx.DeleteUser(t.Context(), w.ann.ID) })
		refused(t, "UpdateUsers", err, want)
		err = st.UpdateAutonomy(ctx, func(tx autonomy.Tx) error { return tx.DeleteAutonomyConfig(t.Context(), w.ann.ID) })
		refused(t, "UpdateAutonomy", err, want)
		err = st.UpdateIntegrations(ctx, func(tx integrations.Tx) error { return tx.DeleteInstallation(t.Context(), number(1)) })
		refused(t, "UpdateIntegrations", err, want)
	}
	unchanged(t, "transactions that were canceled before", w.snapshot(t, t.Context(), st), before)
}

func testCanceledChanges(t *testing.T, st storage.Storage) {
	w := newWorld(t, st)
	canceledChanges(t, st, w, w.changes())
	canceledChanges(t, st, w, w.autonomyChanges())
	canceledChanges(t, st, w, w.integrationChanges())
}

func canceledChanges[X users.Tx](t *testing.T, st storage.Storage, w world, changes []change[X]) {
	before := w.snapshot(t, t.Context(), st)
	for _, c := range changes {
		for want, ctx := range dead(t) {
			err := transaction(t.Context(), st, func(tx X) error { return c.do(ctx, tx) })
			refused(t, c.name, err, want)
		}
		unchanged(t, c.name+" that was canceled", w.snapshot(t, t.Context(), st), before)
	}
}

func testCanceledMiddle(t *testing.T, st storage.Storage) {
	w := newWorld(t, st)
	before := w.snapshot(t, t.Context(), st)
	for name, after := range map[string]func(context.Context, auth.Tx) error{
		"and nil": func(context.Context, auth.Tx) error { return nil },
		"and a read": func(ctx context.Context, tx auth.Tx) error {
			_, err := tx.User(ctx, w.bob.ID)
			return err
		},
		"and a write": func(ctx context.Context, tx auth.Tx) error { return tx.DeleteUser(ctx, w.bob.ID) },
	} {
		ctx, cancel := context.WithCancel(t.Context())
		err := st.UpdateAuth(ctx, func(tx auth.Tx) error {
			if err := tx.DeleteUser(ctx, w.ann.ID); err != nil {
				return err
			}
			cancel()
			return after(ctx, tx)
		})
		refused(t, "UpdateAuth with a change, a cancellation "+name, err, context.Canceled)
		unchanged(t, "a change, a cancellation "+name, w.snapshot(t, t.Context(), st), before)
	}
	addUser(t, st, "carl@example.com")
}

// patience is how long tests let a call wait that may have to; stuck is after
// how long they take it for one that never returns.
const (
	patience = 20 * time.Millisecond
	stuck    = 5 * time.Second
)

// beside runs fn in a goroutine and reports whether it returned.
func beside(t *testing.T, call string, fn func()) bool {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		fn()
	}()
	select {
	case <-done:
		return true
	case <-time.After(stuck):
		t.Errorf("%s waits for the transaction %v longer than its context lasts", call, stuck)
		return false
	}
}

// testCanceledWaiting has two transactions that want one record.
func testCanceledWaiting(t *testing.T, st storage.Storage) {
	u := addUser(t, st, "ann@example.com")
	update(t, st, func(ctx context.Context, tx auth.Tx) error {
		first := u
		first.FirstName = "first"
		if _, err := tx.SaveUser(ctx, first); err != nil {
			return err
		}
		waiting, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		var result error
		returned := beside(t, "UpdateUsers", func() {
			result = st.UpdateUsers(waiting, func(tx users.Tx) error {
				second := u
				second.LastName = "second"
				_, err := tx.SaveUser(waiting, second)
				return err
			})
		})
		if returned {
			refused(t, "UpdateUsers beside a transaction on the same user", result, context.DeadlineExceeded)
		}
		return nil
	})
	u.FirstName, u.Version = "first", 2
	same(t, "User", must(st.User(t.Context(), u.ID))(t), u)
}

// testReaderBesideTransaction allows a reader to wait for the transaction, but
// not to see it, nor to wait longer than its own context.
func testReaderBesideTransaction(t *testing.T, st storage.Storage) {
	w := newWorld(t, st)
	readerBeside(t, st, w, w.changes())
	readerBeside(t, st, w, w.autonomyChanges())
}

func readerBeside[X users.Tx](t *testing.T, st storage.Storage, w world, changes []change[X]) {
	before := w.snapshot(t, t.Context(), st)
	for _, c := range changes {
		err := transaction(t.Context(), st, func(tx X) error {
			if err := c.do(t.Context(), tx); err != nil {
				return err
			}
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			var seen snapshot
			var err error
			if !beside(t, "a read", func() { seen, err = w.reads(ctx, st) }) {
				return errStop
			}
			unchanged(t, c.name+", before it is committed", seen, before.upTo(seen))
			if err != nil {
				refused(t, "reads beside "+c.name, err, context.DeadlineExceeded)
			}
			return errStop
		})
		refused(t, "transaction with "+c.name, err, errStop)
		if t.Failed() {
			return
		}
	}
}
