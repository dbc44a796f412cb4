package httpapi_test

import (
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/hedgerow-dev/hedgerow/httpapi"
	"github.com/hedgerow-dev/hedgerow/storage"
	"github.com/hedgerow-dev/hedgerow/storage/memory"
	"github.com/hedgerow-dev/hedgerow/storage/postgres"
	"github.com/hedgerow-dev/hedgerow/storage/postgres/postgrestest"
	"github.com/hedgerow-dev/hedgerow/storage/sqlite"
	"github.com/hedgerow-dev/hedgerow/users"
)

// linearStores opens each store with the processes that share it, and what
// happens to it.
func linearStores() map[string]func(t *testing.T) linear {
	return map[string]func(t *testing.T) linear{
		"memory": func(t *testing.T) linear { return newLinear(t, memory.New()) },
		"sqlite": func(t *testing.T) linear {
			return newLinear(t, openFile(t, filepath.Join(t.TempDir(), "a.db")))
		},
		"sqlite, two processes, locked": func(t *testing.T) linear {
			path := filepath.Join(t.TempDir(), "a.db")
			l := newLinear(t, openFile(t, path), openFile(t, path))
			l.fault = locks(t, path)
			return l
		},
		"sqlite, commits lost": func(t *testing.T) linear {
			w := watchedStores()["sqlite"](t)
			l := newLinear(t, w.store)
			l.fault, l.loses = losses(w.commits), true
			l.settle = func() { w.commits.expect(0, false) }
			return l
		},
		"postgres, three processes": func(t *testing.T) linear { return newLinear(t, openThree(t)...) },
		"postgres, three processes, cut off": func(t *testing.T) linear {
			dsn := postgrestest.DSN(t)
			relay := postgrestest.NewRelay(t, dsn)
			var stores []storage.Storage
			for range 3 {
				st, err := postgres.Open(t.Context(), postgrestest.Through(t, dsn, relay))
				if err != nil {
					t.Fatal(err)
				}
				stores = append(stores, st)
			}
			l := newLinear(t, stores...)
			var turn atomic.Int64
			l.fault, l.loses = func() {
				if turn.Add(1)%3 > 0 {
					relay.LoseAnswer()
					return
				}
				relay.Cut()
				relay.Restore()
			}, true
			l.settle = func() {
				relay.Restore()
				for _, st := range stores {
					reconnect(t, st)
				}
			}
			return l
		},
	}
}

// newLinear puts a process on each store.
func newLinear(t *testing.T, stores ...storage.Storage) linear {
	t.Helper()
	e := newEnv(t, stores[0], func(c *httpapi.Config) {
		withMail(c)
		// Limits are no part of what is tested.
		c.Auth.SecondSteps.Max, c.Auth.LoginFailures = -1, -1
	})
	for _, st := range stores[1:] {
		e.addProcess(st)
	}
	t.Cleanup(e.close)
	return linear{env: e}
}

// reconnect uses a store until it has a connection that lives.
func reconnect(t *testing.T, st storage.Storage) {
	t.Helper()
	var err error
	for range connections + 1 {
		if _, err = st.Events(t.Context(), users.EventQuery{Limit: 1}); err == nil {
			return
		}
	}
	t.Errorf("the database is out of reach: %v", err)
}

func openFile(t *testing.T, path string) storage.Storage {
	t.Helper()
	st, err := sqlite.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	return st
}

// locks returns what locks a file for as long as a statement of milliseconds
// takes, against writers.
func locks(t *testing.T, path string) func() {
	beside := openBeside(t, "sqlite", path+"?_txlock=immediate&_busy_timeout=5000")
	var mu sync.Mutex
	return func() {
		mu.Lock()
		defer mu.Unlock()
		tx, err := beside.BeginTx(t.Context(), nil)
		if err != nil {
			t.Errorf("lock the file: %v", err)
			return
		}
		_, err = tx.ExecContext(t.Context(), "with recursive c (x) as (select 1 union all select x + 1 from c where x < 20000) select count(*) from c")
		if err != nil {
			t.Errorf("keep the lock: %v", err)
		}
		if err := tx.Rollback(); err != nil {
			t.Errorf("unlock the file: %v", err)
		}
	}
}

// losses returns what loses the next commit, after it reached the database and
// before by turns.
func losses(c *commits) func() {
	var turn atomic.Int64
	return func() { c.expect(1, turn.Add(1)%2 == 0) }
}
