package users

import (
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// notification is one key of the notification settings, contract section 9.
// merge returns the new stored value, or false when v is of the wrong type.
type notification struct {
	fallback any // shown when nothing is stored; nil means that the key is absent
	merge    func(stored, v any) (any, bool)
}

var on, off = notification{true, replaceBool}, notification{false, replaceBool}

// notificationKeys is the table of contract section 9. Nobody changes it.
var notificationKeys = map[string]notification{
	"plugin_disabled":                              on,
	"error_tracking_issue_assigned":                on,
	"error_tracking_weekly_digest":                 on,
	"error_tracking_weekly_digest_project_enabled": {nil, mergeBools},
	"discussions_mentioned":                        on,
	"project_weekly_digest_disabled":               {map[string]any{}, mergeBools},
	"all_weekly_digest_disabled":                   off,
	"data_pipeline_error_threshold":                {json.Number("0.01"), replaceShare},
	"project_api_key_exposed":                      on,
	"materialized_view_sync_failed":                off,
	"web_analytics_weekly_digest":                  on,
	"web_analytics_weekly_digest_project_enabled":  {nil, mergeBools},
	"organization_member_join_email_disabled":      {map[string]any{}, mergeBools},
	"realtime_notifications_disabled":              {map[string]any{}, mergeRealtime},
}

// RealtimeNotificationTypes lists the kinds of real-time notification that can
// be switched off, sorted.
func RealtimeNotificationTypes() []string {
	return []string{"alert_firing", "approval_requested", "approval_resolved", "comment_mention",
		"experiment_concluded", "issue_assigned", "pipeline_failure", "project_created"}
}

// defaultNotifications is EffectiveNotifications of an account that never
// changed any.
const defaultNotifications JSON = `{"all_weekly_digest_disabled":false,"data_pipeline_error_threshold":0.01,` +
	`"discussions_mentioned":true,"error_tracking_issue_assigned":true,"error_tracking_weekly_digest":true,` +
	`"materialized_view_sync_failed":false,"organization_member_join_email_disabled":{},"plugin_disabled":true,` +
	`"project_api_key_exposed":true,"project_weekly_digest_disabled":{},"realtime_notifications_disabled":{},` +
	`"web_analytics_weekly_digest":true}`

// EffectiveNotifications returns the defaults overlaid with the stored
// settings, as a JSON object. Stored text that is not an object counts as
// nothing stored, and so does a setting of the wrong type.
func EffectiveNotifications(stored JSON) JSON {
	if stored == "" {
		return defaultNotifications
	}
	if merged, ok := overlayPlain(defaultNotifications, stored); ok {
		return merged
	}
	settings, ok := object(stored)
	if !ok {
		return defaultNotifications
	}
	for key, n := range notificationKeys {
		v, stored := settings[key]
		if _, ok := n.merge(nil, v); stored && ok {
			continue
		}
		if delete(settings, key); n.fallback != nil {
			settings[key] = n.fallback
		}
	}
	return encode(settings)
}

// mergeNotifications overlays stored with what was sent. Keys are checked in
// sorted order, so that the same body always gets the same answer.
func mergeNotifications(stored, sent JSON) (JSON, error) {
	const name = "notification_settings"
	changes, ok := object(sent)
	if !ok {
		return "", invalid(name, "not_a_dict", "Expected an object.")
	}
	settings := map[string]any{}
	if before, ok := object(stored); ok {
		settings = before
	}
	for _, key := range slices.Sorted(maps.Keys(changes)) {
		n, known := notificationKeys[key]
		if !known {
			return "", invalid(name, "invalid_input", "There is no such notification setting.")
		}
		if settings[key], ok = n.merge(settings[key], changes[key]); !ok {
			return "", invalid(name, "invalid_input", "The setting "+key+" has the wrong type.")
		}
	}
	merged := encode(settings)
	if err := checkJSON(merged, name); err != nil {
		return "", err
	}
	if len(settings) == 0 {
		return stored, nil
	}
	return merged, nil
}

func replaceBool(_, v any) (any, bool) {
	_, ok := v.(bool)
	return v, ok
}

// replaceShare takes a number from 0 to 1. JSON booleans are no numbers here,
// unlike in the reference.
func replaceShare(_, v any) (any, bool) {
	n, ok := v.(json.Number)
	if !ok {
		return nil, false
	}
	f, err := strconv.ParseFloat(string(n), 64)
	return json.Number(strconv.FormatFloat(f, 'g', -1, 64)), err == nil && f >= 0 && f <= 1
}

// overlay begins a merge: it returns what was sent, which must be an object, and
// a copy of what is stored to put it into.
func overlay(stored, v any) (sent, merged map[string]any, ok bool) {
	merged = map[string]any{}
	if old, ok := stored.(map[string]any); ok {
		maps.Copy(merged, old)
	}
	sent, ok = v.(map[string]any)
	return sent, merged, ok
}

func mergeBools(stored, v any) (any, bool) {
	sent, merged, ok := overlay(stored, v)
	if !ok {
		return nil, false
	}
	for key, value := range sent {
		if _, ok := value.(bool); !ok {
			return nil, false
		}
		merged[key] = value
	}
	return merged, true
}

func mergeRealtime(stored, v any) (any, bool) {
	sent, merged, ok := overlay(stored, v)
	if !ok {
		return nil, false
	}
	for kind, teams := range sent {
		if !slices.Contains(RealtimeNotificationTypes(), kind) {
			return nil, false
		}
		if merged[kind], ok = mergeBools(merged[kind], teams); !ok {
			return nil, false
		}
	}
	return merged, true
}

// object decodes a text that is one JSON object, with numbers as they were
// written.
func object(v JSON) (map[string]any, bool) {
	if v == "" {
		return nil, false
	}
	d := json.NewDecoder(strings.NewReader(string(v)))
	d.UseNumber()
	var m map[string]any
	if err := d.Decode(&m); err != nil || m == nil {
		return nil, false
	}
	_, err := d.Token()
	return m, err == io.EOF
}

// encode writes a value that came out of object, which cannot fail. Members
// come out sorted, so that equal settings are equal text.
func encode(v map[string]any) JSON {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic(err)
	}
	return JSON(bytes.TrimSuffix(b.Bytes(), []byte("\n")))
}
