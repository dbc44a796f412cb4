package observed_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/hedgerow-dev/hedgerow/storage/memory"
	"github.com/hedgerow-dev/hedgerow/storage/observed"
	"github.com/hedgerow-dev/hedgerow/users"
)

func Example() {
	store := observed.New(memory.New(), func(_ context.Context, o observed.Operation) {
		fmt.Println(o.Domain, o.Name, o.Outcome)
	}, nil)
	_, err := store.User(context.Background(), 1)
	fmt.Println(errors.Is(err, users.ErrNotFound))
	// Output:
	// users User refused
	// true
}
