package auth

import (
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/hedgerow-dev/hedgerow/users"
)

const (
	// pendingLifetime is how long a login waits for its second step, and
	// PendingKept how long it is remembered that there was one, so that the answer
	// can tell too late from never (contract section 11.1).
	pendingLifetime = 600 * time.Second
	PendingKept     = 2 * pendingLifetime
	// RememberLifetime is how long a device skips the second step, contract
	// section 11.1.
	RememberLifetime = 30 * 24 * time.Hour
	// maxPending logins and maxRemembered devices of one user; the oldest give way.
	maxPending    = 10
	maxRemembered = 25

	// Wrong codes bar further ones for firstBackOff, doubling up to maxBackOff
	// (contract section 10.1). At the most that is 96 codes a day, each good for
	// three of a million.
	firstBackOff = 2 * time.Second
	maxBackOff   = 15 * time.Minute
)

// passwordMark ties a pending login to the password of the time.
func passwordMark(u users.User) []byte {
	sum := sha256.Sum256([]byte(u.PasswordHash))
	return sum[:]
}

// addPending makes a login wait for its second step under the secret of the
// session that it would have started.
func (s *Service) addPending(ctx context.Context, tx Tx, u users.User, session Session) error {
	now := s.now()
	data := append(passwordMark(u), session.Method...)
	return addTicket(ctx, tx, Ticket{
		Purpose: PendingLogin, Hash: session.Hash, UserID: u.ID, Data: data, CreatedAt: now, ExpiresAt: now.Add(PendingKept),
	}, maxPending)
}

// readPending splits the data of a pending login.
func readPending(t Ticket) (mark []byte, method string) {
	n := min(len(t.Data), sha256.Size)
	return t.Data[:n], string(t.Data[n:])
}

// IsPending reports whether a cookie's value stands for a login that waits, or
// waited until shortly, for its second step.
func (s *Service) IsPending(ctx context.Context, token users.Secret) (bool, error) {
	_, err := s.store.Ticket(ctx, PendingLogin, hashOf(token))
	if errors.Is(err, users.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// remembers reports whether one of these secrets is of a device that u chose to
// remember.
func (s *Service) remembers(ctx context.Context, r Reader, u users.User, secrets []users.Secret) (bool, error) {
	for _, secret := range secrets {
		ticket, err := r.Ticket(ctx, RememberedDevice, hashOf(secret))
		if err != nil && !errors.Is(err, users.ErrNotFound) {
			return false, err
		}
		if err == nil && ticket.UserID == u.ID && s.now().Before(ticket.ExpiresAt) {
			return true, nil
		}
	}
	return false, nil
}

// SecondStep is the code that completes a login.
type SecondStep struct {
	Pending users.Secret // what Login returned
	Code    users.Field[string]
	// UserAgent as the browser sent it.
	UserAgent string
}

// SignedIn is a completed login.
type SignedIn struct {
	User     uuid.UUID
	Session  users.Secret
	Remember users.Secret // lets later logins of the device skip the second step
}

// FinishLogin checks the second step of a login by authenticator or backup code,
// and starts the session. Spaces, hyphens and case of a code do not matter. It
// returns Err2FASession, Err2FAExpired, Err2FAMissing, Err2FAInvalid,
// Err2FATooManyAttempts and ErrThrottled.
func (s *Service) FinishLogin(ctx context.Context, r SecondStep) (SignedIn, error) {
	step, err := s.judgeStep(ctx, r)
	if err != nil {
		return SignedIn{}, fmt.Errorf("finish login: %w", err)
	}
	u, in, err := s.finish(ctx, step, r.UserAgent, s.takeStep)
	if err != nil {
		return SignedIn{}, fmt.Errorf("finish login: %w", err)
	}
	if step.backupSum != nil {
		s.send(ctx, BackupCodeUsed{To: recipient(u), Remaining: step.remaining})
	}
	s.remindToVerify(ctx, u)
	return in, nil
}

// finish starts the session of a login whose second step take accepts.
func (s *Service) finish(
	ctx context.Context, st *step, userAgent string, take func(context.Context, Tx, *step) (u users.User, refused, err error),
) (users.User, SignedIn, error) {
	session, token, err := s.newSession(st.user, userAgent)
	if err != nil {
		return users.User{}, SignedIn{}, err
	}
	session.Method, session.SecondFactor = st.method, true
	remember, err := s.newToken()
	if err != nil {
		return users.User{}, SignedIn{}, err
	}
	var u users.User
	var refused error // stored, and so no reason to roll back; what fails comes before it
	err = s.store.UpdateAuth(ctx, func(tx Tx) (err error) {
		if u, refused, err = take(ctx, tx, st); err != nil || refused != nil {
			return err
		}
		return s.grant(ctx, tx, u, session, remember)
	})
	return u, SignedIn{User: u.UUID, Session: token, Remember: remember}, cmp.Or(err, refused)
}

// step is a second step on its way: by a code or, if there is a response, by a
// passkey.
type step struct {
	pending   Hash
	user      users.ID
	method    string // of the login that waits
	response  []byte
	code      string
	backupSum []byte // hash of code, when that may be a backup code
	remaining int    // backup codes that are left
}

// openStep finds the login that waits, and counts the try.
func (s *Service) openStep(ctx context.Context, pending users.Secret) (*step, error) {
	st := &step{pending: hashOf(pending)}
	ticket, err := s.store.Ticket(ctx, PendingLogin, st.pending)
	if errors.Is(err, users.ErrNotFound) {
		return nil, Err2FASession
	} else if err != nil {
		return nil, err
	}
	st.user = ticket.UserID
	_, st.method = readPending(ticket)
	if err := s.allow(ctx, "second-step:"+id(st.user), s.config.SecondSteps); err != nil {
		return nil, err
	}
	return st, s.checkWait(ticket)
}

// checkWait returns Err2FAExpired for a login that has waited too long.
func (s *Service) checkWait(pending Ticket) error {
	if s.now().After(pending.CreatedAt.Add(pendingLifetime)) {
		return Err2FAExpired
	}
	return nil
}

// judgeStep does what a transaction is too short for: it counts the try, refuses
// what is no code, and hashes a backup code.
func (s *Service) judgeStep(ctx context.Context, r SecondStep) (*step, error) {
	st, err := s.openStep(ctx, r.Pending)
	if err != nil {
		return nil, err
	}
	st.code = normalCode(r.Code)
	if !r.Code.Set || r.Code.Null || r.Code.Err == nil && st.code == "" {
		return nil, Err2FAMissing
	}
	if !mayBeBackupCode(st.code) {
		return st, nil
	}
	f, err := s.store.SecondFactor(ctx, st.user)
	if errors.Is(err, users.ErrNotFound) {
		return st, nil
	} else if err != nil {
		return nil, err
	}
	if err := s.barred(f); err != nil {
		return nil, err // before hashing
	}
	st.backupSum, err = s.hashLike(ctx, f, st.code)
	return st, err
}

// barred returns Err2FATooManyAttempts while wrong codes bar further ones.
func (s *Service) barred(f SecondFactor) error {
	if wait := f.BlockedUntil.Sub(s.now()); wait > 0 {
		e := *Err2FATooManyAttempts
		e.RetryAfter = wait
		return &e
	}
	return nil
}

// takeStep reads everything again and spends code and pending login, or counts a
// failure, which is refused without an error.
func (s *Service) takeStep(ctx context.Context, tx Tx, st *step) (u users.User, refused, err error) {
	if u, err = s.waiting(ctx, tx, st.pending); err != nil {
		return u, nil, err
	}
	f, err := tx.SecondFactor(ctx, u.ID)
	if errors.Is(err, users.ErrNotFound) {
		return u, Err2FAInvalid, nil // only passkeys count; there is nothing to guess
	} else if err != nil {
		return u, nil, err
	}
	if err := s.barred(f); err != nil {
		return u, nil, err
	}
	right, err := s.spend(&f, st)
	if err != nil {
		return u, nil, err
	}
	action := "second factor passed"
	if right {
		f.Failures, f.BlockedUntil = 0, time.Time{}
		err = tx.DeleteTicket(ctx, PendingLogin, st.pending)
	} else {
		refused, action = Err2FAInvalid, "second factor failed"
		f.BlockedUntil = s.now().Add(min(firstBackOff<<min(f.Failures, 20), maxBackOff))
		f.Failures++
	}
	if err != nil {
		return u, nil, err
	}
	if err := tx.SaveSecondFactor(ctx, f); err != nil {
		return u, nil, err
	}
	return u, refused, tx.AddEvent(ctx, s.users.Event(users.Actor{}, u.ID, action))
}

// waiting returns the user of a login that waits for its second step. One whose
// reason is gone is Err2FASession, and one that is too old Err2FAExpired.
func (s *Service) waiting(ctx context.Context, tx Tx, pending Hash) (users.User, error) {
	ticket, err := tx.Ticket(ctx, PendingLogin, pending)
	if errors.Is(err, users.ErrNotFound) {
		return users.User{}, Err2FASession
	} else if err != nil {
		return users.User{}, err
	}
	if err := s.checkWait(ticket); err != nil {
		return users.User{}, err
	}
	u, err := tx.User(ctx, ticket.UserID)
	if err != nil {
		return users.User{}, err
	}
	if mark, _ := readPending(ticket); !u.IsActive || !u.Is2FAEnabled() || subtle.ConstantTimeCompare(mark, passwordMark(u)) != 1 {
		return users.User{}, Err2FASession
	}
	return u, nil
}

// spend uses a code up and reports whether it was right.
func (s *Service) spend(f *SecondFactor, st *step) (bool, error) {
	if st.backupSum != nil {
		right := spendBackupCode(f, st.backupSum)
		st.remaining = len(f.BackupCodes)
		return right, nil
	}
	secret, stale, err := s.unseal(f.Secret, secretPlace(f.UserID))
	if err != nil {
		return false, err
	}
	at, right := matchTOTP(secret, st.code, s.now(), *f)
	if right {
		f.LastStep = at
	}
	if stale { // seal by the newest key
		f.Secret, err = s.seal(secret, secretPlace(f.UserID))
	}
	return right, err
}

// grant signs u in after its second step and remembers the device.
func (s *Service) grant(ctx context.Context, tx Tx, u users.User, session Session, remember users.Secret) error {
	err := addTicket(ctx, tx, Ticket{
		Purpose: RememberedDevice, Hash: hashOf(remember), UserID: u.ID, CreatedAt: session.CreatedAt, ExpiresAt: session.CreatedAt.Add(RememberLifetime),
	}, maxRemembered)
	if err != nil {
		return err
	}
	return s.signIn(ctx, tx, u, session)
}
