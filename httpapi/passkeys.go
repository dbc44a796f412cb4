package httpapi

import (
	"net/http"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/users"
)

func (a *API) listPasskeys(c *call) (answer, error) {
	list, err := a.auth.Passkeys(c.Context(), c.target)
	if err != nil {
		return answer{}, err
	}
	var j jsonWriter
	j.buf = append(j.buf, '[')
	for _, k := range list {
		writePasskey(&j, k)
	}
	j.endArray()
	return answer{body: j.bytes()}, nil
}

func (a *API) startPasskey(c *call) (answer, error) {
	options, err := a.auth.StartPasskey(c.Context(), c.principal)
	return answer{body: options}, err
}

func (a *API) confirmPasskey(c *call) (answer, error) {
	if err := c.body.object(); err != nil {
		return answer{}, err
	}
	k, err := a.auth.ConfirmPasskey(c.Context(), c.principal, credential(c.body), c.body.text("name"))
	if err != nil {
		return answer{}, err
	}
	return showPasskey(http.StatusCreated, k), nil
}

// credential reads what a browser has to say about a passkey.
func credential(b body) users.Field[users.JSON] {
	return field(b, "credential", func(v jsontext.Value) (users.JSON, bool) {
		return users.JSON(v), v.Kind() == '{'
	})
}

func (a *API) renamePasskey(c *call) (answer, error) {
	if err := c.body.object(); err != nil {
		return answer{}, err
	}
	k, err := a.auth.RenamePasskey(c.Context(), c.principal, c.PathValue("passkey"), c.body.text("name"))
	if err != nil {
		return answer{}, err
	}
	return showPasskey(http.StatusOK, k), nil
}

func (a *API) deletePasskey(c *call) (answer, error) {
	if err := a.auth.DeletePasskey(c.Context(), c.principal, c.PathValue("passkey")); err != nil {
		return answer{}, err
	}
	return answer{status: http.StatusNoContent}, nil
}

func showPasskey(status int, k auth.Passkey) answer {
	var j jsonWriter
	writePasskey(&j, k)
	return answer{status: status, body: j.bytes()}
}

func writePasskey(j *jsonWriter, k auth.Passkey) {
	j.object("")
	j.uuid("id", k.ID)
	j.text("name", k.Name)
	j.time("created_at", k.CreatedAt, utcTime)
	j.time("last_used_at", k.LastUsedAt, utcTime)
	j.bool("verified", k.Verified)
	j.close()
}

// challengeCookie names the cookie that ties a sign-in by passkey to the browser
// that began it.
func (a *API) challengeCookie() string { return a.config.CookieName + "_passkey" }

func (a *API) startPasskeyLogin(c *call) (answer, error) {
	if c.principal.ByToken() {
		return answer{}, errNoKeyAccess // a key never turns into a cookie
	}
	if err := c.body.object(); err != nil {
		return answer{}, err
	}
	options, challenge, err := a.auth.StartPasskeyLogin(c.Context(), a.clientAddress(c.Request), c.body.text("email"))
	if err != nil {
		return answer{}, err
	}
	a.addCookie(c.header, a.challengeCookie(), challenge, auth.ChallengeLifetime, http.SameSiteStrictMode)
	return answer{body: options}, nil
}

func (a *API) passkeyLogin(c *call) (answer, error) {
	if c.principal.ByToken() {
		return answer{}, errNoKeyAccess
	}
	if err := c.body.object(); err != nil {
		return answer{}, err
	}
	challenge, _ := cookie(c.Request, a.challengeCookie())
	current, _ := a.cookie(c.Request)
	token, err := a.auth.PasskeyLogin(c.Context(), auth.PasskeyLoginRequest{
		Challenge: challenge, Credential: credential(c.body),
		Client: a.clientAddress(c.Request), UserAgent: c.UserAgent(), Current: current, Remembered: remembered(c.Request),
	})
	if token != "" {
		a.addCookie(c.header, a.challengeCookie(), "", -time.Second, http.SameSiteStrictMode) // it is spent
	}
	return a.entered(c, token, err)
}

func (a *API) startPasskeyStep(c *call) (answer, error) {
	if c.principal.ByToken() {
		return answer{}, errNoKeyAccess
	}
	pending, _ := a.cookie(c.Request)
	options, err := a.auth.StartPasskeyStep(c.Context(), pending)
	return answer{body: options}, err
}

func (a *API) finishLoginByPasskey(c *call) (answer, error) {
	if c.principal.ByToken() {
		return answer{}, errNoKeyAccess
	}
	if err := c.body.object(); err != nil {
		return answer{}, err
	}
	pending, _ := a.cookie(c.Request)
	in, err := a.auth.FinishLoginByPasskey(c.Context(), auth.PasskeyStepRequest{Pending: pending, Credential: credential(c.body), UserAgent: c.UserAgent()})
	if err != nil {
		return answer{}, err
	}
	return a.signedIn(c, in), nil
}
