package main

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/hedgerow-dev/hedgerow/users"
	"github.com/hedgerow-dev/hedgerow/users/webhook"
)

// hookURLVariable holds the URL that the activity log is sent to, and
// hookSecretVariable what signs it.
const (
	hookURLVariable    = "HEDGEROW_WEBHOOK_URL"
	hookSecretVariable = "HEDGEROW_WEBHOOK_SECRET"
)

// followEvery is how long an event waits at most until it is sent, if nothing
// keeps it.
const followEvery = 2 * time.Second

// newFeed makes the feed of the webhook, nil if there is none. Both variables or
// neither must be set.
func newFeed(service *users.Service, getenv func(string) string) (*users.Feed, error) {
	switch missing := unset(getenv, []string{hookURLVariable, hookSecretVariable}); len(missing) {
	case 2:
		return nil, nil
	case 1:
		return nil, fmt.Errorf("%s is not set, but the other of the webhook is", missing[0])
	}
	sender, err := webhook.New(webhook.Config{URL: getenv(hookURLVariable), Secrets: []users.Secret{users.Secret(getenv(hookSecretVariable))}})
	if err != nil {
		return nil, fmt.Errorf("%s, %s: %w", hookURLVariable, hookSecretVariable, err)
	}
	return service.NewFeed(users.FeedConfig{Name: "webhook", Deliver: sender.Send})
}

// follow sends what happens until ctx ends. Other processes on the database may
// do the same: one of them has the turn.
func (a *app) follow(ctx context.Context) {
	tick := time.NewTicker(followEvery)
	defer tick.Stop()
	for {
		if n, err := a.feed.Deliver(ctx); err != nil && ctx.Err() == nil {
			a.log.Error("webhook", slog.Int("delivered", n), slog.Any("error", err))
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}
