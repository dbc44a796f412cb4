package postgres

import (
	"testing"

	"github.com/hedgerow-dev/hedgerow/storage/internal/sqlstore"
)

// Migrations returns the SQL of each, in their order.
func Migrations(t *testing.T) (texts []string) {
	t.Helper()
	list, err := sqlstore.Migrations(migrationFiles, "migrations", sqlstore.Names{})
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range list {
		texts = append(texts, m.SQL)
	}
	return texts
}
