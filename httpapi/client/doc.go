// Package client calls the API over HTTP. Each operation of the OpenAPI document
// is a method of Client; the types of bodies and answers, and these methods, are
// made of the document.
//
// # Errors
//
// What the API refuses is an *Error, and in it the *users.Error that the services
// return in process, so that errors.Is(err, users.ErrNotFound) or errors.Is(err,
// auth.ErrThrottled) hold for both. A member that is wrong is in Field, and how
// long to wait in RetryAfter. A request that the API cannot read, which no service
// ever sees, is of the kind users.Invalid, with a code such as
// "request_too_large".
//
// # Retries
//
// What may be repeated is repeated a few times, with growing pauses or when
// Retry-After says: every request that was throttled (429), as nothing has been
// done; and reading (GET), if the server is not reached or answers 502, 503 or 504.
// Everything else may have been done although the answer was lost, and is left to
// the caller.
//
// # Absent, null and value
//
// Members that may be left out of a request are pointers, new("Ann"), and those
// that may be null besides are of package nullable.
package client
