package auth

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"
)

const (
	// maxOutbox is how many mails may wait, and maxSameMail how many of one kind for
	// one user. A mail server that stands still must not fill the memory, and nobody
	// may fill the queue with what others wait for.
	maxOutbox   = 1000
	maxSameMail = 20
	// sendTimeout is how long one mail may take.
	sendTimeout = 30 * time.Second
)

// outbox does what has to do with mail off the path of the request, in order: a
// request that sends a mail takes no longer than one that does not, so that time
// does not tell who has an account. Its goroutine ends when nothing is left.
type outbox struct {
	mu      sync.Mutex
	waiting []mailWork
	same    map[string]int // how many of a kind are in waiting
	working chan struct{}  // closed when the goroutine ends; nil without one
}

// mailWork is what waits. kind says of what and for whom.
type mailWork struct {
	kind string
	do   func(context.Context)
}

// add puts work into the queue and reports whether there was room.
func (o *outbox) add(work mailWork) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.waiting) >= maxOutbox || o.same[work.kind] >= maxSameMail {
		return false
	}
	if o.same == nil {
		o.same = map[string]int{}
	}
	o.same[work.kind]++
	o.waiting = append(o.waiting, work)
	if o.working == nil {
		o.working = make(chan struct{})
		go o.run(o.working)
	}
	return true
}

func (o *outbox) run(done chan struct{}) {
	defer close(done)
	for {
		o.mu.Lock()
		if len(o.waiting) == 0 {
			o.waiting, o.same, o.working = nil, nil, nil
			o.mu.Unlock()
			return
		}
		work := o.waiting[0]
		o.waiting = o.waiting[1:]
		if o.same[work.kind]--; o.same[work.kind] == 0 {
			delete(o.same, work.kind)
		}
		o.mu.Unlock()
		ctx, cancel := context.WithTimeout(context.Background(), sendTimeout)
		work.do(ctx)
		cancel()
	}
}

// idle is closed when the work that is there now is done.
func (o *outbox) idle() <-chan struct{} {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.working != nil {
		return o.working
	}
	done := make(chan struct{})
	close(done)
	return done
}

// later does work of a kind after the request, if mail is configured and the queue
// has room.
func (s *Service) later(ctx context.Context, kind string, work func(context.Context)) {
	if s.config.Mailer == nil {
		return
	}
	guarded := func(ctx context.Context) {
		defer func() {
			if v := recover(); v != nil { // no request is there to be failed by it
				s.config.Logger.ErrorContext(ctx, "panic in mail", slog.String("stack", string(debug.Stack())), slog.String("type", fmt.Sprintf("%T", v)))
			}
		}()
		work(ctx)
	}
	if !s.outbox.add(mailWork{kind, guarded}) {
		s.config.Logger.ErrorContext(ctx, "mail is dropped: too much of it is waiting", slog.String("kind", kind))
	}
}

// send delivers mails after the request, if mail is configured.
func (s *Service) send(ctx context.Context, messages ...Message) {
	for _, m := range messages {
		s.later(ctx, Kind(m)+":"+id(m.Recipient().User), func(ctx context.Context) { s.deliver(ctx, m) })
	}
}

func (s *Service) deliver(ctx context.Context, m Message) {
	if err := s.config.Mailer.Send(ctx, m); err != nil {
		s.config.Logger.ErrorContext(ctx, "send mail", slog.Any("error", err), slog.Int64("user", int64(m.Recipient().User)))
	}
}
