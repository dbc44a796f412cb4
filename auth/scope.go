package auth

import (
	"slices"
	"strings"
)

// scopeObjects are the objects that a scope of a key may name.
func scopeObjects() []string {
	return []string{
		"access_control", "action", "activity_log", "alert", "annotation", "approvals", "batch_export", "batch_import",
		"cohort", "comment", "customer_journey", "dashboard", "dashboard_template", "dataset", "desktop_recordings",
		"early_access_feature", "element", "endpoint", "error_tracking", "evaluation", "event_definition", "experiment",
		"experiment_saved_metric", "export", "external_data_schema", "external_data_source", "feature_flag", "file_system",
		"group", "health_issue", "heatmap", "hog_flow", "hog_function", "insight", "insight_variable", "integration",
		"link", "live_debugger", "llm_analytics", "llm_gateway", "llm_prompt", "llm_provider_key", "logs", "notebook",
		"organization", "organization_integration", "organization_member", "persisted_folder", "person", "plugin",
		"product_tour", "project", "property_definition", "query", "revenue_analytics", "session_recording",
		"session_recording_playlist", "sharing_configuration", "subscription", "survey", "task", "ticket", "user",
		"user_interview", "warehouse_objects", "warehouse_table", "warehouse_view", "web_analytics", "webhook", "workflow",
	}
}

// validScope reports whether a scope is "*" or OBJECT:read or OBJECT:write.
func (s *Service) validScope(scope string) bool {
	object, action, ok := strings.Cut(scope, ":")
	return scope == "*" || ok && (action == "read" || action == "write") &&
		(slices.Contains(scopeObjects(), object) || slices.Contains(s.config.ScopeObjects, object))
}
