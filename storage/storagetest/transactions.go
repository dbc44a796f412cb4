package storagetest

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"runtime"
	"sync"
	"testing"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/autonomy"
	"github.com/hedgerow-dev/hedgerow/integrations"
	"github.com/hedgerow-dev/hedgerow/storage"
	"github.com/hedgerow-dev/hedgerow/users"
)

func transactionTests() []test {
	return []test{
		{"an error undoes every change", testRollbackEach},
		{"an error undoes all changes", testRollbackAll},
		{"a panic undoes all changes", testPanic},
		{"an ended goroutine undoes all changes", testGoexit},
		{"the error of fn comes back as it is", testErrorIdentity},
		{"a refusal undoes what came before", testRefusalUndoes},
		{"a lost transaction keeps nothing", testLostTransaction},
		{"nil keeps all changes", testCommit},
		{"UpdateUsers is a transaction too", testUpdateUsers},
		{"own writes are seen", testOwnWrites},
	}
}

var errStop = errors.New("stop")

func testRollbackEach(t *testing.T, st storage.Storage) {
	w := newWorld(t, st)
	rollbackEach(t, st, w, w.changes())
	rollbackEach(t, st, w, w.autonomyChanges())
	rollbackEach(t, st, w, w.integrationChanges())
	addUser(t, st, "carl@example.com") // and life goes on
}

func rollbackEach[X users.Tx](t *testing.T, st storage.Storage, w world, changes []change[X]) {
	ctx := t.Context()
	before := w.snapshot(t, ctx, st)
	for _, c := range changes {
		err := transaction(ctx, st, func(tx X) error {
			inside := w.snapshot(t, ctx, tx)
			if err := c.do(ctx, tx); err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
			if reflect.DeepEqual(w.snapshot(t, ctx, tx), inside) {
				t.Errorf("%s: the transaction does not see its own write", c.name)
			}
			return errStop
		})
		refused(t, "transaction with "+c.name, err, errStop)
		unchanged(t, c.name+" and an error", w.snapshot(t, ctx, st), before)
	}
}

// everything makes changes in all domains that can be made one after another.
func (w world) everything(ctx context.Context, tx auth.Tx) error {
	for _, c := range w.changes() {
		switch c.name {
		// The user and the organization that others need go last.
		case "DeleteUser", "DeleteUser, the last", "DeleteOrganization", "DeleteTeam", "SaveTeam":
			continue
		}
		if err := c.do(ctx, tx); err != nil && !errors.Is(err, users.ErrNotFound) {
			return fmt.Errorf("%s: %w", c.name, err)
		}
	}
	return errors.Join(tx.DeleteOrganization(ctx, w.acme.ID), tx.DeleteUser(ctx, w.ann.ID), tx.DeleteUser(ctx, w.bob.ID))
}

func testRollbackAll(t *testing.T, st storage.Storage) {
	ctx := t.Context()
	w := newWorld(t, st)
	before := w.snapshot(t, ctx, st)
	err := st.UpdateAuth(ctx, func(tx auth.Tx) error { return errors.Join(w.everything(ctx, tx), errStop) })
	refused(t, "UpdateAuth", err, errStop)
	if errors.Is(err, users.ErrNotFound) || errors.Is(err, users.ErrConflict) {
		t.Errorf("UpdateAuth: got %v, want all changes to work", err)
	}
	unchanged(t, "all changes and an error", w.snapshot(t, ctx, st), before)
	for _, c := range w.changes() {
		if err := attempt(t, st, func(ctx context.Context, tx auth.Tx) error { return errors.Join(c.do(ctx, tx), errStop) }); errors.Is(err, users.ErrNotFound) {
			t.Errorf("%s after a rollback: got %v, want it to find what was there", c.name, err)
		}
	}
}

func testPanic(t *testing.T, st storage.Storage) {
	ctx := t.Context()
	w := newWorld(t, st)
	before := w.snapshot(t, ctx, st)
	for name, run := range map[string]func(){
		"UpdateAuth": func() {
			_ = st.UpdateAuth(ctx, func(tx auth.Tx) error {
				_ = w.everything(ctx, tx)
				panic(errStop)
			})
		},
		"UpdateUsers": func() {
			_ = st.UpdateUsers(ctx, func(tx users.Tx) error {
				_ = tx.DeleteUser(ctx, w.ann.ID)
				panic(errStop)
			})
		},
		"UpdateIntegrations": func() {
			_ = st.UpdateIntegrations(ctx, func(tx integrations.Tx) error {
				_ = tx.DeleteLinkState(ctx, stateHash("ann"))
				panic(errStop)
			})
		},
		"UpdateAutonomy": func() {
			_ = st.UpdateAutonomy(ctx, func(tx autonomy.Tx) error {
				_ = tx.DeleteAutonomyConfig(ctx, w.ann.ID)
				panic(errStop)
			})
		},
	} {
		func() {
			defer func() {
				if got := recover(); got != errStop {
					t.Errorf("%s whose fn panics: got panic %v, want %v", name, got, errStop)
				}
			}()
			run()
			t.Errorf("%s whose fn panics: it returned, want the panic to go on", name)
		}()
		unchanged(t, "a panic in "+name, w.snapshot(t, ctx, st), before)
	}
	addUser(t, st, "carl@example.com")
}

// testGoexit ends fn as t.FailNow does.
func testGoexit(t *testing.T, st storage.Storage) {
	ctx := t.Context()
	w := newWorld(t, st)
	before := w.snapshot(t, ctx, st)
	var wg sync.WaitGroup
	wg.Add(1)
	go func() {
		defer wg.Done()
		_ = st.UpdateAuth(ctx, func(tx auth.Tx) error {
			_ = w.everything(ctx, tx)
			runtime.Goexit()
			return nil
		})
		t.Error("UpdateAuth whose fn ends its goroutine: it returned")
	}()
	wg.Wait()
	unchanged(t, "an ended goroutine", w.snapshot(t, ctx, st), before)
	addUser(t, st, "carl@example.com")
}

// detail is an error that can only be found by identity.
type detail struct{ error }

func testErrorIdentity(t *testing.T, st storage.Storage) {
	want := &detail{errStop}
	if got := st.UpdateUsers(t.Context(), func(users.Tx) error { return want }); got != error(want) {
		t.Errorf("UpdateUsers: got %#v, want the error of fn itself", got)
	}
	if got := st.UpdateAuth(t.Context(), func(auth.Tx) error { return want }); got != error(want) {
		t.Errorf("UpdateAuth: got %#v, want the error of fn itself", got)
	}
	if got := st.UpdateIntegrations(t.Context(), func(integrations.Tx) error { return want }); got != error(want) {
		t.Errorf("UpdateIntegrations: got %#v, want the error of fn itself", got)
	}
	if got := st.UpdateAutonomy(t.Context(), func(autonomy.Tx) error { return want }); got != error(want) {
		t.Errorf("UpdateAutonomy: got %#v, want the error of fn itself", got)
	}
}

func testRefusalUndoes(t *testing.T, st storage.Storage) {
	ctx := t.Context()
	w := newWorld(t, st)
	before := w.snapshot(t, ctx, st)
	for name, c := range w.refusals() {
		err := st.UpdateAuth(ctx, func(tx auth.Tx) error {
			if err := tx.DeleteSession(ctx, number(2)); err != nil {
				return err
			}
			return c.do(ctx, tx)
		})
		refused(t, "UpdateAuth with "+name, err, c.want)
		unchanged(t, name, w.snapshot(t, ctx, st), before)
	}
}

type refusal struct {
	do   func(ctx context.Context, tx auth.Tx) error
	want error
}

// refusals lists calls after which a transaction is lost.
func (w world) refusals() map[string]refusal {
	twin, respelled := w.ann, w.ann
	twin.DistinctID = w.bob.DistinctID
	respelled.Email = "BOB@example.com"
	stolen := newKey(w.bob, "bob")
	stolen.Hash = hash("ann")
	return map[string]refusal{
		"CreateUser, address taken":     {with(createUser, newUser("BOB@example.com")), users.ErrEmailTaken},
		"SaveUser, address taken":       {with(replaceUser, respelled), users.ErrEmailTaken},
		"SaveUser, DistinctID taken":    {with(replaceUser, twin), users.ErrConflict},
		"SaveSession, Hash taken":       {with(auth.Tx.SaveSession, newSession(w.bob, number(2), "ann")), users.ErrConflict},
		"SaveAPIKey, Hash taken":        {with(auth.Tx.SaveAPIKey, stolen), users.ErrConflict},
		"SaveIdentity, somebody else's": {with(auth.Tx.SaveIdentity, users.Identity{UserID: w.bob.ID, Provider: "github", Subject: "ann"}), users.ErrConflict},
	}
}

// testLostTransaction has an fn that should have given up but says nil. Whether
// that is an error is the store's choice; half a transaction is not.
func testLostTransaction(t *testing.T, st storage.Storage) {
	ctx := t.Context()
	w := newWorld(t, st)
	for name, c := range w.refusals() {
		_ = st.UpdateAuth(ctx, func(tx auth.Tx) error {
			refused(t, name, c.do(ctx, tx), c.want)
			return nil
		})
		same(t, "User after "+name, must(st.User(ctx, w.ann.ID))(t), w.ann)
		same(t, "UserByEmail after "+name, must(st.UserByEmail(ctx, "ann@example.com"))(t), w.ann)
		same(t, "UserByUUID after "+name, must(st.UserByUUID(ctx, w.ann.UUID))(t), w.ann)
		session(t, st, "ann")
		session(t, st, "bob")
		key(t, st, "ann", "ann")
		key(t, st, "bob", "bob")
		refused(t, "CreateUser with the address after "+name, try(t, st, createUser, newUser("ann@example.com")), users.ErrEmailTaken)
	}
}

func testCommit(t *testing.T, st storage.Storage) {
	w := newWorld(t, st)
	commitEach(t, st, w, w.autonomyChanges())
	commitEach(t, st, w, w.integrationChanges())
	commitEach(t, st, w, w.changes())
}

func commitEach[X users.Tx](t *testing.T, st storage.Storage, w world, changes []change[X]) {
	ctx := t.Context()
	for _, c := range changes {
		switch c.name {
		// They leave nothing for the others to change.
		case "DeleteUser", "DeleteUser, the last", "DeleteOrganization", "DeleteTeam", "DeleteExpired":
			continue
		}
		var inside snapshot
		err := transaction(ctx, st, func(tx X) error {
			err := c.do(ctx, tx)
			inside = w.snapshot(t, ctx, tx)
			return err
		})
		if err != nil && !errors.Is(err, users.ErrNotFound) {
			t.Errorf("%s: got %v, want nil", c.name, err)
		}
		if err == nil {
			unchanged(t, "the commit of "+c.name, w.snapshot(t, ctx, st), inside)
		}
	}
}

func testUpdateUsers(t *testing.T, st storage.Storage) {
	ctx := t.Context()
	u := addUser(t, st, "ann@example.com")
	put(t, st, auth.Tx.SaveSession, newSession(u, number(1), "s"))
	for _, want := range []error{errStop, nil} {
		err := st.UpdateUsers(ctx, func(tx users.Tx) error {
			if err := tx.DeleteUser(ctx, u.ID); err != nil {
				return err
			}
			_, err := tx.User(ctx, u.ID)
			refused(t, "User in the transaction after DeleteUser", err, users.ErrNotFound)
			if err := tx.AddEvent(ctx, users.Event{At: at(0)}); err != nil {
				return err
			}
			return want
		})
		refused(t, "UpdateUsers", err, want)
		_, err = st.User(ctx, u.ID)
		_, _, sessionErr := st.SessionByHash(ctx, hash("s"))
		events := must(st.Events(ctx, users.EventQuery{Limit: 10}))(t)
		kept := want == nil
		same(t, "what is left of user, session and event", [3]bool{err == nil, sessionErr == nil, len(events) > 0}, [3]bool{!kept, !kept, kept})
	}
}

func testOwnWrites(t *testing.T, st storage.Storage) {
	update(t, st, func(ctx context.Context, tx auth.Tx) error {
		o := newOrganization(number(1))
		if err := tx.SaveOrganization(ctx, o); err != nil {
			return err
		}
		team, err := tx.SaveTeam(ctx, newTeam(o))
		if err != nil {
			return err
		}
		u := newUser("ann@example.com")
		u.CurrentOrganization, u.CurrentTeam = o.ID, team.ID
		if u, err = tx.CreateUser(ctx, u); err != nil {
			return err
		}
		m := users.Membership{UserID: u.ID, OrganizationID: o.ID, Level: users.LevelOwner, JoinedAt: at(0)}
		s := newSession(u, number(1), "s")
		if err := errors.Join(tx.SaveMembership(ctx, m), tx.SaveSession(ctx, s)); err != nil {
			return err
		}
		page, err := tx.Profiles(ctx, users.Query{Limit: 10})
		p := index(page)
		sameList(t, "Users", p.Users, u)
		sameList(t, "Memberships", p.Memberships[u.ID], m)
		sameList(t, "Teams", p.Teams[o.ID], team)
		same(t, "MemberCounts", p.MemberCounts[o.ID], 1)
		got, owner := session(t, tx, "s")
		same(t, "SessionByHash", got, s)
		same(t, "the user of SessionByHash", owner, u)
		return err
	})
}
