package sqlstore

import (
	"context"
	"database/sql"
	"errors"

	"github.com/hedgerow-dev/hedgerow/users"
)

// errGuess says that a transaction has to run again, without a guess.
var errGuess = errors.New("the user was only guessed")

// guess is the Conn of the first attempt at a transaction on a database with stamps.
// It spares a transaction that reads a user, saves it and logs that the round trip in
// which the user is read and locked, a fifth of what it takes: the user comes from what
// is kept, and is saved on condition that the record still has that stamp, or else
// nothing of it is committed.
//
// It is as good as the lock. A stamp is another one after any change of the record,
// whoever makes it, so what the function has judged by, authority included, is what the
// record says at the moment from which the transaction itself has it locked. And that is
// all the function can have seen: as soon as it does anything else, or fails, or ends
// without saving the user, nothing has been sent yet, and it runs again with the lock.
// Others of this store who change the same user wait meanwhile, because a wrong guess
// costs several right ones.
type guess struct {
	Conn
	kept   *kept
	stage  stage
	user   users.ID // who is handed out, 0 for nobody
	record int64    // the stamp of that
}

// stage is how far a transaction has come.
type stage int

const (
	untouched stage = iota
	guessed         // a user is handed out
	saved           // and saved, and what follows runs only if the guess was right
	plain           // it began with something else, and goes on without a guess
	wrong           // it cannot go on
)

type guessedRow struct {
	userRow
	Record int64 `db:"record"`
}

// updateGuessed is updateStamped of a record that has the stamp yet; otherwise it
// divides by zero, and whatever is sent with it does not run.
var updateGuessed = "with saved as (" + setUser(userColumns) + " where id = :id and revision = :record returning version, revision) " +
	"select max(version) as version, max(revision) as revision from saved having 1 / count(*) = 1"

// guess has t begin with a guess, if what it sends can wait for the commit.
func (t *tx) guess(k *kept) {
	if _, ok := t.q.(Queuer); ok && k != nil {
		t.guessing = &guess{Conn: t.q, kept: k}
		t.q = t.guessing
	}
}

// handOut returns the user if that is kept, and nothing else has happened yet.
func (g *guess) handOut(ctx context.Context, id users.ID) (u users.User, ok bool) {
	if g == nil || g.stage != untouched {
		return u, false
	}
	if u, g.record, ok = g.kept.begin(ctx, id); ok {
		g.stage, g.user = guessed, id
	}
	return u, ok
}

// save notes that the user is saved who was handed out.
func (g *guess) save() {
	if g != nil && g.stage == guessed {
		g.stage = saved
	}
}

// failed reports whether the guess was wrong, by the error of the commit.
func (g *guess) failed(d *Dialect, err error) bool {
	return g != nil && g.stage == saved && err != nil && d.DividedByZero(err)
}

// leave goes on without a guess, unless there has been one.
func (g *guess) leave() error {
	if g.stage == untouched {
		g.stage = plain
	}
	if g.stage != plain {
		g.stage = wrong
		return errGuess
	}
	return nil
}

// end returns what comes of a function that has returned err.
func (g *guess) end(err error) error {
	if g == nil || g.stage == untouched || g.stage == plain || g.stage == saved && err == nil {
		return err
	}
	return errGuess
}

// over lets others guess the same user.
func (g *guess) over() {
	if g != nil && g.user != 0 {
		g.kept.end(g.user)
		g.user = 0
	}
}

// Query runs a query, of which a guess knows nothing.
func (g *guess) Query(ctx context.Context, text string, args []any, read func(Rows) error) error {
	if err := g.leave(); err != nil {
		return err
	}
	return g.Conn.Query(ctx, text, args, read)
}

// Exec runs a statement, of which a guess knows nothing.
func (g *guess) Exec(ctx context.Context, text string, args []any) (sql.Result, error) {
	if err := g.leave(); err != nil {
		return nil, err
	}
	return g.Conn.Exec(ctx, text, args)
}

// Queue puts a statement off, which is fine once the user is saved.
func (g *guess) Queue(ctx context.Context, text string, args []any, read func(Rows) error) error {
	if g.stage != saved {
		if err := g.leave(); err != nil {
			return err
		}
	}
	return g.Conn.(Queuer).Queue(ctx, text, args, read)
}
