package main

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
)

// best is what a careful program may do besides, when no other writes to the
// file: it keeps encoded users and finds them by key, address and place in the
// list, and commits all changes that wait at once.
type best struct {
	table *sqliteTable
	ids   []int64 // of all users, ascending

	mu      sync.RWMutex
	byKey   map[keyHash]*entry
	byEmail map[string]*entry
	byID    map[int64]*entry

	changes chan *pending
	stopped chan struct{}
}

// entry is one user, encoded. A change replaces the body.
type entry struct{ body atomic.Pointer[[]byte] }

// pending is a change that waits for its commit.
type pending struct {
	key   keyHash
	theme string
	user  *record
	err   error
	done  chan struct{}
}

func newBest(ctx context.Context, t *sqliteTable) (*best, error) {
	b := &best{
		table: t, byKey: map[keyHash]*entry{}, byEmail: map[string]*entry{}, byID: map[int64]*entry{},
		changes: make(chan *pending, mostCallers), stopped: make(chan struct{}),
	}
	rows, err := t.read.QueryContext(ctx, "select id from users order by id")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var id int64
		if err := rows.Scan(&id); err != nil {
			return nil, err
		}
		b.ids = append(b.ids, id)
	}
	go b.commit()
	return b, rows.Err()
}

// stop ends the goroutine that commits.
func (b *best) stop() {
	close(b.changes)
	<-b.stopped
}

func (b *best) handler() http.Handler { return mount(answer(b.me), b.list, answer(b.patch)) }

// find returns what a map has under a key, or else reads it.
func find[K comparable](b *best, m map[K]*entry, k K, read func() (*record, error)) (*entry, error) {
	b.mu.RLock()
	e, ok := m[k]
	b.mu.RUnlock()
	if ok {
		return e, nil
	}
	r, err := read()
	if err != nil {
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	e, err = b.keep(r)
	m[k] = e
	return e, err
}

// keep encodes a user unless it is there already. b.mu is held.
func (b *best) keep(r *record) (*entry, error) {
	if e, ok := b.byID[r.ID]; ok {
		return e, nil
	}
	e := &entry{}
	if err := e.set(r); err != nil {
		return nil, err
	}
	b.byID[r.ID], b.byEmail[r.Email] = e, e
	return e, nil
}

func (e *entry) set(r *record) error {
	const size = 4096
	body, err := r.appendJSON(make([]byte, 0, size))
	e.body.Store(&body)
	return err
}

func (b *best) caller(r *http.Request) (*entry, error) {
	k, err := bearer(r)
	if err != nil {
		return nil, err
	}
	return find(b, b.byKey, k, func() (*record, error) { return b.table.byKey(r.Context(), k) })
}

func (b *best) me(r *http.Request) ([]byte, error) {
	e, err := b.caller(r)
	if err != nil {
		return nil, err
	}
	return *e.body.Load(), nil
}

// buffers are lent to lists: to make and clear one costs more than to fill it.
var buffers = sync.Pool{New: func() any { return new([]byte) }}

func (b *best) list(w http.ResponseWriter, r *http.Request) {
	buffer := buffers.Get().(*[]byte)
	defer buffers.Put(buffer)
	body, err := b.appendList((*buffer)[:0], r)
	send(w, body, err)
	*buffer = body
}

func (b *best) appendList(body []byte, r *http.Request) ([]byte, error) {
	if _, err := b.caller(r); err != nil {
		return nil, err
	}
	if email := r.URL.Query().Get("email"); email != "" {
		e, err := find(b, b.byEmail, email, func() (*record, error) { return b.table.byEmail(r.Context(), email) })
		if err != nil {
			return nil, err
		}
		return appendEntries(body, 1, []*entry{e}), nil
	}
	limit, offset, err := bounds(r)
	if err != nil {
		return nil, err
	}
	from := min(max(0, offset), len(b.ids))
	entries, err := b.page(r.Context(), b.ids[from:min(from+limit, len(b.ids))], offset)
	if err != nil {
		return nil, err
	}
	return appendEntries(body, len(b.ids), entries), nil
}

// page finds the users of a run of ids, which begins at an offset.
func (b *best) page(ctx context.Context, ids []int64, offset int) ([]*entry, error) {
	entries := make([]*entry, 0, len(ids))
	b.mu.RLock()
	for _, id := range ids {
		if e, ok := b.byID[id]; ok {
			entries = append(entries, e)
		}
	}
	b.mu.RUnlock()
	if len(entries) == len(ids) {
		return entries, nil
	}
	rs, err := b.table.byID(ctx, len(ids), offset)
	if err != nil {
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	entries = entries[:0]
	for _, r := range rs {
		e, err := b.keep(r)
		if err != nil {
			return nil, err
		}
		entries = append(entries, e)
	}
	return entries, nil
}

func appendEntries(body []byte, count int, entries []*entry) []byte {
	body = append(body, `{"count":`...)
	body = strconv.AppendInt(body, int64(count), 10)
	body = append(body, `,"next":null,"previous":null,"results":[`...)
	for i, e := range entries {
		if i > 0 {
			body = append(body, ',')
		}
		body = append(body, *e.body.Load()...)
	}
	return append(body, "]}"...)
}

func (b *best) patch(r *http.Request) ([]byte, error) {
	k, err := bearer(r)
	if err != nil {
		return nil, err
	}
	value, err := theme(r)
	if err != nil {
		return nil, err
	}
	e, err := b.caller(r)
	if err != nil {
		return nil, err
	}
	p := &pending{key: k, theme: value, done: make(chan struct{})}
	b.changes <- p
	<-p.done
	if p.err != nil {
		return nil, p.err
	}
	return *e.body.Load(), nil
}

// commit makes the changes that wait, until there can be no more.
func (b *best) commit() {
	defer close(b.stopped)
	var batch []*pending
	for p := range b.changes {
		batch = append(batch[:0], p)
		for waiting := true; waiting; {
			select {
			case p, ok := <-b.changes:
				if waiting = ok; ok {
					batch = append(batch, p)
				}
			default:
				waiting = false
			}
		}
		err := b.write(batch)
		for _, p := range batch {
			p.err = errors.Join(p.err, err)
			close(p.done)
		}
	}
}

// write stores a batch in one transaction, and shows it when it is on disk.
func (b *best) write(batch []*pending) error {
	// What one request gives up does not end the transaction of the others.
	ctx := context.Background()
	tx, err := b.table.write.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // of no effect after the commit
	update := tx.StmtContext(ctx, b.table.update)
	for _, p := range batch {
		p.user = new(record)
		p.err = update.QueryRowContext(ctx, p.key[:], p.theme).Scan(p.user.fields()...)
	}
	if err := tx.Commit(); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, p := range batch {
		if p.err == nil {
			p.err = b.byID[p.user.ID].set(p.user)
		}
	}
	return nil
}
