package autonomy

import "github.com/hedgerow-dev/hedgerow/users"

// priorityField is the member of the wire that carries AutostartPriority.
const priorityField = "autostart_priority"

// The refusals that callers of this package may want to recognize with
// errors.Is.
var (
	// ErrNoConfig says that the user has no Config. Its code tells it from
	// users.ErrNotFound, which says that there is no such user.
	ErrNoConfig = &users.Error{Kind: users.NotFound, Code: "no_config", Message: "There is no autonomy configuration."}
	ErrPriority = &users.Error{Kind: users.Invalid, Code: "invalid_choice", Field: priorityField, Message: "This is not a valid choice."}
)
