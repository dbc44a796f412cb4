package users

import (
	"encoding/binary"
	"fmt"
	"io"
	"math/big"
	"time"

	"github.com/google/uuid"
)

// NewUUID makes a version 7 UUID (RFC 9562 §5.7) from a clock reading and a
// source of randomness. The uuid package would read the system clock.
func NewUUID(now time.Time, random io.Reader) (uuid.UUID, error) {
	var id uuid.UUID
	if _, err := io.ReadFull(random, id[6:]); err != nil {
		return uuid.Nil, fmt.Errorf("read randomness: %w", err)
	}
	var ms [8]byte
	binary.BigEndian.PutUint64(ms[:], uint64(now.UnixMilli()))
	copy(id[:6], ms[2:])
	id[6] = id[6]&0x0f | 0x70
	id[8] = id[8]&0x3f | 0x80
	return id, nil
}

// RandomText reads n bytes of randomness and writes them as a base-62 number:
// digits, lower case, upper case; most significant first; no padding.
func RandomText(random io.Reader, n int) (string, error) {
	b := make([]byte, n)
	if _, err := io.ReadFull(random, b); err != nil {
		return "", fmt.Errorf("read randomness: %w", err)
	}
	return new(big.Int).SetBytes(b).Text(62), nil
}
