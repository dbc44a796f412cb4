package httpapitest

import (
	"context"
	"fmt"
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

// Send keeps the message. One that the stand-in could not show is refused.
func (b *Mailbox) Send(_ context.Context, m auth.Message) error {
	if kind, _ := describe(m); kind == "" {
		return fmt.Errorf("mailbox: %T has no kind", m)
	}
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

// describe returns the kind of a message in the JSON form of captured mail, and
// its members besides to, user and kind. The kind is "" if there is none.
func describe(m auth.Message) (kind string, more map[string]any) {
	switch m.(type) {
	case auth.PasswordChanged:
		return "password_changed", nil
	}
	return "", nil
}
