package storagetest_test

import (
	"context"
	"errors"
	"math"
	"time"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/storage"
	"github.com/hedgerow-dev/hedgerow/users"
)

func eventFaults() []fault {
	const deleted = "events/the_oldest_are_deleted"
	return []fault{
		{"deletes events that are young", deleted, onTx(func(tx auth.Tx) auth.Tx { return youngDeletions{tx} })},
		{"deletes events past the position", deleted, onTx(func(tx auth.Tx) auth.Tx { return farDeletions{tx} })},
		{"deletes all events at once", deleted, onTx(func(tx auth.Tx) auth.Tx { return manyDeletions{tx} })},
		{"lets a second consumer have a name", "events/one_consumer_of_a_name", onTx(func(tx auth.Tx) auth.Tx { return sameConsumers{tx} })},
		{"makes a consumer that is saved", "events/consumers", onTx(func(tx auth.Tx) auth.Tx { return madeConsumers{tx} })},
		{"selects by one action", "events/conditions", func(st storage.Storage) storage.Storage { return oneAction{st} }},
		{"selects before a moment and at it", "events/conditions", func(st storage.Storage) storage.Storage { return lateBefore{st} }},
	}
}

type youngDeletions struct{ auth.Tx }

func (t youngDeletions) DeleteEvents(ctx context.Context, through int64, _ time.Time, limit int) (int, error) {
	return t.Tx.DeleteEvents(ctx, through, time.Now(), limit)
}

type farDeletions struct{ auth.Tx }

func (t farDeletions) DeleteEvents(ctx context.Context, _ int64, before time.Time, limit int) (int, error) {
	return t.Tx.DeleteEvents(ctx, math.MaxInt64, before, limit)
}

type manyDeletions struct{ auth.Tx }

func (t manyDeletions) DeleteEvents(ctx context.Context, through int64, before time.Time, _ int) (int, error) {
	return t.Tx.DeleteEvents(ctx, through, before, math.MaxInt32)
}

type sameConsumers struct{ auth.Tx }

func (t sameConsumers) CreateConsumer(ctx context.Context, c users.Consumer) error {
	if err := t.Tx.CreateConsumer(ctx, c); !errors.Is(err, users.ErrConflict) {
		return err
	}
	return t.Tx.SaveConsumer(ctx, c)
}

type madeConsumers struct{ auth.Tx }

func (t madeConsumers) SaveConsumer(ctx context.Context, c users.Consumer) error {
	if err := t.Tx.SaveConsumer(ctx, c); !errors.Is(err, users.ErrNotFound) {
		return err
	}
	return t.Tx.CreateConsumer(ctx, c)
}

type oneAction struct{ storage.Storage }

func (s oneAction) Events(ctx context.Context, q users.EventQuery) ([]users.Event, error) {
	q.Actions = q.Actions[:min(len(q.Actions), 1)]
	return s.Storage.Events(ctx, q)
}

type lateBefore struct{ storage.Storage }

func (s lateBefore) Events(ctx context.Context, q users.EventQuery) ([]users.Event, error) {
	if !q.Before.IsZero() {
		q.Before = q.Before.Add(time.Microsecond)
	}
	return s.Storage.Events(ctx, q)
}
