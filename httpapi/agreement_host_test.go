package httpapi_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/httpapi"
	"github.com/hedgerow-dev/hedgerow/integrations"
	"github.com/hedgerow-dev/hedgerow/integrations/githubtest"
	"github.com/hedgerow-dev/hedgerow/users"
)

// newOperations returns what draws requests, and now and then an act.
func (w *world) newOperations(source *rand.Rand) func() operation {
	makers, acts := requestMakers(), hostActs()
	routes, names := slices.Sorted(maps.Keys(makers)), slices.Sorted(maps.Keys(acts))
	// What comes of these takes several steps.
	routes = slices.Concat(routes, []string{"PATCH /api/users/{user}", "PATCH /api/users/{user}", "POST /api/login", "POST /api/login/token", "GET /complete/github-link",
		"POST /api/users/{user}/integrations/github/start", "POST /api/users/{user}/passkeys/register/begin", "POST /api/users/{user}/passkeys/register/complete",
		"POST /api/login/passkey/begin", "POST /api/login/passkey/complete", "POST /api/login/2fa/passkey/begin", "POST /api/login/2fa/passkey/complete",
		"POST /api/login/2fa/passkey/complete", "DELETE /api/users/{user}/integrations/github/{requests}/{request}",
		"GET /api/users/{user}/integrations/github/{installation}/branches", "GET /api/users/{user}/integrations/github/{installation}/branches",
		"POST /api/users/{user}/two_factor_backup_codes"})
	names = slices.Concat(names, []string{"time passes", "time passes", "time passes", "session", "session", "session", "session", "session", "session", "session", "session", "session", "visit of GitHub's page", "visit of GitHub's page",
		"membership", "membership", "organization", "team", "account", "activation", "import of a link", "authenticator", "passkeys as second factor", "passkeys as second factor", "user token"})
	callers := httpapi.Callers(w.envs[0].api)
	for route, m := range makers {
		method, path, _ := strings.Cut(route, " ")
		switch who := callers[[2]string{method, path}]; {
		case m.cookie == "" && who == "session":
			m.cookie = "cookie"
		case m.cookie == "" && who == "anyone" && !strings.Contains(path, "logout"):
			m.cookie = "none"
		}
		makers[route] = m
	}
	d := draw{source, w}
	return func() operation {
		all := names
		if d.IntN(5) < 4 {
			all = routes
		}
		goal := d.one(all...)
		if w.goal != "" && d.IntN(4) < 3 {
			goal = w.goal
		}
		name := goal
		if !d.seldom() {
			name = d.useful(goal)
		}
		w.used, w.goal = nil, ""
		if name != goal {
			w.goal = goal
		}
		var op operation
		if m, isRoute := makers[name]; isRoute {
			op = call(d.request(name, m))
		} else {
			op = acts[name](d)
		}
		op.name, op.used = name, w.used
		return op
	}
}

// call is the operation of a request.
func call(r request) operation {
	op := operation{text: r.String(), do: func(e *env) reaction { return send(e, r) }}
	for _, h := range r.header {
		if h[0] == "Cookie" {
			op.cookie = h[1]
		}
	}
	return op
}

// act is what the host does through the Go API. The result is shown in JSON.
func act(text string, do func(ctx context.Context, e *env) (any, error)) operation {
	return operation{text: text, do: func(e *env) reaction {
		result, err := do(e.t.Context(), e)
		if err != nil {
			return reaction{Err: err.Error()}
		}
		body, err := json.Marshal(result)
		if err != nil {
			e.t.Fatal(err)
		}
		return reaction{Body: string(body)}
	}}
}

// done is an act without a result.
func done(text string, do func(ctx context.Context, e *env) error) operation {
	return act(text, func(ctx context.Context, e *env) (any, error) { return nil, do(ctx, e) })
}

func (d draw) user() users.ID {
	n, err := strconv.ParseInt(d.known("number", "1"), 10, 64)
	if err != nil {
		d.w.t.Fatal(err)
	}
	return users.ID(n)
}

func (d draw) team() users.TeamID {
	n, err := strconv.ParseInt(d.known("team", "1"), 10, 64)
	if err != nil {
		d.w.t.Fatal(err)
	}
	return users.TeamID(n)
}

func (d draw) organization() uuid.UUID { return uuid.MustParse(d.known("organization", unknownID)) }

// plain draws text for what only a host sets: any bytes.
func (d draw) plain() string {
	if !d.seldom() {
		return d.one("x", "é", "e\u0301", "A", "a")
	}
	return d.one("x", "é", "e\u0301", "", "A", "a", "\x00", "\xff", "a\xed\xa0\x80", d.text())
}

// hostActs are what a host, time and GitHub can do, by kind.
func hostActs() map[string]func(draw) operation {
	acts := map[string]func(draw) operation{
		"time passes": func(d draw) operation {
			by := pick(d, time.Second, time.Microsecond, 2*time.Second, 31*time.Second, time.Minute, 61*time.Second, 5*time.Minute, 11*time.Minute)
			if d.seldom() {
				by = pick(d, time.Hour, 2*time.Hour+time.Second, 25*time.Hour, 15*24*time.Hour, 200*24*time.Hour)
			}
			return operation{text: fmt.Sprintf("%s passes", by), do: func(e *env) reaction { e.advance(by); return reaction{} }}
		},
		"session": func(d draw) operation {
			user, o := d.user(), auth.StartOptions{Age: pick(d, 0, 0, 3*time.Hour), SecondFactor: d.yes()}
			op := act(fmt.Sprintf("StartSession(%d, %s)", user, shown(o)), func(ctx context.Context, e *env) (any, error) { return e.api.Auth().StartSession(ctx, user, o) })
			return op.learning(func(w *world, o reaction) { w.known.add("cookie", "sessionid="+unquoted(o.Body)) })
		},
		"visit of GitHub's page": func(d draw) operation {
			cookie, page, _ := strings.Cut(d.known("page", "sessionid=x https://github.com/"), " ")
			op := operation{text: "browser opens " + page, do: func(e *env) reaction { return e.browse(page) }}
			return op.learning(func(w *world, o reaction) {
				if back, err := url.Parse(o.Header.Get("Location")); err == nil && back.RawQuery != "" {
					w.known.add("callback", cookie+" "+back.RawQuery)
				}
			})
		},
		"GitHub changes": func(d draw) operation {
			state := d.one(`{"installations":{"12345":{"suspended":true}}}`, `{"installations":{"12345":{"suspended":false,"deleted":false}}}`, `{"installations":{"12345":{"deleted":true}}}`,
				`{"installations":{"12345":{"repositories":5}}}`, `{"revoke_installation_tokens":["12345"]}`,
				`{"branches":{"acme/web":{"names":["main","é","e\u0301","a"],"default":"main"}}}`,
				`{"installations":{"12345":{"repositories":[{"id":1,"name":"web","full_name":"acme/web","private":true,"language":"\u0000"},{"id":"x"}]}}}`)
			return merge(state)
		},
		"GitHub's visitor": func(d draw) operation {
			return merge(d.one(`{"visitor":{"setup_action":"request","error":""}}`, `{"visitor":{"setup_action":"","error":""}}`, `{"visitor":{"setup_action":"","error":"access_denied"}}`,
				`{"visitor":{"without_code":true}}`, `{"visitor":{"without_code":false}}`, `{"visitor":{"installation":"67890"}}`, `{"visitor":{"installation":""}}`))
		},
		"GitHub fails": func(d draw) operation {
			f := githubtest.Fault{Times: 1, Status: 500,
				Route: d.one("GET /installation/repositories", "POST /app/installations/{id}/access_tokens", "GET /user", "POST /login/oauth/access_token", "GET /repos/{owner}/{name}/branches", "GET /user/installations"),
				Kind: d.one(githubtest.Status, githubtest.HTML200, githubtest.WrongShape200, githubtest.TruncatedJSON200, githubtest.Plain403, githubtest.RateLimitPrimary403,
					githubtest.RateLimit429, githubtest.TokenMissing, githubtest.ExpiresAtOdd, githubtest.LinkOtherHost, githubtest.Redirect)}
			return operation{text: "GitHub fails: " + shown(f), do: func(e *env) reaction {
				if err := e.gh.server.AddFault(f); err != nil {
					e.t.Fatal(err)
				}
				return reaction{}
			}}
		},
		"clean-up": func(draw) operation {
			return act("DeleteExpired", func(ctx context.Context, e *env) (any, error) {
				n, err := e.api.Auth().DeleteExpired(ctx)
				links, failed := e.api.Integrations().DeleteExpired(ctx)
				return []int{n, links}, errors.Join(err, failed)
			})
		},
	}
	maps.Copy(acts, accountActs())
	maps.Copy(acts, organizationActs())
	maps.Copy(acts, credentialActs())
	maps.Copy(acts, linkActs())
	return acts
}

func merge(state string) operation {
	return operation{text: "GitHub: " + state, do: func(e *env) reaction { e.merge(state); return reaction{} }}
}

// browse opens a page of GitHub.
func (e *env) browse(page string) reaction {
	r := httptest.NewRequestWithContext(e.t.Context(), http.MethodGet, page, nil)
	r.Header.Set("User-Agent", "browser")
	rec := httptest.NewRecorder()
	e.gh.server.ServeHTTP(rec, r)
	return reaction{Header: http.Header{"Location": rec.Header()["Location"]}, Body: rec.Body.String()}
}

// unquoted is the text that a JSON string holds, "" for anything else.
func unquoted(body string) string {
	var s string
	if json.Unmarshal([]byte(body), &s) != nil {
		return ""
	}
	return s
}

func linkActs() map[string]func(draw) operation {
	return map[string]func(draw) operation{
		"team installation": func(d draw) operation {
			i := integrations.TeamInstallation{TeamID: d.team(), InstallationID: d.one("12345", "67890", "1", "x"), CreatedBy: d.user(), ConnectingLogin: d.plain()}
			op := done(fmt.Sprintf("SaveTeamInstallation(%s)", shown(i)), func(ctx context.Context, e *env) error {
				_, err := e.api.Integrations().SaveTeamInstallation(ctx, i)
				return err
			})
			return op.learning(func(w *world, _ reaction) { w.known.add("team installation", fmt.Sprint(i.TeamID)) })
		},
		"team installation deleted": func(d draw) operation {
			team, err := strconv.ParseInt(d.known("team installation", "1"), 10, 64)
			if err != nil {
				d.w.t.Fatal(err)
			}
			return done(fmt.Sprintf("delete the first installation of team %d", team), func(ctx context.Context, e *env) error {
				// Numbers differ, as PostgreSQL skips those of what it refused.
				list, err := e.api.Integrations().TeamInstallations(ctx, users.TeamID(team))
				if err != nil || len(list) == 0 {
					return errors.Join(err, users.ErrNotFound)
				}
				return e.api.Integrations().DeleteTeamInstallation(ctx, list[0].ID)
			})
		},
		"import of a link": func(d draw) operation {
			link := integrations.Import{Installation: integrations.Installation{UserID: d.user(), InstallationID: d.one("12345", "67890", "1"), ETag: d.plain(), RepositorySelection: "all",
				Account: integrations.Account{Login: d.plain(), Type: "User", ID: 1}, GitHubUser: integrations.Account{Login: d.plain(), ID: 99}, SnapshotAt: time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)},
				UserToken: "ghu_x", RefreshToken: "ghr_x", Repositories: []integrations.Repository{{ID: 1, Name: d.plain(), FullName: "acme/" + d.plain(), Language: users.Some(d.plain())}}}
			return act(fmt.Sprintf("Import(%s)", shown(link)), func(ctx context.Context, e *env) (any, error) { return e.api.Integrations().Import(ctx, link) })
		},
		"user token": func(d draw) operation {
			user, id := d.user(), d.one("12345", "67890")
			return act(fmt.Sprintf("UserToken(%d, %s)", user, id), func(ctx context.Context, e *env) (any, error) { return e.api.Integrations().UserToken(ctx, user, id) })
		},
		"tokens sealed again": func(draw) operation {
			return act("Reseal", func(ctx context.Context, e *env) (any, error) { return e.api.Integrations().Reseal(ctx) })
		},
	}
}
