package sqlite

import (
	"database/sql"
	"database/sql/driver"
	"fmt"
	"reflect"
)

// assign puts a value of the driver where dest points, as database/sql does for the
// types that rows have here.
func assign(dest any, v driver.Value) error {
	switch d := dest.(type) {
	case *int64:
		if n, ok := v.(int64); ok {
			*d = n
			return nil
		}
	case *string:
		if s, ok := v.(string); ok {
			*d = s
			return nil
		}
	case *bool:
		if n, ok := v.(int64); ok && (n == 0 || n == 1) {
			*d = n == 1
			return nil
		}
	case *[]byte:
		if b, ok := v.([]byte); ok || v == nil {
			*d = b
			return nil
		}
	case sql.Scanner:
		return d.Scan(v)
	default:
		return assignKind(reflect.ValueOf(dest).Elem(), v)
	}
	return fmt.Errorf("%T is stored as %T", dest, v)
}

// assignKind is assign for types that are called otherwise.
func assignKind(dest reflect.Value, v driver.Value) error {
	switch n := v.(type) {
	case int64:
		if dest.CanInt() && !dest.OverflowInt(n) {
			dest.SetInt(n)
			return nil
		}
	case string:
		if dest.Kind() == reflect.String {
			dest.SetString(n)
			return nil
		}
	}
	return fmt.Errorf("%s is stored as %T", dest.Type(), v)
}
