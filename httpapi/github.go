package httpapi

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/hedgerow-dev/hedgerow/integrations"
	"github.com/hedgerow-dev/hedgerow/users"
)

// callbackPath is where GitHub sends browsers back to, contract section 8 of
// integrations.
const callbackPath = "/complete/github-link"

// maxDelivery is the most bytes of a webhook delivery: what GitHub says it sends
// at most.
const maxDelivery = 25 << 20

// GitHub is the GitHub App that users link installations of, and what happens
// around it. The zero value keeps and shows what is linked and links nothing
// new.
type GitHub struct {
	// Provider reaches GitHub: a *github.Client. Nil means that there is no App.
	Provider integrations.Provider
	// WebhookSecret signs deliveries to /webhooks/github/. While it is "", they
	// are answered with 500, so that none is lost in silence.
	WebhookSecret users.Secret
	// SettingsPath and ConnectedPath are the pages of the host that a finished link
	// leads to; ConnectedPath is for links that were started with connect_from.
	// Each begins with a slash and has no query. Empty means
	// "/settings/user-personal-integrations" and
	// "/account-connected/github-integration".
	SettingsPath, ConnectedPath string
	// DisablePKCE leaves the code challenge out of the authorize page.
	DisablePKCE bool
	// UninstallLast removes the App from an account at GitHub when nobody here
	// uses the installation any more.
	UninstallLast bool
	// Patience is how long one request waits for GitHub in all. Zero means 12
	// seconds; negative values are refused.
	Patience time.Duration
}

// prepare checks the configuration and fills in defaults.
func (g *GitHub) prepare() error {
	for name, f := range map[string]struct {
		path     *string
		fallback string
	}{
		"SettingsPath":  {&g.SettingsPath, "/settings/user-personal-integrations"},
		"ConnectedPath": {&g.ConnectedPath, "/account-connected/github-integration"},
	} {
		if *f.path == "" {
			*f.path = f.fallback
		}
		if !safeNext(*f.path) || strings.ContainsAny(*f.path, "?#") {
			return errors.New(name + " must be a path on our own origin, without a query")
		}
	}
	return nil
}

func (a *API) integrationsConfig() integrations.Config {
	c := &a.config
	return integrations.Config{
		Provider: c.GitHub.Provider, CallbackURL: a.public.String() + c.BasePath + callbackPath + "/", WebhookSecret: c.GitHub.WebhookSecret,
		DisablePKCE: c.GitHub.DisablePKCE, UninstallLast: c.GitHub.UninstallLast, Patience: c.GitHub.Patience, Rand: c.Rand, Logger: c.Logger,
	}
}

// completeLink ends at a page of the host, whatever GitHub says. Nothing of the
// query gets there (R51).
func (a *API) completeLink(c *call) (answer, error) {
	q := c.URL.Query()
	outcome, err := a.integrations.Complete(c.Context(), c.actor(), integrations.Callback{
		Code: users.Secret(last(q, "code")), State: users.Secret(last(q, "state")), Error: last(q, "error"),
		InstallationID: last(q, "installation_id"), SetupAction: last(q, "setup_action"),
	})
	if err != nil {
		return answer{}, err
	}
	c.header.Set("Location", a.destination(outcome))
	return answer{status: http.StatusFound}, nil
}

// destination is the page for an outcome, integrations contract section 8.
func (a *API) destination(o integrations.Outcome) string {
	if o.ConnectFrom == integrations.ConnectFromCode {
		location := a.config.GitHub.ConnectedPath + "?provider=github"
		if o.Failure != "" {
			location += "&error=" + url.QueryEscape(o.Failure)
		}
		return location
	}
	if o.Failure != "" {
		return a.config.GitHub.SettingsPath + "?github_link_error=" + url.QueryEscape(o.Failure)
	}
	return a.config.GitHub.SettingsPath + "?github_link_success=1"
}

// githubWebhook hands the raw body on: it is signed as it was sent.
func (a *API) githubWebhook(c *call) (answer, error) {
	raw, err := readRaw(nil, c.Request, maxDelivery)
	if err != nil {
		return answer{}, err
	}
	return answer{}, a.integrations.Deliver(c.Context(), integrations.Delivery{
		Event: c.Header.Get("X-GitHub-Event"), ID: c.Header.Get("X-GitHub-Delivery"), Signature: c.Header.Get("X-Hub-Signature-256"), Body: raw,
	})
}
