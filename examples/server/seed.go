package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/httpapi/httpapitest"
	"github.com/hedgerow-dev/hedgerow/users"
)

// seed fills an empty database: with the world file, or with one staff user
// whose credentials it prints.
func (a *app) seed(ctx context.Context) error {
	page, err := a.store.Profiles(ctx, users.Query{Limit: 1})
	if err != nil {
		return err
	}
	if page.Total > 0 {
		if a.options.world != "" {
			return fmt.Errorf("-world: the database %s is not empty", shown(a.options.db))
		}
		return nil
	}
	if a.world != nil {
		return a.loadWorld(ctx)
	}
	return a.firstUser(ctx)
}

// readWorld reads the world file, if there is one.
func readWorld(path string) (*httpapitest.World, error) {
	if path == "" {
		return nil, nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("-world: %w", err)
	}
	w, err := httpapitest.ParseWorld(text)
	if err != nil {
		return nil, fmt.Errorf("-world %s: %w", path, err)
	}
	return w, nil
}

// loadWorld stores the world and prints the values of its API keys.
func (a *app) loadWorld(ctx context.Context) error {
	ids, err := a.world.Load(ctx, a.store, a.api, a.dashboards)
	if err != nil {
		return fmt.Errorf("-world %s: %w", a.options.world, err)
	}
	for _, name := range slices.Sorted(maps.Keys(ids.APIKeys)) {
		if _, err := fmt.Fprintf(a.out, "API key %s: %s\n", name, ids.APIKeys[name].Value); err != nil {
			return err
		}
	}
	return nil
}

// firstUser creates a staff user with an API key, an organization and a team. Of
// several processes that start at once one does.
func (a *app) firstUser(ctx context.Context) error {
	u := users.New()
	u.Email, u.FirstName, u.IsStaff, u.IsEmailVerified = "admin@example.com", "Admin", true, users.Some(true)
	password := rand.Text()
	u, err := a.api.Auth().CreateUser(ctx, u, password)
	if errors.Is(err, users.ErrEmailTaken) {
		return nil
	} else if err != nil {
		return err
	}
	o := users.NewOrganization()
	o.Name, o.Slug = "First organization", "first-organization"
	if o, err = a.api.Users().SaveOrganization(ctx, o); err != nil {
		return err
	}
	if _, err := a.api.Users().SaveTeam(ctx, users.Team{OrganizationID: o.ID, Name: "First team", APIToken: "phc_" + rand.Text()}); err != nil {
		return err
	}
	if err := a.api.Users().SaveMembership(ctx, users.Membership{UserID: u.ID, OrganizationID: o.ID, Level: users.LevelOwner}); err != nil {
		return err
	}
	key, err := a.newKey(ctx, u.ID, []string{"user:read", "user:write"})
	if err != nil {
		return err
	}
	base := "http://" + a.options.addr
	_, err = fmt.Fprintf(a.out, `Created a first account. This is shown once:

  e-mail    %s
  password  %s
  API key   %s

Try it:

  curl -H 'Authorization: Bearer %[3]s' %[4]s/api/users/@me
  curl -X PATCH -H 'Authorization: Bearer %[3]s' -H 'Content-Type: application/json' -d '{"theme_mode": "dark"}' %[4]s/api/users/@me

`, u.Email, password, string(key), base)
	return err
}

func (a *app) newKey(ctx context.Context, owner users.ID, scopes []string) (users.Secret, error) {
	value, err := a.api.Auth().NewAPIKeyValue()
	if err != nil {
		return "", err
	}
	_, err = a.api.Auth().SaveAPIKey(ctx, auth.APIKey{UserID: owner, Label: "Made on the server", Scopes: scopes}, value)
	return value, err
}
