package httpapi

import (
	"net/http"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/users"
)

// verifyEmail spends the token of a mail and signs the browser in.
func (a *API) verifyEmail(c *call) (answer, error) {
	if err := c.body.object(); err != nil {
		return answer{}, err
	}
	token := c.body.text("token")
	byToken := c.principal.ByToken() // a key never turns into a cookie, and a cookie beside it does not count
	var current users.Secret
	if !byToken {
		current, _ = a.cookie(c.Request)
	}
	v, err := a.auth.VerifyEmail(c.Context(), auth.VerifyRequest{
		User: c.body.text("uuid"), Token: token, UserAgent: c.UserAgent(), Current: current, NoSession: byToken,
	})
	if err != nil {
		return answer{}, err
	}
	if v.Session != "" {
		a.setCookie(c.header, v.Session)
	}
	var j jsonWriter
	j.open()
	j.bool("success", true)
	j.text("token", token.Value)
	if v.Requires2FA {
		j.bool("requires_2fa", true)
	}
	if v.RequiresSSO {
		j.bool("requires_sso", true)
	}
	j.close()
	return answer{body: j.bytes()}, nil
}

func (a *API) requestVerification(c *call) (answer, error) {
	if err := c.body.object(); err != nil {
		return answer{}, err
	}
	if err := a.auth.RequestEmailVerification(c.Context(), c.body.text("uuid")); err != nil {
		return answer{}, err
	}
	return success(), nil
}

func (a *API) cancelEmailChange(c *call) (answer, error) {
	if err := a.auth.CancelEmailChange(c.Context(), c.actor()); err != nil {
		return answer{}, err
	}
	c.target = c.actor().ID
	return a.showUser(c)
}

func (a *API) requestReset(c *call) (answer, error) {
	if err := c.body.object(); err != nil {
		return answer{}, err
	}
	if err := a.auth.RequestPasswordReset(c.Context(), c.body.text("email")); err != nil {
		return answer{}, err
	}
	return answer{status: http.StatusNoContent}, nil
}

// checkReset tells a page whether to ask for a password.
func (a *API) checkReset(c *call) (answer, error) {
	token := users.Secret(last(c.URL.Query(), "token"))
	if err := a.auth.CheckPasswordReset(c.Context(), c.PathValue("uuid"), token); err != nil {
		return answer{}, err
	}
	return answer{status: http.StatusNoContent}, nil
}

func (a *API) resetPassword(c *call) (answer, error) {
	if err := c.body.object(); err != nil {
		return answer{}, err
	}
	if err := a.auth.ResetPassword(c.Context(), c.PathValue("uuid"), c.body.text("token"), c.body.text("password")); err != nil {
		return answer{}, err
	}
	return answer{status: http.StatusNoContent}, nil
}
