package main

import (
	"context"
	"errors"
	"log/slog"
	"time"
)

const tidyEvery = time.Hour

// tidy removes what has expired until ctx ends.
func (a *app) tidy(ctx context.Context) {
	tick := time.NewTicker(tidyEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			credentials, err := a.api.Auth().DeleteExpired(ctx)
			links, linkErr := a.api.Integrations().DeleteExpired(ctx)
			if err := errors.Join(err, linkErr); err != nil {
				a.log.Error("delete expired", slog.Any("error", err))
			} else if n := credentials + links; n > 0 {
				a.log.Info("deleted expired records", slog.Int("count", n))
			}
			a.forget(ctx)
		}
	}
}

// forget removes what is older than the operator keeps.
func (a *app) forget(ctx context.Context) {
	if a.options.keepEvents == 0 {
		return
	}
	n, err := a.api.Users().DeleteEvents(ctx, time.Now().Add(-a.options.keepEvents))
	if err != nil {
		a.log.Error("delete events", slog.Any("error", err))
	}
	if n > 0 {
		a.log.Info("deleted events", slog.Int("count", n))
	}
}
