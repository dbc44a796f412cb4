package integrations

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/google/uuid"

	"github.com/hedgerow-dev/hedgerow/users"
)

// defaultLifetime is that of an installation token whose expiry cannot be read,
// contract section 8, step 10.
const defaultLifetime = time.Hour

// Sealer encrypts what must be read back before a store sees it. What was sealed
// for one place opens in no other. stale says that an old key did it.
// Implementations are safe for concurrent use; auth.Sealer is one.
type Sealer interface {
	Seal(plain []byte, place string) []byte
	Open(sealed []byte, place string) (plain []byte, stale bool, err error)
}

// errSealed says that tokens cannot be decrypted.
var errSealed = errors.New("sealed tokens cannot be opened")

// tokens are the secrets of a link. They exist as plain text only while they
// are used, and are strings because they are written as JSON.
type tokens struct {
	Installation string `json:"access_token"`
	User         string `json:"user_access_token"`
	Refresh      string `json:"user_refresh_token"`
}

// place binds sealed tokens to their row and field.
func (i Installation) place() string {
	return fmt.Sprintf("installations/%d/%s/tokens", i.UserID, i.InstallationID)
}

// seal puts the tokens into the link.
func (s *Service) seal(i *Installation, t tokens) error {
	plain, err := json.Marshal(t)
	if err != nil {
		return errSealed // the reason could quote what is sealed
	}
	i.Sealed = s.sealer.Seal(plain, i.place())
	return nil
}

// open returns the tokens of a link, and whether they should be sealed again.
func (s *Service) open(i Installation) (t tokens, stale bool, err error) {
	plain, stale, err := s.sealer.Open(i.Sealed, i.place())
	if err != nil {
		return tokens{}, false, fmt.Errorf("%w: %w", errSealed, err)
	}
	if json.Unmarshal(plain, &t) != nil {
		return tokens{}, false, errSealed // the reason would quote what was sealed
	}
	return t, stale, nil
}

// setToken records what is known about an installation token.
func (i *Installation) setToken(t InstallationToken, now time.Time) {
	i.TokenRefreshedAt, i.TokenLifetime = now, defaultLifetime
	if !t.ExpiresAt.IsZero() {
		i.TokenLifetime = max(t.ExpiresAt.Sub(now).Truncate(time.Second), time.Second)
	}
	i.UnavailableSince = time.Time{}
}

// setUserToken records what is known about a pair of user tokens.
func (i *Installation) setUserToken(t UserToken, now time.Time) {
	i.UserTokenRefreshedAt = now
	i.UserTokenExpiresAt, i.RefreshTokenExpiresAt = after(now, t.ExpiresIn), after(now, t.RefreshExpiresIn)
}

// after is zero for a lifetime of zero, which means "does not expire".
func after(now time.Time, life time.Duration) time.Time {
	if life <= 0 {
		return time.Time{}
	}
	return now.Add(life).Truncate(time.Microsecond)
}

// reread returns a link as it is now, with its tokens, which it seals again if an
// old key did it. One that is gone, or was linked anew under another ID, is
// users.ErrNotFound.
func (s *Service) reread(ctx context.Context, link Installation) (Installation, tokens, error) {
	i, err := same(ctx, s.store, link)
	if err != nil {
		return Installation{}, tokens{}, err
	}
	t, stale, err := s.open(i)
	if err == nil && stale {
		return s.change(ctx, link, func(*Installation, *tokens) (bool, error) { return true, nil })
	}
	return i, t, err
}

func same(ctx context.Context, r Reader, link Installation) (Installation, error) {
	i, err := r.Installation(ctx, link.UserID, link.InstallationID)
	if err == nil && i.ID != link.ID {
		return Installation{}, users.ErrNotFound
	}
	return i, err
}

// change rewrites a link in a transaction. fn gets the link and its tokens as
// they are then, and reports whether it changed them.
func (s *Service) change(ctx context.Context, link Installation, fn func(i *Installation, t *tokens) (bool, error)) (i Installation, t tokens, err error) {
	err = s.store.UpdateIntegrations(ctx, func(tx Tx) error {
		if i, err = same(ctx, tx, link); err != nil {
			return err
		}
		if t, _, err = s.open(i); err != nil {
			return err
		}
		changed, err := fn(&i, &t)
		if err != nil || !changed {
			return err
		}
		i.UpdatedAt = s.now()
		if err := s.seal(&i, t); err != nil {
			return err
		}
		return tx.SaveInstallation(ctx, i)
	})
	return i, t, err
}

// installationToken returns the token to call GitHub with, contract section 12.
// It is renewed when it is past half of its life; if that fails, the stored one
// is still used. bad is a token that GitHub has refused, or "".
func (s *Service) installationToken(ctx context.Context, link Installation, bad string) (string, error) {
	var usable string
	done := func(ctx context.Context) (bool, error) {
		i, t, err := s.reread(ctx, link)
		usable = t.Installation
		return err == nil && usable != "" && usable != bad && !i.tokenStale(s.now()), err
	}
	if ok, err := done(ctx); ok || err != nil {
		return usable, err
	}
	err := s.alone(ctx, "token/"+link.ID.String(), done, func(ctx context.Context) error { return s.mint(ctx, link) })
	if err != nil && bad == "" && usable != "" && ctx.Err() == nil {
		s.config.Logger.WarnContext(ctx, "installation token not renewed", slog.Any("error", err))
		return usable, nil
	}
	if err == nil {
		_, err = done(ctx)
	}
	return usable, err
}

// mint renews the installation token of a link. GitHub's word that the
// installation is gone or suspended marks the link, and nothing else does.
func (s *Service) mint(ctx context.Context, link Installation) error {
	if s.config.Provider == nil {
		return &Failure{Kind: NotConfigured, Call: "mint installation token"}
	}
	minted, mintErr := s.config.Provider.MintToken(ctx, link.InstallationID)
	gone := failed(mintErr, Missing, Suspended)
	if mintErr != nil && !gone {
		return mintErr
	}
	ctx, cancel := kept(ctx)
	defer cancel()
	_, _, err := s.change(ctx, link, func(i *Installation, t *tokens) (bool, error) {
		if !gone {
			i.setToken(minted, s.now())
			t.Installation = string(minted.Token)
			return true, nil
		}
		i.TokenRefreshedAt, i.TokenLifetime = time.Time{}, 0
		if i.UnavailableSince.IsZero() {
			i.UnavailableSince = s.now()
		}
		return true, nil
	})
	return errors.Join(mintErr, err)
}

// withToken makes a call with the installation token of a link. A token that
// GitHub refuses is renewed once, and the call repeated once.
func (s *Service) withToken(ctx context.Context, link Installation, call func(token users.Secret) error) error {
	if s.config.Provider == nil {
		return &Failure{Kind: NotConfigured, Call: "call GitHub"}
	}
	token, err := s.installationToken(ctx, link, "")
	if err != nil {
		return err
	}
	err = call(users.Secret(token))
	if !failed(err, Unauthorized) {
		return err
	}
	if token, err = s.installationToken(ctx, link, token); err != nil {
		return err
	}
	return call(users.Secret(token))
}

// InstallationToken returns a token to call GitHub with as the App, in the
// installation that a user has linked. It is renewed when it is past half of its
// life; when that fails, the one that is stored comes back. With none, a failure is
// ErrGitHubUnavailable or ErrRateLimited. It returns users.ErrNotFound if there is
// no link.
func (s *Service) InstallationToken(ctx context.Context, user users.ID, installationID string) (users.Secret, error) {
	link, err := s.store.Installation(ctx, user, installationID)
	if err != nil {
		return "", fmt.Errorf("read installation token: %w", err)
	}
	token, err := s.installationToken(ctx, link, "")
	if err != nil {
		return "", fmt.Errorf("read installation token: %w", refusal(err))
	}
	if token == "" {
		return "", fmt.Errorf("read installation token: %w", ErrGitHubUnavailable)
	}
	return users.Secret(token), nil
}

// UserToken returns a token to call GitHub with in the user's name, renewed when
// it is past half of its life. A user whom GitHub has told for good that the
// authorization has ended, or whose refresh token has expired, loses the link:
// ErrRelink. A renewal that fails for another reason is ErrGitHubUnavailable or
// ErrRateLimited and changes nothing. It returns users.ErrNotFound if there is
// no link.
func (s *Service) UserToken(ctx context.Context, user users.ID, installationID string) (users.Secret, error) {
	link, err := s.store.Installation(ctx, user, installationID)
	if err != nil {
		return "", fmt.Errorf("read user token: %w", err)
	}
	var usable string
	done := func(ctx context.Context) (bool, error) {
		i, t, err := s.reread(ctx, link)
		if err != nil {
			return false, err
		}
		if s.spent(i, t) {
			return false, s.discard(ctx, link, s.spent)
		}
		usable = t.User
		return !i.userTokenStale(s.now()), nil
	}
	if ok, err := done(ctx); err != nil {
		return "", fmt.Errorf("read user token: %w", refusal(err))
	} else if ok {
		return users.Secret(usable), nil
	}
	// The caller going away must not lose the only copy of a new pair.
	work, cancel := s.patient(context.WithoutCancel(ctx))
	defer cancel()
	err = s.alone(work, "user-token/"+link.ID.String(), done, func(ctx context.Context) error { return s.renewUserToken(ctx, link) })
	if err == nil {
		_, err = done(ctx)
	}
	if err != nil {
		return "", fmt.Errorf("read user token: %w", refusal(err))
	}
	return users.Secret(usable), nil
}

// spent reports tokens that can neither be used nor renewed, contract section
// 12: even a good access token does not help once the refresh token has expired.
func (s *Service) spent(i Installation, t tokens) bool {
	expired := !i.RefreshTokenExpiresAt.IsZero() && s.now().After(i.RefreshTokenExpiresAt)
	return t.User == "" || expired || t.Refresh == "" && i.userTokenStale(s.now())
}

// renewUserToken trades the refresh token, which GitHub takes once, and stores
// the new pair before anybody uses it.
func (s *Service) renewUserToken(ctx context.Context, link Installation) error {
	_, old, err := s.reread(ctx, link)
	if err != nil {
		return err
	}
	if s.config.Provider == nil {
		return &Failure{Kind: NotConfigured, Call: "renew user token"}
	}
	renewed, err := s.config.Provider.RefreshUserToken(ctx, users.Secret(old.Refresh))
	ctx, cancel := kept(ctx)
	defer cancel()
	if failed(err, Final) {
		return s.discard(ctx, link, func(_ Installation, t tokens) bool { return t.Refresh == old.Refresh })
	} else if err != nil {
		return err
	}
	_, _, err = s.change(ctx, link, func(i *Installation, t *tokens) (bool, error) {
		if t.Refresh != old.Refresh {
			return false, nil // linked again meanwhile
		}
		i.setUserToken(renewed, s.now())
		t.User = string(renewed.AccessToken)
		if renewed.RefreshToken != "" {
			t.Refresh = string(renewed.RefreshToken)
		}
		return true, nil
	})
	return err
}

// discard deletes a link if that is still so, and then returns ErrRelink.
func (s *Service) discard(ctx context.Context, link Installation, so func(Installation, tokens) bool) error {
	gone := false
	err := s.store.UpdateIntegrations(ctx, func(tx Tx) error {
		i, err := same(ctx, tx, link)
		if err != nil {
			return err
		}
		t, _, err := s.open(i)
		if err != nil {
			return err
		}
		if gone = so(i, t); !gone {
			return nil
		}
		return s.unlink(ctx, tx, byGitHub, i)
	})
	if err == nil && gone {
		return ErrRelink
	}
	return err
}

// resealPage is how many links Reseal reads at a time.
const resealPage = 100

// Reseal encrypts by the first key whatever an older one has encrypted, and
// returns how many links that were. When it returns no error, old keys can be
// dropped ten minutes later: links that are being made hold secrets that long.
func (s *Service) Reseal(ctx context.Context) (int, error) {
	var after uuid.UUID
	var broken error
	n := 0
	for {
		page, err := s.store.Installations(ctx, Query{After: after, Limit: resealPage})
		if err != nil {
			return n, fmt.Errorf("reseal: %w", err)
		}
		for _, i := range page {
			after = i.ID
			_, stale, err := s.open(i)
			if err == nil && stale {
				_, _, err = s.change(ctx, i, func(*Installation, *tokens) (bool, error) { return true, nil })
				n++
			}
			if err != nil && !errors.Is(err, users.ErrNotFound) {
				broken = errors.Join(broken, fmt.Errorf("reseal link %s: %w", i.ID, err))
			}
		}
		if len(page) < resealPage {
			return n, broken
		}
	}
}
