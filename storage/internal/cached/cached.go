// Package cached keeps what is read most, credentials and the profiles that
// come with them, in memory in front of another store. What it answers is what
// the store would, so that it may be asked for permission. The argument:
//
//  1. Versions name states: there is another number after every commit, whoever
//     made it, and never an earlier one again. So whatever is read from the store
//     between two equal versions is the state of that version.
//  2. What is kept is the state of version seen: a read adds to it only what is
//     of that version, found equal before and after.
//  3. A read is answered from it only if the version was seen after the read
//     began. A change that was acknowledged before has raised the version
//     before, so that the read misses what was kept then.
//  4. seen moves in two ways. When somebody else has committed, everything is
//     dropped (catchUp). When only transactions of this store have, what they
//     touched is dropped or replaced (Committed), and the rest is the same in
//     both states.
//  5. The second way needs to know that nobody else came in between, and the
//     store says so. A transaction is pending from the end of its function until
//     then, and meanwhile nothing catches up: a version that is not seen may be
//     its own.
//  6. A transaction keeps others from committing while it runs. So what is of the
//     version that it finds is what it sees, but for what it has changed itself and
//     what is pending.
//
// A store behind this one runs its transactions one after another. Of each whose
// function has succeeded it says Committed or Undone, before it answers and before
// the next commit; several may share one.
package cached

import (
	"context"
	"sync"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/storage"
	"github.com/hedgerow-dev/hedgerow/users"
)

const (
	maxAccounts = 8192     // users that are kept with their credentials
	maxBytes    = 64 << 20 // what all of them may take, by sizeOf
	maxSecrets  = 64       // credentials of one user
	maxPages    = 512      // lists whose ids are kept
	maxPage     = 256      // users of a list that is kept
)

// Store implements storage.Storage in front of another.
type Store struct {
	storage.Storage
	version func(context.Context) (uint64, error)

	mu       sync.RWMutex
	seen     uint64    // the version of what is kept; zero is unknown
	pending  []*record // what is about to be committed touches, in order
	size     int       // of all accounts, in bytes
	accounts map[users.ID]*account
	secrets  map[secretKey]secret
	owners   map[any]users.ID // by what deletions name a credential by
	pages    map[users.Query]page
}

// account is what is kept of a user.
type account struct {
	profile *users.Profile
	size    int
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

// New returns a store in front of inner. version is safe for concurrent use and
// never returns zero.
func New(inner storage.Storage, version func(context.Context) (uint64, error)) *Store {
	s := &Store{Storage: inner, version: version}
	s.clear()
	return s
}

// clear drops everything. The caller holds mu.
func (s *Store) clear() {
	s.size = 0
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
	s.size -= a.size
	delete(s.accounts, id)
}

// look runs find, which may look at what is kept, if that is the state of the
// database. What is read from the store after a miss may be kept as of version,
// unless that is zero.
func (s *Store) look(ctx context.Context, find func() bool) (found bool, version uint64) {
	version, err := s.version(ctx)
	if err != nil {
		// The store itself will tell what is wrong.
		return false, 0
	}
	s.mu.RLock()
	known, busy := version == s.seen, len(s.pending) > 0
	if known {
		found = find()
	}
	s.mu.RUnlock()
	switch {
	case known:
		return found, version
	case busy:
		return false, 0
	default:
		return false, s.catchUp(ctx)
	}
}

// catchUp drops everything if somebody else has committed.
func (s *Store) catchUp(ctx context.Context) (version uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	// Again, as a transaction of this store may have come and gone meanwhile.
	version, err := s.version(ctx)
	if err != nil || len(s.pending) > 0 {
		return 0
	}
	if version != s.seen {
		s.clear()
		s.seen = version
	}
	return version
}

// keep runs put, which adds what was read after look returned version, if it is
// of that version and everything else that is kept is too.
func (s *Store) keep(ctx context.Context, version uint64, put func()) {
	if version == 0 {
		return
	}
	if now, err := s.version(ctx); err != nil || now != version {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.seen == version {
		put()
	}
}

// put keeps a profile and returns its account. The caller holds mu.
func (s *Store) put(p *users.Profile) *account {
	if a := s.accounts[p.User.ID]; a != nil {
		// The one that is kept is as true, and may have forms already.
		return a
	}
	a := &account{profile: p, size: sizeOf(p)}
	for id := range s.accounts {
		if len(s.accounts) < maxAccounts && s.size+a.size <= maxBytes {
			break
		}
		s.drop(id)
	}
	s.size += a.size
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
	found, version := s.look(ctx, func() (found bool) {
		result, found = s.page(q)
		return found
	})
	if found {
		return result, nil
	}
	result, err := s.Storage.Profiles(ctx, q)
	if err == nil {
		s.keep(ctx, version, func() { s.putPage(q, result) })
	}
	return result, err
}

// User reads a user.
func (s *Store) User(ctx context.Context, id users.ID) (u users.User, err error) {
	if err := ctx.Err(); err != nil {
		return users.User{}, err
	}
	found, _ := s.look(ctx, func() bool {
		a := s.accounts[id]
		if a != nil {
			u = a.profile.User
		}
		return a != nil
	})
	if found {
		return u, nil
	}
	return s.Storage.User(ctx, id)
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
	found, version := s.look(ctx, func() bool {
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
	if err == nil {
		s.keep(ctx, version, func() { s.putSecret(key, name(v), p, v) })
	}
	return v, p, err
}

// putSecret keeps a credential, which deletions call name, with the profile of
// its user. The caller holds mu.
func (s *Store) putSecret(key secretKey, name any, p *users.Profile, value any) {
	if _, ok := s.secrets[key]; ok {
		return
	}
	a := s.put(p)
	if len(a.secrets) == maxSecrets {
		s.drop(p.User.ID)
		a = s.put(p)
	}
	a.secrets, a.names = append(a.secrets, key), append(a.names, name)
	s.secrets[key], s.owners[name] = secret{p.User.ID, value}, p.User.ID
}
