// Package upgradetest is what the tests of upgrades share, whatever the database.
package upgradetest

import (
	"context"
	"fmt"
	"testing"

	"github.com/hedgerow-dev/hedgerow/users"
)

// Use reads the user number 5 of an upgraded database, which is an active member
// beside an inactive one of the opposite staff flag, and deletes it with all that
// is its. The test fails if something is not as it was.
func Use(t *testing.T, st users.Store) {
	t.Helper()
	if err := st.UpdateUsers(t.Context(), func(tx users.Tx) error { return use(t.Context(), tx) }); err != nil {
		t.Errorf("use of the upgraded database: %v", err)
	}
}

func use(ctx context.Context, tx users.Tx) error {
	u, err := tx.UserByEmail(ctx, "ann@example.com")
	if err != nil {
		return err
	}
	if u.ID != 5 || u.LastName != "日本" || u.HedgehogConfig != `{"color" : "red"}` {
		return fmt.Errorf("user is %+v", u)
	}
	if err := checkNumbers(ctx, tx, 2, 1, 1); err != nil {
		return err
	}
	if u, err = tx.SaveUser(ctx, u); err != nil {
		return err
	}
	if u.Version != 4 {
		return fmt.Errorf("version after SaveUser is %d, want 4", u.Version)
	}
	if err := tx.DeleteUser(ctx, u.ID); err != nil {
		return err
	}
	staff := 1
	if u.IsStaff {
		staff = 0
	}
	return checkNumbers(ctx, tx, 1, 0, staff)
}

// checkNumbers wants so many users, active ones, and staff, and one active member
// of the organization of the first.
func checkNumbers(ctx context.Context, tx users.Tx, all, active, staff int) error {
	for want, q := range map[*int]users.Query{&all: {}, &active: {Active: true}, &staff: {Staff: users.Some(true)}} {
		q.Limit = 1
		p, err := tx.Profiles(ctx, q)
		if err != nil {
			return err
		}
		if p.Total != *want {
			return fmt.Errorf("%d users match %+v, want %d", p.Total, q, *want)
		}
		if p.Total > 0 && p.Profiles[0].User.ID == 5 && p.Profiles[0].MemberCount != 1 {
			return fmt.Errorf("%d active members, want 1", p.Profiles[0].MemberCount)
		}
	}
	return nil
}
