package httpapi_test

import (
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/hedgerow-dev/hedgerow/httpapi"
	"github.com/hedgerow-dev/hedgerow/integrations"
	"github.com/hedgerow-dev/hedgerow/integrations/githubtest"
	"github.com/hedgerow-dev/hedgerow/users"
)

// deliver sends a signed delivery with a new id.
func (e *env) deliver(event string, payload any) reply {
	e.t.Helper()
	r, err := githubtest.NewDelivery(e.t.Context(), "http://internal.example/webhooks/github/", event, webhookSecret, payload)
	if err != nil {
		e.t.Fatal(err)
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		e.t.Fatal(err)
	}
	var options []option
	for name := range r.Header {
		if name != "Content-Type" {
			options = append(options, header(name, r.Header.Get(name)))
		}
	}
	return e.do("POST", "/webhooks/github/", string(body), options...)
}

type object = map[string]any

func installationEvent(action string, id int64) object {
	return object{"action": action, "installation": object{"id": id, "account": object{"login": "acme", "type": "Organization"}}}
}

// TestWebhookSignature: contract section 10 and R56.
func TestWebhookSignature(t *testing.T) {
	withGitHub(t, acme, nil, func(t *testing.T, e *env) {
		alice := e.user("alice")
		e.seedLink(alice)
		// GitHub's own test vector.
		const vector = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
		for _, path := range []string{"/webhooks/github", "/webhooks/github/", "/webhooks/github/pr", "/webhooks/github/pr/"} {
			if r := e.do("POST", path, "Hello, World!", header("X-GitHub-Event", "ping"), header("X-Hub-Signature-256", vector)).ok(200); r.raw != "" {
				t.Errorf("answer is %q", r.raw)
			}
		}
		body := `{"action":"deleted","installation":{"id":12345}}`
		right := githubtest.SignWebhook(webhookSecret, []byte(body))
		event := header("X-GitHub-Event", "installation")
		for name, signature := range map[string]string{
			"another secret": githubtest.SignWebhook("x", []byte(body)), "an empty secret": githubtest.SignWebhook("", []byte(body)), "another body": vector,
			"no algorithm": strings.TrimPrefix(right, "sha256="), "SHA-1": "sha1=" + strings.Repeat("0", 40), "cut": right[:len(right)-2], "longer": right + "00",
			"no hex": "sha256=zz", "empty": "", "upper case": strings.ToUpper(right),
		} {
			e.do("POST", "/webhooks/github/", body, event, header("X-Hub-Signature-256", signature)).refused(403, "authentication_error", "permission_denied", "")
			if t.Failed() {
				t.Fatalf("after %s", name)
			}
		}
		e.do("POST", "/webhooks/github/", body, event).refused(403, "authentication_error", "permission_denied", "")
		e.do("POST", "/webhooks/github/", body, event, header("X-Hub-Signature", right)).refused(403, "authentication_error", "permission_denied", "")
		e.do("POST", "/webhooks/github/", body[:len(body)-1]+" }", event, header("X-Hub-Signature-256", right)).refused(403, "authentication_error", "permission_denied", "")
		for _, method := range []string{"GET", "HEAD", "PUT", "DELETE", "OPTIONS"} {
			e.do(method, "/webhooks/github/", "").ok(405)
		}
		e.storedLink(alice) // still there
		large := strings.Repeat("x", 25<<20)
		e.do("POST", "/webhooks/github/", large, event).refused(403, "authentication_error", "permission_denied", "")
		e.do("POST", "/webhooks/github/", large+"x", event).refused(413, "invalid_request", "request_too_large", "")
		e.do("POST", "/webhooks/github/", "{", event, header("X-Hub-Signature-256", githubtest.SignWebhook(webhookSecret, []byte("{")))).invalid("invalid_input", "")
		e.do("POST", "/webhooks/github/", body, event, header("X-Hub-Signature-256", right), header("Authorization", "Bearer phx_nothing")).ok(200)
		if _, err := e.store.Installation(t.Context(), alice.ID, "12345"); !errors.Is(err, users.ErrNotFound) {
			t.Errorf("the link is still there: %v", err)
		}
	})
}

// TestWebhookDeleted: all links and team installations of one installation go.
func TestWebhookDeleted(t *testing.T) {
	withGitHub(t, acme, func(c *httpapi.Config) { c.GitHub.UninstallLast = true }, func(t *testing.T, e *env) {
		alice, bob := e.user("alice"), e.user("bob")
		_, team := e.organization("acme", alice)
		for _, u := range []users.User{alice, bob} {
			e.seedLink(u)
			e.seedLink(u, func(i *integrations.Installation) { i.InstallationID = "777" })
		}
		e.teamInstallation(team.ID, "12345", 0, "")
		kept := e.teamInstallation(team.ID, "777", 0, "")
		who := e.session(alice, 0)
		back := e.startLink(who, fmt.Sprintf(`{"team_id":%d}`, team.ID))
		for _, action := range []string{"suspend", "unsuspend", "new_permissions_accepted", "created", "odd", ""} {
			e.deliver("installation", installationEvent(action, 12345)).ok(200)
		}
		e.deliver("installation", object{"action": "deleted"}).ok(200)
		e.deliver("installation", object{"action": "deleted", "installation": nil}).ok(200)
		e.deliver("push", installationEvent("deleted", 12345)).ok(200)
		e.storedLink(alice)

		e.deliver("installation", installationEvent("deleted", 12345)).ok(200)
		e.deliver("installation", installationEvent("deleted", 12345)).ok(200)
		e.calls("deliveries", map[string]int{})
		for _, u := range []users.User{alice, bob} {
			list := e.do("GET", linkedPath, "", e.session(u, 0)).ok(200).json()["results"].([]any)
			if len(list) != 1 || list[0].(object)["installation_id"] != "777" {
				t.Errorf("links are %v", list)
			}
		}
		if teams, err := e.api.Integrations().TeamInstallations(t.Context(), team.ID); err != nil || len(teams) != 1 || teams[0] != kept {
			t.Errorf("team installations are %v, %v", teams, err)
		}
		// What was started for it cannot be finished.
		e.callback(who, e.visit(back)).lands(failurePage("invalid_state"))
	})
}

// TestWebhookRepositories: the selection is taken over and the next list is read
// anew.
func TestWebhookRepositories(t *testing.T) {
	withGitHub(t, acme, nil, func(t *testing.T, e *env) {
		alice, bob := e.user("alice"), e.user("bob")
		who := e.session(alice, 0)
		e.link(who)
		e.do("GET", reposPath, "", who).ok(200)
		e.seedLink(bob)
		e.seedLink(bob, func(i *integrations.Installation) { i.InstallationID = "777" })
		e.merge(`{"installations":{"12345":{"repositories":5}}}`)
		change := installationEvent("added", 12345)
		change["repository_selection"] = "all"
		e.deliver("installation_repositories", change).ok(200)
		for _, u := range []users.User{alice, bob} {
			if i := e.storedLink(u); i.RepositorySelection != "all" || !i.SnapshotAt.IsZero() {
				t.Errorf("link is %+v", i)
			}
		}
		if i, err := e.store.Installation(t.Context(), bob.ID, "777"); err != nil || i.RepositorySelection != "selected" || i.SnapshotAt.IsZero() {
			t.Errorf("another installation is %+v, %v", i, err)
		}
		if names := e.do("GET", reposPath, "", who).ok(200).names(); len(names) != 5 {
			t.Errorf("repositories are %v", names)
		}
		for _, odd := range []object{{"action": "odd", "installation": object{"id": 12345}}, {"action": "removed", "installation": object{"id": 9}}} {
			e.deliver("installation_repositories", odd).ok(200)
		}
		if i := e.storedLink(alice); i.SnapshotAt.IsZero() {
			t.Error("an unrelated delivery dropped the list")
		}
	})
}

// TestWebhookReplay: a delivery that comes again does nothing.
func TestWebhookReplay(t *testing.T) {
	withGitHub(t, acme, nil, func(t *testing.T, e *env) {
		alice := e.user("alice")
		body := `{"action":"deleted","installation":{"id":12345}}`
		send := func(id string) {
			t.Helper()
			e.do("POST", "/webhooks/github/", body, header("X-GitHub-Event", "installation"), header("X-GitHub-Delivery", id),
				header("X-Hub-Signature-256", githubtest.SignWebhook(webhookSecret, []byte(body)))).ok(200)
		}
		e.seedLink(alice)
		send("first")
		e.seedLink(alice)
		send("first")
		e.advance(3 * 24 * time.Hour)
		send("first")
		e.storedLink(alice)
		send("second")
		if _, err := e.store.Installation(t.Context(), alice.ID, "12345"); !errors.Is(err, users.ErrNotFound) {
			t.Errorf("a new delivery did nothing: %v", err)
		}
	})
}

// TestInstallRequests: contract sections 8 (later) and 11.
func TestInstallRequests(t *testing.T) {
	const path = "/api/users/@me/integrations/github/install_requests/"
	withGitHub(t, acme, nil, func(t *testing.T, e *env) {
		alice, bob := e.user("alice"), e.user("bob")
		who, other := e.session(alice, 0), e.session(bob, 0)
		e.merge(`{"visitor":{"setup_action":"request"}}`)
		page := e.startLink(who, "")
		back := e.visit(page)
		if back.Get("setup_action") != "request" || back.Has("installation_id") {
			t.Fatalf("GitHub comes back with %v", back)
		}
		// A bare ping records nothing.
		ping := url.Values{"setup_action": {"request"}}
		e.callback(who, ping).lands(failurePage("missing_params"))
		ping.Set("state", "x")
		e.callback(who, ping).lands(failurePage("invalid_state"))
		e.callback(other, back).lands(failurePage("invalid_state"))
		e.do("GET", path, "", who).ok(200).has("results", "[]")

		e.callback(who, back).lands(failurePage("github_install_pending"))
		e.callback(who, back).lands(failurePage("invalid_state"))
		r := e.do("GET", path, "", who).ok(200)
		item := r.json()["results"].([]any)[0].(object)
		if item["status"] != "pending" || item["github_login"] != "octocat" || item["installation_id"] != nil || item["resolved_at"] != nil ||
			!strings.HasSuffix(r.json()["install_url"].(string), "/installations/new") {
			t.Errorf("request is %s", r.raw)
		}
		e.callback(other, e.visit(e.startLink(other, ""))).lands(failurePage("github_install_pending"))
		// Without a code nobody knows who asked.
		e.advance(time.Second)
		e.merge(`{"visitor":{"without_code":true}}`)
		e.callback(who, e.visit(e.startLink(who, ""))).lands(failurePage("github_install_pending"))
		results := func(who option) []any { return e.do("GET", path, "", who).ok(200).json()["results"].([]any) }
		if list := results(who); len(list) != 2 || list[0].(object)["status"] != "unidentified" || list[0].(object)["github_login"] != "" {
			t.Errorf("requests are %v", list)
		}

		// Matching is by number: somebody of the same login is somebody else.
		created := installationEvent("created", 555)
		created["requester"] = object{"id": 98, "login": "octocat"}
		e.deliver("installation", created).ok(200)
		if list := results(who); list[1].(object)["status"] != "pending" {
			t.Errorf("requests are %v", list)
		}
		created["requester"] = object{"id": githubtest.UserID, "login": "renamed"}
		e.deliver("installation", created).ok(200)
		for _, who := range []option{who, other} {
			list := results(who)
			if item := list[len(list)-1].(object); item["status"] != "approved" || item["installation_id"] != "555" || item["account_login"] != "acme" ||
				item["account_type"] != "Organization" || item["resolved_at"] == nil {
				t.Errorf("request is %v", item)
			}
		}
		if list := results(who); list[0].(object)["status"] != "unidentified" {
			t.Errorf("requests are %v", list)
		}

		id := results(who)[0].(object)["id"].(string)
		for _, wrong := range []string{unknownID, "x", "12345"} {
			e.do("DELETE", path+wrong, "", who).refused(404, "invalid_request", "not_found", "")
		}
		e.do("DELETE", path+id, "", other).refused(404, "invalid_request", "not_found", "")
		e.do("DELETE", path+id, "", who).ok(204)
		e.do("DELETE", path+id, "", who).refused(404, "invalid_request", "not_found", "")
		if list := results(who); len(list) != 1 {
			t.Errorf("requests are %v", list)
		}
	})
}
