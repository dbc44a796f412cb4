package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/hedgerow-dev/hedgerow/autonomy"
	"github.com/hedgerow-dev/hedgerow/integrations"
	"github.com/hedgerow-dev/hedgerow/users"
)

// report says that something in a repository wants attention.
type report struct {
	User        string            `json:"user"` // address of whom it is for
	Priority    autonomy.Priority `json:"priority"`
	TeamDefault autonomy.Priority `json:"team_default"` // threshold of the team; a team is the host's
	Repository  string            `json:"repository"`   // "owner/name"
	Title       string            `json:"title"`
}

type worker struct {
	accounts *users.Service
	autonomy *autonomy.Service
	links    *integrations.Service
	gitHub   string
	client   *http.Client
}

// handle decides about a report and acts on it. It returns what was done.
func (w *worker) handle(ctx context.Context, r report) (string, error) {
	u, err := w.accounts.UserByEmail(ctx, r.User)
	if err != nil {
		return "", err
	}
	allowed, err := w.allowed(ctx, u, r)
	if err != nil {
		return "", err
	}
	if !allowed {
		return "left to a person", nil
	}
	link, branch, err := w.find(ctx, u.ID, r.Repository)
	if err != nil {
		return "", err
	}
	if link == "" {
		return "left to a person, as nothing that they linked has the repository", nil
	}
	// Renewed in time, once however many workers and servers ask.
	token, err := w.links.InstallationToken(ctx, u.ID, link)
	if err != nil {
		return "", err
	}
	if err := w.open(ctx, token, r, branch); err != nil {
		return "", err
	}
	return "task started on " + branch, nil
}

// allowed goes by the rule of the documented API: somebody without a
// configuration has not opted in.
func (w *worker) allowed(ctx context.Context, u users.User, r report) (bool, error) {
	if !u.IsActive {
		return false, nil
	}
	config, err := w.autonomy.Config(ctx, u.ID)
	if errors.Is(err, autonomy.ErrNoConfig) {
		return autonomy.Allowed(r.Priority, nil, r.TeamDefault, autonomy.OptIn), nil
	} else if err != nil {
		return false, err
	}
	return autonomy.Allowed(r.Priority, &config, r.TeamDefault, autonomy.OptIn), nil
}

// find returns the installation that the repository belongs to, "" if none of the
// user's does, and the branch to start from.
func (w *worker) find(ctx context.Context, user users.ID, repository string) (installation, branch string, err error) {
	links, err := w.links.List(ctx, user)
	if err != nil {
		return "", "", err
	}
	for _, l := range links {
		list, _, err := w.links.Repositories(ctx, user, l.InstallationID, integrations.Page{Search: repository, Limit: 100})
		if err != nil {
			return "", "", err
		}
		for _, found := range list {
			if !strings.EqualFold(found.FullName, repository) {
				continue
			}
			page, err := w.links.Branches(ctx, user, l.InstallationID, found.FullName, integrations.Page{Limit: 1})
			return l.InstallationID, page.Default, err
		}
	}
	return "", "", nil
}

// open opens an issue with the token of an installation.
func (w *worker) open(ctx context.Context, token users.Secret, r report, branch string) error {
	body, err := json.Marshal(map[string]string{"title": r.Title, "body": fmt.Sprintf("%s, to be fixed on %s.", r.Priority, branch)})
	if err != nil {
		return err
	}
	q, err := http.NewRequestWithContext(ctx, http.MethodPost, w.gitHub+"/repos/"+r.Repository+"/issues", bytes.NewReader(body))
	if err != nil {
		return err
	}
	q.Header.Set("Authorization", "Bearer "+string(token))
	q.Header.Set("Content-Type", "application/json")
	res, err := w.client.Do(q)
	if err != nil {
		return err
	}
	if err := res.Body.Close(); err != nil {
		return err
	}
	if res.StatusCode != http.StatusCreated {
		return fmt.Errorf("open issue: GitHub answered %d", res.StatusCode)
	}
	return nil
}
