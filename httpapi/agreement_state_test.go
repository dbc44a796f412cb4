package httpapi_test

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/integrations"
	"github.com/hedgerow-dev/hedgerow/storage"
	"github.com/hedgerow-dev/hedgerow/users"
)

// names are what a store was asked to keep under a name and does not list.
type names struct {
	mu       sync.Mutex
	attempts map[string]bool
	tickets  map[ticketName]bool
	tokens   map[auth.Hash]bool
	links    map[uuid.UUID]bool // with repositories
	branches map[branchesName]bool
}

type branchesName struct {
	link       uuid.UUID
	repository string
}

type ticketName struct {
	purpose auth.Purpose
	hash    auth.Hash
}

func note[K comparable](n *names, set *map[K]bool, name K) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if *set == nil {
		*set = map[K]bool{}
	}
	(*set)[name] = true
}

// noting is a store that notes names.
type noting struct {
	storage.Storage
	names *names
}

func (s *noting) UpdateAuth(ctx context.Context, fn func(auth.Tx) error) error {
	return s.Storage.UpdateAuth(ctx, func(tx auth.Tx) error { return fn(notingAuth{tx, s.names}) })
}

func (s *noting) UpdateIntegrations(ctx context.Context, fn func(integrations.Tx) error) error {
	return s.Storage.UpdateIntegrations(ctx, func(tx integrations.Tx) error { return fn(notingIntegrations{tx, s.names}) })
}

type notingAuth struct {
	auth.Tx
	names *names
}

func (t notingAuth) SaveAttempts(ctx context.Context, key string, times []time.Time, expires time.Time) error {
	note(t.names, &t.names.attempts, key)
	return t.Tx.SaveAttempts(ctx, key, times, expires)
}

func (t notingAuth) SaveTicket(ctx context.Context, v auth.Ticket) error {
	note(t.names, &t.names.tickets, ticketName{v.Purpose, v.Hash})
	return t.Tx.SaveTicket(ctx, v)
}

func (t notingAuth) SaveOAuthToken(ctx context.Context, v auth.OAuthToken) error {
	note(t.names, &t.names.tokens, v.Hash)
	return t.Tx.SaveOAuthToken(ctx, v)
}

type notingIntegrations struct {
	integrations.Tx
	names *names
}

func (t notingIntegrations) SaveBranches(ctx context.Context, b integrations.BranchList) error {
	note(t.names, &t.names.branches, branchesName{b.LinkID, b.Repository})
	return t.Tx.SaveBranches(ctx, b)
}

func (t notingIntegrations) SaveRepositories(ctx context.Context, link uuid.UUID, list []integrations.Repository) error {
	note(t.names, &t.names.links, link)
	return t.Tx.SaveRepositories(ctx, link, list)
}

// compareStates returns an error unless the three stores hold the same.
func (w *world) compareStates() error {
	var first []string
	for i, e := range w.envs {
		state, err := w.state(e)
		if err != nil {
			return fmt.Errorf("%s: %w", w.stores[i], err)
		}
		if i == 0 {
			first = state
		}
		if !slices.Equal(first, state) {
			return fmt.Errorf("what is stored differs between %s and %s:\n%s", w.stores[0], w.stores[i], w.firstDifference(i, first, state))
		}
	}
	return nil
}

// firstDifference shows the first few lines that differ between the first store
// and another, from shortly before they do.
func (w *world) firstDifference(other int, a, b []string) string {
	const lines, before, after = 4, 60, 300
	// What both have is not shown, unless only its order differs.
	if onlyA, onlyB := missing(a, b), missing(b, a); len(onlyA)+len(onlyB) > 0 {
		a, b = onlyA, onlyB
	}
	var shown []string
	for i := range max(len(a), len(b)) {
		x, y := at(a, i), at(b, i)
		if x == y || len(shown) == lines {
			continue
		}
		n := 0
		for n < min(len(x), len(y)) && x[n] == y[n] {
			n++
		}
		cut := func(s string) string { return s[max(n-before, 0):min(len(s), n+after)] }
		name, _, _ := strings.Cut(cmp.Or(x, y), " {")
		shown = append(shown, fmt.Sprintf("%s\n  %s: …%+q\n  %s: …%+q", name[:min(len(name), before)], w.stores[0], cut(x), w.stores[other], cut(y)))
	}
	return strings.Join(shown, "\n")
}

// missing returns the lines that are not among others.
func missing(lines, others []string) []string {
	var list []string
	for _, line := range lines {
		if !slices.Contains(others, line) {
			list = append(list, line)
		}
	}
	return list
}

// at is a line, or "" if there are not so many.
func at(lines []string, i int) string {
	if i < len(lines) {
		return lines[i]
	}
	return ""
}

// contents is what is stored, line by line, and the first error of reading it.
type contents struct {
	t     context.Context
	e     *env
	lines []string
	err   error
}

// add writes a value, or the error of reading it, in JSON: that shows secrets.
func (d *contents) add(what string, v any, err error) {
	if errors.Is(err, users.ErrNotFound) {
		return
	}
	text, failed := json.Marshal(v)
	if err := errors.Join(err, failed); err != nil {
		if d.err == nil {
			d.err = fmt.Errorf("read %s: %w", what, err)
		}
		return
	}
	d.lines = append(d.lines, what+" "+string(text))
}

// addAll writes the elements of a list in their order. No elements are as good as
// no list.
func addAll[T any](d *contents, what string, list []T, err error) {
	d.add("number of "+what, len(list), err)
	for i, v := range list {
		d.add(fmt.Sprintf("%s, number %d:", what, i), v, err)
	}
}

// state reads all that the store of e holds.
func (w *world) state(e *env) ([]string, error) {
	return stateOf(e, w.names, w.known["number"], w.known["organization"], w.known["email"])
}

// stateOf reads all that the store of e holds, if these are the organizations, the
// addresses of invites, and the numbers of users who are or were there.
func stateOf(e *env, names *names, numbers, organizations, emails []string) ([]string, error) {
	d := &contents{t: e.t.Context(), e: e}
	people := d.people(numbers)
	for _, id := range organizations {
		o := uuid.MustParse(id)
		organization, err := e.store.Organization(d.t, o)
		d.add("organization", organization, err)
		teams, err := e.store.Teams(d.t, o)
		addAll(d, "teams of "+id, teams, err)
	}
	for _, email := range emails {
		invites, err := e.store.Invites(d.t, users.FoldEmail(email), time.Time{})
		addAll(d, "invites to "+email, invites, err)
	}
	events, err := e.store.Events(d.t, users.EventQuery{Limit: 1_000_000})
	for i := range events {
		events[i].ID = 0 // PostgreSQL skips numbers of what it refused, here and in the records of teams
		if events[i].Action == "team github installation deleted" {
			events[i].Fields = nil
		}
	}
	addAll(d, "events", events, err)
	for _, id := range people {
		d.credentials(id)
	}
	d.named(names)
	d.links(people)
	return d.lines, d.err
}

// people writes all users and returns their numbers and others that are known:
// who is gone must not have left anything.
func (d *contents) people(known []string) []users.ID {
	var ids []users.ID
	// A large page is read around the cache of a store, and a small one through it.
	for _, limit := range []int{100_000, 100} {
		page, err := d.e.store.Profiles(d.t, users.Query{Limit: limit})
		for _, p := range page.Profiles {
			ids = append(ids, p.User.ID)
			d.profile(fmt.Sprintf("profile in a page of %d", limit), p, err)
		}
		d.add("total", page.Total, err)
	}
	for _, number := range known {
		id, err := strconv.ParseInt(number, 10, 64)
		d.add("number of a user", id, err)
		ids = append(ids, users.ID(id))
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// profile writes a profile. No elements are as good as no list.
func (d *contents) profile(what string, p *users.Profile, err error) {
	p = p.WithUser(p.User) // nobody changes the one that a store has returned
	p.Memberships, p.Organizations = slices.Concat(p.Memberships), slices.Concat(p.Organizations)
	p.Teams, p.Scenes = slices.Concat(p.Teams), slices.Concat(p.Scenes)
	d.add(what, p, err)
}

// credentials writes those of a user. Data that is nil is as good as empty.
func (d *contents) credentials(id users.ID) {
	st, of := d.e.store, fmt.Sprintf(" of %d", id)
	identities, err := st.Identities(d.t, id)
	addAll(d, "identities"+of, identities, err)
	sessions, err := st.Sessions(d.t, id)
	addAll(d, "sessions"+of, sessions, err)
	keys, err := st.APIKeys(d.t, id)
	addAll(d, "API keys"+of, keys, err)
	factor, err := st.SecondFactor(d.t, id)
	d.add("second factor"+of, factor, err)
	passkeys, err := st.Passkeys(d.t, id)
	for i := range passkeys {
		passkeys[i].Data = append([]byte{}, passkeys[i].Data...)
	}
	addAll(d, "passkeys"+of, passkeys, err)
	config, err := st.AutonomyConfig(d.t, id)
	d.add("autonomy"+of, config, err)
	for _, p := range []auth.Purpose{auth.TOTPSetup, auth.PendingLogin, auth.RememberedDevice, auth.VerifyEmailLink, auth.PasswordResetLink,
		auth.PasskeySetup, auth.PasskeyStep} {
		tickets, err := st.Tickets(d.t, id, p)
		for i := range tickets {
			tickets[i].Data = append([]byte{}, tickets[i].Data...)
		}
		addAll(d, string(p)+of, tickets, err)
	}
}

// named writes what only a name leads to, in order.
func (d *contents) named(n *names) {
	for _, key := range slices.Sorted(maps.Keys(n.attempts)) {
		times, err := d.e.store.Attempts(d.t, key)
		d.add("attempts "+key, append([]time.Time{}, times...), err)
	}
	for name := range n.tickets {
		ticket, err := d.e.store.Ticket(d.t, name.purpose, name.hash)
		ticket.Data = append([]byte{}, ticket.Data...)
		d.add("ticket", ticket, err)
	}
	for hash := range n.tokens {
		token, p, err := d.e.store.OAuthTokenByHash(d.t, hash)
		d.add("OAuth token", token, err)
		if err == nil {
			d.profile("profile of the OAuth token", p, err)
		}
	}
	for link := range n.links {
		repositories, err := d.e.store.Repositories(d.t, link)
		addAll(d, "repositories of "+link.String(), repositories, err)
	}
	for name := range n.branches {
		branches, err := d.e.store.Branches(d.t, name.link, name.repository)
		d.add("branches", branches, err)
	}
	slices.Sort(d.lines)
}

func (d *contents) links(people []users.ID) {
	st := d.e.store
	list, err := st.Installations(d.t, integrations.Query{})
	addAll(d, "links", list, err)
	teams, err := st.TeamInstallations(d.t, integrations.TeamQuery{})
	for i := range teams {
		teams[i].ID = 0 // see events
	}
	addAll(d, "team installations", teams, err)
	for _, id := range people {
		states, err := st.LinkStates(d.t, id)
		addAll(d, fmt.Sprintf("link states of %d", id), states, err)
	}
	requests, err := st.InstallRequests(d.t, integrations.RequestQuery{})
	addAll(d, "install requests", requests, err)
}
