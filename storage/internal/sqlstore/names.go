package sqlstore

import (
	"errors"
	"regexp"
	"strings"
)

// Names says how tables are called. In the text of statements and migrations
// {users} stands for a table, and {_} for the prefix alone, with which the name
// of an index begins.
type Names struct{ Schema, Prefix string }

// maxPrefix keeps the names that PostgreSQL makes of table and column within its
// 63 bytes.
const maxPrefix = 20

var identifier = regexp.MustCompile(`^([a-z_][a-z0-9_]*)?$`)

// Check refuses what would have to be quoted.
func (n Names) Check() error {
	if !identifier.MatchString(n.Prefix) || len(n.Prefix) > maxPrefix {
		return errors.New("a TablePrefix may have at most 20 of a-z, 0-9 and _, and does not begin with a digit")
	}
	if !identifier.MatchString(n.Schema) {
		return errors.New("a Schema may have a-z, 0-9 and _, and does not begin with a digit")
	}
	return nil
}

// Render puts the names into a text.
func (n Names) Render(text string) string {
	return strings.NewReplacer("{_}", n.Prefix, "{", n.qualified(), "}", "").Replace(text)
}

// Table is the name of a table.
func (n Names) Table(name string) string { return n.qualified() + name }

func (n Names) qualified() string {
	if n.Schema == "" {
		return n.Prefix
	}
	return n.Schema + "." + n.Prefix
}
