package integrations

import (
	"context"
	"errors"
	"time"

	"github.com/hedgerow-dev/hedgerow/users"
)

// The refusals that callers of this package may want to recognize with
// errors.Is.
var (
	// ErrGitHubUnavailable and ErrRateLimited say that GitHub did not help and
	// nothing is stored that could stand in.
	ErrGitHubUnavailable = &users.Error{Kind: users.Unavailable, Code: "github_unavailable", Message: "GitHub cannot be reached at the moment."}
	ErrRateLimited       = &users.Error{Kind: users.Throttled, Code: "rate_limited", Message: "GitHub asks for fewer requests at the moment."}
	// ErrNotConfigured says that the App lacks what starting a link needs.
	ErrNotConfigured = &users.Error{Kind: users.Invalid, Code: "invalid_input", Message: "The GitHub App is not configured."}
	ErrTeam          = &users.Error{Kind: users.Invalid, Code: "invalid_input", Message: "There is no such team."}
	// ErrNotRefreshed says that a refresh that was asked for failed and the
	// stored list is still there.
	ErrNotRefreshed = &users.Error{Kind: users.Invalid, Code: "invalid_input", Message: "The repositories could not be refreshed."}
	ErrRepository   = &users.Error{Kind: users.Invalid, Code: "invalid_input", Message: "A repository is named as owner/name."}
	// ErrRelink says that GitHub has ended the user's authorization for good:
	// the link is gone.
	ErrRelink = &users.Error{Kind: users.NotFound, Code: "relink_required", Message: "The installation has to be linked again."}
	// ErrSignature says that a delivery is not signed by the webhook secret.
	ErrSignature = &users.Error{Kind: users.Denied, Code: "permission_denied", Message: "The signature is missing or wrong."}
	ErrDelivery  = &users.Error{Kind: users.Invalid, Code: "invalid_input", Message: "The delivery cannot be read."}
)

// ErrNoWebhookSecret says that deliveries cannot be verified. It is an internal
// failure and no refusal: deliveries must not be lost in silence (contract
// section 10).
var ErrNoWebhookSecret = errors.New("no webhook secret is configured")

// defaultRetry is how long to wait when GitHub does not say, contract section
// 13.
const defaultRetry = time.Minute

// outside reports a failure of GitHub, or of getting through to it, and not of
// the store or the caller.
func outside(err error) bool {
	var f *Failure
	return errors.As(err, &f) || errors.Is(err, errBusy) || errors.Is(err, errSealed) || errors.Is(err, context.DeadlineExceeded)
}

// refusal turns what stood in the way of an answer into what the caller may
// know, contract section 13. It is for when nothing is stored to fall back on.
func refusal(err error) error {
	var f *Failure
	switch {
	case !outside(err):
		return err
	case errors.As(err, &f) && f.Kind == RateLimited:
		limited := *ErrRateLimited
		if limited.RetryAfter = f.RetryAfter; limited.RetryAfter <= 0 {
			limited.RetryAfter = defaultRetry
		}
		return &limited
	}
	return ErrGitHubUnavailable
}
