package sqlstore

import (
	"database/sql/driver"
	"time"
)

// ScanNames reads a column of text in JSON as the names of a list.
func ScanNames(column any) ([]string, error) {
	var d document[[]string]
	err := d.Scan(column)
	return d.v, err
}

// NamesValue is what such a column holds for names.
func NamesValue(names []string) (driver.Value, error) { return document[[]string]{names}.Value() }

// ScanRepositories reads a column with a list of repositories. It returns what
// would be stored for it again.
func ScanRepositories(column any) (driver.Value, error) {
	var d document[[]repository]
	if err := d.Scan(column); err != nil {
		return nil, err
	}
	return d.Value()
}

// ScanTime reads a column with a time.
func ScanTime(column any) (time.Time, error) {
	var s stamp
	err := s.Scan(column)
	return timeOf(s), err
}
