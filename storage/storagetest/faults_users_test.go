package storagetest_test

import (
	"context"
	"errors"

	"github.com/google/uuid"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/users"
)

func userFaults() []fault {
	return []fault{
		{"forgets a current organization that does not exist", "users/current_organization_and_team_exist", onTx(func(tx auth.Tx) auth.Tx { return lenientCurrent{tx} })},
	}
}

type lenientCurrent struct{ auth.Tx }

func (t lenientCurrent) CreateUser(ctx context.Context, u users.User) (users.User, error) {
	created, err := t.Tx.CreateUser(ctx, u)
	if errors.Is(err, users.ErrNotFound) {
		u.CurrentOrganization, u.CurrentTeam = uuid.Nil, 0
		return t.Tx.CreateUser(ctx, u)
	}
	return created, err
}
