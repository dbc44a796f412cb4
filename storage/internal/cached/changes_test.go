package cached_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/users"
)

// change is one random use of a method of a transaction.
type change[X any] func(ctx context.Context, tx X, r *rand.Rand) error

// errNothing says that there is nothing to change.
var errNothing = errors.New("nothing to change")

// Everything is chosen from a few, so that changes meet.
func moment(r *rand.Rand) time.Time {
	return time.Date(2024, 2, 29, 12, r.IntN(60), 0, 0, time.UTC)
}
func number(r *rand.Rand) uuid.UUID     { return uuid.UUID{0: byte(1 + r.IntN(4)), 6: 0x70, 8: 0x80} }
func person(r *rand.Rand) uuid.UUID     { return uuid.UUID{0: byte(r.IntN(2 * hashes)), 6: 0x71, 8: 0x80} }
func hash(n int) auth.Hash              { return sha256.Sum256(fmt.Append(nil, n)) }
func address(r *rand.Rand) string       { return fmt.Sprintf("user%d@example.com", r.IntN(hashes)) }
func keyID(r *rand.Rand) string         { return fmt.Sprintf("key%d", r.IntN(4)) }
func installation(r *rand.Rand) string  { return fmt.Sprint(1 + r.IntN(3)) }
func randomHash(r *rand.Rand) auth.Hash { return hash(r.IntN(hashes)) }

// hashes is how many hashes credentials have in all.
const hashes = 6

// some returns one of a list.
func some[T any](r *rand.Rand, list []T) (v T, err error) {
	if len(list) == 0 {
		return v, errNothing
	}
	return list[r.IntN(len(list))], nil
}

// someUser returns a user that there is, without the transaction having read the
// record itself.
func someUser(ctx context.Context, tx users.Reader, r *rand.Rand) (users.User, error) {
	page, err := tx.Profiles(ctx, users.Query{Limit: 100})
	if err != nil {
		return users.User{}, err
	}
	p, err := some(r, page.Profiles)
	if err != nil {
		return users.User{}, err
	}
	return p.User, nil
}

func someTeam(ctx context.Context, tx users.Reader, r *rand.Rand) (users.Team, error) {
	teams, err := tx.Teams(ctx, number(r))
	if err != nil {
		return users.Team{}, err
	}
	return some(r, teams)
}

// forUser runs fn with a user that there is.
func forUser[X users.Reader](fn func(ctx context.Context, tx X, r *rand.Rand, u users.User) error) change[X] {
	return func(ctx context.Context, tx X, r *rand.Rand) error {
		u, err := someUser(ctx, tx, r)
		if err != nil {
			return err
		}
		return fn(ctx, tx, r, u)
	}
}

// shownOfUsers are the methods of users.Tx whose changes a profile shows.
func shownOfUsers() map[string]change[users.Tx] {
	return map[string]change[users.Tx]{
		"CreateUser": createUser,
		"SaveUser":   saveUser,
		"DeleteUser": forUser(func(ctx context.Context, tx users.Tx, r *rand.Rand, u users.User) error {
			if r.IntN(8) > 0 {
				return errNothing // or few would be left
			}
			return tx.DeleteUser(ctx, u.ID)
		}),
		"SaveOrganization": func(ctx context.Context, tx users.Tx, r *rand.Rand) error {
			o := users.NewOrganization()
			o.ID, o.Name, o.CreatedAt, o.UpdatedAt = number(r), fmt.Sprint("Organization ", r.IntN(100)), moment(r), moment(r)
			o.Slug = o.ID.String()
			return tx.SaveOrganization(ctx, o)
		},
		"DeleteOrganization": func(ctx context.Context, tx users.Tx, r *rand.Rand) error {
			return tx.DeleteOrganization(ctx, number(r))
		},
		"SaveTeam": saveTeam,
		"DeleteTeam": func(ctx context.Context, tx users.Tx, r *rand.Rand) error {
			team, err := someTeam(ctx, tx, r)
			if err != nil {
				return err
			}
			return tx.DeleteTeam(ctx, team.ID)
		},
		"SaveMembership": forUser(func(ctx context.Context, tx users.Tx, r *rand.Rand, u users.User) error {
			return tx.SaveMembership(ctx, users.Membership{UserID: u.ID, OrganizationID: number(r), Level: users.LevelAdmin, JoinedAt: moment(r)})
		}),
		"DeleteMembership": forUser(func(ctx context.Context, tx users.Tx, r *rand.Rand, u users.User) error {
			list, err := tx.Memberships(ctx, u.ID)
			if err != nil {
				return err
			}
			m, err := some(r, list)
			if err != nil {
				return err
			}
			return tx.DeleteMembership(ctx, u.ID, m.OrganizationID)
		}),
		"SaveInvite": func(ctx context.Context, tx users.Tx, r *rand.Rand) error {
			return tx.SaveInvite(ctx, users.Invite{ID: number(r), OrganizationID: number(r), TargetEmail: address(r), CreatedAt: moment(r)})
		},
		"DeleteInvite": func(ctx context.Context, tx users.Tx, r *rand.Rand) error { return tx.DeleteInvite(ctx, number(r)) },
		"SaveIdentity": forUser(func(ctx context.Context, tx users.Tx, r *rand.Rand, u users.User) error {
			return tx.SaveIdentity(ctx, users.Identity{UserID: u.ID, Provider: "github", Subject: installation(r), Login: "octocat", CreatedAt: moment(r)})
		}),
		"DeleteIdentity": func(ctx context.Context, tx users.Tx, r *rand.Rand) error {
			_, err := tx.DeleteIdentity(ctx, "github", installation(r))
			return err
		},
		"SaveScene": forUser(func(ctx context.Context, tx users.Tx, r *rand.Rand, u users.User) error {
			team, err := someTeam(ctx, tx, r)
			if err != nil {
				return err
			}
			return tx.SaveScene(ctx, users.Scene{UserID: u.ID, TeamID: team.ID, Scene: "Home", DashboardID: int64(1 + r.IntN(3))})
		}),
		"DeleteScenes": func(ctx context.Context, tx users.Tx, r *rand.Rand) error {
			return tx.DeleteScenes(ctx, int64(1+r.IntN(3)))
		},
	}
}

// unseenOfUsers are those whose changes show in no profile and no credential.
func unseenOfUsers() map[string]change[users.Tx] {
	return map[string]change[users.Tx]{
		"AddEvent": forUser(func(ctx context.Context, tx users.Tx, r *rand.Rand, u users.User) error {
			return tx.AddEvent(ctx, users.Event{At: moment(r), Actor: u.ID, Credential: users.ByHost, Target: u.ID, Action: "user.updated"})
		}),
		"DeleteEvents": func(ctx context.Context, tx users.Tx, r *rand.Rand) error {
			_, err := tx.DeleteEvents(ctx, r.Int64N(100), moment(r), 5)
			return err
		},
		"CreateConsumer": func(ctx context.Context, tx users.Tx, r *rand.Rand) error {
			if _, err := tx.Consumer(ctx, "hooks"); err == nil {
				return errNothing
			}
			return tx.CreateConsumer(ctx, users.Consumer{Name: "hooks", Position: r.Int64N(100)})
		},
		"SaveConsumer": func(ctx context.Context, tx users.Tx, r *rand.Rand) error {
			return tx.SaveConsumer(ctx, users.Consumer{Name: "hooks", Position: r.Int64N(100)})
		},
		"DeleteConsumer": func(ctx context.Context, tx users.Tx, r *rand.Rand) error { return tx.DeleteConsumer(ctx, "hooks") },
	}
}

func createUser(ctx context.Context, tx users.Tx, r *rand.Rand) error {
	u := users.New()
	u.UUID, u.DistinctID = person(r), fmt.Sprint(r.Uint64())
	u.Email, u.DateJoined, u.IsStaff = address(r), moment(r), r.IntN(2) == 0
	if _, err := tx.UserByEmail(ctx, users.FoldEmail(u.Email)); err == nil {
		return errNothing
	}
	if _, err := tx.UserByUUID(ctx, u.UUID); err == nil {
		return errNothing
	}
	u, err := tx.CreateUser(ctx, u)
	if err != nil || r.IntN(2) == 0 {
		return err
	}
	return changeUser(ctx, tx, r, u)
}

// saveUser replaces a user that the transaction has read, or has not.
func saveUser(ctx context.Context, tx users.Tx, r *rand.Rand) error {
	u, err := someUser(ctx, tx, r)
	if err == nil && r.IntN(3) > 0 {
		u, err = tx.User(ctx, u.ID)
	}
	if err != nil {
		return err
	}
	return changeUser(ctx, tx, r, u)
}

func changeUser(ctx context.Context, tx users.Tx, r *rand.Rand, u users.User) error {
	switch r.IntN(10) {
	case 0:
		u.IsActive = !u.IsActive
	case 1:
		u.IsStaff = !u.IsStaff
	case 2:
		u.Email = address(r)
	case 3:
		u.UUID = person(r)
	case 4, 5:
		team, err := someTeam(ctx, tx, r)
		if err != nil {
			return err
		}
		if r.IntN(3) > 0 {
			u.CurrentOrganization = team.OrganizationID
		}
		if r.IntN(3) > 0 {
			u.CurrentTeam = team.ID
		}
	default:
		u.FirstName, u.HedgehogConfig = fmt.Sprint(r.IntN(100)), users.JSON(fmt.Sprintf(`{"n":%d}`, r.IntN(100)))
	}
	_, err := tx.SaveUser(ctx, u)
	return err
}

// saveTeam makes a team, or replaces one, which may go to another organization.
func saveTeam(ctx context.Context, tx users.Tx, r *rand.Rand) error {
	team, err := someTeam(ctx, tx, r)
	if errors.Is(err, errNothing) || r.IntN(2) == 0 {
		team, err = users.Team{UUID: uuid.UUID{15: byte(r.Uint32()), 14: byte(r.Uint32()), 13: byte(r.Uint32())}, APIToken: fmt.Sprint("phc_", r.Uint64()), Timezone: "UTC"}, nil
	}
	if err != nil {
		return err
	}
	team.OrganizationID, team.Name = number(r), fmt.Sprint("Team ", r.IntN(100))
	_, err = tx.SaveTeam(ctx, team)
	return err
}

// TestUserInTransaction reads a user who is kept within a transaction: after
// somebody else has changed them, and after the transaction has itself.
func TestUserInTransaction(t *testing.T) {
	t.Parallel()
	for name, over := range map[string]func(*testing.T) *rig{"shared": overShared, "file": overFile} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := over(t)
			a, b := g.caches[0], g.caches[1]
			ids := addUsers(t, a, 1, unchanged)
			missed(t, a, ids)
			put(t, b, rename(ids[0], "Bea"))
			put(t, a, func(ctx context.Context, tx auth.Tx) error {
				u, err := tx.User(ctx, ids[0])
				if err != nil || u.FirstName != "Bea" {
					t.Errorf("after a change by another: got %q, %v", u.FirstName, err)
				}
				return nil
			})
			missed(t, a, ids)
			put(t, a, func(ctx context.Context, tx auth.Tx) error {
				u, err := tx.User(ctx, ids[0])
				if err != nil {
					return err
				}
				u.FirstName = "Cleo"
				if _, err := tx.SaveUser(ctx, u); err != nil {
					return err
				}
				if u, err = tx.User(ctx, ids[0]); err != nil || u.FirstName != "Cleo" {
					t.Errorf("after its own change: got %q, %v", u.FirstName, err)
				}
				return tx.DeleteUser(ctx, ids[0])
			})
			put(t, a, func(ctx context.Context, tx auth.Tx) error {
				if _, err := tx.User(ctx, ids[0]); !errors.Is(err, users.ErrNotFound) {
					t.Errorf("after it was deleted: got %v", err)
				}
				return nil
			})
		})
	}
}
