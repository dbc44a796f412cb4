package githubtest

import (
	"crypto/sha256"
	"encoding/base64"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// authorize is the page on which a person lets the App act for them. The Visitor
// has already decided.
func (s *Server) authorize(c *call) answer {
	q, app := c.r.URL.Query(), s.state.App
	if app == nil || q.Get("client_id") != app.ClientID {
		return refuse(http.StatusNotFound, "Not Found")
	}
	target := q.Get("redirect_uri")
	back := url.Values{"state": q["state"]}
	switch {
	case app.CallbackURL != "" && target != "" && target != app.CallbackURL:
		return redirect(app.CallbackURL, withError(back, "redirect_uri_mismatch"))
	case target == "" && app.CallbackURL == "":
		return refuse(http.StatusBadRequest, "There is neither a redirect_uri nor a callback URL of the App.")
	case q.Get("code_challenge") != "" && q.Get("code_challenge_method") != "S256":
		return redirect(orElse(target, app.CallbackURL), withError(back, "invalid_request"))
	}
	return s.decided(orElse(target, app.CallbackURL), back, Code{RedirectURI: target, CodeChallenge: q.Get("code_challenge")})
}

// install is the page on which a person installs the App.
func (s *Server) install(c *call) answer {
	app := s.state.App
	if app == nil || c.route.segments[1] != app.Slug {
		return refuse(http.StatusNotFound, "Not Found")
	}
	if app.CallbackURL == "" {
		return refuse(http.StatusBadRequest, "The App has no callback URL.")
	}
	back := url.Values{"setup_action": {orElse(s.state.Visitor.SetupAction, "install")}}
	if state, ok := c.r.URL.Query()["state"]; ok {
		back["state"] = state
	}
	if back.Get("setup_action") != "request" {
		id := s.state.Visitor.Installation
		if reach := s.state.Users[s.visitor()].Installations; id == "" && len(reach) > 0 {
			id = reach[0]
		}
		if id == "" {
			return refuse(http.StatusNotFound, "The visitor has nothing to install the App on.")
		}
		back.Set("installation_id", id)
	}
	return s.decided(app.CallbackURL, back, Code{})
}

// visitor is the login of who sits at the browser, or "".
func (s *Server) visitor() string {
	if s.state.Visitor.User != "" || len(s.state.Users) == 0 {
		return s.state.Visitor.User
	}
	return slices.Min(slices.Collect(maps.Keys(s.state.Users)))
}

// decided sends the browser back with a code for the visitor, or with an error.
func (s *Server) decided(target string, back url.Values, code Code) answer {
	v := s.state.Visitor
	if v.Error != "" {
		return redirect(target, withError(back, v.Error))
	}
	if code.User = s.visitor(); code.User == "" {
		return refuse(http.StatusNotFound, "There is no user who could decide.")
	}
	if !v.WithoutCode {
		text := newSecret("")
		s.state.Codes[text] = code
		s.tokens.codes[text] = s.now()
		back.Set("code", text)
	}
	return redirect(target, back)
}

func withError(back url.Values, name string) url.Values {
	delete(back, "setup_action")
	delete(back, "installation_id")
	back.Set("error", name)
	back.Set("error_description", "The request was refused: "+name)
	back.Set("error_uri", "https://docs.github.com/apps/troubleshooting-authorization-request-errors/#"+name)
	return back
}

// redirect adds members to the query of the target.
func redirect(target string, add url.Values) answer {
	u, err := url.Parse(target)
	if err != nil {
		return refuse(http.StatusBadRequest, "The redirect_uri cannot be parsed.")
	}
	q := u.Query()
	maps.Copy(q, add)
	u.RawQuery = q.Encode()
	a := ok(http.StatusFound, nil)
	a.header.Set("Location", u.String())
	return a
}

func orElse(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}

// token exchanges a code or a refresh token. It always answers 200.
func (s *Server) token(c *call) answer {
	app := s.state.App
	if app == nil || c.member("client_id") != app.ClientID || c.member("client_secret") != app.ClientSecret || app.ClientSecret == "" {
		return c.tokenError("incorrect_client_credentials")
	}
	switch c.member("grant_type") {
	case "", "authorization_code":
		return s.exchange(c)
	case "refresh_token":
		return s.refresh(c)
	}
	return c.tokenError("unsupported_grant_type")
}

// exchange spends a code, whether or not the rest of the request is right.
func (s *Server) exchange(c *call) answer {
	text := c.member("code")
	code, known := s.state.Codes[text]
	issued := s.tokens.codes[text]
	delete(s.state.Codes, text)
	delete(s.tokens.codes, text)
	user, exists := s.state.Users[code.User]
	switch {
	case !known || !exists || c.now.Sub(issued) > CodeLifetime:
		return c.tokenError("bad_verification_code")
	case c.member("redirect_uri") != code.RedirectURI:
		return c.tokenError("redirect_uri_mismatch")
	case code.CodeChallenge != "" && code.CodeChallenge != challenge(c.member("code_verifier")):
		return c.tokenError("bad_verification_code")
	}
	return c.tokenAnswer(s.issueUserToken(code.User, user.ID))
}

// challenge is the S256 challenge of a verifier (RFC 7636 §4.2).
func challenge(verifier string) string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// refresh spends a refresh token and the access token that came with it.
func (s *Server) refresh(c *call) answer {
	text := c.member("refresh_token")
	old, known := s.tokens.refresh[text]
	user := s.tokens.user[old.access]
	delete(s.tokens.refresh, text)
	delete(s.tokens.user, old.access)
	if !known || !c.now.Before(old.expires) {
		return c.tokenError("bad_refresh_token")
	}
	return c.tokenAnswer(s.issueUserToken(user.login, user.id))
}

func (c *call) tokenError(name string) answer {
	return c.jsonOrForm(map[string]any{
		"error": name, "error_description": "The request was refused: " + name,
		"error_uri": "https://docs.github.com/apps/managing-oauth-apps/troubleshooting-oauth-app-access-token-request-errors/#" + name,
	})
}

func (c *call) tokenAnswer(t UserTokens) answer {
	members := map[string]any{"access_token": t.AccessToken, "scope": "", "token_type": "bearer"}
	if t.RefreshToken != "" {
		members["expires_in"] = int(t.Lifetime.Seconds())
		members["refresh_token"] = t.RefreshToken
		members["refresh_token_expires_in"] = int(t.RefreshLifetime.Seconds())
	}
	return c.jsonOrForm(members)
}

// jsonOrForm answers as Accept asks: a form unless JSON is named.
func (c *call) jsonOrForm(members map[string]any) answer {
	if strings.Contains(c.r.Header.Get("Accept"), "application/json") {
		return ok(http.StatusOK, members)
	}
	if c.fault.Kind == TokenMissing {
		delete(members, "access_token")
	}
	form := url.Values{}
	for name, member := range members {
		switch member := member.(type) {
		case string:
			form.Set(name, member)
		case int:
			form.Set(name, strconv.Itoa(member))
		}
	}
	a := ok(http.StatusOK, page(form.Encode()))
	a.header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	return a
}
