// Command minimal uses accounts without HTTP and without a database.
package main

import (
	"context"
	"fmt"
	"log"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/storage/memory"
	"github.com/hedgerow-dev/hedgerow/users"
)

func main() {
	ctx, store := context.Background(), memory.New()
	accounts := users.NewService(store, users.Config{})
	credentials, err := auth.NewService(store, accounts, auth.Config{})
	if err != nil {
		log.Fatal(err)
	}
	ann := users.New()
	ann.Email = "ann@example.com"
	if ann, err = credentials.CreateUser(ctx, ann, "mighty-strong-secure-1337!!"); err != nil {
		log.Fatal(err)
	}
	host := users.Actor{Credential: users.ByHost}
	ann, err = accounts.Update(ctx, host, ann.ID, users.Patch{FirstName: users.Set("Ann")})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(ann.FirstName, ann.Email, "version", ann.Version)
}
