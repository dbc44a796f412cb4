package httpapitest

import (
	"net/http"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/hedgerow-dev/hedgerow/integrations/githubtest"
)

// gitHubControls are the control endpoints of the fake GitHub and of what is
// linked with it.
func (s *Standin) gitHubControls() []control {
	return []control{
		{http.MethodGet, "github", getGitHub},
		{http.MethodPatch, "github", s.patchGitHub},
		{http.MethodPost, "github/faults", postFault},
		{http.MethodDelete, "github/faults", deleteFaults},
		{http.MethodGet, "github/requests", listRequests},
		{http.MethodDelete, "github/requests", clearRequests},
		{http.MethodDelete, "team_integrations/{team}/{installation}", deleteTeamIntegration},
	}
}

func getGitHub(c *controlCall) (any, error) { return c.github.State(), nil }

// patchGitHub merges a partial state. An App that changes is changed for the API
// too.
func (s *Standin) patchGitHub(c *controlCall) (any, error) {
	var raw jsontext.Value
	if err := decode(c.body, &raw); err != nil {
		return nil, err
	}
	var before, after *githubtest.App
	err := c.github.Update(func(state *githubtest.State) error {
		before = state.App
		if err := state.UnmarshalJSON(raw); err != nil {
			return err
		}
		c.sendBrowsersBack(state)
		after = state.App
		return nil
	})
	if err != nil {
		return nil, foreign("", err)
	}
	if (before == nil) != (after == nil) || before != nil && *before != *after {
		next, err := c.withNewAPI(c.Context())
		if err != nil {
			return nil, err
		}
		s.current.Store(next)
	}
	return c.github.State(), nil
}

func postFault(c *controlCall) (any, error) {
	var raw jsontext.Value
	if err := decode(c.body, &raw); err != nil {
		return nil, err
	}
	var f githubtest.Fault
	err := f.UnmarshalJSON(raw)
	if err == nil {
		err = c.github.AddFault(f)
	}
	return nil, foreign("", err)
}

// deleteFaults removes the fault on the route that the body or the query names,
// or all.
func deleteFaults(c *controlCall) (any, error) {
	var in struct {
		Route member[string] `json:"route"`
	}
	if len(c.body) > 0 {
		if err := decode(c.body, &in); err != nil {
			return nil, err
		}
	}
	if q := c.URL.Query(); !in.Route.set && q.Has("route") {
		in.Route = member[string]{q.Get("route"), true}
	}
	if in.Route.set {
		return nil, foreign("", c.github.RemoveFault(in.Route.value))
	}
	c.github.ClearFaults()
	return nil, nil
}

func listRequests(c *controlCall) (any, error) { return c.github.Requests(), nil }

func clearRequests(c *controlCall) (any, error) {
	c.github.ClearRequests()
	return nil, nil
}

func deleteTeamIntegration(c *controlCall) (any, error) {
	t, ok := c.ids.Teams[c.PathValue("team")]
	if !ok {
		return nil, errNoName
	}
	list, err := c.api.Integrations().TeamInstallations(c.Context(), t.ID)
	if err != nil {
		return nil, err
	}
	for _, i := range list {
		if i.InstallationID == c.PathValue("installation") {
			return nil, c.api.Integrations().DeleteTeamInstallation(c.Context(), i.ID)
		}
	}
	return nil, errNoName
}
