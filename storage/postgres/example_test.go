package postgres_test

import (
	"context"
	"database/sql"
	"fmt"

	_ "github.com/jackc/pgx/v5/stdlib"

	"github.com/hedgerow-dev/hedgerow/storage/postgres"
)

// A host keeps accounts beside its own tables.
func ExampleNew() {
	ctx := context.Background()
	db, err := sql.Open("pgx", "postgres://app@127.0.0.1:1/app?connect_timeout=1")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer db.Close()
	config := postgres.Config{Schema: "app", TablePrefix: "acme_"}
	if err := postgres.Migrate(ctx, db, config); err != nil {
		fmt.Println("no server answers")
		return
	}
	store, err := postgres.New(ctx, db, config)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(store.Close())
	// Output:
	// no server answers
}

// Those who change tables by hand run a script in place of Migrate.
func ExampleSQL() {
	script, err := postgres.SQL(postgres.Config{Schema: "app", TablePrefix: "acme_"})
	fmt.Println(script[:49], err)
	// Output:
	// begin;
	//
	// create table app.acme_hedgerow_migrations <nil>
}
