package postgres_test

import (
	"context"
	"database/sql"
	"fmt"
	"log"

	_ "github.com/jackc/pgx/v5/stdlib"

	"github.com/hedgerow-dev/hedgerow/storage/postgres"
	"github.com/hedgerow-dev/hedgerow/users"
)

// A host keeps accounts beside its own tables.
func ExampleNew() {
	ctx := context.Background()
	db, err := sql.Open("pgx", "postgres://app@db.example/app")
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	config := postgres.Config{Schema: "accounts", TablePrefix: "acme_"}
	if err := postgres.Migrate(ctx, db, config); err != nil {
		log.Fatal(err)
	}
	store, err := postgres.New(ctx, db, config)
	if err != nil {
		log.Fatal(err)
	}
	page, err := store.Profiles(ctx, users.Query{Limit: 10})
	fmt.Println(page.Total, err)
}

// Those who change tables by hand run a script in place of Migrate.
func ExampleSQL() {
	script, err := postgres.SQL(postgres.Config{Schema: "app", TablePrefix: "acme_"}, 0)
	fmt.Println(script[:49], err)
	// Output:
	// begin;
	//
	// create table app.acme_hedgerow_migrations <nil>
}
