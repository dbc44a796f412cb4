package postgres_test

import (
	"context"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/storage/postgres/postgrestest"
)

// TestOwnersAreLockedFirst has a transaction that starts from a secret meet one that
// starts from its owner. Neither may hold what the other one needs next.
func TestOwnersAreLockedFirst(t *testing.T) {
	t.Parallel()
	secret, credential := auth.Hash{1}, []byte{1}
	for what, c := range map[string]struct {
		save            func(ctx context.Context, tx auth.Tx, s auth.Session) error // what belongs to the user of s
		bySecret, byAll func(ctx context.Context, tx auth.Tx, s auth.Session) error
	}{
		"session": {
			func(ctx context.Context, tx auth.Tx, s auth.Session) error { return tx.SaveSession(ctx, s) },
			func(ctx context.Context, tx auth.Tx, s auth.Session) error {
				return last(tx.SessionByHash(ctx, secret))
			},
			func(ctx context.Context, tx auth.Tx, s auth.Session) error { return err(tx.Sessions(ctx, s.UserID)) },
		},
		"API key": {
			func(ctx context.Context, tx auth.Tx, s auth.Session) error {
				return tx.SaveAPIKey(ctx, auth.APIKey{ID: "k", UserID: s.UserID, Hash: secret})
			},
			func(ctx context.Context, tx auth.Tx, s auth.Session) error { return last(tx.APIKeyByHash(ctx, secret)) },
			func(ctx context.Context, tx auth.Tx, s auth.Session) error { return err(tx.APIKeys(ctx, s.UserID)) },
		},
		"API key that is deleted": {
			func(ctx context.Context, tx auth.Tx, s auth.Session) error {
				return tx.SaveAPIKey(ctx, auth.APIKey{ID: "k", UserID: s.UserID, Hash: secret})
			},
			func(ctx context.Context, tx auth.Tx, s auth.Session) error {
				if _, err := tx.APIKey(ctx, "k"); err != nil {
					return err
				}
				return tx.DeleteAPIKey(ctx, "k")
			},
			func(ctx context.Context, tx auth.Tx, s auth.Session) error { return err(tx.APIKeys(ctx, s.UserID)) },
		},
		"ticket": {
			func(ctx context.Context, tx auth.Tx, s auth.Session) error {
				return tx.SaveTicket(ctx, auth.Ticket{Purpose: auth.PendingLogin, Hash: secret, UserID: s.UserID})
			},
			func(ctx context.Context, tx auth.Tx, s auth.Session) error {
				return err(tx.Ticket(ctx, auth.PendingLogin, secret))
			},
			func(ctx context.Context, tx auth.Tx, s auth.Session) error {
				return err(tx.Tickets(ctx, s.UserID, auth.PendingLogin))
			},
		},
		"passkey": {
			func(ctx context.Context, tx auth.Tx, s auth.Session) error {
				return tx.SavePasskey(ctx, auth.Passkey{ID: uuid.New(), UserID: s.UserID, CredentialID: credential, UserHandle: []byte{}, Data: []byte{}})
			},
			func(ctx context.Context, tx auth.Tx, s auth.Session) error {
				return err(tx.PasskeyByCredential(ctx, credential))
			},
			func(ctx context.Context, tx auth.Tx, s auth.Session) error { return err(tx.Passkeys(ctx, s.UserID)) },
		},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			name := strings.ReplaceAll("order "+what, " ", "-")
			dsn := postgrestest.DSN(t)
			st := open(t, with(t, with(t, dsn, "deadlock_timeout", "10ms"), "application_name", name))
			s := auth.Session{ID: uuid.New(), Hash: secret, UserID: addUser(t, st, "ann@example.com").ID}
			if err := st.UpdateAuth(t.Context(), func(tx auth.Tx) error { return c.save(t.Context(), tx, s) }); err != nil {
				t.Fatal(err)
			}
			runs, ended := [2]int{}, make(chan error, 1)
			err := st.UpdateAuth(t.Context(), func(tx auth.Tx) error {
				runs[0]++
				if _, err := tx.User(t.Context(), s.UserID); err != nil {
					return err
				}
				if runs[0] == 1 {
					go func() {
						ended <- st.UpdateAuth(t.Context(), func(tx auth.Tx) error {
							runs[1]++
							return c.bySecret(t.Context(), tx, s)
						})
					}()
					waits(t, dsn, name)
				}
				return c.byAll(t.Context(), tx, s)
			})
			if err != nil {
				t.Error(err)
			}
			if err := <-ended; err != nil {
				t.Error(err)
			}
			if runs != [2]int{1, 1} {
				t.Errorf("the two transactions ran %v times, want once each", runs)
			}
		})
	}
}

func last[A, B any](_ A, _ B, err error) error { return err }

func err[A any](_ A, err error) error { return err }

// waits returns when a transaction of an application waits for a lock.
func waits(t *testing.T, dsn, application string) {
	t.Helper()
	postgrestest.Execute(t, with(t, dsn, "statement_timeout", "20s"), `do $$ begin
		while not exists (select 1 from pg_stat_activity where application_name = '`+application+`' and wait_event_type = 'Lock') loop
			perform pg_sleep(0.001);
			perform pg_stat_clear_snapshot();
		end loop;
	end $$`)
}
