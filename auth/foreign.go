package auth

import (
	"crypto/pbkdf2"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/bcrypt"

	"github.com/hedgerow-dev/hedgerow/users"
)

// What a hash made elsewhere may ask for at most, each about a second: an imported
// row must not be able to exhaust the machine. Django asks for a million iterations,
// for 200 MiB of argon2 in two passes, and for a cost of 12.
const (
	maxIterations  = 2_000_000
	maxArgonWork   = 1 << 20 // KiB times passes
	maxBcryptCost  = 14
	maxForeignHash = 512 // bytes of its text
	maxForeignSalt = 128

	bcryptLength = 60 // of the text of a bcrypt hash
	bcryptDigits = "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
)

// work is what a hash made elsewhere costs, of which one kind is not zero.
type work struct {
	iterations int    // of PBKDF2
	argon      uint32 // KiB times passes
	lanes      uint8  // of argon
	bcryptCost int
}

// foreign is a password hash that a Django installation has made.
type foreign struct {
	work
	matches func(password string) bool
}

// parseForeign reads a hash that costs no more than is bearable.
func parseForeign(stored users.Secret) (f foreign, ok bool) {
	kind, rest, _ := strings.Cut(string(stored), "$")
	if len(stored) > maxForeignHash {
		return foreign{}, false
	}
	switch kind {
	case "pbkdf2_sha256":
		return parsePBKDF2(rest)
	case "argon2":
		return parseDjangoArgon2(rest)
	case "bcrypt_sha256":
		return parseBcrypt(rest)
	}
	return foreign{}, false
}

// parsePBKDF2 reads ITERATIONS$SALT$HASH, where the salt is text.
func parsePBKDF2(text string) (foreign, bool) {
	parts := strings.Split(text, "$")
	if len(parts) != 3 {
		return foreign{}, false
	}
	n, err := strconv.Atoi(parts[0])
	sum, sumErr := base64.StdEncoding.DecodeString(parts[2])
	spelled := fmt.Sprintf("%d$%s$%s", n, parts[1], base64.StdEncoding.EncodeToString(sum)) == text
	if err != nil || sumErr != nil || !spelled || n < 1 || n > maxIterations || parts[1] == "" || len(parts[1]) > maxForeignSalt || len(sum) != sha256.Size {
		return foreign{}, false
	}
	return foreign{work{iterations: n}, func(password string) bool {
		return subtle.ConstantTimeCompare(derivePBKDF2(password, parts[1], n), sum) == 1
	}}, true
}

// derivePBKDF2 fails in FIPS mode only, where it returns nothing.
func derivePBKDF2(password, salt string, iterations int) []byte {
	sum, err := pbkdf2.Key(sha256.New, password, []byte(salt), iterations, sha256.Size)
	if err != nil {
		return nil
	}
	return sum
}

// parseDjangoArgon2 reads a PHC string without the first dollar sign. Older
// versions of Django made argon2i.
func parseDjangoArgon2(text string) (foreign, bool) {
	kind, _, _ := strings.Cut(text, "$")
	derive := map[string]func(password, salt []byte, time, memory uint32, threads uint8, keyLen uint32) []byte{
		"argon2id": argon2.IDKey, "argon2i": argon2.Key,
	}[kind]
	p, ok := parsePHC(users.Secret("$argon2id" + strings.TrimPrefix(text, kind)))
	if !ok || derive == nil || p.kib*p.passes > maxArgonWork || p.kib < 8*uint32(p.lanes) {
		return foreign{}, false
	}
	return foreign{work{argon: p.kib * p.passes, lanes: p.lanes}, func(password string) bool {
		return subtle.ConstantTimeCompare(derive([]byte(password), p.salt, p.passes, p.kib, p.lanes, uint32(len(p.sum))), p.sum) == 1
	}}, true
}

// parseBcrypt reads a bcrypt hash. What was hashed is the SHA-256 of the password
// in hexadecimal digits.
func parseBcrypt(hash string) (foreign, bool) {
	cost, err := bcrypt.Cost([]byte(hash))
	if err != nil || len(hash) != bcryptLength || cost > maxBcryptCost {
		return foreign{}, false
	}
	// Cost reads the number where it ought to be, and passes over what is around it.
	digits, ok := strings.CutPrefix(hash, fmt.Sprintf("$2%c$%02d$", hash[2], cost))
	if !ok || !strings.Contains("aby", hash[2:3]) || strings.Trim(digits, bcryptDigits) != "" {
		return foreign{}, false
	}
	return foreign{work{bcryptCost: cost}, func(password string) bool { return matchesBcrypt(hash, password) }}, true
}

func matchesBcrypt(hash, password string) bool {
	sum := sha256.Sum256([]byte(password))
	return bcrypt.CompareHashAndPassword([]byte(hash), []byte(hex.EncodeToString(sum[:]))) == nil
}

// bcryptNobody is no password's hash.
func bcryptNobody(cost int) string {
	return fmt.Sprintf("$2b$%02d$%s", cost, strings.Repeat(".", bcryptLength-len("$2b$00$")))
}

// ballast is the most that hashes made elsewhere have asked for so far. Who tells
// one password after another by time must not learn which accounts have such a
// hash, and so exist: each password that is wrong costs as much.
type ballast struct {
	mu   sync.Mutex
	most work
}

// missing is what a comparison of this cost lacks to be as expensive as any, after
// it has been taken note of.
func (b *ballast) missing(done work) work {
	b.mu.Lock()
	defer b.mu.Unlock()
	m := &b.most
	m.iterations = max(m.iterations, done.iterations)
	m.argon, m.lanes = max(m.argon, done.argon), max(m.lanes, done.lanes)
	m.bcryptCost = max(m.bcryptCost, done.bcryptCost)
	return work{m.iterations - done.iterations, m.argon - done.argon, m.lanes, m.bcryptCost}
}

// spend does work for nothing. done is what has been done already.
func (m work) spend(password string, done work) {
	if m.iterations > 0 {
		derivePBKDF2(password, "ballast", m.iterations)
	}
	if m.argon > 0 {
		passes := 1 + m.argon/maxKiB
		argon2.IDKey([]byte(password), make([]byte, saltBytes), passes, max(m.argon/passes, 8*uint32(m.lanes)), m.lanes, hashBytes)
	}
	if m.bcryptCost == 0 || m.bcryptCost == done.bcryptCost {
		return
	}
	if done.bcryptCost == 0 {
		matchesBcrypt(bcryptNobody(m.bcryptCost), password)
	}
	// Each cost is twice the one before, so that these add up to what is missing.
	for cost := done.bcryptCost; cost > 0 && cost < m.bcryptCost; cost++ {
		matchesBcrypt(bcryptNobody(cost), password)
	}
}

// ParsePasswordHash checks a password hash that a Django installation has stored:
// pbkdf2_sha256, argon2 (argon2id or argon2i) or bcrypt_sha256. The result goes
// into users.User.PasswordHash; the first login replaces it by a hash of our own.
// It is "" for no password, or one that Django calls unusable ("!…"). What is of
// another kind, malformed, or asks for more than about a second of work is an
// Invalid error for the field "password".
func ParsePasswordHash(text users.Secret) (users.Secret, error) {
	if text == "" || strings.HasPrefix(string(text), "!") {
		return "", nil
	}
	if _, ok := parsePHC(text); ok {
		return text, nil
	}
	if _, ok := parseForeign(text); !ok {
		return "", invalid("password", "invalid_input", "This password hash is of an unknown kind, malformed, or asks for too much work.")
	}
	return text, nil
}
