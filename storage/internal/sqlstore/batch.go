package sqlstore

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/hedgerow-dev/hedgerow/users"
)

// maxBatch bounds how many functions share a commit, and with that how long the
// first of them waits for the others.
const maxBatch = 64

// queue has the functions that write to a database with one writer take turns.
// Those that wait share the next commit, and with it the wait for the disk: 32
// writers at once get 7 times as much done (BenchmarkUpdate in storage/sqlite, on
// two cores), and one alone as much as without.
//
// Each caller runs its function on its own goroutine, in the transaction that the
// one before it hands on, and hands it on to the next. Whoever finds nobody waiting
// commits. Nobody is answered before that, also not with an error of the function,
// which may be about what is only there once it is committed. But for the first of a
// batch each has a savepoint, so that it is undone alone.
type queue struct {
	r     reader
	write Writer

	mu      sync.Mutex
	taken   bool // it is somebody's turn
	waiting []chan turn
}

// turn is what a caller waits for.
type turn struct {
	batch *batch // to join, nil to begin one
	err   error  // the database can begin none
}

// batch is a transaction of several functions.
type batch struct {
	Transaction
	cancel context.CancelFunc
	turns  int
	kept   int           // of them
	done   chan struct{} // closed when err is how it ended
	err    error
}

// errLost is for functions that did well in a batch that was lost by another, or
// failed because of what they saw in a batch that was lost.
var errLost = errors.New("the database undid it because of another transaction")

// run runs fn, again if others have undone it.
func (q *queue) run(ctx context.Context, fn func(*tx) error) error {
	for n := 1; ; n++ {
		err := q.once(ctx, fn)
		if !errors.Is(err, errLost) {
			return err
		}
		if n == maxAttempts {
			return fmt.Errorf("%w: %d attempts: %w", users.ErrUnavailable, n, err)
		}
	}
}

func (q *queue) once(ctx context.Context, fn func(*tx) error) error {
	b, err := q.wait(ctx)
	if err == nil && b == nil {
		b, err = q.begin(ctx)
	}
	if err != nil {
		return q.r.wrap(ctx, "begin", err)
	}
	lost, failed := q.take(ctx, b, fn)
	if failed != nil && (lost || ctx.Err() != nil) {
		return failed // it is not about what others have done
	}
	<-b.done
	if failed != nil && b.err != nil {
		return fmt.Errorf("%w: %w", errLost, b.err)
	}
	return cmp.Or(failed, q.r.wrap(ctx, "commit", b.err))
}

// wait returns when it is the caller's turn.
func (q *queue) wait(ctx context.Context) (*batch, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	q.mu.Lock()
	if !q.taken {
		q.taken = true
		q.mu.Unlock()
		return nil, nil
	}
	come := make(chan turn, 1)
	q.waiting = append(q.waiting, come)
	q.mu.Unlock()
	select {
	case t := <-come:
		return t.batch, t.err
	case <-ctx.Done():
	}
	q.mu.Lock()
	i := slices.Index(q.waiting, come)
	if i >= 0 {
		q.waiting = slices.Delete(q.waiting, i, i+1)
	}
	q.mu.Unlock()
	if i >= 0 {
		return nil, ctx.Err()
	}
	// It has come just now, and has to be handed on.
	t := <-come
	return t.batch, t.err
}

// pass gives the turn to the one who waits longest. If there is nobody, the turn
// to begin a batch is free, and that in a batch stays with the caller.
func (q *queue) pass(b *batch) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.waiting) == 0 {
		q.taken = b != nil
		return false
	}
	q.waiting[0] <- turn{batch: b}
	q.waiting = slices.Delete(q.waiting, 0, 1)
	return true
}

// refuse has all who wait fail.
func (q *queue) refuse(err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, come := range q.waiting {
		come <- turn{err: err}
	}
	q.waiting, q.taken = nil, false
}

// begin begins a batch. It may wait for another process, and no longer than ctx
// lasts; what it has begun lasts longer.
func (q *queue) begin(ctx context.Context) (*batch, error) {
	lasting, cancel := context.WithCancel(context.WithoutCancel(ctx))
	unbind := context.AfterFunc(ctx, cancel)
	t, err := q.write.Begin(lasting)
	if !unbind() {
		cancel()
		if err == nil {
			_ = t.Rollback() // nothing was written
		}
		q.pass(nil)
		return nil, ctx.Err()
	}
	if err != nil {
		cancel()
		q.refuse(err) // they have waited too
		return nil, err
	}
	return &batch{Transaction: t, cancel: cancel, done: make(chan struct{})}, nil
}

// take runs fn in a batch and hands the turn on. It reports whether that loses what
// others have done in the batch.
func (q *queue) take(ctx context.Context, b *batch, fn func(*tx) error) (lost bool, err error) {
	b.turns++
	kept := false
	// Also after a panic, which is nobody else's.
	defer func() { lost = q.hand(b, kept) }()
	if b.kept > 0 {
		if err := b.exec("savepoint turn"); err != nil {
			return false, q.r.wrap(ctx, "begin", err)
		}
	}
	if err := ctx.Err(); err != nil {
		return false, q.r.wrap(ctx, "begin", err)
	}
	t := q.r.inside(b.Transaction)
	t.share = &share{Conn: b.Transaction}
	t.q = t.share
	if err := fn(t); err != nil {
		return false, err
	}
	err = cmp.Or(ctx.Err(), t.share.failed)
	if err == nil && b.kept > 0 {
		err = b.exec("release savepoint turn")
	}
	kept = err == nil
	if !kept && q.r.d.Undone != nil {
		q.r.d.Undone()
	}
	return false, q.r.wrap(ctx, "commit", err)
}

// hand ends the turn of a function in a batch, and reports whether that loses what
// others have done in it.
func (q *queue) hand(b *batch, kept bool) (lost bool) {
	switch {
	case kept:
		b.kept++
	case b.kept == 0:
		q.lose(b, nil) // nobody has a part in it
		q.pass(nil)
		return false
	default:
		// What fails here is a transaction that SQLite itself has undone, because the
		// disk is full, for instance.
		if err := cmp.Or(b.exec("rollback to savepoint turn"), b.exec("release savepoint turn")); err != nil {
			q.lose(b, fmt.Errorf("%w: %w", errLost, err))
			q.pass(nil)
			return true
		}
	}
	if b.turns < maxBatch && q.pass(b) {
		return false
	}
	b.err = q.r.d.commit(b.Transaction)
	b.cancel()
	close(b.done)
	q.pass(nil)
	return false
}

// lose gives up the batch.
func (q *queue) lose(b *batch, err error) {
	// Nobody is left to tell that this failed.
	_ = b.Rollback()
	if q.r.d.Committed != nil {
		q.r.d.Committed(false)
	}
	b.cancel()
	b.err = err
	close(b.done)
}

func (b *batch) exec(statement string) error {
	_, err := b.Exec(context.Background(), statement, nil)
	return err
}

// share is the part that a function has in a batch. When its context ends, no
// statement begins any more, but none is interrupted: SQLite would undo the whole
// batch. After one has failed none begins either, because it may have done so.
type share struct {
	Conn
	failed error
}

// fail notes an error of a statement.
func (s *share) fail(ctx context.Context, err error) {
	if s == nil || errors.Is(err, sql.ErrNoRows) || ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return
	}
	s.failed = cmp.Or(s.failed, err)
}

// Query runs a query in the batch.
func (s *share) Query(ctx context.Context, text string, args []any, read func(Rows) error) error {
	if err := cmp.Or(s.failed, ctx.Err()); err != nil {
		return err
	}
	return s.Conn.Query(context.WithoutCancel(ctx), text, args, read)
}

// Exec runs a statement in the batch.
func (s *share) Exec(ctx context.Context, text string, args []any) (sql.Result, error) {
	if err := cmp.Or(s.failed, ctx.Err()); err != nil {
		return nil, err
	}
	return s.Conn.Exec(context.WithoutCancel(ctx), text, args)
}
