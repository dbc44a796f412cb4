package storagetest

import (
	"context"
	"testing"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/storage"
	"github.com/hedgerow-dev/hedgerow/users"
)

func textTests() []test {
	return []test{{"text that no record can have is not found", testMatchlessText}}
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
