package httpapi

import (
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/hedgerow-dev/hedgerow/integrations"
	"github.com/hedgerow-dev/hedgerow/users"
)

const (
	// maxRepositories and maxBranches are the most of a page, integrations
	// contract sections 5 and 6.
	maxRepositories = 500
	maxBranches     = 1000
	defaultLinked   = 100
	// maxSearch is the most characters of a search text, design D8.
	maxSearch = 256
)

// resolve finds the target after the query was read.
func (a *API) resolve(c *call) (err error) {
	c.target, err = a.users.Resolve(c.Context(), c.actor(), c.PathValue("user"))
	return err
}

func (a *API) listIntegrations(c *call) (answer, error) {
	q := c.URL.Query()
	kind := "github"
	if q.Has("kind") {
		kind = last(q, "kind")
	}
	if kind != "github" && kind != "slack" {
		return answer{}, &users.Error{Kind: users.Invalid, Code: "invalid_input", Message: "There is no such kind of integration."}
	}
	if err := a.resolve(c); err != nil {
		return answer{}, err
	}
	var list []integrations.Linked
	if kind == "github" { // there is no other
		var err error
		if list, err = a.integrations.List(c.Context(), c.target); err != nil {
			return answer{}, err
		}
	}
	var j jsonWriter
	j.open()
	j.array("results")
	for _, l := range list {
		writeLinked(&j, l)
	}
	j.endArray()
	j.close()
	return answer{body: j.bytes()}, nil
}

// writeLinked writes the item of integrations contract section 3.
func writeLinked(j *jsonWriter, l integrations.Linked) {
	j.object("")
	j.uuid("id", l.ID)
	j.text("kind", "github")
	j.text("installation_id", l.InstallationID)
	j.optionalText("repository_selection", l.RepositorySelection, l.RepositorySelection != "")
	if l.Account == (integrations.Account{}) {
		j.null("account")
	} else {
		j.object("account")
		j.optionalText("type", l.Account.Type, l.Account.Type != "")
		j.text("name", l.Account.Login)
		j.close()
	}
	j.bool("uses_shared_installation", l.UsesTeam)
	j.time("created_at", l.CreatedAt, utcTime)
	j.optionalText("github_login", l.GitHubUser.Login, l.GitHubUser.Login != "")
	j.bool("installation_shared", l.Shared)
	j.text("installation_status", string(l.Status()))
	j.close()
}

func (a *API) unlink(c *call) (answer, error) {
	if err := a.integrations.Unlink(c.Context(), c.actor(), c.target, c.PathValue("installation")); err != nil {
		return answer{}, err
	}
	return answer{status: http.StatusNoContent}, nil
}

func (a *API) listRepositories(c *call) (answer, error) {
	page, err := readPage(c.URL.Query(), maxRepositories)
	if err != nil {
		return answer{}, err
	}
	if err := a.resolve(c); err != nil {
		return answer{}, err
	}
	list, more, err := a.integrations.Repositories(c.Context(), c.target, c.PathValue("installation"), page)
	if err != nil {
		return answer{}, err
	}
	var j jsonWriter
	j.open()
	writeRepositories(&j, list)
	j.bool("has_more", more)
	j.close()
	return answer{body: j.bytes()}, nil
}

func (a *API) refreshRepositories(c *call) (answer, error) {
	list, status, err := a.integrations.RefreshRepositories(c.Context(), c.target, c.PathValue("installation"))
	if err != nil {
		return answer{}, err
	}
	var j jsonWriter
	j.open()
	writeRepositories(&j, list)
	j.text("installation_status", string(status))
	j.close()
	return answer{body: j.bytes()}, nil
}

// writeRepositories writes what GitHub sent and nothing in place of what it did
// not, integrations contract section 5.
func writeRepositories(j *jsonWriter, list []integrations.Repository) {
	j.array("repositories")
	for _, r := range list {
		j.object("")
		j.int("id", r.ID)
		j.text("name", r.Name)
		j.text("full_name", r.FullName)
		for _, f := range []struct {
			name  string
			value users.Null[bool]
		}{{"private", r.Private}, {"archived", r.Archived}, {"can_push", r.CanPush}} {
			if f.value.Valid {
				j.bool(f.name, f.value.Value)
			}
		}
		for _, f := range []struct {
			name  string
			value users.Null[string]
		}{{"default_branch", r.DefaultBranch}, {"language", r.Language}, {"pushed_at", r.PushedAt}} {
			if f.value.Valid {
				j.text(f.name, f.value.Value)
			}
		}
		j.close()
	}
	j.endArray()
}

func (a *API) listBranches(c *call) (answer, error) {
	q := c.URL.Query()
	repository := strings.TrimSpace(last(q, "repo"))
	switch {
	case !q.Has("repo"):
		return answer{}, queryError("repo", "required", "This field is required.")
	case repository == "":
		return answer{}, queryError("repo", "blank", "This field may not be blank.")
	}
	page, err := readPage(q, maxBranches)
	if err != nil {
		return answer{}, err
	}
	if !integrations.ValidRepository(repository) {
		return answer{}, integrations.ErrRepository
	}
	if err := a.resolve(c); err != nil {
		return answer{}, err
	}
	result, err := a.integrations.Branches(c.Context(), c.target, c.PathValue("installation"), repository, page)
	if err != nil {
		return answer{}, err
	}
	var j jsonWriter
	j.open()
	j.array("branches")
	for _, name := range result.Names {
		j.text("", name)
	}
	j.endArray()
	j.optionalText("default_branch", result.Default, result.Default != "")
	j.bool("has_more", result.More)
	j.close()
	return answer{body: j.bytes()}, nil
}

func (a *API) startLink(c *call) (answer, error) {
	var r integrations.StartRequest
	team := field(c.body, "team_id", number)
	if text, ok := unquote(c.body.members["team_id"]); team.Err != nil && (!ok || text != "") {
		return answer{}, integrations.ErrTeam
	}
	r.TeamID = users.TeamID(team.Value)
	r.ConnectFrom = c.body.string("connect_from").Value
	started, err := a.integrations.Start(c.Context(), c.target, r)
	if err != nil {
		return answer{}, err
	}
	var j jsonWriter
	j.open()
	j.text("install_url", started.URL)
	j.text("connect_flow", string(started.Flow))
	j.close()
	return answer{body: j.bytes()}, nil
}

func (a *API) listInstallRequests(c *call) (answer, error) {
	list, installURL, err := a.integrations.InstallRequests(c.Context(), c.target)
	if err != nil {
		return answer{}, err
	}
	var j jsonWriter
	j.open()
	j.array("results")
	for _, r := range list {
		j.object("")
		j.uuid("id", r.ID)
		j.text("github_login", r.GitHubLogin)
		j.text("status", string(r.Status))
		j.optionalText("installation_id", r.InstallationID, r.InstallationID != "")
		j.optionalText("account_login", r.AccountLogin, r.AccountLogin != "")
		j.optionalText("account_type", r.AccountType, r.AccountType != "")
		j.time("requested_at", r.RequestedAt, utcTime)
		j.time("resolved_at", r.ResolvedAt, utcTime)
		j.close()
	}
	j.endArray()
	j.optionalText("install_url", installURL, installURL != "")
	j.close()
	return answer{body: j.bytes()}, nil
}

func (a *API) deleteInstallRequest(c *call) (answer, error) {
	id, ok := users.ParseUUID(c.PathValue("request"))
	if !ok {
		return answer{}, users.ErrNotFound
	}
	if err := a.integrations.DeleteInstallRequest(c.Context(), c.actor(), c.target, id); err != nil {
		return answer{}, err
	}
	return answer{status: http.StatusNoContent}, nil
}

// readPage reads search, limit and offset, integrations contract section 5.
func readPage(q url.Values, most int) (integrations.Page, error) {
	p := integrations.Page{Search: last(q, "search")}
	var err error
	if p.Limit, err = readNumber(q, "limit", defaultLinked, 1, most); err != nil {
		return p, err
	}
	if p.Offset, err = readNumber(q, "offset", 0, 0, -1); err != nil {
		return p, err
	}
	if utf8.RuneCountInString(p.Search) > maxSearch {
		return p, queryError("search", "max_length", "The search text is too long.")
	}
	return p, nil
}

// readNumber reads a whole number in decimal digits, with white space around it
// or ".0" behind it. Nothing means the fallback. A negative most is none; what is
// larger than any list is the largest number.
func readNumber(q url.Values, name string, fallback, least, most int) (int, error) {
	text := last(q, name)
	if text == "" {
		return fallback, nil
	}
	digits := strings.TrimSpace(text)
	digits, negative := strings.CutPrefix(digits, "-")
	if whole, fraction, ok := strings.Cut(digits, "."); ok && strings.Trim(fraction, "0") == "" {
		digits = whole
	}
	n := count(digits)
	switch {
	case n == 0 && digits != "0":
		return 0, queryError(name, "invalid_input", "A whole number is needed.")
	case negative && n > 0 || n < least:
		return 0, queryError(name, "min_value", "The number is too small.")
	case most >= 0 && n > most:
		return 0, queryError(name, "max_value", "The number is too large.")
	}
	return n, nil
}

func queryError(name, code, message string) *users.Error {
	return &users.Error{Kind: users.Invalid, Code: code, Field: name, Message: message}
}
