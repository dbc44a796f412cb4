package httpapi_test

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/anishathalye/porcupine"

	"github.com/hedgerow-dev/hedgerow/users"
)

// Secrets that are good for one use.
type (
	secretIn struct {
		user  int
		token string
		look  bool // which spends nothing
	}
	secretOut struct {
		good   bool
		barred bool // nothing was tried, as something wrong was before
		gone   bool // nothing was tried, as the login gave way to newer ones
	}
	// secretState is which were spent, joined by spaces.
	secretState struct {
		spent  string
		barred bool
	}
)

const (
	secretOwners = 5 // users in a history
	secretsEach  = 3
)

// owner is a user with secrets.
type owner struct {
	users.User
	secrets []string
}

func secretOwnersOf(e *env, name string, secrets func(u users.User) []string, change ...func(*users.User)) (all []owner) {
	for n := range secretOwners {
		u := e.user(fmt.Sprint(name, "-", n), change...)
		all = append(all, owner{u, secrets(u)})
	}
	return all
}

// pick chooses one secret of one user.
func (c *caller) pick(owners []owner) (n int, u users.User, secret string) {
	n = c.rand.IntN(len(owners))
	o := owners[n]
	return n, o.User, o.secrets[c.rand.IntN(len(o.secrets))]
}

// linkStep: any link that is used makes all worthless.
func linkStep(s secretState, in secretIn, out *secretOut) (secretState, bool) {
	good := s.spent == ""
	if good && !in.look {
		s.spent = in.token
	}
	return s, out == nil || out.good == good
}

func linkModel() porcupine.Model {
	m := modelOf(secretState{}, linkStep)
	m.Partition = partitionBy(func(in secretIn) int { return in.user })
	return m
}

// resetSubject has links to choose a new password looked at and used.
func resetSubject(e *env, name string) subject {
	owners := secretOwnersOf(e, name, func(u users.User) (tokens []string) {
		for range secretsEach {
			tokens = append(tokens, e.askReset(u))
		}
		return tokens
	})
	act := func(c *caller) {
		n, u, token := c.pick(owners)
		path := "/api/reset/" + u.UUID.String()
		if c.rand.IntN(2) == 0 {
			c.ask(secretIn{user: n, token: token, look: true}, readLink, "GET", path+"?token="+token, "")
			return
		}
		body := fmt.Sprintf(`{"token":%q,"password":"%s %d"}`, token, newPassword, c.number)
		c.ask(secretIn{user: n, token: token}, readLink, "POST", path, body)
	}
	return subject{act, linkModel}
}

// verifiedSubject has links to verify an address used.
func verifiedSubject(e *env, name string) subject {
	owners := secretOwnersOf(e, name, func(u users.User) (tokens []string) {
		for range secretsEach {
			token, err := e.api.Auth().NewVerificationToken(e.t.Context(), u.ID)
			if err != nil {
				e.t.Fatal(err)
			}
			tokens = append(tokens, string(token))
		}
		return tokens
	}, unverified)
	act := func(c *caller) {
		n, u, token := c.pick(owners)
		c.ask(secretIn{user: n, token: token}, readLink, "POST", "/api/users/verify_email", fmt.Sprintf(`{"uuid":%q,"token":%q}`, u.UUID, token))
	}
	return subject{act, linkModel}
}

func readLink(a answered) any {
	good := a.status == http.StatusOK || a.status == http.StatusNoContent
	return allowed(good || a.status == http.StatusBadRequest && a.text("code") == `"invalid_token"`, secretOut{good: good})
}

// backupSubject has logins completed by backup codes. The clock stands still, so
// that after a wrong code no other one is tried.
func backupSubject(e *env, name string) subject {
	owners := secretOwnersOf(e, name, func(u users.User) []string {
		_, cookie := e.enrol(u)
		return e.backupCodes(cookie)[:secretsEach]
	})
	act := func(c *caller) {
		n, u, code := c.pick(owners)
		login := c.send("POST", "/api/login", credentials(strings.TrimSuffix(u.Email, "@example.com"), password))
		if login.status != http.StatusUnauthorized {
			return // the fault hit it
		}
		c.ask(secretIn{user: n, token: code}, readSecondStep, "POST", "/api/login/token", token(code), header("Cookie", login.cookie()))
	}
	return subject{act, func() porcupine.Model {
		m := modelOf(secretState{}, backupStep)
		m.Partition = partitionBy(func(in secretIn) int { return in.user })
		return m
	}}
}

func readSecondStep(a answered) any {
	switch {
	case a.status == http.StatusOK:
		return secretOut{good: true}
	case a.text("code") == `"2fa_invalid"`:
		return secretOut{}
	case a.text("code") == `"2fa_too_many_attempts"`:
		return secretOut{barred: true}
	case a.text("code") == `"invalid_2fa_session"`:
		return secretOut{gone: true}
	}
	return nil
}

func backupStep(s secretState, in secretIn, out *secretOut) (secretState, bool) {
	if out != nil && out.gone {
		return s, true
	}
	want := secretOut{barred: s.barred}
	if !s.barred {
		want.good = !strings.Contains(s.spent, in.token)
		if want.good {
			s.spent += " " + in.token
		} else {
			s.barred = true
		}
	}
	return s, out == nil || *out == want
}
