package auth

import (
	"bytes"
	"context"
	"encoding/base32"
	"errors"
	"fmt"
	"image/png"
	"io"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/pquerna/otp"
	"github.com/pquerna/otp/hotp"
	"github.com/pquerna/otp/totp"

	"github.com/hedgerow-dev/hedgerow/users"
)

const (
	totpSecretBytes = 20 // RFC 4226 §4 R6 recommends 160 bits
	totpStep        = 30 // seconds, RFC 6238 §5.2
	// totpTolerance is how many steps a code may be early or late, contract
	// section 10.1.
	totpTolerance = 1
	// setupLifetime is how long a set-up waits for its code, contract section
	// 8.10.
	setupLifetime = 600 * time.Second
	qrCodePixels  = 240
)

var base32Text = base32.StdEncoding.WithPadding(base32.NoPadding)

// Setup is what an authenticator app needs to know.
type Setup struct {
	Secret users.Secret // 32 base-32 characters
	// URL is the secret with the names of service and account (otpauth://).
	URL users.Secret
}

// QRCode returns the URL as a PNG image of 240 by 240 pixels, which apps scan.
func (s Setup) QRCode() ([]byte, error) {
	key, err := otp.NewKeyFromURL(string(s.URL))
	if err != nil {
		return nil, fmt.Errorf("draw QR code: %w", errors.Unwrap(err)) // the outer error repeats the URL
	}
	image, err := key.Image(qrCodePixels, qrCodePixels)
	if err != nil {
		return nil, fmt.Errorf("draw QR code: %w", err)
	}
	var b bytes.Buffer
	if err := png.Encode(&b, image); err != nil {
		return nil, fmt.Errorf("draw QR code: %w", err)
	}
	return b.Bytes(), nil
}

// setupHash names the set-up of a session, so that a newer one takes its place.
// Logins of the host have no session: theirs is one per user.
func setupHash(p Principal) Hash {
	return hashOf(users.Secret("totp:" + id(p.Actor.ID) + ":" + p.Session.ID.String()))
}

// The places that secrets are sealed for.
func setupPlace(user users.ID) string  { return "tickets/totp_setup/" + id(user) }
func secretPlace(user users.ID) string { return "second_factors/secret/" + id(user) }

func (s *Service) seal(plain []byte, place string) ([]byte, error) {
	if s.config.Sealer == nil {
		return nil, errors.New("no Sealer is configured")
	}
	return s.config.Sealer.Seal(plain, place), nil
}

// unseal is Sealer.Open.
func (s *Service) unseal(sealed []byte, place string) (plain []byte, stale bool, err error) {
	if s.config.Sealer == nil {
		return nil, false, errors.New("no Sealer is configured")
	}
	return s.config.Sealer.Open(sealed, place)
}

// StartTOTP makes the secret of a new authenticator, which waits ten minutes for
// ConfirmTOTP by the same session. It replaces an earlier one of the session and
// changes nothing else. Without Config.Sealer it fails.
func (s *Service) StartTOTP(ctx context.Context, p Principal) (Setup, error) {
	secret := make([]byte, totpSecretBytes)
	if _, err := io.ReadFull(s.config.Rand, secret); err != nil {
		return Setup{}, fmt.Errorf("start TOTP: read randomness: %w", err)
	}
	sealed, err := s.seal(secret, setupPlace(p.Actor.ID))
	if err != nil {
		return Setup{}, fmt.Errorf("start TOTP: %w", err)
	}
	now := s.now()
	ticket := Ticket{
		Purpose: TOTPSetup, Hash: setupHash(p), UserID: p.Actor.ID, Data: sealed, CreatedAt: now, ExpiresAt: now.Add(setupLifetime + time.Second),
	}
	err = s.store.UpdateAuth(ctx, func(tx Tx) error {
		if _, err := liveUser(ctx, tx, p); err != nil {
			return err
		}
		return tx.SaveTicket(ctx, ticket)
	})
	if err != nil {
		return Setup{}, fmt.Errorf("start TOTP: %w", err)
	}
	return s.setup(p.User.Email, secret)
}

func (s *Service) setup(account string, secret []byte) (Setup, error) {
	key, err := totp.Generate(totp.GenerateOpts{Issuer: s.config.Issuer, AccountName: account, Secret: secret})
	if err != nil {
		return Setup{}, fmt.Errorf("start TOTP: %w", err)
	}
	return Setup{Secret: users.Secret(base32Text.EncodeToString(secret)), URL: users.Secret(key.URL())}, nil
}

// ConfirmTOTP proves by a code that the authenticator of StartTOTP works, and
// makes it the caller's second factor in place of any other. The code is spent,
// the session counts as verified, and other sessions, remembered devices and
// pending logins of the user end. It returns ErrSetupExpired, ErrTokenInvalid,
// or an Invalid error for a missing token.
func (s *Service) ConfirmTOTP(ctx context.Context, p Principal, token users.Field[string]) error {
	var u users.User
	err := s.store.UpdateAuth(ctx, func(tx Tx) (err error) {
		if u, err = liveUser(ctx, tx, p); err != nil {
			return err
		}
		f, err := s.confirmed(ctx, tx, p, token)
		if err != nil {
			return err
		}
		u.HasTOTP = true
		if u, err = tx.SaveUser(ctx, u); err != nil {
			return err
		}
		if err := tx.SaveSecondFactor(ctx, f); err != nil {
			return err
		}
		if _, err := endSessions(ctx, tx, u.ID, p.Session.ID); err != nil {
			return err
		}
		if err := verifySession(ctx, tx, p); err != nil {
			return err
		}
		return tx.AddEvent(ctx, s.users.Event(p.Actor, u.ID, "second factor enabled"))
	})
	if err != nil {
		return fmt.Errorf("confirm TOTP: %w", err)
	}
	s.send(ctx, TwoFactorEnabled{To: recipient(u)})
	return nil
}

// confirmed is the second factor that a set-up and a code make.
func (s *Service) confirmed(ctx context.Context, tx Tx, p Principal, token users.Field[string]) (SecondFactor, error) {
	ticket, err := tx.Ticket(ctx, TOTPSetup, setupHash(p))
	now := s.now()
	if errors.Is(err, users.ErrNotFound) || err == nil && now.After(ticket.CreatedAt.Add(setupLifetime)) {
		return SecondFactor{}, ErrSetupExpired
	} else if err != nil {
		return SecondFactor{}, err
	}
	if !token.Set {
		return SecondFactor{}, missing("token")
	}
	secret, _, err := s.unseal(ticket.Data, setupPlace(p.Actor.ID))
	if err != nil {
		return SecondFactor{}, err
	}
	f := SecondFactor{UserID: p.Actor.ID, ConfirmedAt: now}
	step, ok := matchTOTP(secret, normalCode(token), now, f)
	if !ok {
		return SecondFactor{}, ErrTokenInvalid
	}
	f.LastStep, f.Drift = step, int(step-stepOf(now))
	f.Secret, err = s.seal(secret, secretPlace(p.Actor.ID))
	return f, err
}

// verifySession marks the caller's session, if it is one of ours, as having
// passed a second factor.
func verifySession(ctx context.Context, tx Tx, p Principal) error {
	if p.Session.Hash == (Hash{}) {
		return nil
	}
	session, err := liveSession(ctx, tx, p)
	if err != nil {
		return err
	}
	session.SecondFactor = true
	return tx.SaveSession(ctx, session)
}

func stepOf(t time.Time) int64 { return t.Unix() / totpStep }

// matchTOTP returns the step that a code is of, if it is near enough to now and
// was not used yet. It looks at the whole window, as two steps can share a code:
// the latest one counts.
func matchTOTP(secret []byte, code string, now time.Time, f SecondFactor) (step int64, ok bool) {
	text := base32Text.EncodeToString(secret)
	center := stepOf(now) + int64(f.Drift)
	for candidate := center - totpTolerance; candidate <= center+totpTolerance; candidate++ {
		// The error is about the length of the code.
		right, _ := hotp.ValidateCustom(code, uint64(candidate), text, hotp.ValidateOpts{Digits: otp.DigitsSix})
		if right && candidate > f.LastStep {
			step, ok = candidate, true
		}
	}
	return step, ok
}

// TOTPCode returns the code that an authenticator with this secret, in base 32,
// shows at a time: SHA-1, 6 digits, steps of 30 seconds (RFC 6238). It is for
// tests and command-line tools of the host.
func TOTPCode(secret users.Secret, at time.Time) (string, error) {
	code, err := hotp.GenerateCodeCustom(string(secret), uint64(stepOf(at)), hotp.ValidateOpts{Digits: otp.DigitsSix})
	if err != nil {
		return "", errors.New("make TOTP code: the secret is not base 32")
	}
	return code, nil
}

// NewTOTP makes the record of a confirmed authenticator with backup codes, for
// Tx.SaveSecondFactor; it is for hosts that import accounts. secret is in base 32,
// of at least 16 bytes. Backup codes are compared without spaces, hyphens and
// case; one of six digits is taken for a code of the authenticator. It returns
// an Invalid error for "secret" or "backup_codes". Whoever stores the record also
// sets HasTOTP of the user.
func (s *Service) NewTOTP(ctx context.Context, user users.ID, secret users.Secret, backupCodes []users.Secret) (SecondFactor, error) {
	plain, err := base32Text.DecodeString(strings.ToUpper(strings.TrimRight(string(secret), "=")))
	if err != nil || len(plain) < 16 || len(plain) > 64 { // RFC 4226 §4 R6 asks for 128 bits
		return SecondFactor{}, invalid("secret", "invalid_input", "The secret has 16 to 64 bytes in base 32.")
	}
	codes := make([]users.Secret, 0, len(backupCodes))
	for _, code := range backupCodes {
		normal := normalCode(users.Set(string(code)))
		if !mayBeBackupCode(normal) || len(backupCodes) > maxBackupCodes {
			return SecondFactor{}, invalid("backup_codes", "invalid_input", "There are at most 10 backup codes of 1 to 64 characters.")
		}
		codes = append(codes, users.Secret(normal))
	}
	f := SecondFactor{UserID: user, ConfirmedAt: s.now()}
	if f.BackupCodes, err = s.hashCodes(ctx, codes); err != nil {
		return SecondFactor{}, fmt.Errorf("make TOTP: %w", err)
	}
	if f.Secret, err = s.seal(plain, secretPlace(user)); err != nil {
		return SecondFactor{}, fmt.Errorf("make TOTP: %w", err)
	}
	return f, nil
}

// SaveTOTP stores what NewTOTP makes in place of any earlier one, and ends the
// sessions of the user; it is for hosts that import accounts. It returns
// users.ErrNotFound, and the errors of NewTOTP.
func (s *Service) SaveTOTP(ctx context.Context, user users.ID, secret users.Secret, backupCodes []users.Secret) error {
	f, err := s.NewTOTP(ctx, user, secret, backupCodes)
	if err != nil {
		return err
	}
	err = s.store.UpdateAuth(ctx, func(tx Tx) error {
		u, err := tx.User(ctx, user)
		if err != nil {
			return err
		}
		u.HasTOTP = true
		if _, err := tx.SaveUser(ctx, u); err != nil {
			return err
		}
		if err := tx.SaveSecondFactor(ctx, f); err != nil {
			return err
		}
		if _, err := endSessions(ctx, tx, user, uuid.Nil); err != nil {
			return err
		}
		return tx.AddEvent(ctx, s.users.Event(users.Actor{Credential: users.ByHost}, user, "second factor enabled"))
	})
	if err != nil {
		return fmt.Errorf("save TOTP: %w", err)
	}
	return nil
}

// TOTPSecret returns the secret of a user's authenticator in base 32; it is for
// hosts that export accounts. It returns users.ErrNotFound.
func (s *Service) TOTPSecret(ctx context.Context, user users.ID) (users.Secret, error) {
	f, err := s.store.SecondFactor(ctx, user)
	if err != nil {
		return "", fmt.Errorf("read TOTP secret: %w", err)
	}
	secret, _, err := s.unseal(f.Secret, secretPlace(user))
	if err != nil {
		return "", fmt.Errorf("read TOTP secret: %w", err)
	}
	return users.Secret(base32Text.EncodeToString(secret)), nil
}
