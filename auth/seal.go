package auth

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
)

// EncryptionKeyBytes is the length of an encryption key: AES-256.
const EncryptionKeyBytes = 32

const (
	sealVersion = 1
	keyIDBytes  = 4
	sealHeader  = 1 + keyIDBytes
)

// ErrUnsealed is the one error of Sealer.Open: the text is too short, of an
// unknown key, changed, or sealed for another place.
var ErrUnsealed = errors.New("sealed text cannot be opened")

// Sealer encrypts secrets that must be read back, before a store sees them:
// AES-256-GCM with a random nonce, the id of the key in front, bound to the
// place that the secret is kept in. It is safe for concurrent use. A key must be
// replaced before it has sealed 2^32 secrets (NIST SP 800-38D §8.3).
type Sealer struct {
	primary keyID
	keys    map[keyID]cipher.AEAD
}

type keyID [keyIDBytes]byte

// NewSealer returns a Sealer that seals by the first key and opens by any. Keys
// are EncryptionKeyBytes random bytes each; to replace one, put the new key in
// front and drop the old one when nothing is sealed by it any more.
func NewSealer(keys ...[]byte) (*Sealer, error) {
	if len(keys) == 0 {
		return nil, errors.New("an encryption key is needed")
	}
	s := &Sealer{keys: map[keyID]cipher.AEAD{}}
	for n, key := range keys {
		if len(key) != EncryptionKeyBytes {
			return nil, fmt.Errorf("encryption key %d has %d bytes, want %d", n+1, len(key), EncryptionKeyBytes)
		}
		id := idOf(key)
		if _, ok := s.keys[id]; ok {
			return nil, fmt.Errorf("encryption key %d is there twice", n+1)
		}
		block, err := aes.NewCipher(key)
		if err != nil {
			return nil, fmt.Errorf("encryption key %d: %w", n+1, err)
		}
		if s.keys[id], err = cipher.NewGCMWithRandomNonce(block); err != nil {
			return nil, fmt.Errorf("encryption key %d: %w", n+1, err)
		}
		if n == 0 {
			s.primary = id
		}
	}
	return s, nil
}

// idOf names a key without telling anything about it.
func idOf(key []byte) (id keyID) {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte("key id"))
	copy(id[:], mac.Sum(nil))
	return id
}

// Seal encrypts plain for a place, such as "totp/7/secret": table, row and
// field. What was sealed for one place opens in no other.
func (s *Sealer) Seal(plain []byte, place string) []byte {
	header := append([]byte{sealVersion}, s.primary[:]...)
	return s.keys[s.primary].Seal(header, nil, plain, additional(header, place))
}

// Open decrypts what was sealed for the place. stale says that another key than
// the first did it, so that the caller should seal and store it again. The error
// is ErrUnsealed.
func (s *Sealer) Open(sealed []byte, place string) (plain []byte, stale bool, err error) {
	if len(sealed) < sealHeader || sealed[0] != sealVersion {
		return nil, false, ErrUnsealed
	}
	id := keyID(sealed[1:sealHeader])
	aead, ok := s.keys[id]
	if !ok {
		return nil, false, ErrUnsealed
	}
	plain, err = aead.Open(nil, nil, sealed[sealHeader:], additional(sealed[:sealHeader], place))
	if err != nil {
		return nil, false, ErrUnsealed
	}
	return plain, id != s.primary, nil
}

// additional is what is authenticated besides the ciphertext. The header has a
// fixed length, so no two pairs run together.
func additional(header []byte, place string) []byte {
	return append(append(make([]byte, 0, len(header)+len(place)), header...), place...)
}
