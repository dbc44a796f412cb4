// Command users is a program that imports nothing but the rules of accounts, for
// .ci/sizes.
package main

import (
	"fmt"

	"github.com/hedgerow-dev/hedgerow/users"
)

type nowhere struct{ users.Store }

func main() { fmt.Println(users.NewService(nowhere{}, users.Config{}).Now()) }
