package httpapitest

import (
	"context"
	"slices"
	"sync"

	"github.com/hedgerow-dev/hedgerow/auth"
)

// Mailbox captures mail in place of sending it: an auth.Mailer. The zero
// Mailbox is empty and ready. It is safe for concurrent use.
type Mailbox struct {
	mu   sync.Mutex
	mail []auth.Message
}

// Send keeps the message.
func (b *Mailbox) Send(_ context.Context, m auth.Message) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.mail = append(b.mail, m)
	return nil
}

// Messages returns what was captured, oldest first. The slice is the caller's.
func (b *Mailbox) Messages() []auth.Message {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.mail)
}

// Clear forgets all captured mail.
func (b *Mailbox) Clear() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.mail = nil
}

// describe returns the members that the JSON form of a captured mail has besides
// to, user and kind.
func describe(m auth.Message) map[string]any {
	switch m := m.(type) {
	case auth.EmailVerification:
		return map[string]any{"token": string(m.Token)}
	case auth.PasswordReset:
		return map[string]any{"token": string(m.Token)}
	case auth.EmailChanged:
		return map[string]any{"old": m.Old, "new": m.New}
	case auth.EmailChangeRequested:
		return map[string]any{"new": m.New}
	}
	return map[string]any{}
}
