package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/httpapi"
	"github.com/hedgerow-dev/hedgerow/users"
)

// world is a fixture: names stand for ids everywhere.
type world struct {
	Mail          bool                         `json:"mail"`
	Options       worldOptions                 `json:"options"`
	Organizations map[string]worldOrganization `json:"organizations"`
	Teams         map[string]worldTeam         `json:"teams"`
	Users         map[string]worldUser         `json:"users"`
	APIKeys       map[string]worldKey          `json:"api_keys"`
	Invites       map[string]worldInvite       `json:"invites"`
	Dashboards    map[string]worldDashboard    `json:"dashboards"`
}

type worldOptions struct {
	IdentityChange    string `json:"identity_change"`
	LoginFailureLimit int    `json:"login_failure_limit"`
	PublicURL         string `json:"public_url"`
}

type worldDashboard struct {
	Team string `json:"team"`
}

type worldOrganization struct {
	Name               string   `json:"name"`
	Enforce2FA         *bool    `json:"enforce_2fa"`
	SSOEnforcedDomains []string `json:"sso_enforced_domains"`
}

type worldTeam struct {
	Organization string `json:"organization"`
	Name         string `json:"name"`
	APIToken     string `json:"api_token"`
}

type worldUser struct {
	Email               string                 `json:"email"`
	Password            *string                `json:"password"`
	FirstName           string                 `json:"first_name"`
	LastName            string                 `json:"last_name"`
	IsStaff             bool                   `json:"is_staff"`
	IsActive            *bool                  `json:"is_active"`
	IsEmailVerified     *bool                  `json:"is_email_verified"`
	PendingEmail        *string                `json:"pending_email"`
	Memberships         map[string]users.Level `json:"memberships"`
	CurrentOrganization *string                `json:"current_organization"`
	CurrentTeam         *string                `json:"current_team"`
	LinkedIdentities    []worldIdentity        `json:"linked_identities"`
	HedgehogConfig      jsontext.Value         `json:"hedgehog_config"`
	CredentialsReviewed bool                   `json:"credentials_reviewed"`
}

type worldIdentity struct {
	Provider string `json:"provider"`
	Login    string `json:"login"`
}

type worldKey struct {
	Owner               string   `json:"owner"`
	Label               string   `json:"label"`
	Scopes              []string `json:"scopes"`
	ScopedTeams         []string `json:"scoped_teams"`
	ScopedOrganizations []string `json:"scoped_organizations"`
}

type worldInvite struct {
	Organization string  `json:"organization"`
	TargetEmail  string  `json:"target_email"`
	AgeDays      float64 `json:"age_days"`
}

// parseWorld reads a world file. An error names the path of the culprit.
func parseWorld(text []byte) (*world, error) {
	w := &world{}
	err := json.UnmarshalRead(bytes.NewReader(text), w, json.RejectUnknownMembers(true))
	var wrong *json.SemanticError
	if errors.As(err, &wrong) {
		return nil, fmt.Errorf("%s: %w", wrong.JSONPointer, err)
	} else if err != nil {
		return nil, err
	}
	if w.Mail {
		return nil, errors.New("/mail: this server cannot send mail yet")
	}
	return w, nil
}

// apply changes the configuration as the world's options say.
func (w *world) apply(c *httpapi.Config) error {
	if name := w.Options.IdentityChange; name != "" {
		change, ok := identityChanges()[name]
		if !ok {
			return fmt.Errorf("/options/identity_change: %q is unknown", name)
		}
		c.Auth.IdentityChange = change
	}
	c.Auth.LoginFailures = w.Options.LoginFailureLimit
	c.PublicURL = cmp.Or(w.Options.PublicURL, c.PublicURL)
	return nil
}

// loader keeps what the names of a world stand for.
type loader struct {
	api           *httpapi.API
	out           io.Writer // gets the values of the API keys
	organizations map[string]uuid.UUID
	teams         map[string]users.Team
	users         map[string]users.User
	dashboards    users.DashboardMap
}

// load stores a world in an empty database, in the order of its names, and
// prints the values of its API keys. Dashboards get the numbers from 1 on.
func (w *world) load(ctx context.Context, api *httpapi.API, out io.Writer, dashboards users.DashboardMap) error {
	l := &loader{api, out, map[string]uuid.UUID{}, map[string]users.Team{}, map[string]users.User{}, dashboards}
	for _, step := range []func() error{
		func() error {
			return each("organizations", w.Organizations, func(n string, o worldOrganization) error { return l.organization(ctx, n, o) })
		},
		func() error {
			return each("teams", w.Teams, func(n string, t worldTeam) error { return l.team(ctx, n, t) })
		},
		func() error {
			return each("users", w.Users, func(n string, u worldUser) error { return l.user(ctx, n, u) })
		},
		func() error {
			return each("api_keys", w.APIKeys, func(n string, k worldKey) error { return l.key(ctx, n, k) })
		},
		func() error {
			return each("invites", w.Invites, func(_ string, i worldInvite) error { return l.invite(ctx, i) })
		},
		func() error {
			return each("dashboards", w.Dashboards, func(_ string, d worldDashboard) error {
				t, err := named("team", l.teams, d.Team)
				l.dashboards[int64(len(l.dashboards)+1)] = t.ID
				return err
			})
		},
	} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// each calls fn for the members of an object by name.
func each[T any](path string, members map[string]T, fn func(string, T) error) error {
	for _, name := range slices.Sorted(maps.Keys(members)) {
		if err := fn(name, members[name]); err != nil {
			return fmt.Errorf("%s.%s: %w", path, name, err)
		}
	}
	return nil
}

// named finds what a name stands for.
func named[T any](member string, known map[string]T, name string) (T, error) {
	v, ok := known[name]
	if !ok {
		return v, fmt.Errorf("%s: there is no %q", member, name)
	}
	return v, nil
}

func (l *loader) organization(ctx context.Context, name string, w worldOrganization) error {
	o := users.NewOrganization()
	o.Name, o.Slug, o.SSOEnforcedDomains = cmp.Or(w.Name, name), name, w.SSOEnforcedDomains
	if w.Enforce2FA != nil {
		o.Enforce2FA = users.Some(*w.Enforce2FA)
	}
	o, err := l.api.Users().SaveOrganization(ctx, o)
	l.organizations[name] = o.ID
	return err
}

func (l *loader) team(ctx context.Context, name string, w worldTeam) error {
	o, err := named("organization", l.organizations, w.Organization)
	if err != nil {
		return err
	}
	l.teams[name], err = l.api.Users().SaveTeam(ctx, users.Team{OrganizationID: o, Name: cmp.Or(w.Name, name), APIToken: cmp.Or(w.APIToken, "phc_"+name)})
	return err
}

func (l *loader) user(ctx context.Context, name string, w worldUser) error {
	u := users.New()
	u.Email, u.FirstName, u.LastName, u.IsStaff = w.Email, w.FirstName, w.LastName, w.IsStaff
	if w.IsActive != nil {
		u.IsActive = *w.IsActive
	}
	if w.IsEmailVerified != nil {
		u.IsEmailVerified = users.Some(*w.IsEmailVerified)
	}
	if w.PendingEmail != nil {
		u.PendingEmail = *w.PendingEmail
	}
	if v := string(w.HedgehogConfig); v != "null" {
		u.HedgehogConfig = users.JSON(v)
	}
	if w.CredentialsReviewed {
		u.CredentialsReviewedAt = l.api.Users().Now()
	}
	if w.Password != nil && *w.Password != "!unusable" {
		var err error
		if u.PasswordHash, err = l.api.Auth().HashPassword(ctx, *w.Password); err != nil {
			return err
		}
	}
	if err := l.current(&u, w); err != nil {
		return err
	}
	u, err := l.api.Auth().CreateUser(ctx, u, "")
	if err != nil {
		return err
	}
	l.users[name] = u
	return l.belongings(ctx, u, w)
}

// current sets the current organization and team.
func (l *loader) current(u *users.User, w worldUser) (err error) {
	if w.CurrentOrganization != nil {
		if u.CurrentOrganization, err = named("current_organization", l.organizations, *w.CurrentOrganization); err != nil {
			return err
		}
	}
	if w.CurrentTeam != nil {
		t, err := named("current_team", l.teams, *w.CurrentTeam)
		if err != nil {
			return err
		}
		u.CurrentTeam = t.ID
	}
	return nil
}

// belongings stores the memberships and identities of a user.
func (l *loader) belongings(ctx context.Context, u users.User, w worldUser) error {
	err := each("memberships", w.Memberships, func(name string, level users.Level) error {
		o, err := named("memberships", l.organizations, name)
		if err != nil {
			return err
		}
		return l.api.Users().SaveMembership(ctx, users.Membership{UserID: u.ID, OrganizationID: o, Level: level})
	})
	if err != nil {
		return err
	}
	for n, i := range w.LinkedIdentities {
		// Subjects are unique in a world; what they are does not matter.
		identity := users.Identity{UserID: u.ID, Provider: i.Provider, Subject: fmt.Sprintf("%d-%d", u.ID, n), Login: i.Login}
		if err := l.api.Users().SaveIdentity(ctx, identity); err != nil {
			return fmt.Errorf("linked_identities[%d]: %w", n, err)
		}
	}
	return nil
}

// key stores an API key with a random value and prints it.
func (l *loader) key(ctx context.Context, name string, w worldKey) error {
	owner, err := named("owner", l.users, w.Owner)
	if err != nil {
		return err
	}
	k := auth.APIKey{UserID: owner.ID, Label: cmp.Or(w.Label, "Test"), Scopes: w.Scopes, ScopedTeams: []users.TeamID{}, ScopedOrganizations: []uuid.UUID{}}
	for _, name := range w.ScopedTeams {
		t, err := named("scoped_teams", l.teams, name)
		if err != nil {
			return err
		}
		k.ScopedTeams = append(k.ScopedTeams, t.ID)
	}
	for _, name := range w.ScopedOrganizations {
		o, err := named("scoped_organizations", l.organizations, name)
		if err != nil {
			return err
		}
		k.ScopedOrganizations = append(k.ScopedOrganizations, o)
	}
	value, err := l.api.Auth().NewAPIKeyValue()
	if err != nil {
		return err
	}
	if _, err := l.api.Auth().SaveAPIKey(ctx, k, value); err != nil {
		return err
	}
	_, err = fmt.Fprintf(l.out, "API key %s: %s\n", name, string(value))
	return err
}

func (l *loader) invite(ctx context.Context, w worldInvite) error {
	o, err := named("organization", l.organizations, w.Organization)
	if err != nil {
		return err
	}
	age := time.Duration(w.AgeDays * float64(24*time.Hour))
	_, err = l.api.Users().SaveInvite(ctx, users.Invite{OrganizationID: o, TargetEmail: w.TargetEmail, CreatedAt: l.api.Users().Now().Add(-age)})
	return err
}
