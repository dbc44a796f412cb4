package memory

import (
	"bytes"
	"cmp"
	"context"
	"slices"

	"github.com/google/uuid"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/users"
)

func (r reader) Ticket(ctx context.Context, p auth.Purpose, h auth.Hash) (auth.Ticket, error) {
	ticket, err := get(ctx, r, r.d.tickets, ticketKey{p, h})
	return ticket.Clone(), err
}

func (r reader) Tickets(ctx context.Context, user users.ID, p auth.Purpose) ([]auth.Ticket, error) {
	end, err := r.begin(ctx)
	if err != nil {
		return nil, err
	}
	defer end()
	var list []auth.Ticket
	for key, ticket := range r.d.tickets {
		if ticket.UserID == user && key.purpose == p {
			list = append(list, ticket.Clone())
		}
	}
	slices.SortFunc(list, func(a, b auth.Ticket) int {
		return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), bytes.Compare(a.Hash[:], b.Hash[:]))
	})
	return list, nil
}

func (t *tx) SaveTicket(ctx context.Context, ticket auth.Ticket) error {
	if ticket.UserID != 0 {
		if _, err := t.User(ctx, ticket.UserID); err != nil {
			return err
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	set(t, t.d.tickets, ticketKey{ticket.Purpose, ticket.Hash}, ticket.Clone())
	return nil
}

func (t *tx) DeleteTicket(ctx context.Context, p auth.Purpose, h auth.Hash) error {
	key := ticketKey{p, h}
	if _, err := get(ctx, t.reader, t.d.tickets, key); err != nil {
		return err
	}
	drop(t, t.d.tickets, key)
	return nil
}

func (t *tx) DeleteTickets(ctx context.Context, user users.ID, purposes ...auth.Purpose) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	for key, ticket := range t.d.tickets {
		if ticket.UserID == user && slices.Contains(purposes, key.purpose) {
			drop(t, t.d.tickets, key)
		}
	}
	return nil
}

func (r reader) SecondFactor(ctx context.Context, user users.ID) (auth.SecondFactor, error) {
	f, err := get(ctx, r, r.d.factors, user)
	return f.Clone(), err
}

func (t *tx) SaveSecondFactor(ctx context.Context, f auth.SecondFactor) error {
	if _, err := t.User(ctx, f.UserID); err != nil {
		return err
	}
	set(t, t.d.factors, f.UserID, f.Clone())
	return nil
}

func (t *tx) DeleteSecondFactor(ctx context.Context, user users.ID) error {
	if _, err := get(ctx, t.reader, t.d.factors, user); err != nil {
		return err
	}
	drop(t, t.d.factors, user)
	return nil
}

func (r reader) Passkeys(ctx context.Context, user users.ID) ([]auth.Passkey, error) {
	end, err := r.begin(ctx)
	if err != nil {
		return nil, err
	}
	defer end()
	var list []auth.Passkey
	for _, k := range r.d.passkeys {
		if k.UserID == user {
			list = append(list, k.Clone())
		}
	}
	slices.SortFunc(list, func(a, b auth.Passkey) int {
		return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), bytes.Compare(a.ID[:], b.ID[:]))
	})
	return list, nil
}

func (r reader) PasskeyByCredential(ctx context.Context, credential []byte) (auth.Passkey, error) {
	end, err := r.begin(ctx)
	if err != nil {
		return auth.Passkey{}, err
	}
	defer end()
	id, ok := r.d.passkeyByCredential[string(credential)]
	if !ok {
		return auth.Passkey{}, users.ErrNotFound
	}
	return r.d.passkeys[id].Clone(), nil
}

func (t *tx) SavePasskey(ctx context.Context, k auth.Passkey) error {
	if other, taken := t.d.passkeyByCredential[string(k.CredentialID)]; taken && other != k.ID {
		return users.ErrConflict
	}
	if _, err := t.User(ctx, k.UserID); err != nil {
		return err
	}
	if old, ok := t.d.passkeys[k.ID]; ok {
		t.dropPasskey(old)
	}
	set(t, t.d.passkeys, k.ID, k.Clone())
	set(t, t.d.passkeyByCredential, string(k.CredentialID), k.ID)
	return nil
}

func (t *tx) dropPasskey(k auth.Passkey) {
	drop(t, t.d.passkeys, k.ID)
	drop(t, t.d.passkeyByCredential, string(k.CredentialID))
}

func (t *tx) DeletePasskey(ctx context.Context, id uuid.UUID) error {
	k, err := get(ctx, t.reader, t.d.passkeys, id)
	if err != nil {
		return err
	}
	t.dropPasskey(k)
	return nil
}

// dropFactors removes what a deleted user could sign in with besides a password.
func (t *tx) dropFactors(user users.ID) {
	for key, ticket := range t.d.tickets {
		if ticket.UserID == user {
			drop(t, t.d.tickets, key)
		}
	}
	drop(t, t.d.factors, user)
	for _, k := range t.d.passkeys {
		if k.UserID == user {
			t.dropPasskey(k)
		}
	}
}
