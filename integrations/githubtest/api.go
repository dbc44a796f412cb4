package githubtest

import (
	"encoding/json"
	"fmt"
	"hash/crc32"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

const suspended = "This installation has been suspended"

func notFound() answer { return refuse(http.StatusNotFound, "Not Found") }

// asApp lets only the App in, and finds its installation.
func (s *Server) asApp(handle func(c *call, id string, i Installation) answer) func(*call) answer {
	return func(c *call) answer {
		if s.state.App == nil {
			return refuse(http.StatusUnauthorized, "Integration not found")
		}
		if err := checkJWT(c.bearer(), &s.key.PublicKey, s.state.App.ClientID, c.now); err != nil {
			return refuse(http.StatusUnauthorized, err.Error())
		}
		id := c.route.segments[2]
		i, found := s.state.Installations[id]
		if !found || i.Deleted {
			return notFound()
		}
		return handle(c, id, i)
	}
}

// asInstallation lets only live installation tokens in.
func (s *Server) asInstallation(handle func(c *call, id string) answer) func(*call) answer {
	return func(c *call) answer {
		token, found := s.tokens.installation[c.bearer()]
		if !found || !c.now.Before(token.expires) || s.state.Installations[token.id].Deleted {
			return refuse(http.StatusUnauthorized, "Bad credentials")
		}
		if s.state.Installations[token.id].Suspended {
			return refuse(http.StatusForbidden, suspended)
		}
		return handle(c, token.id)
	}
}

// asUser lets only live user tokens in.
func (s *Server) asUser(handle func(c *call, t userToken) answer) func(*call) answer {
	return func(c *call) answer {
		token, found := s.tokens.user[c.bearer()]
		if !found || !token.expires.IsZero() && !c.now.Before(token.expires) {
			return refuse(http.StatusUnauthorized, "Bad credentials")
		}
		return handle(c, token)
	}
}

func (s *Server) getUser(_ *call, t userToken) answer {
	return ok(http.StatusOK, map[string]any{
		"id": t.id, "login": t.login, "node_id": fmt.Sprintf("U_%d", t.id), "type": "User", "name": nil, "email": nil, "site_admin": false,
	})
}

func (s *Server) userInstallations(c *call, t userToken) answer {
	var reach []string
	for _, id := range s.state.Users[t.login].Installations {
		if i, found := s.state.Installations[id]; found && !i.Deleted {
			reach = append(reach, id)
		}
	}
	items, a := s.page(c, len(reach), func(n int) any { return installation(reach[n], s.state.Installations[reach[n]], c.now) })
	a.body = map[string]any{"total_count": len(reach), "installations": items}
	return a
}

func (s *Server) userRepositories(c *call, t userToken) answer {
	id := c.route.segments[2]
	i := s.state.Installations[id]
	switch {
	case !slices.Contains(s.state.Users[t.login].Installations, id) || i.Deleted:
		return notFound()
	case i.Suspended:
		return refuse(http.StatusForbidden, suspended)
	}
	return s.repositoryPage(c, id, i)
}

func (s *Server) getInstallation(c *call, id string, i Installation) answer {
	return ok(http.StatusOK, installation(id, i, c.now))
}

func (s *Server) deleteInstallation(_ *call, id string, i Installation) answer {
	i.Deleted = true
	s.state.Installations[id] = i
	s.tokens.revokeInstallation(id)
	return ok(http.StatusNoContent, nil)
}

func (s *Server) createToken(c *call, id string, i Installation) answer {
	if i.Suspended {
		return refuse(http.StatusForbidden, suspended)
	}
	token, expires := s.issueInstallationToken(id, c.now)
	body := map[string]any{"token": token, "expires_at": expires.UTC().Format(time.RFC3339), "permissions": permissions()}
	if i.RepositorySelection != "" {
		body["repository_selection"] = i.RepositorySelection
	}
	return ok(http.StatusCreated, body)
}

func permissions() map[string]string {
	return map[string]string{"contents": "write", "metadata": "read"}
}

// installation is the object that GitHub sends.
func installation(id string, i Installation, now time.Time) map[string]any {
	object := map[string]any{
		"id": json.Number(id), "app_slug": nil, "target_type": nil, "account": nil, "permissions": permissions(), "events": []string{},
		"suspended_at": nil, "html_url": "https://github.com/settings/installations/" + id,
	}
	if a := i.Account; a != nil {
		number := a.ID
		if number == 0 {
			number = accountID(a.Login)
		}
		object["target_type"] = a.Type
		object["account"] = map[string]any{"login": a.Login, "id": number, "type": a.Type, "site_admin": false}
	}
	if i.RepositorySelection != "" {
		object["repository_selection"] = i.RepositorySelection
	}
	if i.Suspended {
		object["suspended_at"] = now.UTC().Format(time.RFC3339)
	}
	return object
}

// accountID makes up the number of an account that was given none.
func accountID(login string) int64 { return int64(crc32.ChecksumIEEE([]byte(strings.ToLower(login)))) }

func (s *Server) installationRepositories(c *call, id string) answer {
	i := s.state.Installations[id]
	a := s.repositoryPage(c, id, i)
	if c.fault.Kind == AddBetweenPages {
		list := []json.RawMessage{NewRepository(1_000_000+int64(s.serial), owner(id, i), fmt.Sprintf("added-%d", s.serial))}
		for n := range i.Repositories.size() {
			list = append(list, i.repository(id, n))
		}
		i.Repositories = Repositories{List: list}
		s.state.Installations[id] = i
	}
	return a
}

func (s *Server) repositoryPage(c *call, id string, i Installation) answer {
	size := i.Repositories.size()
	items, a := s.page(c, size, func(n int) any { return i.repository(id, n) })
	body := map[string]any{"total_count": size, "repositories": items}
	if i.RepositorySelection != "" {
		body["repository_selection"] = i.RepositorySelection
	}
	a.body = body
	return a
}

func (r Repositories) size() int {
	if r.List != nil {
		return len(r.List)
	}
	return r.Count
}

// repository is the n-th from zero: of the list, or made up as "repo-1" and so on.
func (i Installation) repository(id string, n int) json.RawMessage {
	if i.Repositories.List != nil {
		return i.Repositories.List[n]
	}
	return NewRepository(int64(n+1), owner(id, i), fmt.Sprintf("repo-%d", n+1))
}

func owner(id string, i Installation) string {
	if i.Account == nil || i.Account.Login == "" {
		return "account-" + id
	}
	return i.Account.Login
}

// page cuts the page that the query asks for, with Link in the header.
func (s *Server) page(c *call, size int, item func(n int) any) ([]any, answer) {
	q := c.r.URL.Query()
	per, number := min(positive(q.Get("per_page"), 30), 100), positive(q.Get("page"), 1)
	items := []any{}
	for n := (number - 1) * per; n < min(size, number*per); n++ {
		items = append(items, item(n))
	}
	a := ok(http.StatusOK, nil)
	last := max(1, (size+per-1)/per)
	var links []string
	link := func(to int, rel string) {
		q.Set("page", strconv.Itoa(to))
		scheme := "http"
		if c.r.TLS != nil {
			scheme = "https"
		}
		links = append(links, fmt.Sprintf(`<%s://%s%s?%s>; rel="%s"`, scheme, c.r.Host, c.r.URL.EscapedPath(), q.Encode(), rel))
	}
	if number > 1 {
		link(number-1, "prev")
		link(1, "first")
	}
	if number < last {
		link(number+1, "next")
		link(last, "last")
	}
	if links != nil {
		a.header.Set("Link", strings.Join(links, ", "))
	}
	return items, a
}

// positive reads a number from 1 to a million, or takes the default as GitHub does.
func positive(text string, otherwise int) int {
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > 1_000_000 {
		return otherwise
	}
	return n
}

func (s *Server) getRepository(c *call, id string) answer {
	name, branches, found := s.branches(c, id)
	if !found {
		return notFound()
	}
	body := map[string]any{"name": c.route.segments[2], "full_name": name, "private": true, "default_branch": nil}
	if branches.Default != "" {
		body["default_branch"] = branches.Default
	}
	return ok(http.StatusOK, body)
}

func (s *Server) listBranches(c *call, id string) answer {
	_, branches, found := s.branches(c, id)
	if !found {
		return notFound()
	}
	items, a := s.page(c, len(branches.Names), func(n int) any {
		sha := fmt.Sprintf("%040x", n)
		return map[string]any{"name": branches.Names[n], "commit": map[string]any{"sha": sha, "url": OtherHost + "/commits/" + sha}, "protected": false}
	})
	a.body = items
	return a
}

// branches finds those of the repository in the path: as the state says, or the
// default branch of a repository of the installation.
func (s *Server) branches(c *call, id string) (name string, b Branches, found bool) {
	full := c.route.segments[1] + "/" + c.route.segments[2]
	for name, b := range s.state.Branches {
		if strings.EqualFold(name, full) {
			return name, b, true
		}
	}
	i := s.state.Installations[id]
	for n := range i.Repositories.size() {
		var repository struct {
			FullName      string `json:"full_name"`
			DefaultBranch string `json:"default_branch"`
		}
		if json.Unmarshal(i.repository(id, n), &repository) != nil || !strings.EqualFold(repository.FullName, full) {
			continue // malformed ones are in the list on purpose
		}
		if repository.DefaultBranch == "" {
			return repository.FullName, Branches{}, true
		}
		return repository.FullName, Branches{Names: []string{repository.DefaultBranch}, Default: repository.DefaultBranch}, true
	}
	return "", Branches{}, false
}
