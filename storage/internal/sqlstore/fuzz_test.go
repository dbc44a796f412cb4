package sqlstore_test

import (
	"slices"
	"testing"

	"github.com/hedgerow-dev/hedgerow/storage/internal/sqlstore"
)

// FuzzColumn: whatever a column holds that should have JSON or a time is an error
// or a value, which is stored as it was read.
func FuzzColumn(f *testing.F) {
	for _, seed := range []string{"", "null", "[]", `["a","b"]`, `[null]`, `["a",1]`, "{}", `[{"id":1,"name":"a","full_name":"b/a","private":true}]`, `[{"id":"1"}]`, `[{"id":1e3}]`, "[", "\xff", `["\ud800"]`,
		`[{"private":null,"name":null}]`, `[{"ID":9223372036854775808}]`, " [ ] ", "\x00"} {
		f.Add([]byte(seed), int64(len(seed)))
	}
	f.Add([]byte("x"), int64(-1<<63))
	f.Fuzz(func(t *testing.T, column []byte, number int64) {
		names, err := sqlstore.ScanNames(column)
		same, sameErr := sqlstore.ScanNames(string(column))
		if !slices.Equal(names, same) || (err == nil) != (sameErr == nil) {
			t.Errorf("%q reads as %q, %v in bytes, and as %q, %v in text", column, names, err, same, sameErr)
		}
		if err == nil {
			checkNames(t, names)
		}
		if stored, err := sqlstore.ScanRepositories(column); err == nil {
			if again, err := sqlstore.ScanRepositories(stored); err != nil || again != stored {
				t.Errorf("the list %q is stored as %q and then as %q, %v", column, stored, again, err)
			}
		}
		if at, err := sqlstore.ScanTime(number); err != nil || at.UnixMicro() != number {
			t.Errorf("the time %d reads as %s, %v", number, at, err)
		}
		if _, err := sqlstore.ScanTime(column); err == nil {
			t.Errorf("%q reads as a time", column)
		}
	})
}

// checkNames stores what was read and reads it again.
func checkNames(t *testing.T, names []string) {
	t.Helper()
	stored, err := sqlstore.NamesValue(names)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := sqlstore.ScanNames(stored); err != nil || !slices.Equal(again, names) || (again == nil) != (names == nil) {
		t.Errorf("%q reads back as %q, %v", names, again, err)
	}
}
