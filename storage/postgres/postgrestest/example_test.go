package postgrestest_test

import (
	"testing"

	"github.com/hedgerow-dev/hedgerow/storage/postgres"
	"github.com/hedgerow-dev/hedgerow/storage/postgres/postgrestest"
)

// A test gets a schema of its own, which goes when the test ends.
func ExampleDSN() {
	TestAccounts := func(t *testing.T) {
		store, err := postgres.Open(t.Context(), postgrestest.DSN(t))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := store.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	_ = TestAccounts // go test calls it
}
