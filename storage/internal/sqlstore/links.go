package sqlstore

import (
	"context"
	"database/sql"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/hedgerow-dev/hedgerow/integrations"
	"github.com/hedgerow-dev/hedgerow/users"
)

type linkStateRow struct {
	Hash           []byte `db:"hash"`
	UserID         int64  `db:"user_id"`
	Flow           string `db:"flow"`
	InstallationID string `db:"installation_id"`
	ConnectFrom    string `db:"connect_from"`
	SealedVerifier []byte `db:"sealed_verifier"`
	ExpiresAt      stamp  `db:"expires_at"`
}

func (r linkStateRow) linkState() (integrations.LinkState, error) {
	s := integrations.LinkState{UserID: users.ID(r.UserID), Flow: integrations.Flow(r.Flow), InstallationID: r.InstallationID,
		ConnectFrom: r.ConnectFrom, SealedVerifier: r.SealedVerifier, ExpiresAt: timeOf(r.ExpiresAt)}
	copy(s.Hash[:], r.Hash)
	return s, nil
}

func (r reader) LinkStates(ctx context.Context, user users.ID) ([]integrations.LinkState, error) {
	return list(ctx, r, "list link states", linkStateRow.linkState,
		`select hash, user_id, flow, installation_id, connect_from, sealed_verifier, expires_at from {link_states}
		where user_id = $1 order by expires_at nulls first, hash`+r.lock, user)
}

func (t *tx) SaveLinkState(ctx context.Context, s integrations.LinkState) error {
	_, err := t.named(ctx, "save link state", `insert into {link_states} (hash, user_id, flow, installation_id, connect_from, sealed_verifier, expires_at)
		values (:hash, :user_id, :flow, :installation_id, :connect_from, :sealed_verifier, :expires_at)`,
		linkStateRow{s.Hash[:], int64(s.UserID), string(s.Flow), s.InstallationID, s.ConnectFrom, s.SealedVerifier, stamp(s.ExpiresAt)})
	return err
}

func (t *tx) DeleteLinkState(ctx context.Context, h integrations.StateHash) error {
	return t.one(ctx, "delete link state", "delete from {link_states} where hash = $1", h[:])
}

type installRequestRow struct {
	ID             uuid.UUID       `db:"id"`
	UserID         int64           `db:"user_id"`
	GitHubUserID   sql.Null[int64] `db:"github_user_id"`
	GitHubLogin    string          `db:"github_login"`
	Status         string          `db:"status"`
	InstallationID string          `db:"installation_id"`
	AccountLogin   string          `db:"account_login"`
	AccountType    string          `db:"account_type"`
	RequestedAt    stamp           `db:"requested_at"`
	ResolvedAt     stamp           `db:"resolved_at"`
}

var installRequestColumns = []string{"id", "user_id", "github_user_id", "github_login", "status", "installation_id", "account_login", "account_type",
	"requested_at", "resolved_at"}

func (r installRequestRow) installRequest() (integrations.InstallRequest, error) {
	return integrations.InstallRequest{ID: r.ID, UserID: users.ID(r.UserID), GitHubUserID: r.GitHubUserID.V, GitHubLogin: r.GitHubLogin,
		Status: integrations.RequestStatus(r.Status), InstallationID: r.InstallationID, AccountLogin: r.AccountLogin, AccountType: r.AccountType,
		RequestedAt: timeOf(r.RequestedAt), ResolvedAt: timeOf(r.ResolvedAt)}, nil
}

func (r reader) InstallRequests(ctx context.Context, q integrations.RequestQuery) ([]integrations.InstallRequest, error) {
	var c filter
	equal(&c, "user_id", int64(q.UserID))
	equal(&c, "github_user_id", q.GitHubUserID)
	return list(ctx, r, "list install requests", installRequestRow.installRequest,
		"select "+strings.Join(installRequestColumns, ", ")+" from {install_requests}"+c.where()+" order by requested_at desc nulls last, id"+r.lock, c.args...)
}

func (t *tx) SaveInstallRequest(ctx context.Context, r integrations.InstallRequest) error {
	_, err := t.named(ctx, "save install request", upsert("install_requests", "id", installRequestColumns),
		installRequestRow{r.ID, int64(r.UserID), sql.Null[int64]{V: r.GitHubUserID, Valid: r.GitHubUserID != 0}, r.GitHubLogin, string(r.Status),
			r.InstallationID, r.AccountLogin, r.AccountType, stamp(r.RequestedAt), stamp(r.ResolvedAt)})
	return err
}

func (t *tx) DeleteInstallRequest(ctx context.Context, id uuid.UUID) error {
	return t.one(ctx, "delete install request", "delete from {install_requests} where id = $1", id)
}

// Claim inserts the name, or takes over one whose time is up: whichever of the
// two happens changes one row.
func (t *tx) Claim(ctx context.Context, name string, holder uuid.UUID, now, until time.Time) (bool, error) {
	n, err := t.exec(ctx, "claim", `insert into {claims} as c (name, holder, until) values ($1, $2, $3)
		on conflict (name) do update set holder = excluded.holder, until = excluded.until where c.until <= $4`,
		name, holder, stamp(until), stamp(now))
	return n == 1, err
}

func (t *tx) Unclaim(ctx context.Context, name string, holder uuid.UUID) error {
	_, err := t.exec(ctx, "unclaim", "delete from {claims} where name = $1 and holder = $2", name, holder)
	return err
}

func (t *tx) DeleteExpiredLinks(ctx context.Context, now time.Time) (int, error) {
	total := 0
	for _, query := range []string{
		"delete from {link_states} where expires_at <= $1", "delete from {branches} where expires_at <= $1", "delete from {claims} where until <= $1",
	} {
		n, err := t.exec(ctx, "delete expired links", query, stamp(now))
		if err != nil {
			return 0, err
		}
		total += int(n)
	}
	return total, nil
}
