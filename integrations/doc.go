// Package integrations holds what users link elsewhere: their installations of
// a GitHub App.
//
// A user links an installation by going through GitHub: Service.Start gives the
// page to send the browser to, and Service.Complete takes what it comes back
// with. The link, an Installation, holds tokens that only a Sealer can read, and
// a snapshot of the repositories. Tokens are renewed at half of their life and
// snapshots after an hour, each once however many ask for it, in this process or
// another on the same store. When GitHub fails, what is stored is shown; nothing
// is ever deleted but on GitHub's final word about that very token or
// installation.
//
// Rules live in Service. A Provider makes the remote calls, never inside a
// transaction; package github has the one for GitHub. A Store only keeps
// records.
package integrations
