package sqlite_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/hedgerow-dev/hedgerow/storage/sqlite"
	"github.com/hedgerow-dev/hedgerow/users"
)

func ExampleOpen() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	store, err := sqlite.Open(ctx, filepath.Join(dir, "accounts.db"))
	if err != nil {
		fmt.Println(err)
		return
	}
	page, err := store.Profiles(ctx, users.Query{Limit: 10})
	fmt.Println(page.Total, err)
	fmt.Println(store.Close())
	// Output:
	// 0 <nil>
	// <nil>
}
