package storagetest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/autonomy"
	"github.com/hedgerow-dev/hedgerow/storage"
	"github.com/hedgerow-dev/hedgerow/users"
)

// fault is a planted mistake and the test of the suite that must find it.
type fault struct {
	name  string
	found string // a test of the suite, as in "users/not_found"
	plant func(storage.Storage) storage.Storage
}

func faults() []fault {
	return slices.Concat(storeFaults(), txFaults(), userFaults(), eventFaults(), factorFaults(), autonomyFaults(), integrationFaults())
}

// store passes transactions through update.
type store struct {
	storage.Storage
	update func(ctx context.Context, st storage.Storage, fn func(auth.Tx) error) error
}

func (s store) UpdateAuth(ctx context.Context, fn func(auth.Tx) error) error {
	return s.update(ctx, s.Storage, fn)
}

func (s store) UpdateUsers(ctx context.Context, fn func(users.Tx) error) error {
	return s.update(ctx, s.Storage, func(tx auth.Tx) error { return fn(tx) })
}

// onUpdate plants a fault in how transactions run.
func onUpdate(update func(context.Context, storage.Storage, func(auth.Tx) error) error) func(storage.Storage) storage.Storage {
	return func(st storage.Storage) storage.Storage { return store{st, update} }
}

// onTx plants a fault in the methods of a transaction.
func onTx(wrap func(auth.Tx) auth.Tx) func(storage.Storage) storage.Storage {
	return onUpdate(func(ctx context.Context, st storage.Storage, fn func(auth.Tx) error) error {
		return st.UpdateAuth(ctx, func(tx auth.Tx) error { return fn(wrap(tx)) })
	})
}

func storeFaults() []fault {
	return []fault{
		{"keeps changes in spite of an error", "transactions/an_error_undoes_every_change", onUpdate(keepOnError)},
		{"keeps changes in spite of a panic", "transactions/a_panic_undoes_all_changes", onUpdate(keepOnPanic)},
		{"swallows panics", "transactions/a_panic_undoes_all_changes", onUpdate(swallowPanic)},
		{"wraps the error of fn", "transactions/the_error_of_fn_comes_back_as_it_is", onUpdate(wrapError)},
		{"does not look at the context", "cancellation/in_the_middle_of_a_transaction",
			onUpdate(func(ctx context.Context, st storage.Storage, fn func(auth.Tx) error) error {
				return st.UpdateAuth(context.WithoutCancel(ctx), fn)
			})},
		{"locks nothing that it reads", "concurrency/no_update_is_lost", onUpdate(staleReads)},
		{"shows changes before they are committed", "cancellation/of_a_read_beside_a_transaction", plantDirtyReads},
		{"shares the slices of what comes out", "organizations/copies", plantSharedSlices},
		{"caches sessions", "deletion/of_a_user", plantSessionCache},
		{"compares addresses byte for byte", "users/lookup_by_address", func(st storage.Storage) storage.Storage { return literalEmail{st} }},
		{"counts the total after the position", "profiles/keyset", func(st storage.Storage) storage.Storage { return shortTotal{st} }},
		{"forgets a current team elsewhere", "profiles/teams", func(st storage.Storage) storage.Storage { return onlyOwnTeams{st} }},
		{"leaves out invites of the very moment", "invites/address,_age_and_order", func(st storage.Storage) storage.Storage { return lateInvites{st} }},
		{"makes empty of nil", "keys/nil_and_empty_restrictions_differ", func(st storage.Storage) storage.Storage { return emptyForNil{st} }},
	}
}

func keepOnError(ctx context.Context, st storage.Storage, fn func(auth.Tx) error) (failed error) {
	err := st.UpdateAuth(ctx, func(tx auth.Tx) error {
		failed = fn(tx)
		return nil
	})
	if err != nil {
		return err
	}
	return failed
}

func keepOnPanic(ctx context.Context, st storage.Storage, fn func(auth.Tx) error) error {
	var reason any
	err := st.UpdateAuth(ctx, func(tx auth.Tx) error {
		defer func() { reason = recover() }()
		return fn(tx)
	})
	if reason != nil {
		panic(reason)
	}
	return err
}

func swallowPanic(ctx context.Context, st storage.Storage, fn func(auth.Tx) error) error {
	defer func() { _ = recover() }()
	return st.UpdateAuth(ctx, fn)
}

type wrapped struct{ error }

func (w wrapped) Unwrap() error { return w.error }

func wrapError(ctx context.Context, st storage.Storage, fn func(auth.Tx) error) error {
	if err := st.UpdateAuth(ctx, fn); err != nil {
		return wrapped{err}
	}
	return nil
}

// staleReads lets a transaction read users as they were before it got the lock.
func staleReads(ctx context.Context, st storage.Storage, fn func(auth.Tx) error) error {
	page, err := st.Profiles(ctx, users.Query{Limit: 1000})
	if err != nil {
		return err
	}
	runtime.Gosched()
	return st.UpdateAuth(ctx, func(tx auth.Tx) error { return fn(staleTx{tx, page.Profiles}) })
}

type staleTx struct {
	auth.Tx
	profiles []*users.Profile
}

func (t staleTx) User(ctx context.Context, id users.ID) (users.User, error) {
	for _, p := range t.profiles {
		u := p.User
		if u.ID == id {
			return u, nil
		}
	}
	return t.Tx.User(ctx, id)
}

// dirtyReads has the users that a transaction wrote and did not commit.
type dirtyReads struct {
	storage.Storage
	written *sync.Map
}

type dirtyTx struct {
	auth.Tx
	written *sync.Map
}

func plantDirtyReads(st storage.Storage) storage.Storage {
	written := new(sync.Map)
	return store{dirtyReads{st, written}, func(ctx context.Context, st storage.Storage, fn func(auth.Tx) error) error {
		defer written.Clear()
		return st.UpdateAuth(ctx, func(tx auth.Tx) error { return fn(dirtyTx{tx, written}) })
	}}
}

func (t dirtyTx) SaveUser(ctx context.Context, u users.User) (users.User, error) {
	u, err := t.Tx.SaveUser(ctx, u)
	t.written.Store(u.ID, u)
	return u, err
}

// Profiles does not ask the store while anything is not committed, because it
// would have to wait for the transaction.
func (d dirtyReads) Profiles(ctx context.Context, q users.Query) (users.Page, error) {
	var page users.Page
	d.written.Range(func(_, u any) bool {
		page.Profiles = append(page.Profiles, &users.Profile{User: u.(users.User)})
		return true
	})
	if len(page.Profiles) > 0 {
		return page, nil
	}
	return d.Storage.Profiles(ctx, q)
}

// sharedSlices gives the same slice to everybody who asks.
type sharedSlices struct {
	storage.Storage
	domains *sync.Map
}

func plantSharedSlices(st storage.Storage) storage.Storage { return sharedSlices{st, new(sync.Map)} }

func (s sharedSlices) Organization(ctx context.Context, id uuid.UUID) (users.Organization, error) {
	o, err := s.Storage.Organization(ctx, id)
	first, _ := s.domains.LoadOrStore(id, o.SSOEnforcedDomains)
	o.SSOEnforcedDomains = first.([]string)
	return o, err
}

// sessionCache remembers sessions and never hears that they ended.
type sessionCache struct {
	storage.Storage
	byHash *sync.Map
}

type cachedSession struct {
	session auth.Session
	user    *users.Profile
}

func plantSessionCache(st storage.Storage) storage.Storage {
	c := sessionCache{st, new(sync.Map)}
	return store{c, func(ctx context.Context, st storage.Storage, fn func(auth.Tx) error) error {
		return st.UpdateAuth(ctx, func(tx auth.Tx) error { return fn(sessionCacheTx{tx, c}) })
	}}
}

type sessionCacheTx struct {
	auth.Tx
	cache sessionCache
}

func (t sessionCacheTx) SaveSession(ctx context.Context, s auth.Session) error {
	u, _ := t.User(ctx, s.UserID)
	t.cache.byHash.Store(s.Hash, cachedSession{s, &users.Profile{User: u}})
	return t.Tx.SaveSession(ctx, s)
}

func (c sessionCache) SessionByHash(ctx context.Context, h auth.Hash) (auth.Session, *users.Profile, error) {
	if s, ok := c.byHash.Load(h); ok {
		return s.(cachedSession).session, s.(cachedSession).user, nil
	}
	return c.Storage.SessionByHash(ctx, h)
}

type literalEmail struct{ storage.Storage }

func (s literalEmail) UserByEmail(ctx context.Context, folded string) (users.User, error) {
	u, err := s.Storage.UserByEmail(ctx, folded)
	if err == nil && u.Email != folded {
		return users.User{}, users.ErrNotFound
	}
	return u, err
}

type shortTotal struct{ storage.Storage }

func (s shortTotal) Profiles(ctx context.Context, q users.Query) (users.Page, error) {
	p, err := s.Storage.Profiles(ctx, q)
	if q.After != 0 {
		p.Total = len(p.Profiles)
	}
	return p, err
}

type onlyOwnTeams struct{ storage.Storage }

func (s onlyOwnTeams) Profiles(ctx context.Context, q users.Query) (users.Page, error) {
	p, err := s.Storage.Profiles(ctx, q)
	for i, all := range p.Profiles {
		own := slices.DeleteFunc(slices.Clone(all.Teams), func(t users.Team) bool { return t.OrganizationID != all.User.CurrentOrganization })
		p.Profiles[i] = &users.Profile{User: all.User, Organizations: all.Organizations, Teams: own, Memberships: all.Memberships}
	}
	return p, err
}

type lateInvites struct{ storage.Storage }

func (s lateInvites) Invites(ctx context.Context, folded string, since time.Time) ([]users.PendingInvite, error) {
	return s.Storage.Invites(ctx, folded, since.Add(time.Microsecond))
}

type emptyForNil struct{ storage.Storage }

func (s emptyForNil) APIKey(ctx context.Context, id string) (auth.APIKey, error) {
	return noNil(s.Storage.APIKey(ctx, id))
}

func (s emptyForNil) APIKeyByHash(ctx context.Context, h auth.Hash) (auth.APIKey, *users.Profile, error) {
	k, u, err := s.Storage.APIKeyByHash(ctx, h)
	k, err = noNil(k, err)
	return k, u, err
}

func noNil(k auth.APIKey, err error) (auth.APIKey, error) {
	k.ScopedTeams = append([]users.TeamID{}, k.ScopedTeams...)
	return k, err
}

func txFaults() []fault {
	return []fault{
		{"reuses ids", "users/ids_are_never_reused", plantReusedIDs},
		{"ignores which session is spared", "sessions/DeleteSessions", onTx(func(tx auth.Tx) auth.Tx { return spareNone{tx} })},
		{"keeps what expires now", "expiry/at_or_before_now", onTx(func(tx auth.Tx) auth.Tx { return lateExpiry{tx} })},
		{"leaves a deleted team current", "deletion/of_a_team", onTx(func(tx auth.Tx) auth.Tx { return staleTeam{tx} })},
		{"calls a taken address a conflict", "users/one_address_one_user", onTx(func(tx auth.Tx) auth.Tx { return vagueConflict{tx} })},
		{"cuts times to seconds", "sessions/round_trip", onTx(func(tx auth.Tx) auth.Tx { return coarseTimes{tx} })},
		{"rewrites JSON", "users/round_trip_of_every_field", onTx(func(tx auth.Tx) auth.Tx { return compactJSON{tx} })},
		{"puts the newest attempt first", "attempts/round_trip", onTx(func(tx auth.Tx) auth.Tx { return newestFirst{tx} })},
		{"takes identities over", "identities/one_owner", onTx(func(tx auth.Tx) auth.Tx { return greedy{tx} })},
		{"keeps the version", "users/save_raises_Version", onTx(func(tx auth.Tx) auth.Tx { return sameVersion{tx} })},
	}
}

// reusedIDs claims to give the ID of the last user that was deleted.
type reusedIDs struct {
	auth.Tx
	free *sync.Map
}

func plantReusedIDs(st storage.Storage) storage.Storage {
	free := new(sync.Map)
	return onTx(func(tx auth.Tx) auth.Tx { return reusedIDs{tx, free} })(st)
}

func (t reusedIDs) DeleteUser(ctx context.Context, id users.ID) error {
	t.free.Store(0, id)
	return t.Tx.DeleteUser(ctx, id)
}

func (t reusedIDs) CreateUser(ctx context.Context, u users.User) (users.User, error) {
	u, err := t.Tx.CreateUser(ctx, u)
	if id, ok := t.free.LoadAndDelete(0); ok {
		u.ID = id.(users.ID)
	}
	return u, err
}

type spareNone struct{ auth.Tx }

func (t spareNone) DeleteSessions(ctx context.Context, user users.ID, _ uuid.UUID) (int, error) {
	return t.Tx.DeleteSessions(ctx, user, uuid.Nil)
}

type lateExpiry struct{ auth.Tx }

func (t lateExpiry) DeleteExpired(ctx context.Context, now time.Time) (int, error) {
	return t.Tx.DeleteExpired(ctx, now.Add(-time.Microsecond))
}

type staleTeam struct{ auth.Tx }

func (t staleTeam) DeleteTeam(ctx context.Context, id users.TeamID) error {
	page, err := t.Profiles(ctx, users.Query{Limit: 1000})
	if err != nil {
		return err
	}
	if err := t.Tx.DeleteTeam(ctx, id); err != nil {
		return err
	}
	for _, p := range page.Profiles {
		u := p.User
		if u.CurrentTeam == id {
			if _, err := t.SaveUser(ctx, u); err != nil {
				return err
			}
		}
	}
	return nil
}

type vagueConflict struct{ auth.Tx }

func (t vagueConflict) CreateUser(ctx context.Context, u users.User) (users.User, error) {
	u, err := t.Tx.CreateUser(ctx, u)
	if err != nil {
		err = users.ErrConflict
	}
	return u, err
}

type coarseTimes struct{ auth.Tx }

func (t coarseTimes) SaveSession(ctx context.Context, s auth.Session) error {
	s.LastActivity = s.LastActivity.Truncate(time.Second)
	return t.Tx.SaveSession(ctx, s)
}

type compactJSON struct{ auth.Tx }

func (t compactJSON) CreateUser(ctx context.Context, u users.User) (users.User, error) {
	var b bytes.Buffer
	if json.Compact(&b, []byte(u.NotificationSettings)) == nil {
		u.NotificationSettings = users.JSON(b.String())
	}
	return t.Tx.CreateUser(ctx, u)
}

type newestFirst struct{ auth.Tx }

func (t newestFirst) SaveAttempts(ctx context.Context, key string, times []time.Time, expires time.Time) error {
	if len(times) > 1 {
		times = append([]time.Time{times[len(times)-1]}, times[:len(times)-1]...)
	}
	return t.Tx.SaveAttempts(ctx, key, times, expires)
}

type greedy struct{ auth.Tx }

func (t greedy) SaveIdentity(ctx context.Context, i users.Identity) error {
	if _, err := t.DeleteIdentity(ctx, i.Provider, i.Subject); err != nil && ctx.Err() != nil {
		return err
	}
	return t.Tx.SaveIdentity(ctx, i)
}

type sameVersion struct{ auth.Tx }

func (t sameVersion) SaveUser(ctx context.Context, u users.User) (users.User, error) {
	stored, err := t.Tx.SaveUser(ctx, u)
	stored.Version = u.Version
	return stored, err
}

func autonomyFaults() []fault {
	return []fault{
		{"keeps the first configuration", "autonomy/one_row_per_user", onAutonomy(func(ctx context.Context, st storage.Storage, fn func(autonomy.Tx) error) error {
			return st.UpdateAutonomy(ctx, func(tx autonomy.Tx) error { return fn(firstConfig{tx}) })
		})},
		{"looks for a configuration before it has the lock", "autonomy/first_writes_at_once", onAutonomy(staleConfigs)},
		{"keeps configurations in spite of an error", "autonomy/an_error_undoes_changes_of_every_domain",
			onAutonomy(func(ctx context.Context, st storage.Storage, fn func(autonomy.Tx) error) (failed error) {
				err := st.UpdateAutonomy(ctx, func(tx autonomy.Tx) error {
					failed = fn(tx)
					return nil
				})
				return errors.Join(err, failed)
			})},
	}
}

// autonomyStore passes transactions of autonomy through update.
type autonomyStore struct {
	storage.Storage
	update func(ctx context.Context, st storage.Storage, fn func(autonomy.Tx) error) error
}

func (s autonomyStore) UpdateAutonomy(ctx context.Context, fn func(autonomy.Tx) error) error {
	return s.update(ctx, s.Storage, fn)
}

func onAutonomy(update func(context.Context, storage.Storage, func(autonomy.Tx) error) error) func(storage.Storage) storage.Storage {
	return func(st storage.Storage) storage.Storage { return autonomyStore{st, update} }
}

type firstConfig struct{ autonomy.Tx }

func (t firstConfig) SaveAutonomyConfig(ctx context.Context, c autonomy.Config) error {
	if _, err := t.AutonomyConfig(ctx, c.UserID); err == nil {
		return nil
	}
	return t.Tx.SaveAutonomyConfig(ctx, c)
}

// staleConfigs lets a transaction see the configurations of before.
func staleConfigs(ctx context.Context, st storage.Storage, fn func(autonomy.Tx) error) error {
	page, err := st.Profiles(ctx, users.Query{Limit: 1000})
	if err != nil {
		return err
	}
	configs := map[users.ID]autonomy.Config{}
	for _, p := range page.Profiles {
		u := p.User
		if c, err := st.AutonomyConfig(ctx, u.ID); err == nil {
			configs[u.ID] = c
		}
	}
	runtime.Gosched()
	return st.UpdateAutonomy(ctx, func(tx autonomy.Tx) error { return fn(staleConfigTx{tx, configs}) })
}

type staleConfigTx struct {
	autonomy.Tx
	configs map[users.ID]autonomy.Config
}

func (t staleConfigTx) AutonomyConfig(_ context.Context, user users.ID) (autonomy.Config, error) {
	c, ok := t.configs[user]
	if !ok {
		return autonomy.Config{}, users.ErrNotFound
	}
	return c, nil
}
