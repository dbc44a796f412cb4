package httpapi_test

import (
	"context"
	"errors"
	"flag"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hedgerow-dev/hedgerow/httpapi"
	"github.com/hedgerow-dev/hedgerow/users"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// golden compares an answer byte for byte with testdata/NAME.json.
func (r reply) golden(name string) {
	r.t.Helper()
	path := filepath.Join("testdata", name+".json")
	if *update && strings.HasSuffix(r.t.Name(), "/memory") {
		if err := os.WriteFile(path, []byte(r.raw), 0o644); err != nil {
			r.t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		r.t.Fatal(err)
	}
	if r.raw != string(want) {
		r.t.Errorf("%s: got\n%s\nand %s says\n%s", r.call, r.raw, path, want)
	}
}

// predictable is a source of the same bytes in every run.
type predictable struct {
	mu  sync.Mutex
	src *rand.ChaCha8
}

func (p *predictable) Read(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.src.Read(b)
}

// restart begins another sequence, the same each time.
func (p *predictable) restart() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.src.Seed([32]byte{2})
}

// oddDashboards fails for two ids and knows one.
type oddDashboards struct{}

func (oddDashboards) Dashboard(_ context.Context, id int64) (users.Dashboard, error) {
	switch id {
	case 500:
		return users.Dashboard{}, errors.New("the host fails")
	case 503:
		return users.Dashboard{}, users.ErrUnavailable
	}
	return users.Dashboard{ID: id, Team: 1}, nil
}

func repeatable(c *httpapi.Config) {
	c.Rand = &predictable{src: rand.NewChaCha8([32]byte{})}
	c.Dashboards = oddDashboards{}
}

// fullAlice has something in every member of the user object.
func (e *env) fullAlice() users.User {
	e.t.Helper()
	alice := e.user("alice", staff)
	acme, team := e.organization("Acme")
	beta, _ := e.organization("Beta", alice)
	other, _ := e.organization("Other")
	acme.Slug, acme.LogoMediaID, acme.CustomerID = "acme", users.Some(other.ID), users.Some("cus_1")
	acme.AvailableProductFeatures, acme.Metadata = `[{"key":"sso","name":"SSO"}]`, `{"instance_tag":"eu"}`
	acme.Enforce2FA, acme.DefaultExperimentStatsMethod, acme.DefaultRoleID = users.Some(false), users.Some("bayesian"), users.Some("role")
	acme.SSOEnforcedDomains = []string{"example.com"}
	team.HasCompletedOnboardingFor, team.Timezone, team.IngestedEvent = `{"logs":true}`, "Europe/Paris", true
	steps := []error{
		second(e.api.Users().SaveOrganization(e.t.Context(), acme)),
		second(e.api.Users().SaveTeam(e.t.Context(), team)),
		second(e.api.Users().SaveTeam(e.t.Context(), users.Team{OrganizationID: acme.ID, Name: "Secret", APIToken: "phc_secret", AccessControl: true, ProjectID: team.ProjectID})),
		e.api.Users().SaveMembership(e.t.Context(), users.Membership{UserID: alice.ID, OrganizationID: acme.ID, Level: users.LevelOwner, JoinedAt: e.now().Add(-time.Hour)}),
		e.api.Users().SaveIdentity(e.t.Context(), users.Identity{UserID: alice.ID, Provider: "github", Subject: "1", Login: "octocat"}),
		second(e.api.Users().SaveInvite(e.t.Context(), users.Invite{OrganizationID: other.ID, TargetEmail: "Alice@Example.com"})),
	}
	if err := errors.Join(steps...); err != nil {
		e.t.Fatalf("beside %s: %v", beta.Name, err)
	}
	return alice
}

func second[T any](_ T, err error) error { return err }

func TestGoldenAnswers(t *testing.T) {
	inProcess(t, repeatable, func(t *testing.T, e *env) {
		alice := e.fullAlice()
		cookie := e.session(alice, time.Hour)
		e.do("POST", "/api/users/@me/scene_personalisation", `{"scene":"Home","dashboard":7}`, cookie).ok(200)
		e.do("POST", "/api/users/@me/onboarding/skip", `{"reason":"later"}`, cookie).ok(200)
		e.do("PATCH", "/api/users/@me", `{"last_name":"O'Neil <3","theme_mode":"dark"}`, cookie).invalid("invalid_bracket", "last_name")
		e.do("PATCH", "/api/users/@me", `{"last_name":"O'Neil & Söhne","theme_mode":"dark","role_at_organization":"founder","has_seen_product_intro_for":{"logs":true},
			"hedgehog_config": {"version": 2, "actor_options": {"color": null}}, "notification_settings":{"data_pipeline_error_threshold":0.5}}`, cookie).ok(200)
		e.do("GET", "/api/users/@me", "", cookie).ok(200).golden("user")
		e.user("bob", noPassword, func(u *users.User) { u.IsEmailVerified = users.Null[bool]{} })
		e.do("GET", "/api/users?limit=1&offset=1", "", cookie).ok(200).golden("list")
		made := e.do("POST", "/api/personal_api_keys", `{"label":"CI","scopes":["user:read","*"],"scoped_teams":[1],"scoped_organizations":[]}`, cookie).ok(201)
		made.golden("api_key_created")
		e.advance(time.Second)
		e.do("GET", "/api/users/@me", "", header("Authorization", "Bearer "+made.json()["value"].(string))).ok(200)
		e.do("GET", "/api/personal_api_keys", "", cookie).ok(200).golden("api_key_list")
		e.do("GET", "/api/users/@me/github_login", "", cookie).ok(200).golden("github_login")
		e.do("OPTIONS", "/api/users", "", cookie).ok(200).golden("options")
	})
}

// TestGoldenRefusals has one of each kind.
func TestGoldenRefusals(t *testing.T) {
	inProcess(t, repeatable, func(t *testing.T, e *env) {
		alice := e.user("alice")
		e.organization("Acme", alice)
		fresh, stale, key := e.session(alice, 0), e.session(alice, 3*time.Hour), e.key(alice, "user:read", "user:write")
		for range 5 {
			e.do("PATCH", "/api/users/@me", `{"current_password":"x"}`, key).ok(200)
		}
		const me, scene = "/api/users/@me", "/api/users/@me/scene_personalisation"
		for _, c := range []struct {
			name, method, path, body string
			caller                   option
			status                   int
		}{
			{"invalid_field", "PATCH", me, `{"theme_mode":"pink"}`, fresh, 400},
			{"invalid_body", "PATCH", me, `[]`, fresh, 400},
			{"parse_error", "PATCH", me, `{`, fresh, 400},
			{"not_authenticated", "GET", me, "", header("Accept", "*/*"), 401},
			{"authentication_failed", "GET", me, "", header("Authorization", "Bearer phx_unknown"), 401},
			{"permission_denied", "GET", "/api/users/" + unknownID, "", fresh, 403},
			{"missing_scope", "GET", "/api/users", "", e.key(alice, "insight:read"), 403},
			{"closed_to_keys", "POST", scene, "{}", key, 403},
			{"reauth", "PATCH", me, "{}", stale, 403},
			{"not_found", "GET", "/api/nothing", "", fresh, 404},
			{"method_not_allowed", "POST", "/api/users", "", fresh, 405},
			{"not_acceptable", "GET", me, "", header("Accept", "text/html"), 406},
			{"conflict", "DELETE", me, "", fresh, 409},
			{"precondition_failed", "PATCH", me, "{}", func(r *http.Request) { fresh(r); r.Header.Set("If-Match", `"x"`) }, 412},
			{"request_too_large", "PATCH", me, strings.Repeat(" ", 1<<20+1), fresh, 413},
			{"unsupported_media_type", "PATCH", me, "x=y", func(r *http.Request) { fresh(r); r.Header.Set("Content-Type", "text/plain") }, 415},
			{"throttled", "PATCH", me, `{"current_password":"x"}`, fresh, 429},
			{"internal", "POST", scene, `{"scene":"s","dashboard":500}`, fresh, 500},
			{"unavailable", "POST", scene, `{"scene":"s","dashboard":503}`, fresh, 503},
		} {
			r := e.do(c.method, c.path, c.body, c.caller)
			r.call = c.name
			r.ok(c.status).golden("refusal_" + c.name)
		}
	})
}
