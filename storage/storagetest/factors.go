package storagetest

import (
	"bytes"
	"context"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/storage"
	"github.com/hedgerow-dev/hedgerow/users"
)

func ticketTests() []test {
	return []test{
		{"round trip", testTicketRoundTrip},
		{"found by purpose and hash together", testTicketPurposes},
		{"replaced", testTicketReplaced},
		{"not found", testTicketNotFound},
		{"Tickets", testTickets},
		{"DeleteTickets", testDeleteTickets},
		{"copies", testTicketCopies},
		{"spent once", testTicketSpentOnce},
		{"expiry", testTicketExpiry},
	}
}

func secondFactorTests() []test {
	return []test{
		{"round trip", testSecondFactorRoundTrip},
		{"not found", testSecondFactorNotFound},
		{"copies", testSecondFactorCopies},
	}
}

func passkeyTests() []test {
	return []test{
		{"round trip and order", testPasskeyRoundTrip},
		{"without data", testPasskeyWithoutData},
		{"one credential one passkey", testPasskeyConflict},
		{"not found", testPasskeyNotFound},
		{"copies", testPasskeyCopies},
	}
}

// newTicket returns a ticket whose Hash is that of secret.
func newTicket(u users.User, p auth.Purpose, secret string) auth.Ticket {
	return auth.Ticket{Purpose: p, Hash: hash(secret), UserID: u.ID, Data: []byte(secret), CreatedAt: at(0), ExpiresAt: at(100)}
}

func newSecondFactor(u users.User) auth.SecondFactor {
	return auth.SecondFactor{UserID: u.ID, Secret: []byte{0, 1, 255}, LastStep: 1 << 40, Drift: -1,
		BackupCodes: []users.Secret{odd, "b", "a"}, Failures: 3, BlockedUntil: at(8), ConfirmedAt: at(1)}
}

func newPasskey(u users.User, id uuid.UUID, credential string) auth.Passkey {
	return auth.Passkey{ID: id, UserID: u.ID, CredentialID: []byte(credential), UserHandle: []byte{0, 'h'}, Name: odd,
		Data: []byte(`{"a":"` + "\x00" + `"}`), Verified: true, CreatedAt: at(0), LastUsedAt: at(9)}
}

// deleteTicket binds the arguments for try.
func deleteTicket(p auth.Purpose, secret string) func(auth.Tx, context.Context, struct{}) error {
	return func(tx auth.Tx, ctx context.Context, _ struct{}) error { return tx.DeleteTicket(ctx, p, hash(secret)) }
}

func deleteTickets(user users.ID, purposes ...auth.Purpose) func(auth.Tx, context.Context, struct{}) error {
	return func(tx auth.Tx, ctx context.Context, _ struct{}) error {
		return tx.DeleteTickets(ctx, user, purposes...)
	}
}

func ticket(t *testing.T, st auth.Reader, p auth.Purpose, secret string) auth.Ticket {
	t.Helper()
	ticket, err := st.Ticket(t.Context(), p, hash(secret))
	if err != nil {
		t.Fatalf("Ticket %s of %s: got %v, want nil", p, secret, err)
	}
	return ticket
}

func noTicket(t *testing.T, st auth.Reader, p auth.Purpose, secret string) {
	t.Helper()
	_, err := st.Ticket(t.Context(), p, hash(secret))
	refused(t, "Ticket "+string(p)+" of "+secret, err, users.ErrNotFound)
}

func testTicketRoundTrip(t *testing.T, st storage.Storage) {
	u := addUser(t, st, "ann@example.com")
	full := newTicket(u, odd, "full")
	full.Data = []byte{0, 255, 0}
	complete(t, full)
	bare := auth.Ticket{Purpose: auth.PasskeyLogin, Hash: hash("bare")}
	put(t, st, auth.Tx.SaveTicket, full, bare)
	same(t, "Ticket", ticket(t, st, odd, "full"), full)
	got := ticket(t, st, auth.PasskeyLogin, "bare")
	if len(got.Data) != 0 {
		t.Errorf("Data of a ticket without: got %q", got.Data)
	}
	got.Data = nil
	same(t, "Ticket with nothing set", got, bare)
}

func testTicketPurposes(t *testing.T, st storage.Storage) {
	ann, bob := addUser(t, st, "ann@example.com"), addUser(t, st, "bob@example.com")
	pending, remembered := newTicket(ann, auth.PendingLogin, "s"), newTicket(bob, auth.RememberedDevice, "s")
	put(t, st, auth.Tx.SaveTicket, pending, remembered)
	same(t, "Ticket", ticket(t, st, auth.PendingLogin, "s"), pending)
	same(t, "Ticket of another purpose", ticket(t, st, auth.RememberedDevice, "s"), remembered)
	noTicket(t, st, auth.TOTPSetup, "s")
	put(t, st, deleteTicket(auth.PendingLogin, "s"), struct{}{})
	noTicket(t, st, auth.PendingLogin, "s")
	same(t, "Ticket of another purpose after DeleteTicket", ticket(t, st, auth.RememberedDevice, "s"), remembered)
}

func testTicketReplaced(t *testing.T, st storage.Storage) {
	ann, bob := addUser(t, st, "ann@example.com"), addUser(t, st, "bob@example.com")
	second := auth.Ticket{Purpose: auth.TOTPSetup, Hash: hash("s"), UserID: bob.ID, Data: []byte("second"), CreatedAt: at(5), ExpiresAt: at(50)}
	put(t, st, auth.Tx.SaveTicket, newTicket(ann, auth.TOTPSetup, "s"), second)
	same(t, "Ticket after it was replaced", ticket(t, st, auth.TOTPSetup, "s"), second)
	put(t, st, deleteTickets(ann.ID, auth.TOTPSetup), struct{}{})
	same(t, "Ticket after those of its first user were deleted", ticket(t, st, auth.TOTPSetup, "s"), second)
}

func testTicketNotFound(t *testing.T, st storage.Storage) {
	u := addUser(t, st, "ann@example.com")
	stray := newTicket(u, auth.PendingLogin, "s")
	stray.UserID++
	refused(t, "SaveTicket with an unknown user", try(t, st, auth.Tx.SaveTicket, stray), users.ErrNotFound)
	noTicket(t, st, auth.PendingLogin, "s")
	refused(t, "DeleteTicket of nothing", try(t, st, deleteTicket(auth.PendingLogin, "s"), struct{}{}), users.ErrNotFound)
	refused(t, "DeleteTickets of nothing", try(t, st, deleteTickets(u.ID, auth.PendingLogin), struct{}{}), nil)
}

func testTickets(t *testing.T, st storage.Storage) {
	ctx := t.Context()
	ann, bob := addUser(t, st, "ann@example.com"), addUser(t, st, "bob@example.com")
	first, second, third := newTicket(ann, auth.PendingLogin, "a"), newTicket(ann, auth.PendingLogin, "b"), newTicket(ann, auth.PendingLogin, "c")
	first.CreatedAt, first.ExpiresAt = at(0).Add(-time.Microsecond), at(-10)
	if bytes.Compare(second.Hash[:], third.Hash[:]) > 0 {
		second, third = third, second
	}
	theirs := newTicket(bob, auth.PendingLogin, "d")
	put(t, st, auth.Tx.SaveTicket, third, theirs, second, first, newTicket(ann, auth.TOTPSetup, "a"), newTicket(users.User{}, auth.PendingLogin, "nobody"))
	sameList(t, "Tickets", must(st.Tickets(ctx, ann.ID, auth.PendingLogin))(t), first, second, third)
	sameList(t, "Tickets of another", must(st.Tickets(ctx, bob.ID, auth.PendingLogin))(t), theirs)
	sameList(t, "Tickets of another purpose", must(st.Tickets(ctx, ann.ID, auth.RememberedDevice))(t))
	must(st.Tickets(ctx, ann.ID, auth.PendingLogin))(t)[0].Data[0] = 'X'
	sameList(t, "Tickets after one was spoiled", must(st.Tickets(ctx, ann.ID, auth.PendingLogin))(t), first, second, third)
	put(t, st, deleteTicket(auth.PendingLogin, "a"), struct{}{})
	sameList(t, "Tickets after DeleteTicket", must(st.Tickets(ctx, ann.ID, auth.PendingLogin))(t), second, third)
}

func testDeleteTickets(t *testing.T, st storage.Storage) {
	ann, bob := addUser(t, st, "ann@example.com"), addUser(t, st, "bob@example.com")
	nobodys := newTicket(users.User{}, auth.PendingLogin, "nobody")
	put(t, st, auth.Tx.SaveTicket, newTicket(ann, auth.PendingLogin, "a"), newTicket(ann, auth.PendingLogin, "b"),
		newTicket(ann, auth.TOTPSetup, "c"), newTicket(ann, auth.RememberedDevice, "d"), newTicket(bob, auth.PendingLogin, "e"), nobodys)
	put(t, st, deleteTickets(ann.ID), struct{}{})
	ticket(t, st, auth.PendingLogin, "a") // no purposes, no effect
	put(t, st, deleteTickets(ann.ID, auth.PendingLogin, auth.TOTPSetup), struct{}{})
	noTicket(t, st, auth.PendingLogin, "a")
	noTicket(t, st, auth.PendingLogin, "b")
	noTicket(t, st, auth.TOTPSetup, "c")
	ticket(t, st, auth.RememberedDevice, "d")
	ticket(t, st, auth.PendingLogin, "e")
	ticket(t, st, auth.PendingLogin, "nobody")
}

func testTicketCopies(t *testing.T, st storage.Storage) {
	u := addUser(t, st, "ann@example.com")
	in, want := newTicket(u, auth.PendingLogin, "s"), newTicket(u, auth.PendingLogin, "s")
	put(t, st, auth.Tx.SaveTicket, in)
	in.Data[0] = 'X'
	for range 2 { // the second time sees what the first one spoiled
		got := ticket(t, st, auth.PendingLogin, "s")
		same(t, "Ticket", got, want)
		got.Data[0] = 'Y'
	}
}

func testTicketSpentOnce(t *testing.T, st storage.Storage) {
	u := addUser(t, st, "ann@example.com")
	put(t, st, auth.Tx.SaveTicket, newTicket(u, auth.PendingLogin, "s"))
	results := race(100, func(int) error {
		return st.UpdateAuth(t.Context(), func(tx auth.Tx) error {
			if err := tx.DeleteTicket(t.Context(), auth.PendingLogin, hash("s")); err != nil {
				return err
			}
			return tx.AddEvent(t.Context(), users.Event{At: at(0), Action: "spent"})
		})
	})
	same(t, "transactions that spent the ticket", winners(t, results, users.ErrNotFound), 1)
	same(t, "Events", len(must(st.Events(t.Context(), users.EventQuery{Limit: 100}))(t)), 1)
}

func testTicketExpiry(t *testing.T, st storage.Storage) {
	u := addUser(t, st, "ann@example.com")
	names := []string{"before", "now", "after"}
	for i, name := range names {
		ticket := newTicket(u, auth.PendingLogin, name)
		ticket.ExpiresAt = at(10).Add(time.Duration(i-1) * time.Microsecond)
		put(t, st, auth.Tx.SaveTicket, ticket)
	}
	forever := newTicket(u, auth.PendingLogin, "forever")
	forever.ExpiresAt = time.Time{}
	put(t, st, auth.Tx.SaveTicket, forever)
	deleteExpired(t, st, at(10), 2)
	noTicket(t, st, auth.PendingLogin, "before")
	noTicket(t, st, auth.PendingLogin, "now")
	ticket(t, st, auth.PendingLogin, "after")
	ticket(t, st, auth.PendingLogin, "forever")
}

func testSecondFactorRoundTrip(t *testing.T, st storage.Storage) {
	ctx := t.Context()
	ann, bob := addUser(t, st, "ann@example.com"), addUser(t, st, "bob@example.com")
	full := newSecondFactor(ann)
	complete(t, full)
	bare := auth.SecondFactor{UserID: bob.ID, Secret: []byte("s")}
	put(t, st, auth.Tx.SaveSecondFactor, full, bare)
	same(t, "SecondFactor", must(st.SecondFactor(ctx, ann.ID))(t), full)
	same(t, "SecondFactor with little set", must(st.SecondFactor(ctx, bob.ID))(t), bare)
	full.Secret, full.LastStep, full.Drift, full.BackupCodes = []byte("new"), 7, 1, full.BackupCodes[1:]
	full.Failures, full.BlockedUntil, full.ConfirmedAt = 0, time.Time{}, at(77)
	put(t, st, auth.Tx.SaveSecondFactor, full)
	same(t, "SecondFactor after it was replaced", must(st.SecondFactor(ctx, ann.ID))(t), full)
	put(t, st, auth.Tx.DeleteSecondFactor, ann.ID)
	_, err := st.SecondFactor(ctx, ann.ID)
	refused(t, "SecondFactor after DeleteSecondFactor", err, users.ErrNotFound)
	same(t, "SecondFactor of another", must(st.SecondFactor(ctx, bob.ID))(t), bare)
}

func testSecondFactorNotFound(t *testing.T, st storage.Storage) {
	u := addUser(t, st, "ann@example.com")
	_, err := st.SecondFactor(t.Context(), u.ID)
	refused(t, "SecondFactor of a user without", err, users.ErrNotFound)
	refused(t, "DeleteSecondFactor of a user without", try(t, st, auth.Tx.DeleteSecondFactor, u.ID), users.ErrNotFound)
	stray := newSecondFactor(u)
	stray.UserID++
	refused(t, "SaveSecondFactor with an unknown user", try(t, st, auth.Tx.SaveSecondFactor, stray), users.ErrNotFound)
}

func testSecondFactorCopies(t *testing.T, st storage.Storage) {
	u := addUser(t, st, "ann@example.com")
	in, want := newSecondFactor(u), newSecondFactor(u)
	put(t, st, auth.Tx.SaveSecondFactor, in)
	in.Secret[0], in.BackupCodes[0] = 'X', "spoiled"
	for range 2 {
		got := must(st.SecondFactor(t.Context(), u.ID))(t)
		same(t, "SecondFactor", got, want)
		got.Secret[0], got.BackupCodes[0] = 'Y', "spoiled"
	}
}

func testPasskeyRoundTrip(t *testing.T, st storage.Storage) {
	ctx := t.Context()
	ann, bob := addUser(t, st, "ann@example.com"), addUser(t, st, "bob@example.com")
	first, second := newPasskey(ann, number(9), "\x00c1\xff"), newPasskey(ann, number(2), "c2")
	third, theirs := newPasskey(ann, number(3), "c3"), newPasskey(bob, number(4), "c4")
	second.CreatedAt = at(0).Add(time.Microsecond)
	third.CreatedAt = second.CreatedAt
	complete(t, first)
	put(t, st, auth.Tx.SavePasskey, third, theirs, second, first)
	sameList(t, "Passkeys", must(st.Passkeys(ctx, ann.ID))(t), first, second, third)
	sameList(t, "Passkeys of another", must(st.Passkeys(ctx, bob.ID))(t), theirs)
	sameList(t, "Passkeys of nobody", must(st.Passkeys(ctx, bob.ID+1))(t))
	same(t, "PasskeyByCredential", must(st.PasskeyByCredential(ctx, first.CredentialID))(t), first)

	second.CredentialID, second.UserHandle, second.Name, second.Data = []byte("new"), []byte("handle"), "Phone", []byte("data")
	second.Verified, second.LastUsedAt = false, time.Time{}
	put(t, st, auth.Tx.SavePasskey, second)
	sameList(t, "Passkeys after one was replaced", must(st.Passkeys(ctx, ann.ID))(t), first, second, third)
	same(t, "PasskeyByCredential", must(st.PasskeyByCredential(ctx, []byte("new")))(t), second)
	_, err := st.PasskeyByCredential(ctx, []byte("c2"))
	refused(t, "PasskeyByCredential of the old one", err, users.ErrNotFound)

	put(t, st, auth.Tx.DeletePasskey, second.ID)
	sameList(t, "Passkeys after DeletePasskey", must(st.Passkeys(ctx, ann.ID))(t), first, third)
	_, err = st.PasskeyByCredential(ctx, []byte("new"))
	refused(t, "PasskeyByCredential after DeletePasskey", err, users.ErrNotFound)
}

// testPasskeyWithoutData saves a passkey again as it was read.
func testPasskeyWithoutData(t *testing.T, st storage.Storage) {
	u := addUser(t, st, "ann@example.com")
	for n, data := range [][]byte{nil, {}} {
		k := newPasskey(u, number(byte(n)), string(rune('a'+n)))
		k.Data = data
		put(t, st, auth.Tx.SavePasskey, k)
		read := must(st.PasskeyByCredential(t.Context(), k.CredentialID))(t)
		same(t, "length of Data", len(read.Data), 0)
		read.Name = "renamed"
		put(t, st, auth.Tx.SavePasskey, read)
		same(t, "Name", must(st.PasskeyByCredential(t.Context(), k.CredentialID))(t).Name, "renamed")
	}
}

func testPasskeyConflict(t *testing.T, st storage.Storage) {
	ann, bob := addUser(t, st, "ann@example.com"), addUser(t, st, "bob@example.com")
	a, b := newPasskey(ann, number(1), "a"), newPasskey(bob, number(2), "b")
	put(t, st, auth.Tx.SavePasskey, a, b)
	refused(t, "SavePasskey of a new one with a taken credential", try(t, st, auth.Tx.SavePasskey, newPasskey(bob, number(3), "a")), users.ErrConflict)
	refused(t, "SavePasskey with a taken credential", try(t, st, auth.Tx.SavePasskey, newPasskey(bob, b.ID, "a")), users.ErrConflict)
	same(t, "PasskeyByCredential after refusals", must(st.PasskeyByCredential(t.Context(), []byte("a")))(t), a)
	sameList(t, "Passkeys after refusals", must(st.Passkeys(t.Context(), bob.ID))(t), b)
}

func testPasskeyNotFound(t *testing.T, st storage.Storage) {
	u := addUser(t, st, "ann@example.com")
	stray := newPasskey(u, number(1), "c")
	stray.UserID++
	refused(t, "SavePasskey with an unknown user", try(t, st, auth.Tx.SavePasskey, stray), users.ErrNotFound)
	refused(t, "DeletePasskey of nothing", try(t, st, auth.Tx.DeletePasskey, number(1)), users.ErrNotFound)
	for _, credential := range [][]byte{nil, {}, []byte("c")} {
		_, err := st.PasskeyByCredential(t.Context(), credential)
		refused(t, "PasskeyByCredential of nothing", err, users.ErrNotFound)
	}
}

func testPasskeyCopies(t *testing.T, st storage.Storage) {
	u := addUser(t, st, "ann@example.com")
	in, want := newPasskey(u, number(1), "c"), newPasskey(u, number(1), "c")
	put(t, st, auth.Tx.SavePasskey, in)
	in.CredentialID[0], in.UserHandle[0], in.Data[0] = 'X', 'X', 'X'
	for range 2 {
		got := must(st.PasskeyByCredential(t.Context(), []byte("c")))(t)
		same(t, "PasskeyByCredential", got, want)
		got.CredentialID[0], got.UserHandle[0], got.Data[0] = 'Y', 'Y', 'Y'
		list := must(st.Passkeys(t.Context(), u.ID))(t)
		sameList(t, "Passkeys", list, want)
		list[0].CredentialID[0], list[0].UserHandle[0], list[0].Data[0] = 'Z', 'Z', 'Z'
	}
}
