package httpapitest_test

import (
	"fmt"
	"log"
	"time"

	"github.com/hedgerow-dev/hedgerow/httpapi/httpapitest"
)

// T stands for the *testing.T of a test.
type T struct{ cleanup []func() }

func (*T) Helper()                           {}
func (*T) Fatalf(format string, args ...any) { log.Fatalf(format, args...) }
func (t *T) Cleanup(fn func())               { t.cleanup = append(t.cleanup, fn) }

func ExampleNew() {
	t := &T{} // in a test, the one that it gets
	defer func() {
		for _, fn := range t.cleanup {
			fn()
		}
	}()

	api := httpapitest.New(t, `{"users": {"alice": {"email": "alice@example.com", "password": "testpassword12345"}}}`)
	alice := api.Login("alice")
	get := func() {
		res, err := alice.Get(api.URL + "/api/users/@me")
		if err != nil {
			log.Fatal(err)
		}
		defer res.Body.Close()
		fmt.Println(res.Status)
	}
	get()
	api.Clock().Advance(14 * 24 * time.Hour) // the life of a session
	get()
	// Output:
	// 200 OK
	// 401 Unauthorized
}
