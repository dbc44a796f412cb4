package httpapi

import (
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/users"
)

func (a *API) login(c *call) (answer, error) {
	if c.principal.ByToken() {
		return answer{}, errNoKeyAccess // a key never turns into a cookie
	}
	if err := c.body.object(); err != nil {
		return answer{}, err
	}
	current, _ := a.cookie(c.Request)
	token, err := a.auth.Login(c.Context(), auth.LoginRequest{
		Email: c.body.text("email"), Password: c.body.text("password"),
		Client: a.clientAddress(c.Request), UserAgent: c.UserAgent(), Current: current, Remembered: remembered(c.Request),
	})
	return a.entered(c, token, err)
}

// entered hands out the cookie of a session, or of a login that waits for its
// second step.
func (a *API) entered(c *call, token users.Secret, err error) (answer, error) {
	if errors.Is(err, auth.Err2FARequired) {
		a.addCookie(c.header, a.config.CookieName, token, auth.PendingKept, http.SameSiteLaxMode)
	}
	if err != nil {
		return answer{}, err
	}
	a.setCookie(c.header, token)
	return success(), nil
}

// finishLogin takes the second step. The login that waits for it is found by the
// session cookie, which is good for nothing else until then.
func (a *API) finishLogin(c *call) (answer, error) {
	if c.principal.ByToken() {
		return answer{}, errNoKeyAccess
	}
	if err := c.body.object(); err != nil {
		return answer{}, err
	}
	pending, _ := a.cookie(c.Request)
	in, err := a.auth.FinishLogin(c.Context(), auth.SecondStep{Pending: pending, Code: c.body.code("token"), UserAgent: c.UserAgent()})
	if err != nil {
		return answer{}, err
	}
	return a.signedIn(c, in), nil
}

// signedIn hands out what a second step has earned.
func (a *API) signedIn(c *call, in auth.SignedIn) answer {
	a.setCookie(c.header, in.Session)
	a.addCookie(c.header, rememberPrefix+in.User.String(), in.Remember, auth.RememberLifetime, http.SameSiteStrictMode)
	return success()
}

func success() answer { return answer{body: []byte(`{"success":true}`)} }

// logout ends the session behind the cookie and sends the browser to the login
// page.
func (a *API) logout(c *call) (answer, error) {
	// A request that comes by a key has no session to end.
	if token, ok := a.cookie(c.Request); ok && !c.principal.ByToken() {
		if err := a.auth.Logout(c.Context(), token); err != nil {
			return answer{}, err
		}
		a.setCookie(c.header, "")
	}
	location := a.config.BasePath + "/login"
	if next := last(c.URL.Query(), "next"); safeNext(next) {
		location += "?" + url.Values{"next": {next}}.Encode()
	}
	c.header.Set("Location", location)
	return answer{status: http.StatusFound}, nil
}

// safeNext reports a path on our own origin: one slash, then nothing that a
// browser could take for a host (R51).
func safeNext(next string) bool {
	if len(next) < 1 || len(next) > 2048 || next[0] != '/' || strings.HasPrefix(next, "//") || strings.Contains(next, `\`) {
		return false
	}
	if strings.ContainsFunc(next, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
		return false
	}
	u, err := url.Parse(next)
	return err == nil && u.Scheme == "" && u.Host == "" && !strings.HasPrefix(u.Path, "//") && !strings.Contains(u.Path, `\`)
}
