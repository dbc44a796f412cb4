package integrations

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/hedgerow-dev/hedgerow/users"
)

// The failures of a callback: codes that the page it leads to may show. They
// are those of contract section 8, and TooMany, which is ours.
const (
	AccessDenied          = "access_denied"
	OAuthError            = "github_oauth_error"
	MissingParams         = "missing_params"
	InvalidState          = "invalid_state"
	InvalidInstallation   = "invalid_installation"
	InvalidInstallationID = "invalid_installation_id"
	ExchangeFailed        = "exchange_failed"
	NotAuthorized         = "installation_not_authorized"
	VerifyFailed          = "installation_verify_failed"
	FetchFailed           = "installation_fetch_failed"
	TokenFailed           = "installation_token_failed"
	InstallPending        = "github_install_pending"
	TooMany               = "too_many_installations"
)

// Callback is what GitHub sends the browser back with.
type Callback struct {
	Code           users.Secret
	State          users.Secret
	Error          string
	InstallationID string
	SetupAction    string // "install", "update" or "request"
}

// Outcome is how a callback ended: nothing is linked unless Failure is "".
type Outcome struct {
	Failure     string
	ConnectFrom string // that of the state, if it is the user's
}

// stop ends a callback with a failure code. cause, which may be nil, is for the
// log.
type stop struct {
	code  string
	cause error
}

func (s *stop) Error() string { return s.code }

// Complete finishes the link of the actor's session that a callback belongs to,
// by the steps of contract section 8. The error is for internal failures only.
func (s *Service) Complete(ctx context.Context, actor users.Actor, c Callback) (Outcome, error) {
	var outcome Outcome
	state, err := s.findState(ctx, s.store, actor.ID, string(c.State))
	if err != nil && !errors.Is(err, users.ErrNotFound) {
		return Outcome{}, fmt.Errorf("complete link: %w", err)
	}
	outcome.ConnectFrom = state.ConnectFrom
	err = s.complete(ctx, actor, c, state)
	var stopped *stop
	switch {
	case errors.As(err, &stopped):
		outcome.Failure = stopped.code
		if stopped.cause != nil {
			s.config.Logger.WarnContext(ctx, "link failed", slog.String("code", stopped.code), slog.Any("error", stopped.cause))
		}
	case err != nil:
		return Outcome{}, fmt.Errorf("complete link: %w", err)
	}
	return outcome, nil
}

// complete returns a *stop at the first step that fails. state is zero if there
// is none.
func (s *Service) complete(ctx context.Context, actor users.Actor, c Callback, state LinkState) error {
	// Only the install page sends a wish to its owners; it may come without a code.
	pending := c.SetupAction == "request" && c.InstallationID == "" && state.Flow != FlowAuthorize
	switch {
	case c.Error == AccessDenied:
		return &stop{AccessDenied, nil}
	case c.Error != "":
		return &stop{OAuthError, nil}
	case c.State == "" || c.Code == "" && !pending:
		return &stop{MissingParams, nil}
	case state.UserID == 0:
		return &stop{InvalidState, nil}
	}
	if err := s.takeState(ctx, state); err != nil {
		return err
	}
	if pending {
		return s.requestInstall(ctx, actor, c.Code)
	}
	id := c.InstallationID
	if state.Flow == FlowAuthorize {
		id = state.InstallationID
	}
	switch {
	case id == "":
		return &stop{MissingParams, nil}
	case !ValidInstallationID(id):
		return &stop{InvalidInstallationID, nil}
	}
	linked, err := s.fetch(ctx, c.Code, state, id)
	if err != nil {
		return err
	}
	return s.link(ctx, actor, linked)
}

// takeState consumes a state: of several callbacks with one state, one goes on.
// In the authorize flow the installation must still be one of a team that the
// user may see.
func (s *Service) takeState(ctx context.Context, state LinkState) error {
	visible := true
	err := s.store.UpdateIntegrations(ctx, func(tx Tx) (err error) {
		if err := tx.DeleteLinkState(ctx, state.Hash); err != nil {
			return err
		}
		if state.Flow == FlowAuthorize {
			visible, err = teamHas(ctx, tx, state.UserID, state.InstallationID)
		}
		return err
	})
	switch {
	case errors.Is(err, users.ErrNotFound):
		return &stop{InvalidState, nil}
	case err != nil:
		return err
	case !visible:
		return &stop{InvalidInstallation, nil}
	}
	return nil
}

// teamHas reports whether any team that the user may see has the installation.
func teamHas(ctx context.Context, r Reader, user users.ID, installationID string) (bool, error) {
	owners, err := r.TeamInstallations(ctx, TeamQuery{InstallationIDs: []string{installationID}})
	if err != nil {
		return false, err
	}
	for _, o := range owners {
		if visible, err := canSee(ctx, r, user, o.TeamID); visible || err != nil {
			return visible, err
		}
	}
	return false, nil
}

// fetched is what GitHub told about a link.
type fetched struct {
	id      string
	user    Account
	tokens  UserToken
	account Account
	token   InstallationToken
}

// fetch makes the remote calls of steps 7 to 9.
func (s *Service) fetch(ctx context.Context, code users.Secret, state LinkState, id string) (fetched, error) {
	ctx, cancel := s.patient(ctx)
	defer cancel()
	request := ExchangeRequest{Code: code}
	if state.Flow == FlowAuthorize {
		request.RedirectURI = s.config.CallbackURL
	}
	if state.SealedVerifier != nil {
		verifier, _, err := s.sealer.Open(state.SealedVerifier, state.place())
		if err != nil {
			return fetched{}, &stop{ExchangeFailed, fmt.Errorf("open code verifier: %w", err)}
		}
		request.Verifier = users.Secret(verifier)
	}
	f := fetched{id: id}
	var err error
	if f.tokens, f.user, err = s.exchange(ctx, request); err != nil {
		return fetched{}, &stop{ExchangeFailed, err}
	}
	err = s.config.Provider.CheckAccess(ctx, f.tokens.AccessToken, id)
	if failed(err, Missing) {
		return fetched{}, &stop{NotAuthorized, err}
	} else if err != nil {
		return fetched{}, &stop{VerifyFailed, err}
	}
	info, err := s.config.Provider.Installation(ctx, id)
	if err != nil {
		return fetched{}, &stop{FetchFailed, err}
	}
	f.account = info.Account
	f.token, err = s.config.Provider.MintToken(ctx, id)
	if failed(err, Unreachable) {
		return fetched{}, &stop{FetchFailed, err}
	} else if err != nil {
		return fetched{}, &stop{TokenFailed, err}
	}
	return f, nil
}

// exchange trades a code for tokens and asks whose they are.
func (s *Service) exchange(ctx context.Context, r ExchangeRequest) (UserToken, Account, error) {
	if s.config.Provider == nil {
		return UserToken{}, Account{}, &Failure{Kind: NotConfigured, Call: "exchange code"}
	}
	tokens, err := s.config.Provider.Exchange(ctx, r)
	if err != nil {
		return UserToken{}, Account{}, err
	}
	account, err := s.config.Provider.User(ctx, tokens.AccessToken)
	return tokens, account, err
}

// link stores what was fetched, as step 10 says. A link that was there keeps its
// ID and CreatedAt and loses its snapshot.
func (s *Service) link(ctx context.Context, actor users.Actor, f fetched) error {
	id, err := s.accounts.NewUUID()
	if err != nil {
		return err
	}
	now := s.now()
	i := Installation{ID: id, UserID: actor.ID, InstallationID: f.id, CreatedAt: now, UpdatedAt: now,
		RepositorySelection: f.token.RepositorySelection, Account: f.account, GitHubUser: f.user}
	if i.RepositorySelection == "" {
		i.RepositorySelection = "selected"
	}
	if i.Account.Login == "" {
		i.Account.Login = f.id
	}
	i.setToken(f.token, now)
	i.setUserToken(f.tokens, now)
	t := tokens{Installation: string(f.token.Token), User: string(f.tokens.AccessToken), Refresh: string(f.tokens.RefreshToken)}
	if err := s.seal(&i, t); err != nil {
		return err
	}
	return s.store.UpdateIntegrations(ctx, func(tx Tx) error { return s.saveLink(ctx, tx, actor, i) })
}

// present refuses whoever was deactivated or deleted while GitHub was asked (R04).
// The lock on the user makes counts right under a race.
func present(ctx context.Context, tx Tx, user users.ID) error {
	u, err := tx.User(ctx, user)
	if errors.Is(err, users.ErrNotFound) || err == nil && !u.IsActive {
		return &stop{InvalidState, nil}
	}
	return err
}

func (s *Service) saveLink(ctx context.Context, tx Tx, actor users.Actor, i Installation) error {
	if err := present(ctx, tx, i.UserID); err != nil {
		return err
	}
	action := actionLinked
	old, err := tx.Installation(ctx, i.UserID, i.InstallationID)
	switch {
	case err == nil:
		action = actionRelinked
		i.ID, i.CreatedAt = old.ID, old.CreatedAt
	case errors.Is(err, users.ErrNotFound):
		own, err := tx.Installations(ctx, Query{UserID: i.UserID})
		if err != nil {
			return err
		}
		if len(own) >= MaxInstallations {
			return &stop{TooMany, nil}
		}
		for _, earlier := range own {
			if !i.CreatedAt.After(earlier.CreatedAt) {
				// The list is ordered by time, also when the clock stands still.
				i.CreatedAt = earlier.CreatedAt.Add(time.Microsecond)
			}
		}
	default:
		return err
	}
	if err := tx.SaveInstallation(ctx, i); err != nil {
		return err
	}
	if err := tx.SaveRepositories(ctx, i.ID, nil); err != nil {
		return err
	}
	return tx.AddEvent(ctx, s.accounts.Event(actor, i.UserID, action, "installation "+i.InstallationID))
}
