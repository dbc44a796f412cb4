package autonomy_test

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/hedgerow-dev/hedgerow/autonomy"
	"github.com/hedgerow-dev/hedgerow/storage/memory"
	"github.com/hedgerow-dev/hedgerow/users"
)

// setting is a user's record with this priority.
func setting(p autonomy.Priority) *autonomy.Config { return &autonomy.Config{AutostartPriority: p} }

// TestDecisions is the table of contract section 8, then what it leaves open.
func TestDecisions(t *testing.T) {
	for _, c := range []struct {
		name          string
		config        *autonomy.Config
		team, report  autonomy.Priority
		optIn, optOut bool
	}{
		{"own P2, the most urgent", setting(autonomy.P2), autonomy.P0, autonomy.P0, true, true},
		{"own P2, equal is enough", setting(autonomy.P2), autonomy.P0, autonomy.P2, true, true},
		{"own P1, less urgent", setting(autonomy.P1), autonomy.P0, autonomy.P3, false, false},
		{"the team admits all", setting(autonomy.None), autonomy.P4, autonomy.P4, true, true},
		{"the team is strict", setting(autonomy.None), autonomy.P0, autonomy.P3, false, false},
		{"no record, the team admits all", nil, autonomy.P4, autonomy.P4, false, true},
		{"no record, the team is strict", nil, autonomy.P0, autonomy.P3, false, false},
		{"own P0 is stricter than the team", setting(autonomy.P0), autonomy.P4, autonomy.P3, false, false},

		{"no team default, most urgent", setting(autonomy.None), autonomy.None, autonomy.P0, true, true},
		{"no team default, less urgent", setting(autonomy.None), autonomy.None, autonomy.P1, false, true},
		{"no team default, least urgent", setting(autonomy.None), autonomy.None, autonomy.P4, false, true},
		{"nothing at all", nil, autonomy.None, autonomy.P4, false, true},
		{"a report without priority", setting(autonomy.P4), autonomy.P4, autonomy.None, false, false},
		{"a report of no such priority", setting(autonomy.P4), autonomy.P4, "P5", false, false},
		{"a threshold of no such priority", setting("p4"), autonomy.P4, autonomy.P0, false, false},
	} {
		for rule, want := range map[autonomy.Rule]bool{autonomy.OptIn: c.optIn, autonomy.OptOut: c.optOut} {
			if got := autonomy.Allowed(c.report, c.config, c.team, rule); got != want {
				t.Errorf("%s: Allowed(%q, %+v, %q, %d): got %v, want %v", c.name, c.report, c.config, c.team, rule, got, want)
			}
		}
	}
}

// TestRank compares every pair of a report and a threshold.
func TestRank(t *testing.T) {
	order := []autonomy.Priority{autonomy.P0, autonomy.P1, autonomy.P2, autonomy.P3, autonomy.P4}
	for i, report := range order {
		for j, threshold := range order {
			if got := autonomy.Allowed(report, setting(threshold), autonomy.P0, autonomy.OptIn); got != (i <= j) {
				t.Errorf("a report of %s with a threshold of %s: got %v, want %v", report, threshold, got, i <= j)
			}
			if got := autonomy.Effective(setting(report), threshold, autonomy.OptIn); got != report {
				t.Errorf("Effective of %s in a team of %s: got %s, want %s", report, threshold, got, report)
			}
		}
	}
}

// account makes a service with one user, its store and a clock to set.
func account(t *testing.T) (*autonomy.Service, *memory.Store, users.User, *time.Time) {
	t.Helper()
	store, now := memory.New(), time.Date(2026, 5, 1, 12, 0, 0, 123456789, time.FixedZone("", 3600))
	accounts := users.NewService(store, users.Config{Now: func() time.Time { return now }})
	u := users.New()
	u.Email = "ann@example.com"
	u, err := accounts.NewUser(u)
	if err != nil {
		t.Fatal(err)
	}
	err = store.UpdateUsers(t.Context(), func(tx users.Tx) (err error) {
		u, err = tx.CreateUser(t.Context(), u)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return autonomy.NewService(store, accounts), store, u, &now
}

var host = users.Actor{Credential: users.ByHost}

func TestSave(t *testing.T) {
	service, store, u, now := account(t)
	ctx := t.Context()
	created, err := service.Save(ctx, host, u.ID, autonomy.Patch{})
	if err != nil {
		t.Fatalf("Save: %v", err)
	}
	at := time.Date(2026, 5, 1, 11, 0, 0, 123456000, time.UTC)
	if want := (autonomy.Config{ID: created.ID, UserID: u.ID, CreatedAt: at, UpdatedAt: at}); created != want || created.ID.Version() != 7 {
		t.Errorf("Save of nothing: got %+v, want %+v with an ID of version 7", created, want)
	}
	*now = now.Add(time.Minute)
	changed, err := service.Save(ctx, host, u.ID, autonomy.Patch{AutostartPriority: users.Set(autonomy.P3)})
	if want := (autonomy.Config{ID: created.ID, UserID: u.ID, AutostartPriority: autonomy.P3, CreatedAt: at, UpdatedAt: at.Add(time.Minute)}); err != nil || changed != want {
		t.Errorf("Save: got %+v and %v, want %+v", changed, err, want)
	}
	if got, err := service.Config(ctx, u.ID); err != nil || got != changed {
		t.Errorf("Config: got %+v and %v, want %+v", got, err, changed)
	}
	cleared, err := service.Save(ctx, host, u.ID, autonomy.Patch{AutostartPriority: users.SetNull[autonomy.Priority]()})
	if err != nil || cleared.AutostartPriority != autonomy.None || cleared.ID != created.ID {
		t.Errorf("Save of null: got %+v and %v, want no priority", cleared, err)
	}
	if events, err := store.Events(ctx, users.EventQuery{Limit: 10}); err != nil || len(events) != 3 {
		t.Errorf("Events: got %+v and %v, want one for each change", events, err)
	}
}

func TestRefusals(t *testing.T) {
	service, store, u, _ := account(t)
	ctx := t.Context()
	for _, f := range []users.Field[autonomy.Priority]{
		users.Set(autonomy.None), users.Set(autonomy.Priority("P5")), users.Set(autonomy.Priority("p1")),
		{Set: true, Value: autonomy.P1, Err: &users.Error{Kind: users.Invalid, Code: "invalid_input"}},
	} {
		_, err := service.Save(ctx, host, u.ID, autonomy.Patch{AutostartPriority: f})
		if !errors.Is(err, autonomy.ErrPriority) {
			t.Errorf("Save of %+v: got %v, want %v", f, err, autonomy.ErrPriority)
		}
	}
	if _, err := service.Save(ctx, host, u.ID+1, autonomy.Patch{}); !errors.Is(err, users.ErrNotFound) {
		t.Errorf("Save for nobody: got %v, want %v", err, users.ErrNotFound)
	}
	for _, id := range []users.ID{u.ID, u.ID + 1} {
		if _, err := service.Config(ctx, id); !errors.Is(err, autonomy.ErrNoConfig) || errors.Is(err, users.ErrNotFound) {
			t.Errorf("Config of user %d: got %v, want %v", id, err, autonomy.ErrNoConfig)
		}
		if err := service.Delete(ctx, host, id); err != nil {
			t.Errorf("Delete for user %d: got %v, want nil", id, err)
		}
	}
	if events, err := store.Events(ctx, users.EventQuery{Limit: 10}); err != nil || len(events) != 0 {
		t.Errorf("Events: got %+v and %v, want none", events, err)
	}
}

func TestFailures(t *testing.T) {
	service, store, u, _ := account(t)
	silent := users.NewService(store, users.Config{Rand: bytes.NewReader(nil)})
	if _, err := autonomy.NewService(store, silent).Save(t.Context(), host, u.ID, autonomy.Patch{}); err == nil {
		t.Error("Save without randomness: got nil, want an error")
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	_, read := service.Config(t.Context(), u.ID)
	_, saved := service.Save(t.Context(), host, u.ID, autonomy.Patch{})
	for call, err := range map[string]error{"Config": read, "Save": saved, "Delete": service.Delete(t.Context(), host, u.ID)} {
		if !errors.Is(err, users.ErrUnavailable) {
			t.Errorf("%s on a closed store: got %v, want %v", call, err, users.ErrUnavailable)
		}
	}
}
