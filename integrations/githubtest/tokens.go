package githubtest

import (
	"crypto/rand"
	"strings"
	"time"
)

// Lifetimes as GitHub has them.
const (
	CodeLifetime              = 10 * time.Minute
	InstallationTokenLifetime = time.Hour
	UserTokenLifetime         = 8 * time.Hour
	RefreshTokenLifetime      = 15_897_600 * time.Second // about six months
)

// tokens are the live credentials, by their text.
type tokens struct {
	installation map[string]installationToken
	user         map[string]userToken
	refresh      map[string]refreshToken
	codes        map[string]time.Time // when a code in State.Codes was issued
}

type installationToken struct {
	id      string
	expires time.Time
}

type userToken struct {
	login   string
	id      int64
	expires time.Time // zero means never
}

type refreshToken struct {
	access  string
	expires time.Time
}

func newTokens() tokens {
	return tokens{map[string]installationToken{}, map[string]userToken{}, map[string]refreshToken{}, map[string]time.Time{}}
}

func (t tokens) revokeInstallation(id string) {
	for text, token := range t.installation {
		if token.id == id {
			delete(t.installation, text)
		}
	}
}

// syncCodes notes when a code appeared and forgets those that are gone.
func (t tokens) syncCodes(codes map[string]Code, now time.Time) {
	for text := range t.codes {
		if _, ok := codes[text]; !ok {
			delete(t.codes, text)
		}
	}
	for text := range codes {
		if _, ok := t.codes[text]; !ok {
			t.codes[text] = now
		}
	}
}

// newSecret is a text that was never used before. GitHub says not to rely on the
// length of installation tokens, so theirs is far from the usual 40.
func newSecret(prefix string) string {
	if prefix == "ghs_" {
		return prefix + "eyJ" + strings.Repeat(rand.Text(), 12)
	}
	return prefix + rand.Text()
}

// IssueInstallationToken returns a live token as if it had been created age ago.
// The installation need not be in the state: then the token sees no repositories,
// and no other can be had.
func (s *Server) IssueInstallationToken(id string, age time.Duration) (token string, expires time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.issueInstallationToken(id, s.now().Add(-age))
}

func (s *Server) issueInstallationToken(id string, at time.Time) (string, time.Time) {
	token, expires := newSecret("ghs_"), at.Add(InstallationTokenLifetime).Truncate(time.Second)
	s.tokens.installation[token] = installationToken{id, expires}
	return token, expires
}

// UserTokens is an answer of the token route. Without expiry the last three
// members are zero.
type UserTokens struct {
	AccessToken     string
	RefreshToken    string
	Lifetime        time.Duration
	RefreshLifetime time.Duration
}

// IssueUserToken returns live tokens of a person, as if the App had just been
// authorized. The person need not be in the state.
func (s *Server) IssueUserToken(login string, id int64) UserTokens {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.issueUserToken(login, id)
}

func (s *Server) issueUserToken(login string, id int64) UserTokens {
	t := UserTokens{AccessToken: newSecret("ghu_")}
	token := userToken{login: login, id: id}
	if s.state.App == nil || !s.state.App.NonExpiringUserTokens {
		t.RefreshToken, t.Lifetime, t.RefreshLifetime = newSecret("ghr_"), UserTokenLifetime, RefreshTokenLifetime
		token.expires = s.now().Add(UserTokenLifetime)
		s.tokens.refresh[t.RefreshToken] = refreshToken{t.AccessToken, s.now().Add(RefreshTokenLifetime)}
	}
	s.tokens.user[t.AccessToken] = token
	return t
}

// RevokeUserTokens ends all access and refresh tokens of a person.
func (s *Server) RevokeUserTokens(login string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for text, refresh := range s.tokens.refresh {
		if s.tokens.user[refresh.access].login == login {
			delete(s.tokens.refresh, text)
		}
	}
	for text, token := range s.tokens.user {
		if token.login == login {
			delete(s.tokens.user, text)
		}
	}
}
