package webhook_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/storage/memory"
	"github.com/hedgerow-dev/hedgerow/users"
	"github.com/hedgerow-dev/hedgerow/users/webhook"
)

// One program sends what happens to accounts, and another checks and takes it.
func Example() {
	secrets := []users.Secret{"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"} // a real one is random
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
		if err != nil || webhook.Verify(r.Header, body, secrets, time.Now()) != nil {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		fmt.Println(r.Header.Get(webhook.IDHeader), string(body))
	}))
	defer receiver.Close()

	ctx, store := context.Background(), memory.New()
	accounts := users.NewService(store, users.Config{Now: func() time.Time { return time.Unix(1777636800, 0) }})
	sender, err := webhook.New(webhook.Config{URL: receiver.URL, Secrets: secrets})
	if err != nil {
		fmt.Println(err)
		return
	}
	feed, err := accounts.NewFeed(users.FeedConfig{Name: "webhook", Deliver: sender.Send})
	if err != nil {
		fmt.Println(err)
		return
	}
	credentials, err := auth.NewService(store, accounts, auth.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	ann := users.New()
	ann.Email = "ann@example.com"
	if _, err := credentials.CreateUser(ctx, ann, ""); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(feed.Deliver(ctx)) // from time to time
	// Output:
	// evt_1 {"type":"user created","timestamp":"2026-05-01T12:00:00Z","data":{"id":1,"user":1,"actor":0,"credential":"host","fields":[]}}
	// 1 <nil>
}
