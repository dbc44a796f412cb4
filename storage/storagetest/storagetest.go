// Package storagetest is the contract of storage.Storage as tests. What has no
// test here is not contract, and nothing in it is optional: a backend's own
// test calls Run and is done.
package storagetest

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"testing"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/autonomy"
	"github.com/hedgerow-dev/hedgerow/integrations"
	"github.com/hedgerow-dev/hedgerow/storage"
	"github.com/hedgerow-dev/hedgerow/users"
)

// Run tests the stores that open returns. open is called once per test, from
// several goroutines, and returns a store of its own each time, empty and ready
// to use. What has to be closed or removed open leaves to t.Cleanup.
func Run(t *testing.T, open func(t *testing.T) storage.Storage) {
	for _, g := range groups() {
		t.Run(g.name, func(t *testing.T) {
			t.Parallel()
			for _, test := range g.tests {
				t.Run(test.name, func(t *testing.T) {
					t.Parallel()
					test.run(t, open(t))
				})
			}
		})
	}
}

type test struct {
	name string
	run  func(t *testing.T, st storage.Storage)
}

type group struct {
	name  string
	tests []test
}

func groups() []group {
	return []group{
		{"users", userTests()},
		{"profiles", profileTests()},
		{"counts", countTests()},
		{"organizations", organizationTests()},
		{"teams", teamTests()},
		{"memberships", membershipTests()},
		{"invites", inviteTests()},
		{"identities", identityTests()},
		{"scenes", sceneTests()},
		{"events", eventTests()},
		{"sessions", sessionTests()},
		{"keys", keyTests()},
		{"tokens", tokenTests()},
		{"tickets", ticketTests()},
		{"second factors", secondFactorTests()},
		{"passkeys", passkeyTests()},
		{"attempts", attemptTests()},
		{"expiry", expiryTests()},
		{"autonomy", autonomyTests()},
		{"integrations", integrationTests()},
		{"conflicts", conflictTests()},
		{"order", orderTests()},
		{"text", textTests()},
		{"deletion", deletionTests()},
		{"transactions", transactionTests()},
		{"cancellation", cancellationTests()},
		{"concurrency", concurrencyTests()},
		{"close", closeTests()},
	}
}

func closeTests() []test {
	return []test{{"calls after Close fail", func(t *testing.T, st storage.Storage) {
		u := addUser(t, st, "ann@example.com")
		if err := st.Close(); err != nil {
			t.Fatalf("Close: got %v, want nil", err)
		}
		if _, err := st.User(t.Context(), u.ID); err == nil {
			t.Error("User after Close: got nil, want an error")
		}
		if err := try(t, st, auth.Tx.DeleteUser, u.ID); err == nil {
			t.Error("UpdateAuth after Close: got nil, want an error")
		}
	}}}
}

// transaction runs fn in a transaction of the domain whose Tx it takes. A new
// domain is a line here; the helpers below take its Tx then.
func transaction[X users.Tx](ctx context.Context, st storage.Storage, fn func(tx X) error) error {
	switch fn := any(fn).(type) {
	case func(users.Tx) error:
		return st.UpdateUsers(ctx, fn)
	case func(auth.Tx) error:
		return st.UpdateAuth(ctx, fn)
	case func(autonomy.Tx) error:
		return st.UpdateAutonomy(ctx, fn)
	case func(integrations.Tx) error:
		return st.UpdateIntegrations(ctx, fn)
	}
	panic(fmt.Sprintf("no domain has the transaction of %T", fn))
}

// update runs fn in a transaction that must succeed.
func update[X users.Tx](t *testing.T, st storage.Storage, fn func(ctx context.Context, tx X) error) {
	t.Helper()
	if err := attempt(t, st, fn); err != nil {
		t.Fatalf("transaction of %T: got %v, want nil", fn, err)
	}
}

// attempt runs fn in a transaction and returns how that went.
func attempt[X users.Tx](t *testing.T, st storage.Storage, fn func(ctx context.Context, tx X) error) error {
	ctx := t.Context()
	return transaction(ctx, st, func(tx X) error { return fn(ctx, tx) })
}

// put calls one method of a transaction for each value, as in
// put(t, st, auth.Tx.SaveSession, s), and must succeed.
func put[X users.Tx, T any](t *testing.T, st storage.Storage, method func(X, context.Context, T) error, values ...T) {
	t.Helper()
	update(t, st, func(ctx context.Context, tx X) error {
		for _, v := range values {
			if err := method(tx, ctx, v); err != nil {
				return err
			}
		}
		return nil
	})
}

// try calls one method in a transaction of its own and returns how that went.
func try[X users.Tx, T any](t *testing.T, st storage.Storage, method func(X, context.Context, T) error, v T) error {
	return attempt(t, st, func(ctx context.Context, tx X) error { return method(tx, ctx, v) })
}

// must is for reads that have to succeed: must(st.User(ctx, id))(t).
func must[T any](v T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatalf("read a %T: got %v, want nil", v, err)
		}
		return v
	}
}

// same fails the test unless got, which call returned, is want in every field.
// Times must be UTC and without a monotonic reading to pass.
func same[T any](t *testing.T, call string, got, want T) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s:\n got %+v,\nwant %+v", call, got, want)
	}
}

// sameList is same for lists, where nil is as good as empty.
func sameList[T any](t *testing.T, call string, got []T, want ...T) {
	t.Helper()
	if !slices.EqualFunc(got, want, func(a, b T) bool { return reflect.DeepEqual(a, b) }) {
		t.Errorf("%s:\n got %+v,\nwant %+v", call, got, want)
	}
}

// refused fails the test unless err, which call returned, is want.
func refused(t *testing.T, call string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s: got %v, want %v", call, err, want)
	}
}

// complete fails the test if a field of v is zero, so that a field which is
// added later cannot be left out of the round trip.
func complete(t *testing.T, v any) {
	t.Helper()
	r := reflect.ValueOf(v)
	for i := range r.NumField() {
		if r.Field(i).IsZero() {
			t.Errorf("%T.%s is zero in this test, want a value", v, r.Type().Field(i).Name)
		}
	}
}
