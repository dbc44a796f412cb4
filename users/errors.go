package users

import (
	"fmt"
	"time"
)

// Kind says what sort of refusal an Error is. The zero Kind is not a refusal
// and never appears in an Error that this library returns.
type Kind int

// The kinds of refusal.
const (
	Invalid         Kind = iota + 1 // the input breaks a rule
	NotFound                        // the thing named does not exist
	Conflict                        // the change contradicts what is stored
	Denied                          // the caller may not do this
	Unauthenticated                 // the caller is not known
	Throttled                       // too often; RetryAfter says when to come back
	Unavailable                     // something needed does not answer at the moment
	Stale                           // the record changed since the caller read it
	Unfinished                      // right so far, and one more step is asked for
)

// Error is a refusal that the caller can act on. Code and Field are the wire's
// code and attr; Message is for people and may change.
type Error struct {
	Kind    Kind
	Code    string // "does_not_exist"
	Field   string // the member at fault; "" when it is none
	Message string
	// RetryAfter is how long to wait, for Throttled and Unavailable. Zero means
	// unknown.
	RetryAfter time.Duration
}

// The refusals that callers of this package may want to recognize with
// errors.Is.
var (
	ErrNotFound    = &Error{Kind: NotFound, Code: "not_found", Message: "Not found."}
	ErrEmailTaken  = &Error{Kind: Invalid, Code: "unique", Field: "email", Message: "There is already an account with this email address."}
	ErrConflict    = &Error{Kind: Conflict, Code: "conflict", Message: "The change contradicts what is stored."}
	ErrMember      = &Error{Kind: Conflict, Code: "conflict", Message: "The user is still a member of an organization."}
	ErrForbidden   = &Error{Kind: Denied, Code: "permission_denied", Message: "You do not have permission to perform this action."}
	ErrStale       = &Error{Kind: Stale, Code: "precondition_failed", Message: "The user has changed since it was read."}
	ErrUnavailable = &Error{Kind: Unavailable, Code: "unavailable", Message: "The service cannot answer at the moment."}
)

// Error returns the message with its code and field, without any secret.
func (e *Error) Error() string {
	if e.Field == "" {
		return fmt.Sprintf("%s (%s)", e.Message, e.Code)
	}
	return fmt.Sprintf("%s: %s (%s)", e.Field, e.Message, e.Code)
}

// Is matches a sentinel by Kind and Code, and by Field when the sentinel has
// one, so a wrapped or more detailed error still answers errors.Is.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Kind == e.Kind && t.Code == e.Code && (t.Field == "" || t.Field == e.Field)
}

// invalid makes an Invalid error for one field.
func invalid(field, code, message string) *Error {
	return &Error{Kind: Invalid, Code: code, Field: field, Message: message}
}
