package httpapi_test

import (
	"strings"
	"testing"

	"github.com/hedgerow-dev/hedgerow/integrations/githubtest"
	"github.com/hedgerow-dev/hedgerow/users"
)

// TestDocumentedLimits: whatever request carries a current password counts, and is
// refused after five of them, whatever the operation (contract section 5).
func TestDocumentedLimits(t *testing.T) {
	each(t, withMail, func(t *testing.T, e *env) {
		cookie := e.session(e.user("alice"), 0)
		for range 5 {
			e.do("PATCH", own, proof, cookie).ok(200)
		}
		for _, operation := range [][2]string{
			{"PATCH", "/api/users/cancel_email_change_request"}, {"POST", "/api/users/verify_email"}, {"POST", own + "login_sessions/revoke_others"},
			{"POST", registerBegin}, {"POST", registerComplete}, {"PATCH", own + "passkeys/" + unknownID}, {"POST", own + "two_factor_disable"},
			{"POST", own + "two_factor_validate"}, {"POST", own + "validate_2fa"}, {"POST", own + "two_factor_backup_codes"},
		} {
			e.do(operation[0], operation[1], proof, cookie).throttled("60")
			if r := e.do(operation[0], operation[1], `{"Current_Password":"x"}`, cookie); r.status == 429 {
				t.Errorf("%s is refused without a current password: %s", r.call, r.raw)
			}
		}
	})
}

// TestDocumentedRefusals are those of operations of which other tests try another
// one: by the path, by If-Match, and by what an organization demands.
func TestDocumentedRefusals(t *testing.T) {
	each(t, withMail, func(t *testing.T, e *env) {
		alice, bob := e.user("alice"), e.user("bob")
		cookie := e.session(alice, 0)
		e.do("POST", "/api/reset/a.b", `{"token":"x","password":"`+newPassword+`"}`).refused(404, "invalid_request", "not_found", "")
		e.do("POST", "/api/users/a.b/credentials_review_complete", "", cookie).refused(404, "invalid_request", "not_found", "")
		e.do("PUT", own, `{"email":"alice@example.com"}`, cookie, header("If-Match", `"x"`)).refused(412, "invalid_request", "precondition_failed", "")

		o, _ := e.organization("Acme", bob)
		o.Enforce2FA = users.Some(true)
		if _, err := e.api.Users().SaveOrganization(t.Context(), o); err != nil {
			t.Fatal(err)
		}
		e.do("GET", "/complete/github-link?state=x", "", cookie).ok(302)
		e.do("GET", "/complete/github-link?state=x", "", e.session(bob, 0)).refused(403, "authentication_error", "two_factor_setup_required", "")
	})
}

// TestDocumentedWebhook: the older path of the webhook refuses what the newer does.
func TestDocumentedWebhook(t *testing.T) {
	withGitHub(t, acme, nil, func(t *testing.T, e *env) {
		const path, broken = "/webhooks/github/pr", "{"
		signed := header("X-Hub-Signature-256", githubtest.SignWebhook(webhookSecret, []byte(broken)))
		e.do("POST", path, broken, header("X-GitHub-Event", "installation"), signed).invalid("invalid_input", "")
		e.do("POST", path, strings.Repeat("x", 25<<20+1), header("X-GitHub-Event", "installation"), signed).refused(413, "invalid_request", "request_too_large", "")
	})
}
