package main

import (
	"os"
	"strings"
	"testing"
)

// TestGuide goes through what docs/standin.md says is worth a test in every client.
func TestGuide(t *testing.T) {
	p := start(t, "-addr", "127.0.0.1:0")
	p.world(`{"users": {"alice": {"email": "alice@example.com"}},
		"integrations": [{"user": "alice", "installation_id": "12345", "snapshot": {"repositories": [], "age_seconds": 7200}},
			{"user": "alice", "installation_id": "54321", "snapshot": {"repositories": [], "age_seconds": null}}]}`)
	const me = "/api/users/@me"
	p.send("PATCH", me, p.session(`{"user": "alice", "age_seconds": 7201}`), `{"email": "a@example.com"}`).refused(403, "sensitive_action_required_reauth")
	p.send("PATCH", me, p.text("api_keys", `{"user": "alice", "scopes": ["user:read"]}`, "value"), `{"theme_mode": "dark"}`).refused(403, "permission_denied")

	cookie := p.session(`{"user": "alice"}`)
	p.send("POST", "/_standin/github/faults", "", `{"route": "GET /installation/repositories", "fault": "rate_limit_429", "retry_after": 30}`)
	p.send("GET", me+"/integrations/github/12345/repos", cookie, "").ok(200)
	limited := p.send("GET", me+"/integrations/github/54321/repos", cookie, "")
	if limited.refused(429, "rate_limited"); limited.header.Get("Retry-After") == "" {
		t.Error("a rate limit of GitHub has no Retry-After")
	}
	p.advance("1209600")
	p.send("GET", me, cookie, "").refused(401, "not_authenticated")

	page, err := os.ReadFile("../../docs/standin.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, said := range []string{`"age_seconds": 7201`, "sensitive_action_required_reauth", "permission_denied", "rate_limit_429", "429 with `Retry-After`", `{"advance_seconds": 1209600}`,
		"not_authenticated"} {
		if !strings.Contains(string(page), said) {
			t.Errorf("docs/standin.md does not say %s, which this tests", said)
		}
	}
}
