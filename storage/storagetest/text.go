package storagetest

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"strings"
	"testing"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/storage"
	"github.com/hedgerow-dev/hedgerow/users"
)

func textTests() []test {
	return []test{
		{"text that no record can have is not found", testMatchlessText},
		{"the longest text to find a record by", testLongestKeys},
	}
}

// longest returns text of so many characters, of four bytes each and in no order
// that an index could store shorter.
func longest(characters int) string {
	var text strings.Builder
	for seed := hash(""); text.Len() < 4*characters; seed = sha256.Sum256(seed[:]) {
		text.WriteRune(0x10000 + rune(binary.BigEndian.Uint32(seed[:]))&0xffff)
	}
	return text.String()
}

func testLongestKeys(t *testing.T, st storage.Storage) {
	w := newWorld(t, st)
	key := longest(users.MaxKey)
	identity := users.Identity{UserID: w.ann.ID, Provider: key, Subject: key, CreatedAt: at(9)}
	apiKey := auth.APIKey{ID: key, UserID: w.ann.ID, Hash: hash("longest"), CreatedAt: at(9)}
	passkey := newPasskey(w.ann, number(7), longest(256)[:1023])
	w.acme.SSOEnforcedDomains = []string{key}
	put(t, st, users.Tx.SaveOrganization, w.acme)
	put(t, st, users.Tx.SaveIdentity, identity)
	put(t, st, users.Tx.SaveScene, users.Scene{UserID: w.ann.ID, TeamID: w.acmeTeam.ID, Scene: longest(users.MaxScene), DashboardID: 1})
	put(t, st, auth.Tx.SaveAPIKey, apiKey)
	put(t, st, auth.Tx.SavePasskey, passkey)
	u := addUser(t, st, "longest@example.com", func(u *users.User) { u.DistinctID = longest(200) })

	same(t, "DistinctID", must(st.User(t.Context(), u.ID))(t).DistinctID, u.DistinctID)
	same(t, "SSOEnforced", must(st.SSOEnforced(t.Context(), key))(t), true)
	same(t, "APIKey", must(st.APIKey(t.Context(), key))(t), apiKey)
	same(t, "PasskeyByCredential", must(st.PasskeyByCredential(t.Context(), passkey.CredentialID))(t), passkey)
	update(t, st, func(ctx context.Context, tx users.Tx) error {
		owner, err := tx.DeleteIdentity(ctx, key, key)
		same(t, "owner of the identity", owner, w.ann.ID)
		return err
	})
}

// testMatchlessText looks for text that some databases refuse to compare. Who
// asks may be anybody, and goes on afterwards.
func testMatchlessText(t *testing.T, st storage.Storage) {
	w := newWorld(t, st)
	for _, text := range []string{"\x00", "ann\x00", "\xff", "ann\xed\xa0\x80"} {
		lookFor(t, t.Context(), st, text)
		update(t, st, func(ctx context.Context, tx auth.Tx) error {
			lookFor(t, ctx, tx, text)
			refused(t, "DeleteAPIKey", tx.DeleteAPIKey(ctx, text), users.ErrNotFound)
			_, err := tx.DeleteIdentity(ctx, text, text)
			refused(t, "DeleteIdentity", err, users.ErrNotFound)
			_, err = tx.SaveUser(ctx, w.ann)
			return err
		})
	}
}

func lookFor(t *testing.T, ctx context.Context, r auth.Reader, text string) {
	t.Helper()
	_, err := r.UserByEmail(ctx, text)
	refused(t, "UserByEmail", err, users.ErrNotFound)
	_, err = r.APIKey(ctx, text)
	refused(t, "APIKey", err, users.ErrNotFound)
	page := index(must(r.Profiles(ctx, users.Query{Email: text, Limit: 1}))(t))
	same(t, "Total of Profiles", page.Total, 0)
	sameList(t, "Users of Profiles", page.Users)
	sameList(t, "Invites", must(r.Invites(ctx, text, at(0)))(t))
	sameList(t, "Attempts", must(r.Attempts(ctx, text))(t))
	same(t, "SSOEnforced", must(r.SSOEnforced(ctx, text))(t), false)
}
