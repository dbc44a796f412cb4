package mail

import (
	"context"
	"log/slog"

	"github.com/hedgerow-dev/hedgerow/auth"
)

// Log writes mail to a log in place of sending it. It is FOR DEVELOPMENT ONLY:
// the log holds links that sign their reader in or set a password, so that
// whoever reads it takes over any account. It is safe for concurrent use.
type Log struct{ logger *slog.Logger }

// NewLog returns a Log on logger, which must not be nil.
func NewLog(logger *slog.Logger) *Log { return &Log{logger: logger} }

// Send logs the kind of m, the user it is for and the link in it, if there is
// one. It never fails.
func (l *Log) Send(ctx context.Context, m auth.Message) error {
	attrs := []slog.Attr{slog.String("kind", auth.Kind(m)), slog.Int64("user", int64(m.Recipient().User))}
	switch m := m.(type) {
	case auth.EmailVerification:
		attrs = append(attrs, slog.String("link", reveal(m.Link)))
	case auth.PasswordReset:
		attrs = append(attrs, slog.String("link", reveal(m.Link)))
	}
	l.logger.LogAttrs(ctx, slog.LevelWarn, "mail is logged, not sent: for development only", attrs...)
	return nil
}
