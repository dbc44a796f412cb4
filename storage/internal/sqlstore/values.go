package sqlstore

import (
	"database/sql"
	"database/sql/driver"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/hedgerow-dev/hedgerow/users"
)

// stamp is a time as microseconds since 1970, on every database: its resolution
// and order are then the same everywhere. The zero time is null.
type stamp time.Time

func (s stamp) Value() (driver.Value, error) {
	if time.Time(s).IsZero() {
		return nil, nil
	}
	return time.Time(s).UnixMicro(), nil
}

func (s *stamp) Scan(v any) error {
	switch v := v.(type) {
	case nil:
		*s = stamp{}
	case int64:
		*s = stamp(time.UnixMicro(v).UTC())
	default:
		return fmt.Errorf("a time is stored as %T", v)
	}
	return nil
}

// document is a value kept as JSON text; a nil slice is null.
type document[T any] struct{ v T }

func (d document[T]) Value() (driver.Value, error) {
	b, err := json.Marshal(d.v)
	return string(b), err
}

func (d *document[T]) Scan(v any) error {
	switch v := v.(type) {
	case string:
		return json.Unmarshal([]byte(v), &d.v)
	case []byte:
		return json.Unmarshal(v, &d.v)
	}
	return fmt.Errorf("a document is stored as %T", v)
}

func null[T any](n users.Null[T]) sql.Null[T]   { return sql.Null[T]{V: n.Value, Valid: n.Valid} }
func unnull[T any](n sql.Null[T]) users.Null[T] { return users.Null[T]{Value: n.V, Valid: n.Valid} }

func nullID(id uuid.UUID) uuid.NullUUID { return uuid.NullUUID{UUID: id, Valid: id != uuid.Nil} }

// timeOf is a time as it is read again.
func timeOf(s stamp) time.Time { return time.Time(s).Truncate(time.Microsecond).UTC() }
