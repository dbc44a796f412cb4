package httpapi_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/users"
)

// newAccount is the act that makes an account. Its address is new: PostgreSQL
// skips the number of an account that it refused, and the others do not.
func newAccount(u users.User, password string) operation {
	op := act(fmt.Sprintf("CreateUser(%s, %q)", shown(u), password), func(ctx context.Context, e *env) (any, error) {
		if _, err := e.api.Users().UserByEmail(ctx, u.Email); err == nil {
			return nil, users.ErrEmailTaken
		}
		created, err := e.api.Auth().CreateUser(ctx, u, password)
		return []any{created.ID, created.UUID, created.Email, created}, err
	})
	return op.learning(func(w *world, o reaction) { w.learnResult(o, "number", "uuid", "email") })
}

func accountActs() map[string]func(draw) operation {
	return map[string]func(draw) operation{
		"account": func(d draw) operation {
			u := users.New()
			u.Email, u.FirstName, u.IsStaff = d.address(), d.plain(), d.yes()
			if d.seldom() {
				u.DistinctID, u.LastName, u.PendingEmail = d.plain()+d.address(), d.plain(), d.plain()
			}
			if d.yes() {
				u.IsEmailVerified = users.Some(d.yes())
			}
			return newAccount(u, d.one(password, "", "short", "a\x00"+password))
		},
		"activation": func(d draw) operation {
			user, active := d.user(), !d.seldom()
			return done(fmt.Sprintf("SetActive(%d, %t)", user, active), func(ctx context.Context, e *env) error { return e.api.Auth().SetActive(ctx, user, active) })
		},
		"update": func(d draw) operation {
			user, p := d.user(), users.Patch{FirstName: users.Set(d.plain()), HedgehogConfig: users.Set(users.JSON(d.one(`{"a":1}`, `"\u0000"`, "\x00", "\xff", "{", "")))}
			if d.yes() {
				p = users.Patch{IsStaff: users.Set(d.yes()), SetCurrentTeam: users.Set(fmt.Sprint(d.team()))}
			}
			return act(fmt.Sprintf("Update(%d, %s)", user, shown(p)), func(ctx context.Context, e *env) (any, error) {
				return e.api.Users().Update(ctx, users.Actor{ID: user, Staff: true, Credential: users.ByHost}, user, p)
			})
		},
		"passkeys as second factor": countPasskeys,
		"change of address":         changeAddress,
		"account deleted": func(d draw) operation {
			user := d.user()
			return done(fmt.Sprintf("Delete(%d)", user), func(ctx context.Context, e *env) error {
				return e.api.Users().Delete(ctx, users.Actor{Credential: users.ByHost}, user)
			})
		},
		"identity": func(d draw) operation {
			i := users.Identity{UserID: d.user(), Provider: d.one("github", "google", "GitHub", d.plain()), Subject: d.one("1", "2", "é", "e\u0301", d.plain()), Login: d.plain()}
			next := i // those of one moment are in the order of their text
			if next.Subject = d.plain(); d.yes() {
				next.Provider = d.plain()
			}
			op := done(fmt.Sprintf("SaveIdentity(%s), SaveIdentity(%s)", shown(i), shown(next)), func(ctx context.Context, e *env) error {
				return errors.Join(e.api.Users().SaveIdentity(ctx, i), e.api.Users().SaveIdentity(ctx, next))
			})
			return op.learning(func(w *world, _ reaction) { w.known.add("identity", i.Provider+" "+i.Subject) })
		},
		"identity deleted": func(d draw) operation {
			provider, subject, _ := strings.Cut(d.known("identity", "github 1"), " ")
			if d.seldom() {
				provider, subject = d.plain(), d.plain()
			}
			return done(fmt.Sprintf("DeleteIdentity(%q, %q)", provider, subject), func(ctx context.Context, e *env) error { return e.api.Users().DeleteIdentity(ctx, provider, subject) })
		},
	}
}

// learnResult knows the first elements of a list as these kinds.
func (w *world) learnResult(o reaction, kinds ...string) {
	var list []any
	if o.decode(&list) {
		for i, kind := range kinds {
			w.known.add(kind, textOf(list[i]))
		}
	}
}

func saveOrganization(o users.Organization) operation {
	op := act(fmt.Sprintf("SaveOrganization(%s)", shown(o)), func(ctx context.Context, e *env) (any, error) {
		saved, err := e.api.Users().SaveOrganization(ctx, o)
		return []any{saved.ID, saved}, err
	})
	return op.learning(func(w *world, o reaction) { w.learnResult(o, "organization") })
}

func saveTeam(t users.Team) operation {
	op := act(fmt.Sprintf("SaveTeam(%s)", shown(t)), func(ctx context.Context, e *env) (any, error) {
		// PostgreSQL skips the number of a team that it refused.
		if _, err := e.store.Organization(ctx, t.OrganizationID); err != nil {
			return nil, err
		}
		saved, err := e.api.Users().SaveTeam(ctx, t)
		return []any{saved.ID, saved}, err
	})
	return op.learning(func(w *world, o reaction) { w.learnResult(o, "team") })
}

func saveMembership(m users.Membership) operation {
	return done("SaveMembership("+shown(m)+")", func(ctx context.Context, e *env) error { return e.api.Users().SaveMembership(ctx, m) })
}

func organizationActs() map[string]func(draw) operation {
	return map[string]func(draw) operation{
		"organization": func(d draw) operation {
			o := users.NewOrganization()
			o.Name, o.Slug = d.one("Acme", "é", d.plain()), d.one("acme", d.plain())
			if !d.seldom() {
				o.ID = d.organization()
			}
			if d.seldom() {
				o.Enforce2FA, o.SSOEnforcedDomains = users.Some(d.yes()), []string{d.one("sso.example", "SSO.example", "bücher.example", d.plain())}
			}
			if d.seldom() {
				o.CustomerID, o.Metadata, o.AvailableProductFeatures = users.Some(d.plain()), users.JSON(d.one("{}", d.plain())), users.JSON(d.one("[]", d.plain()))
			}
			return saveOrganization(o)
		},
		"organization deleted": func(d draw) operation {
			id := d.organization()
			return done(fmt.Sprintf("DeleteOrganization(%s)", id), func(ctx context.Context, e *env) error { return e.api.Users().DeleteOrganization(ctx, id) })
		},
		"team": func(d draw) operation {
			t := users.Team{OrganizationID: d.organization(), Name: d.one("Web", d.plain()), APIToken: d.plain(), AccessControl: d.yes(), Timezone: d.one("", "UTC", d.plain())}
			if d.yes() {
				t.ID = d.team()
			}
			if d.seldom() {
				t.HasCompletedOnboardingFor = users.JSON(d.one("{}", `{"a":true}`, d.plain()))
			}
			return saveTeam(t)
		},
		"team deleted": func(d draw) operation {
			id := d.team()
			return done(fmt.Sprintf("DeleteTeam(%d)", id), func(ctx context.Context, e *env) error { return e.api.Users().DeleteTeam(ctx, id) })
		},
		"membership": func(d draw) operation {
			return saveMembership(users.Membership{UserID: d.user(), OrganizationID: d.organization(), InvitedBy: d.user(),
				Level: pick(d, users.LevelMember, users.LevelAdmin, users.LevelOwner, 2)})
		},
		"membership deleted": func(d draw) operation {
			user, organization := d.user(), d.organization()
			return done(fmt.Sprintf("DeleteMembership(%d, %s)", user, organization), func(ctx context.Context, e *env) error {
				return e.api.Users().DeleteMembership(ctx, user, organization)
			})
		},
		"invite": func(d draw) operation {
			i := users.Invite{OrganizationID: d.organization(), TargetEmail: d.address()}
			op := act(fmt.Sprintf("SaveInvite(%s)", shown(i)), func(ctx context.Context, e *env) (any, error) {
				saved, err := e.api.Users().SaveInvite(ctx, i)
				return []any{saved.ID, saved.TargetEmail}, err
			})
			return op.learning(func(w *world, o reaction) { w.learnResult(o, "invite", "email") })
		},
		"invite deleted": func(d draw) operation {
			id := uuid.MustParse(d.known("invite", unknownID))
			return done(fmt.Sprintf("DeleteInvite(%s)", id), func(ctx context.Context, e *env) error { return e.api.Users().DeleteInvite(ctx, id) })
		},
	}
}

func saveKey(user users.ID, value users.Secret, scopes ...string) operation {
	k := auth.APIKey{UserID: user, Label: "host", Scopes: scopes}
	op := done(fmt.Sprintf("SaveAPIKey(%s, %s)", shown(k), string(value)), func(ctx context.Context, e *env) error {
		_, err := e.api.Auth().SaveAPIKey(ctx, k, value)
		return err
	})
	return op.learning(func(w *world, _ reaction) { w.known.add("bearer", string(value)) })
}

// hostSecret is that of authenticators that the host brings.
const hostSecret = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"

func saveTOTP(user users.ID) operation {
	op := done(fmt.Sprintf("SaveTOTP(%d)", user), func(ctx context.Context, e *env) error {
		return e.api.Auth().SaveTOTP(ctx, user, hostSecret, []users.Secret{"abcdefgh", "ijklmnop"})
	})
	return op.learning(func(w *world, _ reaction) { w.known.add("backup", "abcdefgh", "ijklmnop") })
}

func credentialActs() map[string]func(draw) operation {
	return map[string]func(draw) operation{
		"key": func(d draw) operation {
			k := auth.APIKey{UserID: d.user(), Label: d.plain(), Scopes: []string{d.one("*", "user:read", "user:write", d.plain())}}
			if d.seldom() {
				k.ID, k.ExpiresAt = d.plain(), time.Date(2026, 5, 1, 13, 0, 0, 0, time.UTC)
			}
			value := users.Secret("phx_" + strings.Repeat(fmt.Sprint(d.IntN(20)), 20))
			op := act(fmt.Sprintf("SaveAPIKey(%s, %s)", shown(k), string(value)), func(ctx context.Context, e *env) (any, error) { return e.api.Auth().SaveAPIKey(ctx, k, value) })
			return op.learning(func(w *world, _ reaction) { w.known.add("bearer", string(value)) })
		},
		"OAuth token": func(d draw) operation {
			value := users.Secret("pha_" + strings.Repeat(fmt.Sprint(d.IntN(4)), 20))
			t := auth.OAuthToken{UserID: d.user(), Application: d.plain(), Scopes: d.one("user:read", "user:read user:write", "*", d.plain()), ScopedTeams: []users.TeamID{d.team()}}
			if d.yes() {
				t.ExpiresAt = time.Date(2026, 5, 2, 0, 0, 0, 0, time.UTC)
			}
			op := done(fmt.Sprintf("SaveOAuthToken(%s, %s)", string(value), shown(t)), func(ctx context.Context, e *env) error { return e.api.Auth().SaveOAuthToken(ctx, value, t) })
			return op.learning(func(w *world, _ reaction) {
				w.known.add("bearer", string(value))
				w.known.add("OAuth token", string(value))
			})
		},
		"OAuth token revoked": func(d draw) operation {
			value := users.Secret(d.known("OAuth token", "pha_none-none-none-none-"))
			return done(fmt.Sprintf("RevokeOAuthToken(%s)", string(value)), func(ctx context.Context, e *env) error { return e.api.Auth().RevokeOAuthToken(ctx, value) })
		},
		"verification token": func(d draw) operation {
			user := d.user()
			op := act(fmt.Sprintf("NewVerificationToken(%d)", user), func(ctx context.Context, e *env) (any, error) {
				u, err := e.api.Users().User(ctx, user)
				if err != nil {
					return nil, err
				}
				token, err := e.api.Auth().NewVerificationToken(ctx, user)
				return u.UUID.String() + " " + string(token), err
			})
			return op.learning(func(w *world, o reaction) { w.known.add("verify", unquoted(o.Body)) })
		},
		"second factor reset": func(d draw) operation {
			user := d.user()
			return done(fmt.Sprintf("ResetSecondFactor(%d)", user), func(ctx context.Context, e *env) error { return e.api.Auth().ResetSecondFactor(ctx, user) })
		},
		"authenticator": func(d draw) operation {
			return saveTOTP(d.user())
		},
		"passkey": func(d draw) operation {
			k := auth.Passkey{UserID: d.user(), Name: d.plain(), Verified: d.yes()}
			if d.yes() {
				k.CredentialID = []byte(d.one("a", "b", "\x00"))
			}
			return act(fmt.Sprintf("SavePasskey(%s)", shown(k)), func(ctx context.Context, e *env) (any, error) { return e.api.Auth().SavePasskey(ctx, k) })
		},
	}
}

// beginning is how every world begins: staff, a member of two organizations, and
// somebody in none, each with a session and a key. The member may have an
// authenticator.
func (w *world) beginning(authenticator bool) []operation {
	var ops []operation
	acme, beta := uuid.UUID{0: 1, 6: 0x70, 8: 0x80}, uuid.UUID{0: 2, 6: 0x70, 8: 0x80}
	for n, name := range []string{"boss", "alice", "bob"} {
		u := users.New()
		u.Email, u.FirstName, u.IsStaff, u.IsEmailVerified = name+"@example.com", name, name == "boss", users.Some(true)
		id := users.ID(n + 1)
		start := act(fmt.Sprintf("StartSession(%d)", id), func(ctx context.Context, e *env) (any, error) {
			return e.api.Auth().StartSession(ctx, id, auth.StartOptions{})
		})
		ops = append(ops, newAccount(u, password))
		if name == "alice" && authenticator {
			ops = append(ops, saveTOTP(id))
		}
		ops = append(ops,
			start.learning(func(w *world, o reaction) { w.known.add("cookie", "sessionid="+unquoted(o.Body)) }),
			saveKey(id, users.Secret("phx_"+strings.Repeat(fmt.Sprint(id), 30)), []string{"*", "user:write", "user:read"}[n]))
	}
	for n, id := range []uuid.UUID{acme, beta} {
		o := users.NewOrganization()
		o.ID, o.Name = id, []string{"Acme", "Beta"}[n]
		ops = append(ops, saveOrganization(o), saveTeam(users.Team{OrganizationID: id, Name: o.Name, APIToken: "phc_" + o.Name, AccessControl: n == 1}))
	}
	return append(ops, saveMembership(users.Membership{UserID: 1, OrganizationID: acme, Level: users.LevelOwner}),
		saveMembership(users.Membership{UserID: 2, OrganizationID: acme, Level: users.LevelMember}),
		saveMembership(users.Membership{UserID: 2, OrganizationID: beta, Level: users.LevelAdmin}))
}

// registerPasskey gives the member a passkey as second factor.
func (w *world) registerPasskey() {
	cookie := w.known["cookie"][1]
	send := func(method, path, body string) {
		op := call(request{method: method, path: path, body: body, from: "192.0.2.1:1", header: [][2]string{{"Cookie", cookie}, {"Content-Type", "application/json"}}})
		op.name = method + " " + path
		w.begin(op)
	}
	send("POST", registerBegin, "")
	_, credential, _ := strings.Cut(w.known["registration"][0], " ")
	send("POST", registerComplete, body(credential))
	send("PATCH", "/api/users/@me", `{"passkeys_enabled_for_2fa":true}`)
}
