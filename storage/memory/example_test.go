package memory_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/hedgerow-dev/hedgerow/storage/memory"
	"github.com/hedgerow-dev/hedgerow/users"
)

func Example() {
	store := memory.New()
	_, err := store.User(context.Background(), 1)
	fmt.Println(errors.Is(err, users.ErrNotFound))
	fmt.Println(store.Close())
	// Output:
	// true
	// <nil>
}
