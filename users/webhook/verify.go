package webhook

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/hedgerow-dev/hedgerow/users"
)

const (
	secretPrefix = "whsec_"
	// minSecret and maxSecret are bytes of a secret, of the specification.
	minSecret, maxSecret = 24, 64
	// tolerance is how far a timestamp may be from the clock of the receiver, as in
	// the libraries of the specification.
	tolerance = 5 * time.Minute
	// maxSignatures bounds the work for a header that an attacker wrote.
	maxSignatures = 10
)

// ErrSignature says that a delivery is not of the sender, or is too old.
var ErrSignature = errors.New("the signature of the webhook is not right")

// Verify checks a delivery for a receiver: body, as it came, before anything in
// it is believed. It returns ErrSignature, or an error that says which secret is
// none. Deliveries are at least once: whoever has had the Webhook-Id answers 2xx
// and does nothing. now is the time, such as time.Now().
func Verify(header http.Header, body []byte, secrets []users.Secret, now time.Time) error {
	keys, err := keysOf(secrets)
	if err != nil {
		return fmt.Errorf("verify webhook: %w", err)
	}
	id := header.Get(IDHeader)
	seconds, err := strconv.ParseInt(header.Get(TimestampHeader), 10, 64)
	if err != nil || id == "" {
		return ErrSignature
	}
	at := time.Unix(seconds, 0)
	if at.Before(now.Add(-tolerance)) || at.After(now.Add(tolerance)) {
		return ErrSignature
	}
	for n, given := range strings.Fields(header.Get(SignatureHeader)) {
		if n == maxSignatures {
			break
		}
		for _, key := range keys {
			if hmac.Equal([]byte(given), []byte(sign([][]byte{key}, id, at, body))) {
				return nil
			}
		}
	}
	return ErrSignature
}

// sign returns a signature by each key.
func sign(keys [][]byte, id string, at time.Time, body []byte) string {
	var all []string
	for _, key := range keys {
		h := hmac.New(sha256.New, key)
		fmt.Fprintf(h, "%s.%d.", id, at.Unix())
		h.Write(body)
		all = append(all, "v1,"+base64.StdEncoding.EncodeToString(h.Sum(nil)))
	}
	return strings.Join(all, " ")
}

func keysOf(secrets []users.Secret) (keys [][]byte, err error) {
	for n, secret := range secrets {
		encoded, ok := strings.CutPrefix(string(secret), secretPrefix)
		key, err := base64.StdEncoding.DecodeString(encoded)
		if !ok || err != nil || len(key) < minSecret || len(key) > maxSecret {
			return nil, fmt.Errorf("secret %d is not whsec_ and base64 of 24 to 64 bytes", n+1)
		}
		keys = append(keys, key)
	}
	if len(keys) == 0 {
		return nil, errors.New("a secret is required")
	}
	return keys, nil
}
