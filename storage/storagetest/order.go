package storagetest

import (
	"slices"
	"testing"
	"time"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/storage"
	"github.com/hedgerow-dev/hedgerow/users"
)

func orderTests() []test {
	return []test{
		{"a time that is not set is the earliest", testZeroTimesOrder},
		{"text is in the order of its bytes", testTextOrder},
	}
}

func testZeroTimesOrder(t *testing.T, st storage.Storage) {
	ctx := t.Context()
	u := addUser(t, st, "ann@example.com")
	early, late := addOrganization(t, st, number(2)), addOrganization(t, st, number(1))
	want := []users.Membership{addMembership(t, st, u, early, time.Time{}), addMembership(t, st, u, late, at(0))}
	sameList(t, "Memberships", must(st.Memberships(ctx, u.ID))(t), want...)
	sameList(t, "Memberships of Profiles", profiles(t, st).Memberships[u.ID], want...)

	first, second := newSession(u, number(2), "first"), newSession(u, number(1), "second")
	first.CreatedAt = time.Time{}
	put(t, st, auth.Tx.SaveSession, first, second)
	sameList(t, "Sessions", must(st.Sessions(ctx, u.ID))(t), first, second)

	bare, dated := newTicket(u, auth.PendingLogin, "a"), newTicket(u, auth.PendingLogin, "b")
	bare.CreatedAt = time.Time{}
	put(t, st, auth.Tx.SaveTicket, dated, bare)
	sameList(t, "Tickets", must(st.Tickets(ctx, u.ID, auth.PendingLogin))(t), bare, dated)

	linked := users.Identity{UserID: u.ID, Provider: "p", Subject: "2"}
	later := users.Identity{UserID: u.ID, Provider: "p", Subject: "1", CreatedAt: at(0)}
	put(t, st, auth.Tx.SaveIdentity, linked, later)
	sameList(t, "Identities", must(st.Identities(ctx, u.ID))(t), linked, later)

	old, young := newKey(u, "a"), newKey(u, "b")
	old.CreatedAt = time.Time{}
	put(t, st, auth.Tx.SaveAPIKey, old, young)
	sameList(t, "APIKeys, newest first", must(st.APIKeys(ctx, u.ID))(t), young, old)
}

func testTextOrder(t *testing.T, st storage.Storage) {
	u := addUser(t, st, "ann@example.com")
	var keys []string
	for _, id := range []string{"a", "B", "_", "-b", "b-", "bb", "é", "e", "10", "9", "日本", "🦔"} {
		put(t, st, auth.Tx.SaveAPIKey, newKey(u, id))
		put(t, st, auth.Tx.SaveIdentity, users.Identity{UserID: u.ID, Provider: id, Subject: id, CreatedAt: at(0)})
		keys = append(keys, id)
	}
	slices.Sort(keys)
	var got []string
	for _, k := range must(st.APIKeys(t.Context(), u.ID))(t) {
		got = append(got, k.ID)
	}
	same(t, "ids of APIKeys of one moment", got, keys)
	got = nil
	for _, i := range must(st.Identities(t.Context(), u.ID))(t) {
		got = append(got, i.Provider)
	}
	same(t, "providers of Identities of one moment", got, keys)
}
