// Package cached keeps what is read most, credentials and the profiles that
// come with them, in memory in front of another store. What it answers is what
// the store would: every read asks first whether anybody has changed the
// database, this process or another, and what a change of this process touches
// is dropped before the change is acknowledged.
package cached

import (
	"context"
	"sync"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/storage"
	"github.com/hedgerow-dev/hedgerow/users"
)

const (
	maxAccounts = 8192 // users that are kept with their credentials; about 6 KiB each
	maxPages    = 512  // lists whose ids are kept
	maxPage     = 256  // users of a list that is kept
)

// Changes tells what happens to a database. It is safe for concurrent use.
type Changes interface {
	// Version is a number that is another one after every commit, whoever made it.
	Version(ctx context.Context) (uint64, error)
	// Settled is the Version right after the last commit of this store, and
	// whether somebody else has committed since the call before.
	Settled() (version uint64, foreign bool)
}

// Store implements storage.Storage in front of another.
//
// It is in one of two states. While pending is zero, whatever it keeps is what
// the database holds at version seen. A transaction that is about to commit
// raises pending, and lowers it after what it touched is dropped: in between, a
// version that is not seen is no sign of somebody else, and reads go past.
type Store struct {
	storage.Storage
	changes Changes

	mu       sync.RWMutex
	seen     uint64
	pending  int
	epoch    uint64 // raised when anything is dropped
	accounts map[users.ID]*account
	secrets  map[secretKey]secret
	owners   map[any]users.ID // by what deletions name a credential by
	pages    map[users.Query]page
}

// account is what is kept of a user.
type account struct {
	profile *users.Profile
	secrets []secretKey
	names   []any
}

// secretKey is a hash with the kind of what it is of.
type secretKey struct {
	kind byte
	hash auth.Hash
}

// The kinds of credentials.
const (
	session byte = iota
	apiKey
	oauthToken
)

type secret struct {
	owner users.ID
	value any
}

type page struct {
	total int
	ids   []users.ID
}

// New returns a store in front of inner.
func New(inner storage.Storage, changes Changes) *Store {
	s := &Store{Storage: inner, changes: changes}
	s.clear()
	return s
}

// clear drops everything. The caller holds mu.
func (s *Store) clear() {
	s.epoch++
	s.accounts, s.secrets = map[users.ID]*account{}, map[secretKey]secret{}
	s.owners, s.pages = map[any]users.ID{}, map[users.Query]page{}
}

// drop forgets a user. The caller holds mu.
func (s *Store) drop(id users.ID) {
	a := s.accounts[id]
	if a == nil {
		return
	}
	for _, k := range a.secrets {
		delete(s.secrets, k)
	}
	for _, n := range a.names {
		delete(s.owners, n)
	}
	delete(s.accounts, id)
}

// look runs find, which may look at what is kept, if that is still true. What is
// read from the store after a miss may be kept in the same epoch, unless usable
// is false.
func (s *Store) look(ctx context.Context, find func() bool) (found bool, epoch uint64, usable bool) {
	version, err := s.changes.Version(ctx)
	if err != nil {
		// The store itself will tell what is wrong.
		return false, 0, false
	}
	s.mu.RLock()
	known, busy := version == s.seen, s.pending > 0
	if known {
		found = find()
	}
	epoch = s.epoch
	s.mu.RUnlock()
	if known || busy {
		return found, epoch, known
	}
	epoch, usable = s.catchUp(ctx)
	return false, epoch, usable
}

// catchUp drops everything if somebody else has committed.
func (s *Store) catchUp(ctx context.Context) (epoch uint64, usable bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	// Again, as a transaction of this store may have come and gone meanwhile.
	version, err := s.changes.Version(ctx)
	if err != nil || s.pending > 0 {
		return 0, false
	}
	if version != s.seen {
		s.clear()
		s.seen = version
	}
	return s.epoch, true
}

// keep runs put, which may add to what is kept, unless something was dropped
// since epoch.
func (s *Store) keep(epoch uint64, put func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.epoch == epoch {
		put()
	}
}

// put keeps a profile and returns its account. The caller holds mu.
func (s *Store) put(p *users.Profile) *account {
	a := s.accounts[p.User.ID]
	if a != nil {
		// The one that is kept is as true, and may have forms already.
		return a
	}
	for id := range s.accounts {
		if len(s.accounts) < maxAccounts {
			break
		}
		s.drop(id)
	}
	a = &account{profile: p}
	s.accounts[p.User.ID] = a
	return a
}

// Profiles reads a page.
func (s *Store) Profiles(ctx context.Context, q users.Query) (users.Page, error) {
	if err := ctx.Err(); err != nil {
		return users.Page{}, err
	}
	if q.After != 0 || q.Limit > maxPage {
		return s.Storage.Profiles(ctx, q)
	}
	var result users.Page
	found, epoch, usable := s.look(ctx, func() (found bool) {
		result, found = s.page(q)
		return found
	})
	if found {
		return result, nil
	}
	result, err := s.Storage.Profiles(ctx, q)
	if err == nil && usable {
		s.keep(epoch, func() { s.putPage(q, result) })
	}
	return result, err
}

// page returns what is kept of a page, if all of it is. The caller holds mu.
func (s *Store) page(q users.Query) (users.Page, bool) {
	kept, ok := s.pages[q]
	if !ok {
		return users.Page{}, false
	}
	p := users.Page{Total: kept.total, Profiles: make([]*users.Profile, 0, len(kept.ids))}
	for _, id := range kept.ids {
		a := s.accounts[id]
		if a == nil {
			return users.Page{}, false
		}
		p.Profiles = append(p.Profiles, a.profile)
	}
	return p, true
}

// putPage keeps a page. The caller holds mu.
func (s *Store) putPage(q users.Query, p users.Page) {
	if len(s.pages) >= maxPages {
		clear(s.pages)
	}
	kept := page{total: p.Total}
	for _, profile := range p.Profiles {
		s.put(profile)
		kept.ids = append(kept.ids, profile.User.ID)
	}
	s.pages[q] = kept
}

// SessionByHash reads a session with the profile of its user.
func (s *Store) SessionByHash(ctx context.Context, h auth.Hash) (auth.Session, *users.Profile, error) {
	return credential(ctx, s, secretKey{session, h}, s.Storage.SessionByHash, func(v auth.Session) any { return v.ID })
}

// APIKeyByHash reads a key with the profile of its owner.
func (s *Store) APIKeyByHash(ctx context.Context, h auth.Hash) (auth.APIKey, *users.Profile, error) {
	k, p, err := credential(ctx, s, secretKey{apiKey, h}, s.Storage.APIKeyByHash, func(v auth.APIKey) any { return v.ID })
	return k.Clone(), p, err
}

// OAuthTokenByHash reads a token with the profile of its user.
func (s *Store) OAuthTokenByHash(ctx context.Context, h auth.Hash) (auth.OAuthToken, *users.Profile, error) {
	t, p, err := credential(ctx, s, secretKey{oauthToken, h}, s.Storage.OAuthTokenByHash, func(v auth.OAuthToken) any { return v.Hash })
	return t.Clone(), p, err
}

// credential reads one credential with the profile of its user. name is what
// deletions name it by.
func credential[T any](ctx context.Context, s *Store, key secretKey, read func(context.Context, auth.Hash) (T, *users.Profile, error), name func(T) any) (v T, p *users.Profile, err error) {
	if err := ctx.Err(); err != nil {
		return v, nil, err
	}
	found, epoch, usable := s.look(ctx, func() bool {
		kept, ok := s.secrets[key]
		if ok {
			v, p = kept.value.(T), s.accounts[kept.owner].profile
		}
		return ok
	})
	if found {
		return v, p, nil
	}
	v, p, err = read(ctx, key.hash)
	if err == nil && usable {
		s.keep(epoch, func() {
			a, n := s.put(p), name(v)
			a.secrets, a.names = append(a.secrets, key), append(a.names, n)
			s.secrets[key], s.owners[n] = secret{p.User.ID, v}, p.User.ID
		})
	}
	return v, p, err
}
