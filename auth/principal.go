package auth

import (
	"slices"
	"strings"
	"time"

	"github.com/hedgerow-dev/hedgerow/users"
)

// Principal is who is calling and by what proof. The zero Principal is nobody.
// Whatever it holds was read in the request that it belongs to.
type Principal struct {
	Actor   users.Actor
	User    users.User
	Profile *users.Profile // of User; nil if the login is the host's
	Session Session        // set when Actor.Credential is users.BySession
	KeyID   string         // set when Actor.Credential is users.ByAPIKey
	Scopes  []string       // what a key or token may do
}

// Known reports whether there is anybody.
func (p Principal) Known() bool { return p.Actor.ID != 0 }

// BySession reports whether the proof is a session, and so not bound by scopes.
func (p Principal) BySession() bool { return p.Actor.Credential == users.BySession }

// ByToken reports whether the proof is an API key or an OAuth token.
func (p Principal) ByToken() bool {
	return p.Actor.Credential == users.ByAPIKey || p.Actor.Credential == users.ByOAuthToken
}

func principal(u users.User, p *users.Profile, by users.Credential) Principal {
	return Principal{User: u, Profile: p, Actor: users.Actor{ID: u.ID, UUID: u.UUID, Staff: u.IsStaff, Credential: by}}
}

// HasScope reports whether a key or token may do what needs a scope such as
// "user:read". Write implies read, "*" implies all, and no scopes allow
// nothing.
func (p Principal) HasScope(scope string) bool {
	if slices.Contains(p.Scopes, scope) || slices.Contains(p.Scopes, "*") {
		return true
	}
	object, read := strings.CutSuffix(scope, ":read")
	return read && slices.Contains(p.Scopes, object+":write")
}

// FreshUntil is when the session stops being fresh enough for sensitive
// changes. It is zero unless the proof is a session.
func (s *Service) FreshUntil(p Principal) time.Time {
	if !p.BySession() {
		return time.Time{}
	}
	return p.Session.CreatedAt.Add(s.config.Freshness)
}

// CheckFresh returns ErrReauthenticate if the proof is a session whose login is
// too long ago. The very last moment is still fresh.
func (s *Service) CheckFresh(p Principal) error {
	if p.BySession() && s.now().After(s.FreshUntil(p)) {
		return ErrReauthenticate
	}
	return nil
}
