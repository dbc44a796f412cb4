package storagetest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/hedgerow-dev/hedgerow/integrations"
	"github.com/hedgerow-dev/hedgerow/storage"
	"github.com/hedgerow-dev/hedgerow/users"
)

func integrationTests() []test {
	return []test{
		{"round trip", testLinkRoundTrip},
		{"copies", testLinkCopies},
		{"one link of a user and an installation", testLinkConflict},
		{"queries", testLinkQueries},
		{"lists go with their link", testLinkCascade},
		{"team installations", testTeamInstallations},
		{"link states", testLinkStates},
		{"one takes a state", testTakeState},
		{"install requests", testInstallRequests},
		{"claims", testClaims},
		{"one has a claim", testClaimRace},
		{"expiry", testLinkExpiry},
		{"not found", testLinkNotFound},
		{"an error undoes changes of every domain", testLinkRollback},
		{"canceled reads", testLinkCanceled},
	}
}

// newLink returns a link with a value in every field.
func newLink(u users.User, id uuid.UUID, installation string) integrations.Installation {
	return integrations.Installation{
		ID: id, UserID: u.ID, InstallationID: installation, CreatedAt: at(1), UpdatedAt: at(2), RepositorySelection: "selected",
		Account:    integrations.Account{ID: 1 << 40, Login: odd, Type: "Organization"},
		GitHubUser: integrations.Account{ID: 99, Login: "Octocat", Type: "User"},
		Sealed:     []byte{0, 1, 0xff, 0}, TokenRefreshedAt: at(3), TokenLifetime: time.Hour + time.Microsecond, UserTokenRefreshedAt: at(4),
		UserTokenExpiresAt: at(5), RefreshTokenExpiresAt: at(6), UnavailableSince: at(7), SnapshotAt: at(8), ETag: odd,
	}
}

func newRepository(n int) integrations.Repository {
	return integrations.Repository{ID: int64(n), Name: odd, FullName: "acme/" + odd, Private: users.Some(true), Archived: users.Some(false),
		DefaultBranch: users.Some("main"), Language: users.Some(""), PushedAt: users.Some("2024-02-29T00:00:00Z"), CanPush: users.Some(true)}
}

func newBranches(link integrations.Installation, repository string) integrations.BranchList {
	return integrations.BranchList{LinkID: link.ID, Repository: repository, Names: []string{"main", odd}, Default: "main", DefaultAt: at(1),
		RefreshedAt: at(2), ExpiresAt: at(100)}
}

func stateHash(token string) integrations.StateHash { return integrations.StateHash(hash(token)) }

// newState returns a state whose Hash is that of its token.
func newState(u users.User, token string) integrations.LinkState {
	return integrations.LinkState{Hash: stateHash(token), UserID: u.ID, Flow: integrations.FlowAuthorize, InstallationID: token,
		ConnectFrom: integrations.ConnectFromCode, SealedVerifier: []byte{0, 0xfe}, ExpiresAt: at(100)}
}

func newRequest(u users.User, id uuid.UUID, account int64) integrations.InstallRequest {
	return integrations.InstallRequest{ID: id, UserID: u.ID, GitHubUserID: account, GitHubLogin: "octocat", Status: integrations.Pending,
		InstallationID: "7", AccountLogin: odd, AccountType: "Organization", RequestedAt: at(1), ResolvedAt: at(2)}
}

func saveRepositories(t *testing.T, st storage.Storage, id uuid.UUID, list ...integrations.Repository) {
	t.Helper()
	update(t, st, func(ctx context.Context, tx integrations.Tx) error { return tx.SaveRepositories(ctx, id, list) })
}

func saveTeamInstallation(t *testing.T, st storage.Storage, i integrations.TeamInstallation) integrations.TeamInstallation {
	t.Helper()
	update(t, st, func(ctx context.Context, tx integrations.Tx) (err error) {
		i, err = tx.SaveTeamInstallation(ctx, i)
		return err
	})
	return i
}

// replaceTeamInstallation leaves the result out, for try.
func replaceTeamInstallation(tx integrations.Tx, ctx context.Context, i integrations.TeamInstallation) error {
	_, err := tx.SaveTeamInstallation(ctx, i)
	return err
}

// integrationChanges lists every method that integrations.Tx adds.
func (w world) integrationChanges() []change[integrations.Tx] {
	changed, request := newLink(w.ann, number(1), "ann"), newRequest(w.ann, number(1), 1)
	changed.ETag, request.Status = "new", integrations.Approved
	renamed := integrations.TeamInstallation{ID: 1, TeamID: w.acmeTeam.ID, InstallationID: "renamed"}
	branches := newBranches(changed, "acme/web")
	branches.Names = nil
	return []change[integrations.Tx]{
		{"SaveInstallation, new", with(integrations.Tx.SaveInstallation, newLink(w.ann, number(9), "9"))},
		{"SaveInstallation", with(integrations.Tx.SaveInstallation, changed)},
		{"SaveRepositories", func(ctx context.Context, tx integrations.Tx) error { return tx.SaveRepositories(ctx, number(1), nil) }},
		{"SaveBranches, new", with(integrations.Tx.SaveBranches, newBranches(changed, "acme/api"))},
		{"SaveBranches", with(integrations.Tx.SaveBranches, branches)},
		{"SaveTeamInstallation, new", with(replaceTeamInstallation, integrations.TeamInstallation{TeamID: w.betaTeam.ID, InstallationID: "9"})},
		{"SaveTeamInstallation", with(replaceTeamInstallation, renamed)},
		{"DeleteTeamInstallation", with(integrations.Tx.DeleteTeamInstallation, 2)},
		{"SaveLinkState", with(integrations.Tx.SaveLinkState, newState(w.ann, "new"))},
		{"DeleteLinkState", with(integrations.Tx.DeleteLinkState, stateHash("bob"))},
		{"SaveInstallRequest, new", with(integrations.Tx.SaveInstallRequest, newRequest(w.ann, number(9), 9))},
		{"SaveInstallRequest", with(integrations.Tx.SaveInstallRequest, request)},
		{"DeleteInstallRequest", with(integrations.Tx.DeleteInstallRequest, number(2))},
		{"DeleteInstallation", with(integrations.Tx.DeleteInstallation, number(2))},
		{"DeleteExpiredLinks", func(ctx context.Context, tx integrations.Tx) error {
			_, err := tx.DeleteExpiredLinks(ctx, at(1000))
			return err
		}},
	}
}

func (w world) readIntegrations(ctx context.Context, r integrations.Reader, line func(string, error, ...any)) {
	all, err := r.Installations(ctx, integrations.Query{})
	line("Installations", err, all)
	teams, err := r.TeamInstallations(ctx, integrations.TeamQuery{})
	line("TeamInstallations", err, teams)
	requests, err := r.InstallRequests(ctx, integrations.RequestQuery{})
	line("InstallRequests", err, requests)
	for n, u := range []users.User{w.ann, w.bob} {
		id := number(byte(n + 1))
		i, err := r.Installation(ctx, u.ID, []string{"ann", "bob"}[n])
		line("Installation", err, i)
		list, err := r.Repositories(ctx, id)
		line("Repositories", err, list)
		for _, repository := range []string{"acme/web", "acme/api"} {
			b, err := r.Branches(ctx, id, repository)
			line("Branches", err, b)
		}
		states, err := r.LinkStates(ctx, u.ID)
		line("LinkStates", err, states)
	}
}

// checkLinks wants what newWorld gave a user.
func (w world) checkLinks(t *testing.T, st storage.Storage, u users.User, name string, id uuid.UUID, n int) {
	t.Helper()
	ctx, link := t.Context(), newLink(u, id, name)
	same(t, "Installation of another", must(st.Installation(ctx, u.ID, name))(t), link)
	sameList(t, "Repositories of another", must(st.Repositories(ctx, id))(t), newRepository(n))
	same(t, "Branches of another", must(st.Branches(ctx, id, "acme/web"))(t), newBranches(link, "acme/web"))
	sameList(t, "LinkStates of another", must(st.LinkStates(ctx, u.ID))(t), newState(u, name))
	sameList(t, "InstallRequests of another", must(st.InstallRequests(ctx, integrations.RequestQuery{UserID: u.ID}))(t), newRequest(u, id, int64(n)))
	same(t, "TeamInstallations by another", len(must(st.TeamInstallations(ctx, integrations.TeamQuery{CreatedBy: u.ID}))(t)), 1)
}

func testLinkRoundTrip(t *testing.T, st storage.Storage) {
	ctx, u := t.Context(), addUser(t, st, "ann@example.com")
	full, empty := newLink(u, number(1), "12345"), integrations.Installation{ID: number(2), UserID: u.ID, InstallationID: "2"}
	complete(t, full)
	complete(t, newRepository(1))
	complete(t, newBranches(full, "acme/web"))
	put(t, st, integrations.Tx.SaveInstallation, full, empty)
	same(t, "Installation", must(st.Installation(ctx, u.ID, "12345"))(t), full)
	same(t, "Installation with nothing in it", must(st.Installation(ctx, u.ID, "2"))(t), empty)
	sameList(t, "Repositories before there are any", must(st.Repositories(ctx, full.ID))(t))

	bare := integrations.Repository{ID: 1 << 60, Name: "bare", FullName: "acme/bare"}
	saveRepositories(t, st, full.ID, newRepository(2), bare, newRepository(1))
	sameList(t, "Repositories", must(st.Repositories(ctx, full.ID))(t), newRepository(2), bare, newRepository(1))
	saveRepositories(t, st, full.ID)
	sameList(t, "Repositories that are none", must(st.Repositories(ctx, full.ID))(t))

	lists := []integrations.BranchList{newBranches(full, "acme/web"), newBranches(full, "acme/api"), {LinkID: empty.ID, Repository: "acme/web"}}
	lists[1].Names = []string{"other"}
	put(t, st, integrations.Tx.SaveBranches, lists...)
	for _, b := range lists {
		same(t, "Branches", must(st.Branches(ctx, b.LinkID, b.Repository))(t), b)
	}

	moved := full
	moved.InstallationID, moved.Sealed, moved.SnapshotAt = "9", nil, time.Time{}
	put(t, st, integrations.Tx.SaveInstallation, moved)
	same(t, "Installation that was replaced", must(st.Installation(ctx, u.ID, "9"))(t), moved)
	_, err := st.Installation(ctx, u.ID, "12345")
	refused(t, "Installation under its old id", err, users.ErrNotFound)
	same(t, "Branches of a link that was replaced", must(st.Branches(ctx, full.ID, "acme/web"))(t), lists[0])
}

func testLinkCopies(t *testing.T, st storage.Storage) {
	ctx, u := t.Context(), addUser(t, st, "ann@example.com")
	link, branches, state := newLink(u, number(1), "1"), newBranches(newLink(u, number(1), "1"), "acme/web"), newState(u, "s")
	list := []integrations.Repository{newRepository(1)}
	put(t, st, integrations.Tx.SaveInstallation, link)
	update(t, st, func(ctx context.Context, tx integrations.Tx) error {
		return errors.Join(tx.SaveRepositories(ctx, link.ID, list), tx.SaveBranches(ctx, branches), tx.SaveLinkState(ctx, state))
	})
	link.Sealed[0], branches.Names[0], state.SealedVerifier[0], list[0].Name = 9, "changed", 9, "changed"
	must(st.Installation(ctx, u.ID, "1"))(t).Sealed[1] = 9
	must(st.Installations(ctx, integrations.Query{}))(t)[0].Sealed[1] = 9
	must(st.Repositories(ctx, link.ID))(t)[0].Name = "changed"
	must(st.Branches(ctx, link.ID, "acme/web"))(t).Names[1] = "changed"
	must(st.LinkStates(ctx, u.ID))(t)[0].SealedVerifier[1] = 9
	want := newLink(u, number(1), "1")
	same(t, "Installation", must(st.Installation(ctx, u.ID, "1"))(t), want)
	sameList(t, "Repositories", must(st.Repositories(ctx, link.ID))(t), newRepository(1))
	same(t, "Branches", must(st.Branches(ctx, link.ID, "acme/web"))(t), newBranches(want, "acme/web"))
	sameList(t, "LinkStates", must(st.LinkStates(ctx, u.ID))(t), newState(u, "s"))
}

func testLinkConflict(t *testing.T, st storage.Storage) {
	ann, bob := addUser(t, st, "ann@example.com"), addUser(t, st, "bob@example.com")
	put(t, st, integrations.Tx.SaveInstallation, newLink(ann, number(1), "1"), newLink(ann, number(2), "2"), newLink(bob, number(3), "1"))
	for name, i := range map[string]integrations.Installation{"new": newLink(ann, number(4), "1"), "replaced": newLink(ann, number(2), "1")} {
		refused(t, "SaveInstallation of a second link, "+name, try(t, st, integrations.Tx.SaveInstallation, i), users.ErrConflict)
	}
	put(t, st, integrations.Tx.SaveLinkState, newState(ann, "s"))
	refused(t, "SaveLinkState with a taken Hash", try(t, st, integrations.Tx.SaveLinkState, newState(bob, "s")), users.ErrConflict)
	same(t, "Installations after refusals", len(must(st.Installations(t.Context(), integrations.Query{}))(t)), 3)
	// What goes is free again.
	put(t, st, integrations.Tx.DeleteInstallation, number(1))
	put(t, st, integrations.Tx.SaveInstallation, newLink(ann, number(4), "1"))
}

func testLinkQueries(t *testing.T, st storage.Storage) {
	ann, bob := addUser(t, st, "ann@example.com"), addUser(t, st, "bob@example.com")
	links := []integrations.Installation{newLink(ann, number(1), "12345"), newLink(bob, number(2), "12345"), newLink(ann, number(3), "012345"), newLink(ann, number(4), "4")}
	put(t, st, integrations.Tx.SaveInstallation, links[3], links[1], links[0], links[2])
	for _, c := range []struct {
		q    integrations.Query
		want []integrations.Installation
	}{
		{integrations.Query{}, links},
		{integrations.Query{UserID: ann.ID}, []integrations.Installation{links[0], links[2], links[3]}},
		{integrations.Query{InstallationIDs: []string{"12345"}}, links[:2]},
		{integrations.Query{InstallationIDs: []string{"4", "12345", "4", "nothing"}}, []integrations.Installation{links[0], links[1], links[3]}},
		{integrations.Query{InstallationIDs: []string{}}, nil},
		{integrations.Query{UserID: bob.ID, InstallationIDs: []string{"12345"}}, links[1:2]},
		{integrations.Query{After: number(2)}, links[2:]},
		{integrations.Query{After: number(1), Limit: 2}, links[1:3]},
		{integrations.Query{UserID: ann.ID, Limit: 1}, links[:1]},
		{integrations.Query{UserID: bob.ID + 1}, nil},
	} {
		got, err := st.Installations(t.Context(), c.q)
		if err != nil {
			t.Errorf("Installations(%+v): got %v, want nil", c.q, err)
		}
		sameList(t, "Installations", got, c.want...)
	}
}

func testLinkCascade(t *testing.T, st storage.Storage) {
	ctx, u := t.Context(), addUser(t, st, "ann@example.com")
	links := []integrations.Installation{newLink(u, number(1), "1"), newLink(u, number(2), "2")}
	put(t, st, integrations.Tx.SaveInstallation, links...)
	for n, i := range links {
		saveRepositories(t, st, i.ID, newRepository(n))
		put(t, st, integrations.Tx.SaveBranches, newBranches(i, "acme/web"), newBranches(i, "acme/api"))
	}
	put(t, st, integrations.Tx.DeleteInstallation, links[0].ID)
	put(t, st, integrations.Tx.SaveInstallation, links[0])
	sameList(t, "Repositories of a link that was made again", must(st.Repositories(ctx, links[0].ID))(t))
	_, err := st.Branches(ctx, links[0].ID, "acme/web")
	refused(t, "Branches of a link that was made again", err, users.ErrNotFound)
	sameList(t, "Repositories of another link", must(st.Repositories(ctx, links[1].ID))(t), newRepository(1))
	same(t, "Branches of another link", must(st.Branches(ctx, links[1].ID, "acme/api"))(t), newBranches(links[1], "acme/api"))
}
