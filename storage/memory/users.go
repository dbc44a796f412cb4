package memory

import (
	"cmp"
	"context"
	"slices"

	"github.com/google/uuid"

	"github.com/hedgerow-dev/hedgerow/users"
)

func (r reader) User(ctx context.Context, id users.ID) (users.User, error) {
	return get(ctx, r, r.d.users, id)
}

func (r reader) UserByUUID(ctx context.Context, id uuid.UUID) (users.User, error) {
	return userBy(ctx, r, r.d.byUUID, id)
}

func (r reader) UserByEmail(ctx context.Context, folded string) (users.User, error) {
	return userBy(ctx, r, r.d.byEmail, folded)
}

func userBy[K comparable](ctx context.Context, r reader, index map[K]users.ID, k K) (users.User, error) {
	end, err := r.begin(ctx)
	if err != nil {
		return users.User{}, err
	}
	defer end()
	id, ok := index[k]
	if !ok {
		return users.User{}, users.ErrNotFound
	}
	return r.d.users[id], nil
}

func (t *tx) CreateUser(ctx context.Context, u users.User) (users.User, error) {
	if err := ctx.Err(); err != nil {
		return users.User{}, err
	}
	t.d.lastUser++
	u.ID, u.Version = t.d.lastUser, 1
	if err := cmp.Or(t.conflict(u), t.dangling(u)); err != nil {
		return users.User{}, err
	}
	t.claim(u)
	t.relist(u.ID, nil, flagsOf(u))
	set(t, t.d.users, u.ID, u)
	return u, nil
}

func (t *tx) SaveUser(ctx context.Context, u users.User) (users.User, error) {
	old, err := t.User(ctx, u.ID)
	if err != nil {
		return users.User{}, err
	}
	keys := u.Email != old.Email || u.UUID != old.UUID || u.DistinctID != old.DistinctID
	if keys {
		if err := t.conflict(u); err != nil {
			return users.User{}, err
		}
	}
	if err := t.dangling(u); err != nil {
		return users.User{}, err
	}
	if keys {
		t.release(old)
		t.claim(u)
	}
	t.relist(u.ID, flagsOf(old), flagsOf(u))
	if old.IsActive != u.IsActive {
		for _, m := range t.d.memberships[u.ID] {
			t.count(m.OrganizationID, u.IsActive)
		}
	}
	u.Version = old.Version + 1
	set(t, t.d.users, u.ID, u)
	return u, nil
}

// conflict reports what u shares with another user and must not.
func (t *tx) conflict(u users.User) error {
	if id, taken := t.d.byEmail[users.FoldEmail(u.Email)]; taken && id != u.ID {
		return users.ErrEmailTaken
	}
	byUUID, uuidTaken := t.d.byUUID[u.UUID]
	byDistinct, distinctTaken := t.d.byDistinct[u.DistinctID]
	if uuidTaken && byUUID != u.ID || distinctTaken && byDistinct != u.ID {
		return users.ErrConflict
	}
	return nil
}

// dangling reports what u refers to that is not there.
func (t *tx) dangling(u users.User) error {
	_, organization := t.d.organizations[u.CurrentOrganization]
	_, team := t.d.teams[u.CurrentTeam]
	if u.CurrentOrganization != uuid.Nil && !organization || u.CurrentTeam != 0 && !team {
		return users.ErrNotFound
	}
	return nil
}

// claim enters u into the unique indexes.
func (t *tx) claim(u users.User) {
	set(t, t.d.byEmail, users.FoldEmail(u.Email), u.ID)
	set(t, t.d.byUUID, u.UUID, u.ID)
	set(t, t.d.byDistinct, u.DistinctID, u.ID)
}

// release takes u out of the unique indexes.
func (t *tx) release(u users.User) {
	drop(t, t.d.byEmail, users.FoldEmail(u.Email))
	drop(t, t.d.byUUID, u.UUID)
	drop(t, t.d.byDistinct, u.DistinctID)
}

// count adjusts the number of active members.
func (t *tx) count(organization uuid.UUID, up bool) {
	n := -1
	if up {
		n = 1
	}
	set(t, t.d.active, organization, t.d.active[organization]+n)
}

func (t *tx) DeleteUser(ctx context.Context, id users.ID) error {
	u, err := t.User(ctx, id)
	if err != nil {
		return err
	}
	if u.IsActive {
		for _, m := range t.d.memberships[id] {
			t.count(m.OrganizationID, false)
		}
	}
	for _, s := range t.d.sessionsOf[id] {
		drop(t, t.d.sessionByHash, t.d.sessions[s].Hash)
		drop(t, t.d.sessions, s)
	}
	for _, k := range t.d.keysOf[id] {
		drop(t, t.d.keyByHash, t.d.keys[k].Hash)
		drop(t, t.d.keys, k)
	}
	for h, token := range t.d.tokens {
		if token.UserID == id {
			drop(t, t.d.tokens, h)
		}
	}
	for _, i := range t.d.identities[id] {
		drop(t, t.d.identityOwner, identityKey{i.Provider, i.Subject})
	}
	t.dropAutonomy(id)
	t.dropFactors(id)
	t.dropIntegrations(id)
	drop(t, t.d.memberships, id)
	drop(t, t.d.sessionsOf, id)
	drop(t, t.d.keysOf, id)
	drop(t, t.d.identities, id)
	drop(t, t.d.scenes, id)
	t.release(u)
	drop(t, t.d.users, id)
	t.relist(id, flagsOf(u), nil)
	return nil
}

func (r reader) Identities(ctx context.Context, user users.ID) ([]users.Identity, error) {
	end, err := r.begin(ctx)
	if err != nil {
		return nil, err
	}
	defer end()
	return slices.Clone(r.d.identities[user]), nil
}

func (t *tx) SaveIdentity(ctx context.Context, i users.Identity) error {
	key := identityKey{i.Provider, i.Subject}
	owner, taken := t.d.identityOwner[key]
	if taken && owner != i.UserID {
		return users.ErrConflict
	}
	if _, err := t.User(ctx, i.UserID); err != nil {
		return err
	}
	list := slices.Clone(t.d.identities[i.UserID])
	if at := slices.IndexFunc(list, sameIdentity(key)); at >= 0 {
		list[at].Login = i.Login
	} else {
		list = append(list, i)
		slices.SortFunc(list, compareIdentities)
	}
	set(t, t.d.identities, i.UserID, list)
	set(t, t.d.identityOwner, key, i.UserID)
	return nil
}

func (t *tx) DeleteIdentity(ctx context.Context, provider, subject string) (users.ID, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	key := identityKey{provider, subject}
	owner, ok := t.d.identityOwner[key]
	if !ok {
		return 0, users.ErrNotFound
	}
	drop(t, t.d.identityOwner, key)
	set(t, t.d.identities, owner, slices.DeleteFunc(slices.Clone(t.d.identities[owner]), sameIdentity(key)))
	return owner, nil
}

func sameIdentity(key identityKey) func(users.Identity) bool {
	return func(i users.Identity) bool { return i.Provider == key.provider && i.Subject == key.subject }
}
