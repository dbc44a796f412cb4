package storage_test

import (
	"context"
	"fmt"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/autonomy"
	"github.com/hedgerow-dev/hedgerow/storage"
	"github.com/hedgerow-dev/hedgerow/storage/memory"
	"github.com/hedgerow-dev/hedgerow/users"
)

// One Storage is what every service asks for: each takes the part that it needs.
func ExampleStorage() {
	var store storage.Storage = memory.New() // or sqlite.Open, or postgres.Open
	ctx := context.Background()
	accounts := users.NewService(store, users.Config{})
	credentials, err := auth.NewService(store, accounts, auth.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	ann := users.New()
	ann.Email = "ann@example.com"
	if ann, err = credentials.CreateUser(ctx, ann, ""); err != nil {
		fmt.Println(err)
		return
	}
	config, err := autonomy.NewService(store, accounts).Save(ctx, users.Actor{Credential: users.ByHost}, ann.ID, autonomy.Patch{AutostartPriority: users.Set(autonomy.P1)})
	fmt.Println(config.AutostartPriority, err)
	fmt.Println(store.Close())
	// Output:
	// P1 <nil>
	// <nil>
}
