package httpapitest

import (
	"context"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/hedgerow-dev/hedgerow/autonomy"
	"github.com/hedgerow-dev/hedgerow/users"
)

// autonomySpec is what the package autonomy adds to a world: the record of a
// user, by the user's name.
type autonomySpec struct {
	Autonomy object[recordSpec] `json:"autonomy"`
}

type recordSpec struct {
	AutostartPriority *autonomy.Priority `json:"autostart_priority"`
}

func (f *fixture) loadAutonomy(ctx context.Context, s spec) error {
	return s.Autonomy.each("/autonomy", func(_ int, at jsontext.Pointer, name string, r recordSpec) error {
		u, err := find(at, f.ids.Users, name)
		if err != nil {
			return err
		}
		patch := autonomy.Patch{}
		if r.AutostartPriority != nil {
			patch.AutostartPriority = users.Set(*r.AutostartPriority)
		}
		_, err = f.api.Autonomy().Save(ctx, users.Actor{Credential: users.ByHost}, u.ID, patch)
		return refusedAt(at, err)
	})
}
