package main

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// record is a user as limit programs store and send it: a column for each
// member, those that are objects and lists as text.
type record struct {
	DateJoined                string          `json:"date_joined"`
	UUID                      string          `json:"uuid"`
	DistinctID                string          `json:"distinct_id"`
	FirstName                 string          `json:"first_name"`
	LastName                  string          `json:"last_name"`
	Email                     string          `json:"email"`
	PendingEmail              *string         `json:"pending_email"`
	IsEmailVerified           bool            `json:"is_email_verified"`
	NotificationSettings      json.RawMessage `json:"notification_settings"`
	AnonymizeData             bool            `json:"anonymize_data"`
	AllowImpersonation        bool            `json:"allow_impersonation"`
	ToolbarMode               string          `json:"toolbar_mode"`
	HasPassword               bool            `json:"has_password"`
	ID                        int64           `json:"id"`
	IsStaff                   bool            `json:"is_staff"`
	IsImpersonated            bool            `json:"is_impersonated"`
	IsImpersonatedUntil       *string         `json:"is_impersonated_until"`
	IsImpersonatedReadOnly    *string         `json:"is_impersonated_read_only"`
	SensitiveSessionExpiresAt *string         `json:"sensitive_session_expires_at"`
	Team                      json.RawMessage `json:"team"`
	Organization              json.RawMessage `json:"organization"`
	Organizations             json.RawMessage `json:"organizations"`
	EventsColumnConfig        json.RawMessage `json:"events_column_config"`
	Is2FAEnabled              bool            `json:"is_2fa_enabled"`
	HasSocialAuth             bool            `json:"has_social_auth"`
	HasSSOEnforcement         bool            `json:"has_sso_enforcement"`
	HasSeenProductIntroFor    json.RawMessage `json:"has_seen_product_intro_for"`
	ScenePersonalisation      json.RawMessage `json:"scene_personalisation"`
	ThemeMode                 *string         `json:"theme_mode"`
	HedgehogConfig            json.RawMessage `json:"hedgehog_config"`
	AllowSidebarSuggestions   bool            `json:"allow_sidebar_suggestions"`
	ShortcutPosition          *string         `json:"shortcut_position"`
	RoleAtOrganization        *string         `json:"role_at_organization"`
	PasskeysEnabledFor2FA     bool            `json:"passkeys_enabled_for_2fa"`
	IsOrganizationFirstUser   *bool           `json:"is_organization_first_user"`
	PendingInvites            json.RawMessage `json:"pending_invites"`
	RealtimeNotificationTypes json.RawMessage `json:"active_realtime_notification_types"`
	RequiresCredentialReview  bool            `json:"requires_credential_review"`
	SkippedAt                 *string         `json:"onboarding_skipped_at"`
	SkippedReason             *string         `json:"onboarding_skipped_reason"`
	SkippedOrganizationID     *string         `json:"onboarding_skipped_organization_id"`
	DelegatedToInvite         *string         `json:"onboarding_delegated_to_invite"`
	DelegatedToOrganizationID *string         `json:"onboarding_delegated_to_organization_id"`
	DelegationAcceptedAt      *string         `json:"onboarding_delegation_accepted_at"`
}

// userJSON is how our server lists the first user of a seeded store, to another one.
//
//go:embed user.json
var userJSON []byte

// newRecord returns user i.
func newRecord(i int) (*record, error) {
	var r record
	if err := json.Unmarshal(userJSON, &r); err != nil {
		return nil, fmt.Errorf("user.json: %w", err)
	}
	r.ID, r.Email, r.UUID = int64(i), email(i), numbered(3, i).String()
	r.DistinctID = distinctID(i)
	return &r, nil
}

// columns are the names of the members, in the order of fields.
var columns = func() []string {
	t := reflect.TypeFor[record]()
	names := make([]string, t.NumField())
	for i := range names {
		names[i] = t.Field(i).Tag.Get("json")
	}
	return names
}()

// fields are pointers to the members, to scan into; texts of objects and lists
// are *[]byte.
func (r *record) fields() []any {
	v := reflect.ValueOf(r).Elem()
	pointers := make([]any, v.NumField())
	for i := range pointers {
		pointers[i] = v.Field(i).Addr().Interface()
		if text, ok := pointers[i].(*json.RawMessage); ok {
			pointers[i] = (*[]byte)(text)
		}
	}
	return pointers
}

// values are the members as arguments of an insert.
func (r *record) values() []any {
	values := r.fields()
	for i, p := range values {
		if text, ok := p.(*[]byte); ok {
			values[i] = string(*text)
		} else {
			values[i] = reflect.ValueOf(p).Elem().Interface()
		}
	}
	return values
}

// createUsers is the statement that makes the table.
func createUsers() string {
	var b strings.Builder
	b.WriteString("create table users (")
	for i, p := range new(record).fields() {
		kind := "text"
		switch p.(type) {
		case *int64:
			kind = "integer" // with which the id is the place of the row in SQLite
		case *bool, **bool:
			kind = "boolean"
		}
		fmt.Fprintf(&b, "%s %s, ", columns[i], kind)
	}
	return b.String() + "primary key (id))"
}

// appendJSON is json.Marshal without what that costs.
func (r *record) appendJSON(b []byte) ([]byte, error) {
	var err error
	b = append(b, '{')
	for i, p := range r.fields() {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, '"')
		b = append(b, columns[i]...)
		b = append(b, '"', ':')
		switch v := p.(type) {
		case *int64:
			b = strconv.AppendInt(b, *v, 10)
		case *bool:
			b = strconv.AppendBool(b, *v)
		case **bool:
			if *v == nil {
				b = append(b, "null"...)
				continue
			}
			b = strconv.AppendBool(b, **v)
		case *string:
			b, err = jsontext.AppendQuote(b, *v)
		case **string:
			if *v == nil {
				b = append(b, "null"...)
				continue
			}
			b, err = jsontext.AppendQuote(b, **v)
		case *[]byte:
			b = append(b, *v...)
		}
		if err != nil {
			return nil, err
		}
	}
	return append(b, '}'), nil
}
