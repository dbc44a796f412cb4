package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"math"
	"time"

	"github.com/google/uuid"

	"github.com/hedgerow-dev/hedgerow/users"
)

type eventRow struct {
	ID         int64              `db:"id"`
	At         stamp              `db:"at"`
	Actor      int64              `db:"actor"`
	Credential string             `db:"credential"`
	Target     int64              `db:"target"`
	Action     string             `db:"action"`
	Fields     document[[]string] `db:"fields"`
}

func (r eventRow) event() (users.Event, error) {
	return users.Event{ID: r.ID, At: timeOf(r.At), Actor: users.ID(r.Actor), Credential: users.Credential(r.Credential),
		Target: users.ID(r.Target), Action: r.Action, Fields: r.Fields.v}, nil
}

func (r reader) Events(ctx context.Context, q users.EventQuery) ([]users.Event, error) {
	last := int64(math.MaxInt64)
	for _, query := range r.d.EventBounds {
		var bound sql.Null[int64]
		if err := r.get(ctx, &bound, query); err != nil {
			return nil, r.wrap(ctx, "list events", err)
		}
		if bound.Valid {
			last = min(last, bound.V)
		}
	}
	var c filter
	c.clauses = append(c.clauses, "id > "+c.placeholder(q.After), "id <= "+c.placeholder(last))
	equal(&c, "target", int64(q.Target))
	if len(q.Actions) > 0 {
		if err := c.in(r.d, "action", q.Actions); err != nil {
			return nil, r.wrap(ctx, "list events", err)
		}
	}
	if !q.Since.IsZero() {
		c.clauses = append(c.clauses, "at >= "+c.placeholder(stamp(q.Since)))
	}
	if !q.Before.IsZero() {
		c.clauses = append(c.clauses, "(at is null or at < "+c.placeholder(stamp(q.Before))+")")
	}
	query := "select id, at, actor, credential, target, action, fields from {events}" + c.where() + " order by id limit " + c.placeholder(q.Limit)
	return list(ctx, r, "list events", eventRow.event, query, c.args...)
}

func (t *tx) AddEvent(ctx context.Context, e users.Event) error {
	if t.d.BeforeEvent != "" && !t.logged {
		if err := t.queue(ctx, t.texts.of(t.d.BeforeEvent), nil, nil); err != nil {
			return t.wrap(ctx, "add event", err)
		}
		t.logged = true
	}
	text, args, err := t.texts.bind(`insert into {events} (at, actor, credential, target, action, fields)
		values (:at, :actor, :credential, :target, :action, :fields)`,
		eventRow{0, stamp(e.At), int64(e.Actor), string(e.Credential), int64(e.Target), e.Action, document[[]string]{e.Fields}})
	if err != nil {
		return fmt.Errorf("add event: %w", err)
	}
	return t.wrap(ctx, "add event", t.queue(ctx, t.texts.of(text), args, nil))
}

func (t *tx) DeleteEvents(ctx context.Context, through int64, before time.Time, limit int) (int, error) {
	n, err := t.exec(ctx, "delete events", `delete from {events} where id in (select id from {events} where id <= $1
		and id < coalesce((select min(id) from {events} where at >= $2), $3) order by id limit $4)`, through, stamp(before), int64(math.MaxInt64), limit)
	return int(n), err
}

type consumerRow struct {
	Name      string    `db:"name"`
	Position  int64     `db:"position"`
	Holder    uuid.UUID `db:"holder"`
	HeldUntil stamp     `db:"held_until"`
	Failures  int       `db:"failures"`
	RetryAt   stamp     `db:"retry_at"`
}

const selectConsumer = "select name, position, holder, held_until, failures, retry_at from {consumers}"

func consumerRowOf(c users.Consumer) consumerRow {
	return consumerRow{c.Name, c.Position, c.Holder, stamp(c.HeldUntil), c.Failures, stamp(c.RetryAt)}
}

func (r consumerRow) consumer() (users.Consumer, error) {
	return users.Consumer{Name: r.Name, Position: r.Position, Holder: r.Holder, HeldUntil: timeOf(r.HeldUntil), Failures: r.Failures, RetryAt: timeOf(r.RetryAt)}, nil
}

func (r reader) Consumer(ctx context.Context, name string) (users.Consumer, error) {
	return one(ctx, r, "read consumer", consumerRow.consumer, selectConsumer+" where name = $1"+r.lock, name)
}

func (r reader) Consumers(ctx context.Context) ([]users.Consumer, error) {
	return list(ctx, r, "list consumers", consumerRow.consumer, selectConsumer+" order by name")
}

func (t *tx) CreateConsumer(ctx context.Context, c users.Consumer) error {
	_, err := t.named(ctx, "create consumer", `insert into {consumers} (name, position, holder, held_until, failures, retry_at)
		values (:name, :position, :holder, :held_until, :failures, :retry_at)`, consumerRowOf(c))
	return err
}

func (t *tx) SaveConsumer(ctx context.Context, c users.Consumer) error {
	n, err := t.named(ctx, "save consumer", `update {consumers} set position = :position, holder = :holder, held_until = :held_until,
		failures = :failures, retry_at = :retry_at where name = :name`, consumerRowOf(c))
	if err == nil && n == 0 {
		return users.ErrNotFound
	}
	return err
}

func (t *tx) DeleteConsumer(ctx context.Context, name string) error {
	return t.one(ctx, "delete consumer", "delete from {consumers} where name = $1", name)
}
