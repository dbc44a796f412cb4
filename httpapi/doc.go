// Package httpapi serves the documented users API over HTTP. New returns an
// http.Handler that a host mounts wherever it likes; the services behind it are
// available from Go as well.
//
// The server around it should set ReadHeaderTimeout to at most 10 seconds, and
// ReadTimeout and WriteTimeout to at most 30.
package httpapi
