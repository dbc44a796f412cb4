package sqlstore

import (
	"context"
	"database/sql"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/hedgerow-dev/hedgerow/integrations"
	"github.com/hedgerow-dev/hedgerow/users"
)

// filter collects a where clause and its arguments.
type filter struct {
	clauses []string
	args    []any
}

// placeholder binds an argument.
func (c *filter) placeholder(arg any) string {
	c.args = append(c.args, arg)
	return "$" + strconv.Itoa(len(c.args))
}

// equal adds a condition unless the value is zero, which means "any".
func equal[T comparable](c *filter, column string, value T) {
	var zero T
	if value != zero {
		c.clauses = append(c.clauses, column+" = "+c.placeholder(value))
	}
}

// in adds a condition unless the list is nil, which means "any". What no record
// can have is left out of the list.
func (c *filter) in(d *Dialect, column string, values []string) error {
	if values == nil {
		return nil
	}
	bound, err := d.List(slices.DeleteFunc(slices.Clone(values), func(v string) bool { return matchless([]any{v}) }))
	if err != nil {
		return err
	}
	c.clauses = append(c.clauses, d.In(column, c.placeholder(bound)))
	return nil
}

// where is the clause; "" if there is no condition.
func (c *filter) where() string {
	if len(c.clauses) == 0 {
		return ""
	}
	return " where " + strings.Join(c.clauses, " and ")
}

type installationRow struct {
	ID                    uuid.UUID `db:"id"`
	UserID                int64     `db:"user_id"`
	InstallationID        string    `db:"installation_id"`
	CreatedAt             stamp     `db:"created_at"`
	UpdatedAt             stamp     `db:"updated_at"`
	RepositorySelection   string    `db:"repository_selection"`
	AccountID             int64     `db:"account_id"`
	AccountLogin          string    `db:"account_login"`
	AccountType           string    `db:"account_type"`
	GitHubUserID          int64     `db:"github_user_id"`
	GitHubUserLogin       string    `db:"github_user_login"`
	GitHubUserType        string    `db:"github_user_type"`
	Sealed                []byte    `db:"sealed"`
	TokenRefreshedAt      stamp     `db:"token_refreshed_at"`
	TokenLifetime         int64     `db:"token_lifetime"` // microseconds
	UserTokenRefreshedAt  stamp     `db:"user_token_refreshed_at"`
	UserTokenExpiresAt    stamp     `db:"user_token_expires_at"`
	RefreshTokenExpiresAt stamp     `db:"refresh_token_expires_at"`
	UnavailableSince      stamp     `db:"unavailable_since"`
	SnapshotAt            stamp     `db:"snapshot_at"`
	ETag                  string    `db:"etag"`
}

var installationColumns = []string{"id", "user_id", "installation_id", "created_at", "updated_at", "repository_selection",
	"account_id", "account_login", "account_type", "github_user_id", "github_user_login", "github_user_type", "sealed",
	"token_refreshed_at", "token_lifetime", "user_token_refreshed_at", "user_token_expires_at", "refresh_token_expires_at",
	"unavailable_since", "snapshot_at", "etag"}

var (
	selectInstallation = "select " + strings.Join(installationColumns, ", ") + " from {installations}"
	saveInstallation   = upsert("installations", "id", installationColumns)
)

// upsert writes an insert that replaces the row of the same key.
func upsert(table, key string, columns []string) string {
	var updates []string
	for _, c := range columns {
		updates = append(updates, c+" = excluded."+c)
	}
	return "insert into {" + table + "} (" + strings.Join(columns, ", ") + ") values (:" + strings.Join(columns, ", :") +
		") on conflict (" + key + ") do update set " + strings.Join(updates, ", ")
}

func installationRowOf(i integrations.Installation) installationRow {
	return installationRow{
		ID: i.ID, UserID: int64(i.UserID), InstallationID: i.InstallationID, CreatedAt: stamp(i.CreatedAt), UpdatedAt: stamp(i.UpdatedAt),
		RepositorySelection: i.RepositorySelection, AccountID: i.Account.ID, AccountLogin: i.Account.Login, AccountType: i.Account.Type,
		GitHubUserID: i.GitHubUser.ID, GitHubUserLogin: i.GitHubUser.Login, GitHubUserType: i.GitHubUser.Type, Sealed: i.Sealed,
		TokenRefreshedAt: stamp(i.TokenRefreshedAt), TokenLifetime: i.TokenLifetime.Microseconds(),
		UserTokenRefreshedAt: stamp(i.UserTokenRefreshedAt), UserTokenExpiresAt: stamp(i.UserTokenExpiresAt),
		RefreshTokenExpiresAt: stamp(i.RefreshTokenExpiresAt), UnavailableSince: stamp(i.UnavailableSince),
		SnapshotAt: stamp(i.SnapshotAt), ETag: i.ETag,
	}
}

func (r installationRow) installation() (integrations.Installation, error) {
	return integrations.Installation{
		ID: r.ID, UserID: users.ID(r.UserID), InstallationID: r.InstallationID, CreatedAt: timeOf(r.CreatedAt), UpdatedAt: timeOf(r.UpdatedAt),
		RepositorySelection: r.RepositorySelection, Account: integrations.Account{ID: r.AccountID, Login: r.AccountLogin, Type: r.AccountType},
		GitHubUser: integrations.Account{ID: r.GitHubUserID, Login: r.GitHubUserLogin, Type: r.GitHubUserType}, Sealed: r.Sealed,
		TokenRefreshedAt: timeOf(r.TokenRefreshedAt), TokenLifetime: time.Duration(r.TokenLifetime) * time.Microsecond,
		UserTokenRefreshedAt: timeOf(r.UserTokenRefreshedAt), UserTokenExpiresAt: timeOf(r.UserTokenExpiresAt),
		RefreshTokenExpiresAt: timeOf(r.RefreshTokenExpiresAt), UnavailableSince: timeOf(r.UnavailableSince),
		SnapshotAt: timeOf(r.SnapshotAt), ETag: r.ETag,
	}, nil
}

func (r reader) Installation(ctx context.Context, user users.ID, installationID string) (integrations.Installation, error) {
	return one(ctx, r, "read installation", installationRow.installation,
		selectInstallation+" where user_id = $1 and installation_id = $2"+r.lock, user, installationID)
}

func (r reader) Installations(ctx context.Context, q integrations.Query) ([]integrations.Installation, error) {
	var c filter
	equal(&c, "user_id", int64(q.UserID))
	if err := c.in(r.d, "installation_id", q.InstallationIDs); err != nil {
		return nil, r.wrap(ctx, "list installations", err)
	}
	if q.After != uuid.Nil {
		c.clauses = append(c.clauses, "id > "+c.placeholder(q.After))
	}
	query := selectInstallation + c.where() + " order by id"
	if q.Limit > 0 {
		query += " limit " + c.placeholder(q.Limit)
	}
	return list(ctx, r, "list installations", installationRow.installation, query+r.lock, c.args...)
}

func (t *tx) SaveInstallation(ctx context.Context, i integrations.Installation) error {
	_, err := t.named(ctx, "save installation", saveInstallation, installationRowOf(i))
	return err
}

func (t *tx) DeleteInstallation(ctx context.Context, id uuid.UUID) error {
	return t.one(ctx, "delete installation", "delete from {installations} where id = $1", id)
}

// repository is a repository in a stored list.
type repository struct {
	ID            int64   `json:"id"`
	Name          string  `json:"name"`
	FullName      string  `json:"full_name"`
	Private       *bool   `json:"private,omitempty"`
	Archived      *bool   `json:"archived,omitempty"`
	DefaultBranch *string `json:"default_branch,omitempty"`
	Language      *string `json:"language,omitempty"`
	PushedAt      *string `json:"pushed_at,omitempty"`
	CanPush       *bool   `json:"can_push,omitempty"`
}

func pointer[T any](n users.Null[T]) *T {
	if !n.Valid {
		return nil
	}
	return &n.Value
}

func unpointer[T any](p *T) users.Null[T] {
	if p == nil {
		return users.Null[T]{}
	}
	return users.Some(*p)
}

func (r reader) Repositories(ctx context.Context, id uuid.UUID) ([]integrations.Repository, error) {
	stored, err := list(ctx, r, "read repositories", self[document[[]repository]], "select list from {repositories} where link_id = $1", id)
	if err != nil || len(stored) == 0 {
		return nil, err
	}
	result := make([]integrations.Repository, 0, len(stored[0].v))
	for _, s := range stored[0].v {
		result = append(result, integrations.Repository{ID: s.ID, Name: s.Name, FullName: s.FullName, Private: unpointer(s.Private), Archived: unpointer(s.Archived),
			DefaultBranch: unpointer(s.DefaultBranch), Language: unpointer(s.Language), PushedAt: unpointer(s.PushedAt), CanPush: unpointer(s.CanPush)})
	}
	return result, nil
}

func (t *tx) SaveRepositories(ctx context.Context, id uuid.UUID, list []integrations.Repository) error {
	stored := make([]repository, 0, len(list))
	for _, l := range list {
		stored = append(stored, repository{l.ID, l.Name, l.FullName, pointer(l.Private), pointer(l.Archived), pointer(l.DefaultBranch), pointer(l.Language),
			pointer(l.PushedAt), pointer(l.CanPush)})
	}
	_, err := t.exec(ctx, "save repositories", `insert into {repositories} (link_id, list) values ($1, $2)
		on conflict (link_id) do update set list = excluded.list`, id, document[[]repository]{stored})
	return err
}

type branchesRow struct {
	LinkID      uuid.UUID          `db:"link_id"`
	Repository  string             `db:"repository"`
	Names       document[[]string] `db:"names"`
	Default     string             `db:"default_branch"`
	DefaultAt   stamp              `db:"default_at"`
	RefreshedAt stamp              `db:"refreshed_at"`
	ExpiresAt   stamp              `db:"expires_at"`
}

var branchColumns = []string{"link_id", "repository", "names", "default_branch", "default_at", "refreshed_at", "expires_at"}

func (r branchesRow) branches() (integrations.BranchList, error) {
	return integrations.BranchList{LinkID: r.LinkID, Repository: r.Repository, Names: r.Names.v, Default: r.Default, DefaultAt: timeOf(r.DefaultAt),
		RefreshedAt: timeOf(r.RefreshedAt), ExpiresAt: timeOf(r.ExpiresAt)}, nil
}

func (r reader) Branches(ctx context.Context, id uuid.UUID, repository string) (integrations.BranchList, error) {
	return one(ctx, r, "read branches", branchesRow.branches,
		"select "+strings.Join(branchColumns, ", ")+" from {branches} where link_id = $1 and repository = $2"+r.lock, id, repository)
}

func (t *tx) SaveBranches(ctx context.Context, b integrations.BranchList) error {
	_, err := t.named(ctx, "save branches", upsert("branches", "link_id, repository", branchColumns),
		branchesRow{b.LinkID, b.Repository, document[[]string]{b.Names}, b.Default, stamp(b.DefaultAt), stamp(b.RefreshedAt), stamp(b.ExpiresAt)})
	return err
}

type teamInstallationRow struct {
	ID              int64           `db:"id"`
	TeamID          int64           `db:"team_id"`
	InstallationID  string          `db:"installation_id"`
	CreatedBy       sql.Null[int64] `db:"created_by"`
	ConnectingLogin string          `db:"connecting_login"`
	CreatedAt       stamp           `db:"created_at"`
}

func (r teamInstallationRow) teamInstallation() (integrations.TeamInstallation, error) {
	return integrations.TeamInstallation{ID: r.ID, TeamID: users.TeamID(r.TeamID), InstallationID: r.InstallationID, CreatedBy: users.ID(r.CreatedBy.V),
		ConnectingLogin: r.ConnectingLogin, CreatedAt: timeOf(r.CreatedAt)}, nil
}

func (r reader) TeamInstallations(ctx context.Context, q integrations.TeamQuery) ([]integrations.TeamInstallation, error) {
	var c filter
	equal(&c, "team_id", int64(q.TeamID))
	equal(&c, "created_by", int64(q.CreatedBy))
	if err := c.in(r.d, "installation_id", q.InstallationIDs); err != nil {
		return nil, r.wrap(ctx, "list team installations", err)
	}
	return list(ctx, r, "list team installations", teamInstallationRow.teamInstallation,
		"select id, team_id, installation_id, created_by, connecting_login, created_at from {team_installations}"+c.where()+" order by id"+r.lock, c.args...)
}

func (t *tx) SaveTeamInstallation(ctx context.Context, i integrations.TeamInstallation) (integrations.TeamInstallation, error) {
	query := `insert into {team_installations} (team_id, installation_id, created_by, connecting_login, created_at)
		values (:team_id, :installation_id, :created_by, :connecting_login, :created_at) returning id`
	if i.ID != 0 {
		query = `update {team_installations} set team_id = :team_id, installation_id = :installation_id, created_by = :created_by,
			connecting_login = :connecting_login, created_at = :created_at where id = :id returning id`
	}
	id, err := t.returning(ctx, "save team installation", query, teamInstallationRow{i.ID, int64(i.TeamID), i.InstallationID,
		sql.Null[int64]{V: int64(i.CreatedBy), Valid: i.CreatedBy != 0}, i.ConnectingLogin, stamp(i.CreatedAt)})
	if err != nil {
		return integrations.TeamInstallation{}, err
	}
	i.ID = id
	return i, nil
}

func (t *tx) DeleteTeamInstallation(ctx context.Context, id int64) error {
	return t.one(ctx, "delete team installation", "delete from {team_installations} where id = $1", id)
}
