package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/hedgerow-dev/hedgerow/storage"
	"github.com/hedgerow-dev/hedgerow/users"
)

// runner runs a function in a transaction.
type runner func(ctx context.Context, fn func(*tx) error) error

// maxAttempts bounds how often a transaction runs that keeps losing races.
const maxAttempts = 10

// transactions runs fn in a transaction of its own, again if it lost a race.
func (r reader) transactions(write Handle) runner {
	return func(ctx context.Context, fn func(*tx) error) error {
		err := r.attempt(ctx, write, fn, r.kept)
		if errors.Is(err, errGuess) {
			err = r.attempt(ctx, write, fn, nil)
		}
		for n := 1; err != nil && r.d.Retry(err); n++ {
			if n == maxAttempts {
				return fmt.Errorf("%w: %d attempts: %w", users.ErrUnavailable, n, err)
			}
			if err := pause(ctx, n); err != nil {
				return err
			}
			err = r.attempt(ctx, write, fn, nil)
		}
		return err
	}
}

// pause waits for a random time, on average longer after each attempt, so that
// those who met do not meet again.
func pause(ctx context.Context, attempt int) error {
	wait := time.NewTimer(rand.N(time.Duration(attempt) * 10 * time.Millisecond))
	defer wait.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-wait.C:
		return nil
	}
}

// attempt runs fn in a transaction once, which guesses from what is kept, unless that
// is nil. The level is given, so that what a database does by default cannot change
// what the locks protect.
func (r reader) attempt(ctx context.Context, write Handle, fn func(*tx) error, guesses *kept) error {
	var failed error
	t := new(tx)
	defer func() { t.guessing.over() }()
	err := write.Transact(ctx, sql.TxOptions{Isolation: sql.LevelReadCommitted}, func(c Conn) error {
		t.guessing.over() // on another connection, that had ended
		t = r.inside(c)
		t.guess(guesses)
		failed = t.guessing.end(fn(t))
		return failed
	})
	if failed != nil {
		return failed
	}
	if t.guessing.failed(r.d, err) {
		return errGuess
	}
	if err == nil && r.kept != nil && len(t.saved) > 0 {
		r.kept.renew(t.saved)
	}
	return r.wrap(ctx, "transaction", err)
}

// commit commits a transaction.
func (d *Dialect) commit(t Transaction) error {
	var err error
	if d.Committing != nil {
		err = d.Committing()
	}
	if err == nil {
		err = t.Commit()
	} else {
		_ = t.Rollback() // who commits is told why
	}
	if d.Committed != nil {
		d.Committed(err == nil)
	}
	return err
}

// inside is r in a transaction that may write.
func (r reader) inside(t Conn) *tx {
	r.q, r.db, r.lock, r.kept = t, nil, r.d.ForUpdate, nil
	return &tx{reader: r}
}

// Tx is the store inside a transaction that the host has begun on the same
// database, and ends. Its reads see what the transaction sees; each UpdateX is a
// part of it that is kept or undone as a whole, and runs once: a lost race is
// the host's to run again. It is used by one goroutine at a time, and closing it
// does nothing.
func (s *Store) Tx(host *sql.Tx) storage.Storage {
	t := &sqlx.Tx{Tx: host, Mapper: s.texts.mapper}
	r := s.reader
	r.q, r.db, r.kept = &transaction{t, nil, nil}, nil, nil
	return &Store{reader: r, run: r.savepoints(t), close: func() error { return nil }}
}

// savepoints runs fn as a part of a transaction.
func (r reader) savepoints(t *sqlx.Tx) runner {
	return func(ctx context.Context, fn func(*tx) error) (err error) {
		if _, err := t.ExecContext(ctx, "savepoint hedgerow"); err != nil {
			return r.wrap(ctx, "begin", err)
		}
		kept := false
		defer func() {
			if kept {
				return
			}
			// Also when ctx is over, or fn panicked.
			_, failed := t.ExecContext(context.WithoutCancel(ctx), "rollback to savepoint hedgerow")
			if failed != nil {
				// The host must not commit half of it.
				err = errors.Join(err, r.wrap(ctx, "roll back", failed), t.Rollback())
			}
		}()
		if err := fn(r.inside(r.q)); err != nil {
			return err
		}
		if _, err := t.ExecContext(ctx, "release savepoint hedgerow"); err != nil {
			return r.wrap(ctx, "commit", err)
		}
		kept = true
		return nil
	}
}
