package sqlstore

import (
	"context"
	"database/sql"

	"github.com/google/uuid"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/users"
)

type ticketRow struct {
	Purpose   string          `db:"purpose"`
	Hash      []byte          `db:"hash"`
	UserID    sql.Null[int64] `db:"user_id"`
	Data      []byte          `db:"data"`
	CreatedAt stamp           `db:"created_at"`
	ExpiresAt stamp           `db:"expires_at"`
}

func (r ticketRow) ticket() (auth.Ticket, error) {
	return auth.Ticket{Purpose: auth.Purpose(r.Purpose), Hash: hashOf(r.Hash), UserID: users.ID(r.UserID.V), Data: r.Data,
		CreatedAt: timeOf(r.CreatedAt), ExpiresAt: timeOf(r.ExpiresAt)}, nil
}

const selectTicket = "select purpose, hash, user_id, data, created_at, expires_at from {tickets} "

func (r reader) Ticket(ctx context.Context, p auth.Purpose, h auth.Hash) (auth.Ticket, error) {
	const where = "where purpose = $1 and hash = $2"
	if err := r.lockOwner(ctx, "{tickets} "+where, p, h[:]); err != nil {
		return auth.Ticket{}, err
	}
	return one(ctx, r, "read ticket", ticketRow.ticket, selectTicket+where+r.lock, p, h[:])
}

func (r reader) Tickets(ctx context.Context, user users.ID, p auth.Purpose) ([]auth.Ticket, error) {
	return list(ctx, r, "list tickets", ticketRow.ticket, selectTicket+"where user_id = $1 and purpose = $2 order by created_at nulls first, hash"+r.lock, user, p)
}

func (t *tx) SaveTicket(ctx context.Context, ticket auth.Ticket) error {
	_, err := t.named(ctx, "save ticket", `insert into {tickets} (purpose, hash, user_id, data, created_at, expires_at)
		values (:purpose, :hash, :user_id, :data, :created_at, :expires_at)
		on conflict (purpose, hash) do update set user_id = excluded.user_id, data = excluded.data,
		created_at = excluded.created_at, expires_at = excluded.expires_at`,
		ticketRow{string(ticket.Purpose), ticket.Hash[:], sql.Null[int64]{V: int64(ticket.UserID), Valid: ticket.UserID != 0}, ticket.Data,
			stamp(ticket.CreatedAt), stamp(ticket.ExpiresAt)})
	return err
}

func (t *tx) DeleteTicket(ctx context.Context, p auth.Purpose, h auth.Hash) error {
	return t.one(ctx, "delete ticket", "delete from {tickets} where purpose = $1 and hash = $2", p, h[:])
}

func (t *tx) DeleteTickets(ctx context.Context, user users.ID, purposes ...auth.Purpose) error {
	for _, p := range purposes {
		if _, err := t.exec(ctx, "delete tickets", "delete from {tickets} where user_id = $1 and purpose = $2", user, p); err != nil {
			return err
		}
	}
	return ctx.Err()
}

type factorRow struct {
	UserID       int64                    `db:"user_id"`
	Secret       []byte                   `db:"secret"`
	LastStep     int64                    `db:"last_step"`
	Drift        int                      `db:"drift"`
	BackupCodes  document[[]users.Secret] `db:"backup_codes"`
	Failures     int                      `db:"failures"`
	BlockedUntil stamp                    `db:"blocked_until"`
	ConfirmedAt  stamp                    `db:"confirmed_at"`
}

func (r factorRow) factor() (auth.SecondFactor, error) {
	return auth.SecondFactor{UserID: users.ID(r.UserID), Secret: r.Secret, LastStep: r.LastStep, Drift: r.Drift, BackupCodes: r.BackupCodes.v,
		Failures: r.Failures, BlockedUntil: timeOf(r.BlockedUntil), ConfirmedAt: timeOf(r.ConfirmedAt)}, nil
}

func (r reader) SecondFactor(ctx context.Context, user users.ID) (auth.SecondFactor, error) {
	return one(ctx, r, "read second factor", factorRow.factor, `select user_id, secret, last_step, drift, backup_codes, failures, blocked_until,
		confirmed_at from {second_factors} where user_id = $1`+r.lock, user)
}

func (t *tx) SaveSecondFactor(ctx context.Context, f auth.SecondFactor) error {
	_, err := t.named(ctx, "save second factor", `insert into {second_factors} (user_id, secret, last_step, drift, backup_codes, failures,
		blocked_until, confirmed_at)
		values (:user_id, :secret, :last_step, :drift, :backup_codes, :failures, :blocked_until, :confirmed_at)
		on conflict (user_id) do update set secret = excluded.secret, last_step = excluded.last_step, drift = excluded.drift,
		backup_codes = excluded.backup_codes, failures = excluded.failures, blocked_until = excluded.blocked_until,
		confirmed_at = excluded.confirmed_at`,
		factorRow{int64(f.UserID), f.Secret, f.LastStep, f.Drift, document[[]users.Secret]{f.BackupCodes}, f.Failures,
			stamp(f.BlockedUntil), stamp(f.ConfirmedAt)})
	return err
}

func (t *tx) DeleteSecondFactor(ctx context.Context, user users.ID) error {
	return t.one(ctx, "delete second factor", "delete from {second_factors} where user_id = $1", user)
}

type passkeyRow struct {
	ID           uuid.UUID `db:"id"`
	UserID       int64     `db:"user_id"`
	CredentialID []byte    `db:"credential_id"`
	UserHandle   []byte    `db:"user_handle"`
	Name         string    `db:"name"`
	Data         []byte    `db:"data"`
	Verified     bool      `db:"verified"`
	CreatedAt    stamp     `db:"created_at"`
	LastUsedAt   stamp     `db:"last_used_at"`
}

func (r passkeyRow) passkey() (auth.Passkey, error) {
	return auth.Passkey{ID: r.ID, UserID: users.ID(r.UserID), CredentialID: r.CredentialID, UserHandle: r.UserHandle, Name: r.Name, Data: r.Data,
		Verified: r.Verified, CreatedAt: timeOf(r.CreatedAt), LastUsedAt: timeOf(r.LastUsedAt)}, nil
}

const selectPasskey = "select id, user_id, credential_id, user_handle, name, data, verified, created_at, last_used_at from {passkeys} "

func (r reader) Passkeys(ctx context.Context, user users.ID) ([]auth.Passkey, error) {
	return list(ctx, r, "list passkeys", passkeyRow.passkey, selectPasskey+"where user_id = $1 order by created_at nulls first, id"+r.lock, user)
}

func (r reader) PasskeyByCredential(ctx context.Context, credential []byte) (auth.Passkey, error) {
	const where = "where credential_id = $1"
	if err := r.lockOwner(ctx, "{passkeys} "+where, credential); err != nil {
		return auth.Passkey{}, err
	}
	return one(ctx, r, "read passkey", passkeyRow.passkey, selectPasskey+where+r.lock, credential)
}

func (t *tx) SavePasskey(ctx context.Context, k auth.Passkey) error {
	if k.Data == nil {
		k.Data = []byte{} // as a driver may read what was empty
	}
	_, err := t.named(ctx, "save passkey", `insert into {passkeys} (id, user_id, credential_id, user_handle, name, data, verified, created_at, last_used_at)
		values (:id, :user_id, :credential_id, :user_handle, :name, :data, :verified, :created_at, :last_used_at)
		on conflict (id) do update set user_id = excluded.user_id, credential_id = excluded.credential_id, user_handle = excluded.user_handle,
		name = excluded.name, data = excluded.data, verified = excluded.verified, created_at = excluded.created_at,
		last_used_at = excluded.last_used_at`,
		passkeyRow{k.ID, int64(k.UserID), k.CredentialID, k.UserHandle, k.Name, k.Data, k.Verified, stamp(k.CreatedAt), stamp(k.LastUsedAt)})
	return err
}

func (t *tx) DeletePasskey(ctx context.Context, id uuid.UUID) error {
	return t.one(ctx, "delete passkey", "delete from {passkeys} where id = $1", id)
}
