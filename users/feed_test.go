package users_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/hedgerow-dev/hedgerow/storage/memory"
	"github.com/hedgerow-dev/hedgerow/users"
)

func TestFeedConfig(t *testing.T) {
	service := users.NewService(memory.New(), users.Config{})
	good := users.FeedConfig{Name: strings.Repeat("ü", 100), Deliver: func(context.Context, users.Event) error { return nil }}
	if _, err := service.NewFeed(good); err != nil {
		t.Errorf("NewFeed: got %v, want nil", err)
	}
	for name, change := range map[string]func(*users.FeedConfig){
		"Name: none":         func(c *users.FeedConfig) { c.Name = "" },
		"Name: long":         func(c *users.FeedConfig) { c.Name += "x" },
		"Name: not storable": func(c *users.FeedConfig) { c.Name = "a\x00" },
		"Deliver: none":      func(c *users.FeedConfig) { c.Deliver = nil },
		"Lease: short":       func(c *users.FeedConfig) { c.Lease = time.Second - 1 },
		"MaxRetry: negative": func(c *users.FeedConfig) { c.MaxRetry = -1 },
	} {
		t.Run(name, func(t *testing.T) {
			c := good
			change(&c)
			field, _, _ := strings.Cut(name, ":")
			if _, err := service.NewFeed(c); err == nil || !strings.Contains(err.Error(), field) {
				t.Errorf("NewFeed: got %v, want an error that names %s", err, field)
			}
		})
	}
}
