package githubtest

import (
	"encoding/json"
	"fmt"
)

// What the fixtures have in common.
const (
	Login          = "octocat"
	UserID         = int64(99)
	InstallationID = "12345"
	// CallbackURL of the App in the fixtures.
	CallbackURL = "https://app.example.com/complete/github-link/"
)

// NewApp returns the App of the fixtures.
func NewApp() *App {
	return &App{ClientID: "Iv1.a629723000d0a5d5", ClientSecret: "app-client-secret", Slug: "acme-dev", WebhookSecret: "hook-secret", CallbackURL: CallbackURL}
}

// Organization is one user who can reach one installation, on the organization
// acme, with a number of repositories.
func Organization(repositories int) State {
	return State{
		App:   NewApp(),
		Users: map[string]User{Login: {ID: UserID, Installations: []string{InstallationID}}},
		Installations: map[string]Installation{InstallationID: {
			Account: &Account{Type: "Organization", Login: "acme"}, RepositorySelection: "all", Repositories: Repositories{Count: repositories},
		}},
	}
}

// PersonalAccount is one user with the App on the own account and three selected
// repositories.
func PersonalAccount() State {
	s := Organization(3)
	s.Installations[InstallationID] = Installation{
		Account: &Account{Type: "User", Login: Login, ID: UserID}, RepositorySelection: "selected", Repositories: Repositories{Count: 3},
	}
	return s
}

// TwoInstallations is one user who can reach two: 12345 on acme and 67890 on the
// own account.
func TwoInstallations() State {
	s := Organization(3)
	s.Installations["67890"] = PersonalAccount().Installations[InstallationID]
	s.Users[Login] = User{ID: UserID, Installations: []string{InstallationID, "67890"}}
	return s
}

// NoInstallation is one user who can reach none.
func NoInstallation() State {
	return State{App: NewApp(), Users: map[string]User{Login: {ID: UserID}}}
}

// NewRepository returns a repository object with the members that GitHub sends,
// for Repositories.List. Every third id has neither language nor pushed_at, and
// every fourth is archived and cannot be pushed to.
func NewRepository(id int64, owner, name string) json.RawMessage {
	full := owner + "/" + name
	var language, pushed any = "Go", "2026-03-01T12:00:00Z"
	if id%3 == 0 {
		language, pushed = nil, nil
	}
	archived := id%4 == 0
	raw, err := json.Marshal(map[string]any{
		"id": id, "node_id": fmt.Sprintf("R_kgDO%08d", id), "name": name, "full_name": full,
		"owner":   map[string]any{"login": owner, "id": accountID(owner), "type": "Organization", "site_admin": false},
		"private": id%2 == 0, "html_url": "https://github.com/" + full, "description": nil, "fork": false,
		"url": "https://api.github.com/repos/" + full, "created_at": "2025-01-01T00:00:00Z", "updated_at": "2026-03-01T12:00:00Z",
		"pushed_at": pushed, "clone_url": "https://github.com/" + full + ".git", "size": 108, "stargazers_count": 3,
		"language": language, "has_issues": true, "archived": archived, "disabled": false, "visibility": "private",
		"topics": []string{}, "default_branch": "main", "license": nil,
		"permissions": map[string]any{"admin": false, "maintain": false, "push": !archived, "triage": true, "pull": true},
	})
	if err != nil {
		panic(err) // maps of plain values can be written
	}
	return raw
}

// MalformedRepository returns an object that is no repository: its id is text and
// full_name is missing.
func MalformedRepository() json.RawMessage {
	return json.RawMessage(`{"id":"seven","name":"odd","private":false}`)
}
