package httpapi_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"
)

// defaultSettings is the table of contract section 9, by hand.
const defaultSettings = `{
	"plugin_disabled": true, "error_tracking_issue_assigned": true, "error_tracking_weekly_digest": true,
	"discussions_mentioned": true, "project_weekly_digest_disabled": {}, "all_weekly_digest_disabled": false,
	"data_pipeline_error_threshold": 0.01, "project_api_key_exposed": true, "materialized_view_sync_failed": false,
	"web_analytics_weekly_digest": true, "organization_member_join_email_disabled": {}, "realtime_notifications_disabled": {}}`

// settingKeys are the keys by type.
var (
	boolSettings = []string{"plugin_disabled", "error_tracking_issue_assigned", "error_tracking_weekly_digest", "discussions_mentioned", "all_weekly_digest_disabled",
		"project_api_key_exposed", "materialized_view_sync_failed", "web_analytics_weekly_digest"}
	mapSettings = []string{"error_tracking_weekly_digest_project_enabled", "project_weekly_digest_disabled", "web_analytics_weekly_digest_project_enabled",
		"organization_member_join_email_disabled"}
	realtimeTypes = []string{"comment_mention", "alert_firing", "issue_assigned", "approval_requested", "approval_resolved", "experiment_concluded",
		"pipeline_failure", "project_created"}
)

// settings sends settings and compares what is shown then, in the answer and
// afterwards, with want.
func (e *env) settings(caller option, body string, want map[string]any) {
	e.t.Helper()
	for _, r := range []reply{
		e.do("PATCH", "/api/users/@me", `{"notification_settings":`+body+`}`, caller).ok(200),
		e.do("GET", "/api/users/@me", "", caller).ok(200),
	} {
		if got := r.json()["notification_settings"]; !reflect.DeepEqual(got, any(want)) {
			e.t.Errorf("%s after %s: got %v, want %v", r.call, body, got, want)
		}
	}
}

// defaults decodes defaultSettings.
func defaults(t *testing.T) map[string]any {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal([]byte(defaultSettings), &m); err != nil {
		t.Fatal(err)
	}
	return m
}

func TestNotificationDefaults(t *testing.T) {
	each(t, nil, func(t *testing.T, e *env) {
		key := e.key(e.user("alice"), "user:write")
		if got := e.do("GET", "/api/users/@me", "", key).ok(200).json()["notification_settings"]; !reflect.DeepEqual(got, any(defaults(t))) {
			t.Errorf("got %v, want %v", got, defaults(t))
		}
		e.settings(key, `{}`, defaults(t))
	})
}

func TestNotificationBools(t *testing.T) {
	each(t, nil, func(t *testing.T, e *env) {
		key := e.key(e.user("alice"), "user:write")
		want := defaults(t)
		for _, name := range boolSettings {
			for _, value := range []bool{false, true, false} {
				want[name] = value
				e.settings(key, fmt.Sprintf(`{%q:%t}`, name, value), want)
			}
		}
		for _, name := range boolSettings {
			want[name] = true
		}
		e.settings(key, `{"`+strings.Join(boolSettings, `":true,"`)+`":true}`, want)
		for _, name := range boolSettings {
			e.refuseSettings(key, name, `0`, `1`, `"true"`, `"yes"`, `""`, `null`, `[]`, `{}`, `1.0`, `[true]`)
		}
		e.settings(key, `{}`, want)
	})
}

// refuseSettings fails the test unless every value is refused for a key.
func (e *env) refuseSettings(caller option, key string, values ...string) {
	e.t.Helper()
	for _, v := range values {
		e.do("PATCH", "/api/users/@me", fmt.Sprintf(`{"notification_settings":{%q:%s}}`, key, v), caller).invalid("invalid_input", "notification_settings")
	}
}

func TestNotificationMaps(t *testing.T) {
	each(t, nil, func(t *testing.T, e *env) {
		key := e.key(e.user("alice"), "user:write")
		want := defaults(t)
		for _, name := range mapSettings {
			for _, step := range []struct {
				sent string
				want map[string]any
			}{
				{`{}`, map[string]any{}},
				{`{"1":true}`, map[string]any{"1": true}},
				{`{"2":false,"3":true}`, map[string]any{"1": true, "2": false, "3": true}},
				{`{"1":false}`, map[string]any{"1": false, "2": false, "3": true}},
				{`{}`, map[string]any{"1": false, "2": false, "3": true}},
			} {
				want[name] = step.want
				e.settings(key, fmt.Sprintf(`{%q:%s}`, name, step.sent), want)
			}
			e.refuseSettings(key, name, `null`, `true`, `1`, `"x"`, `[]`, `["1"]`, `{"1":1}`, `{"1":0}`, `{"1":"yes"}`, `{"1":null}`, `{"1":{}}`, `{"1":[]}`, `{"4":true,"1":"true"}`)
		}
		e.settings(key, `{}`, want)
	})
}

func TestNotificationRealtime(t *testing.T) {
	each(t, nil, func(t *testing.T, e *env) {
		key := e.key(e.user("alice"), "user:write")
		const name = "realtime_notifications_disabled"
		want, kinds := defaults(t), map[string]any{}
		want[name] = kinds
		for _, kind := range realtimeTypes {
			for _, step := range []struct {
				sent string
				want map[string]any
			}{
				{`{}`, map[string]any{}},
				{`{"1":true}`, map[string]any{"1": true}},
				{`{"2":true}`, map[string]any{"1": true, "2": true}},
				{`{"1":false}`, map[string]any{"1": false, "2": true}},
			} {
				kinds[kind] = step.want
				e.settings(key, fmt.Sprintf(`{%q:{%q:%s}}`, name, kind, step.sent), want)
			}
			e.refuseSettings(key, name, fmt.Sprintf(`{%q:true}`, kind), fmt.Sprintf(`{%q:null}`, kind), fmt.Sprintf(`{%q:[]}`, kind),
				fmt.Sprintf(`{%q:{"1":1}}`, kind), fmt.Sprintf(`{%q:{"1":null}}`, kind), fmt.Sprintf(`{%q:{"1":"yes"}}`, kind), fmt.Sprintf(`{%q:{"1":{}}}`, kind))
		}
		e.refuseSettings(key, name, `null`, `true`, `[]`, `"x"`, `{"unknown":{}}`, `{"":{}}`, `{"COMMENT_MENTION":{}}`, `{"1":true}`, `{"comment_mention":{"1":true},"unknown":{}}`)
		e.settings(key, `{}`, want)
		// Exactly these types are offered.
		got := e.do("GET", "/api/users/@me", "", key).ok(200).json()["active_realtime_notification_types"].([]any)
		offered := map[string]bool{}
		for _, kind := range got {
			offered[kind.(string)] = true
		}
		for _, kind := range realtimeTypes {
			if !offered[kind] {
				t.Errorf("%s is not offered: %v", kind, got)
			}
		}
	})
}

func TestNotificationThreshold(t *testing.T) {
	each(t, nil, func(t *testing.T, e *env) {
		key := e.key(e.user("alice"), "user:write")
		const name = "data_pipeline_error_threshold"
		want := defaults(t)
		for sent, shown := range map[string]float64{`0`: 0, `1`: 1, `0.0`: 0, `1.0`: 1, `0.5`: 0.5, `5e-1`: 0.5, `1e0`: 1, `0.999999999`: 0.999999999, `1e-10`: 1e-10} {
			want[name] = shown
			e.settings(key, fmt.Sprintf(`{%q:%s}`, name, sent), want)
		}
		e.refuseSettings(key, name, `1.0000001`, `-0.0000001`, `-1`, `2`, `1e1`, `1e400`, `-1e400`, `true`, `false`, `null`, `"0.5"`, `""`, `[]`, `{}`, `[0.5]`)
		e.settings(key, `{}`, want)
	})
}

func TestNotificationUnknownKeys(t *testing.T) {
	each(t, nil, func(t *testing.T, e *env) {
		key := e.key(e.user("alice"), "user:write")
		for _, name := range []string{"all_weekly_report_disabled", "", "Plugin_Disabled", "PLUGIN_DISABLED", "plugin_disabled ", "pipeline_notifications_disabled", "__proto__", "x"} {
			e.refuseSettings(key, name, `true`, `{}`, `null`, `0.5`)
		}
		// One bad key rejects the whole request.
		for _, body := range []string{`{"plugin_disabled":false,"x":true}`, `{"a":true,"plugin_disabled":false}`, `{"plugin_disabled":false,"web_analytics_weekly_digest":1}`,
			`{"project_weekly_digest_disabled":{"1":true},"plugin_disabled":null}`} {
			e.do("PATCH", "/api/users/@me", `{"notification_settings":`+body+`,"theme_mode":"dark"}`, key).invalid("invalid_input", "notification_settings")
		}
		e.do("GET", "/api/users/@me", "", key).ok(200).has("theme_mode", "null")
		e.settings(key, `{}`, defaults(t))
		// A later member that is refused takes the settings with it.
		e.do("PATCH", "/api/users/@me", `{"notification_settings":{"plugin_disabled":false},"theme_mode":"pink"}`, key).invalid("invalid_choice", "theme_mode")
		e.settings(key, `{}`, defaults(t))
	})
}

func TestNotificationsTogether(t *testing.T) {
	each(t, nil, func(t *testing.T, e *env) {
		alice := e.user("alice")
		fresh, bob := e.session(alice, 0), e.key(e.user("bob"), "*")
		want := defaults(t)
		want["plugin_disabled"], want["data_pipeline_error_threshold"] = false, 0.25
		want["project_weekly_digest_disabled"] = map[string]any{"1": true}
		want["realtime_notifications_disabled"] = map[string]any{"alert_firing": map[string]any{"7": true}}
		e.settings(fresh, `{"plugin_disabled":false,"data_pipeline_error_threshold":0.25,"project_weekly_digest_disabled":{"1":true},
			"realtime_notifications_disabled":{"alert_firing":{"7":true}}}`, want)
		want["all_weekly_digest_disabled"] = true
		e.settings(fresh, `{"all_weekly_digest_disabled":true}`, want)
		e.settings(bob, `{}`, defaults(t))
		// They are not among the harmless members of section 4.
		e.do("PATCH", "/api/users/@me", `{"notification_settings":{}}`, e.session(alice, 3*time.Hour)).refused(403, "authentication_error", "sensitive_action_required_reauth", "")
		e.do("PATCH", "/api/users/@me", `{"notification_settings":{"plugin_disabled":true}}`, e.key(alice, "user:read")).refused(403, "authentication_error", "permission_denied", "")
		e.settings(fresh, `{}`, want)
	})
}

func TestNotificationsHaveALimit(t *testing.T) {
	each(t, nil, func(t *testing.T, e *env) {
		key := e.key(e.user("alice"), "user:write")
		var all []string
		for i := range 1900 {
			all = append(all, fmt.Sprintf(`"%s%d":true`, strings.Repeat("x", 40), i))
		}
		body := `{"notification_settings":{"project_weekly_digest_disabled":{` + strings.Join(all, ",") + `}}}`
		r := e.do("PATCH", "/api/users/@me", body, key)
		r.call = "PATCH over 64 KiB"
		r.invalid("invalid_input", "notification_settings")
		e.settings(key, `{}`, defaults(t))
	})
}
