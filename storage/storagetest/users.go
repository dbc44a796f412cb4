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

func userTests() []test {
	return []test{
		{"create assigns ID and Version", testCreateUser},
		{"round trip of every field", testUserRoundTrip},
		{"round trip of missing and zero values", testUserNulls},
		{"not found", testUserNotFound},
		{"current organization and team exist", testUserCurrentGone},
		{"one address one user", testAddressUnique},
		{"lookup by address", testUserByEmail},
		{"an address is free again", testAddressFreed},
		{"UUID and DistinctID are unique", testUserConflict},
		{"save raises Version", testUserVersion},
		{"ids are never reused", testUserIDs},
	}
}

func testCreateUser(t *testing.T, st storage.Storage) {
	ctx := t.Context()
	want := newUser("ann@example.com")
	want.ID, want.Version = 4711, 42 // both are the store's to choose
	got := addUser(t, st, want.Email, func(u *users.User) { *u = want })
	if got.ID <= 0 {
		t.Errorf("CreateUser: got ID %d, want a positive one", got.ID)
	}
	want.ID, want.Version = got.ID, 1
	same(t, "CreateUser", got, want)
	same(t, "User", must(st.User(ctx, got.ID))(t), want)
	same(t, "UserByUUID", must(st.UserByUUID(ctx, got.UUID))(t), want)
	same(t, "UserByEmail", must(st.UserByEmail(ctx, "ann@example.com"))(t), want)

	other := addUser(t, st, "bob@example.com")
	if other.ID <= got.ID {
		t.Errorf("CreateUser: got ID %d after %d, want a greater one", other.ID, got.ID)
	}
	same(t, "Version of another", other.Version, 1)
}

// fullUser sets every field to something that is not its zero value.
func fullUser(o users.Organization, team users.Team) users.User {
	return users.User{
		ID: 1, UUID: uuid.New(), DistinctID: odd, Version: 1, DateJoined: at(0), LastLogin: at(1), IsActive: true, IsStaff: true,
		FirstName: odd, LastName: "Übergrößenträger", Email: "Ann+%_'x@Example.com", PendingEmail: "new@Bücher.example",
		IsEmailVerified: users.Some(true), PasswordHash: "$argon2id$v=19$m=65536,t=3,p=4$c2FsdA$aGFzaA",
		CurrentOrganization: o.ID, CurrentTeam: team.ID,
		NotificationSettings: oddJSON, AnonymizeData: users.Some(true), AllowImpersonation: users.Some(true),
		ToolbarMode: users.Some(odd), EventsColumnConfig: `"text"`, HasSeenProductIntroFor: `{"a":true}`,
		ThemeMode: users.Some("dark"), HedgehogConfig: "null", AllowSidebarSuggestions: users.Some(true),
		ShortcutPosition: users.Some("below"), RoleAtOrganization: users.Some("other"),
		HasTOTP: true, HasVerifiedPasskey: true, PasskeysEnabledFor2FA: users.Some(true),
		CredentialsReviewedAt: at(2), OnboardingSkippedAt: time.Date(1969, 7, 20, 20, 17, 40, 1000, time.UTC),
		OnboardingSkippedReason: odd, OnboardingSkippedOrganization: o.ID,
	}
}

func testUserRoundTrip(t *testing.T, st storage.Storage) {
	ctx := t.Context()
	o := addOrganization(t, st, number(1))
	want := fullUser(o, addTeam(t, st, o))
	complete(t, want)
	got := addUser(t, st, want.Email, func(u *users.User) { *u = want })
	want.ID = got.ID
	same(t, "CreateUser", got, want)
	same(t, "User", must(st.User(ctx, want.ID))(t), want)
	same(t, "UserByUUID", must(st.UserByUUID(ctx, want.UUID))(t), want)
	same(t, "UserByEmail", must(st.UserByEmail(ctx, users.FoldEmail(want.Email)))(t), want)
	sameList(t, "Profiles", profiles(t, st).Users, want)

	// Replacing goes through another statement than creating.
	second := fullUser(o, addTeam(t, st, o))
	second.ID, second.Email, second.DistinctID, second.FirstName = want.ID, "bob@example.com", "d", "Bob"
	second.NotificationSettings, second.IsStaff, second.LastLogin = `[]`, false, at(99)
	got = saveUser(t, st, second)
	second.Version = 2
	same(t, "SaveUser", got, second)
	same(t, "User after SaveUser", must(st.User(ctx, want.ID))(t), second)
	_, err := st.UserByUUID(ctx, want.UUID)
	refused(t, "UserByUUID with the replaced UUID", err, users.ErrNotFound)
}

func testUserNulls(t *testing.T, st storage.Storage) {
	ctx := t.Context()
	bare := users.User{UUID: uuid.New(), DistinctID: "d", Email: "ann@example.com"}
	got := addUser(t, st, bare.Email, func(u *users.User) { *u = bare })
	bare.ID, bare.Version = got.ID, 1
	same(t, "User with nothing set", must(st.User(ctx, got.ID))(t), bare)

	// A value that happens to be zero is not a missing one.
	zero := bare
	zero.IsEmailVerified, zero.AnonymizeData, zero.AllowImpersonation = users.Some(false), users.Some(false), users.Some(false)
	zero.AllowSidebarSuggestions, zero.PasskeysEnabledFor2FA = users.Some(false), users.Some(false)
	zero.ToolbarMode, zero.ThemeMode = users.Some(""), users.Some("")
	zero.ShortcutPosition, zero.RoleAtOrganization = users.Some(""), users.Some("")
	zero.NotificationSettings, zero.EventsColumnConfig, zero.HedgehogConfig = `{}`, `null`, `""`
	saveUser(t, st, zero)
	zero.Version = 2
	same(t, "User with zero values", must(st.User(ctx, got.ID))(t), zero)

	saved := saveUser(t, st, bare)
	bare.Version = 3
	same(t, "SaveUser with nothing set", saved, bare)
	same(t, "User with nothing set again", must(st.User(ctx, got.ID))(t), bare)
}

func testUserNotFound(t *testing.T, st storage.Storage) {
	ctx := t.Context()
	u := addUser(t, st, "ann@example.com")
	for _, id := range []users.ID{0, -1, u.ID + 1} {
		_, err := st.User(ctx, id)
		refused(t, "User with an unknown ID", err, users.ErrNotFound)
		refused(t, "DeleteUser with an unknown ID", try(t, st, auth.Tx.DeleteUser, id), users.ErrNotFound)
		other := newUser("bob@example.com")
		other.ID = id
		refused(t, "SaveUser with an unknown ID", try(t, st, replaceUser, other), users.ErrNotFound)
	}
	for _, id := range []uuid.UUID{uuid.Nil, uuid.New()} {
		_, err := st.UserByUUID(ctx, id)
		refused(t, "UserByUUID with an unknown UUID", err, users.ErrNotFound)
	}
	for _, folded := range []string{"", "bob@example.com", "%", "ann_example.com", "ann@example.co"} {
		_, err := st.UserByEmail(ctx, folded)
		refused(t, "UserByEmail with an unknown address", err, users.ErrNotFound)
	}
	sameList(t, "Profiles", profiles(t, st).Users, u)
}

func testUserCurrentGone(t *testing.T, st storage.Storage) {
	o := addOrganization(t, st, number(1))
	team := addTeam(t, st, o)
	ann := addUser(t, st, "ann@example.com", func(u *users.User) { u.CurrentOrganization, u.CurrentTeam = o.ID, team.ID })
	for name, move := range map[string]func(*users.User){
		"organization": func(u *users.User) { u.CurrentOrganization = uuid.New() },
		"team":         func(u *users.User) { u.CurrentTeam = team.ID + 1 },
	} {
		created, saved := newUser("bob@example.com"), ann
		move(&created)
		move(&saved)
		refused(t, "CreateUser with an unknown current "+name, try(t, st, createUser, created), users.ErrNotFound)
		refused(t, "SaveUser with an unknown current "+name, try(t, st, replaceUser, saved), users.ErrNotFound)
		created.Email = "Ann@Example.com"
		refused(t, "CreateUser with an unknown current "+name+" and a taken address", try(t, st, createUser, created), users.ErrEmailTaken)
	}
	sameList(t, "Profiles", profiles(t, st).Users, ann)
}

// spellings lists addresses of which all in a row are one, and none is equal to
// one of another row.
func spellings() [][]string {
	return [][]string{
		{"ann@example.com", "Ann@Example.com", "ANN@EXAMPLE.COM", "ann@eXample.com"},
		{"ann@bücher.example", "ann@BÜCHER.example", "Ann@xn--bcher-kva.example", "ann@bu\u0308cher.example"},
		{"an_n@example.com"},
		{"anxn@example.com"},
		{"an%n@example.com"},
		{"ann@example.org"},
		{"a.nn@example.com"},
		{"ann+x@example.com"},
	}
}

func testAddressUnique(t *testing.T, st storage.Storage) {
	for _, row := range spellings() {
		u := addUser(t, st, row[0])
		other := addUser(t, st, uuid.NewString()+"@example.net")
		for _, spelling := range row {
			refused(t, "CreateUser with the taken "+spelling, try(t, st, createUser, newUser(spelling)), users.ErrEmailTaken)
			changed := other
			changed.Email = spelling
			refused(t, "SaveUser with the taken "+spelling, try(t, st, replaceUser, changed), users.ErrEmailTaken)
			u.Email = spelling
			u = saveUser(t, st, u)
			same(t, "User with another spelling of its address", must(st.User(t.Context(), u.ID))(t), u)
		}
	}
}

func testUserByEmail(t *testing.T, st storage.Storage) {
	for _, row := range spellings() {
		u := addUser(t, st, row[len(row)-1])
		for _, spelling := range row {
			same(t, "UserByEmail for "+spelling, must(st.UserByEmail(t.Context(), users.FoldEmail(spelling)))(t), u)
		}
	}
}

func testAddressFreed(t *testing.T, st storage.Storage) {
	ctx := t.Context()
	u := addUser(t, st, "ann@example.com")
	u.Email = "ann@example.org"
	u = saveUser(t, st, u)
	_, err := st.UserByEmail(ctx, "ann@example.com")
	refused(t, "UserByEmail with the address given up", err, users.ErrNotFound)
	same(t, "UserByEmail with the new address", must(st.UserByEmail(ctx, "ann@example.org"))(t), u)

	second := addUser(t, st, "Ann@example.com")
	put(t, st, auth.Tx.DeleteUser, u.ID)
	third := newUser("ann@Example.org")
	third.UUID, third.DistinctID = u.UUID, u.DistinctID
	put(t, st, createUser, third)
	same(t, "UserByEmail with the address taken over", must(st.UserByEmail(ctx, "ann@example.com"))(t), second)

	update(t, st, func(ctx context.Context, tx auth.Tx) error {
		if err := tx.DeleteUser(ctx, second.ID); err != nil {
			return err
		}
		_, err := tx.CreateUser(ctx, newUser("ann@example.com"))
		return err
	})
}

func testUserConflict(t *testing.T, st storage.Storage) {
	ann, bob := addUser(t, st, "ann@example.com"), addUser(t, st, "bob@example.com")
	for name, collide := range map[string]func(*users.User){
		"UUID":       func(u *users.User) { u.UUID = ann.UUID },
		"DistinctID": func(u *users.User) { u.DistinctID = ann.DistinctID },
	} {
		u := newUser("carl@example.com")
		collide(&u)
		refused(t, "CreateUser with a taken "+name, try(t, st, createUser, u), users.ErrConflict)
		changed := bob
		collide(&changed)
		refused(t, "SaveUser with a taken "+name, try(t, st, replaceUser, changed), users.ErrConflict)
	}
	sameList(t, "Profiles after refusals", profiles(t, st).Users, ann, bob)
	// DistinctID is compared byte for byte.
	addUser(t, st, "dora@example.com", func(u *users.User) { u.DistinctID = "x" })
	addUser(t, st, "emil@example.com", func(u *users.User) { u.DistinctID = "X" })
}

func testUserVersion(t *testing.T, st storage.Storage) {
	u, other := addUser(t, st, "ann@example.com"), addUser(t, st, "bob@example.com")
	for want := int64(2); want < 5; want++ {
		u.Version = 99 // the stored one counts, not this
		got := saveUser(t, st, u)
		u.Version = want
		same(t, "SaveUser", got, u)
		same(t, "User", must(st.User(t.Context(), u.ID))(t), u)
	}
	put(t, st, replaceUser, u, u)
	u.Version = 6
	same(t, "User after two writes in one transaction", must(st.User(t.Context(), u.ID))(t), u)
	same(t, "another user", must(st.User(t.Context(), other.ID))(t), other)
}

func testUserIDs(t *testing.T, st storage.Storage) {
	last := users.ID(0)
	create := func(email string) users.User {
		t.Helper()
		u := addUser(t, st, email)
		if u.ID <= last {
			t.Errorf("CreateUser: got ID %d after %d, want a greater one", u.ID, last)
		}
		last = u.ID
		return u
	}
	ann, bob := create("ann@example.com"), create("bob@example.com")
	put(t, st, auth.Tx.DeleteUser, bob.ID)
	carl := create("carl@example.com")
	put(t, st, auth.Tx.DeleteUser, ann.ID, carl.ID)
	dora := create("dora@example.com")
	update(t, st, func(ctx context.Context, tx auth.Tx) error {
		if err := tx.DeleteUser(ctx, dora.ID); err != nil {
			return err
		}
		u, err := tx.CreateUser(ctx, newUser("emil@example.com"))
		if u.ID <= dora.ID {
			t.Errorf("CreateUser in the transaction of the deletion: got ID %d after %d, want a greater one", u.ID, dora.ID)
		}
		return err
	})
}
