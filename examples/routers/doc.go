// Package routers mounts the API in chi, echo and gin, each as one function to
// copy from. They have in common:
//
//   - The API wants the whole path, as the client sent it. Where it is below a
//     prefix, httpapi.Config.BasePath says so; nothing strips it.
//   - Whatever is below the mounted paths is the API's, its 404 and 405 included,
//     and what is elsewhere is the router's.
//   - Every path exists with and without the slash at its end, so a router must
//     not redirect from one to the other: a browser would repeat a PATCH as a GET,
//     and GitHub follows no redirect of a webhook.
//   - The API bounds bodies (1 MiB) and time, ends panics and sets its headers by
//     itself. Middleware of the router that does the same does no harm as long as
//     its limit is not lower: then it answers in the router's words.
//   - Who is calling is httpapi.Config.Authenticator's business, not that of
//     middleware: the API takes nobody's word for it from a context.
//   - The address of the client is that of the connection, or what
//     httpapi.Config.TrustedProxies say. Middleware that writes a header of the
//     client into Request.RemoteAddr lets everybody choose an address, and so get
//     past the limits of logins.
//
// It is a module of its own, so that nobody else has these routers in theirs.
package routers
