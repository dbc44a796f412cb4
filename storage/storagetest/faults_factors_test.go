package storagetest_test

import (
	"context"
	"errors"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/users"
)

func factorFaults() []fault {
	return []fault{
		{"finds tickets by hash alone", "tickets/found_by_purpose_and_hash_together", onTx(func(tx auth.Tx) auth.Tx { return anyPurpose{tx} })},
		{"spends tickets that are gone", "tickets/spent_once", onTx(func(tx auth.Tx) auth.Tx { return spendsAgain{tx} })},
		{"takes credentials over", "passkeys/one_credential_one_passkey", onTx(func(tx auth.Tx) auth.Tx { return takesOver{tx} })},
	}
}

type anyPurpose struct{ auth.Tx }

func (t anyPurpose) SaveTicket(ctx context.Context, ticket auth.Ticket) error {
	ticket.Purpose = auth.PendingLogin
	return t.Tx.SaveTicket(ctx, ticket)
}

type spendsAgain struct{ auth.Tx }

func (t spendsAgain) DeleteTicket(ctx context.Context, p auth.Purpose, h auth.Hash) error {
	if err := t.Tx.DeleteTicket(ctx, p, h); err != nil && !errors.Is(err, users.ErrNotFound) {
		return err
	}
	return nil
}

type takesOver struct{ auth.Tx }

func (t takesOver) SavePasskey(ctx context.Context, k auth.Passkey) error {
	if old, err := t.PasskeyByCredential(ctx, k.CredentialID); err == nil && old.ID != k.ID {
		if err := t.DeletePasskey(ctx, old.ID); err != nil {
			return err
		}
	}
	return t.Tx.SavePasskey(ctx, k)
}
