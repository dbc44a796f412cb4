package httpapitest

import (
	"context"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/users"
)

// accountsSpec is what the packages users and auth add to a world.
type accountsSpec struct {
	Organizations object[organizationSpec] `json:"organizations"`
	Teams         object[teamSpec]         `json:"teams"`
	Users         object[userSpec]         `json:"users"`
	APIKeys       object[keySpec]          `json:"api_keys"`
	Invites       object[inviteSpec]       `json:"invites"`
	Dashboards    object[dashboardSpec]    `json:"dashboards"`
}

type organizationSpec struct {
	Name               member[string] `json:"name"`
	Enforce2FA         *bool          `json:"enforce_2fa"`
	SSOEnforcedDomains []string       `json:"sso_enforced_domains"`
}

type teamSpec struct {
	Organization string         `json:"organization"`
	Name         member[string] `json:"name"`
	APIToken     member[string] `json:"api_token"`
}

type keySpec struct {
	Owner               string            `json:"owner"`
	Label               member[string]    `json:"label"`
	Scopes              *[]string         `json:"scopes"`
	ScopedTeams         member[*[]string] `json:"scoped_teams"`
	ScopedOrganizations member[*[]string] `json:"scoped_organizations"`
}

type inviteSpec struct {
	Organization string  `json:"organization"`
	TargetEmail  string  `json:"target_email"`
	AgeDays      float64 `json:"age_days"`
}

type dashboardSpec struct {
	Team string `json:"team"`
}

func (f *fixture) loadAccounts(ctx context.Context, s spec) error {
	err := s.Organizations.each("/organizations", func(_ int, at jsontext.Pointer, name string, o organizationSpec) error {
		return f.loadOrganization(ctx, at, name, o)
	})
	if err != nil {
		return err
	}
	err = s.Teams.each("/teams", func(_ int, at jsontext.Pointer, name string, t teamSpec) error {
		return f.loadTeam(ctx, at, name, t)
	})
	if err != nil {
		return err
	}
	err = s.Users.each("/users", func(_ int, at jsontext.Pointer, name string, u userSpec) error {
		return f.createUser(ctx, at, name, u)
	})
	if err != nil {
		return err
	}
	err = s.APIKeys.each("/api_keys", func(n int, at jsontext.Pointer, name string, k keySpec) error {
		return f.loadKey(ctx, at, name, k, older(n, len(s.APIKeys)))
	})
	if err != nil {
		return err
	}
	err = s.Invites.each("/invites", func(n int, at jsontext.Pointer, name string, i inviteSpec) error {
		return f.loadInvite(ctx, at, name, i, time.Duration(n)*time.Microsecond)
	})
	if err != nil {
		return err
	}
	return s.Dashboards.each("/dashboards", func(n int, at jsontext.Pointer, name string, d dashboardSpec) error {
		t, err := find(at.AppendToken("team"), f.ids.Teams, d.Team)
		if err != nil {
			return err
		}
		id := int64(n + 1)
		f.dashboards[id], f.ids.Dashboards[name] = t.ID, DashboardID{id}
		return nil
	})
}

// older is how much older than the clock the n-th of count records is. The API
// orders records by their times: these keep the order of the file.
func older(n, count int) time.Duration { return time.Duration(count-n) * time.Microsecond }

func (f *fixture) loadOrganization(ctx context.Context, at jsontext.Pointer, name string, s organizationSpec) error {
	const slugLength = 48
	o := users.NewOrganization()
	o.Name, o.Slug = s.Name.or(name), name
	if utf8.RuneCountInString(name) > slugLength {
		o.Slug = string([]rune(name)[:slugLength])
	}
	o.Enforce2FA, o.SSOEnforcedDomains = optional(s.Enforce2FA), s.SSOEnforcedDomains
	o, err := f.api.Users().SaveOrganization(ctx, o)
	if err != nil {
		return refusedAt(at, err)
	}
	f.ids.Organizations[name] = OrganizationID{o.ID}
	return nil
}

func (f *fixture) loadTeam(ctx context.Context, at jsontext.Pointer, name string, s teamSpec) error {
	o, err := find(at.AppendToken("organization"), f.ids.Organizations, s.Organization)
	if err != nil {
		return err
	}
	t, err := f.api.Users().SaveTeam(ctx, users.Team{OrganizationID: o.ID, Name: s.Name.or(name), APIToken: s.APIToken.or("phc_" + name)})
	if err != nil {
		return refusedAt(at, err)
	}
	f.ids.Teams[name] = TeamIDs{t.ID, t.UUID}
	return nil
}

func (f *fixture) loadKey(ctx context.Context, at jsontext.Pointer, name string, s keySpec, age time.Duration) error {
	owner, err := find(at.AppendToken("owner"), f.ids.Users, s.Owner)
	if err != nil {
		return err
	}
	k := auth.APIKey{UserID: owner.ID, Label: s.Label.or(defaultLabel), CreatedAt: f.api.Users().Now().Add(-age)}
	if s.Scopes != nil {
		k.Scopes = *s.Scopes
	}
	if k.ScopedTeams, err = f.teams(at.AppendToken("scoped_teams"), s.ScopedTeams); err != nil {
		return err
	}
	at = at.AppendToken("scoped_organizations")
	k.ScopedOrganizations, err = named(at, s.ScopedOrganizations, f.ids.Organizations, func(o OrganizationID) uuid.UUID { return o.ID })
	if err != nil {
		return err
	}
	f.ids.APIKeys[name], err = f.saveKey(ctx, k)
	return err
}

// defaultLabel of an API key.
const defaultLabel = "Test"

// saveKey stores a key with a random value.
func (f *fixture) saveKey(ctx context.Context, k auth.APIKey) (APIKey, error) {
	value, err := f.api.Auth().NewAPIKeyValue()
	if err != nil {
		return APIKey{}, err
	}
	k, err = f.api.Auth().SaveAPIKey(ctx, k, value)
	return APIKey{k.ID, string(value)}, err
}

// teams returns the teams that a list names.
func (f *fixture) teams(at jsontext.Pointer, names member[*[]string]) ([]users.TeamID, error) {
	return named(at, names, f.ids.Teams, func(t TeamIDs) users.TeamID { return t.ID })
}

// named returns what a list of names stands for: nothing if it is absent, and
// nil if it is null.
func named[T, ID any](at jsontext.Pointer, names member[*[]string], known map[string]T, id func(T) ID) ([]ID, error) {
	list := names.or(&[]string{})
	if list == nil {
		return nil, nil
	}
	ids := make([]ID, 0, len(*list))
	for n, name := range *list {
		v, err := find(element(at, n), known, name)
		if err != nil {
			return nil, err
		}
		ids = append(ids, id(v))
	}
	return ids, nil
}

// loadInvite makes later ones of the same age newer, by an offset that never
// makes one older than it says.
func (f *fixture) loadInvite(ctx context.Context, at jsontext.Pointer, name string, s inviteSpec, offset time.Duration) error {
	o, err := find(at.AppendToken("organization"), f.ids.Organizations, s.Organization)
	if err != nil {
		return err
	}
	age, err := span(at.AppendToken("age_days"), s.AgeDays, 24*time.Hour)
	if err != nil {
		return err
	}
	i := users.Invite{OrganizationID: o.ID, TargetEmail: s.TargetEmail, CreatedAt: f.api.Users().Now().Add(offset - age)}
	if i, err = f.api.Users().SaveInvite(ctx, i); err != nil {
		return refusedAt(at, err)
	}
	f.ids.Invites[name] = InviteID{i.ID}
	return nil
}
