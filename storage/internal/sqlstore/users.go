package sqlstore

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/hedgerow-dev/hedgerow/users"
)

// userRow is a row of users. EmailFolded is computed and not read.
type userRow struct {
	ID                      int64            `db:"id"`
	UUID                    uuid.UUID        `db:"uuid"`
	DistinctID              string           `db:"distinct_id"`
	Version                 int64            `db:"version"`
	DateJoined              stamp            `db:"date_joined"`
	LastLogin               stamp            `db:"last_login"`
	IsActive                bool             `db:"is_active"`
	IsStaff                 bool             `db:"is_staff"`
	FirstName               string           `db:"first_name"`
	LastName                string           `db:"last_name"`
	Email                   string           `db:"email"`
	EmailFolded             string           `db:"email_folded"`
	PendingEmail            string           `db:"pending_email"`
	IsEmailVerified         sql.Null[bool]   `db:"is_email_verified"`
	PasswordHash            string           `db:"password_hash"`
	CurrentOrganization     uuid.NullUUID    `db:"current_organization"`
	CurrentTeam             sql.Null[int64]  `db:"current_team"`
	NotificationSettings    string           `db:"notification_settings"`
	AnonymizeData           sql.Null[bool]   `db:"anonymize_data"`
	AllowImpersonation      sql.Null[bool]   `db:"allow_impersonation"`
	ToolbarMode             sql.Null[string] `db:"toolbar_mode"`
	EventsColumnConfig      string           `db:"events_column_config"`
	HasSeenProductIntroFor  string           `db:"has_seen_product_intro_for"`
	ThemeMode               sql.Null[string] `db:"theme_mode"`
	HedgehogConfig          string           `db:"hedgehog_config"`
	AllowSidebarSuggestions sql.Null[bool]   `db:"allow_sidebar_suggestions"`
	ShortcutPosition        sql.Null[string] `db:"shortcut_position"`
	RoleAtOrganization      sql.Null[string] `db:"role_at_organization"`
	HasTOTP                 bool             `db:"has_totp"`
	HasVerifiedPasskey      bool             `db:"has_verified_passkey"`
	PasskeysEnabledFor2FA   sql.Null[bool]   `db:"passkeys_enabled_for_2fa"`
	CredentialsReviewedAt   stamp            `db:"credentials_reviewed_at"`
	SkippedAt               stamp            `db:"onboarding_skipped_at"`
	SkippedReason           string           `db:"onboarding_skipped_reason"`
	SkippedOrganization     uuid.NullUUID    `db:"onboarding_skipped_organization"`
}

// userColumns are all columns but id and version, which the database sets.
var userColumns = []string{
	"uuid", "distinct_id", "date_joined", "last_login", "is_active", "is_staff", "first_name", "last_name", "email", "email_folded",
	"pending_email", "is_email_verified", "password_hash", "current_organization", "current_team", "notification_settings",
	"anonymize_data", "allow_impersonation", "toolbar_mode", "events_column_config", "has_seen_product_intro_for", "theme_mode",
	"hedgehog_config", "allow_sidebar_suggestions", "shortcut_position", "role_at_organization", "has_totp", "has_verified_passkey",
	"passkeys_enabled_for_2fa", "credentials_reviewed_at", "onboarding_skipped_at", "onboarding_skipped_reason",
	"onboarding_skipped_organization",
}

var (
	userFields = "u.id, u.version, u." + strings.Join(userColumns, ", u.")
	selectUser = "select " + userFields + " from {users} u "
	insertUser = "insert into {users} (version, " + strings.Join(userColumns, ", ") + ") values (1, :" + strings.Join(userColumns, ", :") + ")"
	updateUser = setUser(userColumns) + " where id = :id returning version"
	// updateStamped is for a database that writes what has changed, whatever is set.
	updateStamped = updateUser + ", revision"
	// updateRest leaves out what indexes, triggers and references watch: SQLite
	// writes every index of a column that is set, changed or not, which is 4.5 times
	// as many bytes.
	updateRest = setUser(restColumns) + " where id = :id and uuid = :uuid and distinct_id = :distinct_id" +
		" and is_active = :is_active and is_staff = :is_staff and email_folded = :email_folded" +
		" and current_organization is not distinct from :current_organization and current_team is not distinct from :current_team"
	// updateKnown is updateRest of the version that the caller has seen.
	updateKnown = updateRest + " and version = :version"
)

// watchedColumns are those that updateRest compares.
var watchedColumns = []string{"uuid", "distinct_id", "is_active", "is_staff", "email_folded", "current_organization", "current_team"}

var restColumns = slices.DeleteFunc(slices.Clone(userColumns), func(c string) bool { return slices.Contains(watchedColumns, c) })

// setUser updates columns and raises the version.
func setUser(columns []string) string {
	var b strings.Builder
	b.WriteString("update {users} set version = version + 1")
	for _, c := range columns {
		b.WriteString(", " + c + " = :" + c)
	}
	return b.String()
}

func rowOf(u users.User) userRow {
	return userRow{
		ID: int64(u.ID), UUID: u.UUID, DistinctID: u.DistinctID, Version: u.Version, DateJoined: stamp(u.DateJoined),
		LastLogin: stamp(u.LastLogin), IsActive: u.IsActive, IsStaff: u.IsStaff, FirstName: u.FirstName, LastName: u.LastName,
		Email: u.Email, EmailFolded: users.FoldEmail(u.Email), PendingEmail: u.PendingEmail, IsEmailVerified: null(u.IsEmailVerified),
		PasswordHash: string(u.PasswordHash), CurrentOrganization: nullID(u.CurrentOrganization),
		CurrentTeam:          sql.Null[int64]{V: int64(u.CurrentTeam), Valid: u.CurrentTeam != 0},
		NotificationSettings: string(u.NotificationSettings), AnonymizeData: null(u.AnonymizeData),
		AllowImpersonation: null(u.AllowImpersonation), ToolbarMode: null(u.ToolbarMode), EventsColumnConfig: string(u.EventsColumnConfig),
		HasSeenProductIntroFor: string(u.HasSeenProductIntroFor), ThemeMode: null(u.ThemeMode), HedgehogConfig: string(u.HedgehogConfig),
		AllowSidebarSuggestions: null(u.AllowSidebarSuggestions), ShortcutPosition: null(u.ShortcutPosition),
		RoleAtOrganization: null(u.RoleAtOrganization), HasTOTP: u.HasTOTP, HasVerifiedPasskey: u.HasVerifiedPasskey,
		PasskeysEnabledFor2FA: null(u.PasskeysEnabledFor2FA), CredentialsReviewedAt: stamp(u.CredentialsReviewedAt),
		SkippedAt: stamp(u.OnboardingSkippedAt), SkippedReason: u.OnboardingSkippedReason,
		SkippedOrganization: nullID(u.OnboardingSkippedOrganization),
	}
}

func (r userRow) user() (users.User, error) {
	return users.User{
		ID: users.ID(r.ID), UUID: r.UUID, DistinctID: r.DistinctID, Version: r.Version, DateJoined: timeOf(r.DateJoined),
		LastLogin: timeOf(r.LastLogin), IsActive: r.IsActive, IsStaff: r.IsStaff, FirstName: r.FirstName, LastName: r.LastName,
		Email: r.Email, PendingEmail: r.PendingEmail, IsEmailVerified: unnull(r.IsEmailVerified),
		PasswordHash: users.Secret(r.PasswordHash), CurrentOrganization: r.CurrentOrganization.UUID, CurrentTeam: users.TeamID(r.CurrentTeam.V),
		NotificationSettings: users.JSON(r.NotificationSettings), AnonymizeData: unnull(r.AnonymizeData),
		AllowImpersonation: unnull(r.AllowImpersonation), ToolbarMode: unnull(r.ToolbarMode),
		EventsColumnConfig: users.JSON(r.EventsColumnConfig), HasSeenProductIntroFor: users.JSON(r.HasSeenProductIntroFor),
		ThemeMode: unnull(r.ThemeMode), HedgehogConfig: users.JSON(r.HedgehogConfig),
		AllowSidebarSuggestions: unnull(r.AllowSidebarSuggestions), ShortcutPosition: unnull(r.ShortcutPosition),
		RoleAtOrganization: unnull(r.RoleAtOrganization), HasTOTP: r.HasTOTP, HasVerifiedPasskey: r.HasVerifiedPasskey,
		PasskeysEnabledFor2FA: unnull(r.PasskeysEnabledFor2FA), CredentialsReviewedAt: timeOf(r.CredentialsReviewedAt),
		OnboardingSkippedAt: timeOf(r.SkippedAt), OnboardingSkippedReason: r.SkippedReason,
		OnboardingSkippedOrganization: r.SkippedOrganization.UUID,
	}, nil
}

func (r reader) User(ctx context.Context, id users.ID) (users.User, error) {
	return one(ctx, r, "read user", userRow.user, selectUser+"where id = $1"+r.lock, id)
}

func (r reader) UserByUUID(ctx context.Context, id uuid.UUID) (users.User, error) {
	return one(ctx, r, "read user", userRow.user, selectUser+"where uuid = $1"+r.lock, id)
}

func (r reader) UserByEmail(ctx context.Context, folded string) (users.User, error) {
	return one(ctx, r, "read user", userRow.user, selectUser+"where email_folded = $1"+r.lock, folded)
}

func (t *tx) CreateUser(ctx context.Context, u users.User) (users.User, error) {
	n, err := t.insert(ctx, "create user", insertUser, rowOf(u))
	u.ID, u.Version = users.ID(n), 1
	return u, err
}

func (t *tx) SaveUser(ctx context.Context, u users.User) (users.User, error) {
	row := rowOf(u)
	if t.d.Stamps != "" {
		return t.saveStamped(ctx, u, row)
	}
	if t.d.OneWriter {
		// Most often it is the version that this transaction has read. There is no
		// result to read then, for which database/sql would start a goroutine.
		n, err := t.named(ctx, "save user", updateKnown, row)
		if err != nil {
			return users.User{}, err
		}
		if n > 0 {
			u.Version++
			return u, nil
		}
	}
	n, err := t.returning(ctx, "save user", updateRest+" returning version", row)
	if errors.Is(err, users.ErrNotFound) {
		n, err = t.returning(ctx, "save user", updateUser, row)
	}
	u.Version = n
	return u, err
}

// saveStamped is SaveUser on a database that stamps the record. Nobody waits for
// what cannot fail: the record is locked, nothing of it changes that is unique or
// refers to another one, and the database can hold its text. That spares a round trip,
// a quarter of a change of one field.
func (t *tx) saveStamped(ctx context.Context, u users.User, row userRow) (users.User, error) {
	update, members := updateStamped, any(row)
	if g := t.guessing; g != nil && g.stage == guessed {
		update, members = updateGuessed, guessedRow{row, g.record}
	}
	text, args, err := t.texts.bind(update, members)
	if err != nil {
		return u, fmt.Errorf("save user: %w", err)
	}
	text = t.texts.of(text)
	stored, err := row.user() // as it is read again
	if err != nil {
		return u, err
	}
	saved := &savedUser{user: stored}
	read := func(rows Rows) error {
		if !rows.Next() {
			return cmp.Or(rows.Err(), sql.ErrNoRows)
		}
		return rows.Scan(&saved.user.Version, &saved.record)
	}
	if before, ok := t.locked[u.ID]; ok && sameKeys(before, u) && !matchless(args) {
		u.Version = before.Version + 1
		t.guessing.save()
		err = t.queue(ctx, text, args, read)
	} else {
		err = t.q.Query(ctx, text, args, read)
		u.Version = saved.user.Version
	}
	if err != nil {
		return u, t.wrap(ctx, "save user", err)
	}
	t.saved = append(t.saved, saved)
	t.lockedIs(u)
	return u, nil
}

// sameKeys reports whether two states of a user share what is unique and what refers
// to another record.
func sameKeys(a, b users.User) bool {
	return a.UUID == b.UUID && a.DistinctID == b.DistinctID && users.FoldEmail(a.Email) == users.FoldEmail(b.Email) &&
		a.CurrentOrganization == b.CurrentOrganization && a.CurrentTeam == b.CurrentTeam
}

// User reads a user, who is locked from then on, or as good as that: see guess.
func (t *tx) User(ctx context.Context, id users.ID) (u users.User, err error) {
	u, ok := t.guessing.handOut(ctx, id)
	if !ok {
		u, err = t.reader.User(ctx, id)
	}
	if err == nil {
		t.lockedIs(u)
	}
	return u, err
}

// lockedIs notes the state of a user who is locked.
func (t *tx) lockedIs(u users.User) {
	if t.d.Stamps == "" {
		return
	}
	if t.locked == nil {
		t.locked = map[users.ID]users.User{}
	}
	t.locked[u.ID] = u
}

func (t *tx) DeleteUser(ctx context.Context, id users.ID) error {
	delete(t.locked, id)
	return t.one(ctx, "delete user", "delete from {users} where id = $1", id)
}

type identityRow struct {
	UserID    int64  `db:"user_id"`
	Provider  string `db:"provider"`
	Subject   string `db:"subject"`
	Login     string `db:"login"`
	CreatedAt stamp  `db:"created_at"`
}

func (r identityRow) identity() (users.Identity, error) {
	return users.Identity{UserID: users.ID(r.UserID), Provider: r.Provider, Subject: r.Subject, Login: r.Login, CreatedAt: timeOf(r.CreatedAt)}, nil
}

func (r reader) Identities(ctx context.Context, user users.ID) ([]users.Identity, error) {
	return list(ctx, r, "list identities", identityRow.identity,
		"select user_id, provider, subject, login, created_at from {identities} where user_id = $1 order by created_at nulls first, provider, subject"+r.lock, user)
}

func (t *tx) SaveIdentity(ctx context.Context, i users.Identity) error {
	n, err := t.named(ctx, "save identity", `insert into {identities} as i (user_id, provider, subject, login, created_at)
		values (:user_id, :provider, :subject, :login, :created_at)
		on conflict (provider, subject) do update set login = excluded.login where i.user_id = excluded.user_id`,
		identityRow{int64(i.UserID), i.Provider, i.Subject, i.Login, stamp(i.CreatedAt)})
	if err == nil && n == 0 {
		return users.ErrConflict
	}
	return err
}

func (t *tx) DeleteIdentity(ctx context.Context, provider, subject string) (users.ID, error) {
	return one(ctx, t.reader, "delete identity", self[users.ID],
		"delete from {identities} where provider = $1 and subject = $2 returning user_id", provider, subject)
}
