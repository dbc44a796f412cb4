package integrations

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/google/uuid"

	"github.com/hedgerow-dev/hedgerow/users"
)

// maxRequests waiting or answered of one user; the oldest give way.
const maxRequests = 100

// RequestStatus is how far an install request has come.
type RequestStatus string

// The statuses. An unidentified request cannot be approved, because nobody knows
// which account at GitHub made it.
const (
	Pending      RequestStatus = "pending"
	Approved     RequestStatus = "approved"
	Unidentified RequestStatus = "unidentified"
)

// InstallRequest is a user's wish to install the App on an organization whose
// owners have to agree.
type InstallRequest struct {
	ID     uuid.UUID
	UserID users.ID
	// GitHubUserID is the account that asked; zero when it is not known.
	GitHubUserID int64
	GitHubLogin  string // display text
	Status       RequestStatus
	// InstallationID, AccountLogin and AccountType are set on approval.
	InstallationID string
	AccountLogin   string
	AccountType    string
	RequestedAt    time.Time
	ResolvedAt     time.Time
}

// InstallRequests lists the requests of a user, newest first, with the page
// where the App is installed; "" when there is no App.
func (s *Service) InstallRequests(ctx context.Context, user users.ID) (list []InstallRequest, installURL string, err error) {
	if list, err = s.store.InstallRequests(ctx, RequestQuery{UserID: user}); err != nil {
		return nil, "", wrap("list install requests", err)
	}
	if s.config.Provider != nil {
		if installURL, err = s.config.Provider.InstallURL(""); failed(err, NotConfigured) {
			return list, "", nil
		}
	}
	return list, installURL, wrap("list install requests", err)
}

// DeleteInstallRequest forgets a request of the user. It returns
// users.ErrNotFound, also for one of somebody else.
func (s *Service) DeleteInstallRequest(ctx context.Context, actor users.Actor, user users.ID, id uuid.UUID) error {
	return wrap("delete install request", s.store.UpdateIntegrations(ctx, func(tx Tx) error {
		list, err := tx.InstallRequests(ctx, RequestQuery{UserID: user})
		if err != nil {
			return err
		}
		for _, r := range list {
			if r.ID == id {
				if err := tx.DeleteInstallRequest(ctx, id); err != nil {
					return err
				}
				return tx.AddEvent(ctx, s.accounts.Event(actor, user, "github install request deleted"))
			}
		}
		return users.ErrNotFound
	}))
}

// requestInstall ends a callback that says that somebody else has to agree, and
// remembers who asked, as far as the code tells.
func (s *Service) requestInstall(ctx context.Context, actor users.Actor, code users.Secret) error {
	id, err := s.accounts.NewUUID()
	if err != nil {
		return err
	}
	r := InstallRequest{ID: id, UserID: actor.ID, Status: Unidentified, RequestedAt: s.now()}
	if code != "" {
		remote, cancel := s.patient(ctx)
		defer cancel()
		if _, account, err := s.exchange(remote, ExchangeRequest{Code: code}); err == nil {
			r.GitHubUserID, r.GitHubLogin, r.Status = account.ID, account.Login, Pending
		} else {
			s.config.Logger.WarnContext(ctx, "requester not identified", slog.Any("error", err))
		}
	}
	if err := s.store.UpdateIntegrations(ctx, func(tx Tx) error { return s.saveRequest(ctx, tx, actor, r) }); err != nil {
		return err
	}
	return &stop{InstallPending, nil}
}

// saveRequest stores a request, in place of one that is waiting for the same
// account, and drops those that are too many.
func (s *Service) saveRequest(ctx context.Context, tx Tx, actor users.Actor, r InstallRequest) error {
	if err := present(ctx, tx, r.UserID); err != nil {
		return err
	}
	list, err := tx.InstallRequests(ctx, RequestQuery{UserID: r.UserID}) // newest first
	if err != nil {
		return err
	}
	for i, old := range list {
		if i >= maxRequests-1 || old.Status == r.Status && old.GitHubUserID == r.GitHubUserID {
			if err := tx.DeleteInstallRequest(ctx, old.ID); err != nil && !errors.Is(err, users.ErrNotFound) {
				return err
			}
		}
	}
	if err := tx.SaveInstallRequest(ctx, r); err != nil {
		return err
	}
	return tx.AddEvent(ctx, s.accounts.Event(actor, r.UserID, "github install requested"))
}
