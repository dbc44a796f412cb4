package users

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// ImportedUser returns u with the settings of p, as a new account that comes from
// elsewhere: it is held to the rules of Apply and NewUser, in this order, and
// PendingEmail and OnboardingSkippedReason to theirs. Members of p that
// need the store are left out: Email, SetCurrentOrganization and
// SetCurrentTeam, and with them Password and PasskeysEnabledFor2FA. So are
// notification settings that do not exist here. The first broken rule is an
// Invalid error. Pass the result to Tx.CreateUser.
func (s *Service) ImportedUser(ctx context.Context, u User, p Patch) (User, error) {
	p.Email, p.SetCurrentOrganization, p.SetCurrentTeam = Field[string]{}, Field[string]{}, Field[string]{}
	p.Password, p.CurrentPassword, p.PasskeysEnabledFor2FA = Field[string]{}, Field[string]{}, Field[bool]{}
	if f := &p.NotificationSettings; f.Set && f.Err == nil {
		f.Value = knownNotifications(f.Value)
	}
	u, _, err := s.Apply(ctx, nil, Actor{Staff: true, Credential: ByHost}, u, p)
	if err != nil {
		return User{}, err
	}
	if u.PendingEmail != "" {
		if u.PendingEmail, err = CheckEmail(Set(u.PendingEmail)); err != nil {
			return User{}, at(err.(*Error), "pending_email")
		}
	}
	if !slices.Contains([]string{"", "delegated", "later", "other"}, u.OnboardingSkippedReason) {
		return User{}, invalid("onboarding_skipped_reason", "invalid_choice", "This is not a valid choice.")
	}
	return s.NewUser(u)
}

// knownNotifications leaves out what is no notification setting. What is no object
// stays as it is, for the rules to refuse it.
func knownNotifications(sent JSON) JSON {
	if _, ok := overlayPlain(defaultNotifications, sent); ok {
		return sent // without parsing it
	}
	settings, ok := object(sent)
	if !ok {
		return sent
	}
	before := len(settings)
	maps.DeleteFunc(settings, func(key string, _ any) bool { _, known := notificationKeys[key]; return !known })
	kinds, ok := settings["realtime_notifications_disabled"].(map[string]any)
	if len(settings) == before && !ok {
		return sent
	}
	maps.DeleteFunc(kinds, func(kind string, _ any) bool { return !slices.Contains(RealtimeNotificationTypes(), kind) })
	return encode(settings)
}

// teamNotifications are the settings that are maps by the number of a team.
var teamNotifications = []string{"error_tracking_weekly_digest_project_enabled", "project_weekly_digest_disabled", "web_analytics_weekly_digest_project_enabled"}

// RenumberTeams returns notification settings in which each team has the number
// that renumber gives it. What is said about a team for which that reports false is
// left out, as it is about none that is here.
func RenumberTeams(settings JSON, renumber func(TeamID) (TeamID, bool)) JSON {
	const realtime = "realtime_notifications_disabled"
	if !strings.Contains(string(settings), realtime) && !slices.ContainsFunc(teamNotifications, func(key string) bool { return strings.Contains(string(settings), key) }) {
		return settings
	}
	all, ok := object(settings)
	if !ok {
		return settings
	}
	move := func(in map[string]any, key string) {
		teams, ok := in[key].(map[string]any)
		if !ok {
			return
		}
		moved := map[string]any{}
		for text, value := range teams {
			number, ok := ParseID(text)
			if !ok {
				continue
			}
			if id, ok := renumber(TeamID(number)); ok {
				moved[strconv.FormatInt(int64(id), 10)] = value
			}
		}
		in[key] = moved
	}
	for _, key := range teamNotifications {
		move(all, key)
	}
	if kinds, ok := all[realtime].(map[string]any); ok {
		for kind := range kinds {
			move(kinds, kind)
		}
	}
	return encode(all)
}
