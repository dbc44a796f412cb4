package importer_test

import (
	"context"
	"fmt"
	"log"
	"strings"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/auth/importer"
	"github.com/hedgerow-dev/hedgerow/storage/memory"
	"github.com/hedgerow-dev/hedgerow/users"
)

// A user moves in with the password of before, and one is refused.
func ExampleRun() {
	export := `{"model": "posthog.user", "pk": 12, "fields": {"uuid": "01900000-0000-7000-8000-000000000003", "distinct_id": "ann", "email": "ann@example.com",
		"is_active": true, "password": "pbkdf2_sha256$1000$seasalt$bPcw+dijvrXsVuO1sGvImpd53C5y7aKVlXIagsGKEH4="}}
{"model": "posthog.user", "pk": 13, "fields": {"uuid": "01900000-0000-7000-8000-000000000004", "distinct_id": "bob", "email": "ANN@example.com",
		"is_active": true, "password": "!"}}`
	export = strings.ReplaceAll(export, "\n\t\t", " ") // one record a line

	ctx, store := context.Background(), memory.New()
	accounts := users.NewService(store, users.Config{})
	credentials, err := auth.NewService(store, accounts, auth.Config{})
	if err != nil {
		log.Fatal(err)
	}
	report, err := importer.Run(ctx, store, accounts, credentials, strings.NewReader(export), importer.Options{
		Refused: func(r importer.Refusal) { fmt.Printf("line %d: %s: %s\n", r.Line, r.Field, r.Reason) },
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(report.Imported.Users, "imported,", report.Refused, "refused")
	_, err = credentials.Login(ctx, auth.LoginRequest{Email: users.Set("ann@example.com"), Password: users.Set("mighty-strong-secure-1337!!"), Client: "192.0.2.1"})
	fmt.Println("login:", err)
	// Output:
	// line 2: email: There is already an account with this email address.
	// 1 imported, 1 refused
	// login: <nil>
}
