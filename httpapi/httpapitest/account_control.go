package httpapitest

import (
	"context"
	"crypto/rand"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/users"
)

// accountControls are the control endpoints of the packages users and auth.
func accountControls() []control {
	return []control{
		{http.MethodPost, "sessions", postSession},
		{http.MethodPost, "api_keys", postKey},
		{http.MethodPost, "oauth_tokens", postToken},
		{http.MethodPost, "verification_tokens", postVerification},
		{http.MethodPatch, "users/{name}", patchUser},
		{http.MethodDelete, "organizations/{name}", deleteOrganization},
	}
}

// nameOf returns the name that the world has for a user, or "".
func (f *fixture) nameOf(id users.ID) string {
	for name, u := range f.ids.Users {
		if u.ID == id {
			return name
		}
	}
	return ""
}

// postSession signs a user in, by default with a second factor.
func postSession(c *controlCall) (any, error) {
	in := struct {
		User         string       `json:"user"`
		AgeSeconds   float64      `json:"age_seconds"`
		SecondFactor member[bool] `json:"second_factor"`
	}{}
	if err := decode(c.body, &in); err != nil {
		return nil, err
	}
	age, err := span("/age_seconds", in.AgeSeconds, time.Second)
	if err != nil {
		return nil, err
	}
	cookie, err := c.newSession(c.Context(), in.User, auth.StartOptions{Age: age, SecondFactor: in.SecondFactor.or(true)})
	if err != nil {
		return nil, err
	}
	return map[string]string{"cookie": cookie.Name + "=" + cookie.Value}, nil
}

// newSession starts a session of the user of this name.
func (f *fixture) newSession(ctx context.Context, user string, o auth.StartOptions) (*http.Cookie, error) {
	u, err := find("/user", f.ids.Users, user)
	if err != nil {
		return nil, err
	}
	token, err := f.api.Auth().StartSession(ctx, u.ID, o)
	if err != nil {
		return nil, refusedAt("/user", err) // the user may have been deleted
	}
	return &http.Cookie{Name: "sessionid", Value: string(token), Path: "/"}, nil
}

func postKey(c *controlCall) (any, error) {
	var in struct {
		User   string         `json:"user"`
		Scopes *[]string      `json:"scopes"`
		Label  member[string] `json:"label"`
	}
	if err := decode(c.body, &in); err != nil {
		return nil, err
	}
	var scopes []string
	if in.Scopes != nil {
		scopes = *in.Scopes
	}
	return c.newKey(c.Context(), in.User, in.Label.or(defaultLabel), scopes)
}

// newKey makes an API key of the user of this name.
func (f *fixture) newKey(ctx context.Context, user, label string, scopes []string) (APIKey, error) {
	u, err := find("/user", f.ids.Users, user)
	if err != nil {
		return APIKey{}, err
	}
	k, err := f.saveKey(ctx, auth.APIKey{
		UserID: u.ID, Label: label, Scopes: scopes, ScopedTeams: []users.TeamID{}, ScopedOrganizations: []uuid.UUID{},
	})
	return k, refusedAt("/user", err)
}

// postToken makes an OAuth access token. Its scopes are a list, or one text as
// the protocol writes them. One that is not expired never expires.
func postToken(c *controlCall) (any, error) {
	var in struct {
		User        string            `json:"user"`
		Scopes      scopeText         `json:"scopes"`
		Expired     bool              `json:"expired"`
		ScopedTeams member[*[]string] `json:"scoped_teams"`
	}
	if err := decode(c.body, &in); err != nil {
		return nil, err
	}
	u, err := find("/user", c.ids.Users, in.User)
	if err != nil {
		return nil, err
	}
	t := auth.OAuthToken{UserID: u.ID, Application: "stand-in", Scopes: string(in.Scopes)}
	if t.ScopedTeams, err = c.teams("/scoped_teams", in.ScopedTeams); err != nil {
		return nil, err
	}
	if in.Expired {
		t.ExpiresAt = c.clock.Now()
	}
	value, err := users.RandomText(rand.Reader, 32)
	if err != nil {
		return nil, err
	}
	value = "pha_" + value
	if err := c.api.Auth().SaveOAuthToken(c.Context(), users.Secret(value), t); err != nil {
		return nil, refusedAt("/user", err)
	}
	return map[string]string{"value": value}, nil
}

// postVerification makes a token as a verification mail would bring it.
func postVerification(c *controlCall) (any, error) {
	var in struct {
		User string `json:"user"`
	}
	if err := decode(c.body, &in); err != nil {
		return nil, err
	}
	u, err := find("/user", c.ids.Users, in.User)
	if err != nil {
		return nil, err
	}
	token, err := c.api.Auth().NewVerificationToken(c.Context(), u.ID)
	if err != nil {
		return nil, refusedAt("/user", err)
	}
	return map[string]string{"token": string(token)}, nil
}

// scopeText is scopes as OAuth writes them: one text, separated by spaces.
type scopeText string

// UnmarshalJSONFrom reads a text or a list.
func (s *scopeText) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	if d.PeekKind() == '"' {
		return json.UnmarshalDecode(d, (*string)(s))
	}
	var list []string
	err := json.UnmarshalDecode(d, &list)
	*s = scopeText(strings.Join(list, " "))
	return err
}

// patchUser sets stored fields; see fixture.patchUser.
func patchUser(c *controlCall) (any, error) {
	u, ok := c.ids.Users[c.PathValue("name")]
	if !ok {
		return nil, errNoName
	}
	var in userSpec
	if err := decode(c.body, &in); err != nil {
		return nil, err
	}
	if err := c.patchUser(c.Context(), u.ID, in); err != nil {
		return nil, err
	}
	return u, nil
}

// deleteOrganization removes an organization, and forgets its name and those of
// its teams.
func deleteOrganization(c *controlCall) (any, error) {
	o, ok := c.ids.Organizations[c.PathValue("name")]
	if !ok {
		return nil, errNoName
	}
	teams, err := c.store.Teams(c.Context(), o.ID)
	if err != nil {
		return nil, err
	}
	if err := c.api.Users().DeleteOrganization(c.Context(), o.ID); err != nil {
		return nil, err
	}
	// Others may hold the maps.
	c.ids.Organizations, c.ids.Teams = maps.Clone(c.ids.Organizations), maps.Clone(c.ids.Teams)
	delete(c.ids.Organizations, c.PathValue("name"))
	maps.DeleteFunc(c.ids.Teams, func(_ string, t TeamIDs) bool {
		return slices.ContainsFunc(teams, func(gone users.Team) bool { return gone.ID == t.ID })
	})
	return nil, nil
}
