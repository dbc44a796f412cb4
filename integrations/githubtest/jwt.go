package githubtest

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"time"
)

// maxJWT is how far ahead the expiry of an App's JWT may lie.
const maxJWT = 10 * time.Minute

// checkJWT verifies an App's JWT: RS256, the right issuer, made in the past, and
// good for at most ten more minutes.
func checkJWT(token string, key *rsa.PublicKey, issuer string, now time.Time) error {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return errors.New("a JSON web token could not be decoded")
	}
	var header struct{ Alg string }
	if err := decodePart(parts[0], &header); err != nil || header.Alg != "RS256" {
		return errors.New("'Algorithm' must be 'RS256'")
	}
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil {
		return errors.New("a JSON web token could not be decoded")
	}
	digest := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	if err := rsa.VerifyPKCS1v15(key, crypto.SHA256, digest[:], signature); err != nil {
		return errors.New("a JSON web token could not be decoded")
	}
	var claims struct {
		Iss      string
		Iat, Exp int64
	}
	if err := decodePart(parts[1], &claims); err != nil {
		return errors.New("a JSON web token could not be decoded")
	}
	switch {
	case claims.Iss != issuer:
		return errors.New("'Issuer' claim ('iss') must be the client id of the App")
	case claims.Iat == 0 || claims.Iat > now.Unix():
		return errors.New("'Issued at' claim ('iat') must be an Integer representing a time in the past")
	case claims.Exp <= now.Unix():
		return errors.New("'Expiration time' claim ('exp') must be a numeric value representing the future time")
	case claims.Exp > now.Add(maxJWT).Unix():
		return errors.New("'Expiration time' claim ('exp') is too far in the future")
	}
	return nil
}

func decodePart(part string, into any) error {
	raw, err := base64.RawURLEncoding.DecodeString(part)
	if err != nil {
		return err
	}
	return json.Unmarshal(raw, into)
}
