package githubtest

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// State is what this GitHub knows, tokens aside. Its JSON form is strict: see
// UnmarshalJSON.
type State struct {
	// App is the registered App; nil means that there is none.
	App *App `json:"app"`
	// Users by login.
	Users map[string]User `json:"users"`
	// Installations of the App by id, in decimal digits.
	Installations map[string]Installation `json:"installations"`
	// Branches by "owner/name" of a repository. Letter case does not matter.
	Branches map[string]Branches `json:"branches"`
	// Codes that were issued and not spent, by code.
	Codes map[string]Code `json:"codes"`
	// Visitor is who sits at the browser, for the two pages.
	Visitor Visitor `json:"visitor"`
	// RevokeInstallationTokens names installations whose tokens end now. It is an
	// order, not state: it is carried out once and forgotten.
	RevokeInstallationTokens []string `json:"revoke_installation_tokens,omitempty"`
}

// App is a GitHub App. Its key pair belongs to the Server.
type App struct {
	ClientID      string `json:"client_id"`
	ClientSecret  string `json:"client_secret"`
	Slug          string `json:"slug"`
	WebhookSecret string `json:"webhook_secret"`
	// CallbackURL is where the pages send the browser. If set, an authorize
	// request may name no other redirect_uri; the install page needs it.
	CallbackURL string `json:"callback_url,omitempty"`
	// NonExpiringUserTokens leaves the expiry and refresh members out of token
	// answers.
	NonExpiringUserTokens bool `json:"non_expiring_user_tokens,omitempty"`
}

// User is a person on GitHub.
type User struct {
	ID int64 `json:"id"`
	// Installations the person can reach, by id.
	Installations []string `json:"installations"`
}

// Installation is an installation of the App.
type Installation struct {
	// Account it is installed on. GitHub's own description allows null.
	Account *Account `json:"account"`
	// RepositorySelection is "all" or "selected"; "" leaves it out of answers.
	RepositorySelection string       `json:"repository_selection,omitempty"`
	Repositories        Repositories `json:"repositories"`
	// Deleted means uninstalled: tokens are dead, 404 instead of new ones.
	Deleted bool `json:"deleted,omitempty"`
	// Suspended: 403 to its tokens, and 403 instead of new ones.
	Suspended bool `json:"suspended,omitempty"`
}

// Account is where an App is installed.
type Account struct {
	Type  string `json:"type"` // "User" or "Organization"
	Login string `json:"login"`
	ID    int64  `json:"id,omitempty"` // 0 means one made from the login
}

// Repositories is either a number of repositories, which the Server makes up, or
// a list of objects that it serves as they are, malformed ones too. The list wins
// if it is not nil.
type Repositories struct {
	Count int
	List  []json.RawMessage
}

// Branches of a repository.
type Branches struct {
	Names   []string `json:"names"`
	Default string   `json:"default"` // "" is served as null
}

// Code is an authorization code. It is good for ten minutes from when the Server
// first sees it, and for one exchange.
type Code struct {
	User string `json:"user"` // login
	// RedirectURI must be given in the exchange, or must not if it is "".
	RedirectURI string `json:"redirect_uri,omitempty"`
	// CodeChallenge is the S256 challenge of PKCE; "" means none.
	CodeChallenge string `json:"code_challenge,omitempty"`
}

// Visitor decides what happens on the pages. The zero Visitor is the first user
// by login, who says yes to everything.
type Visitor struct {
	User string `json:"user,omitempty"` // login; "" means the first by login
	// Installation that the install page ends with; "" means the first that the
	// user can reach.
	Installation string `json:"installation,omitempty"`
	// SetupAction of the install page: "" means "install"; with "request" there is
	// no installation yet.
	SetupAction string `json:"setup_action,omitempty"`
	// WithoutCode leaves the code out, as GitHub does when the App was installed
	// before.
	WithoutCode bool `json:"without_code,omitempty"`
	// Error sends the browser back with this error, such as "access_denied".
	Error string `json:"error,omitempty"`
}

// clone copies all that a caller could change afterwards.
func (s State) clone() State {
	if s.App != nil {
		app := *s.App
		s.App = &app
	}
	s.Users, s.Installations = cloneMap(s.Users), cloneMap(s.Installations)
	s.Branches, s.Codes = cloneMap(s.Branches), cloneMap(s.Codes)
	for login, u := range s.Users {
		u.Installations = append([]string{}, u.Installations...) // [] in JSON, not null
		s.Users[login] = u
	}
	for id, i := range s.Installations {
		if i.Account != nil {
			account := *i.Account
			i.Account = &account
		}
		i.Repositories.List = slices.Clone(i.Repositories.List)
		s.Installations[id] = i
	}
	for name, b := range s.Branches {
		b.Names = append([]string{}, b.Names...)
		s.Branches[name] = b
	}
	return s
}

// cloneMap never returns nil, so that what it returns can be written to.
func cloneMap[V any](m map[string]V) map[string]V {
	if m == nil {
		return map[string]V{}
	}
	return maps.Clone(m)
}

// check refuses a state that could not be meant, by an *Invalid.
func (s State) check() error {
	for _, login := range slices.Sorted(maps.Keys(s.Users)) {
		for n, id := range s.Users[login].Installations {
			if !isID(id) {
				return invalid(below("/users", login)+fmt.Sprintf("/installations/%d", n), "%q is not an installation id", id)
			}
		}
	}
	for _, id := range slices.Sorted(maps.Keys(s.Installations)) {
		if !isID(id) {
			return invalid(below("/installations", id), "not an installation id")
		}
		if s.Installations[id].Repositories.Count < 0 {
			return invalid(below("/installations", id)+"/repositories", "negative")
		}
		for n, raw := range s.Installations[id].Repositories.List {
			if !json.Valid(raw) {
				return invalid(below("/installations", id)+fmt.Sprintf("/repositories/%d", n), "not JSON")
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.Branches)) {
		if owner, repository, ok := strings.Cut(name, "/"); !ok || owner == "" || repository == "" {
			return invalid(below("/branches", name), `want "owner/name"`)
		}
	}
	for _, code := range slices.Sorted(maps.Keys(s.Codes)) {
		if _, ok := s.Users[s.Codes[code].User]; !ok {
			return invalid(below("/codes", code)+"/user", "no user %q", s.Codes[code].User)
		}
	}
	if login := s.Visitor.User; login != "" {
		if _, ok := s.Users[login]; !ok {
			return invalid("/visitor/user", "no user %q", login)
		}
	}
	return nil
}

// isID says whether s is a decimal number of at most 20 digits in its only form.
func isID(s string) bool {
	if s == "" || len(s) > 20 || s[0] == '0' {
		return false
	}
	return strings.Trim(s, "0123456789") == ""
}
