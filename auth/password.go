package auth

import (
	"context"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"io"
	"runtime"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"

	"github.com/hedgerow-dev/hedgerow/auth/internal/zxcvbn"
	"github.com/hedgerow-dev/hedgerow/users"
)

// Cost is what one password hash costs. The zero Cost is 19 MiB and 2 passes,
// the OWASP recommendation for argon2id with one lane.
type Cost struct {
	KiB    uint32 // at least 8
	Passes uint32 // at least 1
}

const (
	saltBytes = 16 // RFC 9106 §3.1
	hashBytes = 32
	hashLanes = 1

	// A stored hash may ask for at most this much: an imported row must not be
	// able to exhaust the machine.
	maxKiB    = 256 << 10
	maxPasses = 16
	maxLanes  = 16

	// slotWait is how long a caller waits for others to finish hashing.
	slotWait = 2 * time.Second
)

// hasher hashes passwords, as many at once as there are processors: more would
// only cost memory.
type hasher struct {
	cost  Cost
	rand  io.Reader
	slots chan struct{}

	ballast ballast
}

func newHasher(cost Cost, random io.Reader) *hasher {
	if cost == (Cost{}) {
		cost = Cost{KiB: 19456, Passes: 2}
	}
	return &hasher{cost: cost, rand: random, slots: make(chan struct{}, runtime.NumCPU())}
}

// slot waits for the right to hash. Failures are counted before release is
// called, so that parallel guesses overshoot a limit by the number of slots at
// most.
func (h *hasher) slot(ctx context.Context) (release func(), err error) {
	t := time.NewTimer(slotWait)
	defer t.Stop()
	select {
	case h.slots <- struct{}{}:
		return func() { <-h.slots }, nil
	case <-t.C:
		return nil, throttled(time.Second)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// hash needs a slot.
func (h *hasher) hash(password string) (users.Secret, error) {
	salt := make([]byte, saltBytes)
	if _, err := io.ReadFull(h.rand, salt); err != nil {
		return "", fmt.Errorf("read randomness: %w", err)
	}
	return h.hashSalted(password, salt), nil
}

// hashSalted needs a slot.
func (h *hasher) hashSalted(password string, salt []byte) users.Secret {
	sum := argon2.IDKey([]byte(password), salt, h.cost.Passes, h.cost.KiB, hashLanes, hashBytes)
	return phc{h.cost.KiB, h.cost.Passes, hashLanes, salt, sum}.text()
}

// costPrefix is how hashes of a cost begin (PHC string format).
func costPrefix(kib, passes uint32, lanes uint8) string {
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$", argon2.Version, kib, passes, lanes)
}

// outdated reports whether a stored hash has another cost than new ones.
func (h *hasher) outdated(stored users.Secret) bool {
	return !strings.HasPrefix(string(stored), costPrefix(h.cost.KiB, h.cost.Passes, hashLanes))
}

// phc is a stored hash in its parts.
type phc struct {
	kib, passes uint32
	lanes       uint8
	salt, sum   []byte
}

// parsePHC reads what hash wrote, or what was imported and costs no more than
// is bearable. Only the one spelling is taken: Sscanf and the base64 decoder would
// pass over line breaks and what follows a number.
func parsePHC(stored users.Secret) (p phc, ok bool) {
	parts := strings.Split(string(stored), "$")
	if len(parts) != 6 || parts[0] != "" || parts[1] != "argon2id" {
		return phc{}, false
	}
	_, perr := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &p.kib, &p.passes, &p.lanes)
	var serr, werr error
	p.salt, serr = base64.RawStdEncoding.DecodeString(parts[4])
	p.sum, werr = base64.RawStdEncoding.DecodeString(parts[5])
	return p, perr == nil && serr == nil && werr == nil && p.text() == stored && len(p.sum) >= 16 && len(p.sum) <= 64 &&
		p.kib <= maxKiB && p.passes >= 1 && p.passes <= maxPasses && p.lanes >= 1 && p.lanes <= maxLanes
}

// text is the hash as it is stored, a PHC string.
func (p phc) text() users.Secret {
	return users.Secret(costPrefix(p.kib, p.passes, p.lanes) + base64.RawStdEncoding.EncodeToString(p.salt) + "$" + base64.RawStdEncoding.EncodeToString(p.sum))
}

// derive hashes another password at the same cost and with the same salt. It
// needs a slot.
func (p phc) derive(password string) []byte {
	return argon2.IDKey([]byte(password), p.salt, p.passes, p.kib, p.lanes, uint32(len(p.sum)))
}

// matches needs a slot. It hashes once at the current cost even if nothing is
// stored, and does the work of a hash made elsewhere if there are any, so that time
// does not tell whether there is an account.
func (h *hasher) matches(stored users.Secret, password string) bool {
	f, imported := parseForeign(stored)
	if imported && f.matches(password) {
		return true
	}
	if p, ok := parsePHC(stored); ok {
		if subtle.ConstantTimeCompare(p.derive(password), p.sum) == 1 {
			return true
		}
	} else {
		argon2.IDKey([]byte(password), make([]byte, saltBytes), h.cost.Passes, h.cost.KiB, hashLanes, hashBytes)
	}
	h.ballast.missing(f.work).spend(password, f.work)
	return false
}

// checkStrength applies contract section 8.3 and refuses what an attacker
// would try first for this user. password is trimmed.
func (s *Service) checkStrength(u users.User, password string) error {
	const name = "password"
	if utf8.RuneCountInString(password) < s.config.MinPasswordLength {
		return invalid(name, "invalid_input", fmt.Sprintf("A password has at least %d characters.", s.config.MinPasswordLength))
	}
	local, _, _ := strings.Cut(u.Email, "@")
	pending, _, _ := strings.Cut(u.PendingEmail, "@")
	for _, word := range []string{u.Email, local, u.PendingEmail, pending, u.FirstName, u.LastName, u.FirstName + " " + u.LastName, u.FirstName + u.LastName} {
		if strings.EqualFold(password, word) {
			return invalid(name, "invalid_input", "This password is too close to your name or address.")
		}
	}
	if zxcvbn.Common(password) || zxcvbn.Score(password) < s.config.MinPasswordScore {
		return invalid(name, "invalid_input", "This password is too easy to guess.")
	}
	return nil
}

// HashPassword hashes a password at the configured cost, without checking its
// strength. It returns ErrThrottled when too many others are being hashed.
func (s *Service) HashPassword(ctx context.Context, password string) (users.Secret, error) {
	release, err := s.hasher.slot(ctx)
	if err != nil {
		return "", err
	}
	defer release()
	return s.hasher.hash(strings.TrimSpace(password))
}
