package httpapi

import (
	"errors"
	"net/http"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/hedgerow-dev/hedgerow/autonomy"
)

// getAutonomy answers 404 without a body if the user has no record: unlike the
// 404 of a user that does not exist, that is a state and no error.
func (a *API) getAutonomy(c *call) (answer, error) {
	config, err := a.autonomy.Config(c.Context(), c.target)
	if errors.Is(err, autonomy.ErrNoConfig) {
		return answer{status: http.StatusNotFound}, nil
	} else if err != nil {
		return answer{}, err
	}
	return a.showAutonomy(c, config)
}

func (a *API) saveAutonomy(c *call) (answer, error) {
	if err := c.body.object(); err != nil {
		return answer{}, err
	}
	patch := autonomy.Patch{AutostartPriority: field(c.body, "autostart_priority", func(v jsontext.Value) (autonomy.Priority, bool) {
		text, ok := unquote(v)
		return autonomy.Priority(text), ok
	})}
	config, err := a.autonomy.Save(c.Context(), c.actor(), c.target, patch)
	if err != nil {
		return answer{}, err
	}
	return a.showAutonomy(c, config)
}

func (a *API) deleteAutonomy(c *call) (answer, error) {
	if err := a.autonomy.Delete(c.Context(), c.actor(), c.target); err != nil {
		return answer{}, err
	}
	return answer{status: http.StatusNoContent}, nil
}

// showAutonomy answers with the object of the autonomy contract, section 4.
func (a *API) showAutonomy(c *call, config autonomy.Config) (answer, error) {
	owner := c.principal.User
	if config.UserID != owner.ID {
		var err error
		if owner, err = a.users.User(c.Context(), config.UserID); err != nil {
			return answer{}, err
		}
	}
	var j jsonWriter
	j.open()
	j.uuid("id", config.ID)
	j.object("user")
	j.int("id", int64(owner.ID))
	j.uuid("uuid", owner.UUID)
	j.text("first_name", owner.FirstName)
	j.text("last_name", owner.LastName)
	j.text("email", owner.Email)
	j.close()
	j.optionalText("autostart_priority", string(config.AutostartPriority), config.AutostartPriority != autonomy.None)
	j.time("created_at", config.CreatedAt, utcTime)
	j.time("updated_at", config.UpdatedAt, utcTime)
	j.close()
	return answer{body: j.bytes()}, nil
}
