package httpapi_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/httpapi"
	"github.com/hedgerow-dev/hedgerow/integrations"
	"github.com/hedgerow-dev/hedgerow/integrations/githubtest"
	"github.com/hedgerow-dev/hedgerow/users"
)

// hostText stores text of the host, wherever it is stored as it comes. Each is
// named by the field that the refusal names.
var hostText = map[string]func(ctx context.Context, e *env, alice users.User, o users.Organization, text string) error{
	"last_name": func(ctx context.Context, e *env, _ users.User, _ users.Organization, text string) error {
		u := users.New()
		u.Email, u.LastName = "new@example.com", text
		return second(e.api.Auth().CreateUser(ctx, u, ""))
	},
	"hedgehog_config": func(ctx context.Context, e *env, alice users.User, _ users.Organization, text string) error {
		return second(e.api.Users().SetHedgehogConfig(ctx, users.Actor{ID: alice.ID, Credential: users.ByHost}, alice.ID, users.JSON(`"`+text+`"`)))
	},
	"customer_id": func(ctx context.Context, e *env, _ users.User, o users.Organization, text string) error {
		o.CustomerID = users.Some(text)
		return second(e.api.Users().SaveOrganization(ctx, o))
	},
	"api_token": func(ctx context.Context, e *env, _ users.User, o users.Organization, text string) error {
		return second(e.api.Users().SaveTeam(ctx, users.Team{OrganizationID: o.ID, Name: "Web", APIToken: text}))
	},
	"subject": func(ctx context.Context, e *env, alice users.User, _ users.Organization, text string) error {
		return e.api.Users().SaveIdentity(ctx, users.Identity{UserID: alice.ID, Provider: "github", Subject: text})
	},
	"scopes": func(ctx context.Context, e *env, alice users.User, _ users.Organization, text string) error {
		return second(e.api.Auth().SaveAPIKey(ctx, auth.APIKey{UserID: alice.ID, Scopes: []string{"*", text}}, "phx_a_value_of_the_host"))
	},
	"value": func(ctx context.Context, e *env, alice users.User, _ users.Organization, text string) error {
		return second(e.api.Auth().SaveAPIKey(ctx, auth.APIKey{UserID: alice.ID}, users.Secret("phx_a_value_of_the_host"+text)))
	},
	"application": func(ctx context.Context, e *env, alice users.User, _ users.Organization, text string) error {
		return e.api.Auth().SaveOAuthToken(ctx, "pha_good-good-good-good", auth.OAuthToken{UserID: alice.ID, Application: text})
	},
	"connecting_login": func(ctx context.Context, e *env, alice users.User, o users.Organization, text string) error {
		return second(e.api.Integrations().SaveTeamInstallation(ctx, integrations.TeamInstallation{TeamID: 1, InstallationID: "1", CreatedBy: alice.ID, ConnectingLogin: text}))
	},
	"account": func(ctx context.Context, e *env, alice users.User, _ users.Organization, text string) error {
		return second(e.api.Integrations().Import(ctx, integrations.Import{Installation: integrations.Installation{UserID: alice.ID, InstallationID: "1",
			Account: integrations.Account{Login: text}}}))
	},
	"repositories": func(ctx context.Context, e *env, alice users.User, _ users.Organization, text string) error {
		return second(e.api.Integrations().Import(ctx, integrations.Import{Installation: integrations.Installation{UserID: alice.ID, InstallationID: "1"},
			Repositories: []integrations.Repository{{ID: 1, Name: "a", FullName: "acme/a", Language: users.Some(text)}}}))
	},
}

// TestHostTextIsStorable: text of the host that one of the stores could not hold
// is refused on all of them.
func TestHostTextIsStorable(t *testing.T) {
	each(t, nil, func(t *testing.T, e *env) {
		alice := e.user("alice")
		o, _ := e.organization("Acme", alice)
		for field, save := range hostText {
			for _, text := range []string{"\x00", "a\x00", "\xff", "a\xed\xa0\x80", "\xc0\x80"} {
				var refusal *users.Error
				if err := save(t.Context(), e, alice, o, text); !errors.As(err, &refusal) || refusal.Kind != users.Invalid || refusal.Field != field {
					t.Errorf("%s %q: got %v, want an Invalid error of that field", field, text, err)
				}
			}
			if err := save(t.Context(), e, alice, o, "e\u0301 🦔"); err != nil {
				t.Errorf("%s: %v", field, err)
			}
		}
	})
}

// hostKeys store text that records are found by, as hostText does; what is stored
// has the given number of characters.
var hostKeys = map[string]func(ctx context.Context, e *env, alice users.User, o users.Organization, characters int) error{
	"distinct_id": func(ctx context.Context, e *env, _ users.User, _ users.Organization, characters int) error {
		u := users.New()
		u.Email, u.DistinctID = "new@example.com", hedgehogs(characters-55)
		return second(e.api.Auth().CreateUser(ctx, u, ""))
	},
	"sso_enforced_domains": func(ctx context.Context, e *env, _ users.User, o users.Organization, characters int) error {
		o.SSOEnforcedDomains = []string{"example.com", hedgehogs(characters)}
		return second(e.api.Users().SaveOrganization(ctx, o))
	},
	"provider": func(ctx context.Context, e *env, alice users.User, _ users.Organization, characters int) error {
		return e.api.Users().SaveIdentity(ctx, users.Identity{UserID: alice.ID, Provider: hedgehogs(characters), Subject: "1"})
	},
	"subject": func(ctx context.Context, e *env, alice users.User, _ users.Organization, characters int) error {
		return e.api.Users().SaveIdentity(ctx, users.Identity{UserID: alice.ID, Provider: "github", Subject: hedgehogs(characters)})
	},
	"id": func(ctx context.Context, e *env, alice users.User, _ users.Organization, characters int) error {
		return second(e.api.Auth().SaveAPIKey(ctx, auth.APIKey{ID: hedgehogs(characters), UserID: alice.ID}, "phx_a_value_of_the_host"))
	},
	"credential_id": func(ctx context.Context, e *env, alice users.User, _ users.Organization, characters int) error {
		return second(e.api.Auth().SavePasskey(ctx, auth.Passkey{UserID: alice.ID, CredentialID: make([]byte, characters+768)}))
	},
}

func hedgehogs(n int) string { return strings.Repeat("🦔", n) }

// TestHostKeysAreBounded: a row of an index has room for what a record is found
// by, in characters of any size.
func TestHostKeysAreBounded(t *testing.T) {
	each(t, nil, func(t *testing.T, e *env) {
		alice := e.user("alice")
		o, _ := e.organization("Acme", alice)
		for field, save := range hostKeys {
			for _, characters := range []int{users.MaxKey + 1, 100_000} {
				var refusal *users.Error
				if err := save(t.Context(), e, alice, o, characters); !errors.As(err, &refusal) || refusal.Code != "max_length" || refusal.Field != field {
					t.Errorf("%s of %d characters: got %v, want max_length of that field", field, characters, err)
				}
			}
			if err := save(t.Context(), e, alice, o, users.MaxKey); err != nil {
				t.Errorf("%s of %d characters: %v", field, users.MaxKey, err)
			}
		}
	})
}

// TestGitHubTextIsStorable: what GitHub sends is stored all the same.
func TestGitHubTextIsStorable(t *testing.T) {
	withGitHub(t, acme, func(c *httpapi.Config) { c.Auth.Mailer = nil }, func(t *testing.T, e *env) {
		alice := e.user("alice")
		e.organization("Acme", alice)
		fresh := e.session(alice, 0)
		e.merge(`{"installations":{"12345":{"account":{"type":"Organization","login":"ac\u0000me"},
			"repositories":[{"id":1,"name":"w\u0000b","full_name":"acme/w\u0000b","language":"\u0000"}]}},
			"branches":{"acme/web":{"names":["ma\u0000in"],"default":"ma\u0000in"}}}`)
		e.link(fresh)
		linked := e.do("GET", "/api/users/@me/integrations", "", fresh).ok(200)
		list := e.do("GET", "/api/users/@me/integrations/github/12345/repos", "", fresh).ok(200)
		branches := e.do("GET", "/api/users/@me/integrations/github/12345/branches?repo=acme/web", "", fresh).ok(200)
		for _, want := range []struct {
			r    reply
			text string
		}{{linked, "ac\ufffdme"}, {list, "acme/w\ufffdb"}, {list, `"language":"` + "\ufffd"}, {branches, `"default_branch":"ma` + "\ufffd"}} {
			if !strings.Contains(want.r.raw, want.text) {
				t.Errorf("%s: got %s, want %q in it", want.r.call, want.r.raw, want.text)
			}
		}
		e.do("POST", "/api/users/@me/integrations/github/12345/repos/refresh", "", fresh).ok(200)
		event := installationEvent("deleted", 12345)
		for _, id := range []string{"\xff", "é\xc3"} {
			r := e.do("POST", "/webhooks/github", `{"action":"added","installation":{"id":12345}}`, header("X-GitHub-Delivery", id), header("X-GitHub-Event", "installation_repositories"),
				header("X-Hub-Signature-256", githubtest.SignWebhook(webhookSecret, []byte(`{"action":"added","installation":{"id":12345}}`))))
			r.ok(200)
		}
		e.deliver("installation", event).ok(200)
	})
}
