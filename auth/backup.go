package auth

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/hedgerow-dev/hedgerow/users"
)

const (
	maxBackupCodes  = 10
	backupCodeBytes = 5 // contract section 10.3; 8 characters in base 32
)

// normalCode is the one normalisation of codes that people type: without spaces
// and hyphens, in lower case. What is no text is no code.
func normalCode(f users.Field[string]) string {
	if f.Null || f.Err != nil {
		return ""
	}
	return strings.ToLower(strings.NewReplacer(" ", "", "-", "").Replace(f.Value))
}

// maxCode bounds what is worth hashing. The codes that we make have 8
// characters; those of imported accounts may have others.
const maxCode = 64

// mayBeBackupCode reports a code that is worth comparing with backup codes: not
// one of an authenticator, and not too long.
func mayBeBackupCode(code string) bool {
	digits := strings.Trim(code, "0123456789") == ""
	return code != "" && len(code) <= maxCode && !(digits && len(code) == 6)
}

// CreateBackupCodes makes ten new backup codes, which cannot be read again, in
// place of any earlier ones. It returns Err2FANotEnabled for a caller without a
// confirmed authenticator, and ErrThrottled.
func (s *Service) CreateBackupCodes(ctx context.Context, p Principal) ([]users.Secret, error) {
	if !p.User.HasTOTP {
		return nil, Err2FANotEnabled // before hashing
	}
	if err := s.allow(ctx, "backup-codes:"+id(p.Actor.ID), codeSets); err != nil {
		return nil, fmt.Errorf("create backup codes: %w", err)
	}
	codes := make([]users.Secret, maxBackupCodes)
	for i := range codes {
		b := make([]byte, backupCodeBytes)
		if _, err := io.ReadFull(s.config.Rand, b); err != nil {
			return nil, fmt.Errorf("create backup codes: read randomness: %w", err)
		}
		codes[i] = users.Secret(strings.ToLower(base32Text.EncodeToString(b)))
	}
	hashes, err := s.hashCodes(ctx, codes)
	if err != nil {
		return nil, fmt.Errorf("create backup codes: %w", err)
	}
	err = s.store.UpdateAuth(ctx, func(tx Tx) error {
		u, err := liveUser(ctx, tx, p)
		if err != nil {
			return err
		}
		f, err := tx.SecondFactor(ctx, u.ID)
		if errors.Is(err, users.ErrNotFound) {
			return Err2FANotEnabled
		} else if err != nil {
			return err
		}
		f.BackupCodes = hashes
		if err := tx.SaveSecondFactor(ctx, f); err != nil {
			return err
		}
		return tx.AddEvent(ctx, s.users.Event(p.Actor, u.ID, "backup codes created"))
	})
	if err != nil {
		return nil, fmt.Errorf("create backup codes: %w", err)
	}
	return codes, nil
}

// hashCodes hashes a set of codes with one salt.
func (s *Service) hashCodes(ctx context.Context, codes []users.Secret) ([]users.Secret, error) {
	if len(codes) == 0 {
		return nil, nil
	}
	salt := make([]byte, saltBytes)
	if _, err := io.ReadFull(s.config.Rand, salt); err != nil {
		return nil, fmt.Errorf("read randomness: %w", err)
	}
	release, err := s.hasher.slot(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	hashes := make([]users.Secret, len(codes))
	for i, code := range codes {
		hashes[i] = s.hasher.hashSalted(string(code), salt)
	}
	return hashes, nil
}

// hashLike hashes a code as the codes of f are hashed. It returns nil if f has
// none left.
func (s *Service) hashLike(ctx context.Context, f SecondFactor, code string) ([]byte, error) {
	if len(f.BackupCodes) == 0 {
		return nil, nil
	}
	p, ok := parsePHC(f.BackupCodes[0])
	if !ok {
		return nil, errors.New("a backup code is not stored as a hash")
	}
	release, err := s.hasher.slot(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	return p.derive(code), nil
}

// spendBackupCode removes the code with this sum from f and reports whether
// there was one. Another set than the sum was made for has another salt, so
// nothing in it matches.
func spendBackupCode(f *SecondFactor, sum []byte) bool {
	found := -1
	for i, stored := range f.BackupCodes {
		if p, ok := parsePHC(stored); ok && subtle.ConstantTimeCompare(p.sum, sum) == 1 {
			found = i
		}
	}
	if found < 0 {
		return false
	}
	f.BackupCodes = append(f.BackupCodes[:found:found], f.BackupCodes[found+1:]...)
	return true
}
