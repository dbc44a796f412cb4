package postgres

import "testing"

// Migrations returns the SQL of each, in their order.
func Migrations(t *testing.T) (texts []string) {
	t.Helper()
	s, err := Config{}.schema()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range s.Migrations {
		texts = append(texts, m.SQL)
	}
	return texts
}
