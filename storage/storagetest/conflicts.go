package storagetest

import (
	"testing"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/autonomy"
	"github.com/hedgerow-dev/hedgerow/integrations"
	"github.com/hedgerow-dev/hedgerow/storage"
	"github.com/hedgerow-dev/hedgerow/users"
)

func conflictTests() []test {
	return []test{{"come before a missing owner", testConflictFirst}}
}

// testConflictFirst saves what conflicts with a record of ann, for nobody.
func testConflictFirst(t *testing.T, st storage.Storage) {
	ann := addUser(t, st, "ann@example.com")
	nobody := users.User{ID: ann.ID + 99}
	team := addTeam(t, st, addOrganization(t, st, number(1)))
	identity := users.Identity{UserID: ann.ID, Provider: "github", Subject: "1"}
	shared := integrations.TeamInstallation{TeamID: team.ID, InstallationID: "1"}
	put(t, st, auth.Tx.SaveIdentity, identity)
	put(t, st, auth.Tx.SaveSession, newSession(ann, number(1), "a"))
	put(t, st, auth.Tx.SaveAPIKey, newKey(ann, "a"))
	put(t, st, auth.Tx.SavePasskey, newPasskey(ann, number(1), "a"))
	put(t, st, autonomy.Tx.SaveAutonomyConfig, newConfig(ann, number(1)))
	put(t, st, integrations.Tx.SaveLinkState, newState(ann, "a"))
	saveTeamInstallation(t, st, shared)

	identity.UserID, shared.CreatedBy = nobody.ID, nobody.ID
	stolen := newKey(nobody, "b")
	stolen.Hash = newKey(ann, "a").Hash
	for name, err := range map[string]error{
		"SaveIdentity":         try(t, st, auth.Tx.SaveIdentity, identity),
		"SaveSession":          try(t, st, auth.Tx.SaveSession, newSession(nobody, number(2), "a")),
		"SaveAPIKey":           try(t, st, auth.Tx.SaveAPIKey, stolen),
		"SavePasskey":          try(t, st, auth.Tx.SavePasskey, newPasskey(nobody, number(2), "a")),
		"SaveAutonomyConfig":   try(t, st, autonomy.Tx.SaveAutonomyConfig, newConfig(nobody, number(1))),
		"SaveLinkState":        try(t, st, integrations.Tx.SaveLinkState, newState(nobody, "a")),
		"SaveTeamInstallation": try(t, st, replaceTeamInstallation, shared),
	} {
		refused(t, name+" of nobody", err, users.ErrConflict)
	}
}
