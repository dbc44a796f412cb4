package storagetest_test

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/hedgerow-dev/hedgerow/integrations"
	"github.com/hedgerow-dev/hedgerow/storage"
	"github.com/hedgerow-dev/hedgerow/users"
)

func integrationFaults() []fault {
	return []fault{
		{"lets everybody take a state", "integrations/one_takes_a_state", onLinkTx(func(tx integrations.Tx) integrations.Tx { return freeStates{tx} })},
		{"lets everybody have a claim", "integrations/one_has_a_claim", onLinkTx(func(tx integrations.Tx) integrations.Tx { return openClaims{tx} })},
		{"lets anybody give a claim back", "integrations/claims", onLinkTx(func(tx integrations.Tx) integrations.Tx { return anyHolder{tx} })},
		{"keeps links that expire now", "integrations/expiry", onLinkTx(func(tx integrations.Tx) integrations.Tx { return lateLinks{tx} })},
		{"moves the list to the new link", "integrations/lists_go_with_their_link", onLinkTx(func(tx integrations.Tx) integrations.Tx { return keptLists{tx} })},
		{"compares installations as numbers", "integrations/not_found", func(st storage.Storage) storage.Storage { return numericIDs{st} }},
		{"keeps links in spite of an error", "integrations/an_error_undoes_changes_of_every_domain",
			onLinks(func(ctx context.Context, st storage.Storage, fn func(integrations.Tx) error) (failed error) {
				err := st.UpdateIntegrations(ctx, func(tx integrations.Tx) error {
					failed = fn(tx)
					return nil
				})
				return errors.Join(err, failed)
			})},
	}
}

// linkStore passes transactions of integrations through update.
type linkStore struct {
	storage.Storage
	update func(ctx context.Context, st storage.Storage, fn func(integrations.Tx) error) error
}

func (s linkStore) UpdateIntegrations(ctx context.Context, fn func(integrations.Tx) error) error {
	return s.update(ctx, s.Storage, fn)
}

func onLinks(update func(context.Context, storage.Storage, func(integrations.Tx) error) error) func(storage.Storage) storage.Storage {
	return func(st storage.Storage) storage.Storage { return linkStore{st, update} }
}

func onLinkTx(wrap func(integrations.Tx) integrations.Tx) func(storage.Storage) storage.Storage {
	return onLinks(func(ctx context.Context, st storage.Storage, fn func(integrations.Tx) error) error {
		return st.UpdateIntegrations(ctx, func(tx integrations.Tx) error { return fn(wrap(tx)) })
	})
}

type freeStates struct{ integrations.Tx }

func (t freeStates) DeleteLinkState(ctx context.Context, h integrations.StateHash) error {
	if err := t.Tx.DeleteLinkState(ctx, h); !errors.Is(err, users.ErrNotFound) {
		return err
	}
	return nil
}

type openClaims struct{ integrations.Tx }

func (t openClaims) Claim(ctx context.Context, name string, holder uuid.UUID, _, until time.Time) (bool, error) {
	return t.Tx.Claim(ctx, name, holder, until, until)
}

type anyHolder struct{ integrations.Tx }

func (t anyHolder) Unclaim(ctx context.Context, name string, _ uuid.UUID) error {
	for n := range byte(20) {
		if err := t.Tx.Unclaim(ctx, name, uuid.UUID{0: n, 6: 0x70, 8: 0x80}); err != nil {
			return err
		}
	}
	return nil
}

type lateLinks struct{ integrations.Tx }

func (t lateLinks) DeleteExpiredLinks(ctx context.Context, now time.Time) (int, error) {
	return t.Tx.DeleteExpiredLinks(ctx, now.Add(-time.Microsecond))
}

// keptLists forgets to remove repositories with their link: they are there when
// the link is made again.
type keptLists struct{ integrations.Tx }

func (t keptLists) SaveInstallation(ctx context.Context, i integrations.Installation) error {
	if err := t.Tx.SaveInstallation(ctx, i); err != nil || i.InstallationID != "1" {
		return err
	}
	return t.SaveRepositories(ctx, i.ID, []integrations.Repository{{ID: 1, Name: "kept", FullName: "acme/kept"}})
}

type numericIDs struct{ storage.Storage }

func (s numericIDs) Installation(ctx context.Context, user users.ID, id string) (integrations.Installation, error) {
	return s.Storage.Installation(ctx, user, strings.TrimLeft(id, "0"))
}
