// Package githubtest is a small GitHub for tests: the pages, OAuth and REST
// routes that a GitHub App for personal installations needs, in memory.
//
// It keeps state (an App, users, installations with repositories, codes and
// tokens), reads the clock it is given, and refuses what GitHub refuses: a wrong
// signature, a spent code, a redirect address or verifier that does not match, a
// request without User-Agent, a path that does not exist. Faults make any route
// slow, broken or rate-limited for a number of calls. It remembers every request.
//
// A Server is an [net/http.Handler] that stands for both hosts of GitHub; give
// its address to the client under test as API and web address.
package githubtest
