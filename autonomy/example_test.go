package autonomy_test

import (
	"context"
	"fmt"

	"github.com/hedgerow-dev/hedgerow/autonomy"
	"github.com/hedgerow-dev/hedgerow/storage/memory"
	"github.com/hedgerow-dev/hedgerow/users"
)

func Example() {
	ctx, store := context.Background(), memory.New()
	accounts := users.NewService(store, users.Config{})
	service := autonomy.NewService(store, accounts)
	u := users.New()
	u.Email = "ann@example.com"
	u, err := accounts.NewUser(u)
	if err != nil {
		fmt.Println(err)
		return
	}
	err = store.UpdateUsers(ctx, func(tx users.Tx) error {
		u, err = tx.CreateUser(ctx, u)
		return err
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = service.Config(ctx, u.ID)
	fmt.Println(err)
	host := users.Actor{Credential: users.ByHost}
	config, err := service.Save(ctx, host, u.ID, autonomy.Patch{AutostartPriority: users.Set(autonomy.P2)})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, report := range []autonomy.Priority{autonomy.P0, autonomy.P2, autonomy.P3} {
		fmt.Println(report, autonomy.Allowed(report, &config, autonomy.P0, autonomy.OptIn))
	}
	// Output:
	// There is no autonomy configuration. (no_config)
	// P0 true
	// P2 true
	// P3 false
}

func ExampleEffective() {
	fmt.Println(autonomy.Effective(&autonomy.Config{AutostartPriority: autonomy.P2}, autonomy.P0, autonomy.OptIn))
	fmt.Println(autonomy.Effective(&autonomy.Config{}, autonomy.P3, autonomy.OptIn))
	fmt.Println(autonomy.Effective(&autonomy.Config{}, autonomy.None, autonomy.OptIn))
	// Output:
	// P2
	// P3
	// P0
}
