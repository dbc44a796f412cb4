package httpapi

import (
	"net/http"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/users"
)

func (a *API) listKeys(c *call) (answer, error) {
	keys, err := a.auth.APIKeys(c.Context(), c.actor().ID)
	if err != nil {
		return answer{}, err
	}
	var j jsonWriter
	j.buf = append(j.buf, '[')
	for _, k := range keys {
		writeKey(&j, k, "")
	}
	j.endArray()
	return answer{body: j.bytes()}, nil
}

func (a *API) createKey(c *call) (answer, error) {
	if err := c.body.object(); err != nil {
		return answer{}, err
	}
	k, value, err := a.auth.CreateAPIKey(c.Context(), c.principal, keyPatch(c.body))
	if err != nil {
		return answer{}, err
	}
	return showKey(http.StatusCreated, k, value), nil
}

// getKey shows a key to its owner's session, or to itself.
func (a *API) getKey(c *call) (answer, error) {
	id := c.PathValue("key")
	if c.principal.ByToken() {
		if id == "@current" {
			id = c.principal.KeyID
		}
		if c.principal.KeyID == "" || id != c.principal.KeyID {
			return answer{}, errNoKeyAccess
		}
	}
	k, err := a.auth.APIKey(c.Context(), c.actor().ID, id)
	if err != nil {
		return answer{}, err
	}
	return showKey(http.StatusOK, k, ""), nil
}

func (a *API) patchKey(c *call) (answer, error) {
	if err := c.body.object(); err != nil {
		return answer{}, err
	}
	k, err := a.auth.UpdateAPIKey(c.Context(), c.principal, c.PathValue("key"), keyPatch(c.body))
	if err != nil {
		return answer{}, err
	}
	return showKey(http.StatusOK, k, ""), nil
}

func (a *API) deleteKey(c *call) (answer, error) {
	if err := a.auth.DeleteAPIKey(c.Context(), c.principal, c.PathValue("key")); err != nil {
		return answer{}, err
	}
	return answer{status: http.StatusNoContent}, nil
}

func (a *API) rollKey(c *call) (answer, error) {
	k, value, err := a.auth.RollAPIKey(c.Context(), c.principal, c.PathValue("key"))
	if err != nil {
		return answer{}, err
	}
	return showKey(http.StatusOK, k, value), nil
}

func keyPatch(b body) auth.KeyPatch {
	return auth.KeyPatch{
		Label:  b.text("label"),
		Scopes: list(b, "scopes", unquote),
		ScopedTeams: list(b, "scoped_teams", func(v jsontext.Value) (users.TeamID, bool) {
			id, ok := number(v)
			return users.TeamID(id), ok
		}),
		ScopedOrganizations: list(b, "scoped_organizations", unquote),
		ExpiresAt:           b.time("expires_at"),
	}
}

func showKey(status int, k auth.APIKey, value users.Secret) answer {
	var j jsonWriter
	writeKey(&j, k, value)
	return answer{status: status, body: j.bytes()}
}

// writeKey appends the object of contract section 11.2.
func writeKey(j *jsonWriter, k auth.APIKey, value users.Secret) {
	j.object("")
	j.text("id", k.ID)
	j.text("label", k.Label)
	j.optionalText("value", string(value), value != "")
	j.text("mask_value", k.Mask)
	j.time("created_at", k.CreatedAt, utcTime)
	j.time("last_used_at", k.LastUsedAt, utcTime)
	j.time("last_rolled_at", k.LastRolledAt, utcTime)
	if !k.ExpiresAt.IsZero() {
		j.time("expires_at", k.ExpiresAt, utcTime)
	}
	j.int("user_id", int64(k.UserID))
	j.array("scopes")
	for _, s := range k.Scopes {
		j.text("", s)
	}
	j.endArray()
	if k.ScopedTeams == nil {
		j.null("scoped_teams")
	} else {
		j.array("scoped_teams")
		for _, t := range k.ScopedTeams {
			j.int("", int64(t))
		}
		j.endArray()
	}
	if k.ScopedOrganizations == nil {
		j.null("scoped_organizations")
	} else {
		j.array("scoped_organizations")
		for _, o := range k.ScopedOrganizations {
			j.uuid("", o)
		}
		j.endArray()
	}
	j.close()
}
