package auth

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/hedgerow-dev/hedgerow/users"
)

// linkLifetime is how long a link in a mail works (contract section 10.6).
const linkLifetime = 24 * time.Hour

// issueLink makes the token of a link for a user as it is now.
func (s *Service) issueLink(ctx context.Context, tx Tx, u users.User, purpose Purpose, token users.Secret) error {
	fingerprint, now := fingerprintOf(u), s.now()
	return tx.SaveTicket(ctx, Ticket{
		Purpose: purpose, Hash: hashOf(token), UserID: u.ID, Data: fingerprint[:], CreatedAt: now, ExpiresAt: now.Add(linkLifetime),
	})
}

// fingerprintOf is what a link is bound to besides its user: the addresses and
// whether they are proved, the last login, the password and the second factor.
// A change of any of them makes every link worthless that was sent before.
func fingerprintOf(u users.User) Hash {
	return sha256.Sum256(fmt.Appendf(nil, "%q %q %q %d %v %t %t", u.Email, u.PendingEmail, string(u.PasswordHash), u.LastLogin.UnixMicro(),
		u.IsEmailVerified, u.HasTOTP, u.PasskeysEnabledFor2FA.Value))
}

// linkUser returns the active user that a token was sent to, or ErrInvalidToken
// whatever is wrong with it. It looks at the token first, so that it takes the
// same steps whether or not there is such a user.
func (s *Service) linkUser(ctx context.Context, r Reader, purpose Purpose, user string, token users.Secret) (users.User, error) {
	ticket, err := r.Ticket(ctx, purpose, hashOf(token))
	if errors.Is(err, users.ErrNotFound) {
		return users.User{}, ErrInvalidToken
	} else if err != nil {
		return users.User{}, err
	}
	if !s.now().Before(ticket.ExpiresAt) {
		return users.User{}, ErrInvalidToken
	}
	u, err := r.User(ctx, ticket.UserID)
	if errors.Is(err, users.ErrNotFound) {
		return users.User{}, ErrInvalidToken
	} else if err != nil {
		return users.User{}, err
	}
	id, ok := users.ParseUUID(user)
	if fingerprint := fingerprintOf(u); !ok || id != u.UUID || !u.IsActive || string(ticket.Data) != string(fingerprint[:]) {
		return users.User{}, ErrInvalidToken
	}
	return u, nil
}

// dropLinks makes all links worthless that a user was sent.
func dropLinks(ctx context.Context, tx Tx, user users.ID) error {
	return tx.DeleteTickets(ctx, user, VerifyEmailLink, PasswordResetLink)
}

// linkTo appends user and token to the address of a page of the host.
func linkTo(page string, user uuid.UUID, token users.Secret) users.Secret {
	return users.Secret(strings.TrimSuffix(page, "/") + "/" + user.String() + "/" + string(token))
}

// checkLink checks the form of what a link hands over. Whatever cannot be a
// token or a user is ErrInvalidToken.
func checkLink(user, token users.Field[string]) error {
	switch {
	case !user.Set:
		return missing("uuid")
	case !token.Set || token.Null || token.Err == nil && token.Value == "":
		return missing("token")
	case user.Null || user.Err != nil || token.Err != nil:
		return ErrInvalidToken
	}
	return nil
}
