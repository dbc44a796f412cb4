package sqlstore

import (
	"context"
	"fmt"
	"strings"

	"github.com/google/uuid"

	"github.com/hedgerow-dev/hedgerow/users"
)

// unique reports a query that finds one user at most, by an index.
func unique(q users.Query) bool { return q.ID != 0 || q.UUID != uuid.Nil || q.Email != "" }

// pageUsers reads these columns of the users of a page, and how many there are in
// all.
func (r reader) pageUsers(ctx context.Context, q users.Query, columns string) (total int, page []profileRow, err error) {
	if unique(q) {
		return r.pageOfOne(ctx, q, columns)
	}
	if q.Offset == 0 {
		return r.pageAfter(ctx, q, columns)
	}
	total, after, skip, err := r.locate(ctx, q)
	if err != nil || q.After == 0 && q.Offset >= total {
		return total, nil, err
	}
	x, u := flags("x", q), flags("u", q)
	page, err = list(ctx, r, "list users", self[profileRow], "select "+columns+` from {users} u
		where u.id >= (select x.id from {users} x where x.id > $1`+x+` order by x.id limit 1 offset $2)`+u+` order by u.id limit $3`,
		after, skip, q.Limit)
	return total, page, err
}

// pageAfter reads a page that begins after an id, in one statement, which sees one
// moment also outside a snapshot.
func (r reader) pageAfter(ctx context.Context, q users.Query, columns string) (total int, page []profileRow, err error) {
	n := "(select " + sumOf(q) + " from {user_blocks})"
	page, err = list(ctx, r, "list users", self[profileRow], "select "+columns+", "+n+" as total from {users} u where u.id > $1"+flags("u", q)+
		" order by u.id limit $2", q.After, q.Limit)
	if err != nil {
		return 0, nil, err
	}
	if len(page) > 0 {
		return page[0].Total, page, nil
	}
	total, err = one(ctx, r, "count users", self[int], "select "+n)
	return total, nil, err
}

// sumOf is the number of users that match.
func sumOf(q users.Query) string { return "cast(coalesce(sum(" + counted(q) + "), 0) as bigint)" }

// blockBits says how many ids {user_blocks} counts together: 4096. Reading a
// number takes about as long as skipping eight users, so that at a million users
// both take 0.1 ms.
const blockBits = 12

// locate counts the users that match and finds the page, which begins with the
// one that skip others with ids above after come before: few, of one block, but
// for an offset from a keyset position, which is skipped as a whole.
func (r reader) locate(ctx context.Context, q users.Query) (total int, after int64, skip int, err error) {
	n := sumOf(q)
	if q.After != 0 {
		total, err = one(ctx, r, "count users", self[int], "select "+n+" from {user_blocks}")
		return total, int64(q.After), q.Offset, err
	}
	type block struct {
		Block int64 `db:"block"`
		N     int   `db:"n"`
	}
	blocks, err := list(ctx, r, "count users", self[block], "select block, "+n+" as n from {user_blocks} group by block order by block")
	for _, b := range blocks {
		if total <= q.Offset {
			after, skip = b.Block<<blockBits-1, q.Offset-total
		}
		total += b.N
	}
	return total, after, skip, err
}

// counted is the number in a block of the users that match.
func counted(q users.Query) string {
	switch {
	case q.Active && q.Staff.Valid && q.Staff.Value:
		return "active_staff"
	case q.Active && q.Staff.Valid:
		return "active - active_staff"
	case q.Active:
		return "active"
	case q.Staff.Valid && q.Staff.Value:
		return "staff"
	case q.Staff.Valid:
		return "total - staff"
	}
	return "total"
}

// pageOfOne reads a page that at most one user is on, as a unique index tells.
func (r reader) pageOfOne(ctx context.Context, q users.Query, columns string) (total int, page []profileRow, err error) {
	where, args := conditions(q)
	page, err = list(ctx, r, "list users", self[profileRow], "select "+columns+" from {users} u where "+where, args...)
	total = len(page)
	if total > 0 && (page[0].ID <= int64(q.After) || q.Offset > 0) {
		page = nil
	}
	return total, page, err
}

// conditions are those of pageOfOne.
func conditions(q users.Query) (string, []any) {
	var list []string
	var args []any
	add := func(column string, v any) {
		args = append(args, v)
		list = append(list, fmt.Sprintf("u.%s = $%d", column, len(args)))
	}
	if q.ID != 0 {
		add("id", q.ID)
	}
	if q.UUID != uuid.Nil {
		add("uuid", q.UUID)
	}
	if q.Email != "" {
		add("email_folded", users.FoldEmail(q.Email))
		add("email", q.Email)
	}
	return strings.Join(list, " and ") + flags("u", q), args
}

// flags are the conditions that many users meet. They are written out: a plan
// for any value would not know how many.
func flags(table string, q users.Query) (conditions string) {
	if q.Staff.Valid {
		conditions += fmt.Sprintf(" and %s.is_staff = %t", table, q.Staff.Value)
	}
	if q.Active {
		conditions += " and " + table + ".is_active = true"
	}
	return conditions
}
