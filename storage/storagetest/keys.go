package storagetest

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/storage"
	"github.com/hedgerow-dev/hedgerow/users"
)

func keyTests() []test {
	return []test{
		{"round trip", testKeyRoundTrip},
		{"nil and empty restrictions differ", testKeyRestrictions},
		{"order", testKeys},
		{"a replaced secret is void", testKeyRolled},
		{"one secret one key", testKeyConflict},
		{"not found", testKeyNotFound},
		{"copies", testKeyCopies},
	}
}

func tokenTests() []test {
	return []test{
		{"round trip", testTokenRoundTrip},
		{"not found", testTokenNotFound},
		{"copies", testTokenCopies},
	}
}

// key reads a key by its id and by the secret, and its owner.
func key(t *testing.T, st auth.Reader, id, secret string) (auth.APIKey, users.User) {
	t.Helper()
	k, p, err := st.APIKeyByHash(t.Context(), hash(secret))
	if err != nil {
		t.Fatalf("APIKeyByHash: got %v, want nil", err)
	}
	same(t, "APIKey and APIKeyByHash", must(st.APIKey(t.Context(), id))(t), k)
	return k, p.User
}

func fullKey(u users.User) auth.APIKey {
	return auth.APIKey{
		ID: "full", UserID: u.ID, Label: odd, Hash: hash("full"), Mask: "phx_…abcd", Scopes: []string{"user:write", "*", "insight:read"},
		ScopedTeams: []users.TeamID{9, 1 << 40, 2}, ScopedOrganizations: []uuid.UUID{number(2), number(1)},
		CreatedAt: at(0), LastUsedAt: at(1), LastRolledAt: at(2), ExpiresAt: at(3).Add(time.Microsecond),
	}
}

func testKeyRoundTrip(t *testing.T, st storage.Storage) {
	u := addUser(t, st, "ann@example.com", func(u *users.User) { u.IsActive = false })
	other := addUser(t, st, "bob@example.com")
	want := fullKey(u)
	complete(t, want)
	bare := auth.APIKey{ID: "bare", UserID: other.ID, Hash: hash("bare"), CreatedAt: at(0)}
	put(t, st, auth.Tx.SaveAPIKey, want, bare)
	got, owner := key(t, st, "full", "full")
	same(t, "APIKeyByHash", got, want)
	same(t, "the owner of APIKeyByHash", owner, u)
	sameList(t, "APIKeys", must(st.APIKeys(t.Context(), u.ID))(t), want)
	got, owner = key(t, st, "bare", "bare")
	if len(got.Scopes) != 0 {
		t.Errorf("Scopes: got %v, want none", got.Scopes)
	}
	got.Scopes = nil // nil and empty are one
	same(t, "APIKeyByHash of one with nothing set", got, bare)
	same(t, "the owner of APIKeyByHash", owner, other)
	other.FirstName = "Bob"
	other = saveUser(t, st, other)
	_, owner = key(t, st, "bare", "bare")
	same(t, "the owner of APIKeyByHash after SaveUser", owner, other)
}

func testKeyRestrictions(t *testing.T, st storage.Storage) {
	u := addUser(t, st, "ann@example.com")
	for _, teams := range [][]users.TeamID{nil, {}, {1}} {
		for _, organizations := range [][]uuid.UUID{nil, {}, {number(1)}} {
			want := newKey(u, "k")
			want.ScopedTeams, want.ScopedOrganizations = teams, organizations
			put(t, st, auth.Tx.SaveAPIKey, want)
			got, _ := key(t, st, "k", "k")
			same(t, "APIKeyByHash", got, want)
			same(t, "APIKeys", must(st.APIKeys(t.Context(), u.ID))(t), []auth.APIKey{want})
		}
	}
}

func testKeys(t *testing.T, st storage.Storage) {
	ctx := t.Context()
	u, other := addUser(t, st, "ann@example.com"), addUser(t, st, "bob@example.com")
	newest, old := newKey(u, "z"), newKey(u, "0")
	newest.CreatedAt, old.CreatedAt = at(0).Add(time.Microsecond), at(-1)
	upper, lower, last, theirs := newKey(u, "B"), newKey(u, "a"), newKey(u, "b"), newKey(other, "A")
	put(t, st, auth.Tx.SaveAPIKey, old, last, lower, upper, newest, theirs)
	// IDs are ordered by their bytes, so upper case comes first.
	sameList(t, "APIKeys", must(st.APIKeys(ctx, u.ID))(t), newest, upper, lower, last, old)
	sameList(t, "APIKeys of another", must(st.APIKeys(ctx, other.ID))(t), theirs)
	sameList(t, "APIKeys of nobody", must(st.APIKeys(ctx, other.ID+1))(t))
	lower.Label, lower.LastUsedAt = "renamed", at(9)
	put(t, st, auth.Tx.SaveAPIKey, lower)
	put(t, st, auth.Tx.DeleteAPIKey, last.ID)
	sameList(t, "APIKeys after changes", must(st.APIKeys(ctx, u.ID))(t), newest, upper, lower, old)
}

func testKeyRolled(t *testing.T, st storage.Storage) {
	u := addUser(t, st, "ann@example.com")
	k := newKey(u, "k")
	put(t, st, auth.Tx.SaveAPIKey, k, newKey(u, "other"))
	k.Hash, k.LastRolledAt, k.Mask = hash("rolled"), at(9), "phx_…new"
	put(t, st, auth.Tx.SaveAPIKey, k)
	_, _, err := st.APIKeyByHash(t.Context(), hash("k"))
	refused(t, "APIKeyByHash with the replaced secret", err, users.ErrNotFound)
	got, _ := key(t, st, "k", "rolled")
	same(t, "APIKeyByHash with the new secret", got, k)
	put(t, st, auth.Tx.SaveAPIKey, newKey(u, "k2"))
	again := newKey(u, "k3")
	again.Hash = hash("k") // nobody's any more
	put(t, st, auth.Tx.SaveAPIKey, again)
}

func testKeyConflict(t *testing.T, st storage.Storage) {
	ann, bob := addUser(t, st, "ann@example.com"), addUser(t, st, "bob@example.com")
	a, b := newKey(ann, "a"), newKey(bob, "b")
	put(t, st, auth.Tx.SaveAPIKey, a, b)
	for _, id := range []string{"b", "c"} {
		stolen := newKey(bob, id)
		stolen.Hash = a.Hash
		refused(t, "SaveAPIKey with a taken Hash", try(t, st, auth.Tx.SaveAPIKey, stolen), users.ErrConflict)
	}
	got, owner := key(t, st, "a", "a")
	same(t, "APIKeyByHash after refusals", got, a)
	same(t, "the owner of APIKeyByHash after refusals", owner, ann)
	got, _ = key(t, st, "b", "b")
	same(t, "APIKeyByHash of the other after refusals", got, b)
}

func testKeyNotFound(t *testing.T, st storage.Storage) {
	ctx := t.Context()
	u := addUser(t, st, "ann@example.com")
	stray := newKey(u, "stray")
	stray.UserID++
	refused(t, "SaveAPIKey with an unknown owner", try(t, st, auth.Tx.SaveAPIKey, stray), users.ErrNotFound)
	put(t, st, auth.Tx.SaveAPIKey, newKey(u, "k"))
	for _, id := range []string{"", "stray", "K", "%", "k "} {
		_, err := st.APIKey(ctx, id)
		refused(t, "APIKey with an unknown ID", err, users.ErrNotFound)
		refused(t, "DeleteAPIKey with an unknown ID", try(t, st, auth.Tx.DeleteAPIKey, id), users.ErrNotFound)
	}
	put(t, st, auth.Tx.DeleteAPIKey, "k")
	for _, h := range []auth.Hash{{}, hash("stray"), hash("k")} {
		_, _, err := st.APIKeyByHash(ctx, h)
		refused(t, "APIKeyByHash with an unknown Hash", err, users.ErrNotFound)
	}
}

func testKeyCopies(t *testing.T, st storage.Storage) {
	u := addUser(t, st, "ann@example.com")
	want := fullKey(u)
	spoil := func(k auth.APIKey) {
		k.Scopes[0], k.ScopedTeams[0], k.ScopedOrganizations[0] = "spoiled", 77, number(77)
	}
	in := want.Clone()
	put(t, st, auth.Tx.SaveAPIKey, in)
	spoil(in)
	for range 2 { // the second time sees what the first one spoiled
		byHash, _, err := st.APIKeyByHash(t.Context(), want.Hash)
		byID, list := must(st.APIKey(t.Context(), want.ID))(t), must(st.APIKeys(t.Context(), u.ID))(t)
		same(t, "APIKeyByHash", byHash, want)
		same(t, "APIKey", byID, want)
		sameList(t, "APIKeys", list, want)
		if err != nil || t.Failed() {
			t.Fatalf("APIKeyByHash: got %v, want nil", err)
		}
		spoil(byHash)
		spoil(byID)
		spoil(list[0])
	}
}

// token reads a token and its user by the secret.
func token(t *testing.T, st auth.Reader, secret string) (auth.OAuthToken, users.User) {
	t.Helper()
	o, p, err := st.OAuthTokenByHash(t.Context(), hash(secret))
	if err != nil {
		t.Fatalf("OAuthTokenByHash: got %v, want nil", err)
	}
	return o, p.User
}

func testTokenRoundTrip(t *testing.T, st storage.Storage) {
	u := addUser(t, st, "ann@example.com", func(u *users.User) { u.IsActive = false })
	want := newToken(u, "full")
	want.Application, want.Scopes, want.ScopedTeams = odd, "user:read user:write", []users.TeamID{9, 1 << 40, 2}
	complete(t, want)
	bare := auth.OAuthToken{Hash: hash("bare"), UserID: u.ID, CreatedAt: at(0)}
	put(t, st, auth.Tx.SaveOAuthToken, want, bare)
	got, owner := token(t, st, "full")
	same(t, "OAuthTokenByHash", got, want)
	same(t, "the user of OAuthTokenByHash", owner, u)
	got, _ = token(t, st, "bare")
	if len(got.ScopedTeams) == 0 {
		got.ScopedTeams = nil // nil and empty are one
	}
	same(t, "OAuthTokenByHash of one with nothing set", got, bare)

	other := addUser(t, st, "bob@example.com")
	want = newToken(other, "full")
	want.ScopedTeams = []users.TeamID{1}
	put(t, st, auth.Tx.SaveOAuthToken, want)
	got, owner = token(t, st, "full")
	same(t, "OAuthTokenByHash of a replaced one", got, want)
	same(t, "the user of a replaced one", owner, other)
}

func testTokenNotFound(t *testing.T, st storage.Storage) {
	u := addUser(t, st, "ann@example.com")
	stray := newToken(u, "stray")
	stray.UserID++
	refused(t, "SaveOAuthToken with an unknown user", try(t, st, auth.Tx.SaveOAuthToken, stray), users.ErrNotFound)
	put(t, st, auth.Tx.SaveOAuthToken, newToken(u, "t"))
	put(t, st, auth.Tx.DeleteOAuthToken, hash("t"))
	for _, h := range []auth.Hash{{}, hash("stray"), hash("t")} {
		_, _, err := st.OAuthTokenByHash(t.Context(), h)
		refused(t, "OAuthTokenByHash with an unknown Hash", err, users.ErrNotFound)
		refused(t, "DeleteOAuthToken with an unknown Hash", try(t, st, auth.Tx.DeleteOAuthToken, h), users.ErrNotFound)
	}
}

func testTokenCopies(t *testing.T, st storage.Storage) {
	want := newToken(addUser(t, st, "ann@example.com"), "t")
	want.ScopedTeams = []users.TeamID{1, 2}
	in := want.Clone()
	put(t, st, auth.Tx.SaveOAuthToken, in)
	in.ScopedTeams[0] = 77
	for range 2 { // the second time sees what the first one spoiled
		got, _ := token(t, st, "t")
		same(t, "OAuthTokenByHash", got, want)
		got.ScopedTeams[0] = 77
	}
}
