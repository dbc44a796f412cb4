package cached_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/google/uuid"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/autonomy"
	"github.com/hedgerow-dev/hedgerow/integrations"
	"github.com/hedgerow-dev/hedgerow/users"
)

// shownOfAuth are the methods of auth.Tx whose changes a profile or a credential
// shows. Saved credentials may be new or others under another hash, with another
// user, or both.
func shownOfAuth() map[string]change[auth.Tx] {
	return map[string]change[auth.Tx]{
		"SaveSession": forUser(func(ctx context.Context, tx auth.Tx, r *rand.Rand, u users.User) error {
			return tx.SaveSession(ctx, auth.Session{ID: number(r), Hash: randomHash(r), UserID: u.ID, CreatedAt: moment(r), ExpiresAt: moment(r),
				LastActivity: moment(r), Method: "password"})
		}),
		"DeleteSession": func(ctx context.Context, tx auth.Tx, r *rand.Rand) error { return tx.DeleteSession(ctx, number(r)) },
		"DeleteSessions": forUser(func(ctx context.Context, tx auth.Tx, r *rand.Rand, u users.User) error {
			_, err := tx.DeleteSessions(ctx, u.ID, number(r))
			return err
		}),
		"SaveAPIKey": forUser(func(ctx context.Context, tx auth.Tx, r *rand.Rand, u users.User) error {
			return tx.SaveAPIKey(ctx, auth.APIKey{ID: keyID(r), UserID: u.ID, Hash: randomHash(r), Label: "Key", Scopes: []string{fmt.Sprint(r.IntN(100))},
				CreatedAt: moment(r)})
		}),
		"DeleteAPIKey": func(ctx context.Context, tx auth.Tx, r *rand.Rand) error { return tx.DeleteAPIKey(ctx, keyID(r)) },
		"SaveOAuthToken": forUser(func(ctx context.Context, tx auth.Tx, r *rand.Rand, u users.User) error {
			return tx.SaveOAuthToken(ctx, auth.OAuthToken{Hash: randomHash(r), UserID: u.ID, Application: "app", Scopes: fmt.Sprint(r.IntN(100)),
				CreatedAt: moment(r), ExpiresAt: moment(r)})
		}),
		"DeleteOAuthToken": func(ctx context.Context, tx auth.Tx, r *rand.Rand) error {
			return tx.DeleteOAuthToken(ctx, randomHash(r))
		},
		"DeleteExpired": func(ctx context.Context, tx auth.Tx, r *rand.Rand) error {
			_, err := tx.DeleteExpired(ctx, moment(r))
			return err
		},
	}
}

// unseenOfAuth are those whose changes show in none.
func unseenOfAuth() map[string]change[auth.Tx] {
	return map[string]change[auth.Tx]{
		"SaveTicket": forUser(func(ctx context.Context, tx auth.Tx, r *rand.Rand, u users.User) error {
			return tx.SaveTicket(ctx, auth.Ticket{Purpose: auth.PasswordResetLink, Hash: randomHash(r), UserID: u.ID, CreatedAt: moment(r), ExpiresAt: moment(r)})
		}),
		"DeleteTicket": func(ctx context.Context, tx auth.Tx, r *rand.Rand) error {
			return tx.DeleteTicket(ctx, auth.PasswordResetLink, randomHash(r))
		},
		"DeleteTickets": forUser(func(ctx context.Context, tx auth.Tx, r *rand.Rand, u users.User) error {
			return tx.DeleteTickets(ctx, u.ID, auth.PasswordResetLink)
		}),
		"SaveSecondFactor": forUser(func(ctx context.Context, tx auth.Tx, r *rand.Rand, u users.User) error {
			return tx.SaveSecondFactor(ctx, auth.SecondFactor{UserID: u.ID, Secret: []byte("sealed"), LastStep: 1, ConfirmedAt: moment(r)})
		}),
		"DeleteSecondFactor": forUser(func(ctx context.Context, tx auth.Tx, r *rand.Rand, u users.User) error {
			return tx.DeleteSecondFactor(ctx, u.ID)
		}),
		"SavePasskey": forUser(func(ctx context.Context, tx auth.Tx, r *rand.Rand, u users.User) error {
			id := number(r)
			return tx.SavePasskey(ctx, auth.Passkey{ID: id, UserID: u.ID, CredentialID: id[:], UserHandle: []byte("handle"), Data: []byte("data"),
				Verified: true, CreatedAt: moment(r)})
		}),
		"DeletePasskey": func(ctx context.Context, tx auth.Tx, r *rand.Rand) error { return tx.DeletePasskey(ctx, number(r)) },
		"SaveAttempts": func(ctx context.Context, tx auth.Tx, r *rand.Rand) error {
			return tx.SaveAttempts(ctx, keyID(r), []time.Time{moment(r)}, moment(r))
		},
	}
}

// unseenOfAutonomy and unseenOfIntegrations are all of theirs.
func unseenOfAutonomy() map[string]change[autonomy.Tx] {
	return map[string]change[autonomy.Tx]{
		"SaveAutonomyConfig": forUser(func(ctx context.Context, tx autonomy.Tx, r *rand.Rand, u users.User) error {
			return tx.SaveAutonomyConfig(ctx, autonomy.Config{ID: number(r), UserID: u.ID, CreatedAt: moment(r), UpdatedAt: moment(r)})
		}),
		"DeleteAutonomyConfig": forUser(func(ctx context.Context, tx autonomy.Tx, r *rand.Rand, u users.User) error {
			return tx.DeleteAutonomyConfig(ctx, u.ID)
		}),
	}
}

func unseenOfIntegrations() map[string]change[integrations.Tx] {
	return map[string]change[integrations.Tx]{
		"SaveInstallation": forUser(func(ctx context.Context, tx integrations.Tx, r *rand.Rand, u users.User) error {
			return tx.SaveInstallation(ctx, integrations.Installation{ID: number(r), UserID: u.ID, InstallationID: installation(r), CreatedAt: moment(r),
				UpdatedAt: moment(r)})
		}),
		"DeleteInstallation": func(ctx context.Context, tx integrations.Tx, r *rand.Rand) error {
			return tx.DeleteInstallation(ctx, number(r))
		},
		"SaveRepositories": func(ctx context.Context, tx integrations.Tx, r *rand.Rand) error {
			return tx.SaveRepositories(ctx, number(r), []integrations.Repository{{ID: 1, Name: "a", FullName: "o/a"}})
		},
		"SaveBranches": func(ctx context.Context, tx integrations.Tx, r *rand.Rand) error {
			return tx.SaveBranches(ctx, integrations.BranchList{LinkID: number(r), Repository: "o/a", Names: []string{"main"}, ExpiresAt: moment(r)})
		},
		"SaveTeamInstallation": forUser(func(ctx context.Context, tx integrations.Tx, r *rand.Rand, u users.User) error {
			team, err := someTeam(ctx, tx, r)
			if err != nil {
				return err
			}
			_, err = tx.SaveTeamInstallation(ctx, integrations.TeamInstallation{TeamID: team.ID, InstallationID: installation(r), CreatedBy: u.ID, CreatedAt: moment(r)})
			return err
		}),
		"DeleteTeamInstallation": func(ctx context.Context, tx integrations.Tx, r *rand.Rand) error {
			list, err := tx.TeamInstallations(ctx, integrations.TeamQuery{})
			if err != nil {
				return err
			}
			i, err := some(r, list)
			if err != nil {
				return err
			}
			return tx.DeleteTeamInstallation(ctx, i.ID)
		},
		"SaveLinkState": forUser(func(ctx context.Context, tx integrations.Tx, r *rand.Rand, u users.User) error {
			return tx.SaveLinkState(ctx, integrations.LinkState{Hash: integrations.StateHash(randomHash(r)), UserID: u.ID, Flow: integrations.FlowInstall, ExpiresAt: moment(r)})
		}),
		"DeleteLinkState": func(ctx context.Context, tx integrations.Tx, r *rand.Rand) error {
			return tx.DeleteLinkState(ctx, integrations.StateHash(randomHash(r)))
		},
		"SaveInstallRequest": forUser(func(ctx context.Context, tx integrations.Tx, r *rand.Rand, u users.User) error {
			return tx.SaveInstallRequest(ctx, integrations.InstallRequest{ID: number(r), UserID: u.ID, Status: integrations.Pending, RequestedAt: moment(r)})
		}),
		"DeleteInstallRequest": func(ctx context.Context, tx integrations.Tx, r *rand.Rand) error {
			return tx.DeleteInstallRequest(ctx, number(r))
		},
		"Claim": func(ctx context.Context, tx integrations.Tx, r *rand.Rand) error {
			_, err := tx.Claim(ctx, keyID(r), number(r), moment(r), moment(r))
			return err
		},
		"Unclaim": func(ctx context.Context, tx integrations.Tx, r *rand.Rand) error {
			return tx.Unclaim(ctx, keyID(r), uuid.Max)
		},
		"DeleteExpiredLinks": func(ctx context.Context, tx integrations.Tx, r *rand.Rand) error {
			_, err := tx.DeleteExpiredLinks(ctx, moment(r))
			return err
		},
	}
}
