package cached

import "github.com/hedgerow-dev/hedgerow/users"

// What an account takes in memory besides text that may be long, with its JSON
// and a few credentials, measured on 64-bit machines.
const (
	userBytes = 5 << 10
	rowBytes  = 1 << 10 // a membership, organization, team or scene
)

// sizeOf is about what a profile takes with everything that is kept beside it, in
// bytes. Long text counts three times: it may be in two forms too.
func sizeOf(p *users.Profile) int {
	u := &p.User
	text := len(u.NotificationSettings) + len(u.EventsColumnConfig) + len(u.HasSeenProductIntroFor) + len(u.HedgehogConfig)
	for i := range p.Organizations {
		o := &p.Organizations[i]
		text += len(o.AvailableProductFeatures) + len(o.Metadata)
		for _, domain := range o.SSOEnforcedDomains {
			text += len(domain)
		}
	}
	for i := range p.Teams {
		text += len(p.Teams[i].HasCompletedOnboardingFor)
	}
	rows := len(p.Memberships) + len(p.Organizations) + len(p.Teams) + len(p.Scenes)
	return userBytes + rows*rowBytes + 3*text
}
