package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/hedgerow-dev/hedgerow/storage/postgres"
	"github.com/hedgerow-dev/hedgerow/storage/sqlite"
	"github.com/hedgerow-dev/hedgerow/users"
)

// command runs one of the operator's commands.
func (a *app) command(ctx context.Context, args []string) error {
	name, rest := args[0], args[1:]
	if (name == "user" || name == "key") && len(rest) > 0 {
		name, rest = name+" "+rest[0], rest[1:]
	}
	switch {
	case name == "user create" && (len(rest) == 1 || len(rest) == 2):
		return a.createUser(ctx, rest)
	case name == "user list" && len(rest) == 0:
		return a.listUsers(ctx)
	case name == "user deactivate" && len(rest) == 1:
		u, err := a.api.Users().UserByEmail(ctx, rest[0])
		if err != nil {
			return err
		}
		return a.api.Auth().SetActive(ctx, u.ID, false)
	case name == "reset-2fa" && len(rest) == 1:
		u, err := a.api.Users().UserByEmail(ctx, rest[0])
		if err != nil {
			return err
		}
		return a.api.Auth().ResetSecondFactor(ctx, u.ID)
	case name == "key create" && len(rest) >= 2:
		u, err := a.api.Users().UserByEmail(ctx, rest[0])
		if err != nil {
			return err
		}
		key, err := a.newKey(ctx, u.ID, rest[1:])
		if err != nil {
			return err
		}
		_, err = fmt.Fprintln(a.out, string(key))
		return err
	case name == "import":
		return a.importFile(ctx, rest)
	case name == "migrate" && len(rest) == 0:
		_, err := fmt.Fprintln(a.out, "The schema is up to date.") // opening migrates
		return err
	case name == "backup" && len(rest) == 1:
		return a.backup(ctx, rest[0])
	}
	return fmt.Errorf("unknown command %q; see -help", strings.Join(args, " "))
}

func (a *app) backup(ctx context.Context, path string) error {
	switch db := a.store.(type) {
	case *sqlite.Store:
		return db.Backup(ctx, path)
	case *postgres.Store:
		return errors.New("backup: for PostgreSQL use pg_dump --format=custom --file=FILE URL, and to restore pg_restore --dbname=URL FILE")
	}
	return errors.New("backup: accounts in memory cannot be backed up")
}

func (a *app) createUser(ctx context.Context, args []string) error {
	u := users.New()
	u.Email = args[0]
	password := ""
	if len(args) == 2 {
		password = args[1]
	}
	u, err := a.api.Auth().CreateUser(ctx, u, password)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(a.out, "%d\t%s\t%s\n", u.ID, u.UUID, u.Email)
	return err
}

// listUsers prints all users, page by page.
func (a *app) listUsers(ctx context.Context) error {
	const pageSize = 500
	var after users.ID
	for {
		page, err := a.store.Profiles(ctx, users.Query{After: after, Limit: pageSize})
		if err != nil {
			return err
		}
		for _, p := range page.Profiles {
			u := p.User
			state := "active"
			if !u.IsActive {
				state = "inactive"
			}
			if _, err := fmt.Fprintf(a.out, "%d\t%s\t%s\t%s\n", u.ID, u.UUID, u.Email, state); err != nil {
				return err
			}
			after = u.ID
		}
		if len(page.Profiles) < pageSize {
			return nil
		}
	}
}
