package users_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/hedgerow-dev/hedgerow/storage/memory"
	"github.com/hedgerow-dev/hedgerow/users"
)

func Example() {
	ctx, store := context.Background(), memory.New()
	service := users.NewService(store, users.Config{})
	u := users.New()
	u.Email = "Ann@Example.com"
	u, err := service.NewUser(u)
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
	host := users.Actor{Credential: users.ByHost}
	_, err = service.Update(ctx, host, u.ID, users.Patch{ThemeMode: users.Set("pink")})
	var refusal *users.Error
	fmt.Println(errors.As(err, &refusal), refusal.Field, refusal.Code)
	u, err = service.Update(ctx, host, u.ID, users.Patch{ThemeMode: users.Set("dark")})
	fmt.Println(u.Email, u.ThemeMode.Value, u.Version, err)
	// Output:
	// true theme_mode invalid_choice
	// ann@example.com dark 2 <nil>
}

func ExampleFoldEmail() {
	fmt.Println(users.FoldEmail("Ann@BÜCHER.example"))
	// Output: ann@xn--bcher-kva.example
}
