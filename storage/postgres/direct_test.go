package postgres_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/hedgerow-dev/hedgerow/storage"
	"github.com/hedgerow-dev/hedgerow/storage/postgres"
	"github.com/hedgerow-dev/hedgerow/storage/postgres/postgrestest"
	"github.com/hedgerow-dev/hedgerow/storage/storagetest"
	"github.com/hedgerow-dev/hedgerow/users"
)

// around is a driver of a host around that of pgx, as for traces.
type around struct{ driver.Connector }

type wrapped struct{ *stdlib.Conn }

func (a around) Connect(ctx context.Context) (driver.Conn, error) {
	c, err := a.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return wrapped{c.(*stdlib.Conn)}, nil
}

// TestStorageThroughDatabaseSQL has a host's driver around pgx.
func TestStorageThroughDatabaseSQL(t *testing.T) {
	storagetest.Run(t, func(t *testing.T) storage.Storage {
		dsn := postgrestest.DSN(t)
		connector, err := handle(t, dsn).Driver().(driver.DriverContext).OpenConnector(dsn)
		if err != nil {
			t.Fatal(err)
		}
		db := sql.OpenDB(around{connector})
		t.Cleanup(func() {
			if err := db.Close(); err != nil {
				t.Errorf("close the host's handle: %v", err)
			}
		})
		db.SetMaxOpenConns(8)
		if err := postgres.Migrate(t.Context(), db, postgres.Config{}); err != nil {
			t.Fatalf("Migrate: %v", err)
		}
		st, err := postgres.New(t.Context(), db, postgres.Config{})
		if err != nil {
			t.Fatalf("New: %v", err)
		}
		return closing{st, db}
	})
}

// fragile are connections that can break, so that nothing can be sent any more.
type fragile struct {
	mu     sync.Mutex
	opened []*breakable
}

type breakable struct {
	net.Conn
	broken atomic.Bool
}

func (b *breakable) Write(p []byte) (int, error) {
	if b.broken.Load() {
		return 0, syscall.EPIPE
	}
	return b.Conn.Write(p)
}

func (f *fragile) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	b := &breakable{Conn: conn}
	f.opened = append(f.opened, b)
	return b, nil
}

func (f *fragile) breakAll() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, b := range f.opened {
		b.broken.Store(true)
	}
}

// TestBrokenConnectionsAreReplaced reads and changes on connections that have ended
// while they were idle. Nobody needs to know, as nothing was sent.
func TestBrokenConnectionsAreReplaced(t *testing.T) {
	t.Parallel()
	config, err := pgx.ParseConfig(postgrestest.DSN(t))
	if err != nil {
		t.Fatal(err)
	}
	var f fragile
	config.DialFunc = f.dial
	db := stdlib.OpenDB(*config, stdlib.OptionShouldPing(func(context.Context, stdlib.ShouldPingParams) bool { return false }))
	db.SetMaxOpenConns(1)
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Errorf("close the handle: %v", err)
		}
	})
	if err := postgres.Migrate(t.Context(), db, postgres.Config{}); err != nil {
		t.Fatalf("Migrate: %v", err)
	}
	st, err := postgres.New(t.Context(), db, postgres.Config{})
	if err != nil {
		t.Fatalf("New: %v", err)
	}
	ann := addUser(t, st, "ann@example.com")
	f.breakAll()
	runs := 0
	err = st.UpdateUsers(t.Context(), func(tx users.Tx) error {
		runs++
		_, err := tx.SaveUser(t.Context(), ann)
		return err
	})
	if err != nil || runs != 2 {
		t.Errorf("UpdateUsers: got %v after %d runs, want success after 2", err, runs)
	}
	f.breakAll()
	if got, err := st.User(t.Context(), ann.ID); err != nil || got.Version != 2 {
		t.Errorf("User: got version %d and %v, want 2", got.Version, err)
	}
}

// TestSavedWithTheCommit saves a user whom the transaction has read, which nobody
// waits for, and sees that what cannot be kept is refused and undone all the same.
func TestSavedWithTheCommit(t *testing.T) {
	t.Parallel()
	dsn := postgrestest.DSN(t)
	st := open(t, dsn)
	ann := addUser(t, st, "ann@example.com")
	addUser(t, st, "bob@example.com")
	for name, c := range map[string]struct {
		change func(*users.User)
		want   error
	}{
		"address of another": {func(u *users.User) { u.Email = "BOB@example.com" }, users.ErrEmailTaken},
		"team of nobody":     {func(u *users.User) { u.CurrentTeam = 4711 }, users.ErrNotFound},
		"text":               {func(u *users.User) { u.FirstName = "a\x00b" }, &users.Error{Kind: users.Invalid, Code: "invalid_input"}},
		"optional text":      {func(u *users.User) { u.ThemeMode = users.Some("a\x00b") }, &users.Error{Kind: users.Invalid, Code: "invalid_input"}},
	} {
		var saved error
		err := st.UpdateUsers(t.Context(), func(tx users.Tx) error {
			u, err := tx.User(t.Context(), ann.ID)
			if err != nil {
				return err
			}
			c.change(&u)
			_, saved = tx.SaveUser(t.Context(), u)
			return saved
		})
		if !errors.Is(saved, c.want) || !errors.Is(err, c.want) {
			t.Errorf("%s: SaveUser: got %v, UpdateUsers: %v, want %v", name, saved, err, c.want)
		}
	}
	var versions []int64
	err := st.UpdateUsers(t.Context(), func(tx users.Tx) error {
		for range 2 {
			u, err := tx.User(t.Context(), ann.ID)
			if err != nil {
				return err
			}
			u.FirstName += "n"
			for range 2 {
				if u, err = tx.SaveUser(t.Context(), u); err != nil {
					return err
				}
				versions = append(versions, u.Version)
			}
		}
		return tx.AddEvent(t.Context(), users.Event{Target: ann.ID, Action: "user updated"})
	})
	if err != nil || !slices.Equal(versions, []int64{2, 3, 4, 5}) {
		t.Errorf("SaveUser: got versions %v and %v, want 2 to 5", versions, err)
	}
	if got := query(t, dsn, "select first_name || version from users where email = 'ann@example.com'"); !slices.Equal(got, []string{"nn5"}) {
		t.Errorf("stored: got %q, want nn5", got)
	}
}

// TestSavedAfterTeamIsDeleted saves a user with a team that the transaction has
// deleted since it saved the user before.
func TestSavedAfterTeamIsDeleted(t *testing.T) {
	t.Parallel()
	st := open(t, postgrestest.DSN(t))
	acme, ann := addOrganization(t, st), addUser(t, st, "ann@example.com")
	var saved error
	err := st.UpdateUsers(t.Context(), func(tx users.Tx) error {
		team, err := tx.SaveTeam(t.Context(), users.Team{UUID: uuid.New(), OrganizationID: acme, Name: "Web", Timezone: "UTC"})
		if err != nil {
			return err
		}
		ann.CurrentTeam = team.ID
		if ann, err = tx.SaveUser(t.Context(), ann); err != nil {
			return err
		}
		if err := tx.DeleteTeam(t.Context(), team.ID); err != nil {
			return err
		}
		_, saved = tx.SaveUser(t.Context(), ann)
		return saved
	})
	if !errors.Is(saved, users.ErrNotFound) || !errors.Is(err, users.ErrNotFound) {
		t.Errorf("SaveUser: got %v, UpdateUsers: %v, want %v", saved, err, users.ErrNotFound)
	}
}
