package integrations

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/hedgerow-dev/hedgerow/users"
)

// deliveryLife is how long the id of a delivery is remembered. GitHub repeats a
// delivery by hand for three days.
const deliveryLife = 7 * 24 * time.Hour

// maxDelivery is the most characters of a delivery id that are looked at; GitHub
// sends a GUID.
const maxDelivery = 64

// Delivery is a webhook request.
type Delivery struct {
	Event     string // X-GitHub-Event
	ID        string // X-GitHub-Delivery
	Signature string // X-Hub-Signature-256
	Body      []byte // as it was sent
}

// event is what of a delivery matters.
type event struct {
	Action       string `json:"action"`
	Installation struct {
		ID      int64 `json:"id"`
		Account struct {
			Login string `json:"login"`
			Type  string `json:"type"`
		} `json:"account"`
	} `json:"installation"`
	Requester *struct {
		ID int64 `json:"id"`
	} `json:"requester"`
	RepositorySelection string `json:"repository_selection"`
}

// installationID is GitHub's id as text, "" if there is none.
func (e event) installationID() string {
	if e.Installation.ID <= 0 {
		return ""
	}
	return strconv.FormatInt(e.Installation.ID, 10)
}

// Deliver does what GitHub reports, contract section 10. Nothing is read before
// the signature is right (ErrSignature), and a delivery that comes again is
// ignored. It never calls GitHub. It returns ErrNoWebhookSecret, or ErrDelivery
// for a signed body that is not JSON.
func (s *Service) Deliver(ctx context.Context, d Delivery) error {
	if s.config.WebhookSecret == "" {
		return ErrNoWebhookSecret
	}
	if !s.signed(d) {
		return ErrSignature
	}
	apply := map[string]func(context.Context, Tx, event) error{
		"installation": s.onInstallation, "installation_repositories": s.onRepositories,
	}[d.Event]
	if apply == nil {
		return nil
	}
	var e event
	if json.Unmarshal(d.Body, &e) != nil {
		return ErrDelivery
	}
	if e.installationID() == "" {
		return nil
	}
	return wrap("apply delivery", s.store.UpdateIntegrations(ctx, func(tx Tx) error {
		if first, err := s.firstDelivery(ctx, tx, d.ID); err != nil || !first {
			return err
		}
		return apply(ctx, tx, e)
	}))
}

// signed compares the signature of the raw body in constant time.
func (s *Service) signed(d Delivery) bool {
	sent, ok := strings.CutPrefix(d.Signature, "sha256=")
	got, err := hex.DecodeString(sent)
	mac := hmac.New(sha256.New, []byte(s.config.WebhookSecret))
	mac.Write(d.Body)
	return hmac.Equal(got, mac.Sum(nil)) && ok && err == nil
}

// firstDelivery remembers the id of a delivery, in the transaction that applies
// it, and reports whether it is new. One without an id, or with one that GitHub
// does not send, is always new: what deliveries do can be done twice.
func (s *Service) firstDelivery(ctx context.Context, tx Tx, id string) (bool, error) {
	if id == "" || len(id) > maxDelivery || !users.Storable(id) {
		return true, nil
	}
	return tx.Claim(ctx, "delivery/"+id, uuid.Nil, s.now(), s.now().Add(deliveryLife))
}

func (s *Service) onInstallation(ctx context.Context, tx Tx, e event) error {
	switch {
	case e.Action == "deleted":
		return s.forget(ctx, tx, e.installationID())
	case e.Action == "created" && e.Requester != nil && e.Requester.ID > 0:
		return s.approve(ctx, tx, e)
	}
	return nil
}

// forget removes everything that refers to an installation that is gone.
func (s *Service) forget(ctx context.Context, tx Tx, installationID string) error {
	ids := []string{installationID}
	links, err := tx.Installations(ctx, Query{InstallationIDs: ids})
	if err != nil {
		return err
	}
	for _, i := range links {
		if err := s.unlink(ctx, tx, byGitHub, i); err != nil {
			return err
		}
	}
	teams, err := tx.TeamInstallations(ctx, TeamQuery{InstallationIDs: ids})
	if err != nil {
		return err
	}
	for _, i := range teams {
		if err := s.deleteTeamInstallation(ctx, tx, byGitHub, i.ID); err != nil {
			return err
		}
	}
	return nil
}

// approve resolves what the requester is waiting for. The account at GitHub is
// matched by its id, never by its login (R54).
func (s *Service) approve(ctx context.Context, tx Tx, e event) error {
	list, err := tx.InstallRequests(ctx, RequestQuery{GitHubUserID: e.Requester.ID})
	if err != nil {
		return err
	}
	for _, r := range list {
		if r.Status != Pending {
			continue
		}
		r.Status, r.ResolvedAt, r.InstallationID = Approved, s.now(), e.installationID()
		r.AccountLogin, r.AccountType = clip(e.Installation.Account.Login, 255), clip(e.Installation.Account.Type, 32)
		if err := tx.SaveInstallRequest(ctx, r); err != nil {
			return err
		}
		if err := tx.AddEvent(ctx, s.accounts.Event(byGitHub, r.UserID, "github install request approved", "installation "+r.InstallationID)); err != nil {
			return err
		}
	}
	return nil
}

// clip keeps at most n characters, and none that a store cannot hold.
func clip(s string, n int) string {
	s = users.ToStorable(s)
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	return string([]rune(s)[:n])
}

// onRepositories takes the new selection over and drops the snapshots, so that
// the next request reads the list again.
func (s *Service) onRepositories(ctx context.Context, tx Tx, e event) error {
	if e.Action != "added" && e.Action != "removed" {
		return nil
	}
	links, err := tx.Installations(ctx, Query{InstallationIDs: []string{e.installationID()}})
	if err != nil {
		return err
	}
	for _, link := range links {
		// A list is read without locks, and what is saved must be as of now.
		i, err := tx.Installation(ctx, link.UserID, link.InstallationID)
		if errors.Is(err, users.ErrNotFound) {
			continue
		} else if err != nil {
			return err
		}
		if slices.Contains([]string{"all", "selected"}, e.RepositorySelection) {
			i.RepositorySelection = e.RepositorySelection
		}
		i.dropSnapshot()
		if err := tx.SaveInstallation(ctx, i); err != nil {
			return err
		}
		event := s.accounts.Event(byGitHub, i.UserID, "github repositories changed", "installation "+i.InstallationID)
		if err := tx.AddEvent(ctx, event); err != nil {
			return err
		}
	}
	return nil
}
