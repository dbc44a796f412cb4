package storagetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/autonomy"
	"github.com/hedgerow-dev/hedgerow/integrations"
	"github.com/hedgerow-dev/hedgerow/users"
)

// change is one method of a transaction with arguments that change a world.
type change[X users.Tx] struct {
	name string
	do   func(ctx context.Context, tx X) error
}

// with binds the argument of a method.
func with[X users.Tx, T any](method func(X, context.Context, T) error, v T) func(context.Context, X) error {
	return func(ctx context.Context, tx X) error { return method(tx, ctx, v) }
}

// changes lists every method of auth.Tx that writes.
func (w world) changes() []change[auth.Tx] {
	return slices.Concat(w.userChanges(), w.authChanges(), w.factorChanges())
}

func (w world) userChanges() []change[auth.Tx] {
	renamed, moved, left := w.ann, w.acmeTeam, w.bob
	renamed.Email, renamed.FirstName, renamed.UUID, renamed.DistinctID = "ann@example.org", "Ann", uuid.New(), uuid.NewString()
	moved.OrganizationID, moved.Name = w.beta.ID, "moved"
	left.IsActive = false
	acme := w.acme
	acme.Name, acme.SSOEnforcedDomains = "Renamed", []string{"acme.example.org"}
	return []change[auth.Tx]{
		{"CreateUser", with(createUser, newUser("carl@example.com"))},
		{"SaveUser", with(replaceUser, renamed)},
		{"SaveUser, inactive", with(replaceUser, left)},
		{"DeleteUser", with(auth.Tx.DeleteUser, w.ann.ID)},
		{"DeleteUser, the last", with(auth.Tx.DeleteUser, w.bob.ID)},
		{"SaveOrganization, new", with(auth.Tx.SaveOrganization, newOrganization(number(3)))},
		{"SaveOrganization", with(auth.Tx.SaveOrganization, acme)},
		{"DeleteOrganization", with(auth.Tx.DeleteOrganization, w.acme.ID)},
		{"SaveTeam, new", with(replaceTeam, newTeam(w.acme))},
		{"SaveTeam", with(replaceTeam, moved)},
		{"DeleteTeam", with(auth.Tx.DeleteTeam, w.acmeTeam.ID)},
		{"SaveMembership, new", with(auth.Tx.SaveMembership, users.Membership{UserID: w.bob.ID, OrganizationID: w.acme.ID, Level: users.LevelOwner, JoinedAt: at(-5)})},
		{"SaveMembership", with(auth.Tx.SaveMembership, users.Membership{UserID: w.ann.ID, OrganizationID: w.acme.ID, Level: users.LevelOwner, JoinedAt: at(7)})},
		{"DeleteMembership", func(ctx context.Context, tx auth.Tx) error { return tx.DeleteMembership(ctx, w.ann.ID, w.acme.ID) }},
		{"SaveInvite, new", with(auth.Tx.SaveInvite, users.Invite{ID: number(9), OrganizationID: w.acme.ID, TargetEmail: "ann@example.com", CreatedAt: at(4)})},
		{"SaveInvite", with(auth.Tx.SaveInvite, users.Invite{ID: w.annInvite.ID, OrganizationID: w.acme.ID, TargetEmail: "bob@example.com", CreatedAt: at(4)})},
		{"DeleteInvite", with(auth.Tx.DeleteInvite, w.annInvite.ID)},
		{"SaveIdentity, new", with(auth.Tx.SaveIdentity, users.Identity{UserID: w.ann.ID, Provider: "gitlab", Subject: "ann", CreatedAt: at(-3)})},
		{"SaveIdentity", with(auth.Tx.SaveIdentity, users.Identity{UserID: w.ann.ID, Provider: "github", Subject: "ann", Login: "renamed"})},
		{"DeleteIdentity", func(ctx context.Context, tx auth.Tx) error {
			_, err := tx.DeleteIdentity(ctx, "github", "ann")
			return err
		}},
		{"SaveScene, new", with(auth.Tx.SaveScene, users.Scene{UserID: w.ann.ID, TeamID: w.betaTeam.ID, Scene: "home", DashboardID: 5})},
		{"SaveScene", with(auth.Tx.SaveScene, users.Scene{UserID: w.ann.ID, TeamID: w.acmeTeam.ID, Scene: "home", DashboardID: 5})},
		{"DeleteScenes", with(auth.Tx.DeleteScenes, 1)},
		{"CreateConsumer", with(auth.Tx.CreateConsumer, users.Consumer{Name: "new", Position: 1})},
		{"SaveConsumer", with(auth.Tx.SaveConsumer, users.Consumer{Name: "hooks", Position: 9})},
		{"DeleteConsumer", with(auth.Tx.DeleteConsumer, "hooks")},
		{"DeleteEvents", func(ctx context.Context, tx auth.Tx) error {
			_, err := tx.DeleteEvents(ctx, 1<<60, at(1000), 100)
			return err
		}},
		{"AddEvent", with(auth.Tx.AddEvent, users.Event{At: at(5), Target: w.ann.ID, Action: "updated"})},
	}
}

func (w world) authChanges() []change[auth.Tx] {
	rotated, rolled, wider := newSession(w.ann, number(1), "rotated"), newKey(w.ann, "ann"), newToken(w.ann, "ann")
	rolled.Hash, wider.Scopes = hash("rolled"), "*"
	return []change[auth.Tx]{
		{"SaveSession, new", with(auth.Tx.SaveSession, newSession(w.ann, number(9), "new"))},
		{"SaveSession", with(auth.Tx.SaveSession, rotated)},
		{"DeleteSession", with(auth.Tx.DeleteSession, number(1))},
		{"DeleteSessions", func(ctx context.Context, tx auth.Tx) error {
			_, err := tx.DeleteSessions(ctx, w.ann.ID, number(1))
			return err
		}},
		{"SaveAPIKey, new", with(auth.Tx.SaveAPIKey, newKey(w.ann, "new"))},
		{"SaveAPIKey", with(auth.Tx.SaveAPIKey, rolled)},
		{"DeleteAPIKey", with(auth.Tx.DeleteAPIKey, "ann")},
		{"SaveOAuthToken, new", with(auth.Tx.SaveOAuthToken, newToken(w.ann, "new"))},
		{"SaveOAuthToken", with(auth.Tx.SaveOAuthToken, wider)},
		{"DeleteOAuthToken", with(auth.Tx.DeleteOAuthToken, hash("ann"))},
		{"SaveAttempts, new", func(ctx context.Context, tx auth.Tx) error {
			return tx.SaveAttempts(ctx, "new", []time.Time{at(1)}, at(100))
		}},
		{"SaveAttempts", func(ctx context.Context, tx auth.Tx) error {
			return tx.SaveAttempts(ctx, "ann", []time.Time{at(1), at(2)}, at(100))
		}},
		{"SaveAttempts, none", func(ctx context.Context, tx auth.Tx) error { return tx.SaveAttempts(ctx, "ann", nil, at(100)) }},
		{"DeleteExpired", func(ctx context.Context, tx auth.Tx) error {
			_, err := tx.DeleteExpired(ctx, at(1000))
			return err
		}},
	}
}

func (w world) factorChanges() []change[auth.Tx] {
	spent, factor, key := newTicket(w.ann, auth.PendingLogin, "ann"), newSecondFactor(w.ann), newPasskey(w.ann, number(1), "ann")
	spent.ExpiresAt, factor.LastStep, key.Name = at(2000), 5, "renamed"
	return []change[auth.Tx]{
		{"SaveTicket, new", with(auth.Tx.SaveTicket, newTicket(w.ann, auth.PendingLogin, "new"))},
		{"SaveTicket", with(auth.Tx.SaveTicket, spent)},
		{"DeleteTicket", with(deleteTicket(auth.PendingLogin, "ann"), struct{}{})},
		{"DeleteTickets", with(deleteTickets(w.ann.ID, auth.PendingLogin), struct{}{})},
		{"SaveSecondFactor", with(auth.Tx.SaveSecondFactor, factor)},
		{"DeleteSecondFactor", with(auth.Tx.DeleteSecondFactor, w.ann.ID)},
		{"SavePasskey, new", with(auth.Tx.SavePasskey, newPasskey(w.ann, number(9), "new"))},
		{"SavePasskey", with(auth.Tx.SavePasskey, key)},
		{"DeletePasskey", with(auth.Tx.DeletePasskey, number(1))},
	}
}

// snapshot is what reads returned: for each domain a line for each call.
type snapshot map[string][]string

// reads calls every method of r that reads, with arguments under which the
// changes show, up to the first error other than ErrNotFound. A store reads for
// all domains, a transaction perhaps for its own only.
func (w world) reads(ctx context.Context, r users.Reader) (snapshot, error) {
	result := snapshot{}
	var failed error
	lines := func(domain string) func(string, error, ...any) {
		return func(call string, err error, results ...any) {
			switch {
			case failed != nil: // what comes later would shift the lines
			case errors.Is(err, users.ErrNotFound):
				result[domain] = append(result[domain], call+": not found")
			case err != nil:
				failed = fmt.Errorf("%s: %w", call, err)
			default:
				result[domain] = append(result[domain], fmt.Sprintf("%s: %+v", call, results))
			}
		}
	}
	w.readUsers(ctx, r, lines("users"))
	w.readOrganizations(ctx, r, lines("users"))
	if r, ok := r.(auth.Reader); ok {
		w.readSecrets(ctx, r, lines("auth"))
	}
	if r, ok := r.(autonomy.Reader); ok {
		w.readAutonomy(ctx, r, lines("autonomy"))
	}
	if r, ok := r.(integrations.Reader); ok {
		w.readIntegrations(ctx, r, lines("integrations"))
	}
	return result, failed
}

func (w world) readUsers(ctx context.Context, r users.Reader, line func(string, error, ...any)) {
	page, err := r.Profiles(ctx, users.Query{Limit: 100})
	line("Profiles", err, index(page))
	for _, u := range []users.User{w.ann, w.bob} {
		one, err := r.User(ctx, u.ID)
		line("User", err, one)
		one, err = r.UserByUUID(ctx, u.UUID)
		line("UserByUUID", err, one)
		memberships, err := r.Memberships(ctx, u.ID)
		line("Memberships", err, memberships)
		identities, err := r.Identities(ctx, u.ID)
		line("Identities", err, identities)
		invites, err := r.Invites(ctx, users.FoldEmail(u.Email), at(-1000))
		line("Invites", err, invites)
	}
	for _, email := range []string{"ann@example.com", "ann@example.org", "bob@example.com", "carl@example.com"} {
		u, err := r.UserByEmail(ctx, email)
		line("UserByEmail", err, u)
	}
}

func (w world) readOrganizations(ctx context.Context, r users.Reader, line func(string, error, ...any)) {
	for n := range byte(3) {
		o, err := r.Organization(ctx, number(n+1))
		line("Organization", err, o)
		teams, err := r.Teams(ctx, number(n+1))
		line("Teams", err, teams)
	}
	team, err := r.Team(ctx, w.acmeTeam.ID)
	line("Team", err, team)
	for _, domain := range []string{"acme.example", "acme.example.org"} {
		enforced, err := r.SSOEnforced(ctx, domain)
		line("SSOEnforced", err, enforced)
	}
	events, err := r.Events(ctx, users.EventQuery{Limit: 100})
	line("Events", err, events)
	consumers, err := r.Consumers(ctx)
	line("Consumers", err, consumers)
}

// owner spells out the profile that came with a credential.
func owner(p *users.Profile) shown {
	if p == nil {
		return shown{}
	}
	return index(users.Page{Profiles: []*users.Profile{p}})
}

func (w world) readSecrets(ctx context.Context, r auth.Reader, line func(string, error, ...any)) {
	for _, secret := range []string{"ann", "ann2", "bob", "bob2", "new", "rotated", "rolled"} {
		s, p, err := r.SessionByHash(ctx, hash(secret))
		line("SessionByHash of "+secret, err, s, owner(p))
		k, p, err := r.APIKeyByHash(ctx, hash(secret))
		line("APIKeyByHash of "+secret, err, k, owner(p))
		k, err = r.APIKey(ctx, secret)
		line("APIKey of "+secret, err, k)
		o, p, err := r.OAuthTokenByHash(ctx, hash(secret))
		line("OAuthTokenByHash of "+secret, err, o, owner(p))
		ticket, err := r.Ticket(ctx, auth.PendingLogin, hash(secret))
		line("Ticket of "+secret, err, ticket)
		passkey, err := r.PasskeyByCredential(ctx, []byte(secret))
		line("PasskeyByCredential of "+secret, err, passkey)
		times, err := r.Attempts(ctx, secret)
		line("Attempts of "+secret, err, times)
	}
	for _, u := range []users.User{w.ann, w.bob} {
		sessions, err := r.Sessions(ctx, u.ID)
		line("Sessions", err, sessions)
		keys, err := r.APIKeys(ctx, u.ID)
		line("APIKeys", err, keys)
		factor, err := r.SecondFactor(ctx, u.ID)
		line("SecondFactor", err, factor)
		passkeys, err := r.Passkeys(ctx, u.ID)
		line("Passkeys", err, passkeys)
	}
}

// snapshot is reads that must succeed.
func (w world) snapshot(t *testing.T, ctx context.Context, r users.Reader) snapshot {
	t.Helper()
	s, err := w.reads(ctx, r)
	if err != nil {
		t.Fatalf("%v, want nil", err)
	}
	return s
}

// unchanged fails the test at the first line in which two snapshots differ. It
// compares the domains that both have read.
func unchanged(t *testing.T, after string, got, want snapshot) {
	t.Helper()
	for domain, lines := range want {
		if _, read := got[domain]; read && !slices.Equal(got[domain], lines) {
			i := 0
			for i < min(len(got[domain]), len(lines)) && got[domain][i] == lines[i] {
				i++
			}
			t.Errorf("after %s:\n got %q,\nwant %q", after, got[domain][i:min(i+1, len(got[domain]))], lines[i:min(i+1, len(lines))])
			return
		}
	}
}

// upTo is the part of s that a read has come to which stopped at part.
func (s snapshot) upTo(part snapshot) snapshot {
	cut := snapshot{}
	for domain, lines := range part {
		cut[domain] = s[domain][:min(len(lines), len(s[domain]))]
	}
	return cut
}
