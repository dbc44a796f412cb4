package sqlstore_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/storage"
	"github.com/hedgerow-dev/hedgerow/storage/internal/sqlstore"
	"github.com/hedgerow-dev/hedgerow/storage/storagetest"
	"github.com/hedgerow-dev/hedgerow/users"
)

// upgrade does what Migrate of a later build does, which has these migrations
// besides.
func (h host) upgrade(t *testing.T, prefix string, first int64, texts ...string) {
	t.Helper()
	s := h.build(t, prefix)
	for n, text := range texts {
		m := storage.Migration{Version: first + int64(n), Name: "later"}
		s.Migrations = append(s.Migrations, sqlstore.Migration{Migration: m, SQL: text})
	}
	p, err := s.Provider(h.dialect, h.DB)
	if err != nil {
		t.Fatal(err)
	}
	// Writers that never rest can keep SQLite's lock from it for the whole busy
	// time-out, so that Migrate of that store tries again, too.
	const attempts = 10
	for n := 1; ; n++ {
		if _, err := p.Up(t.Context()); err == nil {
			return
		} else if n == attempts {
			t.Fatalf("upgrade: %v", err)
		}
	}
}

// build is the schema of this build.
func (h host) build(t *testing.T, prefix string) sqlstore.Schema {
	t.Helper()
	s, err := sqlstore.NewSchema(os.DirFS(h.migrations), h.names(prefix))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

var createTable = regexp.MustCompile(`(?m)^create table (\S+) \(`)

// additions are all that a migration may add, to every table, in one migration
// each.
func (h host) additions(t *testing.T, prefix string) (texts []string) {
	t.Helper()
	for _, m := range h.build(t, prefix).Migrations {
		for _, found := range createTable.FindAllStringSubmatch(m.SQL, -1) {
			name := found[1][strings.LastIndex(found[1], ".")+1:]
			texts = append(texts, fmt.Sprintf(`alter table %[1]s add column later_text text;
				alter table %[1]s add column later_count bigint not null default 7;
				create index %[2]s_later on %[1]s (later_text, later_count)`, found[1], name))
		}
	}
	if len(texts) < 20 {
		t.Fatalf("found %d tables, want all", len(texts))
	}
	return append(texts, h.names(prefix).Render(`create table {later} (
		id bigint primary key, user_id bigint references {users} on delete cascade, team_id bigint references {teams} on delete set null)`))
}

const firstLater = 500

// TestStorageOnLaterTables holds a store to its contract on the tables of a later
// build, which has added something everywhere. The statements are those of both
// databases, and PostgreSQL is the stricter one about them.
func TestStorageOnLaterTables(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, func(t *testing.T) storage.Storage {
		h := postgresHost(t)
		st := h.migrated(t, "")
		h.upgrade(t, "", firstLater, strings.Join(h.additions(t, ""), ";"))
		return closing{st, h}
	})
}

// closing closes the handle too, as a host does that is done with its accounts.
type closing struct {
	storage.Storage
	host host
}

func (c closing) Close() error { return c.host.Close() }

// TestEarlierBuildStartsOnLaterTables, as a process does that is restarted while
// a release goes out. What takes something away is a generation of its own.
func TestEarlierBuildStartsOnLaterTables(t *testing.T) {
	t.Parallel()
	hosts(t, func(t *testing.T, h host) {
		ctx := t.Context()
		h.migrated(t, "acme_")
		h.upgrade(t, "acme_", firstLater, h.additions(t, "acme_")...)
		if pending, err := h.pending(ctx, h.DB, "acme_"); err != nil || len(pending) > 0 {
			t.Errorf("Pending of the earlier build: got %v, %v, want none", pending, err)
		}
		if _, err := create(ctx, h.migrated(t, "acme_"), "ann@example.com"); err != nil {
			t.Errorf("create a user: %v", err)
		}
		h.upgrade(t, "acme_", 1000, h.names("acme_").Render("drop table {later}"))
		for name, err := range map[string]error{
			"Migrate": h.migrate(ctx, h.DB, "acme_"),
			"Pending": second(h.pending(ctx, h.DB, "acme_")),
			"New":     second(h.new(ctx, h.DB, "acme_")),
		} {
			if err == nil || !strings.Contains(err.Error(), "version 1000") || !strings.Contains(err.Error(), "up to 999") || !strings.Contains(err.Error(), "newer build") {
				t.Errorf("%s on the next generation: got %v, want an error that names it", name, err)
			}
		}
	})
}

func second[T any](_ T, err error) error { return err }

// TestEarlierBuildWorksDuringUpgrade has processes of this build read and write
// while a later one adds something to every table, without a failure.
func TestEarlierBuildWorksDuringUpgrade(t *testing.T) {
	t.Parallel()
	hosts(t, func(t *testing.T, h host) {
		st := h.migrated(t, "")
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		var wg sync.WaitGroup
		lived := make(chan struct{}, 1)
		const workers = 4
		for worker := range workers {
			wg.Go(func() {
				for n := 0; ctx.Err() == nil; n++ {
					if err := live(ctx, st, fmt.Sprintf("%d-%d@example.com", worker, n)); err != nil && ctx.Err() == nil {
						t.Errorf("a user's life during the upgrade: %v", err)
						stop()
					}
					select {
					case lived <- struct{}{}:
					default:
					}
				}
			})
		}
		wait := func() {
			// One life may have been over before, and one of each worker have begun.
			for range workers + 2 {
				select {
				case <-lived:
				case <-ctx.Done():
				}
			}
		}
		additions := h.additions(t, "")
		for n := range additions {
			wait()
			h.upgrade(t, "", firstLater, additions[:n+1]...)
		}
		wait()
		stop()
		wg.Wait()
	})
}

// live has a user come, sign in, change, be listed, and go.
func live(ctx context.Context, st storage.Storage, email string) error {
	u, err := create(ctx, st, email)
	if err != nil {
		return fmt.Errorf("create: %w", err)
	}
	session := auth.Session{ID: uuid.New(), UserID: u.ID, Method: "password"}
	copy(session.Hash[:], u.UUID[:])
	err = st.UpdateAuth(ctx, func(tx auth.Tx) error {
		return errors.Join(tx.SaveSession(ctx, session), tx.AddEvent(ctx, users.Event{Target: u.ID, Action: "user logged in"}))
	})
	if err != nil {
		return fmt.Errorf("sign in: %w", err)
	}
	err = st.UpdateUsers(ctx, func(tx users.Tx) error {
		u, err := tx.User(ctx, u.ID)
		if err != nil {
			return err
		}
		u.FirstName = "Ann"
		_, err = tx.SaveUser(ctx, u)
		return err
	})
	if err != nil {
		return fmt.Errorf("change: %w", err)
	}
	if _, owner, err := st.SessionByHash(ctx, session.Hash); err != nil {
		return fmt.Errorf("read the session: %w", err)
	} else if owner.User.FirstName != "Ann" {
		return fmt.Errorf("the session is of %q, want Ann", owner.User.FirstName)
	}
	if _, err := st.Profiles(ctx, users.Query{Limit: 10}); err != nil {
		return fmt.Errorf("list: %w", err)
	}
	if err := st.UpdateUsers(ctx, func(tx users.Tx) error { return tx.DeleteUser(ctx, u.ID) }); err != nil {
		return fmt.Errorf("delete: %w", err)
	}
	return nil
}
