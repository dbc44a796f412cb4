package integrations_test

import (
	"bytes"
	"context"
	"fmt"
	"log"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/integrations"
	"github.com/hedgerow-dev/hedgerow/storage/memory"
	"github.com/hedgerow-dev/hedgerow/users"
)

// A host keeps the installations of its teams; a user's own are linked through
// GitHub, by Start and Complete.
func Example() {
	ctx, store := context.Background(), memory.New()
	accounts := users.NewService(store, users.Config{})
	sealer, err := auth.NewSealer(bytes.Repeat([]byte{1}, auth.EncryptionKeyBytes))
	if err != nil {
		log.Fatal(err)
	}
	service, err := integrations.NewService(store, accounts, sealer, integrations.Config{})
	if err != nil {
		log.Fatal(err)
	}
	o := users.NewOrganization()
	o.Name = "Acme"
	if o, err = accounts.SaveOrganization(ctx, o); err != nil {
		log.Fatal(err)
	}
	team, err := accounts.SaveTeam(ctx, users.Team{OrganizationID: o.ID, Name: "Web"})
	if err != nil {
		log.Fatal(err)
	}
	i, err := service.SaveTeamInstallation(ctx, integrations.TeamInstallation{TeamID: team.ID, InstallationID: "12345"})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(i.ID, i.InstallationID)
	_, err = service.SaveTeamInstallation(ctx, integrations.TeamInstallation{TeamID: team.ID, InstallationID: "acme"})
	fmt.Println(err)
	// Output:
	// 1 12345
	// installation_id: This is not the id of an installation. (invalid_input)
}
