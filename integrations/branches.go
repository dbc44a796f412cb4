package integrations

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/hedgerow-dev/hedgerow/users"
)

// How long branches are kept, contract section 6.
const (
	branchesFresh = 10 * time.Minute
	branchesLife  = 24 * time.Hour
	defaultLife   = 24 * time.Hour
)

// BranchList is the branches of a repository as of RefreshedAt. It belongs to a
// link.
type BranchList struct {
	LinkID     uuid.UUID
	Repository string // in lower case
	Names      []string
	// Default is "" when it is not known; DefaultAt is when GitHub said it.
	Default     string
	DefaultAt   time.Time
	RefreshedAt time.Time
	ExpiresAt   time.Time
}

// Clone returns a copy that shares nothing with b.
func (b BranchList) Clone() BranchList {
	b.Names = slices.Clone(b.Names)
	return b
}

// BranchPage is a part of the branches of a repository. The default branch, if
// it is among those that match, comes first.
type BranchPage struct {
	Names   []string
	Default string // "" when it is not known
	More    bool
}

// ValidRepository reports a name of the form owner/name, each part of letters,
// digits and "_.-", and neither "." nor "..".
func ValidRepository(s string) bool {
	owner, name, ok := strings.Cut(s, "/")
	for _, part := range []string{owner, name} {
		other := func(r rune) bool {
			return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("_.-", r)
		}
		ok = ok && part != "" && part != "." && part != ".." && !strings.ContainsFunc(part, other)
	}
	return ok
}

// Branches returns a page of the branches of a repository that an installation
// has access to. A list of the last ten minutes is returned as it is; an older
// one is refreshed first, and for a day returned all the same when that fails.
// With no list at all, a failure is ErrGitHubUnavailable or ErrRateLimited, and
// users.ErrNotFound if GitHub knows no such repository. It returns
// ErrRepository for what is no name, and users.ErrNotFound if there is no link.
func (s *Service) Branches(ctx context.Context, user users.ID, installationID, repository string, p Page) (BranchPage, error) {
	if !ValidRepository(repository) {
		return BranchPage{}, ErrRepository
	}
	link, err := s.store.Installation(ctx, user, installationID)
	if err != nil {
		return BranchPage{}, wrap("list branches", err)
	}
	folded := strings.ToLower(repository)
	b, err := s.storedBranches(ctx, link, folded)
	if err != nil {
		return BranchPage{}, wrap("list branches", err)
	}
	if !s.branchesFresh(b) {
		stale := b
		if b, err = s.refreshBranches(ctx, link, folded); err != nil {
			stored := !stale.RefreshedAt.IsZero()
			if !stored && errors.Is(err, users.ErrNotFound) {
				return BranchPage{}, users.ErrNotFound
			}
			if err := s.fallback(ctx, stored, err); err != nil {
				return BranchPage{}, wrap("list branches", err)
			}
			b = stale
		}
	}
	return b.page(p), nil
}

// page moves the default branch to the front and cuts a page out.
func (b BranchList) page(p Page) BranchPage {
	names := b.Names
	if i := slices.Index(names, b.Default); i > 0 {
		names = slices.Concat([]string{b.Default}, names[:i], names[i+1:])
	}
	part, more := cut(p, names, func(name string) string { return name })
	return BranchPage{Names: part, Default: b.Default, More: more}
}

// storedBranches returns the stored list; the zero list if there is none that
// may still be used.
func (s *Service) storedBranches(ctx context.Context, link Installation, repository string) (BranchList, error) {
	b, err := s.store.Branches(ctx, link.ID, repository)
	if errors.Is(err, users.ErrNotFound) || err == nil && !b.ExpiresAt.After(s.now()) {
		return BranchList{}, nil
	}
	return b, err
}

func (s *Service) branchesFresh(b BranchList) bool {
	return !b.RefreshedAt.IsZero() && s.now().Sub(b.RefreshedAt) < branchesFresh
}

// refreshBranches asks GitHub and stores the answer, once for all who ask at the
// same time.
func (s *Service) refreshBranches(ctx context.Context, link Installation, repository string) (BranchList, error) {
	ctx, cancel := s.patient(ctx)
	defer cancel()
	var b BranchList
	done := func(ctx context.Context) (ok bool, err error) {
		b, err = s.storedBranches(ctx, link, repository)
		return err == nil && s.branchesFresh(b), err
	}
	err := s.alone(ctx, "branches/"+link.ID.String()+"/"+repository, done, func(ctx context.Context) error {
		var err error
		if b, err = s.fetchBranches(ctx, link, repository, b); err != nil {
			return err
		}
		ctx, cancel := kept(ctx)
		defer cancel()
		return s.store.UpdateIntegrations(ctx, func(tx Tx) error { return tx.SaveBranches(ctx, b) })
	})
	return b, err
}

// fetchBranches returns what follows old. A default branch that cannot be asked
// for stays if it still exists.
func (s *Service) fetchBranches(ctx context.Context, link Installation, repository string, old BranchList) (BranchList, error) {
	now := s.now()
	b := BranchList{LinkID: link.ID, Repository: repository, RefreshedAt: now, ExpiresAt: now.Add(branchesLife)}
	err := s.withToken(ctx, link, func(token users.Secret) (err error) {
		b.Names, err = s.config.Provider.Branches(ctx, token, repository)
		if failed(err, Missing) { // the repository; a missing installation has no token
			err = fmt.Errorf("%w: %w", users.ErrNotFound, err)
		}
		return err
	})
	if err != nil {
		return BranchList{}, err
	}
	if old.Default != "" && now.Sub(old.DefaultAt) < defaultLife {
		b.Default, b.DefaultAt = old.Default, old.DefaultAt
	} else {
		err := s.withToken(ctx, link, func(token users.Secret) (err error) {
			b.Default, err = s.config.Provider.DefaultBranch(ctx, token, repository)
			return err
		})
		if err != nil && !outside(err) {
			return BranchList{}, err
		}
		if b.DefaultAt = now; err != nil {
			s.config.Logger.WarnContext(ctx, "default branch not read", slog.Any("error", err))
			b.Default, b.DefaultAt = old.Default, old.DefaultAt
		}
	}
	if !slices.Contains(b.Names, b.Default) {
		b.Default, b.DefaultAt = "", time.Time{}
	}
	return b, nil
}
