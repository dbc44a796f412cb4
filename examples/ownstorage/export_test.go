package ownstorage

import (
	"errors"
	"fmt"
	"reflect"
)

// rows are the tables of a state.
func (s *state) rows() []any {
	return []any{s.counters.rows, s.users.rows, s.organizations.rows, s.teams.rows, s.memberships.rows, s.invites.rows, s.identities.rows, s.scenes.rows,
		s.events, s.sessions.rows, s.keys.rows, s.tokens.rows, s.tickets.rows, s.factors.rows, s.passkeys.rows, s.attempts.rows, s.autonomy.rows,
		s.links.rows, s.repositories.rows, s.branches.rows, s.teamInstallations.rows, s.linkStates.rows, s.installRequests.rows, s.claims.rows}
}

// Rows is how many rows of what kinds a store has.
func Rows(s *Store) string { return fmt.Sprint(s.state.Load().rows()) }

// SameInFile reports whether the file, read anew, has what a store that is open
// has in memory.
func SameInFile(s *Store) error {
	now := s.state.Load()
	if now == nil {
		return nil
	}
	again, err := Open(s.file.Name())
	if err != nil {
		return err
	}
	for i, want := range now.rows() {
		if got := again.state.Load().rows()[i]; !reflect.DeepEqual(got, want) {
			return errors.Join(fmt.Errorf("the file has %#v, memory %#v", got, want), again.Close())
		}
	}
	return again.Close()
}
