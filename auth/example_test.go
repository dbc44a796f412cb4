package auth_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/storage/memory"
	"github.com/hedgerow-dev/hedgerow/users"
)

func Example() {
	ctx, store := context.Background(), memory.New()
	service, err := auth.NewService(store, users.NewService(store, users.Config{}), auth.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	u := users.New()
	u.Email = "ann@example.com"
	if _, err := service.CreateUser(ctx, u, "mighty-strong-secure-1337!!"); err != nil {
		fmt.Println(err)
		return
	}
	login := auth.LoginRequest{Email: users.Set("Ann@example.com"), Password: users.Set("a guess"), Client: "192.0.2.1"}
	_, err = service.Login(ctx, login)
	fmt.Println(errors.Is(err, auth.ErrInvalidCredentials))
	login.Password = users.Set("mighty-strong-secure-1337!!")
	token, err := service.Login(ctx, login)
	if err != nil {
		fmt.Println(err)
		return
	}
	p, err := service.Session(ctx, token)
	fmt.Println(p.User.Email, token, err)
	// Output:
	// true
	// ann@example.com [secret] <nil>
}
