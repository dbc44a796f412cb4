package auth

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hedgerow-dev/hedgerow/users"
)

// Rate is how often something may happen within a sliding window. The zero
// Rate stands for the default of the place where it is configured; a negative
// Max switches the limit off.
type Rate struct {
	Max int
	Per time.Duration
}

func (r Rate) or(fallback Rate) Rate {
	if r.Max == 0 {
		return fallback
	}
	return r
}

// The limits that are not configurable: they are about guessing secrets.
var (
	accountFailures  = Rate{100, time.Hour}         // failed logins of one account, from anywhere
	passwordFailures = Rate{10, 15 * time.Minute}   // wrong current passwords of one account
	takenAddresses   = Rate{10, time.Hour}          // addresses of others that one user may hit upon
	passkeyLogins    = Rate{100, ChallengeLifetime} // sign-ins by passkey that one client address begins; each is stored
	stagedAddresses  = Rate{10, time.Hour}          // new addresses that one user may have mail sent to
	linkStarts       = Rate{30, time.Minute}        // integrations contract, section 7
	codeSets         = Rate{10, time.Minute}        // sets of backup codes, each of which costs ten password hashes
)

// lockFor is how long a client address stays locked out after too many failed
// logins, and how long a failure counts (contract section 11.1).
const lockFor = 10 * time.Minute

// AllowCredentialChange counts a request that carries a current password. It
// returns ErrThrottled when the user sent too many.
func (s *Service) AllowCredentialChange(ctx context.Context, user users.ID) error {
	return s.allow(ctx, "credential:"+id(user), s.config.CredentialChanges)
}

// AllowOnboardingSkip counts a request to skip onboarding. It returns
// ErrThrottled when the user sent too many.
func (s *Service) AllowOnboardingSkip(ctx context.Context, user users.ID) error {
	return s.allow(ctx, "onboarding:"+id(user), s.config.OnboardingSkips)
}

// Asker is who asks for a mail. The first member that is set is what the request
// is counted by (contract section 5).
type Asker struct {
	User   users.ID // the caller
	Email  string   // named in the request
	UUID   string   // named in the request
	Client string   // address; of IPv6 its /64 network counts
}

// key names the log of an asker. What the request says is hashed, so that the log
// names nobody and its keys are short.
func (a Asker) key() string {
	switch {
	case a.User != 0:
		return "user:" + id(a.User)
	case a.Email != "":
		return "email:" + hashText(users.FoldEmail(a.Email))
	case a.UUID != "":
		return "uuid:" + hashText(strings.ToLower(a.UUID))
	}
	return "client:" + network(a.Client)
}

// AllowVerificationMail counts a request for a verification mail. It returns
// ErrThrottled when there were too many.
func (s *Service) AllowVerificationMail(ctx context.Context, a Asker) error {
	return s.allow(ctx, "ask-"+string(VerifyEmailLink)+":"+a.key(), s.config.VerificationMails)
}

// AllowPasswordReset counts a request to reset a password by mail. It returns
// ErrThrottled when there were too many.
func (s *Service) AllowPasswordReset(ctx context.Context, a Asker) error {
	return s.allow(ctx, "ask-"+string(PasswordResetLink)+":"+a.key(), s.config.PasswordResets)
}

// AllowLinkStart counts a request to link an account elsewhere. It returns
// ErrThrottled when the user sent too many.
func (s *Service) AllowLinkStart(ctx context.Context, user users.ID) error {
	return s.allow(ctx, "link-start:"+id(user), linkStarts)
}

func id(user users.ID) string { return strconv.FormatInt(int64(user), 10) }

// allow is a sliding log: the request after Max accepted ones in the window is
// refused, and refused ones do not count. A full log is refused without a
// transaction, so hammering it costs one read.
func (s *Service) allow(ctx context.Context, key string, r Rate) error {
	if r.Max < 0 {
		return nil
	}
	if err := s.check(ctx, s.store, key, r); err != nil {
		return err
	}
	return s.store.UpdateAuth(ctx, func(tx Tx) error {
		if err := s.check(ctx, tx, key, r); err != nil {
			return err
		}
		return s.count(ctx, tx, key, r)
	})
}

// check returns ErrThrottled, with the time to wait, when the log is full.
func (s *Service) check(ctx context.Context, r Reader, key string, rate Rate) error {
	times, err := r.Attempts(ctx, key)
	if err != nil {
		return err
	}
	times = recent(times, s.now().Add(-rate.Per))
	if len(times) < rate.Max {
		return nil
	}
	// A slot is free when so many are gone that one fewer than Max remains.
	free := times[len(times)-rate.Max].Add(rate.Per)
	return throttled(max(free.Sub(s.now()), time.Second))
}

func throttled(after time.Duration) *users.Error {
	e := *ErrThrottled
	e.RetryAfter = after
	return &e
}

// count adds this moment to a log.
func (s *Service) count(ctx context.Context, tx Tx, key string, rate Rate) error {
	times, err := tx.Attempts(ctx, key)
	if err != nil {
		return err
	}
	now := s.now()
	times = append(recent(times, now.Add(-rate.Per)), now)
	if extra := len(times) - rate.Max; extra > 0 {
		times = times[extra:]
	}
	// The last one is not the latest if the clock was set back.
	return tx.SaveAttempts(ctx, key, times, slices.MaxFunc(times, time.Time.Compare).Add(rate.Per))
}

// record adds a failure to a log in a transaction of its own.
func (s *Service) record(ctx context.Context, key string, rate Rate) error {
	return s.store.UpdateAuth(ctx, func(tx Tx) error { return s.count(ctx, tx, key, rate) })
}

// recent drops what lies at or before since. Times in the future, left behind
// by a clock that was set back, stay.
func recent(times []time.Time, since time.Time) []time.Time {
	for len(times) > 0 && !times[0].After(since) {
		times = times[1:]
	}
	return times
}

// loginKeys are the logs of failed logins: of a client address and of an
// account, which need not exist. Addresses are hashed, so that the log names
// nobody.
func loginKeys(client, foldedEmail string) (address, account string) {
	return "login-client:" + network(client), "login-account:" + hashText(foldedEmail)
}

// network is what a client address counts as: an IPv6 address as its first 64 bits,
// since a host has all addresses of such a network (RFC 4291 §2.5.1), and any other
// text as itself.
func network(client string) string {
	addr, err := netip.ParseAddr(client)
	if err != nil || addr.Is4() {
		return client
	}
	if addr.Is4In6() {
		return addr.Unmap().String()
	}
	const hostBits = 64
	// The error is about a number of bits that the address does not have.
	p, _ := addr.WithZone("").Prefix(addr.BitLen() - hostBits)
	return p.String()
}

func hashText(text string) string {
	h := sha256.Sum256([]byte(text))
	return hex.EncodeToString(h[:])
}

// checkLogin returns ErrLockedOut for a locked client address, and ErrThrottled
// for an account with too many failures.
func (s *Service) checkLogin(ctx context.Context, address, account string) error {
	if err := s.checkAddress(ctx, address); err != nil {
		return err
	}
	return s.check(ctx, s.store, account, accountFailures)
}

// checkAddress returns ErrLockedOut for a locked client address.
func (s *Service) checkAddress(ctx context.Context, address string) error {
	if limit := s.config.LoginFailures; limit > 0 {
		times, err := s.store.Attempts(ctx, address)
		if err != nil {
			return err
		}
		if len(times) >= limit && times[len(times)-1].After(s.now().Add(-lockFor)) &&
			!times[len(times)-limit].Before(times[len(times)-1].Add(-lockFor)) {
			return ErrLockedOut
		}
	}
	return nil
}

// failLogin counts one failure for the client address and for the account, unless
// that is "", and logs it if the account exists; user is zero if not.
func (s *Service) failLogin(ctx context.Context, address, account string, user users.ID) error {
	return s.store.UpdateAuth(ctx, func(tx Tx) error {
		if user != 0 {
			if err := tx.AddEvent(ctx, s.users.Event(users.Actor{}, user, "login failed")); err != nil {
				return err
			}
		}
		if limit := s.config.LoginFailures; limit > 0 {
			if err := s.count(ctx, tx, address, Rate{limit, lockFor}); err != nil {
				return err
			}
		}
		if account == "" {
			return nil
		}
		return s.count(ctx, tx, account, accountFailures)
	})
}
