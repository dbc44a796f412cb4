package cached_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"

	"github.com/google/uuid"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/users"
)

// read is one that caches keep.
type read struct {
	name string
	run  func(context.Context, auth.Reader) (any, error)
}

// credential is one with the profile of its user.
type credential struct {
	value   any
	profile *users.Profile
}

func reads() []read {
	var list []read
	for n := range hashes {
		h := hash(n)
		list = append(list,
			read{fmt.Sprint("session ", n), func(ctx context.Context, st auth.Reader) (any, error) {
				s, p, err := st.SessionByHash(ctx, h)
				return credential{s, p}, err
			}},
			read{fmt.Sprint("key ", n), func(ctx context.Context, st auth.Reader) (any, error) {
				k, p, err := st.APIKeyByHash(ctx, h)
				return credential{k, p}, err
			}},
			read{fmt.Sprint("token ", n), func(ctx context.Context, st auth.Reader) (any, error) {
				t, p, err := st.OAuthTokenByHash(ctx, h)
				return credential{t, p}, err
			}})
	}
	for id := range users.ID(3) {
		list = append(list, read{fmt.Sprint("user ", id+1), func(ctx context.Context, st auth.Reader) (any, error) { return st.User(ctx, id+1) }})
	}
	for _, q := range []users.Query{
		{Limit: 100}, {Limit: 2, Offset: 1}, {Limit: 2, After: 1}, {Limit: 1, ID: 2}, {Limit: 1, Email: "user1@example.com"},
		{Limit: 9, Staff: users.Some(true)}, {Limit: 9, Active: true}, {Limit: 1, UUID: uuid.UUID{0: 1, 6: 0x71, 8: 0x80}},
	} {
		list = append(list, read{fmt.Sprintf("page %+v", q), func(ctx context.Context, st auth.Reader) (any, error) {
			page, err := st.Profiles(ctx, q)
			if len(page.Profiles) == 0 {
				page.Profiles = nil
			}
			return page, err
		}})
	}
	return list
}

// answer is what a read returned.
type answer struct {
	value any
	err   error
}

func (a read) from(ctx context.Context, st auth.Reader) answer {
	v, err := a.run(ctx, st)
	return answer{v, err}
}

func (a answer) is(b answer) bool {
	if a.err != nil || b.err != nil {
		return errors.Is(a.err, users.ErrNotFound) && errors.Is(b.err, users.ErrNotFound)
	}
	return reflect.DeepEqual(a.value, b.value)
}

func (a answer) String() string {
	switch v := a.value.(type) {
	case credential:
		if a.err == nil {
			return fmt.Sprintf("%+v %+v", v.value, v.profile)
		}
	case users.Page:
		s := fmt.Sprint(v.Total)
		for _, p := range v.Profiles {
			s += fmt.Sprintf("\n%+v", p)
		}
		return s
	}
	return fmt.Sprint(a.err)
}

// check has about half of the reads answered by each cache and by the database,
// so that what is kept differs.
func (g *rig) check(ctx context.Context, r *rand.Rand) error {
	for _, a := range reads() {
		want := a.from(ctx, g.plain)
		for i, c := range g.caches {
			if r.IntN(2) == 0 {
				continue
			}
			if got := a.from(ctx, c); !got.is(want) {
				return fmt.Errorf("%s by cache %d:\n got %v\nwant %v", a.name, i, got, want)
			}
		}
	}
	return nil
}

// racing is one read while something happens. It may answer what was before or
// what is after, and nothing in between.
func (g *rig) racing(ctx context.Context, st auth.Reader, r *rand.Rand) error {
	list := reads()
	a := list[r.IntN(len(list))]
	before := a.from(ctx, g.plain)
	got := a.from(ctx, st)
	after := a.from(ctx, g.plain)
	if !got.is(before) && !got.is(after) {
		return fmt.Errorf("%s meanwhile:\n got %v\nwant %v\nor %v", a.name, got, before, after)
	}
	return nil
}
