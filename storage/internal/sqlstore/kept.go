package sqlstore

import (
	"context"
	"slices"
	"sync"

	"github.com/hedgerow-dev/hedgerow/users"
)

// maxKept bounds the profiles that are kept; each has about 6 KiB.
const maxKept = 8192

// kept are profiles with their stamps, which are read anew each time and say
// whether a profile is still true, whoever has changed something meanwhile. A
// profile so costs one short statement, and a page of 100 a tenth of what
// reading it takes.
type kept struct {
	mu       sync.Mutex
	profiles map[users.ID]stamped
	guesses  map[users.ID]chan struct{} // of users who are guessed, see begin
}

// stamps tell whether a profile is still true.
type stamps struct {
	Record int64 `db:"record"` // another one after any change of the user's record
	around
}

// around is another one after any change of what else a profile shows, but for an
// organization that the user is no member of and that is not the current one.
type around struct {
	Surroundings  int64 `db:"surroundings"`  // of what belongs to the user
	Organizations int64 `db:"organizations"` // of those the user is a member of
	Current       int64 `db:"current"`       // of the current one
	Members       int64 `db:"members"`       // their number in the current one
}

// tells reports whether stamps tell all changes of a profile: not those of a team
// elsewhere.
func tells(p *users.Profile) bool {
	return !slices.ContainsFunc(p.Teams, func(t users.Team) bool { return t.OrganizationID != p.User.CurrentOrganization })
}

type stamped struct {
	stamps
	profile *users.Profile
}

// stampColumns are those of a profileRow that tell whether its profile is kept.
func (r reader) stampColumns() string { return "u.id, " + r.d.Stamps }

// find returns the profiles of all rows, if they are kept, or as many as are; the
// others are nil.
func (k *kept) find(rows []profileRow) (list []*users.Profile, all bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	list, all = make([]*users.Profile, len(rows)), true
	for i, row := range rows {
		if s, ok := k.profiles[users.ID(row.ID)]; ok && s.stamps == row.stamps {
			list[i] = s.profile
		} else {
			all = false
		}
	}
	return list, all
}

// keep keeps the profiles of rows.
func (k *kept) keep(rows []profileRow, profiles []*users.Profile) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for i, row := range rows {
		if !tells(profiles[i]) {
			continue
		}
		for id := range k.profiles {
			if len(k.profiles) < maxKept {
				break
			}
			delete(k.profiles, id)
		}
		k.profiles[users.ID(row.ID)] = stamped{row.stamps, profiles[i]}
	}
}

// renewed returns the profile of one user whose record alone has changed since
// its profile was kept, or nil. It takes one statement more, not a snapshot.
func (r reader) renewed(ctx context.Context, rows []profileRow) ([]*users.Profile, error) {
	if len(rows) != 1 || r.kept.around(rows[0]) == nil {
		return nil, nil
	}
	full, err := list(ctx, r, "read user", self[profileRow], "select "+r.d.Stamps+", "+profileColumns+" from {users} u where u.id = $1", rows[0].ID)
	if err != nil || len(full) == 0 {
		return nil, err
	}
	p, err := r.kept.renewedBy(full[0])
	if p == nil || err != nil {
		return nil, err
	}
	return []*users.Profile{p}, nil
}

// renewedBy returns the profile of a full row of which the record alone has changed
// since its profile was kept, or nil.
func (k *kept) renewedBy(row profileRow) (*users.Profile, error) {
	u, err := row.user()
	if err != nil {
		return nil, err
	}
	before := k.around(row)
	if before == nil {
		return nil, nil
	}
	next := before.WithUser(u)
	if next != nil {
		k.keep([]profileRow{row}, []*users.Profile{next})
	}
	return next, nil
}

// savedUser is a record as a transaction has saved it.
type savedUser struct {
	user   users.User
	record int64 // its stamp
}

// renew keeps what saved records make of kept profiles, once they are committed.
// What else a profile shows is as its other stamps say, whatever has happened to
// that: so the next request, which would have read the profile anew, needs no more
// than its stamps.
func (k *kept) renew(saved []*savedUser) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, s := range saved {
		before, ok := k.profiles[s.user.ID]
		if !ok {
			continue
		}
		if next := before.profile.WithUser(s.user); next != nil {
			k.profiles[s.user.ID] = stamped{stamps{s.record, before.around}, next}
		}
	}
}

// begin returns a user who is kept, and the stamp of the record. Until end, others wait
// here for the same user: all but one of them would guess wrong. They hold nothing yet
// that the one could wait for.
func (k *kept) begin(ctx context.Context, id users.ID) (u users.User, record int64, ok bool) {
	for {
		k.mu.Lock()
		s, known := k.profiles[id]
		other := k.guesses[id]
		if known && other == nil {
			k.guesses[id] = make(chan struct{})
		}
		k.mu.Unlock()
		switch {
		case !known:
			return u, 0, false
		case other == nil:
			return s.profile.User, s.Record, true
		}
		select {
		case <-other:
		case <-ctx.Done():
			return u, 0, false
		}
	}
}

// end ends what begin has begun.
func (k *kept) end(id users.ID) {
	k.mu.Lock()
	defer k.mu.Unlock()
	close(k.guesses[id])
	delete(k.guesses, id)
}

// around returns a kept profile of which everything but the user's record is
// true, or nil.
func (k *kept) around(row profileRow) *users.Profile {
	k.mu.Lock()
	defer k.mu.Unlock()
	if s, ok := k.profiles[users.ID(row.ID)]; ok && s.around == row.around {
		return s.profile
	}
	return nil
}

// complete returns the profiles of rows that have nothing but the stampColumns,
// after reading those that are not kept. It is for a snapshot: what a
// transaction that writes sees may never be true.
func (r reader) complete(ctx context.Context, rows []profileRow) ([]*users.Profile, error) {
	found, all := r.kept.find(rows)
	if all {
		return found, nil
	}
	var missing []int64
	for i, row := range rows {
		if found[i] == nil {
			missing = append(missing, row.ID)
		}
	}
	wanted, in, err := among(r.d, "u.id", "$1", missing)
	if err != nil {
		return nil, err
	}
	full, err := list(ctx, r, "list users", self[profileRow], "select "+r.d.Stamps+", "+profileColumns+
		" from {users} u where "+wanted+" order by u.id", in)
	if err != nil {
		return nil, err
	}
	profiles, err := r.describe(ctx, gathered{users: full})
	if err != nil {
		return nil, err
	}
	r.kept.keep(full, profiles)
	next := 0
	for i := range found {
		if found[i] == nil {
			found[i] = profiles[next]
			next++
		}
	}
	return found, nil
}
