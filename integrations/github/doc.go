// Package github is the GitHub behind [integrations.Provider]: a client for the
// pages, OAuth and REST routes that a GitHub App for personal installations
// needs, on github.com or an Enterprise server.
//
// Every answer is untrusted input. A call lasts at most Config.Timeout, a body
// has at most 5 MiB after unpacking, a list at most 100 pages; redirects and links
// are followed on the configured hosts only, and credentials go nowhere else.
// Failures are [integrations.Failure] values without any secret.
package github
