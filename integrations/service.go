package integrations

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/hedgerow-dev/hedgerow/users"
)

// ByGitHub is the credential of changes that GitHub asks for, in the activity
// log.
const ByGitHub users.Credential = "github"

var byGitHub = users.Actor{Credential: ByGitHub}

// The actions of this package in the activity log. The field beside them names
// the installation.
const (
	actionLinked   = "github installation linked"
	actionRelinked = "github installation linked again"
	actionUnlinked = "github installation unlinked"
)

// defaultPatience leaves time to answer from what is stored within the 15
// seconds of a request (security requirement R53).
const defaultPatience = 12 * time.Second

// Config adjusts a Service. The zero value keeps what is linked and links
// nothing new.
type Config struct {
	// Provider reaches GitHub. Nil means that no App is configured.
	Provider Provider
	// CallbackURL is where GitHub sends browsers back to: the public address of
	// the route that calls Complete.
	CallbackURL string
	// WebhookSecret signs GitHub's deliveries. "" means that none can be verified.
	WebhookSecret users.Secret
	// DisablePKCE leaves the code challenge out of the authorize page.
	DisablePKCE bool
	// UninstallLast removes the App from the account when the last link to an
	// installation goes, of any user or team.
	UninstallLast bool
	// Patience is how long one call of this package waits for GitHub in all. Zero
	// means 12 seconds; negative values are refused.
	Patience time.Duration
	// Rand is the source of secrets. Nil means crypto/rand.
	Rand io.Reader
	// Logger receives what could not be returned to a caller. Nil discards it.
	Logger *slog.Logger
}

// Service applies the rules of linked installations. It is safe for concurrent
// use.
type Service struct {
	store    Store
	accounts *users.Service
	sealer   Sealer
	config   Config

	mu      sync.Mutex
	flights map[string]*flight // by name; see alone
}

// NewService returns a Service on store. accounts has the clock and the rules of
// the users that links belong to. The error names the field of config that is
// wrong.
func NewService(store Store, accounts *users.Service, sealer Sealer, config Config) (*Service, error) {
	if config.Patience < 0 {
		return nil, errors.New("integrations config: Patience is negative")
	}
	if config.Provider != nil && config.CallbackURL == "" {
		return nil, errors.New("integrations config: CallbackURL is needed with a Provider")
	}
	if config.Provider != nil {
		config.Provider = tidy{config.Provider}
	}
	config.Patience = cmp.Or(config.Patience, defaultPatience)
	if config.Rand == nil {
		config.Rand = rand.Reader
	}
	if config.Logger == nil {
		config.Logger = slog.New(slog.DiscardHandler)
	}
	return &Service{store: store, accounts: accounts, sealer: sealer, config: config, flights: map[string]*flight{}}, nil
}

func (s *Service) now() time.Time { return s.accounts.Now() }

// patient bounds what waits for GitHub.
func (s *Service) patient(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, s.config.Patience)
}

// Linked is an installation with who else uses it.
type Linked struct {
	Installation
	// UsesTeam says that the user's current team has the installation.
	UsesTeam bool
	// Shared says that another user or any team has it.
	Shared bool
}

// List returns the installations of a user, oldest first. It never calls
// GitHub.
func (s *Service) List(ctx context.Context, user users.ID) ([]Linked, error) {
	own, err := s.oldestFirst(ctx, user)
	if err != nil || len(own) == 0 {
		return nil, wrap("list installations", err)
	}
	u, err := s.store.User(ctx, user)
	if err != nil {
		return nil, wrap("list installations", err)
	}
	var ids []string
	for _, i := range own {
		ids = append(ids, i.InstallationID)
	}
	all, err := s.store.Installations(ctx, Query{InstallationIDs: ids})
	if err != nil {
		return nil, wrap("list installations", err)
	}
	teams, err := s.store.TeamInstallations(ctx, TeamQuery{InstallationIDs: ids})
	if err != nil {
		return nil, wrap("list installations", err)
	}
	list := make([]Linked, 0, len(own))
	for _, i := range own {
		l := Linked{Installation: i}
		l.Shared = slices.ContainsFunc(all, func(o Installation) bool { return o.InstallationID == i.InstallationID && o.UserID != user })
		for _, t := range teams {
			if t.InstallationID == i.InstallationID {
				l.Shared = true
				l.UsesTeam = l.UsesTeam || t.TeamID == u.CurrentTeam
			}
		}
		list = append(list, l)
	}
	return list, nil
}

func (s *Service) oldestFirst(ctx context.Context, user users.ID) ([]Installation, error) {
	own, err := s.store.Installations(ctx, Query{UserID: user})
	slices.SortStableFunc(own, func(a, b Installation) int { return a.CreatedAt.Compare(b.CreatedAt) })
	return own, err
}

// wrap is fmt.Errorf that leaves nil alone.
func wrap(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", what, err)
}

// Unlink removes the user's link to an installation, with its tokens, lists and
// waiting states. Links of others stay. It returns users.ErrNotFound. With
// Config.UninstallLast, the App is removed from the account after the last link;
// whether that works has no influence.
func (s *Service) Unlink(ctx context.Context, actor users.Actor, user users.ID, installationID string) error {
	last := false
	err := s.store.UpdateIntegrations(ctx, func(tx Tx) error {
		i, err := tx.Installation(ctx, user, installationID)
		if err != nil {
			return err
		}
		if err := s.unlink(ctx, tx, actor, i); err != nil {
			return err
		}
		last, err = unreferenced(ctx, tx, installationID)
		return err
	})
	if err != nil {
		return wrap("unlink installation", err)
	}
	if last && s.config.UninstallLast {
		s.uninstall(ctx, installationID)
	}
	return nil
}

// unlink removes a link and what belongs to it, and logs that.
func (s *Service) unlink(ctx context.Context, tx Tx, actor users.Actor, i Installation) error {
	if err := tx.DeleteInstallation(ctx, i.ID); err != nil {
		return err
	}
	states, err := tx.LinkStates(ctx, i.UserID)
	if err != nil {
		return err
	}
	for _, state := range states {
		if state.InstallationID != i.InstallationID {
			continue
		}
		if err := tx.DeleteLinkState(ctx, state.Hash); err != nil {
			return err
		}
	}
	return tx.AddEvent(ctx, s.accounts.Event(actor, i.UserID, actionUnlinked, "installation "+i.InstallationID))
}

// unreferenced reports an installation that no user and no team has.
func unreferenced(ctx context.Context, r Reader, installationID string) (bool, error) {
	ids := []string{installationID}
	links, err := r.Installations(ctx, Query{InstallationIDs: ids, Limit: 1})
	if err != nil {
		return false, err
	}
	teams, err := r.TeamInstallations(ctx, TeamQuery{InstallationIDs: ids})
	return len(links)+len(teams) == 0, err
}

// uninstall removes the App from an account, if it can.
func (s *Service) uninstall(ctx context.Context, installationID string) {
	ctx, cancel := s.patient(ctx)
	defer cancel()
	err := error(&Failure{Kind: NotConfigured, Call: "uninstall"})
	if s.config.Provider != nil {
		err = s.config.Provider.Uninstall(ctx, installationID)
	}
	if err != nil {
		s.config.Logger.WarnContext(ctx, "installation not removed at GitHub", slog.Any("error", err))
	}
}

// GitHubLogin returns the user's login at GitHub, "" if none is known: from the
// oldest link that has one, then the oldest identity, then the oldest team
// installation that the user connected. It never calls GitHub, and what it
// returns decides no access.
func (s *Service) GitHubLogin(ctx context.Context, user users.ID) (string, error) {
	own, err := s.oldestFirst(ctx, user)
	if err != nil {
		return "", wrap("read github login", err)
	}
	for _, i := range own {
		if i.GitHubUser.Login != "" {
			return i.GitHubUser.Login, nil
		}
	}
	identities, err := s.store.Identities(ctx, user)
	if err != nil {
		return "", wrap("read github login", err)
	}
	for _, i := range identities {
		if i.Provider == "github" && i.Login != "" {
			return i.Login, nil
		}
	}
	teams, err := s.store.TeamInstallations(ctx, TeamQuery{CreatedBy: user})
	if err != nil {
		return "", wrap("read github login", err)
	}
	slices.SortStableFunc(teams, func(a, b TeamInstallation) int { return a.CreatedAt.Compare(b.CreatedAt) })
	for _, i := range teams {
		if i.ConnectingLogin != "" {
			return i.ConnectingLogin, nil
		}
	}
	return "", nil
}

// DeleteExpired removes link states, leases, delivery ids and lists of branches
// whose time is up, and returns how many that were. The host calls it from time
// to time.
func (s *Service) DeleteExpired(ctx context.Context) (int, error) {
	n := 0
	err := s.store.UpdateIntegrations(ctx, func(tx Tx) (err error) {
		n, err = tx.DeleteExpiredLinks(ctx, s.now())
		return err
	})
	return n, wrap("delete expired", err)
}
