package storagetest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/integrations"
	"github.com/hedgerow-dev/hedgerow/storage"
	"github.com/hedgerow-dev/hedgerow/users"
)

func testTeamInstallations(t *testing.T, st storage.Storage) {
	ctx, ann := t.Context(), addUser(t, st, "ann@example.com")
	o := addOrganization(t, st, number(1))
	web, api := addTeam(t, st, o), addTeam(t, st, o)
	full := saveTeamInstallation(t, st, integrations.TeamInstallation{TeamID: web.ID, InstallationID: "1", CreatedBy: ann.ID, ConnectingLogin: odd, CreatedAt: at(1)})
	complete(t, full)
	shared := saveTeamInstallation(t, st, integrations.TeamInstallation{TeamID: api.ID, InstallationID: "1"})
	second := saveTeamInstallation(t, st, integrations.TeamInstallation{TeamID: web.ID, InstallationID: "2", CreatedBy: ann.ID})
	if full.ID < 1 || shared.ID <= full.ID || second.ID <= shared.ID {
		t.Errorf("IDs: got %d, %d, %d, want them to ascend", full.ID, shared.ID, second.ID)
	}
	for _, c := range []struct {
		q    integrations.TeamQuery
		want []integrations.TeamInstallation
	}{
		{integrations.TeamQuery{}, []integrations.TeamInstallation{full, shared, second}},
		{integrations.TeamQuery{TeamID: web.ID}, []integrations.TeamInstallation{full, second}},
		{integrations.TeamQuery{InstallationIDs: []string{"1"}}, []integrations.TeamInstallation{full, shared}},
		{integrations.TeamQuery{InstallationIDs: []string{}}, nil},
		{integrations.TeamQuery{TeamID: web.ID, InstallationIDs: []string{"2", "3"}}, []integrations.TeamInstallation{second}},
		{integrations.TeamQuery{CreatedBy: ann.ID}, []integrations.TeamInstallation{full, second}},
	} {
		sameList(t, "TeamInstallations", must(st.TeamInstallations(ctx, c.q))(t), c.want...)
	}
	twin := second
	twin.InstallationID = "1"
	for name, i := range map[string]integrations.TeamInstallation{"new": {TeamID: web.ID, InstallationID: "1"}, "replaced": twin} {
		refused(t, "SaveTeamInstallation of a second one, "+name, try(t, st, replaceTeamInstallation, i), users.ErrConflict)
	}
	for name, i := range map[string]integrations.TeamInstallation{
		"ID": {ID: second.ID + 9, TeamID: web.ID, InstallationID: "9"}, "team": {TeamID: api.ID + 9, InstallationID: "9"},
		"creator": {TeamID: web.ID, InstallationID: "9", CreatedBy: ann.ID + 9},
	} {
		refused(t, "SaveTeamInstallation of an unknown "+name, try(t, st, replaceTeamInstallation, i), users.ErrNotFound)
	}
	put(t, st, integrations.Tx.DeleteTeamInstallation, second.ID)
	if next := saveTeamInstallation(t, st, integrations.TeamInstallation{TeamID: web.ID, InstallationID: "2"}); next.ID <= second.ID {
		t.Errorf("the ID of a deleted record: got %d after %d, want a greater one", next.ID, second.ID)
	}
}

func testLinkStates(t *testing.T, st storage.Storage) {
	ctx, ann, bob := t.Context(), addUser(t, st, "ann@example.com"), addUser(t, st, "bob@example.com")
	late, early, empty := newState(ann, "late"), newState(ann, "early"), integrations.LinkState{Hash: stateHash("empty"), UserID: ann.ID}
	complete(t, late)
	early.ExpiresAt = at(50)
	put(t, st, integrations.Tx.SaveLinkState, late, newState(bob, "bob"), early, empty)
	sameList(t, "LinkStates", must(st.LinkStates(ctx, ann.ID))(t), empty, early, late)
	put(t, st, integrations.Tx.DeleteLinkState, early.Hash)
	sameList(t, "LinkStates after DeleteLinkState", must(st.LinkStates(ctx, ann.ID))(t), empty, late)
	refused(t, "DeleteLinkState twice", try(t, st, integrations.Tx.DeleteLinkState, early.Hash), users.ErrNotFound)
}

// testTakeState has callers that all read a state and take it.
func testTakeState(t *testing.T, st storage.Storage) {
	u := addUser(t, st, "ann@example.com")
	put(t, st, integrations.Tx.SaveLinkState, newState(u, "s"))
	results := race(100, func(int) error {
		return attempt(t, st, func(ctx context.Context, tx integrations.Tx) error { return tx.DeleteLinkState(ctx, stateHash("s")) })
	})
	same(t, "callers that took the state", winners(t, results, users.ErrNotFound), 1)
}

func testInstallRequests(t *testing.T, st storage.Storage) {
	ctx, ann, bob := t.Context(), addUser(t, st, "ann@example.com"), addUser(t, st, "bob@example.com")
	first, twin, newest, empty := newRequest(ann, number(2), 99), newRequest(ann, number(1), 99), newRequest(bob, number(3), 99), integrations.InstallRequest{ID: number(4), UserID: ann.ID}
	complete(t, first)
	newest.RequestedAt = at(50)
	put(t, st, integrations.Tx.SaveInstallRequest, first, newest, twin, empty)
	sameList(t, "InstallRequests", must(st.InstallRequests(ctx, integrations.RequestQuery{}))(t), newest, twin, first, empty)
	sameList(t, "InstallRequests of a user", must(st.InstallRequests(ctx, integrations.RequestQuery{UserID: ann.ID}))(t), twin, first, empty)
	sameList(t, "InstallRequests of an account", must(st.InstallRequests(ctx, integrations.RequestQuery{GitHubUserID: 99, UserID: bob.ID}))(t), newest)
	first.Status, first.GitHubUserID = integrations.Approved, 7
	put(t, st, integrations.Tx.SaveInstallRequest, first)
	sameList(t, "InstallRequests after a change", must(st.InstallRequests(ctx, integrations.RequestQuery{GitHubUserID: 7}))(t), first)
	put(t, st, integrations.Tx.DeleteInstallRequest, first.ID)
	sameList(t, "InstallRequests after DeleteInstallRequest", must(st.InstallRequests(ctx, integrations.RequestQuery{GitHubUserID: 7}))(t))
}

// claim tries to take a name.
func claim(t *testing.T, st storage.Storage, name string, holder uuid.UUID, now, until time.Time) bool {
	t.Helper()
	var free bool
	update(t, st, func(ctx context.Context, tx integrations.Tx) (err error) {
		free, err = tx.Claim(ctx, name, holder, now, until)
		return err
	})
	return free
}

func unclaim(t *testing.T, st storage.Storage, name string, holder uuid.UUID) {
	t.Helper()
	update(t, st, func(ctx context.Context, tx integrations.Tx) error { return tx.Unclaim(ctx, name, holder) })
}

func testClaims(t *testing.T, st storage.Storage) {
	check := func(what string, got, want bool) {
		t.Helper()
		same(t, "Claim, "+what, got, want)
	}
	check("free", claim(t, st, odd, number(1), at(0), at(10)), true)
	check("another name", claim(t, st, odd+"x", number(2), at(0), at(10)), true)
	check("taken", claim(t, st, odd, number(2), at(9), at(20)), false)
	check("taken by the same holder", claim(t, st, odd, number(1), at(9), at(20)), false)
	check("until now", claim(t, st, odd, number(2), at(10), at(20)), true)
	unclaim(t, st, odd, number(1))
	check("given back by somebody else", claim(t, st, odd, number(1), at(19), at(30)), false)
	unclaim(t, st, odd, number(2))
	check("given back", claim(t, st, odd, number(1), at(11), at(30)), true)
	unclaim(t, st, "never claimed", number(1))
	err := attempt(t, st, func(ctx context.Context, tx integrations.Tx) error {
		if _, err := tx.Claim(ctx, "undone", number(1), at(0), at(10)); err != nil {
			return err
		}
		return errors.Join(tx.Unclaim(ctx, odd, number(1)), errStop)
	})
	refused(t, "UpdateIntegrations", err, errStop)
	check("after a rollback of the claim", claim(t, st, "undone", number(2), at(0), at(10)), true)
	check("after a rollback of giving back", claim(t, st, odd, number(2), at(12), at(30)), false)
}

// testClaimRace has callers that all want one name.
func testClaimRace(t *testing.T, st storage.Storage) {
	const callers = 50
	won := make([]bool, callers)
	results := race(callers, func(i int) error {
		return attempt(t, st, func(ctx context.Context, tx integrations.Tx) (err error) {
			won[i], err = tx.Claim(ctx, "lease", number(byte(i+1)), at(0), at(10))
			return err
		})
	})
	same(t, "claims that worked", winners(t, results, nil), callers)
	n := 0
	for _, w := range won {
		if w {
			n++
		}
	}
	same(t, "callers that have the name", n, 1)
}

func testLinkExpiry(t *testing.T, st storage.Storage) {
	ctx, u := t.Context(), addUser(t, st, "ann@example.com")
	link := newLink(u, number(1), "1")
	put(t, st, integrations.Tx.SaveInstallation, link)
	past, present, future := newState(u, "past"), newState(u, "present"), newState(u, "future")
	past.ExpiresAt, present.ExpiresAt, future.ExpiresAt = at(1), at(2), at(3)
	put(t, st, integrations.Tx.SaveLinkState, past, present, future)
	old, kept := newBranches(link, "acme/old"), newBranches(link, "acme/kept")
	old.ExpiresAt, kept.ExpiresAt = at(2), at(3)
	put(t, st, integrations.Tx.SaveBranches, old, kept)
	claim(t, st, "old", number(1), at(0), at(2))
	claim(t, st, "kept", number(1), at(0), at(3))
	update(t, st, func(ctx context.Context, tx integrations.Tx) error {
		n, err := tx.DeleteExpiredLinks(ctx, at(2))
		same(t, "DeleteExpiredLinks", n, 4)
		return err
	})
	sameList(t, "LinkStates", must(st.LinkStates(ctx, u.ID))(t), future)
	_, err := st.Branches(ctx, link.ID, "acme/old")
	refused(t, "Branches that expired", err, users.ErrNotFound)
	must(st.Branches(ctx, link.ID, "acme/kept"))(t)
	same(t, "Claim that is kept", claim(t, st, "kept", number(2), at(2), at(9)), false)
	same(t, "Installation", must(st.Installation(ctx, u.ID, "1"))(t), link)
}

func testLinkNotFound(t *testing.T, st storage.Storage) {
	ctx, u := t.Context(), addUser(t, st, "ann@example.com")
	stray := users.User{ID: u.ID + 1}
	put(t, st, integrations.Tx.SaveInstallation, newLink(u, number(1), "1"))
	_, byUser := st.Installation(ctx, stray.ID, "1")
	_, byID := st.Installation(ctx, u.ID, "01")
	_, byRepository := st.Branches(ctx, number(1), "acme/web")
	for call, err := range map[string]error{
		"Installation of nobody": byUser, "Installation": byID, "Branches": byRepository,
		"SaveInstallation":       try(t, st, integrations.Tx.SaveInstallation, newLink(stray, number(9), "1")),
		"SaveLinkState":          try(t, st, integrations.Tx.SaveLinkState, newState(stray, "s")),
		"SaveInstallRequest":     try(t, st, integrations.Tx.SaveInstallRequest, newRequest(stray, number(9), 9)),
		"SaveBranches":           try(t, st, integrations.Tx.SaveBranches, integrations.BranchList{LinkID: number(9)}),
		"DeleteInstallation":     try(t, st, integrations.Tx.DeleteInstallation, number(9)),
		"DeleteInstallRequest":   try(t, st, integrations.Tx.DeleteInstallRequest, number(9)),
		"DeleteTeamInstallation": try(t, st, integrations.Tx.DeleteTeamInstallation, 9),
		"SaveRepositories": attempt(t, st, func(ctx context.Context, tx integrations.Tx) error {
			return tx.SaveRepositories(ctx, number(9), nil)
		}),
	} {
		refused(t, call+" of what is not there", err, users.ErrNotFound)
	}
}

func testLinkRollback(t *testing.T, st storage.Storage) {
	w := newWorld(t, st)
	before := w.snapshot(t, t.Context(), st)
	err := attempt(t, st, func(ctx context.Context, tx integrations.Tx) error {
		u, err := tx.CreateUser(ctx, newUser("carl@example.com"))
		i := newLink(u, number(9), "9")
		return errors.Join(err, tx.SaveInstallation(ctx, i), tx.SaveRepositories(ctx, i.ID, []integrations.Repository{newRepository(9)}),
			tx.SaveBranches(ctx, newBranches(i, "acme/web")), tx.SaveLinkState(ctx, newState(u, "carl")), tx.SaveInstallRequest(ctx, newRequest(u, number(9), 9)),
			tx.DeleteTeam(ctx, w.betaTeam.ID), tx.AddEvent(ctx, users.Event{At: at(5), Target: u.ID, Action: "linked"}), tx.DeleteUser(ctx, w.ann.ID), errStop)
	})
	refused(t, "UpdateIntegrations", err, errStop)
	if errors.Is(err, users.ErrNotFound) || errors.Is(err, users.ErrConflict) {
		t.Errorf("UpdateIntegrations: got %v, want all changes to work", err)
	}
	unchanged(t, "changes of all domains and an error", w.snapshot(t, t.Context(), st), before)
	w.checkLinks(t, st, w.ann, "ann", number(1), 1)
	// The user is there to be deleted elsewhere, and its links go with it.
	put(t, st, auth.Tx.DeleteUser, w.ann.ID)
	gone(t, st, w.ann, "ann")
}

func testLinkCanceled(t *testing.T, st storage.Storage) {
	w := newWorld(t, st)
	reads := map[string]func(context.Context, integrations.Reader) error{
		"Installation": func(ctx context.Context, r integrations.Reader) error {
			_, err := r.Installation(ctx, w.ann.ID, "ann")
			return err
		},
		"Installations": func(ctx context.Context, r integrations.Reader) error {
			_, err := r.Installations(ctx, integrations.Query{})
			return err
		},
		"Repositories": func(ctx context.Context, r integrations.Reader) error {
			_, err := r.Repositories(ctx, number(1))
			return err
		},
		"Branches": func(ctx context.Context, r integrations.Reader) error {
			_, err := r.Branches(ctx, number(1), "acme/web")
			return err
		},
		"TeamInstallations": func(ctx context.Context, r integrations.Reader) error {
			_, err := r.TeamInstallations(ctx, integrations.TeamQuery{})
			return err
		},
		"LinkStates": func(ctx context.Context, r integrations.Reader) error {
			_, err := r.LinkStates(ctx, w.ann.ID)
			return err
		},
		"InstallRequests": func(ctx context.Context, r integrations.Reader) error {
			_, err := r.InstallRequests(ctx, integrations.RequestQuery{})
			return err
		},
	}
	for name, read := range reads {
		for want, ctx := range dead(t) {
			refused(t, name, read(ctx, st), want)
			refused(t, name+" in a transaction", attempt(t, st, func(_ context.Context, tx integrations.Tx) error { return read(ctx, tx) }), want)
			refused(t, "Claim", attempt(t, st, func(_ context.Context, tx integrations.Tx) error {
				_, err := tx.Claim(ctx, "n", number(1), at(0), at(1))
				return err
			}), want)
			refused(t, "Unclaim", attempt(t, st, func(_ context.Context, tx integrations.Tx) error { return tx.Unclaim(ctx, "n", number(1)) }), want)
		}
		refused(t, name+" afterwards", read(t.Context(), st), nil)
	}
}
